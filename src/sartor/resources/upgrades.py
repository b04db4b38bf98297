"""What an earlier Sartor left becomes what this one expects: a step for each version of the database's tables.

The tables have a version, and the files in storage have one, their layout; both stand in the table of settings.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import sqlalchemy as sa

from sartor.data.put_numbers import MOST_COUNTED
from sartor.data.put_tables import PUT
from sartor.resources.tables import SETTING

#: Raised with every change of the tables; a step leads from the one before.
SCHEMA_VERSION: Final = "4"
#: Raised when an older Sartor could not use what a newer one stores beside the database: tables, models, reports.
STORAGE_LAYOUT: Final = "1"
#: Tables that only earlier versions had.
EARLIER_TABLES: Final = ("put_counter",)


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


def say_layout(connection: sa.Connection) -> None:
    """Take a database of version 3 to version 4: it says which layout the files in storage have."""
    connection.execute(sa.insert(SETTING).values(key="storage_layout", value=STORAGE_LAYOUT))


class Step(NamedTuple):
    """What takes a database to another version.

    Attributes:
        version: the one that it has then.
        what: what is new, in words.
        upgrade: changes its tables.
    """

    version: str
    what: str
    upgrade: Callable[[sa.Connection], None]


#: The step from each earlier version.
STEPS: Final[Mapping[str, Step]] = {
    "1": Step("2", "what calls put is numbered by dataset", number_by_dataset),
    "2": Step("3", "roles, policies and the record of changes have tables", add_access),
    "3": Step("4", "the layout of storage has a version", say_layout),
}


@dataclass(frozen=True)
class Found:
    """The versions of what a service has.

    Attributes:
        schema_version: of the database's tables.
        storage_layout: of the files in storage; before the database said it there was one.
    """

    schema_version: str
    storage_layout: str

    @property
    def steps(self) -> list[Step]:
        """What takes it to what this Sartor expects, in order.

        Raises:
            ValueError: a newer Sartor made it.
        """
        for name, version, known in (
            ("database has the tables", self.schema_version, SCHEMA_VERSION),
            ("storage has the layout", self.storage_layout, STORAGE_LAYOUT),
        ):
            if int(version) > int(known):
                raise ValueError(
                    f"The {name} of version {version}, this Sartor knows version {known}: start the Sartor that "
                    "made it, or a later one."
                )
        steps, version = [], self.schema_version
        while version != SCHEMA_VERSION:
            step = STEPS[version]
            steps.append(step)
            version = step.version
        return steps


def found_in(stored: Mapping[str, str]) -> Found:
    """Return the versions that a database's settings say."""
    return Found(stored["schema_version"], stored.get("storage_layout", "1"))


def upgrade(connection: sa.Connection, steps: list[Step]) -> None:
    """Take a database through these steps, all in the connection's transaction."""
    for step in steps:
        step.upgrade(connection)
        connection.execute(
            sa.update(SETTING).where(SETTING.c.key == "schema_version").values(value=step.version)
        )
