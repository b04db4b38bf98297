"""What trends is what rises from one window to the next, noise and size aside."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.models import base, trending
from sartor.models.base import Float32, Histories, Int32, Int64, Query, Run, Stopped, TrainingData
from sartor.models.best import top

NOBODY = Query(np.zeros(0, np.int32))
HOUR = 3600


def counted(windows: list[tuple[int, int, int]]) -> Float32:
    """Score items by how many interactions each had: long ago, in the last window but one, in the last."""
    items, times = [], []
    for item, counts in enumerate(windows):
        for count, when in zip(counts, (0, 7 * HOUR, 9 * HOUR), strict=True):
            items += [item] * count
            times += [when] * count
    return trending.scores(
        np.array(items, np.int32), np.array(times, np.int64), len(windows), 2 * HOUR, 10 * HOUR
    )


def planted(seed: int, bursts: int = 25, n_items: int = 2_000) -> tuple[Int32, Int64, Int32]:
    """Interactions at a steady rate an item, from rare to popular, but for bursts in the last window."""
    rng = np.random.default_rng(seed)
    rates = rng.pareto(1.2, n_items) + 0.3
    rising = rng.choice(n_items, bursts, replace=False).astype(np.int32)
    counts = rng.poisson(rates, (12, n_items))
    counts[-1, rising] += rng.poisson(3 * rates[rising] + 15)
    windows, items = np.nonzero(counts)
    repeats = counts[windows, items]
    items, windows = np.repeat(items, repeats), np.repeat(windows, repeats)
    times = windows * 2 * HOUR + rng.integers(1, 2 * HOUR, len(windows))
    return items.astype(np.int32), times.astype(np.int64), rising


@pytest.mark.parametrize("seed", range(5))
def test_planted_bursts_are_on_top(seed: int) -> None:
    items, times, rising = planted(seed)
    scores = trending.scores(items, times, 2_000, 2 * HOUR, 24 * HOUR)
    assert len(np.intersect1d(top(scores, 25), rising)) >= 0.9 * 25


def test_faster_growth_is_above_slower_and_noise_below_both() -> None:
    once, slow, fast, steady, falling = counted([(0, 0, 1), (5, 5, 20), (5, 5, 60), (0, 50, 50), (0, 50, 5)])
    assert fast > slow > once > steady > falling


def test_a_large_items_small_growth_is_no_trend() -> None:
    large, small = counted([(0, 1000, 1020), (0, 2, 12)])
    assert small > large


def test_what_does_not_rise_is_in_order_of_its_interactions() -> None:
    scores = counted([(3, 2, 1), (90, 0, 0), (0, 0, 0), (0, 5, 5), (0, 0, 4)])
    assert top(scores, 5).tolist() == [4, 1, 3, 0, 2]


def test_without_anything_in_the_last_windows_the_popular_are_left() -> None:
    scores = counted([(3, 0, 0), (9, 0, 0), (0, 0, 0)])
    assert top(scores, 3).tolist() == [1, 0, 2]


def test_what_is_later_than_now_does_not_count() -> None:
    items, times = np.array([0, 1, 1], np.int32), np.array([10, 99, 99], np.int64)
    assert trending.scores(items, times, 2, 5, 10).tolist()[1] == 0


def test_a_window_ends_with_now_and_begins_after_its_length() -> None:
    items, times = np.array([0, 1, 2], np.int32), np.array([10, 5, 0], np.int64)
    rising = trending.scores(items, times, 3, 5, 10)
    assert (rising > 1).tolist() == [True, False, False]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30)), max_size=30), st.permutations(range(30)))
def test_the_order_of_the_interactions_does_not_matter(
    events: list[tuple[int, int]], order: list[int]
) -> None:
    shuffled = [events[at] for at in order if at < len(events)]
    found = [
        trending.scores(
            np.array([e[0] for e in one], np.int32), np.array([e[1] for e in one], np.int64), 5, 7, 30
        )
        for one in (events, shuffled)
    ]
    np.testing.assert_array_equal(found[0], found[1])
    assert np.isfinite(found[0]).all()


def test_the_model_keeps_the_scores_counted_back_from_the_newest_interaction(tmp_path: Path) -> None:
    items, times, _ = planted(0)
    data = TrainingData(2_000, Histories(items, np.array([0, len(items)]), times))
    model = trending.fit(data, trending.Config(HOUR))
    expected = trending.scores(items, times, 2_000, HOUR, int(times.max()))
    np.testing.assert_array_equal(model.score(NOBODY), expected)
    np.testing.assert_array_equal(model.score_batch([NOBODY, NOBODY]), [expected] * 2)
    base.save(model, tmp_path / "model")
    loaded = base.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.score(NOBODY), expected)
    assert loaded.settings() == {"window_seconds": HOUR}


def test_no_interactions_are_no_error() -> None:
    nothing = np.zeros(0, np.int64)
    data = TrainingData(3, Histories(nothing.astype(np.int32), np.zeros(1, np.int64), nothing))
    np.testing.assert_array_equal(trending.fit(data).score(NOBODY), [0, 0, 0])


def test_a_stopped_run_stops_it() -> None:
    nothing = np.zeros(0, np.int64)
    data = TrainingData(3, Histories(nothing.astype(np.int32), np.zeros(1, np.int64), nothing))
    with pytest.raises(Stopped):
        trending.fit(data, None, Run(stop=lambda: True))


DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("newest", "now"),
    [
        (-HOUR, 0),  # data that reaches the present: its windows end now
        (-DAY + 1, 0),
        (-DAY - 1, -DAY - 1),  # older data: at its newest record
        (600, 600),  # a clock that is a little ahead
    ],
)
def test_the_last_window_ends_now_for_data_that_reaches_the_present(newest: int, now: int) -> None:
    clock = 1_800_000_000
    times = np.array([clock + newest, clock + newest - 5], np.int64)
    assert trending.present(trending.newest(times, clock), clock) == clock + now


def test_records_far_ahead_of_the_clock_move_nothing() -> None:
    clock = 1_800_000_000
    times = np.array([clock - 5 * DAY, clock + 901, clock + DAY, clock * 1000], np.int64)
    assert trending.present(trending.newest(times, clock), clock) == clock - 5 * DAY
    assert trending.newest(times[1:], clock) == clock


def test_without_a_trend_popular_items_come_first_also_by_what_was_before() -> None:
    quiet = trending.scores(
        np.array([2], np.int32), np.array([0], np.int64), 4, 2 * HOUR, 10 * DAY, np.array([1, 7, 5, 0])
    )
    assert list(top(quiet, 4)) == [1, 2, 0, 3]
