"""Storage: one suite for a folder and for a bucket of an S3 service."""

import time
from pathlib import Path

import pytest

from sartor.data.blobs import Blobs, open_storage


def paths(storage: Blobs, folder: str) -> list[str]:
    return sorted(path for path, _ in storage.list(folder))


def test_what_is_put_is_there_and_can_be_replaced(storage: Blobs) -> None:
    storage.check()
    storage.put("a/x", b"1")
    storage.put("a/x", b"22")
    assert storage.get("a/x") == b"22"
    assert storage.has("a/x")
    assert not storage.has("a")
    assert not storage.has("a/y")


@pytest.mark.parametrize("path", ["a/none", "none/x"])
def test_what_is_not_there_is_not_found(storage: Blobs, path: str) -> None:
    storage.put("a/x", b"1")
    with pytest.raises(FileNotFoundError):
        storage.get(path)


def test_a_folder_is_listed_with_all_below_it_or_alone(storage: Blobs) -> None:
    before = time.time() - 2
    for path in ("a/x", "a/b/y", "a/b/c/z", "ab/x", "x"):
        storage.put(path, b"1")
    assert paths(storage, "a") == ["a/b/c/z", "a/b/y", "a/x"]
    assert sorted(path for path, _ in storage.files("a/b")) == ["a/b/y"]
    assert paths(storage, "none") == []
    assert list(storage.files("none")) == []
    assert all(before <= changed <= time.time() + 2 for _, changed in storage.list("a"))


def test_what_is_deleted_is_gone_and_may_be_deleted_again(storage: Blobs) -> None:
    for path in ("a/x", "a/y", "a/b/z", "ab/x"):
        storage.put(path, b"1")
    for _ in range(2):
        storage.delete("a/x")
    assert paths(storage, "a") == ["a/b/z", "a/y"]
    for _ in range(2):
        storage.delete_folder("a")
    assert paths(storage, "a") == []
    assert storage.get("ab/x") == b"1"


def test_a_file_that_was_staged_is_stored_and_leaves_nothing_behind(storage: Blobs) -> None:
    staged = storage.stage("a/b") / "part"
    staged.write_bytes(b"3")
    storage.put_file("a/b/part", staged)
    assert storage.get("a/b/part") == b"3"
    assert paths(storage, "a") == ["a/b/part"]


def test_a_file_from_elsewhere_is_moved_in(storage: Blobs, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere"
    file.write_bytes(b"4")
    storage.put_file("a/part", file)
    assert storage.get("a/part") == b"4"
    assert not file.exists()


def test_a_local_file_has_the_content_until_it_is_dropped(storage: Blobs) -> None:
    storage.put("a/b/y", b"3")
    local = storage.local("a/b/y")
    assert local.read_bytes() == b"3"
    assert storage.local("a/b/y") == local
    with local.open("rb") as opened:
        storage.drop_local("a/b/y")
        assert opened.read() == b"3"
    assert storage.local("a/b/y").read_bytes() == b"3"


def test_copies_of_what_is_gone_are_dropped_and_the_others_stay(storage: Blobs) -> None:
    for path in ("a/x", "a/y"):
        storage.put(path, path.encode())
    gone, kept = storage.local("a/x"), storage.local("a/y")
    open_again = storage.get("a/y")
    storage.delete("a/x")
    storage.drop_stale("a")
    assert not gone.exists()
    assert kept.read_bytes() == open_again


@pytest.mark.parametrize("path", ["/a", "../a", "a/../../b"])
def test_no_path_leads_out_of_a_folder(tmp_path: Path, path: str) -> None:
    storage = open_storage(str(tmp_path / "storage"), None, tmp_path / "scratch")
    with pytest.raises(ValueError, match="not a path in storage"):
        storage.put(path, b"1")


@pytest.mark.parametrize("url", ["ftp://host/x", "s3://", "gs://bucket/prefix"])
def test_storage_of_another_sort_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ValueError, match="must be a folder or s3://"):
        open_storage(url, None, tmp_path)
