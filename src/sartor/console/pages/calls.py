"""What a page asks: one of Amazon's operations, or one of our own paths."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode

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
