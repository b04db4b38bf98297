"""Affinity: users and items as vectors, against the equations that they solve and planted tastes."""

from dataclasses import replace

import numpy as np
import pytest

from sartor.models import affinity
from sartor.models.affinity import AffinityModel, Config
from sartor.models.base import Features, Float32, Histories, Query, Run, Stopped, TrainingData

SMALL = Config(d=6, sweeps=4)
QUIET = Run(threads=1)


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


def exact(model: AffinityModel, history: list[int]) -> Float32:
    """Return a user's vector as the plain equations have it: every item, each with what it counts."""
    config, known = model.config, np.flatnonzero(model.known)
    times = {item: history.count(item) for item in history if model.known[item]}
    ridge = config.ridge * (len(times) + config.everywhere * len(known))
    vectors = model.items.astype(np.float64)
    system = config.everywhere * vectors[known].T @ vectors[known] + ridge * np.eye(vectors.shape[1])
    wanted = np.zeros(vectors.shape[1])
    for item, count in times.items():
        trusted = 1 + np.log(count)
        system += trusted * np.outer(vectors[item], vectors[item])
        wanted += trusted * vectors[item]
    return np.linalg.solve(system, wanted).astype(np.float32)


@pytest.mark.parametrize("length", [1, 3, 5, 6, 20])
def test_a_user_is_the_solution_of_the_plain_equations_however_long_the_history(length: int) -> None:
    found, n_items = tastes()
    model = affinity.fit(TrainingData(n_items, found), SMALL, QUIET)
    rng = np.random.default_rng(length)
    lists = [rng.integers(n_items, size=size).tolist() for size in (length, 0, 2 * length, length)]
    states = model.states(histories(lists))
    expected = np.stack([exact(model, one) for one in lists])
    np.testing.assert_allclose(states, expected, rtol=2e-3, atol=2e-4)
    assert not states[1].any()


def test_items_are_the_solution_of_the_same_equations() -> None:
    found, n_items = tastes()
    config = replace(SMALL, sweeps=60)
    model = affinity.fit(TrainingData(n_items, found), config, QUIET)
    # after many sweeps nothing moves any more: users solved from the items give the same items
    users = model.states(found)
    seen = np.zeros((found.n_users, n_items))
    np.add.at(seen, (np.repeat(np.arange(found.n_users), np.diff(found.offsets)), found.items), 1)
    trusted = np.where(seen > 0, 1 + np.log(np.maximum(seen, 1)), 0)
    for item in range(0, n_items, 5):
        count = (seen[:, item] > 0).sum()
        ridge = config.ridge * (count + config.everywhere * found.n_users)
        system = config.everywhere * users.T @ users + ridge * np.eye(users.shape[1])
        system += (users * trusted[:, item, None]).T @ users
        again = np.linalg.solve(system, users.T @ trusted[:, item])
        np.testing.assert_allclose(users @ again, users @ model.items[item], atol=0.02)


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
    assert model.known.tolist() == [True] * n_items + [False] * 2


def test_an_item_that_nobody_met_tells_nothing_of_a_user() -> None:
    found, n_items = tastes()
    model = affinity.fit(TrainingData(n_items + 1, found), SMALL, QUIET)
    with_it, without = (model.states(histories([one]))[0] for one in ([1, 2, n_items], [1, 2]))
    np.testing.assert_array_equal(with_it, without)


def test_who_met_an_item_often_is_nearer_to_it_than_who_met_it_once() -> None:
    found, n_items = tastes()
    model = affinity.fit(TrainingData(n_items, found), SMALL, QUIET)
    once, often = model.states(histories([[3, 4], [3, 3, 3, 3, 4]])) @ model.items[3]
    assert often > once


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
