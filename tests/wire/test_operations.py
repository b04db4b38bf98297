"""Every operation, both ways, with botocore as the oracle."""

import contextlib
import json
import random
from datetime import datetime
from typing import Any

import botocore.parsers
import botocore.serialize
import pytest
from conformance import shapes
from hypothesis import given
from hypothesis import strategies as st

from sartor.errors import ApiError, invalid_input
from sartor.wire import operations
from sartor.wire.read import read
from sartor.wire.write import write_error, write_result

OPERATIONS = operations.load()
ALL = OPERATIONS.all
every_operation = pytest.mark.parametrize("operation", ALL, ids=lambda operation: operation.name)


def test_the_three_services_have_79_operations() -> None:
    assert len(ALL) == 79
    assert len(OPERATIONS.by_target) == 71
    assert len(OPERATIONS.by_path) == 8


@every_operation
def test_what_botocore_writes_is_read_with_the_same_members(operation: operations.Operation) -> None:
    rng = random.Random(operation.name)
    serializer = botocore.serialize.create_serializer(operation.protocol)
    for deep in (True, False, False, False):
        sent = shapes.value(operation.model.input_shape, rng, deep) if operation.model.input_shape else {}
        written = serializer.serialize_to_request(sent, operation.model)
        body = written["body"] or b""
        got = read(operation.reader, body if isinstance(body, bytes) else body.encode())
        assert got == sent


@every_operation
def test_what_is_written_botocore_reads_with_the_same_members(operation: operations.Operation) -> None:
    rng = random.Random(operation.name)
    parser = botocore.parsers.create_parser(operation.protocol)
    for deep in (True, False, False):
        shape = operation.model.output_shape
        result = shapes.value(shape, rng, deep) if shape is not None else {}
        answer = write_result(operation.protocol, operation.writer, {**result, "unknown": 1}, "request-1")
        headers = {name.decode(): text.decode() for name, text in answer.headers}
        response = {"body": answer.body, "headers": headers, "status_code": answer.status}
        parsed = parser.parse(response, shape)
        metadata = parsed.pop("ResponseMetadata")
        assert metadata["RequestId"] == "request-1"
        assert metadata["HTTPStatusCode"] == 200
        assert _plain(parsed) == result


@every_operation
def test_every_constraint_of_every_member_is_checked(operation: operations.Operation) -> None:
    if operation.model.input_shape is None:
        return
    for member, words, request in shapes.broken(operation.model.input_shape, random.Random(1)):
        with pytest.raises(ApiError) as refused:
            read(operation.reader, json.dumps(request).encode())
        assert refused.value.code == "InvalidInputException"
        message = refused.value.message
        assert member in message, (member, words, message)
        assert words in message or words == "json", (member, words, message)


@every_operation
def test_every_declared_error_is_what_botocore_parses(operation: operations.Operation) -> None:
    parser = botocore.parsers.create_parser(operation.protocol)
    for code, status in operation.errors.items():
        answer = write_error(operation.protocol, operation.errors, ApiError(code, "no “way”"), "request-1")
        assert answer.status == status
        headers = {name.decode(): text.decode() for name, text in answer.headers}
        parsed = parser.parse(
            {"body": answer.body, "headers": headers, "status_code": status}, operation.model.output_shape
        )
        assert parsed["Error"]["Code"] == code
        assert parsed["Error"]["Message"] == "no “way”"
        assert parsed["ResponseMetadata"]["RequestId"] == "request-1"


def test_all_faults_of_a_request_are_in_one_message() -> None:
    operation = OPERATIONS.by_target["AmazonPersonalize.CreateDatasetImportJob"]
    with pytest.raises(ApiError) as refused:
        read(
            operation.reader, json.dumps({"jobName": "a b", "importMode": "SOME", "dataSource": {}}).encode()
        )
    assert refused.value.message == (
        "3 validation errors detected: "
        "Value 'a b' at 'jobName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: ^[a-zA-Z0-9][a-zA-Z0-9\\-_]*; "
        "Value null at 'datasetArn' failed to satisfy constraint: Member must not be null; "
        "Value 'SOME' at 'importMode' failed to satisfy constraint: "
        "Member must satisfy enum value set: [FULL, INCREMENTAL]"
    )


def test_a_pattern_is_not_tried_on_a_text_that_is_too_long() -> None:
    """A pattern with several stars takes the square of the length: 2 MB of colons would hold everybody up for hours."""
    operation = OPERATIONS.by_target["AmazonPersonalize.DescribeCampaign"]
    text = "arn:aws:personalize:" + ":" * 20_000 + "\n"
    with pytest.raises(ApiError) as refused:
        read(operation.reader, json.dumps({"campaignArn": text}).encode())
    assert refused.value.message.startswith("1 validation error detected: ")
    assert refused.value.message.endswith("Member must have length less than or equal to 256")


