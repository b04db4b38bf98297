"""How likely each user is to interact with each item: both are vectors of one space, and the answer is their product.

Alternating least squares on implicit feedback (Hu, Koren and Volinsky 2008) with a regularization that grows with what
is known (Rendle and others, "Revisiting the performance of iALS", 2022). A user's vector follows from the history
alone, so users are no part of the model; scores of one item can be held against each other over all users.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Bool, Float32, Histories, Int32, Int64, Model, Query, Run, TrainingData
from sartor.models.newcomers import Newcomers

#: Numbers of gathered vectors that are held at once: 64 MiB of float32.
_BLOCK_NUMBERS: Final = 1 << 24
#: So many vectors are gathered or turned at once.
_BLOCK_ROWS: Final = 1 << 16


@dataclass(frozen=True)
class Config:
    """What is decided before a training.

    Attributes:
        d: the length of the vectors; it falls to the number of items where they are fewer.
        everywhere: how much it counts that a user has not interacted with an item, against 1 that he has.
        ridge: how strongly vectors are held near 0, for each interaction; MovieLens-1M chose it, as the others.
        sweeps: how often users and items are solved in turn.
    """

    d: int = 149
    everywhere: float = 0.1
    ridge: float = 0.003
    sweeps: int = 8


class AffinityModel(Model):
    """Scores items for a history.

    Args:
        config: what it was made with.
        items: float32[items, d]; their products with each other, weighted by ``spread``, are a diagonal matrix.
        spread: float32[d], the sums of the squares of the known items' vectors.
        known: bool[items], which have interactions; the others have what items alike have, and tell nothing of users.
    """

    name: ClassVar[str] = "affinity"

    def __init__(self, config: Config, items: Float32, spread: Float32, known: Bool) -> None:
        self.config = config
        self.items: Float32 = np.asarray(items)
        self.spread: Float32 = np.asarray(spread)
        self.known: Bool = np.asarray(known)
        self.n_items = len(self.items)

    def score(self, query: Query) -> Float32:
        """Return float32[items]."""
        state = query.state
        if state is None:
            times = np.zeros(len(query.history), np.int64)
            offsets = np.array([0, len(query.history)], np.int64)
            (state,) = self.states(Histories(query.history, offsets, times))
        return self.items @ state

    def score_batch(self, queries: Sequence[Query]) -> Float32:
        """Return float32[queries, items]."""
        lengths = [len(query.history) for query in queries]
        items = np.concatenate([np.zeros(0, np.int32), *(query.history for query in queries)])
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return self.states(Histories(items, offsets, np.zeros(len(items), np.int64))) @ self.items.T

    def states(self, histories: Histories, keep_on: Callable[[], None] = lambda: None) -> Float32:
        """Return float32[users, d]: the users' vectors; 0 of who has no history.

        Args:
            histories: of any users.
            keep_on: called at least once a second; what it raises ends the work.
        """
        pairs = _pairs(histories, self.n_items)
        kept = self.known[pairs.other]
        owners = np.repeat(np.arange(histories.n_users), np.diff(pairs.offsets))[kept]
        offsets = np.searchsorted(owners, np.arange(histories.n_users + 1)).astype(np.int64)
        known = _Pairs(offsets, pairs.other[kept], pairs.times[kept])
        return _solved(known, self.items, self.spread, int(self.known.sum()), self.config, keep_on)

    def of_items(self, items: Int32) -> Float32:
        """Return float32[d]: the vector of some items together, whose product with a user's says how many are liked.

        Args:
            items: int32[any], different ones.
        """
        found: Float32 = self.items[items].sum(axis=0)
        return found

    def settings(self) -> dict[str, Any]:
        """Return the config."""
        return asdict(self.config)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the items' vectors, and what users are solved with."""
        return {"items": self.items, "spread": self.spread, "known": self.known}

    @classmethod
    def restored(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the model of these settings and arrays."""
        return cls(Config(**settings), arrays["items"], arrays["spread"], arrays["known"])


def fit(data: TrainingData, config: Config | None = None, run: Run | None = None) -> AffinityModel:
    """Return a fitted model.

    Args:
        data: what it is fitted on; how often counts, the order does not. Metadata is for items without interactions.
        config: ``None`` takes the defaults.
        run: how it runs.

    Raises:
        Stopped: the run says so.
    """
    config, run = config or Config(), run or Run()
    of_users = _pairs(data.histories, data.n_items)
    of_items = _turned(of_users, data.n_items)
    known = np.diff(of_items.offsets) > 0
    some_users = int((np.diff(of_users.offsets) > 0).sum())
    d = max(min(config.d, int(known.sum())), 1)
    items = np.random.default_rng(run.seed).standard_normal((data.n_items, d), np.float32)
    items *= np.float32(0.1 / np.sqrt(d)) * known[:, None]
    for sweep in range(config.sweeps):
        run.progress({"phase": "training", "epoch": sweep + 1, "epochs": config.sweeps})
        users = _solved(of_users, items, _rotate(items), int(known.sum()), config, run.keep_on)
        items = _solved(of_items, users, _rotate(users), some_users, config, run.keep_on)
    spread = _rotate(items)
    return AffinityModel(config, _with_newcomers(items, data, run), spread, known)


def _with_newcomers(items: Float32, data: TrainingData, run: Run) -> Float32:
    """Return float32[items, d]: an item that nobody interacted with has what items alike have, else what all have."""
    newcomers = Newcomers.of(data, run)
    if len(newcomers.known) in (0, data.n_items):
        return items
    known = np.ascontiguousarray(items[newcomers.known].T)  # float32[d, known]
    return np.ascontiguousarray(newcomers.widened(known, known.mean(axis=-1, keepdims=True)).T)


class _Pairs(NamedTuple):
    """Who met whom, each pair once.

    Attributes:
        offsets: int64[owners + 1]; an owner's pairs lie together.
        other: int32[pairs], ascending for each owner.
        times: float32[pairs], how often.
    """

    offsets: Int64
    other: Int32
    times: Float32


def _pairs(histories: Histories, n_items: int) -> _Pairs:
    """Return each user's items, each once."""
    users = np.repeat(np.arange(histories.n_users, dtype=np.int64), np.diff(histories.offsets))
    codes, times = np.unique(users * n_items + histories.items, return_counts=True)
    offsets = np.searchsorted(codes, np.arange(histories.n_users + 1, dtype=np.int64) * n_items)
    other = (codes % max(n_items, 1)).astype(np.int32)
    return _Pairs(offsets.astype(np.int64), other, times.astype(np.float32))


def _turned(pairs: _Pairs, n_others: int) -> _Pairs:
    """Return the same pairs by the other side."""
    owners = np.repeat(np.arange(len(pairs.offsets) - 1, dtype=np.int32), np.diff(pairs.offsets))
    order = np.argsort(pairs.other, kind="stable")
    offsets = np.searchsorted(pairs.other[order], np.arange(n_others + 1)).astype(np.int64)
    return _Pairs(offsets, owners[order], pairs.times[order])


def _rotate(vectors: Float32) -> Float32:
    """Turn float32[n, d] in place until their products with themselves are a diagonal, and return it, float32[d].

    With a diagonal every owner's system of equations can have a ridge of its own without a factorization of its own.
    What is solved against turned vectors is turned with them.
    """
    values, axes = np.linalg.eigh((vectors.T @ vectors).astype(np.float64))
    turned = axes.astype(np.float32)
    for first in range(0, len(vectors), _BLOCK_ROWS):
        vectors[first : first + _BLOCK_ROWS] = vectors[first : first + _BLOCK_ROWS] @ turned
    return np.maximum(values, 0.0).astype(np.float32)


def _solved(
    pairs: _Pairs,
    others: Float32,
    spread: Float32,
    n_others: int,
    config: Config,
    keep_on: Callable[[], None],
) -> Float32:
    """Return float32[owners, d]: the vector of each owner that fits its pairs best.

    Args:
        pairs: of the owners with others.
        others: float32[others, d], rotated.
        spread: float32[d], the diagonal of their products.
        n_others: how many of them count.
        config: what the regularization is.
        keep_on: called at least once a second.
    """
    lengths = np.diff(pairs.offsets)
    d = others.shape[1]
    found = np.zeros((len(lengths), d), np.float32)
    ridges = config.ridge * (lengths + config.everywhere * n_others)
    fixed = config.everywhere * spread
    for owners in _blocks(lengths, d):
        keep_on()
        longest = int(lengths[owners[-1]])
        diagonal = (fixed + ridges[owners][:, None]).astype(np.float32)  # float32[block, d]
        if longest < d:
            found[owners] = _short(pairs, owners, longest, others, diagonal)
        else:
            for owner, one in zip(owners.tolist(), diagonal, strict=True):
                found[owner] = _long(pairs, owner, others, one, keep_on)
    return found


def _blocks(lengths: Int64, d: int) -> Iterator[Int64]:
    """Yield owners who have pairs, about equally many in a block, so that little is padded."""
    order = np.argsort(lengths, kind="stable")
    order = order[np.searchsorted(lengths[order], 1) :]
    first = 0
    while first < len(order):
        room = max(_BLOCK_NUMBERS // (d * max(int(lengths[order[first]]), 1)), 1)
        last = min(first + room, len(order)) - 1
        # the block's longest decides how much is padded
        room = max(_BLOCK_NUMBERS // (d * int(lengths[order[last]])), 1)
        end = min(first + room, len(order))
        yield order[first:end]
        first = end


def _short(pairs: _Pairs, owners: Int64, longest: int, others: Float32, diagonal: Float32) -> Float32:
    """Return float32[block, d] of owners with fewer pairs than d: a system of equations of their pairs alone."""
    lengths = np.diff(pairs.offsets)[owners]
    there = np.arange(longest) < lengths[:, None]  # bool[block, longest]
    places = np.where(there, pairs.offsets[owners][:, None] + np.arange(longest), 0)
    met = others[pairs.other[places]] * there[:, :, None]  # float32[block, longest, d]
    over = met / diagonal[:, None, :]
    system = over @ met.transpose(0, 2, 1)  # float32[block, longest, longest]
    system[:, np.arange(longest), np.arange(longest)] += 1 / _confidence(pairs.times[places])
    weights = np.linalg.solve(system, there.astype(np.float32)[:, :, None])
    found: Float32 = (over.transpose(0, 2, 1) @ weights)[:, :, 0]
    return found


def _long(
    pairs: _Pairs, owner: int, others: Float32, diagonal: Float32, keep_on: Callable[[], None]
) -> Float32:
    """Return float32[d] of an owner with many pairs: a system of equations of the vectors' numbers."""
    begin, end = int(pairs.offsets[owner]), int(pairs.offsets[owner + 1])
    system = np.diag(diagonal).astype(np.float32)
    wanted = np.zeros(len(diagonal), np.float32)
    for first in range(begin, end, _BLOCK_ROWS):
        keep_on()
        part = slice(first, min(first + _BLOCK_ROWS, end))
        met = others[pairs.other[part]]  # float32[part, d]
        trusted = met * _confidence(pairs.times[part])[:, None]
        system += met.T @ trusted
        wanted += trusted.sum(axis=0)
    found: Float32 = np.linalg.solve(system, wanted)
    return found


def _confidence(times: Float32) -> Float32:
    """Return how much it counts that a pair met so often."""
    return 1 + np.log(times)


MODEL = AffinityModel
