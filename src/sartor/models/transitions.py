"""A linear model of the next item for any catalogue: how often items followed each other, near ones counting more.

Each item keeps its strongest successors, as ``transition_counts`` finds them. What followed may count for what came
before too: then the model says what goes together, in any order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Bool, Float32, Int32, Int64, Model, Query, Run, TrainingData
from sartor.models.newcomers import Newcomers
from sartor.models.transition_counts import Counts


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
    return of_counts(Counts.of(data, config.lags, config.successors, run), config, run)


def of_counts(counts: Counts, config: Config, run: Run) -> TransitionsModel:
    """Return the model of some counts.

    Args:
        counts: of which several models are made.
        config: has the lags that they were counted with.
        run: how it runs.

    Raises:
        Stopped: the run says so.
    """
    if config.backwards:
        counts = counts.both_ways(config.backwards, config.successors, run)
    values = np.power(counts.values, np.float32(config.power))
    by_row = ((counts.rows + config.smoothing) ** -config.row_power).astype(np.float32)
    by_column = ((counts.columns + config.smoothing) ** -config.column_power).astype(np.float32)
    values *= np.repeat(by_row, np.diff(counts.starts))
    values *= by_column[counts.successors]
    arrays: dict[str, NDArray[Any]] = {
        "starts": counts.starts,
        "successors": counts.successors,
        "weights": values,
    }
    return TransitionsModel(config, arrays, counts.newcomers)


MODEL = TransitionsModel
