"""From a request to its answer: an ASGI application over the operations.

Each operation's row says whether it runs on the event loop or in a thread. Whatever a handler raises
becomes an answer; what we did not foresee becomes a 500 with a log line that has its request id.
"""

import asyncio
import errno
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from random import getrandbits
from typing import Any, Final, Protocol, TypeVar

from sartor.errors import ApiError, ChangedMeanwhile, NotYet, TakesLong, Unavailable, in_use, invalid_input
from sartor.wire.handling import THREAD, Handled, Request, Result
from sartor.wire.local import admit_all
from sartor.wire.operations import Operation, Operations
from sartor.wire.query import QueryService
from sartor.wire.read import MAXIMUM_BODY_BYTES, read
from sartor.wire.sign import Authority, Caller, HttpRequest
from sartor.wire.waiting import Turns, Wakes, over
from sartor.wire.write import RETRY_AFTER_SECONDS, Answer, write_error, write_result

LOG = logging.getLogger("sartor.wire")

Done = TypeVar("Done")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Authorize = Callable[[Caller, Operation | None, Mapping[str, Any], HttpRequest], None]

_THREADS: Final = 32
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


class Background(Protocol):
    """Something with a thread of its own."""

    def start(self) -> None:
        """Begin, with the server."""

    def stop(self) -> None:
        """End, with the server."""


@dataclass(frozen=True)
class Route:
    """A path of ours beside Amazon's operations.

    Attributes:
        answer: takes the caller (``None`` if unsigned) and the request; returns status, content type and body, or
            an answer with headers of its own.
        signed: whether the caller must sign.
        methods: the HTTP methods that it answers.
        forms: whether it takes what HTML forms send, not JSON alone; it must know by itself who sends.
    """

    answer: Callable[[Caller | None, HttpRequest], tuple[int, str, bytes] | Answer]
    signed: bool
    methods: tuple[str, ...] = ("GET", "HEAD")
    forms: bool = False


#: What a port answers that has paths of its own, to all others.
_NOTHING: Final = Route(
    lambda _caller, _request: (404, "text/plain", b"There is nothing here.\n"), signed=False
)


