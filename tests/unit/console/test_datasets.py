"""``/sartor/v1/datasets``: the datasets, a page at a time."""

from sartor.data.put import Row
from unit.console.test_v1 import ARN, DATASET, app
from wire.asgi import App

__all__ = ["app"]


def test_a_dataset_is_listed_with_its_group_and_when_something_was_put(app: App) -> None:
    (found,) = app.ask("GET", "/sartor/v1/datasets").json["datasets"]
    assert (found["arn"], found["datasetGroupArn"]) == (DATASET, f"{ARN}:dataset-group/g")
    assert "rows" not in found
    dataset = app.backend.store.get(DATASET)
    assert dataset is not None
    app.backend.store.put_records.put(dataset.seq, [Row("u1", {"USER_ID": "u1"})]).result()
    (found,) = app.ask("GET", "/sartor/v1/datasets").json["datasets"]
    assert found["putAt"] >= found["createdAt"]


def test_a_search_that_finds_nothing_and_a_foreign_token_are_told(app: App) -> None:
    assert app.ask("GET", "/sartor/v1/datasets?search=nowhere").json == {"datasets": []}
    assert app.ask("GET", "/sartor/v1/datasets?after=x").status == 400
    assert app.ask("POST", "/sartor/v1/datasets").status == 404
