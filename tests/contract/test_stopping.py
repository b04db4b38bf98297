"""StopSolutionVersionCreation in every state, beside a worker that works, that ends well, and that is killed."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from contract.conftest import make_tools
from sartor.data.blobs import open_storage
from sartor.errors import ApiError, JobFailed
from sartor.resources import lifecycle
from sartor.resources.lifecycle import Outcome, Task
from sartor.resources.store import Store
from sartor.settings import load
from sartor.work import jobs
from sartor.work.tools import Tools
from sartor.worker import Worker, end_process

NOW = 1.7e9
LEASE = 15.0


def begun(service: Any) -> str:
    """Return the ARN of a version that waits."""
    return str(service("CreateSolutionVersion", solutionArn=service.solution())["solutionVersionArn"])


def status(service: Any, arn: str) -> str:
    return str(service.described("SolutionVersion", arn)["status"])


def take(store: Store, worker: str = "one", now: float = NOW) -> Task | None:
    return lifecycle.claim(store, worker, ("training",), now, LEASE)


def stop(service: Any, arn: str) -> None:
    assert service("StopSolutionVersionCreation", solutionVersionArn=arn) == {}


def test_what_waits_is_stopped_at_once(service: Any) -> None:
    arn = begun(service)
    stop(service, arn)
    assert status(service, arn) == "CREATE STOPPED"
    assert take(service.store) is None
    service("DeleteSolution", solutionArn=arn.rpartition("/")[0])


def test_what_runs_is_told_and_then_stopped(service: Any) -> None:
    arn = begun(service)
    task = take(service.store)
    assert task is not None
    assert not lifecycle.told_to_stop(service.store, task)
    stop(service, arn)
    assert status(service, arn) == "CREATE STOPPING"
    assert lifecycle.told_to_stop(service.store, task)
    assert lifecycle.heartbeat(service.store, task, NOW + 1, LEASE)
    assert lifecycle.stopped(service.store, task)
    assert status(service, arn) == "CREATE STOPPED"
    assert take(service.store, now=NOW + 100) is None


@pytest.mark.parametrize("end", ["finish", "fail"])
def test_work_that_was_told_to_stop_ends_as_stopped_however_it_ends(service: Any, end: str) -> None:
    arn = begun(service)
    task = take(service.store)
    assert task is not None
    stop(service, arn)
    if end == "finish":
        assert lifecycle.finish(service.store, task, Outcome(private={"metrics": {}}))
    else:
        assert lifecycle.fail(service.store, task, "Too little data.")
    shown = service.described("SolutionVersion", arn)
    assert shown["status"] == "CREATE STOPPED"
    assert "failureReason" not in shown


def test_a_worker_that_ends_gives_back_what_was_told_to_stop(service: Any) -> None:
    arn = begun(service)
    task = take(service.store)
    assert task is not None
    stop(service, arn)
    assert lifecycle.release(service.store, task)
    assert status(service, arn) == "CREATE STOPPING"
    assert take(service.store, "two") is None
    assert status(service, arn) == "CREATE STOPPED"


def test_what_was_given_back_by_a_worker_is_stopped_by_the_next(service: Any) -> None:
    arn = begun(service)
    task = take(service.store)
    assert task is not None
    assert lifecycle.release(service.store, task)
    stop(service, arn)
    assert status(service, arn) == "CREATE STOPPING"
    assert take(service.store, "two") is None
    assert status(service, arn) == "CREATE STOPPED"


@pytest.mark.parametrize("state", ["ACTIVE", "CREATE FAILED", "CREATE STOPPED", "CREATE STOPPING"])
def test_nothing_else_can_be_stopped(service: Any, state: str) -> None:
    arn = begun(service)
    if state == "CREATE STOPPING":
        take(service.store)
    if state.startswith("CREATE STOP"):
        stop(service, arn)
    else:
        service.work({arn: "No."} if state == "CREATE FAILED" else None)
    assert status(service, arn) == state
    refused = service.refusal("StopSolutionVersionCreation", solutionVersionArn=arn)
    assert (refused.code, state in refused.message) == ("ResourceInUseException", True)


def test_a_stop_that_meets_a_worker_leaves_nothing_between(service: Any) -> None:
    solution = service.solution()
    arns = [service("CreateSolutionVersion", solutionArn=solution)["solutionVersionArn"] for _ in range(20)]
    barrier = threading.Barrier(3)

    def work(worker: str) -> None:
        barrier.wait()
        while task := take(service.store, worker):
            assert lifecycle.finish(service.store, task)

    def stop_all() -> None:
        barrier.wait()
        for arn in reversed(arns):
            with suppress(ApiError):
                stop(service, arn)

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(work, "one"), pool.submit(work, "two"), pool.submit(stop_all)]:
            done.result()
    assert {status(service, arn) for arn in arns} <= {"ACTIVE", "CREATE STOPPED"}
    with service.store.read() as transaction:
        assert transaction.tasks() == []


def _die(url: str) -> None:
    """Claim the training in a process of its own and be killed."""
    assert take(Store.open(url), "doomed") is not None
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_stop_outlives_a_killed_worker(service: Any, database_url: str, moment: str) -> None:
    arn = begun(service)
    process = multiprocessing.get_context("spawn").Process(target=_die, args=(database_url,))
    process.start()
    if moment == "after":
        process.join(60)
    else:
        deadline = time.monotonic() + 60
        while status(service, arn) != "CREATE IN_PROGRESS" and time.monotonic() < deadline:
            time.sleep(0.02)
    stop(service, arn)
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert status(service, arn) == "CREATE STOPPING"
    assert take(service.store, "two", NOW + LEASE - 1) is None
    assert status(service, arn) == "CREATE STOPPING"
    assert take(service.store, "two", NOW + LEASE) is None
    assert status(service, arn) == "CREATE STOPPED"


@pytest.fixture
def training(
    service: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, threading.Event]]:
    """Give a version that a worker trains, and what is set once it trains; training goes on until it is told."""
    began = threading.Event()

    def run(task: Task, tools: Tools) -> None:
        began.set()
        for step in range(1000):
            tools.progress({"step": step})
            time.sleep(0.05)
            if tools.stop():
                raise RuntimeError("stopped")
        raise JobFailed("It was never told.")

    monkeypatch.setattr(jobs, "TABLE", {**jobs.TABLE, ("solution-version", "create"): run})
    arn = begun(service)
    stopping = threading.Event()
    settings = load({"data": str(tmp_path / "data")}, {})
    storage = open_storage(str(tmp_path / "storage"), None, tmp_path / "scratch")
    tools = make_tools(service.store, storage, tmp_path / "scratch")
    worker = threading.Thread(target=Worker(settings, tools, stopping, end_process).run)
    worker.start()
    yield arn, began
    stopping.set()
    worker.join(30)
    assert not worker.is_alive()


def test_a_worker_ends_a_training_soon_after_it_is_told(
    service: Any, training: tuple[str, threading.Event]
) -> None:
    arn, began = training
    assert began.wait(30)
    stop(service, arn)
    deadline = time.monotonic() + 30  # untold it would go on for 50 s
    while status(service, arn) != "CREATE STOPPED" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert status(service, arn) == "CREATE STOPPED"
