"""CSV as users have it: what the bytes of a file say before DuckDB parses them.

DuckDB knows RFC 4180. What else occurs (backslash escapes in quoted cells, single carriage returns) is rewritten to
it, line by line, so that line numbers stay what the user sees. Everything here reads a file piece by piece.
"""

import csv
import io
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sartor.data.csv_records import BOM, count, toggles
from sartor.data.rules import LINE_BYTES

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: A header must fit into this many bytes, and have at most so many columns.
HEADER_BYTES: Final = 2**20
MAXIMUM_COLUMNS: Final = 1_000
_CHUNK_BYTES: Final = 2**22
_PIECE_BYTES: Final = 2**20
_PACKED_BYTES: Final = 2**16
#: Zstandard's own limit for those who do not ask for more: 128 MiB.
_WINDOW_LOG: Final = 27
_FEED, _RETURN, _QUOTE, _BACKSLASH = b'\n\r"\\'


@dataclass(frozen=True)
class Dialect:
    """What occurs anywhere in a file.

    Attributes:
        quotes: whether a cell may be quoted.
        backslashes: whether there is a backslash; in a quoted cell it escapes.
        one_line_end: whether every line may end alike: with a line feed, or with a carriage return and one.
        lines: how many line feeds there are, and one for a last line without.
        long_lines: the first of the lines that are longer than a line may be, from 1.
    """

    quotes: bool
    backslashes: bool
    one_line_end: bool
    lines: int
    long_lines: tuple[int, ...]

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
            return _zstd_stream().decompress(head, HEADER_BYTES)
        return head
    except (zlib.error, zstd.ZstdError) as error:
        raise ValueError(str(error)) from error


def pieces(path: Path, kind: str | None) -> Iterator[bytes]:
    """Yield a file's content, unpacked; some pieces may be empty, so that whoever counts them is heard.

    Raises:
        ValueError: the file is damaged or of another compression.
    """
    with path.open("rb", buffering=0) as file:
        try:
            yield from _READERS[kind](file)
        except (zlib.error, zstd.ZstdError) as error:
            raise ValueError(str(error)) from error


def _plain(file: io.RawIOBase) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk


def _gunzipped(file: io.RawIOBase) -> Iterator[bytes]:
    """Yield what members hold that follow each other; zeros may follow the last."""
    stream, members = None, 0
    while packed := file.read(_PACKED_BYTES):
        while packed:
            if stream is None:
                packed = packed.lstrip(b"\0") if members else packed
                if not packed:
                    break
                stream, members = zlib.decompressobj(wbits=31), members + 1
            yield stream.decompress(packed, _PIECE_BYTES)
            packed = stream.unused_data if stream.eof else stream.unconsumed_tail
            stream = None if stream.eof else stream
        yield b""
    if stream is not None:
        raise ValueError("it ends too early")


def _unpacked_zstd(file: io.RawIOBase) -> Iterator[bytes]:
    """Yield what frames hold that follow each other."""
    stream = None
    while packed := file.read(_PACKED_BYTES):
        while packed or (stream is not None and not stream.needs_input):
            stream = _zstd_stream() if stream is None else stream
            yield stream.decompress(packed, _PIECE_BYTES)
            packed = stream.unused_data if stream.eof else b""
            stream = None if stream.eof else stream
        yield b""
    if stream is not None:
        raise ValueError("it ends too early")


def _zstd_stream() -> zstd.ZstdDecompressor:
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG})


_READERS: Final[Mapping[str | None, Callable[[io.RawIOBase], Iterator[bytes]]]] = {
    None: _plain,
    "gz": _gunzipped,
    "zst": _unpacked_zstd,
}


def header(head: bytes) -> list[str]:
    """Return the names of the first line, as they are written, from the first bytes of a file.

    Raises:
        ValueError: it is no line of names.
    """
    if len(head) >= HEADER_BYTES and b"\n" not in head and b"\r" not in head:
        raise ValueError(f"its first line is longer than {HEADER_BYTES:,} bytes")
    line = re.match(rb'(?:"[^"]*+"|[^"\r\n]++)*+', head.removeprefix(BOM))
    try:
        text = line[0].decode("utf-8") if line else ""
    except UnicodeDecodeError as error:
        raise ValueError("its header is not UTF-8") from error
    if "\\" in text:
        text = text.replace('\\"', '""')
    try:
        row: list[str] = next(csv.reader(io.StringIO(text, newline=""), strict=False), [])
    except csv.Error as error:
        raise ValueError(f"its first line is no header: {error}") from error
    return [name.strip() for name in row]


