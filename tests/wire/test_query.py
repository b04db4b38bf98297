"""The query protocol, with botocore as oracle: what it writes is read, and what we write it parses."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore import parsers, serialize
from botocore.loaders import Loader
from botocore.model import ServiceModel

from sartor.errors import ApiError
from sartor.wire.query import Query, QueryService
from sartor.wire.sign import Authority, HttpRequest

MODEL = ServiceModel(Loader().load_service_model("sts", "service-2"), "sts")
OPERATION = MODEL.operation_model("AssumeRole")
FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
ASKED = {
    "RoleArn": "arn:aws:iam::111122223333:role/x",
    "RoleSessionName": "anna",
    "DurationSeconds": 900,
    "Tags": [{"Key": "team", "Value": "ü + = @"}, {"Key": "b", "Value": ""}],
    "TransitiveTagKeys": ["team"],
    "PolicyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}],
}
SAID = {
    "Credentials": {
        "AccessKeyId": "ASIAEXAMPLEEXAMPLE12",
        "SecretAccessKey": "a/b+c<&>\"'",
        "SessionToken": "token==",
        "Expiration": 1_769_860_800.7,
    },
    "AssumedRoleUser": {"AssumedRoleId": "AROA:anna", "Arn": "arn"},
    "PackedPolicySize": 3,
}


def service(said: Any = None, members: list[Any] | None = None) -> QueryService:
    def handler(_caller: Any, found: dict[str, Any], _request: Any) -> dict[str, Any]:
        if members is not None:
            members.append(found)
        return SAID if said is None else said  # type: ignore[no-any-return]

    authority = Authority(lambda *_: None, ("0" * 12, "us-east-1"))
    return QueryService("sts", {"AssumeRole": Query(handler)}, authority, lambda: 0.0)


def post(body: str, headers: dict[str, str] = FORM) -> HttpRequest:
    return HttpRequest("POST", "/", "", headers, body.encode())


def written(**members: Any) -> str:
    """Return a request as botocore writes it."""
    made = serialize.create_serializer("query", False).serialize_to_request(members, OPERATION)
    return urlencode(made["body"])


def parsed(answer: Any) -> Any:
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    response = {"status_code": answer.status, "headers": headers, "body": answer.body}
    return parsers.create_parser("query").parse(response, OPERATION.output_shape)


def test_what_botocore_writes_is_read_and_what_is_written_it_parses() -> None:
    members: list[Any] = []
    answer = parsed(service(members=members).answer(post(written(**ASKED)), "an-id"))
    assert members == [ASKED]
    assert answer.pop("ResponseMetadata")["RequestId"] == "an-id"
    expires = answer["Credentials"].pop("Expiration")
    assert expires == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert answer["Credentials"] == {k: v for k, v in SAID["Credentials"].items() if k != "Expiration"}
    assert answer["AssumedRoleUser"] == SAID["AssumedRoleUser"]
    assert answer["PackedPolicySize"] == 3


def test_a_get_is_answered_as_a_post() -> None:
    request = HttpRequest("GET", "/", written(**ASKED), {}, b"")
    assert service().claims(request)
    assert service().answer(request, "an-id").status == 200


@pytest.mark.parametrize(
    ("request_", "claimed"),
    [
        (post("Action=X"), True),
        (post("{}", {"content-type": "application/x-amz-json-1.1"}), False),
        (post("{}", {**FORM, "x-amz-target": "AmazonPersonalize.ListSchemas"}), False),
        (post("{}", {}), False),
        (HttpRequest("POST", "/events", "", FORM, b""), False),
        (HttpRequest("GET", "/", "", {}, b""), False),
        (HttpRequest("GET", "/", "Action=GetCallerIdentity", {}, b""), True),
    ],
)
def test_forms_on_the_root_are_of_the_query_protocol(request_: HttpRequest, claimed: bool) -> None:
    assert service().claims(request_) is claimed


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        ("", "InvalidAction", 400),
        ("Action=AssumeRole", "InvalidAction", 400),
        ("Action=AssumeRole&Version=2010-01-01", "InvalidAction", 400),
        ("Action=AssumeNothing&Version=2011-06-15", "InvalidAction", 400),
        ("Action=AssumeRole&Version=2011-06-15", "ValidationError", 400),
        (written(**{**ASKED, "DurationSeconds": 1}), "ValidationError", 400),
        (written(**ASKED).replace("=900", "=soon"), "ValidationError", 400),
        (written(**ASKED).replace("=900", f"={'9' * 5000}"), "ValidationError", 400),
        ("Action=AssumeRole&Version=2011-06-15&RoleArn=%FF", "MalformedQueryString", 400),
        ("&".join(f"a{number}=" for number in range(2000)), "MalformedQueryString", 400),
    ],
)
def test_what_is_wrong_is_told_as_botocore_parses_it(body: str, code: str, status: int) -> None:
    with pytest.raises(ApiError) as refused:
        service().answer(post(body), "an-id")
    answer = service().refuse(refused.value, "an-id")
    assert answer.status == status
    assert parsed(answer)["Error"]["Code"] == code
    assert parsed(answer)["ResponseMetadata"]["RequestId"] == "an-id"


def test_a_message_with_what_xml_has_no_character_for_is_parsed() -> None:
    answer = service().refuse(ApiError("AccessDeniedException", "<a>\x00\ud800&"), "an-id")
    assert (answer.status, parsed(answer)["Error"]["Message"]) == (403, "<a>??&")
