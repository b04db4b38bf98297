"""What there is, by kind and by name; what runs, what waits and for what."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sartor.console import standing
from sartor.resources import lifecycle
from wire.asgi import App

ARN = "arn:aws:personalize:us-east-1:000000000000"
GROUP = f"{ARN}:dataset-group/g"
FIELDS = [("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long")]
SCHEMA = {"type": "record", "name": "Interactions", "namespace": "a", "version": "1.0"}
POPULAR = "arn:aws:personalize:::recipe/aws-popularity-count"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """Give a service with a group, its interactions, and two versions of a solution that wait for a worker."""
    app = App(tmp_path)

    def make(operation: str, **members: Any) -> Any:
        answer = app.call(operation, members)
        assert answer.status == 200, answer.body
        return answer.json

    make(
        "CreateSchema",
        name="s",
        schema=json.dumps({**SCHEMA, "fields": [{"name": n, "type": t} for n, t in FIELDS]}),
    )
    make("CreateDatasetGroup", name="g")
    _work(app)
    members = {"datasetGroupArn": GROUP, "schemaArn": f"{ARN}:schema/s", "datasetType": "Interactions"}
    dataset = make("CreateDataset", name="data", **members)["datasetArn"]
    _work(app)
    row = {"USER_ID": "u", "ITEM_ID": "i", "TIMESTAMP": 1}
    from sartor.data.put import Row

    stored = app.backend.store.get(dataset)
    assert stored is not None
    app.backend.store.put_records.put(stored.seq, [Row("u", row)]).result()
    solution = make("CreateSolution", name="popular", datasetGroupArn=GROUP, recipeArn=POPULAR)
    for _ in range(2):
        make("CreateSolutionVersion", solutionArn=solution["solutionArn"])
    yield app
    app.close()


def _work(app: App) -> None:
    """Do what is owed in the quick lane."""
    while task := lifecycle.claim(app.backend.store, "w", ["quick"], time.time(), 60.0):
        assert lifecycle.finish(app.backend.store, task)


def found(app: App, query: str) -> list[str]:
    answer = app.ask("GET", f"/sartor/v1/resources?{query}")
    assert answer.status == 200, answer.body
    return [one["arn"] for one in answer.json["resources"]]


def test_everything_is_listed_by_kind_the_newest_first(app: App) -> None:
    listed = app.ask("GET", "/sartor/v1/resources").json["resources"]
    kinds = [one["kind"] for one in listed]
    assert kinds == ["dataset-group", "schema", "dataset", "solution", "solution-version", "solution-version"]
    assert (listed[2]["name"], listed[2]["status"]) == ("g/INTERACTIONS", "ACTIVE")
    assert "status" not in listed[1]
    older, newer = listed[5], listed[4]
    assert older["createdAt"] <= newer["createdAt"]
    assert found(app, "kinds=solution-version&limit=1") == [newer["arn"]]


@pytest.mark.parametrize(
    ("kinds", "name", "tails"),
    [
        ("dataset", "g/INTERACTIONS", ["dataset/g/INTERACTIONS"]),
        ("dataset", "g/interactions", ["dataset/g/INTERACTIONS"]),
        ("dataset", "data", ["dataset/g/INTERACTIONS"]),
        ("dataset", "g", []),
        ("campaign,solution", "popular", ["solution/popular"]),
        ("dataset-group", "G", []),
        ("schema", "s%00", []),
        ("filter", "../x", []),
    ],
)
def test_a_name_names_its_resource_and_nothing_else(
    app: App, kinds: str, name: str, tails: list[str]
) -> None:
    answer = app.ask("GET", f"/sartor/v1/resources?kinds={kinds}&name={name}")
    assert answer.status == (400 if "%00" in name else 200)
    assert [one["arn"] for one in answer.json.get("resources", [])] == [f"{ARN}:{tail}" for tail in tails]


def test_a_solutions_name_stands_for_its_newest_version(app: App) -> None:
    newest, older = found(app, "kinds=solution-version")
    assert found(app, "kinds=solution-version&name=popular") == [newest]
    assert found(app, f"kinds=solution-version&name={older.partition('/')[2]}") == [older]
    assert found(app, "kinds=solution-version&name=nothing") == []


def test_an_unknown_kind_is_refused(app: App) -> None:
    answer = app.ask("GET", "/sartor/v1/resources?kinds=dataset,surprise")
    assert (answer.status, answer.json["__type"]) == (400, "InvalidInputException")
    assert "surprise" in answer.json["message"]


def test_what_waits_says_for_what(app: App) -> None:
    store = app.backend.store
    first, second = app.ask("GET", "/sartor/v1/status").json["work"]
    assert [one["state"] for one in (first, second)] == ["waiting", "waiting"]
    assert [(one["running"], one["before"]) for one in (first, second)] == [(0, 0), (0, 1)]
    assert "no worker has taken it" in standing.status("http://x", app.ask("GET", "/sartor/v1/status").json)
    task = lifecycle.claim(store, "worker", ["training"], time.time(), 60.0)
    assert task is not None
    assert lifecycle.heartbeat(store, task, time.time(), 60.0, {"phase": "evaluating", "phaseSeconds": 41.2})
    status = app.ask("GET", "/sartor/v1/status").json
    first, second = status["work"]
    assert (first["state"], second["state"]) == ("running", "waiting")
    assert second["waitsFor"] == [first["arn"]] == [task.arn]
    assert first["seconds"] >= 0
    assert status["resources"] == {
        "dataset-group": 1,
        "schema": 1,
        "dataset": 1,
        "solution": 1,
        "solution-version": 2,
    }
    told = standing.status("http://x", status)
    assert "evaluating for 41 s" in told
    assert "waits for" in told
    assert (
        told.count(first["name"]) == 2
    )  # in its own row, and where the other waits for it; cells are wrapped
    lapsed = lifecycle.heartbeat(store, task, time.time(), -1.0)
    assert lapsed
    assert [one["state"] for one in app.ask("GET", "/sartor/v1/status").json["work"]] == [
        "waiting",
        "waiting",
    ]


def test_where_nothing_runs_that_is_said(tmp_path: Path) -> None:
    app = App(tmp_path)
    status = app.ask("GET", "/sartor/v1/status").json
    assert (status["resources"], status["work"]) == ({}, [])
    assert standing.status("http://x", status).endswith("Nothing runs, and nothing waits.")
    assert standing.listed([]) == "There is nothing yet."
    app.close()
