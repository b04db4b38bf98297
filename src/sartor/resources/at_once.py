"""For tests of others: a call that begins work answers when that work is done, so that nothing is ever PENDING."""

import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from sartor.resources.store import Store
from sartor.wire.handling import Handled, Request, Result

if TYPE_CHECKING:
    from sartor.wire.sign import Caller

#: The operations that begin work.
_BEGINS: Final = re.compile(r"(Create|Update|Delete|Start|Stop)[A-Z]\w+")
#: How often it is looked whether the work is done, in seconds.
_LOOK_SECONDS: Final = 0.005
#: Longer work is answered for while it goes on: clients give up after a minute.
MOST_SECONDS: Final = 30.0


def when_done(
    store: Store,
    handled: Mapping[str, Handled],
    most_seconds: float = MOST_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Handled]:
    """Return who answers each operation, so that what begins work is answered when that is done, or has failed.

    Args:
        store: knows what work is owed.
        handled: who answers each operation, without the wait.
        most_seconds: longer work is not waited for.
        clock: gives seconds that only grow.
    """

    def waits_for_it(handler: Callable[["Caller", Request], Result]) -> Callable[["Caller", Request], Result]:
        def answer(caller: "Caller", request: Request) -> Result:
            answered = handler(caller, request)
            until = clock() + most_seconds
            while _is_owed(store, _arns(answered) or _arns(request)) and clock() < until:
                time.sleep(_LOOK_SECONDS)
            return answered

        return answer

    return {
        name: Handled(waits_for_it(one.handler)) if _BEGINS.fullmatch(name) else one
        for name, one in handled.items()
    }


def _arns(members: Any) -> list[str]:
    """Return what a call made; of one that says nothing, such as a deletion, what it names."""
    return [value for name, value in members.items() if name.endswith("Arn") and isinstance(value, str)]


def _is_owed(store: Store, arns: list[str]) -> bool:
    """Return whether there is work left of any of these resources."""
    with store.read() as transaction:
        return any(transaction.task(arn) is not None for arn in arns)
