"""The run: every check of every operation, one after the other, and what came of it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from conformance.alone import ALONE
from conformance.checks import Check, of_kind, of_model
from conformance.made import HELD
from conformance.refusals import REFUSALS
from conformance.world import World
from sartor.resources.kinds import KINDS
from sartor.wire import operations


@dataclass(frozen=True)
class Result:
    """What came of a check.

    Attributes:
        check: that was run.
        flaw: why it is not so; ``None`` if it is.
    """

    check: Check
    flaw: str | None


def checks() -> list[Check]:
    """Return every check in the order of a run: what is deleted is deleted at the end."""
    found = [check for operation in operations.load().all for check in of_model(operation)]
    found += [check for kind in KINDS.values() for check in of_kind(kind, HELD)]
    found += [*ALONE, *REFUSALS]
    # what others are made from stands before them in the table of kinds, and goes after them
    last = [f"Delete{kind.noun}" for kind in reversed(KINDS.values())]

    def when(check: Check) -> int:
        removes = check.aspect == "answers" and check.operation in last
        return 1 + last.index(check.operation) if removes else 0

    return sorted(found, key=when)


def run(
    world: World, every: Iterable[Check], said: Callable[[Result], object] = lambda _: None
) -> list[Result]:
    """Run checks against a server and return what came of each.

    Args:
        world: the server, and what is on it.
        every: the checks.
        said: told of each result as it comes.
    """
    results = []
    for check in every:
        world.flaws.clear()
        try:
            check.run(world)
        except (AssertionError, BotoCoreError, ClientError, KeyError, OSError, ValueError) as error:
            flaw: str | None = f"{type(error).__name__}: {error}"
        else:
            flaw = "; ".join(world.flaws[:3]) or None
        results.append(Result(check, flaw))
        said(results[-1])
    return results
