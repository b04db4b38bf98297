"""A dataset's records, from its resource: what jobs, chores, pages and answers read and write."""

from dataclasses import dataclass
from pathlib import Path

from sartor.data import schema
from sartor.data.blobs import Blobs
from sartor.data.dataset import DatasetRecords
from sartor.data.schema import Schema
from sartor.errors import JobFailed
from sartor.resources.store import Resource, Store


@dataclass(frozen=True)
class Means:
    """What is needed to reach records and artifacts: one value a process.

    Attributes:
        store: the metadata database.
        storage: where tables and models are kept.
        scratch: a local folder for what need not survive.
        memory_bytes: how much memory one job or look at a dataset may use for its tables.
    """

    store: Store
    storage: Blobs
    scratch: Path
    memory_bytes: int


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
