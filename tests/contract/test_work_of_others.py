"""What breaks in one dataset, or in one piece of work, holds up nobody else's."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from contract.conftest import make_tools
from sartor import worker as working
from sartor.data.put import Row
from sartor.errors import Damaged
from sartor.resources import lifecycle
from sartor.resources.lifecycle import Outcome, Task
from sartor.resources.records import records_of
from sartor.settings import load
from sartor.work import jobs
from sartor.work.tools import Tools
from sartor.work.trained_users import attempt_folder
from sartor.worker import Worker, end_process


def damaged(service: Any, storage: Any) -> tuple[str, str]:
    """Give two datasets with put records of which the older one's table cannot be read."""
    datasets = [service.dataset(of, service.group(of)) for of in ("Items", "Users")]
    for arn in datasets:
        folder = service.store.get(arn).private["table"].rpartition("/")[0]
        if arn == datasets[0]:
            storage.put(f"{folder}/put/_delta_log/00000000000000000000.json", b'{"add":')
            storage.put(f"{folder}/bulk/_delta_log/00000000000000000000.json", b'{"add":')
        service.store.put_records.put(
            service.store.get(arn).seq, [Row("a", {"USER_ID": "a"}, None, None, [])]
        ).result()
    return datasets[0], datasets[1]


def test_a_damaged_table_stops_no_drain_of_another(service: Any, storage: Any, tmp_path: Path) -> None:
    broken, whole = damaged(service, storage)
    (tmp_path / "scratch").mkdir(exist_ok=True)
    tools = make_tools(service.store, storage, tmp_path / "scratch", drain_seconds=0.0)
    jobs.Drains("one").run(tools)
    jobs.Sweeps("one").run(tools)
    assert records_of(service.store.get(whole), tools).drained() > 0
    with pytest.raises(Damaged, match=r"is damaged.*backup"):
        records_of(service.store.get(broken), tools).drained()


@contextmanager
def worker(service: Any, storage: Any, tmp_path: Path, begin_anew: Any = end_process) -> Iterator[None]:
    stopping = threading.Event()
    settings = load({"data": str(tmp_path / "data")}, {})
    tools = make_tools(service.store, storage, tmp_path / "scratch")
    thread = threading.Thread(target=Worker(settings, tools, stopping, begin_anew).run)
    thread.start()
    yield
    stopping.set()
    thread.join(30)
    assert not thread.is_alive()


def until(look: Any) -> None:
    deadline = time.monotonic() + 60
    while not look():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.02)


