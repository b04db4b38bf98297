"""Masks that are remembered, so that a filter that is used again costs next to nothing."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

from sartor.filters.columns import Mask

DEFAULT_BYTES: Final = 256 * 2**20


class Masks:
    """The most recently used masks, bounded by their memory; safe to share between threads.

    Args:
        maximum_bytes: what all of them may take together.
    """

    def __init__(self, maximum_bytes: int = DEFAULT_BYTES) -> None:
        self._maximum = maximum_bytes
        self._lock = threading.Lock()
        self._masks: OrderedDict[Hashable, Mask] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._masks)

    @property
    def bytes_used(self) -> int:
        """What the masks take."""
        return self._bytes

    def get(self, key: Hashable, make: Callable[[], Mask]) -> Mask:
        """Return the mask of a key, made at its first use; it cannot be written to."""
        with self._lock:
            found = self._masks.get(key)
            if found is not None:
                self._masks.move_to_end(key)
                return found
        made = make()
        made.flags.writeable = False
        with self._lock:
            if key not in self._masks and made.nbytes <= self._maximum:
                self._masks[key] = made
                self._bytes += made.nbytes
            while self._bytes > self._maximum:
                _, oldest = self._masks.popitem(last=False)
                self._bytes -= oldest.nbytes
        return made
