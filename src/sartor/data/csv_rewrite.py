"""Any CSV rewritten so that each record is one line of RFC 4180, with a map back to the user's lines.

In quoted cells a doubled quote and a quote behind a backslash are both one quote; other backslashes stay. Line
ends inside cells become marks that occur nowhere else in the file, which the reader turns back. Records whose
quotes do not end are left out and told. Memory is bounded: one chunk, one record, and the first broken records.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from sartor.data.csv_text import (
    CHUNK_BYTES,
    LINE_END,
    MAXIMUM_RECORD_BYTES,
    Header,
    Record,
    record,
    unquoted,
)

#: How many broken records are kept with their line and text.
KEPT_BROKEN: Final = 10_000
_KEPT_TEXT_BYTES = 2_000
_PAIR_BYTES = 16

_EASY_CELL = rb'(?:"(?:[^"\\\r\n]|"")*+"(?=[,\r\n])|[^",\r\n]*+)'
# As many lines as possible that need no care.
_EASY_LINES = re.compile(rb"(?:" + _EASY_CELL + rb"(?:," + _EASY_CELL + rb")*+(?:\r\n|\n|\r))++")
_BLANK_LINES = re.compile(rb"(?:\A|(?<=\n))\n+")


@dataclass(frozen=True)
class Rewritten:
    """What a rewritten file is.

    Attributes:
        marks: what stands for a line feed and a carriage return inside cells; None if none occurs.
        broken: how many records were left out.
        kept: line, rule and text of the first of them.
        breaks: the file of pairs (record, line) where the lines do not just go on.
    """

    marks: tuple[str, str] | None
    broken: int
    kept: tuple[tuple[int, str, str], ...]
    breaks: Path

    def lines(self, records: Sequence[int]) -> Iterator[int]:
        """Yield the user's line of each record, which are numbered from 0 and ascending."""
        first, line = 0, 0
        with self.breaks.open("rb") as file:
            following = _pair(file)
            for number in records:
                while following is not None and following[0] <= number:
                    first, line = following
                    following = _pair(file)
                yield line + number - first


def _pair(file: IO[bytes]) -> tuple[int, int] | None:
    """Return the next pair of a file of pairs."""
    read = file.read(_PAIR_BYTES)
    return (int.from_bytes(read[:8], "little"), int.from_bytes(read[8:], "little")) if read else None


def rewrite(path: Path, header: Header, copy: Path, breaks: Path) -> Rewritten:
    """Write the records of a file to ``copy``, without the header.

    Args:
        path: the file.
        header: its header, behind which the records begin.
        copy: the file to write.
        breaks: the file for the map of lines.
    """
    marks = _unused_marks(path)
    with path.open("rb", buffering=0) as source, copy.open("wb") as target, breaks.open("wb") as pairs:
        source.seek(header.end)
        writer = _Writer(source, target, pairs, marks, header.lines + 1)
        writer.run()
    used = tuple(mark.decode() for mark in marks) if writer.uses_marks else None
    kept = tuple(writer.kept)
    return Rewritten((used[0], used[1]) if used else None, writer.broken, kept, breaks)


def _unused_marks(path: Path) -> tuple[bytes, bytes]:
    """Return two characters for private use that the file does not have."""
    candidates = (chr(code).encode() for code in range(0xE00A, 0xF8FF))
    first, second = (mark for mark, _ in zip(_absent(path, candidates), range(2), strict=False))
    return first, second


def _absent(path: Path, candidates: Iterator[bytes]) -> Iterator[bytes]:
    """Yield those of some short texts that do not occur in a file."""
    for candidate in candidates:
        rest = b""
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK_BYTES):
                if candidate in rest + chunk:
                    break
                rest = chunk[-len(candidate) :]
            else:
                yield candidate


