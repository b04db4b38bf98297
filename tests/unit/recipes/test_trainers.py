"""The reference says of every parameter what the trainers do with it."""

import inspect
import re

import numpy as np
import pytest

from sartor.models.base import Histories, TrainingData
from sartor.recipes import RECIPES, trainers

TRAINED = [(recipe, recipe.trainer) for recipe in RECIPES]
PARAMETERS = {
    one.name for recipe, _ in TRAINED for one in (*recipe.parameters, *recipe.transformation.parameters)
}


def test_a_parameter_has_a_meaning_exactly_where_a_trainer_reads_it() -> None:
    functions, _, _ = inspect.getsource(trainers).partition("_HISTORIES: Final")
    read = set(re.findall(r'"([a-z_]+)"', functions)) & PARAMETERS
    assert {name for _, trainer in TRAINED for name in trainer.meanings} == read


def test_what_an_optimization_varies_has_a_meaning() -> None:
    for recipe, trainer in TRAINED:
        assert set(trainer.varied) <= set(trainer.meanings), recipe.name


def test_every_recipe_that_can_be_deployed_is_asked_by_one_operation() -> None:
    cannot = {recipe.name for recipe in RECIPES if recipe.serving is None and recipe.domain is None}
    assert cannot == {"aws-item-affinity", "aws-item-attribute-affinity"}


@pytest.mark.parametrize(("low", "high"), [("0.0", "0.9"), ("0.25", "1.0"), ("0.1", "0.5")])
def test_percentiles_leave_out_the_users_with_the_shortest_and_longest_histories(low: str, high: str) -> None:
    lengths = np.random.default_rng(0).permutation(np.arange(50))
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    data = TrainingData(9, Histories(np.zeros(offsets[-1], np.int32), offsets, np.arange(offsets[-1])))
    parameters = {
        "min_user_history_length_percentile": low,
        "max_user_history_length_percentile": high,
    }
    kept = trainers._kept(data, parameters).histories.lengths
    least, most = np.quantile(lengths[lengths > 0], [float(low), float(high)])
    assert kept.tolist() == [n if least <= n <= most else 0 for n in lengths.tolist()]
    assert 0 < (kept > 0).sum() < 49
    assert trainers._kept(data, {}) is data
