"""How well a model of actions foretells what people take, by Amazon's metrics for actions.

Source: the guide's "Evaluating a solution version with metrics": of a tenth of the users the oldest nine tenths of what
they did with actions are given, and the newest tenth is what there is to foretell.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np

from sartor.models import examination, metrics
from sartor.models.actions import TAKEN
from sartor.models.base import Bool, Float32, Histories, Int32, Int64, Model, Person, Query, Run, TrainingData
from sartor.models.baselines import POPULARITY, VERSION
from sartor.models.best import top
from sartor.models.examination import Examination, Lists
from sartor.models.metrics import Float64

#: Of the users, and of what each did with actions, this share is the test.
_USERS_SHARE: Final = 10
_NEWEST_SHARE: Final = 10
#: So many actions are recommended to a user: as many as a request gets that does not say how many.
RECOMMENDED: Final = 5
#: What nothing says: neither who takes an action nor who does not is before the other.
_NO_KNOWLEDGE: Final = 0.5


@dataclass(frozen=True)
class Measured:
    """What a model of actions is worth.

    Attributes:
        metrics: Amazon's, by their names, not rounded.
        examination: how it stands beside the actions that others take most.
    """

    metrics: dict[str, float]
    examination: Examination


@dataclass(frozen=True)
class HeldOut:
    """What a model is fitted on so that it can be asked for the rest.

    Attributes:
        train: the part that it is fitted on.
        measure: returns what a model is worth that was fitted on it; ``Stopped`` is raised if the run says so.
    """

    train: TrainingData
    measure: Callable[[Model, Run], Measured]


@dataclass(frozen=True)
class _Asked:
    """What a model is asked for.

    Attributes:
        queries: of each test user.
        shown: of each test user int32[>= 1], the actions of the newest events.
        taken: of each test user int32[any], those of them that were taken.
        popular: int32[actions], those first that others take most.
    """

    queries: list[Query]
    shown: list[Int32]
    taken: list[Int32]
    popular: Int32


def held_out(data: TrainingData, seed: int) -> HeldOut:
    """Return what others did, and what asks a model for the newest events of a tenth of the users, drawn at random.

    Args:
        data: what users did. Who has fewer than two events with actions is never a test user.
        seed: equal seeds split equally.
    """
    events, lengths = data.acting.events, np.diff(data.acting.events.offsets)
    possible = np.flatnonzero(lengths >= 2)
    count = min(max(round(len(possible) / _USERS_SHARE), 1), len(possible))
    users = np.sort(np.random.default_rng(seed).choice(possible, count, replace=False))
    others = np.ones(events.n_users, np.bool_)
    others[users] = False
    train = replace(
        data,
        histories=_of_users(data.histories, others),
        acting=replace(data.acting, events=events.where(np.repeat(others, lengths))),
    )
    by_others = train.acting.events
    takes = np.bincount(by_others.actions[by_others.types == TAKEN], minlength=data.acting.n_actions)
    asked = _Asked([], [], [], np.argsort(-takes, kind="stable").astype(np.int32))
    for user in users.tolist():
        cut = int(events.offsets[user + 1]) - max(int(lengths[user]) // _NEWEST_SHARE, 1)
        newest = slice(cut, int(events.offsets[user + 1]))
        asked.queries.append(_query(data, user, cut))
        asked.shown.append(np.unique(events.actions[newest]))
        asked.taken.append(np.unique(events.actions[newest][events.types[newest] == TAKEN]))
    return HeldOut(train, partial(_measured, asked))


def _measured(asked: _Asked, model: Model, run: Run) -> Measured:
    """Return what a model of actions is worth; an action without a score is not recommended."""
    scores = np.zeros((len(asked.queries), model.n_items), np.float32)
    for row, query in zip(scores, asked.queries, strict=True):
        run.keep_on()
        row[:] = model.score(query)
    rankings = [top(row, metrics.K, row > 0) for row in scores]
    recommended = _table([ranking[:RECOMMENDED] for ranking in rankings], model.n_items)
    taken, shown = (_table(some, model.n_items) for some in (asked.taken, asked.shown))
    correct = (recommended & taken).sum(axis=0)
    compared = shown & (scores > 0)
    gains = _gains(rankings, asked.taken)
    result = {
        "coverage": metrics.coverage(rankings, model.n_items),
        "precision": _mean_share(correct, recommended.sum(axis=0)),
        "recall": _mean_share(correct, taken.sum(axis=0)),
        "auc": auc(scores[compared], taken[compared]),
        **{name: metrics.mean(found) for name, found in gains.items()},
    }
    popular = [asked.popular] * len(rankings)
    examined = examination.of_values(
        "users",
        model.name,
        "users",
        examination.GAIN,
        {VERSION: gains, POPULARITY: _gains(popular, asked.taken)},
        {
            name: Lists.padded(found, model.n_items)
            for name, found in ((VERSION, rankings), (POPULARITY, popular))
        },
        run,
    )
    return Measured(result, examined)


def _gains(rankings: Sequence[Int32], taken: Sequence[Int32]) -> dict[str, Float64]:
    """Return the NDCG of each user at each cutoff, float64[users]; NaN of who took nothing."""
    found = metrics.hits(rankings, taken)
    counts = np.array([len(some) for some in taken], np.int64)
    ideal = metrics.ideal_hits(counts)
    return {
        f"normalized_discounted_cumulative_gain_at_{k}": np.where(
            counts > 0, metrics.normalized_gains(found, ideal, k), np.nan
        )
        for k in metrics.CUTOFFS
    }


def auc(scores: Float32, taken: Bool) -> float:
    """Return the area under the ROC curve: how often what was taken is above what was not, ties counted half.

    Args:
        scores: float32[pairs].
        taken: bool[pairs].
    """
    n_taken = int(taken.sum())
    others = len(taken) - n_taken
    if not n_taken or not others:
        return _NO_KNOWLEDGE
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # the mean rank of each score, from 1
    return float((ranks[place][taken].sum() - n_taken * (n_taken + 1) / 2) / (n_taken * others))


def _query(data: TrainingData, user: int, cut: int) -> Query:
    """Return the query of a user right before one of the user's events with actions."""
    events, items, attributes = data.acting.events, data.histories, data.acting.attributes
    before = slice(int(events.offsets[user]), cut)
    own = slice(*items.offsets[user : user + 2].tolist())
    end = own.start + int(np.searchsorted(items.times[own], events.times[cut]))
    known = np.zeros(0, np.int32)
    if attributes is not None:
        known = attributes.tokens[slice(*attributes.offsets[user : user + 2].tolist())]
    person = Person(events.actions[before], events.types[before], known)
    return Query(items.items[own.start : end], person=person)


def _of_users(histories: Histories, users: Bool) -> Histories:
    """Return the histories of which bool[users] is true; the others become empty."""
    lengths = np.diff(histories.offsets)
    kept = np.repeat(users, lengths)
    offsets = np.concatenate([[0], np.cumsum(np.where(users, lengths, 0))]).astype(np.int64)
    return Histories(histories.items[kept], offsets, histories.times[kept])


def _table(lists: Sequence[Int32], n_actions: int) -> Bool:
    """Return bool[users, actions]: which actions are in the list of each user."""
    found = np.zeros((len(lists), n_actions), np.bool_)
    for row, some in zip(found, lists, strict=True):
        row[some] = True
    return found


def _mean_share(part: Int64, whole: Int64) -> float:
    """Return the mean of the shares of actions; those of nothing do not count."""
    some = whole > 0
    return float((part[some] / whole[some]).mean()) if some.any() else 0.0
