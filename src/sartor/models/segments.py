"""The reverse of a recommendation: the best users of an item, or of items together; and how good such segments are.

The split and the metrics are those of the guide's page "Evaluating a solution version with metrics".
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sartor.models import metrics
from sartor.models.affinity import AffinityModel, distinct
from sartor.models.base import Bool, Float32, Histories, Int32, Int64, Run
from sartor.models.baselines import ACTIVITY, VERSION
from sartor.models.best import top
from sartor.models.metrics import Float64

#: Of each user's interactions this share, the newest ones, is the test.
_NEWEST_SHARE: Final = 0.2
#: So many segments at most are looked at for the metrics, drawn at random.
_MOST_EVALUATED: Final = 1000
#: Scores that are held at once: 16 MiB of float32.
_BLOCK_SCORES: Final = 1 << 22
#: A block of users has so many times as many as are wanted, so that few of later blocks are better.
_BLOCK_WANTED: Final = 4
#: So many products of met items are taken off at once.
_BLOCK_PAIRS: Final = 1 << 16
#: So many better users are put aside at most until they are put in order: 48 MiB.
_MOST_ASIDE: Final = 1 << 22


@dataclass(frozen=True)
class ItemSets:
    """What segments are asked for: each an item, or some items together.

    Attributes:
        items: int32[k], the items of each set, one set after the other; an item is once in a set.
        offsets: int64[sets + 1].
    """

    items: Int32
    offsets: Int64

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def of(self, number: int) -> Int32:
        """Return int32[n]: the items of one set."""
        return self.items[self.offsets[number] : self.offsets[number + 1]]

    def some(self, numbers: Sequence[int]) -> "ItemSets":
        """Return some of the sets, in this order."""
        return ItemSets.of_each([self.of(one) for one in numbers])

    @classmethod
    def of_each(cls, sets: Sequence[Int32]) -> "ItemSets":
        """Return these sets."""
        items = np.concatenate([np.zeros(0, np.int32), *sets]).astype(np.int32)
        return cls(items, np.cumsum([0, *map(len, sets)]).astype(np.int64))

    @classmethod
    def each(cls, n_items: int) -> "ItemSets":
        """Return a set of its own for each item."""
        return cls(np.arange(n_items, dtype=np.int32), np.arange(n_items + 1, dtype=np.int64))


def vectors(model: AffinityModel, sets: ItemSets) -> Float32:
    """Return float32[sets, d]: what ``best_users`` takes as wanted."""
    found = np.zeros((len(sets), model.items.shape[1]), np.float32)
    for number in range(len(sets)):
        found[number] = model.of_items(sets.of(number))
    return found


class Met:
    """What users have met of what is asked for: where they do not come back to items, it says nothing for them.

    Args:
        model: of the users' and items' vectors.
        histories: of the users.
        sets: what is asked for.
    """

    def __init__(self, model: AffinityModel, histories: Histories, sets: ItemSets) -> None:
        self._model, self._histories = model, histories
        sizes = np.diff(sets.offsets)
        order = np.argsort(sets.items, kind="stable")
        self._sets = np.repeat(np.arange(len(sets)), sizes)[order]  # which sets have an item, item by item
        self._counts = np.bincount(sets.items, minlength=model.n_items)
        self._starts = np.cumsum(self._counts) - self._counts
        self._alone = sizes == 1

    def take_off(self, scores: Float32, first_set: int, users: Float32, rows: Int64 | Int32) -> None:
        """Take off, in place, what met items have brought.

        Args:
            scores: float32[sets, users] of the sets from ``first_set`` on.
            first_set: its number.
            users: float32[users, d].
            rows: int[users], their numbers.
        """
        begins = self._histories.offsets[rows]
        lengths = self._histories.offsets[rows + 1] - begins
        user, at = _spread(begins, lengths)
        items = self._histories.items[at]
        asked = self._counts[items] > 0
        pair, at = _spread(self._starts[items[asked]], self._counts[items[asked]])
        which, user, items = self._sets[at], user[asked][pair], items[asked][pair]
        here = (which >= first_set) & (which < first_set + len(scores))
        which, user, items = which[here], user[here], items[here]
        alone = self._alone[which]
        scores[which[alone] - first_set, user[alone]] = 0.0
        self._take_off_some(scores, users, which[~alone] - first_set, user[~alone], items[~alone])

    def _take_off_some(
        self, scores: Float32, users: Float32, which: Int64, user: Int64, items: Int32
    ) -> None:
        """Take off what each item has brought to the score of a set that has others too; each counts once."""
        codes = distinct((which * scores.shape[1] + user) * self._model.n_items + items)
        cells, items = codes // self._model.n_items, (codes % self._model.n_items).astype(np.int32)
        for first in range(0, len(cells), _BLOCK_PAIRS):
            part = slice(first, first + _BLOCK_PAIRS)
            brought = np.einsum(
                "ij,ij->i", users[cells[part] % scores.shape[1]], self._model.items[items[part]]
            )
            np.subtract.at(scores.reshape(-1), cells[part], brought)


def _spread(begins: NDArray[Any], lengths: NDArray[Any]) -> tuple[Int64, Int64]:
    """Return which range each place is of, and the place: all places of ranges, one range after the other."""
    of = np.repeat(np.arange(len(lengths)), lengths)
    return of, begins[of] + np.arange(len(of)) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def best_users(
    users: Float32,
    wanted: Float32,
    k: int,
    allowed: Bool | None = None,
    met: Met | None = None,
    keep_on: Callable[[], None] = lambda: None,
) -> Iterator[Int32]:
    """Yield int32[<= k] for each wanted vector: the users whose products with it are greatest, the best first.

    Of equal ones the smaller number comes first. The users are read once for as many vectors as fit the memory, block
    by block; after the first block only users above the k-th best so far are looked at.

    Args:
        users: float32[users, d]; they may be memory-mapped.
        wanted: float32[n, d].
        k: how many users at most.
        allowed: bool[users]; ``None`` allows all.
        met: takes off what the users have met already; ``None`` lets it count.
        keep_on: called at least once a second; what it raises ends the work.
    """
    rows = None if allowed is None else np.flatnonzero(allowed).astype(np.int32)
    n_users = len(users) if rows is None else len(rows)
    k = min(k, n_users)
    if not k:
        yield from (np.zeros(0, np.int32) for _ in wanted)
        return
    block = min(max(_BLOCK_SCORES // max(len(wanted), 1), _BLOCK_WANTED * k), n_users)
    at_once = max(_BLOCK_SCORES // block, 1)
    for first in range(0, len(wanted), at_once):
        part = wanted[first : first + at_once]
        best: _Best | None = None
        for begin, scored, numbers in _blocks(users, rows, block):
            keep_on()
            scores = part @ scored.T  # float32[wanted, block]
            if met is not None:
                met.take_off(scores, first, scored, numbers)
            if best is None:
                best = _Best(scores, k)
            else:
                best.look(scores, begin)
        assert best is not None
        for found in best.ranked():
            yield found if rows is None else rows[found]


def _blocks(users: Float32, rows: Int32 | None, block: int) -> Iterator[tuple[int, Float32, Int64 | Int32]]:
    """Yield the users or some of them: how many came before, float32[block, d], and int[block], their numbers."""
    n_users = len(users) if rows is None else len(rows)
    for first in range(0, n_users, block):
        end = min(first + block, n_users)
        if rows is None:
            yield first, users[first:end], np.arange(first, end)
        else:
            yield first, users[rows[first:end]], rows[first:end]


class _Best:
    """The best users so far, and those put aside that are better than the last of them was.

    Args:
        scores: float32[wanted, >= k], of the first users.
        k: how many are wanted.
    """

    def __init__(self, scores: Float32, k: int) -> None:
        self._k = k
        self._users = np.stack([top(row, k) for row in scores])  # int32[wanted, k]
        self._scores = np.take_along_axis(scores, self._users, axis=1)  # float32[wanted, k]
        self._aside: list[tuple[Int64, Int32, Float32]] = []
        self._waiting = 0
        self._seen = self._due = scores.shape[1]

    def look(self, scores: Float32, first: int) -> None:
        """Take up the scores of further users, float32[wanted, any], the first of whom has this number."""
        wanted, user = np.divmod(np.flatnonzero(scores > self._scores[:, -1:]), scores.shape[1])
        self._aside.append((wanted, (first + user).astype(np.int32), scores[wanted, user]))
        self._waiting += len(wanted)
        self._seen += scores.shape[1]
        # what is better halves whenever the users double
        if self._seen >= 2 * self._due or self._waiting > _MOST_ASIDE:
            self._put_in_order()

    def ranked(self) -> list[Int32]:
        """Return int32[k] for each wanted vector."""
        self._put_in_order()
        return list(self._users)

    def _put_in_order(self) -> None:
        self._due = self._seen
        if not self._waiting:
            return
        n_wanted, k = self._users.shape
        wanted, user, score = (np.concatenate(column) for column in zip(*self._aside, strict=True))
        self._aside, self._waiting = [], 0
        wanted = np.concatenate([np.repeat(np.arange(n_wanted), k), wanted])
        user = np.concatenate([self._users.ravel(), user])
        score = np.concatenate([self._scores.ravel(), score])
        order = np.lexsort((user, -score, wanted))
        begins = np.searchsorted(wanted[order], np.arange(n_wanted))
        kept = order[begins[:, None] + np.arange(k)]  # each has k at least: those it had
        self._users, self._scores = user[kept], score[kept]


def split(histories: Histories) -> tuple[Histories, Histories]:
    """Return what a model is fitted on, and the newest fifth of each user's interactions, for which it is asked.

    Args:
        histories: who interacted with what; of who has fewer than two interactions, nothing is held out.
    """
    lengths = histories.lengths
    held_out = np.where(lengths >= 2, np.maximum((lengths * _NEWEST_SHARE).astype(np.int64), 1), 0)
    older = np.arange(len(histories.items)) < np.repeat(histories.offsets[1:] - held_out, lengths)
    return histories.kept(older), histories.kept(~older)


@dataclass(frozen=True)
class Measured:
    """What segments are worth that were asked for.

    Attributes:
        best: of each, int32[any], the 1 % of the users who are ranked highest, best first.
        values: by Amazon's name of a metric, what it is for each, float64[asked].
        metrics: Amazon's metrics by their names, not rounded.
    """

    best: list[Int32]
    values: dict[str, Float64]
    metrics: dict[str, float]


def evaluate(
    model: AffinityModel, train: Histories, test: Histories, sets: ItemSets, run: Run | None = None
) -> dict[str, float]:
    """Return Amazon's metrics of segments by their names, not rounded; the arguments are those of ``measure``."""
    return measure(model, train, test, sets, run)[VERSION].metrics


