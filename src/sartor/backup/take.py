"""Takes a backup while the service goes on.

All that is stored is copied first. Then the database is held at a moment, between two looks at the versions of all
tables that must be the same, and what came since is copied. Whatever is deleted between the last list before that
moment and the end of copying may be what the moment needs: then another moment is taken. That is rare, for by then
nearly all is there.
"""

import fcntl
import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from sartor import __version__
from sartor.backup.manifest import (
    COMING,
    DATA,
    DATABASE,
    FILES,
    MANIFEST,
    STORAGE,
    THREADS,
    BackupError,
    Kept,
    Manifest,
    copy_hashed,
    read_manifest,
)
from sartor.data.blobs import Blobs, StoredFile, open_storage
from sartor.data.buckets import ChangedError
from sartor.data.copies import Cache
from sartor.data.settled import belonging, heads, logs
from sartor.database.moment import moment_of
from sartor.keys import KEY_FILE
from sartor.scratch import Scratch
from sartor.settings import Settings

LOG = logging.getLogger("sartor.backup")

#: How often another moment is taken before the backup gives up, and how long a quiet one is waited for, in seconds.
_MOMENTS: Final = 20
_BETWEEN_COMMITS_SECONDS: Final = 60.0
_AGAIN_SECONDS: Final = 0.05
#: What of a data folder is kept beside the database and storage.
_OF_DATA: Final = (KEY_FILE, "tls/*")


@dataclass(frozen=True)
class Taken:
    """What a backup did.

    Attributes:
        manifest: of all that it has.
        copied_files: how many files were not there yet.
        copied_bytes: their bytes.
    """

    manifest: Manifest
    copied_files: int
    copied_bytes: int


class _MissedError(Exception):
    """Something that the moment may need was deleted."""


def back_up(settings: Settings, destination: str) -> Taken:
    """Back up a service to a folder or ``s3://bucket/prefix``.

    Raises:
        BackupError: there is no service, it cannot be backed up so, or it changes too quickly.
        OSError: something cannot be read or written.
    """
    database = database_file(settings)
    if not database.exists():
        raise BackupError(f"There is no service in {settings.data}: name its folder with --data.")
    if "://" not in destination and _is_inside(Path(destination), settings):
        raise BackupError(f"{destination} is in the data folder or the storage itself: name another place.")
    with _alone(settings.data):
        scratch = Scratch(settings)
        try:
            storage = open_storage(
                settings.storage, settings.s3_endpoint, scratch.folder, Cache(scratch.folder / "read")
            )
            backup = open_storage(destination, settings.s3_endpoint, scratch.folder, durable=False)
            backup.check()
            return _Taking(settings, database, storage, backup, scratch.folder).run()
        finally:
            scratch.close()


