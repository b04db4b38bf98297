"""The check of an import's piece on a machine that shares no folders with the job's."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from sartor.data import formats
from sartor.data.csv_spans import TAIL_BYTES, Span
from sartor.data.input_files import InputFile
from sartor.data.pieces import Found, Piece, Reach, TooMuch, check_piece
from sartor.data.ranges import Ranges
from sartor.data.remote import Remote
from sartor.data.rules import LINE_BYTES
from sartor.data.sources import AccountSources, SourceFile

#: How much behind its end a span may read before it gives up.
_BEHIND_BYTES: Final = LINE_BYTES + 3 * TAIL_BYTES


def stand_in(file: SourceFile, sources: AccountSources, folder: Path, is_large: bool) -> InputFile:
    """Return a file to be checked elsewhere; here it has its size, and what tells how it is taken apart.

    Args:
        file: as it was listed.
        sources: where it is.
        folder: where a local file may be made.
        is_large: whether it may be taken apart; else it has nothing but its size.

    Raises:
        JobFailed: it may not be read, or has changed.
    """

    def read(start: int, length: int) -> bytes:
        return sources.read_range(file, start, length)

    ranges = formats.looked_at(file.uri, file.size_bytes, read) if is_large else []
    return InputFile(sources.spool_ranges(file, folder, ranges), file.uri, file.size_bytes, source=file)


def check_remotely(
    remote: Remote, reach: Reach, piece: Piece, heard: Callable[[Any], None]
) -> list[Found | TooMuch]:
    """Do what ``check_piece`` does, with what the piece reads brought here, and its parts stored.

    Raises:
        Unavailable: this machine lacks settings, or credentials.
        JobFailed: a file may not be read, or has changed.
        Stopped: ``heard`` raised it.
    """
    with remote.reached() as near:
        piece = replace(
            piece, files=tuple(_brought(file, piece, near.sources, near.scratch) for file in piece.files)
        )
        reach = replace(reach, scratch=near.scratch)
        if remote.table is None:
            return check_piece(reach, piece, heard)
        reach = replace(reach, folder=near.scratch / "parts")
        reach.folder.mkdir()
        found = check_piece(reach, piece, heard)
        for one in found:
            if isinstance(one, Found):
                one.parts = [near.stored(part) for part in one.parts]
        return found


def _brought(file: InputFile, piece: Piece, sources: AccountSources, folder: Path) -> InputFile:
    """Return a file with what a piece reads of it here; of a span that is all, and the rest of the file is a hole."""
    if file.source is None:
        return file
    if piece.span is None:
        return replace(file, path=sources.spool(file.source, folder))
    return replace(file, path=sources.spool_ranges(file.source, folder, _ranges(piece)))


def _ranges(piece: Piece) -> Ranges:
    """Return which bytes of its file a piece that is a span reads."""
    if isinstance(piece.span, Span):
        return [(piece.span.first - 1, piece.span.behind + _BEHIND_BYTES)]
    return piece.span.ranges if piece.span is not None else []
