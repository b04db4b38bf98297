"""Several processes that learn one model together: what a training takes from whoever starts them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray


class Member(Protocol):
    """One of them, as its work sees it."""

    @property
    def rank(self) -> int:
        """Its number from 0."""

    @property
    def size(self) -> int:
        """How many they are."""

    @property
    def sum(self) -> Callable[[Sequence[NDArray[Any]]], list[NDArray[Any]]]:
        """Returns the sums of arrays over all, who call it alike; everybody gets the same."""

    @property
    def heard(self) -> Callable[[Any], None]:
        """Takes how far the work is, or ``None``, at least once a second; raises ``Stopped`` to end it."""


#: A function of a module, which takes a member and an argument.
Work = Callable[[Member, Any], Any]


@dataclass(frozen=True)
class Gang:
    """Who may learn a model together.

    Attributes:
        size: returns how many they are; below 2 a training is this process's alone.
        together: runs work with an argument in all of them, and returns what that of rank 0 returns; ``None``: threads
            of this process take their places, and learn the same.
    """

    size: Callable[[], int]
    together: Callable[[Work, Any], Any] | None = None
