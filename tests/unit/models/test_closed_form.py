"""The closed form of versions before 0.2 is still read, and answers as it did."""

from pathlib import Path

import numpy as np

from sartor.models import base
from sartor.models.base import Query
from sartor.models.closed_form import ClosedFormModel, Config
from sartor.models.newcomers import Newcomers

N_ITEMS = 8


def saved() -> ClosedFormModel:
    weights = np.random.default_rng(0).normal(size=(2 * N_ITEMS, N_ITEMS)).astype(np.float32)
    return ClosedFormModel(Config(lags=3), weights, Newcomers.nobody(N_ITEMS))


def asked(*items: int) -> Query:
    return Query(np.array(items, np.int32))


def test_an_answer_is_a_sum_of_rows_by_how_long_ago_each_item_was() -> None:
    model = saved()
    near, far = model.weights[:N_ITEMS], model.weights[N_ITEMS:]
    expected = near[3] + far[3] + 0.5 * near[2] + 0.9 * far[2] + 0.25 * near[1] + 0.81 * far[1]
    np.testing.assert_allclose(model.score(asked(5, 1, 2, 3)), expected, rtol=1e-5)


def test_many_queries_at_once_answer_as_each_alone() -> None:
    model, queries = saved(), [asked(), asked(1), asked(3, 3, 2)]
    alone = np.stack([model.score(query) for query in queries])
    np.testing.assert_allclose(model.score_batch(queries), alone, atol=1e-6)


def test_saved_and_loaded_it_answers_the_same(tmp_path: Path) -> None:
    model = saved()
    base.save(model, tmp_path / "model")
    loaded = base.load(tmp_path / "model")
    queries = [asked(), asked(1), asked(3, 3, 2)]
    np.testing.assert_array_equal(loaded.score_batch(queries), model.score_batch(queries))
