"""A bucket that is a folder: a key is the path of a file in it."""

import errno
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sartor.data.buckets import ChangedError, SourceFile, UnreadableError

#: The longest time in which a file system gives two changes the same time, in seconds.
CLOCK_STEP_SECONDS: Final = 0.02
#: What no name of a file can be, or what is no folder.
_NOTHING_THERE = frozenset((errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EINVAL))
#: What is wrong with this machine and not with a key; it may pass.
_OF_THE_MACHINE = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR)
)
#: What a file system answers that knows no second name for a file.
_NO_LINKS = frozenset((errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK))

#: What is copied at once, in bytes.
_COPIED_BYTES: Final = 2**20
_IN_THE_WAY = "there is a file where the folder would be"


class FolderBucket:
    """A bucket in a folder; no key, and no link, leads out of it.

    Args:
        name: the bucket's name.
        root: its folder.
        must_exist: whether the folder must be there before something is written.
    """

    def __init__(self, name: str, root: Path, must_exist: bool) -> None:
        self._name = name
        self._root = Path(os.path.realpath(root))
        self._inside = f"{self._root}/".replace("//", "/")  # what the place of every file begins with
        self._must_exist = must_exist

    @property
    def makes_copies(self) -> bool:
        """It does not."""
        return False

    def address(self, key: str) -> str:
        """Follow links."""
        return os.path.realpath(self._inside + key)

    def find(self, key: str) -> SourceFile:
        """Look at one file, which must be readable."""
        return self._seen(key, self._look(key)[1])

    def first_level(self, folder: str) -> Iterator[SourceFile]:
        """Scan a folder; links that lead nowhere are no files."""
        with _in_words():
            for entry in os.scandir(self._place(folder)):
                key = folder + entry.name
                status = self._status(key, entry)
                if status is not None and stat.S_ISREG(status.st_mode):
                    yield self._seen(_named(key), status)

    def names(self, folder: str) -> Iterator[str]:
        """Read a folder's names."""
        with _in_words():
            return iter([entry.name for entry in os.scandir(self._place(folder))])

    def below(self, folder: str) -> Iterator[SourceFile]:
        """Walk a folder; links to folders are not followed."""
        yield from self.first_level(folder)
        with _in_words():
            inner = [one.name for one in os.scandir(self._place(folder)) if one.is_dir(follow_symlinks=False)]
        for name in inner:
            yield from self.below(f"{folder}{name}/")

    def read(self, file: SourceFile, start: int, length: int) -> bytes:
        """Read from the file itself."""
        with _in_words(), self._place(file.key).open("rb") as opened:
            if self._seen(file.key, os.fstat(opened.fileno())) != file:
                raise ChangedError(file.key)
            opened.seek(start)
            return opened.read(length)

    def fetch(self, file: SourceFile, copy: Path, progress: Callable[[int], None]) -> Path:
        """Return the file itself: it is read where it lies.

        A file that has just changed is looked at again once the clock has gone on: what is written to it from then
        on shows in its times.
        """
        place, status = self._look_again(file)
        if time.time() - status.st_ctime < CLOCK_STEP_SECONDS:
            time.sleep(CLOCK_STEP_SECONDS)
            self._look_again(file)
        return place

    def create(self, key: str, file: Path, owner: str, keep_on: Callable[[], None]) -> None:
        """Copy beside, make durable, and give it its name, which nothing may have yet."""
        self._store(key, [file], owner, keep_on, _name_once)

    def replace(self, key: str, files: Iterable[Path], owner: str, keep_on: Callable[[], None]) -> None:
        """Copy beside, make durable, and give it its name in place of what has it."""
        self._store(key, files, owner, keep_on, os.replace)

    def _store(
        self,
        key: str,
        files: Iterable[Path],
        owner: str,
        keep_on: Callable[[], None],
        name: Callable[[Path, Path], None],
    ) -> None:
        """Copy files, one after the other, beside a key's place, make that durable, and let ``name`` name it."""
        with _in_words():
            place = self._entry(key)
            try:
                self._make(place.parent)
            except FileExistsError:
                raise UnreadableError(_IN_THE_WAY) from None
            beside = place.with_name(f".{place.name}.{owner}")
            try:
                _joined(files, beside)
                beside.chmod(self._root.stat().st_mode & 0o666)
                with beside.open("rb") as stream:
                    os.fsync(stream.fileno())
                keep_on()
                name(beside, place)
            finally:
                beside.unlink(missing_ok=True)

    def delete(self, key: str) -> None:
        """Unlink."""
        with _in_words():
            self._entry(key).unlink(missing_ok=True)

    def require_writable(self, folder: str) -> None:
        """Ask the system about the folder, or the one in which it would be made."""
        with _in_words():
            if self._must_exist and not self._root.is_dir():
                raise FileNotFoundError(folder)
            place = self._place(folder)
            there = next(one for one in (place, *place.parents) if os.path.lexists(one))
            if not there.is_dir():
                raise UnreadableError(_IN_THE_WAY)
            if not os.access(there, os.W_OK | os.X_OK):
                raise PermissionError(folder)

    def _make(self, folder: Path) -> None:
        """Make a folder; who may look into the bucket may look into it and what is written to it.

        Raises:
            FileExistsError: there is a file in its place.
        """
        if folder.is_dir():
            return
        self._make(folder.parent)
        folder.mkdir(exist_ok=True)
        if self._root in folder.parents:
            folder.chmod(stat.S_IMODE(folder.stat().st_mode | self._root.stat().st_mode & 0o777))

    def _look(self, key: str) -> tuple[Path, os.stat_result]:
        """Return the file of a key, and what it is now."""
        with _in_words():
            place = self._place(key)
            if not stat.S_ISREG(place.stat().st_mode):
                raise FileNotFoundError(key)
            with place.open("rb") as opened:
                return place, os.fstat(opened.fileno())

    def _look_again(self, file: SourceFile) -> tuple[Path, os.stat_result]:
        """Return the file that was listed, and what it is; raise ``ChangedError`` if it is another now."""
        try:
            place, status = self._look(file.key)
        except FileNotFoundError as error:
            raise ChangedError(file.key) from error
        if self._seen(file.key, status) != file:
            raise ChangedError(file.key)
        return place, status

    def _place(self, key: str) -> Path:
        """Return the file of a key.

        Raises:
            PermissionError: a link leads out of the folder.
        """
        place = os.path.realpath(self._inside + key)  # paths by hand: a job may have 20,000
        if not f"{place}/".startswith(self._inside):
            raise PermissionError(key)
        return Path(place)

    def _entry(self, key: str) -> Path:
        """Return the place of a key in its folder, whatever lies there; a link is not followed."""
        folder, _, name = key.rpartition("/")
        return self._place(folder) / name

    def _status(self, key: str, entry: "os.DirEntry[str]") -> os.stat_result | None:
        """Return what a folder's entry is; nothing for a link that leads nowhere, or a file that is gone."""
        try:
            return self._place(key).stat() if entry.is_symlink() else entry.stat()
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP):
                return None
            raise

    def _seen(self, key: str, status: os.stat_result) -> SourceFile:
        """Return a file as it is now; the second time is one that no program can set back."""
        state = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
        return SourceFile(self._name, key, status.st_size, "-".join(f"{number:x}" for number in state))


