"""Backups of folders and of S3 services: what is copied, what is refused, what is found damaged."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from s3_server import S3Server
from sartor import settings
from sartor.backup import take
from sartor.backup.bring_back import restore, verify
from sartor.backup.manifest import MANIFEST, BackupError, Kept, Manifest, read_manifest
from sartor.backup.take import back_up
from sartor.data.blobs import Blobs, FolderBlobs, StoredFile
from sartor.data.settled import belonging, heads, logs
from sartor.keys import KEY_FILE, KeyFile
from sartor.resources.store import Store
from sartor.resources.upgrades import SCHEMA_VERSION
from sartor.settings import Settings


class Service:
    """A data folder as a server leaves it."""

    def __init__(self, data: Path) -> None:
        self.settings = settings.load({"data": str(data)})
        Store.open(self.settings.database).close()
        KeyFile(data / KEY_FILE).add("000000000000")
        self.storage = FolderBlobs(data / "storage")
        self.storage.put("models/a/record.json", b"{}")
        self.storage.put("models/a/items.npy", b"1" * 1_000_000)
        self.storage.put("models/b/items.npy", b"1" * 1_000_000)
        self.commit(0)

    def commit(self, version: int) -> None:
        """Let a table have a version more."""
        self.storage.put(f"sets/t/part-{version}.parquet", b"%d" % version)
        self.storage.put(f"sets/t/_delta_log/{version:020d}.json", b"{}")
        self.storage.put("sets/t/_delta_log/_last_checkpoint", b"{}")


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path / "data")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with S3Server() as server:
        yield server


def content(folder: Path) -> dict[str, bytes]:
    """Return what lies in a storage folder, without the hint of Delta's log."""
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != "_last_checkpoint"]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def restored(source: Path | str, data: Path, **flags: str) -> Settings:
    found = settings.load({"data": str(data), **flags})
    restore(found, str(source))
    return found


def secret(database: Path) -> str:
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute("SELECT value FROM setting WHERE key = 'secret'").fetchone()
    return str(found[0])


def test_what_is_brought_back_is_what_was_there(service: Service, tmp_path: Path) -> None:
    taken = back_up(service.settings, str(tmp_path / "backup"))
    assert taken.copied_files == len(taken.manifest.files) - 2  # a model's array twice, and {} is a log too
    data = restored(tmp_path / "backup", tmp_path / "back").data
    assert content(data / "storage") == content(service.settings.data / "storage")
    assert (data / KEY_FILE).read_bytes() == (service.settings.data / KEY_FILE).read_bytes()
    assert secret(data / "sartor.db") == secret(service.settings.data / "sartor.db")
    Store.open(f"sqlite:///{data / 'sartor.db'}").close()
    assert sorted(path.name for path in (tmp_path / "backup").iterdir()) == ["files", MANIFEST]


def test_only_what_is_new_is_copied_and_what_is_gone_is_removed(service: Service, tmp_path: Path) -> None:
    back_up(service.settings, str(tmp_path / "backup"))
    service.commit(1)
    service.storage.delete_folder("models")
    taken = back_up(service.settings, str(tmp_path / "backup"))
    assert taken.copied_files == 1  # the part; its log's entry is like the one before, and the database too
    kept = {file.path for file in taken.manifest.files}
    assert kept == {path for path, _ in FolderBlobs(tmp_path / "backup").list("files")}
    assert not any("models" in file.name for file in taken.manifest.files)
    data = restored(tmp_path / "backup", tmp_path / "back").data
    assert content(data / "storage") == content(service.settings.data / "storage")


def test_what_was_lost_from_a_backup_is_copied_again(service: Service, tmp_path: Path) -> None:
    before = back_up(service.settings, str(tmp_path / "backup")).manifest
    (tmp_path / "backup" / before.files[-1].path).unlink()
    back_up(service.settings, str(tmp_path / "backup"))
    assert verify(service.settings, str(tmp_path / "backup"))[1] == []


def test_a_service_in_s3_is_kept_in_s3_and_brought_back_there(
    tmp_path: Path, s3: S3Server, service: Service
) -> None:
    folder = service.settings.data / "storage"
    (folder / "alike").mkdir()
    for number in range(60):  # they have one copy while they are brought back
        (folder / "alike" / f"{number}.json").write_text("{}")
    s3.objects |= {f"models/live/{path}": read for path, read in content(folder).items()}
    of_s3 = {"s3_endpoint": s3.url, "storage": "s3://models/live"}
    found = settings.load({"data": str(service.settings.data), **of_s3})
    assert back_up(found, "s3://backups/shop").copied_files
    assert back_up(found, "s3://backups/shop").copied_files == 0
    assert verify(found, "s3://backups/shop")[1] == []
    restored("s3://backups/shop", tmp_path / "back", s3_endpoint=s3.url, storage="s3://models/back")
    of = {key.removeprefix("models/back/"): read for key, read in s3.objects.items() if "/back/" in key}
    assert of == content(folder)
    with pytest.raises(BackupError, match=r"There are files in the storage s3://models/back"):
        restored("s3://backups/shop", tmp_path / "more", s3_endpoint=s3.url, storage="s3://models/back")


