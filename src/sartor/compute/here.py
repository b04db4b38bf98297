"""Work in the caller's own thread: nothing to start, nothing to send."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sartor.compute.contract import Heard, Member, Need, P, R, added, said_nothing
from sartor.errors import Stopped


class Here:
    """Runs one piece after the other. It cannot end work that does not call what it is given."""

    @property
    def slots(self) -> int:
        """One piece runs at a time, with all the threads that its work starts."""
        return 1

    @property
    def far(self) -> bool:
        """Pieces see what the caller sees."""
        return False

    def map(
        self,
        work: Callable[[P, Heard], R],
        pieces: Sequence[P],
        need: Need,
        *,
        done: Callable[[int, R], None],
        stop: Callable[[], bool],
        progress: Callable[[int, Any], None] = said_nothing,
    ) -> None:
        """Run work over pieces; see ``Compute``."""
        for number, piece in enumerate(pieces):
            heard = _heard(stop, partial(progress, number))
            heard(None)
            done(number, work(piece, heard))

    def together(
        self,
        work: Callable[[Member, P], R],
        argument: P,
        need: Need,
        *,
        progress: Callable[[Any], None],
        stop: Callable[[], bool],
    ) -> R:
        """Run work as a gang of one; see ``Compute``."""
        heard = _heard(stop, progress)
        heard(None)
        return work(Member(0, 1, lambda arrays: added([arrays]), heard), argument)

    def check(self) -> str:
        """Return in a line what would be used."""
        return f"in the worker itself, on {os.cpu_count() or 1} processors"


def _heard(stop: Callable[[], bool], progress: Callable[[Any], None]) -> Heard:
    def heard(said: Any) -> None:
        if stop():
            raise Stopped
        if said is not None:
            progress(said)

    return heard
