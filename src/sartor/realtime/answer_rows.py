"""Answers of many users as JSON, written side by side: a matrix of bytes, of which the empty ones are dropped."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import orjson
from numpy.typing import NDArray

from sartor.models.base import Int32

Bytes = NDArray[np.uint8]
#: Ids that are longer than this in JSON are written one by one: the matrix would be mostly empty.
_LONGEST_NAME: Final = 64
#: Scores have seven digits after the point: one and three of them, then four.
_UNITS: Final = 10_000_000
_HALF: Final = 10_000
_COMMA, _POINT = np.uint8(ord(",")), np.uint8(ord("."))


def _digits(*, stripped: bool, least: int = 0) -> Bytes:
    """Return uint8[10000, 4]: every number of four digits, as text; perhaps without zeros behind ``least`` digits."""
    texts = (f"{number:04d}" for number in range(_HALF))
    if stripped:
        texts = ((text[:least] + text[least:].rstrip("0")).ljust(4, "\0") for text in texts)
    return np.frombuffer("".join(texts).encode(), np.uint8).reshape(_HALF, 4)


#: The last four digits of a score; the four before them, then the same where those end the score.
_LAST: Final = _digits(stripped=True)
_FIRST: Final = np.concatenate([_digits(stripped=False), _digits(stripped=True, least=2)])


class AnswerRows:
    """Writes answers about the items of one catalogue.

    Args:
        names: the items' ids by row.
        reasons: whether answers have reasons, of which the model's own choice has none.
    """

    def __init__(self, names: Sequence[str], reasons: bool) -> None:
        self.names = [orjson.dumps(name) for name in names]
        self._reasons = reasons
        longest = max(map(len, self.names), default=0)
        self._matrix: Bytes | None = None
        if longest <= _LONGEST_NAME:
            padded = b"".join((b"," + name).ljust(longest + 1, b"\0") for name in self.names)
            self._matrix = np.frombuffer(padded, np.uint8).reshape(len(self.names), longest + 1)

    def written(self, rows: Int32, scores: NDArray[np.float64]) -> list[bytes]:
        """Return the answer of each user.

        Args:
            rows: int32[users, n], n items for everybody.
            scores: float64[users, n], from 0 to 1, rounded to seven digits.
        """
        if self._matrix is None or not rows.size:
            pairs = zip(rows.tolist(), scores.tolist(), strict=True)
            return [self.one(items, values) for items, values in pairs]
        users, n = rows.shape
        names = self._matrix[rows].reshape(users, -1)
        numbers = _numbers(scores).reshape(users, -1)
        names[:, 0] = numbers[:, -1] = 0  # the commas before the first and behind the last
        fixed = [b'{"recommendedItems":[', b'],"scores":[', b"]" + self._no_reasons(n) + b"}"]
        head, middle, tail = (
            np.broadcast_to(np.frombuffer(text, np.uint8), (users, len(text))) for text in fixed
        )
        text = np.concatenate([head, names, middle, numbers, tail], axis=1)
        kept = text != 0
        flat = text[kept].tobytes()
        ends = [0, *np.cumsum(np.count_nonzero(kept, axis=1)).tolist()]
        return [flat[begin:end] for begin, end in pairwise(ends)]

    def one(
        self, rows: Sequence[int], scores: Sequence[float | None], reasons: Sequence[str | None] | None = None
    ) -> bytes:
        """Return one answer.

        Args:
            rows: its items.
            scores: of each; ``None`` if it has none.
            reasons: of each; ``None`` if none has one.
        """
        names = b",".join([self.names[row] for row in rows])
        said = self._no_reasons(len(rows))
        if reasons is not None and self._reasons:
            said = b',"reasons":%b' % orjson.dumps([[] if one is None else [one] for one in reasons])
        return b'{"recommendedItems":[%b],"scores":%b%b}' % (names, orjson.dumps(scores), said)

    def _no_reasons(self, n: int) -> bytes:
        return b',"reasons":[%b]' % b",".join([b"[]"] * n) if self._reasons else b""


def _numbers(scores: NDArray[np.float64]) -> Bytes:
    """Return uint8[users, n, 10]: scores as text, each with a comma; what need not be written is 0."""
    units = np.rint(scores * _UNITS).astype(np.uint32)
    high = units // _HALF
    low = units - high * _HALF
    high += np.uint32(_HALF) * (low == 0)
    text = np.empty((*scores.shape, 10), np.uint8)
    first = _FIRST[high]
    text[..., 0], text[..., 1], text[..., 2:5] = first[..., 0], _POINT, first[..., 1:]
    text[..., 5:9], text[..., 9] = _LAST[low], _COMMA
    return text
