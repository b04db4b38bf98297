"""PostgreSQL as the metadata database: a pool of connections to a server."""

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from hashlib import blake2b
from importlib.util import find_spec
from typing import Any, Final

import sqlalchemy as sa

from sartor.database import outage
from sartor.database.dialect import POSTGRESQL
from sartor.database.weeks import Partitions

#: How long a statement waits for a lock before it gives up, and how long for the server.
_LOCK_SECONDS: Final = 30
_CONNECT_SECONDS: Final = 10


class PostgreSql:
    """A database on a server.

    Args:
        url: of the database.

    Attributes:
        dialect: PostgreSQL's.
        weeks: its partitions.
        local: false.

    Raises:
        ValueError: the driver is missing.
    """

    dialect = POSTGRESQL
    local = False

    def __init__(self, url: sa.URL) -> None:
        if find_spec("psycopg") is None:
            raise ValueError("PostgreSQL needs the extra: pip install 'sartor[postgres]'.")
        self._engine = sa.create_engine(
            url.set(drivername="postgresql+psycopg"),
            pool_size=8,
            max_overflow=24,
            pool_pre_ping=True,
            connect_args={"connect_timeout": _CONNECT_SECONDS},
        )
        sa.event.listen(self._engine, "connect", lambda connection, _record: _tune(connection))
        self.weeks = Partitions(self._engine)

    @contextmanager
    def write(self, lock: str | None = None, wait_seconds: float | None = None) -> Iterator[sa.Connection]:
        """Begin, and take the word's lock until the end."""
        with outage.as_outages(), self._engine.begin() as connection:
            if lock is not None:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_lock_number(lock))))
            yield connection

    @contextmanager
    def prepare(self) -> Iterator[sa.Connection]:
        """Begin, and take a lock, for which others wait without end."""
        with outage.as_outages(), self._engine.begin() as connection:
            connection.execute(sa.text("SET LOCAL lock_timeout = 0"))
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_lock_number("create tables"))))
            yield connection

    def keep(self, connection: sa.Connection, tables: Collection[str], version: str) -> str:
        """Copy the tables into a schema beside theirs, in the same transaction."""
        kept = f"sartor_version_{version}"
        there = [name for name in sa.inspect(connection).get_table_names() if name in tables]
        try:
            connection.execute(sa.text(f"DROP SCHEMA IF EXISTS {kept} CASCADE"))
            connection.execute(sa.text(f"CREATE SCHEMA {kept}"))
        except sa.exc.ProgrammingError as error:
            said = str(error.orig).partition("\n")[0]
            raise ValueError(
                f"No copy of the database can be kept before it is upgraded: {said}. Grant CREATE on the database, or "
                "keep a copy with pg_dump and run `sartor upgrade --no-copy`."
            ) from error
        for name in there:
            connection.execute(sa.text(f"CREATE TABLE {kept}.{name} AS TABLE {name}"))
        return f"its rows are kept in the schema {kept}"

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Begin."""
        with outage.as_outages(), self._engine.begin() as connection:
            yield connection

    @outage.raises_outages
    def rows(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        """One statement in a transaction of its own."""
        with self._engine.begin() as connection:
            return list(connection.exec_driver_sql(query, values).fetchall())

    def fresh_rows(self, query: str) -> list[Any]:
        """Every transaction sees what was committed before it."""
        return self.rows(query, ())

    def at_once(self) -> AbstractContextManager[None]:
        """A server has no counter that costs less than a read."""
        return nullcontext()

    def clear_deleted(self) -> None:
        """It looks after its own files."""

    def close(self) -> None:
        """Close the pool."""
        self._engine.dispose()


def stored_settings(url: sa.URL) -> dict[str, str] | None:
    """Return the service's own values, ``None`` if the database has no service.

    Raises:
        ValueError: the driver is missing.
        Unavailable: it cannot be reached.
    """
    database = PostgreSql(url)
    try:
        with database.read() as connection:
            if not sa.inspect(connection).has_table("setting"):
                return None
            rows = connection.execute(sa.text("SELECT key, value FROM setting"))
            return dict(map(tuple, rows))
    finally:
        database.close()


def _tune(connection: Any) -> None:
    """Let no statement wait for a lock for ever."""
    connection.autocommit = True
    connection.execute(f"SET lock_timeout = {1000 * _LOCK_SECONDS:.0f}")
    connection.autocommit = False


def _lock_number(word: str) -> int:
    """Return the 64-bit number of a lock's word."""
    return int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), signed=True)
