"""From a request to its answer: an ASGI application over the operations.

Reads that take no time run on the event loop; everything else runs in a thread. Whatever a handler raises
becomes an answer; what we did not foresee becomes a 500 with a log line that has its request id.
"""

import asyncio
import errno
import logging
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from random import getrandbits
from typing import Any, Final, Protocol, TypeVar

from sartor.errors import ApiError, ChangedMeanwhile, NotYet, TakesLong, Unavailable, in_use, invalid_input
from sartor.wire.local import admit_all
from sartor.wire.operations import Operation, Operations
from sartor.wire.read import MAXIMUM_BODY_BYTES, read
from sartor.wire.sign import Authority, Caller, HttpRequest
from sartor.wire.write import RETRY_AFTER_SECONDS, Answer, write_error, write_result

LOG = logging.getLogger("sartor.wire")

#: The members of an answer, or what will be done when a call without an answer's members is.
Result = dict[str, Any] | Future[None]
Handler = Callable[[Caller, dict[str, Any]], Result]
Done = TypeVar("Done")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_THREADS: Final = 32
#: So many calls are handled before the event loop looks for new ones.
_CALLS_A_ROUND: Final = 4
#: How often a reason for which calls are answered with 503 is logged, in seconds.
_SAID_AGAIN_SECONDS: Final = 60.0
#: What the system says when the disk is full, or cannot be written or read.
_DISK_ERRORS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})
#: How long a call waits for what it needs while that is being created, and how often it looks, in seconds.
_CREATION_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 0.05
#: How often a call is handled when what it names changes in between.
_TRIES: Final = 5
#: The HTTP status of errors under our own paths; the services have the same where they name one.
_ROUTE_ERRORS: Final = {
    "ResourceNotFoundException": 404,
    "ResourceInUseException": 409,
    "MethodNotAllowedException": 405,
}
_JSON_TYPES = ("application/x-amz-json-1.1", "application/x-amz-json-1.0", "application/json")


class Part(Protocol):
    """Something with a thread of its own."""

    def start(self) -> None:
        """Begin, with the server."""

    def stop(self) -> None:
        """End, with the server."""


@dataclass(frozen=True)
class Route:
    """A path of ours beside Amazon's operations.

    Attributes:
        answer: takes the caller (``None`` if unsigned) and the request; returns status, content type and body.
        signed: whether the caller must sign.
        methods: the HTTP methods that it answers.
    """

    answer: Callable[[Caller | None, HttpRequest], tuple[int, str, bytes]]
    signed: bool
    methods: tuple[str, ...] = ("GET", "HEAD")


#: What a port answers that has paths of its own, to all others.
_NOTHING: Final = Route(
    lambda _caller, _request: (404, "text/plain", b"There is nothing here.\n"), signed=False
)


