"""``/sartor/v1/access``: keys, roles and their policies, and what policies would say of a request."""

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from sartor.access.administration import (
    ACTIVE,
    INACTIVE,
    ROLE_NAME,
    SESSION_SECONDS,
    checked,
    give,
    role_arn,
    set_active,
    shown_key,
    shown_role,
    trust_of_account,
)
from sartor.access.gate import Gate
from sartor.console import asked
from sartor.errors import ApiError, invalid_input, not_found
from sartor.keys import AccessKey, KeyRefused, Keys, Role, new_role
from sartor.policies.documents import PolicyRefused, Sort
from sartor.policies.principal import Principal
from sartor.policies.simulation import Assumed, simulate, why
from sartor.resources import audit
from sartor.resources.call import lock_of
from sartor.resources.store import Store
from sartor.wire.sign import Caller, HttpRequest

_BELOW: Final = "/sartor/v1/access/"
_ACTION: Final = re.compile(r"[A-Za-z0-9-]+:[A-Za-z0-9]+")
#: The most documents of one key or role.
_MOST_DOCUMENTS: Final = 10
#: What a simulated session of a role is called.
_SESSION: Final = "simulated"


@dataclass(frozen=True)
class AccessPages:
    """Answers for one service.

    Attributes:
        store: the metadata database, which keeps who changed what.
        keys: of the service.
        gate: knows the facts of a request.
    """

    store: Store
    keys: Keys
    gate: Gate

    def answer(self, caller: Caller, request: HttpRequest, path: str) -> dict[str, Any] | None:
        """Return the answer to a request, ``None`` if it is for no page of this module.

        Raises:
            ApiError: it names what is not the caller's, or has a fault; ``MalformedPolicyDocument`` says where.
        """
        if not path.startswith(_BELOW):
            return None
        posts, below = request.method == "POST", path.removeprefix(_BELOW)
        for answers_posts, pattern, answering in _ANSWERS:
            found = pattern.fullmatch(below) if answers_posts is posts else None
            if found is not None:
                if posts and caller.principal is None and answering is not AccessPages._simulate:
                    raise _nobody_signs()
                return answering(self, caller, request, *found.groups())
        return None

    # keys

    def _list_keys(self, caller: Caller, _request: HttpRequest) -> dict[str, Any]:
        """Return the keys of the caller's account, oldest first, with the number of their policies."""
        found = [_counted(shown_key(one)) for one in self.keys.all() if one.account == caller.account]
        return {"keys": found}

    def _show_key(self, caller: Caller, _request: HttpRequest, access_key_id: str) -> dict[str, Any]:
        return shown_key(self._key(caller, access_key_id))

    def _make_key(self, caller: Caller, request: HttpRequest) -> dict[str, Any]:
        """Make a pair; this is the one answer that has its secret."""
        documents = _documents(asked.body(request, "Policies").get("policies", []))
        key = self.keys.add(caller.account, documents)
        answer = {"accessKeyId": key.access_key_id}
        self._record(caller, "CreateAccessKey", {"policies": list(documents)}, answer)
        return {**answer, "secretAccessKey": key.secret_access_key, "account": key.account}

    def _set_key_policies(self, caller: Caller, request: HttpRequest, access_key_id: str) -> dict[str, Any]:
        key = self._key(caller, access_key_id)
        documents = _documents(asked.body(request, "Policies").get("policies", []))
        if not give(self.keys, key, documents):
            raise not_found(access_key_id)
        members = {"accessKeyId": access_key_id, "policies": list(documents)}
        self._record(caller, "PutUserPolicy", members, {})
        return shown_key(self._key(caller, access_key_id))

    def _set_key_status(self, caller: Caller, request: HttpRequest, access_key_id: str) -> dict[str, Any]:
        key = self._key(caller, access_key_id)
        status = asked.body(request, "KeyStatus")["status"]
        if status not in (ACTIVE, INACTIVE):
            raise invalid_input(f"status must be {ACTIVE} or {INACTIVE}.")
        if not set_active(self.keys, key, status == ACTIVE):
            raise not_found(access_key_id)
        answer = {"accessKeyId": access_key_id, "status": status}
        self._record(caller, "UpdateAccessKey", answer, {})
        return answer

    def _delete_key(self, caller: Caller, _request: HttpRequest, access_key_id: str) -> dict[str, Any]:
        if not self.keys.revoke(self._key(caller, access_key_id).access_key_id):
            raise not_found(access_key_id)
        answer = {"accessKeyId": access_key_id}
        self._record(caller, "DeleteAccessKey", answer, {})
        return answer

    def _key(self, caller: Caller, access_key_id: str) -> AccessKey:
        """Return a key of the caller's account, as it is now."""
        for key in self.keys.all():
            if (key.access_key_id, key.account) == (access_key_id, caller.account):
                return key
        raise not_found(access_key_id)

    # roles

    def _list_roles(self, caller: Caller, _request: HttpRequest) -> dict[str, Any]:
        """Return the roles of the caller's account, with the number of their policies."""
        found = [_counted(shown_role(one)) for one in self.keys.roles() if one.account == caller.account]
        return {"roles": found}

    def _show_role(self, caller: Caller, _request: HttpRequest, name: str) -> dict[str, Any]:
        return shown_role(self._role(caller, name))

    def _make_role(self, caller: Caller, request: HttpRequest) -> dict[str, Any]:
        members = asked.body(request, "RoleCreation")
        if not ROLE_NAME.fullmatch(members["name"]):
            raise invalid_input(
                "name must be up to 64 letters, digits and _+=,.@-, perhaps with a path before it."
            )
        seconds = members.get("maxSessionSeconds", SESSION_SECONDS[0])
        if not SESSION_SECONDS[0] <= seconds <= SESSION_SECONDS[1]:
            raise invalid_input(
                f"maxSessionSeconds must be from {SESSION_SECONDS[0]} to {SESSION_SECONDS[1]}."
            )
        documents = _documents(members.get("policies", []))
        trust = (
            _document(members["trust"], "trust") if members.get("trust") else trust_of_account(caller.account)
        )
        role = new_role(role_arn(members["name"], caller.account), trust, documents, seconds)
        try:
            self.keys.add_role(role)
        except KeyRefused as refused:
            raise ApiError("ResourceAlreadyExistsException", str(refused)) from None
        self._record(caller, "CreateRole", {**members, "trust": trust}, {"arn": role.arn})
        return shown_role(role)

    def _set_role_policies(self, caller: Caller, request: HttpRequest, name: str) -> dict[str, Any]:
        role = self._role(caller, name)
        documents = _documents(asked.body(request, "Policies").get("policies", []))
        if not give(self.keys, role, documents):
            raise not_found(role.arn)
        self._record(caller, "PutRolePolicy", {"roleArn": role.arn, "policies": list(documents)}, {})
        return shown_role(self._role(caller, name))

    def _set_trust(self, caller: Caller, request: HttpRequest, name: str) -> dict[str, Any]:
        role = self._role(caller, name)
        trust = _document(asked.body(request, "Trust")["trust"], "trust")
        if not self.keys.set_trust(role.arn, trust):
            raise not_found(role.arn)
        self._record(caller, "UpdateAssumeRolePolicy", {"roleArn": role.arn, "trust": trust}, {})
        return shown_role(self._role(caller, name))

    def _delete_role(self, caller: Caller, _request: HttpRequest, name: str) -> dict[str, Any]:
        role = self._role(caller, name)
        if not self.keys.remove_role(role.arn):
            raise not_found(role.arn)
        answer = {"roleArn": role.arn}
        self._record(caller, "DeleteRole", answer, {})
        return answer

    def _role(self, caller: Caller, name: str) -> Role:
        """Return a role of the caller's account, as it is now."""
        arn = role_arn(name, caller.account)
        for role in self.keys.roles():
            if role.arn == arn:
                return role
        raise not_found(arn)

    # what policies would say

    def _simulate(self, caller: Caller, request: HttpRequest) -> dict[str, Any]:
        """Return what the policies of a key or role, or drafts of them, say of an action on a resource."""
        members = asked.body(request, "Simulation")
        action, resource = members["action"].strip(), members.get("resource", "").strip() or "*"
        if not _ACTION.fullmatch(action):
            raise invalid_input(
                "action must be a service's name and an action: personalize:GetRecommendations."
            )
        if resource != "*" and not resource.startswith("arn:"):
            raise invalid_input("resource must be an ARN, or * for an action that is about none.")
        if ("accessKeyId" in members) is ("roleName" in members):
            raise invalid_input("Name a key by accessKeyId, or a role by roleName.")
        found: AccessKey | Role
        if "accessKeyId" in members:
            found = self._key(caller, members["accessKeyId"])
            principal, is_active = found.principal, found.is_active
        else:
            found = self._role(caller, members["roleName"])
            principal, is_active = _session_of(found), True
        drafts = members.get("policies")
        texts = _as_shown(found.documents) if drafts is None else drafts
        _documents(texts)
        facts = self.gate.facts(principal, caller.region, request, resource=resource)
        assumed = Assumed(facts, {key: [value] for key, value in members.get("context", {}).items()})
        said = simulate(tuple(texts), action, resource, assumed)
        if not is_active:
            return {
                "decision": "explicitDeny",
                "why": ["The key is disabled: nothing that it signs is taken."],
            }
        if not texts and isinstance(found, AccessKey):
            return {"decision": "allowed", "why": ["A key without a policy may do all in its account."]}
        return {**asdict(said), "why": why(said, action)}

    def _record(
        self, caller: Caller, name: str, members: Mapping[str, Any], answer: Mapping[str, Any]
    ) -> None:
        """Keep who changed keys or roles, which may lie beside the database, as soon as they are changed."""
        record = audit.own_record_of(caller, name, members, answer, time.time())
        with self.store.write(lock_of(caller.account, caller.region)) as transaction:
            transaction.append_audit(caller.account, caller.region, record)


