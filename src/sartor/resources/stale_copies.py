"""Copies of files that users were deleted from: each machine drops its own, within a moment of the deletion."""

import time
from typing import Final

from sartor.data.blobs import Blobs
from sartor.resources.kind_names import DATASET_GROUP
from sartor.resources.store import Store

#: What a group's row has for Sartor: how often users were deleted from its tables, and how often from all other files.
DELETIONS: Final = "deletions"
ERASURES: Final = "erasures"
#: What else is gone, such as a dataset that was deleted elsewhere, is looked for so often, in seconds.
_PERIOD_SECONDS: Final = 3600.0


class StaleCopies:
    """What this machine has copied from a bucket and is there no longer.

    Args:
        store: the metadata database.
        storage: where tables and models lie.
    """

    def __init__(self, store: Store, storage: Blobs) -> None:
        self._store = store
        self._storage = storage
        self._deletions: dict[str, tuple[int, int]] | None = None
        self._next_at = 0.0

    def look(self) -> None:
        """Drop what is stale if there was a deletion since the last look; the first one may come after some."""
        if not self._storage.makes_copies:
            return
        now = {
            group.arn: (int(group.private.get(DELETIONS, 0)), int(group.private.get(ERASURES, 0)))
            for group in self._store.every(DATASET_GROUP)
        }
        if now != self._deletions or time.monotonic() >= self._next_at:
            self._storage.drop_stale()
            self._next_at = time.monotonic() + _PERIOD_SECONDS
        self._deletions = now
