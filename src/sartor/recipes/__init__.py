"""The catalogue: every recipe and use case by its name and ARN, and what they are made of."""

from collections.abc import Iterable
from typing import Final

from sartor.recipes.custom import CUSTOM
from sartor.recipes.parameters import Parameter, Transformation, values
from sartor.recipes.recipe import Feature, Recipe, RecipeType, algorithm_arn, recipe_arn, transformation_arn
from sartor.recipes.serving import Segmenting, Serving
from sartor.recipes.trainers import Trainer
from sartor.recipes.use_cases import USE_CASES

__all__ = [
    "BY_ALGORITHM_ARN",
    "BY_ARN",
    "RECIPES",
    "TRANSFORMATIONS",
    "TRANSFORMATION_SINCE",
    "Feature",
    "Parameter",
    "Recipe",
    "RecipeType",
    "Segmenting",
    "Serving",
    "Trainer",
    "Transformation",
    "algorithm_arn",
    "recipe_arn",
    "transformation_arn",
    "values",
]


def _sorted_by_name(recipes: Iterable[Recipe]) -> tuple[Recipe, ...]:
    return tuple(sorted(recipes, key=lambda recipe: recipe.name))


#: Every recipe and use case, sorted by name as ListRecipes gives them.
RECIPES: Final = _sorted_by_name((*CUSTOM, *USE_CASES))
#: The same by ARN.
BY_ARN: Final = {recipe_arn(recipe): recipe for recipe in RECIPES}
#: The recipe of each algorithm, by the algorithm's ARN; each algorithm belongs to one recipe.
BY_ALGORITHM_ARN: Final = {algorithm_arn(recipe): recipe for recipe in RECIPES}
#: Every feature transformation by ARN; several recipes can share one.
TRANSFORMATIONS: Final = {
    transformation_arn(recipe.transformation): recipe.transformation for recipe in RECIPES
}
#: When a feature transformation was published: with its first recipe. Epoch seconds by ARN.
TRANSFORMATION_SINCE: Final = {
    arn: min(recipe.since for recipe in RECIPES if transformation_arn(recipe.transformation) == arn)
    for arn in TRANSFORMATIONS
}
