"""The best items of a large catalogue without a look at all of them.

Items are grouped by k-means and laid out group by group; a query scores the groups, then exactly the items of the
most promising ones, which lie together. How many groups that takes is measured when the index is made.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Float32, Int32, Int64
from sartor.models.best import top

#: Below this many items the product with all of them is quick enough.
LEAST_ITEMS: Final = 100_000
#: Of the best ``_CALIBRATED_TOP`` items this share must be in the groups that are looked at.
_RECALL: Final = 0.997
_CALIBRATED_TOP: Final = 100
#: More groups than the calibration asks for, since its queries are a sample.
_MARGIN: Final = 1.15
#: An index that looks at a larger share of the items is not worth it.
_MOST_SHARE: Final = 0.35
#: How much the spread of a group may count beside its mean; the calibration takes the best.
_SPREADS: Final = (0.0, 1.0, 2.0, 3.0, 4.0)
_SAMPLE_PER_GROUP: Final = 100
_ROUNDS: Final = 8
_BLOCK_FLOATS: Final = 1 << 24


class Index:
    """Items laid out by group.

    Args:
        arrays: ``items`` float32[items, d] and ``bias`` float32[items], group after group; ``order`` int32[items], the
            number of each; ``bounds`` int64[groups + 1]; ``centres`` float32[groups, d], ``offsets`` and ``spreads``
            float32[groups]: the promise of a group is ``centres @ state + offsets + spreads * norm of the state``;
            ``probes`` int64[1], how many groups are looked at.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._arrays = dict(arrays)
        self._items, self._bias, self._order = (
            np.asarray(arrays[name]) for name in ("items", "bias", "order")
        )
        self._centres, self._offsets = np.array(arrays["centres"]), np.array(arrays["offsets"])
        self._spreads, self._bounds = np.array(arrays["spreads"]), np.array(arrays["bounds"])
        self.probes = int(arrays["probes"][0])

    def search(self, state: Float32, size: int) -> tuple[Int32, Float32]:
        """Return int32[k] and float32[k]: items and their exact scores, the best first.

        Args:
            state: float32[d], what the items are multiplied by.
            size: how many are wanted; fewer come only if there are fewer.
        """
        promise = _promise(self._centres, self._offsets, self._spreads, state[None])[0]
        probes = self.probes
        while True:
            chosen = np.sort(np.argpartition(-promise, min(probes, len(promise)) - 1)[:probes])
            starts, ends = self._runs(chosen)
            if (ends - starts).sum() >= min(size, len(self._order)):
                break
            probes *= 2
        scores = np.empty((ends - starts).sum(), np.float32)
        places = np.concatenate([[0], np.cumsum(ends - starts)])
        for start, end, place in zip(starts.tolist(), ends.tolist(), places.tolist(), strict=False):
            part = scores[place : place + end - start]
            np.dot(self._items[start:end], state, out=part)
            part += self._bias[start:end]
        # of equals ``top`` would take the first that lie there: their order is the items' within a group only
        best = top(scores, size)
        run = np.searchsorted(places, best, side="right") - 1
        items = self._order[starts[run] + best - places[run]]
        by_score = np.lexsort((items, -scores[best]))
        return items[by_score].astype(np.int32), scores[best][by_score]

    def rows_of(self, items: Int32) -> tuple[Float32, Float32]:
        """Return float32[k, d] and float32[k]: the rows of some items and their biases."""
        at = self._places[items]
        return self._items[at], self._bias[at]

    @cached_property
    def _places(self) -> Int32:
        """int32[items]: where each item lies."""
        places = np.empty_like(self._order)
        places[self._order] = np.arange(len(places), dtype=np.int32)
        return places

    def _runs(self, chosen: Int64) -> tuple[Int64, Int64]:
        """Return where the groups begin and end, those that lie side by side as one."""
        apart = np.flatnonzero(np.diff(chosen) != 1)
        starts = self._bounds[chosen[np.concatenate([[0], apart + 1])]]
        ends = self._bounds[chosen[np.concatenate([apart, [len(chosen) - 1]])] + 1]
        return starts, ends

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what the constructor takes."""
        return dict(self._arrays)

    @classmethod
    def made(
        cls,
        items: Float32,
        bias: Float32,
        states: Float32,
        seed: int = 0,
        keep_on: Callable[[], None] = lambda: None,
    ) -> Self | None:
        """Return an index, or ``None`` if none would be cheaper than the product with all items.

        Args:
            items: float32[items, d].
            bias: float32[items].
            states: float32[some, d], such as queries will have; a few hundred.
            seed: of the grouping.
            keep_on: called now and then; may raise.
        """
        rng = np.random.default_rng(seed)
        groups = _grouped(items, rng, keep_on)  # int64[items]
        order = np.argsort(groups, kind="stable")
        order, sizes = order.astype(np.int32), np.bincount(groups)
        sizes = sizes[sizes > 0]
        bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        laid, laid_bias = items[order], bias[order]
        centres = (np.add.reduceat(laid, bounds[:-1], axis=0) / sizes[:, None]).astype(np.float32)
        offsets = (np.add.reduceat(laid_bias, bounds[:-1]) / sizes).astype(np.float32)
        # float32[groups]: how far the scores of a group stray from their mean, for a state of length 1
        squares = np.add.reduceat(np.einsum("ij,ij->i", laid, laid), bounds[:-1]) / sizes
        inner = squares - np.einsum("ij,ij->i", centres, centres)
        deviations: Float32 = np.sqrt(np.maximum(inner, 0) / items.shape[1]).astype(np.float32)
        ranked = {}
        best = _best_groups(laid, laid_bias, bounds, states, keep_on)  # int64[states, top]
        for spread in _SPREADS:
            promise = _promise(centres, offsets, np.float32(spread) * deviations, states)
            ranks = np.argsort(np.argsort(-promise, axis=1), axis=1)
            needed = np.quantile(np.take_along_axis(ranks, best, axis=1), _RECALL, method="higher")
            ranked[spread] = int(np.ceil((needed + 1) * _MARGIN))
        spread = min(ranked, key=lambda one: ranked[one])
        if ranked[spread] > _MOST_SHARE * len(sizes):
            return None
        return cls(
            {
                "items": laid,
                "bias": laid_bias,
                "order": order,
                "bounds": bounds,
                "centres": centres,
                "offsets": offsets,
                "spreads": np.float32(spread) * deviations,
                "probes": np.array([ranked[spread]]),
            }
        )


def _promise(centres: Float32, offsets: Float32, spreads: Float32, states: Float32) -> Float32:
    """Return float32[states, groups]: the higher, the sooner a group is looked at."""
    norms = np.sqrt(np.einsum("ij,ij->i", states, states))
    found: Float32 = states @ centres.T
    found += offsets
    found += norms[:, None] * spreads
    return found


def _grouped(items: Float32, rng: np.random.Generator, keep_on: Callable[[], None]) -> Int64:
    """Return int64[items], the group of each: k-means, as many groups as the root of the items."""
    groups = max(int(len(items) ** 0.5), 1)
    chosen = rng.choice(len(items), min(len(items), groups * _SAMPLE_PER_GROUP), replace=False)
    sample = items[np.sort(chosen)]
    centres = sample[rng.choice(len(sample), groups, replace=False)].copy()
    for _ in range(_ROUNDS):
        nearest = _nearest(sample, centres, keep_on)
        order = np.argsort(nearest, kind="stable")
        starts = np.flatnonzero(np.diff(nearest[order], prepend=-1))
        filled = nearest[order][starts]
        counts = np.diff(np.append(starts, len(order)))
        centres[filled] = np.add.reduceat(sample[order], starts, axis=0) / counts[:, None]
        empty = np.setdiff1d(np.arange(groups), filled)
        centres[empty] = sample[rng.choice(len(sample), len(empty))]
    return _nearest(items, centres, keep_on)


def _nearest(items: Float32, centres: Float32, keep_on: Callable[[], None]) -> Int64:
    """Return int64[items]: the nearest centre of each."""
    half_squares = np.einsum("ij,ij->i", centres, centres) / 2
    step = max(_BLOCK_FLOATS // len(centres), 1)
    found = np.empty(len(items), np.int64)
    for first in range(0, len(items), step):
        keep_on()
        close = items[first : first + step] @ centres.T
        close -= half_squares
        found[first : first + step] = close.argmax(axis=1)
    return found


def _best_groups(
    items: Float32, bias: Float32, bounds: Int64, states: Float32, keep_on: Callable[[], None]
) -> Int64:
    """Return int64[states, top]: the groups in which each state's best items lie."""
    n = min(_CALIBRATED_TOP, len(items))
    found = np.empty((len(states), n), np.int64)
    step = max(_BLOCK_FLOATS // len(items), 1)
    for first in range(0, len(states), step):
        keep_on()
        scores = states[first : first + step] @ items.T
        scores += bias
        places = np.argpartition(scores, len(items) - n, axis=1)[:, -n:]
        found[first : first + step] = np.searchsorted(bounds, places, side="right") - 1
    return found
