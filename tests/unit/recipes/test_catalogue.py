"""The catalogue against the reference's tables."""

from collections.abc import Callable

import pytest

from sartor import recipes
from sartor.recipes import BY_ARN, RECIPES, Recipe


def named(name: str) -> Recipe:
    return BY_ARN[f"arn:aws:personalize:::recipe/{name}"]


#: name → recipe type, algorithm, feature transformation (``None``: the guide lists none)
CUSTOM = {
    "aws-user-personalization-v2": ("USER_PERSONALIZATION", "aws-user-personalization-v2", None),
    "aws-user-personalization": (
        "USER_PERSONALIZATION",
        "aws-user-personalization",
        "JSON-percentile-filtering",
    ),
    "aws-hrnn": ("USER_PERSONALIZATION", "aws-hrnn", "JSON-percentile-filtering"),
    "aws-hrnn-metadata": ("USER_PERSONALIZATION", "aws-hrnn-metadata", "featurize_metadata"),
    "aws-hrnn-coldstart": ("USER_PERSONALIZATION", "aws-hrnn-coldstart", "featurize_coldstart"),
    "aws-popularity-count": ("USER_PERSONALIZATION", "aws-popularity-count", "sims"),
    "aws-trending-now": ("POPULAR_ITEMS", "aws-trending-now-custom", None),
    "aws-personalized-ranking-v2": ("PERSONALIZED_RANKING", "aws-personalized-ranking-v2", None),
    "aws-personalized-ranking": (
        "PERSONALIZED_RANKING",
        "aws-personalized-ranking",
        "JSON-percentile-filtering",
    ),
    "aws-similar-items": ("RELATED_ITEMS", "aws-similar-items", None),
    "aws-sims": ("RELATED_ITEMS", "aws-sims", "sims"),
    "aws-semantic-similarity": ("RELATED_ITEMS", "aws-semantic-similarity", "aws-semantic-similarity"),
    "aws-next-best-action": ("PERSONALIZED_ACTIONS", "aws-next-best-action", None),
    "aws-item-affinity": ("USER_SEGMENTATION", "aws-item-affinity", "item-affinity"),
    "aws-item-attribute-affinity": (
        "USER_SEGMENTATION",
        "aws-item-attribute-affinity",
        "item-attribute-affinity",
    ),
}
USE_CASES = {
    "ECOMMERCE": {
        "aws-ecomm-popular-items-by-views",
        "aws-ecomm-popular-items-by-purchases",
        "aws-ecomm-frequently-bought-together",
        "aws-ecomm-customers-who-viewed-x-also-viewed",
        "aws-ecomm-recommended-for-you",
    },
    "VIDEO_ON_DEMAND": {
        "aws-vod-because-you-watched-x",
        "aws-vod-more-like-x",
        "aws-vod-most-popular",
        "aws-vod-trending-now",
        "aws-vod-top-picks",
    },
}


def test_the_catalogue_has_every_recipe_and_use_case() -> None:
    assert {recipe.name for recipe in RECIPES if recipe.domain is None} == set(CUSTOM)
    for domain, names in USE_CASES.items():
        assert {recipe.name for recipe in RECIPES if recipe.domain == domain} == names
    assert len(RECIPES) == 25
    assert [recipe.name for recipe in RECIPES] == sorted(recipe.name for recipe in RECIPES)


@pytest.mark.parametrize("name", CUSTOM)
def test_a_recipe_has_the_type_and_the_parts_of_its_page(name: str) -> None:
    recipe_type, algorithm, transformation = CUSTOM[name]
    recipe = named(name)
    assert (recipe.type, recipe.algorithm) == (recipe_type, algorithm)
    assert recipe.transformation.name == (transformation or name)
    assert recipe.description


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_fits_the_service_model(recipe: Recipe) -> None:
    for arn in (
        recipes.recipe_arn(recipe),
        recipes.algorithm_arn(recipe),
        recipes.transformation_arn(recipe.transformation),
    ):
        assert len(arn) <= 256
        assert arn.startswith("arn:aws:personalize:::")
    for parameter in (*recipe.parameters, *recipe.transformation.parameters):
        least, greatest = parameter.range[0], parameter.range[-1]
        if isinstance(least, str):
            assert parameter.default in parameter.range
        else:
            assert least <= float(parameter.default) <= greatest  # type: ignore[operator]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_only_custom_recipes_have_parameters(recipe: Recipe) -> None:
    if recipe.domain is not None:
        assert recipe.parameters == recipe.transformation.parameters == ()


