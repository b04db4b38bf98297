"""The best items of a row of scores, or of each of many rows."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Bool, Float32, Int32

#: So many groups for each item that is wanted: more are slower to compare, fewer leave more items to sort.
_GROUPS: Final = 5
#: So many times the items that are wanted are looked at before a mask is.
_MASKED: Final = 2
#: Rows with more candidates than so many for each item that is wanted are sorted alone.
_WIDE: Final = 8
_HALF, _LOW, _MAGNITUDE = np.uint64(32), np.uint64(2**32 - 1), np.uint32(2**31 - 1)


def top(scores: Float32, n: int, allowed: Bool | None = None) -> Int32:
    """Return int32[<= n]: the best items, best first; of equal ones the smaller number first.

    Args:
        scores: float32[items].
        n: how many at most.
        allowed: bool[items]; ``None`` allows all.
    """
    candidates = (
        np.flatnonzero(scores >= edges(scores, n)) if allowed is None else _of_allowed(scores, n, allowed)
    )
    order = np.argsort(-scores[candidates], kind="stable")[:n]
    return candidates[order].astype(np.int32)


def _of_allowed(scores: Float32, n: int, allowed: Bool) -> NDArray[np.intp]:
    """Return intp[k]: allowed items among which the ``n`` best of them are, ascending."""
    # so many of the best of all leave enough if a mask is about as likely to allow them as others
    wanted = _MASKED * n * len(allowed) // max(int(np.count_nonzero(allowed)), 1)
    found = np.flatnonzero((scores >= edges(scores, wanted)) & allowed)
    if len(found) >= n or wanted >= len(allowed):
        return found
    found = np.flatnonzero(allowed)
    of_them = scores[found]
    return found[of_them >= edges(of_them, n)]


def top_of_each(scores: Float32, n: int) -> tuple[Int32, Float32]:
    """Return int32[rows, n] and float32[rows, n]: the best items of each row as ``top`` has them, and their scores.

    Where there are fewer, the items are -1 and the scores minus infinity.

    Args:
        scores: float32[rows, items]; what is minus infinity is never chosen.
        n: how many at most, from 1.
    """
    best = BestOfEach(n)
    best.add(scores)
    return best.found()


class BestOfEach:
    """Finds the best items of many rows, of which some are looked at at once: those that fit near the processor.

    Args:
        n: how many a row at most, from 1.
    """

    def __init__(self, n: int) -> None:
        self._n = n
        self._rows = 0
        self._row: list[NDArray[np.intp]] = []
        self._item: list[NDArray[np.integer]] = []
        self._score: list[Float32] = []

    def add(self, scores: Float32, numbers: Int32 | None = None) -> None:
        """Look at the next rows.

        Args:
            scores: float32[rows, items]; what is minus infinity is never chosen.
            numbers: int32[items], ascending, the items' numbers; ``None``: their places.
        """
        rows, items = scores.shape
        flat = np.flatnonzero(scores >= edges(scores, self._n)[:, None])
        row = flat // max(items, 1)
        item = flat - row * items
        many = np.flatnonzero(np.bincount(row, minlength=rows) > _WIDE * self._n + _WIDE)
        if len(many):  # very many equal ones
            row, item = self._sorted_alone(scores, row, item, many)
        self._row.append(row + self._rows)
        self._item.append(item if numbers is None else numbers[item])
        self._score.append(scores[row, item])
        self._rows += rows

    def found(self) -> tuple[Int32, Float32]:
        """Return int32[rows, n] and float32[rows, n], as ``top_of_each`` does, of all rows."""
        found = np.full((self._rows, self._n), -1, np.int32)
        values = np.full((self._rows, self._n), -np.inf, np.float32)
        row = np.concatenate([np.zeros(0, np.intp), *self._row])
        if not len(row):
            return found, values
        item, score = np.concatenate(self._item), np.concatenate(self._score)
        counts = np.bincount(row, minlength=self._rows)
        width = max(int(counts.max()), self._n)
        # one number a candidate, the smaller the better: of equal scores the smaller item
        keys = np.full((self._rows, width), np.iinfo(np.uint64).max)
        starts = np.cumsum(counts) - counts
        keys[row, np.arange(len(row)) - starts[row]] = _descending(score) << _HALF | item.astype(np.uint64)
        keys.sort(axis=1)
        best_of = keys[:, : self._n]
        filled = np.arange(self._n) < counts[:, None]
        np.copyto(found, (best_of & _LOW).astype(np.int32), where=filled)
        np.copyto(values, _scores_of(best_of >> _HALF), where=filled)
        return found, values

    def _sorted_alone(
        self, scores: Float32, row: NDArray[np.intp], item: NDArray[np.intp], many: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return candidates, of the rows ``many`` only the best."""
        best = [top(scores[at], self._n, np.isfinite(scores[at])) for at in many.tolist()]
        kept = ~np.isin(row, many)
        row = np.concatenate([row[kept], np.repeat(many, [len(some) for some in best])])
        item = np.concatenate([item[kept], *best])
        order = np.argsort(row, kind="stable")
        return row[order], item[order]


def _descending(scores: Float32) -> NDArray[np.uint64]:
    """Return uint64[k] below 2 to the 32nd, the smaller the larger a score is."""
    bits = (scores + np.float32(0)).view(np.uint32)  # there is but one zero
    signed = bits >> np.uint32(31) != 0
    return np.where(signed, bits, ~bits & _MAGNITUDE).astype(np.uint64)


def _scores_of(keys: NDArray[np.uint64]) -> Float32:
    """Return float32[...]: the scores of which ``_descending`` has made these."""
    bits = keys.astype(np.uint32)
    signed = bits >> np.uint32(31) != 0
    return np.where(signed, bits, ~bits & _MAGNITUDE).astype(np.uint32).view(np.float32)


def edges(scores: Float32, n: int) -> Float32:
    """Return float32[...]: scores that at least the ``n`` best of float32[..., items] reach, if so many are finite.

    The ``n``-th best of the maxima of groups is such a score, and far quicker to find than the ``n``-th best of all.
    """
    *rows, items = scores.shape
    n = max(n, 1)
    least = np.finfo(np.float32).min
    groups = min(_GROUPS * n, items)
    width = items // max(groups, 1)
    if n >= items:
        return np.full(rows, least, np.float32)
    if width > 1:
        scores = scores[..., : width * groups].reshape(*rows, width, groups).max(axis=-2)
    edges: Float32 = np.partition(scores, scores.shape[-1] - n)[..., scores.shape[-1] - n]
    return np.maximum(edges, least)
