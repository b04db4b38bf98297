"""What was trained, out of the row of a solution version or a recommender: where it lies, and on what of the data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sartor.realtime.artifact import Place, place_of
from sartor.realtime.selection import IN_ANY_CASE
from sartor.recipes import BY_ARN, Recipe
from sartor.resources import groups
from sartor.resources.kind_names import RECOMMENDER
from sartor.resources.stale_copies import DELETIONS
from sartor.resources.store import Resource, Store

Loaded = TypeVar("Loaded")

#: The member of a configuration that says which columns are trained with.
_COLUMNS: Final = "trainingDataConfig"
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


def trained_of(resource: Resource) -> Trained:
    """Return what was trained for a solution version or a recommender."""
    return Trained(
        resource.arn,
        BY_ARN[resource.body["recipeArn"]],
        resource.body["datasetGroupArn"],
        place_of(resource.private),
        training_of(resource),
        int(resource.private.get(DELETIONS, 0)),
    )


def as_it_is(store: Store, arn: str, load: Callable[[Trained], Loaded]) -> tuple[Resource, Loaded] | None:
    """Return the row of a solution version or a recommender, and what was trained for it, loaded.

    Its users lie elsewhere once one of them was deleted: then the row is read again.

    Args:
        store: the metadata database.
        arn: of the row.
        load: raises ``FileNotFoundError`` for what is not where it was.

    Returns:
        ``None`` if the row is gone, or what it names is.
    """
    row = store.get(arn)
    while row is not None:
        try:
            return row, load(trained_of(row))
        except FileNotFoundError:
            with store.read() as transaction:
                now = transaction.get(arn)
            row = None if now is None or now.stamp == row.stamp else now
    return None


def training_of(resource: Resource) -> Mapping[str, Any]:
    """Return what is trained for a solution version or a recommender, as members of a solution version.

    Columns that came after its solution, or after the recommender, are left out.
    """
    body = resource.body
    config: Mapping[str, Any] = body.get("solutionConfig", {})
    if resource.kind == RECOMMENDER:
        event_type = BY_ARN[body["recipeArn"]].event_type
        config = {
            name: body["recommenderConfig"][name] for name in (_COLUMNS,) if name in body["recommenderConfig"]
        }
        body = {
            **{name: body[name] for name in ("datasetGroupArn", "recipeArn")},
            **({} if event_type is None else {"eventType": event_type, IN_ANY_CASE: True}),
        }
    new: Mapping[str, Sequence[str]] = resource.private.get(groups.NEW_COLUMNS, {})
    return {**body, "solutionConfig": _without(config, new) if new else config}


def _without(config: Mapping[str, Any], columns: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return a configuration that leaves out more columns, by dataset type."""
    chosen: Mapping[str, Any] = config.get(_COLUMNS, {})
    excluded: Mapping[str, Sequence[str]] = chosen.get("excludedDatasetColumns", {})
    left_out = {name.upper(): list(names) for name, names in excluded.items()}
    for of_type, names in columns.items():
        left_out[of_type] = [*left_out.get(of_type, ()), *names]
    return {**config, _COLUMNS: {**chosen, "excludedDatasetColumns": left_out}}
