"""Connections with bounds, over real sockets: too much, too slow and never read are ended, all else is answered."""

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from sartor import certificates
from sartor.wire import connection
from sartor.wire.read import MAXIMUM_BODY_BYTES

PATIENCE = 20.0
LARGE = 64 * 2**20


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer with what came; to ``/large`` with more than sockets keep, to ``/slow`` after a while."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message["body"], message["more_body"]
    if scope["path"] == "/slow":
        await asyncio.sleep(0.3)
    text = b"x" * LARGE if scope["path"] == "/large" else json.dumps([scope["path"], len(body)]).encode()
    headers = [(b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})


class Door:
    """A server with the bounded connections, in a thread."""

    def __init__(self, connections: int, **options: Any) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(
            app, http=connection.bounded(connections), ws="none", log_config=None, lifespan="off", **options
        )
        self.server = connection.Server(config)
        self.thread = threading.Thread(target=asyncio.run, args=(self.server.serve([self.listener]),))
        self.thread.start()

    def open(self) -> socket.socket:
        return socket.create_connection(self.listener.getsockname(), timeout=PATIENCE)

    @property
    def connections(self) -> int:
        return len(self.server.server_state.connections)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join()


@pytest.fixture
def bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the times short."""
    times = {"HEADER_SECONDS": 0.4, "BODY_PAUSE_SECONDS": 0.4, "UNREAD_SECONDS": 0.4, "LINGER_SECONDS": 0.4}
    for name, seconds in {**times, "SWEEP_SECONDS": 0.05}.items():
        monkeypatch.setattr(connection, name, seconds)


@pytest.fixture
def door(bounds: None) -> Iterator[Door]:
    door = Door(8)
    yield door
    door.stop()


def all_of(client: socket.socket) -> bytes:
    """Return what the server says until it closes."""
    found = b""
    while chunk := client.recv(2**16):
        found += chunk
    return found


def answer(client: socket.socket) -> tuple[int, bytes]:
    """Return the status and the body of one answer."""
    found = b""
    while b"\r\n\r\n" not in found:
        chunk = client.recv(2**16)
        assert chunk, found
        found += chunk
    head, _, body = found.partition(b"\r\n\r\n")
    (length,) = (
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    while len(body) < length:
        body += client.recv(2**16)
    return int(head.split()[1]), body


def request(path: str = "/", body: bytes = b"", *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def keep_refused(client: socket.socket, status: int, code: str) -> None:
    """See a refusal that says its code and closes."""
    said = all_of(client)
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), said[:300]
    assert json.loads(body)["__type"] == code
    assert b"x-amzn-requestid" in head and b"connection: close" in head
    client.close()


HEADERS: dict[str, Callable[[], Iterator[bytes]]] = {
    "one line of 80 MB": lambda: (b"GET /" + b"a" * 2**16 if n == 0 else b"a" * 2**16 for n in range(1280)),
    "one header of 80 MB": lambda: (
        b"GET / HTTP/1.1\r\nA: " if n == 0 else b"a" * 2**16 for n in range(1280)
    ),
    "a million headers": lambda: (
        b"GET / HTTP/1.1\r\n" if n == 0 else b"A: b\r\n" * 1000 for n in range(1000)
    ),
    "70 kB in one write": lambda: iter([b"GET / HTTP/1.1\r\nA: " + b"a" * 70_000 + b"\r\n\r\n"]),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_headers_of_more_than_64_kb_are_431_at_once(door: Door, kind: str) -> None:
    with door.open() as client:
        try:
            for part in HEADERS[kind]():
                client.sendall(part)
        except OSError:  # it was left while it sent
            pass
        keep_refused(client, 431, "RequestHeaderFieldsTooLargeException")


def test_headers_of_less_are_read_in_however_many_pieces(door: Door) -> None:
    text = request("/a", b"abc", "X: " + "y" * 60_000)
    with door.open() as client:
        for start in range(0, len(text), 7000):
            client.sendall(text[start : start + 7000])
        assert answer(client) == (200, b'["/a", 3]')
        client.sendall(request("/b", b"b" * 1_000_000) + request("/c", b"", "X: " + "y" * 60_000))
        assert [answer(client)[0]] == [200]


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"\r\n", b"GET"])
def test_headers_that_never_end_are_408(door: Door, sent: bytes) -> None:
    with door.open() as client:
        client.sendall(sent)
        keep_refused(client, 408, "RequestTimeoutException")


def test_headers_that_come_byte_by_byte_for_ever_are_408(door: Door) -> None:
    with door.open() as client:
        client.settimeout(0.1)
        said = b""
        for byte in request("/", b"", "X: " + "y" * 5000):
            try:
                client.sendall(bytes([byte]))
                said = client.recv(2**16)
                break
            except TimeoutError:
                continue
        assert b" 408 " in said


def test_a_body_that_stops_is_408_and_its_call_is_over(door: Door) -> None:
    with door.open() as client:
        client.sendall(request("/", b"abc")[:-1])
        keep_refused(client, 408, "RequestTimeoutException")
    until(lambda: not door.server.server_state.tasks)


def until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.01)


POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
BODIES = {
    "stated": POST + b"Content-Length: %d\r\n\r\n" % (MAXIMUM_BODY_BYTES + 1),
    "stated, and to be asked for": POST + b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n",
    "in chunks": CHUNKED + b"10000\r\n%b\r\n" % (b"a" * 2**16) * 40,
    "in chunks with long extensions": CHUNKED + b"1;x=%b\r\na\r\n" % (b"y" * 2**16) * 300,
}


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_that_is_too_large_is_413_at_once(door: Door, kind: str) -> None:
    with door.open() as client:
        client.sendall(BODIES[kind])
        keep_refused(client, 413, "RequestEntityTooLargeException")


CONFUSING = [
    b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\na",
    b"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\na",
    b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\na",
    b"POST / HTTP/1.1\r\nContent-Length: %b\r\n\r\na" % (b"9" * 5000),
    b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Amz-Target: other\r\n\r\n",
    b"POST /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x00 hello",
]


@pytest.mark.parametrize("sent", CONFUSING, ids=range(len(CONFUSING)))
def test_what_can_be_read_in_two_ways_is_400(door: Door, sent: bytes) -> None:
    with door.open() as client:
        client.sendall(sent)
        keep_refused(client, 400, "BadRequestException")


def test_a_body_in_chunks_and_one_that_is_asked_for_are_read(door: Door) -> None:
    with door.open() as client:
        client.sendall(
            b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n"
        )
        assert answer(client) == (200, b'["/c", 7]')
        client.sendall(request("/e", b"abc", "Expect: 100-continue")[:-3])
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"abc")
        assert answer(client) == (200, b'["/e", 3]')


def test_a_request_that_wants_another_protocol_is_answered_and_the_last(door: Door) -> None:
    with door.open() as client:
        client.sendall(request("/u", b"", "Connection: upgrade", "Upgrade: websocket") + b"more" * 100)
        assert all_of(client).endswith(b'["/u", 0]')


def test_a_bad_request_behind_a_good_one_does_not_come_before_its_answer(door: Door) -> None:
    with door.open() as client:
        client.sendall(request("/slow", b"a") + b"nonsense\r\n\r\n")
        assert all_of(client).startswith(b"HTTP/1.1 200 ")


def test_who_never_reads_an_answer_is_left(door: Door) -> None:
    with door.open() as client:
        client.sendall(request("/large"))
        until(lambda: door.connections == 1)
        until(lambda: door.connections == 0)


def test_who_reads_slowly_gets_all_of_it(door: Door) -> None:
    with door.open() as client:
        client.sendall(request("/large"))
        read = 0
        while read < LARGE:
            read += len(client.recv(2**22))
            time.sleep(0.02)  # slower than the server writes; each time it gets on


def test_idle_connections_make_way_for_new_ones(door: Door) -> None:
    clients = [door.open() for _ in range(8)]
    for client in clients:
        client.sendall(request("/", b"a"))
        assert answer(client)[0] == 200
    clients[0].sendall(request("/", b"a"))  # the longest idle one is the second now
    assert answer(clients[0])[0] == 200
    with door.open() as another:
        another.sendall(request("/n"))
        assert answer(another)[0] == 200
    assert clients[1].recv(1) == b""
    clients[0].sendall(request("/"))
    assert answer(clients[0])[0] == 200
    for client in clients:
        client.close()


def test_while_all_connections_are_busy_a_new_one_is_503(door: Door) -> None:
    busy = [door.open() for _ in range(8)]
    until(lambda: door.connections == 8)
    with door.open() as another:
        keep_refused(another, 503, "ServiceUnavailableException")
    for client in busy:
        client.close()
    until(lambda: door.connections == 0)
    with door.open() as client:
        client.sendall(request("/"))
        assert answer(client)[0] == 200


def test_who_does_not_end_the_handshake_of_tls_is_left_and_holds_up_nobody(
    bounds: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cryptography")
    monkeypatch.setattr(connection, "HANDSHAKE_SECONDS", 0.5)
    files = certificates.Files(tmp_path)
    certificates.make(tmp_path, ["localhost"], ["127.0.0.1"])
    door = Door(8, ssl_certfile=files.certificate, ssl_keyfile=files.key)
    try:
        silent = [door.open() for _ in range(40)]
        for client in silent[::2]:
            client.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")  # the beginning of a ClientHello
        trust = ssl.create_default_context(cafile=files.authority)
        with trust.wrap_socket(door.open(), server_hostname="localhost") as client:
            client.sendall(request("/", b"{}"))
            assert answer(client) == (200, b'["/", 2]')
        for slow in silent:
            with suppress(ConnectionResetError):
                assert all_of(slow) == b""
            slow.close()
    finally:
        door.stop()
