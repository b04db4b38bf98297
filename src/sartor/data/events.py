"""Records that calls put in: in the metadata database before they are acknowledged.

A record has a number that grows with every commit of its dataset, over all processes; whoever drains records into a
table does so by number. They stay for a while after that: they are each user's recent history.
"""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

import orjson
import sqlalchemy as sa

from sartor.data.put_commits import PutCommits
from sartor.data.put_numbers import MOST_COUNTED, number_at
from sartor.data.put_tables import EVENT, LEASE, NUMBER, PUT, REJECTED
from sartor.database import Database

Value = TypeVar("Value")

#: Larger than the number of every record.
NEWEST: Final = 2**62
#: How much of the past a rate looks at, in seconds and in calls.
RATE_SECONDS: Final = 60.0
_RATED_CALLS: Final = 1_000
_NEWEST_OF: Final = "SELECT seq FROM put_record WHERE dataset = ? AND key = ? ORDER BY seq DESC LIMIT 1"
_NEWEST: Final = "SELECT newest FROM put_number WHERE dataset = ?"
_HISTORY: Final = (
    "SELECT at, count, body FROM put_record WHERE dataset = ? AND key = ? ORDER BY seq DESC LIMIT ?"
)
#: All calls as one text: Python takes longer for a row of a result than SQLite. Their numbers come along, as the order
#: of a subquery says nothing about that of what is joined; a window that orders them takes half as long again.
_AFTER: Final = (
    "SELECT {joined}(CAST(seq AS TEXT), ','), {joined}(body, ?) FROM (SELECT seq, body FROM put_record "
    "WHERE dataset = ? AND key = ? AND seq > ? ORDER BY seq DESC LIMIT ?) AS newest"
)
#: Stands between them; JSON writes it otherwise.
_BETWEEN: Final = "\x1e"
#: One statement, so that of many who are first at once nobody fails.
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


