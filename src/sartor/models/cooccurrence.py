"""Which items lie near each other in histories: counted item by item, so no more than a block is held at once."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Bool, Float32, Histories, Int32, Int64, Run

#: Pairs that are counted together.
_BLOCK_PAIRS: Final = 4_000_000
#: Cells of a block of whole rows; with fewer pairs than a quarter of all cells, sorting them is faster.
_BLOCK_CELLS: Final = 8_000_000
_DENSE_SHARE: Final = 0.25


class Cells(NamedTuple):
    """Pairs of different items, each once, sorted by the first and then the second.

    Attributes:
        first: int64[cells], the item that others are near to.
        second: int64[cells], the other one.
        values: float64[cells], how much nearness there is in all.
        counts: int64[cells], how often they were near each other.
    """

    first: Int64
    second: Int64
    values: NDArray[np.float64]
    counts: Int64


def cells(histories: Histories, n_items: int, kernel: Float32, run: Run) -> Iterator[Cells]:
    """Yield the cells of all items, some whole items at a time, in ascending order.

    Args:
        histories: who interacted with what; the weight of the second item counts.
        n_items: how many items there are.
        kernel: float32[2, lags]: what a pair counts whose second item is 1, 2, … steps later, and earlier.
        run: is told how far it is, and may stop it.

    Raises:
        Stopped: the run says so.
    """
    items = histories.items
    users = histories.users.astype(np.int32)
    order = np.argsort(items, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(items, minlength=n_items))])
    lags = kernel.shape[1]
    dense = 2 * lags * len(items) >= _DENSE_SHARE * n_items * n_items
    for first, end in _blocks(starts, n_items, max(_BLOCK_PAIRS // (2 * lags), 1), dense):
        run.progress({"phase": "counting pairs", "items": first, "of": n_items})
        places = order[starts[first] : starts[end]]
        parts = _pairs(places, histories, users, kernel, run)
        yield _counted(parts, first, end, n_items, dense or end == first + 1)


def shared(histories: Histories, n_items: int, asked: Bool, run: Run) -> Iterator[Cells]:
    """Yield the cells of some items by how many histories they share with others, at whatever distance, in order.

    Args:
        histories: of sets: an item is at most once in each.
        n_items: how many items there are.
        asked: bool[items], those whose cells are wanted.
        run: may stop it.

    Raises:
        Stopped: the run says so.
    """
    places = np.flatnonzero(asked[histories.items])
    places = places[np.argsort(histories.items[places], kind="stable")]
    starts = np.concatenate([[0], np.cumsum(np.bincount(histories.items[places], minlength=n_items))])
    lengths = histories.lengths
    user = histories.users[places]
    pairs = lengths[user]
    dense = pairs.sum() >= _DENSE_SHARE * n_items * n_items
    mean = max(int(pairs.mean()), 1) if len(pairs) else 1
    for first, end in _blocks(starts, n_items, max(_BLOCK_PAIRS // mean, 1), dense):
        part = slice(starts[first], starts[end])
        found = _sharing(places[part], user[part], histories, n_items, run)
        if dense or end == first + 1:
            codes, counts = _counted_codes(found, first * n_items, (end - first) * n_items)
        else:
            codes, counts = np.unique(np.concatenate([places[:0], *found]), return_counts=True)
        if len(codes):
            yield Cells(codes // n_items, codes % n_items, counts.astype(np.float64), counts)


def _counted_codes(parts: Iterator[Int64], first: int, size: int) -> tuple[Int64, Int64]:
    """Return int64[cells], ascending, and int64[cells]: numbers from ``first`` on, and how often each is there."""
    table = np.zeros(size, np.int64)
    for codes in parts:
        table += np.bincount(codes - first, minlength=size)
    found = np.flatnonzero(table)
    return found + first, table[found]


def _sharing(places: Int64, users: Int64, histories: Histories, n_items: int, run: Run) -> Iterator[Int64]:
    """Yield int64[pairs], first item × items + second item, of the histories of the users at these places."""
    begins, lengths = histories.offsets[users], histories.lengths[users]
    ends = np.cumsum(lengths)
    first = 0
    while first < len(places):
        run.keep_on()
        before = ends[first - 1] if first else 0
        last = max(int(np.searchsorted(ends, before + _BLOCK_PAIRS, "right")), first + 1)
        some = slice(first, last)
        count = lengths[some]
        # the places of all items of each history, one history after the other
        at = np.repeat(begins[some] - (np.cumsum(count) - count), count) + np.arange(count.sum())
        one = histories.items[places[some]].astype(np.int64)
        codes = np.repeat(one * n_items, count) + histories.items[at]
        yield codes[codes != np.repeat(one * (n_items + 1), count)]
        first = last


def _blocks(starts: Int64, n_items: int, most: int, dense: bool) -> Iterator[tuple[int, int]]:
    """Yield ranges of items with at most so many interactions or, if dense, so many cells; at least one item."""
    first = 0
    while first < n_items:
        if dense:
            end = first + _BLOCK_CELLS // n_items
        else:
            end = int(np.searchsorted(starts, starts[first] + most, "right")) - 1
        end = min(max(end, first + 1), n_items)
        yield first, end
        first = end


def _pairs(
    places: Int64, histories: Histories, users: Int32, kernel: Float32, run: Run
) -> Iterator[tuple[Int64, Int64, Float32]]:
    """Yield first items, second items and values of the pairs whose first ones lie at these places."""
    lags = kernel.shape[1]
    step = max(_BLOCK_PAIRS // (2 * lags), 1)
    for begin in range(0, len(places), step):
        run.keep_on()
        part = places[begin : begin + step]
        found: list[tuple[Int64, Int64, Float32]] = []
        for lag in (*range(-lags, 0), *range(1, lags + 1)):
            other = part + lag
            inside = (other >= 0) & (other < len(users))
            inside[inside] = users[part[inside]] == users[other[inside]]
            one, other = part[inside], other[inside]
            value = np.full(len(one), kernel[int(lag < 0), abs(lag) - 1], np.float32)
            if histories.weights is not None:
                value *= histories.weights[other]
            found.append(
                (histories.items[one].astype(np.int64), histories.items[other].astype(np.int64), value)
            )
        firsts, seconds, values = (np.concatenate(column) for column in zip(*found, strict=True))
        differ = firsts != seconds
        yield firsts[differ], seconds[differ], values[differ]


def _counted(
    parts: Iterator[tuple[Int64, Int64, Float32]], first: int, end: int, n_items: int, dense: bool
) -> Cells:
    """Return the sums over all pairs of the items from ``first`` to ``end``."""
    if dense:
        size = (end - first) * n_items
        sums, times = np.zeros(size), np.zeros(size, np.int64)
        for one, other, value in parts:
            codes = (one - first) * n_items + other
            sums += np.bincount(codes, value, size)
            times += np.bincount(codes, minlength=size)
        codes = np.flatnonzero(times)
        return Cells(first + codes // n_items, codes % n_items, sums[codes], times[codes])
    whole = list(parts)
    if not whole:
        nothing = np.zeros(0, np.int64)
        return Cells(nothing, nothing, np.zeros(0), nothing)
    one, other, value = (np.concatenate(column) for column in zip(*whole, strict=True))
    codes, place, counts = np.unique(one * n_items + other, return_inverse=True, return_counts=True)
    values = np.bincount(place, value.astype(np.float64), len(codes)).astype(np.float64)
    return Cells(codes // n_items, codes % n_items, values, counts.astype(np.int64))
