"""Popularity counts users, each once an item."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.models import base, popularity
from sartor.models.base import Histories, Query, Run, Stopped, TrainingData

NOBODY = Query(np.zeros(0, np.int32))


def training(lists: list[list[int]], n_items: int) -> TrainingData:
    items = np.array([item for one in lists for item in one], np.int32)
    offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    return TrainingData(n_items, Histories(items, offsets, np.arange(len(items), dtype=np.int64)))


@given(st.lists(st.lists(st.integers(0, 8), max_size=12), max_size=12))
def test_an_item_scores_the_number_of_its_users(lists: list[list[int]]) -> None:
    model = popularity.fit(training(lists, 10))
    expected = [sum(item in one for one in lists) for item in range(10)]
    np.testing.assert_array_equal(model.score(NOBODY), expected)


def test_everybody_gets_the_same() -> None:
    model = popularity.fit(training([[0, 1, 1, 1], [0, 2]], 4))
    queries = [NOBODY, Query(np.array([3], np.int32), 3)]
    np.testing.assert_array_equal(model.score_batch(queries), [[2, 1, 1, 0]] * 2)
    assert model.score_batch([]).shape == (0, 4)


def test_what_is_done_to_an_answer_does_not_change_the_next_one() -> None:
    model = popularity.fit(training([[0, 1]], 2))
    model.score(NOBODY)[:] = -1
    model.score_batch([NOBODY])[:] = -1
    np.testing.assert_array_equal(model.score(NOBODY), [1, 1])


def test_no_items_and_no_interactions_are_no_error() -> None:
    assert popularity.fit(training([], 0)).score(NOBODY).shape == (0,)
    np.testing.assert_array_equal(popularity.fit(training([], 3)).score(NOBODY), [0, 0, 0])


def test_a_saved_model_answers_the_same(tmp_path: Path) -> None:
    model = popularity.fit(training([[0, 1], [1]], 3))
    base.save(model, tmp_path / "model")
    np.testing.assert_array_equal(base.load(tmp_path / "model").score(NOBODY), model.score(NOBODY))


def test_a_stopped_run_stops_it() -> None:
    with pytest.raises(Stopped):
        popularity.fit(training([[0]], 1), None, Run(stop=lambda: True))
