"""The catalogue: every recipe and use case, its algorithm, its feature transformation, and their parameters.

Names, types, defaults and ranges are those of the developer guide's recipe pages (custom recipes) and use
case pages (domains). The service model has no room for how a parameter behaves, so nothing else is kept here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from sartor.numbers import number

RecipeType = Literal[
    "USER_PERSONALIZATION",
    "POPULAR_ITEMS",
    "PERSONALIZED_RANKING",
    "RELATED_ITEMS",
    "PERSONALIZED_ACTIONS",
    "USER_SEGMENTATION",
]

#: What only some recipes can do; see the guide's "Features available for each use case and recipe".
#: exploration: a campaign configures how new items are explored. update: a version can be trained on the new
#: data alone. weights: event types are weighted. objective: an item column is optimized besides relevance.
#: metadata: campaigns return item metadata without being asked to. incremental: new items without a training.
#: influence: a campaign weighs popularity and freshness. campaign: versions can be deployed. ranking: it answers
#: GetPersonalizedRanking.
Feature = Literal[
    "exploration",
    "update",
    "weights",
    "objective",
    "metadata",
    "incremental",
    "influence",
    "campaign",
    "ranking",
]


@dataclass(frozen=True)
class Parameter:
    """One hyperparameter.

    Attributes:
        name: as it is given in ``algorithmHyperParameters`` or ``featureTransformationParameters``.
        default: as text, the way the service's maps carry it.
        range: the least and the greatest number, or every word that is allowed.
        tunable: whether hyperparameter optimization may vary it.
        only_tuned: whether optimization alone may set it.
        prefix: what the service puts before its name where it shows its range in a solution.
    """

    name: str
    default: str
    range: tuple[int, int] | tuple[float, float] | tuple[str, ...]
    tunable: bool = False
    only_tuned: bool = False
    prefix: str = ""

    @property
    def kind(self) -> Literal["integer", "continuous", "categorical"]:
        """What sort of value it has, as the service's lists of ranges are named."""
        least = self.range[0]
        if isinstance(least, str):
            return "categorical"
        return "integer" if isinstance(least, int) else "continuous"

    @property
    def rule(self) -> str:
        """What its value must be, in words."""
        if self.kind == "categorical":
            return f"one of {', '.join(str(word) for word in self.range)}"
        noun = "a whole number" if self.kind == "integer" else "a number"
        return f"{noun} from {self.range[0]} to {self.range[-1]}"

    def read(self, text: str) -> int | float | bool | str:
        """Return the value that a text stands for; the words True and False in any case are truth values.

        Raises:
            ValueError: the parameter cannot have it.
        """
        if self.kind == "categorical":
            return self._word(text)
        value = number(text)
        if value is None or not self.range[0] <= value <= self.range[-1]:  # type: ignore[operator]
            raise ValueError(text)
        if self.kind == "integer" and isinstance(value, float):
            raise ValueError(text)
        return value if self.kind == "integer" else float(value)

    def _word(self, text: str) -> bool | str:
        words = {str(word).casefold() for word in self.range}
        if words == {"true", "false"} and text.casefold() in words:
            return text.casefold() == "true"
        if text not in self.range:
            raise ValueError(text)
        return text


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
        features: what it can do that not all can.
        trained: whether Sartor trains it.
    """

    name: str
    type: RecipeType
    description: str
    algorithm: str
    transformation: Transformation
    parameters: tuple[Parameter, ...] = ()
    domain: Literal["ECOMMERCE", "VIDEO_ON_DEMAND"] | None = None
    since: float = 0.0
    features: frozenset[Feature] = frozenset()
    trained: bool = False

    @property
    def tunable(self) -> bool:
        """Whether hyperparameter optimization has anything to vary."""
        return any(parameter.tunable for parameter in self.parameters)


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


_BPTT = Parameter("bptt", "32", (2, 32), tunable=True, prefix="training.")
_RECENCY_MASK = Parameter("recency_mask", "True", ("True", "False"), tunable=True, prefix="data.")
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
    features: Iterable[Feature] = (),
    trained: bool = True,
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
        features=frozenset(features),
        trained=trained,
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
        features=(
            "campaign",
            "weights",
            "metadata",
        ),
    ),
    _custom(
        "aws-user-personalization",
        "USER_PERSONALIZATION",
        "Predicts items a user will interact with, and explores new items with little interaction data.",
        _PERCENTILE_FILTERING,
        (_hidden_dimension(149), _BPTT, _RECENCY_MASK),
        features=(
            "campaign",
            "exploration",
            "update",
            "objective",
        ),
    ),
    _custom(
        "aws-hrnn",
        "USER_PERSONALIZATION",
        "Predicts items a user will interact with. A hierarchical recurrent neural network models the "
        "temporal order of user-item interactions.",
        _PERCENTILE_FILTERING,
        (_hidden_dimension(43), _BPTT, _RECENCY_MASK),
        features=("campaign",),
    ),
    _custom(
        "aws-hrnn-metadata",
        "USER_PERSONALIZATION",
        "Predicts items a user will interact with. HRNN with additional features from contextual, user and "
        "item metadata.",
        _METADATA,
        (_hidden_dimension(43), _BPTT, _RECENCY_MASK),
        features=("campaign",),
    ),
    _custom(
        "aws-hrnn-coldstart",
        "USER_PERSONALIZATION",
        "Predicts items a user will interact with. HRNN with metadata and personalized exploration of "
        "new items.",
        _COLDSTART,
        (_hidden_dimension(149), _BPTT, _RECENCY_MASK),
        features=(
            "campaign",
            "update",
        ),
    ),
    _custom(
        "aws-popularity-count",
        "USER_PERSONALIZATION",
        "Ranks items by the number of unique users who interacted with them.",
        _SIMS,
        features=("campaign",),
    ),
    _custom(
        "aws-trending-now",
        "POPULAR_ITEMS",
        "Ranks items by how fast the number of their interactions grows.",
        _TRENDING,
        algorithm="aws-trending-now-custom",
        features=("campaign",),
    ),
    _custom(
        "aws-personalized-ranking-v2",
        "PERSONALIZED_RANKING",
        "Reranks a list of items for a user from the sequence of their interactions.",
        parameters=(_RECENCY_BIAS,),
        features=(
            "campaign",
            "ranking",
            "weights",
            "metadata",
        ),
    ),
    _custom(
        "aws-personalized-ranking",
        "PERSONALIZED_RANKING",
        "Reranks a list of items for a user.",
        _PERCENTILE_FILTERING,
        (_hidden_dimension(149), _BPTT, _RECENCY_MASK),
        features=(
            "campaign",
            "ranking",
            "objective",
        ),
    ),
    _custom(
        "aws-similar-items",
        "RELATED_ITEMS",
        "Predicts items similar to a given item from co-occurrence in user histories and item metadata.",
        parameters=(
            _share("popularity_discount_factor", "0.0"),
            Parameter("item_id_hidden_dim", "100", (30, 200), tunable=True, only_tuned=True),
            Parameter("item_metadata_hidden_dim", "100", (30, 200), tunable=True, only_tuned=True),
        ),
        features=("campaign",),
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
        features=("campaign",),
    ),
    _custom(
        "aws-semantic-similarity",
        "RELATED_ITEMS",
        "Finds items whose texts mean something similar to those of a given item.",
        since=_SEMANTIC_SIMILARITY,
        features=("campaign", "metadata", "incremental", "influence"),
        trained=False,
    ),
    _custom(
        "aws-next-best-action",
        "PERSONALIZED_ACTIONS",
        "Predicts the actions a user will most likely take.",
        _ACTIONS,
        since=_NEXT_BEST_ACTION,
        features=("campaign",),
        trained=False,
    ),
    _custom(
        "aws-item-affinity",
        "USER_SEGMENTATION",
        "Makes a segment of users for each item, by how likely they are to interact with it.",
        Transformation("item-affinity"),
        (_hidden_dimension(149, tunable=False),),
        trained=False,
    ),
    _custom(
        "aws-item-attribute-affinity",
        "USER_SEGMENTATION",
        "Makes a segment of users for each item attribute, by how likely they are to interact with "
        "such items.",
        Transformation("item-attribute-affinity"),
        (_hidden_dimension(149, tunable=False),),
        trained=False,
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


def values(parameters: Iterable[Parameter], given: Mapping[str, str]) -> dict[str, int | float | bool | str]:
    """Return the value of each parameter: what is given, else the default.

    Args:
        parameters: of an algorithm or a feature transformation.
        given: texts by name, checked at the creation of the solution; other names are left out.

    Raises:
        ValueError: a text is not one that its parameter can have.
    """
    return {one.name: one.read(given.get(one.name, one.default)) for one in parameters}


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
