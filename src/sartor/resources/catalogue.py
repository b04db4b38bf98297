"""ListRecipes, DescribeRecipe, DescribeAlgorithm and DescribeFeatureTransformation, from ``sartor.recipes``.

The catalogue is the same for every account.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from sartor import recipes
from sartor.errors import not_found
from sartor.recipes import Parameter, Recipe
from sartor.resources import paging

Request = dict[str, Any]
Entry = TypeVar("Entry")


def list_recipes(secret: bytes, request: Request) -> dict[str, Any]:
    """Answer ListRecipes: the recipes of one domain, or all of them, sorted by name.

    Args:
        secret: the service's secret, for the token.
        request: ``domain``, ``recipeProvider``, ``maxResults``, ``nextToken``, none of them required.

    Raises:
        ApiError: ``InvalidNextTokenException`` when the token is of another list.
    """
    domain = request.get("domain")
    query = ("ListRecipes", domain, request.get("recipeProvider"))
    token = request.get("nextToken")
    after = paging.unseal(secret, query, token)[0] if token else ""
    limit = request.get("maxResults") or paging.DEFAULT_RESULTS
    left = [
        recipe
        for recipe in recipes.RECIPES
        if recipe.name > after and (domain is None or recipe.domain == domain)
    ]
    answer: dict[str, Any] = {"recipes": [_summary(recipe) for recipe in left[:limit]]}
    if len(left) > limit:
        answer["nextToken"] = paging.seal(secret, query, [left[limit - 1].name])
    return answer


def describe_recipe(request: Request) -> dict[str, Any]:
    """Answer DescribeRecipe.

    Raises:
        ApiError: ``ResourceNotFoundException`` when the ARN names no recipe.
    """
    recipe = _known(recipes.BY_ARN.get, request["recipeArn"])
    return {
        "recipe": {
            "name": recipe.name,
            "recipeArn": recipes.recipe_arn(recipe),
            "algorithmArn": recipes.algorithm_arn(recipe),
            "featureTransformationArn": recipes.transformation_arn(recipe.transformation),
            "status": "ACTIVE",
            "description": recipe.description,
            "recipeType": recipe.type,
            "creationDateTime": recipe.since,
            "lastUpdatedDateTime": recipe.since,
        }
    }


def describe_algorithm(request: Request) -> dict[str, Any]:
    """Answer DescribeAlgorithm; Amazon's image and resources mean nothing here and are absent.

    Raises:
        ApiError: ``ResourceNotFoundException`` when the ARN names no algorithm.
    """
    recipe = _known(recipes.BY_ALGORITHM_ARN.get, request["algorithmArn"])
    return {
        "algorithm": {
            "name": recipe.algorithm,
            "algorithmArn": recipes.algorithm_arn(recipe),
            "defaultHyperParameters": _defaults(recipe.parameters),
            "defaultHyperParameterRanges": _ranges(recipe.parameters),
            "creationDateTime": recipe.since,
            "lastUpdatedDateTime": recipe.since,
        }
    }


def describe_feature_transformation(request: Request) -> dict[str, Any]:
    """Answer DescribeFeatureTransformation.

    Raises:
        ApiError: ``ResourceNotFoundException`` when the ARN names no feature transformation.
    """
    arn = request["featureTransformationArn"]
    transformation = _known(recipes.TRANSFORMATIONS.get, arn)
    since = recipes.TRANSFORMATION_SINCE[arn]
    return {
        "featureTransformation": {
            "name": transformation.name,
            "featureTransformationArn": arn,
            "defaultParameters": _defaults(transformation.parameters),
            "status": "ACTIVE",
            "creationDateTime": since,
            "lastUpdatedDateTime": since,
        }
    }


def _known(find: Callable[[str], Entry | None], arn: str) -> Entry:
    entry = find(arn)
    if entry is None:
        raise not_found(arn)
    return entry


def _summary(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as ListRecipes shows it; only use cases have a domain."""
    summary: dict[str, Any] = {
        "name": recipe.name,
        "recipeArn": recipes.recipe_arn(recipe),
        "status": "ACTIVE",
        "creationDateTime": recipe.since,
        "lastUpdatedDateTime": recipe.since,
    }
    if recipe.domain is not None:
        summary["domain"] = recipe.domain
    return summary


def _defaults(parameters: tuple[Parameter, ...]) -> dict[str, str]:
    return {parameter.name: parameter.default for parameter in parameters}


def _ranges(parameters: tuple[Parameter, ...]) -> dict[str, list[dict[str, Any]]]:
    """Return the parameters' ranges in the three lists of the service model."""
    ranges: dict[str, list[dict[str, Any]]] = {
        "integerHyperParameterRanges": [],
        "continuousHyperParameterRanges": [],
        "categoricalHyperParameterRanges": [],
    }
    for parameter in parameters:
        entry: dict[str, Any] = {"name": parameter.name, "isTunable": parameter.tunable}
        if parameter.kind == "categorical":
            entry["values"] = list(parameter.range)
        else:
            entry |= {"minValue": parameter.range[0], "maxValue": parameter.range[-1]}
        ranges[f"{parameter.kind}HyperParameterRanges"].append(entry)
    return ranges
