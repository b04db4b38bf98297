"""Trainers: which model a recipe's solution versions are, and what its parameters mean to it.

A parameter that has no meaning is accepted, held against its range, shown by DescribeSolution, and changes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Final, Literal

import numpy as np

from sartor.models import retrieval
from sartor.models.base import Model, Run, TrainingData

#: A recipe's hyperparameters and featurization parameters, as text.
Parameters = Mapping[str, str]
Fit = Callable[[TrainingData, Parameters, Run], Model]

_WINDOW_SECONDS: Final = {
    "30 minutes": 1800,
    "1 hour": 3600,
    "2 hours": 7200,
    "3 hours": 10800,
    "1 day": 86400,
}
#: Widths of the sequence model are multiples of this: each of its heads has an equal share.
_WIDTH_STEP: Final = 8

_SIMS_PARAMETERS: Final[Mapping[str, Callable[[str], float]]] = {
    "popularity_discount_factor": float,
    "min_cointeraction_count": int,
    "min_user_history_length_percentile": float,
    "max_user_history_length_percentile": float,
    "min_item_interaction_count_percentile": float,
    "max_item_interaction_count_percentile": float,
}


Learns = Literal["items", "texts", "users", "actions"]


@dataclass(frozen=True)
class Trainer:
    """How a recipe is trained.

    Attributes:
        fit: makes the model.
        model: which model that is, in words for the reference.
        meanings: what each parameter that has a meaning does, in words for the reference.
        again: makes the model that serves of the measured one and of all interactions, once the metrics are known;
            ``None`` fits it anew. A sequence model takes minutes, lacks only one user in ten, and is kept.
        varied: the parameters that an optimization varies: those that have a meaning.
        trials: how many settings an optimization tries at most; a sequence model takes minutes for each.
        uses_features: whether it looks at what the items have.
        learns: of what its models are: the next items of users; the items' texts, where interactions only say what is
            popular, and need not be; the users of items; actions, where what users did with these is read too.
        measures: the metrics of a fitted model of texts, for each item that is asked about.
        competes: whether its versions should be better than plain baselines; a training warns of one that is not.
        without_torch: what takes its place where sequence models cannot be trained or may not, and where one more model
            is fitted only to be measured by time.
    """

    fit: Fit
    model: str
    meanings: Mapping[str, str] = field(default_factory=dict)
    again: Callable[[Model, TrainingData, Parameters, Run], Model] | None = None
    varied: tuple[str, ...] = ()
    trials: int = 40
    uses_features: bool = True
    learns: Learns = "items"
    measures: Callable[[Any, Run], dict[str, Any]] | None = None
    competes: bool = True
    without_torch: "Trainer | None" = None

    def in_use(self, sequence_on: bool) -> "Trainer":
        """Return the trainer that does its work here.

        Args:
            sequence_on: whether sequence models may be trained.
        """
        if self.without_torch is None or (sequence_on and has_sequence_model()):
            return self
        return self.without_torch


def has_sequence_model() -> bool:
    """Return whether the extra ``sartor[torch]`` is installed."""
    return find_spec("torch") is not None


def _personal(data: TrainingData, parameters: Parameters, run: Run) -> Model:
    """Fit the blend of the sequence model and linear ones; of a large catalogue the sequence model alone.

    Its index answers without a look at every item, which the blend cannot.
    """
    from sartor.models import blend, retrieval, sequence

    width = parameters.get("hidden_dimension")
    config = sequence.Config() if width is None else sequence.Config(d=_width(int(width)))
    kept = _kept(data, parameters)
    if data.n_items >= retrieval.LEAST_ITEMS:
        return sequence.fit(kept, config, run)
    return blend.fit(kept, blend.Config(sequence=config), run)


def _linear(data: TrainingData, parameters: Parameters, run: Run) -> Model:
    """Fit the blend of linear models, which needs no torch."""
    from sartor.models import default

    return default.fit(_kept(data, parameters), None, run)


def _personal_again(model: Model, data: TrainingData, parameters: Parameters, run: Run) -> Model:
    """Fit the linear models of a blend again, with their weights as they are; a sequence model is kept."""
    from sartor.models import blend

    whole = _kept(data, parameters)
    return blend.with_all(model, whole, run) if isinstance(model, blend.BlendModel) else model


def _popularity(data: TrainingData, _parameters: Parameters, run: Run) -> Model:
    from sartor.models import popularity

    return popularity.fit(data, popularity.Config(), run)


def _trending(data: TrainingData, parameters: Parameters, run: Run) -> Model:
    from sartor.models import trending

    window = _WINDOW_SECONDS[parameters.get("trend_discovery_frequency", "2 hours")]
    return trending.fit(data, trending.Config(window_seconds=window), run)


def _similar(data: TrainingData, parameters: Parameters, run: Run) -> Model:
    from sartor.models import similar

    discount = float(parameters.get("popularity_discount_factor", "0.0"))
    return similar.fit(data, similar.Config(popularity_discount_factor=discount), run)


def _sims(data: TrainingData, parameters: Parameters, run: Run) -> Model:
    from sartor.models import similar

    given: dict[str, Any] = {
        name: kind(parameters[name]) for name, kind in _SIMS_PARAMETERS.items() if name in parameters
    }
    return similar.fit(data, similar.sims_config(**given), run)


def _semantic(data: TrainingData, _parameters: Parameters, run: Run) -> Model:
    from sartor.models import semantic

    return semantic.fit(data, None, run)


def _semantic_metrics(model: Any, run: Run) -> dict[str, Any]:
    from sartor.models import semantic

    return semantic.evaluate(model, run)


def _affinity(data: TrainingData, parameters: Parameters, run: Run) -> Model:
    from sartor.models import affinity

    width = parameters.get("hidden_dimension")
    return affinity.fit(data, affinity.Config() if width is None else affinity.Config(d=int(width)), run)


def _together(data: TrainingData, _parameters: Parameters, run: Run) -> Model:
    from sartor.models import similar

    return similar.fit(data, similar.together_config(), run)


def _propensity(data: TrainingData, parameters: Parameters, run: Run) -> Model:
    from sartor.models import propensity

    config = propensity.Config(period_days=int(parameters.get("action_optimization_period", "14")))
    return propensity.fit(data, config, run)


def _kept(data: TrainingData, parameters: Parameters) -> TrainingData:
    """Return the data without the users whose histories are shorter or longer than the percentiles say."""
    low = float(parameters.get("min_user_history_length_percentile", "0.0"))
    high = float(parameters.get("max_user_history_length_percentile", "1.0"))
    if low <= 0.0 and high >= 1.0:
        return data
    lengths = data.histories.lengths
    some = lengths[lengths > 0]
    if not len(some):
        return data
    least, most = np.quantile(some, [low, high])
    stays = (lengths >= least) & (lengths <= most)
    return TrainingData(data.n_items, data.histories.kept(np.repeat(stays, lengths)), data.features)


def _width(wanted: int) -> int:
    """Return the width of the sequence model that is nearest to a ``hidden_dimension``."""
    return max(_WIDTH_STEP, round(wanted / _WIDTH_STEP) * _WIDTH_STEP)


_HISTORIES: Final = {
    "min_user_history_length_percentile": "users with shorter histories are left out; only if it is set",
    "max_user_history_length_percentile": "users with longer histories are left out; only if it is set",
}
_WIDTH: Final = {
    "hidden_dimension": "the width of the sequence model, to the nearest multiple of 8; only if it is set",
}
_DISCOUNT: Final = {"popularity_discount_factor": "0 favours popular items, 1 forgets popularity"}

PERSONAL: Final = Trainer(
    _personal,
    "a blend of the sequence model and linear ones, of which held-out items choose (`blend`); from "
    f"{retrieval.LEAST_ITEMS:,} items on the sequence model alone (`sequence`); without torch, or with "
    '`sequence_models = "off"`, the blend of linear models alone',
    {**_WIDTH, **_HISTORIES},
    again=_personal_again,
    varied=("hidden_dimension",),
    trials=4,
    without_torch=Trainer(_linear, "the blend of linear models alone", _HISTORIES, again=_personal_again),
)
SIMILAR: Final = Trainer(
    _similar, "neighbours in histories, and items that share rare metadata (`similar`)", _DISCOUNT
)
SIMS: Final = Trainer(
    _sims,
    "neighbours in histories alone (`similar`)",
    {
        **_HISTORIES,
        **_DISCOUNT,
        "min_cointeraction_count": "two items are related if they were near each other in so many histories at least",
        "min_item_interaction_count_percentile": "items with fewer interactions are left out; only if it is set",
        "max_item_interaction_count_percentile": "items with more interactions are left out; only if it is set",
    },
    varied=("popularity_discount_factor", "min_cointeraction_count"),
    uses_features=False,
)
SEMANTIC: Final = Trainer(
    _semantic,
    "the cosine of the rarity of the words, their stems and their runs of letters in names, texts and categories "
    "(`semantic`)",
    uses_features=False,
    learns="texts",
    measures=_semantic_metrics,
)
#: What use cases ask of histories: neither metadata nor what is popular anyway.
ALSO: Final = Trainer(_sims, "neighbours in histories alone (`similar`)", uses_features=False)
TOGETHER: Final = Trainer(
    _together,
    "what lies in the same baskets, and near each other in histories (`similar`)",
    uses_features=False,
)
#: It is a baseline itself.
POPULARITY: Final = Trainer(
    _popularity, "how many users interacted with each item (`popularity`)", competes=False
)
#: It shows everybody what is new; it does not claim to know what a user wants.
TRENDING: Final = Trainer(
    _trending,
    "how interactions grew from one window to the next, anew with every refresh (`trending`)",
    {"trend_discovery_frequency": "the length of the two windows of time that are compared"},
    competes=False,
)
AFFINITY: Final = Trainer(
    _affinity,
    "users and items as vectors whose product says how likely they are to interact (`affinity`)",
    {"hidden_dimension": "the length of the vectors"},
    learns="users",
)
PROPENSITY: Final = Trainer(
    _propensity,
    "a logistic regression for each action, told by one for all, from the items and actions of a user's history and "
    "the user's attributes (`propensity`)",
    {"action_optimization_period": "the days within which an action that is shown counts as taken"},
    learns="actions",
)
