"""``/sartor/v1``: what there is of every kind, and what is at work, what waits and for what."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sartor import __version__
from sartor.console import asked
from sartor.errors import invalid_input
from sartor.resources.kinds import KINDS
from sartor.resources.naming import called, short_name
from sartor.resources.statuses import UNSEEN
from sartor.resources.store import Resource, Store, TaskRow, Transaction
from sartor.wire.sign import Caller, HttpRequest

_MOST: Final = 1000


@dataclass(frozen=True)
class ResourcePages:
    """Answers for one service.

    Attributes:
        store: the metadata database.
    """

    store: Store

    def answer(self, caller: Caller, request: HttpRequest, path: str) -> dict[str, Any] | None:
        """Return the answer to a request, ``None`` if it is for no page of this module.

        Raises:
            ApiError: ``InvalidInputException``: the query has a fault.
        """
        if request.method == "POST":
            return None
        if path == "/sartor/v1/resources":
            return self._resources(caller, request.parameters)
        if path == "/sartor/v1/status":
            return self._status(caller)
        return None

    def _resources(self, caller: Caller, query: Mapping[str, str]) -> dict[str, Any]:
        """Return the caller's newest resources by kind, or those of a name."""
        limit = asked.number(query, "limit", 100, _MOST)
        kinds, name = _kinds(query.get("kinds")), query.get("name")
        with self.store.read() as transaction:
            if name is not None:
                found = called(transaction, kinds, caller.account, caller.region, name)
            else:
                found = [
                    one
                    for kind in kinds
                    for one in transaction.page(kind, caller.account, caller.region, limit=limit)
                ]
        return {"resources": [shown(one) for one in found]}

    def _status(self, caller: Caller) -> dict[str, Any]:
        """Return how many resources there are, and the work that is owed to the caller's, oldest first."""
        now = time.time()
        with self.store.read() as transaction:
            counts = {kind: transaction.count(kind, caller.account, caller.region) for kind in KINDS}
            owed = transaction.tasks()
            work = [
                work_of(task, resource, owed, now)
                for task in owed
                if (resource := _own(transaction, task, caller)) is not None
            ]
        return {
            "version": __version__,
            "resources": {kind: count for kind, count in counts.items() if count},
            "work": work,
        }


def _kinds(wanted: str | None) -> Sequence[str]:
    """Return the kinds that a query names, or all.

    Raises:
        ApiError: ``InvalidInputException``: there is no such kind.
    """
    kinds = list(KINDS) if wanted is None else wanted.split(",")
    for kind in kinds:
        if kind not in KINDS:
            raise invalid_input(f"kinds must be some of {', '.join(KINDS)}, not {kind[:100]!r}.")
    return kinds


def shown(resource: Resource) -> dict[str, Any]:
    """Return a resource as lists have it."""
    shown: dict[str, Any] = {
        "kind": resource.kind,
        "name": short_name(resource),
        "arn": resource.arn,
        "createdAt": resource.created_at,
        "updatedAt": resource.updated_at,
    }
    if resource.status is not None:
        shown["status"] = resource.status
    if resource.failure_reason is not None:
        shown["failureReason"] = resource.failure_reason
    return shown


def _own(transaction: Transaction, task: TaskRow, caller: Caller) -> Resource | None:
    """Return a task's resource if it is the caller's."""
    resource = transaction.get(task.arn)
    if resource is None or (resource.account, resource.region) != (caller.account, caller.region):
        return None
    return resource


def work_of(task: TaskRow, resource: Resource, owed: Sequence[TaskRow], now: float) -> dict[str, Any]:
    """Return a piece of work: since when it runs, or waits and for what."""
    shown: dict[str, Any] = {
        "arn": task.arn,
        "kind": task.kind,
        "name": short_name(resource),
        "verb": task.verb,
        "lane": task.lane,
        "state": "running" if _runs(task, now) else "waiting",
        "attempt": task.attempt,
        "progress": task.progress or {},
    }
    if task.verb not in UNSEEN:  # what nobody asked for leaves its resource as it is
        shown["seconds"] = round(max(now - resource.updated_at, 0.0), 1)
    if _runs(task, now):
        return shown
    beside = [one for one in owed if one.lane == task.lane]
    running = [one for one in beside if _runs(one, now)]
    own = f":{resource.region}:{resource.account}:"
    return {
        **shown,
        "waitsFor": [one.arn for one in running if own in one.arn],
        "running": len(running),  # those of other accounts too, which have no names here
        "before": sum(one.id < task.id and not _runs(one, now) for one in beside),
    }


def _runs(task: TaskRow, now: float) -> bool:
    """Return whether a worker holds a task."""
    return task.worker is not None and task.leased_until > now
