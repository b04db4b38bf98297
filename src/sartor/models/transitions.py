"""A linear model of the next item for any catalogue: how often items followed each other, near ones counting more.

One pass over the histories. A small catalogue is counted as a table; pairs of a large one are sorted in blocks and
merged, and each item keeps its strongest successors, so the memory is bounded whatever the data. What followed may
count for what came before too: then the model says what goes together, in any order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Bool, Float32, Histories, Int32, Int64, Model, Query, Run, TrainingData
from sartor.models.newcomers import Newcomers

#: Interactions whose pairs are sorted together.
_BLOCK_INTERACTIONS: Final = 500_000
#: Cells that are kept while counting, at most; 12 bytes each, and as much again while they are merged.
_CELLS: Final = 48_000_000
#: So many items are counted in a table of all pairs, where nothing need be sorted.
_TABLE_ITEMS: Final = 4_096

#: Cells ``earlier * known + later``, sorted, and their values.
_Cells = tuple[Int64, Float32]


@dataclass(frozen=True)
class Config:
    """What is decided before a training.

    Attributes:
        lags: a pair at a distance ``k`` counts ``1 / k``, up to so far.
        recency: an item that was there ``k`` steps before the query counts ``recency ** (k - 1)``.
        window: how many items of a history count.
        power: of a count: less than 1, so that many weak hints outdo a strong one.
        smoothing: added to the sums of rows and columns, so that rare items promise little.
        row_power: of an item's sum as an earlier item, which divides its counts.
        column_power: of an item's sum as a later one: 0 favours popular items, 1 forgets popularity.
        successors: that an item keeps, the strongest ones.
        backwards: what a pair counts for its earlier item, seen from the later one.
    """

    lags: int = 20
    recency: float = 0.7
    window: int = 20
    power: float = 0.5
    smoothing: float = 30.0
    row_power: float = 0.25
    column_power: float = 0.2
    successors: int = 500
    backwards: float = 0.0


#: What goes together, in any order: where pairs say more than who came first.
TOGETHER: Final = Config(recency=0.85, window=30, backwards=0.6)


class TransitionsModel(Model):
    """Scores the next item of a history: above 0 what its items led to, below 0 the others by popularity.

    Args:
        config: what it was made with.
        arrays: ``starts`` int64[known + 1]: the successors of a known item are
            ``successors[starts[i]:starts[i + 1]]``, int32, and what it says of each ``weights``, float32.
        newcomers: which items are known.
    """

    name: ClassVar[str] = "transitions"

    def __init__(self, config: Config, arrays: Mapping[str, NDArray[Any]], newcomers: Newcomers) -> None:
        self.config = config
        self.newcomers = newcomers
        self.n_items = newcomers.n_items
        self._starts: Int64 = np.asarray(arrays["starts"])
        self._successors: Int32 = np.asarray(arrays["successors"])
        self._weights: Float32 = np.asarray(arrays["weights"])
        self._recency = (config.recency ** np.arange(config.window)).astype(np.float32)

    def score(self, query: Query) -> Float32:
        """Return float32[items]."""
        return self.newcomers.widened(self._known_scores(query))

    def score_batch(self, queries: Sequence[Query]) -> Float32:
        """Return float32[queries, items]."""
        if not queries:
            return np.zeros((0, self.n_items), np.float32)
        return self.newcomers.widened(np.stack([self._known_scores(query) for query in queries]))

    def related(self, scores: Float32) -> Bool:
        """Return bool[queries, items]: what some item of the history led to."""
        found: Bool = scores > 0
        return found

    def _known_scores(self, query: Query) -> Float32:
        """Return float32[known]."""
        newest_first = self.newcomers.places(query.history)[::-1][: self.config.window]
        begins, ends = self._starts[newest_first], self._starts[newest_first + 1]
        rows = [slice(*row) for row in zip(begins.tolist(), ends.tolist(), strict=True)]
        if not rows:
            return self.newcomers.unrelated.copy()
        successors = np.concatenate([self._successors[row] for row in rows])
        weights = np.concatenate([self._weights[row] for row in rows])
        weights *= np.repeat(self._recency[: len(rows)], ends - begins)
        found = np.bincount(successors, weights, len(self.newcomers.known)).astype(np.float32)
        return np.where(found > 0, found, self.newcomers.unrelated)

    def settings(self) -> dict[str, Any]:
        """Return the config and how many items there are."""
        return {"config": asdict(self.config), "n_items": self.n_items}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the successors, and what stands in for newcomers."""
        own: dict[str, NDArray[Any]] = {
            "starts": self._starts,
            "successors": self._successors,
            "weights": self._weights,
        }
        return {**own, **self.newcomers.arrays()}

    @classmethod
    def restored(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the model of these settings and arrays."""
        return cls(Config(**settings["config"]), arrays, Newcomers(settings["n_items"], arrays))


class Counts(NamedTuple):
    """How often known items followed each other, near ones counting more.

    Attributes:
        newcomers: which items are known.
        cells: int64[cells], ``earlier * known + later``, sorted.
        values: float32[cells].
        rows: float64[known], the sums over what came later, of all cells there were.
        columns: float64[known], the sums over what came before.
    """

    newcomers: Newcomers
    cells: Int64
    values: Float32
    rows: NDArray[np.float64]
    columns: NDArray[np.float64]


def fit(data: TrainingData, config: Config | None = None, run: Run | None = None) -> TransitionsModel:
    """Return a fitted model.

    Args:
        data: what it is fitted on; the order of each history counts, and metadata for items without interactions.
        config: ``None`` takes the defaults.
        run: how it runs.

    Raises:
        Stopped: the run says so.
    """
    config, run = config or Config(), run or Run()
    return of_counts(counted(data, config, run), config)


def counted(data: TrainingData, config: Config, run: Run) -> Counts:
    """Return what several models of the same lags are made of.

    Args:
        data: what is counted.
        config: says how far apart two items of a history may lie, and how many successors an item keeps.
        run: how it runs.

    Raises:
        Stopped: the run says so.
    """
    newcomers = Newcomers.of(data, run)
    n = len(newcomers.known)
    count = _in_a_table if n <= _TABLE_ITEMS else _in_blocks
    cells, rows, columns = count(data.histories, newcomers, config, run)
    return Counts(newcomers, *_strongest(*cells, n, config.successors), rows, columns)


def of_counts(counts: Counts, config: Config) -> TransitionsModel:
    """Return the model of some counts; its config has the lags that they were counted with."""
    n = len(counts.newcomers.known)
    cells, values, rows, columns = counts.cells, counts.values, counts.rows, counts.columns
    if config.backwards:
        earlier, later = cells // max(n, 1), cells % max(n, 1)
        turned = _summed(later * n + earlier, np.float32(config.backwards) * values)
        cells, values = _strongest(*_merged((cells, values), turned), n, config.successors)
        rows, columns = rows + config.backwards * columns, columns + config.backwards * rows
    earlier, later = cells // max(n, 1), cells % max(n, 1)
    values = np.power(values, np.float32(config.power))
    values *= ((rows + config.smoothing) ** -config.row_power).astype(np.float32)[earlier]
    values *= ((columns + config.smoothing) ** -config.column_power).astype(np.float32)[later]
    arrays: dict[str, NDArray[Any]] = {
        "starts": np.searchsorted(cells, np.arange(n + 1) * n).astype(np.int64),
        "successors": (cells % max(n, 1)).astype(np.int32),
        "weights": values,
    }
    return TransitionsModel(config, arrays, counts.newcomers)


def _pairs(
    block: Histories, newcomers: Newcomers, lags: int, run: Run
) -> Iterator[tuple[Int64, Int64, Float32]]:
    """Yield the earlier items, the later items and the values of the pairs at each distance."""
    items, users = newcomers.places(block.items).astype(np.int64), block.users
    weights = np.ones(len(items), np.float32) if block.weights is None else np.asarray(block.weights)
    for lag in range(1, lags + 1):
        run.keep_on()
        together = np.flatnonzero(users[lag:] == users[:-lag])
        yield items[together], items[together + lag], np.float32(1 / lag) * weights[together + lag]


def _in_a_table(
    histories: Histories, newcomers: Newcomers, config: Config, run: Run
) -> tuple[_Cells, NDArray[np.float64], NDArray[np.float64]]:
    """Return the cells, and the sums of all rows and columns, counted in a table of all pairs."""
    n = len(newcomers.known)
    table = np.zeros(n * n, np.float32)
    done = 0
    for block in histories.blocks(_BLOCK_INTERACTIONS):
        for earlier, later, values in _pairs(block, newcomers, config.lags, run):
            np.add.at(table, earlier * n + later, values)
        done += len(block.items)
        run.progress({"interactions": done, "of": len(histories.items)})
    cells = np.flatnonzero(table)
    square = table.reshape(n, n)
    return (cells, table[cells]), square.sum(axis=1, dtype=np.float64), square.sum(axis=0, dtype=np.float64)


def _in_blocks(
    histories: Histories, newcomers: Newcomers, config: Config, run: Run
) -> tuple[_Cells, NDArray[np.float64], NDArray[np.float64]]:
    """Return the same without a table of all pairs.

    What was counted lies in sorted runs, each at least twice as long as the next, so a cell is merged few times.
    """
    n = len(newcomers.known)
    rows, columns = np.zeros(n), np.zeros(n)
    runs: list[_Cells] = []
    done = 0
    for block in histories.blocks(_BLOCK_INTERACTIONS):
        for earlier, later, values in _pairs(block, newcomers, config.lags, run):
            rows += np.bincount(earlier, values, n)
            columns += np.bincount(later, values, n)
            runs.append(_summed(earlier * n + later, values))
            while len(runs) > 1 and 2 * len(runs[-1][0]) > len(runs[-2][0]):
                runs[-2:] = [_merged(runs[-2], runs[-1])]
            if sum(len(one[0]) for one in runs) > _CELLS:
                runs = [_bounded(runs, n, config.successors)]
        done += len(block.items)
        run.progress({"interactions": done, "of": len(histories.items)})
    while len(runs) > 1:
        runs[-2:] = [_merged(runs[-2], runs[-1])]
    cells = runs[0] if runs else (np.zeros(0, np.int64), np.zeros(0, np.float32))
    return cells, rows, columns


def _summed(cells: Int64, values: Float32) -> _Cells:
    """Return each cell once, sorted, and the sum of its values."""
    order = np.argsort(cells, kind="stable")
    cells, values = cells[order], values[order]
    starts = np.flatnonzero(np.diff(cells, prepend=-1))
    return cells[starts], np.add.reduceat(values, starts) if len(starts) else values


def _merged(first: _Cells, second: _Cells) -> _Cells:
    return _summed(np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]]))


def _bounded(runs: list[_Cells], n: int, successors: int) -> _Cells:
    """Return one run of at most half of what may be kept: of each row the strongest cells so far."""
    while len(runs) > 1:
        runs[-2:] = [_merged(runs[-2], runs[-1])]
    cells, values = runs.pop()
    most = 2 * successors
    while len(cells) > _CELLS // 2:
        cells, values = _strongest(cells, values, n, most)
        most = most // 2
    return cells, values


def _strongest(cells: Int64, values: Float32, n: int, most: int) -> _Cells:
    """Return what is left, sorted by cell, if each row keeps its largest values."""
    rows = cells // max(n, 1)
    sizes = np.bincount(rows, minlength=n)
    kept = np.ones(len(cells), np.bool_)
    starts = np.cumsum(sizes) - sizes
    for row in np.flatnonzero(sizes > most).tolist():
        part = slice(starts[row], starts[row] + sizes[row])
        # stable: of equal values the smaller numbers stay
        kept[part][np.argsort(-values[part], kind="stable")[most:]] = False
    return cells[kept], values[kept]


MODEL = TransitionsModel
