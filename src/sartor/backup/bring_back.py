"""Brings a backup back into an empty place, and checks every file on the way."""

import secrets
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar

from sartor.backup.manifest import (
    COMING,
    DATA,
    DATABASE,
    STORAGE,
    THREADS,
    BackupError,
    Kept,
    Manifest,
    copy_hashed,
    newer,
    read_manifest,
)
from sartor.backup.take import database_file
from sartor.data.blobs import Blobs, FolderBlobs, open_storage
from sartor.data.buckets import ChangedError
from sartor.data.copies import Cache
from sartor.once import Once
from sartor.private import keep_private
from sartor.resources.upgrades import SCHEMA_VERSION
from sartor.settings import Settings

T = TypeVar("T")
R = TypeVar("R")

#: So many damaged files are named; the others are counted.
_NAMED: Final = 5


def restore(settings: Settings, source: str) -> Manifest:
    """Bring a backup back as a service that the settings describe, and return what was brought.

    Until all of it is there, no server begins a new service in its place: the database comes last.

    Raises:
        BackupError: there is something already, or the backup is none, newer than this Sartor, or damaged.
        OSError: something cannot be read or written.
    """
    database = database_file(settings)
    if settings.data.exists() and any(settings.data.iterdir()):
        raise BackupError(f"{settings.data} is not empty: name a new folder with --data.")
    if database.exists():
        raise BackupError(f"There is a database at {database}: name a new file with --database.")
    with _opened(settings, source) as (backup, scratch):
        manifest = read_manifest(backup)
        if int(manifest.schema_version) > int(SCHEMA_VERSION):
            raise newer(backup, manifest.sartor)
        storage = open_storage(settings.storage, settings.s3_endpoint, scratch, durable=False)
        if next(storage.stored(), None) is not None:
            raise BackupError(
                f"There are files in the storage {storage.uri}: name an empty one with --storage."
            )
        keep_private(settings.data)
        Once(database).remember()
        data, beside = FolderBlobs(settings.data), FolderBlobs(database.parent)

        def bring(file: Kept) -> str | None:
            for prefix, place in ((STORAGE, storage), (DATA, data)):
                if file.name.startswith(prefix):
                    return _bring(backup, file, place, file.name.removeprefix(prefix))
            return _bring(backup, file, beside, database.name)

        last = [file for file in manifest.files if file.name == DATABASE]
        alike: dict[str, list[Kept]] = {}
        for file in manifest.files:
            if file.name != DATABASE:
                alike.setdefault(file.sha256, []).append(file)
        # files with the same content have one copy here, which the one must not drop while another reads it
        found = _each(lambda files: [bring(file) for file in files], alike.values())
        _require_whole(chain.from_iterable(found), settings, source)
        storage.flush()
        _require_whole(map(bring, last), settings, source)
        for place in (storage, data, beside):
            place.delete_folder(COMING)
    return manifest


def verify(settings: Settings, source: str) -> tuple[Manifest, list[str]]:
    """Read every file of a backup, and return its manifest and what is wrong with it, a line each.

    Raises:
        BackupError: there is none, or a newer Sartor made it.
        OSError: it cannot be read.
    """
    with _opened(settings, source) as (backup, _):
        manifest = read_manifest(backup)
        one_each = {file.sha256: file for file in manifest.files}.values()
        faults = _each(lambda file: _fault(backup, file, None), one_each)
        return manifest, [fault for fault in faults if fault is not None]


@contextmanager
def _opened(settings: Settings, source: str) -> Iterator[tuple[Blobs, Path]]:
    """Give the backup, which must be there, and a scratch folder.

    Raises:
        BackupError: it is a folder that does not exist.
    """
    if "://" not in source and not Path(source).is_dir():
        raise BackupError(f"There is no folder {source}: name the place that `sartor backup` was given.")
    with TemporaryDirectory(prefix="sartor-") as folder:
        scratch = Path(folder)
        backup = open_storage(source, settings.s3_endpoint, scratch, Cache(scratch / "read"))
        backup.check()
        yield backup, scratch


def _each(do: Callable[[T], R], works: Iterable[T]) -> list[R]:
    """Return what is found for each, some at a time."""
    with ThreadPoolExecutor(THREADS, "restore") as threads:
        return list(threads.map(do, works))


def _bring(backup: Blobs, file: Kept, target: Blobs, path: str) -> str | None:
    """Bring one file to its place, and return what is wrong with it; a damaged one gets no place."""
    staged = target.stage(COMING) / secrets.token_hex(8)
    fault = _fault(backup, file, staged)
    if fault is None:
        target.put_file(path, staged)
    return fault


def _fault(backup: Blobs, file: Kept, target: Path | None) -> str | None:
    """Read one file, into a target if there is one, and return what is wrong with it."""
    try:
        found = copy_hashed(backup.local(file.path), target)
    except (FileNotFoundError, ChangedError):
        return f"{file.name}: {file.path} is gone"
    finally:
        if backup.makes_copies:
            backup.drop_local(file.path)
    return None if found == (file.size_bytes, file.sha256) else f"{file.name}: {file.path} is damaged"


def _require_whole(faults: Iterable[str | None], settings: Settings, source: str) -> None:
    """Raise if a file could not be brought back."""
    wrong = [fault for fault in faults if fault is not None]
    if wrong:
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise BackupError(
            f"The backup at {source} is damaged: {'; '.join(wrong[:_NAMED])}{more}. Use another copy of it, and "
            f"delete what was brought back to {settings.data} and {settings.storage} so far."
        )
