"""The metrics of actions against their definitions."""

import numpy as np
import pytest

from sartor.models import action_evaluation, propensity
from sartor.models.action_evaluation import RECOMMENDED, auc, held_out
from sartor.models.actions import NOT_TAKEN, TAKEN, VIEWED
from sartor.models.base import Acting, Histories, Model, Query, Run, TrainingData
from unit.models.actions_of_people import events_of, planted

QUIET = Run(threads=1)
N_ACTIONS = 8


class Fixed(propensity.PropensityModel):
    """Scores everybody alike."""

    def __init__(self, scores: list[float]) -> None:
        self._scores = np.array(scores, np.float32)
        self.n_items = len(scores)

    def score(self, query: Query) -> np.ndarray:
        return self._scores


def of(rows: list[tuple[int, int, int, int]], users: int) -> TrainingData:
    nothing = np.zeros(0, np.int64)
    histories = Histories(nothing.astype(np.int32), np.zeros(users + 1, np.int64), nothing)
    return TrainingData(1, histories, acting=Acting(N_ACTIONS, events_of(*rows, users=users)))


def test_auc_is_how_often_a_taken_one_is_above_another() -> None:
    rng = np.random.default_rng(0)
    scores, taken = rng.integers(6, size=80).astype(np.float32), rng.random(80) < 0.4
    pairs = [(a > b) + (a == b) / 2 for a in scores[taken] for b in scores[~taken]]
    assert auc(scores, taken) == pytest.approx(np.mean(pairs))
    assert auc(scores, np.zeros(80, np.bool_)) == 0.5


def test_a_tenth_of_the_users_is_asked_for_the_newest_tenth_of_their_events() -> None:
    data = planted(100)
    found = held_out(data, 0)
    asked: list[Query] = []

    class Listening(Fixed):
        def score(self, query: Query) -> np.ndarray:
            asked.append(query)
            return self._scores

    found.measure(Listening([0.5] * 5), QUIET)
    assert len(asked) == 10
    assert all(query.person is not None and len(query.person.actions) == 18 for query in asked)  # of 20
    lengths = np.diff(found.train.acting.events.offsets)
    assert sorted(set(lengths.tolist())) == [0, 20]
    assert (lengths == 0).sum() == 10
    assert np.array_equal(lengths == 0, np.diff(found.train.histories.offsets) == 0)


def test_the_query_has_only_the_items_of_before() -> None:
    items = Histories(np.array([1, 2, 3], np.int32), np.array([0, 3]), np.array([10, 20, 30]))
    rows = [(0, 5, 0, VIEWED), (0, 25, 0, TAKEN)]
    data = TrainingData(4, items, acting=Acting(1, events_of(*rows)))
    seen: list[Query] = []

    class Listening(Fixed):
        def score(self, query: Query) -> np.ndarray:
            seen.append(query)
            return self._scores

    held_out(data, 0).measure(Listening([0.5]), QUIET)
    (query,) = seen
    assert query.history.tolist() == [1, 2]


def test_precision_and_recall_are_means_over_actions() -> None:
    # two users, both asked for one event: action 0 is taken by one of them, action 6 by the other
    rows = [(0, 1, 7, VIEWED), (0, 2, 0, TAKEN)]
    data = of(rows, 1)
    model: Model = Fixed([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.0, 0.3])
    found = held_out(data, 0).measure(model, QUIET).metrics
    assert RECOMMENDED == 5
    # five actions are recommended, of which one is taken
    assert found["precision"] == pytest.approx(np.mean([1, 0, 0, 0, 0]))
    assert found["recall"] == 1.0
    assert found["coverage"] == pytest.approx(7 / N_ACTIONS)  # one has no score
    assert found["normalized_discounted_cumulative_gain_at_5"] == 1.0
    missed = held_out(of([(0, 1, 7, VIEWED), (0, 2, 6, TAKEN)], 1), 0).measure(model, QUIET).metrics
    assert (missed["precision"], missed["recall"]) == (0.0, 0.0)
    assert missed["normalized_discounted_cumulative_gain_at_25"] == 0.0


def test_who_takes_nothing_says_nothing_of_the_ranking_but_of_precision() -> None:
    found = (
        held_out(of([(0, 1, 7, VIEWED), (0, 2, 0, NOT_TAKEN)], 1), 0).measure(Fixed([0.9] * 8), QUIET).metrics
    )
    assert found["precision"] == found["recall"] == 0.0
    assert found["auc"] == 0.5


def test_without_events_all_metrics_are_there_and_say_nothing() -> None:
    found = action_evaluation.held_out(of([], 3), 0).measure(Fixed([0.0] * 8), QUIET).metrics
    gains = {f"normalized_discounted_cumulative_gain_at_{k}": 0.0 for k in (5, 10, 25)}
    assert found == {"coverage": 0.0, "precision": 0.0, "recall": 0.0, "auc": 0.5, **gains}