class PutRecords:
    """The put records of one service; safe to share between threads.

    Args:
        database: where they lie.

    Attributes:
        put: stores rows, as ``PutCommits.put`` says.
        counts: what could not be used, by its code.
    """

    def __init__(self, database: Database) -> None:
        self._commits = PutCommits(database)
        self.put = self._commits.put
        self.counts = self._commits.counts
        self._write, self._read, self._rows = database.write, database.read, database.rows
        self._weeks = database.weeks
        spelled = database.dialect.sql
        self._history, self._after = spelled(_HISTORY), spelled(_AFTER)
        self._newest_of, self._newest = spelled(_NEWEST_OF), spelled(_NEWEST)

    def close(self) -> None:
        """Commit what waits, and take no more."""
        self._commits.close()

    def history(self, dataset: int, key: str, limit: int = 100) -> list[tuple[float, dict[str, Any]]]:
        """Return when the newest records of a user came and their cells, oldest first.

        Args:
            dataset: the number of the dataset's resource.
            key: the user's id, or of an anonymous user the session's.
            limit: how many at most.
        """
        times: list[float] = []
        lines: list[str] = []
        for at, count, body in self._rows(self._history, (dataset, key, limit)):
            times += [at] * count
            lines += reversed(body.split("\n"))
            if len(lines) >= limit:
                break
        return list(zip(times, _parsed(lines[:limit]), strict=False))[::-1]

    def newest_of(self, dataset: int, key: str) -> int:
        """Return the number of the newest record of a user, item, action or session, 0 if there is none."""
        rows = self._rows(self._newest_of, (dataset, key))
        return int(rows[0][0]) if rows else 0

    def changed(self, dataset: int, keys: Collection[str], after: int) -> set[str]:
        """Return those users, items, actions or sessions that have a record with a larger number than ``after``."""
        found: set[str] = set()
        if self.newest(dataset) <= after:
            return found
        column = PUT.c
        query = sa.select(column.key).where(column.dataset == dataset, column.seq > after).distinct()
        with self._read() as connection:
            for some in _hundreds(list(dict.fromkeys(keys))):
                found.update(connection.execute(query.where(column.key.in_(some))).scalars())
        return found

    def after(self, dataset: int, key: str, number: int, limit: int) -> list[dict[str, Any]]:
        """Return the cells of the newest records of one history with a larger number, oldest first.

        Args:
            dataset: the number of the dataset's resource.
            key: whose history.
            number: of the last record that is known; it is the last of its call.
            limit: how many at most.
        """
        ((numbers, bodies),) = self._rows(self._after, (_BETWEEN, dataset, key, number, limit))
        if numbers is None:
            return []
        calls = bodies.split(_BETWEEN)
        order = orjson.loads(f"[{numbers}]")  # in a fifth of the time that ``int`` takes
        if order != sorted(order, reverse=True):  # a database may join them in any order; so far none has
            calls = [body for _, body in sorted(zip(order, calls, strict=True), reverse=True)]
        return _parsed("\n".join(reversed(calls)).split("\n")[-limit:])

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

    def newest_records(self, dataset: int, limit: int, before: int | None = None) -> list[Stored]:
        """Return a dataset's newest records, newest first: whole calls, so the last may bring more than ``limit``.

        Args:
            dataset: the number of the dataset's resource.
            limit: how many are wanted.
            before: only calls before the one that has this number.
        """
        column = PUT.c
        query = sa.select(column.seq, column.at, column.session, column.body).where(column.dataset == dataset)
        if before is not None:
            query = query.where(column.seq < before)
        found: list[Stored] = []
        with self._read() as connection:
            for seq, at, session, body in connection.execute(query.order_by(column.seq.desc()).limit(limit)):
                lines = reversed(body.split("\n"))
                found += [Stored(seq - place, at, session, line) for place, line in enumerate(lines)]
                if len(found) >= limit:
                    break
        return found

    def per_second(self, dataset: int, now: float) -> float:
        """Return how many records came a second, over the last minute or its newest calls.

        Args:
            dataset: the number of the dataset's resource.
            now: epoch seconds.
        """
        column = PUT.c
        query = sa.select(column.count, column.at).where(column.dataset == dataset)
        with self._read() as connection:
            found = connection.execute(query.order_by(column.seq.desc()).limit(_RATED_CALLS)).fetchall()
        late = [(int(count), float(at)) for count, at in found if at >= now - RATE_SECONDS]
        is_all = len(late) < _RATED_CALLS
        span = RATE_SECONDS if is_all else max(now - min(at for _, at in late), 0.001)
        return sum(count for count, _ in late) / span

    def newest(self, dataset: int) -> int:
        """Return the number of a dataset's newest record, 0 if it has none; none with a smaller one comes."""
        rows = self._rows(self._newest, (dataset,))
        return int(rows[0][0]) if rows else 0

    def newest_at(self, dataset: int) -> float | None:
        """Return when a dataset's newest record that is kept came, in epoch seconds."""
        query = sa.select(PUT.c.at).where(PUT.c.dataset == dataset).order_by(PUT.c.seq.desc()).limit(1)
        with self._read() as connection:
            found = connection.execute(query).scalar()
        return None if found is None else float(found)

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
            for table in (PUT, EVENT, REJECTED, NUMBER):
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

        Where a table is divided by weeks its records go by ``prune_weeks``.
        """
        young = max(number_at(before), MOST_COUNTED)  # by number an index finds what is old
        column = PUT.c
        old = (column.dataset == dataset, column.seq <= min(upto, young), column.at < before)
        with self._write() as connection:
            if not self._weeks.divided:
                connection.execute(sa.delete(PUT).where(*old))
            connection.execute(
                sa.delete(REJECTED).where(
                    REJECTED.c.dataset == dataset, REJECTED.c.seq <= young, REJECTED.c.at < before
                )
            )
            connection.execute(sa.delete(EVENT).where(EVENT.c.dataset == dataset, EVENT.c.at < before))

    def prune_weeks(self, drained: Mapping[int, int], before: float) -> None:
        """Drop the weeks before a time of which tables have every record, where records are divided by weeks.

        Args:
            drained: the number up to which a table has the records, of each dataset.
            before: epoch seconds.
        """
        column = PUT.c
        for week in self._weeks.until(PUT.name, number_at(before)):
            query = sa.select(column.seq).where(column.seq >= week.first, column.seq < week.end).limit(1)
            with self._read() as connection:
                waits = any(
                    connection.execute(query.where(column.dataset == dataset, column.seq > upto)).first()
                    for dataset, upto in drained.items()
                )
            if not waits:
                self._weeks.drop(PUT.name, week)

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


def _parsed(lines: Sequence[str]) -> list[dict[str, Any]]:
    """Return the cells of records; parsed as one array, in half the time."""
    cells: list[dict[str, Any]] = orjson.loads(f"[{','.join(lines)}]")
    return cells


def _hundreds(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """Yield as many values at a time as one statement takes."""
    for start in range(0, len(values), 500):
        yield values[start : start + 500]
