"""A file that is made once, at the first start, and is never made anew because it is gone.

The lock beside it remembers that it was made: without that word, a file that is not there was never there.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_MADE: Final = b"made\n"


class Once:
    """Tells a file that is still to be made from one that is gone.

    Args:
        path: the file.

    Attributes:
        lock: the file beside it that processes lock, and that says that it was made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lock = path.with_name(f"{path.name}.lock")

    @property
    def is_gone(self) -> bool:
        """Whether the file was made and is not there."""
        try:
            return self.lock.stat().st_size > 0 and not self._path.exists()
        except FileNotFoundError:
            return False

    def remember(self) -> None:
        """Say that the file was made, before it is brought back: nobody makes another in its place."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.lock.write_bytes(_MADE)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let no other process make or change the file meanwhile; a file that is there at the end was made."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
            if self._path.exists() and os.fstat(descriptor).st_size == 0:
                os.write(descriptor, _MADE)
        finally:
            os.close(descriptor)
