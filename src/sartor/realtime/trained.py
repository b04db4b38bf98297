"""What was trained, out of its resource's row: where it lies, and what its configuration said of the data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sartor.realtime.artifact import Place, place_of
from sartor.recipes import BY_ARN, Recipe
from sartor.resources.stale_copies import DELETIONS
from sartor.resources.store import Resource

#: Where an artifact lies and where its users do, and how often users were deleted from what it serves.
Key = tuple[str, str, int]


@dataclass(frozen=True)
class Trained:
    """What was trained.

    Attributes:
        arn: of the resource whose training it was.
        recipe: of which.
        group: the ARN of the dataset group.
        place: where its artifact lies.
        training: what its configuration says of the data, as members of a solution version.
        deletions: how often users were deleted from what it serves.
    """

    arn: str
    recipe: Recipe
    group: str
    place: Place
    training: Mapping[str, Any]
    deletions: int

    @property
    def key(self) -> Key:
        """What no other has, nor another state of this one, such as one from which users were deleted."""
        return *self.place, self.deletions


def trained_of(version: Resource) -> Trained:
    """Return what was trained for a solution version."""
    return Trained(
        version.arn,
        BY_ARN[version.body["recipeArn"]],
        version.body["datasetGroupArn"],
        place_of(version.private),
        version.body,
        int(version.private.get(DELETIONS, 0)),
    )
