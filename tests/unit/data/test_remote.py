"""An import whose pieces run on machines that share nothing with the job's but S3."""

import gzip
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from elsewhere import ACCOUNT, ROLE, SECRET, Elsewhere
from s3_server import S3Server, use_standard_credentials
from sartor import settings
from sartor.compute.here import Here
from sartor.data import bundles, check, parquet_footer, parquet_spans, s3
from sartor.data.blobs import Blobs, open_storage
from sartor.data.check import Checked, JobRules
from sartor.data.input_files import InputFile
from sartor.data.remote import Remote
from sartor.data.remote_check import stand_in
from sartor.data.sources import Sources
from sartor.errors import JobFailed, Unavailable
from spread_checks import outcome
from unit.data.test_spread import HARD, HEADER, ITEMS, PACKED, PLAIN, parquet_of

TABLE = "tables/t"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    use_standard_credentials(monkeypatch)
    with S3Server() as found:
        yield found


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    """Give another machine, which alone knows the role's credentials."""
    return Elsewhere(tmp_path / "node", monkeypatch)


class Job:
    """An import of ``s3://training/f/`` into a table of ``s3://tables/sartor``."""

    def __init__(self, folder: Path, server: S3Server) -> None:
        self.folder, self.server = folder, server
        flags = {"storage": "s3://tables/sartor", "s3_endpoint": server.url, "data": str(folder / "data")}
        self.settings = settings.load(flags, {})
        self.sources = Sources(self.settings).of(ACCOUNT)
        self.storage: Blobs = open_storage(self.settings.storage, server.url, folder / "scratch")
        self.remote = Remote(self.settings.places, ACCOUNT, ROLE, TABLE)
        self.how: dict[str, Any] = {
            "job": JobRules(0, None, 0.01),
            "memory_bytes": 200_000_000,
            "progress": lambda _: None,
            "stop": lambda: False,
        }

    def put(self, *contents: bytes, ending: str = "csv") -> None:
        for at, content in enumerate(contents):
            self.server.objects[f"training/f/{at:04d}.{ending}"] = content

    def read(self, files: Sequence[InputFile], **more: Any) -> Checked:
        scratch, stage = self.folder / "job", self.folder / "stage"
        for folder in (scratch, stage):
            folder.mkdir(exist_ok=True)
        return bundles.read_and_check(files, ITEMS, stage, "0", scratch, **self.how | more)

    def run(self, compute: Elsewhere, piece_bytes: int, monkeypatch: pytest.MonkeyPatch) -> Checked:
        """Check it elsewhere, and bring the parts here."""
        stands = self.folder / "stands"
        stands.mkdir()
        files = [
            stand_in(file, self.sources, stands, is_large=True)
            for file in self.sources.list("s3://training/f/")
        ]
        monkeypatch.setattr(check, "PIECE_BYTES", piece_bytes)
        found = self.read(files, compute=compute, remote=self.remote)
        monkeypatch.undo()
        assert all(part.stored for part in found.parts)
        assert {part.path.name for part in found.parts} == self.stored()
        assert list((self.folder / "stage").iterdir()) == []
        return Checked(
            tuple(
                replace(part, path=self.storage.local(f"{TABLE}/{part.path.name}")) for part in found.parts
            ),
            found.report,
        )

    def here(self) -> Checked:
        """Check it here."""
        spool = self.folder / "spool"
        spool.mkdir()
        listed = self.sources.list("s3://training/f/")
        files = [InputFile(self.sources.spool(one, spool), one.uri, one.size_bytes) for one in listed]
        return self.read(files, compute=Here())

    def stored(self) -> set[str]:
        return {path.rpartition("/")[2] for path, _ in self.storage.list(TABLE)}


HARDEST = [
    "plain",
    "one cell over several pieces",
    "broken cells",
    "broken rows",
    "a line that is too long",
]