def test_a_commit_while_files_are_listed_belongs_to_the_next_backup(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter(range(1, 9))

    def looked(storage: Blobs, folders: set[str]) -> dict[str, int]:
        found = heads(storage, folders)
        if (look := next(looks)) in (1, 4):  # between two looks, and after the second of a quiet pair
            service.commit(look)
        return found

    monkeypatch.setattr(take, "heads", looked)
    manifest = back_up(service.settings, str(tmp_path / "backup")).manifest
    log = [file.name for file in manifest.files if "_delta_log" in file.name]
    assert sorted(name[-6:-5] for name in log) == ["0", "1"]
    assert next(looks) == 5


def test_another_moment_is_taken_if_something_was_deleted_meanwhile(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = []

    def looked(storage: Blobs, folders: set[str]) -> dict[str, int]:
        moments.append(storage.has("models/a/items.npy"))
        storage.delete("models/a/items.npy")
        return heads(storage, folders)

    monkeypatch.setattr(take, "heads", looked)
    manifest = back_up(service.settings, str(tmp_path / "backup")).manifest
    assert moments == [True, False, False, False]
    assert "storage/models/a/items.npy" not in {file.name for file in manifest.files}
    monkeypatch.setattr(take, "heads", lambda storage, folders: service.storage.put("x", b"1") or {})
    monkeypatch.setattr(FolderBlobs, "local", lambda self, path: Path("/nowhere"))
    with pytest.raises(BackupError, match="run it again in a quieter hour"):
        back_up(service.settings, str(tmp_path / "backup"))
    assert read_manifest(FolderBlobs(tmp_path / "backup")) == manifest


@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_damage_is_found_and_named(service: Service, tmp_path: Path, damage: str) -> None:
    manifest = back_up(service.settings, str(tmp_path / "backup")).manifest
    (model,) = [file for file in manifest.files if file.name.endswith("a/items.npy")]
    place = tmp_path / "backup" / model.path
    if damage == "gone":
        place.unlink()
    else:
        place.write_bytes(place.read_bytes()[:-1] + (b"2" if damage == "changed" else b""))
    (fault,) = verify(service.settings, str(tmp_path / "backup"))[1]
    assert fault.endswith("is gone" if damage == "gone" else "is damaged")
    with pytest.raises(BackupError, match=r"is damaged: storage/models/./items.npy"):
        restored(tmp_path / "backup", tmp_path / "back")
    with pytest.raises(ValueError, match="is gone"):  # no server begins a new service in its place
        Store.open(f"sqlite:///{tmp_path / 'back' / 'sartor.db'}")


def test_a_backup_that_cannot_be_used_is_refused_in_words(service: Service, tmp_path: Path) -> None:
    place = tmp_path / "backup"
    with pytest.raises(BackupError, match="There is no folder"):
        restored(place, tmp_path / "back")
    place.mkdir()
    with pytest.raises(BackupError, match=r"has no manifest\.json"):
        restored(place, tmp_path / "back")
    back_up(service.settings, str(place))
    manifest = (place / MANIFEST).read_bytes()
    (place / MANIFEST).write_bytes(manifest.replace(b'"size', b'"Size').replace(b"sartor", b"sartos"))
    with pytest.raises(BackupError, match="is damaged"):
        restored(place, tmp_path / "back")
    newer = Manifest("2030-01-01T00:00:00Z", "9.0", "s", str(int(SCHEMA_VERSION) + 1), [])
    (place / MANIFEST).write_bytes(newer.to_bytes())
    with pytest.raises(BackupError, match=r"Sartor 9\.0 with a newer layout"):
        restored(place, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_place_that_holds_something_is_refused(service: Service, tmp_path: Path) -> None:
    place = str(tmp_path / "backup")
    back_up(service.settings, place)
    with pytest.raises(BackupError, match="is not empty"):
        restore(service.settings, place)
    with pytest.raises(BackupError, match="There is a database"):
        restored(place, tmp_path / "back", database=service.settings.database)
    with pytest.raises(BackupError, match="the backup of another service"):
        back_up(Service(tmp_path / "other").settings, place)
    for inside in (service.settings.data / "backup", service.settings.data / "storage" / "x"):
        with pytest.raises(BackupError, match="name another place"):
            back_up(service.settings, str(inside))
    with pytest.raises(BackupError, match="There is no service"):
        back_up(settings.load({"data": str(tmp_path / "none")}), place)
    with pytest.raises(BackupError, match="pg_dump"):
        back_up(settings.load({"data": str(tmp_path), "database": "postgresql://u@h/d"}), place)


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    manifest = Manifest("2030-01-01T00:00:00Z", "1", "s", SCHEMA_VERSION, [Kept("storage/ä", 3, "ab12", "x")])
    FolderBlobs(tmp_path).put(MANIFEST, manifest.to_bytes())
    assert read_manifest(FolderBlobs(tmp_path)) == manifest
    assert json.loads((tmp_path / MANIFEST).read_bytes().partition(b"\n")[2])["format"] == 1


def test_files_of_later_versions_and_those_on_their_way_do_not_belong() -> None:
    log = "a/t/_delta_log"
    names = {
        f"{log}/{3:020d}.json": True,
        f"{log}/{3:020d}.checkpoint.parquet": True,
        f"{log}/{4:020d}.json": False,
        f"{log}/{4:020d}.checkpoint.parquet": False,
        f"{log}/_last_checkpoint": False,
        f"{log}/_commit_1.json.tmp": False,
        f"b/u/_delta_log/{0:020d}.json": False,
        "a/t/.part.parquet.12ab": False,
        "a/t/part.parquet#1": False,
        "a/t/part.parquet": True,
        "a/t/_history/vacuumed.json": True,
    }
    files = [StoredFile(name, 1, "") for name in names]
    assert {file.path for file in belonging(files, {log: 3})} == {
        name for name, is_in in names.items() if is_in
    }
    assert logs(names) == {log, "b/u/_delta_log"}
