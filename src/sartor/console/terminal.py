"""What a terminal shows: tables, charts of bars, and lines that are drawn over themselves while something runs.

Texts carry their styles as they are; ``click.echo`` takes them out where no terminal reads them.
"""

import os
import re
import shutil
import sys
import time
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Final, TextIO

import click

_GAP: Final = "  "
#: How many cells a line may take where there is no terminal: in a log, in a file.
_COLUMNS_OF_A_FILE: Final = 120
#: No column becomes narrower, even if the table does not fit then; names and words first become as narrow as this.
_NARROWEST: Final = 8
_NARROW_WORDS: Final = 16
#: Where a name is broken that is too long, after one of these.
_SEAMS: Final = "-_/.:@,="
_BAR_CELLS: Final = 40
_GAUGE_CELLS: Final = 24
_EIGHTHS: Final[tuple[str, ...]] = ("", *"▏▎▍▌▋▊▉")
#: Categories of characters that would move the cursor or break a line, and of those that take no cell.
_COMMANDS: Final = ("Cc", "Cs", "Zl", "Zp")
_NO_CELL: Final = ("Mn", "Me", "Cf")
_REDRAW_SECONDS: Final = 0.1


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    title: str = "",
    align: str = "",
    bold_rows: Collection[int] = (),
    bold_columns: Collection[int] = (),
) -> str:
    """Return a table that is no wider than the terminal: what does not fit goes on below, in its column.

    Args:
        headings: one for each column, or none at all.
        rows: their cells; what a terminal would take as a command is shown as an escape.
        title: stands above the table.
        align: ``<`` or ``>`` for each column, as in a format specification; those that it lacks are to the left.
        bold_rows: counted from 0, without the headings.
        bold_columns: counted from 0, without their headings.
    """
    head, *body = [[visible(cell) for cell in row] for row in (headings, *rows)]
    columns = list(zip(*([head, *body] if head else body), strict=True))
    align = align.ljust(len(columns), "<")
    widths = _fitting([max(map(_cells, column)) for column in columns], align)
    lines = [click.style(title, bold=True)] if title else []
    if head:
        lines += _row(head, widths, align, [False] * len(widths))
        lines.append(_GAP.join("─" * width for width in widths))
    for at, row in enumerate(body):
        bold = [at in bold_rows or column in bold_columns for column in range(len(widths))]
        lines += _row(row, widths, align, bold)
    return "\n".join(lines)


def chart(title: str, counts: Sequence[tuple[str, float]], numbers: Sequence[str] = ()) -> str:
    """Return a bar for each label; the longest is the largest count's, which must not be 0.

    Args:
        title: stands above it.
        counts: from 0, with their labels.
        numbers: the words behind each bar; none are the counts.
    """
    most = max(count for _, count in counts)
    labels, numbers = [label for label, _ in counts], numbers or [f"{count:,}" for _, count in counts]
    room = _columns() - max(map(_cells, labels)) - max(map(len, numbers)) - 2 * len(_GAP)
    bars = [_bar(count / most, max(min(room, _BAR_CELLS), _NARROWEST)) for _, count in counts]
    return table((), zip(labels, bars, numbers, strict=True), title=title, align="<<>")


def _bar(share: float, length: int) -> str:
    """Return a bar of a share from 0 to 1 of a length in cells; what is not nothing shows an eighth at least."""
    full, eighths = divmod(max(round(8 * length * min(share, 1.0)), int(share > 0)), 8)
    return "█" * full + _EIGHTHS[eighths]


def gauges(running: Iterable[tuple[str, float, str]]) -> str:
    """Return a line for each of what runs: its name, the share from 0 to 1 that is done, and words about it."""
    shown = list(running)
    names = max((len(name) for name, _, _ in shown), default=0)
    return "\n".join(
        f"{name:<{names}}  {_bar(share, _GAUGE_CELLS):░<{_GAUGE_CELLS}}  {min(share, 1.0):>4.0%}  {words}".rstrip()
        for name, share, words in shown
    )


