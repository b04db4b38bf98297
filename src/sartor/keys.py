"""The access keys of a service: who may sign, and for which account.

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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from sartor.errors import Unavailable
from sartor.once import Once

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
_TEMPORARY: Final = "ASIA"
_ID_LETTERS = string.ascii_uppercase + "234567"
_SECRET_LETTERS = string.ascii_letters + string.digits + "+/"


@dataclass(frozen=True)
class AccessKey:
    """A key pair and the account that it signs for; the secret never shows in a ``repr``."""

    access_key_id: str
    secret_access_key: str
    account: str

    def __repr__(self) -> str:
        return f"AccessKey({self.access_key_id!r}, account={self.account!r})"


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

    def add(self, account: str) -> AccessKey:
        """Make a random key pair for an account, keep it, and return it."""

    def take(self, key: AccessKey) -> None:
        """Keep a key pair that exists already; once more is no matter.

        Raises:
            KeyRefused: another pair has this id.
        """

    def first(self, account: str) -> AccessKey:
        """Return the account's oldest key, made if it has none; several processes may ask at once."""

    def revoke(self, access_key_id: str) -> bool:
        """Remove a key; false if there is none of this id."""


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
        self._keys: dict[str, AccessKey] = {}

    def get(self, access_key_id: str) -> AccessKey | None:
        """Return the key of this id, or ``None``.

        A key that is known is looked up in the file again after ``STALE_SECONDS``, an unknown one at once.
        """
        now = time.monotonic()
        if now - self._looked_at < STALE_SECONDS and access_key_id in self._keys:
            return self._keys[access_key_id]
        found = self._current().get(access_key_id)
        self._looked_at = now
        return found

    def all(self) -> list[AccessKey]:
        """Return every key, oldest first."""
        return list(self._current().values())

    def add(self, account: str) -> AccessKey:
        """Make a random key pair for an account, keep it, and return it."""
        key = random_key(account)
        with self._changing() as keys:
            keys[key.access_key_id] = key
        return key

    def take(self, key: AccessKey) -> None:
        """Keep a key pair that exists already; once more is no matter."""
        with self._changing() as keys:
            require_same(keys.setdefault(key.access_key_id, key), key)

    def first(self, account: str) -> AccessKey:
        """Return the account's oldest key, made if it has none; several processes may ask at once."""
        with self._changing() as keys:
            for key in keys.values():
                if key.account == account:
                    return key
            key = random_key(account)
            keys[key.access_key_id] = key
        return key

    def revoke(self, access_key_id: str) -> bool:
        """Remove a key; false if there is none of this id."""
        with self._changing() as keys:
            return keys.pop(access_key_id, None) is not None

    def _current(self) -> dict[str, AccessKey]:
        """Return the keys, read again only when the file is another."""
        try:
            status = self._path.stat()
        except OSError:
            status = None
        stamp = status and (status.st_mtime_ns, status.st_ino, status.st_size)
        if stamp is None or stamp != self._stamp:
            with self._lock:
                try:
                    self._keys, self._stamp = self._read()[0], stamp
                except KeysError:
                    self._keys, self._stamp = {}, None  # what cannot be read any more is no key any more
                    raise
        return self._keys

    def _read(self) -> tuple[dict[str, AccessKey], str | None]:
        """Return the keys, and the database in which they lie instead."""
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            keys = [AccessKey(**row) for row in content["keys"]]
            if not all(isinstance(word, str) for key in keys for word in asdict(key).values()):
                raise TypeError
            database = content.get(_DATABASE)
            return {key.access_key_id: key for key in keys}, database if isinstance(database, str) else None
        except FileNotFoundError:
            if not self._once.is_gone:
                return {}, None
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
        return self._read()[1]

    def point_to(self, database: str | None) -> None:
        """Keep where the keys lie instead, for commands that know only this folder; ``None`` is here."""
        with self._once.locked():
            keys, now = self._read()
            if now != database:
                self._write(keys, database)

    @contextmanager
    def _changing(self) -> Iterator[dict[str, AccessKey]]:
        """Give the keys to change under a lock between processes; the file is replaced whole."""
        with self._once.locked():
            keys, database = self._read()
            before = dict(keys)
            yield keys
            if keys != before:
                self._write(keys, database)

    def _write(self, keys: Mapping[str, AccessKey], database: str | None) -> None:
        content: dict[str, Any] = {"keys": [asdict(key) for key in keys.values()]}
        new = self._path.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content | ({_DATABASE: database} if database else {}), file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)


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
    if access_key_id.startswith(_TEMPORARY):
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
    if found != wanted:
        raise KeyRefused(
            f"There is a key {wanted.access_key_id} already, with another secret or account: "
            f"`sartor keys revoke {wanted.access_key_id}` first."
        )
