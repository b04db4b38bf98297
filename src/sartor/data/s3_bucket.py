"""A bucket of an S3 service."""

import queue
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    InvalidPathError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from sartor.data import s3
from sartor.data.buckets import ChangedError, SourceFile, UnreadableError

#: How often a download breaks without a byte more before it is given up, and the first wait in seconds; it doubles.
DOWNLOAD_ATTEMPTS: Final = 5
FIRST_WAIT_SECONDS: Final = 0.2
#: What came of a chunk that is not whole is lost when a download breaks.
_CHUNK_BYTES = 2**20
#: So many of them wait for the upload, which is looked at so often meanwhile, in seconds.
_CHUNKS_AHEAD: Final = 16
_LOOK_SECONDS: Final = 0.2


class S3Bucket:
    """A bucket behind one store, which keeps its connections.

    Args:
        name: the bucket's name.
        store: as ``s3.open_bucket`` gives it.
        endpoint: the service's URL; ``None`` for Amazon's own.
    """

    def __init__(self, name: str, store: Any, endpoint: str | None) -> None:
        self._name = name
        self._store = store
        self._endpoint = endpoint

    @property
    def makes_copies(self) -> bool:
        """It does."""
        return True

    def address(self, key: str) -> str:
        """A location names its bucket."""
        return f"s3://{self._name}/{key}"

    def find(self, key: str) -> SourceFile:
        """One HEAD."""
        with self._words():
            return self._seen(obstore.head(self._store, key))

    def first_level(self, folder: str) -> Iterator[SourceFile]:
        """List with a delimiter."""
        with self._words():
            for found in obstore.list_with_delimiter(self._store, folder or None)["objects"]:
                if found["path"].startswith(folder):  # the folder's own marker is listed without its slash
                    yield self._seen(found)

    def names(self, folder: str) -> Iterator[str]:
        """List with a delimiter."""
        return (file.key[len(folder) :] for file in self.first_level(folder))

    def below(self, folder: str) -> Iterator[SourceFile]:
        """List without one."""
        with self._words():
            for page in obstore.list(self._store, folder or None):
                yield from (self._seen(found) for found in page if found["path"].startswith(folder))

    def read(self, file: SourceFile, start: int, length: int) -> bytes:
        """One GET of a range."""
        with self._words():
            return bytes(_answer(self._store, file, {"range": (start, start + length)}).bytes())

    def fetch(self, file: SourceFile, copy: Path, progress: Callable[[int], None]) -> Path:
        """Download; what breaks goes on where it was."""
        copy.unlink(missing_ok=True)
        broken = 0
        while True:
            before = copy.stat().st_size if copy.exists() else 0
            try:
                with self._words():
                    _download(self._store, file, copy, progress)
                return copy
            except FileNotFoundError as error:
                raise ChangedError(file.key) from error
            except UnreadableError:
                went_on = copy.exists() and copy.stat().st_size > before
                broken = 1 if went_on else broken + 1
                if broken == DOWNLOAD_ATTEMPTS:
                    raise
            time.sleep(FIRST_WAIT_SECONDS * 2 ** (broken - 1))

    def create(self, key: str, file: Path, owner: str, keep_on: Callable[[], None]) -> None:
        """One conditional PUT, behind a HEAD for the services that know no conditions."""
        with self._words():
            if self._has(key):
                raise FileExistsError(key)
            keep_on()
            try:
                with file.open("rb") as stream:
                    obstore.put(self._store, key, stream, mode="create")
            except BaseError as error:
                if not isinstance(error, NotSupportedError) and "501 Not Implemented" not in str(error):
                    raise
                with file.open("rb") as stream:
                    obstore.put(self._store, key, stream)

    def replace(self, key: str, files: Iterable[Path], owner: str, keep_on: Callable[[], None]) -> None:
        """One upload, in parts if it is large; nothing shows until all of it is there."""
        with self._words():
            keep_on()
            _put(self._store, key, _chunks(files, keep_on))

    def delete(self, key: str) -> None:
        """One DELETE."""
        with self._words():
            obstore.delete(self._store, key)

    def require_writable(self, folder: str) -> None:
        """Ask for the first keys: whoever may not even do that may not write."""
        with self._words():
            next(iter(obstore.list(self._store, folder or None)), None)

    def _has(self, key: str) -> bool:
        try:
            obstore.head(self._store, key)
        except (NotFoundError, FileNotFoundError):
            return False
        return True

    @contextmanager
    def _words(self) -> Iterator[None]:
        """Turn what obstore raises into what a bucket does."""
        try:
            yield
        except (NotFoundError, FileNotFoundError) as error:
            raise FileNotFoundError("no such key") from error
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise PermissionError("not allowed") from error
        except PreconditionError as error:
            raise ChangedError("it has another ETag") from error
        except AlreadyExistsError as error:
            raise FileExistsError("the key is taken") from error
        except InvalidPathError as error:
            words = s3.in_words(error, self._name, self._endpoint)
            raise UnreadableError(f"a key in it cannot be read: {words}") from error
        except ValueError as error:  # what obstore takes for no key, such as one with a line end
            raise FileNotFoundError("no such key") from error
        except (BaseError, TimeoutError, ConnectionError) as error:
            if "403 Forbidden" in str(error):  # to a list
                raise PermissionError("not allowed") from error
            raise UnreadableError(s3.in_words(error, self._name, self._endpoint)) from error

    def _seen(self, found: Mapping[str, Any]) -> SourceFile:
        etag = _plain(found["e_tag"])
        return SourceFile(self._name, found["path"], found["size"], f'"{etag}"' if etag else "")


