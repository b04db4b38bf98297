"""How likely a person takes each action within the period: a logistic model for each action, told by one for all.

An action has a score once it was taken, and not taken or viewed, often enough lately; the others have none. How much
is learned of people, and how much of each action alone, is what foretells the actions of held-out users best; at the
least it is how often each action is taken.
Source: the guide's "Next-Best-Action recipe".
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from sartor.models import logistic
from sartor.models.actions import Trials, enough, trials
from sartor.models.base import Bool, Float32, Int64, Model, Query, Run, TrainingData
from sartor.models.logistic import Float64
from sartor.models.people import Past, People, standard

#: What is tried: the precision of the weights that all actions share, and of each action's deviation from them. With
#: the last only the rates of the actions are left.
_TRIED: Final = ((1.0, 1.0), (10.0, 3.0), (10.0, 30.0), (10.0, 300.0), (300.0, 300.0), (1e8, 1e8))
#: One user in so many is held out to choose from them.
_HELD_OUT: Final = 10
#: Of fewer held-out trials nothing can be chosen: then it is this one.
_LEAST_HELD_OUT: Final = 50
_USUALLY: Final = 2
#: Of what the rate of an action tells beforehand of its own weight.
_BIAS_PRECISION: Final = 1.0
#: So many actions are tried with all of them.
_TRIED_ACTIONS: Final = 16
#: An action's newest trials, and the sample of all, from which its weights and the shared ones are learned.
_TRIALS_OF_ACTION: Final = 10_000
_TRIALS_OF_ALL: Final = 60_000
_DAY_SECONDS: Final = 86_400


@dataclass(frozen=True)
class Config:
    """What is decided before a training.

    Attributes:
        period_days: within which an action counts as taken.
        least_interactions: how often an action must have been taken, and how often not taken or viewed.
        span_days: only so many days before the newest interaction count for that.
    """

    period_days: int = 14
    least_interactions: int = 50
    span_days: int = 42


class PropensityModel(Model):
    """Gives each action the chance that a person takes it; its "items" are actions.

    Args:
        config: what it was made with.
        people: how a person is encoded.
        weights: float32[actions, features + 1], the last one for everybody; in the units of the encoding.
        scored: bool[actions], which have a score.
    """

    name: ClassVar[str] = "propensity"

    def __init__(self, config: Config, people: People, weights: Float32, scored: Bool) -> None:
        self.config = config
        self.people = people
        self.scored = scored
        self.n_items = len(scored)
        self._weights = weights

    def score(self, query: Query) -> Float32:
        """Return float32[actions]: chances from 0 to 1, 0 for an action without a score."""
        shared, own = self.people.person(query.history, query.person)
        n = len(shared)
        logits = self._weights[:, :n] @ shared + self._weights[:, -1]
        logits += np.einsum("af,af->a", self._weights[:, n:-1], own)
        return np.where(self.scored, logistic.chances(logits), 0).astype(np.float32)

    def settings(self) -> dict[str, Any]:
        """Return the config."""
        return asdict(self.config)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the encoding, the weights, and which actions have a score."""
        people = {f"people.{name}": array for name, array in self.people.arrays().items()}
        return {**people, "weights": self._weights, "scored": self.scored}

    @classmethod
    def restored(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the model of these settings and arrays."""
        people = People.restored({name: arrays[f"people.{name}"] for name in People.ARRAYS})
        return cls(Config(**settings), people, arrays["weights"], arrays["scored"])


def fit(data: TrainingData, config: Config | None = None, run: Run | None = None) -> PropensityModel:
    """Return a fitted model.

    Args:
        data: what it is fitted on.
        config: ``None`` takes the defaults.
        run: how it runs.

    Raises:
        Stopped: the run says so.
    """
    config, run = config or Config(), run or Run()
    run.keep_on()
    people = People.of(data, run.seed, run.keep_on)
    scored = enough(
        data.acting.events, data.acting.n_actions, config.least_interactions, config.span_days * _DAY_SECONDS
    )
    weights = np.zeros((data.acting.n_actions, people.n_shared + people.n_own + 1), np.float32)
    if scored.any():
        every = trials(data.acting.events, config.period_days * _DAY_SECONDS)
        _Training(data, people, every.where(scored[every.actions]), run).fill(weights)
    return PropensityModel(config, people, weights, scored)


class _Training:
    """The weights of one model.

    Args:
        data: what users did.
        people: how they are encoded.
        known: the trials of the actions that get a score.
        run: how it runs.
    """

    def __init__(self, data: TrainingData, people: People, known: Trials, run: Run) -> None:
        self._people = people
        self._trials = known
        self._past = Past(data, known)
        self._run = run
        self._rng = np.random.default_rng(run.seed)
        held_out = self._rng.integers(_HELD_OUT, size=data.acting.events.n_users) == 0  # bool[users]
        self._learned = ~held_out[known.users]  # bool[trials]
        count = np.bincount(known.actions, minlength=data.acting.n_actions)
        taken = np.bincount(known.actions, known.taken, minlength=data.acting.n_actions)
        self._bias = np.log((taken + 0.5) / (count - taken + 0.5))  # float64[actions], of the rates

    def fill(self, weights: Float32) -> None:
        """Write float32[actions, features + 1] for the actions that get a score."""
        sample = self._rng.permutation(len(self._trials))[:_TRIALS_OF_ALL]
        x = self._encoded(sample)
        mean, spread = standard(x)
        together = self._together((x - mean) / spread, sample)
        actions = np.unique(self._trials.actions)
        ridges = self._best(self._rng.permutation(actions)[:_TRIED_ACTIONS], together, mean, spread)
        for place, action in enumerate(actions.tolist()):
            self._run.progress({"phase": "training", "actions": place, "actionsTotal": len(actions)})
            own, places = self._of(action, mean, spread)
            w = self._alone(own, places, together, ridges, self._bias[action])
            weights[action, :-1] = w[:-1] / spread
            weights[action, -1] = w[-1] - w[:-1] @ (mean / spread)

    def _best(
        self, actions: Int64, together: Mapping[float, Float64], mean: Float32, spread: Float32
    ) -> tuple[float, float]:
        """Return what of ``_TRIED`` loses least of the held-out trials of some actions."""
        losses, held_out = np.zeros(len(_TRIED)), 0
        for action in actions.tolist():
            x, places = self._of(action, mean, spread)
            others = ~self._learned[places]
            held_out += int(others.sum())
            for number, ridges in enumerate(_TRIED):
                w = self._alone(x, places, together, ridges, self._bias[action])
                losses[number] += logistic.loss(x[others] @ w, self._trials.taken[places][others])
        return _TRIED[int(np.argmin(losses)) if held_out >= _LEAST_HELD_OUT else _USUALLY]

    def _of(self, action: int, mean: Float32, spread: Float32) -> tuple[Float64, Int64]:
        """Return float64[trials, features + 1] and the places of an action's newest trials."""
        places = self._newest(action)
        return np.column_stack([(self._encoded(places) - mean) / spread, np.ones(len(places))]), places

    def _together(self, x: Float32, sample: Int64) -> dict[float, Float64]:
        """Return float64[features] by precision: the weights that all actions share."""
        learned = self._learned[sample]
        places = sample[learned]
        taken, offset = self._trials.taken[places], self._bias[self._trials.actions[places]]
        none = np.zeros(x.shape[1])
        return {
            ridge: logistic.weights(x[learned], taken, none, np.full(len(none), ridge), offset)
            for ridge in {ridge for ridge, _ in _TRIED}
        }

    def _alone(
        self,
        x: Float64,
        places: Int64,
        together: Mapping[float, Float64],
        ridges: tuple[float, float],
        bias: float,
    ) -> Float64:
        """Return float64[features + 1]: an action's weights, from what they usually are and its own trials."""
        self._run.keep_on()
        learned, (ridge, own_ridge) = self._learned[places], ridges
        prior = np.append(together[ridge], bias)
        precision = np.append(np.full(len(prior) - 1, own_ridge), _BIAS_PRECISION)
        return logistic.weights(x[learned], self._trials.taken[places][learned], prior, precision)

    def _newest(self, action: int) -> Int64:
        """Return the places of the newest trials of an action."""
        places = np.flatnonzero(self._trials.actions == action)
        newest = np.argsort(-self._trials.times[places], kind="stable")[:_TRIALS_OF_ACTION]
        return np.sort(places[newest])

    def _encoded(self, places: Int64) -> Float32:
        return self._people.before(self._past, places, self._run.keep_on)


MODEL = PropensityModel
