"""A dataset group's datasets and their schemas, as the rules of what is built on them see them."""

from collections.abc import Mapping
from typing import Final

from sartor.data import schema
from sartor.data.schema import Schema
from sartor.errors import invalid_input
from sartor.resources.call import keep_active
from sartor.resources.kinds import CREATING
from sartor.resources.store import Resource, Transaction

#: The types of the datasets that recommenders of items learn from.
TRAINED_TYPES: Final = ("INTERACTIONS", "ITEMS", "USERS")
#: What people call those that a training cannot do without.
_NOUNS: Final = {"INTERACTIONS": "Item interactions", "ITEMS": "Items"}


def schemas_of(transaction: Transaction, datasets: Mapping[str, Resource]) -> dict[str, Schema]:
    """Return the schemas of datasets, by type."""
    found = {name: transaction.get(dataset.body["schemaArn"]) for name, dataset in datasets.items()}
    return {
        name: schema.parse(stored.body["schema"], stored.body.get("domain"))
        for name, stored in found.items()
        if stored is not None
    }


def trained_datasets(
    transaction: Transaction, group: Resource, needed: str = "INTERACTIONS"
) -> dict[str, Resource]:
    """Return the datasets that a solution of the group is trained on, by type.

    Args:
        transaction: any.
        group: the dataset group.
        needed: the type of the one that must be there.

    Raises:
        ApiError: ``InvalidInputException`` when it is not, ``ResourceInUseException`` when it is not active or
            another is being created.
    """
    found = transaction.datasets(group.arn, TRAINED_TYPES)
    if needed not in found:
        raise invalid_input(f"Dataset group {group.arn} must have an {_NOUNS[needed]} dataset.")
    for name, dataset in found.items():
        if name == needed or dataset.status in CREATING:
            keep_active(dataset)
    return {name: dataset for name, dataset in found.items() if not _passes(dataset)}


def has_metadata(transaction: Transaction, group_arn: str) -> bool:
    """Return whether a group's items have columns beside their id."""
    items = schemas_of(transaction, transaction.datasets(group_arn, ("ITEMS",))).get("ITEMS")
    return items is not None and any(field.name != "ITEM_ID" for field in items.fields)


def _passes(dataset: Resource) -> bool:
    """Return whether a dataset is not there yet, or soon no more."""
    return dataset.status is None or dataset.status.startswith(("CREATE", "DELETE"))
