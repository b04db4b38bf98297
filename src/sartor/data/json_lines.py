"""Files of JSON lines, one question a line: read in stretches of whole lines, whatever their size and content.

The stretches of a file are always the same, so a job that begins again knows which of them are answered. Source: the
guide's "Preparing input data for batch recommendations".
"""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

#: A line may have so many bytes; the longest ranking, of 500 ids of 256 characters, takes half of it.
MOST_LINE_BYTES: Final = 2**20
#: About how many bytes of input are answered before the answers are kept for good: a part of the file, within bounds.
STRETCH_BYTES: Final = 2**20
_LEAST_STRETCH_BYTES: Final = 2**17
_STRETCHES: Final = 64
_CHUNK_BYTES: Final = 2**20
#: What some editors put before the first line.
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_LINE_END: Final = ord("\n")
#: The line of a file of answers, with the question as it came.
_BEFORE, _BETWEEN, _BEHIND = b'{"input":', b',"output":', b',"error":null}\n'
#: So many characters of a line that cannot be read are shown.
_SHOWN: Final = 200


class Line(NamedTuple):
    """One line that is not empty.

    Attributes:
        number: its number in the file, from 1.
        text: its bytes without white space around them; one that is too long is cut behind ``MOST_LINE_BYTES``.
    """

    number: int
    text: bytes


class Block(NamedTuple):
    """Some whole lines of a file, one after the other.

    Attributes:
        first: the number of the first one.
        text: all of them; of one that is far too long, no more than shows it.
    """

    first: int
    text: bytes

    def lines(self) -> list[Line]:
        """Return those that are not empty."""
        lines = (Line(number, _line(text)) for number, text in enumerate(self.texts(), self.first))
        return [line for line in lines if line.text]

    def texts(self) -> list[bytes]:
        """Return all of them as they are, without their ends."""
        return self.text.removesuffix(b"\n").split(b"\n")


class Answered(NamedTuple):
    """A line and its answer.

    Attributes:
        line: the question; only one that is a JSON object has an answer.
        output: the answer as JSON; ``None`` if there is none.
        reason: why there is none.
    """

    line: Line
    output: bytes | None
    reason: str = ""


class Written(NamedTuple):
    """The answers to a block of lines.

    Attributes:
        lines: how many are answered, or refused.
        answers: a line of a file of answers for each of them.
        faults: a line of a file of errors for each that is refused.
    """

    lines: int
    answers: bytes
    faults: bytes


class Stretch(NamedTuple):
    """Some whole lines of a file.

    Attributes:
        begin: of its first line, in bytes.
        end: behind its last line, in bytes.
        first: the number of its first line.
        lines: how many there are, empty ones too.
    """

    begin: int
    end: int
    first: int
    lines: int


class UnreadableLine(Exception):  # noqa: N818 - it says what the line is
    """A line asks nothing that can be answered; the message is for who wrote it."""