#: Answers a request with what its path names.
_Answering = Callable[..., dict[str, Any]]
#: Who answers each path: for a POST, or for what only reads.                               <- add a path
_ANSWERS: Final[Sequence[tuple[bool, re.Pattern[str], _Answering]]] = tuple(
    (posts, re.compile(path), answering)
    for posts, path, answering in (
        (False, r"keys", AccessPages._list_keys),
        (False, r"keys/([^/]+)", AccessPages._show_key),
        (True, r"keys", AccessPages._make_key),
        (True, r"keys/([^/]+)/policies", AccessPages._set_key_policies),
        (True, r"keys/([^/]+)/status", AccessPages._set_key_status),
        (True, r"keys/([^/]+)/delete", AccessPages._delete_key),
        (False, r"roles", AccessPages._list_roles),
        (False, r"roles/(.+)", AccessPages._show_role),
        (True, r"roles", AccessPages._make_role),
        (True, r"roles/(.+)/policies", AccessPages._set_role_policies),
        (True, r"roles/(.+)/trust", AccessPages._set_trust),
        (True, r"roles/(.+)/delete", AccessPages._delete_role),
        (True, r"simulation", AccessPages._simulate),
    )
)


def _nobody_signs() -> ApiError:
    return ApiError(
        "AccessDeniedException",
        "Nobody signs with --auth open, so nobody may change keys and roles here: use `sartor keys` and "
        "`sartor roles` on the server's machine.",
    )


