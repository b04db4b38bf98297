"""The metadata's score of a history is the sum of cosines, newer items louder."""

import numpy as np
import pytest

from sartor.models import token_cosine
from sartor.models.base import Features, Histories, Query, Run, TrainingData

QUIET = Run(threads=1)
N_ITEMS, N_TOKENS = 40, 25


def told(seed: int = 0) -> TrainingData:
    rng = np.random.default_rng(seed)
    lists = [rng.choice(N_TOKENS, rng.integers(0, 6), replace=False) for _ in range(N_ITEMS)]
    tokens = np.concatenate(lists).astype(np.int32)
    offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    nothing = Histories(np.zeros(0, np.int32), np.zeros(1, np.int64), np.zeros(0, np.int64))
    return TrainingData(N_ITEMS, nothing, Features(tokens, offsets, N_TOKENS))


def vectors(data: TrainingData) -> np.ndarray:
    """Return float64[items, tokens] of length 1: the rarity of each token that an item has."""
    features = data.features
    assert features is not None
    had = np.zeros((N_ITEMS, N_TOKENS))
    had[np.repeat(np.arange(N_ITEMS), np.diff(features.offsets)), features.tokens] = 1
    weighted = had * np.log1p(N_ITEMS / np.maximum(had.sum(axis=0), 1))
    lengths = np.linalg.norm(weighted, axis=1, keepdims=True)
    return weighted / np.maximum(lengths, 1e-12)


@pytest.mark.parametrize("history", [[3], [3, 17], [5, 9, 5, 30]])
def test_it_is_the_sum_of_cosines(history: list[int]) -> None:
    data = told()
    of = vectors(data)
    recency = token_cosine.Config().recency
    expected = np.zeros(N_ITEMS)
    for ago, item in enumerate(reversed(history)):
        cosine = of @ of[item]
        cosine[item] = 0  # nobody speaks for himself
        expected += recency**ago * cosine
    found = token_cosine.fit(data, None, QUIET).score(Query(np.array(history, np.int32)))
    silent = ~of.any(axis=1)
    np.testing.assert_allclose(found[~silent], expected[~silent], atol=1e-5)
    assert (found[silent] == 0).all()


def test_of_a_long_history_the_weightiest_tokens_count(monkeypatch: pytest.MonkeyPatch) -> None:
    query = Query(np.arange(30, dtype=np.int32))
    whole = token_cosine.fit(told(), None, QUIET).score(query)
    monkeypatch.setattr(token_cosine, "_PROFILE", 15)
    part = token_cosine.fit(told(), None, QUIET).score(query)
    assert (part <= whole + 1e-5).all()
    assert np.corrcoef(part, whole)[0, 1] > 0.8


def test_what_is_nearest_relates_and_what_shares_nothing_does_not() -> None:
    model = token_cosine.fit(told(), None, QUIET)
    scores = model.score_batch([Query(np.array([3], np.int32)), Query(np.zeros(0, np.int32))])
    related = model.related(scores)
    assert related[0, scores[0].argmax()]
    assert not related[scores == 0].any()
