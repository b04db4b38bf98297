"""Temporary credentials: signed tokens that say all of a session, so that no server remembers any.

A token is a body and its authentication code; the secret key that goes with it is derived from the body. Whoever
shares the service's secret opens it. It ends with its time, with the key that it came from, and with its role.
"""

import base64
import binascii
import hmac
import secrets
import string
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import orjson

from sartor.errors import ApiError
from sartor.keys import TEMPORARY, AccessKey, Keys, Role
from sartor.policies.permissions import IDENTITY, SESSION, Permissions, Policies, policies_of
from sartor.policies.principal import Principal
from sartor.wire.sign import Signer

#: What a token of this form begins with; a later form begins otherwise.
_FORM: Final = b"\x01"
_CODE_BYTES: Final = 32
_LONGEST_TOKEN: Final = 16_384
_LONGEST_BODY: Final = 2**20
_ID_LETTERS: Final = string.ascii_uppercase + "234567"
#: So many opened tokens are remembered.
_KNOWN: Final = 4096
INVALID: Final = "The security token included in the request is invalid."
EXPIRED: Final = "The security token included in the request is expired"


@dataclass(frozen=True)
class Grant:
    """What a token says.

    Attributes:
        account: whose resources it sees.
        parent: the id of the key that it came from at first; empty for one that came from an identity provider.
        parent_mark: tells that key from another pair that got its id.
        role_arn: of its role; empty for a session of the key's own.
        role_id: of that role, which one that was made anew does not have.
        name: of the session.
        issued_at: epoch seconds.
        expires_at: epoch seconds.
        policies: documents that it was narrowed to; none does not narrow it.
        tags: of the session.
        others: condition keys that it was made with, in lower case.
        access_key_id: of its key pair.
    """

    account: str
    parent: str
    parent_mark: str
    role_arn: str
    role_id: str
    name: str
    issued_at: float
    expires_at: float
    policies: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    access_key_id: str = field(
        default_factory=lambda: TEMPORARY + "".join(secrets.choice(_ID_LETTERS) for _ in range(16))
    )

    @property
    def arn(self) -> str:
        """The session's own ARN."""
        if not self.role_arn:
            return user_arn(self.account, self.parent)
        return f"arn:aws:sts::{self.account}:assumed-role/{self.role_arn.rpartition('/')[2]}/{self.name}"

    @property
    def user_id(self) -> str:
        """IAM's unique id of who has the session."""
        return f"{self.role_id}:{self.name}" if self.role_arn else self.parent


