"""Several models, added up: better than each, by what held-out items say.

Cheap linear models and, where torch is installed, the sequence model. Which of them there are, with which weights, and
in which order groups of items stand, held-out last items choose: each kind of data gets the blend that is right for it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from sartor.models import base, linear, sequence
from sartor.models.base import Bool, Float32, Histories, Int32, Int64, Model, Query, Run, TrainingData
from sartor.models.mixing import Order, Part, added, had, standard, stood
from sartor.models.newcomers import Newcomers
from sartor.models.sequence import Config as SequenceConfig
from sartor.models.weighing import SEQUENCE, HeldOut, chosen

#: What popularity says where nothing else does, against deviations of scores.
_POPULARITY: Final = np.float32(1e-3)
#: From this share of acts on it is known that they may bring several events; with the other most do.
_TWINS, _MOST = 0.01, 0.5
#: From this share of held-out interactions on the linear models are fitted once more with them.
_MISSED: Final = 0.005


@dataclass(frozen=True)
class Config:
    """What is decided before a training.

    Attributes:
        sequence: of the sequence model; ``None`` does without.
        held_out_users: of so many users at most, and a fifth of all, the last item is kept from the training to choose
            what the blend is made of.
        weights: of the models, by name; ``None`` chooses them.
    """

    sequence: SequenceConfig | None = field(default_factory=SequenceConfig)
    held_out_users: int = 2_000
    weights: Mapping[str, float] | None = None


class BlendModel(Model):
    """Scores by several models.

    Args:
        parts: the models and their weights.
        order: of groups of items.
        newcomers: what stands in for new items.
        report: how the parts ranked held-out items, for people.
        twins: the share of acts that bring several events at once, such as a click and a watch: then an item that comes
            twice in a row counts once, and one that came once is not done with if most come again; 0: no such acts.
    """

    name: ClassVar[str] = "blend"

    def __init__(
        self,
        parts: Sequence[Part],
        order: Order | None = None,
        newcomers: Newcomers | None = None,
        report: Mapping[str, Any] | None = None,
        twins: float = 0.0,
    ) -> None:
        self.parts = tuple(parts)
        self.order = order or Order()
        self.n_items = self.parts[0].model.n_items
        self.newcomers = newcomers or Newcomers.nobody(self.n_items)
        self.twins = twins
        self._report = dict(report or {})
        self._popular = np.zeros(self.n_items, np.float32)
        users = self.newcomers.prior
        if len(users) and users.var() > users.mean():  # else it differs by chance alone, and says nothing
            self._popular[self.newcomers.known] = _POPULARITY * standard(np.log1p(users))

    @property
    def lift(self) -> float:
        """How far a new item stands out of the mean, against the known ones that speak for it."""
        return self.order.lift

    def score(self, query: Query) -> Float32:
        """Return float32[items]."""
        scores: Float32 = self.score_batch([query])[0]
        return scores

    def score_batch(self, queries: Sequence[Query]) -> Float32:
        """Return float32[queries, items]."""
        if not queries:
            return np.zeros((0, self.n_items), np.float32)
        undone = _undone(queries) if self.twins >= _MOST else {}
        if self.twins:
            queries = [replace(query, history=_once(query.history)) for query in queries]
        newcomers = self.newcomers
        sums = added(self.parts, queries, apart=len(newcomers.new) > 0)
        for row, query in enumerate(queries):
            if not len(newcomers.places(query.history)) and not sums.related[row].any():
                sums.forget(row)  # who did nothing gets what is popular
        np.add(sums.total, self._popular, out=sums.total)
        standing = stood(sums, had(queries, self.n_items), self.order, newcomers)
        scores = newcomers.joined(standing.known, standing.lifted(self.order.own_lift))
        for row, item in undone.items():
            scores[row, item] = scores[row].max() + 1
        return scores

    def states(self, histories: Histories, keep_on: Callable[[], None] = lambda: None) -> Float32 | None:
        """Return those of the sequence model, if there is one."""
        if self.twins:
            histories = histories.kept(_first_of_row(histories))
        for part in self.parts:
            found = part.model.states(histories, keep_on)
            if found is not None:
                return found
        return None

    def report(self) -> Mapping[str, Any]:
        """Return how the parts ranked held-out items, and their weights."""
        return self._report

    def settings(self) -> dict[str, Any]:
        """Return the names, weights and settings of the parts, the order of groups, and the report."""
        return {
            "parts": [
                {
                    "name": part.name,
                    "weight": part.weight,
                    "model": part.model.name,
                    "settings": part.model.settings(),
                }
                for part in self.parts
            ],
            "order": asdict(self.order),
            "n_items": self.n_items,
            "twins": self.twins,
            "report": self._report,
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of all, the name of the part before theirs, and what stands in for new items."""
        return {
            **{
                f"{part.name}.{name}": array
                for part in self.parts
                for name, array in part.model.arrays().items()
            },
            **self.newcomers.arrays(),
        }

    @classmethod
    def restored(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the model of these settings and arrays."""
        told = settings["parts"]
        if "weight" in settings:  # versions up to 0.1.0 had two parts, and the weight of the first
            weights = (settings["weight"], 1 - settings["weight"])
            told = [
                {**one, "name": one["model"], "weight": weight}
                for one, weight in zip(told, weights, strict=True)
            ]
        parts = [
            Part(
                one["name"],
                one["weight"],
                base.restored(one["model"], one["settings"], _own(arrays, one["name"])),
            )
            for one in told
        ]
        if "order" not in settings:
            return cls(parts)
        newcomers = Newcomers(settings["n_items"], arrays)
        return cls(parts, Order(**settings["order"]), newcomers, settings["report"], settings["twins"])


def fit(data: TrainingData, config: Config | None = None, run: Run | None = None) -> BlendModel:
    """Return a fitted blend.

    Args:
        data: what it is fitted on.
        config: ``None`` takes the defaults.
        run: how it runs.

    Raises:
        Stopped: the run says so.
        ModuleNotFoundError: there shall be a sequence model, and torch is not installed.
        ValueError: there shall be a sequence model, and there are no interactions.
    """
    config, run = config or Config(), run or Run()
    data, twins = _without_twins(data)
    users = _held_out(data.histories, config, run.seed)
    known = _without_last(data, users) if len(users) else data
    fitted = linear.Data(known, run)
    models = {name: row.fit(fitted) for name, row in linear.TABLE.items() if row.fits(known)}
    if config.sequence is not None:
        models[SEQUENCE] = sequence.fit(known, config.sequence, run)
    newcomers = Newcomers.of(known, run)
    if not len(users):
        weights = config.weights or {next(iter(models)): 1.0, SEQUENCE: 1.0}
        parts = [Part(name, weights[name], model) for name, model in models.items() if weights.get(name)]
        return BlendModel(parts, Order(related_first=True), newcomers, twins=twins)
    found = chosen(models, HeldOut.of(data.histories, users), known, newcomers, run)
    blend = BlendModel(found.parts, found.order, newcomers, found.report, twins)
    return blend if len(users) < _MISSED * len(data.histories.items) else with_all(blend, data, run)


def with_all(blend: BlendModel, data: TrainingData, run: Run) -> BlendModel:
    """Return a blend of the same parts, the linear ones fitted again, which takes seconds; the others are kept.

    Args:
        blend: fitted on a part of the data.
        data: all of it.
        run: how it runs.

    Raises:
        Stopped: the run says so.
    """
    data, _ = _without_twins(data)
    fitted = linear.Data(data, run)
    parts = [
        part._replace(model=linear.TABLE[part.name].fit(fitted)) if part.name in linear.TABLE else part
        for part in blend.parts
    ]
    return BlendModel(parts, blend.order, Newcomers.of(data, run), blend.report(), blend.twins)


def _without_twins(data: TrainingData) -> tuple[TrainingData, float]:
    """Return the data with each act once, and the share of acts that brought several events of one item and time."""
    histories = data.histories
    again = ~_first_of_row(histories)
    again[1:] &= np.diff(histories.times) == 0
    share = float(again.sum() / max((~again).sum(), 1))
    return (data, 0.0) if share < _TWINS else (replace(data, histories=histories.kept(~again)), share)


def _first_of_row(histories: Histories) -> Bool:
    """Return bool[interactions]: whether it is of another item than the one before it of the same user."""
    found: Bool = np.diff(histories.items, prepend=-1) != 0
    found[histories.offsets[:-1][histories.lengths > 0]] = True
    return found


def _undone(queries: Sequence[Query]) -> dict[int, int]:
    """Return the last item of each history, by its place, where that came once alone."""
    return {
        row: int(query.history[-1])
        for row, query in enumerate(queries)
        if len(query.history) and (len(query.history) == 1 or query.history[-1] != query.history[-2])
    }


def _once(history: Int32) -> Int32:
    """Return a history in which no item comes twice in a row."""
    found: Int32 = history[np.diff(history, prepend=-1) != 0]
    return found


def _held_out(histories: Histories, config: Config, seed: int) -> Int64:
    """Return int64[some]: users whose last item chooses; none if the weights are given."""
    if config.weights is not None:
        return np.zeros(0, np.int64)
    able = np.flatnonzero(histories.lengths >= 3)
    n = min(config.held_out_users, -(-len(able) // 5))
    return np.sort(np.random.default_rng(seed).choice(able, n, replace=False))


def _without_last(data: TrainingData, users: Int64) -> TrainingData:
    """Return the data without the last item of these users."""
    held_out = np.zeros(data.histories.n_users, np.int64)
    held_out[users] = 1
    return replace(data, histories=data.histories.without_last(held_out))


def _own(arrays: Mapping[str, NDArray[Any]], name: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of a part under their own names."""
    prefix = f"{name}."
    return {one.removeprefix(prefix): array for one, array in arrays.items() if one.startswith(prefix)}


MODEL = BlendModel
