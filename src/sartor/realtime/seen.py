"""What users interacted with, as filters see it: every event type, imports that came after the training too.

Items or actions. Source: the guide's "Filtering recommendations and user segments": up to 100 of a user's newest
interactions of each event type, 300 with actions; imports are taken up within 20 minutes, here within seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sartor.data import training
from sartor.data.actions import ActionRows
from sartor.data.dataset import DatasetRecords
from sartor.data.dataset_types import ACTION_EVENT_TYPES
from sartor.data.ids import Ids
from sartor.data.training import Selection
from sartor.filters.history import folded
from sartor.models.base import Int32, Int64
from sartor.realtime.artifact import Artifact
from sartor.realtime.watch import Watch, imported

#: How often the dataset's table is looked at for imports, in seconds.
LOOK_SECONDS: Final = 5.0
#: What filters call the dataset of each type of interactions.
_FOLDED_AS: Final = {"INTERACTIONS": "Interactions", "ACTION_INTERACTIONS": "Action_Interactions"}


@dataclass(frozen=True)
class Seen:
    """Interactions by user, each user's oldest first.

    Attributes:
        users: whose interactions are here.
        items: their items, or actions, by number.
        offsets: int64[users + 1], where each user's begin.
        item: int32[m].
        type: int16[m], a number into ``types``.
        time: int64[m], epoch seconds.
        types: event types, in the form in which they are compared.
        bulk_version: of the table of imports that they are from.
        put_number: of the newest put record among them.
    """

    users: Ids
    items: Ids
    offsets: Int64
    item: Int32
    type: NDArray[np.int16]
    time: Int64
    types: tuple[str, ...]
    bulk_version: int
    put_number: int

    def of(self, user: str) -> list[tuple[int, str, str]]:
        """Return the time, the event type and the item of each of a user's interactions, oldest first."""
        number = self.users.find(user)
        if number is None:
            return []
        begin, end = self.offsets[number : number + 2].tolist()
        return [
            (at, self.types[kind], self.items.name(item))
            for at, kind, item in zip(
                self.time[begin:end].tolist(),
                self.type[begin:end].tolist(),
                self.item[begin:end].tolist(),
                strict=True,
            )
        ]


def newest_of_types(
    seen: Seen, users: NDArray[np.uint64], most: int
) -> tuple[Int64, Int32, NDArray[np.int16]]:
    """Return what some users interacted with: the place of the user, the item and the type, three arrays of one length.

    Args:
        seen: what there is.
        users: uint64[users], the codes of their ids; nothing is known of some.
        most: of each user and event type so many interactions count, the newest ones.
    """
    numbers = seen.users.find_codes(users)
    known = np.flatnonzero(numbers >= 0)
    begins = seen.offsets[numbers[known]]
    lengths = seen.offsets[numbers[known] + 1] - begins
    who = np.repeat(known, lengths)
    at = np.arange(len(who)) + np.repeat(begins - (np.cumsum(lengths) - lengths), lengths)
    if lengths.max(initial=0) > most:
        kinds, times = seen.type[at], seen.time[at]
        order = np.lexsort((at, -times, kinds, who))
        first = np.flatnonzero(
            (np.diff(who[order], prepend=-1) != 0) | (np.diff(kinds[order], prepend=-1) != 0)
        )
        rank = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order))))
        kept = np.sort(order[rank < most])
        who, at = who[kept], at[kept]
    return who, seen.item[at], seen.type[at]


def of_artifact(artifact: Artifact) -> Seen:
    """Return what users had done with items when an artifact's model was trained."""
    state = artifact.provenance["tables"]["INTERACTIONS"]
    return Seen(
        artifact.users,
        artifact.items,
        artifact.seen_offsets,
        artifact.seen_item,
        artifact.seen_type,
        artifact.seen_time,
        tuple(folded(name, "Interactions") for name in artifact.provenance["eventTypes"]),
        state["bulkVersion"],
        state["putNumber"],
    )


def of_actions(artifact: Artifact, acting: ActionRows) -> Seen:
    """Return what users had done with actions; nothing was there while there was no such dataset."""
    state = artifact.provenance["tables"].get("ACTION_INTERACTIONS", {"bulkVersion": -1, "putNumber": 0})
    return Seen(
        artifact.users,
        acting.actions,
        acting.action_offsets,
        acting.action,
        acting.action_type.astype(np.int16),
        acting.action_time,
        tuple(folded(name, "Action_Interactions") for name in ACTION_EVENT_TYPES),
        state["bulkVersion"],
        state["putNumber"],
    )


class SeenNow:
    """What is there now; safe to share between threads.

    Args:
        seen: what was there at the training.
        find_records: gives the interactions' records as they are now; ``None`` if their dataset is gone.

    Attributes:
        seen: whole, of one moment.
    """

    def __init__(self, seen: Seen, find_records: Callable[[], DatasetRecords | None]) -> None:
        self.seen = seen
        self._watch = Watch(LOOK_SECONDS, find_records, imported, self._take_up, self.seen.bulk_version)

    @property
    def changes(self) -> int:
        """What is another number once other interactions are seen."""
        return self.seen.bulk_version

    def look(self) -> None:
        """Read the interactions anew if their imports have changed."""
        self._watch.look()

    def _take_up(self, records: DatasetRecords, version: int) -> None:
        self.seen = _read(records, version)


def _read(records: DatasetRecords, version: int) -> Seen:
    number = records.put.newest(records.number)
    with records.open("ALL") as connection:
        rows = training.read(connection, records.schema, None, Selection(), scratch=records.scratch)
    dataset = _FOLDED_AS[records.schema.dataset_type]
    return Seen(
        rows.users,
        rows.items,
        rows.seen_offsets,
        rows.seen_item,
        rows.seen_type,
        rows.seen_time,
        tuple(folded(name, dataset) for name in rows.event_types),
        version,
        number,
    )
