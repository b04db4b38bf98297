"""A moment of a SQLite database that stands still while others write."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sartor.database.sqlite_file import File


class Moment:
    """What a database held at one moment.

    Args:
        connection: in a transaction that reads.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def settings(self) -> dict[str, str]:
        """Return the service's own values by key, ``schema_version`` among them."""
        return dict(self._connection.execute("SELECT key, value FROM setting ORDER BY key"))

    def copy(self, place: Path) -> None:
        """Write a database file of that moment."""
        with closing(sqlite3.connect(place)) as target:
            target.execute("PRAGMA synchronous = OFF")  # whoever stores the file makes it durable
            self._connection.backup(target)


@contextmanager
def moment_of(path: Path) -> Iterator[Moment]:
    """Give a moment of the database file at ``path``; others write on, into the log of writes.

    Raises:
        Unavailable: the file is empty.
        FileNotFoundError: it is not there.
    """
    with closing(File(path).connect()) as connection:
        connection.execute("BEGIN")
        moment = Moment(connection)
        moment.settings()  # the first read is what fixes the moment
        yield moment
