"""How a page asks: Amazon's operations and ``/sartor/v1``, as its visitor and with the visitor's policies.

What was asked is kept, and the page shows how a program asks the same.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote, urlencode

from sartor.console.v1 import Console
from sartor.wire.inside import Inside
from sartor.wire.sign import Caller, HttpRequest

_OWN: Final = "/sartor/v1/"


@dataclass(frozen=True)
class Call:
    """An operation of Amazon's and the members of its request."""

    operation: str
    members: Mapping[str, Any]


@dataclass(frozen=True)
class OwnCall:
    """A request to one of our own paths.

    Attributes:
        parts: of the path below ``/sartor/v1/``.
        parameters: of the query.
        members: of the body of a POST; ``None`` is a GET.
    """

    parts: tuple[str, ...]
    parameters: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, Any] | None = None

    @property
    def path(self) -> str:
        """The path, encoded."""
        return _OWN + "/".join(quote(part, safe="") for part in self.parts)

    @property
    def query(self) -> str:
        """The query, encoded, without its question mark."""
        return urlencode(self.parameters)


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

    def _own(self, call: OwnCall) -> dict[str, Any]:
        self.asked.append(call)
        method, body = "GET", b""
        if call.members is not None:
            method, body = "POST", json.dumps(call.members).encode()
        request = replace(self.request, method=method, path=call.path, query=call.query, body=body)
        self.backend.inside.require(self.caller, request)
        _, _, answered = self.backend.own.answer(self.caller, request)
        answer: dict[str, Any] = json.loads(answered)
        return answer
