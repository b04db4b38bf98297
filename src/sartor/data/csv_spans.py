"""A large CSV file in spans of bytes that are checked apart; together they are exactly the file.

A record belongs to the span in which it begins. Whether a span begins in a quoted cell is known only when all before it
are read, so each is taken to begin outside; what was wrong, the parity of the quotes before it tells. Files whose
quotes mean something else than to open and close a cell are not taken apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sartor.data.csv_lines import HEADER_BYTES, compression
from sartor.data.csv_records import Places, count, toggles
from sartor.data.input_files import InputFile
from sartor.data.rules import LINE_BYTES

_CHUNK_BYTES: Final = 2**22
#: How much is read at a time behind the end of a span.
TAIL_BYTES: Final = 2**16
_FEED, _QUOTE = b'\n"'


@dataclass(frozen=True)
class Span:
    """Some bytes of a file.

    Attributes:
        first: the first of them.
        behind: the one behind the last.
        header: the file's first line.
        inside: whether it begins in a quoted cell.
    """

    first: int
    behind: int
    header: bytes
    inside: bool = False

    @property
    def size_bytes(self) -> int:
        """How many bytes of the file are its; the header is the first span's."""
        return self.behind - (0 if self.first == len(self.header) else self.first)


@dataclass(frozen=True)
class Cut:
    """What was seen of a span.

    Attributes:
        span: the span.
        start: where the first record begins that does so in it, in bytes of the file.
        end: where the first behind it begins.
        feeds: how many line feeds it has.
        feeds_before: how many of them are before ``start``.
        odd: whether its quotes are an odd number.
        clear: whether all of this is so if it begins as it says.
    """

    span: Span
    start: int
    end: int
    feeds: int
    feeds_before: int
    odd: bool
    clear: bool


def spans(file: InputFile, span_bytes: int) -> list[Span]:
    """Return a file in spans of about so many bytes; none if it is small or must be read as a whole."""
    size_bytes = file.path.stat().st_size  # of files put together it is not what they are in sum
    if size_bytes < 2 * span_bytes or compression(file.uri) is not None:
        return []
    with file.path.open("rb") as opened:
        header, feed, _ = opened.read(HEADER_BYTES).partition(b"\n")
    if not feed or b'"' in header or b"\\" in header or not header.strip():
        return []
    header += feed
    many = size_bytes // span_bytes
    edges = np.linspace(len(header), size_bytes, many + 1).astype(int).tolist()
    return [Span(first, behind, header) for first, behind in pairwise(edges)]


def cut(path: Path, span: Span, target: Path) -> Cut:
    """Write the records that begin in a span to a file of their own, under the header."""
    look = _Look(span)
    with path.open("rb", buffering=0) as file, target.open("wb") as text:
        text.write(span.header)
        file.seek(span.first - 1)
        look.begin(file.read(1))
        while look.goes_on:
            left = span.behind - look.at
            chunk = file.read(min(_CHUNK_BYTES, left) if left > 0 else TAIL_BYTES)
            text.write(look.through(chunk))
    return look.seen()


def wrong(cuts: Sequence[Cut]) -> list[tuple[int, Span]] | None:
    """Return the spans that begin otherwise than was thought, by number; ``None`` if the file is no file of spans."""
    found: list[tuple[int, Span]] = []
    inside = False
    for number, one in enumerate(cuts):
        if inside != one.span.inside:
            found.append((number, replace(one.span, inside=inside)))
        elif not one.clear:
            return None
        inside ^= one.odd
    return found


def fit(cuts: Sequence[Cut]) -> bool:
    """Return whether each span begins where the one before it ends."""
    return all(one.end == after.start for one, after in pairwise(cuts))


def lines_before(cuts: Sequence[Cut]) -> list[int]:
    """Return how many lines of the file are before the records of each span, without the header."""
    before = np.cumsum([0, *(one.feeds for one in cuts[:-1])])
    return [int(lines) + one.feeds_before for lines, one in zip(before, cuts, strict=True)]


class _Look:
    """One way through a span, chunk by chunk."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._inside = span.inside
        self._before = _FEED
        self._feeds = self._feeds_before = self._quotes = 0
        self._start: int | None = None
        self.at = span.first
        self.end: int | None = None
        self.clear = True

    def begin(self, before: bytes) -> None:
        """Take the byte before the span."""
        self._before = before[0] if before else _FEED  # a file that is cut short meanwhile is found out later
        if self._before == _FEED and not self._inside:
            self._start = self._span.first

    @property
    def goes_on(self) -> bool:
        """Whether there is more to read; of a span that is not clear, only its quotes and lines are counted."""
        return self.end is None and (self.clear or self.at < self._span.behind)

    def through(self, chunk: bytes) -> bytes:
        """Return what of the next bytes, which do not cross the end of the span, belongs to its records."""
        at, in_span = self.at, self.at < self._span.behind
        if not chunk:
            self.end = at
            return b""
        content = np.frombuffer(chunk, np.uint8)
        turns = self._turns(content, chunk, in_span)
        outside_at_end = self._inside == (len(turns) % 2 == 1)
        if in_span:
            self._feeds += count(chunk, _FEED)
        from_, upto = 0, len(chunk)
        if self._start is None or not in_span:
            feeds = np.flatnonzero(content == _FEED)
            feeds = feeds[(np.searchsorted(turns, feeds) + self._inside) % 2 == 0]
            if self._start is None:
                from_ = int(feeds[0]) + 1 if len(feeds) else len(chunk)
                self._start = at + from_ if len(feeds) else None
                self._feeds_before += count(chunk[:from_], _FEED)
            if not in_span and len(feeds):
                upto = int(feeds[0]) + 1
        self.at = at + len(chunk)
        self._inside, self._before = not outside_at_end, chunk[-1]
        if in_span:
            ended = self.at == self._span.behind and chunk[-1] == _FEED and outside_at_end
            self.end = self.at if ended else None
        elif upto < len(chunk) or (chunk[-1] == _FEED and outside_at_end):
            self.end = at + upto
        self.clear &= self.at - self._span.behind <= LINE_BYTES + TAIL_BYTES
        return chunk[from_:upto]

    def seen(self) -> Cut:
        """Return what was seen."""
        end = self.at if self.end is None else self.end
        start = end if self._start is None else self._start
        return Cut(self._span, start, end, self._feeds, self._feeds_before, self._quotes % 2 == 1, self.clear)

    def _turns(self, content: NDArray[np.uint8], chunk: bytes, in_span: bool) -> Places:
        """Return where quoted cells begin and end; a quote that does neither makes the span unclear."""
        if b'"' not in chunk:
            return np.zeros(0, np.int64)
        turns = quotes = np.flatnonzero(content == _QUOTE)
        if in_span:
            self._quotes += len(quotes)
        if self.clear:
            turns = toggles(content, quotes, self._before, self._inside)
            self.clear = len(turns) == len(quotes)
        return turns if self.clear else quotes[:0]
