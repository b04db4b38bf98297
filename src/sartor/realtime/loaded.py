"""What takes long to load and is kept: each thing is loaded once however many ask, and nobody waits for another's."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from sartor.errors import TakesLong, quick_enough

Key = TypeVar("Key", bound=Hashable)
Thing = TypeVar("Thing")


class Loaded(Generic[Key, Thing]):
    """Things by key; safe to share between threads.

    Args:
        spare: so many are kept that are not needed, those that were asked for last.
    """

    def __init__(self, spare: int) -> None:
        self._spare = spare
        self._lock = threading.Lock()  # never held while something is loaded
        self._there: OrderedDict[Key, Thing] = OrderedDict()
        self._coming: dict[Key, Future[Thing]] = {}

    def __contains__(self, key: Key) -> bool:
        with self._lock:
            return key in self._there

    def all(self) -> list[Thing]:
        """Return everything that is loaded."""
        with self._lock:
            return list(self._there.values())

    def of(self, key: Key, load: Callable[[], Thing]) -> Thing:
        """Return a thing, loaded by this call or by an earlier one.

        Raises:
            TakesLong: another thread is at it, or nobody and this thread runs an event loop.
        """
        with self._lock:
            if key in self._there:
                self._there.move_to_end(key)
                return self._there[key]
            if key in self._coming:
                raise TakesLong(self._coming[key])
        quick_enough(takes_long=True)
        with self._lock:
            if key in self._there:
                return self._there[key]
            if key in self._coming:
                raise TakesLong(self._coming[key])
            coming = self._coming[key] = Future()
            coming.set_running_or_notify_cancel()  # whoever waits for it and gives up ends nothing
        try:
            thing = load()
        except BaseException as error:
            with self._lock:
                del self._coming[key]
            coming.set_exception(error)
            raise
        with self._lock:
            self._there[key] = thing
            del self._coming[key]
        coming.set_result(thing)
        return thing

    def has_room(self, needed: Callable[[Key], bool]) -> bool:
        """Return whether one more thing that is not needed would be kept."""
        with self._lock:
            return sum(not needed(key) for key in self._there) < self._spare

    def discard(self, keys: Collection[Key]) -> None:
        """Drop these things, whoever needs them."""
        with self._lock:
            for key in keys:
                self._there.pop(key, None)

    def drop(self, needed: Callable[[Key], bool]) -> set[Key]:
        """Drop what is neither needed nor among the spare, and return the keys of it."""
        with self._lock:
            spare = [key for key in self._there if not needed(key)]
            dropped = set(spare[: max(len(spare) - self._spare, 0)])
            for key in dropped:
                del self._there[key]
        return dropped
