"""Storage: where tables, reports and models lie, a folder or a bucket behind the same few calls."""

import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import urlsplit

import obstore
from deltalake.exceptions import DeltaError
from obstore.exceptions import BaseError, NotFoundError

from sartor.data import s3
from sartor.data.buckets import UnreadableError
from sartor.data.copies import Cache, Copies
from sartor.data.ranges import Ranges, Read, bring, reader
from sartor.data.s3_bucket import S3Bucket
from sartor.durable import make_durable
from sartor.errors import Unavailable

#: What Delta does not take for part of a name: a backslash is a slash to it, ``%20`` a space, and the rest nothing.
_UNNAMABLE: Final = re.compile(r"[\x00-\x1f\x7f\\]|%[0-9a-fA-F]{2}")


class StorageFaultError(Unavailable, OSError):
    """Storage does not answer, or refuses; the text says which, where, and what to set."""


class StoredFile(NamedTuple):
    """One file of storage.

    Attributes:
        path: of the file.
        size_bytes: its size.
        state: what changes when its content does.
    """

    path: str
    size_bytes: int
    state: str


class Blobs(Protocol):
    """Files by path, with ``/`` between folders. A path names the same bytes in every process.

    Every call raises ``StorageFaultError`` where an S3 service does not answer or refuses.
    """

    @property
    def uri(self) -> str:
        """What Delta and other readers call the root."""

    @property
    def delta_options(self) -> dict[str, str]:
        """What deltalake must know to write here."""

    def in_words(self) -> AbstractContextManager[None]:
        """Return what turns an error of the libraries that reach an S3 service into a ``StorageFaultError``."""

    @property
    def makes_copies(self) -> bool:
        """Whether ``local`` copies."""

    def put(self, path: str, content: bytes) -> None:
        """Store ``content`` durably; readers see the old content or the new, never a part."""

    def put_file(self, path: str, file: Path) -> None:
        """Store a local file durably and remove it; if it lies at its place already, make it durable."""

    def flush(self) -> None:
        """Make all durable that was put, where ``put_file`` does not."""

    def get(self, path: str) -> bytes:
        """Return a file's content; raises ``FileNotFoundError``."""

    def list(self, prefix: str) -> Iterator[tuple[str, float]]:
        """Yield the path and the time of the last change (epoch seconds) of each file below a folder."""

    def stored(self, folder: str = "") -> Iterator[StoredFile]:
        """Yield every file below a folder, of all storage if none is given, with its size and state."""

    def files(self, folder: str) -> Iterator[tuple[str, float]]:
        """Yield the path and the time of the last change (epoch seconds) of each file in a folder itself."""

    def has(self, path: str) -> bool:
        """Return whether a file is there."""

    def delete(self, path: str) -> None:
        """Delete one file; one that is gone is no matter."""

    def delete_folder(self, prefix: str) -> None:
        """Delete everything below a folder."""

    def stage(self, prefix: str) -> Path:
        """Return a local folder in which to write files that ``put_file`` then stores below ``prefix``."""

    def check(self) -> None:
        """Raise if files cannot be written here now."""

    def local(self, path: str) -> Path:
        """Return a local file with the content of a file that never changes; ``FileNotFoundError`` if there is none."""

    def some(self, path: str, wanted: Callable[[int, Read], Ranges], copy: Path) -> Path:
        """Return a local file as large as a file that never changes, with some of its bytes at least.

        Args:
            path: of the file.
            wanted: returns which bytes, from its size and what reads it.
            copy: where it is written, if ``local`` makes copies; its folder is made.
        """

    def drop_local(self, path: str) -> None:
        """Delete this machine's copy of a file, if ``local`` makes copies; who has it open keeps it."""

    def drop_stale(self, prefix: str = "") -> None:
        """Delete this machine's copies of files below a folder that are not there any more; of all if none is given."""