def database_file(settings: Settings) -> Path:
    """Return the file of the settings' database.

    Raises:
        BackupError: it is on a server.
    """
    if settings.shares_database:
        raise BackupError(
            "`sartor backup` and `sartor restore` are for a service with SQLite. With PostgreSQL stop servers and "
            "workers, copy the database with pg_dump and then the storage; bring both back with pg_restore."
        )
    return Path(settings.database.removeprefix("sqlite:///"))


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Let nobody else take a backup of a data folder meanwhile."""
    with (data / "backup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(f"Another backup of {data} is being taken: wait for it.") from None
        yield


def _is_inside(destination: Path, settings: Settings) -> bool:
    return any(
        destination.resolve().is_relative_to(Path(place).resolve())
        for place in (settings.data, settings.storage)
        if "://" not in str(place)
    )


class _Taking:
    """One run of a backup.

    Args:
        settings: of the service.
        database: its file.
        storage: its storage.
        backup: where the backup goes.
        scratch: a local folder of this run.
    """

    def __init__(
        self, settings: Settings, database: Path, storage: Blobs, backup: Blobs, scratch: Path
    ) -> None:
        self._settings, self._database = settings, database
        self._storage, self._backup, self._scratch = storage, backup, scratch
        self._found = {file.path: file.size_bytes for file in backup.stored(FILES)}
        with moment_of(database) as moment:
            self._service = hashlib.sha256(moment.settings()["secret"].encode()).hexdigest()[:32]
        self._known = self._known_before()
        # what no manifest names may not have reached the disk
        self._there = {file.path: file.size_bytes for file in self._known.values()}
        self._copied: list[int] = []

    def run(self) -> Taken:
        """Copy, until all is of one moment, and name it."""
        self._backup.delete_folder(COMING)  # what an interrupted run left
        self._stored(self._storage.stored(), must=False)
        before = list(self._storage.stored())
        for _ in range(_MOMENTS):
            try:
                manifest = self._at_a_moment(before)
            except _MissedError as missed:
                LOG.info("%s was deleted meanwhile: another moment is taken", missed)
                before = list(self._storage.stored())
                continue
            self._backup.flush()
            self._backup.put(MANIFEST, manifest.to_bytes())
            self._remove_unnamed(manifest)
            self._backup.delete_folder(COMING)
            return Taken(manifest, len(self._copied), sum(self._copied))
        raise BackupError(
            f"In {_MOMENTS} tries something was deleted each time before it was copied: run it again in a quieter "
            "hour; what is copied stays."
        )

    def _at_a_moment(self, before: list[StoredFile]) -> Manifest:
        """Return the manifest of one moment, whose files are all in the backup.

        Raises:
            _MissedError: not all of them; what was listed ``before`` tells.
        """
        deadline, file = time.monotonic() + _BETWEEN_COMMITS_SECONDS, self._scratch / DATABASE
        folders = logs(one.path for one in before)
        while True:
            newest = heads(self._storage, folders)
            with moment_of(self._database) as moment:
                taken_at, settings = datetime.now(UTC), moment.settings()
                if newest == heads(self._storage, folders):
                    now = list(self._storage.stored())
                    file.unlink(missing_ok=True)
                    moment.copy(file)
                    break
            if time.monotonic() > deadline:
                raise BackupError("Tables are committed to all the time: run it again in a quieter hour.")
            time.sleep(_AGAIN_SECONDS)
        new = logs(one.path for one in now) - folders
        if new:
            raise _MissedError(f"the first version of {min(new)}")
        needed = belonging(now, newest)
        gone = {one.path for one in belonging(before, newest)} - {one.path for one in now}
        if gone:
            raise _MissedError(min(gone))
        kept = [self._keep(DATABASE, "", lambda: file), *self._own(), *self._stored(needed, must=True)]
        return Manifest(
            taken_at.isoformat(timespec="milliseconds"),
            __version__,
            self._service,
            settings["schema_version"],
            kept,
        )

    def _own(self) -> Iterator[Kept]:
        """Keep the files of the data folder itself."""
        data = self._settings.data
        for file in sorted(found for pattern in _OF_DATA for found in data.glob(pattern)):
            yield self._keep(f"{DATA}{file.relative_to(data)}", "", partial(Path, file))

    def _stored(self, files: Iterable[StoredFile], must: bool) -> list[Kept]:
        """Keep files of storage.

        Args:
            files: as they were listed.
            must: whether none may be gone by now.

        Raises:
            _MissedError: one is gone that must not be.
        """

        def keep(file: StoredFile) -> Kept | None:
            try:
                return self._keep(
                    f"{STORAGE}{file.path}",
                    file.state,
                    lambda: self._storage.local(file.path),
                    file.size_bytes,
                )
            except (FileNotFoundError, ChangedError):
                if must:
                    raise _MissedError(file.path) from None
                return None
            finally:
                if self._storage.makes_copies:
                    self._storage.drop_local(file.path)

        with ThreadPoolExecutor(THREADS, "backup") as threads:
            futures = [threads.submit(keep, file) for file in files]
            try:
                return [kept for future in futures if (kept := future.result()) is not None]
            except BaseException:
                threads.shutdown(cancel_futures=True)
                raise

    def _keep(self, name: str, state: str, found: Callable[[], Path], size_bytes: int = -1) -> Kept:
        """Return a file that is in the backup now; what it has already is not read if the state says so."""
        known = self._known.get(name)
        if known is not None and state and (known.state, known.size_bytes) == (state, size_bytes):
            return known
        staged = self._backup.stage(COMING) / secrets.token_hex(8)
        try:
            size, sha256 = copy_hashed(found(), staged)
            kept = Kept(name, size, sha256, state)
            if self._there.get(kept.path) != size:
                self._backup.put_file(kept.path, staged)
                self._there[kept.path] = size
                self._copied.append(size)
        finally:
            staged.unlink(missing_ok=True)
        self._known[name] = kept
        return kept

    def _known_before(self) -> dict[str, Kept]:
        """Return what an earlier backup of this service has and still holds, by name.

        Raises:
            BackupError: the backup there is another service's.
        """
        try:
            before = read_manifest(self._backup)
        except BackupError:  # the first one, or one that is of no use
            return {}
        if before.service != self._service:
            raise BackupError(f"{self._backup.uri} has the backup of another service: name another place.")
        files = before.files
        return {file.name: file for file in files if self._found.get(file.path) == file.size_bytes}

    def _remove_unnamed(self, manifest: Manifest) -> None:
        """Delete what only earlier backups named, interrupted ones brought, or was gone at the moment."""
        named = {file.path for file in manifest.files}
        for path in (self._found.keys() | self._there.keys()) - named:
            self._backup.delete(path)
