"""What a large dataset's rows look like is found out by a task, and answered until the records change."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.test_dataset_records import event
from sartor.compute.here import Here
from sartor.resources import lifecycle
from sartor.resources.lifecycle import Task
from sartor.work import describe
from sartor.work.tools import Tools
from unit.console.test_v1 import ARN, DATASET, SCHEMA, app
from wire.asgi import App

__all__ = ["app"]


@pytest.fixture
def large(app: App, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """Give a service for which every dataset is large, and none is described."""
    store = app.backend.store
    while (made := lifecycle.claim(store, "worker", ["quick"], time.time(), 60)) is not None:
        lifecycle.finish(store, made)
    put(app, 2)
    monkeypatch.setattr(describe, "LARGE_ROWS", -1)
    monkeypatch.setattr(describe, "_FRESH_SECONDS", 0.0)
    yield app
    with store.write() as transaction:
        lifecycle.make_way(transaction, DATASET)


def put(app: App, count: int) -> None:
    dataset = app.backend.store.get(DATASET)
    assert dataset is not None
    rows = (event(f"u{at}", "i", time.time_ns() + at) for at in range(count))
    app.backend.store.put_records.put(dataset.seq, tuple(rows)).result(30)


def asked(app: App) -> dict[str, Any]:
    answered = app.ask("GET", f"/sartor/v1/datasets/{DATASET}/statistics")
    assert answered.status == 200, answered
    found = answered.json
    assert found.pop("datasetArn") == DATASET
    return dict(found)


def claimed(app: App) -> Task:
    task = lifecycle.claim(app.backend.store, "worker", ["heavy"], time.time(), 60)
    assert task is not None
    assert (task.arn, task.verb) == (DATASET, "describe")
    return task


def described(app: App, task: Task, folder: Path) -> None:
    backend = app.backend
    values: dict[str, Any] = dict.fromkeys(Tools.__dataclass_fields__)
    values |= {"store": backend.store, "storage": backend.storage, "scratch": folder, "compute": Here()}
    values |= {"memory_bytes": 2**28, "progress": lambda _: None, "stop": lambda: False}
    assert lifecycle.finish(backend.store, task, describe.run(task, Tools(**values)))


PENDING = {"status": "PENDING", "progress": {}}


def test_a_large_dataset_is_described_by_a_task_as_a_small_one_in_the_call(
    large: App, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert asked(large) == PENDING
    task = claimed(large)
    reached = {"phase": "summing", "done": 1, "of": 2}
    assert lifecycle.heartbeat(large.backend.store, task, time.time(), 60, reached)
    assert asked(large) == {"status": "IN_PROGRESS", "progress": reached}
    described(large, task, tmp_path)
    found = asked(large)
    assert found["rows"] >= 2
    with monkeypatch.context() as small:
        small.setattr(describe, "LARGE_ROWS", 10)
        assert asked(large) == found
    put(large, 1)
    assert asked(large) == PENDING


def test_records_that_change_all_the_time_have_an_answer_for_a_while(
    large: App, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked(large)
    described(large, claimed(large), tmp_path)
    found = asked(large)
    put(large, 1)
    monkeypatch.setattr(describe, "_FRESH_SECONDS", 3600.0)
    assert asked(large) == found


def test_that_it_failed_is_said_once_and_leaves_the_dataset_as_it_was(large: App) -> None:
    assert asked(large) == PENDING
    assert lifecycle.fail(large.backend.store, claimed(large), "no room")
    assert asked(large) == {"status": "FAILED", "failureReason": "no room"}
    assert asked(large) == PENDING
    dataset = large.backend.store.get(DATASET)
    assert dataset is not None
    assert dataset.status == "ACTIVE"


def test_it_gives_way_to_a_new_schema(large: App) -> None:
    store, users = large.backend.store, DATASET.replace("INTERACTIONS", "USERS")
    fields = [{"name": "USER_ID", "type": "string"}, {"name": "AGE", "type": ["null", "int"]}]
    older, newer = (
        large.call(
            "CreateSchema",
            {"name": f"u{at}", "schema": json.dumps({**SCHEMA, "name": "Users", "fields": of})},
        ).json["schemaArn"]
        for at, of in enumerate((fields, [*fields, {"name": "PLACE", "type": ["null", "string"]}]))
    )
    group = f"{ARN}:dataset-group/g"
    members = {"name": "u", "datasetGroupArn": group, "schemaArn": older, "datasetType": "Users"}
    assert large.call("CreateDataset", members).status == 200
    made = lifecycle.claim(store, "worker", ["quick"], time.time(), 60)
    assert made is not None
    assert lifecycle.finish(store, made, lifecycle.Outcome(private={"table": "users/t"}))
    assert large.ask("GET", f"/sartor/v1/datasets/{users}/statistics").json["status"] == "PENDING"
    answered = large.call("UpdateDataset", {"datasetArn": users, "schemaArn": newer})
    assert answered.status == 200, answered
    with store.write() as transaction:
        owed = transaction.task(users)
    assert owed is not None
    assert owed.verb == "update"
