"""What an export deletes and leaves in the folder that it writes to, whatever became of its attempts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sartor.compute.here import Here
from sartor.data import folder_bucket
from sartor.data.sources import AccountSources, Sources
from sartor.errors import JobFailed, Stopped
from sartor.resources.lifecycle import Task
from sartor.resources.store import Resource, Store
from sartor.settings import load
from sartor.work import export_data
from sartor.work.tools import Tools, mark_of

ACCOUNT = "000000000000"
DATASET = f"arn:aws:personalize:us-east-1:{ACCOUNT}:dataset/shop/ITEMS"


class Exports:
    """A job that exports two parts to ``s3://b/out/``, begun as often as wanted."""

    def __init__(self, folder: Path, store: Store) -> None:
        body = {
            "datasetArn": DATASET,
            "ingestionMode": "ALL",
            "jobOutput": {"s3DataDestination": {"path": "s3://b/out/"}},
        }
        arn = f"arn:aws:personalize:us-east-1:{ACCOUNT}:dataset-export-job/mine"
        kind = "dataset-export-job"
        self.job = Resource(arn, kind, ACCOUNT, "us-east-1", "mine", "CREATE PENDING", body, {}, 1.0, 1.0)
        dataset = Resource(DATASET, "dataset", ACCOUNT, "us-east-1", "d", "ACTIVE", {}, {}, 1.0, 1.0)
        with store.write() as transaction:
            transaction.add(dataset, [])
        values: dict[str, Any] = dict.fromkeys(Tools.__dataclass_fields__)
        values |= {"store": store, "scratch": folder, "progress": lambda _: None, "stop": lambda: False}
        values |= {"compute": Here()}
        values |= {"sources": Sources(load({"data": str(folder)}, {}))}
        self.tools = Tools(**values)
        self.mark = mark_of(self.job, store)
        self.folder = folder / "buckets" / "b" / "out" / "mine"
        self.folder.mkdir(parents=True)

    def run(self, attempt: int, **tools: Any) -> None:
        task = Task(1, self.job.arn, self.job.kind, "create", attempt, "worker", self.job, None)
        export_data.run(task, replace(self.tools, **tools))

    def part(self, attempt: int, at: int) -> str:
        return f"part-{self.mark}-{attempt}-{at:04d}.csv"

    def names(self) -> set[str]:
        return {place.name for place in self.folder.iterdir()}


@pytest.fixture
def exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Exports:
    def two_files(_records: Any, _mode: str, folder: Path, _stop: Any, _compute: Any) -> list[Path]:
        files = [folder / "a.csv", folder / "b.csv"]
        for file in files:
            file.write_text(file.name)
        return files

    monkeypatch.setattr(export_data, "write_csv", two_files)
    monkeypatch.setattr(export_data, "records_of", lambda *_: None)
    return Exports(tmp_path, Store.open(f"sqlite:///{tmp_path / 'sartor.db'}"))


def test_an_attempt_deletes_what_attempts_before_it_left_and_nothing_else(exports: Exports) -> None:
    dead = [
        exports.part(1, 0),
        exports.part(2, 7),
        f".{exports.part(1, 1)}.{exports.mark}",
        exports.part(3, 5),
    ]
    other = "0" * 16
    foreign = [
        "precious.csv",
        "part-0000.csv",
        f"part-{other}-1-0000.csv",
        f"{exports.part(1, 0)}.bak",
        ".new",
    ]
    for name in (*dead, *foreign):
        (exports.folder / name).write_text(name)
    exports.run(3)
    ours = {exports.part(3, 0), exports.part(3, 1)}
    assert exports.names() == ours | set(foreign)
    assert all((exports.folder / name).read_text() == name for name in foreign)


def test_an_attempt_that_another_has_overtaken_deletes_only_its_own(exports: Exports) -> None:
    exports.run(2)
    exports.folder.joinpath(exports.part(1, 0)).write_text("of the attempt that was paused")
    with pytest.raises(Stopped):
        exports.run(1, stop=lambda: True)
    assert exports.names() == {exports.part(2, 0), exports.part(2, 1)}


def test_a_lease_that_is_lost_during_the_last_write_is_noticed(
    exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[str] = []
    write = AccountSources.write

    def paused(sources: AccountSources, location: str, file: Path, owner: str, keep_on: Any) -> None:
        write(sources, location, file, owner, keep_on)
        if location.endswith("-0001.csv"):
            stopped.append(location)

    monkeypatch.setattr(AccountSources, "write", paused)
    with pytest.raises(Stopped):
        exports.run(1, stop=lambda: bool(stopped))
    assert exports.names() == set()


def test_an_export_that_fails_takes_back_what_it_wrote(
    exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    (exports.folder / "precious.csv").write_text("x")
    write = AccountSources.write

    def refused(sources: AccountSources, location: str, file: Path, owner: str, keep_on: Any) -> None:
        if location.endswith("-0001.csv"):
            raise JobFailed("Insufficient privileges")
        write(sources, location, file, owner, keep_on)

    monkeypatch.setattr(AccountSources, "write", refused)
    with pytest.raises(JobFailed):
        exports.run(1)
    assert exports.names() == {"precious.csv"}


def test_two_jobs_of_one_name_have_marks_of_their_own(exports: Exports) -> None:
    again = replace(exports.job, created_at=2.0)
    assert mark_of(again, exports.tools.store) != exports.mark
    assert mark_of(exports.job, exports.tools.store) == exports.mark


def test_a_lease_that_is_lost_while_a_file_is_copied_leaves_no_file_though_the_worker_is_killed_then(
    exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[int] = []
    monkeypatch.setattr(folder_bucket.os, "fsync", lambda _: stopped.append(1))  # it sleeps there
    monkeypatch.setattr(export_data, "_take_back", lambda *_: None)  # and dies before it can
    with pytest.raises(Stopped):
        exports.run(1, stop=lambda: bool(stopped))
    assert exports.names() == set()


def test_what_an_overtaken_attempt_wrote_meanwhile_is_gone_when_the_job_ends(
    exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = AccountSources.write

    def beside(sources: AccountSources, location: str, file: Path, owner: str, keep_on: Any) -> None:
        exports.folder.joinpath(exports.part(1, 0)).write_text("of the attempt that was paused")
        write(sources, location, file, owner, keep_on)

    monkeypatch.setattr(AccountSources, "write", beside)
    exports.run(2)
    assert exports.names() == {exports.part(2, 0), exports.part(2, 1)}
