"""The best items of many rows are those of each row alone, also where scores are equal or few are allowed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sartor.models.base import Float32
from sartor.models.best import top, top_of_each

RNG = np.random.default_rng(5)


def scores_of(kind: str, rows: int, items: int) -> Float32:
    found = RNG.standard_normal((rows, items)).astype(np.float32)
    if kind == "few values":
        return np.round(found).astype(np.float32)
    if kind == "all equal":
        return np.zeros_like(found)
    if kind == "few allowed":
        found[RNG.random(found.shape) < 0.97] = -np.inf
    if kind == "none allowed in some rows":
        found[::3] = -np.inf
    if kind == "the best lie together":
        found[:, items // 3 : items // 2] += 10
    return found


@pytest.mark.parametrize("items", [1, 2, 7, 24, 400, 4001])
@pytest.mark.parametrize("n", [1, 5, 25])
@pytest.mark.parametrize(
    "kind",
    ["any", "few values", "all equal", "few allowed", "none allowed in some rows", "the best lie together"],
)
def test_the_best_of_each_row_are_the_best_of_that_row(kind: str, n: int, items: int) -> None:
    scores = scores_of(kind, 17, items)
    found, values = top_of_each(scores, n)
    assert found.shape == values.shape == (17, n)
    for row, best, having in zip(scores, found, values, strict=True):
        expected = top(row, n, np.isfinite(row))
        assert best[best >= 0].tolist() == expected.tolist()
        assert (best[len(expected) :] == -1).all()
        np.testing.assert_array_equal(having[: len(expected)], row[expected])
        assert np.isneginf(having[len(expected) :]).all()


def test_no_rows_have_no_best_items() -> None:
    assert top_of_each(np.zeros((0, 10), np.float32), 3)[0].shape == (0, 3)


@given(
    scores=arrays(np.float32, st.integers(0, 400), elements=st.integers(-20, 20).map(float)),
    n=st.integers(0, 40),
    share=st.sampled_from([None, 0.0, 0.03, 0.4, 1.0]),
    seed=st.integers(0, 2**32),
)
def test_the_best_of_one_row_are_those_of_a_whole_sort(
    scores: Float32, n: int, share: float | None, seed: int
) -> None:
    allowed = None if share is None else np.random.default_rng(seed).random(len(scores)) < share
    whole = sorted(range(len(scores)), key=lambda item: (-scores[item], item))
    expected = [item for item in whole if allowed is None or allowed[item]][:n]
    assert top(scores, n, allowed).tolist() == expected
