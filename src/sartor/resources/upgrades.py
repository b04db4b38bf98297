"""What an earlier Sartor left in the database becomes what this one expects: a function for each version."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import sqlalchemy as sa

from sartor.data.put_numbers import MOST_COUNTED
from sartor.data.put_tables import PUT


def number_by_dataset(connection: sa.Connection) -> None:
    """Take a database of version 1, in which all datasets had one counter, to version 2.

    Numbers are times since then, so every new one is larger than those. PostgreSQL's records become one part of a table
    that is divided by weeks.
    """
    connection.execute(
        sa.text(
            "INSERT INTO put_number (dataset, seq, newest) "
            "SELECT dataset, max(seq), max(seq) FROM put_record GROUP BY dataset"
        )
    )
    connection.execute(sa.text("DROP TABLE put_counter"))
    if connection.dialect.name != "postgresql":
        return
    for statement in (
        "ALTER TABLE put_record RENAME TO put_record_counted",
        "ALTER INDEX put_record_pkey RENAME TO put_record_counted_pkey",
        "ALTER INDEX put_record_seq RENAME TO put_record_counted_seq",
    ):
        connection.execute(sa.text(statement))
    PUT.create(connection)
    connection.execute(
        sa.text(
            "ALTER TABLE put_record ATTACH PARTITION put_record_counted "
            f"FOR VALUES FROM (MINVALUE) TO ({MOST_COUNTED})"
        )
    )


def add_access(_connection: sa.Connection) -> None:
    """Take a database of version 2 to version 3: roles, policies and the record of changes have tables of their own.

    Whoever opens a database makes what is missing. The number keeps out a Sartor that would not ask policies.
    """


class Step(NamedTuple):
    """What takes a database to another version.

    Attributes:
        version: the one that it has then.
        upgrade: changes its tables.
    """

    version: str
    upgrade: Callable[[sa.Connection], None]


#: The step from each earlier version.
STEPS: Final[Mapping[str, Step]] = {"1": Step("2", number_by_dataset), "2": Step("3", add_access)}
