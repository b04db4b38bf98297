"""The users of what is being trained: where a deletion finds them, however long the training takes.

They are stored as soon as they are read, and the row of the version or the recommender says where, beside what a
recommender goes on serving. A deletion replaces them there as it does in what is trained; what the training adds in the
end, it adds to whoever is left.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from sartor.data.training import TrainingRows
from sartor.errors import Stopped
from sartor.models.base import Histories, Model
from sartor.realtime import artifact, served_users
from sartor.realtime.served_users import Beforehand
from sartor.recipes import Serving
from sartor.resources import lifecycle
from sartor.resources.lifecycle import Task
from sartor.resources.stale_copies import DELETIONS
from sartor.resources.store import Resource, Transaction
from sartor.work.tools import Tools

#: Rows, and which state of which table they are of.
Rows = tuple[TrainingRows, dict[str, dict[str, int]]]
#: What a row has for Sartor: where the users of its artifact lie, and which jobs deleted how many of those it was
#: trained with; the same two of the artifact that is being made.
USERS, FORGOTTEN = "users", "forgotten"
COMING: Final = {USERS: "comingUsers", FORGOTTEN: "comingForgotten"}


class TrainedUsers:
    """The users of one attempt at a training.

    Args:
        task: of the training.
        folder: of the attempt's artifact.
        tools: the worker's.
        scratch: a local folder that is empty; it is empty again after each call.
    """

    def __init__(self, task: Task, folder: str, tools: Tools, scratch: Path) -> None:
        self._task = task
        self._folder = folder
        self._tools = tools
        self._scratch = scratch

    def reading(self, read: Callable[[], Rows]) -> Rows:
        """Return rows whose users are stored; they are read again if users were deleted meanwhile."""
        store, storage, group = (
            self._tools.store,
            self._tools.storage,
            self._task.resource.body["datasetGroupArn"],
        )
        delete_attempts(self._task, self._tools)  # they have what users did, and none can be the outcome
        while True:
            with store.read() as transaction:
                before = _deletions(transaction, group)
            rows, tables = read()
            place, nothing = served_users.new_place(self._folder), Beforehand()
            served_users.write(storage, place, rows.users, served_users.rows_of(rows), nothing, self._scratch)
            nobody: dict[str, Any] = {COMING[FORGOTTEN]: []}
            if self._keep(place, partial(_has_deletions, group, before), nobody):
                return rows, tables

    def keep_computed(self, model: Model, serving: Serving | None, keep_on: Callable[[], None]) -> None:
        """Store what is computed beforehand of the users who are left, of a model and how it will answer."""
        store, storage = self._tools.store, self._tools.storage
        while True:
            with store.read() as transaction:
                old = self._place(transaction)
            if old is None:
                raise Stopped(f"{self._task.arn} is gone")
            try:
                users, arrays, _ = served_users.read(storage, old)
            except FileNotFoundError:
                with store.read() as transaction:
                    if self._place(transaction) == old:
                        raise
                continue  # a deletion was quicker
            histories = Histories(arrays["item"], arrays["offsets"], arrays["time"])
            beforehand = artifact.computed(model, histories, serving, keep_on)
            place = served_users.new_place(self._folder)
            served_users.write(storage, place, users, arrays, beforehand, self._scratch)
            if self._keep(place, partial(self._is_at, old)):
                storage.delete_folder(old)
                return

    def take_over(self, transaction: Transaction) -> None:
        """Let the row serve the users who are left, in the transaction that ends the training."""
        found = transaction.get(self._task.arn)
        if found is not None:
            known = {name: found.private.get(coming) for name, coming in COMING.items()}
            transaction.merge_private(self._task.arn, {**known, **dict.fromkeys(COMING.values())})

    def _keep(
        self,
        place: str,
        holds: Callable[[Transaction], bool],
        more: Mapping[str, Any] = MappingProxyType({}),
    ) -> bool:
        """Write down where the users lie, or remove them if what they were made from is not as it was."""
        kept = False
        try:
            known = {COMING[USERS]: place, **more}
            kept = lifecycle.keep(self._tools.store, self._task, known, holds)
        finally:
            if not kept:
                self._tools.storage.delete_folder(place)
        return kept

    def _is_at(self, place: str, transaction: Transaction) -> bool:
        return self._place(transaction) == place

    def _place(self, transaction: Transaction) -> str | None:
        """Return where the row says that the users lie."""
        found = transaction.get(self._task.arn)
        return None if found is None else found.private.get(COMING[USERS])


def attempt_folder(resource: Resource, task_id: int, attempt: int) -> str:
    """Return where an attempt at a training stores what it makes; no other has it, nor one of another training."""
    return f"{resource.private['folder']}/{task_id}-{attempt}"


def delete_attempts(task: Task, tools: Tools) -> None:
    """Delete what earlier attempts at a training have left."""
    for attempt in range(1, task.attempt):
        tools.storage.delete_folder(attempt_folder(task.resource, task.id, attempt))


def _has_deletions(group: str, number: int, transaction: Transaction) -> bool:
    return _deletions(transaction, group) == number


def _deletions(transaction: Transaction, group: str) -> int:
    """Return how often users were deleted from the tables of a dataset group."""
    found = transaction.get(group)
    return 0 if found is None else int(found.private.get(DELETIONS, 0))
