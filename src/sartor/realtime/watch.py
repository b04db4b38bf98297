"""What is taken up anew now and then, when records of a dataset have changed: by one thread at a time."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from sartor.data.dataset import DatasetRecords

State = TypeVar("State")


class Watch(Generic[State]):
    """Looks at a dataset's records; safe to share between threads.

    Args:
        seconds: between two looks; the first one may come at once.
        find_records: gives the records as they are now; ``None`` if they are gone.
        state_of: what is another once the records are.
        take_up: takes records, and their state, that are not those of the last time.
        state: of what is known already.
        most_share: of the time, at most so much is spent on taking up.
    """

    def __init__(
        self,
        seconds: float,
        find_records: Callable[[], DatasetRecords | None],
        state_of: Callable[[DatasetRecords], State],
        take_up: Callable[[DatasetRecords, State], None],
        state: State | None = None,
        most_share: float = 1.0,
    ) -> None:
        self._seconds = seconds
        self._most_share = most_share
        self._find_records = find_records
        self._state_of = state_of
        self._take_up = take_up
        self._state = state
        self._looking = threading.Lock()
        self._next = 0.0

    def look(self) -> None:
        """Take up what has changed, if it is time for a look and no other thread has one."""
        now = time.monotonic()
        if now < self._next or not self._looking.acquire(blocking=False):
            return
        try:
            self._next = now + self._seconds
            records = self._find_records()
            if records is None:
                return
            state = self._state_of(records)
            if state != self._state:
                self._take_up(records, state)
                self._state = state
                self._next = now + max(self._seconds, (time.monotonic() - now) / self._most_share)
        finally:
            self._looking.release()


def imported(records: DatasetRecords) -> int:
    """Return the version of the imported records; -1 if there are none."""
    version = records.bulk_table.version()
    return -1 if version is None else version


def all_records(records: DatasetRecords) -> tuple[int, int]:
    """Return the version of the imported records, and the number of the newest that a call put."""
    return imported(records), records.put.newest(records.number)
