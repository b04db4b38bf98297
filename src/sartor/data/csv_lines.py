"""CSV as users have it: what the bytes of a file say before DuckDB parses them.

DuckDB knows RFC 4180. What else occurs (backslash escapes in quoted cells, single carriage returns, a BOM) is
rewritten to it, line by line, so that line numbers stay what the user sees.
"""

import csv
import gzip
import io
import mmap
import re
import shutil
import sys
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BOM: Final = b"\xef\xbb\xbf"
#: A header must fit into this many bytes.
HEADER_BYTES: Final = 2**20
_CHUNK_BYTES = 2**22
_INDEXED_BYTES = 2**20
_NEAR_BYTES = 2**10
#: A cell's beginning with a quote: at the line's start or behind a comma.
_OPENING = re.compile(rb'(?:(?<=,)|^)"')


#: A quote that opens nothing, in a text whose quoted cells are but a quote.
_STRAY = re.compile(rb'[^,\n"]"')
#: What a rewritten file has otherwise: quoted cells up to their closing quote, and carriage returns outside them.
_SPECIAL = re.compile(
    rb'"(?:(?<=[,\r\n]")|(?<=\xef\xbb\xbf")|(?<=\A"))(?:[^"\\]++|""|\\.|\\\Z)*+"?|\r\n?', re.DOTALL
)


@dataclass(frozen=True)
class Dialect:
    """What occurs anywhere in a file.

    Attributes:
        quotes: whether a cell may be quoted.
        backslashes: whether there is a backslash; in a quoted cell it escapes.
        one_line_end: whether every line may end alike: with a line feed, or with a carriage return and one.
    """

    quotes: bool
    backslashes: bool
    one_line_end: bool

    @property
    def needs_rewriting(self) -> bool:
        """Whether DuckDB would misread the file."""
        return (self.quotes and self.backslashes) or not self.one_line_end


def compression(uri: str) -> str | None:
    """Return ``gz``, ``zst`` or None, by the file's name."""
    ending = uri.rpartition(".")[2].lower()
    return ending if ending in ("gz", "zst") else None


def decompress_head(head: bytes, kind: str | None) -> bytes:
    """Return what the first bytes of a file decompress to.

    Raises:
        ValueError: they are not of this compression.
    """
    try:
        if kind == "gz":
            return zlib.decompressobj(wbits=31).decompress(head, HEADER_BYTES)
        if kind == "zst":
            return zstd.ZstdDecompressor().decompress(head, HEADER_BYTES)
    except (zlib.error, zstd.ZstdError) as error:
        raise ValueError(str(error)) from error
    return head


def decompress(path: Path, kind: str, copy: Path) -> None:
    """Write a file's content to ``copy``.

    Raises:
        ValueError: the file is damaged or of another compression.
    """
    try:
        with copy.open("wb") as target, gzip.open(path) if kind == "gz" else zstd.open(path) as source:
            shutil.copyfileobj(source, target, _CHUNK_BYTES)
    except (EOFError, gzip.BadGzipFile, zlib.error, zstd.ZstdError) as error:
        raise ValueError(str(error) or "it ends too early") from error


def header(head: bytes) -> list[str]:
    """Return the names of the first line, as they are written, from the first bytes of a file."""
    text = head.removeprefix(BOM).decode("utf-8", "replace")
    if "\\" in text:
        text = text.replace('\\"', '""')
    row: list[str] = next(csv.reader(io.StringIO(text, newline=""), strict=False), [])
    return [name.strip() for name in row]


def dialect(path: Path) -> Dialect:
    """Return what occurs in a file, by one look at its bytes."""
    quotes = backslashes = returns = feeds = lone_returns = False
    for chunk in _chunks(path):
        quotes = quotes or b'"' in chunk
        backslashes = backslashes or b"\\" in chunk
        if b"\r" in chunk:
            pairs = chunk.count(b"\r\n")
            lone_returns = lone_returns or chunk.count(b"\r") != pairs
            returns = returns or pairs > 0
            feeds = feeds or chunk.count(b"\n") != pairs
        else:
            feeds = feeds or b"\n" in chunk
    return Dialect(quotes, backslashes, not lone_returns and not (returns and feeds))


