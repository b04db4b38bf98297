"""Metrics as pure functions: Amazon's, defined on the guide's page "Evaluating a solution version", and of the lists.

Rankings come as arrays with a query a row and a rank a column, best first: what was hit there, or what the hit was
worth. A row that ends early is padded with nothing. Most give a value for each query, NaN where it does not count;
``mean`` makes one of them. Nothing is rounded.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Bool, Float32, Int32

Float64 = NDArray[np.float64]

#: Ranks that a metric looks at by Amazon's names.
CUTOFFS: Final = (5, 10, 25)
#: The longest list that is looked at, and the ``k`` of the metrics "at k".
K: Final = 25
#: Share of the users that a segment's metrics look at.
SEGMENT_SHARE: Final = 0.01


def hits(rankings: Sequence[Int32], relevant: Sequence[Int32], k: int = K) -> Bool:
    """Return bool[queries, k]: which ranks hold a relevant item.

    Args:
        rankings: int32[<= k or more] of each query, best first.
        relevant: int32[any] of each query; items may recur.
        k: how many ranks.
    """
    found = np.zeros((len(rankings), k), np.bool_)
    for row, ranking, wanted in zip(found, rankings, relevant, strict=True):
        row[: len(ranking[:k])] = np.isin(ranking[:k], wanted)
    return found


def coverage(rankings: Sequence[Int32], n_items: int, k: int = K) -> float:
    """Return the share of all items that some list of ``k`` recommends.

    Args:
        rankings: int32[any] of each query, best first.
        n_items: how many items there are.
        k: the length of a list.
    """
    if not len(rankings) or not n_items:
        return 0.0
    return len(np.unique(np.concatenate([ranking[:k] for ranking in rankings]))) / n_items


def gini(counts: NDArray[np.integer[Any]], n_items: int) -> float:
    """Return the Gini coefficient of how often items are recommended: 0 all alike, near 1 the same few for everybody.

    Args:
        counts: int[any], how often; items that never are may be left out.
        n_items: how many items there are.
    """
    some = np.sort(counts[counts > 0])
    if not len(some):
        return 0.0
    ranks = np.arange(n_items - len(some), n_items) + 1.0  # those that are never recommended come first
    return float(((2 * ranks - n_items - 1) * some).sum() / (n_items * some.sum()))


def self_information(n_users_of: NDArray[np.integer[Any]], n_users: int) -> Float64:
    """Return float64[items] in bits: the rarer an item, the more it says that somebody meets it.

    Source: Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems", PNAS 2010. One more
    user is thought to have met every item, so that one of which nothing is known stays finite.

    Args:
        n_users_of: int[items], how many users met each.
        n_users: how many users there are.
    """
    found: Float64 = np.log2((n_users + 1.0) / (n_users_of + 1.0))
    return found


def novelties(rankings: Sequence[Int32], information: Float64, k: int = K) -> Float64:
    """Return float64[queries] in bits: the mean self-information of each list; NaN of an empty one.

    Args:
        rankings: int32[any] of each query, best first.
        information: float64[items], as ``self_information`` gives it.
        k: the length of a list.
    """
    return np.array([information[one[:k]].mean() if len(one) else np.nan for one in rankings])


def reciprocal_ranks(found: Bool, k: int = K) -> Float64:
    """Return float64[queries]: 1 / the rank of the first hit, 0 of a query without one.

    Args:
        found: bool[queries, >= k].
        k: ranks that are looked at.
    """
    found = found[:, :k]
    first: Float64 = found.any(axis=1) / (found.argmax(axis=1) + 1.0)
    return first


def precisions(found: Bool, k: int) -> Float64:
    """Return float64[queries]: the share of ``k`` ranks that are hits, also where fewer are filled.

    Args:
        found: bool[queries, >= k].
        k: ranks that are looked at.
    """
    shares: Float64 = found[:, :k].sum(axis=1) / k
    return shares


def normalized_gains(gains: NDArray[Any], ideal: NDArray[Any], k: int) -> Float64:
    """Return float64[queries], the NDCG: the gain at rank ``r`` counts 1 / log(1 + r), over that of the best ranking.

    Args:
        gains: bool or float[queries, any]: what is gained at each rank.
        ideal: bool or float[queries, any]: what each query could gain, the largest first.
        k: ranks that are looked at.
    """
    best = _discounted(ideal[:, :k])
    reached = _discounted(gains[:, :k])
    return np.divide(reached, best, out=np.zeros_like(best), where=best > 0)


def ideal_hits(counts: NDArray[np.integer[Any]], k: int = K) -> Bool:
    """Return bool[queries, k]: hits at the first ranks, as many as each query has relevant items.

    Args:
        counts: int[queries], how many different items are relevant.
        k: how many ranks.
    """
    found: Bool = np.arange(k) < np.asarray(counts)[:, None]
    return found


def reward_shares(
    recommended: Sequence[Int32], relevant: Sequence[Int32], rewards: Float32, k: int = K
) -> Float64:
    """Return float64[queries]: the share of rewards that come from the ``k`` recommendations that are worth most.

    It is NaN of users who met nothing of worth among their recommendations.

    Args:
        recommended: int32[any], all recommendations of each user.
        relevant: int32[any], what each user interacted with.
        rewards: float32[items], not negative; NaN counts as 0.
        k: how many of the most rewarding ones.
    """
    worth = np.maximum(np.nan_to_num(rewards.astype(np.float64)), 0.0)
    shares = np.full(len(recommended), np.nan)
    for at, (items, wanted) in enumerate(zip(recommended, relevant, strict=True)):
        earned = np.where(np.isin(items, wanted), worth[items], 0.0)
        if (total := float(earned.sum())) > 0:
            richest = np.argsort(-worth[items], kind="stable")[:k]
            shares[at] = earned[richest].sum() / total
    return shares


def trend_prediction_accuracy(
    recommended: Int32, increase: NDArray[np.integer[Any] | np.floating[Any]], k: int = K
) -> float:
    """Return how much of the largest increase of popularity that ``k`` items had the recommended ones had.

    Args:
        recommended: int32[any], best first.
        increase: [items], by how much the interactions of each rose in the interval that was predicted.
        k: the length of a list.
    """
    best = float(np.maximum(np.sort(increase)[::-1][:k], 0).sum())
    return max(float(increase[recommended[:k]].sum()), 0.0) / best if best > 0 else 0.0


def segment_size(n_users: int) -> int:
    """Return how many users are 1 % of all, at least one."""
    return max(int(n_users * SEGMENT_SHARE), 1)


def hits_at_1_percent(segments: Sequence[Int32], truths: Sequence[Int32], n_users: int) -> Float64:
    """Return float64[queries]: how many true users are among the 1 % that are ranked highest.

    Args:
        segments: int32[any] of each query, users, best first.
        truths: int32[any] of each query, the users that truly belong.
        n_users: how many users there are.
    """
    found: Float64 = hits(segments, truths, segment_size(n_users)).sum(axis=1).astype(np.float64)
    return found


def recall_at_1_percent(segments: Sequence[Int32], truths: Sequence[Int32], n_users: int) -> Float64:
    """Return float64[queries]: the same over the most that were possible; NaN of queries without true users.

    Args:
        segments: int32[any] of each query, users, best first.
        truths: int32[any] of each query, the users that truly belong.
        n_users: how many users there are.
    """
    size = segment_size(n_users)
    possible = np.array([min(len(np.unique(truth)), size) for truth in truths], np.float64)
    reached = hits(segments, truths, size).sum(axis=1)
    shares: Float64 = np.divide(reached, possible, out=np.full(len(possible), np.nan), where=possible > 0)
    return shares


def mean(values: Float64) -> float:
    """Return the mean of the queries that count, those without NaN; 0 of nothing."""
    some = values[~np.isnan(values)]
    return float(some.mean()) if len(some) else 0.0


def _discounted(gains: NDArray[Any]) -> Float64:
    """Return float64[queries]: the sums of gains over the logarithms of their ranks."""
    discounts = 1.0 / np.log2(np.arange(gains.shape[1]) + 2.0)
    found: Float64 = gains.astype(np.float64) @ discounts
    return found
