"""Copies of parts that users were deleted from: each process drops its own, within a moment of the deletion."""

from sartor.data.blobs import Blobs
from sartor.resources.kind_names import DATASET_GROUP
from sartor.resources.store import Store

#: What a group's row has for Sartor: how often users were deleted from its tables.
DELETIONS = "deletions"


class StaleCopies:
    """What one process has copied from a bucket and is there no longer.

    Args:
        store: the metadata database.
        storage: where tables lie.
    """

    def __init__(self, store: Store, storage: Blobs) -> None:
        self._store = store
        self._storage = storage
        self._deletions: dict[str, int] | None = None

    def look(self) -> None:
        """Drop the copies of groups that had a deletion since the last look."""
        if not self._storage.makes_copies:
            return
        now = {group.arn: int(group.private.get(DELETIONS, 0)) for group in self._store.every(DATASET_GROUP)}
        known = now if self._deletions is None else self._deletions
        for arn, number in now.items():
            if number > known.get(arn, 0):
                for dataset in self._store.datasets(arn).values():
                    if "table" in dataset.private:
                        self._storage.drop_stale(dataset.private["table"].rpartition("/")[0])
        self._deletions = now
