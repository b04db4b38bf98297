"""Pages of other origins: what browsers ask before they send, and may read of an answer (Fetch standard, CORS).

Signatures say who asks, as ever; this only lets a browser deliver what a page has signed.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final

from sartor.wire.exchange import Message, Receive, Send

#: Every origin.
ANY: Final = "*"
_METHODS: Final = b"GET, HEAD, POST"
#: How long a browser need not ask again, in seconds: as long as any takes.
_MAX_AGE_SECONDS: Final = b"7200"
#: What a page may read beside the body: Amazon's own list, and when to ask again.
_EXPOSED: Final = (
    b"x-amzn-requestid, x-amzn-errortype, x-amzn-errormessage, x-amzn-trace-id, date, retry-after"
)
#: What a page may send if it does not ask for certain ones.
_HEADERS: Final = (
    b"authorization, content-type, x-amz-date, x-amz-target, x-amz-security-token, x-amz-content-sha256, "
    b"x-amz-user-agent, amz-sdk-invocation-id, amz-sdk-request"
)
Application = Callable[[Mapping[str, Any], Receive, Send], Awaitable[None]]


class Cors:
    """An ASGI application whose answers browsers show to pages of some origins.

    Args:
        application: that answers.
        origins: as browsers name them, such as ``https://shop.example``; ``*`` is every one.
    """

    def __init__(self, application: Application, origins: Collection[str]) -> None:
        self._application = application
        self._origins = frozenset(origin.encode() for origin in origins)
        self._any = ANY.encode() in self._origins

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        headers = dict(scope["headers"])
        origin = headers.get(b"origin")
        allowed = origin is not None and (self._any or origin in self._origins)
        if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            await _preflight(headers, origin if allowed else None, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"vary", b"Origin")]}
                if allowed:
                    message["headers"] += [
                        (b"access-control-allow-origin", origin),
                        (b"access-control-expose-headers", _EXPOSED),
                    ]
            await send(message)

        await self._application(scope, receive, with_headers)


async def _preflight(headers: Mapping[bytes, bytes], origin: bytes | None, send: Send) -> None:
    """Answer what a browser asks before it sends; without words of consent it does not send."""
    answer = [(b"content-length", b"0"), (b"vary", b"Origin, Access-Control-Request-Headers")]
    if origin is not None:
        answer += [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", headers.get(b"access-control-request-headers", _HEADERS)),
            (b"access-control-max-age", _MAX_AGE_SECONDS),
        ]
    await send({"type": "http.response.start", "status": 200, "headers": answer})
    await send({"type": "http.response.body", "body": b""})
