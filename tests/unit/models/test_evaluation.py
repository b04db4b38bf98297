"""The split is the page's, and what is measured on it equals the slow way."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartor.models import bootstrap, evaluation, popularity, trending
from sartor.models.base import Float32, Histories, Int32, Model, Query, Run, Stopped, TrainingData
from sartor.models.best import top

N_ITEMS = 60


def histories(lists: list[list[int]], weighted: bool = False) -> Histories:
    items = np.array([item for one in lists for item in one], np.int32)
    offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    weights = (1 + items % 3).astype(np.float32) if weighted else None
    return Histories(items, offsets, np.arange(len(items), dtype=np.int64), weights)


def drawn(users: int = 100) -> Histories:
    rng = np.random.default_rng(0)
    lists = [rng.integers(N_ITEMS, size=size).tolist() for size in rng.integers(0, 45, size=users)]
    return histories(lists, weighted=True)


class Known(Model):
    """Scores what it is told, by the last item of the history."""

    name = "known"

    def __init__(self, table: Float32, short: bool = False) -> None:
        self.table, self.n_items, self.short = table, table.shape[1], short
        self.asked: list[Query] = []
        self.largest = 0

    def score(self, query: Query) -> Float32:
        self.asked.append(query)
        return self.table[query.history[-1] % len(self.table)].copy()

    def score_batch(self, queries: "list[Query]") -> Float32:
        self.largest = max(self.largest, len(queries) * self.n_items * 4)
        return super().score_batch(queries)

    def shortlist(self, query: Query, size: int) -> tuple[Int32, Float32] | None:
        if not self.short:
            return None
        scores = self.table[query.history[-1] % len(self.table)]
        return top(scores, size), np.sort(scores)[::-1][:size]

    def settings(self) -> dict[str, object]:
        return {}

    def arrays(self) -> dict[str, np.ndarray]:
        return {}

    @classmethod
    def restored(cls, settings: object, arrays: object) -> "Known":
        raise NotImplementedError


def known(seed: int = 0, short: bool = False) -> Known:
    return Known(np.random.default_rng(seed).normal(size=(7, N_ITEMS)).astype(np.float32), short)


user_lists = st.lists(st.lists(st.integers(0, 9), max_size=25), max_size=25)


@settings(max_examples=50)
@given(user_lists, st.integers(0, 5), st.booleans())
def test_a_tenth_of_the_users_is_asked_and_the_others_are_trained_on(
    lists: list[list[int]], seed: int, weighted: bool
) -> None:
    whole = histories(lists, weighted)
    split = evaluation.split(whole, seed)
    possible = [user for user, one in enumerate(lists) if len(one) >= 2]
    assert len(split.users) == (max(round(len(possible) / 10), 1) if possible else 0)
    assert set(split.users.tolist()) <= set(possible)
    alone = all(not one for user, one in enumerate(lists) if user not in split.users)
    for user, one in enumerate(lists):
        trained = split.train.of(user).tolist()
        if user not in split.users:
            assert trained == one
            continue
        at = split.users.tolist().index(user)
        asked = split.queries[at].history.tolist()
        assert trained == (asked if alone else [])
        assert asked + split.truths[at].tolist() == one
        assert len(split.truths[at]) == max(len(one) // 10, 1)
        assert split.queries[at].item == asked[-1]
        assert (split.truth_weights is not None) == weighted
    assert len(split.train.items) == len(split.train.times) == split.train.offsets[-1]
    assert split.histories is whole


@settings(max_examples=50, deadline=None)
@given(user_lists, st.integers(0, 5), st.integers(1, 50))
def test_a_split_of_time_knows_what_came_before_a_moment_and_nothing_else(
    lists: list[list[int]], seed: int, apart: int
) -> None:
    whole = histories(lists)
    rng = np.random.default_rng(seed)
    times = np.concatenate(
        [np.sort(rng.integers(0, apart, len(one))) for one in lists] or [np.zeros(0, np.int64)]
    )
    whole = Histories(whole.items, whole.offsets, times.astype(np.int64))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "FEWEST", 1)
        split = evaluation.split_by_time(whole, seed)
    if split is None:
        moment = np.sort(times)[-max(len(times) // 10, 1)] if len(times) else 0
        for user in range(whole.n_users):
            own = times[whole.offsets[user] : whole.offsets[user + 1]]
            assert (own < moment).all() or (own >= moment).all()
        return
    assert split.moment is not None
    assert (times >= split.moment).sum() >= max(len(times) // 10, 1)
    assert (times > split.moment).sum() < max(len(times) // 10, 1)
    for user in range(whole.n_users):
        own = times[whole.offsets[user] : whole.offsets[user + 1]]
        older, newer = whole.of(user)[own < split.moment], whole.of(user)[own >= split.moment]
        assert split.train.of(user).tolist() == older.tolist()
        assert (user in split.users.tolist()) == bool(len(older) and len(newer))
        if len(older) and len(newer):
            at = split.users.tolist().index(user)
            assert split.queries[at].history.tolist() == older.tolist()
            assert split.truths[at].tolist() == newer[:10].tolist()
    assert (split.train.times < split.moment).all()


def test_a_split_of_time_of_a_few_users_is_none() -> None:
    for users, there in ((9, False), (10, True)):
        data = histories([[0, 1, 2, 3, 4]] * users)
        split = evaluation.split_by_time(Histories(data.items, data.offsets, np.arange(5 * users) % 5), 0)
        assert (split is not None) is there


def test_of_many_interactions_some_users_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    data = drawn(400)
    mixed = Histories(data.items, data.offsets, np.arange(len(data.items), dtype=np.int64) % 45)
    times = np.concatenate(
        [np.sort(mixed.times[a:b]) for a, b in zip(data.offsets, data.offsets[1:], strict=False)]
    )
    mixed = Histories(data.items, data.offsets, times)
    monkeypatch.setattr(evaluation, "_TIMED_INTERACTIONS", 1000)
    monkeypatch.setattr(evaluation, "_TIMED_USERS", 10)
    split = evaluation.split_by_time(mixed, 0)
    assert split is not None
    assert len(split.users) == 10
    assert 800 < len(split.histories.items) <= 1000
    assert split.train.n_users == data.n_users
    again = evaluation.split_by_time(mixed, 0)
    assert again is not None
    assert split.users.tolist() == again.users.tolist()


def test_equal_seeds_split_equally_and_others_otherwise() -> None:
    data = drawn()
    np.testing.assert_array_equal(evaluation.split(data, 1).users, evaluation.split(data, 1).users)
    assert evaluation.split(data, 1).users.tolist() != evaluation.split(data, 2).users.tolist()


@pytest.mark.parametrize("short", [False, True], ids=["all scores", "shortlist"])
def test_metrics_equal_the_definitions_recomputed(short: bool) -> None:
    split, model = evaluation.split(drawn(), 0), known(short=short)
    found = evaluation.evaluate(model, split, N_ITEMS, weighted=True)
    reciprocal, gained, weighty, listed = [], [], [], set()
    assert split.truth_weights is not None
    for query, truth, weights in zip(split.queries, split.truths, split.truth_weights, strict=True):
        row = model.table[query.history[-1] % 7]
        ranking = sorted(range(N_ITEMS), key=lambda item: -row[item])[:25]
        listed |= set(ranking)
        worth = {int(item): float(weight) for item, weight in zip(truth, weights, strict=True)}
        ranks = [at + 1 for at, item in enumerate(ranking) if item in worth]
        reciprocal.append(1 / ranks[0] if ranks else 0.0)
        best = sum(1 / math.log2(at + 2) for at in range(min(len(worth), 10)))
        gained.append(sum(1 / math.log2(rank + 1) for rank in ranks if rank <= 10) / best)
        best = sum(one / math.log2(at + 2) for at, one in enumerate(sorted(worth.values(), reverse=True)))
        weighty.append(
            sum(worth.get(item, 0.0) / math.log2(at + 2) for at, item in enumerate(ranking)) / best
        )
    assert found["mean_reciprocal_rank_at_25"] == pytest.approx(np.mean(reciprocal))
    assert found["normalized_discounted_cumulative_gain_at_10"] == pytest.approx(np.mean(gained))
    name = "normalized_discounted_cumulative_gain_with_event_weights_at_k"
    assert found[name] == pytest.approx(np.mean(weighty))
    assert found["coverage"] == len(listed) / N_ITEMS


@pytest.mark.parametrize("short", [False, True], ids=["all scores", "shortlist"])
def test_what_users_have_met_is_left_out_where_the_split_says_so(short: bool) -> None:
    split, model = replace(evaluation.split(drawn(), 0), leaves_out=True), known(short=short)
    for query, found in zip(split.queries, evaluation.measure(model, split, N_ITEMS).rankings, strict=True):
        row = model.table[query.history[-1] % 7]
        others = [item for item in range(N_ITEMS) if item not in query.history]
        assert found.tolist() == sorted(others, key=lambda item: -row[item])[:25]


def test_a_split_of_time_leaves_out_what_was_met_unless_users_come_back() -> None:
    for lists, out in (([[0, 1, 2, 3, 4]] * 30, True), ([[0, 1, 0, 1, 0]] * 30, False)):
        data = histories(lists)
        split = evaluation.split_by_time(Histories(data.items, data.offsets, np.arange(150) % 5), 0)
        assert split is not None
        assert split.leaves_out is out


def test_the_names_are_amazons() -> None:
    split, plain = evaluation.split(drawn(), 0), {"coverage", "mean_reciprocal_rank_at_25"}
    for k in (5, 10, 25):
        plain |= {f"normalized_discounted_cumulative_gain_at_{k}", f"precision_at_{k}"}
    assert set(evaluation.evaluate(known(), split, N_ITEMS)) == plain
    rewards = np.arange(N_ITEMS, dtype=np.float32)
    found = evaluation.evaluate(known(), split, N_ITEMS, rewards=rewards)
    assert set(found) - plain == {"average_rewards_at_k"}
    trends = trending.fit(TrainingData(N_ITEMS, split.train))
    assert set(evaluation.evaluate(trends, split, N_ITEMS)) - plain == {"trend_prediction_accuracy"}


def test_trends_that_go_on_are_foretold() -> None:
    # items 0 to 24 double from window to window, the others stay
    times = [window * 100 + 50 for window in range(5) for _ in range(25 * 2**window + 25)]
    items = [i for window in range(5) for i in [*list(range(25)) * 2**window, *range(25, 50)]]
    data = Histories(np.array(items, np.int32), np.arange(len(items) + 1), np.array(times, np.int64))
    split = evaluation.split(data, 0)
    model = trending.fit(TrainingData(N_ITEMS, split.train), trending.Config(100))
    assert evaluation.evaluate(model, split, N_ITEMS)["trend_prediction_accuracy"] > 0.9


def test_nobody_to_ask_gives_zeros() -> None:
    for lists in ([], [[1], [2]]):
        split = evaluation.split(histories(lists), 0)
        model = popularity.fit(TrainingData(N_ITEMS, split.train))
        found = evaluation.evaluate(model, split, N_ITEMS, np.ones(N_ITEMS, np.float32), weighted=True)
        assert set(found.values()) == {0.0}


def test_few_scores_are_held_at_once() -> None:
    model = Known(np.zeros((1, 20_000_000), np.float32))
    queries = [Query(np.zeros(1, np.int32))] * 3
    assert sum(len(scores) for _, scores in evaluation._scored(model, queries, Run())) == 3
    assert model.largest < 2**28


def test_the_last_items_are_left_out() -> None:
    shorter = evaluation.leave_last(histories([[1, 2, 3], [4], [], [5, 6]], weighted=True))
    assert [shorter.of(user).tolist() for user in range(4)] == [[1], [], [], []]
    assert len(shorter.times) == 1
    assert shorter.weights is not None
    assert len(shorter.weights) == 1


def test_the_papers_protocol_leaves_the_history_out() -> None:
    table = np.tile(np.arange(N_ITEMS, 0, -1, dtype=np.float32), (1, 1))
    found = evaluation.leave_one_out(Known(table), histories([[0, 1, 2, 5]]))
    # before item 5 only 3 and 4 are left: rank 3
    assert found == {"ndcg_at_10": pytest.approx(1 / math.log2(4)), "hit_rate_at_10": 1.0}
    found = evaluation.leave_one_out(Known(table), histories([[0, 1, 2, 5]]), last=2)
    assert found["ndcg_at_10"] == 1.0


def test_ties_count_against_the_model() -> None:
    flat = Known(np.zeros((1, N_ITEMS), np.float32))
    assert evaluation.leave_one_out(flat, histories([[0, 1]])) == {"ndcg_at_10": 0.0, "hit_rate_at_10": 0.0}
    ten = Known(np.r_[np.full(11, 1.0), np.zeros(N_ITEMS - 11)].astype(np.float32)[None])
    assert evaluation.leave_one_out(ten, histories([[0, 1]]))["hit_rate_at_10"] == 1.0


def test_an_evaluation_can_be_stopped() -> None:
    split = evaluation.split(drawn(), 0)
    with pytest.raises(Stopped):
        evaluation.evaluate(known(), split, N_ITEMS, run=Run(stop=lambda: True))
    with pytest.raises(Stopped):
        evaluation.leave_one_out(known(), drawn(), run=Run(stop=lambda: True))
