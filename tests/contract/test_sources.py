"""Where training data comes from: one suite for folders and for an S3 service, and the service's own faults."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from s3_server import S3Server, use_standard_credentials
from sartor.data.sources import AccountSources, Sources
from sartor.errors import JobFailed, Stopped
from sartor.settings import load

OWN, OTHER = "000000000000", "111122223333"
ROLE = f"arn:aws:iam::{OWN}:role/import"
OTHERS_ROLE = f"arn:aws:iam::{OTHER}:role/import"


def sources_of(data: Path, server: S3Server | None = None, *buckets: str, storage: str = "") -> Sources:
    """Return the buckets of a server whose roles have credentials of their own."""
    lines = [f's3_endpoint = "{server.url}"\n'] if server else []
    for role, key in ((ROLE, "ROLEKEY"), (OTHERS_ROLE, "OTHERSKEY")):
        lines.append(f'[roles."{role}"]\naws_access_key_id = "{key}"\naws_secret_access_key = "x"\n')
    (data / "sartor.toml").write_text("".join(lines))
    flags: dict[str, Any] = {"data": str(data), "bucket": buckets, "storage": storage}
    return Sources(load(flags, {"SARTOR_CONFIG": str(data / "sartor.toml")}))


class Bucket:
    """A bucket named ``b`` behind either implementation."""

    def __init__(self, kind: str, folder: Path, server: S3Server) -> None:
        self.kind, self.folder, self.server = kind, folder / "b", server
        self.folder.mkdir()
        given = (None, f"b={self.folder}") if kind == "folder" else (server,)
        self.all = sources_of(folder, *given)
        self.sources = self.all.of(OWN)

    def put(self, key: str, content: bytes) -> None:
        if self.kind == "folder":
            (self.folder / key).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / key).write_bytes(content)
        else:
            self.server.objects[f"b/{key}"] = content

    def drop(self, key: str) -> None:
        if self.kind == "folder":
            (self.folder / key).unlink()
        else:
            del self.server.objects[f"b/{key}"]

    def contents(self) -> dict[str, bytes]:
        """Return everything that is there, by key."""
        if self.kind == "s3":
            return {key.removeprefix("b/"): content for key, content in self.server.objects.items()}
        files = [place for place in self.folder.rglob("*") if place.is_file()]
        return {str(place.relative_to(self.folder)): place.read_bytes() for place in files}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    use_standard_credentials(monkeypatch)
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
    bucket.sources.verify([file])


@pytest.mark.parametrize("location", ["s3://b/a", "s3://b/a/"])
def test_a_folder_is_its_first_level_in_order_of_keys(bucket: Bucket, location: str) -> None:
    for key in ("a/2.csv", "a/1.csv", "a/deep/3.csv", "a/_x.csv", "a/.y.csv", "ab/4.csv"):
        bucket.put(key, b"x")
    bucket.put("a/empty", b"")
    assert [file.uri for file in bucket.sources.list(location)] == ["s3://b/a/1.csv", "s3://b/a/2.csv"]


def test_a_folders_marker_is_no_file_of_it(remote: Bucket) -> None:
    remote.put("a.csv/", b"some services write into it")
    remote.put("a.csv/x.csv", b"x")
    for call in (remote.sources.list, remote.sources.list_csv):
        assert [file.uri for file in call("s3://b/a.csv/")] == ["s3://b/a.csv/x.csv"]


def test_a_key_that_cannot_be_asked_for_is_named(remote: Bucket) -> None:
    remote.put("a/x.csv", b"x")
    remote.put("a//y.csv", b"y")
    for call in (remote.sources.list, remote.sources.list_csv):
        with pytest.raises(
            JobFailed, match=r"^s3://b/a/ could not be read: a key in it cannot be read: .*a//"
        ):
            call("s3://b/a/")


@pytest.mark.parametrize(
    "location",
    [
        "s3://b/none.csv",
        "s3://b/none/",
        "http://b/x",
        "https://b/x",
        "x.csv",
        "s3://",
        "s3:///x",
        "s3://../x",
        "s3://b//x.csv",
        "s3://b/../x.csv",
        "s3://b/../b/x.csv",
        "s3://b/./x.csv",
        "s3://b/a/../x.csv",
        "s3://b/a//y.csv",
        "s3://b/a/./y.csv",
        "s3://b//",
        "s3://b/a//",
        "s3://b/.",
        "s3://b/..",
        "s3://b/x.csv/",
        "s3://b/x.csv\0",
        "s3://b/\ud800.csv",
        "s3://b/" + "x" * 2000,
        "S3://b/x.csv",
        "s3://B/x.csv",
    ],
)
def test_what_is_not_there_is_an_invalid_location(bucket: Bucket, location: str) -> None:
    bucket.put("x.csv", b"x")
    bucket.put("a/y.csv", b"x")
    for call in (bucket.sources.list, bucket.sources.list_csv):
        with pytest.raises(JobFailed) as refused:
            call(location)
        assert refused.value.reason == "Invalid Data location."


ODD_KEYS = (
    *(
        "data[1].csv",
        "part*.csv",
        "w?.csv",
        "{x}.csv",
        "a%20b.csv",
        "p%.csv",
        "h#x.csv",
        "b\\s.csv",
        "USER_ID=x.csv",
    ),
    *(
        '"q".csv',
        "it's.csv",
        "~.csv",
        "ä é.csv",
        "日本.csv",
        "pl+us&.csv",
        "^|<>`.csv",
        "a..b.csv",
        "日" * 80 + ".csv",
    ),
)


@pytest.mark.parametrize("key", ODD_KEYS)
def test_a_key_is_a_name_whatever_it_has_in_it(bucket: Bucket, tmp_path: Path, key: str) -> None:
    for other in ("data1.csv", "part1.csv", "w1.csv", "x.csv", "a b.csv", "h", "p", f"d/{key}"):
        bucket.put(other, b"another")
    bucket.put(key, b"right")
    (file,) = bucket.sources.list(f"s3://b/{key}")
    assert file.uri == f"s3://b/{key}"
    assert bucket.sources.spool(file, tmp_path).read_bytes() == b"right"
    (below,) = bucket.sources.list("s3://b/d/")
    assert (below.uri, bucket.sources.read_range(below, 0, 9)) == (f"s3://b/d/{key}", b"another")
    bucket.sources.verify([file, below])


def test_names_that_s3_does_not_have_are_read_from_a_folder_or_named(
    tmp_path: Path, server: S3Server
) -> None:
    bucket = Bucket("folder", tmp_path, server)
    bucket.put("line\nend.csv", b"x")
    (file,) = bucket.sources.list("s3://b/line\nend.csv")
    assert bucket.sources.spool(file, tmp_path).read_bytes() == b"x"
    (bucket.folder / os.fsdecode(b"caf\xe9.csv")).write_bytes(b"x")
    for call in (bucket.sources.list, bucket.sources.list_csv):
        with pytest.raises(JobFailed, match=r"the name of the file caf\\xe9\.csv is not UTF-8"):
            call("s3://b/")


def test_no_key_and_no_link_leads_out_of_a_folder(tmp_path: Path, server: S3Server) -> None:
    bucket = Bucket("folder", tmp_path, server)
    bucket.put("inner/x.csv", b"x")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.csv").write_text("x")
    (bucket.folder / "link.csv").symlink_to(tmp_path / "outside" / "secret.csv")
    (bucket.folder / "link").symlink_to(tmp_path / "outside")
    (bucket.folder / "inner" / "link.csv").symlink_to(tmp_path / "outside" / "secret.csv")
    for key in ("link.csv", "link/", "link/secret.csv", "inner/", "inner/link.csv"):
        for call in (bucket.sources.list, bucket.sources.list_csv):
            with pytest.raises(JobFailed, match="Insufficient privileges"):
                call(f"s3://b/{key}")
    with pytest.raises(JobFailed, match="Insufficient privileges"):
        bucket.sources.require_writable("s3://b/link/")
    (tmp_path / "new.csv").write_text("x")
    with pytest.raises(JobFailed, match="Insufficient privileges"):
        bucket.sources.write("s3://b/link/new.csv", tmp_path / "new.csv", "us")
    with pytest.raises(FileExistsError):
        bucket.sources.write("s3://b/link.csv", tmp_path / "new.csv", "us")
    assert (tmp_path / "outside" / "secret.csv").read_text() == "x"
    assert len(list((tmp_path / "outside").iterdir())) == 1


def test_a_link_that_leads_to_itself_is_named_and_no_file_of_a_folder(
    tmp_path: Path, server: S3Server
) -> None:
    bucket = Bucket("folder", tmp_path, server)
    bucket.put("a/x.csv", b"x")
    (bucket.folder / "a" / "loop.csv").symlink_to("loop.csv")
    (bucket.folder / "a" / "up").symlink_to("../a")
    (bucket.folder / "a" / "gone.csv").symlink_to("nowhere.csv")
    for call in (bucket.sources.list, bucket.sources.list_csv):
        with pytest.raises(JobFailed, match="a link that leads to itself"):
            call("s3://b/a/loop.csv")
        assert [file.uri for file in call("s3://b/a/")] == ["s3://b/a/x.csv"]
    with pytest.raises(JobFailed, match="a file where the folder would be"):
        bucket.sources.require_writable("s3://b/a/loop.csv/out/")
    (tmp_path / "new.csv").write_text("x")
    with pytest.raises(JobFailed, match="could not be written: there is a file where the folder would be"):
        bucket.sources.write("s3://b/a/loop.csv/new.csv", tmp_path / "new.csv", "us")


# One state of a file


def test_a_file_that_changed_since_it_was_listed_fails_the_job(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("x.csv", b"old")
    (file,) = bucket.sources.list("s3://b/x.csv")
    bucket.put("x.csv", b"newer")
    with pytest.raises(JobFailed, match=r"^s3://b/x\.csv has changed while it was imported\.$"):
        bucket.sources.spool(file, tmp_path)
    with pytest.raises(JobFailed, match="has changed"):
        bucket.sources.read_range(file, 0, 2)


@pytest.mark.parametrize("change", ["rewritten", "appended", "shortened", "replaced", "gone"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_file_that_changed_after_it_was_read_is_seen_when_it_is_looked_at_again(
    bucket: Bucket, tmp_path: Path, change: str, count: int
) -> None:
    for at in range(count):
        bucket.put(f"a/{at}.csv", b"old content")
    files = bucket.sources.list("s3://b/a/")
    for file in files:
        bucket.sources.spool(file, tmp_path)
    bucket.put("a/new.csv", b"one that came later is no matter")
    bucket.sources.verify(files)
    if change == "gone":
        bucket.drop("a/0.csv")
    elif change == "replaced" and bucket.kind == "folder":
        (bucket.folder / "new").write_bytes(b"old content")
        (bucket.folder / "new").replace(bucket.folder / "a" / "0.csv")
    else:
        contents = {"rewritten": b"new content", "appended": b"old content+", "shortened": b"old"}
        bucket.put("a/0.csv", contents.get(change, b"new content"))
    with pytest.raises(JobFailed, match=r"^s3://b/a/0\.csv has changed while it was imported\.$"):
        bucket.sources.verify(files)


def test_a_program_that_sets_a_files_time_back_is_seen(tmp_path: Path, server: S3Server) -> None:
    bucket = Bucket("folder", tmp_path, server)
    bucket.put("x.csv", b"old")
    (file,) = bucket.sources.list("s3://b/x.csv")
    before = (bucket.folder / "x.csv").stat()
    bucket.sources.spool(file, tmp_path)
    bucket.put("x.csv", b"new")
    os.utime(bucket.folder / "x.csv", ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(JobFailed, match="has changed"):
        bucket.sources.verify([file])


def test_a_service_that_ignores_conditions_mixes_no_two_states(remote: Bucket, tmp_path: Path) -> None:
    remote.server.faults.no_conditions = True
    remote.put("x.csv", b"x" * 100_000)
    (file,) = remote.sources.list("s3://b/x.csv")
    remote.server.faults.cuts["b/x.csv"] = 1
    remote.server.faults.changes["b/x.csv"] = b"y" * 100_000
    with pytest.raises(JobFailed, match="has changed"):
        remote.sources.spool(file, tmp_path)
    with pytest.raises(JobFailed, match="has changed"):
        remote.sources.read_range(file, 0, 10)


def test_a_bucket_that_refuses_has_amazons_text(remote: Bucket) -> None:
    remote.put("x.csv", b"x")
    remote.server.faults.refused.add("b")
    with pytest.raises(JobFailed) as refused:
        remote.sources.list("s3://b/x.csv")
    assert refused.value.reason == (
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


def test_a_service_that_does_not_answer_is_named_at_the_call(tmp_path: Path, server: S3Server) -> None:
    nowhere = sources_of(tmp_path, server).of(OWN)
    server.stop()
    with pytest.raises(JobFailed, match="could not be read"):
        nowhere.list("s3://b/x.csv")


# What is written


def written(sources: AccountSources, location: str, content: bytes, folder: Path) -> None:
    place = folder / "local"
    place.write_bytes(content)
    sources.write(location, place, "us")


def test_a_file_is_written_whole_and_nothing_is_left_beside_it(bucket: Bucket, tmp_path: Path) -> None:
    content = b"0123456789" * 2_000_000  # more than one piece of an upload
    bucket.sources.require_writable("s3://b/out/")
    written(bucket.sources, "s3://b/out/deep/x.csv", content, tmp_path)
    assert bucket.contents() == {"out/deep/x.csv": content}


def test_a_file_that_is_there_is_never_replaced(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("out/x.csv", b"precious")
    with pytest.raises(FileExistsError):
        written(bucket.sources, "s3://b/out/x.csv", b"ours", tmp_path)
    assert bucket.contents() == {"out/x.csv": b"precious"}


@pytest.mark.parametrize("fault", ["no_conditions", "no_creating"])
def test_a_service_without_conditions_is_asked_before_it_is_written_to(
    remote: Bucket, tmp_path: Path, fault: str
) -> None:
    setattr(remote.server.faults, fault, True)
    remote.put("out/x.csv", b"precious")
    with pytest.raises(FileExistsError):
        written(remote.sources, "s3://b/out/x.csv", b"ours", tmp_path)
    written(remote.sources, "s3://b/out/y.csv", b"ours", tmp_path)
    assert remote.contents() == {"out/x.csv": b"precious", "out/y.csv": b"ours"}


def test_a_folder_without_second_names_for_files_is_written_to_all_the_same(
    tmp_path: Path, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: Any, **__: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    bucket = Bucket("folder", tmp_path, server)
    monkeypatch.setattr(os, "link", no_links)
    written(bucket.sources, "s3://b/out/x.csv", b"ours", tmp_path)
    with pytest.raises(FileExistsError):
        written(bucket.sources, "s3://b/out/x.csv", b"other", tmp_path)
    assert bucket.contents() == {"out/x.csv": b"ours"}


def test_only_what_is_ours_is_deleted_and_only_directly_in_the_folder(bucket: Bucket) -> None:
    for key in ("out/ours-1", "out/theirs", "out/deep/ours-1", "ours-1", "outer/ours-1"):
        bucket.put(key, b"x")
    bucket.sources.delete("s3://b/out/", lambda name: name.startswith("ours"))
    bucket.sources.delete("s3://b/nowhere/", lambda _: True)
    assert set(bucket.contents()) == {"out/theirs", "out/deep/ours-1", "ours-1", "outer/ours-1"}


# Whose bucket it is


def test_a_folder_belongs_to_an_account_or_to_every_account(tmp_path: Path) -> None:
    for name in ("mine", "theirs", "common"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.csv").write_text(name)
    given = (
        f"b={tmp_path}/mine",
        f"{OTHER}/b={tmp_path}/theirs",
        f"*/c={tmp_path}/common",
        f"own={tmp_path}/mine",
    )
    everyone = sources_of(tmp_path, None, *given)

    def content(account: str, bucket: str) -> bytes:
        reached = everyone.of(account)
        (file,) = reached.list(f"s3://{bucket}/x.csv")
        return reached.read_range(file, 0, 100)

    assert (content(OWN, "b"), content(OTHER, "b")) == (b"mine", b"theirs")
    assert (content(OWN, "c"), content(OTHER, "c")) == (b"common", b"common")
    assert content(OWN, "own") == b"mine"
    with pytest.raises(JobFailed, match=r"^Invalid Data location\.$"):
        content(OTHER, "own")


def test_buckets_that_nobody_named_lie_apart_by_account(tmp_path: Path) -> None:
    everyone = sources_of(tmp_path)
    for account, place in ((OWN, "buckets"), (OTHER, f"accounts/{OTHER}/buckets")):
        (tmp_path / place / "b").mkdir(parents=True)
        (tmp_path / place / "b" / "x.csv").write_text(account)
        (file,) = everyone.of(account).list("s3://b/x.csv")
        assert everyone.of(account).read_range(file, 0, 100) == account.encode()
    third = everyone.of("444455556666")
    for call in (third.list, third.list_csv):
        with pytest.raises(JobFailed, match=r"^Invalid Data location\.$"):
            call("s3://b/x.csv")


def test_a_role_has_its_own_credentials_and_others_the_environments(remote: Bucket) -> None:
    remote.put("x.csv", b"x")
    for role in (None, f"arn:aws:iam::{OWN}:role/unknown"):
        remote.all.of(OWN, role).list("s3://b/x.csv")
    assert set(remote.server.access_keys) == {"ENVKEY"}
    remote.server.access_keys.clear()
    remote.all.of(OWN, ROLE).list("s3://b/x.csv")
    assert set(remote.server.access_keys) == {"ROLEKEY"}


def test_another_account_reaches_the_service_by_a_role_of_its_own_alone(
    remote: Bucket, tmp_path: Path
) -> None:
    remote.put("x.csv", b"x")
    remote.all.of(OTHER, OTHERS_ROLE).list("s3://b/x.csv")
    assert set(remote.server.access_keys) == {"OTHERSKEY"}
    remote.server.access_keys.clear()
    (tmp_path / "local").write_text("x")
    for account, role in (
        (OTHER, None),
        (OTHER, ROLE),
        (OTHER, f"arn:aws:iam::{OTHER}:role/unknown"),
        ("444455556666", OTHERS_ROLE),
        (OWN, OTHERS_ROLE),
    ):
        reached = remote.all.of(account, role)
        for call in (
            reached.list,
            reached.list_csv,
            reached.require_writable,
            lambda location, reached=reached: reached.write(location, tmp_path / "local", "us"),
        ):
            with pytest.raises(JobFailed, match=r"^Invalid Data location\.$"):
                call("s3://b/x.csv")
    assert not remote.server.access_keys


@pytest.mark.parametrize("prefix", ["/sartor", "/sartor/", ""])
def test_the_tables_of_all_accounts_are_nobodys_files(tmp_path: Path, server: S3Server, prefix: str) -> None:
    reached = sources_of(tmp_path, server, storage=f"s3://b{prefix}").of(OWN)
    table = f"{prefix.strip('/')}/{OTHER}/us-east-1/datasets/d".lstrip("/")
    server.objects |= {f"b/{table}/bulk/x.csv": b"secret", "b/sartorial.csv": b"x", "other/x.csv": b"x"}
    (tmp_path / "local").write_text("x")
    for call in (
        reached.list,
        reached.list_csv,
        reached.require_writable,
        lambda location: reached.write(location, tmp_path / "local", "us"),
    ):
        for key in (f"{table}/bulk/x.csv", f"{table}/bulk/", f"{table}/bulk"):
            with pytest.raises(JobFailed, match=r"^Invalid Data location\.$"):
                call(f"s3://b/{key}")
    assert len(server.objects) == 3
    assert [file.uri for file in reached.list_csv("s3://other/")] == ["s3://other/x.csv"]
    if prefix:
        assert [file.uri for file in reached.list_csv("s3://b/")] == ["s3://b/sartorial.csv"]
        assert [file.uri for file in reached.list("s3://b/sartorial.csv")] == ["s3://b/sartorial.csv"]


@pytest.mark.parametrize(
    ("location", "keys"),
    [
        ("s3://b/in/1.json", ["in/1.json"]),
        ("s3://b/in/", ["in/1.json", "in/deep/2.json"]),
        ("s3://b/in", ["in/1.json", "in/deep/2.json", "in_test/3.json"]),
        ("s3://b/in/d", ["in/deep/2.json"]),
        ("s3://b/", ["in/1.json", "in/deep/2.json", "in_test/3.json"]),
    ],
)
def test_a_prefix_is_the_beginning_of_keys_and_a_file_is_itself(
    bucket: Bucket, location: str, keys: list[str]
) -> None:
    for key in ("in/1.json", "in/deep/2.json", "in_test/3.json", "in/_hidden", "in/.hidden"):
        bucket.put(key, b"x")
    bucket.put("in/empty.json", b"")
    assert [file.key for file in bucket.sources.list_prefix(location)] == keys


def test_a_prefix_that_nothing_begins_with_has_the_reason_of_who_asks(bucket: Bucket) -> None:
    bucket.put("in/1.json", b"x")
    for location in ("s3://b/out", "s3://b/in/1.json.out", "s3://b/in/2/", "http://b/in/"):
        with pytest.raises(JobFailed, match=r"^no such input$"):
            bucket.sources.list_prefix(location, "no such input")


def test_one_file_is_removed_and_that_it_is_not_there_is_no_matter(bucket: Bucket) -> None:
    for key in ("out/1.json", "out/1.json_errors"):
        bucket.put(key, b"x")
    for _ in range(2):
        bucket.sources.remove("s3://b/out/1.json_errors")
    bucket.sources.remove("s3://b/never/there.json")
    assert [file.key for file in bucket.sources.list_prefix("s3://b/out/", "nothing")] == ["out/1.json"]


def test_files_that_are_read_from_the_bucket_one_after_the_other_are_written_as_one(
    bucket: Bucket, tmp_path: Path
) -> None:
    names = [f"in/{number}.csv" for number in range(3)]
    for number, name in enumerate(names):
        bucket.put(name, b"%d" % number * 2**21)
    files = (bucket.sources.spool(bucket.sources.list(f"s3://b/{name}")[0], tmp_path) for name in names)
    bucket.sources.replace("s3://b/out/a.out", files, "mine")
    assert bucket.contents()["out/a.out"] == b"".join(b"%d" % number * 2**21 for number in range(3))


def test_files_replace_what_is_there_as_one_and_whole(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("out/a.out", b"of an earlier job")
    for name, content in (("one", b"12"), ("two", b""), ("three", b"3")):
        (tmp_path / name).write_bytes(content)
    bucket.sources.replace("s3://b/out/a.out", [tmp_path / name for name in ("one", "two", "three")], "mine")
    assert bucket.contents() == {"out/a.out": b"123"}


def test_who_may_not_go_on_replaces_nothing(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("out/a.out", b"of another")
    (tmp_path / "one").write_bytes(b"1")

    def keep_on() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        bucket.sources.replace("s3://b/out/a.out", [tmp_path / "one"], "mine", keep_on)
    assert bucket.contents() == {"out/a.out": b"of another"}


def test_an_upload_that_must_end_in_its_middle_replaces_nothing(remote: Bucket, tmp_path: Path) -> None:
    remote.put("out/a.out", b"of another")
    (tmp_path / "one").write_bytes(bytes(12 * 2**20))
    asked = iter(range(100))

    def keep_on() -> None:
        if next(asked) >= 8:
            raise Stopped

    with pytest.raises(Stopped):
        remote.sources.replace("s3://b/out/a.out", [tmp_path / "one"], "mine", keep_on)
    assert remote.contents() == {"out/a.out": b"of another"}


@pytest.mark.parametrize("way", ["", "link/"])
def test_a_folder_that_has_the_storage_in_it_gives_nobody_the_tables(
    tmp_path: Path, server: S3Server, way: str
) -> None:
    (tmp_path / "data" / "storage" / "tables").mkdir(parents=True)
    (tmp_path / "data" / "storage" / "tables" / "part.csv").write_bytes(b"secret")
    (tmp_path / "data" / "mine.csv").write_bytes(b"mine")
    (tmp_path / "link").symlink_to(tmp_path)
    reached = sources_of(
        tmp_path, None, f"*/all={tmp_path / way}", storage=str(tmp_path / "link/data/storage")
    )
    theirs = reached.of(OTHER)
    assert [file.key for file in theirs.list_csv("s3://all/data/")] == ["data/mine.csv"]
    for location in (
        "data/storage/tables/part.csv",
        "data/storage/tables/",
        "data/storage",
        "link/data/storage/",
    ):
        with pytest.raises(JobFailed, match="Invalid Data location"):
            theirs.list(f"s3://all/{location}")
    with pytest.raises(JobFailed, match="Invalid Data location"):
        theirs.write("s3://all/data/storage/tables/new.csv", tmp_path / "data" / "mine.csv", "job")
