"""The one life of every resource: work is claimed, kept by heartbeat, and ends as finished or failed.

A claim carries a lease. Whoever holds it may renew it and end the task; whoever lost it changes nothing more,
because every statement names the worker and the attempt. A lapsed lease lets the next worker claim the task.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from sartor.resources.store import Resource, Store, TaskRow, Transaction

Verb = Literal["create", "update", "delete"]
State = Literal["waiting", "running", "finished", "failed"]

#: How often a task is begun before it is given up.
MAX_ATTEMPTS: Final = 5

#: What a task's state makes of its resource's status. A deletion that fails leaves a resource that must not
#: be used any more but can be deleted again: ``CREATE FAILED`` is the one status of the service that says so.
STATUS: Final[Mapping[tuple[str, State], str]] = {
    ("create", "waiting"): "CREATE PENDING",
    ("create", "running"): "CREATE IN_PROGRESS",
    ("create", "finished"): "ACTIVE",
    ("create", "failed"): "CREATE FAILED",
    ("update", "waiting"): "UPDATE PENDING",
    ("update", "running"): "UPDATE IN_PROGRESS",
    ("update", "finished"): "ACTIVE",
    ("update", "failed"): "ACTIVE",
    ("delete", "waiting"): "DELETE PENDING",
    ("delete", "running"): "DELETE IN_PROGRESS",
    ("delete", "failed"): "CREATE FAILED",
}
#: Data deletion jobs alone have words of their own.
_DELETION_JOB_STATUS: Final[Mapping[State, str]] = {
    "waiting": "PENDING",
    "running": "IN_PROGRESS",
    "finished": "COMPLETED",
    "failed": "FAILED",
}


def status_of(kind: str, verb: str, state: State) -> str:
    """Return the status of a resource of this kind while its task is in this state."""
    return _DELETION_JOB_STATUS[state] if kind == "data-deletion-job" else STATUS[verb, state]


@dataclass(frozen=True)
class Task:
    """One piece of work for one resource, leased to one worker.

    Attributes:
        id: its number.
        arn: whose work it is.
        kind: the resource's kind.
        verb: ``create``, ``update`` or ``delete``.
        attempt: how often it has been claimed, this time included.
        worker: who holds the lease.
        resource: the resource as it was at the claim.
        progress: what the attempt before this one had reached, if it said so.
    """

    id: int
    arn: str
    kind: str
    verb: str
    attempt: int
    worker: str
    resource: Resource
    progress: dict[str, Any] | None


def owe(transaction: Transaction, arn: str, kind: str, verb: Verb, lane: str) -> None:
    """Write a task in the same transaction as the resource whose work it is."""
    transaction.add_task(arn, kind, verb, lane)


def claim(
    store: Store,
    worker: str,
    lanes: Collection[str],
    now: float,
    lease_seconds: float,
    settled: Callable[[Task], bool] | None = None,
) -> Task | None:
    """Lease the oldest due task and set its resource's status to in progress.

    Args:
        store: the metadata database.
        worker: a name that no other worker has.
        lanes: the lanes that this worker serves, such as ``quick``.
        now: epoch seconds.
        lease_seconds: how long the lease holds without a heartbeat.
        settled: asked about a task that was begun ``MAX_ATTEMPTS`` times and never ended: whether its outcome
            stands already, such as data that is committed. Then it is finished, else it has failed.

    Returns:
        The task, or ``None`` when nothing is due.
    """
    while True:
        with store.read() as transaction:
            if not transaction.task_due(lanes, now):
                return None  # the usual answer; an idle worker never takes the write lock
        task = _claim_one(store, worker, lanes, now, lease_seconds)
        if task is None:
            return None
        if task.attempt <= MAX_ATTEMPTS:
            return task
        if settled is not None and settled(task):
            finish(store, task)
        else:
            fail(store, task, f"Internal error. The work was begun {MAX_ATTEMPTS} times and never ended.")


def _claim_one(
    store: Store, worker: str, lanes: Collection[str], now: float, lease_seconds: float
) -> Task | None:
    """Lease one task and show it on its resource, both or neither."""
    with store.write() as transaction:
        row = transaction.claim_task(worker, lanes, now, now + lease_seconds)
        if row is None:
            return None
        resource = transaction.get(row.arn)
        if resource is None:
            raise LookupError(f"Task {row.id} is for {row.arn}, which does not exist.")
        status = status_of(row.kind, row.verb, "running")
        if resource.status != status:
            transaction.set_status(row.arn, status, _moment(now))
        return _task(row, worker, resource)


def _task(row: TaskRow, worker: str, resource: Resource) -> Task:
    """Return the task of a row that this worker has just claimed."""
    return Task(row.id, row.arn, row.kind, row.verb, row.attempt, worker, resource, row.progress)


def heartbeat(
    store: Store, task: Task, now: float, lease_seconds: float, progress: Mapping[str, Any] | None = None
) -> bool:
    """Renew a lease, with what the work has done so far; false if it is lost and the work must stop."""
    with store.write() as transaction:
        return transaction.renew_task(task.id, task.worker, task.attempt, now + lease_seconds, progress)


def finish(
    store: Store, task: Task, private: Mapping[str, Any] | None = None, now: float | None = None
) -> bool:
    """End a task well: the resource is active, or gone after a deletion.

    Args:
        store: the metadata database.
        task: as ``claim`` gave it.
        private: what Sartor keeps with the resource from now on.
        now: epoch seconds; the clock's if not given.

    Returns:
        False if the lease is lost; then nothing has changed.
    """
    with store.write() as transaction:
        if not transaction.end_task(task.id, task.worker, task.attempt):
            return False
        if task.verb == "delete":
            transaction.remove(task.arn)
            return True
        status = status_of(task.kind, task.verb, "finished")
        transaction.set_status(task.arn, status, _moment(now))
        if private:
            transaction.merge_private(task.arn, private)
        return True


def fail(store: Store, task: Task, reason: str, now: float | None = None) -> bool:
    """End a task badly: the resource's status says failed and ``failureReason`` says why.

    Returns:
        False if the lease is lost; then nothing has changed.
    """
    with store.write() as transaction:
        if not transaction.end_task(task.id, task.worker, task.attempt):
            return False
        status = status_of(task.kind, task.verb, "failed")
        transaction.set_status(task.arn, status, _moment(now), _clean(reason))
        return True


def release(store: Store, task: Task) -> bool:
    """Give a task back undone, as a worker does that is told to stop; the next claim takes it at once.

    The attempt does not count: a service that is restarted often gives up no work.

    Returns:
        False if the lease is lost; then nothing has changed.
    """
    with store.write() as transaction:
        return transaction.give_back_task(task.id, task.worker, task.attempt)


def _clean(reason: str) -> str:
    """Return a reason that every database can keep: a cell of a broken file may hold anything."""
    return reason.encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _moment(now: float | None) -> float:
    """Return ``now`` or the clock's, in epoch seconds with milliseconds as the service gives them."""
    return round(time.time() if now is None else now, 3)