@pytest.mark.parametrize("name", HARDEST)
def test_what_is_hard_is_the_same_elsewhere(
    tmp_path: Path, server: S3Server, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    content = HEADER + HARD[name]
    job = Job(tmp_path, server)
    job.put(content, HEADER + PLAIN)
    found = job.run(elsewhere, max(400, len(content) // 5), monkeypatch)
    assert elsewhere.pieces > 1
    assert outcome(found, ITEMS) == outcome(job.here(), ITEMS)


@pytest.mark.parametrize("rows", PACKED.values(), ids=PACKED)
def test_row_groups_are_the_same_elsewhere(
    tmp_path: Path, server: S3Server, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch, rows: str
) -> None:
    job = Job(tmp_path, server)
    content = parquet_of(tmp_path, rows).path.read_bytes()
    job.put(content, content, ending="parquet")
    found = job.run(elsewhere, 10_000, monkeypatch)
    assert outcome(found, ITEMS) == outcome(job.here(), ITEMS)


def test_of_row_groups_no_other_bytes_are_brought(tmp_path: Path, server: S3Server) -> None:
    job = Job(tmp_path, server)
    content = parquet_of(tmp_path, PACKED["plain"], group_rows=2048).path.read_bytes()
    job.put(content, ending="parquet")
    (file,) = job.sources.list("s3://training/f/")
    found = parquet_spans.spans(stand_in(file, job.sources, tmp_path, is_large=True), 10_000)
    assert len(found) > 3
    footer, _ = parquet_footer.footer(len(content), lambda at, length: content[at : at + length])
    own = [ranges for one in found for ranges in one.ranges if 4 < ranges[1] < len(content)]
    assert [begin for begin, _ in own] == [4, *(behind for _, behind in own[:-1])]
    assert own[-1][1] <= footer
    for one in found:
        copy = job.sources.spool_ranges(file, tmp_path, one.ranges).read_bytes()
        there = bytearray(len(content))
        for begin, behind in one.ranges:
            there[begin:behind] = content[begin:behind]
        assert copy == bytes(there)


def test_packed_files_and_small_parquet_are_a_piece_each(
    tmp_path: Path, server: S3Server, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(tmp_path, server)
    job.put(gzip.compress(HEADER + PLAIN), ending="csv.gz")
    file = tmp_path / "0001.parquet"
    duckdb.execute(
        "COPY (SELECT 'p' || range AS ITEM_ID, 'a' AS A, range AS CREATION_TIMESTAMP FROM range(500)) "
        f"TO '{file}' (FORMAT parquet)"
    )
    server.objects["training/f/0001.parquet"] = file.read_bytes()
    found = job.run(elsewhere, 200, monkeypatch)
    assert outcome(found, ITEMS) == outcome(job.here(), ITEMS)


def test_each_machine_has_its_own_credentials_and_none_travel(
    tmp_path: Path, server: S3Server, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-server")
    s3.standard_credentials.cache_clear()
    job = Job(tmp_path, server)
    job.put(HEADER + PLAIN)
    job.run(elsewhere, 200, monkeypatch)
    assert server.access_keys["ROLEKEY"] >= elsewhere.pieces
    assert ROLE.encode() in elsewhere.sent
    for secret in (SECRET, "ROLEKEY", "secret-of-the-server", "ENVKEY"):
        assert secret.encode() not in elsewhere.sent


def test_nothing_stays_where_a_piece_ran_nor_of_what_broke_a_rule(
    tmp_path: Path, server: S3Server, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(tmp_path, server)
    job.storage.put(f"{TABLE}/0-00000-1-other-1.parquet", b"another attempt's")
    job.put(HEADER + PLAIN.replace(b"i5,", b","))
    monkeypatch.setattr(check, "PIECE_BYTES", 200)
    listed = job.sources.list("s3://training/f/")
    files = [stand_in(listed[0], job.sources, tmp_path, is_large=True)]
    assert job.read(files, compute=elsewhere, remote=job.remote).report.verdict == "failed"
    assert elsewhere.pieces > 1
    assert job.stored() == {"0-00000-1-other-1.parquet"}
    assert [path for path in (tmp_path / "node").rglob("*") if path.is_file()] == [
        tmp_path / "node" / "sartor.toml",
        tmp_path / "node" / "scratch" / ".lock",
    ]


def test_a_download_that_breaks_is_tried_again_and_a_file_that_changes_is_refused(
    tmp_path: Path, server: S3Server, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(tmp_path, server)
    job.put(HEADER + PLAIN)
    (file,) = job.sources.list("s3://training/f/")
    server.faults.cuts["training/f/0000.csv"] = 2
    copy = job.sources.spool_ranges(file, tmp_path, [(0, 4), (100, 300)])
    content = copy.read_bytes()
    assert (len(content), content[100:300]) == (file.size_bytes, (HEADER + PLAIN)[100:300])
    assert content[:100] == (HEADER + PLAIN)[:4] + b"\0" * 96
    job.put(HEADER + PLAIN.replace(b"a", b"b"))
    with pytest.raises(JobFailed, match="has changed while it was imported"):
        job.sources.spool_ranges(file, tmp_path, [(0, 10)])


def without_keys(elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Any:
        raise s3.NoCredentialsError("No S3 credentials.")

    monkeypatch.setattr(s3, "standard_credentials", none)


def with_wrong_settings(elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere.environment["SARTOR_PORT"] = "much"


@pytest.mark.parametrize(
    ("break_it", "words"),
    [(without_keys, "cannot reach s3://tables/sartor: No S3"), (with_wrong_settings, "has wrong settings")],
)
def test_a_machine_that_lacks_something_says_so(
    tmp_path: Path,
    server: S3Server,
    elsewhere: Elsewhere,
    monkeypatch: pytest.MonkeyPatch,
    break_it: Callable[[Elsewhere, pytest.MonkeyPatch], None],
    words: str,
) -> None:
    job = Job(tmp_path, server)
    job.put(HEADER + PLAIN)
    (file,) = job.sources.list("s3://training/f/")
    stand = stand_in(file, job.sources, tmp_path, is_large=True)
    break_it(elsewhere, monkeypatch)
    monkeypatch.setattr(check, "PIECE_BYTES", 200)
    monkeypatch.setattr(Remote, "sweep", lambda *_: None)
    with pytest.raises(Unavailable, match=words):
        job.read([stand], compute=elsewhere, remote=job.remote)
