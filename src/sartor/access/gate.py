"""Whether a caller may: each call's action, resource and facts, held against the caller's policies."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from sartor.access import own_paths
from sartor.access.actions import named_by, passed_roles
from sartor.access.facts import CallFacts
from sartor.policies.principal import Principal
from sartor.resources.kind_names import DATASET, EVENT_TRACKER
from sartor.resources.rules import tracking_name
from sartor.resources.store import Store
from sartor.wire.operations import Operation
from sartor.wire.sign import Caller, HttpRequest

#: The service as policies name it.
SERVICE: Final = "personalize"
#: So many tracking ids are remembered; they belong to one event tracker for ever.
_KNOWN_TRACKERS: Final = 10_000


class Gate:
    """Lets pass what policies allow.

    Args:
        store: knows the tags of resources, and whose a tracking id is.
        clock: gives epoch seconds.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._trackers: dict[str, str] = {}

    def require(
        self, caller: Caller, operation: Operation | None, members: Mapping[str, Any], request: HttpRequest
    ) -> None:
        """Refuse a call that the caller's policies do not allow.

        Args:
            caller: who asks.
            operation: of the service models; ``None`` for one of our own paths.
            members: of the request.
            request: as it came.

        Raises:
            ApiError: ``AccessDeniedException``.
        """
        if caller.principal is None or caller.principal.permissions is None:
            return
        permissions = caller.principal.permissions
        if operation is None:
            action, resource = own_paths.named(request.method, request.path, caller.region, caller.account)
        else:
            resource = named_by(operation.name)(caller, members, self._tracked)
            action = f"{SERVICE}:{operation.name}"
        facts = self.facts(caller.principal, caller.region, request, members=members, resource=resource)
        permissions.require(action, resource, facts)
        for role in passed_roles(members):  # "Granting a user permissions to pass a role to an AWS service"
            permissions.require("iam:PassRole", role, facts)

    def facts(self, principal: Principal, region: str, request: HttpRequest, **more: Any) -> CallFacts:
        """Return what is known of a request.

        Args:
            principal: who asks.
            region: in which.
            request: as it came.
            **more: the other attributes of ``CallFacts``.
        """
        return CallFacts(
            principal, region, request, self._clock, partial(self._tags, principal.account), **more
        )

    def _tags(self, account: str, resource: str) -> Mapping[str, str]:
        """Return the tags of a resource of the caller's account."""
        if f":{account}:" not in resource:
            return {}
        with self._store.read() as transaction:
            return transaction.tags(resource)

    def _tracked(self, caller: Caller, tracking_id: str) -> str | None:
        """Return the ARN of the caller's event tracker, or of the dataset that is its own, with a tracking id."""
        found = self._trackers.get(tracking_id)
        if found is None:
            with self._store.read() as transaction:
                name = tracking_name(tracking_id)
                named = transaction.child(name, EVENT_TRACKER) or transaction.child(name, DATASET)
            if named is None:
                return None
            if len(self._trackers) >= _KNOWN_TRACKERS:
                self._trackers.clear()
            found = self._trackers[tracking_id] = named.arn
        return found if f":{caller.region}:{caller.account}:" in found else None
