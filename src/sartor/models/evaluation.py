"""How good a model is: on users' newest interactions by Amazon's metrics, and by the protocol of research papers.

Amazon's ranking goes over all items, those of the history included; that of the papers leaves the history out. Beside
Amazon's split of users there is one of time: what was known at one moment, and what came after it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from sartor.models import bootstrap, metrics
from sartor.models.affinity import comes_back
from sartor.models.base import Float32, Histories, Int32, Int64, Model, Query, Run
from sartor.models.best import top
from sartor.models.metrics import Float64

#: Of the users, and of each one's interactions, this share is the test.
_USERS_SHARE: Final = 10
_NEWEST_SHARE: Final = 10
#: A split of time holds out this share of the interactions, looks at so many of them, and asks so many users at most:
#: fewer where there are so many items that it would take so many scores.
_AFTER_SHARE: Final = 10
_TIMED_INTERACTIONS: Final = 500_000
_TIMED_USERS: Final = 2_000
_TIMED_SCORES: Final = 200_000_000
_LEAST_TIMED_USERS: Final = 200
#: For so many of the interactions that a user has next after the moment it asks at most: who does hundreds afterwards
#: is met by popular items in the end.
_NEXT: Final = 10
#: Scores that are held at once: 128 MiB of float32.
_BLOCK_SCORES: Final = 1 << 25
_BLOCK_QUERIES: Final = 256
#: As many items as a campaign recommends at most; among them the most rewarding ones are looked for.
_RECOMMENDED: Final = 500
#: Ranks of the papers' protocol.
_TOP: Final = 10


@dataclass(frozen=True)
class Split:
    """Interactions to fit a model on, and those that it is asked for.

    Attributes:
        histories: all interactions.
        train: those of the users who are not in the test; if there are no others, the test users' older ones. Of a
            split of time, all that came before the moment.
        users: int32[test], the test users, ascending.
        queries: of each test user, his older interactions; the last one is the item that is looked at.
        truths: of each test user, int32[>= 1], his newest interactions, oldest first.
        truth_weights: of each test user, float32[>= 1]; ``None`` if the histories have no weights.
        moment: epoch seconds; what is older is known, nothing else is. ``None`` of a split of users.
        leaves_out: whether what a test user has met is left out of the answers.
    """

    histories: Histories
    train: Histories
    users: Int32
    queries: list[Query]
    truths: list[Int32]
    truth_weights: list[Float32] | None = None
    moment: int | None = None
    leaves_out: bool = False

    @property
    def n_relevant(self) -> Int64:
        """int64[test]: how many different items each test user is looked for."""
        return np.array([len(np.unique(truth)) for truth in self.truths], np.int64)


@dataclass(frozen=True)
class Measured:
    """What a model answers to a split, and what that is worth.

    Attributes:
        rankings: of each test user, int32[any], best first.
        values: by Amazon's name of a metric, what it is for each test user, float64[test]; NaN where he does not count.
        metrics: Amazon's metrics by their names, not rounded.
    """

    rankings: list[Int32]
    values: dict[str, Float64]
    metrics: dict[str, float]


def split(histories: Histories, seed: int) -> Split:
    """Return a split: a tenth of the users, drawn at random, is asked for the newest tenth of his interactions.

    The model sees nothing of these users but their older interactions, as the question ("Evaluating a solution
    version with metrics").

    Args:
        histories: who interacted with what. Who has fewer than two interactions is never a test user.
        seed: equal seeds split equally.
    """
    lengths = histories.lengths
    possible = np.flatnonzero(lengths >= 2)
    count = min(max(round(len(possible) / _USERS_SHARE), 1), len(possible))
    users = np.sort(np.random.default_rng(seed).choice(possible, count, replace=False)).astype(np.int32)
    held_out = np.zeros(histories.n_users, np.int64)
    held_out[users] = np.maximum(lengths[users] // _NEWEST_SHARE, 1)
    others = lengths.sum() > lengths[users].sum()
    train = histories.without_last(np.where(held_out > 0, lengths, 0) if others else held_out)
    return _split(histories, train, users, held_out)


def split_by_time(histories: Histories, seed: int) -> Split | None:
    """Return a split at one moment, after which the newest tenth of the interactions came.

    Asked are users who did something before it and after it, for what they did next; what others did after it is as
    unknown. So a model sees no trend before it begins, as it may where users are split. What a user has met is left out
    of the answers, unless users come back to items.

    Args:
        histories: who interacted with what; of many, those of users drawn at random.
        seed: equal seeds draw equally.

    Returns:
        ``None`` if so few did something before and after that they say nothing of others.
    """
    rng = np.random.default_rng(seed)
    lengths = histories.lengths
    order = rng.permutation(histories.n_users)
    looked_at = np.zeros(histories.n_users, np.bool_)
    looked_at[order[np.cumsum(lengths[order]) <= _TIMED_INTERACTIONS]] = True
    histories = histories.kept(np.repeat(looked_at, lengths))
    if not len(histories.items):
        return None
    newest = len(histories.items) - max(len(histories.items) // _AFTER_SHARE, 1)
    moment = int(np.partition(histories.times, newest)[newest])
    before = np.append(0, np.cumsum(histories.times < moment))[histories.offsets]
    after = histories.lengths - np.diff(before)  # int64[users]
    possible = np.flatnonzero((after > 0) & (after < histories.lengths))
    if len(possible) < bootstrap.FEWEST:
        return None
    n_items = int(histories.items.max()) + 1
    most = min(max(_TIMED_SCORES // n_items, _LEAST_TIMED_USERS), _TIMED_USERS, len(possible))
    users = np.sort(rng.choice(possible, most, replace=False)).astype(np.int32)
    train = histories.without_last(after)
    met = np.unique(train.users * n_items + train.items)
    returns = comes_back(len(train.items), len(met))
    split = _split(histories, train, users, after, _NEXT)
    return replace(split, moment=moment, leaves_out=not returns)


def _split(
    histories: Histories, train: Histories, users: Int32, held_out: Int64, most: int | None = None
) -> Split:
    """Return the split that asks some users for the first ``most`` of their last ``held_out``, int64[users]."""
    begins = histories.offsets[1:] - held_out
    ends = histories.offsets[1:] if most is None else begins + np.minimum(held_out, most)
    parts = [slice(int(begins[user]), int(ends[user])) for user in users]
    weights = histories.weights
    return Split(
        histories=histories,
        train=train,
        users=users,
        queries=[_asked(histories.of(int(user))[: -int(held_out[user])]) for user in users],
        truths=[histories.items[part] for part in parts],
        truth_weights=None if weights is None else [weights[part] for part in parts],
    )


def evaluate(
    model: Model,
    split: Split,
    n_items: int,
    rewards: Float32 | None = None,
    weighted: bool = False,
    run: Run | None = None,
) -> dict[str, float]:
    """Return Amazon's metrics of a model by their names, not rounded; the arguments are those of ``measure``."""
    return measure(model, split, n_items, rewards, weighted, run).metrics


def measure(
    model: Model,
    split: Split,
    n_items: int,
    rewards: Float32 | None = None,
    weighted: bool = False,
    run: Run | None = None,
) -> Measured:
    """Return what a model answers, and what that is worth.

    Args:
        model: fitted on ``split.train``.
        split: what it is asked for.
        n_items: how many items there are.
        rewards: float32[items], what each item is worth; ``None`` without an objective.
        weighted: whether events have weights.
        run: is told how far it is, and may stop it.

    Raises:
        Stopped: the run says so.
    """
    rankings = _rankings(model, split, list_size(rewards), run or Run())
    values = values_of(rankings, split, rewards, weighted)
    means = {name: metrics.mean(found) for name, found in values.items()}
    result = {"coverage": metrics.coverage(rankings, n_items), **means}
    return Measured(rankings, values, result | model.own_metrics(split.histories))


def list_size(rewards: Float32 | None) -> int:
    """Return how many items a ranking has, with and without an objective."""
    return metrics.K if rewards is None else _RECOMMENDED


def values_of(
    rankings: Sequence[Int32], split: Split, rewards: Float32 | None = None, weighted: bool = False
) -> dict[str, Float64]:
    """Return what rankings are worth for each test user, float64[test], by Amazon's name of the metric.

    Args:
        rankings: of each test user, int32[any], best first.
        split: what was asked for.
        rewards: float32[items], what each item is worth; ``None`` without an objective.
        weighted: whether events have weights.
    """
    found = metrics.hits(rankings, split.truths)
    ideal = metrics.ideal_hits(split.n_relevant)
    gain = metrics.normalized_gains
    result = {"mean_reciprocal_rank_at_25": metrics.reciprocal_ranks(found)}
    for k in metrics.CUTOFFS:
        result[f"normalized_discounted_cumulative_gain_at_{k}"] = gain(found, ideal, k)
    for k in metrics.CUTOFFS:
        result[f"precision_at_{k}"] = metrics.precisions(found, k)
    if rewards is not None:
        result["average_rewards_at_k"] = metrics.reward_shares(rankings, split.truths, rewards)
    if weighted:
        gains = _weighted(rankings, split)
        result["normalized_discounted_cumulative_gain_with_event_weights_at_k"] = gain(*gains, metrics.K)
    return result


def leave_last(histories: Histories, n: int = 2) -> Histories:
    """Return the histories without each user's last ``n`` interactions; shorter ones become empty.

    Args:
        histories: who interacted with what.
        n: 2 for the papers' protocol, whose last item is the test and the one before it the validation.
    """
    return histories.without_last(np.minimum(histories.lengths, n))


def leave_one_out(
    model: Model, histories: Histories, last: int = 1, run: Run | None = None
) -> dict[str, float]:
    """Return the mean NDCG@10 and hit rate at 10 of one item a user by what came before it.

    The ranking goes over all items but those of the history; ties count against the model.

    Args:
        model: fitted on ``leave_last(histories)``.
        histories: whole ones; users who have nothing before the item do not count.
        last: which item is asked for, 1 for the last one (the test), 2 for the one before it (the validation).
        run: is told how far it is, and may stop it.

    Returns:
        ``ndcg_at_10`` and ``hit_rate_at_10``.

    Raises:
        Stopped: the run says so.
    """
    users = np.flatnonzero(histories.lengths > last)
    whole = [histories.of(int(user)) for user in users]
    queries = [_asked(one[:-last]) for one in whole]
    ranks = np.empty(len(queries), np.int64)
    for first, scores in _scored(model, queries, run or Run()):
        for at, row in enumerate(scores, first):
            wanted = row[whole[at][-last]]
            row[queries[at].history] = -np.inf
            # the item itself is counted by the 1, as it may have been in the history before
            row[whole[at][-last]] = -np.inf
            ranks[at] = 1 + (row >= wanted).sum()
    hit = ranks <= _TOP
    gains = np.where(hit, 1 / np.log2(ranks + 1.0), 0.0)
    return {
        "ndcg_at_10": float(gains.mean()) if len(gains) else 0.0,
        "hit_rate_at_10": float(hit.mean()) if len(hit) else 0.0,
    }


def _asked(history: Int32) -> Query:
    """Return the query of a history of at least one item, for models of either kind."""
    return Query(history, int(history[-1]))


def _rankings(model: Model, split: Split, size: int, run: Run) -> list[Int32]:
    """Return of each query int32[<= size], best first, as it would be answered."""
    queries = split.queries
    met = [np.unique(one.history) if split.leaves_out else one.history[:0] for one in queries]
    if queries and model.shortlist(queries[0], size) is not None:
        found = []
        for at, (query, out) in enumerate(zip(queries, met, strict=True)):
            run.keep_on()
            if not at % _BLOCK_QUERIES:
                run.progress({"phase": "evaluating", "done": at, "of": len(queries)})
            listed = model.shortlist(query, size + len(out))
            items = top(model.score(query), size + len(out)) if listed is None else listed[0]
            found.append(items[~np.isin(items, out)][:size])
        return found
    found = []
    for first, scores in _scored(model, queries, run):
        for row, out in zip(scores, met[first:], strict=False):
            row[out] = -np.inf
            found.append(top(row, size, np.isfinite(row) if len(out) else None))
    return found


def _scored(model: Model, queries: Sequence[Query], run: Run) -> Iterator[tuple[int, Float32]]:
    """Yield the number of a first query and float32[queries, items] from it on, never too many at once."""
    block = int(np.clip(_BLOCK_SCORES // max(model.n_items, 1), 1, _BLOCK_QUERIES))
    for first in range(0, len(queries), block):
        run.keep_on()
        run.progress({"phase": "evaluating", "done": first, "of": len(queries)})
        yield first, model.score_batch(queries[first : first + block])


def _weighted(rankings: Sequence[Int32], split: Split) -> tuple[Float64, Float64]:
    """Return float64[queries, K] twice: what is gained at each rank, and at best.

    An event counts its weight over the mean weight; of an item with several events, the weightiest.
    """
    weights = split.truth_weights or [np.ones(len(truth), np.float32) for truth in split.truths]
    gains = np.zeros((len(rankings), metrics.K))
    ideal = np.zeros_like(gains)
    mean = float(np.unique(np.concatenate(weights)).mean()) if weights else 1.0
    for at, (ranking, truth, weight) in enumerate(zip(rankings, split.truths, weights, strict=True)):
        items, places = np.unique(truth, return_inverse=True)
        worth = np.zeros(len(items))
        np.maximum.at(worth, places, weight / (mean or 1.0))
        best = np.sort(worth)[::-1][: metrics.K]
        ideal[at, : len(best)] = best
        ranked = ranking[: metrics.K]
        place = np.minimum(np.searchsorted(items, ranked), len(items) - 1)
        gains[at, : len(ranked)] = np.where(items[place] == ranked, worth[place], 0.0)
    return gains, ideal
