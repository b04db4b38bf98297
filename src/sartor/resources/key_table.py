"""The access keys and roles in the database, for machines that share it."""

import json
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import sqlalchemy as sa

from sartor.database import Database
from sartor.keys import AccessKey, Keys, Role, random_key, require_same, taken
from sartor.resources.tables import ACCESS_KEY, ACCESS_POLICY, ACCESS_ROLE, SETTING

#: How long a revoked key may still be accepted, in seconds.
STALE_SECONDS: Final = 0.5
#: So many unknown keys a second are looked for: whoever makes them up must not keep the database busy.
_LOOKS_A_SECOND: Final = 50
#: With their policies in the same statement: a key that loses its row must never be seen without them.
_ALL: Final = (
    "SELECT access_key_id, secret_access_key, account, documents FROM access_key "
    "LEFT JOIN access_policy ON principal = access_key_id ORDER BY seq"
)
_ROLES: Final = (
    "SELECT arn, role_id, trust, documents, max_session_seconds FROM access_role "
    "LEFT JOIN access_policy ON principal = arn ORDER BY arn"
)
#: The word for which writers wait, and the setting that says that a machine's own keys were taken over.
_LOCK: Final = "access keys"
_TAKEN_OVER: Final = "access_keys_taken_over"


class KeyTable:
    """The keys in a table. What another machine changes is known within half a second, a new key at once.

    Args:
        database: where they lie.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turn = threading.Lock()
        self._looked_at = -STALE_SECONDS
        self._second, self._looks = 0, 0
        self._keys: dict[str, AccessKey] = {}
        self._roles: dict[str, Role] = {}

    def get(self, access_key_id: str) -> AccessKey | None:
        """Return the key of this id, or ``None``; they are all read again now and then, and where one is unknown."""
        self._look_for(access_key_id, self._keys)
        return self._keys.get(access_key_id)

    def role(self, arn: str) -> Role | None:
        """Return the role of this ARN, or ``None``, in the same way."""
        self._look_for(arn, self._roles)
        return self._roles.get(arn)

    def all(self) -> list[AccessKey]:
        """Read every key, oldest first."""
        self._read()
        return list(self._keys.values())

    def roles(self) -> list[Role]:
        """Read every role, by its ARN."""
        self._read()
        return list(self._roles.values())

    def _look_for(self, name: str, known: Mapping[str, object]) -> None:
        now = time.monotonic()
        if now - self._looked_at >= STALE_SECONDS or (name not in known and self._may_look(now)):
            self._read()

    def _may_look(self, now: float) -> bool:
        """Return whether one more unknown key is looked for in this second."""
        if int(now) != self._second:
            self._second, self._looks = int(now), 0
        self._looks += 1
        return self._looks <= _LOOKS_A_SECOND

    def _read(self) -> None:
        with self._turn:
            began = time.monotonic()
            keys = [
                AccessKey(key_id, secret, account, _documents(text))
                for key_id, secret, account, text in self._database.rows(_ALL, ())
            ]
            roles = [
                Role(arn, role_id, trust, _documents(text), seconds)
                for arn, role_id, trust, text, seconds in self._database.rows(_ROLES, ())
            ]
            # those that did not change stay the same objects, with what was compiled of them
            self._keys = _kept(self._keys, {key.access_key_id: key for key in keys})
            self._roles = _kept(self._roles, {role.arn: role for role in roles})
            self._looked_at = began

    def add(self, account: str, policies: tuple[str, ...] = ()) -> AccessKey:
        """Insert a row."""
        key = replace(random_key(account), policies=policies)
        with self._database.write(_LOCK) as connection:
            _insert(connection, [key], ())
        return key

    def take(self, key: AccessKey) -> None:
        """Insert a row unless it is there."""
        query = sa.select(ACCESS_KEY).where(ACCESS_KEY.c.access_key_id == key.access_key_id)
        with self._database.write(_LOCK) as connection:
            row = connection.execute(query).first()
            if row is None:
                _insert(connection, [key], ())
            else:
                require_same(_key_of(row), key)

    def first(self, account: str) -> AccessKey:
        """Look for a row under the lock, and insert one if there is none."""
        query = (
            sa.select(ACCESS_KEY).where(ACCESS_KEY.c.account == account).order_by(ACCESS_KEY.c.seq).limit(1)
        )
        with self._database.write(_LOCK) as connection:
            row = connection.execute(query).first()
            if row is not None:
                return _key_of(row)
            key = random_key(account)
            _insert(connection, [key], ())
        return key

    def revoke(self, access_key_id: str) -> bool:
        """Delete a row."""
        return self._delete(ACCESS_KEY, ACCESS_KEY.c.access_key_id, access_key_id)

    def add_role(self, role: Role) -> None:
        """Insert a row."""
        with self._database.write(_LOCK) as connection:
            if connection.execute(sa.select(ACCESS_ROLE).where(ACCESS_ROLE.c.arn == role.arn)).first():
                raise taken(role)
            _insert(connection, (), [role])

    def remove_role(self, arn: str) -> bool:
        """Delete a row."""
        return self._delete(ACCESS_ROLE, ACCESS_ROLE.c.arn, arn)

    def set_policies(self, principal: str, policies: tuple[str, ...]) -> bool:
        """Replace a row, if there is such a key or role."""
        key = sa.select(ACCESS_KEY.c.seq).where(ACCESS_KEY.c.access_key_id == principal)
        role = sa.select(ACCESS_ROLE.c.arn).where(ACCESS_ROLE.c.arn == principal)
        with self._database.write(_LOCK) as connection:
            if not (connection.execute(key).first() or connection.execute(role).first()):
                return False
            _set_policies(connection, principal, policies)
        return True

    def set_trust(self, arn: str, trust: str) -> bool:
        """Change a row, if it is there."""
        change = sa.update(ACCESS_ROLE).where(ACCESS_ROLE.c.arn == arn).values(trust=trust)
        with self._database.write(_LOCK) as connection:
            return connection.execute(change).rowcount > 0

    def take_over(self, others: Keys) -> None:
        """Insert the keys that a machine had to itself; once and never again, so that no revoked key comes back."""
        with self._database.write(_LOCK) as connection:
            if connection.execute(sa.select(SETTING.c.key).where(SETTING.c.key == _TAKEN_OVER)).first():
                return
            _insert(connection, others.all(), others.roles())
            connection.execute(sa.insert(SETTING).values(key=_TAKEN_OVER, value="yes"))

    def _delete(self, table: sa.Table, column: sa.Column[Any], name: str) -> bool:
        with self._database.write(_LOCK) as connection:
            _set_policies(connection, name, ())
            return connection.execute(sa.delete(table).where(column == name)).rowcount > 0


def _kept(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is new, each as the old object if it equals that."""
    return {name: old[name] if old.get(name) == one else one for name, one in new.items()}


