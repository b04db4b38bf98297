"""Scores of one user: their best, and the answer that is kept for who asks the same again."""

import gc

import numpy as np

from sartor.models.base import Bool
from sartor.realtime.picked import Picked
from sartor.realtime.scoring import BEST, MOST_ANSWERED, Answered, Scores, softmax


def test_the_best_of_a_catalogue_are_in_order_and_have_their_shares() -> None:
    values = np.random.default_rng(0).standard_normal(BEST + 500).astype(np.float32)
    scores = Scores(None, values, softmax(values))
    assert scores.best.tolist() == np.argsort(-values, kind="stable")[:BEST].tolist()
    np.testing.assert_array_equal(scores.best_share, scores.share[scores.best])
    assert float(scores.best_sum) == np.float32(scores.best_share.sum()) < 1


def test_the_best_of_a_shortlist_are_its_items() -> None:
    items, values = np.array([7, 3], np.int32), np.array([2, 1], np.float32)
    scores = Scores(items, values, softmax(values))
    assert scores.best.tolist() == [7, 3]
    assert abs(float(scores.best_sum) - 1) < 1e-6


def mask(shared: bool = True) -> Bool:
    found = np.ones(3, np.bool_)
    found.flags.writeable = not shared
    return found


class Rankings:
    """Counts how often a ranking is made."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> list[Picked]:
        self.made += 1
        return [Picked(self.made)]


def test_the_same_question_gets_the_same_ranking_and_any_other_a_new_one() -> None:
    answered, make, one, other = Answered(), Rankings(), mask(), mask()
    for n, allowed, made in (
        (5, None, 1),
        (5, None, 1),
        (6, None, 2),
        (6, one, 3),
        (6, one, 3),
        (6, other, 4),
        (6, None, 5),
    ):
        assert answered.ranked(n, allowed, make) == [Picked(made)]


def test_what_a_history_filters_is_not_kept_nor_what_is_long() -> None:
    answered, make, own = Answered(), Rankings(), mask(shared=False)
    assert answered.ranked(5, own, make) != answered.ranked(5, own, make)
    long = MOST_ANSWERED + 1
    assert answered.ranked(long, None, make) != answered.ranked(long, None, make)


def test_a_mask_that_is_gone_is_not_taken_for_no_mask() -> None:
    answered, make = Answered(), Rankings()
    gone = mask()
    answered.ranked(5, gone, make)
    del gone
    gc.collect()
    assert answered.ranked(5, None, make) == [Picked(2)]
    assert answered.ranked(5, mask(), make) == [Picked(3)]


def test_a_ranking_is_written_once_and_one_with_explored_places_each_time() -> None:
    answered = Answered()
    picked = answered.ranked(5, None, Rankings())
    first = answered.shown(picked, lambda: [{"itemId": "a"}])
    assert answered.shown(picked, lambda: [{"itemId": "b"}]) is first
    explored = list(picked)
    assert answered.shown(explored, lambda: [{"itemId": "c"}]) == [{"itemId": "c"}]
    assert answered.shown(explored, lambda: [{"itemId": "d"}]) == [{"itemId": "d"}]
    assert answered.shown(picked, lambda: [{"itemId": "e"}]) is first
