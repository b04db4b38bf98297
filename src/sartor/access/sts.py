"""A small STS: who asks, and temporary credentials (AWS Security Token Service API Reference, version 2011-06-15)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sartor.access.gate import Gate
from sartor.access.oidc import Identity, Issuers
from sartor.access.sessions import Clock, Grant, Sessions
from sartor.access.trust import Candidate, Trust, federated, trust_of, user
from sartor.errors import ApiError
from sartor.keys import Keys, Role
from sartor.policies.documents import PolicyRefused, compile_document
from sartor.policies.facts import Facts
from sartor.policies.permissions import IDENTITY
from sartor.policies.principal import Principal
from sartor.wire.query import Query
from sartor.wire.sign import Caller, HttpRequest

Members = dict[str, Any]
#: The service's name in signatures and in policies.
SERVICE: Final = "sts"
ASSUME: Final = "sts:AssumeRole"
ASSUME_WITH_TOKEN: Final = "sts:AssumeRoleWithWebIdentity"
#: How long sessions live unless told otherwise, and one that was made by another at most, in seconds.
_ROLE_SECONDS: Final = 3600
_KEY_SECONDS: Final = 43_200
_CHAINED_SECONDS: Final = 3600
#: The longest document that a session can be narrowed to, in characters.
_LONGEST_POLICY: Final = 2048
#: The claims of an identity token that a trust policy can ask for, behind the issuer's name.
_CLAIMS: Final = ("aud", "sub", "amr", "azp", "email", "oaud")


class Sts:
    """Answers the actions of STS.

    Args:
        keys: of the service.
        sessions: makes and opens tokens.
        issuers: the identity providers that are trusted.
        gate: knows the facts of a request.
        clock: gives epoch seconds.
    """

    def __init__(self, keys: Keys, sessions: Sessions, issuers: Issuers, gate: Gate, clock: Clock) -> None:
        self._keys = keys
        self._sessions = sessions
        self._issuers = issuers
        self._gate = gate
        self._clock = clock

    @property
    def actions(self) -> Mapping[str, Query]:
        """The actions by name."""
        return {
            "GetCallerIdentity": Query(self.get_caller_identity),
            "GetSessionToken": Query(self.get_session_token),
            "AssumeRole": Query(self.assume_role),
            "AssumeRoleWithWebIdentity": Query(self.assume_role_with_web_identity, signed=False),
        }

    def get_caller_identity(self, caller: Caller | None, _members: Members, _request: HttpRequest) -> Members:
        """Say who asks; nobody needs a permission for it."""
        principal = _principal(caller)
        return {"UserId": principal.user_id, "Account": principal.account, "Arn": principal.arn}

    def get_session_token(self, caller: Caller | None, members: Members, _request: HttpRequest) -> Members:
        """Make temporary credentials of a key, which may what the key may."""
        principal, now = _principal(caller), self._clock()
        _refuse_mfa(members)
        if principal.issued_at is not None:
            raise _denied("Cannot call GetSessionToken with session credentials")
        key = self._keys.get(principal.user_id)
        if key is None:
            raise _denied("Cannot call GetSessionToken without a key: --auth open needs none")
        seconds = members.get("DurationSeconds", _KEY_SECONDS)
        mark = self._sessions.mark(key)
        grant = Grant(principal.account, key.access_key_id, mark, "", "", "", now, now + seconds)
        return {"Credentials": self._credentials(grant)}

    def assume_role(self, caller: Caller | None, members: Members, request: HttpRequest) -> Members:
        """Make temporary credentials of a role, for who may assume it."""
        assert caller is not None
        principal = _principal(caller)
        _refuse_mfa(members)
        tags = {str(tag["Key"]): str(tag["Value"]) for tag in members.get("Tags", ())}
        asked = {
            "sts:externalid": members.get("ExternalId"),
            "sts:rolesessionname": members["RoleSessionName"],
            "sts:sourceidentity": members.get("SourceIdentity"),
        }
        facts = self._gate.facts(principal, caller.region, request, more=asked, brought=tags)
        role = self._keys.role(members["RoleArn"])
        actions = [ASSUME]
        actions += ["sts:TagSession"] if tags else []
        actions += ["sts:SetSourceIdentity"] if members.get("SourceIdentity") else []
        for action in actions:
            self._require_trust(principal, role, members["RoleArn"], action, facts)
        assert role is not None
        chained = principal.role_arn is not None
        seconds = members.get("DurationSeconds", min(_ROLE_SECONDS, role.max_session_seconds))
        if chained and seconds > _CHAINED_SECONDS:
            raise _wrong(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
            )
        parent, mark = self._parent(principal, request)
        others = {
            "aws:sourceidentity": members.get("SourceIdentity") or principal.others.get("aws:sourceidentity")
        }
        granted = self._granted(role, members, seconds, (parent, mark), tags, others)
        return granted | (
            {"SourceIdentity": members["SourceIdentity"]} if members.get("SourceIdentity") else {}
        )

    def assume_role_with_web_identity(
        self, _caller: Caller | None, members: Members, request: HttpRequest
    ) -> Members:
        """Make temporary credentials of a role, for whom an identity provider vouches."""
        if "ProviderId" in members:
            raise _wrong(
                "ProviderId is for OAuth 2.0 access tokens, which are not taken: send an OpenID Connect token."
            )
        identity = self._issuers.identity(members["WebIdentityToken"])
        role = self._keys.role(members["RoleArn"])
        region = "us-east-1"
        nobody = Principal("", "", "")
        known = _of_identity(identity) | {"sts:rolesessionname": members["RoleSessionName"]}
        if role is not None:
            provider = f"arn:aws:iam::{role.account}:oidc-provider/{identity.provider}"
            known["aws:federatedprovider"] = provider
            facts = self._gate.facts(nobody, region, request, more=known)
            trust = trust_of(role.trust, ASSUME_WITH_TOKEN, federated(provider), facts)
        if role is None or trust != "named":
            raise _denied(f"Not authorized to perform {ASSUME_WITH_TOKEN}")
        seconds = members.get("DurationSeconds", min(_ROLE_SECONDS, role.max_session_seconds))
        others = {key: value for key, value in known.items() if not key.startswith("sts:")}
        granted = self._granted(role, members, seconds, ("", ""), {}, others)
        return {
            **granted,
            "SubjectFromWebIdentityToken": identity.subject,
            "Audience": identity.audience,
            "Provider": identity.issuer,
        }

    def _require_trust(
        self, principal: Principal, role: Role | None, role_arn: str, action: str, facts: Facts
    ) -> None:
        """Refuse who may not assume a role; whether there is such a role is not told."""
        candidate: Candidate = user(principal.account, principal.arn, principal.role_arn)
        trust: Trust = "denied" if role is None else trust_of(role.trust, action, candidate, facts)
        if trust in ("denied", "unmentioned"):
            raise _denied(
                f"User: {principal.arn} is not authorized to perform: {action} on resource: {role_arn}"
            )
        if principal.permissions is None:
            return
        # a role of one's own account that names its caller needs no policy of the caller, but heeds a deny
        named = trust == "named" and role is not None and role.account == principal.account
        layers = principal.permissions.layers
        if named and layers.get(IDENTITY) and layers[IDENTITY].verdict(action, role_arn, facts) != "denied":
            return
        principal.permissions.require(action, role_arn, facts)

    def _parent(self, principal: Principal, request: HttpRequest) -> tuple[str, str]:
        """Return the key that a session comes from at first, and its mark."""
        token = request.headers.get("x-amz-security-token") or request.parameters.get("X-Amz-Security-Token")
        if token and principal.issued_at is not None:
            grant = self._sessions.grant_of(token)
            return grant.parent, grant.parent_mark
        key = self._keys.get(principal.user_id)
        return (key.access_key_id, self._sessions.mark(key)) if key is not None else ("", "")

    def _granted(
        self,
        role: Role,
        members: Members,
        seconds: int,
        parent: tuple[str, str],
        tags: Mapping[str, str],
        others: Mapping[str, str | None],
    ) -> Members:
        """Return what AssumeRole and its kin answer."""
        if seconds > role.max_session_seconds:
            raise _wrong("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
        now = self._clock()
        policies = _session_policies(members)
        grant = Grant(
            role.account,
            *parent,
            role.arn,
            role.role_id,
            members["RoleSessionName"],
            now,
            now + seconds,
            policies,
            dict(tags),
            {key: value for key, value in others.items() if value is not None},
        )
        answer: Members = {
            "Credentials": self._credentials(grant),
            "AssumedRoleUser": {"AssumedRoleId": grant.user_id, "Arn": grant.arn},
        }
        packed = sum(map(len, (*policies, *tags, *tags.values())))
        return answer | (
            {"PackedPolicySize": max(1, packed * 100 // (2 * _LONGEST_POLICY))} if packed else {}
        )

    def _credentials(self, grant: Grant) -> Members:
        issued = self._sessions.issue(grant)
        return {
            "AccessKeyId": issued.access_key_id,
            "SecretAccessKey": issued.secret_access_key,
            "SessionToken": issued.session_token,
            "Expiration": issued.expires_at,
        }


def _principal(caller: Caller | None) -> Principal:
    """Return who asks; where nobody need sign, the account itself."""
    assert caller is not None
    return caller.principal or Principal(
        caller.account, f"arn:aws:iam::{caller.account}:root", caller.account
    )


def _of_identity(identity: Identity) -> dict[str, str | None]:
    """Return the condition keys of an identity, such as ``token.actions.githubusercontent.com:sub``."""
    said = {name: identity.claims.get(name) for name in _CLAIMS} | {
        "aud": identity.claims.get("azp") or identity.audience
    }
    return {
        f"{identity.provider}:{name}".lower(): value for name, value in said.items() if isinstance(value, str)
    }


def _session_policies(members: Members) -> tuple[str, ...]:
    """Return what a session is narrowed to."""
    if members.get("PolicyArns"):
        raise _wrong("PolicyArns: this service has no managed policies; send the document as Policy.")
    text = members.get("Policy")
    if text is None:
        return ()
    if len(text) > _LONGEST_POLICY:
        raise ApiError(
            "PackedPolicyTooLarge",
            f"Packed policy consumes {len(text) * 100 // _LONGEST_POLICY}% of "
            "allotted space, please use smaller policy.",
        )
    try:
        compile_document(text)
    except PolicyRefused as refused:
        raise ApiError("MalformedPolicyDocument", str(refused)) from None
    return (text,)


def _refuse_mfa(members: Mapping[str, Any]) -> None:
    named: Sequence[str] = [name for name in ("SerialNumber", "TokenCode") if members.get(name)]
    if named:
        raise _denied(
            "MultiFactorAuthentication failed with invalid MFA one time pass code: no key has a device here."
        )


def _denied(words: str) -> ApiError:
    return ApiError("AccessDeniedException", words)


def _wrong(words: str) -> ApiError:
    return ApiError("InvalidInputException", words)
