"""One recipe or use case: all that the service says of it, how it is trained, and how it answers."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from sartor.recipes.parameters import Parameter, Transformation
from sartor.recipes.serving import Segmenting, Serving
from sartor.recipes.trainers import Trainer

RecipeType = Literal[
    "USER_PERSONALIZATION",
    "POPULAR_ITEMS",
    "PERSONALIZED_RANKING",
    "RELATED_ITEMS",
    "PERSONALIZED_ACTIONS",
    "USER_SEGMENTATION",
]
Domain = Literal["ECOMMERCE", "VIDEO_ON_DEMAND"]

#: What only some recipes can do; see the guide's "Features available for each use case and recipe".
#: update: a version can be trained on the new data alone. weights: event types are weighted. objective: an item
#: column is optimized besides relevance. metadata: campaigns return item metadata without being asked to.
#: incremental: new items without a training. influence: a campaign weighs popularity and freshness. themes: batch
#: jobs say what the items of an answer have in common.
Feature = Literal[
    "update",
    "weights",
    "objective",
    "metadata",
    "incremental",
    "influence",
    "themes",
]


def published(year: int, month: int, day: int) -> float:
    """Return the beginning of a day in epoch seconds."""
    return datetime(year, month, day, tzinfo=UTC).timestamp()


#: The date that the service itself gives for its older recipes.
FIRST_PUBLISHED: Final = published(2019, 6, 10)


@dataclass(frozen=True)
class Recipe:
    """One recipe, or one use case of a domain.

    Attributes:
        name: the last part of its ARN.
        type: what kind of question it answers.
        description: one sentence for people.
        algorithm: the last part of its algorithm's ARN.
        transformation: its feature transformation.
        trainer: how it is trained.
        parameters: the algorithm's hyperparameters.
        domain: the domain of a use case; ``None`` for custom recipes.
        since: epoch seconds; the day it was published.
        features: what it can do that not all can.
        serving: how it answers; ``None``: it answers no requests, and its versions cannot be deployed.
        segmenting: how it answers which users a segment has; ``None`` of all others.
        event_type: the type of events, in any case, that a use case counts alone; ``None``: what a solution says,
            and all of them for use cases.
        needs_items: whether it cannot do without an Items dataset.
    """

    name: str
    type: RecipeType
    description: str
    algorithm: str
    transformation: Transformation
    trainer: Trainer
    parameters: tuple[Parameter, ...] = ()
    domain: Domain | None = None
    since: float = 0.0
    features: frozenset[Feature] = frozenset()
    serving: Serving | None = None
    segmenting: Segmenting | None = None
    event_type: str | None = None
    needs_items: bool = False

    @property
    def of_actions(self) -> bool:
        """Whether it is about actions, not items."""
        return self.trainer.learns == "actions"

    @property
    def in_context(self) -> bool:
        """Whether trainings read in which contexts interactions were, and the attributes of users."""
        return self.of_actions or (self.serving is not None and self.serving.in_context)

    @property
    def learns_from(self) -> tuple[str, ...]:
        """The types of the datasets that it learns from, as far as they are there."""
        of_items = ("INTERACTIONS", "ITEMS", "USERS")
        return (*of_items, "ACTIONS", "ACTION_INTERACTIONS") if self.of_actions else of_items

    @property
    def needs(self) -> tuple[str, ...]:
        """The types of the datasets that it cannot be trained without."""
        if self.of_actions:
            return ("INTERACTIONS", "ACTIONS")
        return ("ITEMS",) if self.trainer.learns == "texts" else ("INTERACTIONS",)

    @property
    def renewed_by(self) -> tuple[str, ...]:
        """The types of the datasets of which newer records make a training worth while."""
        if self.of_actions:
            return ("INTERACTIONS", "ACTION_INTERACTIONS")
        return ("INTERACTIONS", "ITEMS") if self.needs == ("ITEMS",) else ("INTERACTIONS",)

    @property
    def explores_as_told(self) -> bool:
        """Whether a campaign configures how new items are explored."""
        return self.serving is not None and self.serving.explores == "configured"

    @property
    def tunable(self) -> bool:
        """Whether hyperparameter optimization has anything to vary."""
        return any(parameter.tunable for parameter in self.parameters)


_ARN: Final = "arn:aws:personalize:::"


def recipe_arn(recipe: Recipe) -> str:
    """Return a recipe's ARN, which has neither region nor account."""
    return f"{_ARN}recipe/{recipe.name}"


def algorithm_arn(recipe: Recipe) -> str:
    """Return the ARN of a recipe's algorithm."""
    return f"{_ARN}algorithm/{recipe.algorithm}"


def transformation_arn(transformation: Transformation) -> str:
    """Return a feature transformation's ARN."""
    return f"{_ARN}feature-transformation/{transformation.name}"
