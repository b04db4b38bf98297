"""Histories cut into pieces of one window and put into batches of equal size."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from sartor.models.base import Float32, Histories, Int32, Int64

#: Of so many users at most, and a tenth of all, the last item says after each epoch how good a model is.
_HELD_OUT_USERS, _HELD_OUT_SHARE = 1_000, 10
#: Fewer say nothing.
_LEAST_HELD_OUT: Final = 100
_BLOCK_POSITIONS: Final = 8_192


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
        most: positions of a batch, those that pad included; one piece may have more.
    """

    def __init__(self, histories: Histories, n_items: int, window: int, most: int) -> None:
        self._most = most
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
        bounds = _bounds(lengths[order], self._most)
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


@dataclass(frozen=True)
class Questions:
    """Last items that are held out, and the histories before them, the newest of a window.

    Attributes:
        histories: of the users who are asked about.
        window: how many items of a history count.
    """

    histories: Histories
    window: int

    def __len__(self) -> int:
        """Return how many there are."""
        return self.histories.n_users

    def blocks(self, n_items: int, most: int) -> Iterator[tuple[Int64, Int64, Int64, Int64]]:
        """Yield some questions at a time, those with short histories first.

        Args:
            n_items: how many items there are; it is the number of the start.
            most: how many questions at most.

        Yields:
            int64[questions], which they are; int64[questions, length], inputs that are padded on the right;
            int64[questions], the last position of each; int64[questions], the items that are asked for.
        """
        ends = self.histories.offsets[1:] - 1
        lengths = np.minimum(
            self.histories.lengths, self.window
        )  # the start takes the place of the last item
        order = np.argsort(lengths, kind="stable")
        first = 0
        while first < len(order):
            ahead = lengths[order[first : first + most]]
            padded = ahead * np.arange(1, len(ahead) + 1)
            count = max(int(np.searchsorted(padded, _BLOCK_POSITIONS, side="right")), 1)
            chosen = order[first : first + count]
            length = lengths[chosen][:, None]
            steps = np.arange(int(length.max()))
            at = ends[chosen, None] - length + steps
            inputs = np.full(at.shape, n_items, np.int64)
            # a history that fills the window has no start, as in training
            is_item = (steps < length) & (at >= self.histories.offsets[:-1][chosen, None])
            inputs[is_item] = self.histories.items[at[is_item]]
            yield chosen, inputs, length[:, 0] - 1, self.histories.items[ends[chosen]].astype(np.int64)
            first += count


def held_out(histories: Histories, window: int, seed: int) -> tuple[Histories, Questions | None]:
    """Return what is learned from, and what is asked after each epoch; ``None`` where too few could be.

    Args:
        histories: who interacted with what.
        window: how many items of a history count.
        seed: of who is asked about.
    """
    able = np.flatnonzero(histories.lengths >= 3)
    n = min(_HELD_OUT_USERS, len(able) // _HELD_OUT_SHARE)
    if n < _LEAST_HELD_OUT:
        return histories, None
    asked = np.zeros(histories.n_users, np.int64)
    asked[np.random.default_rng(seed).choice(able, n, replace=False)] = 1
    some = histories.kept(np.repeat(asked > 0, histories.lengths))
    offsets = np.concatenate([[0], some.offsets[1:][asked > 0]])
    return histories.without_last(asked), Questions(
        Histories(some.items, offsets, some.times, some.weights), window
    )


def _bounds(lengths: Int64, most: int) -> Int64:
    """Return int64[batches + 1]: where each batch begins, of pieces that come by length, the shortest first."""
    bounds = [0]
    while bounds[-1] < len(lengths):
        first = bounds[-1]
        # the most pieces whose longest, the last, fits that often: the padded size only grows with the number
        ahead = lengths[first : first + most]
        padded = ahead * np.arange(1, len(ahead) + 1)
        bounds.append(first + max(int(np.searchsorted(padded, most, side="right")), 1))
    return np.asarray(bounds)
