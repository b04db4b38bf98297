"""The metadata database: every statement of the control plane and of its tasks, on SQLite and PostgreSQL.

Four tables hold everything. ``resource`` is one row an ARN, with its public members as JSON; ``reference`` is
one row for each resource that another one names; ``tag`` and ``task`` belong to a resource by its ARN. A
task's row exists exactly as long as work is owed, so the table of tasks is short and a claim is quick.
"""

import secrets
import sqlite3
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from sartor.data import events, samples
from sartor.data.events import PutRecords
from sartor.data.samples import Samples
from sartor.resources import outage, sqlite
from sartor.resources.tables import (
    METADATA,
    REFERENCE,
    RESOURCE,
    RESOURCE_COLUMNS,
    SETTING,
    TAG,
    TASK,
    TASK_COLUMNS,
    Resource,
    TaskRow,
    resource_of,
    task_of,
)
from sartor.resources.unchanged import Unchanged, marks, stamps_of

__all__ = ["Duplicate", "Resource", "Store", "TaskRow", "Transaction"]

#: Raised with every change of the tables below; a database of a newer Sartor is refused.
SCHEMA_VERSION = "1"
#: How long a statement waits for a lock of PostgreSQL's before it gives up, and how long for the server.
_LOCK_SECONDS: Final = 30
_CONNECT_SECONDS: Final = 10
#: How long whoever asks whether writes succeed waits for other writers, and how much is written.
_PROBE_SECONDS: Final = 2.0
_PROBE_CHARACTERS: Final = 16_384

_GET = f"SELECT {', '.join(column.name for column in RESOURCE_COLUMNS)} FROM resource WHERE arn = ?"
#: What a thread keeps of what it has read, in statements.
_MOST_KNOWN: Final = 10_000
_EVERY = f"SELECT {', '.join(column.name for column in RESOURCE_COLUMNS)} FROM resource WHERE kind = ? ORDER BY seq"
_FIRST_DUE = "SELECT MIN(leased_until) FROM task WHERE lane IN ({})"


class Duplicate(Exception):  # noqa: N818 - says what the row is
    """A resource with this ARN is already there."""


def _text(value: Mapping[str, Any]) -> str:
    """Return ``value`` as the JSON text that a column keeps."""
    return orjson.dumps(value).decode()


