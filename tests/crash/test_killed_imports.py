"""An import job whose worker is killed ends in exactly one outcome: imported once, or the old data intact."""

import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest
from deltalake import DeltaTable

from crash.dying_worker import STEPS
from crash.workers import Worker
from sartor.demo.server import Server

SCHEMA = """{"type": "record", "name": "Interactions", "namespace": "com.amazonaws.personalize.schema",
"fields": [{"name": "USER_ID", "type": "string"}, {"name": "ITEM_ID", "type": "string"},
{"name": "TIMESTAMP", "type": "long"}], "version": "1.0"}"""
QUICK_LEASE = {"SARTOR_LEASE_SECONDS": "1", "SARTOR_QUOTAS": "off"}
SETTLED = ("ACTIVE", "CREATE FAILED")


class Shop:
    """A server without workers, a dataset with 1,000 old rows, and a new file of 1,500 rows.

    ``begin`` begins anew with another dataset.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in QUICK_LEASE.items():
            monkeypatch.setenv(name, value)
        self.bucket = folder / "bucket"
        self.bucket.mkdir()
        self.data = folder / "data"
        self.server = Server(self.data, {"shop": self.bucket}, ("--workers", "0"))
        self.client: Any = self.server.client()
        self.worker_options = ("--data", str(self.data), "--bucket", f"shop={self.bucket}")
        self.schema = self.client.create_schema(name="shop", schema=SCHEMA)["schemaArn"]
        self.begun = 0
        self.begin()

    def begin(self) -> None:
        """Make another dataset, with the old rows."""
        self.begun += 1
        self.write("old.csv", 1000, "old")
        self.write("new.csv", 1500, "new")
        group = self.client.create_dataset_group(name=f"shop-{self.begun}")["datasetGroupArn"]
        with self.worker():
            self._active(lambda: self.client.describe_dataset_group(datasetGroupArn=group)["datasetGroup"])
            self.dataset = self.client.create_dataset(
                name="i", schemaArn=self.schema, datasetGroupArn=group, datasetType="Interactions"
            )["datasetArn"]
            self._active(lambda: self.client.describe_dataset(datasetArn=self.dataset)["dataset"])
            self.settle(self.start_import("first", "old.csv", "FULL"))

    def write(self, name: str, rows: int, user: str, last_line: str = "") -> None:
        lines = [f"{user}-{row},item-{row % 50},{1_700_000_000 + row}" for row in range(rows)]
        (self.bucket / name).write_text("\n".join(["USER_ID,ITEM_ID,TIMESTAMP", *lines, last_line]))

    def start_import(self, name: str, key: str, mode: str) -> str:
        return str(
            self.client.create_dataset_import_job(
                jobName=f"{name}-{self.begun}",
                datasetArn=self.dataset,
                dataSource={"dataLocation": f"s3://shop/{key}"},
                roleArn="arn:aws:iam::000000000000:role/import",
                importMode=mode,
            )["datasetImportJobArn"]
        )

    def worker(self) -> Worker:
        return Worker(self.worker_options)

    def die_at(self, step: str, when: str, job: str = "import") -> None:
        with Worker(self.worker_options, (job, step, when)) as worker:
            assert worker.wait(60) == -signal.SIGKILL

    def job(self, arn: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.describe_dataset_import_job(datasetImportJobArn=arn)
        return found["datasetImportJob"]  # type: ignore[no-any-return]

    def settle(self, arn: str) -> dict[str, Any]:
        return self._until(lambda: self.job(arn), lambda job: job["status"] in SETTLED)

    def _active(self, describe: Any) -> None:
        self._until(describe, lambda resource: resource["status"] == "ACTIVE")

    @staticmethod
    def _until(look: Any, done: Any) -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found: dict[str, Any] = look()
            if done(found):
                return found
            time.sleep(0.05)
        raise AssertionError(f"still {found}")

    def users(self) -> dict[str, int]:
        """Return how many rows of old and of new users a reader of the table finds."""
        table = DeltaTable(self._table())
        counts = duckdb.sql(
            "SELECT split_part(USER_ID, '-', 1), count(*) FROM read_parquet($files) GROUP BY 1",
            params={"files": table.file_uris()},
        ).fetchall()
        return dict(counts)

    def commits_of(self, arn: str) -> int:
        """Return how many versions of the table name the job."""
        logs = sorted((Path(self._table()) / "_delta_log").glob("*.json"))
        return sum(f'"appId":"{arn}"' in log.read_text().replace(" ", "") for log in logs)

    def _table(self) -> str:
        with closing(sqlite3.connect(self.data / "sartor.db")) as database:
            ((private,),) = database.execute("SELECT private FROM resource WHERE arn = ?", [self.dataset])
        return str(self.data / "storage" / json.loads(private)["table"])


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Give the shop of this file."""
    with pytest.MonkeyPatch.context() as patch:
        shop = Shop(tmp_path_factory.mktemp("imports"), patch)
        yield shop
        shop.server.stop()


