"""The metrics are those of Amazon's page: its worked examples, and each definition recomputed the slow way."""

import math

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartor.models import metrics
from sartor.models.base import Bool, Int32

ITEMS = 40


def ints(*values: int) -> Int32:
    return np.array(values, np.int32)


def row(*ranks: int, k: int = 25) -> Bool:
    """Hits at these ranks, counted from 1."""
    found = np.zeros((1, k), np.bool_)
    found[0, [rank - 1 for rank in ranks]] = True
    return found


def test_the_pages_example_of_five_recommendations() -> None:
    found = metrics.hits([ints(9, 1, 8, 7, 2)], [ints(1, 2)])
    assert metrics.mean(metrics.reciprocal_ranks(found)) == 0.5
    assert metrics.mean(metrics.precisions(found, 5)) == pytest.approx(0.4)
    ideal = metrics.ideal_hits(np.array([2]))
    assert round(metrics.mean(metrics.normalized_gains(found, ideal, 5)), 4) == 0.6241


def test_the_pages_example_of_three_users() -> None:
    found = np.concatenate([row(4), row(2), row(6)])
    assert round(metrics.mean(metrics.reciprocal_ranks(found)), 4) == 0.3056


def test_the_pages_example_of_event_weights() -> None:
    worth = np.array([0.3, 0.1]) / np.mean([0.3, 0.1])
    np.testing.assert_allclose(worth, [1.5, 0.5])
    gains, ideal = np.array([[0.0, 0.5, 1.5]]), np.array([[1.5, 0.5, 0.0]])
    expected = (0.5 / math.log(3) + 1.5 / math.log(4)) / (1.5 / math.log(2) + 0.5 / math.log(3))
    found = metrics.mean(metrics.normalized_gains(gains, ideal, 25))
    assert found == pytest.approx(expected)


rankings = st.lists(
    st.lists(st.integers(0, ITEMS - 1), unique=True, max_size=30).map(lambda one: ints(*one)),
    min_size=1,
    max_size=5,
)


@given(rankings, st.data(), st.sampled_from([5, 10, 25]))
def test_metrics_of_lists_equal_their_definitions(lists: list[Int32], data: st.DataObject, k: int) -> None:
    wanted = [ints(*data.draw(st.lists(st.integers(0, ITEMS - 1), min_size=1, max_size=30))) for _ in lists]
    reciprocal, precise, gained = [], [], []
    for one, truth in zip(lists, wanted, strict=True):
        ranks = [at + 1 for at, item in enumerate(one.tolist()) if item in truth.tolist()]
        reciprocal.append(1 / ranks[0] if ranks and ranks[0] <= 25 else 0.0)
        precise.append(len([rank for rank in ranks if rank <= k]) / k)
        best = sum(1 / math.log(rank + 1) for rank in range(1, min(len(set(truth.tolist())), k) + 1))
        gained.append(sum(1 / math.log(rank + 1) for rank in ranks if rank <= k) / best)
    found = metrics.hits(lists, wanted)
    ideal = metrics.ideal_hits(np.array([len(set(truth.tolist())) for truth in wanted]))
    assert metrics.mean(metrics.reciprocal_ranks(found)) == pytest.approx(np.mean(reciprocal))
    assert metrics.mean(metrics.precisions(found, k)) == pytest.approx(np.mean(precise))
    ndcg = metrics.mean(metrics.normalized_gains(found, ideal, k))
    assert ndcg == pytest.approx(np.mean(gained))
    assert 0 <= ndcg <= 1 + 1e-12
    listed = {item for one in lists for item in one[:25].tolist()}
    assert metrics.coverage(lists, ITEMS) == pytest.approx(len(listed) / ITEMS)


@given(rankings, st.data())
def test_rewards_equal_their_definition(lists: list[Int32], data: st.DataObject) -> None:
    worth = np.array(data.draw(st.lists(st.integers(0, 9), min_size=ITEMS, max_size=ITEMS)), np.float32)
    wanted = [ints(*data.draw(st.lists(st.integers(0, ITEMS - 1), min_size=1, max_size=30))) for _ in lists]
    shares = []
    for one, truth in zip(lists, wanted, strict=True):
        richest = sorted(one.tolist(), key=lambda item: -worth[item])[:4]
        total = sum(worth[item] for item in one.tolist() if item in truth)
        if total:
            shares.append(sum(worth[item] for item in richest if item in truth) / total)
    found = metrics.mean(metrics.reward_shares(lists, wanted, worth, 4))
    assert found == pytest.approx(np.mean(shares) if shares else 0.0)
    assert 0 <= found <= 1


