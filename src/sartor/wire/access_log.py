"""The access log: a line for each request, as the other lines of the log are, written by a thread a few times a second.

A log call for each takes an eighth of the time of PutEvents; so a request leaves a tuple, and all of a moment are one
write. A process that is killed loses the lines of its last moment.
"""

import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple, TextIO

import orjson

from sartor.logs import ACCESS

#: How often lines are written, in seconds, and how many wait at most while nobody takes them.
WRITTEN_SECONDS: Final = 0.2
MOST_WAITING: Final = 100_000
#: The key that a request says to be signed with.
_SIGNED_WITH: Final = re.compile(rb"Credential=([A-Za-z0-9]{1,128})/")
_LEVEL: Final = "INFO"


class _Request(NamedTuple):
    at: float
    scope: Mapping[str, Any]
    name: str
    status: int
    seconds: float
    request_id: str


class AccessLog:
    """The lines of one process.

    Args:
        form: ``text`` or ``json``.
        stream: where to; default: stderr, as it is when a line is written.
    """

    def __init__(self, form: str, stream: TextIO | None = None) -> None:
        self._line: Callable[[_Request], str] = {"text": _text, "json": _json}[form]
        self._stream = stream
        self._waiting: deque[_Request] = deque(maxlen=MOST_WAITING)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)

    def tell(self, scope: Mapping[str, Any], name: str, status: int, seconds: float, request_id: str) -> None:
        """Leave a line.

        Args:
            scope: of the request, as ASGI has it.
            name: of the operation, or ``route`` or ``unknown``.
            status: of the answer.
            seconds: that it took.
            request_id: that the client sees.
        """
        self._waiting.append(_Request(time.time(), scope, name, status, seconds, request_id))

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, and end."""
        self._ending.set()
        self._thread.join()

    def write(self) -> None:
        """Write what waits."""
        lines = [self._line(self._waiting.popleft()) for _ in range(len(self._waiting))]
        if lines:
            stream = self._stream or sys.stderr
            stream.write("\n".join([*lines, ""]))
            stream.flush()

    def _run(self) -> None:
        while not self._ending.wait(WRITTEN_SECONDS):
            self._try()
        self._try()

    def _try(self) -> None:
        try:
            self.write()
        except (OSError, ValueError):  # nobody reads stderr any more
            self._waiting.clear()


def _told(request: _Request) -> tuple[str, float, str, str]:
    """Return what was asked for, the milliseconds, the client, and the key that the request says to be signed with."""
    scope = request.scope
    named = request.name not in ("route", "unknown")
    what = request.name if named else f"{scope['method']} {scope['path'][:200]}"
    authorization = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    key = _SIGNED_WITH.search(authorization)
    client = (scope.get("client") or ("-",))[0]
    return what, round(1000 * request.seconds, 2), client, "-" if key is None else key[1].decode()


def _text(request: _Request) -> str:
    what, milliseconds, client, key_id = _told(request)
    if not what.isprintable():
        what = what.replace("\r", "\\r").replace("\n", "\\n")  # what a caller sent cannot forge a line
    moment = f"{_local(int(request.at))},{int(request.at % 1 * 1000):03d}"
    begun = f"{moment} {_LEVEL} {ACCESS.name} {what} {request.status} {milliseconds} ms {client}"
    return f"{begun} {key_id} {request.request_id}"


def _json(request: _Request) -> str:
    what, milliseconds, client, key_id = _told(request)
    message = f"{what} {request.status} {milliseconds} ms {client} {key_id} {request.request_id}"
    told = {
        "time": f"{_utc(int(request.at))}.{int(request.at % 1 * 1000):03d}Z",
        "level": _LEVEL,
        "logger": ACCESS.name,
        "message": message,
        "operation": what,
        "status": request.status,
        "milliseconds": milliseconds,
        "client": client,
        "accessKeyId": key_id,
        "requestId": request.request_id,
    }
    return orjson.dumps(told).decode()


@lru_cache(maxsize=4)
def _local(second: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))


@lru_cache(maxsize=4)
def _utc(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
