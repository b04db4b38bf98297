"""Records that calls put in: in the metadata database before they are acknowledged.

One writer a process commits what all its callers wait for, so that a flush of the disk serves many of them. A
row has a number that grows with every commit, over all processes; whoever drains rows into a table does so by
number. Rows stay for a while after that: they are each user's recent history.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, NamedTuple, TypeVar

import orjson
import sqlalchemy as sa

from sartor.data.put import Note, Row
from sartor.errors import ChangedMeanwhile

Value = TypeVar("Value")

METADATA = sa.MetaData()
#: The records that one call brought of one history; ``body`` has a line for each, a JSON object of its cells by
#: column, and ``seq`` is the number of the last. A row for each record would cost twice the writing.
PUT = sa.Table(
    "put_record",
    METADATA,
    sa.Column("dataset", sa.BigInteger, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("session", sa.Text),
    sa.Column("body", sa.Text, nullable=False),
    sa.Index("put_record_seq", "dataset", "seq"),
    # one user's records lie together, so that his history is one read
    sqlite_with_rowid=False,
)
#: The event ids that clients gave, and the history that they belong to.
EVENT = sa.Table(
    "put_event",
    METADATA,
    sa.Column("dataset", sa.BigInteger, primary_key=True),
    sa.Column("event", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Index("put_event_key", "dataset", "key"),
    sqlite_with_rowid=False,
)
#: What was taken and could not be used.
REJECTED = sa.Table(
    "put_rejected",
    METADATA,
    sa.Column("dataset", sa.BigInteger, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)
#: The one number that grows, and the leases of chores.
COUNTER = sa.Table(
    "put_counter",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
)
LEASE = sa.Table(
    "chore_lease",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("leased_until", sa.Double, nullable=False),
)

#: Larger than the number of every record.
NEWEST: Final = 2**62
#: The most calls that one commit serves.
_BATCH_CALLS: Final = 512
#: How long a commit waits for the callers that the last one served or kept waiting, in seconds: a commit takes longer
#: than reading a call. A caller who is alone never waits.
_TOGETHER_SECONDS: Final = 0.005
#: The most rows of one INSERT; SQLite takes 32,766 values.
_INSERTED_ROWS: Final = 4_000
_NEWEST_OF = "SELECT seq FROM put_record WHERE dataset = ? AND key = ? ORDER BY seq DESC LIMIT 1"
_NEWEST = "SELECT max(seq) FROM put_record WHERE dataset = ?"
_HISTORY = "SELECT at, count, body FROM put_record WHERE dataset = ? AND key = ? ORDER BY seq DESC LIMIT ?"
#: All calls as one text: Python takes longer for a row of a result than SQLite. A window says in which order they are
#: joined; the order of a subquery says nothing, and older SQLites know no ORDER BY within the function.
_AFTER: Final = (
    "SELECT {}(body, ?) OVER (ORDER BY seq DESC ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) "
    "FROM (SELECT seq, body FROM put_record WHERE dataset = ? AND key = ? AND seq > ? "
    "ORDER BY seq DESC LIMIT ?) AS newest LIMIT 1"
)
#: Stands between them; JSON writes it otherwise.
_BETWEEN: Final = "\x1e"
#: One statement each, so that of many who are first at once nobody fails.
_TAKE_NUMBERS: Final = (
    "INSERT INTO put_counter (id, seq) VALUES (1, {0}) "
    "ON CONFLICT (id) DO UPDATE SET seq = put_counter.seq + {0} RETURNING seq"
)
_TAKE_LEASE = sa.text(
    "INSERT INTO chore_lease (name, holder, leased_until) VALUES (:name, :holder, :until) "
    "ON CONFLICT (name) DO UPDATE SET holder = :holder, leased_until = :until "
    "WHERE chore_lease.holder = :holder OR chore_lease.leased_until <= :now"
)


class Stored(NamedTuple):
    """One record of the database.

    Attributes:
        seq: its number.
        at: when it came, in epoch seconds.
        session: of an event.
        body: the JSON text of its cells.
    """

    seq: int
    at: float
    session: str | None
    body: str

    @property
    def cells(self) -> dict[str, Any]:
        """The values by column."""
        found: dict[str, Any] = orjson.loads(self.body)
        return found


@dataclass(frozen=True)
class Rejected:
    """Something that was taken and could not be used.

    Attributes:
        seq: its number; the newest has the largest.
        at: when it came, in epoch seconds.
        code: why, as a stable name.
        reason: why, in words.
        body: the cells as they were understood.
    """

    seq: int
    at: float
    code: str
    reason: str
    body: dict[str, Any]


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


class PutRecords:
    """The put records of one service; safe to share between threads.

    Args:
        write: gives a connection in a transaction that commits.
        read: gives a connection that reads.
        quick_read: runs one SELECT with ``?`` by key; the quick way on SQLite.
        local: whether that is SQLite.
    """

    def __init__(
        self,
        write: Callable[[], AbstractContextManager[sa.Connection]],
        read: Callable[[], AbstractContextManager[sa.Connection]],
        quick_read: Callable[[str, tuple[Any, ...]], list[Any]],
        local: bool,
    ) -> None:
        self._write = write
        self._read = read
        self._quick_read = quick_read
        self._after = _AFTER.format("group_concat" if local else "string_agg")
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
        call = _Call(dataset, rows, holds, time.time(), Future())
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

    def history(self, dataset: int, key: str, limit: int = 100) -> list[tuple[float, dict[str, Any]]]:
        """Return when the newest records of a user came and their cells, oldest first.

        Args:
            dataset: the number of the dataset's resource.
            key: the user's id, or of an anonymous user the session's.
            limit: how many at most.
        """
        times: list[float] = []
        lines: list[str] = []
        for at, count, body in self._quick_read(_HISTORY, (dataset, key, limit)):
            times += [at] * count
            lines += reversed(body.split("\n"))
            if len(lines) >= limit:
                break
        return list(zip(times, _parsed(lines[:limit]), strict=False))[::-1]

    def newest_of(self, dataset: int, key: str) -> int:
        """Return the number of the newest record of a user, item, action or session, 0 if there is none."""
        rows = self._quick_read(_NEWEST_OF, (dataset, key))
        return int(rows[0][0]) if rows else 0

    def newest_of_each(self, dataset: int, keys: Collection[str]) -> dict[str, int]:
        """Return the number of the newest record of each user who has any, as ``newest_of`` does for one."""
        found: dict[str, int] = {}
        if not keys or not self.newest(dataset):
            return found
        column = PUT.c
        with self._read() as connection:
            for some in _hundreds(list(dict.fromkeys(keys))):
                query = (
                    sa.select(column.key, sa.func.max(column.seq))
                    .where(column.dataset == dataset, column.key.in_(some))
                    .group_by(column.key)
                )
                found.update((key, int(seq)) for key, seq in connection.execute(query))
        return found

    def after(self, dataset: int, key: str, number: int, limit: int) -> list[dict[str, Any]]:
        """Return the cells of the newest records of one history with a larger number, oldest first.

        Args:
            dataset: the number of the dataset's resource.
            key: whose history.
            number: of the last record that is known; it is the last of its call.
            limit: how many at most.
        """
        joined = self._quick_read(self._after, (_BETWEEN, dataset, key, number, limit))
        if not joined:
            return []
        calls = joined[0][0].split(_BETWEEN)
        calls.reverse()
        return _parsed("\n".join(calls).split("\n")[-limit:])

    def since(self, dataset: int, after: int, upto: int, limit: int) -> Iterator[Stored]:
        """Yield records with ``after < seq <= upto``, by number.

        Args:
            dataset: the number of the dataset's resource.
            after: the number of the last record that is known.
            upto: the number of the last one that is wanted.
            limit: how many; those that came in one call with the last are yielded too.
        """
        column = PUT.c
        query = (
            sa.select(column.seq, column.count, column.at, column.session, column.body)
            .where(column.dataset == dataset, column.seq > after, column.seq <= upto)
            .order_by(column.seq)
            .limit(limit)
        )
        yielded = 0
        with self._read() as connection:
            for seq, count, at, session, body in connection.execution_options(stream_results=True).execute(
                query
            ):
                for number, line in enumerate(body.split("\n"), seq - count + 1):
                    yield Stored(number, at, session, line)
                yielded += count
                if yielded >= limit:
                    return

    def newest(self, dataset: int) -> int:
        """Return the number of a dataset's newest record, 0 if it has none; none with a smaller one comes."""
        return int(self._quick_read(_NEWEST, (dataset,))[0][0] or 0)

    def waiting(self, dataset: int, after: int) -> tuple[int, float | None]:
        """Return how many records have a larger number, of up to 100,000 calls, and when the first of them came."""
        column = PUT.c
        some = (
            sa.select(column.count, column.at)
            .where(column.dataset == dataset, column.seq > after)
            .order_by(column.seq)
            .limit(100_000)
            .subquery()
        )
        query = sa.select(sa.func.sum(some.c.count), sa.func.min(some.c.at))
        with self._read() as connection:
            count, first = connection.execute(query).one()
        return int(count or 0), first

    def rejected(self, dataset: int, limit: int = 100, before: int | None = None) -> list[Rejected]:
        """Return what of a dataset could not be used, newest first."""
        column = REJECTED.c
        query = sa.select(column.seq, column.at, column.code, column.reason, column.body).where(
            column.dataset == dataset
        )
        if before is not None:
            query = query.where(column.seq < before)
        with self._read() as connection:
            found = connection.execute(query.order_by(column.seq.desc()).limit(limit)).fetchall()
        return [Rejected(seq, at, code, reason, orjson.loads(body)) for seq, at, code, reason, body in found]

    def rejected_counts(self, dataset: int) -> dict[str, int]:
        """Return how many rejections a dataset has by their code."""
        query = (
            sa.select(REJECTED.c.code, sa.func.count())
            .where(REJECTED.c.dataset == dataset)
            .group_by(REJECTED.c.code)
        )
        with self._read() as connection:
            return {code: int(count) for code, count in connection.execute(query)}

    def delete_dataset(self, dataset: int) -> None:
        """Remove everything of a dataset."""
        with self._write() as connection:
            for table in (PUT, EVENT, REJECTED):
                connection.execute(sa.delete(table).where(table.c.dataset == dataset))

    def delete_keys(
        self, dataset: int, keys: Collection[str], sessions: Collection[str] = (), upto: int = NEWEST
    ) -> None:
        """Remove all records of these users, and what of theirs could not be used.

        Args:
            dataset: the number of the dataset's resource.
            keys: the users.
            sessions: whose records go too that name no user; a user may have the id of another's session.
            upto: the number of the last record that goes.
        """
        anonymous = ~PUT.c.body.contains('"USER_ID":', autoescape=True)
        # an event's id goes with its call's records, which have the call's time
        left = sa.exists().where(
            PUT.c.dataset == EVENT.c.dataset, PUT.c.key == EVENT.c.key, PUT.c.at == EVENT.c.at
        )
        for theirs, which in ((keys, sa.true()), (sessions, anonymous)):
            for some in _hundreds(sorted(theirs)):
                with self._write() as connection:
                    connection.execute(
                        sa.delete(PUT).where(
                            PUT.c.dataset == dataset, PUT.c.key.in_(some), PUT.c.seq <= upto, which
                        )
                    )
                    connection.execute(
                        sa.delete(EVENT).where(EVENT.c.dataset == dataset, EVENT.c.key.in_(some), ~left)
                    )
        wanted = set(keys)
        column = REJECTED.c
        query = sa.select(column.seq, column.body).where(column.dataset == dataset, column.seq <= upto)
        with self._read() as connection:
            numbers = [
                seq
                for seq, body in connection.execution_options(stream_results=True).execute(query)
                if orjson.loads(body).get("USER_ID") in wanted
            ]
        for some_numbers in _hundreds(numbers):
            with self._write() as connection:
                connection.execute(
                    sa.delete(REJECTED).where(column.dataset == dataset, column.seq.in_(some_numbers))
                )

    def prune(self, dataset: int, upto: int, before: float) -> None:
        """Remove records that a table has (``seq <= upto``) and old notes; both came before ``before``.

        The newest stays: it says that there are put records, and up to which number.
        """
        newest = sa.select(sa.func.max(PUT.c.seq)).where(PUT.c.dataset == dataset).scalar_subquery()
        old = (PUT.c.seq <= upto, PUT.c.at < before, PUT.c.seq < newest)
        with self._write() as connection:
            connection.execute(sa.delete(PUT).where(PUT.c.dataset == dataset, *old))
            for table in (EVENT, REJECTED):
                connection.execute(sa.delete(table).where(table.c.dataset == dataset, table.c.at < before))

    def lease(self, name: str, holder: str, seconds: float) -> bool:
        """Take or renew a lease; false if another holder has it."""
        now = time.time()
        values = {"name": name, "holder": holder, "until": now + seconds, "now": now}
        with self._write() as connection:
            return connection.execute(_TAKE_LEASE, values).rowcount == 1

    def end_lease(self, name: str, holder: str) -> None:
        """Give a lease back."""
        with self._write() as connection:
            connection.execute(sa.delete(LEASE).where(LEASE.c.name == name, LEASE.c.holder == holder))

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
        total = sum(len(call.rows) + sum(len(row.notes) for row in call.rows) + 1 for call in calls)
        with self._write() as connection:
            changed = {holds for holds in {call.holds for call in calls} if not holds(connection)}
            if changed:
                calls = [call for call in calls if call.holds not in changed]
            batch = _Batch(_numbers(connection, 2 * total), _repeated(connection, calls))
            for call in calls:
                batch.add(call)
            for table, rows in ((PUT, batch.put), (EVENT, batch.events), (REJECTED, batch.rejected)):
                if rows:
                    _insert(connection, table, rows)
        return batch.codes, changed


