"""Children that are all alike and take pieces, until all are done."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sartor.compute.carried import unpacked, unpacked_error
from sartor.compute.children import Child, Target, messages
from sartor.compute.contract import RUNS
from sartor.errors import Stopped, Unavailable


class Pool:
    """Hands out pieces to children, and again those of a child that dies.

    Args:
        target: what each child runs.
        most: how many there are at most.
        environment: variables that they have beside this process's own.
        doubt: what to ask when children die again and again.
    """

    def __init__(self, target: Target, most: int, environment: Mapping[str, str], doubt: str) -> None:
        self._target = target
        self._most = most
        self._environment = environment
        self._doubt = doubt
        self._children: list[Child] = []
        self._bad_starts = 0

    def map(
        self,
        pieces: Sequence[Any],
        done: Callable[[int, Any], None],
        stop: Callable[[], bool],
        progress: Callable[[int, Any], None],
    ) -> None:
        """Run the pieces; see ``Compute.map``."""
        waiting = deque(range(len(pieces)))
        runs = [0] * len(pieces)
        left = len(pieces)
        try:
            while left:
                if stop():
                    raise Stopped
                self._begin(left)
                for child in self._children:
                    while waiting and len(child.holds) < child.room:
                        number = waiting.popleft()
                        child.holds.add(number)
                        child.send((number, pieces[number]))
                for child, message in messages(self._children):
                    if message is None:
                        self._bury(child, waiting, runs)
                        continue
                    kind, number, *rest = message
                    if kind == "room":
                        child.room = number
                    elif kind == "said":
                        progress(number, rest[0])
                    elif kind == "failed":
                        raise unpacked_error(rest[0])
                    else:
                        child.holds.discard(number)
                        left -= 1
                        done(number, unpacked(rest[0]))
            for child in self._children:
                child.dismiss()
            for child in self._children:
                child.end()
        finally:
            for child in self._children:
                child.kill()

    def _begin(self, left: int) -> None:
        """Start as many children as there is work for."""
        while len(self._children) < min(self._most, left):
            self._children.append(Child(self._target, self._environment))

    def _bury(self, child: Child, waiting: deque[int], runs: list[int]) -> None:
        """Let others have the pieces of a child that died.

        Raises:
            Unavailable: that happened too often.
        """
        self._children.remove(child)
        how = child.kill()
        if not child.room:
            self._bad_starts += 1
            if self._bad_starts == RUNS:
                raise Unavailable(
                    f"A process for work could not begin ({how}); its last words are in the log."
                )
        for number in sorted(child.holds, reverse=True):
            runs[number] += 1
            if runs[number] == RUNS:
                raise Unavailable(f"A process for work ended {RUNS} times ({how}): {self._doubt}")
            waiting.appendleft(number)
