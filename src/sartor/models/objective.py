"""A model whose scores lean towards an objective, such as margin or streaming minutes, beside relevance.

Scores and rewards are compared as deviations from their means, so that equal weights mean equal say ("Optimizing
a solution for an additional objective" of the guide).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Float32, Histories, Model, Query, restored

_PREFIX = "inner."


class ObjectiveModel(Model):
    """Another model and what each item is worth.

    Args:
        inner: the model of relevance.
        rewards: float32[items], of mean 0 and deviation 1.
        weight: how much the rewards say; relevance says 1.
    """

    name: ClassVar[str] = "objective"

    def __init__(self, inner: Model, rewards: Float32, weight: float) -> None:
        self.n_items = inner.n_items
        self.inner = inner
        self._rewards = rewards
        self._weight = weight

    @property
    def lift(self) -> float:
        """That of the inner model."""
        return self.inner.lift

    def report(self) -> Mapping[str, Any]:
        """Return that of the inner model."""
        return self.inner.report()

    def score(self, query: Query) -> Float32:
        """Return float32[items]."""
        scores: Float32 = self.score_batch([query])[0]
        return scores

    def score_batch(self, queries: Sequence[Query]) -> Float32:
        """Return float32[queries, items]."""
        scores = self.inner.score_batch(queries)
        spread = scores.std(axis=1, keepdims=True)
        found: Float32 = (scores + np.float32(self._weight) * spread * self._rewards).astype(np.float32)
        return found

    def states(self, histories: Histories, keep_on: Callable[[], None] = lambda: None) -> Float32 | None:
        """Return those of the inner model."""
        return self.inner.states(histories, keep_on)

    def settings(self) -> dict[str, Any]:
        """Return the weight and the inner model's settings."""
        return {"weight": self._weight, "model": self.inner.name, "inner": self.inner.settings()}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the rewards and the inner model's arrays."""
        inner = {f"{_PREFIX}{name}": array for name, array in self.inner.arrays().items()}
        return {"rewards": self._rewards, **inner}

    @classmethod
    def restored(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the model of these settings and arrays."""
        inner = {name.removeprefix(_PREFIX): array for name, array in arrays.items() if name != "rewards"}
        return cls(
            restored(settings["model"], settings["inner"], inner), arrays["rewards"], settings["weight"]
        )


def of_relevance(model: Model) -> Model:
    """Return the model of relevance alone of one that may lean towards an objective."""
    return model.inner if isinstance(model, ObjectiveModel) else model


def leaning(inner: Model, rewards: Float32, weight: float) -> Model:
    """Return a model that also looks at rewards.

    Args:
        inner: the model of relevance.
        rewards: float32[items], in any unit; NaN is unknown and counts as the mean.
        weight: how much the rewards say; 0 changes nothing.
    """
    if weight <= 0.0 or not np.isfinite(rewards).any():
        return inner
    known = rewards[np.isfinite(rewards)]
    spread = float(known.std()) or 1.0
    centred = np.where(np.isfinite(rewards), (rewards - known.mean()) / spread, 0.0)
    return ObjectiveModel(inner, centred.astype(np.float32), weight)


MODEL = ObjectiveModel