def test_sensitive_values_are_not_repeated_in_a_message() -> None:
    operation = OPERATIONS.by_path["/events"]
    event = {"eventType": "e", "sentAt": 1, "itemId": "secret" * 100}
    body = {"trackingId": "t", "sessionId": "s", "userId": "hidden" * 100, "eventList": [event]}
    with pytest.raises(ApiError) as refused:
        read(operation.reader, json.dumps(body).encode())
    assert "userId" in refused.value.message
    assert "hidden" not in refused.value.message
    assert "secret" not in refused.value.message


def test_properties_that_are_no_json_object_get_the_text_that_users_know() -> None:
    operation = OPERATIONS.by_path["/events"]
    event = {"eventType": "e", "sentAt": 1, "properties": '"twice encoded"'}
    body = {"trackingId": "t", "sessionId": "s", "eventList": [event]}
    with pytest.raises(ApiError) as refused:
        read(operation.reader, json.dumps(body).encode())
    assert refused.value.message == "Error parsing properties json"


def test_null_for_an_optional_member_is_its_absence() -> None:
    operation = OPERATIONS.by_target["AmazonPersonalize.ListDatasets"]
    assert read(operation.reader, b'{"nextToken": null, "unknown": 3}') == {}


@pytest.mark.parametrize("sent", [1700000000, 1700000000.0, "1700000000", "2023-11-14T22:13:20Z"])
def test_timestamps_are_read_in_every_form_that_samples_use(sent: Any) -> None:
    operation = OPERATIONS.by_path["/events"]
    body = {"trackingId": "t", "sessionId": "s", "eventList": [{"eventType": "e", "sentAt": sent}]}
    assert read(operation.reader, json.dumps(body).encode())["eventList"][0]["sentAt"] == 1700000000.0


NO_TIMES = [
    2**63,
    1.84e19,
    1e300,
    -1,
    -0.5,
    253_402_300_800_000,
    True,
    [],
    {},
    "",
    " 5_0 ",
    "5_0",
    "１６",
    "1e300",
]
NO_TIMES += ["-1", "nan", "0001-01-01T00:00:00Z", "1969-12-31", "２０２０-01-01"]


@pytest.mark.parametrize("moment", NO_TIMES)
@pytest.mark.parametrize(
    ("path", "records", "member", "more"),
    [
        ("/events", "eventList", "sentAt", {}),
        ("/action-interactions", "actionInteractions", "timestamp", {"actionId": "a", "sessionId": "s"}),
    ],
)
def test_a_member_that_is_no_time_from_1970_to_9999_is_named(
    path: str, records: str, member: str, more: dict[str, str], moment: Any
) -> None:
    body = {"trackingId": "t", "sessionId": "s", records: [{"eventType": "e", member: moment, **more}]}
    with pytest.raises(ApiError) as refused:
        read(OPERATIONS.by_path[path].reader, json.dumps(body).encode())
    assert refused.value.code == "InvalidInputException"
    assert f"at '{records}.1.member.{member}' failed to satisfy constraint" in refused.value.message


@pytest.mark.parametrize("value", [1e39, -1e39, 3.41e38, "1"])
def test_a_number_that_its_column_cannot_have_is_named(value: Any) -> None:
    event = {"eventType": "e", "sentAt": 1, "eventValue": value}
    body = {"trackingId": "t", "sessionId": "s", "eventList": [event]}
    with pytest.raises(ApiError, match=r"eventList\.1\.member\.eventValue"):
        read(OPERATIONS.by_path["/events"].reader, json.dumps(body).encode())


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"a":' * 5000, b"[" * 2_000_000, b"{}{}"]
)
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        read(ALL[0].reader, body)
    assert refused.value.code == "SerializationException"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.sampled_from(ALL), st.data())
def test_no_body_raises_anything_but_an_api_error(
    operation: operations.Operation, data: st.DataObject
) -> None:
    members = list(operation.model.input_shape.members) if operation.model.input_shape else ["x"]
    body = data.draw(st.dictionaries(st.sampled_from(members), anything) | anything)
    with contextlib.suppress(ApiError):
        read(operation.reader, json.dumps(body).encode("utf-8", "surrogatepass"))


def test_an_error_that_an_operation_does_not_declare_is_a_client_error() -> None:
    operation = OPERATIONS.by_path["/events"]
    assert write_error(operation.protocol, operation.errors, invalid_input("x"), "r").status == 400


@pytest.mark.parametrize("operation", ALL, ids=lambda operation: operation.name)
def test_every_error_of_an_operation_is_one_that_it_declares_or_that_all_may_have(
    operation: operations.Operation,
) -> None:
    for code in (
        "ResourceNotFoundException",
        "ResourceInUseException",
        "LimitExceededException",
        "ThrottlingException",
    ):
        answer = write_error(operation.protocol, operation.errors, ApiError(code, "why"), "r")
        told = json.loads(answer.body)
        undeclared = code not in operation.errors and code != "ThrottlingException"
        known = "InvalidInputException" in operation.errors
        assert told == {"__type": "InvalidInputException" if undeclared and known else code, "message": "why"}
        assert (b"x-amzn-errortype", told["__type"].encode()) in answer.headers


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
