"""Serving: what a recipe needs to be asked with, and what it answers.

Source: the guide's "Getting real-time item recommendations" and the feature matrix of its recipe pages.
"""

from dataclasses import dataclass
from typing import Final, Literal

Operation = Literal["GetRecommendations", "GetPersonalizedRanking", "GetActionRecommendations"]

#: A recipe that explores a little by itself gives new items about 1 place in 1000.
MANAGED_SHARE: Final = 0.001


@dataclass(frozen=True)
class Segmenting:
    """How a recipe answers which users a segment has; batch segment jobs alone ask it.

    Attributes:
        asked_with: the member that a line of the input must have.
        most_lines: so many lines a file may have ("Amazon Personalize endpoints and quotas").
        by_history: whether a filter may look at what the users did.
    """

    asked_with: Literal["itemId", "itemAttributes"]
    most_lines: int
    by_history: bool = True


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
        in_batch: whether batch inference jobs ask it too.
        requires: what else a request must have, though the model does not ask for it.
        removes: the type of events, in any case, whose items the request's user is not shown again.
        managed_share: of a recipe that explores a little by itself: of an answer's places, how many are explored.
    """

    operation: Operation = "GetRecommendations"
    needs: Literal["userId", "itemId"] | None = None
    scored: Literal["all", "subset"] | None = None
    explores: Literal["configured", "managed"] | None = None
    promotes: bool = True
    in_context: bool = False
    in_batch: bool = True
    requires: tuple[str, ...] = ()
    removes: str | None = None
    managed_share: float = MANAGED_SHARE

    @property
    def target(self) -> Literal["ItemID", "ActionID"]:
        """What filters must be about."""
        return "ActionID" if self.operation == "GetActionRecommendations" else "ItemID"
