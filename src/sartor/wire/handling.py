"""Who answers an operation, and where that runs: the rows of the tables that together are the service."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from types import MethodType
from typing import Any, Final, Generic, Literal, TypeVar

from sartor.wire.sign import Caller

#: The members of a request, as the service model has validated them.
Request = dict[str, Any]
#: The members of an answer, its body as it is sent, or what will be done when a call without an answer's members is.
Result = dict[str, Any] | bytes | Future[None]
Handler = Callable[[Caller, Request], Result]
#: Where a call is handled: on the event loop; there, but a few calls at a time; or in a thread.
Where = Literal["loop", "turns", "thread"]
THREAD: Final[Where] = "thread"
Owner = TypeVar("Owner")


@dataclass(frozen=True)
class Handling(Generic[Owner]):
    """A row of a table of operations.

    Attributes:
        answer: takes what has the parts that it needs, the caller and the request.
        where: it runs with the database on this machine, where a read by key takes microseconds.
        where_remote: it runs with the database on another machine, for which no event loop waits.
    """

    answer: Callable[[Owner, Caller, Request], Result]
    where: Where = THREAD
    where_remote: Where = THREAD


@dataclass(frozen=True, slots=True)
class Handled:
    """A row that has found its parts.

    Attributes:
        handler: takes the caller and the request.
        where: it runs.
    """

    handler: Handler
    where: Where = THREAD


def bound(table: Mapping[str, Handling[Owner]], owner: Owner, near: bool = True) -> dict[str, Handled]:
    """Return the rows of a table with their parts.

    Args:
        table: the rows by operation.
        owner: what has the parts.
        near: whether the database is on this machine.
    """
    return {
        name: Handled(MethodType(row.answer, owner), row.where if near else row.where_remote)
        for name, row in table.items()
    }