class Exchange:
    """The service as an ASGI application.

    Args:
        operations: the service models.
        handled: who answers each operation, by name, and where; what has no row is refused.
        authority: knows who is asking.
        routes: further paths; one that ends with ``/`` takes everything below it.
        ports: ports that answer these paths and nothing else.
        observe: takes operation, HTTP status and seconds of each answer.
        background: what starts and stops with the server.
        admit: refuses what may not even ask, by its HTTP method and headers.
        tell: takes, if given, each answered request: its scope, operation, HTTP status, seconds and id.
        authorize: refuses what a caller may not do; takes the caller, the operation (``None`` for one of our own
            paths), its members and the request.
        queries: a service of the query protocol beside the others.

    Attributes:
        operations: as given.
    """

    def __init__(
        self,
        operations: Operations,
        handled: Mapping[str, Handled],
        authority: Authority,
        routes: Mapping[str, Route] | None = None,
        ports: Mapping[int, Mapping[str, Route]] | None = None,
        observe: Callable[[str, int, float], None] = lambda _operation, _status, _seconds: None,
        background: Sequence[Background] = (),
        admit: Callable[[str, Mapping[str, str]], None] = admit_all,
        tell: Callable[[Mapping[str, Any], str, int, float, str], None] | None = None,
        authorize: Authorize = lambda _caller, _operation, _members, _request: None,
        queries: QueryService | None = None,
    ) -> None:
        self.operations = operations
        self._handled = {one.name: Handled(partial(_not_known, one.name)) for one in operations.all}
        self._handled |= handled
        self._authority = authority
        self._routes = routes or {}
        self._folders = [root for root in self._routes if root != "/" and root.endswith("/")]
        self._ports = ports or {}
        self._observe = observe
        self._background = background
        self._admit = admit
        self._tell = tell
        self._authorize = authorize
        self._queries = queries
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="call")
        self._wakes = Wakes()
        self._turns = Turns()
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
        queries: QueryService | None = None
        name = "unknown"
        try:
            body = await _whole_body(receive)
            request = _http_request(scope, body, request_id)
            self._admit(request.method, request.headers)
            if self._queries is not None and self._queries.claims(request):
                queries, name = self._queries, self._queries.service
                answer = await self._in_thread(queries.answer, request, request_id)
            elif (route := self._route(scope)) is not None:
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
            answer = _error(queries, operation, route, error, request_id)
        except Exception as error:  # noqa: BLE001 - whatever broke, the caller gets an answer, and the log says why
            answer = _error(queries, operation, route, self._fault(error, request_id, name), request_id)
        seconds = time.perf_counter() - began
        self._observe(name, answer.status, seconds)
        if self._tell is not None:
            self._tell(scope, name, answer.status, seconds, request_id)
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

    async def _result(self, operation: Operation, request: HttpRequest) -> dict[str, Any] | bytes:
        """Return what the handler of a call says, once what the call brought is on the disk.

        What the call needs may be being created, and is waited for; what it names may change, and it is handled again.
        """
        until, changes = math.inf, 0
        while True:
            try:
                result = await self._answer(operation, request)
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

    async def _answer(self, operation: Operation, request: HttpRequest) -> Result:
        """Handle one call here if that is quick, else in a thread."""
        handled = self._handled[operation.name]
        if handled.where != THREAD:
            if handled.where == "turns":
                await self._turns.mine()
            try:
                return self._handle(operation, handled, request)
            except TakesLong as long:
                await over(long.coming)
        return await self._in_thread(self._handle, operation, handled, request)

    def _operation(self, request: HttpRequest) -> Operation:
        """Return the operation that a request names."""
        if request.path == "/":
            target = request.headers.get("x-amz-target")
            operation = self.operations.by_target.get(target) if target is not None else None
        else:
            operation = self.operations.by_path.get(request.path)
        if operation is None or request.method != "POST":
            named = request.headers.get("x-amz-target") or f"{request.method} {request.path}"
            raise ApiError("UnknownOperationException", f"There is no operation {named[:200]}.")
        _require_json(request)
        return operation

    def _handle(self, operation: Operation, handled: Handled, request: HttpRequest) -> Result:
        """Verify, read and handle one call."""
        caller = self._authority.caller(request, time.time())
        members = read(operation.reader, request.body)
        self._authorize(caller, operation, members, request)
        return handled.handler(caller, members)

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
        if request.method == "POST" and not route.forms:
            _require_json(request)
        if request.method not in route.methods:
            wanted = ", ".join(route.methods)
            raise ApiError("MethodNotAllowedException", f"This path answers {wanted}, not {request.method}.")
        caller = self._authority.caller(request, time.time()) if route.signed else None
        if caller is not None:
            self._authorize(caller, None, {}, request)
        found = route.answer(caller, request)
        if not isinstance(found, Answer):
            status, content_type, body = found
            found = Answer(status, [(b"content-type", content_type.encode())], body)
        headers = [
            *found.headers,
            (b"content-length", str(len(found.body)).encode()),
            (b"x-amzn-requestid", request_id.encode()),
        ]
        if found.status == 503:
            headers.append((b"retry-after", RETRY_AFTER_SECONDS))
        return Answer(found.status, headers, found.body)

    async def _in_thread(self, function: Callable[..., Done], *arguments: Any) -> Done:
        """Run a function in a thread, and again when what it needs and another is at is done: no thread waits."""
        while True:
            try:
                return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
            except TakesLong as long:
                await over(long.coming)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Follow the server's start and stop."""
        while True:
            message = await receive()
            for one in self._background:
                (one.start if message["type"] == "lifespan.startup" else one.stop)()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                self._threads.shutdown(wait=False, cancel_futures=True)
                return


def _not_known(name: str, _caller: Caller, _request: Request) -> Result:
    raise invalid_input(
        f"This version of Sartor does not know {name}, which its botocore brings; `sartor doctor` lists what differs."
    )


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


def _http_request(scope: Mapping[str, Any], body: bytes, request_id: str) -> HttpRequest:
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
        scope,
        request_id,
    )


def _outage(error: Exception) -> str | None:
    """Return why the service cannot answer, ``None`` if an error is a defect of ours."""
    if isinstance(error, Unavailable) or (isinstance(error, OSError) and error.errno in _DISK_ERRORS):
        return str(error)
    return None


def _require_json(request: HttpRequest) -> None:
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


def _error(
    queries: QueryService | None,
    operation: Operation | None,
    route: Route | None,
    error: ApiError,
    request_id: str,
) -> Answer:
    """Return an error in the form of the operation's protocol, or of ours."""
    if queries is not None:
        return queries.refuse(error, request_id)
    if route is not None:
        return write_error("rest-json", _ROUTE_ERRORS, error, request_id)
    if operation is None:
        return write_error("json", {}, error, request_id)
    return write_error(operation.protocol, operation.errors, error, request_id)
