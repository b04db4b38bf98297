"""Temporary credentials through boto3 and the AWS CLI: STS on the same port, and what its tokens may do."""

import base64
import http.client
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from api.conftest import Client
from api.test_clients import AWS, shell
from sartor.cli import cli
from sartor.demo.server import Server
from sartor.keys import KEY_FILE, STALE_SECONDS, KeyFile, new_role

ACCOUNT, OTHER = "000000000000", "444455556666"
ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
SERVICES = ("personalize", "personalize-events", "personalize-runtime", "sts")


class Door:
    """The server's STS, and its keys and roles as the commands change them."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.keys = KeyFile(server.data / KEY_FILE)

    def key(self, account: str = ACCOUNT, *statements: dict[str, Any]) -> dict[str, str]:
        """Return a new key, as boto3 takes it."""
        made = self.keys.add(account, (document(*statements),) if statements else ())
        return {"aws_access_key_id": made.access_key_id, "aws_secret_access_key": made.secret_access_key}

    def role(
        self,
        *statements: dict[str, Any],
        trust: dict[str, Any] | None = None,
        max_session_seconds: int = 3600,
    ) -> str:
        """Return the ARN of a new role; without a trust policy its account is trusted."""
        arn = f"arn:aws:iam::{ACCOUNT}:role/role-{time.time_ns()}"
        own = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
        policies = (document(*statements),) if statements else ()
        self.keys.add_role(new_role(arn, document(trust or own), policies, max_session_seconds))
        return arn

    def boto(self, service: str, key: dict[str, str]) -> Any:
        return boto3.client(service, endpoint_url=self.server.url, region_name="us-east-1", **key)


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def key_of(answer: dict[str, Any]) -> dict[str, str]:
    """Return the arguments of boto3 for what STS has made."""
    made = answer["Credentials"]
    return {
        "aws_access_key_id": made["AccessKeyId"],
        "aws_secret_access_key": made["SecretAccessKey"],
        "aws_session_token": made["SessionToken"],
    }


def refusal(asked: Any, **members: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        asked(**members)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture
def door(client: Client) -> Door:
    return Door(client.server)


def test_a_key_and_its_session_are_told_who_they_are(door: Door) -> None:
    key = door.key()
    sts = door.boto("sts", key)
    user = f"arn:aws:iam::{ACCOUNT}:user/{key['aws_access_key_id']}"
    answer = sts.get_caller_identity()
    assert (answer["Account"], answer["Arn"], answer["UserId"]) == (ACCOUNT, user, key["aws_access_key_id"])
    assert answer["ResponseMetadata"]["RequestId"]
    made = sts.get_session_token(DurationSeconds=900)
    assert 890 < made["Credentials"]["Expiration"].timestamp() - time.time() <= 900
    session = door.boto("sts", key_of(made))
    assert session.get_caller_identity()["Arn"] == user
    assert refusal(session.get_session_token) == (
        "AccessDenied",
        "Cannot call GetSessionToken with session credentials",
    )
    assert door.boto("personalize", key_of(made)).list_schemas(maxResults=1) is not None
    words = {name.upper(): value for name, value in key_of(made).items()}
    words |= {"AWS_ENDPOINT_URL_PERSONALIZE": door.server.url, "SARTOR_DATA": ""}
    ours = CliRunner(env=words).invoke(cli, ["list", "--json"])  # our own commands sign with the token too
    assert ours.exit_code == 0, ours.stderr
    assert CliRunner(env=words | {"AWS_SESSION_TOKEN": ""}).invoke(cli, ["list"]).exit_code == 1


def test_a_role_is_assumed_may_what_its_policy_says_and_is_named_in_the_refusal(door: Door) -> None:
    key = door.key()
    role = door.role({**ALL, "Action": "personalize:List*"})
    answer = door.boto("sts", key).assume_role(RoleArn=role, RoleSessionName="anna")
    name = role.rpartition("/")[2]
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/anna"
    assert answer["AssumedRoleUser"]["Arn"] == session
    assert answer["AssumedRoleUser"]["AssumedRoleId"].endswith(":anna")
    boto = door.boto("personalize", key_of(answer))
    assert boto.list_schemas(maxResults=1) is not None
    assert refusal(boto.create_dataset_group, name="x") == (
        "AccessDeniedException",
        f"User: {session} is not authorized to perform: personalize:CreateDatasetGroup on resource: "
        f"arn:aws:personalize:us-east-1:{ACCOUNT}:dataset-group/x because no identity-based policy allows the "
        "personalize:CreateDatasetGroup action",
    )
    narrowed = door.boto("sts", key).assume_role(
        RoleArn=role, RoleSessionName="anna", Policy=json.dumps({"Statement": {**ALL, "Action": "s3:*"}})
    )
    assert narrowed["PackedPolicySize"] > 0
    _, words = refusal(door.boto("personalize", key_of(narrowed)).list_schemas)
    assert "because no session policy allows the personalize:ListSchemas action" in words
    door.keys.set_policies(role, ())
    assert refusal(boto.list_schemas)[0] == "AccessDeniedException"
    door.keys.remove_role(role)
    assert refusal(boto.list_schemas)[0] == "UnrecognizedClientException"


def test_who_may_not_assume_a_role_is_told_so_and_not_whether_there_is_one(door: Door) -> None:
    key = door.key(ACCOUNT, {**ALL, "Action": "personalize:*"})
    user = f"arn:aws:iam::{ACCOUNT}:user/{key['aws_access_key_id']}"
    sts = door.boto("sts", key)
    words = "User: {} is not authorized to perform: sts:AssumeRole on resource: {}"
    of_the_account = door.role()
    code, said = refusal(sts.assume_role, RoleArn=of_the_account, RoleSessionName="anna")
    assert (code, said) == (
        "AccessDenied",
        f"{words.format(user, of_the_account)} because no identity-based policy allows the sts:AssumeRole action",
    )
    nobody = f"arn:aws:iam::{ACCOUNT}:role/nobody"
    assert refusal(sts.assume_role, RoleArn=nobody, RoleSessionName="anna") == (
        "AccessDenied",
        words.format(user, nobody),
    )
    mine = door.role(trust={"Effect": "Allow", "Principal": {"AWS": user}, "Action": "sts:AssumeRole"})
    assert sts.assume_role(RoleArn=mine, RoleSessionName="anna")["AssumedRoleUser"]
    stranger = door.boto("sts", door.key(OTHER))
    assert refusal(stranger.assume_role, RoleArn=mine, RoleSessionName="bob")[0] == "AccessDenied"


def test_another_account_assumes_a_role_with_its_external_id_and_sees_that_account(door: Door) -> None:
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": OTHER},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {"StringEqualsIfExists": {"sts:ExternalId": "agreed"}},
    }
    role = door.role(ALL, trust=trust, max_session_seconds=7200)
    sts = door.boto("sts", door.key(OTHER))
    asked = {"RoleArn": role, "RoleSessionName": "bob"}
    assert refusal(sts.assume_role, **asked, ExternalId="other")[0] == "AccessDenied"
    answer = sts.assume_role(
        **asked, ExternalId="agreed", DurationSeconds=7200, Tags=[{"Key": "team", "Value": "shop"}]
    )
    session = door.boto("sts", key_of(answer))
    assert session.get_caller_identity()["Account"] == ACCOUNT
    code, words = refusal(sts.assume_role, **asked, ExternalId="agreed", DurationSeconds=43_200)
    assert (code, "MaxSessionDuration" in words) == ("ValidationError", True)
    code, words = refusal(sts.assume_role, **asked, ExternalId="agreed", SourceIdentity="bob")
    assert "sts:SetSourceIdentity" in words
    code, words = refusal(session.assume_role, **asked, DurationSeconds=7200)
    assert code in ("AccessDenied", "ValidationError")


def test_a_token_is_refused_with_awss_codes_on_all_services(door: Door) -> None:
    key = door.key()
    good = key_of(door.boto("sts", key).get_session_token())
    raw = bytearray(base64.b64decode(good["aws_session_token"]))
    raw[9] ^= 1
    bad = {
        "tampered": {**good, "aws_session_token": base64.b64encode(raw).decode()},
        "foreign": {**good, "aws_session_token": "IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLWVhc3QtMSJ="},
        "another key's": {**key, "aws_session_token": good["aws_session_token"]},
        "no token": {name: good[name] for name in ("aws_access_key_id", "aws_secret_access_key")},
    }
    for service in SERVICES:
        for wrong in bad.values():
            asked = call_of(service, door.boto(service, wrong))
            expected = "InvalidClientTokenId" if service == "sts" else "UnrecognizedClientException"
            assert refusal(asked) == (expected, "The security token included in the request is invalid.")
        wrong_secret = {**good, "aws_secret_access_key": "x" * 40}
        expected = "SignatureDoesNotMatch" if service == "sts" else "InvalidSignatureException"
        assert refusal(call_of(service, door.boto(service, wrong_secret)))[0] == expected
    door.keys.revoke(key["aws_access_key_id"])
    time.sleep(STALE_SECONDS)
    for service in SERVICES:
        expected = "InvalidClientTokenId" if service == "sts" else "UnrecognizedClientException"
        assert refusal(call_of(service, door.boto(service, good)))[0] == expected


def call_of(service: str, boto: Any) -> Any:
    """Return a call of a service that needs no resource to be refused."""
    event = {"eventType": "click", "sentAt": 1}
    campaign = f"arn:aws:personalize:us-east-1:{ACCOUNT}:campaign/x"
    calls = {
        "personalize": lambda: boto.list_schemas(),
        "personalize-events": lambda: boto.put_events(trackingId="t", sessionId="s", eventList=[event]),
        "personalize-runtime": lambda: boto.get_recommendations(campaignArn=campaign, userId="u"),
        "sts": lambda: boto.get_caller_identity(),
    }
    return calls[service]


def test_what_is_asked_wrongly_is_refused_in_the_query_protocol(door: Door) -> None:
    sts = door.boto("sts", door.key())
    role = door.role()
    for members, code in (
        ({"RoleArn": role, "RoleSessionName": "a b"}, "ValidationError"),
        ({"RoleArn": role, "RoleSessionName": "anna", "Policy": "{}"}, "MalformedPolicyDocument"),
        ({"RoleArn": role, "RoleSessionName": "anna", "Policy": "x" * 2049}, "PackedPolicyTooLarge"),
        (
            {"RoleArn": role, "RoleSessionName": "anna", "PolicyArns": [{"arn": "arn:" * 6}]},
            "ValidationError",
        ),
        ({"RoleArn": role, "RoleSessionName": "anna", "TokenCode": "123456"}, "AccessDenied"),
    ):
        assert refusal(sts.assume_role, **members)[0] == code
    assert refusal(sts.get_federation_token, Name="anna")[0] == "InvalidAction"
    connection = http.client.HTTPConnection(urlsplit(door.server.url).netloc, timeout=20)
    for body, code in ((b"Action=GetCallerIdentity&Version=2011-06-15", b"MissingAuthenticationToken"),):
        connection.request("POST", "/", body, {"Content-Type": "application/x-www-form-urlencoded"})
        response = connection.getresponse()
        assert (response.status, code in response.read()) == (403, True)
        assert response.getheader("Content-Type") == "text/xml"
    connection.close()


def test_the_aws_cli_assumes_the_role_of_a_profile_by_itself(
    client: Client, door: Door, tmp_path: Path
) -> None:
    role = door.role(ALL)
    environment = shell(client, tmp_path)
    key = {name: environment.pop(name.upper()) for name in ("aws_access_key_id", "aws_secret_access_key")}
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(
        "\n".join(["[profile base]", *(f"{name} = {value}" for name, value in key.items()), ""])
        + f"[profile shop]\nrole_arn = {role}\nsource_profile = base\nregion = us-east-1\n"
    )
    environment |= {"AWS_PROFILE": "shop", "AWS_ENDPOINT_URL_STS": client.server.url}
    for words, shown in (
        (("sts", "get-caller-identity"), f":assumed-role/{role.rpartition('/')[2]}/"),
        (("personalize", "list-recipes"), "aws-user-personalization"),
    ):
        done = subprocess.run([AWS, *words], env=environment, capture_output=True, text=True, check=True)
        assert shown in done.stdout


jwt = pytest.importorskip("jwt")
rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")


@pytest.fixture(scope="module")
def issuer() -> Iterator[tuple[str, Any]]:
    """Give an identity provider on this machine, and its key."""
    key = rsa.generate_private_key(65537, 2048)
    public = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())), "kid": "1"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            discovery = {"jwks_uri": f"http://127.0.0.1:{server.server_port}/keys"}
            body = json.dumps({"keys": [public]} if self.path == "/keys" else discovery).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", key
        server.shutdown()
        thread.join()


def test_who_comes_from_an_identity_provider_assumes_a_role_that_trusts_it(
    issuer: tuple[str, Any], tmp_path: Path
) -> None:
    url, key = issuer
    provider = url.removeprefix("http://")
    with Server(tmp_path / "data", {}, ("--oidc-issuer", f"{url}=sartor", "--workers", "0")) as server:
        door = Door(server)
        trust = {
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{provider}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {f"{provider}:sub": "repo:shop", f"{provider}:aud": "sartor"}},
        }
        role = door.role(ALL, trust=trust)
        claims = {"iss": url, "aud": "sartor", "sub": "repo:shop", "iat": 1, "exp": time.time() + 600}

        def token(**more: Any) -> str:
            return str(jwt.encode({**claims, **more}, key, "RS256", headers={"kid": "1"}))

        sts = door.boto("sts", {"aws_access_key_id": "none", "aws_secret_access_key": "none"})
        asked = {"RoleArn": role, "RoleSessionName": "ci"}
        answer = sts.assume_role_with_web_identity(**asked, WebIdentityToken=token())
        assert (answer["SubjectFromWebIdentityToken"], answer["Audience"]) == ("repo:shop", "sartor")
        assert answer["Provider"] == url
        assert door.boto("personalize", key_of(answer)).list_schemas() is not None
        for wrong, code in (
            ({"sub": "repo:other"}, "AccessDenied"),
            ({"aud": "other"}, "InvalidIdentityToken"),
            ({"exp": 2}, "ExpiredTokenException"),
            ({"iss": "https://evil.example"}, "InvalidIdentityToken"),
        ):
            refused = refusal(sts.assume_role_with_web_identity, **asked, WebIdentityToken=token(**wrong))
            assert refused[0] == code
        door.keys.remove_role(role)
        assert (
            refusal(door.boto("personalize", key_of(answer)).list_schemas)[0] == "UnrecognizedClientException"
        )
