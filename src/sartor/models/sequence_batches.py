"""Histories cut into pieces of one window and put into batches of equal size."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from sartor.models.base import Float32, Histories, Int32, Int64

#: Positions of a batch, those that pad included.
BATCH_POSITIONS: Final = 2_048


@dataclass(frozen=True)
class Batch:
    """Pieces of histories side by side, padded on the right: causal attention never looks there.

    Attributes:
        inputs: int64[pieces, length]; the number after the last item is the start of a history.
        filled: int64[targets], the flat positions that have a target.
        targets: int64[targets], the item that comes next at each.
        weights: float32[targets], how much each counts: 1 in all, or 0 if nothing counts.
    """

    inputs: Int64
    filled: Int64
    targets: Int64
    weights: Float32

    def split(self, n: int) -> list["Batch"]:
        """Return at most ``n`` parts of about equally many pieces; they keep their weights."""
        pieces, length = self.inputs.shape
        bounds = np.linspace(0, pieces, min(n, pieces) + 1).astype(np.int64)
        cuts = np.searchsorted(self.filled, bounds * length)
        return [
            Batch(
                self.inputs[first:end],
                self.filled[cut:last] - first * length,
                self.targets[cut:last],
                self.weights[cut:last],
            )
            for first, end, cut, last in zip(bounds, bounds[1:], cuts, cuts[1:], strict=False)
        ]


class Batches:
    """What an epoch goes through; the cuts and the order are others in each.

    Args:
        histories: who interacted with what.
        n_items: how many items there are.
        window: how many positions a piece has at most.
    """

    def __init__(self, histories: Histories, n_items: int, window: int) -> None:
        lengths = histories.lengths
        known = lengths > 0
        self._lengths = lengths[known]
        self._window = window
        # Each history with the start before it: a piece from a to b has inputs [a, b) and targets [a + 1, b + 1).
        self._first = np.concatenate([[0], np.cumsum(self._lengths + 1)[:-1]]).astype(np.int64)
        total = int(self._lengths.sum() + len(self._lengths))
        self._items: Int32 = np.full(total, n_items, np.int32)
        is_item = np.ones(total, np.bool_)
        is_item[self._first] = False
        self._items[is_item] = histories.items
        self._weights: Float32 | None = None
        if histories.weights is not None:
            self._weights = np.zeros(total, np.float32)
            self._weights[is_item] = histories.weights
        self.positions = int(self._lengths.sum())

    def epoch(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield all targets once, in batches of pieces that are about equally long."""
        starts, lengths = self._pieces(rng)
        order = np.argsort(lengths + rng.random(len(lengths)), kind="stable")
        bounds = _bounds(lengths[order])
        for at in rng.permutation(len(bounds) - 1):
            chosen = order[bounds[at] : bounds[at + 1]]
            yield self._batch(starts[chosen], lengths[chosen])

    def _pieces(self, rng: np.random.Generator) -> tuple[Int64, Int64]:
        """Return int64[pieces], int64[pieces]: first positions and lengths; long histories are cut anywhere."""
        window, lengths = self._window, self._lengths
        head = np.where(lengths > window, rng.integers(1, window + 1, len(lengths)), lengths)
        counts = 1 + -(-(lengths - head) // window)
        owner = np.repeat(np.arange(len(lengths)), counts)
        number = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        begin = np.where(number > 0, head[owner] + (number - 1) * window, 0)
        end = np.minimum(head[owner] + number * window, lengths[owner])
        return self._first[owner] + begin, end - begin

    def _batch(self, starts: Int64, lengths: Int64) -> Batch:
        steps = np.arange(lengths.max())
        filled = steps < lengths[:, None]  # bool[pieces, length]
        at = np.where(filled, starts[:, None] + steps, starts[:, None])
        flat = np.flatnonzero(filled)
        following = at.ravel()[flat] + 1
        weights = np.ones(len(flat), np.float32) if self._weights is None else self._weights[following]
        total = weights.sum()
        return Batch(
            inputs=self._items[at].astype(np.int64),
            filled=flat,
            targets=self._items[following].astype(np.int64),
            weights=weights / total if total > 0 else weights,
        )


def _bounds(lengths: Int64) -> Int64:
    """Return int64[batches + 1]: where each batch begins, of pieces that come by length, the shortest first."""
    bounds = [0]
    while bounds[-1] < len(lengths):
        first = bounds[-1]
        # the most pieces whose longest, the last, fits that often: the padded size only grows with the number
        ahead = lengths[first : first + BATCH_POSITIONS]
        padded = ahead * np.arange(1, len(ahead) + 1)
        bounds.append(first + max(int(np.searchsorted(padded, BATCH_POSITIONS, side="right")), 1))
    return np.asarray(bounds)
