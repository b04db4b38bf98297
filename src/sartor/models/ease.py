"""A linear model of what goes together in small dense data: each item of a history as a sum of all others.

EASE ("Embarrassingly Shallow Autoencoders for Sparse Data", Steck 2019): ridge regression of the histories from
themselves, nothing explaining itself. Solved in one go; time grows with the cube of the items.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Float32, Histories, Model, Query, Run, TrainingData
from sartor.models.newcomers import Newcomers

#: Interactions that are multiplied together.
_BLOCK_INTERACTIONS: Final = 50_000
#: A matrix of so many rows is inverted at once; a larger one in quarters, so that a training can stop between them.
_BLOCK_ROWS: Final = 1_024
_BLOCK_QUERIES: Final = 256


@dataclass(frozen=True)
class Config:
    """What is decided before a training.

    Attributes:
        ridge: as a share of the mean of the diagonal.
        recency: an item that was there ``k`` steps before the query counts ``recency ** (k - 1)``.
        window: how many items of a history count.
    """

    ridge: float = 20.0
    recency: float = 0.9
    window: int = 50


class EaseModel(Model):
    """Scores what goes together with a history.

    Args:
        config: what it was made with.
        weights: float32[known, known], what an item says of each other one.
        newcomers: which items are known.
    """

    name: ClassVar[str] = "ease"

    def __init__(self, config: Config, weights: Float32, newcomers: Newcomers) -> None:
        self.config = config
        self.newcomers = newcomers
        self.n_items = newcomers.n_items
        self._weights: Float32 = np.asarray(weights)
        self._recency = (config.recency ** np.arange(config.window)).astype(np.float32)

    def score(self, query: Query) -> Float32:
        """Return float32[items]."""
        newest_first = self.newcomers.places(query.history)[::-1][: self.config.window]
        if not len(newest_first):
            return self.newcomers.widened(self.newcomers.unrelated.copy())
        return self.newcomers.widened(self._recency[: len(newest_first)] @ self._weights[newest_first])

    def score_batch(self, queries: Sequence[Query]) -> Float32:
        """Return float32[queries, items]."""
        found = np.empty((len(queries), self.n_items), np.float32)
        for first in range(0, len(queries), _BLOCK_QUERIES):
            block = queries[first : first + _BLOCK_QUERIES]
            features = np.zeros((len(block), len(self._weights)), np.float32)
            for line, query in zip(features, block, strict=True):
                newest_first = self.newcomers.places(query.history)[::-1][: self.config.window]
                np.add.at(line, newest_first, self._recency[: len(newest_first)])
            scores = features @ self._weights
            scores[~features.any(axis=1)] = self.newcomers.unrelated
            found[first : first + len(block)] = self.newcomers.widened(scores)
        return found

    def settings(self) -> dict[str, Any]:
        """Return the config and how many items there are."""
        return {"config": asdict(self.config), "n_items": self.n_items}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the weights, and which items are known."""
        return {"weights": self._weights, **self.newcomers.arrays()}

    @classmethod
    def restored(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the model of these settings and arrays."""
        return cls(Config(**settings["config"]), arrays["weights"], Newcomers(settings["n_items"], arrays))


def fit(data: TrainingData, config: Config | None = None, run: Run | None = None) -> EaseModel:
    """Return a fitted model.

    Args:
        data: what it is fitted on; the order of a history does not count.
        config: ``None`` takes the defaults.
        run: how it runs.

    Raises:
        Stopped: the run says so.
    """
    config, run = config or Config(), run or Run()
    newcomers = Newcomers.of(data, run)
    products = _products(data.histories, newcomers, run)
    diagonal = np.einsum("ii->i", products)
    diagonal += np.float32(config.ridge * diagonal.mean(dtype=np.float64) + 1e-6) if len(products) else 0
    weights = _inverse(products, run)
    weights /= -np.diagonal(weights).copy()
    np.fill_diagonal(weights, 0)
    return EaseModel(config, weights, newcomers)


def _products(histories: Histories, newcomers: Newcomers, run: Run) -> Float32:
    """Return float32[known, known]: how many users had both items."""
    n = len(newcomers.known)
    found = np.zeros((n, n), np.float32)
    for block in histories.blocks(_BLOCK_INTERACTIONS):
        run.keep_on()
        had = np.zeros((block.n_users, n), np.float32)
        had[block.users, newcomers.places(block.items)] = 1
        found += had.T @ had
    return found


def _inverse(matrix: Float32, run: Run) -> Float32:
    """Return the inverse of a symmetric positive definite matrix."""
    run.keep_on()
    size = len(matrix)
    if size <= _BLOCK_ROWS:
        return np.linalg.inv(matrix.astype(np.float64)).astype(np.float32)
    half = size // 2
    first = _inverse(matrix[:half, :half], run)
    across = first @ matrix[:half, half:]
    run.keep_on()
    last = _inverse(matrix[half:, half:] - matrix[half:, :half] @ across, run)
    found = np.empty_like(matrix)
    found[half:, half:] = last
    found[:half, half:] = -across @ last
    found[half:, :half] = found[:half, half:].T
    found[:half, :half] = first - found[:half, half:] @ across.T
    return found


MODEL = EaseModel
