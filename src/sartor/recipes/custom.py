"""The custom recipes, a row each: parameters, model, and how it is asked. A new recipe is a new row.

Names, types, defaults and ranges are those of the developer guide's recipe pages. The service model has no room for
how a parameter behaves, so nothing else is kept here.
"""

from collections.abc import Iterable
from typing import Final

from sartor.recipes import trainers
from sartor.recipes.parameters import Parameter, Transformation
from sartor.recipes.recipe import FIRST_PUBLISHED, Feature, Recipe, RecipeType, published
from sartor.recipes.serving import Segmenting, Serving
from sartor.recipes.trainers import Trainer

_NEXT_BEST_ACTION = published(2023, 11, 1)
_SEMANTIC_SIMILARITY = published(2025, 11, 1)


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
    trainer: Trainer,
    algorithm: str | None = None,
    since: float = FIRST_PUBLISHED,
    features: Iterable[Feature] = (),
    serving: Serving | None = None,
    segmenting: Segmenting | None = None,
) -> Recipe:
    """Return a custom recipe; what the guide gives no other name is named after it."""
    return Recipe(
        name,
        recipe_type,
        description,
        algorithm or name,
        transformation or Transformation(name),
        trainer,
        parameters,
        since=since,
        features=frozenset(features),
        serving=serving,
        segmenting=segmenting,
    )


_PERSONAL = Serving(needs="userId", scored="all")
_RANKING = Serving("GetPersonalizedRanking", "userId", "all", promotes=False, in_context=True)
_RELATED = Serving(needs="itemId")
_POPULAR = Serving()
#: There are few actions, and one that is never shown never gets a score.
_ACTIONS_OF_A_USER = Serving(
    "GetActionRecommendations",
    "userId",
    "all",
    explores="managed",
    managed_share=0.1,
    promotes=False,
    in_batch=False,
)

CUSTOM: Final = (
    _custom(
        "aws-user-personalization-v2",
        "USER_PERSONALIZATION",
        "Predicts the items a user will interact with from the sequence of their interactions, "
        "with exploration of new items.",
        parameters=(_RECENCY_BIAS,),
        features=(
            "weights",
            "metadata",
        ),
        trainer=trainers.PERSONAL,
        serving=Serving(needs="userId", scored="subset", explores="managed", in_context=True),
    ),
    _custom(
        "aws-user-personalization",
        "USER_PERSONALIZATION",
        "Predicts items a user will interact with, and explores new items with little interaction data.",
        _PERCENTILE_FILTERING,
        (_hidden_dimension(149), _BPTT, _RECENCY_MASK),
        features=(
            "update",
            "objective",
        ),
        trainer=trainers.PERSONAL,
        serving=Serving(needs="userId", scored="all", explores="configured", in_context=True),
    ),
    _custom(
        "aws-hrnn",
        "USER_PERSONALIZATION",
        "Predicts items a user will interact with. A hierarchical recurrent neural network models the "
        "temporal order of user-item interactions.",
        _PERCENTILE_FILTERING,
        (_hidden_dimension(43), _BPTT, _RECENCY_MASK),
        trainer=trainers.PERSONAL,
        serving=_PERSONAL,
    ),
    _custom(
        "aws-hrnn-metadata",
        "USER_PERSONALIZATION",
        "Predicts items a user will interact with. HRNN with additional features from contextual, user and "
        "item metadata.",
        _METADATA,
        (_hidden_dimension(43), _BPTT, _RECENCY_MASK),
        trainer=trainers.PERSONAL,
        serving=_PERSONAL,
    ),
    _custom(
        "aws-hrnn-coldstart",
        "USER_PERSONALIZATION",
        "Predicts items a user will interact with. HRNN with metadata and personalized exploration of "
        "new items.",
        _COLDSTART,
        (_hidden_dimension(149), _BPTT, _RECENCY_MASK),
        features=("update",),
        trainer=trainers.PERSONAL,
        serving=_PERSONAL,
    ),
    _custom(
        "aws-popularity-count",
        "USER_PERSONALIZATION",
        "Ranks items by the number of unique users who interacted with them.",
        _SIMS,
        trainer=trainers.POPULARITY,
        serving=_POPULAR,
    ),
    _custom(
        "aws-trending-now",
        "POPULAR_ITEMS",
        "Ranks items by how fast the number of their interactions grows.",
        _TRENDING,
        algorithm="aws-trending-now-custom",
        trainer=trainers.TRENDING,
        serving=Serving(in_batch=False),
    ),
    _custom(
        "aws-personalized-ranking-v2",
        "PERSONALIZED_RANKING",
        "Reranks a list of items for a user from the sequence of their interactions.",
        parameters=(_RECENCY_BIAS,),
        features=(
            "weights",
            "metadata",
        ),
        trainer=trainers.PERSONAL,
        serving=_RANKING,
    ),
    _custom(
        "aws-personalized-ranking",
        "PERSONALIZED_RANKING",
        "Reranks a list of items for a user.",
        _PERCENTILE_FILTERING,
        (_hidden_dimension(149), _BPTT, _RECENCY_MASK),
        features=("objective",),
        trainer=trainers.PERSONAL,
        serving=_RANKING,
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
        features=("themes",),
        trainer=trainers.SIMILAR,
        serving=_RELATED,
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
        trainer=trainers.SIMS,
        serving=_RELATED,
    ),
    _custom(
        "aws-semantic-similarity",
        "RELATED_ITEMS",
        "Finds items whose texts mean something similar to those of a given item.",
        since=_SEMANTIC_SIMILARITY,
        features=(
            "metadata",
            "incremental",
            "influence",
        ),
        trainer=trainers.SEMANTIC,
        serving=_RELATED,
    ),
    _custom(
        "aws-next-best-action",
        "PERSONALIZED_ACTIONS",
        "Predicts the actions a user will most likely take.",
        _ACTIONS,
        since=_NEXT_BEST_ACTION,
        trainer=trainers.PROPENSITY,
        serving=_ACTIONS_OF_A_USER,
    ),
    _custom(
        "aws-item-affinity",
        "USER_SEGMENTATION",
        "Makes a segment of users for each item, by how likely they are to interact with it.",
        Transformation("item-affinity"),
        (_hidden_dimension(149, tunable=False),),
        trainer=trainers.AFFINITY,
        segmenting=Segmenting("itemId", most_lines=500),
    ),
    _custom(
        "aws-item-attribute-affinity",
        "USER_SEGMENTATION",
        "Makes a segment of users for each item attribute, by how likely they are to interact with "
        "such items.",
        Transformation("item-attribute-affinity"),
        (_hidden_dimension(149, tunable=False),),
        trainer=trainers.AFFINITY,
        segmenting=Segmenting("itemAttributes", most_lines=10, by_history=False),
    ),
)
