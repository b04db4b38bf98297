"""What every executor promises.

A piece's ``done`` is called once, in the caller's thread, though its work may run more than once: elsewhere again, if
its process or its machine dies. What work raises reaches the caller with its type and words. Once ``stop`` says so, the
caller has its thread back within two seconds, and nothing goes on; ``here`` alone cannot end work that does not hear.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

P = TypeVar("P")
R = TypeVar("R")

#: What work calls at least once a second, with how far it is if it likes; it raises ``Stopped`` to end the work.
Heard = Callable[[Any], None]
Arrays = Sequence[NDArray[Any]]

#: So often a piece is run whose process or machine dies; then the map ends with ``Unavailable``.
RUNS: Final = 3
#: How often ``stop`` is asked at least, in seconds.
LOOK_SECONDS: Final = 0.1
#: So many pieces for each slot are handed out at once at most.
IN_FLIGHT: Final = 4


class Need(NamedTuple):
    """What one piece, or one member of a gang, takes.

    Attributes:
        memory_bytes: how much memory.
        threads: how many processors.
        gpus: how many GPUs.
        most: how many pieces run at once, or members a gang has, at most; ``None`` for as many as there is room for.
    """

    memory_bytes: int
    threads: int = 1
    gpus: int = 0
    most: int | None = None

    def at_once(self, room: int) -> int:
        """Return how many pieces run at once, or members a gang has, where there is room for so many."""
        return max(1, room if self.most is None else min(room, self.most))


class Member(NamedTuple):
    """One of a gang, as its work sees it.

    Attributes:
        rank: its number from 0.
        size: how many they are.
        sum: returns the sums of arrays over all members, who all call it alike; added in the order of ranks, so that
            every member and every run has the same.
        heard: as for a piece; what rank 0 says is the gang's progress.
    """

    rank: int
    size: int
    sum: Callable[[Arrays], list[NDArray[Any]]]
    heard: Heard


class Compute(Protocol):
    """An executor. It can be used from several threads at once; work and what it takes and returns are pickled."""

    @property
    def slots(self) -> int:
        """How many pieces run at once."""

    @property
    def far(self) -> bool:
        """Whether pieces run on other machines, which see this one's files only where folders are shared."""

    def map(
        self,
        work: Callable[[P, Heard], R],
        pieces: Sequence[P],
        need: Need,
        *,
        done: Callable[[int, R], None],
        stop: Callable[[], bool],
        progress: Callable[[int, Any], None] = ...,
    ) -> None:
        """Run a function of a module over pieces, in any order.

        Args:
            work: takes a piece, and what to call while it works.
            pieces: handed out in their order.
            need: of each piece.
            done: takes a piece's number and result; what it raises ends the map.
            stop: asked some times a second whether to give up.
            progress: takes a piece's number and what its work last said; some of it may be lost.

        Raises:
            Stopped: ``stop`` said so.
            Unavailable: a piece's process or machine died again and again, or there is none.
            Exception: what work raised, of whichever piece was first.
        """

    def together(
        self,
        work: Callable[[Member, P], R],
        argument: P,
        need: Need,
        *,
        progress: Callable[[Any], None],
        stop: Callable[[], bool],
    ) -> R:
        """Run a function of a module in as many members at once as there are slots, or the need allows.

        If a member dies all of them begin again. The other arguments and what is raised are as for ``map``.

        Returns:
            What rank 0 returns.
        """

    def check(self) -> str:
        """Return in a line what would be used.

        Raises:
            Unavailable: it cannot be used; the message says why, and what to do.
        """


def said_nothing(_number: int, _said: Any) -> None:
    """Take progress that nobody wants to know."""


def added(parts: Sequence[Arrays]) -> list[NDArray[Any]]:
    """Return the sums of the members' arrays, added in the order of ranks."""
    totals = [np.array(array) for array in parts[0]]
    for arrays in parts[1:]:
        for total, array in zip(totals, arrays, strict=True):
            total += array
    return totals
