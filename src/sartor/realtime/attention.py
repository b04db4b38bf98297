"""How much attention items have had: what exploration gives to those that have had little.

Source: the guide's "Recording impressions data": the more an item was shown without an interaction, the less it is
explored. Amazon takes new interactions and impressions up every two hours; here it is every ten minutes.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from sartor.data.dataset import DatasetRecords
from sartor.models.base import Int64
from sartor.realtime.catalogue import Catalogue
from sartor.realtime.watch import Watch, all_records

#: How often newer interactions are counted, in seconds.
LOOK_SECONDS: Final = 600.0
#: So many answers are remembered, the newest ones.
_ANSWERS: Final = 50_000
#: An event brings so many impressions ("PutEvents").
IMPRESSIONS: Final = 25


class Attention:
    """The attention that the items of one solution version have had; safe to share between threads.

    Args:
        counts: int64[items], the interactions that the training saw.
        items: the rows of the version's items, or of its actions.
        find_records: gives the interactions' records as they are now; ``None`` if their dataset is gone.

    Attributes:
        counts: int64[<= rows], interactions and impressions in vain of each item; newer items have had none.
        changes: how often it changed.
    """

    def __init__(
        self, counts: Int64, items: Catalogue, find_records: Callable[[], DatasetRecords | None]
    ) -> None:
        self.counts = counts
        self.changes = 0
        self._items = items
        self._watch = Watch(LOOK_SECONDS, find_records, all_records, self._count)

    def look(self) -> None:
        """Count anew if there are newer interactions."""
        self._watch.look()

    def _count(self, records: DatasetRecords, _state: tuple[int, int]) -> None:
        of_actions = records.schema.dataset_type == "ACTION_INTERACTIONS"
        interactions = f'SELECT "{"ACTION_ID" if of_actions else "ITEM_ID"}" AS i, true AS own FROM data'
        impressions = """
            SELECT i, false AS own FROM (SELECT unnest(string_split("IMPRESSION", '|')) AS i, "ITEM_ID" FROM data)
            WHERE i IS DISTINCT FROM "ITEM_ID"
            """
        columns = {one.name for one in records.schema.fields}
        has_impressions = "IMPRESSION" in columns and not of_actions  # those with actions are not used
        seen = f"{interactions} UNION ALL {impressions}" if has_impressions else interactions
        with records.open("ALL") as connection:
            rows = connection.execute(f"SELECT i, count(*), bool_or(own) FROM ({seen}) GROUP BY i").fetchall()
        # an event may name an item that nobody described; such an action is not recommended
        if not of_actions:
            self._items.add(name for name, _, own in rows if own)
        counts = np.zeros(len(self._items), np.int64)
        for name, count, _ in rows:
            row = self._items.find(name)
            if row is not None and row < len(counts):
                counts[row] = count
        self.counts = counts
        self.changes += 1


class Answers:
    """What was recommended lately, by the id of the answer; an event may name it instead of its items.

    Of this process alone: an event that comes to another one brings no impressions.
    """

    def __init__(self) -> None:
        self._items: OrderedDict[str, Sequence[str]] = OrderedDict()
        self._lock = threading.Lock()

    def remember(self, recommendation_id: str, items: Sequence[str]) -> None:
        """Keep the first ``IMPRESSIONS`` items of an answer for a while."""
        shown = items[:IMPRESSIONS]
        with self._lock:
            self._items[recommendation_id] = shown
            if len(self._items) > _ANSWERS:
                self._items.popitem(last=False)

    def of(self, recommendation_id: str) -> Sequence[str]:
        """Return the items of an answer; none if it is not remembered."""
        return self._items.get(recommendation_id, ())
