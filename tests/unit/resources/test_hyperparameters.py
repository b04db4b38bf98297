"""Hyperparameters and ranges of their optimization: each rule kept and broken once."""

from typing import Any

import pytest

from sartor.errors import ApiError
from sartor.recipes import BY_ARN, Recipe
from sartor.resources import hyperparameters


def named(name: str) -> Recipe:
    return BY_ARN[f"arn:aws:personalize:::recipe/{name}"]


UP, V2, SIMS, SIMILAR = (
    named(name)
    for name in ("aws-user-personalization", "aws-user-personalization-v2", "aws-sims", "aws-similar-items")
)
COLDSTART, TRENDING = named("aws-hrnn-coldstart"), named("aws-trending-now")


def values(**given: str) -> dict[str, Any]:
    return {"algorithmHyperParameters": given}


def features(**given: str) -> dict[str, Any]:
    return {"featureTransformationParameters": given}


def ranges(
    integer: list[Any] | None = None,
    continuous: list[Any] | None = None,
    categorical: list[Any] | None = None,
) -> dict[str, Any]:
    lists = {"integer": integer, "continuous": continuous, "categorical": categorical}
    return {
        "hpoConfig": {
            "algorithmHyperParameterRanges": {
                f"{kind}HyperParameterRanges": given or [] for kind, given in lists.items()
            }
        }
    }


def between(name: str, least: float | None, greatest: float | None) -> dict[str, Any]:
    bounds = {"minValue": least, "maxValue": greatest}
    return {"name": name, **{member: value for member, value in bounds.items() if value is not None}}


GOOD: list[tuple[Recipe, dict[str, Any]]] = [
    (UP, {}),
    (UP, values(hidden_dimension="32", bptt="32", recency_mask="false")),
    (UP, values(recency_mask="True")),
    (V2, values(apply_recency_bias="TRUE")),
    (SIMS, values(popularity_discount_factor="1", min_cointeraction_count="0")),
    (SIMS, values(popularity_discount_factor="5e-1")),
    (SIMILAR, values(popularity_discount_factor="0.25")),
    (SIMS, features(min_item_interaction_count_percentile="0.9")),
    (COLDSTART, features(cold_start_max_interactions="3", cold_start_relative_from="currentTime")),
    (TRENDING, features(trend_discovery_frequency="30 minutes")),
    (UP, ranges([between("bptt", 2, 22)], categorical=[{"name": "recency_mask", "values": ["true"]}])),
    (UP, ranges([between("training.bptt", 2, 2)]) | values(hidden_dimension="55")),
    (SIMS, ranges(continuous=[between("popularity_discount_factor", 0.1, 1)])),
    (SIMILAR, ranges([between("item_id_hidden_dim", 30, 200)])),
    (SIMS, {"hpoConfig": {"hpoResourceConfig": {"maxNumberOfTrainingJobs": "40"}}}),
    (SIMS, {"hpoConfig": {"hpoResourceConfig": {"maxParallelTrainingJobs": "10"}}}),
    (SIMS, {"hpoConfig": {"hpoObjective": {"type": "MAX", "metricName": "x", "metricRegex": ".*"}}}),
]


@pytest.mark.parametrize(("recipe", "config"), GOOD)
def test_what_the_guide_allows_is_allowed(recipe: Recipe, config: dict[str, Any]) -> None:
    hyperparameters.keep(recipe, config, performs_hpo="hpoConfig" in config)


