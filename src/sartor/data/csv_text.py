"""CSV as users have it, and what DuckDB reads without doubt: each record one line of RFC 4180.

Files without quotes, and files whose quoted cells hold neither line ends nor backslashes, are that already; one
look at the bytes tells. Any other file (backslash escapes, line ends in cells, stray quotes, mixed line ends) is
rewritten to it first, see ``csv_rewrite``.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BOM: Final = b"\xef\xbb\xbf"
#: The longest record, in bytes; DuckDB's own default.
MAXIMUM_RECORD_BYTES: Final = 2_000_000
#: A header must fit into this many bytes.
HEADER_BYTES: Final = 2**20
CHUNK_BYTES: Final = 2**20

LINE_END: Final = re.compile(rb"\r\n|\n|\r")
# A quoted cell without line ends and backslashes, between two ends of cells.
_PLAIN_QUOTED = re.compile(rb'(?<![^,\r\n])"(?:[^"\\\r\n]|"")*+"(?![^,\r\n])')
_QUOTED = re.compile(rb'"[^"\\]*+(?:(?:""|\\.)[^"\\]*+)*+"', re.DOTALL)
_UNQUOTED = re.compile(rb"[^,\r\n]*+")
_ESCAPE = re.compile(rb'""|\\"|\\\\')
_CELL_ENDS = (b"", b",", b"\r", b"\n")


@dataclass(frozen=True)
class Record:
    """One record as it stands in a file.

    Attributes:
        cells: with their quotes, as far as they could be told apart.
        end: where it ends, before its line end.
        is_broken: whether text follows behind a quoted cell; then ``end`` is the end of that line.
    """

    cells: tuple[bytes, ...]
    end: int
    is_broken: bool = False


@dataclass(frozen=True)
class Header:
    """The first line that is not blank.

    Attributes:
        names: the columns' names, without the spaces around them.
        end: where the first record begins, in bytes.
        lines: how many lines lie before the first record.
        line_end: what ends the header's line; empty at the end of the file.
    """

    names: tuple[str, ...]
    end: int
    lines: int
    line_end: bytes


def record(text: bytes, at: int, *, is_all: bool) -> Record | None:
    """Return the record that begins at a place, or None if its end cannot be seen in ``text``.

    Args:
        text: a piece of a file.
        at: where the record begins.
        is_all: whether the file ends where ``text`` does.
    """
    cells = []
    while True:
        quoted = text.startswith(b'"', at)
        found = (_QUOTED if quoted else _UNQUOTED).match(text, at)
        if found is None or (found.end() == len(text) and not is_all):
            return None
        end = found.end()
        cells.append(found[0])
        if quoted and text[end : end + 1] not in _CELL_ENDS:
            line_end = LINE_END.search(text, end)
            return Record(tuple(cells), len(text) if line_end is None else line_end.start(), is_broken=True)
        if not text.startswith(b",", end):
            return Record(tuple(cells), end)
        at = end + 1


def unquoted(cell: bytes) -> bytes:
    r"""Return a cell's content; ``""``, ``\"`` and ``\\`` are escapes where the cell is quoted."""
    if not cell.startswith(b'"'):
        return cell
    return _ESCAPE.sub(lambda escape: b"\\" if escape[0] == b"\\\\" else b'"', cell[1:-1])


def header(head: bytes) -> Header:
    """Return the header from the first bytes of a file.

    Raises:
        ValueError: it is not UTF-8, or is broken.
    """
    at = len(BOM) if head.startswith(BOM) else 0
    lines = 0
    while (blank := LINE_END.match(head, at)) is not None:
        at, lines = blank.end(), lines + 1
    found = record(head, at, is_all=True)
    if found is None or found.is_broken:
        raise ValueError("its header has a quote that does not end")
    try:
        names = tuple(unquoted(cell).decode().strip() for cell in found.cells)
    except UnicodeDecodeError as error:
        raise ValueError("its header is not UTF-8") from error
    line_end = LINE_END.match(head, found.end)
    lines += len(LINE_END.findall(head, at, found.end)) + (line_end is not None)
    if line_end is None:
        return Header(names, found.end, lines, b"")
    return Header(names, line_end.end(), lines, line_end[0])


def is_quoted(path: Path, start: int) -> bool | None:
    """Return whether any cell of a file is quoted; None if the file must be rewritten.

    Args:
        path: the file.
        start: where its first record begins, in bytes.
    """
    if not _has_quote(path, start):
        return False
    rest = b""
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while chunk := file.read(CHUNK_BYTES):
            chunk = rest + chunk
            end = chunk.rfind(b"\n") + 1
            if end == 0 and len(chunk) > MAXIMUM_RECORD_BYTES:
                return None
            if b'"' in _PLAIN_QUOTED.sub(b"", chunk[:end]):
                return None
            rest = chunk[end:]
    return True if b'"' not in _PLAIN_QUOTED.sub(b"", rest) else None


def _has_quote(path: Path, start: int) -> bool:
    """Return whether there is a quote anywhere, at the speed of memory."""
    buffer = bytearray(CHUNK_BYTES)
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while read := file.readinto(buffer):
            if 0 <= buffer.find(b'"', 0, read):
                return True
    return False
