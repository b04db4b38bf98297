"""Scores for whom and what nobody has met: users without a history, items without interactions.

A new user gets what is popular. A new item gets the mean score of the known items that share its rarest tokens,
so it moves with each answer as they do; how far it then stands out is learned where known items stand in for new ones.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Features, Float32, Int32, Int64, Run, TrainingData
from sartor.models.popularity import unique_users

#: Known items that speak for a new one, at most.
_NEIGHBOURS: Final = 20
#: Of an item this many tokens count, the rarest ones.
_TOKENS: Final = 32
#: Pairs of a new and a known item that are looked at, in all; it bounds how many known items speak for a token.
_PAIRS: Final = 40_000_000
_LEAST_HOLDERS, _MOST_HOLDERS = 8, 1_000
_BLOCK_PAIRS: Final = 4_000_000
#: What relates to nothing of a history is scored from minus this much to 0, by popularity.
_UNRELATED: Final = np.float32(1e-4)


class Newcomers:
    """Which items are known, and what stands in for the scores of the others.

    Args:
        n_items: how many items there are.
        arrays: ``known`` int32[known], sorted; ``prior`` float32[known], how many users each had; ``new`` int32[new],
            items that others speak for; ``near`` int32[new, neighbours], who, counted among the known, and
            ``near_weights`` float32[new, neighbours], with a sum of 1.

    Attributes:
        new: int32[new], the items that others speak for.
        unrelated: float32[known], below 0: scores of what no item of a history says anything of, by popularity.
    """

    def __init__(self, n_items: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.n_items = n_items
        self._arrays = dict(arrays)
        self.known: Int32 = np.asarray(arrays["known"])
        self.prior: Float32 = np.asarray(arrays["prior"])
        most = self.prior.max(initial=0) * np.float32(1.01) + np.float32(1e-6)
        self.unrelated: Float32 = -_UNRELATED * (1 - self.prior / most)
        self.new: Int32 = np.asarray(arrays["new"])
        self._near: Int32 = np.ascontiguousarray(arrays["near"].T)
        self._weights: Float32 = np.ascontiguousarray(arrays["near_weights"].T)
        self._place = np.full(n_items, -1, np.int32)
        self._place[self.known] = np.arange(len(self.known), dtype=np.int32)
        self._source = np.maximum(self._place, 0)
        silent = self._place < 0
        silent[self.new] = False
        self._silent = np.flatnonzero(silent)

    @classmethod
    def of(cls, data: TrainingData, run: Run, known: Int32 | None = None) -> Self:
        """Return those of this data.

        Args:
            data: what there is.
            run: how the training runs.
            known: int32[known], which items are known, ascending; ``None``: those with interactions.
        """
        if known is None:
            known = np.flatnonzero(np.bincount(data.histories.items, minlength=data.n_items)).astype(np.int32)
        new, near, weights = _neighbours(data.features, known, data, run)
        arrays = {"known": known, "new": new, "near": near, "near_weights": weights}
        users = unique_users(data.histories, data.n_items)[known]
        return cls(data.n_items, {**arrays, "prior": users.astype(np.float32)})

    @classmethod
    def nobody(cls, n_items: int) -> Self:
        """Return that all items are known, and equally popular."""
        nothing = np.zeros((0, 0), np.int32)
        known, prior = np.arange(n_items, dtype=np.int32), np.zeros(n_items, np.float32)
        near = {"new": nothing[0:0].ravel(), "near": nothing, "near_weights": nothing.astype(np.float32)}
        return cls(n_items, {"known": known, "prior": prior, **near})

    def places(self, items: Int32) -> Int32:
        """Return int32[<= items]: the place of each among the known ones, those that are new left out."""
        found = self._place[items]
        return found[found >= 0]

    def widened(self, scores: Float32, nobody: Float32 | None = None) -> Float32:
        """Return float32[…, items] from float32[…, known]: a new item has the mean of who speaks for it.

        Args:
            scores: of the known ones.
            nobody: float32[…, 1], of a new one that nobody speaks for; ``None`` puts it last.
        """
        return self.joined(scores, self.spoken(scores), nobody)

    def spoken(self, scores: Float32) -> Float32:
        """Return float32[…, new] from float32[…, known]: for each new item the mean of those that speak for it."""
        shape = (*scores.shape[:-1], len(self.new))
        if not len(self.new):
            return np.zeros(shape, np.float32)
        rows = scores.reshape(-1, scores.shape[-1])
        found = np.empty((len(rows), len(self.new)), np.float32)
        # a row at a time: all neighbours of all rows would take too much room
        for row, means in zip(rows, found, strict=True):
            np.einsum("kn,kn->n", row.take(self._near), self._weights, out=means)
        return found.reshape(shape)

    def joined(self, scores: Float32, new: Float32, nobody: Float32 | None = None) -> Float32:
        """Return float32[…, items] from float32[…, known] and float32[…, new]; ``nobody`` as in ``widened``."""
        if len(self.known) == self.n_items:
            return scores
        if not len(self.known):
            return np.zeros((*scores.shape[:-1], self.n_items), np.float32)
        found = scores.take(self._source, axis=-1)
        found[..., self._silent] = scores.min(axis=-1, keepdims=True) if nobody is None else nobody
        found[..., self.new] = new
        return found

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what the constructor takes."""
        return dict(self._arrays)


def lifted(means: Float32, usual: Float32, lift: float) -> Float32:
    """Return float32[…, new]: scores of new items.

    Args:
        means: float32[…, new], of those that speak for each.
        usual: float32[…, 1], the mean score of all known items.
        lift: how far a new item stands out of that, against those that speak for it.
    """
    return means if lift == 1 else usual + np.float32(lift) * (means - usual)


