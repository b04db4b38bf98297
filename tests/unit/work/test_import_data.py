"""An import of files that change while they are read, at the worst moments."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sartor.compute.here import Here
from sartor.data import bundles
from sartor.data.blobs import FolderBlobs
from sartor.data.dataset_types import DATASET_TYPES
from sartor.data.schema import Schema
from sartor.data.sources import Sources
from sartor.errors import JobFailed
from sartor.resources.lifecycle import Task
from sartor.resources.store import Resource, Store
from sartor.settings import load
from sartor.work import import_data
from sartor.work.tools import Tools

ACCOUNT = "000000000000"
ARN = f"arn:aws:personalize:us-east-1:{ACCOUNT}:"
FIELDS = [
    {"name": "ITEM_ID", "type": "string"},
    {"name": "GENRE", "type": ["null", "string"], "categorical": True},
]
SCHEMA = json.dumps({"type": "record", "name": "Items", "fields": FIELDS})
CONTENT = "ITEM_ID,GENRE\n" + "".join(f"i{n},old\n" for n in range(1000))


class Import:
    """A job that imports the folder ``s3://b/f/`` of two files, in this process."""

    def __init__(self, folder: Path) -> None:
        store = Store.open(f"sqlite:///{folder / 'sartor.db'}")
        self.job = self.resource("dataset-import-job", "job", self.body(), {"table": "t/bulk"})
        body = {
            "datasetType": "ITEMS",
            "schemaArn": f"{ARN}schema/s",
            "datasetGroupArn": f"{ARN}dataset-group/g",
        }
        with store.write() as transaction:
            for resource in (
                self.resource("schema", "s", {"schema": SCHEMA}, {"dataset_type": "ITEMS"}),
                self.resource("dataset", "g/ITEMS", body, {"table": "t/bulk"}),
            ):
                transaction.add(resource, [])
        self.storage = folder / "storage"
        values: dict[str, Any] = dict.fromkeys(Tools.__dataclass_fields__)
        values |= {"store": store, "scratch": folder, "progress": lambda _: None, "stop": lambda: False}
        values |= {"compute": Here()}
        values |= {"sources": Sources(load({"data": str(folder)}, {})), "memory_bytes": 200_000_000}
        self.tools = Tools(**values | {"storage": FolderBlobs(self.storage), "quotas_on": False})
        self.files = [folder / "buckets" / "b" / "f" / name for name in ("1.csv", "2.csv")]
        self.files[0].parent.mkdir(parents=True)
        for file in self.files:
            file.write_text(CONTENT)

    @staticmethod
    def body() -> dict[str, Any]:
        source = {"dataLocation": "s3://b/f/"}
        return {"datasetArn": f"{ARN}dataset/g/ITEMS", "dataSource": source, "importMode": "FULL"}

    @staticmethod
    def resource(kind: str, name: str, body: dict[str, Any], private: dict[str, Any]) -> Resource:
        return Resource(
            f"{ARN}{kind}/{name}", kind, ACCOUNT, "us-east-1", name, "ACTIVE", body, private, 1.0, 1.0
        )

    def run(self) -> None:
        import_data.run(Task(1, self.job.arn, self.job.kind, "create", 1, "w", self.job, None), self.tools)

    def left(self) -> list[Path]:
        return list(self.storage.rglob("*.parquet"))


def after_the_last_byte(change: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Change something once every file has been read."""
    read_and_check = bundles.read_and_check

    def changing(*arguments: Any, **more: Any) -> Any:
        checked = read_and_check(*arguments, **more)
        change()
        return checked

    monkeypatch.setattr(bundles, "read_and_check", changing)


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("content", [CONTENT.replace("old", "new"), CONTENT + "more,new\n", "", None])
def test_a_file_that_changed_by_the_time_all_were_read_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, content: str | None
) -> None:
    job = Import(tmp_path)
    file = job.files[at]
    after_the_last_byte(file.unlink if content is None else lambda: file.write_text(content), monkeypatch)
    with pytest.raises(JobFailed) as failed:
        job.run()
    assert failed.value.reason == f"s3://b/f/{file.name} has changed while it was imported."
    assert job.left() == []


def test_a_fault_that_a_changing_file_brings_is_said_to_be_the_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as DuckDB's own error when a file is cut short while it reads it: no internal error, no further try."""
    job = Import(tmp_path)

    def cut() -> None:
        job.files[0].write_text("ITEM_ID")
        raise OSError("could not read enough bytes")

    after_the_last_byte(cut, monkeypatch)
    with pytest.raises(JobFailed, match=r"1\.csv has changed while it was imported"):
        job.run()


def test_files_that_come_meanwhile_are_left_for_the_next_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Import(tmp_path)
    after_the_last_byte(lambda: job.files[0].with_name("3.csv").write_text(CONTENT) and None, monkeypatch)
    job.run()
    assert len(job.left()) == 1


@pytest.mark.parametrize(
    ("record", "rows"),
    [("Interactions", 1000), ("ActionInteractions", 1000), ("Items", 0), ("Users", 0), ("Actions", 0)],
)
def test_the_quotas_of_an_import_are_amazons(record: str, rows: int) -> None:
    (of,) = (one for one in DATASET_TYPES[None].values() if one.record == record)
    wanted = Schema(of.name, None, ())
    for mode, size in (("FULL", 100 * 10**9), ("INCREMENTAL", 10**9)):
        rules = import_data.job_rules(wanted, mode, quotas_on=True, bad_cells=0.0)
        assert (rules.minimum_rows, rules.maximum_bytes) == (rows, size)
        lifted = import_data.job_rules(wanted, mode, quotas_on=False, bad_cells=0.0)
        assert (lifted.minimum_rows, lifted.maximum_bytes) == (0, None)
