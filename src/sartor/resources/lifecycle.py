"""The one life of every resource: work is claimed, kept by heartbeat, and ends as finished or failed.

A claim carries a lease. Whoever holds it may renew it and end the task; whoever lost it changes nothing more,
because every statement names the worker and the attempt. A lapsed lease lets the next worker claim the task.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sartor import clock
from sartor.errors import Damaged, Stopped, already_exists
from sartor.resources import campaigns, updates
from sartor.resources.call import Call, Draft, lock_of
from sartor.resources.kind_names import CAMPAIGN, SOLUTION_VERSION
from sartor.resources.kinds import KINDS, Kind
from sartor.resources.statuses import UNSEEN, State, Verb, status_of
from sartor.resources.store import Duplicate, Resource, Store, TaskRow, Transaction

__all__ = [
    "MAX_ATTEMPTS",
    "STOP",
    "Outcome",
    "Task",
    "Verb",
    "begin",
    "claim",
    "fail",
    "finish",
    "give_up",
    "heartbeat",
    "keep",
    "make_way",
    "owe",
    "release",
    "status_of",
    "stopped",
    "tell_to_stop",
    "told_to_stop",
]

LOG = logging.getLogger("sartor.lifecycle")

#: How often a task is begun before it is given up.
MAX_ATTEMPTS: Final = 5
#: How often, and how long after another, it is asked whether a task is done that nobody can tell of now, in seconds.
_ASKED_AGAIN: Final = 60
ASKED_AGAIN_SECONDS: Final = 30.0
#: The status of what was told to stop; its work ends as stopped, however it ends.
_STOPPING: Final = status_of(SOLUTION_VERSION, "create", "stopping")
_WHEN_STOPPING: Final[Mapping[State, State]] = {
    "running": "stopping",
    "finished": "stopped",
    "failed": "stopped",
    "stopped": "stopped",
}
#: What Sartor keeps with a job that was told to stop, for which the service has no status: who told it.
STOP: Final = "stop"
#: What Sartor keeps with a resource whose newest work that shows in no status failed: why, by the verb.
FAILED: Final = "trainingFailed"
DESCRIPTION_FAILED: Final = "descriptionFailed"
VERIFICATION_FAILED: Final = "verificationFailed"
_FAILED: Final[Mapping[str, str]] = {
    "train": FAILED,
    "describe": DESCRIPTION_FAILED,
    "verify": VERIFICATION_FAILED,
}
#: What else begins when a task is finished, in the transaction that finishes it.
_AFTERWARDS: Final[Mapping[tuple[str, str], Callable[[Transaction, Resource, float], None]]] = {
    (SOLUTION_VERSION, "create"): campaigns.follow_latest,
    (CAMPAIGN, "create"): campaigns.catch_up,
    (CAMPAIGN, "update"): campaigns.catch_up,
}


@dataclass(frozen=True)
class Task:
    """One piece of work for one resource, leased to one worker.

    Attributes:
        id: its number.
        arn: whose work it is.
        kind: the resource's kind.
        verb: what is done for it.
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


@dataclass(frozen=True)
class Outcome:
    """What a piece of work makes of its resource; all of it is written in the transaction that ends the task.

    Attributes:
        body: members that its Describe answer gets.
        private: what Sartor keeps with it from now on.
        removes: the ARNs of what goes with it.
        also: what else is written; it opens no transaction of its own.
    """

    body: Mapping[str, Any] = field(default_factory=dict)
    private: Mapping[str, Any] = field(default_factory=dict)
    removes: tuple[str, ...] = ()
    also: Callable[[Transaction], None] | None = None


#: What a resource's ``private`` calls the number of a task, and the trace that it belongs to.
_TRACE: Final = "trace"
#: Of work that changes nothing but the status.
_DONE: Final = Outcome()


def begin(call: Call, kind: Kind, draft: Draft) -> None:
    """Write a resource that a rule has allowed, with what it names, its tags and its task, all or nothing.

    Args:
        call: in a transaction that writes.
        kind: of the resource.
        draft: as the rule gave it in this transaction.

    Raises:
        ApiError: ``ResourceAlreadyExistsException``.
    """
    state: State = "finished" if kind.created_at_once else "waiting"
    status = None if kind.lane is None else status_of(kind.name, "create", state)
    transaction = call.transaction
    try:
        transaction.add(_written(call, kind.name, draft, status), draft.parents)
        for name, one in draft.also.items():
            if transaction.get(one.arn) is None:
                transaction.add(_written(call, name, one, "ACTIVE"), one.parents)
    except Duplicate:
        raise already_exists(draft.arn) from None
    transaction.set_tags(draft.arn, draft.tags)
    if kind.lane is not None and not kind.created_at_once:
        owe(transaction, draft.arn, kind.name, "create")


