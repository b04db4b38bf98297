"""Copies of files in a bucket: fetched once a machine, as slowly as it must be, and not for ever."""

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

import shelf
from s3_server import S3Server, use_standard_credentials
from sartor.data import s3, s3_bucket
from sartor.data.blobs import Blobs, open_storage
from sartor.data.copies import Cache, Copies
from shelf import Shelf

SECONDS = 20.0
HOUR = 3600.0


@pytest.fixture
def bucket(tmp_path: Path) -> Shelf:
    """Give a bucket with some files of ten bytes each."""
    found = Shelf(tmp_path / "bucket")
    for name in "abcd":
        found.put(f"f/{name}", name.encode() * 10)
    return found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Give the hour by which copies are asked for; the marks of files have it too."""
    clock = SimpleNamespace(now=time.time())
    monkeypatch.setattr("sartor.data.copies.time", SimpleNamespace(time=lambda: clock.now))
    return clock


def asked(copies: Copies, name: str, clock: SimpleNamespace) -> None:
    copies.of(f"f/{name}")
    clock.now += 1


def names(cache: Path) -> set[str]:
    return {file.name for file in (cache / "files").rglob("*") if file.is_file()}


def process(tmp_path: Path, key: str) -> "subprocess.Popen[str]":
    """Start another process of this machine that asks for a copy, and prints it."""
    command = [sys.executable, shelf.__file__, str(tmp_path / "bucket"), str(tmp_path / "cache"), key]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def until_fetched(bucket: Shelf, times: int) -> None:
    end = time.monotonic() + SECONDS
    while bucket.fetches() < times:
        assert time.monotonic() < end
        time.sleep(0.005)


def test_what_was_asked_for_longest_ago_goes_when_there_are_too_many_bytes(
    tmp_path: Path, bucket: Shelf, clock: SimpleNamespace
) -> None:
    kept = shelf.copies(bucket, tmp_path, most_bytes=30)
    for name in "abc":
        asked(kept, name, clock)
    clock.now += 7 * HOUR
    asked(kept, "a", clock)
    assert names(tmp_path) == {"a", "b", "c"}
    asked(kept, "d", clock)
    assert names(tmp_path) == {"a", "c", "d"}
    assert kept.of("f/b").read_bytes() == b"b" * 10


def test_what_was_asked_for_lately_stays_though_there_are_too_many_bytes(
    tmp_path: Path, bucket: Shelf, clock: SimpleNamespace
) -> None:
    kept = shelf.copies(bucket, tmp_path, most_bytes=10)
    for name in "abc":
        asked(kept, name, clock)
        clock.now += HOUR
    assert names(tmp_path) == {"a", "b", "c"}


def test_a_slow_fetch_counts_from_its_end(tmp_path: Path, bucket: Shelf, clock: SimpleNamespace) -> None:
    kept = shelf.copies(bucket, tmp_path, most_bytes=10)

    def slowly() -> None:
        clock.now += 9 * HOUR

    bucket.while_fetching = slowly
    asked(kept, "a", clock)
    bucket.while_fetching = lambda: None
    asked(kept, "b", clock)
    assert names(tmp_path) == {"a", "b"}


def test_a_copy_that_goes_stays_readable_for_who_has_it_open(
    tmp_path: Path, bucket: Shelf, clock: SimpleNamespace
) -> None:
    kept = shelf.copies(bucket, tmp_path, most_bytes=1)
    with kept.of("f/a").open("rb") as file:
        clock.now += 7 * HOUR
        kept.of("f/b")
        assert names(tmp_path) == {"b"}
        assert file.read() == b"a" * 10


def test_a_fetch_that_breaks_leaves_nothing_and_the_next_one_is_made(tmp_path: Path, bucket: Shelf) -> None:
    kept = shelf.copies(bucket, tmp_path)

    def breaks() -> None:
        raise OSError("it broke")

    bucket.while_fetching = breaks
    with pytest.raises(OSError, match="it broke"):
        kept.of("f/a")
    assert names(tmp_path) == set()
    bucket.while_fetching = lambda: None
    assert kept.of("f/a").read_bytes() == b"a" * 10


def test_many_threads_and_processes_fetch_a_file_once_and_wait_for_no_other(
    tmp_path: Path, bucket: Shelf
) -> None:
    kept = shelf.copies(bucket, tmp_path / "cache")
    bucket.wait.touch()
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(kept.of, "f/a") for _ in range(7)]
        others = [process(tmp_path, "f/a") for _ in range(2)]
        until_fetched(bucket, 1)
        other = pool.submit(kept.of, "f/b")
        until_fetched(bucket, 2)  # it does not wait for the first
        bucket.wait.unlink()
        assert {one.result(SECONDS).read_bytes() for one in waiting} == {b"a" * 10}
        assert other.result(SECONDS).read_bytes() == b"b" * 10
        assert {one.communicate(timeout=SECONDS)[0].strip() for one in others} == {"a" * 10}
    assert bucket.fetches() == 2


def test_a_process_that_is_killed_while_it_fetches_leaves_the_file_to_the_others(
    tmp_path: Path, bucket: Shelf
) -> None:
    bucket.wait.touch()
    dying = process(tmp_path, "f/a")
    until_fetched(bucket, 1)
    waiting = process(tmp_path, "f/a")
    dying.kill()
    dying.wait()
    until_fetched(bucket, 2)
    bucket.wait.unlink()
    assert waiting.communicate(timeout=SECONDS)[0].strip() == "a" * 10
    assert names(tmp_path / "cache") == {"a"}


def test_a_copy_that_outlived_its_process_is_taken_for_what_it_is(tmp_path: Path, bucket: Shelf) -> None:
    shelf.copies(bucket, tmp_path).of("f/a")
    assert shelf.copies(bucket, tmp_path).of("f/a").read_bytes() == b"a" * 10
    assert bucket.fetches() == 1
    bucket.put("f/a", b"another 10")  # as a database that was begun anew names its files
    assert shelf.copies(bucket, tmp_path).of("f/a").read_bytes() == b"another 10"
    copy = tmp_path / "files" / "f" / "a"
    copy.write_bytes(b"cut")  # by a machine that lost power
    assert shelf.copies(bucket, tmp_path).of("f/a").read_bytes() == b"another 10"
    (bucket.files / "f" / "a").unlink()
    with pytest.raises(FileNotFoundError):
        shelf.copies(bucket, tmp_path).of("f/a")
    assert names(tmp_path) == set()


def test_no_copy_stays_of_what_is_deleted_while_it_is_fetched(tmp_path: Path, bucket: Shelf) -> None:
    kept = shelf.copies(bucket, tmp_path)

    def deletes() -> None:
        (bucket.files / "f" / "a").unlink()
        kept.drop("f/a")

    bucket.while_fetching = deletes
    with pytest.raises(FileNotFoundError):
        kept.of("f/a")
    assert names(tmp_path) == set()


def test_what_another_machine_deleted_is_dropped_whoever_fetched_it(tmp_path: Path, bucket: Shelf) -> None:
    for name in "abc":
        shelf.copies(bucket, tmp_path).of(f"f/{name}")
    bucket.put("g/a", b"1")
    kept = shelf.copies(bucket, tmp_path)
    kept.of("g/a")
    for name in ("f/a", "f/b", "g/a"):
        (bucket.files / name).unlink()
    kept.drop_stale("g")
    assert names(tmp_path) == {"a", "b", "c"}
    kept.drop_stale("")
    assert names(tmp_path) == {"c"}
    assert {path.name for path in (tmp_path / "marks").rglob("*") if path.is_file()} == {"c.mark"}


def test_a_bucket_of_another_service_has_copies_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_standard_credentials(monkeypatch)
    with S3Server() as one, S3Server() as two:
        for server in (one, two):
            storage = open_storage("s3://b/p", server.url, tmp_path, Cache(tmp_path / "cache"))
            storage.put("x", server.url.encode())
            assert storage.local("x").read_bytes() == server.url.encode()
    assert len(names_of_all(tmp_path / "cache")) == 2


def names_of_all(cache: Path) -> list[str]:
    return [file.name for file in cache.glob("*/files/*")]


# from a bucket


@pytest.fixture
def server() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture
def storage(tmp_path: Path, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Blobs:
    """Give storage in a bucket, with half a second for every thirty."""
    use_standard_credentials(monkeypatch)
    quick = {name: "0.5s" if value == "30s" else value for name, value in s3._CLIENT.items()}
    monkeypatch.setattr(s3, "_CLIENT", quick)
    return open_storage("s3://b/p", server.url, tmp_path)


CONTENT = bytes(range(256)) * 400


def test_a_download_may_take_long_as_long_as_something_comes(storage: Blobs, server: S3Server) -> None:
    storage.put("model.npy", CONTENT)
    server.faults.pauses["b/p/model.npy"] = 0.3
    asked = server.requests["GET"]
    assert storage.local("model.npy").read_bytes() == CONTENT
    assert server.requests["GET"] == asked + 1


def test_a_download_that_stalls_goes_on_where_it_was(storage: Blobs, server: S3Server) -> None:
    storage.put("model.npy", CONTENT)
    server.faults.pauses["b/p/model.npy"] = 2.0
    assert storage.local("model.npy").read_bytes() == CONTENT


def test_a_download_that_goes_on_a_little_each_time_ends_well(
    storage: Blobs, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_bucket, "_CHUNK_BYTES", 1)
    storage.put("model.npy", CONTENT)
    server.faults.cuts["b/p/model.npy"] = 15  # each answer brings half of what is left
    assert storage.local("model.npy").read_bytes() == CONTENT


def test_a_file_that_is_not_there_is_not_found_and_one_that_was_replaced_is_fetched_anew(
    storage: Blobs,
) -> None:
    with pytest.raises(FileNotFoundError):
        storage.local("f/none")
    for content in (b"old", b"new"):
        storage.put("f/x", content)
        assert storage.local("f/x").read_bytes() == content
    copy = storage.local("f/x")
    storage.delete_folder("f")
    assert not copy.exists()
    with pytest.raises(FileNotFoundError):
        storage.local("f/x")
