"""Where training data comes from: one suite for folders and for an S3 service, and the service's own faults."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from s3_server import S3Server
from sartor.data import s3, sources
from sartor.data.sources import Sources
from sartor.errors import ApiError, JobFailed


class Bucket:
    """A bucket named ``b`` behind either implementation."""

    def __init__(self, kind: str, folder: Path, server: S3Server) -> None:
        self.kind, self.folder, self.server = kind, folder / "b", server
        self.folder.mkdir()
        buckets = {"b": self.folder} if kind == "folder" else {}
        roles = {"role": {"aws_access_key_id": "ROLEKEY", "aws_secret_access_key": "x"}}
        self.sources = Sources(buckets, folder, None if kind == "folder" else server.url, roles)

    def put(self, key: str, content: bytes) -> None:
        if self.kind == "folder":
            (self.folder / key).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / key).write_bytes(content)
        else:
            self.server.objects[f"b/{key}"] = content


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENVKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setattr(sources, "FIRST_WAIT_SECONDS", 0.001)
    s3.standard_credentials.cache_clear()
    with S3Server() as server:
        yield server


@pytest.fixture(params=["folder", "s3"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path, server: S3Server) -> Bucket:
    return Bucket(request.param, tmp_path, server)


@pytest.fixture
def remote(tmp_path: Path, server: S3Server) -> Bucket:
    return Bucket("s3", tmp_path, server)


def test_a_file_is_listed_read_and_spooled(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("a/x.csv", b"0123456789")
    (file,) = bucket.sources.list("s3://b/a/x.csv")
    assert (file.uri, file.size_bytes) == ("s3://b/a/x.csv", 10)
    assert bucket.sources.read_range(file, 3, 4) == b"3456"
    assert bucket.sources.read_range(file, 8, 100) == b"89"
    assert bucket.sources.spool(file, tmp_path).read_bytes() == b"0123456789"
    bucket.sources.verify(file)


@pytest.mark.parametrize("location", ["s3://b/a", "s3://b/a/"])
def test_a_folder_is_its_first_level_in_order_of_keys(bucket: Bucket, location: str) -> None:
    for key in ("a/2.csv", "a/1.csv", "a/deep/3.csv", "a/_x.csv", "a/.y.csv", "ab/4.csv"):
        bucket.put(key, b"x")
    bucket.put("a/empty", b"")
    assert [file.uri for file in bucket.sources.list(location)] == ["s3://b/a/1.csv", "s3://b/a/2.csv"]


@pytest.mark.parametrize(
    "location",
    ["s3://b/none.csv", "s3://b/none/", "http://b/x", "https://b/x", "s3://", "s3:///x", "s3://../x"],
)
def test_what_is_not_there_is_an_invalid_location(bucket: Bucket, location: str) -> None:
    with pytest.raises(ApiError, match=r"Invalid Data location\."):
        bucket.sources.list(location)


def test_no_key_and_no_link_leads_out_of_a_folder(tmp_path: Path, server: S3Server) -> None:
    bucket = Bucket("folder", tmp_path, server)
    (tmp_path / "secret.csv").write_text("x")
    (bucket.folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    for key in ("../secret.csv", "link.csv"):
        with pytest.raises(ApiError, match="Insufficient privileges"):
            bucket.sources.list(f"s3://b/{key}")


def test_a_changed_file_fails_the_job(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("x.csv", b"old")
    (file,) = bucket.sources.list("s3://b/x.csv")
    bucket.put("x.csv", b"newer")
    with pytest.raises(JobFailed, match="has changed"):
        bucket.sources.spool(file, tmp_path)


def test_a_bucket_that_refuses_has_amazons_text(remote: Bucket) -> None:
    remote.put("x.csv", b"x")
    remote.server.faults.refused.add("b")
    with pytest.raises(ApiError) as refused:
        remote.sources.list("s3://b/x.csv")
    assert refused.value.message == (
        "Insufficient privileges for accessing data in S3. Please look at https://docs.aws.amazon.com/personalize"
        "/latest/dg/granting-personalize-s3-access.html#attach-bucket-policy and fix bucket policy on b."
    )


def test_a_download_that_breaks_goes_on_where_it_was(remote: Bucket, tmp_path: Path) -> None:
    content = bytes(range(256)) * 20_000
    remote.put("x.csv", content)
    (file,) = remote.sources.list("s3://b/x.csv")
    remote.server.faults.cuts["b/x.csv"] = 3
    seen: list[int] = []
    assert remote.sources.spool(file, tmp_path, progress=seen.append).read_bytes() == content
    assert seen == sorted(seen)
    assert seen[-1] == len(content)


def test_a_service_that_fails_for_a_moment_is_asked_again(remote: Bucket, tmp_path: Path) -> None:
    remote.put("x.csv", b"x" * 1000)
    (file,) = remote.sources.list("s3://b/x.csv")
    remote.server.faults.errors["b/x.csv"] = 2
    assert remote.sources.spool(file, tmp_path).read_bytes() == b"x" * 1000


def test_a_download_that_always_breaks_fails_the_job_and_names_the_file(
    remote: Bucket, tmp_path: Path
) -> None:
    remote.put("x.csv", b"")
    remote.put("x.csv", b"x")
    (file,) = remote.sources.list("s3://b/x.csv")
    remote.server.faults.cuts["b/x.csv"] = 1000
    with pytest.raises(JobFailed, match=r"s3://b/x\.csv could not be read"):
        remote.sources.spool(file, tmp_path)


def test_an_object_that_changes_while_it_is_read_fails_the_job(remote: Bucket, tmp_path: Path) -> None:
    remote.put("x.csv", b"x" * 100_000)
    (file,) = remote.sources.list("s3://b/x.csv")
    remote.server.faults.cuts["b/x.csv"] = 1
    remote.server.faults.changes["b/x.csv"] = b"y" * 100_000
    with pytest.raises(JobFailed, match="has changed"):
        remote.sources.spool(file, tmp_path)


def test_a_role_has_its_own_credentials_and_others_the_environments(remote: Bucket) -> None:
    remote.put("x.csv", b"x")
    remote.sources.list("s3://b/x.csv")
    assert set(remote.server.access_keys) == {"ENVKEY"}
    remote.sources.list("s3://b/x.csv", "role")
    assert set(remote.server.access_keys) == {"ENVKEY", "ROLEKEY"}


def test_a_service_that_does_not_answer_is_named_at_the_call(tmp_path: Path, server: S3Server) -> None:
    nowhere = Sources({}, tmp_path, "http://127.0.0.1:9")
    with pytest.raises(ApiError, match="could not be read"):
        nowhere.list("s3://b/x.csv")