def stretch_bytes(size_bytes: int) -> int:
    """Return the size of the stretches of a file: so small that all who answer them end at about the same time."""
    return min(STRETCH_BYTES, max(size_bytes // _STRETCHES, _LEAST_STRETCH_BYTES))


def stretches(
    file: Path, stretch_bytes: int, keep_on: Callable[[], None] = lambda: None
) -> Iterator[Stretch]:
    """Yield the stretches of a file, in order; there is none of an empty one.

    Args:
        file: a local file.
        stretch_bytes: one ends with the first line that ends behind so many bytes; at most ``STRETCH_BYTES``.
        keep_on: called several times a second; what it raises ends the work.
    """
    assert stretch_bytes <= STRETCH_BYTES, "blocks reads no more of one"
    begin, first, lines, at, last = 0, 1, 0, 0, b"\n"
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            keep_on()
            start = 0
            while (edge := chunk.find(b"\n", max(begin + stretch_bytes - 1 - at, start))) >= 0:
                lines += chunk.count(b"\n", start, edge + 1)
                start = edge + 1
                yield Stretch(begin, at + start, first, lines)
                begin, first, lines = at + start, first + lines, 0
            lines += chunk.count(b"\n", start)
            at, last = at + len(chunk), chunk[-1:]
    if at > begin:
        yield Stretch(begin, at, first, lines + (last != b"\n"))


def blocks(file: Path, stretch: Stretch, most: int) -> Iterator[Block]:
    """Yield the lines of a stretch, up to ``most`` at once.

    Args:
        file: a local file.
        stretch: of this file.
        most: lines of a block.
    """
    with file.open("rb") as stream:
        stream.seek(stretch.begin)
        # only a last line that is too long can lie behind that, and of it enough is read to see that it is
        text = stream.read(min(stretch.end - stretch.begin, STRETCH_BYTES + MOST_LINE_BYTES + 2))
    begin = len(_BYTE_ORDER_MARK) if not stretch.begin and text.startswith(_BYTE_ORDER_MARK) else 0
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == _LINE_END)[most - 1 :: most] + 1
    for first, end in zip(itertools.count(stretch.first, most), [*ends.tolist(), len(text)], strict=False):
        if begin < end:
            yield Block(first, text[begin:end])
        begin = end


def texts_of(block: Block, member: str) -> list[str] | None:
    """Return the one member of each line, if all lines are objects of one text and nothing else; else ``None``.

    It is the short way for the usual case: a text with an escape goes the long one.
    """
    plain = re.compile(rf'^\{{[ \t]*"{member}"[ \t]*:[ \t]*"([^"\\\x00-\x1f]+)"[ \t]*\}}$', re.MULTILINE)
    text = block.text.removesuffix(b"\n")
    try:
        found: list[str] = plain.findall(text.decode())
    except UnicodeDecodeError:
        return None
    return found if len(found) == text.count(b"\n") + 1 else None


def read(line: Line) -> dict[str, Any]:
    """Return the object that a line is.

    Raises:
        UnreadableLine: it is none.
    """
    if len(line.text) > MOST_LINE_BYTES:
        raise UnreadableLine(f"The line has more than {MOST_LINE_BYTES:,} bytes.")
    try:
        found = orjson.loads(line.text)
    except orjson.JSONDecodeError as error:
        raise UnreadableLine(f"The line is not valid JSON: {error}.") from error
    if not isinstance(found, dict):
        raise UnreadableLine('The line is not a JSON object, such as {"userId": "1"}.')
    return found


def answer(answered: Answered) -> bytes:
    """Return the line of a file of answers: the question, and its answer or why there is none."""
    line, output, reason = answered
    if output is None:
        return b'{"input":%b,"output":null,"error":%b}\n' % (_shown(line), orjson.dumps(reason))
    return b"".join((_BEFORE, line.text, _BETWEEN, output, _BEHIND))


def written(every: Iterable[Answered]) -> Written:
    """Return the answers to some lines as they are written."""
    every = list(every)
    faults = (fault(one) for one in every if one.output is None)
    return Written(len(every), b"".join(map(answer, every)), b"".join(faults))


def written_plainly(block: Block, pieces: NDArray[np.object_]) -> Written:
    """Return the answers to a block of which ``texts_of`` has read each line, all of which have one.

    Args:
        block: the lines.
        pieces: object[lines, k], of bytes: a row joined is an answer as JSON.
    """
    lines, k = pieces.shape
    found = np.empty((lines, k + 4), object)
    found[:, 0], found[:, 2], found[:, -1] = _BEFORE, _BETWEEN, _BEHIND
    found[:, 1] = block.texts()
    found[:, 3:-1] = pieces
    return Written(lines, b"".join(found.ravel().tolist()), b"")


def fault(answered: Answered) -> bytes:
    """Return the line of a file of errors: which line of the input has no answer, and why."""
    line, _, reason = answered
    return b'{"line":%d,"input":%b,"error":%b}\n' % (line.number, _shown(line), orjson.dumps(reason))


def _line(text: bytes) -> bytes:
    """Return a line's bytes as ``Line`` has them."""
    return text.strip() if len(text) <= MOST_LINE_BYTES else text[: MOST_LINE_BYTES + 1]


def _shown(line: Line) -> bytes:
    """Return a line as JSON: as it is, or if it is no object, the beginning of it as a text."""
    try:
        read(line)
    except UnreadableLine:
        return orjson.dumps(line.text[: 4 * _SHOWN].decode("utf-8", "replace")[:_SHOWN])
    return line.text
