"""How likely each user is to interact with each item: both are vectors of one space, and the answer is their product.

A linear autoencoder of few dimensions: a user is the sum of what his items say, newer ones louder, an item is what is
read out of it. Both come from the strongest singular vectors of who met what, of which ridge regression keeps the more
the stronger they are; popular items say less. So the scores of different users for one item can be held against each
other, and who did more scores higher.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Float32, Histories, Int32, Int64, Model, Query, Run, TrainingData
from sartor.models.newcomers import Newcomers

#: Vectors that are gathered at once.
_BLOCK_VECTORS: Final = 1 << 16
#: So many more vectors than are wanted are iterated, so that the last ones are right too.
_SPARE: Final = 16
#: From this share of interactions with an item that a user has met before, users count as coming back to items.
_COMING_BACK: Final = 0.05


@dataclass(frozen=True)
class Config:
    """What is decided before a training.

    The defaults were compared on the split of MovieLens-1M that ``python -m quality segments`` measures; none is sharp.

    Attributes:
        d: the length of the vectors; it falls to the number of items where they are fewer.
        smoothing: so many users more are counted of each item before popular ones are brought down.
        ridge: against the mean of what all items say of themselves.
        rounds: of the iteration that finds the singular vectors.
        always: how much an interaction says however old it is, against 1 more that fades.
        fading: after so many newer interactions the rest says a third.
    """

    d: int = 149
    smoothing: float = 10.0
    ridge: float = 30.0
    rounds: int = 3
    always: float = 0.2
    fading: float = 50.0


class AffinityModel(Model):
    """Scores items for a history.

    Args:
        config: what it was made with.
        says: float32[items, d], what it says of a user to have met an item; 0 of items without interactions.
        items: float32[items, d], whose products with a user's vector are the scores.
        comes_back: whether users come back to items that they have met.
    """

    name: ClassVar[str] = "affinity"

    def __init__(self, config: Config, says: Float32, items: Float32, comes_back: bool) -> None:
        self.config = config
        self.says: Float32 = np.asarray(says)
        self.items: Float32 = np.asarray(items)
        self.comes_back = comes_back
        self.n_items = len(self.items)

    def score(self, query: Query) -> Float32:
        """Return float32[items]."""
        state = self._states_of([query])[0] if query.state is None else query.state
        return self.items @ state

    def score_batch(self, queries: Sequence[Query]) -> Float32:
        """Return float32[queries, items]."""
        return self._states_of(queries) @ self.items.T

    def _states_of(self, queries: Sequence[Query]) -> Float32:
        items = np.concatenate([np.zeros(0, np.int32), *(query.history for query in queries)])
        offsets = np.cumsum([0, *(len(query.history) for query in queries)]).astype(np.int64)
        return self.states(Histories(items, offsets, np.zeros(len(items), np.int64)))

    def states(self, histories: Histories, keep_on: Callable[[], None] = lambda: None) -> Float32:
        """Return float32[users, d]: the users' vectors; 0 of who has no history.

        Args:
            histories: of any users.
            keep_on: called at least once a second; what it raises ends the work.
        """
        lengths = np.diff(histories.offsets)
        owners = np.repeat(np.arange(len(lengths)), lengths)
        newer = histories.offsets[owners + 1] - np.arange(histories.offsets[0], histories.offsets[-1]) - 1
        louder = self.config.always + np.exp(-newer / self.config.fading)
        # together they weigh as much as there are, so that only their shares depend on their ages
        louder *= (lengths / np.maximum(np.bincount(owners, louder, len(lengths)), 1e-9))[owners]
        groups = _Groups(histories.offsets, histories.items)
        return _sums(groups, self.says, keep_on, louder.astype(np.float32))

    def of_items(self, items: Int32) -> Float32:
        """Return float32[d]: the vector of some items together, whose product with a user's says how many are liked.

        Args:
            items: int32[any], different ones.
        """
        found: Float32 = self.items[items].sum(axis=0)
        return found

    def settings(self) -> dict[str, Any]:
        """Return the config, and whether users come back."""
        return {**asdict(self.config), "comes_back": self.comes_back}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the vectors."""
        return {"says": self.says, "items": self.items}

    @classmethod
    def restored(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the model of these settings and arrays."""
        config = {name: value for name, value in settings.items() if name != "comes_back"}
        return cls(Config(**config), arrays["says"], arrays["items"], settings["comes_back"])


def fit(data: TrainingData, config: Config | None = None, run: Run | None = None) -> AffinityModel:
    """Return a fitted model.

    Args:
        data: what it is fitted on. Metadata is for items without interactions.
        config: ``None`` takes the defaults.
        run: how it runs.

    Raises:
        Stopped: the run says so.
    """
    config, run = config or Config(), run or Run()
    met = _met(data.histories, data.n_items)
    users = np.bincount(met.members, minlength=data.n_items)  # int64[items]
    known = users > 0
    weights = np.where(known, (users + config.smoothing) ** -0.5, 0.0).astype(np.float32)
    d = max(min(config.d, int(known.sum())), 1)
    strengths, vectors = _strongest(met, weights, d, config.rounds, run)
    ridge = config.ridge * float((users * weights**2).sum()) / max(int(known.sum()), 1)
    kept = strengths / (strengths + max(ridge, 1e-9))
    says = weights[:, None] * vectors * kept.astype(np.float32)
    items = np.divide(vectors, weights[:, None], out=np.zeros_like(vectors), where=known[:, None])
    back = comes_back(len(data.histories.items), len(met.members))
    return AffinityModel(config, says, _with_newcomers(items, data, run), back)


def comes_back(interactions: int, met: int) -> bool:
    """Return whether users come back to items that they have met.

    Args:
        interactions: how many there are.
        met: how many pairs of a user and an item there are among them.
    """
    return interactions - met >= _COMING_BACK * max(interactions, 1)


def _with_newcomers(items: Float32, data: TrainingData, run: Run) -> Float32:
    """Return float32[items, d]: an item that nobody interacted with has what items alike have, else what all have."""
    newcomers = Newcomers.of(data, run)
    if len(newcomers.known) in (0, data.n_items):
        return items
    known = np.ascontiguousarray(items[newcomers.known].T)  # float32[d, known]
    return np.ascontiguousarray(newcomers.widened(known, known.mean(axis=-1, keepdims=True)).T)


class _Groups(NamedTuple):
    """Who belongs to whom: items to users, or users to items.

    Attributes:
        offsets: int64[groups + 1]; the members of a group lie together.
        members: int32[all].
    """

    offsets: Int64
    members: Int32


def _met(histories: Histories, n_items: int) -> _Groups:
    """Return the items of each user, each once."""
    users = np.repeat(np.arange(histories.n_users, dtype=np.int64), np.diff(histories.offsets))
    codes = distinct(users * n_items + histories.items)
    offsets = np.searchsorted(codes, np.arange(histories.n_users + 1, dtype=np.int64) * n_items)
    return _Groups(offsets.astype(np.int64), (codes % max(n_items, 1)).astype(np.int32))


def distinct(numbers: NDArray[Any]) -> NDArray[Any]:
    """Return whole numbers, each once and ascending; of millions, a sort is quicker than ``np.unique``."""
    found = np.sort(numbers)
    first = np.ones(len(found), np.bool_)
    first[1:] = found[1:] != found[:-1]
    return found[first]


def _turned(groups: _Groups, n_members: int) -> _Groups:
    """Return the groups of each member."""
    owners = np.repeat(np.arange(len(groups.offsets) - 1, dtype=np.int32), np.diff(groups.offsets))
    order = np.argsort(groups.members, kind="stable")
    offsets = np.searchsorted(groups.members[order], np.arange(n_members + 1)).astype(np.int64)
    return _Groups(offsets, owners[order])


def _strongest(
    met: _Groups, weights: Float32, d: int, rounds: int, run: Run
) -> tuple[NDArray[np.float64], Float32]:
    """Return float64[d], the squares of the largest singular values of the weighted pairs, and float32[items, d].

    Found by iterating a random subspace; what is left of its error lies where the strengths are least.
    """
    users_of = _turned(met, len(weights))
    known = np.flatnonzero(weights > 0)
    width = min(d + _SPARE, max(len(known), 1))
    start = np.random.default_rng(run.seed).standard_normal((len(weights), width)) * (weights > 0)[:, None]
    basis = np.linalg.qr(start)[0].astype(np.float32)

    def shared() -> Float32:
        """Return float32[items, width]: the basis times how many users each two items share, weighted."""
        users = _sums(met, basis * weights[:, None], run.keep_on)
        return _sums(users_of, users, run.keep_on) * weights[:, None]

    for at in range(rounds):
        run.progress({"phase": "training", "epoch": at + 1, "epochs": rounds + 1})
        basis = np.linalg.qr(shared().astype(np.float64))[0].astype(np.float32)
    run.progress({"phase": "training", "epoch": rounds + 1, "epochs": rounds + 1})
    small = (basis.T @ shared()).astype(np.float64)  # [width, width]
    values, axes = np.linalg.eigh((small + small.T) / 2)
    best = np.argsort(-values, kind="stable")[:d]
    return np.maximum(values[best], 0.0), basis @ axes[:, best].astype(np.float32)


def _sums(
    groups: _Groups, vectors: Float32, keep_on: Callable[[], None], weights: Float32 | None = None
) -> Float32:
    """Return float32[groups, d]: the sum of the vectors of each group's members, 0 of an empty group.

    Args:
        groups: of numbers of vectors.
        vectors: float32[any, d].
        keep_on: called at least once a second.
        weights: float32[all], how much each member counts; ``None`` is 1 for all.
    """
    lengths = np.diff(groups.offsets)
    found = np.zeros((len(lengths), vectors.shape[1]), np.float32)
    for owners in _alike(lengths):
        keep_on()
        longest = int(lengths[owners[-1]])
        for first in range(0, longest, _BLOCK_VECTORS):
            steps = np.arange(first, min(first + _BLOCK_VECTORS, longest))
            there = steps < lengths[owners][:, None]  # bool[owners, steps]
            places = np.where(there, groups.offsets[owners][:, None] + steps, groups.offsets[owners][:, None])
            counts = there.astype(np.float32) if weights is None else np.where(there, weights[places], 0)
            # one small product for each owner: far quicker than sums of rows
            found[owners] += (counts[:, None, :] @ vectors[groups.members[places]])[:, 0]
    return found


def _alike(lengths: Int64) -> Iterator[Int64]:
    """Yield groups that are not empty, those of like lengths together, ascending, as many as fill a block."""
    order = np.argsort(lengths, kind="stable")
    order = order[np.searchsorted(lengths[order], 1) :]
    first = 0
    while first < len(order):
        last = min(first + max(_BLOCK_VECTORS // int(lengths[order[first]]), 1), len(order)) - 1
        end = min(first + max(_BLOCK_VECTORS // int(lengths[order[last]]), 1), len(order))
        yield order[first:end]
        first = end


MODEL = AffinityModel
