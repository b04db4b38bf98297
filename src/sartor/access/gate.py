"""Whether a caller may: each call's action, resource and facts, held against the caller's policies."""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from sartor.access.actions import NO_RESOURCE, named_by, passed_roles
from sartor.policies.facts import Facts, Values, known
from sartor.policies.principal import Principal, iso_time, tagged
from sartor.resources.kind_names import DATASET, EVENT_TRACKER
from sartor.resources.rules import tracking_name
from sartor.resources.store import Store
from sartor.wire.operations import Operation
from sartor.wire.sign import Caller, HttpRequest

#: The service as policies name it, and as a role is passed to it.
SERVICE: Final = "personalize"
_PASSED_TO: Final = "personalize.amazonaws.com"
#: Our own paths, beside Amazon's operations: ``sartor:Get`` and ``sartor:Post`` on what the path names.
_OWN: Final = "sartor"
_OWN_ROOT: Final = "/sartor/v1/"
#: So many tracking ids are remembered; they belong to one event tracker for ever.
_KNOWN_TRACKERS: Final = 10_000
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


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
            resource = (
                f"arn:aws:{_OWN}:{caller.region}:{caller.account}:{request.path.removeprefix(_OWN_ROOT)}"
            )
            action = f"{_OWN}:{'Post' if request.method == 'POST' else 'Get'}"
        else:
            resource = named_by(operation.name)(caller, members, self._tracked)
            action = f"{SERVICE}:{operation.name}"
        facts = self.facts(caller.principal, caller.region, request, members, resource)
        permissions.require(action, resource, facts)
        for role in passed_roles(members):  # "Granting a user permissions to pass a role to an AWS service"
            permissions.require("iam:PassRole", role, facts)

    def facts(
        self,
        principal: Principal,
        region: str,
        request: HttpRequest,
        members: Mapping[str, Any] = _NOTHING,
        resource: str = NO_RESOURCE,
        more: Mapping[str, str | None] = _NOTHING,
        brought: Mapping[str, str] = _NOTHING,
    ) -> Facts:
        """Return what is known of a request; each key is found when a policy asks for it.

        Args:
            principal: who asks.
            region: in which.
            request: as it came.
            members: of a call of the service models.
            resource: that it is about.
            more: further condition keys, in lower case.
            brought: tags that it brings, beside those of ``members``.
        """
        keys: dict[str, Callable[[], Values]] = {
            **principal.keys,
            "aws:currenttime": lambda: (iso_time(self._clock()),),
            "aws:epochtime": lambda: (str(int(self._clock())),),
            "aws:requestedregion": lambda: (region,),
            "aws:resourceaccount": lambda: (principal.account,),
            "aws:securetransport": lambda: ("true" if request.secure else "false",),
            "aws:sourceip": lambda: (request.client,) if request.client else None,
            "aws:useragent": lambda: _header(request, "user-agent"),
            "aws:referer": lambda: _header(request, "referer"),
            "aws:viaawsservice": lambda: ("false",),
            "aws:tagkeys": lambda: (*brought, *_request_tags(members)),
            "iam:passedtoservice": lambda: (_PASSED_TO,),
        }
        keys |= {key: known(value) for key, value in more.items() if value is not None}
        families: dict[str, Callable[[str], Values]] = {
            "aws:principaltag": principal.tag,
            "aws:requesttag": lambda name: tagged({**brought, **_request_tags(members)}, name),
            "aws:resourcetag": lambda name: tagged(self._tags(principal.account, resource), name),
        }
        return Facts(keys, families)

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


def _header(request: HttpRequest, name: str) -> Values:
    value = request.headers.get(name)
    return None if value is None else (value,)


def _request_tags(members: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags that a call brings, by key; of one that takes tags away the keys, without values."""
    tags = {str(tag.get("tagKey")): str(tag.get("tagValue")) for tag in members.get("tags") or ()}
    return tags | dict.fromkeys(members.get("tagKeys") or (), "")
