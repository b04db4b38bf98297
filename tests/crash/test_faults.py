"""Disks that fill up and databases that others hold: one clear outcome, and the old data as it was."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from deltalake import DeltaTable

from api.conftest import Client
from sartor.demo.server import Server

INTERACTIONS = {
    "type": "record",
    "name": "Interactions",
    "namespace": "com.amazonaws.personalize.schema",
    "fields": [
        {"name": "USER_ID", "type": "string"},
        {"name": "ITEM_ID", "type": "string"},
        {"name": "TIMESTAMP", "type": "long"},
    ],
    "version": "1.0",
}


def interactions(rows: int) -> str:
    return "USER_ID,ITEM_ID,TIMESTAMP\n" + "".join(f"u{n * 7919},i{n * 104729},{n}\n" for n in range(rows))


def rows_stored(folder: Path) -> int:
    logs = list(folder.glob("storage/**/bulk/_delta_log"))
    if not logs:
        return 0
    (log,) = logs
    return DeltaTable(log.parent).count()


#: A worker that tries again at once, not after half a minute in all.
IMPATIENT = """
import sartor.worker
sartor.worker.RETRY_SECONDS = 0.05
from sartor.cli import main
main()
"""


@contextmanager
def impatient_worker(*options: str) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-c", IMPATIENT, "worker", *options])
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(20) == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_fails_the_job_in_words_and_the_old_data_stays(small_disk: Path, tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    options = ("--data", str(small_disk / "data"), "--bucket", f"training={bucket}")
    with (
        Server(small_disk / "data", {"training": bucket}, ("--workers", "0")) as server,
        impatient_worker(*options),
    ):
        client = Client(server, bucket)
        dataset = client.dataset(INTERACTIONS, "Interactions")
        assert client.imported(dataset, client.write("small.csv", interactions(1000)))["status"] == "ACTIVE"
        job = client.imported(dataset, client.write("large.csv", interactions(1_200_000)))
        assert job["status"] == "CREATE FAILED"
        assert "The server's disk is full." in job["failureReason"]
        assert rows_stored(server.data) == 1000
        assert client.imported(dataset, client.write("again.csv", interactions(2000)))["status"] == "ACTIVE"
        assert rows_stored(server.data) == 2000
        assert shutil.disk_usage(small_disk).free > 2**20, "what the failed job wrote is gone"


def test_a_locked_database_delays_a_job_and_loses_nothing(tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    with Server(tmp_path / "data", {"training": bucket}) as server:
        client = Client(server, bucket)
        dataset = client.dataset(INTERACTIONS, "Interactions")
        job = client.start(dataset, client.write("some.csv", interactions(300_000)))
        client.wait(lambda: client.job(job)["status"] == "CREATE IN_PROGRESS")
        with sqlite3.connect(server.data / "sartor.db", isolation_level=None) as held:
            held.execute("BEGIN IMMEDIATE")
            client.wait(lambda: rows_stored(server.data) == 300_000)
            assert client.job(job)["status"] == "CREATE IN_PROGRESS", "who only reads is answered meanwhile"
            held.execute("ROLLBACK")
        assert client.until(lambda: client.job(job))["status"] == "ACTIVE"
        assert rows_stored(server.data) == 300_000
