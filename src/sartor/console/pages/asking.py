"""How a page asks: Amazon's operations and ``/sartor/v1``, as its visitor and with the visitor's policies.

What was asked is kept, and the page shows how a program asks the same.
"""

import json
from dataclasses import dataclass, field, replace
from typing import Any

from sartor.console.pages.calls import Call, OwnCall
from sartor.console.pages.snippets import Lines, lines_of
from sartor.console.v1 import Console
from sartor.wire.inside import Inside
from sartor.wire.sign import Caller, HttpRequest


@dataclass(frozen=True)
class Backend:
    """Who answers.

    Attributes:
        inside: the operations.
        own: the paths below ``/sartor/v1``.
    """

    inside: Inside
    own: Console


@dataclass
class Asks:
    """Asks for one visitor.

    Attributes:
        backend: who answers.
        caller: who asks.
        request: that made the page ask.
        asked: what was asked, in order.
    """

    backend: Backend
    caller: Caller
    request: HttpRequest
    asked: list[Call | OwnCall] = field(default_factory=list)

    def call(self, operation: str, **members: Any) -> dict[str, Any]:
        """Return the members of an operation's answer; times are epoch seconds.

        Members that are ``None`` are left out.

        Raises:
            ApiError: the service refuses the call; ``AccessDeniedException`` if the visitor may not.
        """
        given = {name: value for name, value in members.items() if value is not None}
        self.asked.append(Call(operation, given))
        return self.backend.inside.call(self.caller, operation, given, self.request)

    def get(self, *parts: str, **parameters: object) -> dict[str, Any]:
        """Return what one of our own paths answers: ``get("datasets", arn, "statistics")``.

        Parameters that are ``None`` are left out.

        Raises:
            ApiError: there is no such thing of the visitor's, or the visitor may not.
        """
        given = {name: str(value) for name, value in parameters.items() if value is not None}
        return self._own(OwnCall(parts, given))

    def post(self, *parts: str, **members: Any) -> dict[str, Any]:
        """Return what one of our own paths answers to members.

        Members that are ``None`` are left out.

        Raises:
            ApiError: it refuses them, or the visitor may not.
        """
        given = {name: value for name, value in members.items() if value is not None}
        return self._own(OwnCall(parts, {}, given))

    def send(self, content: bytes, *parts: str, **parameters: object) -> dict[str, Any]:
        """Return what one of our own paths answers to bytes; no page shows how a program sends these.

        Raises:
            ApiError: it refuses them, or the visitor may not.
        """
        given = {name: str(value) for name, value in parameters.items() if value is not None}
        return self._answered("POST", OwnCall(parts, given), content)

    def same(self, operation: str, **members: Any) -> Lines:
        """Return how a program calls an operation, for the form that does it."""
        given = {name: value for name, value in members.items() if value is not None}
        return lines_of([Call(operation, given)], self.backend.inside.operations)[0]

    def same_own(self, *parts: str, members: dict[str, Any] | None = None, **parameters: object) -> Lines:
        """Return how a program asks one of our own paths; with members it is a POST of them."""
        given = {name: str(value) for name, value in parameters.items() if value is not None}
        return lines_of([OwnCall(parts, given, members)], self.backend.inside.operations)[0]

    @property
    def lines(self) -> list[Lines]:
        """How a program asks what was asked."""
        return lines_of(self.asked, self.backend.inside.operations)

    def _own(self, call: OwnCall) -> dict[str, Any]:
        self.asked.append(call)
        if call.members is None:
            return self._answered("GET", call, b"")
        return self._answered("POST", call, json.dumps(call.members).encode())

    def _answered(self, method: str, call: OwnCall, body: bytes) -> dict[str, Any]:
        request = replace(self.request, method=method, path=call.path, query=call.query, body=body)
        self.backend.inside.require(self.caller, request)
        _, _, answered = self.backend.own.answer(self.caller, request)
        answer: dict[str, Any] = json.loads(answered)
        return answer