def _neighbours(
    features: Features | None, known: Int32, data: TrainingData, run: Run
) -> tuple[Int32, Int32, Float32]:
    """Return int32[new], int32[new, neighbours] and float32[new, neighbours], by cosine of the tokens' rarity."""
    nobody = (np.zeros(0, np.int32), np.zeros((0, 0), np.int32), np.zeros((0, 0), np.float32))
    if features is None or not len(known) or len(known) == data.n_items:
        return nobody
    holders = np.bincount(features.tokens, minlength=features.n_tokens)
    rarity = np.log1p(data.n_items / np.maximum(holders, 1)).astype(np.float32)
    items, tokens = _rarest(features, rarity)
    norms = np.sqrt(np.bincount(items, rarity[tokens] ** 2, data.n_items)).astype(np.float32)
    is_known = np.zeros(data.n_items, np.bool_)
    is_known[known] = True
    popularity = np.bincount(data.histories.items, minlength=data.n_items)
    place = np.zeros(data.n_items, np.int32)
    place[known] = np.arange(len(known), dtype=np.int32)

    old = is_known[items]
    asked, asked_tokens = items[~old], tokens[~old]
    most = int(np.clip(_PAIRS // max(len(asked), 1), _LEAST_HOLDERS, _MOST_HOLDERS))
    starts, counts, posted = _postings(items[old], tokens[old], popularity, features.n_tokens, most)
    found = []
    for first, end in _blocks(asked, counts[asked_tokens]):
        run.keep_on()
        part = slice(first, end)
        sizes = counts[asked_tokens[part]]
        whom = np.repeat(asked[part], sizes)
        within = np.arange(len(whom)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        who = posted[np.repeat(starts[asked_tokens[part]], sizes) + within]
        worth = np.repeat(rarity[asked_tokens[part]] ** 2, sizes) / norms[who]
        found.append(_nearest(whom, who, worth, data.n_items))
    pairs = [np.concatenate(parts) for parts in zip(*found, strict=True)] if found else []
    if not pairs or not len(pairs[0]):
        return nobody
    whom, who, worth, rank = pairs
    new, row = np.unique(whom, return_inverse=True)
    near = np.zeros((len(new), int(rank.max()) + 1), np.int32)
    weights = np.zeros(near.shape, np.float32)
    near[row, rank], weights[row, rank] = place[who], worth
    return new.astype(np.int32), near, weights / weights.sum(axis=1, keepdims=True)


def _rarest(features: Features, rarity: Float32) -> tuple[Int32, Int32]:
    """Return int32[kept] each, by item: the items and their tokens, each once, of each item the rarest."""
    lengths = np.diff(features.offsets)
    items = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
    codes = np.unique(items * features.n_tokens + features.tokens)
    items, tokens = codes // features.n_tokens, codes % features.n_tokens
    order = np.lexsort((tokens, -rarity[tokens], items))
    items, tokens = items[order], tokens[order]
    kept = _rank(items) < _TOKENS
    return items[kept].astype(np.int32), tokens[kept].astype(np.int32)


def _postings(
    items: Int32, tokens: Int32, popularity: NDArray[np.intp], n_tokens: int, most: int
) -> tuple[Int64, NDArray[np.intp], Int32]:
    """Return for each token where its holders begin, how many there are, and all holders, the most popular ones."""
    order = np.lexsort((items, -popularity[items], tokens))
    items, tokens = items[order], tokens[order]
    kept = _rank(tokens) < most
    counts = np.bincount(tokens[kept], minlength=n_tokens)
    return np.cumsum(counts) - counts, counts, items[kept]


def _nearest(whom: Int32, who: Int32, worth: Float32, n_items: int) -> tuple[Int64, Int64, Float32, Int64]:
    """Return of each asked item the best pairs: whom, who, how near, and the rank from 0."""
    codes = whom.astype(np.int64) * n_items + who
    order = np.argsort(codes)
    codes, worth = codes[order], worth[order]
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    if len(starts):
        codes, worth = codes[starts], np.add.reduceat(worth, starts)
    whom_once, who_once = codes // n_items, codes % n_items
    # one key is sorted far sooner than three: the bits of floats above 0 are in the order of the floats
    keys = (whom_once << 32) - worth.view(np.int32)
    order = np.argsort(keys, kind="stable")
    whom_once, who_once, worth = whom_once[order], who_once[order], worth[order]
    rank = _rank(whom_once)
    kept = rank < _NEIGHBOURS
    return whom_once[kept], who_once[kept], worth[kept], rank[kept]


def _rank(groups: NDArray[np.integer[Any]]) -> Int64:
    """Return int64[all]: the place of each in its group from 0; equal ones lie together."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    sizes = np.diff(np.append(starts, len(groups)))
    return np.arange(len(groups), dtype=np.int64) - np.repeat(starts, sizes)


def _blocks(asked: Int32, sizes: NDArray[np.intp]) -> list[tuple[int, int]]:
    """Return ranges of the asked tokens with about so many pairs, no item in two of them."""
    if not len(asked):
        return []
    numbers = np.cumsum(sizes) // _BLOCK_PAIRS
    numbers = numbers[np.searchsorted(asked, asked)]  # all of an item go where its first token goes
    edges = np.append(np.flatnonzero(np.diff(numbers, prepend=-1)), len(asked)).tolist()
    return list(pairwise(edges))
