"""A linear model of the next item: what came shortly before, seen through two kernels.

Versions before 0.2 had it in their blends, which are still read; nothing fits it any more. At each position of a
history the features are, for each kernel, how recently each item was there. An answer is a sum of rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Float32, Int32, Model, Query
from sartor.models.newcomers import Newcomers

_BLOCK_QUERIES: Final = 256


@dataclass(frozen=True)
class Config:
    """What is decided before a training.

    Attributes:
        decays: of the two kernels: an item that was there ``k`` steps ago counts ``decay ** (k - 1)``. The first sees
            what is going on now, the second what somebody likes.
        ridge: of each kernel, as a share of the mean of its diagonal.
        lags: how far back both look.
    """

    decays: tuple[float, float] = (0.5, 0.9)
    ridge: tuple[float, float] = (1.0, 0.6)
    lags: int = 50


class ClosedFormModel(Model):
    """Scores the next item of a history.

    Args:
        config: what it was made with.
        weights: float32[2 × known, known], what an item in either kernel says of each next one.
        newcomers: which items are known.
    """

    name: ClassVar[str] = "closed_form"

    def __init__(self, config: Config, weights: Float32, newcomers: Newcomers) -> None:
        self.config = config
        self.weights: Float32 = np.asarray(weights)
        self.newcomers = newcomers
        self.n_items = newcomers.n_items
        ago = np.arange(config.lags)
        self._kernels = np.array([[decay**k for k in ago] for decay in config.decays], np.float32)

    def score(self, query: Query) -> Float32:
        """Return float32[items]."""
        rows, values = self._features(query)
        if not len(rows):
            return self.newcomers.widened(self.newcomers.prior.copy())
        return self.newcomers.widened(values @ self.weights[rows])

    def score_batch(self, queries: Sequence[Query]) -> Float32:
        """Return float32[queries, items]."""
        found = np.empty((len(queries), self.n_items), np.float32)
        for first in range(0, len(queries), _BLOCK_QUERIES):
            features = [self._features(query) for query in queries[first : first + _BLOCK_QUERIES]]
            matrix = np.zeros((len(features), len(self.weights)), np.float32)
            for line, (rows, values) in zip(matrix, features, strict=True):
                np.add.at(line, rows, values)
            scores = matrix @ self.weights
            scores[[not len(rows) for rows, _ in features]] = self.newcomers.prior
            found[first : first + len(features)] = self.newcomers.widened(scores)
        return found

    def _features(self, query: Query) -> tuple[Int32, Float32]:
        """Return int32[2 × h] and float32[2 × h]: rows of the weights and how much each counts; an item may recur."""
        newest_first = self.newcomers.places(query.history)[::-1][: self.config.lags]
        rows = np.concatenate([newest_first, newest_first + np.int32(len(self.newcomers.known))])
        return rows, self._kernels[:, : len(newest_first)].ravel()

    def settings(self) -> dict[str, Any]:
        """Return the config and how many items there are."""
        return {**asdict(self.config), "n_items": self.n_items}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the weights, and what stands in for newcomers."""
        return {"weights": self.weights, **self.newcomers.arrays()}

    @classmethod
    def restored(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the model of these settings and arrays."""
        config = Config(tuple(settings["decays"]), tuple(settings["ridge"]), settings["lags"])
        return cls(config, arrays["weights"], Newcomers(settings["n_items"], arrays))


MODEL = ClosedFormModel
