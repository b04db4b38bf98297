"""Affinity: users and items as vectors, against plain linear algebra and planted tastes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartor.models import affinity
from sartor.models.affinity import Config
from sartor.models.base import Features, Float32, Histories, Query, Run, Stopped, TrainingData

SMALL = Config(d=6)
QUIET = Run(threads=1)
LISTS = st.lists(st.lists(st.integers(0, 7), max_size=9), min_size=1, max_size=12)


def histories(lists: list[list[int]]) -> Histories:
    items = np.array([item for one in lists for item in one], np.int32)
    offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    return Histories(items, offsets, np.arange(len(items), dtype=np.int64))


def tastes(users: int = 120, groups: int = 4, items_of_each: int = 6) -> tuple[Histories, int]:
    """Return users of whom each likes the items of one group, but for one item of another."""
    rng = np.random.default_rng(3)
    lists = []
    for user in range(users):
        own = user % groups * items_of_each + rng.choice(items_of_each, 4, replace=False)
        lists.append([*own.tolist(), int(rng.integers(groups * items_of_each))])
    return histories(lists), groups * items_of_each


def expected(lists: list[list[int]], n_items: int, config: Config) -> Float32:
    """Return float[users, items]: the scores of all dimensions, by dense ridge regression."""
    seen, loud = np.zeros((2, len(lists), n_items))
    for user, one in enumerate(lists):
        ages = np.arange(len(one))[::-1]
        weights = config.always + np.exp(-ages / config.fading)
        for item, weight in zip(one, weights * len(one) / weights.sum() if one else [], strict=True):
            seen[user, item] = 1
            loud[user, item] += weight
    users = seen.sum(axis=0)
    known = users > 0
    weights = np.where(known, (users + config.smoothing) ** -0.5, 0)
    shared = (seen * weights).T @ (seen * weights)
    ridge = config.ridge * np.trace(shared) / max(known.sum(), 1)
    both = shared @ np.linalg.inv(shared + max(ridge, 1e-9) * np.eye(n_items))
    return (loud * weights) @ both @ np.diag(np.where(known, 1 / np.where(known, weights, 1), 0))


@given(LISTS)
@settings(max_examples=60, deadline=None)
def test_with_all_dimensions_scores_are_those_of_dense_ridge_regression(lists: list[list[int]]) -> None:
    found = histories(lists)
    config = Config(d=8, ridge=2.0)
    model = affinity.fit(TrainingData(8, found), config, QUIET)
    scores = model.states(found) @ model.items.T
    exact = expected(lists, 8, config)
    known = np.isin(np.arange(8), found.items)
    np.testing.assert_allclose(scores[:, known], exact[:, known], rtol=1e-3, atol=1e-4)


def test_few_dimensions_keep_the_strongest() -> None:
    found, n_items = tastes()
    whole = affinity.fit(TrainingData(n_items, found), replace(SMALL, d=n_items), QUIET)
    few = affinity.fit(TrainingData(n_items, found), replace(SMALL, d=8, rounds=6), QUIET)
    assert few.items.shape == (n_items, 8)
    most, part = (model.states(found) @ model.items.T for model in (whole, few))
    assert np.corrcoef(most.ravel(), part.ravel())[0, 1] > 0.97


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found, n_items = tastes()
    whole = affinity.fit(TrainingData(n_items, found), SMALL, QUIET)
    monkeypatch.setattr(affinity, "_BLOCK_VECTORS", 7)
    parts = affinity.fit(TrainingData(n_items, found), SMALL, QUIET)
    np.testing.assert_allclose(
        parts.states(found) @ parts.items.T, whole.states(found) @ whole.items.T, rtol=1e-3, atol=1e-4
    )


def test_who_has_no_history_has_no_vector() -> None:
    found, n_items = tastes()
    model = affinity.fit(TrainingData(n_items, found), SMALL, QUIET)
    assert model.states(histories([[], [1], []])).any(axis=1).tolist() == [False, True, False]


def test_newer_items_say_more_than_older_ones() -> None:
    found, n_items = tastes()
    model = affinity.fit(TrainingData(n_items, found), replace(SMALL, fading=2.0), QUIET)
    first, second = model.states(histories([[0, 1, 6, 7], [6, 7, 0, 1]])) @ model.of_items(
        np.arange(6, dtype=np.int32)
    )
    assert second > first


def test_who_did_more_scores_higher() -> None:
    found, n_items = tastes()
    model = affinity.fit(TrainingData(n_items, found), SMALL, QUIET)
    little, much = model.states(histories([[0, 1], [0, 1, 2, 3]])) @ model.items[4]
    assert much > little


@pytest.mark.parametrize(("lists", "comes_back"), [([[0, 1, 2]] * 9, False), ([[0, 1, 0]] * 9, True)])
def test_whether_users_come_back_to_items_is_what_they_did(lists: list[list[int]], comes_back: bool) -> None:
    assert affinity.fit(TrainingData(3, histories(lists)), SMALL, QUIET).comes_back is comes_back


def test_who_likes_items_of_a_group_is_nearest_to_the_others_of_it() -> None:
    found, n_items = tastes()
    model = affinity.fit(TrainingData(n_items, found), replace(SMALL, d=4), QUIET)
    users = model.states(found)
    for group in range(4):
        of_group = model.of_items(np.arange(group * 6, group * 6 + 6, dtype=np.int32))
        best = np.argsort(-(users @ of_group))[: found.n_users // 4]
        assert (best % 4 == group).all()


def test_items_together_are_the_sum_of_their_scores() -> None:
    found, n_items = tastes()
    model = affinity.fit(TrainingData(n_items, found), SMALL, QUIET)
    some = np.array([2, 7, 11], np.int32)
    users = model.states(found)
    np.testing.assert_allclose(
        users @ model.of_items(some), (users @ model.items.T)[:, some].sum(axis=1), rtol=1e-4, atol=1e-5
    )


def test_an_item_that_nobody_met_has_the_users_of_items_alike() -> None:
    found, n_items = tastes()
    tokens = np.array([*(item // 6 for item in range(n_items)), 2], np.int32)
    features = Features(tokens, np.arange(n_items + 3, dtype=np.int64).clip(max=n_items + 1), 4)
    model = affinity.fit(TrainingData(n_items + 2, found, features), SMALL, QUIET)
    scores = model.states(found) @ model.items.T
    likes = np.arange(found.n_users) % 4 == 2
    assert scores[likes, n_items].min() > scores[~likes, n_items].max()
    # of the last one nothing is known: it has what all have
    np.testing.assert_allclose(model.items[-1], model.items[:n_items].mean(axis=0), rtol=1e-4, atol=1e-6)


def test_an_item_that_nobody_met_tells_nothing_of_a_user() -> None:
    found, n_items = tastes()
    model = affinity.fit(TrainingData(n_items + 1, found), SMALL, QUIET)
    assert not model.states(histories([[n_items, n_items]])).any()


def test_vectors_are_no_longer_than_there_are_items() -> None:
    model = affinity.fit(TrainingData(3, histories([[0, 1], [1, 2]])), Config(), QUIET)
    assert model.items.shape == (3, 3)


def test_no_interactions_are_no_error() -> None:
    model = affinity.fit(TrainingData(3, histories([[], []])), SMALL, QUIET)
    assert np.isfinite(model.score(Query(np.array([1], np.int32)))).all()


def test_a_stopped_run_stops_it() -> None:
    found, n_items = tastes()
    with pytest.raises(Stopped):
        affinity.fit(TrainingData(n_items, found), SMALL, Run(stop=lambda: True))
