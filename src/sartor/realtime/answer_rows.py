"""Answers of many users as JSON, written side by side."""

from collections.abc import Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from sartor.models.base import Int32
from sartor.realtime.catalogue import JsonNames


class AnswerRows:
    """Writes answers about the items of one catalogue.

    Args:
        names: the items' ids by row, as JSON.
        reasons: whether answers have reasons, of which the model's own choice has none.
    """

    def __init__(self, names: JsonNames, reasons: bool) -> None:
        self.names = names
        self._reasons = reasons

    def written(self, rows: Int32, scores: NDArray[np.float64]) -> list[bytes]:
        """Return the answer of each user.

        Args:
            rows: int32[users, n], n items for everybody.
            scores: float64[users, n].
        """
        if not len(rows):
            return []
        names = map(b",".join, self.names[rows].tolist())
        numbers = orjson.dumps(np.ascontiguousarray(scores), option=orjson.OPT_SERIALIZE_NUMPY)
        said = self._no_reasons(rows.shape[1])
        return [
            b'{"recommendedItems":[%b],"scores":[%b]%b}' % (*one, said)
            for one in zip(names, numbers[2:-2].split(b"],["), strict=True)
        ]

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
