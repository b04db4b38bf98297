"""How often items followed each other in histories, near ones counting more: exact, whatever the catalogue's size.

A small catalogue is counted as a table of all pairs. Pairs of a larger one are sorted in blocks and merged; where the
cells of all items do not fit the memory, some items are counted at a time, each with all its pairs, so what an item
keeps are its strongest successors and no others.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Float32, Histories, Int32, Int64, Run, TrainingData
from sartor.models.newcomers import Newcomers

#: Interactions whose pairs are sorted together.
_BLOCK_INTERACTIONS: Final = 500_000
#: Cells that are counted at a time, at most; 12 bytes each, and as much again while they are merged.
_CELLS: Final = 48_000_000
#: Cells that all items keep, at most; 8 bytes each. A catalogue of millions keeps fewer successors of each item.
_KEPT: Final = 100_000_000
#: So many items are counted in a table of all pairs, where nothing need be sorted.
_TABLE_ITEMS: Final = 4_096
#: Cells of whole rows that are sorted together.
_SORTED_TOGETHER: Final = 2**21

#: Cells ``earlier * known + later``, sorted, and their values.
_Cells = tuple[Int64, Float32]
Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Counts:
    """How often known items followed each other.

    Attributes:
        newcomers: which items are known.
        starts: int64[known + 1]: what followed item ``i`` is ``successors[starts[i]:starts[i + 1]]``.
        successors: int32[cells], ascending for each item.
        values: float32[cells].
        rows: float64[known], the sums over what came later, of all cells there were.
        columns: float64[known], the sums over what came before.
    """

    newcomers: Newcomers
    starts: Int64
    successors: Int32
    values: Float32
    rows: Float64
    columns: Float64

    @classmethod
    def of(cls, data: TrainingData, lags: int, successors: int, run: Run) -> Self:
        """Return what several models of the same lags are made of.

        Args:
            data: what is counted.
            lags: how far apart two items of a history may lie; a pair counts ``1 / its distance``.
            successors: that an item keeps, the strongest ones; fewer only where all would be more than fit.
            run: how it runs.

        Raises:
            Stopped: the run says so.
        """
        newcomers = Newcomers.of(data, run)
        n = len(newcomers.known)
        count = _in_a_table if n <= _TABLE_ITEMS else _in_shards
        parts, rows, columns = count(_Pairs(data.histories, newcomers, lags, run), successors)
        return cls(newcomers, *_joined(parts, n), rows, columns)

    def both_ways(self, backwards: float, successors: int, run: Run) -> "Counts":
        """Return the counts if what followed an item is followed by it too.

        Args:
            backwards: what a pair counts for its earlier item, seen from the later one.
            successors: that an item keeps.
            run: how it runs.

        Raises:
            Stopped: the run says so.
        """
        n = len(self.newcomers.known)
        sizes = np.diff(self.starts)
        earlier = np.repeat(np.arange(n, dtype=np.int32), sizes)
        cells_of_each = sizes + np.bincount(self.successors, minlength=n)
        most = _most_of_each(cells_of_each, successors)
        parts = []
        for first, end in _ranges(cells_of_each, _CELLS):
            run.keep_on()
            part = slice(self.starts[first], self.starts[end])
            forth = (earlier[part].astype(np.int64) * n + self.successors[part], self.values[part])
            at = np.flatnonzero((self.successors >= first) & (self.successors < end))
            back = _summed(
                self.successors[at].astype(np.int64) * n + earlier[at],
                np.float32(backwards) * self.values[at],
            )
            parts.append(_strongest(_merged(forth, back), n, most, run))
        rows, columns = self.rows + backwards * self.columns, self.columns + backwards * self.rows
        return Counts(self.newcomers, *_joined(parts, n), rows, columns)


@dataclass(frozen=True)
class _Pairs:
    """The pairs of some histories.

    Attributes:
        histories: who interacted with what; the weight of the later item counts.
        newcomers: which items are known: all that are in the histories.
        lags: how far apart two items may lie.
        run: how it runs.
    """

    histories: Histories
    newcomers: Newcomers
    lags: int
    run: Run

    @property
    def n(self) -> int:
        """How many items are known."""
        return len(self.newcomers.known)

    def of(self, first: int, end: int) -> Iterator[tuple[Int64, Int64, Float32]]:
        """Yield the earlier items, the later items and the values of pairs whose earlier item is in a range."""
        done = 0
        for block in self.histories.blocks(_BLOCK_INTERACTIONS):
            items = self.newcomers.places(block.items).astype(np.int64)
            weights = None if block.weights is None else np.asarray(block.weights)
            at = np.arange(len(items))
            if end - first < self.n:
                at = np.flatnonzero((items >= first) & (items < end))
            ends = np.repeat(block.offsets[1:], block.lengths)[at]
            for lag in range(1, self.lags + 1):
                self.run.keep_on()
                inside = at + lag < ends
                at, ends = at[inside], ends[inside]
                later, each = at + lag, np.float32(1 / lag)
                values = np.full(len(at), each) if weights is None else each * weights[later]
                yield items[at], items[later], values
            done += len(items)
            self.run.progress({"interactions": done, "of": len(self.histories.items), "items": first})

    def of_each(self) -> Int64:
        """Return int64[known]: in how many pairs each item is the earlier one."""
        found = np.zeros(self.n, np.int64)
        for block in self.histories.blocks(_BLOCK_INTERACTIONS):
            self.run.keep_on()
            later = np.repeat(block.offsets[1:], block.lengths) - np.arange(1, len(block.items) + 1)
            np.add.at(found, self.newcomers.places(block.items), np.minimum(later, self.lags))
        return found


class _Runs:
    """Cells in sorted runs, each at least twice as long as the next, so that a cell is merged few times."""

    def __init__(self) -> None:
        self._runs: list[_Cells] = []

    def __len__(self) -> int:
        return sum(len(cells) for cells, _ in self._runs)

    def add(self, cells: Int64, values: Float32) -> None:
        """Take some pairs."""
        runs = self._runs
        runs.append(_summed(cells, values))
        while len(runs) > 1 and 2 * len(runs[-1][0]) > len(runs[-2][0]):
            runs[-2:] = [_merged(runs[-2], runs[-1])]

    def whole(self) -> _Cells:
        """Return all cells as one run."""
        while len(self._runs) > 1:
            self._runs[-2:] = [_merged(self._runs[-2], self._runs[-1])]
        return self._runs[0] if self._runs else (np.zeros(0, np.int64), np.zeros(0, np.float32))

    def keep_below(self, cell: int) -> None:
        """Drop a cell and all behind it."""
        cells, values = self.whole()
        kept = int(np.searchsorted(cells, cell))
        self._runs = [(cells[:kept].copy(), values[:kept].copy())]


def _in_a_table(pairs: _Pairs, successors: int) -> tuple[list[_Cells], Float64, Float64]:
    """Return the strongest cells, and the sums of all rows and columns, counted in a table of all pairs."""
    n = pairs.n
    table = np.zeros(n * n, np.float32)
    for earlier, later, values in pairs.of(0, n):
        np.add.at(table, earlier * n + later, values)
    cells = np.flatnonzero(table)
    square = table.reshape(n, n)
    rows, columns = square.sum(axis=1, dtype=np.float64), square.sum(axis=0, dtype=np.float64)
    return [_strongest((cells, table[cells]), n, successors, pairs.run)], rows, columns


def _in_shards(pairs: _Pairs, successors: int) -> tuple[list[_Cells], Float64, Float64]:
    """Return the same without a table of all pairs, some items at a time.

    First all items are tried. Once they are too many cells, that pass goes on with as many items as fit whatever comes,
    and the others have passes of their own.
    """
    n = pairs.n
    rows, columns = np.zeros(n), np.zeros(n)
    runs, shards = _Runs(), [(0, n)]
    for earlier, later, values in pairs.of(0, n):
        _add(rows, earlier, values)
        _add(columns, later, values)
        end = shards[0][1]
        if end < n:
            inside = earlier < end
            earlier, later, values = earlier[inside], later[inside], values[inside]
        runs.add(earlier * n + later, values)
        if end == n and len(runs) > _CELLS:
            cells_of_each = np.minimum(pairs.of_each(), n)
            successors = _most_of_each(cells_of_each, successors)
            # runs have a cell twice now and then, in all at most as many again as there are
            shards = list(_ranges(cells_of_each, _CELLS // 2))
            runs.keep_below(shards[0][1] * n)
    parts = [_strongest(runs.whole(), n, successors, pairs.run)]
    for first, end in shards[1:]:
        runs = _Runs()
        for earlier, later, values in pairs.of(first, end):
            runs.add(earlier * n + later, values)
        parts.append(_strongest(runs.whole(), n, successors, pairs.run))
    return parts, rows, columns


def _ranges(sizes: Int64, most: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of items with at most so many cells, at least one item each."""
    before = np.concatenate([[0], np.cumsum(sizes)])
    first = 0
    while first < len(sizes):
        end = int(np.searchsorted(before, before[first] + most, "right")) - 1
        end = max(end, first + 1)
        yield first, end
        first = end