def measure(
    model: AffinityModel, train: Histories, test: Histories, sets: ItemSets, run: Run | None = None
) -> dict[str, Measured]:
    """Return what a model's segments are worth, and as a baseline one for all: the users with the longest histories.

    Args:
        model: fitted on ``train``.
        train: the users' older interactions.
        test: of the same users, the newest ones.
        sets: what segments are asked for; those count that somebody interacted with in the test.
        run: is told how far it is, and may stop it.

    Raises:
        Stopped: the run says so.
    """
    run = run or Run()
    truths = true_users(test, sets, model.n_items, run.seed)
    users = model.states(train, run.keep_on)
    asked = sets.some(list(truths))
    wanted = vectors(model, asked)
    met = None if model.comes_back else Met(model, train, asked)
    size, lengths = metrics.segment_size(train.n_users), np.diff(train.offsets)
    best = []
    for segment in best_users(users, wanted, size, lengths > 0, met, run.keep_on):
        best.append(segment)
        run.progress({"phase": "evaluating", "done": len(best), "of": len(truths)})
    active = np.argsort(-lengths, kind="stable")[:size].astype(np.int32)
    found = {VERSION: best, ACTIVITY: [active] * len(best)}
    return {name: _measured(some, list(truths.values()), train.n_users) for name, some in found.items()}


