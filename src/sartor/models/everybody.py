"""Models that answer everybody alike: one score an item, whatever the query."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Float32, Model, Query


class EverybodyModel(Model):
    """Scores that were computed once.

    Args:
        config: what it was made with, a dataclass.
        scores: float32[items].

    Attributes:
        config_type: the class of ``config``.
    """

    config_type: ClassVar[type[Any]]

    def __init__(self, config: Any, scores: Float32) -> None:
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
        return cls(cls.config_type(**settings), arrays["scores"])