@dataclass
class _Writer:
    """The state of one rewriting: what is read but not yet written, and where that is."""

    source: IO[bytes]
    target: IO[bytes]
    pairs: IO[bytes]
    marks: tuple[bytes, bytes]
    line: int
    records: int = 0
    broken: int = 0
    uses_marks: bool = False
    kept: list[tuple[int, str, str]] = field(default_factory=list)
    text: bytes = b""
    is_all: bool = False
    _expected_line: int = 0

    def run(self) -> None:
        """Write every record."""
        self.fill()
        at = 0
        while True:
            easy = _EASY_LINES.match(self.text, at, self._safe_end())
            if easy is not None:
                self.write_lines(easy[0])
                at = easy.end()
            if at < len(self.text):
                at = self.write_record(at)
            if at >= len(self.text) or len(self.text) - at < MAXIMUM_RECORD_BYTES:
                if self.is_all and at >= len(self.text):
                    return
                if not self.is_all and len(self.text) - at < CHUNK_BYTES // 4:
                    self.text = self.text[at:]
                    at = 0
                    self.fill()

    def _safe_end(self) -> int:
        """Return up to where lines are surely whole: a return at the very end may belong to a line feed."""
        return len(self.text) - (not self.is_all and self.text.endswith(b"\r"))

    def fill(self) -> None:
        """Read on."""
        chunk = self.source.read(CHUNK_BYTES)
        self.text += chunk
        self.is_all = not chunk

    def write_lines(self, lines: bytes) -> None:
        """Write lines that are records already, but for their ends and the blank ones between them."""
        if b"\r" in lines:
            lines = lines.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        written = 0
        for blank in _BLANK_LINES.finditer(lines):
            self._write_whole(lines[written : blank.start()])
            self.line += blank.end() - blank.start()
            written = blank.end()
        self._write_whole(lines[written:])

    def _write_whole(self, lines: bytes) -> None:
        count = lines.count(b"\n")
        if count:
            self._place()
            self.target.write(lines)
            self._advance(count, count)

    def write_record(self, at: int) -> int:
        """Write one record that needs care, and return where the next line begins."""
        found = record(self.text, at, is_all=self.is_all)
        while found is None and not self.is_all and len(self.text) - at <= MAXIMUM_RECORD_BYTES:
            self.fill()
            found = record(self.text, at, is_all=self.is_all)
        if found is None or found.is_broken:
            return self._leave_out(at, found)
        end = self._line_end(found.end)
        if found.cells == (b"",):  # a blank line that ends with the file
            self.line += 1
            return end
        lines = len(LINE_END.findall(self.text, at, end)) or 1
        self._place()
        self.target.write(b",".join(map(self._cell, found.cells)) + b"\n")
        self._advance(1, lines)
        return end

    def _line_end(self, at: int) -> int:
        """Return where the line end at a place ends."""
        if not self.is_all and at + 2 > len(self.text):
            self.fill()
        line_end = LINE_END.match(self.text, at)
        return at if line_end is None else line_end.end()

    def _cell(self, cell: bytes) -> bytes:
        """Return one cell as RFC 4180 in one line."""
        if b'"' not in cell:
            return cell
        content = unquoted(cell).replace(b'"', b'""')
        if b"\n" in content or b"\r" in content:
            self.uses_marks = True
            content = content.replace(b"\n", self.marks[0]).replace(b"\r", self.marks[1])
        return b'"' + content + b'"'

    def _leave_out(self, at: int, found: Record | None) -> int:
        """Count a broken record; go on behind its line, or behind its first if its quote never ends."""
        first = LINE_END.search(self.text, at)
        if found is not None:
            end = self._line_end(found.end)
        else:
            end = len(self.text) if first is None else self._line_end(first.start())
        if len(self.kept) < KEPT_BROKEN:
            shown = self.text[at : len(self.text) if first is None else first.start()][:_KEPT_TEXT_BYTES]
            self.kept.append((self.line, "BROKEN_QUOTES", shown.decode("utf-8", "replace")))
        self.broken += 1
        self.line += len(LINE_END.findall(self.text, at, end)) or 1
        return end

    def _place(self) -> None:
        """Remember the next record's line if it is not the one behind the last record's."""
        if self.line != self._expected_line:
            self.pairs.write(self.records.to_bytes(8, "little") + self.line.to_bytes(8, "little"))

    def _advance(self, records: int, lines: int) -> None:
        """Count records; of several records each has one line."""
        self.records += records
        self._expected_line = self.line + records
        self.line += lines