@dataclass(frozen=True)
class Issued:
    """New temporary credentials."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expires_at: float


@dataclass(frozen=True)
class _Session:
    """Who signs with temporary credentials, as long as key and role are what they were."""

    grant: Grant
    secret_access_key: str
    principal: Principal
    key: AccessKey | None
    role: Role | None

    @property
    def access_key_id(self) -> str:
        return self.grant.access_key_id

    @property
    def account(self) -> str:
        return self.grant.account


class Sessions:
    """Makes and opens tokens; safe to share between threads.

    Args:
        secret: of the service, which all its servers share.
        keys: of the service.
    """

    def __init__(self, secret: bytes, keys: Keys) -> None:
        self._code_key = hmac.digest(secret, b"session token", "sha256")
        self._secret_key = hmac.digest(secret, b"session secret", "sha256")
        self._mark_key = hmac.digest(secret, b"session parent", "sha256")
        self._keys = keys
        self._turn = threading.Lock()
        self._known: dict[str, _Session] = {}

    def issue(self, grant: Grant) -> Issued:
        """Return the credentials of a grant."""
        body = _FORM + zlib.compress(orjson.dumps(asdict(grant)))
        token = base64.b64encode(body + self._code(body)).decode()
        return Issued(grant.access_key_id, self._secret(body), token, grant.expires_at)

    def mark(self, key: AccessKey) -> str:
        """Return what tells a key from another pair with its id."""
        return hmac.digest(self._mark_key, key.secret_access_key.encode(), "sha256").hex()[:16]

    def signer(self, access_key_id: str, token: str | None, now: float) -> Signer | None:
        """Return who signs with a key, lasting or temporary; ``None`` if nobody knows it.

        Args:
            access_key_id: of the pair.
            token: of temporary credentials.
            now: epoch seconds.

        Raises:
            ApiError: ``UnrecognizedClientException`` or ``ExpiredTokenException``.
        """
        if not token:
            return self._active(access_key_id)
        session = self._known.get(token)
        if session is None or not self._is_as_it_was(session):
            session = self._opened(token)
        if session.access_key_id != access_key_id:
            raise ApiError("UnrecognizedClientException", INVALID)
        if now >= session.grant.expires_at:
            raise ApiError("ExpiredTokenException", EXPIRED)
        return session

    def grant_of(self, token: str) -> Grant:
        """Return what a token says that ``signer`` has taken."""
        return self._opened(token).grant

    def _active(self, access_key_id: str) -> AccessKey | None:
        """Return a key that may sign."""
        key = self._keys.get(access_key_id)
        return key if key is not None and key.is_active else None

    def _is_as_it_was(self, session: _Session) -> bool:
        """Return whether key and role are the same objects as when the token was opened."""
        grant = session.grant
        return (not grant.parent or self._keys.get(grant.parent) is session.key) and (
            not grant.role_arn or self._keys.role(grant.role_arn) is session.role
        )

    def _opened(self, token: str) -> _Session:
        """Open a token.

        Raises:
            ApiError: ``UnrecognizedClientException``: it is not of this service, or what it came from is gone.
        """
        body = self._body(token)
        grant = None if body is None else _grant(body)
        session = None if body is None or grant is None else self._session(grant, self._secret(body))
        if session is None:
            raise ApiError("UnrecognizedClientException", INVALID)
        with self._turn:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            self._known[token] = session
        return session

    def _body(self, token: str) -> bytes | None:
        """Return the body of a token of this service."""
        if len(token) > _LONGEST_TOKEN:
            return None
        try:
            raw = base64.b64decode(token, validate=True)
        except (binascii.Error, ValueError):
            return None
        body, code = raw[:-_CODE_BYTES], raw[-_CODE_BYTES:]
        return body if body[:1] == _FORM and hmac.compare_digest(code, self._code(body)) else None

    def _session(self, grant: Grant, secret: str) -> _Session | None:
        """Return who signs, ``None`` if the key or the role is gone."""
        key = self._active(grant.parent) if grant.parent else None
        if grant.parent and (key is None or self.mark(key) != grant.parent_mark):
            return None
        role = self._keys.role(grant.role_arn) if grant.role_arn else None
        if grant.role_arn and (role is None or role.role_id != grant.role_id):
            return None
        return _Session(grant, secret, _principal(grant, key, role), key, role)

    def _code(self, body: bytes) -> bytes:
        return hmac.digest(self._code_key, body, "sha256")

    def _secret(self, body: bytes) -> str:
        return base64.b64encode(hmac.digest(self._secret_key, body, "sha256")).decode()[:40]


def user_arn(account: str, name: str) -> str:
    """Return the ARN of a user, which is what a key is."""
    return f"arn:aws:iam::{account}:user/{name}"


def _grant(body: bytes) -> Grant | None:
    """Return what a body says; we wrote it, perhaps in a later version."""
    try:
        text = zlib.decompressobj().decompress(body[1:], _LONGEST_BODY)
        members: dict[str, Any] = orjson.loads(text)
        return Grant(**{**members, "policies": tuple(members["policies"])})
    except (zlib.error, ValueError, TypeError, KeyError):
        return None


def _principal(grant: Grant, key: AccessKey | None, role: Role | None) -> Principal:
    layers: dict[str, Policies] = {}
    if role is not None:
        layers[IDENTITY] = policies_of(role.policies)
    elif key is not None and key.policies:
        layers[IDENTITY] = policies_of(key.policies)
    if grant.policies:
        layers[SESSION] = policies_of(grant.policies)
    return Principal(
        grant.account,
        grant.arn,
        grant.user_id,
        None if role is None else role.arn,
        Permissions(grant.arn, layers) if layers else None,
        grant.issued_at,
        grant.tags,
        grant.others,
    )


#: What gives the time, in epoch seconds.
Clock = Callable[[], float]
SYSTEM_CLOCK: Final[Clock] = time.time