def _written(call: Call, kind: str, draft: Draft, status: str | None) -> Resource:
    """Return a draft as the resource that is written."""
    return Resource(
        draft.arn,
        kind,
        call.account,
        call.region,
        draft.name,
        status,
        draft.body,
        draft.private,
        created_at=call.now,
        updated_at=call.now,
    )


def owe(transaction: Transaction, arn: str, kind: str, verb: Verb) -> None:
    """Write a task in the same transaction as the resource whose work it is."""
    transaction.add_task(arn, kind, verb, KINDS[kind].lane_of(verb))


def trace(transaction: Transaction, traceparent: str) -> None:
    """Keep whose trace the work belongs to that this transaction gave."""
    for arn, task in transaction.owed.items():
        transaction.merge_private(arn, {_TRACE: [task, traceparent]})


def traceparent_of(task: Task) -> str | None:
    """Return the trace of the request that gave a task; what came after that task's end is of none."""
    number, traceparent = task.resource.private.get(_TRACE, (None, None))
    return traceparent if number == task.id else None


def make_way(transaction: Transaction, arn: str) -> bool:
    """Drop work that nobody asked for, which comes again by itself; return whether no other work is owed."""
    owed = transaction.task(arn)
    if owed is not None and owed.verb in UNSEEN:
        transaction.drop_task(owed.id)
        return True
    return owed is None


