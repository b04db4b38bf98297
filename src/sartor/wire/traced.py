"""A span for each call of an operation, around the service; without traces it is not there."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from sartor.traces import TRACEPARENT, Traces
from sartor.wire.operations import Operation, Operations

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Mapping[str, Any], Receive, Send], Awaitable[None]]

_REQUEST_ID: Final = b"x-amzn-requestid"


class Traced:
    """An ASGI application that makes a span of what another one answers.

    Args:
        application: that answers; it finds the span as ``traceparent`` in the scope.
        operations: that have spans; our own paths have none.
        traces: make them.
    """

    def __init__(self, application: Application, operations: Operations, traces: Traces) -> None:
        self._application, self._operations, self._traces = application, operations, traces

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        operation = self._operation(scope) if scope["type"] == "http" else None
        if operation is None:
            await self._application(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        with self._traces.request(operation.service, operation.name, headers) as span:

            async def watched(message: Message) -> None:
                if message["type"] == "http.response.start":
                    request_id = dict(message["headers"]).get(_REQUEST_ID, b"").decode()
                    span.answered(message["status"], request_id)
                await send(message)

            await self._application({**scope, TRACEPARENT: span.traceparent}, receive, watched)

    def _operation(self, scope: Mapping[str, Any]) -> Operation | None:
        """Return the operation that a request names, if it names one."""
        if scope["path"] != "/":
            return self._operations.by_path.get(scope["path"])
        target = dict(scope["headers"]).get(b"x-amz-target", b"").decode("latin-1")
        return self._operations.by_target.get(target)
