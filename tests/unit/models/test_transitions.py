"""The transitions are counted by distance, whatever the blocks, and bounded to the strongest."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sartor.models import base, transition_counts, transitions
from sartor.models.base import Features, Float32, Histories, Query, Run, Stopped, TrainingData
from sartor.models.best import top

QUIET = Run(threads=1)


def told(n_items: int, lists: list[list[int]], weights: list[float] | None = None) -> TrainingData:
    items = np.array([item for one in lists for item in one], np.int32)
    offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    own = None if weights is None else np.array(weights, np.float32)
    return TrainingData(n_items, Histories(items, offsets, np.arange(len(items), dtype=np.int64), own))


def random_lists(n_items: int, users: int) -> list[list[int]]:
    rng = np.random.default_rng(0)
    return [
        list(range(n_items)),
        *(rng.integers(n_items, size=rng.integers(1, 15)).tolist() for _ in range(users)),
    ]


def asked(*items: int) -> Query:
    return Query(np.array(items, np.int32))


def by_hand(data: TrainingData, config: transitions.Config) -> Float32:
    counts = np.zeros((data.n_items, data.n_items))
    for user in range(data.histories.n_users):
        one = data.histories.of(user)
        for at in range(len(one)):
            own = data.histories.weights
            weight = 1.0 if own is None else own[data.histories.offsets[user] + at]
            for lag in range(1, min(at, config.lags) + 1):
                counts[one[at - lag], one[at]] += weight / lag
    rows = (counts.sum(axis=1) + config.smoothing) ** config.row_power
    columns = (counts.sum(axis=0) + config.smoothing) ** config.column_power
    return (counts**config.power / rows[:, None] / columns).astype(np.float32)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_weights_are_the_normalised_counts(weighted: bool) -> None:
    lists = random_lists(8, 40)
    weights = np.random.default_rng(1).random(sum(map(len, lists))).tolist() if weighted else None
    data, config = told(8, lists, weights), transitions.Config(lags=4)
    model = transitions.fit(data, config, QUIET)
    wanted = by_hand(data, config)
    for item in range(8):
        found = model.score(asked(item))
        np.testing.assert_allclose(np.maximum(found, 0), wanted[item], rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(found < 0, wanted[item] == 0)
    both = config.recency * wanted[3] + wanted[5]
    np.testing.assert_allclose(np.maximum(model.score(asked(3, 5)), 0), both, rtol=1e-4, atol=1e-6)


def test_the_order_of_a_cycle_is_learned() -> None:
    model = transitions.fit(told(12, [[(s + k) % 12 for k in range(9)] for s in range(12)]), None, QUIET)
    assert [top(model.score(asked(i)), 1)[0] for i in range(12)] == [(i + 1) % 12 for i in range(12)]


def test_two_groups_of_taste_stay_apart() -> None:
    rng = np.random.default_rng(0)
    lists = [(rng.permutation(10)[:7] + 10 * (user % 2)).tolist() for user in range(200)]
    model = transitions.fit(told(20, lists), None, QUIET)
    assert set(top(model.score(asked(1, 5)), 8).tolist()) <= set(range(10))


def test_blocks_equal_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    data = told(9, random_lists(9, 60))
    whole = transitions.fit(data, None, QUIET).score(asked(1, 2))
    monkeypatch.setattr(transition_counts, "_BLOCK_INTERACTIONS", 20)
    np.testing.assert_allclose(transitions.fit(data, None, QUIET).score(asked(1, 2)), whole, rtol=1e-5)
    monkeypatch.setattr(transition_counts, "_TABLE_ITEMS", 8)
    np.testing.assert_allclose(transitions.fit(data, None, QUIET).score(asked(1, 2)), whole, rtol=1e-5)


def test_an_item_keeps_its_strongest_successors() -> None:
    data = told(9, random_lists(9, 60))
    # before the columns are scaled; all alike here
    config = transitions.Config(column_power=0.0)
    whole = transitions.fit(data, config, QUIET).score(asked(4))
    few = transitions.fit(data, replace(config, successors=3), QUIET).score(asked(4))
    best = top(whole, 3)
    np.testing.assert_array_equal(few[best], whole[best])
    assert (few > 0).sum() == 3


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> TrainingData:
    """Histories whose cells do not fit at once: 30 items follow each other in a cycle, and at random."""
    monkeypatch.setattr(transition_counts, "_BLOCK_INTERACTIONS", 60)
    monkeypatch.setattr(transition_counts, "_TABLE_ITEMS", 0)
    monkeypatch.setattr(transition_counts, "_CELLS", 150)
    return told(30, [[(s + k) % 30 for k in range(9)] for s in range(30)] * 3 + random_lists(30, 60))


@pytest.mark.parametrize(
    "config", [transitions.Config(), transitions.TOGETHER, transitions.Config(successors=4)]
)
def test_what_does_not_fit_at_once_is_counted_some_items_at_a_time(
    crowded: TrainingData, config: transitions.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the room, an item keeps the same successors with the same weights."""
    passes = []
    pairs_of = transition_counts._Pairs.of

    def seen(pairs: transition_counts._Pairs, first: int, end: int) -> Iterator[Any]:
        passes.append((first, end))
        return pairs_of(pairs, first, end)

    monkeypatch.setattr(transition_counts._Pairs, "of", seen)
    in_parts = transitions.fit(crowded, config, QUIET).arrays()
    assert len(passes) > 5
    monkeypatch.setattr(transition_counts, "_CELLS", 10_000)
    whole = transitions.fit(crowded, config, QUIET).arrays()
    np.testing.assert_array_equal(in_parts["starts"], whole["starts"])
    np.testing.assert_array_equal(in_parts["successors"], whole["successors"])
    np.testing.assert_allclose(in_parts["weights"], whole["weights"], rtol=1e-5)


