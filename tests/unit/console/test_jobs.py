"""``/sartor/v1/jobs``: a page at a time, searched on the server; and what stops a job."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sartor.resources import lifecycle
from sartor.resources.kind_names import DATASET_IMPORT_JOB
from unit.console.test_v1 import ARN, DATASET
from unit.console.test_v1 import app as app_with_a_dataset
from wire.asgi import App

__all__ = ["app_with_a_dataset"]
ROLE = "arn:aws:iam::000000000000:role/import"


@pytest.fixture
def app(app_with_a_dataset: App, tmp_path: Path) -> Iterator[App]:
    """Give a service with a dataset, and a bucket's folder with one file."""
    folder = app_with_a_dataset.backend.settings.data / "buckets" / "b"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "in.csv").write_text("USER_ID,ITEM_ID,TIMESTAMP\nu,i,1\n")
    yield app_with_a_dataset
    with app_with_a_dataset.backend.store.write() as transaction:
        for task in transaction.tasks():
            if task.kind == DATASET_IMPORT_JOB:
                transaction.remove(task.arn)


def begun(app: App, name: str) -> str:
    """Return the ARN of a new import job, which waits."""
    members = {
        "jobName": name,
        "datasetArn": DATASET,
        "dataSource": {"dataLocation": "s3://b/in.csv"},
        "roleArn": ROLE,
    }
    answer = app.call("CreateDatasetImportJob", members)
    assert answer.status == 200, answer.body
    return str(answer.json["datasetImportJobArn"])


def listed(app: App, query: str = "") -> dict[str, Any]:
    answer = app.ask("GET", f"/sartor/v1/jobs?{query}")
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


def stop(app: App, arn: str) -> Any:
    return app.ask("POST", "/sartor/v1/jobs/stop", json.dumps({"jobArn": arn}).encode())


def claimed(app: App) -> lifecycle.Task:
    task = lifecycle.claim(app.backend.store, "worker", ["heavy"], time.time(), 60.0)
    assert task is not None
    return task


def test_jobs_come_a_page_at_a_time_newest_first(app: App) -> None:
    arns = []
    for number in range(5):  # a dataset has one import at a time
        arns.append(begun(app, f"page-{number}"))
        stop(app, arns[-1])
    seen, query = [], "limit=2&search=PAGE-"
    while True:
        found = listed(app, query)
        seen += [one["arn"] for one in found["jobs"]]
        if "next" not in found:
            break
        query = f"limit=2&search=PAGE-&after={found['next']}"
    assert seen == arns[::-1]


def test_only_jobs_of_a_state_and_a_text_are_listed(app: App) -> None:
    arn = begun(app, "of-a-state")
    assert [one["arn"] for one in listed(app, "state=unfinished&search=of-a-state")["jobs"]] == [arn]
    assert listed(app, "state=failed&search=of-a-state")["jobs"] == []
    assert listed(app, "search=of%25a")["jobs"] == []
    for query in ("state=strange", "kinds=campaign", "after=x", "limit=x"):
        assert app.ask("GET", f"/sartor/v1/jobs?{query}").status == 400


def test_a_job_that_waits_is_stopped_at_once(app: App) -> None:
    arn = begun(app, "waits")
    assert stop(app, arn).json == {"jobArn": arn, "status": "CREATE FAILED"}
    (job,) = listed(app, "search=waits")["jobs"]
    assert job["failureReason"] == "The job was stopped by a caller who need not sign. Nothing of it is kept."
    again = stop(app, arn)
    assert (again.status, again.json["__type"]) == (409, "ResourceInUseException")


def test_a_job_that_runs_is_told_to_stop_and_ends_as_its_work_ends(app: App) -> None:
    store = app.backend.store
    arn = begun(app, "runs")
    task = claimed(app)
    assert not lifecycle.told_to_stop(store, task)
    assert stop(app, arn).json == {"jobArn": arn, "status": "CREATE IN_PROGRESS"}
    assert lifecycle.told_to_stop(store, task)
    assert lifecycle.stopped(store, task)
    assert listed(app, "search=runs")["jobs"][0]["status"] == "CREATE FAILED"
    done = begun(app, "is-done-by-then")
    task = claimed(app)
    stop(app, done)
    assert lifecycle.finish(store, task)
    assert listed(app, "search=is-done-by-then")["jobs"][0]["status"] == "ACTIVE"


def test_a_job_whose_worker_died_is_not_begun_again_once_it_is_to_stop(app: App) -> None:
    store = app.backend.store
    arn = begun(app, "worker-died")
    assert lifecycle.release(store, claimed(app))
    stop(app, arn)
    assert lifecycle.claim(store, "two", ["heavy"], time.time(), 60.0) is None
    assert listed(app, "search=worker-died")["jobs"][0]["status"] == "CREATE FAILED"


def test_a_job_that_an_attempt_has_done_all_the_same_is_done(app: App) -> None:
    store = app.backend.store
    arn = begun(app, "done-all-the-same")
    task = claimed(app)
    stop(app, arn)
    assert lifecycle.stopped(store, task, settled=lambda _task: True)
    assert listed(app, "search=done-all-the-same")["jobs"][0]["status"] == "ACTIVE"
    again = begun(app, "claimed-again")
    assert lifecycle.heartbeat(store, claimed(app), time.time() - 100, 1.0)
    stop(app, again)
    assert lifecycle.claim(store, "two", ["heavy"], time.time(), 60.0, lambda _task: True) is None
    assert listed(app, "search=claimed-again")["jobs"][0]["status"] == "ACTIVE"


@pytest.mark.parametrize(
    "arn", [DATASET, f"{ARN}:dataset-import-job/nobody", "x", DATASET.replace("0" * 12, "1" * 12)]
)
def test_nothing_else_is_stopped(app: App, arn: str) -> None:
    assert stop(app, arn).status == 404