class FolderBlobs:
    """Storage in a local folder.

    Args:
        root: the folder.
        durable: whether ``put_file`` makes durable, and not only ``flush``.
    """

    def __init__(self, root: Path, durable: bool = True) -> None:
        self._root = root
        self._make_durable = make_durable if durable else lambda _place: None
        root.mkdir(parents=True, exist_ok=True)

    @property
    def uri(self) -> str:
        """The folder's path."""
        return str(self._root)

    @property
    def delta_options(self) -> dict[str, str]:
        """A folder needs none."""
        return {}

    def in_words(self) -> AbstractContextManager[None]:
        """A folder's errors are the system's."""
        return nullcontext()

    @property
    def makes_copies(self) -> bool:
        """It does not."""
        return False

    def put(self, path: str, content: bytes) -> None:
        """Write beside, make durable, rename."""
        place = self._at(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        new = place.with_name(f".{place.name}.{uuid.uuid4().hex}")
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(place)
        make_durable(place.parent)

    def put_file(self, path: str, file: Path) -> None:
        """Move the file to its place and make both durable."""
        place = self._at(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        self._make_durable(file)
        if file != place:
            shutil.move(file, place)
        self._make_durable(place.parent)

    def flush(self) -> None:
        """Ask the system for all at once: files one by one would take several times as long."""
        os.sync()

    def get(self, path: str) -> bytes:
        """Read one file."""
        return self._at(path).read_bytes()

    def list(self, prefix: str) -> Iterator[tuple[str, float]]:
        """Walk the folder."""
        for path, status in self._walk(prefix):
            yield path, status.st_mtime

    def stored(self, folder: str = "") -> Iterator[StoredFile]:
        """Walk the folder; a state is an inode and the time of its last change."""
        for path, status in self._walk(folder):
            yield StoredFile(path, status.st_size, f"{status.st_ino:x}-{status.st_mtime_ns:x}")

    def files(self, folder: str) -> Iterator[tuple[str, float]]:
        """Look into the folder."""
        if not self._at(folder).is_dir():
            return
        with os.scandir(self._at(folder)) as found:
            for entry in found:
                if entry.is_file():
                    with suppress(FileNotFoundError):
                        yield f"{folder}/{entry.name}", entry.stat().st_mtime

    def has(self, path: str) -> bool:
        """Look for it."""
        return self._at(path).is_file()

    def delete(self, path: str) -> None:
        """Unlink."""
        self._at(path).unlink(missing_ok=True)

    def delete_folder(self, prefix: str) -> None:
        """Remove the tree; what another process removes meanwhile is no matter."""
        if self._at(prefix).exists():
            shutil.rmtree(self._at(prefix))

    def stage(self, prefix: str) -> Path:
        """The place itself: nothing is copied."""
        place = self._at(prefix)
        place.mkdir(parents=True, exist_ok=True)
        return place

    def check(self) -> None:
        """Ask whether the folder is there and can be written to."""
        if not os.access(self._root, os.W_OK | os.X_OK):
            raise PermissionError(f"{self._root} is not a folder that can be written to")

    def local(self, path: str) -> Path:
        """The file itself."""
        return self._at(path)

    def some(self, path: str, wanted: Callable[[int, Read], Ranges], copy: Path) -> Path:
        """The file itself, which has all."""
        return self._at(path)

    def drop_local(self, path: str) -> None:
        """There are no copies."""

    def drop_stale(self, prefix: str = "") -> None:
        """There are no copies."""

    def _walk(self, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
        for folder, _, names in os.walk(self._at(prefix)):
            for name in names:
                file = Path(folder, name)
                with suppress(FileNotFoundError):
                    yield str(file.relative_to(self._root)), file.stat()

    def _at(self, path: str) -> Path:
        """Return the file of a path, which cannot leave the root."""
        if path.startswith("/") or ".." in PurePosixPath(path).parts:
            raise ValueError(f"{path!r} is not a path in storage")
        return self._root / path


class S3Blobs:
    """Storage in a bucket.

    Args:
        bucket: its name.
        prefix: everything lies below it.
        endpoint: the service's URL; ``None`` for Amazon's own.
        scratch: a local folder for files on their way in.
        cache: where this machine's copies lie.
    """

    def __init__(self, bucket: str, prefix: str, endpoint: str | None, scratch: Path, cache: Cache) -> None:
        self._bucket, self._prefix, self._endpoint = bucket, prefix.strip("/"), endpoint
        self._scratch = scratch
        self._store = s3.open_bucket(bucket, endpoint, prefix=self._prefix or None)
        known_as = hashlib.sha256(f"{endpoint or ''} {bucket} {self._prefix}".encode()).hexdigest()[:16]
        self._files = S3Bucket(bucket, self._store, endpoint)
        self._copies = Copies(self._files, cache.folder / known_as, cache.most_bytes)

    @property
    def uri(self) -> str:
        """The bucket's URL with the prefix."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    @property
    def delta_options(self) -> dict[str, str]:
        """Credentials, endpoint, and that a commit is a conditional put, which only one writer wins."""
        credentials = s3.standard_credentials()()
        options = {
            "aws_access_key_id": credentials["access_key_id"],
            "aws_secret_access_key": credentials["secret_access_key"],
            "aws_region": s3.standard_credentials().config.get("region", "us-east-1"),
            "aws_conditional_put": "etag",
            "allow_http": "true",
        }
        if credentials.get("token"):
            options["aws_session_token"] = credentials["token"]
        if self._endpoint is not None:
            options["aws_endpoint_url"] = self._endpoint
        return options

    @contextmanager
    def in_words(self) -> Iterator[None]:
        """Those of obstore and of Delta, which is no class of its own where the service refuses."""
        try:
            yield
        except StorageFaultError:
            raise
        except (BaseError, DeltaError, PermissionError, TimeoutError, ConnectionError, OSError) as error:
            if isinstance(error, OSError) and not _is_of_service(error):
                raise
            words = str(error)
            if not isinstance(error, UnreadableError):
                words = s3.in_words(error, self._bucket, self._endpoint)
            raise StorageFaultError(f"The storage {self.uri} cannot be used: {words}.") from error

    @property
    def makes_copies(self) -> bool:
        """It does."""
        return True

    def put(self, path: str, content: bytes) -> None:
        """One PUT."""
        with self.in_words():
            obstore.put(self._store, path, content)
        self._copies.drop(path)

    def put_file(self, path: str, file: Path) -> None:
        """Upload in parts, then remove the local file."""
        with self.in_words(), file.open("rb") as stream:
            obstore.put(self._store, path, stream)
        self._copies.drop(path)
        file.unlink()

    def flush(self) -> None:
        """A bucket keeps what it took."""

    def get(self, path: str) -> bytes:
        """One GET."""
        with self.in_words():
            try:
                return bytes(obstore.get(self._store, path).bytes())
            except (NotFoundError, FileNotFoundError) as error:
                raise FileNotFoundError(path) from error

    def list(self, prefix: str) -> Iterator[tuple[str, float]]:
        """List the keys below a folder."""
        for page in self._pages(prefix.rstrip("/") + "/"):
            for found in page:
                yield found["path"], found["last_modified"].timestamp()

    def stored(self, folder: str = "") -> Iterator[StoredFile]:
        """List the keys below a folder; a state is an ETag."""
        for page in self._pages(f"{folder}/" if folder else None):
            for found in page:
                yield StoredFile(found["path"], found["size"], found["e_tag"] or str(found["last_modified"]))

    def files(self, folder: str) -> Iterator[tuple[str, float]]:
        """List the keys of the folder alone."""
        with self.in_words():
            objects = obstore.list_with_delimiter(self._store, f"{folder}/")["objects"]
        for found in objects:
            yield found["path"], found["last_modified"].timestamp()

    def has(self, path: str) -> bool:
        """One HEAD."""
        with self.in_words():
            try:
                obstore.head(self._store, path)
            except (NotFoundError, FileNotFoundError):
                return False
        return True

    def delete(self, path: str) -> None:
        """One DELETE; the local copy goes too."""
        with self.in_words():
            obstore.delete(self._store, path)
        self._copies.drop(path)

    def delete_folder(self, prefix: str) -> None:
        """Delete every key below a folder."""
        paths = [path for path, _ in self.list(prefix)]
        if paths:
            with self.in_words():
                obstore.delete(self._store, paths)
        for path in paths:
            self._copies.drop(path)

    def stage(self, prefix: str) -> Path:
        """A folder of the scratch space."""
        place = self._scratch / "staged" / prefix
        place.mkdir(parents=True, exist_ok=True)
        return place

    def check(self) -> None:
        """Ask the bucket for its first keys.

        Raises:
            StorageFaultError: it does not answer, or refuses; the text says what to set.
        """
        with self.in_words():
            obstore.list_with_delimiter(self._store)

    def local(self, path: str) -> Path:
        """Download once a machine, for as long as there is room; what breaks goes on where it was."""
        with self.in_words():
            return self._copies.of(path)

    def some(self, path: str, wanted: Callable[[int, Read], Ranges], copy: Path) -> Path:
        """A GET for each range, or some if it is long."""
        copy.parent.mkdir(parents=True, exist_ok=True)
        with self.in_words():
            file = self._files.find(path)
            return bring(self._files, file, wanted(file.size_bytes, reader(self._files, file)), copy)

    def drop_local(self, path: str) -> None:
        """Remove it from the cache."""
        self._copies.drop(path)

    def drop_stale(self, prefix: str = "") -> None:
        """Remove from the cache what the bucket has not."""
        with self.in_words():
            self._copies.drop_stale(prefix)

    def _pages(self, prefix: str | None) -> Iterator[Any]:
        """Yield the pages of a list of keys."""
        with self.in_words():
            pages = iter(obstore.list(self._store, prefix))
            page = next(pages, None)
        while page is not None:
            yield page
            with self.in_words():
                page = next(pages, None)


def _is_of_service(error: OSError) -> bool:
    """Return whether an ``OSError`` is what an S3 service did, and not this machine or a key that is not there."""
    refused = (UnreadableError, PermissionError, TimeoutError, ConnectionError)
    return error.errno is None and (isinstance(error, refused) or type(error) is OSError)


def open_storage(
    url: str, endpoint: str | None, scratch: Path, cache: Cache | None = None, durable: bool = True
) -> Blobs:
    """Return the storage at ``url``.

    Args:
        url: a folder's path or ``s3://bucket/prefix``.
        endpoint: the S3 service; ``None`` for Amazon's own.
        scratch: a local folder for files on their way to a bucket.
        cache: where copies of a bucket's files lie; in ``scratch`` if not given.
        durable: whether ``put_file`` makes durable, and not only ``flush``.

    Raises:
        ValueError: the URL is neither, or Delta could not find a table below it.
    """
    unnamable = _UNNAMABLE.search(url)
    if unnamable is not None:
        raise ValueError(
            f"Storage cannot be at {url!r}: Delta tables cannot lie below a name with {unnamable[0]!r}. "
            "Name another folder."
        )
    parts = urlsplit(url)
    if parts.scheme == "s3" and parts.netloc:
        return S3Blobs(parts.netloc, parts.path, endpoint, scratch, cache or Cache(scratch / "cached"))
    if "://" in url:
        raise ValueError(f"Storage must be a folder or s3://bucket/prefix, not {url}")
    return FolderBlobs(Path(url), durable)
