"""Buckets: files by key, in a folder or at an S3 service, behind the same few calls.

A key is a name and nothing else: no pattern, no path that leads elsewhere. A file is known by what changes when its
content does, so that one state of it is read or none.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class SourceFile:
    """One file of a bucket, as it was when it was looked at.

    Attributes:
        bucket: its bucket's name.
        key: its key.
        size_bytes: its size.
        etag: what changes when its content does.
    """

    bucket: str
    key: str
    size_bytes: int
    etag: str

    @property
    def uri(self) -> str:
        """Its ``s3://bucket/key``."""
        return f"s3://{self.bucket}/{self.key}"


class ChangedError(OSError):
    """A file is not any more what it was when it was listed."""


class UnreadableError(OSError):
    """A bucket does not answer, or a file of it cannot be read; the text says why, for who owns it."""


class Bucket(Protocol):
    """One bucket.

    Every call raises ``FileNotFoundError`` where nothing is, ``PermissionError`` where nothing may be, and
    ``UnreadableError``. Other ``OSError``s are of this machine, such as a full disk. A folder is a key that ends with
    ``/``; the empty key is the whole bucket.
    """

    @property
    def makes_copies(self) -> bool:
        """Whether ``fetch`` copies."""

    def address(self, key: str) -> str:
        """Return where a key lies, whatever lies there: an ``s3://`` location, or a path without links."""

    def find(self, key: str) -> SourceFile:
        """Return the file of exactly this key."""

    def first_level(self, folder: str) -> Iterator[SourceFile]:
        """Yield the files directly in a folder, in any order."""

    def names(self, folder: str) -> Iterator[str]:
        """Yield the names of the files directly in a folder, without a look at them."""

    def below(self, folder: str) -> Iterator[SourceFile]:
        """Yield the files of a folder and of the folders in it, in any order."""

    def read(self, file: SourceFile, start: int, length: int) -> bytes:
        """Return bytes of a file, ``length`` of them; raises ``ChangedError``."""

    def fetch(self, file: SourceFile, copy: Path, progress: Callable[[int], None]) -> Path:
        """Return a local file with what was listed: the file itself, or ``copy``; raises ``ChangedError``.

        ``progress`` takes the bytes copied so far.
        """

    def create(self, key: str, file: Path, owner: str, keep_on: Callable[[], None]) -> None:
        """Store a local file under a new key, whole or not at all; raises ``FileExistsError``.

        ``owner`` is a word that only this writer uses: what a death leaves half written bears it. ``keep_on`` is called
        right before the file is there for others; what it raises leaves nothing.
        """

    def replace(self, key: str, files: Iterable[Path], owner: str, keep_on: Callable[[], None]) -> None:
        """Store local files, one after the other, as one under a key that may be taken, whole or not at all.

        ``owner`` and ``keep_on`` are as in ``create``.
        """

    def delete(self, key: str) -> None:
        """Delete one file; one that is gone is no matter."""

    def require_writable(self, folder: str) -> None:
        """Raise if nothing can be written into a folder; it need not exist yet."""