def claim(
    store: Store,
    worker: str,
    lanes: Sequence[str],
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
        if not store.task_due(lanes, now):
            return None  # the usual answer; an idle worker never takes the write lock
        task = _claim_one(store, worker, lanes, now, lease_seconds)
        if task is None:
            return None
        if _must_stop(task.resource):  # it was told to while another worker had it
            stopped(store, task, settled)
        elif task.attempt <= MAX_ATTEMPTS:
            return task
        else:
            reason = f"Internal error. The work was begun {MAX_ATTEMPTS} times and never ended."
            give_up(store, task, reason, settled, now)


def give_up(
    store: Store,
    task: Task,
    reason: str,
    settled: Callable[[Task], bool] | None,
    now: float | None = None,
) -> bool:
    """End a task that failed: well, if its outcome stands all the same, such as data that is committed.

    While storage does not answer nobody can tell; then it is asked again later, for a long time.

    Returns:
        False if the lease is lost; then nothing has changed.
    """
    moment = time.time() if now is None else now
    try:
        stands = settled is not None and settled(task)
    except Damaged as damage:
        stands, reason = False, damage.reason
    except Exception:
        LOG.exception("whether %s is done cannot be told now", task.arn)
        if task.attempt < MAX_ATTEMPTS + _ASKED_AGAIN:
            return heartbeat(store, task, moment, ASKED_AGAIN_SECONDS)
        stands = False
    return finish(store, task, now=now) if stands else fail(store, task, reason, now)


def _claim_one(
    store: Store, worker: str, lanes: Sequence[str], now: float, lease_seconds: float
) -> Task | None:
    """Lease one task and show it on its resource, both or neither."""
    with store.write() as transaction:
        while (row := transaction.claim_task(worker, lanes, now, now + lease_seconds)) is not None:
            resource = transaction.get(row.arn)
            if resource is None:  # who removed it left its work: no lane may wait for that
                LOG.warning("%s is gone; nothing is owed to it any more", row.arn)
                transaction.end_task(row.id, worker, row.attempt)
                continue
            task = _task(row, worker, resource)
            _show(transaction, task, resource, "running", _moment(now))
            return task
        return None


def _task(row: TaskRow, worker: str, resource: Resource) -> Task:
    """Return the task of a row that this worker has just claimed."""
    return Task(row.id, row.arn, row.kind, row.verb, row.attempt, worker, resource, row.progress)


def heartbeat(
    store: Store, task: Task, now: float, lease_seconds: float, progress: Mapping[str, Any] | None = None
) -> bool:
    """Renew a lease, with what the work has done so far; false if it is lost and the work must stop."""
    with store.write() as transaction:
        return transaction.renew_task(task.id, task.worker, task.attempt, now + lease_seconds, progress)


def keep(
    store: Store,
    task: Task,
    private: Mapping[str, Any],
    holds: Callable[[Transaction], bool] = lambda _transaction: True,
) -> bool:
    """Write down in the middle of a task what its next attempt, or other work, must know.

    Args:
        store: the metadata database.
        task: as ``claim`` gave it.
        private: what Sartor keeps with the resource from now on.
        holds: asked in the same transaction whether what this was made from is as it was.

    Returns:
        False if it is not; then nothing has changed.

    Raises:
        Stopped: the lease is lost; then nothing has changed.
    """
    with _ending(store, task) as transaction:
        if not transaction.holds_task(task.id, task.worker, task.attempt):
            raise Stopped
        if not holds(transaction):
            return False
        transaction.merge_private(task.arn, private)
        return True


def finish(store: Store, task: Task, outcome: Outcome = _DONE, now: float | None = None) -> bool:
    """End a task well: the resource is active, or gone after a deletion.

    Args:
        store: the metadata database.
        task: as ``claim`` gave it.
        outcome: what the work made.
        now: epoch seconds; the clock's if not given.

    Returns:
        False if the lease is lost; then nothing has changed.
    """
    with _ending(store, task) as transaction:
        if not transaction.end_task(task.id, task.worker, task.attempt):
            return False
        for arn in outcome.removes:
            transaction.remove(arn)
        if outcome.also is not None:
            outcome.also(transaction)
        resource = transaction.get(task.arn)
        if task.verb == "delete":
            transaction.remove(task.arn)
        elif resource is not None:
            moment = _moment(now)
            resource = replace(
                resource,
                body={**resource.body, **outcome.body},
                private={**resource.private, **outcome.private},
            )
            transaction.replace_body(task.arn, resource.body, resource.private, moment)
            _show(transaction, task, resource, "finished", moment)
            afterwards = _AFTERWARDS.get((task.kind, task.verb))
            if afterwards is not None:
                afterwards(transaction, resource, moment)
        return True


def fail(store: Store, task: Task, reason: str, now: float | None = None) -> bool:
    """End a task badly: the resource's status says failed and ``failureReason`` says why.

    Returns:
        False if the lease is lost; then nothing has changed.
    """
    return _end(store, task, "failed", now, _clean(reason))


def stopped(
    store: Store, task: Task, settled: Callable[[Task], bool] | None = None, now: float | None = None
) -> bool:
    """End a task that was told to stop; a job whose outcome stands already is done well.

    Args:
        store: the metadata database.
        task: as ``claim`` gave it.
        settled: asked about a job whether its outcome stands.
        now: epoch seconds; the clock's if not given.

    Returns:
        False if the lease is lost; then nothing has changed.
    """
    resource = store.get(task.arn)
    if resource is not None and STOP in resource.private:
        return give_up(store, task, _stopped_by(resource.private[STOP]), settled, now)
    return _end(store, task, "stopped", now)


def told_to_stop(store: Store, task: Task) -> bool:
    """Return whether a caller wants a task to end; also when its resource is gone."""
    with store.read() as transaction:
        resource = transaction.get(task.arn)
    return resource is None or _must_stop(resource)


def _must_stop(resource: Resource) -> bool:
    return resource.status == _STOPPING or STOP in resource.private


def tell_to_stop(transaction: Transaction, job: Resource, who: str, now: float) -> None:
    """Let a job end as failed: at once if it waits, else as soon as its work hears of it, unless that is done by then.

    Args:
        transaction: that writes, with the lock of the job's account.
        job: which waits or runs.
        who: tells it to, for the reason that it will have.
        now: epoch seconds.
    """
    transaction.merge_private(job.arn, {STOP: who})
    owed = transaction.task(job.arn)
    is_new = owed is not None and owed.attempt == 0  # else an attempt may have done it all the same
    if is_new and transaction.drop_waiting_task(job.arn):
        transaction.set_status(job.arn, status_of(job.kind, "create", "failed"), now, _stopped_by(who))


def _stopped_by(who: str) -> str:
    return f"The job was stopped by {who}. Nothing of it is kept."


def _end(store: Store, task: Task, state: State, now: float | None, reason: str | None = None) -> bool:
    """End a task that made nothing."""
    with _ending(store, task) as transaction:
        if not transaction.end_task(task.id, task.worker, task.attempt):
            return False
        resource = transaction.get(task.arn)
        if resource is not None:
            _show(transaction, task, resource, state, _moment(now), reason)
        return True


def _ending(store: Store, task: Task) -> AbstractContextManager[Transaction]:
    """Give the transaction that ends a task; no call of its account decides anything meanwhile."""
    return store.write(lock_of(task.resource.account, task.resource.region))


def _show(
    transaction: Transaction,
    task: Task,
    resource: Resource,
    state: State,
    now: float,
    reason: str | None = None,
) -> None:
    """Show a task's state on its resource."""
    if task.verb in UNSEEN:
        if state == "failed":
            transaction.merge_private(task.arn, {_FAILED[task.verb]: reason})
        return
    if task.verb == "update":
        updates.show(transaction, resource, state, now, reason)
        return
    if resource.status == _STOPPING:
        state, reason = _WHEN_STOPPING[state], None
    status = status_of(task.kind, task.verb, state)
    if resource.status != status:
        transaction.set_status(task.arn, status, now, reason)


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
    return round(clock.now() if now is None else now, 3)
