"""Intervals say how far a metric would move with other users: on planted data they hold what is true."""

import numpy as np
import pytest

from sartor.models import bootstrap, metrics
from sartor.models.base import Int32, Run, Stopped

ITEMS = 300


def test_the_interval_of_a_mean_is_that_of_its_standard_error() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, size=4000)
    found = bootstrap.of_means({"x": values}, Run())["x"]
    assert found.value == pytest.approx(values.mean())
    error = values.std() / len(values) ** 0.5
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert (found.low + found.high) / 2 == pytest.approx(values.mean(), abs=0.2 * error)


def test_it_holds_the_true_mean_of_skewed_values_in_about_95_of_100_samples() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        found = bootstrap.of_means({"x": rng.exponential(size=60)}, Run(seed=int(rng.integers(1000))))["x"]
        held += found.low <= 1.0 <= found.high
    assert 0.88 <= held / 200 <= 0.99


def test_it_holds_the_coverage_and_the_concentration_that_other_users_would_have() -> None:
    rng = np.random.default_rng(2)
    chance = 1 / np.arange(1, ITEMS + 1)
    chance /= chance.sum()

    def lists() -> Int32:
        return np.stack([rng.choice(ITEMS, 10, replace=False, p=chance) for _ in range(40)]).astype(np.int32)

    def slow(some: Int32) -> tuple[float, float]:
        return metrics.coverage(list(some), ITEMS), metrics.gini(np.bincount(some.ravel()), ITEMS)

    true = np.mean([slow(lists()) for _ in range(100)], axis=0)
    held = np.zeros(2)
    for _ in range(60):
        found = bootstrap.of_lists(lists(), ITEMS, Run())
        ends = [found["coverage"], found["gini"]]
        held += [one.low <= value <= one.high for one, value in zip(ends, true, strict=True)]
    assert (held >= 0.85 * 60).all()


def test_a_paired_difference_is_narrower_than_the_two_apart() -> None:
    rng = np.random.default_rng(3)
    hard = rng.random(500)  # what is hard for one is hard for the other
    ours, theirs = hard + 0.01 + rng.normal(0, 0.02, 500), hard
    apart = bootstrap.of_means({"ours": ours, "theirs": theirs}, Run())
    assert apart["ours"].low < apart["theirs"].high
    by = bootstrap.of_means({"x": ours - theirs}, Run())["x"]
    assert by.low > 0
    assert not by.includes_zero


def test_users_who_do_not_count_are_left_out() -> None:
    values = np.array([1.0, np.nan, 3.0, np.nan])
    found = bootstrap.of_means({"x": values, "none": np.full(4, np.nan)}, Run())
    assert found["x"].value == 2.0
    assert 1.0 <= found["x"].low <= found["x"].high <= 3.0
    assert found["none"] == bootstrap.Interval(0.0, 0.0, 0.0)


def test_lists_that_end_early_recommend_nothing_behind_their_end() -> None:
    lists = np.full((3, 4), ITEMS, np.int32)
    lists[:, 0] = 7
    found = bootstrap.of_lists(lists, ITEMS, Run())["coverage"]
    assert (found.value, found.low, found.high) == pytest.approx((1 / ITEMS,) * 3)


def test_equal_seeds_draw_equally() -> None:
    values = {"x": np.arange(30.0)}
    assert bootstrap.of_means(values, Run(seed=1)) == bootstrap.of_means(values, Run(seed=1))
    assert bootstrap.of_means(values, Run(seed=1)) != bootstrap.of_means(values, Run(seed=2))


def test_nobody_gives_zeros_and_no_error() -> None:
    zero = bootstrap.Interval(0.0, 0.0, 0.0)
    assert bootstrap.of_means({"x": np.zeros(0)}, Run()) == {"x": zero}
    assert bootstrap.of_means({}, Run()) == {}
    assert bootstrap.of_lists(np.zeros((0, 5), np.int32), ITEMS, Run()) == {"coverage": zero, "gini": zero}
    assert bootstrap.of_lists(np.zeros((2, 5), np.int32), 0, Run()) == {"coverage": zero, "gini": zero}


def test_drawing_can_be_stopped() -> None:
    with pytest.raises(Stopped):
        bootstrap.of_means({"x": np.ones(3)}, Run(stop=lambda: True))
