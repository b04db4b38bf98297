"""What an S3 service does wrong is told in words: which bucket, which endpoint, what to set."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from s3_server import S3Server, etag, use_standard_credentials
from sartor.data import delta, s3
from sartor.data.blobs import S3Blobs, StorageFaultError, open_storage
from sartor.data.buckets import SourceFile, UnreadableError
from sartor.data.commits import Commits
from sartor.data.log import Log
from sartor.data.s3_bucket import S3Bucket
from sartor.worker import _cause

#: What only a maker of obstore, Delta or an HTTP library would understand.
_DEBUG = re.compile(r"Debug|source:|Some\(|Kernel|reqwest|hyper|RetryError|Generic|\x1b|\n|<|non-2xx|retries")


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    use_standard_credentials(monkeypatch)
    with S3Server() as server:
        yield server


@pytest.fixture
def storage(service: S3Server, tmp_path: Path) -> S3Blobs:
    service.objects["b/p/k"] = b"x" * 100
    found = open_storage("s3://b/p", service.url, tmp_path)
    assert isinstance(found, S3Blobs)
    return found


#: What storage does, by name.
USES: dict[str, Callable[[S3Blobs, Path], Any]] = {
    "put": lambda storage, _: storage.put("k", b"1"),
    "put_file": lambda storage, file: storage.put_file("k", file),
    "get": lambda storage, _: storage.get("k"),
    "has": lambda storage, _: storage.has("k"),
    "list": lambda storage, _: list(storage.list("folder")),
    "stored": lambda storage, _: list(storage.stored()),
    "files": lambda storage, _: list(storage.files("folder")),
    "delete": lambda storage, _: storage.delete("k"),
    "delete_folder": lambda storage, _: storage.delete_folder("folder"),
    "local": lambda storage, _: storage.local("k"),
    "check": lambda storage, _: storage.check(),
    "table": lambda storage, _: Commits(storage, "t", Log(storage, "t")).newest(),
}


@pytest.mark.parametrize("use", USES)
def test_storage_that_refuses_is_told_by_every_use_of_it(
    storage: S3Blobs, service: S3Server, tmp_path: Path, use: str
) -> None:
    service.faults.refused.add("b")
    file = tmp_path / "file"
    file.write_bytes(b"1")
    with pytest.raises(StorageFaultError) as told:
        USES[use](storage, file)
    words = str(told.value)
    assert words == (
        f"The storage s3://b/p cannot be used: {service.url} does not allow it to these credentials in the bucket b; "
        "see the policies of both."
    )
    assert _cause(told.value) == words


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda service: service.stop(), "does not answer; see whether it runs and --s3-endpoint is right"),
        (lambda service: service.faults.errors.update({"b/p/k": 99}), "it answers 500; see its log"),
        (lambda service: service.faults.cuts.update({"b/p/k": 99}), "broke off"),
    ],
)
def test_a_service_that_is_down_or_broken_is_named(
    storage: S3Blobs, service: S3Server, tmp_path: Path, fault: Callable[[S3Server], Any], words: str
) -> None:
    bucket = S3Bucket("b", s3.open_bucket("b", service.url), service.url)
    file = SourceFile("b", "p/k", 100, etag(b"x" * 100))
    fault(service)
    uses: list[Callable[[], Any]] = [
        lambda: storage.get("k"),
        lambda: bucket.fetch(file, tmp_path / "copy", lambda _bytes: None),
    ]
    for use in uses:
        with pytest.raises((StorageFaultError, UnreadableError)) as told:
            use()
        assert words in str(told.value)
        assert service.url in str(told.value)
        assert not _DEBUG.search(str(told.value))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "Generic S3 error: Error performing PUT http://h/b/k in 2.7µs - Server returned non-2xx status code: "
            '404 Not Found: <Error><Code>NoSuchUpload</Code></Error>\n\nDebug source:\nGeneric {\n store: "S3" }',
            "http://h refuses it with 404 (NoSuchUpload) in the bucket b",
        ),
        (
            "Kernel error -> Generic S3 error\n   \x1b[31m↳\x1b[0m Error performing GET http://h/b in 2.6s, after 10 "
            "retries, max_retries\n  \x1b[31m↳\x1b[0m 10, retry_timeout\n \x1b[31m↳\x1b[0m 180s  - HTTP error\n"
            "  \x1b[31m↳\x1b[0m error sending request",
            "the S3 service at http://h does not answer; see whether it runs and --s3-endpoint is right",
        ),
        ("NoSuchBucket", "there is no bucket b at http://h"),
    ],
)
def test_what_the_libraries_say_becomes_one_line(said: str, words: str) -> None:
    assert s3.in_words(RuntimeError(said), "b", "http://h") == words


def test_a_disk_and_a_key_that_is_not_there_are_what_they_are(storage: S3Blobs) -> None:
    with pytest.raises(FileNotFoundError):
        storage.get("nothing")
    with pytest.raises(FileNotFoundError):
        storage.local("nothing")
    with pytest.raises(OSError, match="No space left") as told, storage.in_words():
        raise OSError(28, "No space left on device")
    assert not isinstance(told.value, StorageFaultError)
    assert delta.opened(f"{storage.uri}/t", storage.delta_options).table is None
