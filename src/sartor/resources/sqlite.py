"""SQLite as the metadata database: one file that is made once, has one writer at a time, and is looked after."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from sartor.errors import Unavailable
from sartor.once import Once
from sartor.resources.outage import is_lock, reason, unavailable

LOG = logging.getLogger("sartor.database")

#: How long a statement waits for SQLite's write lock before it gives up.
BUSY_SECONDS: Final = 10.0
#: While another process keeps the lock, one writer tries again so often and waits so long; others are refused at once.
_TRY_SECONDS: Final = 1.0
_TRY_WAIT_SECONDS: Final = 0.25
#: So often it is tried to empty the log of writes, for which nobody else may read or write.
_EMPTYING_TRIES: Final = 20
#: How often the file is looked at for those who only read.
_LOOK_SECONDS: Final = 0.02
#: Whoever opens the database reads these whole; the others have all records, and damage there is found when it is read.
_CHECKED: Final = ("setting", "resource", "reference", "tag", "task")


class File:
    """The file of a database that is open.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is = path.stat().st_ino
        self._looked_at = 0.0

    def connect(self) -> sqlite3.Connection:
        """Return a new connection, to this file and no other."""
        self.keep()
        return _connect(self.path)

    def keep(self) -> None:
        """Refuse to go on with a file that is not the one that was opened: what is written to it is lost.

        Raises:
            Unavailable: it is gone, empty or another.
        """
        try:
            status = self.path.stat()
        except OSError as error:
            raise Unavailable(f"{self.path} is gone ({error.strerror}): put it back.") from None
        if status.st_size == 0:
            raise Unavailable(f"{self.path} is empty: stop the server and put back a copy of the file.")
        if status.st_ino != self._is:
            raise Unavailable(f"{self.path} was replaced by another file: restart the server to use it.")
        self._looked_at = time.monotonic()

    def keep_for_reading(self) -> None:
        """Look as ``keep`` does, but not more often than makes a difference to a reader."""
        if time.monotonic() - self._looked_at > _LOOK_SECONDS:
            self.keep()


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


def open_file(path: Path, make: Callable[[sa.Connection], None]) -> File:
    """Return a database file, which is made whole if it was never made; several processes may ask at once.

    Args:
        path: of the file.
        make: creates the tables in a new one.

    Raises:
        ValueError: the file is gone, empty, damaged or not Sartor's; the message says what to do.
    """
    once = Once(path)
    remedy = (
        "put back a copy of it and of the storage of the same time. To begin a new, empty service instead, "
        f"delete it and {once.lock}."
    )
    with once.locked():
        if once.is_gone:
            raise ValueError(f"The database {path} is gone: {remedy}")
        if not path.exists():
            _create(path, make)
        if path.stat().st_size == 0:
            raise ValueError(f"The database {path} is empty: {remedy}")
        fault = _fault(path)
        if fault is not None:
            raise ValueError(f"The database {path} {fault}: {remedy}")
        return File(path)


def _create(path: Path, make: Callable[[sa.Connection], None]) -> None:
    """Make the file beside its place and move it there whole: what a death leaves half is never opened."""
    new = path.with_name(f"{path.name}.new")
    for leftover in (new, *(new.with_name(new.name + end) for end in ("-wal", "-shm", "-journal"))):
        leftover.unlink(missing_ok=True)
    engine = engine_of(new, lambda: _connect(new, "rwc"))
    with engine.connect().execution_options(sartor_writes=True) as connection, connection.begin():
        make(connection)
    engine.dispose()
    new.replace(path)


def _connect(path: Path, mode: str = "rw") -> sqlite3.Connection:
    """Return a connection to the file at ``path``; only with the mode ``rwc`` is one made that is not there."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        check_same_thread=False,
        isolation_level=None,
    )


def engine_of(path: Path, connect: Callable[[], sqlite3.Connection]) -> sa.Engine:
    """Return SQLAlchemy's engine for a file."""
    url = sa.URL.create("sqlite", database=str(path))
    engine = sa.create_engine(url, pool_size=16, max_overflow=48, creator=connect)
    sa.event.listen(engine, "connect", lambda connection, _record: _tune(connection))
    sa.event.listen(engine, "begin", _begin)
    return engine


def _fault(path: Path) -> str | None:
    """Return what is wrong with a file, in words; and put one that is right in WAL mode, which the file keeps."""
    try:
        with closing(_connect(path)) as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
            if not names.issuperset(_CHECKED):
                return "is none of Sartor's"
            for name in _CHECKED:
                found = connection.execute(f"PRAGMA quick_check('{name}')").fetchone()
                if found != ("ok",):
                    return "is damaged"
            connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        return "is damaged"
    return None


def _tune(connection: Any) -> None:
    """Make a new connection durable, and what it deletes unreadable; BEGIN is left to ``_begin``."""
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")


def _begin(connection: sa.Connection) -> None:
    """Begin on SQLite; a writer takes its lock at once, so that it never fails in the middle."""
    writes = connection.get_execution_options().get("sartor_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