class Exchange:
    """The service as an ASGI application.

    Args:
        operations: the service models.
        handlers: what answers each operation, by name; without one it answers that it is not built yet.
        authority: knows who is asking.
        inline: the operations that are quick enough for the event loop.
        in_turns: those of them that are handled a few at a time; the others end together, or take next to nothing.
        routes: further paths; one that ends with ``/`` takes everything below it.
        ports: ports that answer these paths and nothing else.
        observe: takes operation, HTTP status and seconds of each answer.
        parts: what starts and stops with the server.
        admit: refuses what may not even ask, by its HTTP method and headers.
    """

    def __init__(
        self,
        operations: Operations,
        handlers: Mapping[str, Handler],
        authority: Authority,
        inline: Collection[str] = (),
        in_turns: Collection[str] = (),
        routes: Mapping[str, Route] | None = None,
        ports: Mapping[int, Mapping[str, Route]] | None = None,
        observe: Callable[[str, int, float], None] = lambda _operation, _status, _seconds: None,
        parts: Sequence[Part] = (),
        admit: Callable[[str, Mapping[str, str]], None] = admit_all,
    ) -> None:
        self._operations = operations
        self._handlers = handlers
        self._authority = authority
        self._inline = frozenset(inline)
        self._in_turns = frozenset(in_turns)
        self._routes = routes or {}
        self._folders = [root for root in self._routes if root != "/" and root.endswith("/")]
        self._ports = ports or {}
        self._observe = observe
        self._parts = parts
        self._admit = admit
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="call")
        self._wakes = _Wakes()
        self._turns = _Turns()
        self._said: dict[str, float] = {}

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            return
        began = time.perf_counter()
        request_id = new_request_id()
        operation: Operation | None = None
        route: Route | None = None
        name = "unknown"
        try:
            body = await _whole_body(receive)
            request = _http_request(scope, body)
            self._admit(request.method, request.headers)
            route = self._route(scope)
            if route is not None:
                name = "route"
                answer = await self._in_thread(self._answer_route, route, request, request_id)
            else:
                operation = self._operation(request)
                name = operation.name
                result = await self._result(operation, request)
                answer = write_result(operation.protocol, operation.writer, result, request_id)
        except _ClientLeftError:
            return
        except ApiError as error:
            answer = _error(operation, route, error, request_id)
        except Exception as error:  # noqa: BLE001 - whatever broke, the caller gets an answer, and the log says why
            answer = _error(operation, route, self._fault(error, request_id, name), request_id)
        self._observe(name, answer.status, time.perf_counter() - began)
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})

    def _fault(self, error: Exception, request_id: str, name: str) -> ApiError:
        """Return the error of a call that is not to blame, and log why."""
        reason = _outage(error)
        if reason is None:
            LOG.error("request %s (%s) broke", request_id, name, exc_info=error)
            message = f"Internal failure. The server's log has the request id {request_id}."
            return ApiError("InternalFailure", message)
        if time.monotonic() - self._said.get(reason, -math.inf) >= _SAID_AGAIN_SECONDS:  # not for every call
            self._said = {reason: time.monotonic()}
            LOG.error("calls are answered with 503: %s", reason)
        return ApiError("ServiceUnavailableException", "The service cannot answer now. Try again in a while.")

    async def _result(self, operation: Operation, request: HttpRequest) -> dict[str, Any]:
        """Return what the handler of a call says, once what the call brought is on the disk.

        What the call needs may be being created, and is waited for; what it names may change, and it is handled again.
        """
        until, changes = math.inf, 0
        while True:
            try:
                result = await self._handled(operation, request)
                if not isinstance(result, Future):
                    return result
                await self._wakes.of(result)
                return {}
            except ChangedMeanwhile:
                changes += 1
                if changes == _TRIES:
                    raise in_use("What the call names changes all the time; try again.") from None
            except NotYet:
                until = min(until, time.monotonic() + _CREATION_SECONDS)
                if time.monotonic() >= until:
                    raise
                await asyncio.sleep(_LOOK_SECONDS)  # no thread waits, and no transaction is open

    async def _handled(self, operation: Operation, request: HttpRequest) -> Result:
        """Handle one call here if that is quick, else in a thread."""
        if operation.name in self._inline:
            if operation.name in self._in_turns:
                await self._turns.mine()
            try:
                return self._handle(operation, request)
            except TakesLong as long:
                await _over(long.coming)
        return await self._in_thread(self._handle, operation, request)

    def _operation(self, request: HttpRequest) -> Operation:
        """Return the operation that a request names."""
        if request.path == "/":
            target = request.headers.get("x-amz-target")
            operation = self._operations.by_target.get(target) if target is not None else None
        else:
            operation = self._operations.by_path.get(request.path)
        if operation is None or request.method != "POST":
            named = request.headers.get("x-amz-target") or f"{request.method} {request.path}"
            raise ApiError("UnknownOperationException", f"There is no operation {named[:200]}.")
        _keep_json(request)
        return operation

    def _handle(self, operation: Operation, request: HttpRequest) -> Result:
        """Verify, read and handle one call."""
        caller = self._authority.caller(request, time.time())
        members = read(operation.reader, request.body)
        handler = self._handlers.get(operation.name)
        if handler is None:
            raise invalid_input(
                f"Sartor does not answer {operation.name} yet. "
                "docs/reference/operations.md lists what it answers."
            )
        return handler(caller, members)

    def _route(self, scope: Mapping[str, Any]) -> Route | None:
        """Return the route of a path, the exact one before the folder."""
        path = scope["path"]
        if self._ports:
            alone = self._ports.get((scope.get("server") or ("", 0))[1])
            if alone is not None:
                return alone.get(path, _NOTHING)
        if path == "/" and scope["method"] == "POST":
            return None
        folders = (self._routes[root] for root in self._folders if path.startswith(root))
        return self._routes.get(path) or next(folders, None)

    def _answer_route(self, route: Route, request: HttpRequest, request_id: str) -> Answer:
        if request.method == "POST":
            _keep_json(request)
        if request.method not in route.methods:
            wanted = ", ".join(route.methods)
            raise ApiError("MethodNotAllowedException", f"This path answers {wanted}, not {request.method}.")
        caller = self._authority.caller(request, time.time()) if route.signed else None
        status, content_type, body = route.answer(caller, request)
        headers = [
            (b"content-type", content_type.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"x-amzn-requestid", request_id.encode()),
        ]
        if status == 503:
            headers.append((b"retry-after", RETRY_AFTER_SECONDS))
        return Answer(status, headers, body)

    async def _in_thread(self, function: Callable[..., Done], *arguments: Any) -> Done:
        """Run a function in a thread, and again when what it needs and another is at is done: no thread waits."""
        while True:
            try:
                return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
            except TakesLong as long:
                await _over(long.coming)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Follow the server's start and stop."""
        while True:
            message = await receive()
            for part in self._parts:
                (part.start if message["type"] == "lifespan.startup" else part.stop)()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                self._threads.shutdown(wait=False, cancel_futures=True)
                return


