"""What Amazon's recipes and hyperparameters mean to the models that are trained here, in words for the reference.

A parameter that has no meaning is accepted, held against its range, shown by DescribeSolution, and changes nothing.
"""

from collections.abc import Mapping
from typing import Final

from sartor.models import default, retrieval

NOTHING: Final = "accepted, changes nothing"

_HISTORIES: Final = {
    "min_user_history_length_percentile": "users with shorter histories are left out; only if it is set",
    "max_user_history_length_percentile": "users with longer histories are left out; only if it is set",
}
_PERSONAL: Final = {
    "hidden_dimension": "the width of the sequence model, to the nearest multiple of 8; only if it is set",
    **_HISTORIES,
}
#: By recipe: what each parameter that has a meaning does.
PARAMETERS: Final[Mapping[str, Mapping[str, str]]] = {
    "aws-user-personalization": _PERSONAL,
    "aws-hrnn": _PERSONAL,
    "aws-hrnn-metadata": _PERSONAL,
    "aws-hrnn-coldstart": _PERSONAL,
    "aws-personalized-ranking": _PERSONAL,
    "aws-similar-items": {
        "popularity_discount_factor": "0 favours popular items, 1 forgets popularity",
    },
    "aws-sims": {
        **_HISTORIES,
        "popularity_discount_factor": "0 favours popular items, 1 forgets popularity",
        "min_cointeraction_count": "two items are related if they were near each other in so many histories at least",
        "min_item_interaction_count_percentile": "items with fewer interactions are left out; only if it is set",
        "max_item_interaction_count_percentile": "items with more interactions are left out; only if it is set",
    },
    "aws-trending-now": {
        "trend_discovery_frequency": "the length of the two windows of time that are compared",
    },
}

_BLEND: Final = (
    "the sequence model and a linear one, blended (`blend`); from "
    f"{retrieval.LEAST_ITEMS:,} items on the sequence model alone (`sequence`); without torch, or with "
    '`sequence_models = "off"`, the linear one alone (`closed_form`, above '
    f"{default.EXACT_ITEMS:,} items `transitions`)"
)
#: By recipe: the model that it is here.
MODELS: Final[Mapping[str, str]] = {
    "aws-user-personalization-v2": _BLEND,
    "aws-user-personalization": _BLEND,
    "aws-hrnn": _BLEND,
    "aws-hrnn-metadata": _BLEND,
    "aws-hrnn-coldstart": _BLEND,
    "aws-personalized-ranking-v2": _BLEND,
    "aws-personalized-ranking": _BLEND,
    "aws-similar-items": "neighbours in histories, and items that share rare metadata (`similar`)",
    "aws-sims": "neighbours in histories alone (`similar`)",
    "aws-popularity-count": "how many users interacted with each item (`popularity`)",
    "aws-trending-now": "how interactions grew from one window to the next, anew with every refresh (`trending`)",
}