class Transaction:
    """What can be asked and changed while ``Store.read`` or ``Store.write`` is open."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    # resources

    def get(self, arn: str) -> Resource | None:
        """Return the resource of this ARN, whoever owns it."""
        row = self._connection.execute(sa.select(*RESOURCE_COLUMNS).where(RESOURCE.c.arn == arn)).first()
        return None if row is None else resource_of(row)

    def add(self, resource: Resource, parents: Collection[str] = ()) -> None:
        """Add a resource and one reference for each ARN in ``parents``.

        Raises:
            Duplicate: the ARN is taken, also when another process took it a moment ago.
        """
        values = {name: getattr(resource, name) for name in Resource.__slots__ if name != "seq"}
        values |= {"body": _text(resource.body), "private": _text(resource.private)}
        try:
            self._connection.execute(sa.insert(RESOURCE).values(values))
        except IntegrityError as taken:
            raise Duplicate(resource.arn) from taken
        if parents:
            edges = [{"parent": parent, "child": resource.arn} for parent in dict.fromkeys(parents)]
            self._connection.execute(sa.insert(REFERENCE), edges)

    def set_status(self, arn: str, status: str | None, now: float, failure_reason: str | None = None) -> None:
        """Set a resource's status, when it changed (epoch seconds) and why it failed."""
        self._connection.execute(
            sa.update(RESOURCE)
            .where(RESOURCE.c.arn == arn)
            .values(status=status, updated_at=now, failure_reason=failure_reason)
        )

    def merge_private(self, arn: str, members: Mapping[str, Any]) -> None:
        """Add members to what Sartor alone knows of a resource."""
        resource = self.get(arn)
        if resource is not None:
            merged = _text({**resource.private, **members})
            self._connection.execute(sa.update(RESOURCE).where(RESOURCE.c.arn == arn).values(private=merged))

    def replace_body(self, arn: str, body: Mapping[str, Any], private: Mapping[str, Any], now: float) -> None:
        """Give a resource other members and what Sartor alone knows of it, at a time (epoch seconds)."""
        values = {"body": _text(body), "private": _text(private), "updated_at": now}
        self._connection.execute(sa.update(RESOURCE).where(RESOURCE.c.arn == arn).values(values))

    def set_parents(self, arn: str, parents: Collection[str]) -> None:
        """Let a resource name these and no others."""
        self._connection.execute(sa.delete(REFERENCE).where(REFERENCE.c.child == arn))
        edges = [{"parent": parent, "child": arn} for parent in dict.fromkeys(parents)]
        self._connection.execute(sa.insert(REFERENCE), edges)

    def parents(self, arn: str) -> list[str]:
        """Return the ARNs that a resource names, sorted."""
        query = sa.select(REFERENCE.c.parent).where(REFERENCE.c.child == arn).order_by(REFERENCE.c.parent)
        return list(self._connection.execute(query).scalars())

    def children(self, parent: str, kind: str) -> list[Resource]:
        """Return the resources of a kind that name ``parent``, oldest first."""
        query = (
            sa.select(*RESOURCE_COLUMNS)
            .join(REFERENCE, REFERENCE.c.child == RESOURCE.c.arn)
            .where(REFERENCE.c.parent == parent, RESOURCE.c.kind == kind)
            .order_by(RESOURCE.c.seq)
        )
        return [resource_of(row) for row in self._connection.execute(query)]

    def put_number(self) -> int:
        """Return the number of the newest record that any call has put; every later one has a larger number."""
        found = self._connection.execute(sa.select(events.COUNTER.c.seq)).scalar()
        return int(found or 0)

    def has_put(self, seq: int) -> bool:
        """Return whether calls have put records into the dataset whose resource has this ``seq``."""
        query = sa.select(events.PUT.c.seq).where(events.PUT.c.dataset == seq).limit(1)
        return self._connection.execute(query).first() is not None

    def remove(self, arn: str) -> None:
        """Remove a resource, its tags, samples, work and the references that it holds; others' to it stay."""
        self._connection.execute(sa.delete(RESOURCE).where(RESOURCE.c.arn == arn))
        self._connection.execute(sa.delete(REFERENCE).where(REFERENCE.c.child == arn))
        self._connection.execute(sa.delete(TAG).where(TAG.c.arn == arn))
        self._connection.execute(sa.delete(TASK).where(TASK.c.arn == arn))
        samples.delete(self._connection, arn)

    def begin_samples(self, arn: str, origin: str, seq: int) -> None:
        """Count what comes from an origin for a metric attribution, from a number on, and nothing else so far."""
        samples.delete(self._connection, arn)
        samples.begin(self._connection, arn, origin, seq)

    def page(
        self,
        kind: str,
        account: str,
        region: str,
        *,
        limit: int,
        parent: str | None = None,
        after: tuple[float, int] | None = None,
    ) -> list[Resource]:
        """Return up to ``limit`` resources of one kind, newest first.

        Args:
            kind: which kind.
            account: whose.
            region: where.
            limit: how many at most.
            parent: only those that name this ARN.
            after: ``created_at`` and ``seq`` of the last one already seen. A position, not a count, so that
                what is created or deleted meanwhile neither repeats nor hides a row.
        """
        column = RESOURCE.c
        query = sa.select(*RESOURCE_COLUMNS).where(
            column.kind == kind, column.account == account, column.region == region
        )
        if parent is not None:
            children = sa.select(REFERENCE.c.child).where(REFERENCE.c.parent == parent)
            query = query.where(column.arn.in_(children))
        if after is not None:
            created_at, seq = after
            query = query.where(
                sa.or_(
                    column.created_at < created_at,
                    sa.and_(column.created_at == created_at, column.seq < seq),
                )
            )
        query = query.order_by(column.created_at.desc(), column.seq.desc()).limit(limit)
        return [resource_of(row) for row in self._connection.execute(query)]

    def every(self, kind: str) -> list[Resource]:
        """Return the resources of one kind of all accounts and regions, oldest first; for chores."""
        query = sa.select(*RESOURCE_COLUMNS).where(RESOURCE.c.kind == kind).order_by(RESOURCE.c.seq)
        return [resource_of(row) for row in self._connection.execute(query)]

    def count(self, kind: str, account: str, region: str, statuses: Collection[str] | None = None) -> int:
        """Return how many resources of one kind an account has in a region, of these statuses or of any."""
        query = sa.select(sa.func.count()).where(
            RESOURCE.c.kind == kind, RESOURCE.c.account == account, RESOURCE.c.region == region
        )
        if statuses is not None:
            query = query.where(RESOURCE.c.status.in_(statuses))
        return int(self._connection.execute(query).scalar_one())

    def child(
        self, parent: str, kind: str, statuses: Collection[str] | None = None, newer_than: int = 0
    ) -> Resource | None:
        """Return the newest resource of ``kind`` that names ``parent``, of these statuses or of any.

        Args:
            parent: the ARN that is named.
            kind: the kind of what names it.
            statuses: the statuses that count; ``None`` counts all.
            newer_than: only what was added after the resource with this ``seq``.
        """
        query = (
            sa.select(*RESOURCE_COLUMNS)
            .join(REFERENCE, REFERENCE.c.child == RESOURCE.c.arn)
            .where(REFERENCE.c.parent == parent, RESOURCE.c.kind == kind, RESOURCE.c.seq > newer_than)
        )
        if statuses is not None:
            query = query.where(RESOURCE.c.status.in_(statuses))
        row = self._connection.execute(query.order_by(RESOURCE.c.seq.desc()).limit(1)).first()
        return None if row is None else resource_of(row)

    # tags

    def tags(self, arn: str) -> dict[str, str]:
        """Return a resource's tags, sorted by key."""
        query = sa.select(TAG.c.key, TAG.c.value).where(TAG.c.arn == arn)
        return dict(sorted((row.key, row.value) for row in self._connection.execute(query)))

    def set_tags(self, arn: str, tags: Mapping[str, str]) -> None:
        """Add tags to a resource; a key that is there gets the new value."""
        self.remove_tags(arn, tags)
        if tags:
            rows = [{"arn": arn, "key": key, "value": value} for key, value in tags.items()]
            self._connection.execute(sa.insert(TAG), rows)

    def remove_tags(self, arn: str, keys: Collection[str]) -> None:
        """Remove these of a resource's tags; keys that it does not have are no matter."""
        self._connection.execute(sa.delete(TAG).where(TAG.c.arn == arn, TAG.c.key.in_(list(keys))))

    # tasks

    def add_task(self, arn: str, kind: str, verb: str, lane: str) -> None:
        """Owe one piece of work to a resource."""
        self._connection.execute(sa.insert(TASK).values(arn=arn, kind=kind, verb=verb, lane=lane))

    def tasks(self) -> list[TaskRow]:
        """Return all work that is owed, oldest first; one without a worker waits."""
        query = sa.select(*TASK_COLUMNS).order_by(TASK.c.id)
        return [task_of(row) for row in self._connection.execute(query)]

    def claim_task(
        self, worker: str, lanes: Collection[str], now: float, leased_until: float
    ) -> TaskRow | None:
        """Lease the oldest due task to ``worker``, in one statement, so that no two workers get the same."""
        due = (
            sa.select(TASK.c.id)
            .where(TASK.c.lane.in_(list(lanes)), TASK.c.leased_until <= now)
            .order_by(TASK.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)  # SQLite needs no such clause: it has one writer at a time
        )
        claim = (
            sa.update(TASK)
            .where(TASK.c.id == due.scalar_subquery())
            .values(worker=worker, attempt=TASK.c.attempt + 1, leased_until=leased_until)
            .returning(*TASK_COLUMNS)
        )
        row = self._connection.execute(claim).first()
        return None if row is None else task_of(row)

    def renew_task(
        self, task_id: int, worker: str, attempt: int, leased_until: float, progress: Mapping[str, Any] | None
    ) -> bool:
        """Extend a lease and keep the progress; false if the lease is another's by now."""
        values: dict[str, Any] = {"leased_until": leased_until}
        if progress is not None:
            values["progress"] = _text(progress)
        return self._changes_held(sa.update(TASK).values(values), task_id, worker, attempt)

    def holds_task(self, task_id: int, worker: str, attempt: int) -> bool:
        """Return whether a lease is still this worker's attempt's; it stays so until the transaction ends."""
        return self._changes_held(sa.update(TASK).values(attempt=attempt), task_id, worker, attempt)

    def end_task(self, task_id: int, worker: str, attempt: int) -> bool:
        """Remove a task whose work is settled; false if the lease is another's by now."""
        return self._changes_held(sa.delete(TASK), task_id, worker, attempt)

    def give_back_task(self, task_id: int, worker: str, attempt: int) -> bool:
        """End a lease as if the attempt had never been; false if the lease is another's by now."""
        undone = sa.update(TASK).values(worker=None, attempt=TASK.c.attempt - 1, leased_until=0.0)
        return self._changes_held(undone, task_id, worker, attempt)

    def drop_waiting_task(self, arn: str) -> bool:
        """Remove the work that is owed to a resource unless a worker has it; return whether it was removed."""
        dropped = sa.delete(TASK).where(TASK.c.arn == arn, TASK.c.worker.is_(None))
        return self._connection.execute(dropped).rowcount == 1

    def task(self, arn: str) -> TaskRow | None:
        """Return the work that is owed to a resource, if any."""
        row = self._connection.execute(sa.select(*TASK_COLUMNS).where(TASK.c.arn == arn)).first()
        return None if row is None else task_of(row)

    def _changes_held(self, change: sa.Update | sa.Delete, task_id: int, worker: str, attempt: int) -> bool:
        """Run ``change`` on a task only if this worker's attempt still holds it; return whether it does."""
        held = change.where(TASK.c.id == task_id, TASK.c.worker == worker, TASK.c.attempt == attempt)
        return self._connection.execute(held).rowcount == 1


