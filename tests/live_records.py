"""A dataset as a process that answers sees it: rows that imports bring, and records that calls put."""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb

from sartor.data.blobs import FolderBlobs
from sartor.data.dataset import DatasetRecords
from sartor.data.parts import write_part
from sartor.data.put import Row
from sartor.data.schema import Schema
from sartor.resources.store import Store

Cells = Mapping[str, Any]
SECONDS = 20.0


@dataclass
class Live:
    """One dataset that changes.

    Attributes:
        records: what whoever looks finds now; ``None`` once the dataset is gone.
        reads: how often somebody looked for it.
    """

    records: DatasetRecords | None
    reads: int = 0
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def find(self) -> DatasetRecords | None:
        self.reads += 1
        return self.records

    def bring(self, *rows: Cells, mode: Any = "INCREMENTAL") -> None:
        """Import rows; a column that a row lacks is null."""
        records, number = self._there, next(self._numbers)
        kinds = {one.name: one.sql_type for one in records.schema.fields}
        selects = [
            "SELECT "
            + ", ".join(f'{_sql(row.get(name))}::{kind} AS "{name}"' for name, kind in kinds.items())
            for row in rows
        ]
        path = records.bulk_table.stage() / f"{number:013d}-00000-x.parquet"
        with duckdb.connect() as connection:
            part = write_part(connection, " UNION ALL ".join(selects), path)
        records.bulk_table.commit([part], mode, records.schema, f"job-{number}")

    def put(self, *rows: Cells, key: str, session: str | None = None) -> None:
        """Put records of one history, as one call does."""
        records = self._there
        records.put.put(records.number, [Row(key, dict(row), session) for row in rows]).result(SECONDS)

    def under(self, schema: Schema) -> None:
        """Give the dataset a newer schema, as UpdateDataset does."""
        records = self._there
        for table in (records.bulk_table, records.put_table):
            table.add_columns(schema)
        self.records = replace(records, schema=schema)

    @property
    def _there(self) -> DatasetRecords:
        assert self.records is not None
        return self.records


def _sql(value: Any) -> str:
    return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"


@contextmanager
def live(folder: Path, schema: Schema) -> Iterator[Live]:
    """Give an empty dataset in a folder."""
    scratch = folder / "scratch"
    scratch.mkdir()
    store = Store.open(f"sqlite:///{folder / 's.db'}")
    storage = FolderBlobs(folder / "storage")
    yield Live(DatasetRecords(storage, "d", 1, schema, store.put_records, 10**8, scratch))
    store.close()