def _key_of(row: sa.Row[Any]) -> AccessKey:
    """Return the key of a row of its table, without its policies."""
    return AccessKey(row.access_key_id, row.secret_access_key, row.account)


def _documents(text: str | None) -> tuple[str, ...]:
    return tuple(json.loads(text)) if text else ()


def _insert(connection: sa.Connection, keys: Iterable[AccessKey], roles: Iterable[Role]) -> None:
    for key in keys:
        connection.execute(
            sa.insert(ACCESS_KEY).values(
                access_key_id=key.access_key_id, secret_access_key=key.secret_access_key, account=key.account
            )
        )
        _set_policies(connection, key.access_key_id, key.policies)
    for role in roles:
        connection.execute(
            sa.insert(ACCESS_ROLE).values(
                arn=role.arn,
                role_id=role.role_id,
                trust=role.trust,
                max_session_seconds=role.max_session_seconds,
            )
        )
        _set_policies(connection, role.arn, role.policies)


def _set_policies(connection: sa.Connection, principal: str, policies: tuple[str, ...]) -> None:
    connection.execute(sa.delete(ACCESS_POLICY).where(ACCESS_POLICY.c.principal == principal))
    if policies:
        row = {"principal": principal, "documents": json.dumps(policies)}
        connection.execute(sa.insert(ACCESS_POLICY), [row])
