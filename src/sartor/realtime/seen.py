"""What users interacted with, as filters see it: every event type. Items or actions.

Source: the guide's "Filtering recommendations and user segments": up to 100 of a user's newest interactions of each
event type, 300 with actions.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sartor.data.actions import ActionRows
from sartor.data.dataset_types import ACTION_EVENT_TYPES
from sartor.data.ids import Ids
from sartor.filters.history import folded
from sartor.models.base import Int32, Int64
from sartor.realtime.artifact import Artifact

#: Filters look at so many of a user's newest interactions with items of each event type ("Amazon Personalize quotas").
SEEN_OF_A_TYPE: Final = 100


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
        kept = newest(who, seen.type[at], seen.time[at], most)
        who, at = who[kept], at[kept]
    return who, seen.item[at], seen.type[at]


def newest(who: Int64 | Int32, kinds: NDArray[np.int16], times: Int64, most: int) -> Int64:
    """Return which interactions are among the newest of their user and type, ascending; of equal times the first ones.

    Args:
        who: int[n], the user of each.
        kinds: int16[n], its type.
        times: int64[n], when it was.
        most: so many of each user and type.
    """
    order = np.lexsort((-times, kinds, who))
    first = np.flatnonzero((np.diff(who[order], prepend=-1) != 0) | (np.diff(kinds[order], prepend=-1) != 0))
    rank = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order))))
    return np.sort(order[rank < most])


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
