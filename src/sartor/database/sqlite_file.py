"""SQLite's file: made once and whole, opened if it is well, and looked after while it is open."""

import sqlite3
import time
from collections.abc import Callable, Collection
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from sartor.errors import Unavailable
from sartor.once import Once

#: How long a statement waits for SQLite's write lock before it gives up.
BUSY_SECONDS: Final = 10.0
#: How often the file is looked at for those who only read.
_LOOK_SECONDS: Final = 0.02


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


def open_file(path: Path, make: Callable[[sa.Connection], None], checked: Collection[str]) -> File:
    """Return a database file, which is made whole if it was never made; several processes may ask at once.

    Args:
        path: of the file.
        make: creates the tables in a new one.
        checked: the tables that are read whole.

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
        fault = _fault(path, checked)
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


def _fault(path: Path, checked: Collection[str]) -> str | None:
    """Return what is wrong with a file, in words; and put one that is right in WAL mode, which the file keeps."""
    try:
        with closing(_connect(path)) as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
            if not names.issuperset(checked):
                return "is none of Sartor's"
            for name in checked:
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
