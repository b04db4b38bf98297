"""What a table costs after many commits, against what it cost after twenty: a drain, a sweep, a snapshot, its history.

Twenty drains and twenty imports come between two sweeps, which is what ten minutes bring at 2,900 a day. All of it
happens in some minutes here, so nothing is old enough to be deleted: the sweeps and the history have as much to do
with as they ever can. `python -m bench.months --commits 2000` is a smaller one.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, cast

from bench import inputs, table
from bench.table import Row
from sartor.app import open_backend, tools_of
from sartor.data import versions
from sartor.data.dataset import DatasetRecords
from sartor.data.parts import Part, write_part
from sartor.data.put import Row as PutRow
from sartor.resources.control import OPERATIONS, Control
from sartor.resources.records import records_of
from sartor.settings import load
from sartor.wire.handling import bound
from sartor.work.jobs import Sweeps
from sartor.work.tools import Tools

COMMITS, QUICK_COMMITS = 20_000, 1_000
FEW = 20
MOST = 1.5
FIELDS = [("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long")]
#: What a drain's commit is marked with, and how many small parts it merges.
DRAINED, MERGED = "sartor.drain", 4
PREFIX = "arn:aws:personalize:us-east-1:000000000000"
#: So many times each thing is done; a table is settled every twenty commits, and drains merge parts every eight.
ROUNDS = 40


def run(quick: bool) -> list[Row]:
    return measured(QUICK_COMMITS if quick else COMMITS)


def measured(commits: int) -> list[Row]:
    """Measure a dataset with so many commits and one with twenty, in turns: what else the machine does hits both."""
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in THINGS}
    with dataset() as old, dataset() as young:
        old.grow(commits)
        young.grow(FEW)
        for number in range(ROUNDS):
            for at, one in enumerate((old, young)):
                one.put()
                one.bring(
                    commits + number
                )  # what a thing costs depends on how long ago the table was settled
                for name, what in THINGS.items():
                    begun = time.perf_counter()
                    what(one)
                    found[name][at].append(time.perf_counter() - begun)
    rows = []
    for name, (many, few) in found.items():
        # a drain merges parts now and then, which the median would not show
        typical = mean if name == "a drain" else median
        result = typical(many) / typical(few)
        rows.append(
            Row(
                f"{name} after {commits:,} commits to each table",
                f"{typical(many) * 1000:.1f} ms",
                f"after {FEW}: {typical(few) * 1000:.1f} ms",
                f"{result:.2f} ×",
                f"≤ {MOST} ×",
                result <= MOST,
            )
        )
    return rows


@dataclass
class Dataset:
    """A dataset whose tables get many commits."""

    records: DatasetRecords
    tools: Tools
    sweeps: Sweeps
    row: bytes

    def grow(self, commits: int) -> None:
        """Bring each table to this many commits, with a sweep after every twenty.

        The first drain is a real one. The others commit its part again, as a drain does, which takes a quarter of the
        time; the log, which is what grows, is the same.
        """
        self.put()
        self.records.drain()
        table = self.records.put_table
        (name,) = table.snapshot().parts
        drained = table.local(name).read_bytes()
        self.bring(1)
        for number in range(2, commits + 1):
            self.drained(drained, number)
            self.bring(number)
            if number % FEW == 0:
                self.sweep()
            if number % 1000 == 0:
                print(f"months: {number:,} commits", file=sys.stderr, flush=True)

    def put(self) -> None:
        """Put one event."""
        cells = {"USER_ID": "u", "ITEM_ID": "i", "TIMESTAMP": next(MOMENTS)}
        self.records.put.put(self.records.number, [PutRow("u", cells, "s", None)]).result(60)

    def sweep(self) -> None:
        self.sweeps.run(self.tools)

    def snapshot(self) -> None:
        for one in (self.records.put_table, self.records.bulk_table):
            assert one.snapshot().parts

    def drained(self, content: bytes, number: int) -> None:
        """Commit a part of one record, in the place of the smallest parts when they are many."""
        table = self.records.put_table
        now = table.snapshot()
        before = self.records.drained()
        path = table.stage() / f"{round(time.time() * 1000):013d}-{before + 1}.parquet"
        path.write_bytes(content)
        old = list(now.parts)[:MERGED] if len(now.parts) >= 2 * MERGED else []
        rows = 1 + sum(now.parts[name].rows for name in old)
        assert table.change(
            [Part(path, rows, len(content), {"numRecords": rows})],
            old,
            schema=self.records.schema,
            application=(DRAINED, before + 1),
            expected=before,
            note={"sartor.rows": "1"},
        )

    def bring(self, number: int) -> None:
        bulk = self.records.bulk_table
        path = bulk.stage() / f"{round(time.time() * 1000):013d}-00000-{number:x}.parquet"
        path.write_bytes(self.row)
        part = Part(path, 1, len(self.row), {"numRecords": 1})
        bulk.commit([part], "INCREMENTAL", self.records.schema, f"{PREFIX}:dataset-import-job/j{number}")


MOMENTS = count(1_700_000_000)
THINGS: dict[str, Callable[[Dataset], object]] = {
    "a drain": lambda one: one.records.drain(),
    "a sweep": Dataset.sweep,
    "a read of a snapshot": Dataset.snapshot,
    "a count of all imported records": lambda one: one.records.count("BULK"),
    "`sartor history`": lambda one: versions.history(one.records),
}


@contextmanager
def dataset() -> Iterator[Dataset]:
    """Give an empty dataset of interactions in a data folder of its own."""
    with TemporaryDirectory(dir=inputs.folder()) as folder:
        backend = open_backend(load({"data": folder, "quotas": "off"}, {}))
        try:
            handlers = bound(OPERATIONS, Control(backend.store, False, backend.sources))
            caller = cast("Any", SimpleNamespace(account="000000000000", region="us-east-1"))
            columns = [{"name": name, "type": kind} for name, kind in FIELDS]
            schema = {
                "type": "record",
                "name": "Interactions",
                "namespace": "x",
                "fields": columns,
                "version": "1.0",
            }
            arn = f"{PREFIX}:dataset/g/INTERACTIONS"
            handlers["CreateSchema"].handler(caller, {"name": "s", "schema": json.dumps(schema)})
            handlers["CreateDatasetGroup"].handler(caller, {"name": "g"})
            with backend.store.write() as transaction:
                transaction.set_status(f"{PREFIX}:dataset-group/g", "ACTIVE", 1.0)
            of_group = {"datasetGroupArn": f"{PREFIX}:dataset-group/g", "schemaArn": f"{PREFIX}:schema/s"}
            handlers["CreateDataset"].handler(
                caller, {"name": "d", "datasetType": "Interactions", **of_group}
            )
            with backend.store.write() as transaction:
                transaction.set_status(arn, "ACTIVE", 1.0)
                transaction.merge_private(arn, {"table": "tables/t/bulk"})
            resource = backend.store.get(arn)
            assert resource is not None
            tools = tools_of(backend)
            records = records_of(resource, tools)
            yield Dataset(records, tools, Sweeps("bench"), _row(records, Path(folder)))
        finally:
            backend.close()


def _row(records: DatasetRecords, folder: Path) -> bytes:
    """Return a Parquet file with one interaction."""
    with records.connection() as connection:
        select = "SELECT 'u' AS USER_ID, 'i' AS ITEM_ID, 1::BIGINT AS TIMESTAMP"
        return write_part(connection, select, folder / "row.parquet").path.read_bytes()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.months", description=__doc__)
    parser.add_argument("--commits", type=int, default=COMMITS, help=f"how many; {COMMITS:,} by default")
    print(table.markdown(measured(parser.parse_args().commits)))
