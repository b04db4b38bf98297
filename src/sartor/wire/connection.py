"""HTTP connections with bounds: whoever sends too much, too slowly or never reads holds nothing up for long.

uvicorn's protocol over httptools, with what it has no limits for. A request that breaks a bound is answered here, at
once, and never reaches the service.
"""

import asyncio
import math
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sartor.errors import ApiError
from sartor.wire.exchange import new_request_id
from sartor.wire.read import MAXIMUM_BODY_BYTES
from sartor.wire.write import write_error

#: The largest request line and headers in all, in bytes.
MAXIMUM_HEADER_BYTES: Final = 64 * 2**10
#: How long the handshake of TLS may take, in seconds.
HANDSHAKE_SECONDS: Final = 10.0
#: How long the headers of a request may take, from its first byte or from the connection on, in seconds.
HEADER_SECONDS: Final = 10.0
#: How long nothing of a body may come, and how long a whole one may take, in seconds.
BODY_PAUSE_SECONDS: Final = 60.0
BODY_SECONDS: Final = 600.0
#: How long a client may read nothing of an answer that waits for it, in seconds.
UNREAD_SECONDS: Final = 60.0
#: How long what a refused client still sends is thrown away, so that it can read why, in seconds.
LINGER_SECONDS: Final = 3.0
#: How often the times are looked at, in seconds.
SWEEP_SECONDS: Final = 1.0
#: What a body may take in chunks of a few bytes, beside what it has.
_CHUNKING: Final = 8

_TOO_MANY = ApiError("ServiceUnavailableException", "The server has as many connections as it takes.")
_HEADERS_TOO_LARGE = ApiError(
    "RequestHeaderFieldsTooLargeException",
    f"The request line and the headers must not be larger than {MAXIMUM_HEADER_BYTES} bytes in all.",
)
_BODY_TOO_LARGE = ApiError(
    "RequestEntityTooLargeException", f"A body must not be larger than {MAXIMUM_BODY_BYTES} bytes."
)
_TOO_SLOW = ApiError("RequestTimeoutException", "The request did not come in time.")
_NO_HTTP = ApiError("BadRequestException", "This is no HTTP request that can be answered.")


@dataclass
class Bounds:
    """What the connections of a process share.

    Attributes:
        connections: how many there may be; the ones that have been idle for the longest make way for new ones.
        idle: those that wait for a next request, the longest idle first.
    """

    connections: int
    idle: "dict[Connection, None]" = field(default_factory=dict)


