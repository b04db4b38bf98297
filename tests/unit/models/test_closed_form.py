"""The closed form solves its ridge regression exactly, learns order and taste, and knows what to say of the new."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sartor.models import base, closed_form, newcomers
from sartor.models.base import Features, Float32, Histories, Query, Run, Stopped, TrainingData

QUIET = Run(threads=1)


def told(n_items: int, lists: list[list[int]], weights: list[float] | None = None) -> TrainingData:
    items = np.array([item for one in lists for item in one], np.int32)
    offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    own = None if weights is None else np.array(weights, np.float32)
    return TrainingData(n_items, Histories(items, offsets, np.arange(len(items), dtype=np.int64), own))


def random_lists(n_items: int, users: int, seed: int = 0) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    lists = [rng.integers(n_items, size=rng.integers(1, 15)).tolist() for _ in range(users)]
    return [list(range(n_items)), *lists]


def asked(*items: int) -> Query:
    return Query(np.array(items, np.int32))


def by_hand(data: TrainingData, config: closed_form.Config) -> Float32:
    """The ridge solution from the features of every position, one after the other."""
    n, histories = data.n_items, data.histories
    features, targets, weights = [], [], []
    for user in range(histories.n_users):
        one = histories.of(user)
        for at in range(1, len(one)):
            row = np.zeros((2, n))
            for ago in range(1, min(at, config.lags) + 1):
                row[:, one[at - ago]] += np.array(config.decays) ** (ago - 1)
            features.append(row.ravel())
            targets.append(np.eye(n)[one[at]])
            own = histories.weights
            weights.append(1.0 if own is None else float(own[histories.offsets[user] + at]))
    x, y, w = np.array(features), np.array(targets), np.array(weights)[:, None]
    gram = x.T @ (w * x)
    means = gram.diagonal().reshape(2, n).mean(axis=1)
    gram += np.diag(np.repeat(np.array(config.ridge) * means, n))
    return np.linalg.solve(gram, x.T @ (w * y)).astype(np.float32)


@pytest.mark.parametrize("lags", [4, 50])
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_the_ridge_solution(lags: int, weighted: bool) -> None:
    lists = random_lists(7, 40)
    weights = np.random.default_rng(1).random(sum(map(len, lists))).tolist() if weighted else None
    data, config = told(7, lists, weights), closed_form.Config(lags=lags)
    found = closed_form.fit(data, config, QUIET).weights
    np.testing.assert_allclose(found, by_hand(data, config), atol=2e-5)


def test_the_order_of_a_cycle_is_learned() -> None:
    model = closed_form.fit(told(12, [[(s + k) % 12 for k in range(9)] for s in range(12)]), None, QUIET)
    assert [base.top(model.score(asked((i - 1) % 12, i)), 1)[0] for i in range(12)] == [
        (i + 1) % 12 for i in range(12)
    ]


def test_two_groups_of_taste_stay_apart() -> None:
    rng = np.random.default_rng(0)
    lists = [(rng.permutation(10)[:7] + 10 * (user % 2)).tolist() for user in range(200)]
    model = closed_form.fit(told(20, lists), None, QUIET)
    assert set(base.top(model.score(asked(1, 5)), 8).tolist()) <= set(range(10))
    assert set(base.top(model.score(asked(11, 15)), 8).tolist()) <= set(range(10, 20))


def test_blocks_equal_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    data = told(9, random_lists(9, 60))
    whole = closed_form.fit(data, None, QUIET).weights
    monkeypatch.setattr(closed_form, "_BLOCK_INTERACTIONS", 20)
    monkeypatch.setattr(closed_form, "_BLOCK_ROWS", 4)
    np.testing.assert_allclose(closed_form.fit(data, None, QUIET).weights, whole, atol=1e-5)


def test_items_without_interactions_change_nothing_for_the_others() -> None:
    lists = random_lists(6, 30)
    apart = [[item * 2 + 1 for item in one] for one in lists]
    dense = closed_form.fit(told(6, lists), None, QUIET).score(asked(2, 4))
    wide = closed_form.fit(told(14, apart), None, QUIET).score(asked(5, 9))
    np.testing.assert_array_equal(wide[1:12:2], dense)
    assert (np.delete(wide, np.arange(1, 12, 2)) == dense.min()).all()


def test_a_new_item_scores_as_those_that_share_its_rare_tokens() -> None:
    # 0..2 have token 0, 3..5 token 1; all have token 2; 6 is like the first, 7 like the second, 8 says nothing
    tokens = [[0, 2], [0, 2], [0, 2], [1, 2], [1, 2], [1, 2], [0, 2], [1, 2], []]
    features = Features(
        np.array([token for one in tokens for token in one], np.int32),
        np.cumsum([0, *map(len, tokens)]).astype(np.int64),
        3,
    )
    rng = np.random.default_rng(0)
    lists = [(rng.integers(3, size=6) + 3 * (user % 2)).tolist() for user in range(60)]
    data = replace(told(9, lists), features=features)
    scores = closed_form.fit(data, None, QUIET).score(asked(0, 1))
    assert scores[7] < scores[6] <= scores[:3].max()
    assert scores[8] == scores[:6].min()
    bare = closed_form.fit(told(9, lists), None, QUIET).score(asked(0, 1))
    np.testing.assert_array_equal(scores[:6], bare[:6])


def test_neighbours_in_blocks_are_those_of_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    features = Features(rng.integers(30, size=400).astype(np.int32), np.arange(101) * 4, 30)
    data = replace(told(100, [rng.integers(50, size=8).tolist() for _ in range(40)]), features=features)
    whole = newcomers.Newcomers.of(data, QUIET).arrays()
    monkeypatch.setattr(newcomers, "_BLOCK_PAIRS", 50)
    parts = newcomers.Newcomers.of(data, QUIET).arrays()
    assert len(whole["new"]) >= 50
    for name, array in whole.items():
        np.testing.assert_array_equal(parts[name], array)


def test_without_a_history_comes_what_is_popular() -> None:
    model = closed_form.fit(told(4, [[2, 0], [2, 1], [3, 0, 1], [0, 1]]), None, QUIET)
    assert base.top(model.score(asked()), 4).tolist() == [0, 1, 2, 3]


def test_saved_and_loaded_it_answers_the_same(tmp_path: Path) -> None:
    model = closed_form.fit(told(8, random_lists(8, 30)), None, QUIET)
    base.save(model, tmp_path / "model")
    loaded = base.load(tmp_path / "model")
    queries = [asked(), asked(1), asked(3, 3, 2)]
    np.testing.assert_array_equal(loaded.score_batch(queries), model.score_batch(queries))


def test_it_stops_and_it_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    data = told(5, random_lists(5, 9))
    with pytest.raises(Stopped):
        closed_form.fit(data, None, Run(stop=lambda: True))
    monkeypatch.setattr(closed_form, "LIMIT", 4)
    with pytest.raises(ValueError, match="at most 4"):
        closed_form.fit(data)
