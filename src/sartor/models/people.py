"""What people did, and what is known of them, as numbers that a model of actions learns from.

Items and actions are few numbers each: themselves if there are few, else singular vectors of what follows what. A
person is the mean of the items, the newest ones most, of the actions taken and of those shown, and of attributes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from sartor.models import sequence_start
from sartor.models.actions import N_TYPES, TAKEN, Trials
from sartor.models.base import Bool, Features, Float32, Histories, Int32, Int64, Person, TrainingData

#: Of a history so many of the newest items and of the newest events with actions count.
WINDOW: Final = 50
#: Each older item counts this much of the next newer one.
_DECAY: Final = 0.9
#: Up to so many items or actions each is a number of its own; of more there are so many singular vectors.
_FEW: Final = 48
_VECTORS: Final = 32
#: So many tokens of items and so many attributes of users count, the commonest ones.
_TOKENS: Final = 32
_ATTRIBUTES: Final = 128
#: So many usual events are told beforehand of each mean, so that a short history says less.
_USUAL: Final = 1.0
#: Trials that are encoded at once.
_BLOCK: Final = 2048
_LEAST_SPREAD: Final = np.float32(1e-3)


@dataclass(frozen=True)
class People:
    """How people are encoded.

    Attributes:
        items: float32[items, p], what each item says of who interacts with it.
        actions: float32[actions, q], what each action says of who takes it.
        columns: int32[attribute values], the column of each; -1 for one that does not count.
    """

    ARRAYS: ClassVar = ("items", "actions", "columns")

    items: Float32
    actions: Float32
    columns: Int32

    @classmethod
    def of(cls, data: TrainingData, seed: int, keep_on: Callable[[], None]) -> Self:
        """Return the encoding that some data suggest."""
        taken = data.acting.events.types == TAKEN
        chosen = data.acting.events.where(taken)
        histories = Histories(chosen.actions, chosen.offsets, chosen.times)
        return cls(
            np.concatenate(
                [
                    _vectors(data.histories, data.n_items, seed, keep_on),
                    _token_shares(data.features, data.n_items),
                ],
                axis=1,
            ),
            _vectors(histories, data.acting.n_actions, seed, keep_on),
            _columns(data.acting.attributes),
        )

    @property
    def n_shared(self) -> int:
        """How many numbers a person has, whatever the action."""
        n_items, n_actions = int(self.items.shape[1]), int(self.actions.shape[1])
        return n_items + 2 * n_actions + 3 + self._n_attributes

    @property
    def n_own(self) -> int:
        """How many numbers a person has of one action."""
        return N_TYPES

    @property
    def _n_attributes(self) -> int:
        return int(self.columns.max(initial=-1)) + 1

    def person(self, history: Int32, person: Person | None) -> tuple[Float32, Float32]:
        """Return float32[shared] and float32[actions, own]: one person, now."""
        items = np.asarray(history[-WINDOW:])[None]
        nobody = Person(np.zeros(0, np.int32), np.zeros(0, np.int8), np.zeros(0, np.int32))
        known = nobody if person is None else person
        actions, types = known.actions[-WINDOW:], known.types[-WINDOW:]
        shared = self._shared(items, np.ones_like(items, bool), actions[None], types[None], None)
        found = self.columns[known.attributes]
        shared[0, self.n_shared - self._n_attributes + found[found >= 0]] = 1
        own = np.zeros((len(self.actions), N_TYPES), np.float32)
        np.add.at(own, (actions, types), 1)
        return shared[0], np.log1p(own)

    def before(self, past: "Past", places: Int64, keep_on: Callable[[], None]) -> Float32:
        """Return float32[places, shared + own]: who could take actions, as they were right before.

        Args:
            past: what users had done before each trial.
            places: of the trials.
            keep_on: called now and then; may raise.
        """
        data, trials = past.data, past.trials
        found = np.zeros((len(places), self.n_shared + self.n_own), np.float32)
        for first in range(0, len(places), _BLOCK):
            keep_on()
            rows = found[first : first + _BLOCK]
            part = places[first : first + _BLOCK]
            users = trials.users[part]
            item_at, item_there = _windows(data.histories.offsets, users, past.items[part])
            event_at, event_there = _windows(data.acting.events.offsets, users, past.events[part])
            items = _values_at(data.histories.items, item_at)
            events, types = (
                _values_at(one, event_at) for one in (data.acting.events.actions, data.acting.events.types)
            )
            rows[:, : self.n_shared] = self._shared(items, item_there, events, types, event_there)
            same = event_there & (events == trials.actions[part, None])
            for kind in range(N_TYPES):
                rows[:, self.n_shared + kind] = np.log1p((same & (types == kind)).sum(axis=1))
            self._put_attributes(rows, data.acting.attributes, users)
        return found

    def _shared(
        self,
        items: NDArray[Any],
        item_there: Bool,
        actions: NDArray[Any],
        types: NDArray[Any],
        event_there: Bool | None,
    ) -> Float32:
        """Return float32[people, shared] without attributes; windows end with the newest."""
        there = np.ones_like(actions, bool) if event_there is None else event_there
        age = np.arange(items.shape[1], 0, -1) - 1
        weight = np.where(item_there, np.float32(_DECAY) ** age, 0).astype(np.float32)
        taken = (there & (types == TAKEN)).astype(np.float32)
        shown = (there & (types != TAKEN)).astype(np.float32)
        n_taken, n_shown = taken.sum(axis=1), shown.sum(axis=1)
        parts = [
            _mean(weight, self.items[items]),
            np.log1p(item_there.sum(axis=1, dtype=np.float32))[:, None],
            _mean(taken, self.actions[actions]),
            _mean(shown, self.actions[actions]),
            ((n_taken - n_shown) / (n_taken + n_shown + 2 * np.float32(_USUAL)))[:, None],
            np.log1p(n_taken + n_shown)[:, None],
            np.zeros((len(items), self._n_attributes), np.float32),
        ]
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def _put_attributes(self, found: Float32, attributes: Features | None, users: Int64) -> None:
        """Write which attributes the user of each trial has."""
        if attributes is None or not self._n_attributes:
            return
        lengths = np.diff(attributes.offsets)[users]
        rows = np.repeat(np.arange(len(users)), lengths)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        columns = self.columns[attributes.tokens[attributes.offsets[users][rows] + within]]
        kept = columns >= 0
        found[rows[kept], self.n_shared - self._n_attributes + columns[kept]] = 1

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what is saved."""
        return {name: getattr(self, name) for name in self.ARRAYS}

    @classmethod
    def restored(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the encoding of these ``arrays``."""
        return cls(*(arrays[name] for name in cls.ARRAYS))


class Past:
    """What users had done right before each of some trials.

    Args:
        data: what they did.
        trials: of the same users.

    Attributes:
        data, trials: the same.
        items: int64[trials], where in the user's items those end that came before.
        events: int64[trials], the same of the user's events with actions.
    """

    def __init__(self, data: TrainingData, trials: Trials) -> None:
        self.data = data
        self.trials = trials
        self.items = _ends(data.histories.offsets, data.histories.times, trials)
        self.events = _ends(data.acting.events.offsets, data.acting.events.times, trials)


def standard(x: Float32) -> tuple[Float32, Float32]:
    """Return float32[features] twice: the mean and the spread of each; what does not vary has a spread of 1."""
    spread = x.std(axis=0, dtype=np.float64).astype(np.float32)
    spread[spread < _LEAST_SPREAD] = 1
    return x.mean(axis=0, dtype=np.float64).astype(np.float32), spread


def _vectors(histories: Histories, n: int, seed: int, keep_on: Callable[[], None]) -> Float32:
    """Return float32[n, vectors]: few numbers for each item or action; one that nobody had has none."""
    if n <= _FEW:
        return np.eye(n, dtype=np.float32)
    found = sequence_start.embeddings(histories, n, _VECTORS, seed, keep_on)
    found /= np.float32(sequence_start.DEVIATION)
    found[np.bincount(histories.items, minlength=n) == 0] = 0
    return found


def _token_shares(features: Features | None, n_items: int) -> Float32:
    """Return float32[items, tokens]: which of the commonest tokens each item has."""
    if features is None or not len(features.tokens):
        return np.zeros((n_items, 0), np.float32)
    columns = _commonest(features, _TOKENS)
    found = np.zeros((n_items, int(columns.max(initial=-1)) + 1), np.float32)
    items = np.repeat(np.arange(n_items), np.diff(features.offsets))
    at = columns[features.tokens]
    found[items[at >= 0], at[at >= 0]] = 1
    return found


def _columns(attributes: Features | None) -> Int32:
    return np.zeros(0, np.int32) if attributes is None else _commonest(attributes, _ATTRIBUTES)


def _commonest(features: Features, most: int) -> Int32:
    """Return int32[tokens]: the column of each of the commonest tokens, -1 for the others."""
    counts = np.bincount(features.tokens, minlength=features.n_tokens)
    chosen = np.argsort(-counts, kind="stable")[:most]
    columns = np.full(features.n_tokens, -1, np.int32)
    columns[chosen] = np.arange(len(chosen))
    return columns


def _mean(weight: Float32, vectors: Float32) -> Float32:
    """Return float32[people, d]: of float32[people, window] and float32[people, window, d]."""
    found: Float32 = np.matmul(weight[:, None], vectors)[:, 0]
    found /= weight.sum(axis=1, keepdims=True) + np.float32(_USUAL)
    return found


def _ends(offsets: Int64, times: Int64, trials: Trials) -> Int64:
    """Return int64[trials]: where in a user's rows those end that came before a trial."""
    moments, rank = np.unique(times, return_inverse=True)
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    key = owner * (len(moments) + 1) + rank
    wanted = trials.users * (len(moments) + 1) + np.searchsorted(moments, trials.times)
    return np.searchsorted(key, wanted).astype(np.int64)


def _windows(offsets: Int64, users: Int64, ends: Int64) -> tuple[Int64, Bool]:
    """Return int64[trials, WINDOW] and bool of the same shape: the places of the newest rows, and which there are."""
    places = ends[:, None] - np.arange(WINDOW, 0, -1)
    return places, places >= offsets[users][:, None]


def _values_at(values: NDArray[Any], places: Int64) -> NDArray[Any]:
    """Return the values at some places; where there is none, any."""
    if not len(values):
        return np.zeros(places.shape, np.int32)
    return np.asarray(values[np.maximum(places, 0)])
