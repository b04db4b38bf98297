"""HTTP as hostile or broken clients speak it: always a modelled answer, never a 500, never a hang."""

import http.client
import json
import random
import re
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore import xform_name
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from conformance import shapes

from api.conftest import Client
from api.schemas import ITEMS
from sartor.wire import operations

TARGET = "AmazonPersonalize.ListDatasetGroups"


def post(
    client: Client, body: bytes, headers: dict[str, str], path: str = "/", method: str = "POST"
) -> tuple[int, Any, dict[str, str]]:
    """Send a signed request and return status, JSON and headers."""
    environment = client.server.environment
    request = AWSRequest(method, client.server.url + path, data=body, headers=headers)
    credentials = Credentials(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
    SigV4Auth(credentials, "personalize", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection(urlsplit(client.server.url).netloc, timeout=20)
    connection.request(method, path, body, dict(request.headers.items()))
    response = connection.getresponse()
    text = response.read()
    return (
        response.status,
        json.loads(text) if text else None,
        {k.lower(): v for k, v in response.getheaders()},
    )


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"{", {"X-Amz-Target": TARGET}, "SerializationException"),
        (b"[" * 100_000, {"X-Amz-Target": TARGET}, "SerializationException"),
        (b"\xff", {"X-Amz-Target": TARGET}, "SerializationException"),
        (b"{}", {"X-Amz-Target": "AmazonPersonalize.Nothing"}, "UnknownOperationException"),
        (b"{}", {"X-Amz-Target": "x" * 5000}, "UnknownOperationException"),
        (b"{}", {}, "UnknownOperationException"),
        (b"{}", {"X-Amz-Target": TARGET, "Content-Type": "text/xml"}, "UnsupportedMediaTypeException"),
        (b'{"maxResults": 0}', {"X-Amz-Target": TARGET}, "InvalidInputException"),
        (b" " * 3_000_000, {"X-Amz-Target": TARGET}, "RequestEntityTooLargeException"),
    ],
)
def test_a_broken_request_gets_a_client_error_that_names_its_kind(
    client: Client, body: bytes, headers: dict[str, str], code: str
) -> None:
    status, answer, answered = post(client, body, {"Content-Type": "application/x-amz-json-1.1", **headers})
    assert 400 <= status < 500
    assert answer["__type"] == code
    assert answer["message"]
    assert answered["x-amzn-requestid"]


@pytest.mark.parametrize(("method", "path"), [("PUT", "/events"), ("POST", "/nowhere"), ("DELETE", "/users")])
def test_an_unknown_path_or_method_is_an_unknown_operation(client: Client, method: str, path: str) -> None:
    status, answer, _ = post(client, b"", {}, path, method)
    assert status == 400
    assert answer["__type"] == "UnknownOperationException"


def test_a_client_that_leaves_in_the_middle_of_its_body_harms_nobody(client: Client) -> None:
    host, port = urlsplit(client.server.url).netloc.split(":")
    for _ in range(20):
        with socket.create_connection((host, int(port))) as half:
            half.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert client.personalize.list_dataset_groups(maxResults=1) is not None


def test_bytes_that_are_no_http_get_a_400(client: Client) -> None:
    host, port = urlsplit(client.server.url).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert b" 400 " in raw.recv(1000)


def test_the_other_services_answer_in_their_own_protocol(client: Client) -> None:
    events, runtime = (client.server.client(f"personalize-{name}") for name in ("events", "runtime"))
    campaign = "arn:aws:personalize:us-east-1:000000000000:campaign/x"
    for call, code in (
        (
            lambda: events.put_events(
                trackingId="t", sessionId="s", eventList=[{"eventType": "e", "sentAt": 1}]
            ),
            "InvalidInputException",
        ),
        (lambda: runtime.get_recommendations(campaignArn=campaign), "ResourceNotFoundException"),
    ):
        with pytest.raises(ClientError) as refused:
            call()
        assert refused.value.response["Error"]["Code"] == code
        assert refused.value.response["ResponseMetadata"]["RequestId"]


def test_records_and_deletions_are_answered_with_an_empty_body(client: Client) -> None:
    arn = client.dataset(ITEMS, "Items")
    body = json.dumps({"datasetArn": arn, "items": [{"itemId": "i"}]}).encode()
    status, answer, _ = post(client, body, {"Content-Type": "application/json"}, "/items")
    assert (status, answer) == (200, None)
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AmazonPersonalize.DeleteDataset",
    }
    status, answer, _ = post(client, json.dumps({"datasetArn": arn}).encode(), headers)
    assert (status, answer or {}) == (200, {})


def _asked(shape: Any) -> dict[str, Any]:
    """Return a valid request in which every ARN and tracking id names nothing."""
    request: dict[str, Any] = shapes.value(shape, random.Random(0), deep=False)
    for name in shape.members:
        if name.endswith("Arn") and name not in ("roleArn", "kmsKeyArn"):
            kind = KIND_OF.get(name, kebab(name.removesuffix("Arn")))
            request[name] = f"arn:aws:personalize:us-east-1:000000000000:{kind}/nobody"
    return request | ({"trackingId": "nobody"} if "trackingId" in shape.members else {})


KIND_OF = {"solutionVersionArn": "solution/nobody", "resourceArn": "campaign"}


def kebab(word: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"-{letter[0].lower()}", word)


def test_what_is_not_there_gets_an_error_that_the_operation_declares(client: Client) -> None:
    clients = {service: client.server.client(service) for service in operations.SERVICES}
    asked = 0
    for operation in operations.load().all:
        shape = operation.model.input_shape
        if shape is None or not any(name.endswith("Arn") or name == "trackingId" for name in shape.members):
            continue
        asked += 1
        try:
            getattr(clients[operation.service], xform_name(operation.name))(**_asked(shape))
        except ClientError as error:
            told, answer = error.response["Error"], error.response["ResponseMetadata"]
            assert told["Code"] in operation.errors, (operation.name, told)
            assert answer["HTTPStatusCode"] == operation.errors[told["Code"]]
        else:
            assert operation.name.startswith("List"), operation.name
    assert asked == 75
