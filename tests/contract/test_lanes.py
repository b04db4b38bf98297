"""What waits for what: a worker of several lanes, with work that lasts until the test has seen enough."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.conftest import make_tools
from sartor import worker
from sartor.data.blobs import open_storage
from sartor.resources.kinds import KINDS, LANES
from sartor.resources.lifecycle import Outcome, Task
from sartor.settings import load
from sartor.work import jobs
from sartor.work.tools import Tools
from sartor.worker import Worker, end_process

IMPORT, TRAINING = ("dataset-import-job", "create"), ("solution-version", "create")
#: Nothing here takes this long.
SECONDS = 30.0

Begin = Callable[..., None]


def until(service: Any, arn: str, noun: str, status: str) -> None:
    """Wait until a resource has a status."""
    deadline = time.monotonic() + SECONDS
    while (now := service.described(noun, arn)["status"]) != status:
        assert time.monotonic() < deadline, f"it is {now}"
        time.sleep(0.02)


def three_imports(service: Any) -> list[str]:
    """Return the ARNs of jobs that wait, one for each dataset of a group."""
    datasets = service.data_group().replace(":dataset-group/", ":dataset/")
    return [service.job(f"{datasets}/{of}", of.lower()) for of in ("INTERACTIONS", "ITEMS", "USERS")]


@pytest.fixture
def begin(service: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Begin]:
    """Give what begins a worker with these settings, whose work is done by these functions."""
    stopping = threading.Event()
    workers: list[threading.Thread] = []

    def begin(work: dict[tuple[str, str], Any], **settings: str) -> None:
        monkeypatch.setattr(jobs, "TABLE", {**jobs.TABLE, **work})
        storage = open_storage(str(tmp_path / "storage"), None, tmp_path / "scratch")
        tools = make_tools(service.store, storage, tmp_path / "scratch")
        loaded = load(
            {"data": str(tmp_path / "data")}, {f"SARTOR_{k.upper()}": v for k, v in settings.items()}
        )
        workers.append(threading.Thread(target=Worker(loaded, tools, stopping, end_process).run))
        workers[0].start()

    yield begin
    stopping.set()
    for one in workers:
        one.join(SECONDS)
        assert not one.is_alive()


def test_an_import_ends_while_a_training_goes_on(service: Any, begin: Begin) -> None:
    group = service.data_group()
    version = service("CreateSolutionVersion", solutionArn=service.solution(group))["solutionVersionArn"]
    over = threading.Event()

    def train(_task: Task, _tools: Tools) -> Outcome:
        assert over.wait(SECONDS)
        return Outcome()

    begin({TRAINING: train, IMPORT: lambda _task, _tools: Outcome()})
    until(service, version, "SolutionVersion", "CREATE IN_PROGRESS")
    job = service.job(group.replace(":dataset-group/", ":dataset/") + "/INTERACTIONS")
    until(service, job, "DatasetImportJob", "ACTIVE")
    assert service.described("SolutionVersion", version)["status"] == "CREATE IN_PROGRESS"
    over.set()
    until(service, version, "SolutionVersion", "ACTIVE")


def test_as_many_imports_are_done_at_once_as_the_setting_says(service: Any, begin: Begin) -> None:
    arns = three_imports(service)
    together = threading.Barrier(3)

    def bring(_task: Task, _tools: Tools) -> Outcome:
        together.wait(SECONDS)  # broken, unless all three are at it
        return Outcome()

    begin({IMPORT: bring}, heavy_jobs="3")
    for arn in arns:
        until(service, arn, "DatasetImportJob", "ACTIVE")


def test_without_the_setting_one_import_follows_the_other(service: Any, begin: Begin) -> None:
    arns = three_imports(service)
    at_work, most = 0, 0
    lock = threading.Lock()

    def bring(_task: Task, _tools: Tools) -> Outcome:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.05)
        with lock:
            at_work -= 1
        return Outcome()

    begin({IMPORT: bring})
    for arn in arns:
        until(service, arn, "DatasetImportJob", "ACTIVE")
    assert most == 1


def test_only_the_work_that_takes_long_waits_in_a_lane_for_it() -> None:
    assert {kind.lane_of("delete") for kind in KINDS.values()} == {"quick"}
    assert {kind.lane_of("create") for kind in KINDS.values()} == set(LANES)
    assert KINDS["solution-version"].lane_of("create") == "training"
    assert KINDS["dataset-import-job"].lane_of("create") == "heavy"


def test_an_outcome_that_nobody_can_write_fails_the_job_after_its_attempts(
    service: Any, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "RETRY_SECONDS", 0.01)
    group = service.data_group()
    job = service.job(group.replace(":dataset-group/", ":dataset/") + "/INTERACTIONS")
    begin({IMPORT: lambda _task, _tools: Outcome({}, {"metrics": object()})}, poll_seconds="0.05")
    until(service, job, "DatasetImportJob", "CREATE FAILED")
    reason = service.described("DatasetImportJob", job)["failureReason"]
    assert reason == "Internal error after 5 attempts. The server's log has the details (TypeError)."
