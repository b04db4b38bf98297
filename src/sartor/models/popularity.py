"""What most users interacted with: the same ranking for everybody."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Float32, Histories, Int64, Model, Query, Run, TrainingData


@dataclass(frozen=True)
class Config:
    """What is decided before a training: nothing."""


class PopularityModel(Model):
    """Scores an item by how many users interacted with it.

    Args:
        config: what it was made with.
        scores: float32[items].
    """

    name: ClassVar[str] = "popularity"

    def __init__(self, config: Config, scores: Float32) -> None:
        self.config = config
        self._scores: Float32 = np.asarray(scores)
        self.n_items = len(scores)

    def score(self, query: Query) -> Float32:
        """Return float32[items], of every query the same."""
        return self._scores.copy()

    def score_batch(self, queries: Sequence[Query]) -> Float32:
        """Return float32[queries, items]."""
        return np.tile(self._scores, (len(queries), 1))

    def settings(self) -> dict[str, Any]:
        """Return the config."""
        return asdict(self.config)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the scores."""
        return {"scores": self._scores}

    @classmethod
    def restored(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the model of these settings and arrays."""
        return cls(Config(**settings), arrays["scores"])


def fit(data: TrainingData, config: Config | None = None, run: Run | None = None) -> PopularityModel:
    """Return a fitted model.

    Args:
        data: what it is fitted on; metadata does not count.
        config: decides nothing.
        run: how it runs.

    Raises:
        Stopped: the run says so.
    """
    (run or Run()).keep_on()
    return PopularityModel(config or Config(), unique_users(data.histories, data.n_items).astype(np.float32))


def unique_users(histories: Histories, n_items: int) -> Int64:
    """Return int64[items]: how many different users interacted with each.

    Args:
        histories: who interacted with what.
        n_items: how many items there are.
    """
    users = np.repeat(np.arange(histories.n_users, dtype=np.int64), np.diff(histories.offsets))
    pairs = np.unique(users * n_items + histories.items)
    return np.bincount(pairs % max(n_items, 1), minlength=n_items).astype(np.int64)


MODEL = PopularityModel
