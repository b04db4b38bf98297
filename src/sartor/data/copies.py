"""One machine's copies of a bucket's files that never change: each is fetched once, whichever process asks first.

A copy lies under its file's path, and beside all copies their marks. A mark's lock is held while its copy is fetched or
removed, its content says of which state of the file the copy is, its time when it was asked for last. Who is killed
leaves the lock to the others, and a mark that says nothing.
"""

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final, NamedTuple

from sartor.data.buckets import Bucket, ChangedError, SourceFile

#: So many bytes are kept, and of a small disk no more than this part.
_MOST_BYTES: Final = 16 * 2**30
_SHARE_OF_DISK: Final = 4
#: Whoever asked for a copy so lately may be about to open it, in seconds; what is open may go at any time.
_LATELY_SECONDS: Final = 6 * 3600.0
#: Whether there are too many bytes is looked at once a process has fetched this part of what may be kept.
_LOOK_SHARE: Final = 50
#: How the names of marks end: no mark is taken for what its file is.
_MARK: Final = ".mark"


class Cache(NamedTuple):
    """Where the copies of a machine lie.

    Attributes:
        folder: all its processes name the same.
        most_bytes: how much is kept of what nobody asked for lately; 0 is 16 GiB, or a quarter of a small disk.
    """

    folder: Path
    most_bytes: int = 0


class _Copy(NamedTuple):
    """A copy as it is found on the disk: when it was asked for last (epoch seconds), its file's path, its size."""

    asked: float
    path: str
    size_bytes: int


