"""A process's folder for what need not survive it."""

import fcntl
import os
import secrets
import shutil
from pathlib import Path
from typing import IO

from sartor.settings import Settings


class Scratch:
    """This process's own folder; the folders of dead processes are removed.

    A lock says that its process lives: a number of a process may be another's by now, or lie in another
    container.

    Args:
        settings: of this process.
    """

    def __init__(self, settings: Settings) -> None:
        root = settings.data / "scratch"
        root.mkdir(parents=True, exist_ok=True)
        with (root / ".lock").open("w") as guard:  # nobody removes a folder that is not locked yet
            fcntl.flock(guard, fcntl.LOCK_EX)
            for folder in root.iterdir():
                if folder.is_dir() and not _is_locked(folder):
                    shutil.rmtree(folder, ignore_errors=True)
            self.folder = root / f"{os.getpid()}-{secrets.token_hex(4)}"
            self.folder.mkdir()
            self._lock: IO[str] = (self.folder / ".lock").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()


def _is_locked(folder: Path) -> bool:
    """Return whether the process of a scratch folder lives."""
    try:
        with (folder / ".lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
