"""Updates: a resource stays as it was until they are done; most stay active, a dataset's status shows its own.

What an update will make of its resource is decided when it is asked for, and waits in ``private["update"]``:
members of the body and of what is private, and the ARNs that the resource names from then on. Its progress is
a member of the Describe answer, such as ``latestCampaignUpdate``.
"""

from collections.abc import Collection, Mapping
from typing import Any

from sartor.resources.kinds import KINDS, Kind, Lane
from sartor.resources.statuses import State, status_of
from sartor.resources.store import Resource, Transaction


def begin(
    transaction: Transaction,
    resource: Resource,
    now: float,
    *,
    shown: Mapping[str, Any],
    body: Mapping[str, Any],
    private: Mapping[str, Any] | None = None,
    parents: Collection[str] | None = None,
    lane: Lane | None = None,
) -> None:
    """Owe a resource an update.

    Args:
        transaction: the open transaction, one that writes.
        resource: which has no other work owed to it.
        now: epoch seconds.
        shown: the update's own members in the Describe answer.
        body: the members of the body that the update brings.
        private: what only Sartor knows of it from then on.
        parents: what the resource names from then on; ``None`` for what it names now. Until the update has
            ended it names the old and the new.
        lane: in which it waits, if not in that of its kind's updates.
    """
    kind = KINDS[resource.kind]
    old = transaction.parents(resource.arn)
    new = old if parents is None else list(parents)
    update = {"body": dict(body), "private": dict(private or {}), "parents": new, "parentsBefore": old}
    latest = {
        **shown,
        "status": status_of(kind.name, "update", "waiting"),
        "creationDateTime": now,
        "lastUpdatedDateTime": now,
    }
    transaction.replace_body(
        resource.arn,
        {**resource.body, kind.update_member: latest},
        {**resource.private, "update": update},
        resource.updated_at,
    )
    transaction.set_parents(resource.arn, [*old, *new])
    _show_status(transaction, kind, resource, "waiting", now)
    transaction.add_task(resource.arn, kind.name, "update", lane or kind.lane_of("update"))


def show(
    transaction: Transaction, resource: Resource, state: State, now: float, failure_reason: str | None = None
) -> None:
    """Show how an update goes on; one that is finished makes the resource what it is from now on.

    Args:
        transaction: the open transaction, one that writes.
        resource: as it is now.
        state: of the update's task.
        now: epoch seconds.
        failure_reason: why the update failed, if it did.
    """
    kind = KINDS[resource.kind]
    latest = {
        **resource.body[kind.update_member],
        "status": status_of(kind.name, "update", state),
        "lastUpdatedDateTime": now,
    }
    if failure_reason is not None:
        latest["failureReason"] = failure_reason
    body = {**resource.body, kind.update_member: latest}
    if state not in ("finished", "failed"):
        transaction.replace_body(resource.arn, body, resource.private, resource.updated_at)
        _show_status(transaction, kind, resource, state, now)
        return
    private = {**resource.private}
    update = private.pop("update")
    if state == "failed":
        transaction.replace_body(resource.arn, body, private, resource.updated_at)
        transaction.set_parents(resource.arn, update["parentsBefore"])
        _show_status(transaction, kind, resource, state, now)
        return
    transaction.replace_body(resource.arn, {**body, **update["body"]}, {**private, **update["private"]}, now)
    transaction.set_parents(resource.arn, update["parents"])
    transaction.set_status(resource.arn, status_of(kind.name, "create", "finished"), now)


def _show_status(transaction: Transaction, kind: Kind, resource: Resource, state: State, now: float) -> None:
    """Let the resource's own status say how its update goes on, where it does."""
    if not kind.updated_beside:
        # a dataset whose update failed is as good as before
        status = status_of(kind.name, "update", "finished" if state == "failed" else state)
        transaction.set_status(resource.arn, status, now)
