"""The catalogue's four operations, against the shapes of the service model."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest

from sartor import recipes
from sartor.errors import ApiError
from sartor.resources import catalogue

MODEL = botocore.session.get_session().get_service_model("personalize")
SECRET = b"s" * 32


def all_pages(**request: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        answer = catalogue.list_recipes(SECRET, request)
        found += answer["recipes"]
        if "nextToken" not in answer:
            return found
        request["nextToken"] = answer["nextToken"]


@pytest.mark.parametrize("limit", [1, 7, 24, 25, 100])
def test_the_list_is_sorted_and_complete_whatever_the_page(limit: int) -> None:
    names = [recipe["name"] for recipe in all_pages(maxResults=limit)]
    assert names == [recipe.name for recipe in recipes.RECIPES]


def test_a_domain_lists_its_use_cases_only() -> None:
    listed = all_pages(domain="ECOMMERCE", recipeProvider="SERVICE")
    assert len(listed) == 5
    assert {recipe["domain"] for recipe in listed} == {"ECOMMERCE"}
    assert sum("domain" in recipe for recipe in all_pages()) == 10


def test_a_token_is_bound_to_the_domain() -> None:
    token = catalogue.list_recipes(SECRET, {"domain": "ECOMMERCE", "maxResults": 1})["nextToken"]
    for domain in ({}, {"domain": "VIDEO_ON_DEMAND"}):
        with pytest.raises(ApiError) as refused:
            catalogue.list_recipes(SECRET, {"nextToken": token, **domain})
        assert refused.value.code == "InvalidNextTokenException"


def keep_members(shape: Any, value: Any) -> None:
    """Fail where an answer has a member that its shape does not have."""
    if shape.type_name == "structure":
        assert set(value) <= set(shape.members)
        for member, inner in value.items():
            keep_members(shape.members[member], inner)
    elif shape.type_name == "list":
        for inner in value:
            keep_members(shape.member, inner)
    elif shape.type_name == "map":
        assert all(isinstance(inner, str) for inner in value.values())
    elif shape.type_name == "integer":
        assert type(value) is int


@pytest.mark.parametrize("recipe", recipes.RECIPES, ids=lambda recipe: recipe.name)
def test_every_recipe_leads_to_its_algorithm_and_transformation(recipe: recipes.Recipe) -> None:
    described = catalogue.describe_recipe({"recipeArn": recipes.recipe_arn(recipe)})
    keep_members(MODEL.operation_model("DescribeRecipe").output_shape, described)
    assert described["recipe"]["status"] == "ACTIVE"
    algorithm = catalogue.describe_algorithm({"algorithmArn": described["recipe"]["algorithmArn"]})
    keep_members(MODEL.operation_model("DescribeAlgorithm").output_shape, algorithm)
    ranges = algorithm["algorithm"]["defaultHyperParameterRanges"].values()
    ranged = {entry["name"] for entries in ranges for entry in entries}
    assert ranged == set(algorithm["algorithm"]["defaultHyperParameters"])
    arn = described["recipe"]["featureTransformationArn"]
    transformation = catalogue.describe_feature_transformation({"featureTransformationArn": arn})
    keep_members(MODEL.operation_model("DescribeFeatureTransformation").output_shape, transformation)


def test_a_recipe_is_active_since_it_was_published() -> None:
    listed = {one["name"]: one for one in all_pages()}
    assert {one["status"] for one in listed.values()} == {"ACTIVE"}
    for one in listed.values():
        assert set(one) - {"domain"} == {
            "name",
            "recipeArn",
            "status",
            "creationDateTime",
            "lastUpdatedDateTime",
        }
    june = datetime(2019, 6, 10, tzinfo=UTC).timestamp()
    assert listed["aws-sims"]["creationDateTime"] == listed["aws-hrnn"]["creationDateTime"] == june
    later = listed["aws-semantic-similarity"]["creationDateTime"]
    assert datetime.fromtimestamp(later, UTC).year == 2025


@pytest.mark.parametrize(
    ("describe", "member", "kind"),
    [
        (catalogue.describe_recipe, "recipeArn", "recipe"),
        (catalogue.describe_algorithm, "algorithmArn", "algorithm"),
        (
            catalogue.describe_feature_transformation,
            "featureTransformationArn",
            "feature-transformation",
        ),
    ],
)
def test_what_is_not_in_the_catalogue_is_not_found(
    describe: Callable[[dict[str, Any]], dict[str, Any]], member: str, kind: str
) -> None:
    for arn in (
        f"arn:aws:personalize:::{kind}/none",
        f"arn:aws:personalize:eu-central-1:111122223333:{kind}/aws-sims",
    ):
        with pytest.raises(ApiError) as refused:
            describe({member: arn})
        assert refused.value.code == "ResourceNotFoundException"
