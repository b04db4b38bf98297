"""Sweeps: small parts become few, what is kept no longer goes, and whole folders are listed once a day."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from sartor.app import tools_of
from sartor.data.dataset import DatasetRecords
from sartor.data.parts import write_part
from sartor.data.put import Row
from sartor.resources.records import records_of
from sartor.work import jobs
from sartor.work.jobs import READ_SECONDS, SWEEP_SECONDS, Sweeps
from sartor.work.tools import Tools
from wire.asgi import App

ARN = "arn:aws:personalize:us-east-1:000000000000"
FIELDS = [{"name": "ITEM_ID", "type": "string"}, {"name": "PRICE", "type": ["null", "float"]}]
HOLDER = "this worker"


@dataclass
class Items:
    """A dataset of items, and a worker's clock and sweeps."""

    records: DatasetRecords
    tools: Tools
    folder: Path
    clock: SimpleNamespace
    sweeps: Sweeps = field(default_factory=lambda: Sweeps(HOLDER))

    def bring(self, number: int) -> None:
        """Import one item."""
        path = self.records.bulk_table.stage() / f"{number:013d}-00000-x.parquet"
        with self.records.connection() as connection:
            part = write_part(connection, f"SELECT 'i{number}' AS ITEM_ID, 1::FLOAT AS PRICE", path)
        self.records.bulk_table.commit([part], "INCREMENTAL", self.records.schema, f"job-{number}")

    def drain(self, number: int) -> None:
        """Put one item and drain it."""
        self.records.put.put(self.records.number, [Row("p", {"ITEM_ID": f"p{number}"})]).result(20)
        assert self.records.drain() == 1

    def sweep(self, seconds_later: float = 0.0) -> None:
        self.clock.now += seconds_later
        self.sweeps.run(self.tools)

    def parts(self, table: str) -> set[str]:
        return {file.name for file in (self.folder / table).glob("*.parquet")}

    def lost(self, name: str) -> Path:
        """Leave a part that no commit names, as a job that died two days ago did."""
        file = self.folder / "bulk" / name
        file.write_bytes(b"x")
        os.utime(file, (time.time() - 2 * SWEEP_SECONDS,) * 2)
        return file


@pytest.fixture
def items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Items]:
    app = App(tmp_path)
    schema = {"type": "record", "name": "Items", "namespace": "a", "version": "1.0", "fields": FIELDS}
    app.call("CreateSchema", {"name": "s", "schema": json.dumps(schema)})
    app.call("CreateDatasetGroup", {"name": "g"})
    store = app.backend.store
    with store.write() as transaction:
        transaction.set_status(f"{ARN}:dataset-group/g", "ACTIVE", 1.0)
    of_group = {"datasetGroupArn": f"{ARN}:dataset-group/g", "schemaArn": f"{ARN}:schema/s"}
    assert app.call("CreateDataset", {"name": "d", "datasetType": "Items", **of_group}).status == 200
    with store.write() as transaction:
        transaction.set_status(f"{ARN}:dataset/g/ITEMS", "ACTIVE", 1.0)
        transaction.merge_private(f"{ARN}:dataset/g/ITEMS", {"table": "tables/t/bulk"})
    resource = store.get(f"{ARN}:dataset/g/ITEMS")
    assert resource is not None
    tools = tools_of(app.backend)
    clock = SimpleNamespace(now=time.time())
    monkeypatch.setattr(jobs, "time", SimpleNamespace(time=lambda: clock.now))
    yield Items(records_of(resource, tools), tools, tmp_path / "storage/tables/t", clock)
    app.close()


def test_small_imported_parts_become_few_and_the_old_ones_stay_for_undo(items: Items) -> None:
    for number in range(20):
        items.bring(number)
    items.sweep()
    assert len(items.records.bulk_table.snapshot().parts) < 16
    assert items.records.count("BULK") == 20
    assert len(items.parts("bulk")) == 21
    items.sweep(29 * 86400.0)
    assert len(items.parts("bulk")) == 21
    items.sweep(2 * 86400.0)
    assert items.parts("bulk") == set(items.records.bulk_table.snapshot().parts)
    assert items.records.count("BULK") == 20


def test_nothing_is_merged_while_a_deletion_rewrites_parts(items: Items) -> None:
    for number in range(16):
        items.bring(number)
    assert items.records.put.lease(f"drain/{items.records.number}", "a deletion", 60.0)
    items.sweep()
    assert len(items.records.bulk_table.snapshot().parts) == 16
    items.records.put.end_lease(f"drain/{items.records.number}", "a deletion")
    items.sweep()
    assert len(items.records.bulk_table.snapshot().parts) == 9


def test_drained_parts_that_were_merged_are_left_to_readers_for_some_hours(items: Items) -> None:
    for number in range(20):
        items.drain(number)
    kept = items.parts("put")
    items.sweep(READ_SECONDS - 600)
    assert items.parts("put") == kept
    items.sweep(1200)
    assert items.parts("put") == set(items.records.put_table.snapshot().parts) < kept
    assert items.records.count("PUT") == 20


def test_parts_that_no_commit_names_are_looked_for_once_a_day(items: Items) -> None:
    items.bring(1)
    first = items.lost("first.parquet")
    items.sweep()
    assert not first.exists()
    second = items.lost("second.parquet")
    items.sweep(SWEEP_SECONDS / 2)
    assert second.exists()
    items.sweep(SWEEP_SECONDS / 2 + 1)
    assert not second.exists()
    assert items.records.count() == 1