def test_what_breaks_after_the_outcome_stands_does_not_turn_it(
    service: Any, storage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []

    def run(task: Task, _tools: Tools) -> Outcome:
        attempts.append(task.attempt)
        raise OSError("the report's bucket is away")

    monkeypatch.setattr(working, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(jobs, "TABLE", {**jobs.TABLE, ("dataset-group", "create"): run})
    monkeypatch.setattr(jobs, "_SETTLED", {("dataset-group", "create"): lambda _task, _tools: True})
    arn = service("CreateDatasetGroup", name="shop")["datasetGroupArn"]
    with worker(service, storage, tmp_path):
        until(lambda: service.store.get(arn).status == "ACTIVE")
    assert attempts == list(range(1, lifecycle.MAX_ATTEMPTS + 1))


def test_work_on_what_is_damaged_fails_at_once_and_says_what_is(
    service: Any, storage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(_task: Task, _tools: Tools) -> Outcome:
        raise Damaged("The table t is damaged.")

    monkeypatch.setattr(jobs, "TABLE", {**jobs.TABLE, ("dataset-group", "create"): run})
    arn = service("CreateDatasetGroup", name="shop")["datasetGroupArn"]
    with worker(service, storage, tmp_path):
        until(lambda: service.store.get(arn).status == "CREATE FAILED")
    assert service.store.get(arn).failure_reason == "The table t is damaged."


def test_a_process_whose_work_does_not_hear_that_it_must_stop_is_ended(
    service: Any, storage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, hung, ended = threading.Event(), threading.Event(), threading.Event()

    def run(_task: Task, _tools: Tools) -> Outcome:
        began.set()
        hung.wait(60)
        return Outcome()

    monkeypatch.setattr(working, "HUNG_SECONDS", 0.1)
    monkeypatch.setattr(jobs, "TABLE", {**jobs.TABLE, ("dataset-group", "create"): run})
    arn = service("CreateDatasetGroup", name="shop")["datasetGroupArn"]
    with worker(service, storage, tmp_path, ended.set):
        assert began.wait(30)
        assert not ended.is_set()
        with service.store.write() as transaction:  # another has it by now
            transaction.remove(arn)
        assert ended.wait(30)
        hung.set()


def late(service: Any) -> Task:
    """Return the task that is owed, as a worker has it that sleeps past its lease while another ends it."""
    task = lifecycle.claim(service.store, "late", ("quick",), 2e9, 15.0)
    assert task is not None
    service.work()
    return task


def wake_up(service: Any, task: Task, tools: Tools) -> None:
    """Do a task that another worker has ended."""
    assert not lifecycle.finish(service.store, task, jobs.TABLE[task.kind, task.verb](task, tools))


def test_a_deletion_that_wakes_up_late_leaves_the_solution_of_the_same_name_alone(
    service: Any, storage: Any, tmp_path: Path
) -> None:
    group = service.data_group()
    service("DeleteSolution", solutionArn=service.solution(group))
    task = late(service)
    version = service.version(service.solution(group))
    folder = service.store.get(version).private["folder"]
    storage.put(f"{folder}/1/record.json", b"{}")
    wake_up(service, task, make_tools(service.store, storage, tmp_path / "scratch"))
    assert list(storage.list(folder))
    assert service.described("SolutionVersion", version)["status"] == "ACTIVE"


@pytest.mark.parametrize("verb", ["Create", "Delete"])
def test_a_metric_attribution_that_wakes_up_late_leaves_the_one_of_the_same_name_alone(
    service: Any, storage: Any, tmp_path: Path, verb: str
) -> None:
    group = service.data_group()
    tools = make_tools(service.store, storage, tmp_path / "scratch")
    metrics = [{"eventType": "buy", "metricName": "buys", "expression": "SAMPLECOUNT()"}]
    output = {"roleArn": "arn:aws:iam::111122223333:role/r"}
    asked = {"name": "m", "datasetGroupArn": group, "metrics": metrics, "metricsOutputConfig": output}

    def create() -> str:
        return str(service("CreateMetricAttribution", **asked)["metricAttributionArn"])

    def work() -> None:
        task = lifecycle.claim(service.store, "w", ("quick",), 2e9, 15.0)
        assert task is not None
        assert lifecycle.finish(service.store, task, jobs.TABLE[task.kind, task.verb](task, tools))

    arn = create()
    if verb == "Delete":
        work()
        service("DeleteMetricAttribution", metricAttributionArn=arn)
    task = late(service)
    if verb == "Create":
        service("DeleteMetricAttribution", metricAttributionArn=arn)
        work()
    create()
    work()
    before = service.store.samples.counted(arn, "put")
    assert before is not None
    wake_up(service, task, tools)
    assert service.store.samples.counted(arn, "put") == before


def test_what_attempts_at_a_training_left_goes_with_its_failure(
    service: Any, storage: Any, tmp_path: Path
) -> None:
    arn = service("CreateSolutionVersion", solutionArn=service.solution())["solutionVersionArn"]
    folder = service.store.get(arn).private["folder"]
    task = lifecycle.claim(service.store, "w", ("training",), 2e9, 15.0)
    assert task is not None
    storage.put(f"{attempt_folder(task.resource, task.id, task.attempt)}/users.npy", b"x")
    tools = make_tools(service.store, storage, tmp_path / "scratch")
    assert lifecycle.give_up(service.store, task, "No.", lambda one: jobs.settled(one, tools), 2e9)
    assert service.described("SolutionVersion", arn)["status"] == "CREATE FAILED"
    assert list(storage.list(folder)) == []