@pytest.mark.parametrize(
    ("recipe", "parameter", "default", "allowed", "tunable"),
    [
        ("aws-user-personalization-v2", "apply_recency_bias", "true", ("true", "false"), False),
        ("aws-personalized-ranking-v2", "apply_recency_bias", "true", ("true", "false"), False),
        ("aws-user-personalization", "hidden_dimension", "149", (32, 256), True),
        ("aws-user-personalization", "bptt", "32", (2, 32), True),
        ("aws-user-personalization", "recency_mask", "True", ("True", "False"), True),
        ("aws-hrnn", "hidden_dimension", "43", (32, 256), True),
        ("aws-hrnn-metadata", "hidden_dimension", "43", (32, 256), True),
        ("aws-hrnn-coldstart", "hidden_dimension", "149", (32, 256), True),
        ("aws-personalized-ranking", "hidden_dimension", "149", (32, 256), True),
        ("aws-similar-items", "popularity_discount_factor", "0.0", (0.0, 1.0), False),
        ("aws-similar-items", "item_id_hidden_dim", "100", (30, 200), True),
        ("aws-similar-items", "item_metadata_hidden_dim", "100", (30, 200), True),
        ("aws-sims", "popularity_discount_factor", "0.5", (0.0, 1.0), True),
        ("aws-sims", "min_cointeraction_count", "3", (0, 10), True),
        ("aws-item-affinity", "hidden_dimension", "149", (32, 256), False),
        ("aws-item-attribute-affinity", "hidden_dimension", "149", (32, 256), False),
    ],
)
def test_a_hyperparameter_is_that_of_its_page(
    recipe: str, parameter: str, default: str, allowed: tuple[object, ...], tunable: bool
) -> None:
    found = {one.name: one for one in named(recipe).parameters}[parameter]
    assert (found.default, found.range, found.tunable) == (default, allowed, tunable)


@pytest.mark.parametrize(
    ("recipe", "defaults"),
    [
        (
            "aws-user-personalization",
            {"min_user_history_length_percentile": "0.0", "max_user_history_length_percentile": "0.99"},
        ),
        (
            "aws-hrnn-coldstart",
            {
                "min_user_history_length_percentile": "0.0",
                "max_user_history_length_percentile": "0.99",
                "cold_start_max_interactions": "15",
                "cold_start_max_duration": "5.0",
                "cold_start_relative_from": "latestItem",
            },
        ),
        (
            "aws-sims",
            {
                "min_user_history_length_percentile": "0.005",
                "max_user_history_length_percentile": "0.995",
                "min_item_interaction_count_percentile": "0.01",
                "max_item_interaction_count_percentile": "0.9",
            },
        ),
        ("aws-trending-now", {"trend_discovery_frequency": "2 hours"}),
        ("aws-next-best-action", {"action_optimization_period": "14"}),
    ],
)
def test_featurization_parameters_are_those_of_the_page(recipe: str, defaults: dict[str, str]) -> None:
    found = {one.name: one.default for one in named(recipe).transformation.parameters}
    assert found == defaults


def test_what_recipes_can_do_is_the_matrix_of_the_guide() -> None:
    having = {
        feature: {recipe.name for recipe in RECIPES if feature in recipe.features}
        for feature in ("update", "weights", "objective")
    }
    assert having == {
        "update": {"aws-user-personalization", "aws-hrnn-coldstart"},
        "weights": {"aws-user-personalization-v2", "aws-personalized-ranking-v2"},
        "objective": {"aws-user-personalization", "aws-personalized-ranking"},
    }
    assert {one.name for one in RECIPES if one.explores_as_told} == {
        "aws-user-personalization",
        "aws-ecomm-recommended-for-you",
        "aws-vod-top-picks",
    }
    assert {
        one.name for one in RECIPES if one.serving and one.serving.operation == "GetPersonalizedRanking"
    } == {"aws-personalized-ranking-v2", "aws-personalized-ranking"}


