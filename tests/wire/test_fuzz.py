"""Requests that nobody means well with, at every operation of both APIs: each is answered, and none with a 500."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from conformance import shapes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sartor.wire import operations
from wire.asgi import JSON, App

#: JSON that no JSON library writes, or that only looks like what was asked for; inserted as it is.
TOKENS = [
    *(
        "1e400",
        "-1e400",
        "NaN",
        "Infinity",
        "-0",
        "0.9",
        "1e300",
        "-1",
        "true",
        "null",
        '""',
        "[]",
        "{}",
        "[[]]",
    ),
    *(
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        "1" * 5000,
        "0." + "0" * 5000 + "1",
    ),
    *("[" * 1000 + "]" * 1000, "[" * 100_000, '{"a":' * 900 + "1" + "}" * 900, '{"a":1,"a":2}'),
    *(
        '"\\ud800"',
        '"\\u0000"',
        '"\\ud83d\\ude00"',
        '"\\r\\n"',
        '"' + "x" * 100_000 + '"',
        '"１６"',
        '" 5_0 "',
    ),
    *(
        '"(((((((("',
        '"EXCLUDE ItemID WHERE ((((Items.X IN (1))))"',
        '"s3://"',
        '"s3:///../.."',
        '"arn:"',
        '"rate(9 days)"',
    ),
    *(json.dumps("[" * 100_000), json.dumps('{"a":' * 5000), json.dumps('{"x": 1e400, "y": NaN}')),
    *(json.dumps('{"sims": "\\ud800"}'), json.dumps('{"type": "record", "name": "Items", "fields": [[[]]]}')),
    *("\xff", "\x00", "", "//", "'a'"),
]
PATHS = [
    *(
        "explain",
        "filters/test",
        "events/rejected",
        "openapi.json",
        "resources",
        "status",
        "import-jobs/{}/report",
        "solution-versions/{}",
    ),
    *("datasets/{}/statistics", "datasets/{}/history", "datasets/{}/records", "datasets/{}/rollback", "{}"),
]
WORDS = [
    "g/ITEMS",
    "..",
    "%00",
    "%ff",
    "%ED%A0%80",
    "arn:aws:personalize:us-east-1:000000000000:dataset/g/ITEMS",
    "a" * 5000,
]
ARN = "arn:aws:personalize:us-east-1:000000000000"
#: What is there, so that a request gets further than the first look.
KNOWN = {
    "datasetGroupArn": f"{ARN}:dataset-group/g",
    "schemaArn": f"{ARN}:schema/ITEMS",
    "datasetArn": f"{ARN}:dataset/g/ITEMS",
    "recipeArn": "arn:aws:personalize:::recipe/aws-user-personalization",
    "filterExpression": "EXCLUDE ItemID WHERE Items.PRICE > $P",
}
OPERATIONS = operations.load().all


def fields(*columns: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"name": name, "type": kind} for name, kind in columns]


SCHEMAS = {
    "INTERACTIONS": fields(("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long")),
    "ITEMS": fields(("ITEM_ID", "string"), ("PRICE", ["float", "null"])),
    "USERS": fields(("USER_ID", "string"), ("AGE", "int")),
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """Give a service with a group of three datasets and an event tracker."""
    app = App(tmp_path_factory.mktemp("data"))
    app.call("CreateDatasetGroup", {"name": "g"})
    activate(app, f"{ARN}:dataset-group/g")
    for name, columns in SCHEMAS.items():
        record = {
            "type": "record",
            "name": name.title(),
            "namespace": "n",
            "version": "1.0",
            "fields": columns,
        }
        assert app.call("CreateSchema", {"name": name, "schema": json.dumps(record)}).status == 200
        of_group = {"datasetGroupArn": KNOWN["datasetGroupArn"], "schemaArn": f"{ARN}:schema/{name}"}
        assert app.call("CreateDataset", {"name": name, "datasetType": name, **of_group}).status == 200
        activate(app, f"{ARN}:dataset/g/{name}", table=f"tables/{name}")
    made = app.call("CreateEventTracker", {"name": "t", "datasetGroupArn": KNOWN["datasetGroupArn"]}).json
    activate(app, made["eventTrackerArn"])
    KNOWN["trackingId"] = made["trackingId"]
    yield app
    app.close()


def activate(app: App, arn: str, **private: Any) -> None:
    with app.backend.store.write() as transaction:
        transaction.set_status(arn, "ACTIVE", 1.0)
        transaction.merge_private(arn, private)


def known(members: Any) -> Any:
    """Return members that name what is there."""
    if isinstance(members, list):
        return [known(one) for one in members]
    if not isinstance(members, dict):
        return members
    return {name: KNOWN.get(name, known(value)) for name, value in members.items()}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in a request."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*path, key))


def body(members: Any, path: tuple[Any, ...], token: str) -> bytes:
    """Return a request in which a token stands at a path."""
    if not path:
        return token.encode("latin-1", "replace")
    inner = members
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = "@here@"
    return json.dumps(members).replace('"@here@"', token).encode("utf-8", "surrogatepass")


def keep_answered(app: App, answered: Any, asked: object) -> None:
    assert answered.status < 500, (asked, answered)
    assert "x-amzn-requestid" in answered.headers


@given(st.sampled_from(OPERATIONS), st.integers(0, 2**32), st.sampled_from(TOKENS), st.integers(0, 1000))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_request_of_an_operation_is_a_500(
    app: App, operation: operations.Operation, seed: int, token: str, place: int
) -> None:
    rng = random.Random(seed)
    members = known(shapes.value(operation.model.input_shape, rng, deep=seed % 2 == 0))
    found = list(places(members))
    text = body(members, found[place % len(found)], token)
    if operation.protocol == "json":
        keep_answered(app, app.call(operation.name, text), (operation.name, text[:2000]))
    else:
        keep_answered(app, app.ask("POST", operation.path, text, JSON), (operation.name, text[:2000]))


@given(
    st.sampled_from(PATHS),
    st.sampled_from(WORDS),
    st.sampled_from(["GET", "POST", "HEAD", "PUT"]),
    st.sampled_from(
        ["to", "campaignArn", "datasetGroupArn", "filterExpression", "filterValues", "userId", ""]
    ),
    st.sampled_from(TOKENS),
    st.sampled_from(
        [
            "",
            "limit={}",
            "before={}",
            "id={}",
            "name={}",
            "kinds={}",
            "datasetArn={}",
            "limit={}&limit=1",
            "&&=&%",
            "id={}&limit=5",
        ]
    ),
    st.sampled_from(["%00", "5", "1e3", "9" * 5000, "%ff", "%ED%A0%80", "１６", "-1", "a" * 5000, "..", ""]),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_request_of_our_own_paths_is_a_500(
    app: App, path: str, word: str, method: str, member: str, token: str, query: str, text: str
) -> None:
    target = f"/sartor/v1/{path.format(word)}?{query.format(text)}".encode().decode("latin-1")
    members = dict(KNOWN)
    sent = body(members, (member,) if member else (), token) if method == "POST" else b""
    keep_answered(app, app.ask(method, target, sent), (method, target[:300], sent[:300]))


def test_no_query_that_should_sign_a_request_is_a_500(tmp_path_factory: pytest.TempPathFactory) -> None:
    app = App(tmp_path_factory.mktemp("signed"), auth="signed")
    names = ["Algorithm", "Credential", "SignedHeaders", "Signature", "Date", "Expires"]
    good = [
        "AWS4-HMAC-SHA256",
        "A/20260101/us-east-1/personalize/aws4_request",
        "host",
        "0" * 64,
        "20260101T000000Z",
        "60",
    ]
    wrong = [
        "",
        "%00",
        "%ff",
        "9" * 5000,
        "0000000010" + "0" * 5000,
        "１６",
        "a" * 60_000,
        "%F0%9F%98%80",
        "/" * 100,
        ";" * 100,
    ]
    for at in range(len(names)):
        for value in wrong:
            given_values = [*good[:at], value, *good[at + 1 :]]
            query = "&".join(f"X-Amz-{name}={one}" for name, one in zip(names, given_values, strict=True))
            for path in ("/events", "/sartor/v1/events/rejected"):
                answered = app.ask("POST", f"{path}?{query}".encode().decode("latin-1"), b"{}")
                assert 400 <= answered.status < 500, (query[:300], answered)
    for header in (
        "AWS4-HMAC-SHA256 " + "," * 60_000,
        "=" * 60_000,
        "\xff",
        "AWS4-HMAC-SHA256 Credential=" + "/" * 60_000,
    ):
        assert 400 <= app.ask("POST", "/events", b"{}", {**JSON, "authorization": header}).status < 500
    app.close()
