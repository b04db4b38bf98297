"""A bucket in a folder from which files are copied, as slowly as a test wants; also as a process that asks for one.

``python shelf.py FOLDER CACHE KEY`` prints the content of the copy that it is given.
"""

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

from sartor.data.buckets import SourceFile
from sartor.data.copies import Copies


class Shelf:
    """The files of a folder by name.

    Args:
        folder: has ``files``; each fetch leaves a file in ``fetches``, and goes on once ``wait`` is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.files, self._fetches, self.wait = folder / "files", folder / "fetches", folder / "wait"
        self.files.mkdir(parents=True, exist_ok=True)
        self._fetches.mkdir(exist_ok=True)
        self.while_fetching: Callable[[], object] = lambda: None

    def put(self, key: str, content: bytes) -> None:
        place = self.files / key
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)

    def find(self, key: str) -> SourceFile:
        content = (self.files / key).read_bytes()
        return SourceFile("shelf", key, len(content), hashlib.sha256(content).hexdigest())

    def first_level(self, folder: str) -> Iterator[SourceFile]:
        for path in sorted((self.files / folder).glob("*")):
            if path.is_file():
                yield self.find(str(path.relative_to(self.files)))

    def fetch(self, file: SourceFile, copy: Path, progress: Callable[[int], None]) -> Path:
        content = (self.files / file.key).read_bytes()
        copy.write_bytes(content[: len(content) // 2])
        (self._fetches / uuid4().hex).write_text(str(os.getpid()))
        while self.wait.exists():
            time.sleep(0.005)
        self.while_fetching()
        copy.write_bytes(content)
        return copy

    def fetches(self) -> int:
        """Return how often something was fetched, or was begun to be."""
        return len(list(self._fetches.iterdir()))


def copies(shelf: Shelf, cache: Path, most_bytes: int = 0) -> Copies:
    return Copies(shelf, cache, most_bytes)  # type: ignore[arg-type] # it has what copies need of a bucket


if __name__ == "__main__":
    folder, cache, key = sys.argv[1:]
    print(copies(Shelf(Path(folder)), Path(cache)).of(key).read_text())
