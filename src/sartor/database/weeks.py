"""Tables that are divided by the weeks of a number, so that old rows go at once and unread.

A number of such a table is a time in microseconds. Weeks and not days: a read by key looks into each part, and ninety
of them cost it a millisecond.
"""

import logging
import threading
from collections.abc import Collection
from typing import Final, NamedTuple, Protocol

import sqlalchemy as sa

LOG = logging.getLogger("sartor.database")

_WEEK_NUMBERS: Final = 7 * 86_400_000_000
#: Who drops a week waits so long for those who read, and others behind it; then it is for the next sweep.
_DROP_LOCK_MILLISECONDS: Final = 500
_LOCK_NOT_AVAILABLE: Final = "55P03"
_BOUNDS: Final = sa.text(
    "SELECT child.relname, pg_get_expr(child.relpartbound, child.oid) FROM pg_inherits "
    "JOIN pg_class AS child ON child.oid = inhrelid JOIN pg_class AS parent ON parent.oid = inhparent "
    "WHERE parent.oid = CAST(:table AS regclass)"
)


class Week(NamedTuple):
    """A part of a table.

    Attributes:
        name: of the part.
        first: the smallest number that it may have.
        end: the number after the largest.
    """

    name: str
    first: int
    end: int


class Weeks(Protocol):
    """How a database divides tables by weeks."""

    @property
    def divided(self) -> bool:
        """Whether it does."""

    def make_room(self, table: str, numbers: Collection[int]) -> None:
        """See that rows with these numbers have a place."""

    def until(self, table: str, number: int) -> list[Week]:
        """Return the parts that have only smaller numbers, oldest first."""

    def drop(self, table: str, week: Week) -> None:
        """Drop a part with its rows."""


class Whole:
    """Tables are not divided: SQLite has one file, and one writer who deletes.

    Attributes:
        divided: false.
    """

    divided = False

    def make_room(self, table: str, numbers: Collection[int]) -> None:
        """There is room."""

    def until(self, table: str, number: int) -> list[Week]:
        """There are none."""
        return []

    def drop(self, table: str, week: Week) -> None:
        """There is none."""


class Partitions:
    """PostgreSQL's partitions: https://www.postgresql.org/docs/current/ddl-partitioning.html.

    Args:
        engine: of the database.

    Attributes:
        divided: true.
    """

    divided = True

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._made: set[tuple[str, int]] = set()
        self._turn = threading.Lock()

    def make_room(self, table: str, numbers: Collection[int]) -> None:
        """Make the partitions that are missing, each in a transaction of its own; once a week and process."""
        wanted = {(table, number // _WEEK_NUMBERS) for number in numbers}
        if wanted <= self._made:
            return
        with self._turn:
            for name, week in sorted(wanted - self._made):
                self._make(name, week)
                self._made.add((name, week))

    def until(self, table: str, number: int) -> list[Week]:
        """Look the partitions up."""
        with self._engine.begin() as connection:
            found = [_week(name, bounds) for name, bounds in connection.execute(_BOUNDS, {"table": table})]
        return sorted((week for week in found if week.end <= number), key=lambda week: week.end)

    def drop(self, table: str, week: Week) -> None:
        """Drop the partition, unless its readers take too long: then it stays until it is asked for again."""
        try:
            with self._engine.begin() as connection:
                connection.execute(sa.text(f"SET LOCAL lock_timeout = '{_DROP_LOCK_MILLISECONDS}ms'"))
                connection.execute(sa.text(f'DROP TABLE IF EXISTS "{week.name}"'))
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            LOG.info("%s is read: it is dropped by the next sweep", week.name)

    def _make(self, table: str, week: int) -> None:
        """Make a partition if it is missing; neither readers nor writers of the others wait for that."""
        name = f"{table}_week_{week}"
        first, end = week * _WEEK_NUMBERS, (week + 1) * _WEEK_NUMBERS
        with self._engine.begin() as connection:
            connection.execute(
                sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"weeks of {table}")))
            )
            if connection.execute(sa.select(sa.func.to_regclass(name))).scalar() is not None:
                return
            connection.execute(sa.text(f'CREATE TABLE "{name}" (LIKE "{table}" INCLUDING ALL)'))
            connection.execute(
                sa.text(
                    f'ALTER TABLE "{table}" ATTACH PARTITION "{name}" FOR VALUES FROM ({first}) TO ({end})'
                )
            )


def _week(name: str, bounds: str) -> Week:
    """Return a part by what PostgreSQL says of it: ``FOR VALUES FROM ('1') TO ('2')``."""
    first, end = bounds.replace("FOR VALUES FROM", "").split("TO")
    numbers = [one.strip(" ()'") for one in (first, end)]
    return Week(name, *(0 if one == "MINVALUE" else int(one) for one in numbers))