UPV2, UPV1 = "aws-user-personalization-v2", "aws-user-personalization"
PRV2, PRV1 = "aws-personalized-ranking-v2", "aws-personalized-ranking"
HRNN = {"aws-hrnn", "aws-hrnn-metadata", "aws-hrnn-coldstart"}
RELATED = {"aws-similar-items", "aws-sims", "aws-semantic-similarity"}
SEGMENTS = {"aws-item-affinity", "aws-item-attribute-affinity"}
POPULAR, TRENDING, ACTIONS = "aws-popularity-count", "aws-trending-now", "aws-next-best-action"
#: By what a recipe can do: which of the custom ones can ("Features available for each use case and recipe").
ABLE: dict[str, tuple[Callable[[Recipe], object], set[str]]] = {
    "explores by itself": (lambda one: one.serving and one.serving.explores == "managed", {UPV2, ACTIONS}),
    "explores as a campaign says": (lambda one: one.explores_as_told, {UPV1}),
    "takes a context": (lambda one: one.serving and one.serving.in_context, {UPV2, UPV1, PRV2, PRV1}),
    "takes promotions": (
        lambda one: one.serving and one.serving.promotes,
        {UPV2, UPV1, POPULAR, TRENDING, *HRNN, *RELATED},
    ),
    "brings metadata by itself": (
        lambda one: "metadata" in one.features,
        {UPV2, PRV2, "aws-semantic-similarity"},
    ),
    "answers with scores": (
        lambda one: one.serving and one.serving.scored,
        {UPV2, UPV1, PRV2, PRV1, ACTIONS, *HRNN},
    ),
    "scores the best of the items alone": (
        lambda one: one.serving and one.serving.scored == "subset",
        {UPV2},
    ),
    "answers batch inference jobs": (
        lambda one: one.serving and one.serving.in_batch,
        {UPV2, UPV1, PRV2, PRV1, POPULAR, *HRNN, *RELATED},
    ),
    "answers segment jobs": (lambda one: one.segmenting, SEGMENTS),
    "makes themes": (lambda one: "themes" in one.features, {"aws-similar-items"}),
    "is asked with an item": (lambda one: one.serving and one.serving.needs == "itemId", RELATED),
    "is asked by anybody": (
        lambda one: one.serving and one.serving.needs is None and not one.serving.requires,
        {POPULAR, TRENDING},
    ),
    "takes up items without a training": (
        lambda one: "incremental" in one.features,
        {"aws-semantic-similarity"},
    ),
    "weighs popularity and freshness": (
        lambda one: "influence" in one.features,
        {"aws-semantic-similarity"},
    ),
}


@pytest.mark.parametrize("what", ABLE)
def test_a_custom_recipe_can_do_what_the_guide_lists(what: str) -> None:
    can, wanted = ABLE[what]
    assert {one.name for one in RECIPES if one.domain is None and can(one)} == wanted


#: By use case: what it must be asked with, the events that it counts, those whose items it leaves out.
ASKED = {
    "aws-ecomm-popular-items-by-views": ({"userId"}, "View", None),
    "aws-ecomm-popular-items-by-purchases": ({"userId"}, "Purchase", None),
    "aws-ecomm-frequently-bought-together": ({"itemId"}, "Purchase", None),
    "aws-ecomm-customers-who-viewed-x-also-viewed": ({"userId", "itemId"}, "View", "Purchase"),
    "aws-ecomm-recommended-for-you": ({"userId"}, None, "Purchase"),
    "aws-vod-because-you-watched-x": ({"userId", "itemId"}, "Watch", "Watch"),
    "aws-vod-more-like-x": ({"userId", "itemId"}, None, "Watch"),
    "aws-vod-most-popular": ({"userId"}, "Watch", None),
    "aws-vod-trending-now": (set(), None, None),
    "aws-vod-top-picks": ({"userId"}, None, "Watch"),
}


@pytest.mark.parametrize("name", ASKED)
def test_a_use_case_is_asked_and_counts_as_its_page_says(name: str) -> None:
    recipe = named(name)
    assert recipe.serving is not None
    needed = {one for one in (recipe.serving.needs, *recipe.serving.requires) if one is not None}
    assert (needed, recipe.event_type, recipe.serving.removes) == ASKED[name]
    assert recipe.serving.scored is None
    assert recipe.serving.promotes
    assert recipe.serving.in_context == name.endswith(("for-you", "top-picks"))
    assert recipe.needs_items == (name == "aws-vod-more-like-x")
    assert not recipe.parameters


def test_values_have_the_types_of_their_parameters() -> None:
    recipe = named("aws-user-personalization")
    assert recipes.values(recipe.parameters, {"recency_mask": "false", "bptt": "8", "x": "1"}) == {
        "hidden_dimension": 149,
        "bptt": 8,
        "recency_mask": False,
    }
    features = recipes.values(named("aws-trending-now").transformation.parameters, {})
    assert features == {"trend_discovery_frequency": "2 hours"}
    with pytest.raises(ValueError, match="7"):
        recipes.values(recipe.parameters, {"bptt": "700"})