class Copies:
    """The copies of a bucket's files; safe to share between threads and between processes.

    Args:
        bucket: whose files.
        folder: where they lie; all processes of a machine name the same.
        most_bytes: how much is kept of what nobody asked for lately; 0 is 16 GiB, or a quarter of a small disk.
    """

    def __init__(self, bucket: Bucket, folder: Path, most_bytes: int = 0) -> None:
        self._bucket = bucket
        self._files, self._marks = folder / "files", folder / "marks"
        self._most_bytes = most_bytes
        self._known: set[str] = set()  # those that this process has held against their files once
        self._fetched_bytes: int | None = None  # since this process looked whether there are too many

    def of(self, path: str) -> Path:
        """Return the copy of a file, fetched by this call, an earlier one or another process's.

        Raises:
            FileNotFoundError: there is no such file, or no longer.
            OSError: it cannot be fetched; nothing is left of it.
        """
        place = self._files / path
        if path in self._known and place.exists():
            with suppress(FileNotFoundError):  # it is being removed: then it is asked for anew
                _touch(self._mark(path))
                return place
        with self._locked(path) as mark:
            file = self._bucket.find(path)
            is_new = mark.read() != _state(file) or _size(place) != file.size_bytes
            if is_new:
                self._fetch(file, place, mark)
            _touch(mark.fileno())
        self._known.add(path)
        if is_new:
            self._make_room(file.size_bytes)
        return place

    def drop(self, path: str) -> None:
        """Delete the copy of a file that is gone or another now; whoever is fetching it finds that out by itself."""
        self._known.discard(path)
        (self._files / path).unlink(missing_ok=True)
        self._remove(path)

    def drop_stale(self, folder: str) -> None:
        """Delete the copies of what is gone from a folder and those in it; the empty one is the whole bucket."""
        there: dict[str, set[str]] = {}
        for copy in list(self._found(folder)):
            parent = copy.path[: copy.path.rfind("/") + 1]
            if parent not in there:
                there[parent] = {file.key for file in self._bucket.first_level(parent)}
            if copy.path not in there[parent]:
                self.drop(copy.path)

    def _fetch(self, file: SourceFile, place: Path, mark: IO[str]) -> None:
        """Fetch a copy; the lock of its mark is held."""
        _write(mark, "")
        place.parent.mkdir(parents=True, exist_ok=True)
        new = _unfinished(place)
        try:
            self._bucket.fetch(file, new, lambda _bytes: None)
            new.replace(place)
        except ChangedError:
            self._bucket.find(file.key)  # it may be gone, which is no change
            raise
        finally:
            new.unlink(missing_ok=True)
        self._bucket.find(file.key)  # who deleted it while it was fetched found no copy to delete
        _write(mark, _state(file))

    @contextmanager
    def _locked(self, path: str) -> Iterator[IO[str]]:
        """Give the mark of a copy, which nobody else fetches or removes meanwhile; if its file is gone, both go."""
        place = self._mark(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        while True:
            with place.open("a+") as mark:
                fcntl.flock(mark, fcntl.LOCK_EX)
                if not _is(mark, place):
                    continue
                mark.seek(0)
                try:
                    yield mark
                except FileNotFoundError:
                    (self._files / path).unlink(missing_ok=True)
                    place.unlink(missing_ok=True)
                    raise
                return

    def _remove(self, path: str) -> bool:
        """Remove a copy and its mark, unless it is being fetched; return whether that was so."""
        place, copy = self._mark(path), self._files / path
        try:
            with place.open("r+") as mark:
                fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not _is(mark, place):
                    return False
                for one in (copy, _unfinished(copy), place):
                    one.unlink(missing_ok=True)
        except (FileNotFoundError, BlockingIOError):
            return False
        self._known.discard(path)
        return True

    def _found(self, below: str = "") -> Iterator[_Copy]:
        """Yield the copies of this machine, and what was not fetched to its end."""
        for folder, _, names in os.walk(self._marks / below):
            for mark in (Path(folder, name) for name in names):
                with suppress(FileNotFoundError):
                    asked = mark.stat().st_mtime
                    path = mark.relative_to(self._marks).as_posix().removesuffix(_MARK)
                    place = self._files / path
                    size_bytes = sum(max(_size(one), 0) for one in (place, _unfinished(place)))
                    yield _Copy(asked, path, size_bytes)

    def _mark(self, path: str) -> Path:
        """Return where the mark of a file's copy lies."""
        return self._marks / f"{path}{_MARK}"

    def _make_room(self, fetched_bytes: int) -> None:
        """Remove the copies that were asked for longest ago, as long as there are too many bytes."""
        most_bytes = self._most_bytes or min(
            _MOST_BYTES, shutil.disk_usage(self._files).total // _SHARE_OF_DISK
        )
        if self._fetched_bytes is not None:
            self._fetched_bytes += fetched_bytes
            if self._fetched_bytes < most_bytes // _LOOK_SHARE:
                return
        self._fetched_bytes = 0
        found = sorted(self._found())
        too_many = sum(copy.size_bytes for copy in found) - most_bytes
        for copy in found:
            if too_many <= 0 or time.time() - copy.asked < _LATELY_SECONDS:
                return
            if self._remove(copy.path):
                too_many -= copy.size_bytes


def _state(file: SourceFile) -> str:
    """Return what a mark says of a file's state."""
    return hashlib.sha256(f"{file.size_bytes} {file.etag}".encode()).hexdigest()


def _unfinished(copy: Path) -> Path:
    """Return where a copy lies until it is whole."""
    return copy.with_name(f".{copy.name}.new")


def _size(file: Path) -> int:
    """Return how large a file is, -1 if it is not there."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return -1


def _is(opened: IO[str], place: Path) -> bool:
    """Return whether an open file is still the one at its place."""
    try:
        return os.path.samestat(os.fstat(opened.fileno()), place.stat())
    except FileNotFoundError:
        return False


def _touch(mark: Path | int) -> None:
    """Note that a copy is asked for now, by its mark's path or descriptor."""
    now = time.time()
    os.utime(mark, (now, now))


def _write(mark: IO[str], text: str) -> None:
    """Let a mark say something else; it is there before anything that follows."""
    mark.seek(0)
    mark.truncate()
    mark.write(text)
    mark.flush()
