"""Copies of files in a bucket: fetched once, as slowly as it must be, and not for ever."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from s3_server import S3Server
from sartor.data import copies, s3, s3_bucket
from sartor.data.blobs import Blobs, open_storage
from sartor.data.copies import Copies

SECONDS = 20.0
HOUR = 3600.0


def writing(content: bytes) -> Callable[[Path], object]:
    return lambda place: place.write_bytes(content)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(copies, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.rglob("*") if file.is_file()}


def test_what_was_asked_for_longest_ago_goes_when_there_are_too_many_bytes(
    tmp_path: Path, clock: SimpleNamespace
) -> None:
    kept = Copies(tmp_path, most_bytes=30)
    for name in "abc":
        kept.of(name, writing(b"x" * 10))
        clock.now += 1
    clock.now += 7 * HOUR
    kept.of("a", pytest.fail)
    assert names(tmp_path) == {"a", "b", "c"}
    kept.of("d", writing(b"x" * 10))
    assert names(tmp_path) == {"a", "c", "d"}
    assert kept.of("b", writing(b"again")).read_bytes() == b"again"


def test_what_was_asked_for_lately_stays_though_there_are_too_many_bytes(
    tmp_path: Path, clock: SimpleNamespace
) -> None:
    kept = Copies(tmp_path, most_bytes=10)
    for name in "abc":
        kept.of(name, writing(b"x" * 10))
        clock.now += HOUR
    assert names(tmp_path) == {"a", "b", "c"}


def test_a_slow_fetch_counts_from_its_end(tmp_path: Path, clock: SimpleNamespace) -> None:
    kept = Copies(tmp_path, most_bytes=10)

    def slowly(place: Path) -> None:
        clock.now += 9 * HOUR
        place.write_bytes(b"x" * 10)

    assert kept.of("slow", slowly).exists()
    kept.of("b", writing(b"x" * 10))
    assert names(tmp_path) == {"slow", "b"}


def test_a_copy_that_goes_stays_readable_for_who_has_it_open(tmp_path: Path, clock: SimpleNamespace) -> None:
    kept = Copies(tmp_path, most_bytes=1)
    with kept.of("a", writing(b"mapped")).open("rb") as file:
        clock.now += 7 * HOUR
        kept.of("b", writing(b"x"))
        assert names(tmp_path) == {"b"}
        assert file.read() == b"mapped"


def test_a_fetch_that_breaks_leaves_nothing_and_the_next_one_is_made(tmp_path: Path) -> None:
    kept = Copies(tmp_path)

    def broken(place: Path) -> None:
        place.write_bytes(b"half")
        raise OSError("it broke")

    with pytest.raises(OSError, match="it broke"):
        kept.of("a", broken)
    assert names(tmp_path) == set()
    assert kept.of("a", writing(b"whole")).read_bytes() == b"whole"


def test_many_threads_fetch_a_file_once_and_wait_for_no_other(tmp_path: Path) -> None:
    kept, begun, go = Copies(tmp_path), threading.Event(), threading.Event()
    fetched: list[Path] = []

    def slowly(place: Path) -> None:
        fetched.append(place)
        begun.set()
        assert go.wait(SECONDS)
        place.write_bytes(b"x")

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(kept.of, "a", slowly) for _ in range(8)]
        assert begun.wait(SECONDS)
        assert kept.of("b", writing(b"y")).read_bytes() == b"y"
        go.set()
        assert {one.result(SECONDS).read_bytes() for one in asked} == {b"x"}
    assert len(fetched) == 1


# from a bucket


@pytest.fixture
def server() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture
def storage(tmp_path: Path, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Blobs:
    """Give storage in a bucket, with half a second for every thirty."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENVKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    s3.standard_credentials.cache_clear()
    quick = {name: "0.5s" if value == "30s" else value for name, value in s3._CLIENT.items()}
    monkeypatch.setattr(s3, "_CLIENT", quick)
    monkeypatch.setattr(s3_bucket, "FIRST_WAIT_SECONDS", 0.001)
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
