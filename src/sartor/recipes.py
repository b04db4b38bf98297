"""The catalogue: every recipe and use case, its algorithm, its feature transformation, and their parameters.

Names, types, defaults and ranges are those of the developer guide's recipe pages (custom recipes) and use
case pages (domains). The service model has no room for how a parameter behaves, so nothing else is kept here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

RecipeType = Literal[
    "USER_PERSONALIZATION",
    "POPULAR_ITEMS",
    "PERSONALIZED_RANKING",
    "RELATED_ITEMS",
    "PERSONALIZED_ACTIONS",
    "USER_SEGMENTATION",
]


@dataclass(frozen=True)
class Parameter:
    """One hyperparameter.

    Attributes:
        name: as it is given in ``algorithmHyperParameters`` or ``featureTransformationParameters``.
        default: as text, the way the service's maps carry it.
        range: the least and the greatest number, or every word that is allowed.
        tunable: whether hyperparameter optimization may vary it.
    """

    name: str
    default: str
    range: tuple[int, int] | tuple[float, float] | tuple[str, ...]
    tunable: bool = False


@dataclass(frozen=True)
class Transformation:
    """A feature transformation: what is done to the data before an algorithm sees it."""

    name: str
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """One recipe, or one use case of a domain.

    Attributes:
        name: the last part of its ARN.
        type: what kind of question it answers.
        description: one sentence for people.
        algorithm: the last part of its algorithm's ARN.
        transformation: its feature transformation.
        parameters: the algorithm's hyperparameters.
        domain: the domain of a use case; ``None`` for custom recipes.
        since: epoch seconds; the day it was published.
    """

    name: str
    type: RecipeType
    description: str
    algorithm: str
    transformation: Transformation
    parameters: tuple[Parameter, ...] = ()
    domain: Literal["ECOMMERCE", "VIDEO_ON_DEMAND"] | None = None
    since: float = 0.0


def _day(year: int, month: int, day: int) -> float:
    return datetime(year, month, day, tzinfo=UTC).timestamp()


#: The date that the service itself gives for its older recipes.
_FIRST = _day(2019, 6, 10)
_NEXT_BEST_ACTION = _day(2023, 11, 1)
_SEMANTIC_SIMILARITY = _day(2025, 11, 1)


def _hidden_dimension(default: int, tunable: bool = True) -> Parameter:
    return Parameter("hidden_dimension", str(default), (32, 256), tunable)


def _share(name: str, default: str, tunable: bool = False) -> Parameter:
    return Parameter(name, default, (0.0, 1.0), tunable)


_BPTT = Parameter("bptt", "32", (2, 32), tunable=True)
_RECENCY_MASK = Parameter("recency_mask", "True", ("True", "False"), tunable=True)
_RECENCY_BIAS = Parameter("apply_recency_bias", "true", ("true", "false"))
_HISTORY_LENGTHS = (
    _share("min_user_history_length_percentile", "0.0"),
    _share("max_user_history_length_percentile", "0.99"),
)

_PERCENTILE_FILTERING = Transformation("JSON-percentile-filtering", _HISTORY_LENGTHS)
_METADATA = Transformation("featurize_metadata", _HISTORY_LENGTHS)
_COLDSTART = Transformation(
    "featurize_coldstart",
    (
        *_HISTORY_LENGTHS,
        Parameter("cold_start_max_interactions", "15", (1, 2_147_483_647)),
        Parameter("cold_start_max_duration", "5.0", (0.0, float(2_147_483_647))),
        Parameter("cold_start_relative_from", "latestItem", ("latestItem", "currentTime")),
    ),
)
_SIMS = Transformation(
    "sims",
    (
        _share("min_user_history_length_percentile", "0.005"),
        _share("max_user_history_length_percentile", "0.995"),
        _share("min_item_interaction_count_percentile", "0.01"),
        _share("max_item_interaction_count_percentile", "0.9"),
    ),
)
_TRENDING = Transformation(
    "aws-trending-now",
    (
        Parameter(
            "trend_discovery_frequency",
            "2 hours",
            ("30 minutes", "1 hour", "2 hours", "3 hours", "1 day"),
        ),
    ),
)
_ACTIONS = Transformation("aws-next-best-action", (Parameter("action_optimization_period", "14", (7, 28)),))


def _custom(
    name: str,
    recipe_type: RecipeType,
    description: str,
    transformation: Transformation | None = None,
    parameters: tuple[Parameter, ...] = (),
    *,
    algorithm: str | None = None,
    since: float = _FIRST,
) -> Recipe:
    """Return a custom recipe; what the guide gives no other name is named after it."""
    return Recipe(
        name,
        recipe_type,
        description,
        algorithm or name,
        transformation or Transformation(name),
        parameters,
        since=since,
    )


def _use_case(
    name: str, recipe_type: RecipeType, domain: Literal["ECOMMERCE", "VIDEO_ON_DEMAND"], description: str
) -> Recipe:
    """Return a use case of a domain; none has parameters."""
    return Recipe(name, recipe_type, description, name, Transformation(name), domain=domain, since=_FIRST)


_CUSTOM = (
    _custom(
        "aws-user-personalization-v2",
        "USER_PERSONALIZATION",
        "Predicts the items a user will interact with from the sequence of their interactions, "
        "with exploration of new items.",
        parameters=(_RECENCY_BIAS,),
    ),
    _custom(
        "aws-user-personalization",
        "USER_PERSONALIZATION",
        "Predicts items a user will interact with, and explores new items with little interaction data.",
        _PERCENTILE_FILTERING,
        (_hidden_dimension(149), _BPTT, _RECENCY_MASK),
    ),
    _custom(
        "aws-hrnn",
        "USER_PERSONALIZATION",
        "Predicts items a user will interact with. A hierarchical recurrent neural network models the "
        "temporal order of user-item interactions.",
        _PERCENTILE_FILTERING,
        (_hidden_dimension(43), _BPTT, _RECENCY_MASK),
    ),
    _custom(
        "aws-hrnn-metadata",
        "USER_PERSONALIZATION",
        "Predicts items a user will interact with. HRNN with additional features from contextual, user and "
        "item metadata.",
        _METADATA,
        (_hidden_dimension(43), _BPTT, _RECENCY_MASK),
    ),
    _custom(
        "aws-hrnn-coldstart",
        "USER_PERSONALIZATION",
        "Predicts items a user will interact with. HRNN with metadata and personalized exploration of "
        "new items.",
        _COLDSTART,
        (_hidden_dimension(149), _BPTT, _RECENCY_MASK),
    ),
    _custom(
        "aws-popularity-count",
        "USER_PERSONALIZATION",
        "Ranks items by the number of unique users who interacted with them.",
        _SIMS,
    ),
    _custom(
        "aws-trending-now",
        "POPULAR_ITEMS",
        "Ranks items by how fast the number of their interactions grows.",
        _TRENDING,
        algorithm="aws-trending-now-custom",
    ),
    _custom(
        "aws-personalized-ranking-v2",
        "PERSONALIZED_RANKING",
        "Reranks a list of items for a user from the sequence of their interactions.",
        parameters=(_RECENCY_BIAS,),
    ),
    _custom(
        "aws-personalized-ranking",
        "PERSONALIZED_RANKING",
        "Reranks a list of items for a user.",
        _PERCENTILE_FILTERING,
        (_hidden_dimension(149), _BPTT, _RECENCY_MASK),
    ),
    _custom(
        "aws-similar-items",
        "RELATED_ITEMS",
        "Predicts items similar to a given item from co-occurrence in user histories and item metadata.",
        parameters=(
            _share("popularity_discount_factor", "0.0"),
            Parameter("item_id_hidden_dim", "100", (30, 200), tunable=True),
            Parameter("item_metadata_hidden_dim", "100", (30, 200), tunable=True),
        ),
    ),
    _custom(
        "aws-sims",
        "RELATED_ITEMS",
        "Computes items similar to a given item from their co-occurrence in user histories.",
        _SIMS,
        (
            _share("popularity_discount_factor", "0.5", tunable=True),
            Parameter("min_cointeraction_count", "3", (0, 10), tunable=True),
        ),
    ),
    _custom(
        "aws-semantic-similarity",
        "RELATED_ITEMS",
        "Finds items whose texts mean something similar to those of a given item.",
        since=_SEMANTIC_SIMILARITY,
    ),
    _custom(
        "aws-next-best-action",
        "PERSONALIZED_ACTIONS",
        "Predicts the actions a user will most likely take.",
        _ACTIONS,
        since=_NEXT_BEST_ACTION,
    ),
    _custom(
        "aws-item-affinity",
        "USER_SEGMENTATION",
        "Makes a segment of users for each item, by how likely they are to interact with it.",
        Transformation("item-affinity"),
        (_hidden_dimension(149, tunable=False),),
    ),
    _custom(
        "aws-item-attribute-affinity",
        "USER_SEGMENTATION",
        "Makes a segment of users for each item attribute, by how likely they are to interact with "
        "such items.",
        Transformation("item-attribute-affinity"),
        (_hidden_dimension(149, tunable=False),),
    ),
)

_USE_CASES = (
    _use_case(
        "aws-ecomm-popular-items-by-views",
        "POPULAR_ITEMS",
        "ECOMMERCE",
        "Most viewed: the items that most users viewed.",
    ),
    _use_case(
        "aws-ecomm-popular-items-by-purchases",
        "POPULAR_ITEMS",
        "ECOMMERCE",
        "Best sellers: the items that most users purchased.",
    ),
    _use_case(
        "aws-ecomm-frequently-bought-together",
        "RELATED_ITEMS",
        "ECOMMERCE",
        "Frequently bought together: items that are purchased together with a given item.",
    ),
    _use_case(
        "aws-ecomm-customers-who-viewed-x-also-viewed",
        "RELATED_ITEMS",
        "ECOMMERCE",
        "Customers who viewed X also viewed: items that viewers of a given item viewed too.",
    ),
    _use_case(
        "aws-ecomm-recommended-for-you",
        "USER_PERSONALIZATION",
        "ECOMMERCE",
        "Recommended for you: personalized recommendations for a user, with exploration of new items.",
    ),
    _use_case(
        "aws-vod-because-you-watched-x",
        "RELATED_ITEMS",
        "VIDEO_ON_DEMAND",
        "Because you watched X: videos that other users also watched, given one that the user watched.",
    ),
    _use_case(
        "aws-vod-more-like-x",
        "RELATED_ITEMS",
        "VIDEO_ON_DEMAND",
        "More like X: videos that are similar to a given video.",
    ),
    _use_case(
        "aws-vod-most-popular",
        "POPULAR_ITEMS",
        "VIDEO_ON_DEMAND",
        "Most popular: the videos that most users watched.",
    ),
    _use_case(
        "aws-vod-trending-now",
        "POPULAR_ITEMS",
        "VIDEO_ON_DEMAND",
        "Trending now: videos that gain popularity fastest.",
    ),
    _use_case(
        "aws-vod-top-picks",
        "USER_PERSONALIZATION",
        "VIDEO_ON_DEMAND",
        "Top picks for you: personalized recommendations for a user, with exploration of new videos.",
    ),
)

_ARN = "arn:aws:personalize:::"


def recipe_arn(recipe: Recipe) -> str:
    """Return a recipe's ARN, which has neither region nor account."""
    return f"{_ARN}recipe/{recipe.name}"


def algorithm_arn(recipe: Recipe) -> str:
    """Return the ARN of a recipe's algorithm."""
    return f"{_ARN}algorithm/{recipe.algorithm}"


def transformation_arn(transformation: Transformation) -> str:
    """Return a feature transformation's ARN."""
    return f"{_ARN}feature-transformation/{transformation.name}"


def _sorted_by_name(recipes: Iterable[Recipe]) -> tuple[Recipe, ...]:
    return tuple(sorted(recipes, key=lambda recipe: recipe.name))


#: Every recipe and use case, sorted by name as ListRecipes gives them.
RECIPES: Final = _sorted_by_name((*_CUSTOM, *_USE_CASES))
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
