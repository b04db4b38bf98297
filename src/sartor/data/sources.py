"""Where training data comes from and exports go: who may reach which bucket, and what a location names."""

import builtins
import hashlib
import itertools
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sartor.data import s3
from sartor.data.buckets import Bucket, ChangedError, SourceFile, UnreadableError
from sartor.data.folder_bucket import FolderBucket
from sartor.data.ranges import Ranges, bring
from sartor.data.s3_bucket import S3Bucket
from sartor.errors import JobFailed
from sartor.settings import EVERY_ACCOUNT, Settings

__all__ = ["AccountSources", "SourceFile", "Sources"]

_NOTHING_THERE: Final = "Invalid Data location."


class Sources:
    """The buckets of all accounts.

    Args:
        settings: name the buckets, the S3 service and the credentials of roles.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def places(self) -> Mapping[str, Any]:
        """Where things lie, for other machines."""
        return self._settings.places

    def of(self, account: str, role_arn: str | None = None) -> "AccountSources":
        """Return what an account reaches.

        Args:
            account: whose buckets.
            role_arn: the role that the request or the job names; it may have credentials of its own.
        """
        return AccountSources(self._settings, account, role_arn)


class AccountSources:
    """What one account reaches by ``s3://`` location, perhaps in a role.

    A bucket of another account is as one that does not exist. Connections are kept as long as this is, so a job has
    one of these. Calls may come from several threads.
    """

    def __init__(self, settings: Settings, account: str, role_arn: str | None) -> None:
        self._settings = settings
        self._storage = f"{_real(settings.storage).rstrip('/')}/"
        self._account = account
        self._role_arn = role_arn
        self._opened: dict[str, Bucket] = {}
        self._lock = threading.Lock()

    def list(self, location: str) -> list[SourceFile]:
        """Return the file at a location, or the files of a folder's first level, in the order of their keys.

        Empty folder markers and names that begin with ``_`` or ``.`` are no training data.

        Raises:
            JobFailed: there is nothing, or it may not be read.
        """
        with _reasons(location):
            bucket, key = self._at(location)
            if key and not key.endswith("/"):
                try:
                    return [bucket.find(key)]
                except FileNotFoundError:
                    key += "/"  # then it may be a folder without its slash
            found = [file for file in bucket.first_level(key) if file.size_bytes and _is_data(file.key)]
            return _sorted(found)

    def list_csv(self, location: str) -> "builtins.list[SourceFile]":
        """Return the file at a location, or every ``.csv`` file below a folder, in the order of their keys.

        Raises:
            JobFailed: there is nothing, or it may not be read.
        """
        with _reasons(location):
            bucket, key = self._at(location)
            if key and not key.endswith("/"):
                return self.list(location)
            below = (file for file in bucket.below(key) if not self._is_storage(bucket, file.key))
            return _sorted(file for file in below if file.size_bytes and file.key.lower().endswith(".csv"))

    def list_prefix(self, location: str, nothing_there: str = _NOTHING_THERE) -> "builtins.list[SourceFile]":
        """Return the file at a location, or every file whose key begins as it does, in the order of their keys.

        A prefix is but the beginning of a key, as in S3: ``s3://b/in`` names ``in_test/a`` too, ``s3://b/in/`` not.
        Empty files and names that begin with ``_`` or ``.`` do not count.

        Args:
            location: the ``s3://`` location.
            nothing_there: the reason if nothing is.

        Raises:
            JobFailed: there is nothing, or it may not be read.
        """
        with _reasons(location, nothing_there=nothing_there):
            bucket, key = self._at(location)
            if key and not key.endswith("/"):
                try:
                    return [bucket.find(key)]
                except FileNotFoundError:
                    pass
            return _sorted(self._beginning_with(bucket, key))

    def buckets(self) -> "builtins.list[str]":
        """Return the names of the buckets that are folders of this machine; those of an S3 service nobody lists."""
        owners = (self._account, EVERY_ACCOUNT)
        named = [full.partition("/") for full in self._settings.bucket]
        found = {name for owner, _, name in named if owner in owners}
        if self._settings.s3_endpoint is None:
            folder = self._settings.default_buckets(self._account)
            found |= {one.name for one in folder.iterdir() if one.is_dir()} if folder.is_dir() else set()
        return sorted(found)

    def some(self, location: str, limit: int) -> "builtins.list[SourceFile]":
        """Return some files whose keys begin as a location does, for people who choose one: none of none.

        Raises:
            JobFailed: the bucket is not there, or may not be read.
        """
        with _reasons(location):
            bucket, key = self._at(location)
            try:
                fitting = itertools.islice(self._beginning_with(bucket, key), limit)
                return sorted(fitting, key=lambda file: file.key)
            except FileNotFoundError:
                return []

    def _beginning_with(self, bucket: Bucket, key: str) -> Iterator[SourceFile]:
        """Yield the files that may be imported and whose keys begin so."""
        for file in bucket.below(key[: key.rfind("/") + 1]):
            fits = file.key.startswith(key) and file.size_bytes and _is_data(file.key)
            if fits and not self._is_storage(bucket, file.key):
                yield file

    def read_range(self, file: SourceFile, start: int, length: int) -> bytes:
        """Return up to ``length`` bytes of a file from ``start``.

        Raises:
            JobFailed: it may not be read, is gone or has changed since it was listed.
        """
        length = min(length, file.size_bytes - start)
        if length <= 0:
            return b""
        with _reasons(file.uri):
            return self._bucket(file.bucket).read(file, start, length)

    def root(self, location: str) -> str:
        """Return where the bucket of a location lies: ``s3://`` with its name, or a folder without links.

        Raises:
            JobFailed: there is none.
        """
        with _reasons(location):
            bucket, _ = self._at(location)
            return bucket.address("")

    def makes_copies(self, file: SourceFile) -> bool:
        """Return whether ``spool`` copies, because the file lies in no folder of this machine."""
        return self._bucket(file.bucket).makes_copies

    def spool_ranges(self, file: SourceFile, folder: Path, ranges: Ranges) -> Path:
        """Return a local file that is as large as the listed one, and has of its bytes those of ranges.

        Args:
            file: as ``list`` gave it.
            folder: where it may be written.
            ranges: which bytes; the file's end may come before theirs.

        Raises:
            JobFailed: it cannot be read, or has changed since it was listed.
        """
        copy = folder / hashlib.sha256(f"{file.uri} {ranges}".encode()).hexdigest()[:32]
        with _reasons(file.uri):
            return bring(self._bucket(file.bucket), file, ranges, copy)

    def spool(self, file: SourceFile, folder: Path, progress: Callable[[int], None] = lambda _: None) -> Path:
        """Return a local file with exactly the content that was listed.

        A bucket that is a folder is read where it lies. From S3 the object is copied; a download that breaks
        goes on where it was, and each of its answers must have the ETag that was listed.

        Args:
            file: as ``list`` gave it.
            folder: where a copy may be written.
            progress: takes the bytes copied so far.

        Raises:
            JobFailed: it cannot be read, or has changed since it was listed.
        """
        copy = folder / hashlib.sha256(file.uri.encode()).hexdigest()[:32]
        with _reasons(file.uri):
            return self._bucket(file.bucket).fetch(file, copy, progress)

    def verify(self, files: Iterable[SourceFile]) -> None:
        """Look again at files that were read, before anything is made of them.

        Raises:
            JobFailed: one of them is not what was listed any more, so what was read may be of two states.
        """
        folders: defaultdict[tuple[str, str], list[SourceFile]] = defaultdict(builtins.list)
        for file in files:
            folders[file.bucket, file.key[: file.key.rfind("/") + 1]].append(file)
        for (name, folder), listed in folders.items():
            with _reasons(listed[0].uri):
                now = _now(self._bucket(name), folder, listed)
            for file in listed:
                if now.get(file.key) != file:
                    raise JobFailed(_changed(file.uri))

    def require_writable(self, location: str, nothing_there: str = _NOTHING_THERE) -> None:
        """Refuse a folder into which nothing can be written; ``nothing_there`` is the reason if its bucket is missing.

        Raises:
            JobFailed: nothing can be.
        """
        with _reasons(location, "written", nothing_there):
            bucket, key = self._at(location)
            bucket.require_writable(_folder(key))

    def write(
        self, location: str, file: Path, owner: str, keep_on: Callable[[], None] = lambda: None
    ) -> None:
        """Store a local file at a location where nothing is yet, whole or not at all.

        Args:
            location: the file's place to be.
            file: what is stored.
            owner: a word that only the writing job uses.
            keep_on: called right before others see the file; what it raises leaves nothing.

        Raises:
            FileExistsError: something is there; it stays as it is.
            JobFailed: it cannot be written.
        """
        with _reasons(location, "written"):
            bucket, key = self._at(location)
            bucket.create(key, file, owner, keep_on)

    def replace(
        self, location: str, files: Iterable[Path], owner: str, keep_on: Callable[[], None] = lambda: None
    ) -> None:
        """Store local files, one after the other, as one at a location, whole or not at all.

        What is there is replaced. The other arguments are as in ``write``.

        Raises:
            JobFailed: it cannot be written.
        """
        with _reasons(location, "written"):
            bucket, key = self._at(location)
            bucket.replace(key, files, owner, keep_on)

    def delete(self, location: str, is_ours: Callable[[str], bool]) -> None:
        """Delete what a job itself has written directly into a folder.

        Args:
            location: the folder.
            is_ours: whether a file of this name can only be the job's.

        Raises:
            JobFailed: the folder may not be read or changed.
        """
        with _reasons(location, "written"):
            bucket, key = self._at(location)
            folder = _folder(key)
            try:
                found = [name for name in bucket.names(folder) if is_ours(name)]
            except FileNotFoundError:  # nothing was written yet
                return
            for name in found:
                bucket.delete(folder + name)

    def remove(self, location: str) -> None:
        """Delete one file, as an earlier job may have left it; that it is not there is no matter.

        Raises:
            JobFailed: it may not be deleted.
        """
        with _reasons(location, "written"):
            bucket, key = self._at(location)
            try:
                bucket.find(key)
            except FileNotFoundError:
                return
            bucket.delete(key)

    def _at(self, location: str) -> tuple[Bucket, str]:
        """Return the bucket and the key of a location.

        Raises:
            FileNotFoundError: it is no location of a bucket that this account has.
        """
        scheme, _, rest = location.partition("://")
        name, _, key = rest.partition("/")
        if scheme != "s3" or not _is_key(name) or (key and not _is_key(key.removesuffix("/"))):
            raise FileNotFoundError(location)
        bucket = self._bucket(name)
        if self._is_storage(bucket, key):
            raise FileNotFoundError(location)
        return bucket, key

    def _is_storage(self, bucket: Bucket, key: str) -> bool:
        """Return whether a key is where Sartor keeps all accounts' tables and models, which is no data of anyone's."""
        return f"{bucket.address(key)}/".startswith(self._storage)

    def _bucket(self, name: str) -> Bucket:
        """Return a bucket, opened once.

        Raises:
            FileNotFoundError: this account has none of this name.
            NoCredentialsError: the server has none for the S3 service.
        """
        with self._lock:
            if name not in self._opened:
                self._opened[name] = self._open(name)
            return self._opened[name]

    def _open(self, name: str) -> Bucket:
        settings = self._settings
        for owner in (self._account, EVERY_ACCOUNT):
            folder = settings.bucket.get(f"{owner}/{name}")
            if folder is not None:
                return FolderBucket(name, folder, must_exist=True)
        if settings.s3_endpoint is None:
            return FolderBucket(name, settings.default_buckets(self._account) / name, must_exist=False)
        return S3Bucket(
            name,
            s3.open_bucket(name, settings.s3_endpoint, self._credentials()),
            settings.s3_endpoint,
        )

    def _credentials(self) -> Mapping[str, str] | None:
        """Return the role's credentials, or ``None`` for the server's own.

        Raises:
            FileNotFoundError: neither are for this account.
        """
        mapped = self._settings.roles.get(self._role_arn or "")
        if mapped is None and self._account == self._settings.account:
            return None
        if mapped is None or (self._role_arn or "").split(":")[4] != self._account:
            raise FileNotFoundError(self._role_arn)
        return mapped


def _is_key(key: str) -> bool:
    """Return whether a text is a name in a bucket: steps of a path are none, and every key is UTF-8."""
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in key and not {"", ".", ".."} & set(key.split("/"))


def _real(storage: str) -> str:
    """Return a storage's address, as a bucket gives those of its keys."""
    return storage if "://" in storage else os.path.realpath(storage)