def _answer(store: Any, file: SourceFile, options: Mapping[str, Any]) -> Any:
    """Return the answer to a GET of a file.

    Raises:
        ChangedError: it is of another state of the file; services there are that ignore ``If-Match``.
    """
    condition = {"if_match": file.etag} if file.etag else {}
    wanted: Any = {**condition, **options}
    answer = obstore.get(store, file.key, options=wanted)
    now = answer.meta
    if now["size"] != file.size_bytes or _plain(now["e_tag"]) != _plain(file.etag):
        raise ChangedError(file.key)
    return answer


def _put(store: Any, key: str, chunks: Iterator[bytes]) -> None:
    """Upload what comes in chunks; what making them raises leaves nothing.

    They are made in this thread: obstore would ask for them amid its own work, where none of its calls may be made, and
    files that lie in S3 themselves need some.
    """
    given: queue.Queue[bytes | BaseException | None] = queue.Queue(_CHUNKS_AHEAD)

    def taken() -> Iterator[bytes]:
        while (one := given.get()) is not None:
            if isinstance(one, BaseException):
                raise one
            yield one

    def give(one: bytes | BaseException | None) -> None:
        while not uploading.done():
            with suppress(queue.Full):
                given.put(one, timeout=_LOOK_SECONDS)
                return

    with ThreadPoolExecutor(1) as pool:
        uploading = pool.submit(obstore.put, store, key, taken())
        try:
            for chunk in chunks:
                give(chunk)
                if uploading.done():  # too early: it says what is wrong
                    break
        except BaseException as error:
            give(error)
            raise
        give(None)
        uploading.result()


def _chunks(files: Iterable[Path], keep_on: Callable[[], None]) -> Iterator[bytes]:
    """Yield what is in files, one after the other; ``keep_on`` is called before each piece."""
    for file in files:
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                keep_on()
                yield chunk


def _plain(etag: str | None) -> str:
    """Return an ETag as every answer of a service has it: some write quotes in one and none in another."""
    return (etag or "").removeprefix("W/").strip('"')


def _download(store: Any, file: SourceFile, copy: Path, progress: Callable[[int], None]) -> None:
    """Append to the copy what it misses of the object, which must still be the one that was listed."""
    with copy.open("ab") as stream:
        done = stream.tell()
        if done < file.size_bytes:
            answer = _answer(store, file, {"range": {"offset": done}} if done else {})
            for chunk in answer.stream(min_chunk_size=_CHUNK_BYTES):
                stream.write(chunk)
                stream.flush()
                done += len(chunk)
                progress(done)
    if done != file.size_bytes:
        raise UnreadableError(f"{done} of {file.size_bytes} bytes came")