def _named(key: str) -> str:
    """Return a key that S3 could have.

    Raises:
        UnreadableError: the file's name is not UTF-8, so no key names it.
    """
    try:
        key.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(key).decode("utf-8", "backslashreplace")
        raise UnreadableError(f"the name of the file {shown} is not UTF-8") from None
    return key


def _joined(files: Iterable[Path], place: Path) -> None:
    """Write files, one after the other, into one; what lies there, a link too, is replaced."""
    place.unlink(missing_ok=True)
    for at, file in enumerate(files):
        if at == 0:
            shutil.copyfile(file, place, follow_symlinks=False)
            continue
        with file.open("rb") as source, place.open("ab") as target:
            shutil.copyfileobj(source, target, _COPIED_BYTES)


def _name_once(beside: Path, place: Path) -> None:
    """Give a file its final name.

    Raises:
        FileExistsError: something has it.
    """
    try:
        os.link(beside, place)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(place):
            raise FileExistsError(place) from None
        beside.rename(place)


@contextmanager
def _in_words() -> Iterator[None]:
    """Turn what the system answers into what a bucket does; a server's own paths are in no text."""
    try:
        yield
    except (FileExistsError, ChangedError, UnreadableError):
        raise
    except PermissionError as error:
        raise PermissionError(errno.EACCES, "not allowed") from error
    except ValueError as error:  # a name with a null byte, or with half of a surrogate pair
        raise FileNotFoundError(errno.ENOENT, "no such file") from error
    except OSError as error:
        if error.errno in _OF_THE_MACHINE:
            raise
        if isinstance(error, FileNotFoundError) or error.errno in _NOTHING_THERE:
            raise FileNotFoundError(errno.ENOENT, "no such file") from error
        if error.errno == errno.ELOOP:
            raise UnreadableError("it is a link that leads to itself") from error
        raise UnreadableError(error.strerror or type(error).__name__) from error
