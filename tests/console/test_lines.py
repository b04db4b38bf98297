"""Every line of boto3 and of a shell that a page shows is run, and sends what the page has asked.

A recorder stands before the server: it notes what comes, hands on what only reads, and refuses all else.
"""

import http.client
import json
import os
import re
import shlex
import subprocess
import threading
from collections.abc import Iterator
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from console.addresses import EVERY
from console.shop import Shop
from console.test_every_page import asked, cookie
from sartor.cli import cli
from sartor.console.pages.snippets import PREAMBLE

SECTION = re.compile(r"<section>\s*<h3>(.*?)</h3>(.*?)</section>", re.DOTALL)
LINE = re.compile(r'<code data-line="(boto3|shell)">(.*?)</code>', re.DOTALL)
READS = ("Describe", "List", "Get")


class Sent(NamedTuple):
    """A request, as far as it matters what is asked: method, address, operation, members."""

    method: str
    address: str
    target: str
    members: Any


class Recorder(BaseHTTPRequestHandler):
    """Notes requests, and hands on those that only read."""

    server_url = ""
    sent: list[Sent] = []  # noqa: RUF012 - of the one recorder that there is

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        target = self.headers.get("x-amz-target", "")
        Recorder.sent.append(Sent(self.command, self.path, target, json.loads(body) if body else None))
        reads = self.command == "GET" or target.partition(".")[2].startswith(READS)
        status, answer = self._handed_on(body) if reads else (400, b'{"__type": "InvalidInputException"}')
        self.send_response(status)
        self.send_header("content-type", "application/x-amz-json-1.1")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _handed_on(self, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(urlsplit(self.server_url).netloc, timeout=30)
        connection.request(self.command, self.path, body or None, dict(self.headers.items()))
        answer = connection.getresponse()
        return answer.status, answer.read()

    do_GET = do_POST = _answer  # noqa: N815 - the standard library's names

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def recorder(shop: Shop) -> Iterator[str]:
    """Give the address of the recorder."""
    Recorder.server_url = shop.server.url
    with ThreadingHTTPServer(("127.0.0.1", 0), Recorder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def environment(shop: Shop, recorder: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Give, and set, the environment of a shell of ``sartor env``."""
    words = {
        name: recorder if name.startswith("AWS_ENDPOINT_URL") else value
        for name, value in shop.server.environment.items()
    }
    for name, value in {**words, "AWS_MAX_ATTEMPTS": "1", "AWS_PAGER": ""}.items():
        monkeypatch.setenv(name, value)
    return words


def shown(shop: Shop) -> dict[str, dict[str, str]]:
    """Return the lines of every page, by what they call; each operation and each path once."""
    found: dict[str, tuple[str, dict[str, str]]] = {}
    signed_in = {"cookie": cookie(shop)}
    for _, _, address in EVERY:
        _, body = asked(shop, "GET", address(shop), signed_in)
        for title, text in SECTION.findall(body.decode()):
            lines = {sort: unescape(line) for sort, line in LINE.findall(text)}
            if lines:
                sort_of_call = re.sub(r"arn[^/?]*|=[^&]*", "", unescape(title)) + str(sorted(lines))
                options = re.sub(r"'.*?'|\S*\d\S*", "", lines["shell"])
                found.setdefault(sort_of_call + options, (unescape(title), lines))
    return {f"{at} {title}": lines for at, (title, lines) in enumerate(found.values())}


def test_the_lines_that_pages_show_send_what_the_pages_asked(shop: Shop, environment: dict[str, str]) -> None:
    from awscli.clidriver import create_clidriver

    clients: dict[str, Any] = {}
    exec(PREAMBLE, clients)
    aws = create_clidriver()
    pairs = shown(shop)
    assert pairs
    for name, lines in pairs.items():
        title = name.partition(" ")[2]
        Recorder.sent.clear()
        words = shlex.split(lines["shell"])
        if words[0] == "aws":
            aws.main(words[1:])
        elif words[0] == "sartor":
            CliRunner().invoke(cli, words[1:])
        else:
            subprocess.run(
                ["bash", "-c", lines["shell"]], env=os.environ | environment, check=False, timeout=30
            )
        assert Recorder.sent, lines
        by_shell = Recorder.sent[-1]
        if "boto3" not in lines:
            assert in_order(f"{by_shell.method} {by_shell.address}") == in_order(title), lines
            continue
        Recorder.sent.clear()
        try:
            exec(lines["boto3"], clients)
        except ClientError as refused:
            assert refused.response["Error"]["Code"] == "InvalidInputException"
        (by_python,) = Recorder.sent
        assert by_python == by_shell, lines
        assert by_python.target.partition(".")[2] in (title, ""), lines


def in_order(address: str) -> tuple[str, list[str]]:
    """Return an address with its parameters in order."""
    path, _, query = address.partition("?")
    return path, sorted(query.split("&"))