BAD: list[tuple[Recipe, dict[str, Any], str]] = [
    (UP, values(hidden="40"), "hidden_dimension"),
    (V2, values(hidden_dimension="40"), "apply_recency_bias"),
    (named("aws-popularity-count"), values(x="1"), "none"),
    (UP, values(hidden_dimension="31"), "from 32 to 256"),
    (UP, values(hidden_dimension="257"), "from 32 to 256"),
    (UP, values(hidden_dimension="64.0"), "whole number"),
    (UP, values(hidden_dimension=""), "whole number"),
    (UP, values(hidden_dimension="６４"), "whole number"),
    (UP, values(recency_mask="yes"), "one of True, False"),
    (SIMS, values(popularity_discount_factor="1.01"), "from 0.0 to 1.0"),
    (SIMS, values(popularity_discount_factor="nan"), "from 0.0 to 1.0"),
    (SIMS, values(popularity_discount_factor="half"), "a number"),
    (SIMILAR, values(item_id_hidden_dim="100"), "only be set by HPO"),
    (UP, values(min_user_history_length_percentile="0.1"), "algorithmHyperParameters"),
    (UP, features(bptt="8"), "featureTransformationParameters"),
    (UP, features(max_user_history_length_percentile="2"), "from 0.0 to 1.0"),
    (UP, features(min_user_history_length_percentile="0.995"), "must not be greater"),
    (SIMS, features(max_item_interaction_count_percentile="0.001"), "must not be greater"),
    (COLDSTART, features(cold_start_relative_from="LATESTITEM"), "latestItem, currentTime"),
    (COLDSTART, features(cold_start_max_interactions="0"), "from 1"),
    (TRENDING, features(trend_discovery_frequency="4 hours"), "30 minutes"),
    (
        UP,
        {"hpoConfig": {"algorithmHyperParameterRanges": {"integerHyperParameterRanges": []}}},
        "three lists",
    ),
    (UP, ranges([between("width", 2, 3)]), "cannot have width"),
    (UP, ranges([{"minValue": 2, "maxValue": 3}]), "cannot have"),
    (UP, ranges(continuous=[between("bptt", 2, 3)]), "It has none"),
    (SIMILAR, ranges(continuous=[between("popularity_discount_factor", 0, 1)]), "It has none"),
    (UP, ranges([between("bptt", 1, 8)]), "minValue must be"),
    (UP, ranges([between("bptt", 2, 33)]), "maxValue must be"),
    (UP, ranges([between("bptt", 8, 2)]), "not be greater"),
    (UP, ranges([between("bptt", None, 2)]), "a minValue and a maxValue"),
    (UP, ranges([between("bptt", 2, 4), between("training.bptt", 4, 8)]), "more than one"),
    (UP, ranges([between("bptt", 2, 4)]) | values(bptt="8"), "more than one"),
    (UP, ranges(categorical=[{"name": "recency_mask", "values": []}]), "at least one"),
    (UP, ranges(categorical=[{"name": "recency_mask", "values": ["maybe"]}]), "one of True, False"),
    (UP, {"hpoConfig": {"hpoResourceConfig": {"maxNumberOfTrainingJobs": "41"}}}, "from 1 to 40"),
    (UP, {"hpoConfig": {"hpoResourceConfig": {"maxNumberOfTrainingJobs": "0"}}}, "from 1 to 40"),
    (UP, {"hpoConfig": {"hpoResourceConfig": {"maxParallelTrainingJobs": "all"}}}, "from 1 to 10"),
]


@pytest.mark.parametrize(("recipe", "config", "words"), BAD)
def test_a_broken_rule_is_named(recipe: Recipe, config: dict[str, Any], words: str) -> None:
    with pytest.raises(ApiError) as refused:
        hyperparameters.keep(recipe, config, performs_hpo=False)
    assert refused.value.code == "InvalidInputException"
    assert words in refused.value.message


@pytest.mark.parametrize(
    "recipe", [one for one in BY_ARN.values() if one.domain is None], ids=lambda one: one.name
)
def test_only_recipes_with_something_to_tune_are_tuned(recipe: Recipe) -> None:
    tuned = {"aws-user-personalization", "aws-hrnn", "aws-hrnn-metadata", "aws-hrnn-coldstart"}
    tuned |= {"aws-personalized-ranking", "aws-similar-items", "aws-sims"}
    if recipe.name in tuned:
        hyperparameters.keep(recipe, {}, performs_hpo=True)
    else:
        with pytest.raises(ApiError):
            hyperparameters.keep(recipe, {}, performs_hpo=True)


def test_ranges_are_shown_with_the_prefixes_of_the_service() -> None:
    config = ranges([between("bptt", 2, 22)], categorical=[{"name": "recency_mask", "values": ["true"]}])
    config |= values(hidden_dimension="55")
    shown = hyperparameters.shown(UP, config)
    lists = shown["hpoConfig"]["algorithmHyperParameterRanges"]
    assert lists["integerHyperParameterRanges"] == [between("training.bptt", 2, 22)]
    assert lists["categoricalHyperParameterRanges"] == [{"name": "data.recency_mask", "values": ["true"]}]
    assert shown["algorithmHyperParameters"] == {"hidden_dimension": "55"}
    hyperparameters.keep(UP, shown, performs_hpo=True)  # as who clones a solution gives it
    assert hyperparameters.shown(UP, shown) == shown
    assert hyperparameters.plain("training.bptt") == hyperparameters.plain("bptt") == "bptt"
