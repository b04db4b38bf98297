"""The group commit: one writer a process commits what all its callers wait for.

A flush of the disk serves many of them. A row has a number that grows with every commit of its dataset, over all
processes; datasets do not wait for each other.
"""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import orjson
import sqlalchemy as sa

from sartor import clock
from sartor.data.put import Note, Row
from sartor.data.put_numbers import MOST_COUNTED, number_at
from sartor.data.put_tables import EVENT, PUT, REJECTED
from sartor.database import Database
from sartor.errors import ChangedMeanwhile

#: The most calls that one commit serves.
_BATCH_CALLS: Final = 512
#: How long a commit waits for the callers that the last one served or kept waiting, in seconds: a commit takes longer
#: than reading a call. A caller who is alone never waits.
_TOGETHER_SECONDS: Final = 0.005
#: The most rows of one INSERT; SQLite takes 32,766 values.
_INSERTED_ROWS: Final = 4_000
#: One statement, so that of many who are first at once nobody fails. Records come before what could not be used.
_TAKE_NUMBERS: Final = (
    "INSERT INTO put_number (dataset, seq, newest) VALUES ({dataset}, {now} + {records} + {notes}, {newest_of_first}) "
    "ON CONFLICT (dataset) DO UPDATE SET seq = {last} + {records} + {notes}, newest = {newest} RETURNING seq"
)
_LAST: Final = "CASE WHEN put_number.seq > {now} THEN put_number.seq ELSE {now} END"

_SEQ: Final = PUT.c.keys().index("seq")

#: Says in the transaction that writes whether what a call was read against is as it was.
Holds = Callable[[sa.Connection], bool]


def _always(_connection: sa.Connection) -> bool:
    return True


@dataclass(frozen=True)
class _Call:
    """What one call puts."""

    dataset: int
    rows: Sequence[Row]
    holds: Holds
    at: float
    done: "Future[None]"


class PutCommits:
    """What waits for the next commit, and the thread that makes it; safe to share between threads.

    Args:
        database: where the rows go.

    Attributes:
        counts: what could not be used, by its code.
    """

    def __init__(self, database: Database) -> None:
        self._write = database.write
        self._make_room = database.weeks.make_room
        self._mark = database.dialect.mark
        self._waiting: list[_Call] = []
        self._expected = 1
        self._some = threading.Condition()
        self._closed = False
        self._writer: threading.Thread | None = None
        self.counts: Counter[str] = Counter()

    def put(self, dataset: int, rows: Sequence[Row], holds: Holds = _always) -> "Future[None]":
        """Store rows; the future is done once they are durable, and fails if they are not stored.

        Args:
            dataset: the number of the dataset's resource.
            rows: as a ``Mapper`` made them.
            holds: asked once for all calls of a commit that bring the same one; if it says no, none of their
                rows is stored and their futures fail with ``ChangedMeanwhile``.
        """
        call = _Call(dataset, rows, holds, clock.now(), Future())
        with self._some:
            if self._closed:
                raise RuntimeError("The server is stopping.")
            if self._writer is None:
                self._writer = threading.Thread(target=self._commit_all, name="put", daemon=True)
                self._writer.start()
            self._waiting.append(call)
            if len(self._waiting) in (1, self._expected):  # nothing else wakes the writer
                self._some.notify()
        return call.done

    def close(self) -> None:
        """Commit what waits, and take no more."""
        with self._some:
            self._closed = True
            self._some.notify()
        if self._writer is not None:
            self._writer.join()

    def _commit_all(self) -> None:
        """Commit call after call, all that wait at once, until closed and empty."""
        while True:
            with self._some:
                self._some.wait_for(lambda: self._waiting or self._closed)
                self._some.wait_for(
                    lambda: len(self._waiting) >= self._expected or self._closed, _TOGETHER_SECONDS
                )
                calls, self._waiting = self._waiting[:_BATCH_CALLS], self._waiting[_BATCH_CALLS:]
            if not calls:
                return
            try:
                notes, changed = self._commit(calls)
            except BaseException as error:  # noqa: BLE001 - each caller gets it, and logs it
                for call in calls:
                    _end(call, error)
                continue
            self.counts.update(notes)
            with self._some:
                self._expected = len(calls) + len(self._waiting)
            for call in calls:
                _end(call, ChangedMeanwhile() if call.holds in changed else None)

    def _commit(self, calls: Sequence[_Call]) -> tuple[list[str], set[Holds]]:
        """Write the rows of several calls in one transaction.

        Returns:
            The codes of what could not be used, and what did not hold any more: its calls are not written.
        """
        with self._write() as connection:
            changed = {holds for holds in {call.holds for call in calls} if not holds(connection)}
            if changed:
                calls = [call for call in calls if call.holds not in changed]
            numbers = {dataset: _numbers(connection, dataset, calls) for dataset in sorted(_datasets(calls))}
            batch = _Batch(numbers, _repeated(connection, calls))
            for call in calls:
                batch.add(call)
            self._make_room(PUT.name, {row[_SEQ] for row in batch.put})
            for table, rows in ((PUT, batch.put), (EVENT, batch.events), (REJECTED, batch.rejected)):
                if rows:
                    _insert(connection, table, rows, self._mark)
        return batch.codes, changed