@pytest.fixture
def shop(opened: Shop) -> Shop:
    """Give the shop with a dataset of which no other test knows."""
    opened.begin()
    return opened


#: The moment after a step is the moment before the next: nothing else is written between them.
MOMENTS = [*((step, "before") for step in STEPS["import"]), ("finish", "after")]


@pytest.mark.parametrize(("step", "when"), MOMENTS)
@pytest.mark.parametrize("mode", ["FULL", "INCREMENTAL"])
def test_a_worker_killed_at_any_step_leaves_a_job_that_is_done_once(
    shop: Shop, mode: str, step: str, when: str
) -> None:
    arn = shop.start_import("second", "new.csv", mode)
    shop.die_at(step, when)
    assert shop.users() in ({"old": 1000}, _imported(mode)), "readers see the old data or the new"
    with shop.worker():
        assert shop.settle(arn)["status"] == "ACTIVE"
    assert shop.users() == _imported(mode)
    assert shop.commits_of(arn) == 1


def test_a_worker_killed_among_its_pieces_leaves_a_job_that_is_done_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SARTOR_COMPUTE", "processes:2")
    arn = shop.start_import("second", "new.csv", "INCREMENTAL")
    shop.die_at("third piece", "after", "pieces")
    assert shop.users() == {"old": 1000}
    with shop.worker():
        assert shop.settle(arn)["status"] == "ACTIVE"
    assert shop.users() == _imported("INCREMENTAL")
    assert shop.commits_of(arn) == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["check", "report"])
def test_a_killed_job_of_a_broken_file_fails_and_leaves_the_old_data(
    shop: Shop, step: str, when: str
) -> None:
    shop.write("broken.csv", 1500, "new", "new-last,item-1,yesterday")
    arn = shop.start_import("second", "broken.csv", "FULL")
    shop.die_at(step, when)
    with shop.worker():
        job = shop.settle(arn)
    assert job["status"] == "CREATE FAILED"
    assert "TIMESTAMP" in job["failureReason"]
    assert shop.users() == {"old": 1000}
    assert shop.commits_of(arn) == 0


def test_a_job_whose_every_attempt_dies_fails_and_leaves_the_old_data(shop: Shop) -> None:
    arn = shop.start_import("second", "new.csv", "FULL")
    for _ in range(5):
        shop.die_at("check", "after")
    with shop.worker():
        assert shop.settle(arn)["status"] == "CREATE FAILED"
    assert shop.users() == {"old": 1000}


def test_a_job_whose_last_attempt_dies_after_its_commit_has_succeeded(shop: Shop) -> None:
    arn = shop.start_import("second", "new.csv", "FULL")
    for _ in range(4):
        shop.die_at("check", "after")
    shop.die_at("commit", "after")
    with shop.worker():
        assert shop.settle(arn)["status"] == "ACTIVE"
    assert shop.users() == {"new": 1500}
    assert shop.commits_of(arn) == 1


def test_a_killed_server_with_its_workers_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(tmp_path, monkeypatch)
    arn = shop.start_import("second", "new.csv", "INCREMENTAL")
    os.killpg(shop.server.process.pid, signal.SIGKILL)
    shop.server.process.wait()
    with Server(shop.data, {"shop": shop.bucket}) as again:
        shop.client = again.client()
        assert shop.settle(arn)["status"] == "ACTIVE"
    assert shop.users() == _imported("INCREMENTAL")
    assert shop.commits_of(arn) == 1


def _imported(mode: str) -> dict[str, int]:
    return {"new": 1500} if mode == "FULL" else {"old": 1000, "new": 1500}
