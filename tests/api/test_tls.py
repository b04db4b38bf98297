"""HTTPS with an authority of one's own: programs with Amazon's own endpoints find the server."""

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result

from api.test_clients import AWS
from sartor.cli import cli
from sartor.demo.server import Server

x509 = pytest.importorskip("cryptography.x509")

#: A program with a fixed endpoint; what stands in for /etc/hosts and the port 443 is done to its resolver.
PROGRAM = """
import socket
real, port = socket.getaddrinfo, {port}
def hosts(host, asked, *more, **named):
    known = str(host).endswith(".us-east-1.amazonaws.com") and str(host).startswith("personalize")
    return real("127.0.0.1", port, *more, **named) if known else real(host, asked, *more, **named)
socket.getaddrinfo = hosts
import boto3
from botocore.exceptions import ClientError
print(len(boto3.client("personalize").list_recipes()["recipes"]))
for call in (
    lambda: boto3.client("personalize-events").put_events(trackingId="t", sessionId="s",
        eventList=[{{"eventType": "e", "sentAt": 1}}]),
    lambda: boto3.client("personalize-runtime").get_recommendations(campaignArn="arn:aws:personalize:us-east-1:"
        "000000000000:campaign/x", userId="u"),
):
    try:
        call()
    except ClientError as error:
        print(error.response["Error"]["Code"])
"""


def sartor(*words: str, folder: Path) -> Result:
    return CliRunner().invoke(cli, [*words, "--data", str(folder)])


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, dict[str, Any]]]:
    """Give a server with a certificate of its own authority, and what ``sartor ca`` said."""
    folder = tmp_path_factory.mktemp("data")
    done = sartor("ca", "--json", folder=folder)
    assert done.exit_code == 0, done.stderr
    made = json.loads(done.stdout)
    options = ("--tls-cert", made["certificate"], "--tls-key", made["key"], "--workers", "0")
    options += ("--cors", "https://shop.example")
    with Server(folder, {}, options) as server:
        yield server, made


def environment(server: Server) -> dict[str, str]:
    """Return a shell's variables as ``sartor env`` printed them."""
    clean = {name: value for name, value in os.environ.items() if not re.match(r"AWS_|SARTOR_", name)}
    return {**clean, **server.environment}


def serial(server: Server, made: dict[str, Any]) -> int:
    """Return the number of the certificate that a new connection gets."""
    context = ssl.create_default_context(cafile=made["authority"])
    address = urlsplit(server.url)
    with (
        socket.create_connection((address.hostname, address.port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="personalize.us-east-1.amazonaws.com") as connection,
    ):
        found = connection.getpeercert(binary_form=True)
    assert found is not None
    return int(x509.load_der_x509_certificate(found).serial_number)


def test_the_server_says_https_and_env_lets_clients_trust_it(secure: tuple[Server, dict[str, Any]]) -> None:
    server, made = secure
    assert server.url.startswith("https://127.0.0.1:")
    assert server.environment["AWS_CA_BUNDLE"] == made["bundle"]
    assert server.environment["NODE_EXTRA_CA_CERTS"] == made["authority"]
    done = subprocess.run(
        [AWS, "personalize", "list-recipes"],
        env=environment(server),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "aws-user-personalization" in done.stdout
    for place in (made["key"], Path(made["authority"]).with_name("ca.key")):
        assert Path(place).stat().st_mode & 0o077 == 0


def test_a_program_with_amazons_own_endpoints_finds_the_server(secure: tuple[Server, dict[str, Any]]) -> None:
    server, made = secure
    assert made["hosts"] == [
        f"127.0.0.1 personalize{of}.us-east-1.amazonaws.com" for of in ("", "-runtime", "-events")
    ]
    fixed = {
        name: value for name, value in environment(server).items() if not name.startswith("AWS_ENDPOINT_URL")
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(port=urlsplit(server.url).port)],
        env=fixed,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split()[1:] == ["InvalidInputException", "ResourceNotFoundException"], done.stderr


def test_our_own_commands_trust_the_servers_authority(secure: tuple[Server, dict[str, Any]]) -> None:
    server, _ = secure
    dataset = "arn:aws:personalize:us-east-1:000000000000:dataset/shop/ITEMS"
    done = sartor("history", dataset, folder=server.data)
    assert "CERTIFICATE" not in done.stderr
    assert "does not exist" in done.stderr


def test_a_renewed_certificate_is_served_without_a_restart_and_a_broken_one_is_not(
    secure: tuple[Server, dict[str, Any]],
) -> None:
    server, made = secure
    before = serial(server, made)
    key = Path(made["key"])
    kept = key.read_bytes()
    key.write_bytes(b"no key")
    assert sartor("ca", folder=server.data).exit_code == 0  # writes both files
    deadline = time.monotonic() + 20
    while serial(server, made) == before:
        assert time.monotonic() < deadline, "it was never read anew"
        time.sleep(0.05)
    renewed = serial(server, made)
    key.write_bytes(kept)  # of the certificate before
    while "stays as it was" not in server.log.read_text():
        assert time.monotonic() < deadline, server.log.read_text()
        time.sleep(0.05)
    assert serial(server, made) == renewed
    assert server.process.poll() is None


def test_an_authority_vouches_for_its_names_alone(secure: tuple[Server, dict[str, Any]]) -> None:
    server, made = secure
    authority = Path(made["authority"]).read_bytes()
    refused = sartor("ca", "--region", "eu-west-1", folder=server.data)
    assert refused.exit_code == 1
    assert "may not vouch for personalize.eu-west-1.amazonaws.com" in refused.stderr
    assert Path(made["authority"]).read_bytes() == authority
    constraints = x509.load_pem_x509_certificate(authority).extensions.get_extension_for_class(
        x509.NameConstraints
    )
    assert constraints.critical
    names = constraints.value.permitted_subtrees
    assert all(
        "personalize" in str(one.value) or str(one.value).startswith(("localhost", "127.", "::1"))
        for one in names
    )


def test_a_preflight_over_https_has_the_origin_and_the_headers(secure: tuple[Server, dict[str, Any]]) -> None:
    server, made = secure
    import urllib.request

    context = ssl.create_default_context(cafile=made["authority"])
    asked = urllib.request.Request(
        f"{server.url}/events",
        method="OPTIONS",
        headers={
            "Origin": "https://shop.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,x-amz-date",
        },
    )
    with urllib.request.urlopen(asked, context=context, timeout=20) as answer:
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        assert answer.headers["access-control-allow-headers"] == "authorization,x-amz-date"


def test_a_certificate_without_its_key_is_refused_at_start(tmp_path: Path) -> None:
    done = sartor("ca", "--json", folder=tmp_path)
    made = json.loads(done.stdout)
    for words, reason in (
        (("--tls-cert", made["certificate"]), "--tls-cert and --tls-key go together"),
        (("--tls-cert", made["authority"], "--tls-key", made["key"]), "cannot serve"),
        (("--tls-cert", str(tmp_path / "nothing.pem"), "--tls-key", made["key"]), "cannot serve"),
        (("--cors", "shop.example"), "an origin is https://HOST"),
        (("--auth", "open", "--cors", "*"), "name the origins"),
    ):
        refused = sartor("serve", "--port", "0", *words, folder=tmp_path / "other")
        assert (refused.exit_code, reason in refused.stderr) == (2, True), refused.stderr
