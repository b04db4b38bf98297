"""The store of the control plane: resources, tasks, and what calls put, in one database.

Four tables hold everything of the control plane. ``resource`` is one row an ARN, with its public members as JSON;
``reference`` is one row for each resource that another one names; ``tag`` and ``task`` belong to a resource by its
ARN. A task's row exists exactly as long as work is owed, so the table of tasks is short and a claim is quick.
"""

import logging
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa

from sartor.data import put_tables, samples
from sartor.data.events import PutRecords
from sartor.data.samples import Samples
from sartor.database import Database, open_database, stored_settings
from sartor.database.dialect import Listing
from sartor.resources import upgrades
from sartor.resources.tables import (
    METADATA,
    RESOURCE_COLUMNS,
    SETTING,
    Resource,
    TaskRow,
    resource_of,
)
from sartor.resources.transaction import Duplicate, Transaction
from sartor.resources.unchanged import Unchanged

LOG = logging.getLogger("sartor.store")

__all__ = ["Duplicate", "Resource", "Store", "TaskRow", "Transaction"]

#: The tables that whoever opens a file reads whole; the others have all records.
_CHECKED: Final = ("setting", "resource", "reference", "tag", "task")
#: Every table, and the name of every one that there ever was.
_ALL: Final = (METADATA, put_tables.METADATA, samples.METADATA)
_TABLES: Final = (*(name for tables in _ALL for name in tables.tables), *upgrades.EARLIER_TABLES)
#: How long whoever asks whether writes succeed waits for other writers, and how much is written.
_PROBE_SECONDS: Final = 2.0
_PROBE_CHARACTERS: Final = 16_384

_COLUMNS: Final = ", ".join(column.name for column in RESOURCE_COLUMNS)
_GET: Final = f"SELECT {_COLUMNS} FROM resource WHERE arn = ?"
_EVERY: Final = f"SELECT {_COLUMNS} FROM resource WHERE kind = ? ORDER BY seq"
_FIRST_DUE: Final = "SELECT MIN(leased_until) FROM task WHERE lane IN ({values})"
#: Rows as ``Resource.stamp``, by ARN; and the same rows, kept as they are until the transaction ends.
_STAMPS: Final = "SELECT arn, seq, status, updated_at FROM resource WHERE arn IN ({values}) ORDER BY arn"
_STAMPS_KEPT: Final = f"{_STAMPS} {{shared}}"


