"""``/sartor/v1/events``: what calls put, newest first, and how much a second."""

import pytest

from sartor.data.put import Note, Row
from sartor.resources.store import Resource
from unit.console.test_v1 import ARN, DATASET
from unit.console.test_v1 import app as app
from wire.asgi import App

GROUP = f"{ARN}:dataset-group/g"


@pytest.fixture(scope="module")
def put(app: App) -> Resource:
    """Give a dataset into which two calls put three events, and one that was no use."""
    dataset = app.backend.store.get(DATASET)
    assert dataset is not None
    records = app.backend.store.put_records
    records.put(dataset.seq, [Row("u1", {"USER_ID": "u1", "ITEM_ID": item}, "s1") for item in "ab"]).result()
    useless = Row("u2", {"USER_ID": "u2"}, "s2", notes=[Note("NO_ITEM", "No ITEM_ID.")], stored=False)
    records.put(dataset.seq, [Row("u2", {"USER_ID": "u2", "ITEM_ID": "c"}, "s2"), useless]).result()
    return dataset


@pytest.mark.usefixtures("put")
def test_the_newest_event_comes_first_and_older_ones_before_it(app: App) -> None:
    found = app.ask("GET", f"/sartor/v1/events?datasetGroupArn={GROUP}").json
    assert [one["record"]["ITEM_ID"] for one in found["records"]] == ["c", "b", "a"]
    assert {one["sessionId"] for one in found["records"]} == {"s1", "s2"}
    before = found["records"][0]["number"]
    older = app.ask("GET", f"/sartor/v1/events?datasetGroupArn={GROUP}&before={before}").json["records"]
    assert older == found["records"][1:]
    newest = app.ask("GET", f"/sartor/v1/events?datasetGroupArn={GROUP}&limit=1").json["records"]
    assert newest == found["records"][:1]


def test_a_rate_counts_the_events_of_the_last_minute_only(app: App, put: Resource) -> None:
    records = app.backend.store.put_records
    at = records.newest_at(put.seq)
    assert at is not None
    assert records.per_second(put.seq, at + 1) == pytest.approx(3 / 60)
    assert records.per_second(put.seq, at + 100) == 0
    found = app.ask("GET", f"/sartor/v1/events?datasetGroupArn={GROUP}").json
    assert set(found["perSecond"]) == {"INTERACTIONS"}


@pytest.mark.usefixtures("put")
def test_what_was_no_use_is_told_with_its_reason_by_group(app: App) -> None:
    found = app.ask("GET", f"/sartor/v1/events/rejected?datasetGroupArn={GROUP}").json
    assert found["counts"] == {"NO_ITEM": 1}
    (one,) = found["rejected"]
    assert (one["reason"], one["record"]) == ("No ITEM_ID.", {"USER_ID": "u2"})


@pytest.mark.parametrize("path", ["events", "events/rejected"])
def test_a_group_that_is_not_the_callers_is_not_found(app: App, path: str) -> None:
    other = GROUP.replace("000000000000", "111111111111")
    for arn in (other, DATASET, "x"):
        assert app.ask("GET", f"/sartor/v1/{path}?datasetGroupArn={arn}").status == 404
    assert app.ask("GET", "/sartor/v1/events").status == 400