class Connection(HttpToolsProtocol):
    """One connection of a client.

    Args:
        bounds: shared with the others.
        **server: as uvicorn gives them.
    """

    def __init__(self, bounds: Bounds, **server: Any) -> None:
        super().__init__(**server)
        self._bounds = bounds
        self._refused = False
        #: Where the connection is in a request: before, in or after its headers.
        self._in_headers = False
        self._in_body = False
        #: Of the request that is coming, and of the newest chunk.
        self._received_bytes = 0
        self._chunk_bytes = 0
        self._body_bytes = 0
        self._stated_bytes = 0
        self._deadline = math.inf
        self._body_deadline = math.inf
        self._unread_bytes = 0
        self._unread_since = math.inf

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin with a new connection; if there are too many already, an idle one or this one goes."""
        super().connection_made(transport)
        self._deadline = self.loop.time() + HEADER_SECONDS
        if len(self.connections) > self._bounds.connections:
            if self._bounds.idle:
                idle = next(iter(self._bounds.idle))
                del self._bounds.idle[idle]
                idle.transport.close()
            else:
                self._refuse(_TOO_MANY)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._bounds.idle.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, as far as the bounds allow."""
        if self._refused:
            return
        self._unset_keepalive_if_required()
        self._bounds.idle.pop(self, None)
        self._chunk_bytes = len(data)
        if self._in_headers or self._in_body:
            self._received_bytes += len(data)
        else:
            self._received_bytes = len(data)
            if self._deadline == math.inf:
                self._deadline = self.loop.time() + HEADER_SECONDS
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._ignore_the_rest()
        except httptools.HttpParserError:
            if not self._refused:
                self._refuse(_NO_HTTP)
        if self._received_bytes > MAXIMUM_HEADER_BYTES and not self._refused:
            if self._in_headers:
                self._refuse(_HEADERS_TOO_LARGE)
            elif self._in_body and self._received_bytes > _CHUNKING * MAXIMUM_BODY_BYTES:
                self._refuse(_BODY_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._in_headers = True
        self._stated_bytes = self._body_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header; those behind a body would take the place of signed ones."""
        if not self._in_headers:
            raise ValueError("a trailer")
        name = name.lower()
        if name == b"content-length":
            self._stated_bytes = int(value)  # digits, and few: the parser has looked
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Give the request to the service, if its headers allow."""
        self._in_headers = False
        received = max(self._received_bytes, self._chunk_bytes)
        if received > MAXIMUM_HEADER_BYTES and _size(self.url, self.headers) > MAXIMUM_HEADER_BYTES:
            self._refuse(_HEADERS_TOO_LARGE)
        elif self._stated_bytes > MAXIMUM_BODY_BYTES:
            self._refuse(_BODY_TOO_LARGE)
        if self._refused:
            return
        self._in_body = True
        now = self.loop.time()
        self._deadline, self._body_deadline = now + BODY_PAUSE_SECONDS, now + BODY_SECONDS
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        if self._refused:
            return
        self._body_bytes += len(body)
        if self._body_bytes > MAXIMUM_BODY_BYTES:
            self._refuse(_BODY_TOO_LARGE)
            return
        self._deadline = min(self.loop.time() + BODY_PAUSE_SECONDS, self._body_deadline)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request; its answer may take as long as it takes."""
        if self._refused:
            return
        self._in_body = False
        self._received_bytes = 0
        self._deadline = math.inf
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        if self.timeout_keep_alive_task is not None and not self._in_body:
            self._bounds.idle[self] = None

    def sweep(self, now: float) -> None:
        """Refuse a client that is too slow, and leave one that reads nothing.

        Args:
            now: of the event loop's clock, in seconds.
        """
        unread = self.transport.get_write_buffer_size()
        if unread != self._unread_bytes:
            self._unread_bytes, self._unread_since = unread, now if unread else math.inf
        if now - self._unread_since > UNREAD_SECONDS:
            self.transport.abort()
        elif now > self._deadline:
            if self._refused:
                self.transport.abort()
            else:
                self._refuse(_TOO_SLOW)

    def _ignore_the_rest(self) -> None:
        """Answer a request that wants another protocol as one that does not, and nothing behind it."""
        self._refused = True
        if self.cycle is not None:
            self.cycle.keep_alive = False

    def _refuse(self, error: ApiError) -> None:
        """Answer with an error, take no more, and close."""
        self._refused = True
        self._deadline = self.loop.time() + LINGER_SECONDS
        if self.cycle is not None and not self.cycle.response_complete:
            if self._in_body:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            if self.pipeline or not self._in_body:
                # answers to earlier requests are on their way: nothing may come before them
                self.cycle.keep_alive = False
                self._deadline = self.loop.time() + UNREAD_SECONDS
                return
        answer = write_error("rest-json", {}, error, new_request_id())
        lines = [
            f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}".encode(),
            b"connection: close",
        ]
        lines += [name + b": " + value for name, value in answer.headers]
        self.transport.write(b"\r\n".join([*lines, b"", answer.body]))
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()


class Server(uvicorn.Server):
    """uvicorn's server, which looks after its connections, from the handshake on."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve on sockets that listen already."""
        await super().startup([])
        config = self.config
        protocol: Any = config.http_protocol_class
        make = partial(
            protocol,
            config=config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        seconds = None if config.ssl is None else HANDSHAKE_SECONDS
        loop = asyncio.get_running_loop()
        self.servers = [
            await loop.create_server(
                make, sock=one, ssl=config.ssl, backlog=config.backlog, ssl_handshake_timeout=seconds
            )
            for one in sockets or []
        ]
        self.sweep = asyncio.create_task(sweep(self.server_state.connections))


async def sweep(connections: Iterable[Any]) -> None:
    """Look at the times of all connections again and again."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        now = loop.time()
        for connection in list(connections):
            connection.sweep(now)


def bounded(connections: int) -> Any:
    """Return what makes uvicorn's connections, of which there may be so many at once."""
    return partial(Connection, Bounds(connections))


def _size(url: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    """Return what a request line and headers take, in bytes."""
    return len(url) + sum(len(name) + len(value) + 4 for name, value in headers)
