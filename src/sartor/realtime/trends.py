"""What is trending now: recomputed from the newest interactions, bulk and put, with nothing trained again.

Source: the guide's page "Trending-Now recipe": the list is refreshed as often as the recipe's interval says, and
at least every two hours, new items among it; here it follows within seconds.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from sartor import clock
from sartor.data.dataset import DatasetRecords
from sartor.models import trending
from sartor.models.base import Int64
from sartor.realtime.artifact import Artifact
from sartor.realtime.catalogue import Catalogue
from sartor.realtime.scoring import Scores
from sartor.realtime.watch import Watch, all_records

#: How often the newest interactions are looked at, in seconds.
LOOK_SECONDS: Final = 5.0
#: While a window passes, the list is made anew so often although nothing new came.
_STEPS_A_WINDOW: Final = 24


class Trends:
    """The trends of one artifact's items, and of those that came after it; safe to share between threads.

    Args:
        artifact: of a model that compares windows.
        items: the rows of its items, newer ones at the end.
        find_records: gives the Interactions dataset's records as they are now; ``None`` if it is gone.
        clock: gives epoch seconds.

    Attributes:
        scores: of all items, now.
        changes: how often they changed.
    """

    def __init__(
        self,
        artifact: Artifact,
        items: Catalogue,
        find_records: Callable[[], DatasetRecords | None],
        clock: Callable[[], float] = clock.now,
    ) -> None:
        self._clock = clock
        self._items = items
        assert artifact.model.window_seconds is not None
        self._window_seconds = artifact.model.window_seconds
        self._trained_items, self._trained_times = artifact.item, artifact.time
        self._trained_until = int(artifact.time.max()) if len(artifact.time) else 0
        self._moves = True
        self._watch = Watch(LOOK_SECONDS, find_records, self._state, self._compute)
        values = artifact.model.arrays()["scores"]
        self.scores = Scores(None, np.asarray(values, np.float32), logits=True)
        self.changes = 0

    def look(self) -> None:
        """Compute the trends anew if there are newer interactions."""
        self._watch.look()

    def _state(self, records: DatasetRecords) -> tuple[int, int, int]:
        """Return what changes with the records, and with the time: windows that end now move on by themselves."""
        step = int(self._clock() / self._window_seconds * _STEPS_A_WINDOW) if self._moves else 0
        return (*all_records(records), step)

    def _compute(self, records: DatasetRecords, _state: tuple[int, int, int]) -> None:
        """Count the interactions of the last two windows, back from now or from the newest record."""
        clock = self._clock()
        with records.open("ALL") as connection:
            ((newest,),) = connection.execute(
                'SELECT max("TIMESTAMP") FROM data WHERE "TIMESTAMP" <= ?', [clock + trending.AHEAD_SECONDS]
            ).fetchall()
            now = trending.present(int(clock) if newest is None else newest, clock)
            self._moves = now >= int(clock)
            since = min(now - 2 * self._window_seconds, self._trained_until)
            rows = connection.execute(
                'SELECT "ITEM_ID" AS i, "TIMESTAMP" AS t FROM data WHERE t > ? AND t <= ?', [since, now]
            ).fetchnumpy()
        names, place = np.unique(rows["i"].astype(object), return_inverse=True)
        self._items.add(names.tolist())
        found = np.array([self._items.find(name) for name in names.tolist()], np.int32)[place]
        n_items = len(self._items)
        values = trending.scores(
            found,
            np.asarray(rows["t"], np.int64),
            n_items,
            self._window_seconds,
            now,
            self._trained_upto(since, n_items),
        )
        self.scores = Scores(None, values, logits=True)
        self.changes += 1

    def _trained_upto(self, moment: int, n_items: int) -> Int64:
        """Return int64[items]: how many interactions up to a moment the training saw of each."""
        items = self._trained_items[self._trained_times <= moment]
        return np.bincount(items, minlength=n_items).astype(np.int64)