@dataclass
class _Numbers:
    """The numbers of one dataset that a commit has, with those that it has given.

    Attributes:
        last_record: before those that are free for records.
        last_note: before those that are free for what could not be used.
    """

    last_record: int
    last_note: int


class _Batch:
    """The rows that one commit writes.

    Args:
        numbers: those that each dataset has for this commit.
        repeated: the event ids that are stored already, with their dataset.

    Attributes:
        put: rows of ``PUT``.
        events: rows of ``EVENT``.
        rejected: rows of ``REJECTED``.
        codes: of what could not be used.
    """

    def __init__(self, numbers: dict[int, _Numbers], repeated: set[tuple[int, str | None]]) -> None:
        self._numbers = numbers
        self._repeated = repeated
        self.put: list[tuple[Any, ...]] = []
        self.events: list[tuple[Any, ...]] = []
        self.rejected: list[tuple[Any, ...]] = []
        self.codes: list[str] = []

    def add(self, call: _Call) -> None:
        """Add what a call puts: one row for the records of each history, and what could not be used."""
        histories: dict[tuple[str, str | None, bool], list[bytes]] = {}
        numbers = self._numbers[call.dataset]
        for row in call.rows:
            body, notes, name = orjson.dumps(row.cells), row.notes, (call.dataset, row.event)
            if row.stored and name in self._repeated:
                reason = f"The event id {str(row.event)[:60]} was used before."
                notes = [*notes, Note("REPEATED_EVENT_ID", reason)]
            elif row.stored:
                # what a session did before its user was known can be deleted apart from what it did after
                histories.setdefault((row.key, row.session, "USER_ID" in row.cells), []).append(body)
                if row.event is not None:
                    self.events.append((*name, row.key, call.at))
                    self._repeated.add(name)
            for note in notes:
                numbers.last_note += 1
                self.codes.append(note.code)
                self.rejected.append(
                    (call.dataset, numbers.last_note, call.at, note.code, note.reason, body.decode())
                )
        for (key, session, _), bodies in histories.items():
            numbers.last_record += len(bodies)
            text = b"\n".join(bodies).decode()
            self.put.append((call.dataset, key, numbers.last_record, len(bodies), call.at, session, text))


def _end(call: _Call, error: BaseException | None) -> None:
    """Tell a call's future how it ended; a caller that left has cancelled it."""
    with suppress(InvalidStateError):
        if error is None:
            call.done.set_result(None)
        else:
            call.done.set_exception(error)


def _insert(connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]], mark: str) -> None:
    """Insert rows, each with a value for every column, in as few steps of the database as can be.

    ``mark`` stands for a value.

    A statement for each row would take Python's lock for each of them, which the event loop holds most of the time.
    """
    names, marks = ", ".join(table.c.keys()), f"({', '.join([mark] * len(table.c))})"
    for start in range(0, len(rows), _INSERTED_ROWS):
        some = rows[start : start + _INSERTED_ROWS]
        insert = f"INSERT INTO {table.name} ({names}) VALUES {', '.join([marks] * len(some))}"
        _cursor(connection).execute(insert, tuple(chain.from_iterable(some)))


def _datasets(calls: Sequence[_Call]) -> set[int]:
    return {call.dataset for call in calls}


def _numbers(connection: sa.Connection, dataset: int, calls: Sequence[_Call]) -> _Numbers:
    """Take the numbers that the calls need of a dataset; its other writers wait until this one commits."""
    rows = [row for call in calls if call.dataset == dataset for row in call.rows]
    records = sum(row.stored for row in rows)
    notes = records + sum(len(row.notes) for row in rows)  # each event may be a repeated one
    now = max(number_at(clock.now()), MOST_COUNTED)
    last = _LAST.format(now=now)
    statement = _TAKE_NUMBERS.format(
        dataset=dataset,
        now=now,
        last=last,
        records=records,
        notes=notes,
        newest=f"{last} + {records}" if records else "put_number.newest",
        newest_of_first=now + records if records else 0,
    )
    (taken,) = _cursor(connection).execute(statement).fetchone()
    return _Numbers(int(taken) - notes - records, int(taken) - notes)


def _cursor(connection: sa.Connection) -> Any:
    """Return the driver's own cursor in the same transaction; SQLAlchemy takes longer than a short statement."""
    return connection.connection.cursor()


def _repeated(connection: sa.Connection, calls: Sequence[_Call]) -> set[tuple[int, str | None]]:
    """Return the given event ids that are stored already, with their dataset."""
    given: dict[int, set[str]] = {}
    for call in calls:
        for row in call.rows:
            if row.event is not None:
                given.setdefault(call.dataset, set()).add(row.event)
    found: set[tuple[int, str | None]] = set()
    for dataset, events in given.items():
        names = sorted(events)
        for start in range(0, len(names), 500):
            query = sa.select(EVENT.c.event).where(
                EVENT.c.dataset == dataset, EVENT.c.event.in_(names[start : start + 500])
            )
            found.update((dataset, row[0]) for row in connection.execute(query))
    return found
