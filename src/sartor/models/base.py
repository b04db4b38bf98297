"""What every model takes and gives: histories and features in, scores of all items out.

Items are numbers from 0; whoever calls a model keeps the names. A model scores a history, not a stored user, so
a new event changes the next answer and nobody is unknown. A fitted model is a settings dictionary and plain
arrays; ``save`` writes them so that processes share them by memory-mapping.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from sartor.errors import Stopped
from sartor.models.gang import Gang

Float32 = NDArray[np.float32]
Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

_SETTINGS_FILE: Final = "model.json"
#: So many interactions are counted at once.
_COUNTED_AT_ONCE: Final = 2**20


@dataclass(frozen=True)
class Histories:
    """Interactions by user: each user's lie together, oldest first.

    Attributes:
        items: int32[interactions], the item of each.
        offsets: int64[users + 1]; user ``u`` has ``items[offsets[u]:offsets[u + 1]]``.
        times: int64[interactions], epoch seconds.
        weights: float32[interactions], how much each counts as a target; ``None`` is 1 for all.
    """

    items: Int32
    offsets: Int64
    times: Int64
    weights: Float32 | None = None

    @property
    def n_users(self) -> int:
        """How many users there are."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Int64:
        """int64[users]: how many interactions each has."""
        return np.diff(self.offsets)

    @property
    def users(self) -> Int64:
        """int64[interactions]: whose each is."""
        return np.repeat(np.arange(self.n_users), self.lengths)

    def of(self, user: int) -> Int32:
        """Return int32[h]: one user's items, oldest first."""
        return self.items[self.offsets[user] : self.offsets[user + 1]]

    def kept(self, mask: Bool) -> "Histories":
        """Return the same users with those of their interactions for which bool[interactions] is true."""
        weights = None if self.weights is None else self.weights[mask]
        return Histories(self.items[mask], _true_before(mask, self.offsets), self.times[mask], weights)

    def without_last(self, held_out: Int64) -> "Histories":
        """Return the same users without the last ``held_out``, int64[users], interactions of each."""
        before = np.cumsum(held_out) - held_out
        mask = np.ones(len(self.items), np.bool_)
        mask[np.repeat(self.offsets[1:] - held_out - before, held_out) + np.arange(held_out.sum())] = False
        return self.kept(mask)

    def blocks(self, n: int) -> Iterator["Histories"]:
        """Yield whole users, one after the other, with ``n`` interactions at most or one user alone."""
        first = 0
        while first < self.n_users:
            begin = self.offsets[first]
            end = int(np.searchsorted(self.offsets, begin + n, "right")) - 1
            end = min(max(end, first + 1), self.n_users)
            part = slice(int(begin), int(self.offsets[end]))
            weights = None if self.weights is None else self.weights[part]
            yield Histories(
                self.items[part], self.offsets[first : end + 1] - begin, self.times[part], weights
            )
            first = end


def _true_before(mask: Bool, places: Int64) -> Int64:
    """Return int64[places]: how often bool[n] is true before each of some places, which ascend; some of it at once."""
    found, true = np.empty(len(places), np.int64), 0
    for begin in range(0, len(mask) + 1, _COUNTED_AT_ONCE):
        some = mask[begin : begin + _COUNTED_AT_ONCE]
        before = np.zeros(len(some) + 1, np.int64)
        np.cumsum(some, out=before[1:])
        here = slice(*np.searchsorted(places, [begin, begin + _COUNTED_AT_ONCE]))
        found[here] = true + before[places[here] - begin]
        true += int(before[-1])
    return found


@dataclass(frozen=True)
class Features:
    """Item metadata as sets of tokens, such as one for each genre or word.

    Attributes:
        tokens: int32[all], the tokens of each item, one item after the other.
        offsets: int64[items + 1]; item ``i`` has ``tokens[offsets[i]:offsets[i + 1]]``.
        n_tokens: how many different tokens there are.
    """

    tokens: Int32
    offsets: Int64
    n_tokens: int


@dataclass(frozen=True)
class Texts:
    """What the texts of items say, as bags of words, and when the items were created.

    Attributes:
        words: the different words, by number.
        offsets: int64[items + 1]; item ``i`` says ``word[offsets[i]:offsets[i + 1]]``, each word once.
        word: int32[all].
        weight: float32[all], how much each word of an item counts.
        created: int64[items], epoch seconds; -1 if nobody knows.
        digests: uint64[items], which differ where texts do; 0 of an item that says nothing.
    """

    words: Sequence[str]
    offsets: Int64
    word: Int32
    weight: Float32
    created: Int64
    digests: NDArray[np.uint64]