def _measured(best: list[Int32], truths: list[Int32], n_users: int) -> Measured:
    """Return what segments are worth, the true users of each being known."""
    values = {
        "hits_at_1_percent": metrics.hits_at_1_percent(best, truths, n_users),
        "recall_at_1_percent": metrics.recall_at_1_percent(best, truths, n_users),
    }
    means = {name: metrics.mean(found) for name, found in values.items()}
    coverage = metrics.coverage(best, n_users, metrics.segment_size(n_users))
    return Measured(best, values, {"coverage": coverage, **means})


def true_users(test: Histories, sets: ItemSets, n_items: int, seed: int) -> dict[int, Int32]:
    """Return who truly belongs to which segment, int32[>= 1] by the set's number.

    Args:
        test: the interactions that were held out.
        sets: what segments are asked for; those that nobody met are left out.
        n_items: how many items there are.
        seed: where there are too many sets, equal seeds draw the same.
    """
    users = test.users.astype(np.int32)
    users = users[np.argsort(test.items, kind="stable")]
    counts = np.bincount(test.items, minlength=n_items)
    starts = np.cumsum(counts) - counts
    found: dict[int, Int32] = {}
    for one in np.random.default_rng(seed).permutation(len(sets)).tolist():
        items = sets.of(one)
        sizes = counts[items]
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        if len(within):
            found[one] = distinct(users[np.repeat(starts[items], sizes) + within])
        if len(found) == _MOST_EVALUATED:
            break
    return found
