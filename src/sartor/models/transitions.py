"""A linear model of the next item for any catalogue: how often items followed each other, near ones counting more.

One pass over the histories. Pairs are sorted in blocks and merged, and each item keeps its strongest successors, so
the memory is bounded whatever the data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Float32, Histories, Int32, Int64, Model, Query, Run, TrainingData
from sartor.models.newcomers import Newcomers

#: Interactions whose pairs are sorted together.
_BLOCK_INTERACTIONS: Final = 500_000
#: Cells that are kept while counting, at most; 12 bytes each, and as much again while they are merged.
_CELLS: Final = 48_000_000


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
    """

    lags: int = 20
    recency: float = 0.7
    window: int = 50
    power: float = 0.5
    smoothing: float = 10.0
    row_power: float = 0.25
    column_power: float = 0.2
    successors: int = 500


class TransitionsModel(Model):
    """Scores the next item of a history.

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

    def score(self, query: Query) -> Float32:
        """Return float32[items]."""
        return self.newcomers.widened(self._known_scores(query))

    def score_batch(self, queries: Sequence[Query]) -> Float32:
        """Return float32[queries, items]."""
        if not queries:
            return np.zeros((0, self.n_items), np.float32)
        return self.newcomers.widened(np.stack([self._known_scores(query) for query in queries]))

    def _known_scores(self, query: Query) -> Float32:
        """Return float32[known]; a history that says nothing gets the prior."""
        newest_first = self.newcomers.places(query.history)[::-1][: self.config.window]
        found = np.zeros(len(self.newcomers.known), np.float32)
        for ago, item in enumerate(newest_first.tolist()):
            row = slice(self._starts[item], self._starts[item + 1])
            # no item twice in a row, so a plain sum is right
            found[self._successors[row]] += np.float32(self.config.recency**ago) * self._weights[row]
        return found if found.any() else self.newcomers.prior.copy()

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
    newcomers = Newcomers.of(data, run)
    n = len(newcomers.known)
    cells, values, rows, columns = _counted(data.histories, newcomers, config, run)
    cells, values = _strongest(cells, values, n, config.successors)
    row_of, successors = cells // max(n, 1), (cells % max(n, 1)).astype(np.int32)
    del cells
    row_scale = ((rows + config.smoothing) ** -config.row_power).astype(np.float32)
    column_scale = ((columns + config.smoothing) ** -config.column_power).astype(np.float32)
    np.power(values, np.float32(config.power), out=values)
    values *= row_scale[row_of]
    values *= column_scale[successors]
    starts = np.searchsorted(row_of, np.arange(n + 1)).astype(np.int64)
    arrays: dict[str, NDArray[Any]] = {"starts": starts, "successors": successors, "weights": values}
    return TransitionsModel(config, arrays, newcomers)


def _counted(
    histories: Histories, newcomers: Newcomers, config: Config, run: Run
) -> tuple[Int64, Float32, NDArray[np.float64], NDArray[np.float64]]:
    """Return the cells ``earlier * known + later``, sorted, their values, and the sums of all rows and columns.

    What was counted lies in sorted runs, each at least twice as long as the next, so a cell is merged few times.
    """
    n = len(newcomers.known)
    rows, columns = np.zeros(n), np.zeros(n)
    runs: list[tuple[Int64, Float32]] = []
    done = 0
    for block in histories.blocks(_BLOCK_INTERACTIONS):
        items, users = newcomers.places(block.items).astype(np.int64), block.users
        weights = np.ones(len(items), np.float32) if block.weights is None else np.asarray(block.weights)
        for lag in range(1, config.lags + 1):
            run.keep_on()
            together = np.flatnonzero(users[lag:] == users[:-lag])
            earlier, later = items[together], items[together + lag]
            values = np.float32(1 / lag) * weights[together + lag]
            rows += np.bincount(earlier, values, n)
            columns += np.bincount(later, values, n)
            runs.append(_summed(earlier * n + later, values))
            while len(runs) > 1 and 2 * len(runs[-1][0]) > len(runs[-2][0]):
                runs[-2:] = [_merged(runs[-2], runs[-1])]
            if sum(len(one[0]) for one in runs) > _CELLS:
                runs = [_bounded(runs, n, config.successors)]
        done += len(items)
        run.progress({"interactions": done, "of": len(histories.items)})
    while len(runs) > 1:
        runs[-2:] = [_merged(runs[-2], runs[-1])]
    cells, values = runs[0] if runs else (np.zeros(0, np.int64), np.zeros(0, np.float32))
    return cells, values, rows, columns


def _summed(cells: Int64, values: Float32) -> tuple[Int64, Float32]:
    """Return each cell once, sorted, and the sum of its values."""
    order = np.argsort(cells, kind="stable")
    cells, values = cells[order], values[order]
    starts = np.flatnonzero(np.diff(cells, prepend=-1))
    return cells[starts], np.add.reduceat(values, starts) if len(starts) else values


def _merged(first: tuple[Int64, Float32], second: tuple[Int64, Float32]) -> tuple[Int64, Float32]:
    return _summed(np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]]))


def _bounded(runs: list[tuple[Int64, Float32]], n: int, successors: int) -> tuple[Int64, Float32]:
    """Return one run of at most half of what may be kept: of each row the strongest cells so far."""
    while len(runs) > 1:
        runs[-2:] = [_merged(runs[-2], runs[-1])]
    cells, values = runs.pop()
    most = 2 * successors
    while len(cells) > _CELLS // 2:
        cells, values = _strongest(cells, values, n, most)
        most = most // 2
    return cells, values


def _strongest(cells: Int64, values: Float32, n: int, most: int) -> tuple[Int64, Float32]:
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
