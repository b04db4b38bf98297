"""``/sartor/v1/overview``: the newest groups with their data, the newest models, and what is deployed."""

from unit.console.test_v1 import DATASET, app
from wire.asgi import App

__all__ = ["app"]


def test_a_group_has_its_datasets_and_nothing_of_others(app: App) -> None:
    found = app.ask("GET", "/sartor/v1/overview").json
    (group,) = found["groups"]
    assert group["name"] == "g"
    (dataset,) = group["datasets"]
    assert (dataset["arn"], dataset["datasetType"]) == (DATASET, "INTERACTIONS")
    assert "rows" not in dataset
    assert (found["models"], found["deployed"]) == ([], [])
    assert app.ask("GET", "/sartor/v1/overview?limit=1000").status == 400
    assert app.ask("POST", "/sartor/v1/overview").status == 404


def test_the_traffic_of_this_process_is_told(app: App) -> None:
    found = app.ask("GET", "/sartor/v1/traffic").json
    assert found["seconds"] > 0
    assert found["answers"] == {}
