"""What a context adds to an item's logit, against Bayes' rule written out."""

import numpy as np
import pytest

from sartor.models import context


def test_an_item_of_one_context_is_likelier_there_and_less_likely_elsewhere() -> None:
    of_item = np.array([1000, 1000, 0], np.float32)
    here = context.lift(np.array([0], np.int32), np.array([900], np.int32), of_item, 2000)
    usual = 900 / 2000
    expected = [np.log((900 + 10 * usual) / 1010 / usual), np.log(10 * usual / 1010 / usual), 0.0]
    np.testing.assert_allclose(here, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n", [1, 10, 100, 1000])
def test_the_more_interactions_an_item_has_the_more_its_own_counts_say(n: int) -> None:
    of_item = np.array([n, 10_000], np.float32)
    one = context.lift(np.array([0, 1], np.int32), np.array([n, 1000], np.int32), of_item, n + 10_000)[0]
    more = context.lift(
        np.array([0, 1], np.int32), np.array([2 * n, 1000], np.int32), 2 * of_item, 2 * n + 20_000
    )[0]
    assert 0 < one < more


def test_what_nobody_did_says_nothing() -> None:
    nothing = np.zeros(0, np.int32)
    assert not context.lift(nothing, nothing, np.ones(3, np.float32), 3).any()
