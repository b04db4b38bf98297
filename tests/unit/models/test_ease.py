"""EASE solves its ridge regression exactly, whatever the blocks."""

import numpy as np
import pytest

from sartor.models import ease
from sartor.models.base import Histories, Query, Run, Stopped, TrainingData
from sartor.models.best import top

QUIET = Run(threads=1)


def told(n_items: int, users: int = 60, seed: int = 0) -> TrainingData:
    rng = np.random.default_rng(seed)
    lists = [np.arange(n_items), *(rng.integers(n_items, size=rng.integers(1, 9)) for _ in range(users))]
    items = np.concatenate(lists).astype(np.int32)
    offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    return TrainingData(n_items, Histories(items, offsets, np.arange(len(items), dtype=np.int64)))


def by_hand(data: TrainingData, config: ease.Config) -> np.ndarray:
    had = np.zeros((data.histories.n_users, data.n_items))
    had[data.histories.users, data.histories.items] = 1
    gram = had.T @ had
    inverse = np.linalg.inv(gram + config.ridge * gram.diagonal().mean() * np.eye(len(gram)))
    weights = -inverse / inverse.diagonal()
    np.fill_diagonal(weights, 0)
    return weights


@pytest.mark.parametrize("rows", [4, 1_024])
def test_it_is_the_ridge_solution(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease, "_BLOCK_ROWS", rows)
    monkeypatch.setattr(ease, "_BLOCK_INTERACTIONS", 10 * rows)
    data, config = told(11), ease.Config(recency=0.8)
    wanted = by_hand(data, config)
    model = ease.fit(data, config, QUIET)
    found = model.score(Query(np.array([2, 5], np.int32)))
    np.testing.assert_allclose(found, 0.8 * wanted[2] + wanted[5], atol=1e-5)


def test_two_groups_of_taste_stay_apart() -> None:
    rng = np.random.default_rng(0)
    lists = [(rng.permutation(10)[:7] + 10 * (user % 2)) for user in range(200)]
    items = np.concatenate(lists).astype(np.int32)
    data = TrainingData(20, Histories(items, 7 * np.arange(201, dtype=np.int64), np.arange(len(items))))
    best = top(ease.fit(data, None, QUIET).score(Query(np.array([11, 15], np.int32))), 8)
    assert set(best.tolist()) <= set(range(10, 20))


def test_it_stops() -> None:
    with pytest.raises(Stopped):
        ease.fit(told(5), None, Run(stop=lambda: True))