class Look:
    """One look at the bytes of a file, piece by piece."""

    def __init__(self) -> None:
        self._quotes = self._backslashes = False
        self._returns = self._pairs = self._feeds = 0
        self._last = b"\n"
        self._size = 0
        self._start = 0  # of the line that goes on
        self._in_long = False
        self._long: list[int] = []

    def at(self, piece: bytes) -> None:
        """Look at the next piece."""
        if not piece:
            return
        self._quotes = self._quotes or b'"' in piece
        self._backslashes = self._backslashes or b"\\" in piece
        if b"\r" in piece:
            self._returns += piece.count(b"\r")
            self._pairs += piece.count(b"\r\n")
        self._pairs += self._last == b"\r" and piece.startswith(b"\n")
        self._measure_lines(piece)
        self._feeds += count(piece, _FEED)
        self._size += len(piece)
        self._last = piece[-1:]

    def dialect(self) -> Dialect:
        """Return what was seen."""
        alike = self._returns == self._pairs and self._pairs in (0, self._feeds)
        lines = self._feeds + (self._last != b"\n")
        return Dialect(self._quotes, self._backslashes, alike, lines, tuple(self._long))

    def _measure_lines(self, piece: bytes) -> None:
        """Jump from line feed to line feed, as far as a line may be long."""
        at = self._start - self._size
        while True:
            if self._in_long:
                end = piece.find(b"\n", max(at, 0))
                if end < 0:
                    break
                at, self._in_long = end + 1, False
            limit = at + LINE_BYTES + 2  # its own end may be two bytes
            if limit > len(piece):
                break
            end = piece.rfind(b"\n", max(at, 0), max(limit, 0))
            if end < 0:
                self._long.append(1 + self._feeds + count(piece[: max(at, 0)], _FEED))
                self._in_long = True
                at = limit
            else:
                at = end + 1
        self._start = self._size + at


def rewritten(content: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a file as RFC 4180 with line feeds, each record on its old line; quoted cells keep their line ends.

    Args:
        content: of a file of any dialect; backslash escapes in quoted cells become RFC 4180's.
    """
    state = _Rewriting()
    begun, head = False, b""
    for piece in content:
        if not begun:
            head += piece
            if len(head) < len(BOM):
                yield b""
                continue
            begun = True
            yield head[: len(BOM)] if head.startswith(BOM) else b""
            piece = head.removeprefix(BOM)
        for start in range(0, len(piece), _PIECE_BYTES):
            yield state.rewrite(piece[start : start + _PIECE_BYTES])
    yield state.rewrite(b"" if begun else head, ended=True)


class _Rewriting:
    """What is known at the end of one piece for the next."""

    def __init__(self) -> None:
        self._held = b""  # a byte whose meaning the next one says
        self._before = _FEED
        self._inside = False

    def rewrite(self, piece: bytes, ended: bool = False) -> bytes:
        """Return the next piece as RFC 4180."""
        text = self._held + piece
        self._held = b""
        if not text:
            return b""
        content = np.frombuffer(text, np.uint8)
        escapes = _escapes(content)
        if not ended and (text[-1] == _RETURN or (len(escapes) and escapes[-1] == len(text) - 1)):
            self._held, content = text[-1:], content[:-1]
            escapes = escapes[escapes < len(content)]
        if not len(content):
            return b""
        escaped = np.zeros(len(content) + 1, bool)
        escaped[escapes + 1] = True
        quotes = np.flatnonzero(content == _QUOTE)
        turns = toggles(content, quotes[~escaped[quotes]], self._before, self._inside)
        result, dropped = content.copy(), np.zeros(len(content), bool)
        within = escapes[self._are_inside(escapes, turns)]
        follows = np.append(content, np.uint8(0))[within + 1]
        result[within[follows == _QUOTE]] = _QUOTE
        dropped[within[follows == _BACKSLASH]] = True
        returns = np.flatnonzero(content == _RETURN)
        returns = returns[~self._are_inside(returns, turns)]
        paired = np.append(content, np.uint8(0))[returns + 1] == _FEED
        dropped[returns[paired]] = True
        result[returns[~paired]] = _FEED
        self._inside ^= len(turns) % 2 == 1
        stray = content[-1] == _QUOTE and (not len(turns) or turns[-1] != len(content) - 1)
        self._before = 0 if stray else int(content[-1])
        return (result[~dropped] if dropped.any() else result).tobytes()

    def _are_inside(self, places: NDArray[np.int64], turns: NDArray[np.int64]) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = (np.searchsorted(turns, places) + self._inside) % 2 == 1
        return found


def _escapes(content: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the backslashes that escape what follows: of those in a row the first, the third and so on."""
    places = np.flatnonzero(content == _BACKSLASH)
    if not len(places):
        return places
    begins = np.ones(len(places), bool)
    begins[1:] = places[1:] != places[:-1] + 1
    numbers = np.arange(len(places))
    escaping: NDArray[np.int64] = places[
        (numbers - np.maximum.accumulate(np.where(begins, numbers, 0))) % 2 == 0
    ]
    return escaping