class Store:
    """The metadata database of one service; safe to share between threads. Made by ``Store.open``.

    Attributes:
        database: where everything lies.
        local: true where a read by key is quick enough for an event loop.
        at_once: as the database has it.
        secret: random bytes that every process of the service shares; they sign list tokens.
        put_records: what calls put into datasets, in the same database.
        samples: the values of metric attributions.
    """

    def __init__(self, database: Database, keep_copy: bool = True) -> None:
        self.database = database
        self.local = database.local
        self.at_once = database.at_once
        self._rows = database.rows
        spelled = database.dialect
        self._get, self._every = spelled.sql(_GET), spelled.sql(_EVERY)
        self._first_due = Listing(spelled, _FIRST_DUE)
        self._stamps, self._stamps_kept = Listing(spelled, _STAMPS), Listing(spelled, _STAMPS_KEPT)
        self.secret = self._create_tables(keep_copy)
        self.put_records = PutRecords(database)
        self.samples = Samples(database)

    @classmethod
    def open(cls, url: str, keep_copy: bool = True) -> "Store":
        """Open the database at ``url`` and create its tables if need be; several processes may at once.

        Args:
            url: ``sqlite:///path`` or ``postgresql://user:password@host/database``.
            keep_copy: whether a copy stays of what an earlier Sartor made, before it is taken over.

        Raises:
            ValueError: the URL names neither a SQLite file nor PostgreSQL, its driver is missing, a newer Sartor
                made what is there, the file was lost or damaged, or no copy can be kept.
        """
        return cls(open_database(url, _make_tables, _CHECKED), keep_copy)

    def get(self, arn: str) -> Resource | None:
        """Return the resource of this ARN, whoever owns it; the quick way of the Describe operations."""
        rows = self._rows(self._get, (arn,))
        return resource_of(rows[0]) if rows else None

    def every(self, kind: str) -> list[Resource]:
        """Return the resources of one kind of all accounts and regions, oldest first; for who looks again and again."""
        with self.at_once():
            return [resource_of(row) for row in self._rows(self._every, (kind,))]

    def datasets(self, group_arn: str) -> dict[str, Resource]:
        """Return the datasets of a group by type; the hidden one of events is none."""
        with self.read() as transaction:
            return transaction.datasets(group_arn)

    def task_due(self, lanes: Sequence[str], now: float) -> bool:
        """Return whether a task of these lanes waits or has a lapsed lease; takes no lock."""
        with self.at_once():
            ((first,),) = self._rows(self._first_due[len(lanes)], tuple(lanes))
        return first is not None and first <= now

    def stamps(self, arns: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return what changes with these resources: ARN, number, status and last change of those that exist."""
        return self._rows(self._stamps[len(arns)], tuple(arns))

    def unchanged(self, arns: Sequence[str]) -> Unchanged:
        """Return what tells later, in any transaction, whether one of these resources has changed since now."""
        return Unchanged(tuple(arns), self.stamps(arns), self._stamps_kept[len(arns)])

    def still(self, unchanged: Unchanged) -> bool:
        """Return whether those resources are what they were, now."""
        with self.database.read() as connection:
            return unchanged(connection)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Give a transaction that only reads.

        Raises:
            Unavailable: the database cannot be used now.
        """
        with self.database.read() as connection:
            yield Transaction(connection)

    @contextmanager
    def write(self, lock: str | None = None) -> Iterator[Transaction]:
        """Give a transaction that commits at the end and rolls back on an exception.

        Args:
            lock: a word; two writers with the same word wait for each other, so what one of them checked
                still holds when it commits.

        Raises:
            Unavailable: the database cannot be written now.
        """
        with self.database.write(lock) as connection:
            yield Transaction(connection)

    def check(self) -> None:
        """Raise if the database cannot be written now, or is not the one that was opened."""
        value = secrets.token_hex(_PROBE_CHARACTERS // 2)  # SQLite does not write what is there already
        with self.database.write(wait_seconds=_PROBE_SECONDS) as connection:
            connection.execute(sa.delete(SETTING).where(SETTING.c.key == "probe"))
            connection.execute(sa.insert(SETTING).values(key="probe", value=value))
        found = dict(map(tuple, self.database.fresh_rows("SELECT key, value FROM setting")))
        if found.get("secret") != self.secret.hex():
            raise LookupError("The database was replaced by another one.")

    def clear_deleted(self) -> None:
        """Leave nothing of deleted rows in files that are ours."""
        self.database.clear_deleted()

    def close(self) -> None:
        """Close every connection; no thread may use the store any more."""
        self.put_records.close()
        self.database.close()

    def _create_tables(self, keep_copy: bool) -> bytes:
        """Create what is missing and take over what is older, one process at a time; return the service's secret."""
        with self.database.prepare() as connection:
            _make_tables(connection)
            stored = {row.key: row.value for row in connection.execute(sa.select(SETTING))}
            steps = upgrades.found_in(stored).steps
            if steps:
                before = stored["schema_version"]
                kept = self.database.keep(connection, _TABLES, before) if keep_copy else "no copy was kept"
                LOG.warning("the database goes from version %s to %s; %s", before, steps[-1].version, kept)
                upgrades.upgrade(connection, steps)
        return bytes.fromhex(stored["secret"])


def stored_versions(url: str) -> upgrades.Found | None:
    """Return the versions of the service at ``url`` without a change to it, ``None`` if there is none.

    Raises:
        ValueError: the URL names neither a SQLite file nor PostgreSQL, or its driver is missing.
    """
    stored = stored_settings(url)
    return None if stored is None else upgrades.found_in(stored)


def _make_tables(connection: sa.Connection) -> None:
    """Create what is missing, and a new service's secret."""
    for tables in _ALL:
        tables.create_all(connection)
    if connection.execute(sa.select(SETTING.c.key).limit(1)).first() is None:
        made = {
            "schema_version": upgrades.SCHEMA_VERSION,
            "storage_layout": upgrades.STORAGE_LAYOUT,
            "secret": secrets.token_hex(32),
        }
        connection.execute(sa.insert(SETTING), [{"key": key, "value": value} for key, value in made.items()])