def _counted(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a list has of a key or a role: how many policies it has in their place, and no trust."""
    return {name: one for name, one in shown.items() if name != "trust"} | {
        "policies": len(shown["policies"])
    }


def _documents(texts: Sequence[str]) -> tuple[str, ...]:
    """Return policy documents as they are kept.

    Raises:
        ApiError: ``MalformedPolicyDocument``, or there are too many.
    """
    if len(texts) > _MOST_DOCUMENTS:
        raise invalid_input(f"A key or a role has at most {_MOST_DOCUMENTS} policies.")
    return tuple(
        _document(text, "identity", f"Policy {at}, " if len(texts) > 1 else "")
        for at, text in enumerate(texts, 1)
    )


def _document(text: str, sort: Sort, which: str = "") -> str:
    try:
        return checked(text, sort)
    except PolicyRefused as refused:
        place = f"line {refused.line}, column {refused.column}"
        message = f"{which}{place}: {refused}"
        raise ApiError("MalformedPolicyDocument", message[:1].upper() + message[1:]) from None


def _as_shown(documents: Iterable[str]) -> list[str]:
    """Return documents with the lines that people see."""
    return [json.dumps(json.loads(text), indent=2, ensure_ascii=False) for text in documents]


def _session_of(role: Role) -> Principal:
    """Return who a session of a role would be."""
    arn = f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{_SESSION}"
    return Principal(role.account, arn, f"{role.role_id}:{_SESSION}", role.arn)
