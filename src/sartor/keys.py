"""The access keys and the roles of a service: who may sign, for which account, and what they may do.

Those of one machine lie in a file. Where machines share a database they lie there: see ``resources.key_table``.
"""

import json
import os
import re
import secrets
import string
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Protocol

from sartor.errors import Unavailable
from sartor.once import Once
from sartor.policies.permissions import IDENTITY, Permissions, policies_of
from sartor.policies.principal import Principal

#: The name of the file in a data folder.
KEY_FILE: Final = "keys.json"
#: How long a revoked key may still be accepted, in seconds; it saves a look at the file for most requests.
STALE_SECONDS = 0.02
#: The member of the file that says where the keys lie instead.
_DATABASE: Final = "database"
#: What an id may be that people bring; signatures set it between slashes and commas.
_ID: Final = re.compile(r"[A-Za-z0-9_-]{3,128}")
#: What a secret may be that people bring: printable, without spaces, not guessed at once.
_SECRET: Final = re.compile(r"[!-~]{8,128}")
#: How ids of temporary credentials begin, which are nothing without their token.
TEMPORARY: Final = "ASIA"
#: The policy that a key has while it is disabled, as Amazon's AWSDenyAll.
_DENIES: Final = {"Sid": "Disabled", "Effect": "Deny", "Action": "*", "Resource": "*"}
DENY_ALL: Final = json.dumps({"Version": "2012-10-17", "Statement": [_DENIES]})
_ID_LETTERS = string.ascii_uppercase + "234567"
_SECRET_LETTERS = string.ascii_letters + string.digits + "+/"


@dataclass(frozen=True)
class AccessKey:
    """A key pair and the account that it signs for; the secret never shows in a ``repr``.

    Attributes:
        access_key_id: the public half.
        secret_access_key: the secret half.
        account: whose key it is.
        policies: documents that say what it may do; without one it may do all in its account.
    """

    access_key_id: str
    secret_access_key: str
    account: str
    policies: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"AccessKey({self.access_key_id!r}, account={self.account!r})"

    @cached_property
    def is_active(self) -> bool:
        """Whether it may sign at all."""
        return DENY_ALL not in self.policies

    @property
    def documents(self) -> tuple[str, ...]:
        """Its policies but for the one that disables it."""
        return tuple(one for one in self.policies if one != DENY_ALL)

    @cached_property
    def principal(self) -> Principal:
        """Who signs with it: a user who is called as the key is."""
        arn = f"arn:aws:iam::{self.account}:user/{self.access_key_id}"
        layers = {IDENTITY: policies_of(self.policies)} if self.policies else {}
        return Principal(
            self.account, arn, self.access_key_id, permissions=Permissions(arn, layers) if layers else None
        )


@dataclass(frozen=True)
class Role:
    """What callers may become for a while.

    Attributes:
        arn: ``arn:aws:iam::ACCOUNT:role/NAME``, perhaps with a path before the name.
        role_id: another one for a role that is made anew.
        trust: the document that says who may assume it.
        policies: documents that say what it may do; without one nothing.
        max_session_seconds: the longest life of its sessions.
    """

    arn: str
    role_id: str
    trust: str
    policies: tuple[str, ...] = ()
    max_session_seconds: int = 3600

    @property
    def account(self) -> str:
        """Whose it is."""
        return self.arn.split(":")[4]

    @property
    def documents(self) -> tuple[str, ...]:
        """Its policies."""
        return self.policies

    @property
    def name(self) -> str:
        """Its name without the path."""
        return self.arn.rpartition("/")[2]


class KeysError(Unavailable, ValueError):
    """The file of keys is gone or cannot be understood; the message says what to do."""


class KeyRefused(ValueError):  # noqa: N818 - it says what became of the key
    """A key pair that people brought cannot be taken; the message says why."""


class Keys(Protocol):
    """The keys of one service; safe to share between threads and processes. Every call may raise ``Unavailable``."""

    def get(self, access_key_id: str) -> AccessKey | None:
        """Return the key of this id, or ``None``; an added one is known at once, a revoked one soon no more."""

    def all(self) -> list[AccessKey]:
        """Return every key, oldest first."""

    def add(self, account: str, policies: tuple[str, ...] = ()) -> AccessKey:
        """Make a random key pair for an account, keep it with its policies, and return it."""

    def take(self, key: AccessKey) -> None:
        """Keep a key pair that exists already; once more is no matter.

        Raises:
            KeyRefused: another pair has this id.
        """

    def first(self, account: str) -> AccessKey:
        """Return the account's oldest key, made if it has none; several processes may ask at once."""

    def revoke(self, access_key_id: str) -> bool:
        """Remove a key; false if there is none of this id."""

    def role(self, arn: str) -> Role | None:
        """Return the role of this ARN, or ``None``; what changes is known as it is of keys."""

    def roles(self) -> list[Role]:
        """Return every role by its ARN."""

    def add_role(self, role: Role) -> None:
        """Keep a new role.

        Raises:
            KeyRefused: there is one of this ARN.
        """

    def remove_role(self, arn: str) -> bool:
        """Remove a role; false if there is none of this ARN."""

    def set_policies(self, principal: str, policies: tuple[str, ...]) -> bool:
        """Give a key, by its id, or a role, by its ARN, these policies and no others; false if there is none."""

    def set_trust(self, arn: str, trust: str) -> bool:
        """Give a role this trust policy; false if there is none of this ARN."""


