"""The limits of single members, as the API reference lists them: what is taken at most, and what is not."""

import json
from typing import Any

import pytest

from sartor.errors import ApiError
from sartor.wire import operations
from sartor.wire.read import read

OPERATIONS = {operation.name: operation for operation in operations.load().all}
ARN = "arn:aws:personalize:us-east-1:000000000000:dataset-group/g"
ROLE = "arn:aws:iam::000000000000:role/"


def asked(operation: str, **members: Any) -> dict[str, Any]:
    """Return what an operation reads of a request."""
    return read(OPERATIONS[operation].reader, json.dumps(members).encode())


def refused(operation: str, **members: Any) -> str:
    with pytest.raises(ApiError) as refusal:
        asked(operation, **members)
    assert refusal.value.code == "InvalidInputException"
    return refusal.value.message


def to(length: int, text: str = "") -> str:
    return text.ljust(length, "a")


#: Operation, what it needs beside, member, what may be there at most, and what not.
LIMITS: list[tuple[str, dict[str, Any], str, list[Any], list[Any]]] = [
    ("CreateDatasetGroup", {}, "name", ["a", "9", to(63), "A-_z"], ["", to(64), "-a", "_a", "a b", "ä", "a.b"]),
    ("CreateDatasetGroup", {"name": "g"}, "domain", ["ECOMMERCE", "VIDEO_ON_DEMAND"], ["ecommerce", "RETAIL"]),
    (
        "CreateDatasetGroup",
        {"name": "g"},
        "kmsKeyArn",
        ["arn:aws:kms:eu-west-1:000000000000:key/k", to(2048, "arn:aws:kms::000000000000:key/")],
        ["arn:aws:s3:::b", "arn:aws:kms::0000:key/k", to(2049, "arn:aws:kms::000000000000:key/")],
    ),
    ("DescribeDatasetGroup", {}, "datasetGroupArn", [ARN, to(256, ARN)], ["dataset-group/g", "", to(257, ARN)]),
    ("CreateSchema", {"name": "s"}, "schema", [to(20_000)], [to(20_001)]),
    (
        "CreateDataset",
        {"name": "d", "schemaArn": ARN, "datasetGroupArn": ARN},
        "datasetType",
        ["Interactions", "Action_Interactions", to(256)],
        ["", "Item-Interactions", "Items1", to(257)],
    ),
    ("CreateDatasetExportJob", {"datasetArn": ARN, "roleArn": ROLE + "r", "jobOutput": {
        "s3DataDestination": {"path": "s3://b/"}}}, "jobName", [to(63)], ["", to(64), "a/b"]),
    ("CreateDatasetExportJob", {"jobName": "j", "datasetArn": ARN, "jobOutput": {
        "s3DataDestination": {"path": "s3://b/"}}}, "roleArn", [ROLE, ROLE + "r/p@x", to(256, ROLE)],
        ["r", "arn:aws:iam::0:role/r", to(257, ROLE)]),
    (
        "CreateDatasetExportJob",
        {"jobName": "j", "datasetArn": ARN, "roleArn": ROLE + "r"},
        "jobOutput",
        [{"s3DataDestination": {"path": path}} for path in ("s3://b/f/", to(256, "s3://"))],
        [{}, *({"s3DataDestination": {"path": path}} for path in ("b/f", "s3://", to(257, "s3://")))],
    ),
    ("CreateDatasetImportJob", {"jobName": "j", "datasetArn": ARN, "dataSource": {}}, "importMode",
        ["FULL", "INCREMENTAL"], ["full", "BULK"]),
    (
        "CreateDatasetImportJob",
        {"jobName": "j", "datasetArn": ARN},
        "dataSource",
        [{}, {"dataLocation": "https://host/f.csv"}, {"dataLocation": "s3://b/f"}],
        [{"dataLocation": "file:///f.csv"}, {"dataLocation": to(257, "s3://")}],
    ),
    ("ListSchemas", {}, "maxResults", [1, 100], [0, 101]),
    ("ListDatasets", {}, "nextToken", [to(1500), "!~"], [to(1501), "ü"]),
    (
        "TagResource",
        {"resourceArn": ARN},
        "tags",
        [[{"tagKey": to(128), "tagValue": to(256)}], [{"tagKey": "ä 1_.:/=+-@", "tagValue": ""}]],
        [
            [{"tagKey": "", "tagValue": ""}],
            [{"tagKey": to(129), "tagValue": ""}],
            [{"tagKey": "a", "tagValue": to(257)}],
            [{"tagKey": "a"}],
            [{"tagValue": "a"}],
            [{"tagKey": "a#", "tagValue": ""}],
        ],
    ),
    (
        "CreateMetricAttribution",
        {"name": "m", "datasetGroupArn": ARN, "metricsOutputConfig": {"roleArn": ROLE + "r"}},
        "metrics",
        [[{"eventType": to(256), "metricName": to(256), "expression": to(256)}] * 10],
        [
            [{"eventType": "e", "metricName": "m", "expression": "x"}] * 11,
            [{"eventType": to(257), "metricName": "m", "expression": "x"}],
            [{"eventType": "e", "metricName": to(257), "expression": "x"}],
            [{"eventType": "e", "metricName": "m", "expression": to(257)}],
            [{"eventType": "e", "metricName": "m"}],
        ],
    ),
]  # fmt: skip
EVENT = {"eventType": "View", "sentAt": 1_700_000_000}
PUT = {"trackingId": "t", "sessionId": "s"}
OF_EVENTS: dict[str, tuple[list[Any], list[Any]]] = {
    "eventType": (["a", to(256)], ["", to(257)]),
    "eventId": ([to(256)], ["", to(257)]),
    "itemId": ([to(256)], ["", to(257)]),
    "recommendationId": ([to(40)], ["", to(41)]),
    "eventValue": ([1, 2.5], ["1", {}]),
    "impression": ([["i"] * 25, [to(256)]], [[], ["i"] * 26, [""], [to(257)]]),
    "properties": (['{"a":1}', to(1024, "{}").replace("a", " ")], [to(1025, "{}").replace("a", " ")]),
    "metricAttribution": (
        [{"eventAttributionSource": one} for one in ("mail 7!", to(1024))],
        [{}, *({"eventAttributionSource": one} for one in ("", " ", "ü", to(1025)))],
    ),
}
LIMITS += [
    ("PutEvents", {"trackingId": "t", "eventList": [EVENT]}, "sessionId", ["s", to(256)], ["", to(257)]),
    ("PutEvents", {"sessionId": "s", "eventList": [EVENT]}, "trackingId", ["t", to(256)], ["", to(257)]),
    ("PutEvents", PUT | {"eventList": [EVENT]}, "userId", ["u", to(256)], ["", to(257)]),
    (
        "PutEvents",
        PUT,
        "eventList",
        [[EVENT], [EVENT] * 10],
        [[], [EVENT] * 11, [{"sentAt": 1}], [{"eventType": "e"}]],
    ),
]
for word, (taken, not_taken) in OF_EVENTS.items():
    lists = [[[EVENT | {word: one}] for one in some] for some in (taken, not_taken)]
    LIMITS.append(("PutEvents", PUT, "eventList", *lists))
