"""SQLite as the metadata database: one writer at a time, and readers that remember what they have read."""

import logging
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from sartor.database import outage
from sartor.database.dialect import SQLITE
from sartor.database.moment import moment_of
from sartor.database.outage import is_lock, reason, unavailable
from sartor.database.sqlite_file import BUSY_SECONDS, File, engine_of, open_file
from sartor.database.weeks import Whole
from sartor.durable import make_durable
from sartor.errors import Unavailable
from sartor.once import Once

LOG = logging.getLogger("sartor.database")

#: While another process keeps the lock, one writer tries again so often and waits so long; others are refused at once.
_TRY_SECONDS: Final = 1.0
_TRY_WAIT_SECONDS: Final = 0.25
#: So often it is tried to empty the log of writes, for which nobody else may read or write.
_EMPTYING_TRIES: Final = 20
#: What a thread keeps of what it has read, in statements.
_MOST_KNOWN: Final = 10_000


@dataclass
class _Known:
    """What a thread has read.

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


class Sqlite:
    """A database in a file, which is made if it was never made.

    Args:
        path: of the file.
        make: creates the tables in a new one.
        checked: the tables that are read whole before it is used; damage elsewhere is found when it is read.

    Attributes:
        dialect: SQLite's.
        weeks: none; its tables are whole.
        local: true.

    Raises:
        ValueError: the file is gone, empty, damaged or not Sartor's; the message says what to do.
    """

    dialect = SQLITE
    weeks = Whole()
    local = True

    def __init__(self, path: Path, make: Callable[[sa.Connection], None], checked: Collection[str]) -> None:
        self.file = open_file(path, make, checked)
        self.engine = engine_of(path, self.file.connect)
        self.writer = Writer(self.engine, self.file)
        self._threads = threading.local()
        self._readers: list[sqlite3.Connection] = []

    def write(
        self, lock: str | None = None, wait_seconds: float | None = None
    ) -> AbstractContextManager[sa.Connection]:
        """Take the writer's turn; it needs no other lock."""
        return self.writer.begin(wait_seconds)

    @contextmanager
    def prepare(self) -> Iterator[sa.Connection]:
        """Take the lock of the file's making, for which others wait without end, then the writer's turn."""
        with Once(self.file.path).locked(), self.writer.begin() as connection:
            yield connection

    def keep(self, connection: sa.Connection, tables: Collection[str], version: str) -> str:
        """Copy the file beside itself: who holds the writer's turn has committed nothing yet."""
        place = self.file.path.with_name(f"{self.file.path.name}.version-{version}")
        needed, free = self.file.path.stat().st_size, shutil.disk_usage(place.parent).free
        if free < needed:
            raise ValueError(
                f"There is no room for a copy of {self.file.path} before it is upgraded: {needed:,} bytes are needed, "
                f"{free:,} are free. Make room, or keep a copy elsewhere and run `sartor upgrade --no-copy`."
            )
        new = place.with_name(f"{place.name}.new")
        new.unlink(missing_ok=True)
        with moment_of(self.file.path) as moment:
            moment.copy(new)
        make_durable(new)
        new.replace(place)
        make_durable(place.parent)
        return f"what it was is kept as {place}"

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Begin on a connection of the pool."""
        with outage.as_outages():
            self.file.keep_for_reading()
            with self.engine.begin() as connection:
                yield connection

    def rows(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        """Read past SQLAlchemy, or not at all if this thread has read it and nothing was committed since."""
        known: _Known | None = getattr(self._threads, "known", None)
        if known is None or not known.at_once:
            return self._read(query, values)
        rows = known.rows.get((query, values))
        if rows is None:
            rows = known.rows[query, values] = self._read(query, values)
        return rows

    def fresh_rows(self, query: str) -> list[Any]:
        """Read over a connection that is opened for it."""
        with closing(self.file.connect()) as fresh:
            return fresh.execute(query).fetchall()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Look at the counter of commits once for all that this thread reads meanwhile."""
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

    def clear_deleted(self) -> None:
        """Empty the log of writes."""
        self.writer.empty_log()

    def close(self) -> None:
        """Close every connection."""
        self.writer.close()
        for reader in self._readers:
            reader.close()
        self._readers.clear()
        self.engine.dispose()

    @outage.raises_outages
    def _commits(self, known: _Known) -> int:
        """Return others' commits as a thread's connection counts them."""
        ((commits,),) = known.connection.execute("PRAGMA data_version").fetchall()
        return int(commits)

    @outage.raises_outages
    def _read(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        # fetchall steps to the end, so the statement gives its snapshot back at once
        return self._known().connection.execute(query, values).fetchall()

    def _known(self) -> _Known:
        """Return this thread's connection that reads, with what it has read."""
        self.file.keep_for_reading()
        known: _Known | None = getattr(self._threads, "known", None)
        if known is None:
            known = self._threads.known = _Known(self.file.connect())
            self._readers.append(known.connection)
        return known


class Writer:
    """The one connection of a process that writes; in one process a fair lock is kinder than SQLite's, which sleeps.

    Args:
        engine: of the database.
        file: of the database.

    Attributes:
        busy_seconds: how long a transaction waits for its turn.
    """

    def __init__(self, engine: sa.Engine, file: File) -> None:
        self.busy_seconds = BUSY_SECONDS
        self._engine = engine
        self._file = file
        self._turn = threading.Lock()
        self._connection: sa.Connection | None = None
        self._failing: Unavailable | None = None
        self._next_try = 0.0

    @contextmanager
    def begin(self, wait_seconds: float | None = None) -> Iterator[sa.Connection]:
        """Give the connection in a transaction that commits at the end.

        Args:
            wait_seconds: how long to wait for other writers, those of this process and then those of others; as long
                as usual if not given.

        Raises:
            Unavailable: it cannot be written now.
        """
        wait_seconds = self.busy_seconds if wait_seconds is None else wait_seconds
        if self._failing is not None:
            if time.monotonic() < self._next_try:
                raise self._failing
            self._next_try = time.monotonic() + _TRY_SECONDS
            wait_seconds = min(wait_seconds, _TRY_WAIT_SECONDS)
        if not self._turn.acquire(timeout=wait_seconds):
            raise self._failing or Unavailable("Another writer of this process holds the database's lock.")
        try:
            self._file.keep()
            connection = self._opened(wait_seconds)
            with connection.begin():
                yield connection
        except Exception as error:
            self._fail(error, wait_seconds)
            raise
        else:
            self._recover()
        finally:
            self._turn.release()

    def empty_log(self) -> None:
        """Move the log of writes into the file and cut it off, unless somebody reads or writes all the time.

        What is deleted is overwritten in the file; the log has it as it was before.
        """
        for _ in range(_EMPTYING_TRIES):
            with self._turn:
                connection = self._opened(_TRY_WAIT_SECONDS).connection.cursor()
                (busy, *_), *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            if not busy:
                return
            time.sleep(_TRY_WAIT_SECONDS)
        LOG.warning("the log of %s may still have what was deleted: it is always in use", self._file.path)

    def close(self) -> None:
        """Close the connection."""
        with self._turn:
            self._drop()

    def _opened(self, wait_seconds: float) -> sa.Connection:
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(sartor_writes=True)
        self._connection.connection.cursor().execute(f"PRAGMA busy_timeout = {wait_seconds * 1000:.0f}")
        return self._connection

    def _fail(self, error: Exception, wait_seconds: float) -> None:
        """Drop the connection, and remember that others hold the lock, if an error means that.

        Raises:
            Unavailable: it does.
        """
        text = reason(error)
        if text is None:
            return
        self._drop()
        outage = unavailable(text)
        if self._failing is None and is_lock(text) and wait_seconds >= self.busy_seconds:
            # other faults show at once; behind this one every thread would wait
            LOG.error("writes are refused until one succeeds: %s", outage)
            self._failing = outage
            self._next_try = time.monotonic() + _TRY_SECONDS
        raise outage from error

    def _recover(self) -> None:
        if self._failing is not None:
            LOG.warning("writes succeed again")
            self._failing = None

    def _drop(self) -> None:
        """Close the connection: after a failure nobody knows what it still holds."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.invalidate()
            connection.close()
