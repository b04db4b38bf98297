"""The actions of a solution version as they are now, and what its users did with them, up to the very last event.

The model sees what the training saw and what calls put since; filters, and the wait before an action is offered again,
see imports that came after the training too.
"""

import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final

import numpy as np

from sartor.data.actions import ActionRows
from sartor.data.dataset import DatasetRecords
from sartor.data.dataset_types import ACTION_EVENT_TYPES, action_event_type
from sartor.data.events import PutRecords
from sartor.data.ids import Ids
from sartor.filters.history import folded
from sartor.models.base import Int8, Int32, Int64
from sartor.realtime.artifact import Artifact
from sartor.realtime.attention import Attention
from sartor.realtime.catalogue import Catalogue, numbers_of
from sartor.realtime.histories import newest_by_type
from sartor.realtime.seen import Seen, of_actions
from sartor.realtime.seen_now import LOOK_SECONDS, SeenNow

#: Events of one user that calls put since the training; older ones do not change an answer.
_MOST_RECENT: Final = 1000
#: Filters look at so many of a user's newest events of each type ("Amazon Personalize endpoints and quotas").
SEEN_OF_A_TYPE: Final = 300
#: The column that says when an action expires: the guide's table has the one name, its prose the other.
_EXPIRATION: Final = ("EXPIRATION_TIMESTAMP", "ACTION_EXPIRATION_TIMESTAMP")
_NEVER: Final = np.iinfo(np.int64).max
_DAY_SECONDS: Final = 86_400
_TYPE_NUMBERS: Final = {name: number for number, name in enumerate(ACTION_EVENT_TYPES)}
#: The time, type and action of an event.
Event = tuple[int, str, str]


@dataclass(frozen=True)
class ActionHistory:
    """What one user did with actions.

    Attributes:
        newest: the number of the user's newest put record; a larger one means that this is old.
        actions: int32[k], the model's actions, oldest first.
        types: int8[k], what came of each, as the model numbers it.
        find_events: returns all events, those that only imports after the training brought too.
    """

    newest: int
    actions: Int32
    types: Int8
    find_events: Callable[[], Sequence[Event]]

    @cached_property
    def seen(self) -> Mapping[str, frozenset[str]]:
        """The newest actions by event type, in the form in which types are compared."""
        return newest_by_type(self._events, SEEN_OF_A_TYPE)

    @cached_property
    def last(self) -> Mapping[str, int]:
        """When there was the newest event with each action, epoch seconds."""
        return {action: at for at, _, action in sorted(self._events)}

    @cached_property
    def _events(self) -> Sequence[Event]:
        return self.find_events()


class ActionHistories:
    """What the users of one artifact did with actions.

    Args:
        users: of the artifact.
        acting: what they had done when it was trained.
        seen: what filters see.
        put: the put records of the service.
        find_dataset: gives the number of the Action interactions dataset's resource; ``None`` while there is none.
    """

    def __init__(
        self,
        users: Ids,
        acting: ActionRows,
        seen: SeenNow,
        put: PutRecords,
        find_dataset: Callable[[], int | None],
    ) -> None:
        self._users = users
        self._acting = acting
        self._seen_now = seen
        self._after = seen.seen.put_number
        self._put = put
        self._find_dataset = find_dataset

    def state(self) -> int:
        """Return what changes when filters see other events of imports."""
        return self._seen_now.seen.bulk_version

    def newest(self, user: str) -> int:
        """Return the number of a user's newest put record."""
        dataset = self._find_dataset()
        return 0 if dataset is None else self._put.newest_of(dataset, user)

    def of(self, user: str, newest: int) -> ActionHistory:
        """Return what a user did with actions.

        Args:
            user: the id, or an anonymous session's.
            newest: the number of the user's newest put record, read before.
        """
        seen = self._seen_now.seen
        put = self._later(user, newest, self._after)
        later = put if seen.put_number == self._after else self._later(user, newest, seen.put_number)
        actions, types = self._known(user, put)
        return ActionHistory(newest, actions, types, partial(self._events_of, user, weakref.ref(seen), later))

    def _known(self, user: str, put: Sequence[Event]) -> tuple[Int32, Int8]:
        """Return what the model is asked with, by time, then as it came."""
        acting, number = self._acting, self._users.find(user)
        begin, end = (0, 0) if number is None else acting.action_offsets[number : number + 2].tolist()
        found = [
            (at, action, _TYPE_NUMBERS[action_event_type(kind)])
            for at, kind, name in put
            if (action := acting.actions.find(name)) is not None
        ]
        times = [*acting.action_time[begin:end].tolist(), *(at for at, _, _ in found)]
        order = np.argsort(times, kind="stable")
        actions = [*acting.action[begin:end].tolist(), *(action for _, action, _ in found)]
        types = [*acting.action_type[begin:end].tolist(), *(kind for _, _, kind in found)]
        return np.array(actions, np.int32)[order], np.array(types, np.int8)[order]

    def _events_of(self, user: str, then: "weakref.ref[Seen]", later: Sequence[Event]) -> list[Event]:
        return [*(then() or self._seen_now.seen).of(user), *later]

    def _later(self, user: str, newest: int, number: int) -> list[Event]:
        """Return the put events of a user with a larger number; ``newest`` is that of the last.

        What an earlier Sartor stored without a time, or with a type that is none, is passed over.
        """
        dataset = self._find_dataset()
        if dataset is None or newest <= number:
            return []
        return [
            (cells["TIMESTAMP"], folded(cells["EVENT_TYPE"], "Action_Interactions"), cells["ACTION_ID"])
            for cells in self._put.after(dataset, user, number, _MOST_RECENT)
            if cells.get("TIMESTAMP") is not None and _is_known(cells)
        ]


