"""Who speaks for an item that came after the training, against all pairs."""

import numpy as np

from sartor.models.base import Features, Float32, Int64
from sartor.models.stand_ins import NEIGHBOURS, StandIns

N_ITEMS, N_TOKENS = 60, 12


def drawn() -> tuple[Features, Int64]:
    rng = np.random.default_rng(0)
    lists = [np.unique(rng.integers(N_TOKENS, size=rng.integers(0, 6))) for _ in range(N_ITEMS)]
    offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    features = Features(np.concatenate(lists).astype(np.int32), offsets, N_TOKENS)
    return features, rng.integers(0, 4, N_ITEMS).astype(np.int64)


def cosines(features: Features, tokens: list[int]) -> Float32:
    """Return float32[items]: how near each item is, up to one factor that is the same for all."""
    has = np.zeros((N_ITEMS, N_TOKENS))
    for item in range(N_ITEMS):
        has[item, features.tokens[features.offsets[item] : features.offsets[item + 1]]] = 1
    holders = has.sum(axis=0)
    rarity = np.where(holders > 0, np.log1p(N_ITEMS / np.maximum(holders, 1)), 0)
    norms = np.maximum(np.linalg.norm(has * rarity, axis=1), 1e-6)
    return np.asarray((has[:, tokens] * rarity[tokens] ** 2).sum(axis=1) / norms, np.float32)


def test_the_nearest_known_items_speak_as_much_as_they_are_near() -> None:
    features, counts = drawn()
    stand_ins = StandIns(features, counts)
    for tokens in ([0], [1, 5], [2, 3, 7, 11]):
        who, weights = stand_ins.of(np.array(tokens))
        expected = np.where(counts > 0, cosines(features, tokens), 0)
        assert len(who) == min(NEIGHBOURS, int((expected > 0).sum()))
        assert (counts[who] > 0).all()
        np.testing.assert_allclose(weights, expected[who] / expected[who].sum(), rtol=1e-4)
        np.testing.assert_allclose(np.sort(expected[who]), np.sort(expected)[-len(who) :], rtol=1e-4)


def test_nobody_speaks_for_what_shares_nothing() -> None:
    features, counts = drawn()
    for found in (
        StandIns(features, counts).of(np.zeros(0, np.int64)),
        StandIns(features, counts * 0).of(np.array([1])),
    ):
        assert [len(part) for part in found] == [0, 0]