def _chunks(path: Path) -> Iterator[bytes]:
    """Yield a file's content; a carriage return and its line feed stay together."""
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK_BYTES):
            if chunk.endswith(b"\r"):
                chunk += file.read(1)
            yield chunk


def rewrite(path: Path, copy: Path, quotes: bool) -> None:
    """Write a file as RFC 4180 with line feeds, each record on its old line; quoted cells keep their line ends.

    Args:
        path: a file of any dialect, not empty.
        copy: where to write.
        quotes: whether a cell may be quoted; its backslash escapes become RFC 4180's.
    """
    with copy.open("wb") as target:
        if not quotes:
            for chunk in _chunks(path):
                target.write(chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
            return
        with path.open("rb") as source, mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as content:
            at = 0
            for found in _SPECIAL.finditer(content):
                target.write(content[at : found.start()])
                text = found[0]
                target.write(_unescaped(text) if text.startswith(b'"') else b"\n")
                at = found.end()
            target.write(content[at:])


def _unescaped(text: bytes) -> bytes:
    if b"\\" not in text:
        return text
    return re.sub(rb'\\(["\\])', lambda found: b'""' if found[1] == b'"' else b"\\", text)


def record_lines(
    path: Path, ordinals: Sequence[int], rejected_offsets: Collection[int], records: int, quotes: bool
) -> list[int]:
    """Return the line, from 1, at which each record begins.

    Args:
        path: a file of RFC 4180 with a header.
        ordinals: which records, from 0 and ascending; those that were rejected do not count.
        rejected_offsets: where the rejected ones begin, in bytes.
        records: how many records the file has, the rejected ones included, the header not.
        quotes: whether a cell may be quoted, and so go on in the next line.
    """
    if not ordinals:
        return []
    index = _RecordIndex(path, quotes)
    if index.stray_quotes or index.records != records + 1:  # the other reason is a blank line
        return list(_walked_lines(path, ordinals, frozenset(rejected_offsets)))
    rejected = [index.record_at(offset) for offset in sorted(rejected_offsets)]
    return [index.line_of(_past_rejected(ordinal + 1, rejected)) for ordinal in ordinals]


def _past_rejected(number: int, rejected: Sequence[int]) -> int:
    """Return the record that has ``number`` records before it that are not rejected."""
    record = number
    while (moved := number + bisect_left(rejected, record + 1)) != record:
        record = moved
    return record


@dataclass(frozen=True)
class _Mark:
    """A place in a file: its offset in bytes, how many records and lines end before it, whether it is in quotes."""

    offset: int
    records: int
    lines: int
    quoted: bool


class _RecordIndex:
    """Where the records of a file begin that has no blank lines, and quotes around whole cells only.

    A quote toggles between in and out; two of them, for one in a cell, toggle twice.

    Attributes:
        records: how many there are, the header's included; it is number 0.
        stray_quotes: whether a quote stands within an unquoted cell; then nothing here holds.
    """

    def __init__(self, path: Path, quotes: bool) -> None:
        self._path = path
        self._quotes = quotes
        self.stray_quotes = False
        self._marks: list[_Mark] = []
        mark, last = _Mark(0, 0, 0, False), b"\n"
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(_INDEXED_BYTES):
                self._marks.append(mark)
                mark = self._behind(mark, chunk, last)
                last = chunk[-1:]
        self.records = mark.records + (last != b"\n")

    def _behind(self, mark: _Mark, chunk: bytes, before: bytes = b"") -> _Mark:
        lines = _line_feeds(chunk)
        quoted = mark.quoted
        if self._quotes and b'"' in chunk:
            pieces = chunk.split(b'"')
            outside = b'"'.join(pieces[quoted::2])
            ends = outside.count(b"\n")
            before = b"" if quoted else before
            quoted ^= len(pieces) % 2 == 0
            text = before + outside.removeprefix(BOM if mark.offset == 0 else b"") + b'"' * quoted
            self.stray_quotes = self.stray_quotes or _STRAY.search(text) is not None
        else:
            ends = 0 if quoted else lines
        return _Mark(mark.offset + len(chunk), mark.records + ends, mark.lines + lines, quoted)

    def record_at(self, offset: int) -> int:
        """Return the number of the record that begins at an offset."""
        mark = self._marks[bisect_right(self._marks, offset, key=lambda mark: mark.offset) - 1]
        return self._behind(mark, self._read(mark, offset - mark.offset)).records

    def line_of(self, record: int) -> int:
        """Return the line, from 1, at which a record begins."""
        if not self._quotes or record == 0:
            return record + 1
        mark = self._marks[bisect_left(self._marks, record, key=lambda mark: mark.records) - 1]
        line, wanted, quoted = mark.lines + 1, record - mark.records, mark.quoted
        for piece in self._read(mark, _INDEXED_BYTES).split(b'"'):
            ends = piece.count(b"\n")
            if not quoted and ends >= wanted:
                return line + wanted
            line += ends
            wanted -= 0 if quoted else ends
            quoted = not quoted
        raise ValueError(f"{self._path} has no record {record}")

    def _read(self, mark: _Mark, size_bytes: int) -> bytes:
        with self._path.open("rb", buffering=0) as file:
            file.seek(mark.offset)
            return file.read(size_bytes)


def _walked_lines(path: Path, ordinals: Sequence[int], rejected: frozenset[int]) -> Iterator[int]:
    """Walk the lines, keeping count of the records that begin and of the cells that go on."""
    wanted = iter(ordinals)
    want = next(wanted, None)
    ordinal, offset, quoted, seen_header = -1, 0, False, False
    with path.open("rb") as file:
        for line_number, line in enumerate(file, 1):
            if want is None:
                return
            begins = not quoted and line.strip(b"\r\n") != b""
            if begins and not seen_header:
                seen_header = True
            elif begins and offset not in rejected:
                ordinal += 1
                if ordinal == want:
                    yield line_number
                    want = next(wanted, None)
            if b'"' in line:
                quoted = _quoted_after(line, quoted)
            offset += len(line)


def _quoted_after(line: bytes, quoted: bool) -> bool:
    """Return whether a quoted cell goes on behind this line."""
    at = 0
    while True:
        if not quoted:
            opening = _OPENING.search(line, at)
            if opening is None:
                return False
            at, quoted = opening.end(), True
        at = line.find(b'"', at)
        if at < 0:
            return True
        if line[at + 1 : at + 2] == b'"':
            at += 2
        else:
            at, quoted = at + 1, False


def lines_at(path: Path, offsets: Sequence[int]) -> list[int]:
    """Return the line, from 1, of each byte offset; the offsets are ascending."""
    lines: list[int] = []
    line, at = 1, 0
    with path.open("rb", buffering=0) as file:
        for offset in offsets:
            while at < offset:
                chunk = file.read(min(_CHUNK_BYTES, offset - at))
                if not chunk:
                    break
                line += _line_feeds(chunk)
                at += len(chunk)
            lines.append(line)
    return lines


def _line_feeds(text: bytes) -> int:
    """Count them; three times as fast as ``bytes.count``, which stops at each."""
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == ord("\n")))


def record_start(path: Path, place: int) -> int:
    """Return where a record begins, in bytes from 0.

    Args:
        path: the file.
        place: as DuckDB counts, from 1; it may be the end of the line before, or of blank lines before.
    """
    offset = max(0, place - 1)
    with path.open("rb") as file:
        file.seek(offset)
        while near := file.read(_NEAR_BYTES):
            rest = near.lstrip(b"\r\n")
            offset += len(near) - len(rest)
            if rest:
                break
    return offset