@dataclass(frozen=True)
class ActionEvents:
    """What users did with actions: each user's events lie together, oldest first.

    Attributes:
        actions: int32[events].
        types: int8[events], what came of it, as ``sartor.models.actions`` numbers it.
        times: int64[events], epoch seconds.
        offsets: int64[users + 1]; user ``u`` has ``actions[offsets[u]:offsets[u + 1]]``.
    """

    actions: Int32
    types: Int8
    times: Int64
    offsets: Int64

    @property
    def n_users(self) -> int:
        """How many users there are."""
        return len(self.offsets) - 1

    def where(self, kept: Bool) -> "ActionEvents":
        """Return the events of which bool[events] is true, of the same users."""
        before = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
        return ActionEvents(self.actions[kept], self.types[kept], self.times[kept], before[self.offsets])


def no_events(n_users: int = 0) -> ActionEvents:
    """Return no events of some users."""
    nothing = np.zeros(0, np.int64)
    return ActionEvents(
        nothing.astype(np.int32), nothing.astype(np.int8), nothing, np.zeros(n_users + 1, np.int64)
    )


@dataclass(frozen=True)
class Acting:
    """What a model of actions is fitted on, beside items; its users have the same numbers as the histories'.

    Attributes:
        n_actions: how many actions there are, those without events included.
        events: what users did with them.
        attributes: what the Users dataset says of each user; ``None`` if nothing.
    """

    n_actions: int = 0
    events: ActionEvents = field(default_factory=no_events)
    attributes: Features | None = None


@dataclass(frozen=True)
class TrainingData:
    """What a model is fitted on.

    Attributes:
        n_items: how many items there are, those without interactions included.
        histories: who interacted with what.
        features: what is known of each item; ``None`` if nothing is.
        texts: what the items' texts say; ``None`` for models that do not look at them.
        acting: what users did with actions; nothing but for models of actions.
    """

    n_items: int
    histories: Histories
    features: Features | None = None
    texts: Texts | None = None
    acting: Acting = field(default_factory=Acting)


@dataclass(frozen=True)
class Person:
    """What a model of actions knows of who asks, beside the items of the history.

    Attributes:
        actions: int32[k], of what was done with actions, oldest first; those that the model does not know are left out.
        types: int8[k], what came of each, as ``sartor.models.actions`` numbers it.
        attributes: int32[a], the numbers of what the Users dataset says.
    """

    actions: Int32
    types: Int8
    attributes: Int32


@dataclass(frozen=True)
class Query:
    """One question to a model.

    Attributes:
        history: int32[h], the items of who asks, oldest first; items that the model does not know are left out.
        item: the item that is looked at, for related items; ``None`` if none is, or the model does not know it.
        state: float32[d], what the model's ``states`` has for this history; ``None`` if it was not asked for.
        popularity: from 0 to 1, how much popularity has a say in what is related; few models listen.
        freshness: the same of how new items are.
        person: who asks, for a model of actions; ``None`` if nothing is known.
    """

    history: Int32
    item: int | None = None
    state: Float32 | None = None
    popularity: float = 0.0
    freshness: float = 0.0
    person: Person | None = None


@dataclass(frozen=True)
class Run:
    """How a training runs: the same for every model.

    Attributes:
        seed: equal seeds, data and settings give equal models on one machine.
        threads: how many threads it may use.
        progress: takes what is done so far, such as ``{"epoch": 2, "epochs": 8, "loss": 5.1, "secondsLeft": 60}``.
        stop: asked at least once a second whether to give up; then ``Stopped`` is raised.
        warn: takes a fault of the model that does not end its training: what it is, by how much, and what to do.
        gang: who may learn a sequence model together; ``None``: this process alone.
        at_once: how many of its threads run at once; ``None``: all. The number of threads is part of what makes a
            model, as the seed is; this is not.
    """

    seed: int = 0
    threads: int = 2
    progress: Callable[[Mapping[str, Any]], None] = field(default=lambda _done: None)
    stop: Callable[[], bool] = field(default=lambda: False)
    warn: Callable[[str], None] = field(default=lambda _fault: None)
    gang: Gang | None = None
    at_once: int | None = None

    def keep_on(self) -> None:
        """Raise ``Stopped`` if the training must stop."""
        if self.stop():
            raise Stopped

    def unwarned(self) -> "Run":
        """Return the same without warnings: for a model that is only tried."""
        return replace(self, warn=lambda _fault: None)