@dataclass
class _Content:
    """What the file has.

    Attributes:
        keys: by id, oldest first.
        roles: by ARN.
        database: the database in which they lie instead; its URL.
    """

    keys: dict[str, AccessKey] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    database: str | None = None


class KeyFile:
    """The keys in one file, mode 0600. What another process changes is known at the next question.

    Args:
        path: the file; it need not exist if it was never made.

    Every method raises ``KeysError`` if the file is damaged, or is gone although it was made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._once = Once(path)
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._looked_at = 0.0
        self._content = _Content()

    def get(self, access_key_id: str) -> AccessKey | None:
        """Return the key of this id, or ``None``.

        A key that is known is looked up in the file again after ``STALE_SECONDS``, an unknown one at once.
        """
        now = time.monotonic()
        if now - self._looked_at < STALE_SECONDS and access_key_id in self._content.keys:
            return self._content.keys[access_key_id]
        found = self._current().keys.get(access_key_id)
        self._looked_at = now
        return found

    def all(self) -> list[AccessKey]:
        """Return every key, oldest first."""
        return list(self._current().keys.values())

    def add(self, account: str, policies: tuple[str, ...] = ()) -> AccessKey:
        """Make a random key pair for an account, keep it with its policies, and return it."""
        key = replace(random_key(account), policies=policies)
        with self._changing() as content:
            content.keys[key.access_key_id] = key
        return key

    def take(self, key: AccessKey) -> None:
        """Keep a key pair that exists already; once more is no matter."""
        with self._changing() as content:
            require_same(content.keys.setdefault(key.access_key_id, key), key)

    def first(self, account: str) -> AccessKey:
        """Return the account's oldest key, made if it has none; several processes may ask at once."""
        with self._changing() as content:
            for key in content.keys.values():
                if key.account == account:
                    return key
            key = random_key(account)
            content.keys[key.access_key_id] = key
        return key

    def revoke(self, access_key_id: str) -> bool:
        """Remove a key; false if there is none of this id."""
        with self._changing() as content:
            return content.keys.pop(access_key_id, None) is not None

    def role(self, arn: str) -> Role | None:
        """Return the role of this ARN, or ``None``."""
        return self._current().roles.get(arn)

    def roles(self) -> list[Role]:
        """Return every role by its ARN."""
        return sorted(self._current().roles.values(), key=lambda role: role.arn)

    def add_role(self, role: Role) -> None:
        """Keep a new role."""
        with self._changing() as content:
            if role.arn in content.roles:
                raise taken(role)
            content.roles[role.arn] = role

    def remove_role(self, arn: str) -> bool:
        """Remove a role; false if there is none of this ARN."""
        with self._changing() as content:
            return content.roles.pop(arn, None) is not None

    def set_policies(self, principal: str, policies: tuple[str, ...]) -> bool:
        """Give a key or a role these policies and no others; false if there is none."""
        with self._changing() as content:
            if principal in content.keys:
                content.keys[principal] = replace(content.keys[principal], policies=policies)
            elif principal in content.roles:
                content.roles[principal] = replace(content.roles[principal], policies=policies)
            else:
                return False
        return True

    def set_trust(self, arn: str, trust: str) -> bool:
        """Give a role this trust policy; false if there is none of this ARN."""
        with self._changing() as content:
            if arn not in content.roles:
                return False
            content.roles[arn] = replace(content.roles[arn], trust=trust)
        return True

    def _current(self) -> _Content:
        """Return what the file has, read again only when the file is another."""
        try:
            status = self._path.stat()
        except OSError:
            status = None
        stamp = status and (status.st_mtime_ns, status.st_ino, status.st_size)
        if stamp is None or stamp != self._stamp:
            with self._lock:
                try:
                    self._content, self._stamp = self._read(), stamp
                except KeysError:
                    self._content, self._stamp = (
                        _Content(),
                        None,
                    )  # what cannot be read any more is no key any more
                    raise
        return self._content

    def _read(self) -> _Content:
        try:
            return _content(json.loads(self._path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            if not self._once.is_gone:
                return _Content()
            fault = "is gone"
        except OSError as error:
            fault = f"cannot be read ({error.strerror})"
        except (ValueError, TypeError, KeyError, RecursionError):
            fault = "is damaged"
        # outside of its handler: the cause would show what the file has, and so a secret
        raise KeysError(
            f"{self._path} {fault}: put back a copy of it. Without one, delete it and {self._once.lock} "
            "to begin with a new key; the old ones are then lost."
        )

    @property
    def database(self) -> str | None:
        """Where the keys lie instead, as the last server of this folder said; its URL, ``None`` if they lie here."""
        return self._read().database

    def point_to(self, database: str | None) -> None:
        """Keep where the keys lie instead, for commands that know only this folder; ``None`` is here."""
        with self._once.locked():
            content = self._read()
            if content.database != database:
                self._write(replace(content, database=database))

    @contextmanager
    def _changing(self) -> Iterator[_Content]:
        """Give the content to change under a lock between processes; the file is replaced whole."""
        with self._once.locked():
            content = self._read()
            before = replace(content, keys=dict(content.keys), roles=dict(content.roles))
            yield content
            if content != before:
                self._write(content)

    def _write(self, content: _Content) -> None:
        rows: dict[str, Any] = {"keys": [_row(key) for key in content.keys.values()]}
        if content.roles:
            rows["roles"] = [_row(role) for role in content.roles.values()]
        if content.database:
            rows[_DATABASE] = content.database
        new = self._path.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        self._looked_at = 0.0  # who changed it knows it at once


def _row(one: AccessKey | Role) -> dict[str, Any]:
    """Return a key or a role as the file has it: its policies are there if it has any."""
    row = asdict(one)
    if not one.policies:
        del row["policies"]
    return row


def _content(rows: Mapping[str, Any]) -> _Content:
    """Return what the file's JSON says.

    Raises:
        TypeError, KeyError, ValueError: it is not as ``KeyFile`` writes it.
    """
    keys = [AccessKey(**_with_policies(row)) for row in rows["keys"]]
    roles = [Role(**_with_policies(row)) for row in rows.get("roles", ())]
    everybody: list[AccessKey | Role] = [*keys, *roles]
    words = [word for one in everybody for word in (*_texts_of(one), *one.policies)]
    if not all(isinstance(word, str) for word in words):
        raise TypeError
    database = rows.get(_DATABASE)
    return _Content(
        {key.access_key_id: key for key in keys},
        {role.arn: role for role in roles},
        database if isinstance(database, str) else None,
    )


def _with_policies(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "policies": tuple(row.get("policies", ()))}


def _texts_of(one: AccessKey | Role) -> tuple[Any, ...]:
    if isinstance(one, Role):
        return one.arn, one.role_id, one.trust
    return one.access_key_id, one.secret_access_key, one.account


def random_key(account: str) -> AccessKey:
    """Return a key pair that nobody can guess, in the form of Amazon's."""
    return AccessKey(
        "AKIA" + "".join(secrets.choice(_ID_LETTERS) for _ in range(16)),
        "".join(secrets.choice(_SECRET_LETTERS) for _ in range(40)),
        account,
    )


def brought_key(access_key_id: str, secret_access_key: str, account: str) -> AccessKey:
    """Return a key pair that people have already.

    Raises:
        KeyRefused: it is none that can sign.
    """
    if not _ID.fullmatch(access_key_id):
        raise KeyRefused("An access key id is 3 to 128 letters, digits, - and _.")
    if access_key_id.startswith(TEMPORARY):
        raise KeyRefused(
            f"{access_key_id} is of temporary credentials, which nobody can verify without the service that made "
            "them. Take a lasting key (AKIA…)."
        )
    if not _SECRET.fullmatch(secret_access_key):
        raise KeyRefused("A secret access key is 8 to 128 printable characters without spaces.")
    return AccessKey(access_key_id, secret_access_key, account)


def require_same(found: AccessKey, wanted: AccessKey) -> None:
    """Refuse a key pair whose id another has.

    Raises:
        KeyRefused: the secret or the account is another.
    """
    if (found.secret_access_key, found.account) != (wanted.secret_access_key, wanted.account):
        raise KeyRefused(
            f"There is a key {wanted.access_key_id} already, with another secret or account: "
            f"`sartor keys revoke {wanted.access_key_id}` first."
        )


def taken(role: Role) -> KeyRefused:
    """Return the error for a role that is there already."""
    return KeyRefused(f"Role with name {role.name} already exists.")


def new_role(arn: str, trust: str, policies: tuple[str, ...], max_session_seconds: int) -> Role:
    """Return a role with an id that no other has, in the form of Amazon's."""
    role_id = "AROA" + "".join(secrets.choice(_ID_LETTERS) for _ in range(17))
    return Role(arn, role_id, trust, policies, max_session_seconds)
