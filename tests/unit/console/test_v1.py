"""``/sartor/v1`` reads bodies and queries as strictly as Amazon's operations, and says 404 of what is not there."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wire.asgi import App

SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Interactions",
    "namespace": "a",
    "version": "1.0",
    "fields": [
        {"name": "USER_ID", "type": "string"},
        {"name": "ITEM_ID", "type": "string"},
        {"name": "TIMESTAMP", "type": "long"},
    ],
}
ARN = "arn:aws:personalize:us-east-1:000000000000"
DATASET = f"{ARN}:dataset/g/INTERACTIONS"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """Give a service with a dataset that is ACTIVE."""
    app = App(tmp_path_factory.mktemp("data"))
    schema, group = f"{ARN}:schema/s", f"{ARN}:dataset-group/g"
    app.call("CreateSchema", {"name": "s", "schema": json.dumps(SCHEMA)})
    app.call("CreateDatasetGroup", {"name": "g"})
    of_group = {"datasetGroupArn": group, "schemaArn": schema, "datasetType": "Interactions"}
    with app.backend.store.write() as transaction:
        transaction.set_status(group, "ACTIVE", 1.0)
    assert app.call("CreateDataset", {"name": "d", **of_group}).status == 200
    with app.backend.store.write() as transaction:
        transaction.set_status(DATASET, "ACTIVE", 1.0)
        transaction.merge_private(DATASET, {"table": "tables/t"})
    yield app
    app.close()


BODIES: list[bytes] = [
    *(
        b"[" * 100_000,
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff",
        b'{"to": "\\ud800"}',
        b'{"to": 1' + b"0" * 5000 + b"}",
    ),
    *(
        b'{"to": %s}' % text
        for text in (b"0.9", b"0.0", b"1e400", b"-1", b"NaN", b"Infinity", b"true", b'"0"')
    ),
    *(b'{"to": %s}' % text for text in (b"null", b"[0]", b"{}", b"9223372036854775808", b"1e3")),
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:30]))
def test_a_rollback_to_what_is_no_version_is_refused_and_changes_nothing(app: App, body: bytes) -> None:
    answered = app.ask("POST", f"/sartor/v1/datasets/{DATASET}/rollback", body)
    assert answered.status == 400, answered
    assert answered.json["message"]
    history = app.ask("GET", f"/sartor/v1/datasets/{DATASET}/history")
    assert history.json["versions"] == []


@pytest.mark.parametrize("path", ["explain", "filters/test"])
@pytest.mark.parametrize(
    "body", [*BODIES, b'{"campaignArn": 1}', b'{"datasetGroupArn": "x", "filterExpression": []}']
)
def test_a_body_that_is_not_what_a_page_asks_for_is_refused(app: App, path: str, body: bytes) -> None:
    assert app.ask("POST", f"/sartor/v1/{path}", body).status == 400


@pytest.mark.parametrize(
    "text", ["-1", "1.5", "1e2", "", "%20", "1_0", "%EF%BC%91", "9" * 5000, "99999999999999999999", "inf"]
)
@pytest.mark.parametrize("name", ["limit", "before"])
@pytest.mark.parametrize("path", ["events/rejected", f"datasets/{DATASET}/history"])
def test_a_query_that_is_no_number_is_refused(app: App, path: str, name: str, text: str) -> None:
    assert app.ask("GET", f"/sartor/v1/{path}?{name}={text}").status == 400


@pytest.mark.parametrize(
    "path",
    [
        *(
            "import-jobs/nothing/report",
            "import-jobs/%00/report",
            "solution-versions/no/1",
            "datasets/no/INTERACTIONS/history",
            "nowhere",
        ),
        *("datasets/g/ITEMS/statistics", "datasets/%00/records?id=1", f"datasets/{ARN}:schema/s/history"),
        f"datasets/{DATASET.replace('0000', '1111')}/history",
    ],
)
def test_what_is_not_there_is_404(app: App, path: str) -> None:
    answered = app.ask("GET", f"/sartor/v1/{path}")
    assert answered.status == 404, answered
    assert answered.json["__type"] == "ResourceNotFoundException"


def test_a_group_that_is_not_there_is_404_for_a_filter_too(app: App) -> None:
    asked: dict[str, Any] = {"datasetGroupArn": "no", "filterExpression": "x"}
    assert app.ask("POST", "/sartor/v1/filters/test", json.dumps(asked).encode()).status == 404


def test_a_method_that_a_path_does_not_take_is_405(app: App) -> None:
    answered = app.ask("DELETE", f"/sartor/v1/datasets/{DATASET}/history")
    assert (answered.status, answered.json["__type"]) == (405, "MethodNotAllowedException")


def test_a_body_that_says_that_it_is_no_json_is_refused(app: App) -> None:
    answered = app.ask(
        "POST", f"/sartor/v1/datasets/{DATASET}/rollback", b'{"to": 0}', {"content-type": "text/plain"}
    )
    assert answered.status == 415


def test_an_id_with_a_null_character_is_refused(tmp_path: Path) -> None:
    app = App(tmp_path)
    for members in ({"name": "x\0"}, {"name": "x", "tags": [{"tagKey": "\0", "tagValue": "v"}]}):
        assert app.call("CreateDatasetGroup", members).status == 400
    body = json.dumps({"campaignArn": f"{ARN}:campaign/c", "userId": "\0"}).encode()
    assert app.ask("POST", "/recommendations", body).status == 400
    app.close()
