"""What a user did, up to the very last event: from the model's artifact, and from what calls put since.

What training counted, the model sees; filters see everything ("Real-time personalization", "Filtering
recommendations and user segments" of the guide).
"""

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final

import numpy as np

from sartor.data.events import PutRecords
from sartor.data.training import Selection
from sartor.models.base import Float32, Int32, Int64
from sartor.realtime.artifact import Artifact
from sartor.realtime.heads import Head
from sartor.realtime.seen import SEEN_OF_A_TYPE, Seen
from sartor.realtime.seen_now import SeenNow

#: Events of one user that calls put since the training; older ones do not change an answer.
_MOST_RECENT: Final = 1000


@dataclass(frozen=True)
class History:
    """What one user did.

    Attributes:
        newest: the number of the user's newest put record; a larger one means that this is old.
        items: int32[h], the model's items that count for it, oldest first.
        times: int64[h], epoch seconds of each.
        find_seen: returns ``seen``.
        state: float32[d], what the model computed of it beforehand; ``None`` if something new counts.
        head: the best items for it, found beforehand; ``None`` as well.
    """

    newest: int
    items: Int32
    times: Int64
    find_seen: Callable[[], Mapping[str, frozenset[str]]]
    state: Float32 | None = None
    head: Head | None = None

    @cached_property
    def seen(self) -> Mapping[str, frozenset[str]]:
        """The newest items by event type, in the form in which types are compared; ids, as items may be new.

        Found when a filter first asks for it: most look at metadata alone.
        """
        return self.find_seen()


class Histories:
    """The histories of the users of one artifact.

    Args:
        artifact: of the solution version.
        seen: what filters see.
        selection: which events count for the model.
        put: the put records of the service.
        dataset: the number of the Interactions dataset's resource.
    """

    def __init__(
        self, artifact: Artifact, seen: SeenNow, selection: Selection, put: PutRecords, dataset: int
    ) -> None:
        self._artifact = artifact
        self._seen_now = seen
        self._selection = selection
        self._put = put
        self._dataset = dataset
        self._after = int(artifact.provenance["tables"]["INTERACTIONS"]["putNumber"])

    def state(self) -> int:
        """Return what changes when filters see other interactions of imports."""
        return self._seen_now.seen.bulk_version

    def newest(self, user: str) -> int:
        """Return the number of a user's newest put record."""
        return self._put.newest_of(self._dataset, user)

    def changed(self, users: Sequence[str]) -> set[str]:
        """Return those users of whom calls have put something since the training."""
        return self._put.changed(self._dataset, users, self._after)

    def since_training(self, history: History | None) -> int:
        """Return the number of a user's newest put record, 0 if the training has seen it or there is none."""
        return history.newest if history is not None and history.newest > self._after else 0

    def of(self, user: str, newest: int) -> History:
        """Return what a user did, of a user id or an anonymous session's.

        Args:
            user: the id.
            newest: the number of the user's newest put record, read before.
        """
        seen = self._seen_now.seen
        put = self._later(user, newest, self._after)
        number, states, heads = self._artifact.users.find(user), self._artifact.states, self._artifact.heads
        items, times = self._counted(number, put)
        state = None if put or states is None or number is None else states[number]
        head = None if put or heads is None else heads[-1 if number is None else number]
        later = put if seen.put_number == self._after else self._later(user, newest, seen.put_number)
        # a history that is kept does not keep interactions in memory that imports have replaced
        return History(
            newest, items, times, partial(self._seen_of, user, weakref.ref(seen), later), state, head
        )

    def events(self, user: str, newest: int) -> list[tuple[int, str, str]]:
        """Return the time, the event type and the item of each of a user's interactions as filters see them, by time.

        Args:
            user: the id.
            newest: the number of the user's newest put record, read before.
        """
        seen = self._seen_now.seen
        later = self._later(user, newest, seen.put_number)
        return sorted([*seen.of(user), *map(_event_of, later)], key=lambda one: one[0])

    def _later(self, user: str, newest: int, number: int) -> list[dict[str, Any]]:
        """Return the put records of a user with a larger number; ``newest`` is that of the last.

        Older versions stored times that no column can have as nulls; such a record is passed over.
        """
        found = self._put.after(self._dataset, user, number, _MOST_RECENT) if newest > number else []
        return [cells for cells in found if cells.get("TIMESTAMP") is not None]

    def _seen_of(
        self, user: str, then: weakref.ref[Seen], later: Sequence[Mapping[str, Any]]
    ) -> Mapping[str, frozenset[str]]:
        return newest_by_type(
            [*(then() or self._seen_now.seen).of(user), *map(_event_of, later)], SEEN_OF_A_TYPE
        )

    def _counted(self, number: int | None, put: Sequence[Mapping[str, Any]]) -> tuple[Int32, Int64]:
        """Return the items that the model is asked with, and when they were; by time, then as they came."""
        artifact = self._artifact
        begin, end = (0, 0) if number is None else artifact.offsets[number : number + 2].tolist()
        items, times = artifact.item[begin:end], artifact.time[begin:end]
        found = [
            (artifact.items.find(cells["ITEM_ID"]), cells["TIMESTAMP"])
            for cells in put
            if counts(self._selection, cells)
        ]
        new = [(item, at) for item, at in found if item is not None]
        if not new:
            return np.asarray(items, np.int32), np.asarray(times, np.int64)
        items = np.concatenate([items, np.array([item for item, _ in new], np.int32)])
        times = np.concatenate([times, np.array([at for _, at in new], np.int64)])
        order = np.argsort(times, kind="stable")
        return items[order], times[order]


def newest_by_type(events: Iterable[tuple[int, str, str]], most: int) -> dict[str, frozenset[str]]:
    """Return the newest items of each event type.

    Args:
        events: the time, type and item of each; of equal times the earlier one here counts as newer.
        most: of each type.
    """
    by_type: dict[str, list[str]] = {}
    for _, kind, item in sorted(events, key=lambda row: -row[0]):
        some = by_type.setdefault(kind, [])
        if len(some) < most:
            some.append(item)
    return {kind: frozenset(some) for kind, some in by_type.items()}


def counts(selection: Selection, cells: Mapping[str, Any]) -> bool:
    """Return whether an event counts for a model that was trained on this selection."""
    value = cells.get("EVENT_VALUE")
    if selection.event_rules:
        rule = selection.event_rules.get(cells.get("EVENT_TYPE", ""))
        return rule is not None and (
            rule.threshold is None or (value is not None and value >= rule.threshold)
        )
    if selection.event_type is not None and not _is_of_type(selection, cells.get("EVENT_TYPE")):
        return False
    return selection.threshold is None or (value is not None and value >= selection.threshold)


def _is_of_type(selection: Selection, event_type: str | None) -> bool:
    if selection.in_any_case:
        return (event_type or "").casefold() == str(selection.event_type).casefold()
    return event_type == selection.event_type


def _event_of(cells: Mapping[str, Any]) -> tuple[int, str, str]:
    """Return the time, the event type and the item of a put record."""
    return cells["TIMESTAMP"], str(cells.get("EVENT_TYPE") or "").casefold(), cells["ITEM_ID"]
