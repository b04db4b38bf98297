"""A dataset group's datasets and their schemas, as the rules of what is built on them see them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sartor.data import schema
from sartor.data.schema import Schema
from sartor.errors import invalid_input
from sartor.recipes import Recipe
from sartor.resources.call import Call, require_active
from sartor.resources.kind_names import DATASET_IMPORT_JOB, RECOMMENDER, SOLUTION
from sartor.resources.kinds import CREATING
from sartor.resources.store import Resource, Transaction

#: What people call those that a training cannot do without.
_NOUNS: Final = {"INTERACTIONS": "Item interactions", "ITEMS": "Items", "ACTIONS": "Actions"}
#: What Sartor keeps with what is trained: columns that came later and that it is not trained with, by dataset type.
NEW_COLUMNS: Final = "newColumns"


def schemas_of(transaction: Transaction, datasets: Mapping[str, Resource]) -> dict[str, Schema]:
    """Return the schemas of datasets, by type."""
    found = {name: transaction.get(dataset.body["schemaArn"]) for name, dataset in datasets.items()}
    return {
        name: schema.parse(stored.body["schema"], stored.body.get("domain"))
        for name, stored in found.items()
        if stored is not None
    }


def trained_datasets(transaction: Transaction, group: Resource, recipe: Recipe) -> dict[str, Resource]:
    """Return the datasets of the group that a solution of a recipe is trained on, by type.

    Args:
        transaction: any.
        group: the dataset group.
        recipe: of the solution.

    Raises:
        ApiError: ``InvalidInputException`` when one that the recipe needs is not there, ``ResourceInUseException`` when
            such a one is not active or another is being created.
    """
    found = transaction.datasets(group.arn, recipe.learns_from)
    for name in recipe.needs:
        if name not in found:
            raise invalid_input(f"Dataset group {group.arn} must have an {_NOUNS[name]} dataset.")
    for name, dataset in found.items():
        if name in recipe.needs or dataset.status in CREATING:
            require_active(dataset)
    return {name: dataset for name, dataset in found.items() if not _passes(dataset)}


def leave_out(transaction: Transaction, group_arn: str, dataset_type: str, columns: Iterable[str]) -> None:
    """Let what a group has already be trained without columns that are new in one of its datasets.

    Source: the guide's "Replacing a dataset's schema": they must be chosen by hand.
    """
    for one in (child for kind in (SOLUTION, RECOMMENDER) for child in transaction.children(group_arn, kind)):
        known: Mapping[str, Sequence[str]] = one.private.get(NEW_COLUMNS, {})
        there = sorted({*known.get(dataset_type, ()), *columns})
        transaction.merge_private(one.arn, {NEW_COLUMNS: {**known, dataset_type: there}})


def require_data(call: Call, needed: Resource) -> None:
    """Refuse to train where no interaction was ever imported or put, or no item if those are what is needed.

    Raises:
        ApiError: ``InvalidInputException``, of interactions with Amazon's text.
    """
    imported = call.transaction.child(needed.arn, DATASET_IMPORT_JOB, ("ACTIVE",), newer_than=needed.seq)
    if imported is None and not call.transaction.has_put(needed.seq):
        of_type = needed.body["datasetType"]
        others = " or EVENT_INTERACTIONS" if of_type == "INTERACTIONS" else ""
        raise invalid_input(
            f"Dataset group must contain an {of_type} dataset with successfully completed dataset import job{others}"
        )


def require_metadata(transaction: Transaction, group_arn: str) -> None:
    """Refuse to give metadata of items that have none.

    Raises:
        ApiError: ``InvalidInputException``.
    """
    if not has_metadata(transaction, group_arn):
        raise invalid_input(
            "enableMetadataWithRecommendations needs an Items dataset with metadata columns in "
            f"dataset group {group_arn}."
        )


def has_metadata(transaction: Transaction, group_arn: str) -> bool:
    """Return whether a group's items have columns beside their id."""
    items = schemas_of(transaction, transaction.datasets(group_arn, ("ITEMS",))).get("ITEMS")
    return items is not None and any(field.name != "ITEM_ID" for field in items.fields)


def _passes(dataset: Resource) -> bool:
    """Return whether a dataset is not there yet, or soon no more."""
    return dataset.status is None or dataset.status.startswith(("CREATE", "DELETE"))
