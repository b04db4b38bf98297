"""The sequence model and a linear one, added up: better than either, by what a validation says.

Each one's scores of a query are brought to mean 0 and deviation 1; their weight is the one with which held-out last
items rank best. What the validation cannot tell apart goes to the linear side, so small data leans there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from sartor.models import base, default, sequence
from sartor.models.base import Float32, Histories, Int64, Model, Query, Run, TrainingData
from sartor.models.default import Config as LinearConfig
from sartor.models.sequence import Config as SequenceConfig

#: The weights of the sequence model that are tried: closer together near 1, where a little changes much.
_WEIGHTS: Final = tuple(1 - (1 - step / 20) ** 2 for step in range(21))
#: A smaller weight is taken if it is not worse by more than this share of the standard error of the difference.
_DOUBT: Final = 0.25
_BLOCK_SCORES: Final = 1 << 23
_BLOCK_QUERIES: Final = 64


@dataclass(frozen=True)
class Config:
    """What is decided before a training.

    Attributes:
        sequence: of the sequence model.
        linear: of the linear one.
        held_out_users: of so many users at most, and a fifth of all, the last item is kept from the training to choose
            the weight.
        weight: of the sequence model, from 0 to 1; ``None`` chooses it.
    """

    sequence: SequenceConfig = field(default_factory=SequenceConfig)
    linear: LinearConfig = field(default_factory=LinearConfig)
    held_out_users: int = 2_000
    weight: float | None = None


class BlendModel(Model):
    """Scores by two models.

    Args:
        parts: the sequence model and the linear one.
        weight: of the first, from 0 to 1.
    """

    name: ClassVar[str] = "blend"

    def __init__(self, parts: tuple[Model, Model], weight: float) -> None:
        self.parts = parts
        self.weight = weight
        self.n_items = parts[0].n_items

    def score(self, query: Query) -> Float32:
        """Return float32[items]."""
        return _added(
            _standard(self.parts[0].score(query)), _standard(self.parts[1].score(query)), self.weight
        )

    def score_batch(self, queries: Sequence[Query]) -> Float32:
        """Return float32[queries, items]."""
        first, second = (_standard(part.score_batch(queries)) for part in self.parts)
        return _added(first, second, self.weight)

    def states(self, histories: Histories, keep_on: Callable[[], None] = lambda: None) -> Float32 | None:
        """Return those of the sequence model."""
        return self.parts[0].states(histories, keep_on)

    def settings(self) -> dict[str, Any]:
        """Return the weight, and the names and settings of the parts."""
        return {
            "weight": self.weight,
            "parts": [{"model": part.name, "settings": part.settings()} for part in self.parts],
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of both, the name of the model before theirs."""
        return {f"{part.name}.{name}": array for part in self.parts for name, array in part.arrays().items()}

    @classmethod
    def restored(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the model of these settings and arrays."""
        first, second = (
            base.restored(
                part["model"],
                part["settings"],
                {
                    name.removeprefix(f"{part['model']}."): array
                    for name, array in arrays.items()
                    if name.startswith(f"{part['model']}.")
                },
            )
            for part in settings["parts"]
        )
        return cls((first, second), settings["weight"])


def fit(data: TrainingData, config: Config | None = None, run: Run | None = None) -> BlendModel:
    """Return a fitted blend.

    Args:
        data: what it is fitted on.
        config: ``None`` takes the defaults.
        run: how it runs.

    Raises:
        Stopped: the run says so.
        ModuleNotFoundError: torch is not installed.
        ValueError: there are no interactions.
    """
    config, run = config or Config(), run or Run()
    users = _held_out(data.histories, config, run.seed)
    known = _without_last(data, users) if len(users) else data
    second = default.fit(known, config.linear, run)
    first = sequence.fit(known, config.sequence, run)
    weight = config.weight
    if weight is None:
        weight = _chosen((first, second), data.histories, users, run) if len(users) else 0.5
    return BlendModel((first, second), weight)


def _held_out(histories: Histories, config: Config, seed: int) -> Int64:
    """Return int64[some]: users whose last item chooses the weight; none if it is given."""
    if config.weight is not None:
        return np.zeros(0, np.int64)
    able = np.flatnonzero(histories.lengths >= 3)
    n = min(config.held_out_users, -(-len(able) // 5))
    return np.sort(np.random.default_rng(seed).choice(able, n, replace=False))


def _without_last(data: TrainingData, users: Int64) -> TrainingData:
    """Return the data without the last item of these users."""
    held_out = np.zeros(data.histories.n_users, np.int64)
    held_out[users] = 1
    return TrainingData(data.n_items, data.histories.without_last(held_out), data.features)


def _chosen(parts: tuple[Model, Model], histories: Histories, users: Int64, run: Run) -> float:
    """Return the weight of the first model with which the last items of these users rank best."""
    step = max(min(_BLOCK_SCORES // parts[0].n_items, _BLOCK_QUERIES), 1)
    gains = []
    for first in range(0, len(users), step):
        run.keep_on()
        whole = [histories.of(int(user)) for user in users[first : first + step]]
        queries = [Query(one[:-1]) for one in whole]
        scores = [_standard(part.score_batch(queries)) for part in parts]
        for row, one in enumerate(whole):
            run.keep_on()
            gains.append(_gains(scores[0][row], scores[1][row], one))
    found = np.stack(gains)  # float64[users, weights]
    best = found[:, found.mean(axis=0).argmax()]
    for at, weight in enumerate(_WEIGHTS):
        lost = best - found[:, at]
        if lost.mean() <= _DOUBT * lost.std() / len(lost) ** 0.5:
            return weight
    raise AssertionError("the best weight loses nothing against itself")


def _gains(first: Float32, second: Float32, history: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return float64[weights]: the discounted gain of a history's last item for each weight.

    What the user had already does not compete, unless the last item was had before too.
    """
    target, earlier = history[-1], history[:-1]
    rivals = np.ones(len(first), np.bool_)
    rivals[earlier] = target in earlier
    rivals[target] = False
    ahead, behind = first[rivals] - first[target], second[rivals] - second[target]
    ranks = [int((weight * ahead + (1 - weight) * behind >= 0).sum()) for weight in map(np.float32, _WEIGHTS)]
    return 1 / np.log2(np.array(ranks) + 2.0)


def _added(first: Float32, second: Float32, weight: float) -> Float32:
    first *= np.float32(weight)
    second *= np.float32(1 - weight)
    first += second
    return first


def _standard(scores: Float32) -> Float32:
    """Return the scores with mean 0 and deviation 1 over the last dimension; all 0 if all are equal."""
    found: Float32 = scores - scores.mean(axis=-1, keepdims=True)
    deviation = found.std(axis=-1, keepdims=True)
    found /= np.maximum(deviation, np.float32(1e-6))
    return found


MODEL = BlendModel
