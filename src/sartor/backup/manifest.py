"""What a backup has: each file with its size and hash, and by which Sartor it was made."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from sartor.data.blobs import Blobs

MANIFEST: Final = "manifest.json"
FILES: Final = "files"
#: The database's name. What is in storage has its path after ``STORAGE``, a data folder's own files after ``DATA``.
DATABASE: Final = "database"
STORAGE: Final = "storage/"
DATA: Final = "data/"
#: Where files lie that are on their way.
COMING: Final = "coming"
#: How many files are copied at once: a thread reads or writes while others hash.
THREADS: Final = 4
#: Raised when an older Sartor could not restore what a newer one writes.
_FORMAT: Final = 1
#: What is copied at once: it stays in the processor's cache between being read, hashed and written.
_COPIED_BYTES: Final = 2**18
#: After so much the disk begins to write it.
_BEGUN_BYTES: Final = 2**23


class BackupError(ValueError):
    """A backup cannot be taken or used; the message says why and what to do."""


class Kept(NamedTuple):
    """One file of a backup.

    Attributes:
        name: what it is: ``DATABASE``, or a path after ``STORAGE`` or ``DATA``.
        size_bytes: its size.
        sha256: of its content, in hexadecimal digits.
        state: what storage said of it; the same later says that it has not changed.
    """

    name: str
    size_bytes: int
    sha256: str
    state: str

    @property
    def path(self) -> str:
        """Where the backup keeps its content; files with the same content are one."""
        return path_of(self.sha256)


def path_of(sha256: str) -> str:
    """Return where a backup keeps the content of this hash."""
    return f"{FILES}/{sha256[:2]}/{sha256}"


@dataclass(frozen=True)
class Manifest:
    """Everything of a service at one moment.

    Attributes:
        taken_at: the moment, ISO 8601 in UTC.
        sartor: the version that took it.
        service: what only this service's backups have.
        schema_version: of the database's tables.
        files: all of them.
    """

    taken_at: str
    sartor: str
    service: str
    schema_version: str
    files: Sequence[Kept]

    @property
    def size_bytes(self) -> int:
        """What all files have together."""
        return sum(file.size_bytes for file in self.files)

    def to_bytes(self) -> bytes:
        """Return its file: a line with the hash of the rest, and the rest as JSON."""
        body = orjson.dumps({"format": _FORMAT, **vars(self), "files": [list(file) for file in self.files]})
        return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def read_manifest(backup: Blobs) -> Manifest:
    """Return the manifest of a backup.

    Raises:
        BackupError: there is none, it is damaged, or a newer Sartor made it.
    """
    try:
        content = backup.get(MANIFEST)
    except FileNotFoundError:
        raise BackupError(
            f"There is no whole backup at {backup.uri}: it has no {MANIFEST}. Name the folder that `sartor backup` "
            "was given, or run it again if it was interrupted."
        ) from None
    said, _, body = content.partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != said:
        raise BackupError(
            f"{MANIFEST} of the backup at {backup.uri} is damaged: use another copy of the backup."
        )
    found = orjson.loads(body)
    if found.pop("format") > _FORMAT:
        raise newer(backup, found["sartor"])
    return Manifest(**found | {"files": [Kept(*file) for file in found["files"]]})


def newer(backup: Blobs, sartor: str) -> BackupError:
    """Return what says that a backup is of a newer Sartor, of this version, than can use it."""
    return BackupError(
        f"The backup at {backup.uri} was taken by Sartor {sartor} with a newer layout than this one knows: restore "
        "it with that version or a later one."
    )


def copy_hashed(source: Path, target: Path | None) -> tuple[int, str]:
    """Copy a file, or only read it if there is no target, and return its size in bytes and its SHA-256."""
    hashed, size, begun = hashlib.sha256(), 0, 0
    buffer = memoryview(bytearray(min(_COPIED_BYTES, source.stat().st_size + 1)))
    with source.open("rb", buffering=0) as read:
        written = None if target is None else target.open("wb", buffering=0)
        try:
            while count := read.readinto(buffer):
                hashed.update(buffer[:count])
                size += count
                rest = buffer[:count]
                while written is not None and rest:
                    rest = rest[written.write(rest) :]
                if written is not None and size - begun >= _BEGUN_BYTES:
                    _start_writing(written.fileno())
                    begun = size
            if written is not None:
                _start_writing(written.fileno())
        finally:
            if written is not None:
                written.close()
    return size, hashed.hexdigest()


def _start_writing(descriptor: int) -> None:
    """Let the system write a file to its disk while others are copied, and keep its memory for who reads it again.

    Linux begins to write what it is told that nobody needs. Source: posix_fadvise(2), POSIX_FADV_DONTNEED.
    """
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
