"""What earlier Sartors left, brought to where a test wants it."""

import itertools
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sartor.resources.upgrades import STEPS

VERSIONS = tuple(STEPS)
SORTS = ("sqlite", "postgresql")
_numbers = itertools.count()


@dataclass(frozen=True)
class Kept:
    """A service of an earlier Sartor.

    Attributes:
        data: its data folder.
        url: of its database.
        answers: what it answered, by the question; under ``rows`` what its exports wrote.
    """

    data: Path
    url: str
    answers: dict[str, Any]

    def rows(self, tables: tuple[str, ...] = ()) -> dict[str, list[str]]:
        """Return all rows of these tables, of every one but partitions if none is named, by the table."""
        with _engine(self.url).connect() as connection:
            names = tables or tuple(
                name
                for name in sa.inspect(connection).get_table_names()
                if not name.startswith("put_record_")
            )
            return {
                name: sorted(map(repr, connection.exec_driver_sql(f"SELECT * FROM {name}"))) for name in names
            }


@contextmanager
def brought(version: str, sort: str, folder: Path, server: str | None = None) -> Iterator[Kept]:
    """Give what the Sartor of a version left.

    Args:
        version: of its database.
        sort: ``sqlite`` or ``postgresql``.
        folder: becomes its data folder.
        server: the URL of a PostgreSQL, which gets a database for it.
    """
    with tarfile.open(Path(__file__).with_name(f"version-{version}-{sort}.tar.xz")) as archive:
        archive.extractall(folder, filter="data")
    answers = json.loads((folder / "answers.json").read_text())
    if sort == "sqlite":
        yield Kept(folder, f"sqlite:///{folder / 'sartor.db'}", answers)
        return
    assert server is not None
    name = f"kept_{next(_numbers)}"
    admin = _engine(server).execution_options(isolation_level="AUTOCOMMIT")
    url = (
        sa.make_url(server).set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    )
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    with _engine(url).begin() as connection:
        cursor = connection.connection.cursor()
        cursor.execute((folder / "postgresql.sql").read_bytes())
    yield Kept(folder, url, answers)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


def _engine(url: str) -> sa.Engine:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    return sa.create_engine(parsed, poolclass=sa.NullPool)
