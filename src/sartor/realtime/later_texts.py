"""What items say that came or changed after a training on texts, for solutions with ``performIncrementalUpdate``.

Source: the guide's "Semantic-Similarity recipe": Amazon takes them up within about 30 minutes, without computing
popularity and freshness anew. Here it takes seconds.
"""

from collections.abc import Callable
from dataclasses import fields
from typing import Final

import numpy as np

from sartor.data import texts
from sartor.data.dataset import DatasetRecords
from sartor.data.training import Selection, text_columns
from sartor.models.base import Texts
from sartor.models.semantic import SemanticModel
from sartor.realtime.catalogue import Catalogue
from sartor.realtime.watch import Watch, all_records

#: How often the Items dataset is looked at, in seconds.
LOOK_SECONDS: Final = 5.0
#: Of the time, at most so much is spent on it: a look at millions of items takes seconds.
_MOST_SHARE: Final = 0.1


class LaterTexts:
    """The model of one version with what came after it; safe to share between threads.

    Args:
        trained: the model as it was trained.
        state: which records of items the training saw: the version of imports, and the number of the newest put one.
        items: the rows of the version's items.
        selection: which columns count.
        find_records: gives the Items dataset's records as they are now; ``None`` if it is gone.

    Attributes:
        model: that knows what is there now.
        changes: how often it changed.
    """

    def __init__(
        self,
        trained: SemanticModel,
        state: tuple[int, int],
        items: Catalogue,
        selection: Selection,
        find_records: Callable[[], DatasetRecords | None],
    ) -> None:
        self.model = trained
        self.changes = 0
        self._trained, self._items, self._selection = trained, items, selection
        self._watch = Watch(LOOK_SECONDS, find_records, all_records, self._take_up, state, _MOST_SHARE)

    def look(self) -> None:
        """Take up what is new, if there is any."""
        self._watch.look()

    def _take_up(self, records: DatasetRecords, _state: tuple[int, int]) -> None:
        columns = text_columns(records.schema, self._selection)
        with records.connection() as connection, records.shown(connection, "ALL", "items"):
            names, digests = texts.digests(connection, columns)
            self._items.add(names)
            rows = np.array([self._items.find(name) for name in names], np.int64)
            known = rows < self._trained.n_items
            changed = ~known
            changed[known] = self._trained.digests[rows[known]] != digests[known]
            places = np.flatnonzero(changed)
            places = places[np.argsort(rows[places])]
            connection.execute(
                "CREATE OR REPLACE TEMP TABLE item_number AS SELECT unnest(?) AS i, unnest(?) AS n",
                [[names[at] for at in places], list(range(len(places)))],
            )
            said = texts.read(connection, records.schema, columns, len(places))
        found = Texts(**{one.name: getattr(said, one.name) for one in fields(said)})
        self.model = self._trained.extended(len(self._items), rows[places].astype(np.int32), found)
        self.changes += 1