def test_unknown_rewards_are_worth_nothing() -> None:
    worth = np.array([np.nan, 2.0, 1.0], np.float32)
    assert metrics.reward_shares([ints(0, 1, 2)], [ints(0, 1, 2)], worth, 1) == pytest.approx(2 / 3)


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=20))
def test_gini_is_the_mean_difference_of_all_pairs_over_twice_the_mean(counts: list[int]) -> None:
    found = metrics.gini(np.array(counts), len(counts))
    pairs = sum(abs(one - other) for one in counts for other in counts)
    total = sum(counts)
    assert found == pytest.approx(pairs / (2 * len(counts) * total) if total else 0.0, abs=1e-12)
    some = np.array([count for count in counts if count])
    assert metrics.gini(some, len(counts)) == pytest.approx(found, abs=1e-12)


def test_the_rarer_an_item_the_more_bits_it_says() -> None:
    found = metrics.self_information(np.array([7, 3, 1, 0]), 7)
    np.testing.assert_allclose(found, [0.0, 1.0, 2.0, 3.0])
    lists = metrics.novelties([ints(0, 1), ints(3), ints()], found, 2)
    np.testing.assert_allclose(lists, [0.5, 3.0, np.nan])
    assert metrics.mean(lists) == 1.75


def test_lists_in_sql_have_the_same_coverage_novelty_and_precision() -> None:
    rng = np.random.default_rng(0)
    met = [np.unique(rng.integers(0, ITEMS, 12).astype(np.int32)) for _ in range(30)]
    lists = [rng.permutation(ITEMS)[:25].astype(np.int32) for _ in met]
    with duckdb.connect() as sql:
        for name, rows in (("met", met), ("listed", lists)):
            sql.execute(f"CREATE TABLE {name} (person INT, item INT)")
            sql.executemany(
                f"INSERT INTO {name} VALUES (?, ?)",
                [(at, item) for at, one in enumerate(rows) for item in one.tolist()],
            )
        (expected,) = sql.execute(
            """WITH known AS (SELECT item, count(DISTINCT person) AS n FROM met GROUP BY item)
               SELECT count(DISTINCT item) / ?, avg(log2(31 / (coalesce(n, 0) + 1))),
                      (SELECT count(*) FROM met JOIN listed USING (person, item)) / (25 * 30)
               FROM listed LEFT JOIN known USING (item)""",
            [ITEMS],
        ).fetchall()
    information = metrics.self_information(np.bincount(np.concatenate(met), minlength=ITEMS), 30)
    found = (
        metrics.coverage(lists, ITEMS),
        metrics.mean(metrics.novelties(lists, information)),
        metrics.mean(metrics.precisions(metrics.hits(lists, met), 25)),
    )
    assert found == pytest.approx(expected)


def test_trends_are_held_against_the_best_possible_list() -> None:
    increase = np.array([10, -4, 5, 0, 1])
    assert metrics.trend_prediction_accuracy(ints(0, 2), increase, 2) == 1
    assert metrics.trend_prediction_accuracy(ints(2, 4), increase, 2) == pytest.approx(6 / 15)
    assert metrics.trend_prediction_accuracy(ints(1, 3), increase, 2) == 0
    assert metrics.trend_prediction_accuracy(ints(0, 1), -np.abs(increase), 2) == 0


def test_segments_count_true_users_among_one_percent() -> None:
    segments = [np.arange(300, dtype=np.int32), np.arange(300, dtype=np.int32)[::-1].copy()]
    truths = [ints(0, 1, 100, 200, 250), ints(299)]
    assert metrics.mean(metrics.hits_at_1_percent(segments, truths, 300)) == pytest.approx((2 + 1) / 2)
    assert metrics.mean(metrics.recall_at_1_percent(segments, truths, 300)) == pytest.approx(
        (2 / 3 + 1 / 1) / 2
    )


def test_segments_nobody_belongs_to_have_no_recall() -> None:
    assert metrics.mean(metrics.recall_at_1_percent([ints(0, 1), ints(0, 1)], [ints(), ints(0)], 2)) == 1
    assert metrics.mean(metrics.hits_at_1_percent([ints(0, 1), ints(0, 1)], [ints(), ints(0)], 2)) == 0.5


def test_no_queries_are_zero_and_no_error() -> None:
    found = metrics.hits([], [])
    assert metrics.mean(metrics.reciprocal_ranks(found)) == 0
    assert metrics.mean(metrics.precisions(found, 5)) == 0
    nothing = metrics.ideal_hits(np.zeros(0, np.int64))
    assert metrics.mean(metrics.normalized_gains(found, nothing, 5)) == 0
    assert metrics.coverage([], 10) == 0
    assert metrics.mean(metrics.hits_at_1_percent([], [], 10)) == 0
    assert metrics.mean(metrics.recall_at_1_percent([], [], 10)) == 0
    assert metrics.mean(metrics.reward_shares([], [], np.ones(3, np.float32))) == 0
