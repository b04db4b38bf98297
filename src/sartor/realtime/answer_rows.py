"""Answers of many users as JSON, written side by side."""

from collections.abc import Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from sartor.models.base import Int32
from sartor.realtime.catalogue import JsonNames

#: object[users, k], of bytes: each row joined is the answer of a user.
Pieces = NDArray[np.object_]
_BEGIN, _SCORES = b'{"recommendedItems":[', b'],"scores":['


class AnswerRows:
    """Writes answers about the items of one catalogue.

    Args:
        names: the items' ids by row, as JSON.
        reasons: whether answers have reasons, of which the model's own choice has none.
    """

    def __init__(self, names: JsonNames, reasons: bool) -> None:
        self.names = names
        self._following = np.empty(len(names), object)  # names behind others
        self._following[:] = [b",%b" % name for name in names.tolist()]
        self._reasons = reasons

    def pieces(self, rows: Int32, scores: NDArray[np.float64]) -> Pieces:
        """Return object[users, n + 4]: what the answer of each user is joined of.

        Args:
            rows: int32[users, n], n items for everybody.
            scores: float64[users, n].
        """
        users, n = rows.shape
        found = np.empty((users, n + 4), object)
        if not users:
            return found
        numbers = orjson.dumps(np.ascontiguousarray(scores), option=orjson.OPT_SERIALIZE_NUMPY)
        found[:, 0] = _BEGIN
        found[:, 1 : n + 1] = self._following[rows]
        found[:, 1 : min(n, 1) + 1] = self.names[rows[:, :1]]
        found[:, n + 1] = _SCORES
        found[:, n + 2] = numbers[2:-2].split(b"],[")
        found[:, n + 3] = b"]%b}" % self._no_reasons(n)
        return found

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