@pytest.mark.parametrize("config", [transitions.Config(column_power=0.0), transitions.TOGETHER])
def test_a_crowd_of_items_keeps_as_many_successors_of_each_as_fit(
    crowded: TrainingData, config: transitions.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transition_counts, "_KEPT", 30 * 7)
    arrays = transitions.fit(crowded, config, QUIET).arrays()
    assert set(np.diff(arrays["starts"]).tolist()) == {7}
    assert all(np.diff(of_one).min() > 0 for of_one in arrays["successors"].reshape(30, 7))


def test_fewer_successors_are_the_strongest_ones(
    crowded: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = transitions.Config(column_power=0.0)  # the counts are cut before the columns are scaled
    wanted = by_hand(crowded, config)
    monkeypatch.setattr(transition_counts, "_KEPT", 30 * 7)
    model = transitions.fit(crowded, config, QUIET)
    for item in range(30):
        found = model.score(asked(item))
        kept = np.flatnonzero(found > 0)
        np.testing.assert_allclose(found[kept], wanted[item, kept], rtol=1e-4)
        assert wanted[item, kept].min() >= np.sort(wanted[item])[-7] * (1 - 1e-4)


def test_a_new_item_scores_as_those_that_share_its_tokens() -> None:
    features = Features(np.array([0, 0, 1, 1, 0, 1], np.int32), np.arange(7), 2)
    data = replace(told(6, [[0, 1, 0, 1], [2, 3, 2, 3]] * 5), features=features)
    scores = transitions.fit(data, None, QUIET).score(asked(0))
    assert scores[4] > scores[5]
    assert scores[4] == pytest.approx(scores[:2].mean())


def test_without_a_history_comes_what_is_popular() -> None:
    model = transitions.fit(told(4, [[2, 0], [2, 1], [3, 0, 1], [0, 1]]), None, QUIET)
    assert top(model.score(asked()), 4).tolist() == [0, 1, 2, 3]


def test_what_goes_together_looks_both_ways() -> None:
    """Backwards counts a share; nothing is scaled by popularity here."""
    data = told(4, [[0, 1]] * 3 + [[1, 2]] * 2 + [[3, 3]])
    config = transitions.Config(power=1.0, row_power=0.0, column_power=0.0, backwards=0.5)
    model = transitions.fit(data, config, QUIET)
    np.testing.assert_allclose(np.maximum(model.score(asked(1)), 0), [1.5, 0, 2, 0])
    np.testing.assert_allclose(np.maximum(model.score(asked(0)), 0), [0, 3, 0, 0])


def test_saved_and_loaded_it_answers_the_same(tmp_path: Path) -> None:
    model = transitions.fit(told(8, random_lists(8, 30)), None, QUIET)
    base.save(model, tmp_path / "model")
    queries = [asked(), asked(1), asked(3, 3, 2)]
    loaded = base.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.score_batch(queries), model.score_batch(queries))


def test_it_stops() -> None:
    with pytest.raises(Stopped):
        transitions.fit(told(5, random_lists(5, 9)), None, Run(stop=lambda: True))
