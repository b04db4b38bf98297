"""The table of serving: what a recipe needs to be asked with, and what it answers.

Source: the guide's "Getting real-time item recommendations" and the feature matrix of its recipe pages.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True)
class Serving:
    """How one recipe answers.

    Attributes:
        operation: the one that asks it.
        needs: the member that a request must have.
        scored: whether answers have scores; a ``subset`` scores its best items and fills with popular ones.
        explores: new items: as the campaign says, a little by itself, or not.
        promotes: whether a request may have promotions.
        in_context: whether a request's context counts.
    """

    operation: Literal["GetRecommendations", "GetPersonalizedRanking"] = "GetRecommendations"
    needs: Literal["userId", "itemId"] | None = None
    scored: Literal["all", "subset"] | None = None
    explores: Literal["configured", "managed"] | None = None
    promotes: bool = True
    in_context: bool = False


_PERSONAL = Serving(needs="userId", scored="all")
_RANKING = Serving("GetPersonalizedRanking", "userId", "all", promotes=False, in_context=True)
_RELATED = Serving(needs="itemId")
_POPULAR = Serving()
#: By recipe.
TABLE: Final[Mapping[str, Serving]] = {
    "aws-user-personalization-v2": Serving(
        needs="userId", scored="subset", explores="managed", in_context=True
    ),
    "aws-user-personalization": Serving(needs="userId", scored="all", explores="configured", in_context=True),
    "aws-hrnn": _PERSONAL,
    "aws-hrnn-metadata": _PERSONAL,
    "aws-hrnn-coldstart": _PERSONAL,
    "aws-personalized-ranking-v2": _RANKING,
    "aws-personalized-ranking": _RANKING,
    "aws-similar-items": _RELATED,
    "aws-sims": _RELATED,
    "aws-popularity-count": _POPULAR,
    "aws-trending-now": _POPULAR,
}
