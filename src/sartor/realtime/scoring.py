"""A user's scores, kept as long as nothing new is known of the user: most requests score nothing.

Scores are the softmax of what the model says over what it scored: the whole catalogue, or the best of a large
one ("Getting real-time item recommendations" of the guide).
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Bool, Float32, Int32, Model, Query
from sartor.models.best import top

T = TypeVar("T")

#: What all kept scores may take, in bytes.
CACHE_BYTES: Final = 256 * 2**20
#: From here on a model is asked for a shortlist, and all items are scored only when a filter leaves too few of it.
LARGE_CATALOGUE: Final = 100_000
#: Scores that are closer together than this are equal.
_LEAST_SPREAD: Final = np.float32(1e-9)
_SCALE: Final = 2.0
#: How many items a shortlist has at least.
SHORTLIST: Final = 2_000
#: So deep a shortlist is what the best of all items are; behind, items are missing.
_DEPTH: Final = 400
#: So many allowed items of a large catalogue are scored one by one, about as quickly as the best of all are found.
_FEW: Final = 200_000
#: A recipe that scores its best items only scores so many; of fewer all, as finding the best would take longer.
BEST: Final = 5_000
#: A sum of powers between these has lost nothing.
_PLAIN: Final = (1e-9, 1e30)


@dataclass(frozen=True)
class Scores:
    """What a model says of items.

    Attributes:
        items: int32[k], which, best first; ``None`` is all items, by number.
        values: float32[k], the model's scores.
        logits: whether these are logits; else only their order has a meaning.
        subset: whether shares are those of the best ``BEST`` alone.
    """

    items: Int32 | None
    values: Float32
    logits: bool
    subset: bool = False

    @property
    def nbytes(self) -> int:
        """How much memory they take."""
        return self.values.nbytes + (0 if self.items is None else self.items.nbytes)

    def shares(self, places: NDArray[np.integer]) -> Float32:
        """Return float32[places]: the softmax over these scores, or the best of them, at some places."""
        mean, spread, highest, total = self._scale
        powers: Float32 = np.exp(_as_logits(self.values[places], mean, spread) - highest)
        powers /= total
        return powers

    def lifted(self, lift: Float32) -> "Scores":
        """Return these scores where something else is known of each item.

        Args:
            lift: float32[items], what is added to each logit.
        """
        mean, spread, _, _ = self._scale
        values = _as_logits(self.values, mean, spread)
        if self.items is None:
            return Scores(None, values + lift, logits=True, subset=self.subset)
        values = values + lift[self.items]
        order = np.argsort(-values, kind="stable")
        return Scores(self.items[order], values[order], logits=True, subset=self.subset)

    def joined(self, other: "Scores") -> "Scores":
        """Return a shortlist and what another one has besides, best first."""
        assert self.items is not None, "all items are scored"
        assert other.items is not None, "all items are scored"
        more = ~np.isin(other.items, self.items)
        items = np.concatenate([self.items, other.items[more]])
        values = np.concatenate([self.values, other.values[more]])
        order = np.argsort(-values, kind="stable")
        return Scores(items[order], values[order], self.logits, self.subset)

    @cached_property
    def _scale(self) -> tuple[np.float32, np.float32, np.float32, np.float32]:
        """The mean and deviation of scores that are no logits, the highest logit, and the sum of all powers."""
        values, mean, spread = self.values, np.float32(0), np.float32(0)
        if not len(values):
            return mean, spread, np.float32(0), np.float32(1)
        if not self.logits:
            mean, spread = values.mean(), max(values.std(), _LEAST_SPREAD)
        found = _as_logits(values[values >= self.edge] if self.edge > -np.inf else values, mean, spread)
        highest = found.max()
        powers = np.exp(found - highest)
        # a product with ones takes a third of the time of a sum in float64, and is as exact as the shares are
        return mean, spread, highest, powers @ np.ones(len(powers), np.float32)

    @cached_property
    def edge(self) -> float:
        """The score of the last of the best items of a subset; others that equal it count too."""
        n = len(self.values)
        return float(np.partition(self.values, n - BEST)[n - BEST]) if self.subset and n > BEST else -np.inf


class Shares(NamedTuple):
    """The softmax over scores, row by row.

    Attributes:
        edge: float32[rows], what a score must reach to have a share.
        mean: float32[rows, 1], of scores that are no logits, else 0.
        spread: float32[rows, 1], their deviation, else 0.
        highest: float32[rows, 1], the highest logit.
        total: float32[rows, 1], the sum of all powers.
    """

    edge: Float32
    mean: Float32
    spread: Float32
    highest: Float32
    total: Float32

    @classmethod
    def of(cls, values: Float32, logits: bool, subset: bool, room: Float32 | None = None) -> "Shares":
        """Return the softmax over float32[rows, items] as ``Scores`` has it for one row.

        Args:
            values: the scores.
            logits: whether they are logits.
            subset: whether shares are those of the best ``BEST`` alone.
            room: float32[rows, items], what may be written to.
        """
        rows, items = values.shape
        mean = spread = np.zeros((rows, 1), np.float32)
        if not logits:
            mean = values.mean(axis=1, keepdims=True)
            spread = np.maximum(values.std(axis=1, keepdims=True), _LEAST_SPREAD)
        edge = np.full(rows, -np.inf, np.float32)
        powers, equal = values, np.zeros(rows, np.float32)
        if subset and items > BEST:
            parted = np.partition(values, items - BEST, axis=1)
            edge, powers = parted[:, items - BEST].copy(), parted[:, items - BEST :]
            tied = np.flatnonzero(parted[:, : items - BEST].max(axis=1) == edge)
            for row in tied.tolist():  # others that equal the last of the best count too
                equal[row] = (values[row] == edge[row]).sum() - (powers[row] == edge[row]).sum()
        powers = _logits_of_each(powers, mean, spread)
        highest, room = np.zeros((rows, 1), np.float32), room if powers is values else powers
        ones = np.ones((powers.shape[1], 1), np.float32)
        total = None
        if (
            logits and powers is values
        ):  # most logits are powers as they are: who is highest need not be known
            with np.errstate(over="ignore"):
                total = np.exp(powers, out=room) @ ones
        if total is None or not (_PLAIN[0] < total.min() and total.max() < _PLAIN[1]):
            highest = powers.max(axis=1, keepdims=True)
            total = np.exp(np.subtract(powers, highest, out=room), out=room) @ ones
        if equal.any():
            total += equal[:, None] * np.exp(_logits_of_each(edge[:, None], mean, spread) - highest)
        return cls(edge, mean, spread, highest, total)

    @classmethod
    def joined(cls, parts: Sequence["Shares"]) -> "Shares":
        """Return the shares of all rows of some parts, of which there is one."""
        return cls(*map(np.concatenate, zip(*parts, strict=True)))

    def at(self, values: Float32) -> Float32:
        """Return float32[rows, k]: the shares of scores, a row of each row."""
        powers: Float32 = np.exp(_logits_of_each(values, self.mean, self.spread) - self.highest)
        powers /= self.total
        return powers


def _logits_of_each(values: Float32, mean: Float32, spread: Float32) -> Float32:
    """Return float32[rows, k]: what ``_as_logits`` makes of each row; all rows have a spread or none has."""
    if not spread.any():
        return values
    found: Float32 = values - mean
    found /= spread
    signs = np.sign(found)
    np.abs(found, out=found)
    np.log1p(found, out=found)
    found *= signs
    found *= np.float32(_SCALE)
    return found


def scores_of(model: Model, query: Query, subset: bool) -> Scores:
    """Return the scores of all items, or of the shortlist of a large catalogue."""
    if model.n_items >= LARGE_CATALOGUE:
        found = model.shortlist(query, SHORTLIST)
        if found is not None:
            return Scores(*found, model.has_logits)
    return all_scores(model, query, subset)


def few_allowed(model: Model, mask: Bool, n: int) -> Int32 | None:
    """Return int32[k]: the model's items that a mask allows, if a shortlist has too few of the best of them.

    Args:
        model: of a large catalogue.
        mask: bool[rows].
        n: how many items are wanted.

    Returns:
        ``None`` if the shortlist has them, or they are too many to be scored one by one.
    """
    known = mask[: model.n_items]
    allowed = np.count_nonzero(known)
    if allowed > _FEW or n * model.n_items <= _DEPTH * allowed:
        return None
    return np.flatnonzero(known).astype(np.int32)


def best_of(model: Model, query: Query, items: Int32) -> Scores:
    """Return the best of some items, as a shortlist of them alone."""
    values = model.score_some(query, items)
    best = top(values, SHORTLIST)
    return Scores(items[best], values[best], model.has_logits)


def all_scores(model: Model, query: Query, subset: bool = False) -> Scores:
    """Return the scores of all items; only the best of them have a share if a subset is scored."""
    return Scores(None, model.score(query), model.has_logits, subset)


def _as_logits(values: Float32, mean: np.float32, spread: np.float32) -> Float32:
    """Return float32[k]: scores in the unit of logits; a spread of 0 says that they are.

    Where only their order has a meaning, they are deviations from the mean, on a scale that grows ever more slowly:
    a few scores far above all others would else leave nothing to the rest.
    """
    if not spread:
        return values
    deviations = (values - mean) / spread
    found: Float32 = np.float32(_SCALE) * np.sign(deviations) * np.log1p(np.abs(deviations))
    return found


@dataclass(frozen=True)
class Known(Generic[T]):
    """Something that holds as long as what it came from is as it was.

    Attributes:
        state: of what it came from, such as the number of the newest record that it knows of.
        value: what is kept.
        nbytes: how much memory it takes.
    """

    state: object
    value: T
    nbytes: int


class Kept(Generic[T]):
    """What was used last, up to a number of bytes; safe to share between threads.

    Args:
        most_bytes: of all values.
    """

    def __init__(self, most_bytes: int = CACHE_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._known: OrderedDict[Hashable, Known[T]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, state: object, make: Callable[[], tuple[T, int]]) -> T:
        """Return what is kept under a key, made anew if what it came from has changed.

        Args:
            key: whose.
            state: of what it comes from, such as the number of the newest record, as it was before it is made.
            make: returns the value and its bytes.
        """
        with self._lock:
            known = self._known.get(key)
            if known is not None and known.state == state:
                self._known.move_to_end(key)
                return known.value
        value, nbytes = make()
        with self._lock:
            old = self._known.pop(key, None)
            self._bytes += nbytes - (0 if old is None else old.nbytes)
            self._known[key] = Known(state, value, nbytes)
            while self._bytes > self._most_bytes and len(self._known) > 1:
                _, gone = self._known.popitem(last=False)
                self._bytes -= gone.nbytes
        return value