@dataclass
class _Known:
    """What a thread has read of SQLite.

    Attributes:
        connection: that reads.
        commits: others' commits as it counts them; another number says that something has changed.
        rows: by query and values, since then.
        at_once: whether that number was looked at for what is being done.
    """

    connection: sqlite3.Connection
    commits: int = -1
    rows: dict[tuple[str, tuple[Any, ...]], list[Any]] = field(default_factory=dict)
    at_once: bool = False


class Store:
    """The metadata database of one service; safe to share between threads. Made by ``Store.open``.

    Attributes:
        local: true for SQLite, where a read by key is quick enough for an event loop.
        secret: random bytes that every process of the service shares; they sign list tokens.
        put_records: what calls put into datasets, in the same database.
        samples: the values of metric attributions.
    """

    def __init__(self, engine: sa.Engine, file: sqlite.File | None) -> None:
        self.local = file is not None
        self._engine = engine
        self._file = file
        self._writer = None if file is None else sqlite.Writer(engine, file)
        self._threads = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self.secret = self._create_tables()
        self.put_records = PutRecords(self._writing, self._reading, self._quick_read, self.local)
        self.samples = Samples(self._writing, self._reading)

    @classmethod
    def open(cls, url: str) -> "Store":
        """Open the database at ``url`` and create its tables if need be; several processes may at once.

        Args:
            url: ``sqlite:///path`` or ``postgresql://user:password@host/database``.

        Raises:
            ValueError: the URL names neither a SQLite file nor PostgreSQL, its driver is missing, another Sartor
                made the tables, or the file was lost or damaged.
        """
        parsed = sa.make_url(url)
        if parsed.get_backend_name() == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
            if find_spec("psycopg") is None:
                raise ValueError("PostgreSQL needs the extra: pip install 'sartor[postgres]'.")
            waits = {"connect_timeout": _CONNECT_SECONDS}
            server = sa.create_engine(
                parsed, pool_size=8, max_overflow=24, pool_pre_ping=True, connect_args=waits
            )
            sa.event.listen(server, "connect", lambda connection, _record: _tune_server(connection))
            return cls(server, None)
        if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
            raise ValueError("The database must be sqlite:///PATH or postgresql://…: a file or a server.")
        file = sqlite.open_file(Path(parsed.database), _make_tables)
        return cls(sqlite.engine_of(file.path, file.connect), file)

    def get(self, arn: str) -> Resource | None:
        """Return the resource of this ARN, whoever owns it; the quick way of the Describe operations."""
        rows = self._quick_read(_GET, (arn,))
        return resource_of(rows[0]) if rows else None

    def every(self, kind: str) -> list[Resource]:
        """Return the resources of one kind of all accounts and regions, oldest first; for who looks again and again."""
        with self.at_once():
            return [resource_of(row) for row in self._quick_read(_EVERY, (kind,))]

    def task_due(self, lanes: Sequence[str], now: float) -> bool:
        """Return whether a task of these lanes waits or has a lapsed lease; takes no lock."""
        with self.at_once():
            ((first,),) = self._quick_read(_FIRST_DUE.format(marks(len(lanes))), tuple(lanes))
        return first is not None and first <= now

    def stamps(self, arns: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return what changes with these resources: ARN, number, status and last change of those that exist."""
        return self._quick_read(stamps_of(len(arns)), tuple(arns))

    def unchanged(self, arns: Sequence[str]) -> "Unchanged":
        """Return what tells later, in any transaction, whether one of these resources has changed since now."""
        return Unchanged(tuple(arns), self.stamps(arns))

    def still(self, unchanged: Unchanged) -> bool:
        """Return whether those resources are what they were, now."""
        with self._reading() as connection:
            return unchanged(connection)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Give a thread's quick reads what they have read before if nothing was committed since, on SQLite.

        One look at the counter of commits then takes the place of all of them. What they have not read yet may be of
        a later moment, so stamps come before what they vouch for.
        """
        if self._file is None:
            yield
            return
        known = self._known()
        commits = self._commits(known)
        if commits != known.commits or len(known.rows) > _MOST_KNOWN:
            known.rows.clear()
            known.commits = commits
        known.at_once = True
        try:
            yield
        finally:
            known.at_once = False

    @outage.raises_outages
    def _commits(self, known: "_Known") -> int:
        """Return others' commits as a thread's connection counts them."""
        ((commits,),) = known.connection.execute("PRAGMA data_version").fetchall()
        return int(commits)

    def _quick_read(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        """Return the rows of a SELECT with ``?``, on SQLite past SQLAlchemy for its speed."""
        known: _Known | None = getattr(self._threads, "known", None)
        if known is None or not known.at_once:
            return self._rows(query, values)
        rows = known.rows.get((query, values))
        if rows is None:
            rows = known.rows[query, values] = self._rows(query, values)
        return rows

    @outage.raises_outages
    def _rows(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        if self._file is None:
            with self._engine.begin() as connection:
                return list(connection.exec_driver_sql(query.replace("?", "%s"), values).fetchall())
        # fetchall steps to the end, so the statement gives its snapshot back at once
        return self._known().connection.execute(query, values).fetchall()

    def _known(self) -> "_Known":
        """Return this thread's connection that reads, with what it has read."""
        assert self._file is not None, "PostgreSQL has no quick way"
        self._file.keep_for_reading()
        known: _Known | None = getattr(self._threads, "known", None)
        if known is None:
            known = self._threads.known = _Known(self._file.connect())
            self._readers.append(known.connection)
        return known

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Give a transaction that only reads.

        Raises:
            Unavailable: the database cannot be used now.
        """
        with self._reading() as connection:
            yield Transaction(connection)

    @contextmanager
    def write(self, lock: str | None = None) -> Iterator[Transaction]:
        """Give a transaction that commits at the end and rolls back on an exception.

        Args:
            lock: a word; two writers with the same word wait for each other, so what one of them checked
                still holds when it commits. SQLite has one writer at a time and needs no word.

        Raises:
            Unavailable: the database cannot be written now.
        """
        with self._writing(lock) as connection:
            yield Transaction(connection)

    @contextmanager
    def _writing(self, lock: str | None = None, wait_seconds: float | None = None) -> Iterator[sa.Connection]:
        if self._writer is not None:
            with self._writer.begin(wait_seconds) as connection:
                yield connection
            return
        with outage.as_outages(), self._engine.begin() as connection:
            if lock is not None:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_lock_number(lock))))
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with outage.as_outages():
            if self._file is not None:
                self._file.keep_for_reading()
            with self._engine.begin() as connection:
                yield connection

    def check(self) -> None:
        """Raise if the database cannot be written now, or is not the one that was opened."""
        value = secrets.token_hex(_PROBE_CHARACTERS // 2)  # SQLite does not write what is there already
        with self._writing(wait_seconds=_PROBE_SECONDS) as connection:
            connection.execute(sa.delete(SETTING).where(SETTING.c.key == "probe"))
            connection.execute(sa.insert(SETTING).values(key="probe", value=value))
        if self._file is not None:
            with closing(self._file.connect()) as fresh:
                found = dict(fresh.execute("SELECT key, value FROM setting").fetchall())
        else:
            with self.read() as transaction:
                rows = transaction._connection.execute(sa.select(SETTING))
                found = {row.key: row.value for row in rows}
        if found.get("secret") != self.secret.hex():
            raise LookupError("The database was replaced by another one.")

    def clear_deleted(self) -> None:
        """Leave nothing of deleted rows in the files of SQLite; PostgreSQL looks after its own."""
        if self._writer is not None:
            self._writer.empty_log()

    def close(self) -> None:
        """Close every connection; no thread may use the store any more."""
        self.put_records.close()
        if self._writer is not None:
            self._writer.close()
        for reader in self._readers:
            reader.close()
        self._readers.clear()
        self._engine.dispose()

    def _create_tables(self) -> bytes:
        """Create what is missing, one process at a time, and return the service's secret."""
        with self.write("create tables") as transaction:
            connection = transaction._connection
            _make_tables(connection)
            stored = {row.key: row.value for row in connection.execute(sa.select(SETTING))}
        if stored["schema_version"] != SCHEMA_VERSION:
            raise ValueError(
                f"The database has the tables of version {stored['schema_version']}, "
                f"this Sartor knows version {SCHEMA_VERSION}: start the Sartor that made it."
            )
        return bytes.fromhex(stored["secret"])


def _make_tables(connection: sa.Connection) -> None:
    """Create what is missing, and a new service's secret."""
    for tables in (METADATA, events.METADATA, samples.METADATA):
        tables.create_all(connection)
    if connection.execute(sa.select(SETTING.c.key).limit(1)).first() is None:
        made = {"schema_version": SCHEMA_VERSION, "secret": secrets.token_hex(32)}
        connection.execute(sa.insert(SETTING), [{"key": key, "value": value} for key, value in made.items()])


def _tune_server(connection: Any) -> None:
    """Let no statement on PostgreSQL wait for a lock for ever."""
    connection.autocommit = True
    connection.execute(f"SET lock_timeout = {1000 * _LOCK_SECONDS:.0f}")
    connection.autocommit = False


def _lock_number(word: str) -> int:
    """Return the 64-bit number of a lock's word."""
    return int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), signed=True)