def _folder(key: str) -> str:
    """Return a folder's key with its slash."""
    return key if not key or key.endswith("/") else f"{key}/"


def _sorted(files: Iterable[SourceFile]) -> list[SourceFile]:
    """Return files in the order of their keys.

    Raises:
        FileNotFoundError: there are none.
    """
    found = sorted(files, key=lambda file: file.key)
    if not found:
        raise FileNotFoundError
    return found


def _is_data(key: str) -> bool:
    """Return whether a file of a folder counts: job outputs and hidden files begin with ``_`` or ``.``."""
    return not key.rpartition("/")[2].startswith(("_", "."))


def _now(bucket: Bucket, folder: str, listed: Sequence[SourceFile]) -> dict[str, SourceFile]:
    """Return what is now where files of one folder were listed, by key: one is asked for, many are listed."""
    try:
        found = [bucket.find(listed[0].key)] if len(listed) == 1 else bucket.first_level(folder)
        return {file.key: file for file in found}
    except FileNotFoundError:
        return {}


def _changed(uri: str) -> str:
    return f"{uri} has changed while it was imported."


@contextmanager
def _reasons(location: str, done: str = "read", nothing_there: str = _NOTHING_THERE) -> Iterator[None]:
    """Turn what a bucket raises into the reason that a job, or a call, ends with; ``done`` is what could not be."""
    try:
        yield
    except ChangedError as error:
        raise JobFailed(_changed(location)) from error
    except FileNotFoundError as error:
        raise JobFailed(nothing_there) from error
    except PermissionError as error:
        raise JobFailed(_insufficient_privileges(location)) from error
    except UnreadableError as error:
        raise JobFailed(f"{location} could not be {done}: {error}.") from error
    except s3.NoCredentialsError as error:
        raise JobFailed(str(error)) from error


def _insufficient_privileges(location: str) -> str:
    """Return the text that users know (reference 4.4)."""
    bucket = location.removeprefix("s3://").partition("/")[0]
    return (
        "Insufficient privileges for accessing data in S3. Please look at https://docs.aws.amazon.com/personalize"
        "/latest/dg/granting-personalize-s3-access.html#attach-bucket-policy and fix bucket policy on "
        f"{bucket}."
    )