def _is_known(cells: Mapping[str, Any]) -> bool:
    return action_event_type(cells.get("EVENT_TYPE") or "") in ACTION_EVENT_TYPES


@dataclass(frozen=True)
class Terms:
    """On what terms the actions of a catalogue are offered, a number for each row.

    Attributes:
        version: of the columns that say so.
        value: int64[rows], of two actions that are as likely the more valuable one is first; -1 if it is not said.
        created: int64[rows], epoch seconds; -1 if it is not said.
        expires: int64[rows], from then on it is offered no more, epoch seconds.
        repeat_seconds: int64[rows], so long it is not offered again; 0 for at once.
    """

    version: int
    value: Int64
    created: Int64
    expires: Int64
    repeat_seconds: Int64


class Actions:
    """The actions of a solution version as they are now; safe to share between threads.

    Args:
        artifact: of the version.
        acting: what its users had done with actions.
        records: gives the records of a dataset by its type as they are now; ``None`` if there is none.
        put: the put records of the service.

    Attributes:
        catalogue: the rows of the Actions dataset, those of the model first.
        histories: what users did with them.
        seen: the same, as filters see it.
        attention: what each action has had.
    """

    def __init__(
        self,
        artifact: Artifact,
        acting: ActionRows,
        records: Callable[[str], DatasetRecords | None],
        put: PutRecords,
    ) -> None:
        events = partial(records, "ACTION_INTERACTIONS")
        self.catalogue = Catalogue(partial(records, "ACTIONS"), "ACTION_ID", acting.actions)
        self.seen = SeenNow(of_actions(artifact, acting), events)
        self.histories = ActionHistories(artifact.users, acting, self.seen, put, _Number(events))
        counts = np.bincount(acting.action, minlength=len(acting.actions)).astype(np.int64)
        self.attention = Attention(counts, self.catalogue, events)
        self._terms: Terms | None = None

    def terms(self) -> Terms:
        """Return on what terms they are offered, as calls and imports have said up to now."""
        self.catalogue.take_up()
        known, columns = self._terms, self.catalogue.columns
        if known is not None and known.version == columns.version:
            return known
        ends = [
            np.where(found < 0, _NEVER, found) for found in (numbers_of(columns, one) for one in _EXPIRATION)
        ]
        self._terms = Terms(
            columns.version,
            numbers_of(columns, "VALUE"),
            numbers_of(columns, "CREATION_TIMESTAMP"),
            np.minimum(*ends),
            np.maximum(numbers_of(columns, "REPEAT_FREQUENCY"), 0) * _DAY_SECONDS,
        )
        return self._terms


class _Number:
    """Finds the number of a dataset, which may be made later."""

    def __init__(self, records: Callable[[], DatasetRecords | None]) -> None:
        self._records = records
        self._known: int | None = None
        self._looked = -LOOK_SECONDS

    def __call__(self) -> int | None:
        """Return it; ``None`` while there is no such dataset."""
        if self._known is None and time.monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = time.monotonic()
            found = self._records()
            self._known = None if found is None else found.number
        return self._known