class Progress:
    """Text that is drawn over what it was, and is gone at the end; where no terminal shows it, nothing is drawn.

    Args:
        stream: where to; default: stdout.

    Attributes:
        watched: whether a terminal shows it.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self.watched = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._above = 0
        self._due = 0.0

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self.watched:
            self._draw("")

    def show(self, text: str) -> None:
        """Draw the text, its lines cut at the end of the terminal's; what comes too soon after another is left out."""
        if not self.watched or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + _REDRAW_SECONDS
        # The stream's own terminal, as stdout may be none; one that does not know its width says 0.
        room = os.get_terminal_size(self._stream.fileno()).columns or 80
        self._draw("\n".join(line[: _fits(line, room)] for line in text.splitlines()))

    def _draw(self, text: str) -> None:
        """Write over the lines that were drawn, and keep the cursor in the last one."""
        up = f"\x1b[{self._above}A" if self._above else ""
        self._stream.write(f"\r{up}\x1b[J{text}")
        self._stream.flush()
        self._above = text.count("\n")


def _columns() -> int:
    """Return how many cells a line may take: those of the terminal, or of ``COLUMNS``."""
    return shutil.get_terminal_size((_COLUMNS_OF_A_FILE, 0)).columns


def _row(row: Sequence[str], widths: Sequence[int], align: str, bold: Sequence[bool]) -> Iterator[str]:
    """Yield the lines of a row."""
    wrapped = [_wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
    for line in zip_longest(*wrapped, fillvalue=""):
        placed = []
        for text, width, side, is_bold in zip(line, widths, align, bold, strict=True):
            blank = " " * (width - _cells(text))
            shown = click.style(text, bold=True) if is_bold and text else text
            placed.append(blank + shown if side == ">" else shown + blank)
        yield _GAP.join(placed).rstrip()


def _fitting(widths: list[int], align: str) -> list[int]:
    """Return the widths of columns, the widest ones narrowed until the line fits the terminal: words before numbers."""
    room = _columns() - len(_GAP) * (len(widths) - 1)
    words = [at for at, side in enumerate(align[: len(widths)]) if side == "<"]
    for among, least in ((words, _NARROW_WORDS), (range(len(widths)), _NARROWEST)):
        while sum(widths) > room:
            widest = max(among, key=widths.__getitem__, default=None)
            if widest is None or widths[widest] <= least:
                break
            widths[widest] -= 1
    return widths


def _wrapped(text: str, width: int) -> list[str]:
    """Return the lines of a text: broken at a space where there is one, else at a seam of a name, else in the word."""
    lines = []
    while _cells(text) > width:
        end = _fits(text, width)
        space = text.rfind(" ", 0, end + 1)
        seam = max(text.rfind(seam, end // 2, end) for seam in _SEAMS) + 1
        at = space if space > 0 else seam or end
        lines.append(text[:at].rstrip())
        text = text[at:].lstrip()
    return [*lines, text]


def fitted(text: str, stream: TextIO | None = None) -> str:
    """Return a text whose sentences are broken between words where a terminal would break them anywhere.

    What goes on is indented below where it began. A word that is longer than a line, such as an ARN, stays whole to
    be copied; where no terminal shows it, the text stays as it is.

    Args:
        text: of lines, with styles or without.
        stream: where it goes; default: stdout.
    """
    if not (stream or sys.stdout).isatty():
        return text
    return "\n".join(line for whole in text.split("\n") for line in _broken(whole, _columns()))


def _broken(line: str, width: int) -> list[str]:
    if _cells(click.unstyle(line)) <= width:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()) + len(_GAP))
    lines, now = [], ""
    for word in re.findall(r"\s*\S+", line):
        if now and _cells(click.unstyle(now + word)) > width:
            lines.append(now)
            now, word = indent, word.lstrip()
        now += word
    return [*lines, now]


def _fits(text: str, width: int) -> int:
    """Return how many of a text's characters fit into so many cells; one at least."""
    taken = 0
    for at, character in enumerate(text):
        taken += _cells_of(character)
        if taken > width:
            return max(at, 1)
    return len(text)


def _cells(text: str) -> int:
    """Return how many cells of a terminal a text without styles takes; a Chinese character takes two."""
    return len(text) if text.isascii() else sum(map(_cells_of, text))


def _cells_of(character: str) -> int:
    if unicodedata.category(character) in _NO_CELL:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def visible(text: str) -> str:
    """Return a text with escapes for what a terminal would obey."""
    if text.isprintable():
        return text
    return "".join(
        repr(character)[1:-1] if unicodedata.category(character) in _COMMANDS else character
        for character in text
    )
