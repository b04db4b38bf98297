"""Local copies of files that never change: each is fetched once, and the oldest go when they are many bytes."""

import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

#: So many bytes are kept, and of a small disk no more than this part.
_MOST_BYTES: Final = 16 * 2**30
_SHARE_OF_DISK: Final = 4
#: Whoever asked for a copy so lately may be about to open it, in seconds; what is open may go at any time.
_LATELY_SECONDS: Final = 6 * 3600.0


@dataclass
class _Copy:
    """What is known of a copy: its size (0 until it is there), when it was asked for last, and who fetches it."""

    size_bytes: int = 0
    asked: float = 0.0
    fetching: threading.Lock = field(default_factory=threading.Lock)


class Copies:
    """The copies of one process; safe to share between its threads.

    Args:
        folder: where they lie.
        most_bytes: how much is kept of what nobody asked for lately; a share of the disk if not given.
    """

    def __init__(self, folder: Path, most_bytes: int | None = None) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._lock = threading.Lock()  # never held while something is fetched
        self._copies: dict[str, _Copy] = {}

    def of(self, path: str, fetch: Callable[[Path], object]) -> Path:
        """Return the copy of a file, fetched by this call, an earlier one or another thread's.

        Args:
            path: the file's.
            fetch: writes the file's content to a path; what it raises is raised, and nothing is left.
        """
        place = self._folder / path
        with self._asked(path) as copy, copy.fetching:
            is_new = not place.exists()
            if is_new:
                place.parent.mkdir(parents=True, exist_ok=True)
                new = place.with_name(f".{place.name}.{uuid.uuid4().hex}")
                try:
                    fetch(new)
                    new.replace(place)
                finally:
                    new.unlink(missing_ok=True)
                copy.size_bytes = place.stat().st_size
        if is_new:
            self._make_room()
        return place

    def drop(self, path: str) -> None:
        """Delete the copy of a file that is gone or another now."""
        with self._lock:
            self._copies.pop(path, None)
            (self._folder / path).unlink(missing_ok=True)

    def below(self, folder: str) -> list[str]:
        """Return the paths of the copies below a folder."""
        with self._lock:
            return [path for path in self._copies if path.startswith(f"{folder}/")]

    @contextmanager
    def _asked(self, path: str) -> Iterator[_Copy]:
        """Note that a copy is asked for, before and after it is fetched: it stays for a while."""
        with self._lock:
            copy = self._copies.setdefault(path, _Copy())
            copy.asked = time.monotonic()
        yield copy
        with self._lock:
            copy.asked = time.monotonic()

    def _make_room(self) -> None:
        """Delete the copies that were asked for longest ago, as long as there are too many bytes."""
        with self._lock:
            too_many = sum(copy.size_bytes for copy in self._copies.values()) - self._limit()
            for path, copy in sorted(self._copies.items(), key=lambda one: one[1].asked):
                if too_many <= 0 or time.monotonic() - copy.asked < _LATELY_SECONDS:
                    return
                (self._folder / path).unlink(missing_ok=True)
                del self._copies[path]
                too_many -= copy.size_bytes

    def _limit(self) -> int:
        if self._most_bytes is not None:
            return self._most_bytes
        return min(_MOST_BYTES, shutil.disk_usage(self._folder).total // _SHARE_OF_DISK)
