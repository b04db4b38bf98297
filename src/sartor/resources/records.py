"""A dataset's records, from its resource: what jobs, chores, pages and answers read and write."""

from pathlib import Path
from typing import Protocol

from sartor.data import schema
from sartor.data.blobs import Blobs
from sartor.data.dataset import DatasetRecords
from sartor.data.schema import Schema
from sartor.errors import JobFailed
from sartor.resources.store import Resource, Store


class Means(Protocol):
    """What is needed to reach records."""

    @property
    def store(self) -> Store:
        """The metadata database."""

    @property
    def storage(self) -> Blobs:
        """Where tables are kept."""

    @property
    def scratch(self) -> Path:
        """A local folder for what need not survive."""

    @property
    def memory_bytes(self) -> int:
        """How much memory a query may use."""


def records_of(dataset: Resource, means: Means) -> DatasetRecords:
    """Return the records of a dataset, under the schema that it has now.

    Raises:
        JobFailed: the dataset was deleted meanwhile.
    """
    return DatasetRecords(
        means.storage,
        dataset.private["table"].rpartition("/")[0],
        dataset.seq,
        schema_of(dataset, means.store),
        means.store.put_records,
        means.memory_bytes,
        means.scratch,
    )


def schema_of(dataset: Resource, store: Store) -> Schema:
    """Return the schema that a dataset has now.

    Raises:
        JobFailed: it was deleted meanwhile.
    """
    found = store.get(dataset.body["schemaArn"])
    if found is None:
        raise JobFailed(f"Dataset {dataset.arn} no longer exists.")
    return schema.parse(found.body["schema"], found.body.get("domain"))


def datasets_of(group_arn: str, store: Store) -> dict[str, Resource]:
    """Return the datasets of a group by type; the hidden one of events is none of them."""
    with store.read() as transaction:
        return {one.body["datasetType"]: one for one in transaction.children(group_arn, "dataset")}
