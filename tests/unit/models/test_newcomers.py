"""Who nobody has met yet is scored as those that are alike."""

import numpy as np
import pytest

from sartor.models import newcomers
from sartor.models.base import Features, Histories, Run, TrainingData
from sartor.models.newcomers import Newcomers

QUIET = Run(threads=1)


def told(n_items: int, lists: list[list[int]], features: Features) -> TrainingData:
    items = np.array([item for one in lists for item in one], np.int32)
    offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    return TrainingData(n_items, Histories(items, offsets, np.arange(len(items))), features)


def test_a_new_item_scores_as_those_that_share_its_rare_tokens() -> None:
    # 0..2 have token 0, 3..5 token 1; all have token 2; 6 is like the first, 7 like the second, 8 says nothing
    tokens = [[0, 2], [0, 2], [0, 2], [1, 2], [1, 2], [1, 2], [0, 2], [1, 2], []]
    features = Features(
        np.array([token for one in tokens for token in one], np.int32),
        np.cumsum([0, *map(len, tokens)]).astype(np.int64),
        3,
    )
    known = np.array([3.0, 2.5, 2.0, 1.0, 0.5, 0.0], np.float32)
    scores = Newcomers.of(told(9, [[0, 1, 2, 3, 4, 5]], features), QUIET).widened(known)
    np.testing.assert_array_equal(scores[:6], known)
    assert scores[7] < scores[6] <= scores[:3].max()
    assert scores[8] == scores[:6].min()


def cosines(features: Features, n_items: int) -> np.ndarray:
    """float64[items, items]: of the rarities of the tokens that two items share."""
    rarity = np.log1p(n_items / np.maximum(np.bincount(features.tokens, minlength=features.n_tokens), 1))
    table = np.zeros((n_items, features.n_tokens))
    for item in range(n_items):
        some = features.tokens[features.offsets[item] : features.offsets[item + 1]]
        table[item, some] = rarity[some]
    norms = np.linalg.norm(table, axis=1)
    found: np.ndarray = table @ table.T / norms[:, None] / norms
    return found


def test_the_nearest_known_items_speak_for_a_new_one() -> None:
    rng = np.random.default_rng(0)
    features = Features(rng.integers(60, size=400).astype(np.int32), np.arange(101) * 4, 60)
    found = Newcomers.of(told(100, [list(range(50))], features), QUIET).arrays()
    near = cosines(features, 100)[:, :50]
    for item, places, weights in zip(found["new"], found["near"], found["near_weights"], strict=True):
        own = near[item] / near[item][places[weights > 0]].sum()
        np.testing.assert_allclose(weights[weights > 0], own[places[weights > 0]], rtol=1e-4)
        assert (np.diff(weights) <= 0).all(), "the nearest ones come first"
        if (weights > 0).all():
            assert np.delete(near[item], places).max() <= near[item][places].min() + 1e-6


def test_neighbours_in_blocks_are_those_of_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    features = Features(rng.integers(30, size=400).astype(np.int32), np.arange(101) * 4, 30)
    lists = [rng.integers(50, size=8).tolist() for _ in range(40)]
    data = told(100, lists, features)
    whole = Newcomers.of(data, QUIET).arrays()
    monkeypatch.setattr(newcomers, "_BLOCK_PAIRS", 50)
    parts = Newcomers.of(data, QUIET).arrays()
    assert len(whole["new"]) >= 50
    for name, array in whole.items():
        np.testing.assert_array_equal(parts[name], array)
