"""The reference says of every recipe what it is here, and of every parameter what the trainers do with it."""

import inspect
import re

import pytest

from sartor.recipes import RECIPES, Recipe
from sartor.work import trainers
from sartor.work.meanings import MODELS, PARAMETERS

TRAINED = [recipe for recipe in RECIPES if recipe.trained]


def names_of(recipe: Recipe) -> set[str]:
    return {one.name for one in (*recipe.parameters, *recipe.transformation.parameters)}


@pytest.mark.parametrize("recipe", TRAINED, ids=lambda recipe: recipe.name)
def test_every_trained_recipe_has_a_model_and_only_meanings_of_its_own_parameters(recipe: Recipe) -> None:
    assert recipe.name in trainers.TABLE
    assert MODELS[recipe.name]
    assert set(PARAMETERS.get(recipe.name, {})) <= names_of(recipe)


def test_a_parameter_has_a_meaning_exactly_where_its_trainer_reads_it() -> None:
    source = inspect.getsource(trainers)
    read = set(re.findall(r'"([a-z_]+)"', source)) & {name for one in TRAINED for name in names_of(one)}
    assert {name for meant in PARAMETERS.values() for name in meant} == read
