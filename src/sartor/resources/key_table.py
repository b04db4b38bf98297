"""The access keys in the database, for machines that share it."""

import threading
import time
from collections.abc import Iterable
from typing import Final

import sqlalchemy as sa

from sartor.database import Database
from sartor.keys import AccessKey, Keys, random_key, require_same
from sartor.resources.tables import ACCESS_KEY, SETTING

#: How long a revoked key may still be accepted, in seconds.
STALE_SECONDS: Final = 0.5
#: So many unknown keys a second are looked for: whoever makes them up must not keep the database busy.
_LOOKS_A_SECOND: Final = 50
_ALL: Final = "SELECT access_key_id, secret_access_key, account FROM access_key ORDER BY seq"
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

    def get(self, access_key_id: str) -> AccessKey | None:
        """Return the key of this id, or ``None``; they are all read again now and then, and where one is unknown."""
        now = time.monotonic()
        if now - self._looked_at >= STALE_SECONDS or (
            access_key_id not in self._keys and self._may_look(now)
        ):
            self.all()
        return self._keys.get(access_key_id)

    def _may_look(self, now: float) -> bool:
        """Return whether one more unknown key is looked for in this second."""
        if int(now) != self._second:
            self._second, self._looks = int(now), 0
        self._looks += 1
        return self._looks <= _LOOKS_A_SECOND

    def all(self) -> list[AccessKey]:
        """Read every key, oldest first."""
        with self._turn:
            began = time.monotonic()
            found = [AccessKey(*row) for row in self._database.rows(_ALL, ())]
            self._keys = {key.access_key_id: key for key in found}
            self._looked_at = began
        return found

    def add(self, account: str) -> AccessKey:
        """Insert a row."""
        with self._database.write(_LOCK) as connection:
            return _added(connection, random_key(account))

    def take(self, key: AccessKey) -> None:
        """Insert a row unless it is there."""
        query = sa.select(ACCESS_KEY).where(ACCESS_KEY.c.access_key_id == key.access_key_id)
        with self._database.write(_LOCK) as connection:
            row = connection.execute(query).first()
            if row is None:
                _insert(connection, [key])
            else:
                require_same(AccessKey(row.access_key_id, row.secret_access_key, row.account), key)

    def first(self, account: str) -> AccessKey:
        """Look for a row under the lock, and insert one if there is none."""
        query = (
            sa.select(ACCESS_KEY).where(ACCESS_KEY.c.account == account).order_by(ACCESS_KEY.c.seq).limit(1)
        )
        with self._database.write(_LOCK) as connection:
            row = connection.execute(query).first()
            if row is None:
                return _added(connection, random_key(account))
        return AccessKey(row.access_key_id, row.secret_access_key, row.account)

    def revoke(self, access_key_id: str) -> bool:
        """Delete a row."""
        delete = sa.delete(ACCESS_KEY).where(ACCESS_KEY.c.access_key_id == access_key_id)
        with self._database.write(_LOCK) as connection:
            return connection.execute(delete).rowcount > 0

    def take_over(self, others: Keys) -> None:
        """Insert the keys that a machine had to itself; once and never again, so that no revoked key comes back."""
        with self._database.write(_LOCK) as connection:
            if connection.execute(sa.select(SETTING.c.key).where(SETTING.c.key == _TAKEN_OVER)).first():
                return
            _insert(connection, others.all())
            connection.execute(sa.insert(SETTING).values(key=_TAKEN_OVER, value="yes"))


def _added(connection: sa.Connection, key: AccessKey) -> AccessKey:
    _insert(connection, [key])
    return key


def _insert(connection: sa.Connection, keys: Iterable[AccessKey]) -> None:
    for key in keys:
        connection.execute(
            sa.insert(ACCESS_KEY).values(
                access_key_id=key.access_key_id, secret_access_key=key.secret_access_key, account=key.account
            )
        )
