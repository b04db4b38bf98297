"""Scores of one user: their shares, alone and in rows."""

import numpy as np
import pytest

from sartor.models.base import Float32
from sartor.realtime.scoring import BEST, Scores, Shares


def softmax(values: Float32) -> Float32:
    powers = np.exp(values.astype(np.float64) - float(values.max()))
    return np.asarray(powers / powers.sum(), np.float32)


VALUES = np.random.default_rng(0).standard_normal(BEST + 500).astype(np.float32)
PLACES = np.array([5, 0, BEST + 499])


def test_the_shares_of_logits_are_their_softmax() -> None:
    np.testing.assert_allclose(Scores(None, VALUES, True).shares(PLACES), softmax(VALUES)[PLACES], rtol=1e-4)


def test_only_the_best_of_a_subset_share_among_themselves() -> None:
    scores = Scores(None, VALUES, logits=True, subset=True)
    best = np.argsort(-VALUES, kind="stable")[:BEST]
    assert scores.edge == VALUES[best[-1]]
    np.testing.assert_allclose(scores.shares(best), softmax(VALUES[best]), rtol=1e-4)


def test_scores_that_are_no_logits_have_shares_in_their_order_whatever_their_unit() -> None:
    shares = Scores(None, VALUES, logits=False).shares(np.arange(len(VALUES)))
    assert abs(float(shares.sum()) - 1) < 1e-3
    assert np.argsort(-shares, kind="stable").tolist() == np.argsort(-VALUES, kind="stable").tolist()
    scaled = Scores(None, VALUES * np.float32(1000), logits=False).shares(PLACES)
    np.testing.assert_allclose(scaled, shares[PLACES], rtol=1e-3)


def test_equal_scores_share_alike_and_none_have_nothing() -> None:
    equal = Scores(None, np.full(4, 7, np.float32), logits=False)
    np.testing.assert_allclose(equal.shares(np.arange(4)), 0.25)
    assert Scores(None, np.zeros(0, np.float32), logits=True).shares(np.arange(0)).tolist() == []


def test_a_shortlist_shares_among_its_items() -> None:
    scores = Scores(np.array([7, 3], np.int32), np.array([2, 1], np.float32), logits=True)
    assert abs(float(scores.shares(np.arange(2)).sum()) - 1) < 1e-6


@pytest.mark.parametrize("subset", [False, True])
@pytest.mark.parametrize("logits", [False, True])
@pytest.mark.parametrize("kind", ["any", "few values", "one far above"])
def test_the_shares_of_many_rows_are_those_of_each(kind: str, logits: bool, subset: bool) -> None:
    values = np.random.default_rng(3).standard_normal((9, 2 * BEST + 77)).astype(np.float32)
    if kind == "few values":
        values = np.round(2 * values).astype(np.float32)
    if kind == "one far above":
        values[:, 5] = 80
    many = Shares.of(values, logits, subset)
    places = np.arange(40)
    found = many.at(values[:, places])
    for at, row in enumerate(values):
        alone = Scores(None, row, logits, subset)
        assert float(many.edge[at]) == alone.edge
        np.testing.assert_allclose(found[at], alone.shares(places), rtol=1e-5, atol=1e-9)
