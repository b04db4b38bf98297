"""Where training data comes from and exports go: buckets that are folders, and any S3 service."""

import builtins
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import (
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from sartor.data import s3
from sartor.errors import JobFailed, invalid_input

#: How often a download goes on where it broke, and the first wait in seconds; it doubles.
DOWNLOAD_ATTEMPTS: Final = 5
FIRST_WAIT_SECONDS: Final = 0.2
_CHUNK_BYTES = 8 * 2**20


@dataclass(frozen=True)
class SourceFile:
    """One file of training data.

    Attributes:
        uri: its ``s3://bucket/key``.
        size_bytes: its size when it was listed.
        etag: what changes when its content does.
    """

    uri: str
    size_bytes: int
    etag: str


class Sources:
    """Reads training data by ``s3://`` location.

    Args:
        buckets: folders by bucket.
        default_root: the folder whose folders are all other buckets when there is no ``s3_endpoint``.
        s3_endpoint: the S3 service of all other buckets.
        roles: credentials by the ARN of the role that an import job names.
    """

    def __init__(
        self,
        buckets: Mapping[str, Path],
        default_root: Path,
        s3_endpoint: str | None = None,
        roles: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self._buckets = buckets
        self._default_root = default_root
        self._endpoint = s3_endpoint
        self._roles = roles or {}

    def list(self, location: str, role_arn: str | None = None) -> list[SourceFile]:
        """Return the file at a location, or the files of a folder's first level, in the order of their keys.

        Empty folder markers and names that begin with ``_`` or ``.`` are no training data.

        Raises:
            ApiError: ``InvalidInputException``: there is nothing, or it may not be read.
        """
        bucket, key = _split(location)
        folder = self._folder(bucket)
        found = _list_folder(folder, bucket, key) if folder else self._list_s3(bucket, key, role_arn)
        if not found:
            raise invalid_input("Invalid Data location.")
        return sorted(found, key=lambda file: file.uri)

    def list_csv(self, location: str, role_arn: str | None = None) -> "builtins.list[SourceFile]":
        """Return the file at a location, or every ``.csv`` file below a folder, in the order of their keys.

        Raises:
            ApiError: ``InvalidInputException``: there is nothing, or it may not be read.
        """
        bucket, key = _split(location)
        if key and not key.endswith("/"):
            return self.list(location, role_arn)
        found: builtins.list[SourceFile] = []
        folder = self._folder(bucket)
        with _refusals(bucket):
            if folder is None:
                for page in obstore.list(self._store(bucket, role_arn), key or None):
                    found.extend(_s3_file(bucket, one) for one in page)
            else:
                root = folder.resolve()
                for inner, _, names in os.walk(_place(folder, key)):
                    for name in names:
                        place = Path(inner, name)
                        uri = f"s3://{bucket}/{place.relative_to(root).as_posix()}"
                        found.append(_source_file(place, uri))
        csv = [file for file in found if file.size_bytes and file.uri.lower().endswith(".csv")]
        if not csv:
            raise invalid_input("Invalid Data location.")
        return sorted(csv, key=lambda file: file.uri)

    def keep_writable(self, location: str, role_arn: str | None = None) -> None:
        """Refuse a folder into which nothing can be written.

        Raises:
            ApiError: ``InvalidInputException``.
        """
        bucket, key = _split(location)
        folder = self._folder(bucket)
        with _refusals(bucket):
            if folder is None:
                obstore.list_with_delimiter(self._store(bucket, role_arn), key or None)
                return
            place = _place(folder, key)
            if folder in self._buckets.values() and not folder.is_dir():
                raise FileNotFoundError(folder)
            there = next(one for one in (place, *place.parents) if one.exists())
            if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
                raise PermissionError(there)

    def write(self, location: str, file: Path, role_arn: str | None = None) -> None:
        """Store a local file at a location, whole or not at all; the local file may be moved.

        Raises:
            JobFailed: it cannot be written.
        """
        bucket, key = _split(location)
        folder = self._folder(bucket)
        try:
            if folder is None:
                with file.open("rb") as stream:
                    obstore.put(self._store(bucket, role_arn), key, stream)
                return
            place = _place(folder, key)
            place.parent.mkdir(parents=True, exist_ok=True)
            beside = place.with_name(f".{place.name}.new")
            shutil.move(file, beside)
            with beside.open("rb") as stream:
                os.fsync(stream.fileno())
            beside.replace(place)
        except (PermissionDeniedError, UnauthenticatedError, PermissionError) as error:
            raise JobFailed(_insufficient_privileges(bucket)) from error
        except s3.NoCredentialsError as error:
            raise JobFailed(str(error)) from error
        except BaseError as error:
            raise JobFailed(
                _unreadable(location, error).replace("could not be read", "could not be written")
            ) from error

    def delete_parts(self, location: str, role_arn: str | None = None) -> None:
        """Delete what an earlier attempt has written directly into a folder.

        Raises:
            ApiError: the folder may not be read.
        """
        bucket, key = _split(location)
        folder = self._folder(bucket)
        with _refusals(bucket):
            if folder is None:
                store = self._store(bucket, role_arn)
                listed = obstore.list_with_delimiter(store, key)["objects"]
                for one in listed:
                    obstore.delete(store, one["path"])
            elif _place(folder, key).is_dir():
                for place in _place(folder, key).iterdir():
                    if place.is_file():
                        place.unlink()

    def read_range(self, file: SourceFile, start: int, length: int, role_arn: str | None = None) -> bytes:
        """Return up to ``length`` bytes of a file from ``start``.

        Raises:
            ApiError: ``InvalidInputException``: it may not be read, or is gone.
        """
        bucket, key = _split(file.uri)
        length = min(length, file.size_bytes - start)
        if length <= 0:
            return b""
        folder = self._folder(bucket)
        if folder is None:
            with _refusals(bucket):
                store = self._store(bucket, role_arn)
                return bytes(obstore.get_range(store, key, start=start, length=length))
        with _refusals(bucket), _place(folder, key).open("rb") as stream:
            stream.seek(start)
            return stream.read(length)

    def spool(
        self,
        file: SourceFile,
        folder: Path,
        role_arn: str | None = None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Path:
        """Return a local file with exactly the content that was listed.

        A bucket that is a folder is read where it lies. From S3 the object is copied; a download that breaks
        goes on where it was, and its ETag is pinned.

        Args:
            file: as ``list`` gave it.
            folder: where a copy may be written.
            role_arn: the role of the job.
            progress: takes the bytes copied so far.

        Raises:
            JobFailed: it cannot be read, or has changed since it was listed.
        """
        bucket, key = _split(file.uri)
        local = self._folder(bucket)
        if local is not None:
            self.verify(file)
            return _place(local, key)
        copy = folder / f"{abs(hash(file.uri)):x}-{PurePosixPath(key).name[-80:]}"
        copy.unlink(missing_ok=True)
        try:
            store = self._store(bucket, role_arn)
        except s3.NoCredentialsError as error:
            raise JobFailed(str(error)) from error
        wait = FIRST_WAIT_SECONDS
        for attempt in range(1, DOWNLOAD_ATTEMPTS + 1):
            before = copy.stat().st_size if copy.exists() else 0
            try:
                _download(store, key, file, copy, progress)
                return copy
            except (PreconditionError, NotFoundError, FileNotFoundError) as error:
                raise JobFailed(f"{file.uri} has changed while it was imported.") from error
            except (PermissionDeniedError, UnauthenticatedError, PermissionError) as error:
                raise JobFailed(_insufficient_privileges(bucket)) from error
            except (BaseError, TimeoutError, ConnectionError) as error:
                went_on = copy.exists() and copy.stat().st_size > before
                if attempt == DOWNLOAD_ATTEMPTS and not went_on:
                    raise JobFailed(_unreadable(file.uri, error)) from error
            time.sleep(wait)
            wait *= 2
        raise JobFailed(f"{file.uri} could not be read: the connection broke {DOWNLOAD_ATTEMPTS} times.")

    def verify(self, file: SourceFile) -> None:
        """Check that a file of a local bucket is still the one that was listed; a copy from S3 always is.

        Raises:
            JobFailed: it has changed or is gone.
        """
        bucket, key = _split(file.uri)
        folder = self._folder(bucket)
        if folder is None:
            return
        try:
            now = _source_file(_place(folder, key), file.uri)
        except OSError as error:
            raise JobFailed(f"{file.uri} could not be read: {error.strerror}.") from error
        if now != file:
            raise JobFailed(f"{file.uri} has changed while it was imported.")

    def _folder(self, bucket: str) -> Path | None:
        """Return the folder that is this bucket, or ``None`` when it is one of the S3 service."""
        if bucket in self._buckets:
            return self._buckets[bucket]
        return self._default_root / bucket if self._endpoint is None else None

    def _store(self, bucket: str, role_arn: str | None) -> Any:
        credentials = self._roles.get(role_arn) if role_arn is not None else None
        return s3.open_bucket(bucket, self._endpoint, credentials)

    def _list_s3(self, bucket: str, key: str, role_arn: str | None) -> "builtins.list[SourceFile]":
        """Return the object of this key, or those of the first level below it."""
        with _refusals(bucket):
            store = self._store(bucket, role_arn)
            if key and not key.endswith("/"):
                try:
                    return [_s3_file(bucket, obstore.head(store, key))]
                except (NotFoundError, FileNotFoundError):
                    pass  # then it may be a folder without its slash
            prefix = key.rstrip("/") + "/" if key.strip("/") else None
            listed = obstore.list_with_delimiter(store, prefix)["objects"]
        files = [_s3_file(bucket, found) for found in listed]
        return [file for file in files if file.size_bytes and _is_data(file.uri)]


class _refusals:  # noqa: N801 - a context manager reads as a word
    """Turns what a bucket answers into what the service says at the call."""

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, PermissionError | PermissionDeniedError | UnauthenticatedError):
            raise invalid_input(_insufficient_privileges(self._bucket)) from error
        if isinstance(error, FileNotFoundError | NotFoundError | IsADirectoryError | NotADirectoryError):
            raise invalid_input("Invalid Data location.") from error
        if isinstance(error, s3.NoCredentialsError):
            raise invalid_input(str(error)) from error
        if isinstance(error, BaseError | OSError | TimeoutError):
            raise invalid_input(_unreadable(f"s3://{self._bucket}", error)) from error


def _split(location: str) -> tuple[str, str]:
    """Return the bucket and the key of a location.

    Raises:
        ApiError: ``Invalid Data location.``; also for http(s), which the pattern allows and nobody reads.
    """
    try:
        parts = urlsplit(location, allow_fragments=False)
    except ValueError as error:
        raise invalid_input("Invalid Data location.") from error
    scheme, _, rest = location.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket or bucket in (".", "..") or parts.scheme != "s3" or "\0" in location:
        raise invalid_input("Invalid Data location.")
    return bucket, key


def _place(folder: Path, key: str) -> Path:
    """Return the file of a key in a folder; no key, and no link, leads out of the folder.

    Raises:
        PermissionError: it would.
    """
    root = folder.resolve()
    place = (root / key).resolve()
    if not place.is_relative_to(root):
        raise PermissionError(key)
    return place


def _list_folder(folder: Path, bucket: str, key: str) -> list[SourceFile]:
    """Return the file of this key, or those directly in the folder of this name."""
    with _refusals(bucket):
        place = _place(folder, key)
        if place.is_file() and not key.endswith("/"):
            with place.open("rb"):  # a file that may not be read is refused at the call
                return [_source_file(place, f"s3://{bucket}/{key}")]
        base = key.rstrip("/") + "/" if key.strip("/") else ""
        files = [
            _source_file(_place(folder, base + entry.name), f"s3://{bucket}/{base}{entry.name}")
            for entry in os.scandir(place)
            if entry.is_file()
        ]
        return [file for file in files if file.size_bytes and _is_data(file.uri)]


def _source_file(place: Path, uri: str) -> SourceFile:
    status = place.stat()
    return SourceFile(uri, status.st_size, f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}")


def _s3_file(bucket: str, found: Mapping[str, Any]) -> SourceFile:
    return SourceFile(f"s3://{bucket}/{found['path']}", found["size"], found["e_tag"] or "")


def _is_data(uri: str) -> bool:
    """Return whether a file of a folder counts: job outputs and hidden files begin with ``_`` or ``.``."""
    return not uri.rpartition("/")[2].startswith(("_", "."))


def _download(store: Any, key: str, file: SourceFile, copy: Path, progress: Callable[[int], None]) -> None:
    """Append to the copy what it misses of the object, which must still be the one that was listed."""
    with copy.open("ab") as stream:
        done = stream.tell()
        if done < file.size_bytes:
            options: Any = {"if_match": file.etag} if file.etag else {}
            if done:
                options["range"] = {"offset": done}
            for chunk in _chunks(obstore.get(store, key, options=options)):
                stream.write(chunk)
                stream.flush()
                done += len(chunk)
                progress(done)
    if done != file.size_bytes:
        raise ConnectionError(f"{done} of {file.size_bytes} bytes came")


def _chunks(answer: Any) -> Iterator[Any]:
    yield from answer.stream(min_chunk_size=_CHUNK_BYTES)


def _insufficient_privileges(bucket: str) -> str:
    """Return the text that users know (reference 4.4)."""
    return (
        "Insufficient privileges for accessing data in S3. Please look at https://docs.aws.amazon.com/personalize"
        "/latest/dg/granting-personalize-s3-access.html#attach-bucket-policy and fix bucket policy on "
        f"{bucket}."
    )


def _unreadable(uri: str, error: BaseException) -> str:
    """Return one line about a failure of the network or the disk."""
    return f"{uri} could not be read: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
