"""Calls from inside: a page of ours asks as any client does, without a wire and a signature between.

The members are read by the same reader, the same policies are asked, the same handler answers.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Final

import orjson

from sartor.errors import ChangedMeanwhile, NotYet, TakesLong, in_use
from sartor.wire.handling import Handled, Result
from sartor.wire.operations import Operation, Operations
from sartor.wire.read import read
from sartor.wire.sign import Caller, HttpRequest

Authorize = Callable[[Caller, Operation | None, Mapping[str, Any], HttpRequest], None]

#: How long a call waits for what it needs while that is being created, and how often it looks, in seconds.
_CREATION_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 0.05
#: How often a call is handled when what it names changes in between.
_TRIES: Final = 5


class Inside:
    """Asks the operations of one service, in the thread of whoever asks.

    Args:
        operations: the service models.
        handled: who answers each operation, by name.
        authorize: refuses what a caller may not do.
    """

    def __init__(self, operations: Operations, handled: Mapping[str, Handled], authorize: Authorize) -> None:
        self.operations: Final = {one.name: one for one in operations.all}
        self._handled = handled
        self._authorize = authorize

    def require(self, caller: Caller, request: HttpRequest) -> None:
        """Refuse one of our own paths to a caller whose policies do not allow it.

        Raises:
            ApiError: ``AccessDeniedException``.
        """
        self._authorize(caller, None, {}, request)

    def call(
        self, caller: Caller, name: str, members: Mapping[str, Any], request: HttpRequest
    ) -> dict[str, Any]:
        """Return the members of an operation's answer as JSON has them: times are epoch seconds.

        Args:
            caller: who asks.
            name: of the operation.
            members: of the request.
            request: that made us ask, for what policies ask about it.

        Raises:
            ApiError: the service refuses the call.
        """
        operation = self.operations[name]
        found = read(operation.reader, orjson.dumps(members))
        self._authorize(caller, operation, found, request)
        result = self._handle(caller, operation, found)
        if isinstance(result, Future):
            result.result()
            return {}
        if isinstance(result, bytes):
            answer: dict[str, Any] = orjson.loads(result)
            return answer
        return {} if operation.writer is None else operation.writer(result)

    def _handle(self, caller: Caller, operation: Operation, members: dict[str, Any]) -> Result:
        """Return what the handler says, once what it waits for is there."""
        until, changes = time.monotonic() + _CREATION_SECONDS, 0
        while True:
            try:
                return self._handled[operation.name].handler(caller, members)
            except TakesLong as long:
                if long.coming is not None:
                    long.coming.result()
            except ChangedMeanwhile:
                changes += 1
                if changes == _TRIES:
                    raise in_use("What the call names changes all the time; try again.") from None
            except NotYet:
                if time.monotonic() >= until:
                    raise
                time.sleep(_LOOK_SECONDS)
