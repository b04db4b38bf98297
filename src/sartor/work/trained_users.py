"""The users of a version that is being trained: where a deletion finds them, however long the training takes.

They are stored as soon as they are read, and the version's row says where. A deletion replaces them there as it does
in versions that are trained; what the training adds in the end, it adds to whoever is left.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from sartor.data.training import TrainingRows
from sartor.errors import Stopped
from sartor.models.base import Histories, Model
from sartor.realtime import served_users
from sartor.resources import lifecycle
from sartor.resources.lifecycle import Task
from sartor.resources.stale_copies import DELETIONS
from sartor.resources.store import Transaction
from sartor.work.tools import Tools

#: Rows, and which state of which table they are of.
Rows = tuple[TrainingRows, dict[str, dict[str, int]]]
#: What a version's row has for Sartor: where its users lie.
USERS = "users"


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
        for attempt in range(1, self._task.attempt):  # they have what users did, and none can be the outcome
            storage.delete_folder(f"{self._task.resource.private['folder']}/{attempt}")
        while True:
            with store.read() as transaction:
                before = _deletions(transaction, group)
            rows, tables = read()
            place = served_users.new_place(self._folder)
            served_users.write(storage, place, rows.users, served_users.rows_of(rows), None, self._scratch)
            if self._keep(place, partial(_has_deletions, group, before)):
                return rows, tables

    def keep_states(self, model: Model, keep_on: Callable[[], None]) -> None:
        """Store what a model computes beforehand of the users who are left."""
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
            states = model.states(Histories(arrays["item"], arrays["offsets"], arrays["time"]), keep_on)
            place = served_users.new_place(self._folder)
            served_users.write(storage, place, users, arrays, states, self._scratch)
            if self._keep(place, partial(self._is_at, old)):
                storage.delete_folder(old)
                return

    def _keep(self, place: str, holds: Callable[[Transaction], bool]) -> bool:
        """Write down where the users lie, or remove them if what they were made from is not as it was."""
        kept = False
        try:
            kept = lifecycle.keep(self._tools.store, self._task, {USERS: place}, holds)
        finally:
            if not kept:
                self._tools.storage.delete_folder(place)
        return kept

    def _is_at(self, place: str, transaction: Transaction) -> bool:
        return self._place(transaction) == place

    def _place(self, transaction: Transaction) -> str | None:
        """Return where the version's row says that the users lie."""
        version = transaction.get(self._task.arn)
        return None if version is None else version.private.get(USERS)


def _has_deletions(group: str, number: int, transaction: Transaction) -> bool:
    return _deletions(transaction, group) == number


def _deletions(transaction: Transaction, group: str) -> int:
    """Return how often users were deleted from the tables of a dataset group."""
    found = transaction.get(group)
    return 0 if found is None else int(found.private.get(DELETIONS, 0))
