"""What comes in any order is given on in its own, while more of it comes."""

import queue
from collections.abc import Iterator

from sartor.errors import Stopped

_COMPLETE, _ABANDONED = -1, -2


class InOrder:
    """The numbers 0, 1, … of things that come, for one thread that waits for each of them.

    Args:
        n: how many will come.
    """

    def __init__(self, n: int) -> None:
        self._n = n
        self._said: queue.SimpleQueue[int] = queue.SimpleQueue()

    def came(self, number: int) -> None:
        """Say that one is there."""
        self._said.put(number)

    def complete(self) -> None:
        """Say that all are there and that all is well."""
        self._said.put(_COMPLETE)

    def abandon(self) -> None:
        """Say that no more will come."""
        self._said.put(_ABANDONED)

    def __iter__(self) -> Iterator[int]:
        """Yield each number once it and those before it are there; the end comes with ``complete``.

        Raises:
            Stopped: no more will come.
        """
        there: set[int] = set()
        for number in [*range(self._n), _COMPLETE]:
            while number not in there:
                there.add(said := self._said.get())
                if said == _ABANDONED:
                    raise Stopped
            if number != _COMPLETE:
                yield number
