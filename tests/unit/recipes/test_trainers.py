"""The reference says of every parameter what the trainers do with it."""

import inspect
import re

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