class _Batch:
    """The rows that one commit writes.

    Args:
        seq: the number before the first that is free.
        repeated: the event ids that are stored already, with their dataset.

    Attributes:
        put: rows of ``PUT``.
        events: rows of ``EVENT``.
        rejected: rows of ``REJECTED``.
        codes: of what could not be used.
    """

    def __init__(self, seq: int, repeated: set[tuple[int, str | None]]) -> None:
        self._seq = seq
        self._repeated = repeated
        self.put: list[tuple[Any, ...]] = []
        self.events: list[tuple[Any, ...]] = []
        self.rejected: list[tuple[Any, ...]] = []
        self.codes: list[str] = []

    def add(self, call: _Call) -> None:
        """Add what a call puts: one row for the records of each history, and what could not be used."""
        histories: dict[tuple[str, str | None, bool], list[bytes]] = {}
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
                self._seq += 1
                self.codes.append(note.code)
                self.rejected.append(
                    (call.dataset, self._seq, call.at, note.code, note.reason, body.decode())
                )
        for (key, session, _), bodies in histories.items():
            self._seq += len(bodies)
            text = b"\n".join(bodies).decode()
            self.put.append((call.dataset, key, self._seq, len(bodies), call.at, session, text))


def _parsed(lines: Sequence[str]) -> list[dict[str, Any]]:
    """Return the cells of records; parsed as one array, in half the time."""
    cells: list[dict[str, Any]] = orjson.loads(f"[{','.join(lines)}]")
    return cells


def _end(call: _Call, error: BaseException | None) -> None:
    """Tell a call's future how it ended; a caller that left has cancelled it."""
    with suppress(InvalidStateError):
        if error is None:
            call.done.set_result(None)
        else:
            call.done.set_exception(error)


def _insert(connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows, each with a value for every column, in as few steps of the database as can be.

    A statement for each row would take Python's lock for each of them, which the event loop holds most of the time.
    """
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    names, marks = ", ".join(table.c.keys()), f"({', '.join([mark] * len(table.c))})"
    for start in range(0, len(rows), _INSERTED_ROWS):
        some = rows[start : start + _INSERTED_ROWS]
        insert = f"INSERT INTO {table.name} ({names}) VALUES {', '.join([marks] * len(some))}"
        _cursor(connection).execute(insert, tuple(chain.from_iterable(some)))


def _hundreds(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """Yield as many values at a time as one statement takes."""
    for start in range(0, len(values), 500):
        yield values[start : start + 500]


def _numbers(connection: sa.Connection, count: int) -> int:
    """Take ``count`` numbers and return the one before the first; other writers wait until this one commits."""
    (last,) = _cursor(connection).execute(_TAKE_NUMBERS.format(count)).fetchone()
    return int(last) - count


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