def _most_of_each(sizes: Int64, successors: int) -> int:
    """Return how many successors each item may keep, if each has so many at most, for all to fit."""
    # int64[successors]: how many items have at least 1, 2, … successors
    at_least = np.cumsum(np.bincount(np.minimum(sizes, successors), minlength=successors + 1)[:0:-1])[::-1]
    return max(int(np.searchsorted(np.cumsum(at_least), _KEPT, "right")), 1)


def _add(sums: Float64, items: Int64, values: Float32) -> None:
    """Add values to the sums of some items."""
    if len(items) < len(sums):
        np.add.at(sums, items, values.astype(np.float64))
    else:
        sums += np.bincount(items, values, len(sums))


def _summed(cells: Int64, values: Float32) -> _Cells:
    """Return each cell once, sorted, and the sum of its values."""
    order = np.argsort(cells, kind="stable")
    cells, values = cells[order], values[order]
    starts = np.flatnonzero(np.diff(cells, prepend=-1))
    return cells[starts], np.add.reduceat(values, starts) if len(starts) else values


def _merged(first: _Cells, second: _Cells) -> _Cells:
    return _summed(np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]]))


def _strongest(found: _Cells, n: int, most: int, run: Run) -> _Cells:
    """Return what is left, sorted by cell, if each row keeps its largest values; of equal ones the smaller numbers."""
    cells, values = found
    starts = np.flatnonzero(np.diff(cells // max(n, 1), prepend=-1))
    sizes = np.diff(np.append(starts, len(cells)))
    rows = np.flatnonzero(sizes > most)
    rows = rows[np.argsort(sizes[rows], kind="stable")]  # those of about a size are looked at together
    kept = np.ones(len(cells), np.bool_)
    for some in _of_about_a_size(rows, sizes[rows]):
        run.keep_on()
        column = np.arange(sizes[some[-1]])
        inside = column < sizes[some, None]  # bool[rows, longest]
        at = (starts[some, None] + column)[inside]
        table = np.full(inside.shape, -np.inf, np.float32)
        table[inside] = values[at]
        weakest = np.partition(table, -most, axis=1)[:, -most, None]
        above, equal = table > weakest, table == weakest
        left = most - above.sum(axis=1, keepdims=True)
        kept[at] = (above | (equal & (np.cumsum(equal, axis=1) <= left)))[inside]
    return cells[kept], values[kept]


def _of_about_a_size(rows: Int64, sizes: Int64) -> Iterator[Int64]:
    """Yield rows, of which the shortest are first, so that none is twice as long as another of its kind."""
    for first, end in _ranges(sizes, _SORTED_TOGETHER):
        while first < end:
            behind = min(end, int(np.searchsorted(sizes, 2 * sizes[first], "right")))
            yield rows[first:behind]
            first = behind


def _joined(parts: list[_Cells], n: int) -> tuple[Int64, Int32, Float32]:
    """Return int64[known + 1], int32[cells] and float32[cells]: where each row begins, the columns and the values."""
    starts = np.zeros(n + 1, np.int64)
    for cells, _ in parts:
        starts[1:] += np.bincount(cells // max(n, 1), minlength=n)
    np.cumsum(starts, out=starts)
    columns = np.concatenate([(cells % max(n, 1)).astype(np.int32) for cells, _ in parts])
    return starts, columns, np.concatenate([values for _, values in parts])
