"""The metadata database, SQLite in a file or PostgreSQL, behind the same few calls."""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa

from sartor.database import postgresql, sqlite
from sartor.database.dialect import Dialect
from sartor.database.moment import moment_of
from sartor.database.weeks import Weeks

#: What a column holds, and a statement takes.
Values = tuple[Any, ...]


class Database(Protocol):
    """One database; safe to share between threads. Every call raises ``Unavailable`` when it cannot be used now."""

    @property
    def dialect(self) -> Dialect:
        """How its driver's SQL is spelled."""

    @property
    def weeks(self) -> Weeks:
        """How it divides tables by weeks."""

    @property
    def local(self) -> bool:
        """Whether a read by key is quick enough for an event loop."""

    def write(
        self, lock: str | None = None, wait_seconds: float | None = None
    ) -> AbstractContextManager[sa.Connection]:
        """Give a connection in a transaction that commits at the end and rolls back on an exception.

        Args:
            lock: a word; two writers with the same word wait for each other, so what one of them checked still
                holds when it commits. SQLite has one writer at a time and needs no word.
            wait_seconds: how long to wait for other writers, if not as long as usual; PostgreSQL's wait in its way.
        """

    def prepare(self) -> AbstractContextManager[sa.Connection]:
        """Give a connection as ``write`` does, to who makes or changes tables; others who want to wait for the end."""

    def keep(self, connection: sa.Connection, tables: Collection[str], version: str) -> str:
        """Keep a copy of these tables, those that are there, as they were before ``prepare``; say where, in words.

        Args:
            connection: of ``prepare``.
            tables: their names.
            version: is in the copy's name; a copy of the same name makes room.

        Raises:
            ValueError: there is no room, or no right to.
        """

    def read(self) -> AbstractContextManager[sa.Connection]:
        """Give a connection in a transaction that only reads."""

    def rows(self, query: str, values: Values) -> list[Any]:
        """Return the rows of a SELECT by key, spelled by ``dialect``, in the quickest way there is."""

    def fresh_rows(self, query: str) -> list[Any]:
        """Return the rows of a SELECT as whoever opens the database now would see them."""

    def at_once(self) -> AbstractContextManager[None]:
        """Give a thread's ``rows`` what they have read before if nothing was committed since, where that is quicker.

        One look at a counter of commits then takes the place of all of them. What they have not read yet may be of a
        later moment, so stamps come before what they vouch for.
        """

    def clear_deleted(self) -> None:
        """Leave nothing of deleted rows in files that are ours; a server looks after its own."""

    def close(self) -> None:
        """Close every connection; no thread may use the database any more."""


def open_database(url: str, make: Callable[[sa.Connection], None], checked: Collection[str]) -> Database:
    """Return the database at ``url``; several processes may ask at once.

    Args:
        url: ``sqlite:///path`` or ``postgresql://user:password@host/database``.
        make: creates the tables in a file that is new.
        checked: the tables of a file that are read whole before it is used.

    Raises:
        ValueError: the URL names neither, the driver is missing, or the file was lost or damaged.
    """
    found = _place(url)
    if isinstance(found, Path):
        return sqlite.Sqlite(found, make, checked)
    return postgresql.PostgreSql(found)


def stored_settings(url: str) -> dict[str, str] | None:
    """Return the service's own values in the database at ``url``, ``None`` if there is no service; nothing is changed.

    Raises:
        ValueError: the URL names neither, or the driver is missing.
        Unavailable: it cannot be reached.
    """
    found = _place(url)
    if not isinstance(found, Path):
        return postgresql.stored_settings(found)
    if not found.exists():
        return None
    with moment_of(found) as moment:
        return moment.settings()


def _place(url: str) -> Path | sa.URL:
    """Return the file of SQLite that a URL names, or the URL of a server.

    Raises:
        ValueError: it names neither.
    """
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "postgresql":
        return parsed
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise ValueError("The database must be sqlite:///PATH or postgresql://…: a file or a server.")
    return Path(parsed.database)