async def _over(coming: "Future[Any] | None") -> None:
    """Wait for what another thread is at; how that fails, this call fails."""
    if coming is not None:
        await asyncio.wrap_future(coming)


class _Turns:
    """Lets a few calls be handled in a round of the event loop, in the order in which they came.

    Else a round handles all calls that have come and sends all answers at its end. Whoever is answered last asks again
    just after the next round has begun, and waits for two of them, again and again: of 16 clients one waited twice as
    long as the others. So the loop looks for new calls, and sends what is answered, after every few.
    """

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._free = _CALLS_A_ROUND

    async def mine(self) -> None:
        """Wait for the turn of this call; of few at once none waits."""
        loop = asyncio.get_running_loop()
        if self._free:
            if self._free == _CALLS_A_ROUND:
                loop.call_soon(self._next, loop)
            self._free -= 1
            return
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiting.append(waiter)
        await waiter

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        self._free = _CALLS_A_ROUND
        while self._waiting and self._free:
            waiter = self._waiting.popleft()
            if not waiter.done():  # its call was not cancelled meanwhile
                waiter.set_result(None)
                self._free -= 1
        if self._free < _CALLS_A_ROUND:
            loop.call_soon(self._next, loop)


class _Wakes:
    """Wakes the calls that wait for what another thread does.

    One commit ends many calls at once. asyncio wakes the event loop for each of them, which costs both threads more
    than a short call's own work; here one wake-up serves all that have ended.
    """

    def __init__(self) -> None:
        self._ended: deque[tuple[asyncio.Future[None], Future[None]]] = deque()
        self._asked = False

    async def of(self, done: Future[None]) -> None:
        """Wait for the end of a future, and raise what it raised."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        done.add_done_callback(partial(self._end, loop, waiter))
        await waiter

    def _end(self, loop: asyncio.AbstractEventLoop, waiter: asyncio.Future[None], done: Future[None]) -> None:
        # in this order, and the other way round in _wake, nothing is left behind whichever thread goes on when
        self._ended.append((waiter, done))
        if not self._asked and not loop.is_closed():
            self._asked = True
            loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._asked = False
        while self._ended:
            waiter, done = self._ended.popleft()
            if waiter.done():  # its call was cancelled meanwhile
                continue
            error = done.exception()
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)


def new_request_id() -> str:
    """Return a random UUID's text; ``uuid``, and the system's random numbers, take several times as long."""
    text = f"{getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{text[16:20]}-{text[20:]}"


class _ClientLeftError(Exception):
    """The client closed its connection before its body was whole."""


async def _whole_body(receive: Receive) -> bytes:
    """Return the body of a request.

    Raises:
        ApiError: it is larger than any request of the models can be.
    """
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientLeftError
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > MAXIMUM_BODY_BYTES:
            raise ApiError(
                "RequestEntityTooLargeException",
                f"A body must not be larger than {MAXIMUM_BODY_BYTES} bytes.",
            )
        if not message.get("more_body", False):
            return chunk if not chunks else b"".join([*chunks, chunk])
        chunks.append(chunk)


def _http_request(scope: Mapping[str, Any], body: bytes) -> HttpRequest:
    """Return a request as it was sent and signed."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("utf-8", "replace")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    path = scope.get("raw_path") or scope["path"].encode()
    return HttpRequest(
        scope["method"],
        path.decode("latin-1"),
        scope["query_string"].decode("latin-1"),
        headers,
        body,
    )


def _outage(error: Exception) -> str | None:
    """Return why the service cannot answer, ``None`` if an error is a defect of ours."""
    if isinstance(error, Unavailable) or (isinstance(error, OSError) and error.errno in _DISK_ERRORS):
        return str(error)
    return None


def _keep_json(request: HttpRequest) -> None:
    """Refuse a body that says that it is something else.

    Raises:
        ApiError: ``UnsupportedMediaTypeException``.
    """
    stated = request.headers.get("content-type", "")
    if stated in _JSON_TYPES:  # nearly every request
        return
    content_type = stated.partition(";")[0].strip().lower()
    if content_type and content_type not in _JSON_TYPES:
        raise ApiError("UnsupportedMediaTypeException", f"A body must be JSON, not {content_type[:100]}.")


def _error(operation: Operation | None, route: Route | None, error: ApiError, request_id: str) -> Answer:
    """Return an error in the form of the operation's protocol, or of ours."""
    if route is not None:
        return write_error("rest-json", _ROUTE_ERRORS, error, request_id)
    if operation is None:
        return write_error("json", {}, error, request_id)
    return write_error(operation.protocol, operation.errors, error, request_id)