class Model(ABC):
    """A fitted model. Each is made by the ``fit`` of its module: ``fit(data, config, run)``.

    Attributes:
        name: of the model, which is its module's; it finds the class when a saved one is loaded.
        n_items: how many items it scores.
        has_logits: whether scores are logits of a softmax over all items; else only their order has a meaning.
        knows_new: whether an item without interactions is scored as well as any other, by what is known of it.
    """

    name: ClassVar[str]
    has_logits: ClassVar[bool] = False
    knows_new: ClassVar[bool] = False
    n_items: int

    @property
    def window_seconds(self) -> int | None:
        """How long the windows are of a model that compares the last ones: newer interactions change all its scores.

        ``None`` for all others.
        """
        return None

    @property
    def lift(self) -> float:
        """How far the score of an item that came after the training stands out of the mean of all.

        1 is as far as the scores of the known items that speak for it.
        """
        return 1.0

    def report(self) -> Mapping[str, Any]:
        """Return how the training judged what it made, as JSON."""
        return {}

    def own_metrics(self, histories: Histories) -> dict[str, float]:
        """Return the metrics by name that only such a model has, of all interactions there are."""
        return {}

    @abstractmethod
    def score(self, query: Query) -> Float32:
        """Return float32[items]: the higher, the better; every score is finite."""

    def score_batch(self, queries: Sequence[Query]) -> Float32:
        """Return float32[queries, items], equal to ``score`` of each up to rounding."""
        if not queries:
            return np.zeros((0, self.n_items), np.float32)
        return np.stack([self.score(query) for query in queries])

    def score_some(self, query: Query, items: Int32) -> Float32:
        """Return float32[k]: the scores of some items, equal to those of ``score`` up to rounding.

        Args:
            query: the question.
            items: int32[k], which.
        """
        return self.score(query)[items]

    def related(self, scores: Float32) -> Bool | None:
        """Return bool[queries, items]: what histories relate to, by the model's scores of them.

        Args:
            scores: float32[queries, items], as ``score_batch`` has returned them.

        Returns:
            ``None`` if the model does not know.
        """
        return None

    def states(self, histories: Histories, keep_on: Callable[[], None] = lambda: None) -> Float32 | None:
        """Return float32[users, d]: what of the answers to these histories can be computed beforehand, or ``None``.

        Args:
            histories: of users who may ask.
            keep_on: called at least once a second; what it raises ends the work.
        """
        return None

    def product(self) -> tuple[Float32, Float32] | None:
        """Return float32[items, d] and float32[items]: scores are ``states`` times the first, plus the second.

        Returns:
            ``None`` if they are made otherwise.
        """
        return None

    def shortlist(self, query: Query, size: int) -> tuple[Int32, Float32] | None:
        """Return items that may be the best and their exact scores, best first, without a look at all items.

        Args:
            query: the question.
            size: how many items are wanted at least.

        Returns:
            int32[k] and float32[k] with ``k >= size``; ``None`` if the model scores all items as quickly.
        """
        return None

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return what is saved as JSON."""

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what is saved as arrays, by name; a name may have dots."""

    @classmethod
    @abstractmethod
    def restored(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the model of these settings and arrays; the arrays may be read-only."""


def save(model: Model, folder: Path) -> None:
    """Write a model into a folder that is made: ``model.json`` and one ``.npy`` file an array."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in model.arrays().items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
    content = {"model": model.name, "settings": model.settings(), "arrays": sorted(model.arrays())}
    (folder / _SETTINGS_FILE).write_text(json.dumps(content, indent=2), encoding="utf-8")


def load(folder: Path) -> Model:
    """Return the model that ``save`` wrote, its arrays memory-mapped.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is of a model that this version does not know.
    """
    content = json.loads((folder / _SETTINGS_FILE).read_text(encoding="utf-8"))
    arrays = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in content["arrays"]
    }
    return restored(content["model"], content["settings"], arrays)


def restored(name: str, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Model:
    """Return the model of this name with these settings and arrays.

    Raises:
        ValueError: this version has no such model.
    """
    if not name.isidentifier():
        raise ValueError(f"There is no model {name!r}.")
    try:
        module = import_module(f"sartor.models.{name}")
    except ModuleNotFoundError as error:
        raise ValueError(f"There is no model {name!r}.") from error
    found: type[Model] = module.MODEL
    return found.restored(settings, arrays)
