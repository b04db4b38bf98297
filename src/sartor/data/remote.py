"""The check of a piece on a machine that shares no folders with the job's: it reads from S3 and stores its parts there.

Where things lie travels with the piece; who may reach them is in the machine's own environment and ``sartor.toml``.
"""

import platform
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from obstore.exceptions import BaseError

from sartor.data import s3
from sartor.data.blobs import Blobs, open_storage
from sartor.data.csv_lines import HEADER_BYTES
from sartor.data.csv_spans import TAIL_BYTES, Span
from sartor.data.input_files import InputFile
from sartor.data.parts import Part
from sartor.data.pieces import Found, Piece, Reach, TooMuch, check_piece
from sartor.data.rules import LINE_BYTES
from sartor.data.sources import AccountSources, SourceFile, Sources
from sartor.errors import Unavailable
from sartor.scratch import Scratch
from sartor.settings import Settings, SettingsError, load

#: How much behind its end a span may read before it gives up.
_BEHIND_BYTES: Final = LINE_BYTES + 3 * TAIL_BYTES


@dataclass(frozen=True)
class Remote:
    """What the pieces of a job need on other machines; there are no secrets in it.

    Attributes:
        places: the job's settings that say where things lie.
        account: whose buckets are read.
        role_arn: in which role; each machine has the credentials for it, or none.
        table: the folder in storage to which parts go; ``None`` if they are written where all machines see them.
    """

    places: Mapping[str, Any]
    account: str
    role_arn: str | None
    table: str | None

    def sweep(self, scratch: Path, pattern: str, kept: set[str]) -> None:
        """Delete what was stored under names of a pattern, but for some of them."""
        if self.table is None:
            return
        storage = open_storage(self.places["storage"], self.places["s3_endpoint"], scratch)
        # while storage is away, what is left waits for a sweep of the table
        with suppress(BaseError, OSError):
            for path, _ in list(storage.files(self.table)):
                name = path.rpartition("/")[2]
                if fnmatchcase(name, pattern) and name not in kept:
                    storage.delete(path)


def stand_in(file: SourceFile, sources: AccountSources, path: Path, is_large: bool) -> InputFile:
    """Return a file to be checked elsewhere; here it has its size and its beginning, by which it is taken apart.

    Args:
        file: as it was listed.
        sources: where it is.
        path: a local file to be made.
        is_large: whether it may be taken apart; else it has no beginning.

    Raises:
        JobFailed: it may not be read, or has changed.
    """
    with path.open("wb") as opened:
        opened.write(sources.read_range(file, 0, HEADER_BYTES) if is_large else b"")
        opened.truncate(file.size_bytes)
    return InputFile(path, file.uri, file.size_bytes, source=file)


def check_remotely(
    remote: Remote, reach: Reach, piece: Piece, heard: Callable[[Any], None]
) -> list[Found | TooMuch]:
    """Do what ``check_piece`` does, with what the piece reads brought here, and its parts stored.

    Raises:
        Unavailable: this machine lacks settings, or credentials.
        JobFailed: a file may not be read, or has changed.
        Stopped: ``heard`` raised it.
    """
    settings = _settings(remote)
    scratch = Scratch(settings)
    try:
        sources = Sources(settings).of(remote.account, remote.role_arn)
        files = [_brought(file, piece, sources, scratch.folder) for file in piece.files]
        near = replace(reach, scratch=scratch.folder)
        if remote.table is None:
            return check_piece(near, replace(piece, files=tuple(files)), heard)
        near = replace(near, folder=scratch.folder / "parts")
        near.folder.mkdir()
        found = check_piece(near, replace(piece, files=tuple(files)), heard)
        storage = _storage(settings, scratch.folder)
        for one in found:
            if isinstance(one, Found):
                one.parts = [_stored(part, storage, remote.table) for part in one.parts]
        return found
    finally:
        scratch.close()


def _settings(remote: Remote) -> Settings:
    """Return this machine's settings, with the job's places.

    Raises:
        Unavailable: there is something wrong with them.
    """
    try:
        return replace(load(), **remote.places)
    except SettingsError as error:
        raise Unavailable(f"{platform.node()} has wrong settings: {error}") from error


def _storage(settings: Settings, scratch: Path) -> Blobs:
    """Return storage, as this machine reaches it.

    Raises:
        Unavailable: it has no credentials.
    """
    try:
        return open_storage(settings.storage, settings.s3_endpoint, scratch)
    except s3.NoCredentialsError as error:
        raise Unavailable(f"{platform.node()} cannot reach {settings.storage}: {error}") from error


def _brought(file: InputFile, piece: Piece, sources: AccountSources, folder: Path) -> InputFile:
    """Return a file with what a piece reads of it here; of a span that is all, and the rest of the file is a hole."""
    if file.source is None:
        return file
    if not isinstance(piece.span, Span):
        return replace(file, path=sources.spool(file.source, folder))
    first, behind = piece.span.first - 1, piece.span.behind + _BEHIND_BYTES
    return replace(file, path=sources.spool_range(file.source, folder, first, behind))


def _stored(part: Part, storage: Blobs, table: str) -> Part:
    """Store a part, and return what is known of it."""
    storage.put_file(f"{table}/{part.path.name}", part.path)
    return replace(part, path=Path(part.path.name), stored=True)