for noun, longest in (("user", 24_000), ("item", 32_000), ("action", 32_000)):
    one, name = {f"{noun}Id": "x"}, f"Put{noun.title()}s"
    empty = "{" + " " * (longest - 2) + "}"
    good = [[one] * 10, [{f"{noun}Id": to(256)}], [one | {"properties": empty}]]
    bad = [
        [],
        [one] * 11,
        [{}],
        [{f"{noun}Id": ""}],
        [{f"{noun}Id": to(257)}],
        [one | {"properties": empty + " "}],
    ]
    LIMITS.append((name, {"datasetArn": ARN}, f"{noun}s", good, bad))
TAKEN = {"actionId": "a", "sessionId": "s", "timestamp": 1_700_000_000, "eventType": "TAKEN"}
LIMITS.append(
    (
        "PutActionInteractions",
        {"trackingId": "t"},
        "actionInteractions",
        [[TAKEN] * 10, [TAKEN | {"userId": "u", "impression": ["a"] * 25, "recommendationId": to(40)}]],
        [
            [TAKEN] * 11,
            [TAKEN | {"impression": ["a"] * 26}],
            *([{name: cell for name, cell in TAKEN.items() if name != word}] for word in TAKEN),
        ],
    )
)


@pytest.mark.parametrize(
    ("operation", "beside", "member", "good", "bad"),
    LIMITS,
    ids=[f"{row[0]} {row[2]} {number}" for number, row in enumerate(LIMITS)],
)
def test_a_member_is_taken_up_to_its_limit_and_not_beyond(
    operation: str, beside: dict[str, Any], member: str, good: list[Any], bad: list[Any]
) -> None:
    for value in good:
        assert member in asked(operation, **beside, **{member: value})
    for value in bad:
        message = refused(operation, **beside, **{member: value})
        assert "validation error" in message or message == "Error parsing properties json"


def test_a_missing_member_and_a_broken_pattern_have_amazons_text() -> None:
    assert refused("CreateDatasetGroup", name="a b") == (
        "1 validation error detected: Value 'a b' at 'name' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: ^[a-zA-Z0-9][a-zA-Z0-9\\-_]*"
    )


def test_the_errors_of_the_control_plane_are_400_and_those_of_events_have_their_own_status() -> None:
    assert {
        status
        for one in OPERATIONS.values()
        if one.service == "personalize"
        for status in one.errors.values()
    } == {400}
    events = [one.errors for one in OPERATIONS.values() if one.service == "personalize-events"]
    assert {code: status for errors in events for code, status in errors.items()} == {
        "InvalidInputException": 400,
        "ResourceNotFoundException": 404,
        "ResourceInUseException": 409,
    }
    assert set(OPERATIONS["PutEvents"].errors) == {"InvalidInputException"}


def test_the_import_job_needs_no_role_and_the_export_does() -> None:
    job = {"jobName": "j", "datasetArn": ARN}
    assert asked("CreateDatasetImportJob", **job, dataSource={})
    refused("CreateDatasetExportJob", **job, jobOutput={"s3DataDestination": {"path": "s3://b/"}})
