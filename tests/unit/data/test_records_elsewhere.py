"""Exports and deletions by machines that share nothing with the job's but S3: they come to what they come to here."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from contract.test_dataset_records import EVENTS, Dataset, Which, event, opened, users_file
from contract.test_records_in_pieces import MANY, import_large, lines
from elsewhere import ACCOUNT, ROLE, SECRET, DyingElsewhere, Elsewhere
from s3_server import S3Server, use_standard_credentials
from sartor import settings
from sartor.data import deletion, export, rewriting
from sartor.data.blobs import open_storage
from sartor.data.csv_elsewhere import Target
from sartor.data.events import NEWEST
from sartor.data.export import store_csv, write_csv
from sartor.data.remote import Remote
from sartor.data.schema import Schema
from sartor.data.sources import Sources
from sartor.errors import Unavailable

OUT = "s3://training/out/"


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (export, rewriting):
        monkeypatch.setattr(module, "PIECE_BYTES", 60_000)


class Shop:
    """A dataset whose tables lie in S3, as the job's machine sees it."""

    def __init__(self, folder: Path, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server = server
        flags = {"storage": "s3://tables/sartor", "s3_endpoint": server.url, "data": str(folder / "data")}
        self.settings = settings.load(flags, {})
        self.remote = Remote(self.settings.places, ACCOUNT, ROLE)
        self._folder, self._monkeypatch = folder, monkeypatch

    def make(self, of: Schema) -> Dataset:
        self.copies = self._folder / "scratch"
        storage = open_storage(self.settings.storage, self.server.url, self.copies)
        return opened(storage, self._folder, of, self._monkeypatch)

    def target(self) -> Target:
        root = Sources(self.settings).of(ACCOUNT).root(OUT)
        return Target(self.remote, root, OUT, "part-mark-1-{:04d}.csv", "mark")

    def stored(self) -> list[str]:
        """Return the keys of the bucket that is exported to."""
        return sorted(name for name in self.server.objects if name.startswith("training/"))

    def parts(self) -> set[str]:
        return {
            name.rpartition("/")[2]
            for name in self.server.objects
            if name.startswith("tables/sartor/d/") and name.endswith(".parquet") and "/_" not in name
        }


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    use_standard_credentials(monkeypatch)
    with S3Server() as found:
        yield found


@pytest.fixture
def shop(tmp_path: Path, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(tmp_path, server, monkeypatch)


def lived_in(shop: Shop) -> Dataset:
    """Return interactions out of imports, and of calls, drained and not."""
    events = shop.make(EVENTS)
    import_large(events, MANY.format(1_000, 9_000))
    import_large(events, MANY.format(10_000, 13_000))
    events.put(event("late", "i", 1), event(None, "i", 2, "late"), event("u7", "i", 3))
    events.drain()
    events.put(event("later", "i", 3, "late"))
    return events


def exported(
    shop: Shop, dataset: Dataset, which: Which, elsewhere: Elsewhere, folder: Path
) -> tuple[set[str], Counter[str]]:
    """Return the header and the lines of an export, from where its files are stored and from here."""
    folder.mkdir()
    done: list[tuple[int, int]] = []
    stored, files = store_csv(
        dataset.records, which, folder, shop.target(), elsewhere, lambda *of: done.append(of), lambda: False
    )
    assert shop.stored() == [f"training/out/part-mark-1-{at:04d}.csv" for at in range(stored)]
    assert done == [(at + 1, stored) for at in range(stored)]
    for name in shop.stored():
        (folder / f"stored-{name.rpartition('/')[2]}").write_bytes(shop.server.objects[name])
    return lines([*folder.glob("stored-*"), *files])


@pytest.mark.parametrize(
    ("which", "kind"), [("BULK", Elsewhere), ("PUT", Elsewhere), ("ALL", DyingElsewhere)]
)
def test_an_export_elsewhere_has_the_same_lines(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: Which, kind: type[Elsewhere]
) -> None:
    events, elsewhere = lived_in(shop), kind(tmp_path / "node", monkeypatch)
    (tmp_path / "here").mkdir()
    expected = lines(write_csv(events.records, which, tmp_path / "here"))
    assert exported(shop, events, which, elsewhere, tmp_path / "out") == expected
    assert elsewhere.pieces > (0 if which == "PUT" else 2)
    assert SECRET.encode() not in elsewhere.sent


def test_of_parts_whose_facts_are_known_only_footers_come_to_the_job(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events, elsewhere = shop.make(EVENTS), Elsewhere(tmp_path / "node", monkeypatch)
    for begin in (0, 9_000):
        import_large(events, MANY.format(begin, begin + 9_000))
    events.records.count("BULK")
    for copy in (path for path in shop.copies.rglob("*.parquet") if path.is_file()):
        copy.unlink()
    _, found = exported(shop, events, "BULK", elsewhere, tmp_path / "out")
    assert sum(found.values()) == 18_000
    assert elsewhere.pieces > 2
    assert [path for path in shop.copies.rglob("*.parquet") if path.is_file()] == []
    assert elsewhere.left() == []


def test_a_bucket_that_the_machine_has_elsewhere_is_not_written_to(
    tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    events, elsewhere = lived_in(shop), Elsewhere(tmp_path / "node", monkeypatch)
    folders = settings.load({"data": str(tmp_path / "data"), "storage": "s3://tables/sartor"}, {})
    (tmp_path / "data" / "buckets" / "training").mkdir(parents=True)
    places = {**folders.places, "s3_endpoint": None}
    root = Sources(folders).of(ACCOUNT).root(OUT)
    target = Target(Remote(places, ACCOUNT, None), root, OUT, "{}.csv", "mark")
    with pytest.raises(Unavailable, match="has the bucket of s3://training/out/ elsewhere"):
        store_csv(events.records, "BULK", tmp_path, target, elsewhere, lambda *_: None, lambda: False)


def test_a_deletion_elsewhere_is_one_commit_and_leaves_the_others(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events, elsewhere = lived_in(shop), DyingElsewhere(tmp_path / "node", monkeypatch)
    events.drain()
    before = events.shown()
    gone = ("u7", "u8", "late")
    there = {row[0] for row in before}
    file = users_file(tmp_path, *gone, "nobody")
    upto = {events.records.number: NEWEST}
    assert (
        deletion.count_users([events.records], file, upto, compute=elsewhere, remote=shop.remote)
        == deletion.count_users([events.records], file, upto)
        == len(there & set(gone))
    )
    counted = elsewhere.pieces
    deletion.delete_users(events.records, file, "deletion", compute=elsewhere, remote=shop.remote)
    assert events.shown() == [row for row in before if row[0] not in gone]
    assert elsewhere.pieces >= 2 * counted > 3
    tables = (events.records.bulk_table, events.records.put_table)
    assert [table.snapshot().number("deletion") for table in tables] == [1, 1]
    for table in tables:
        table.sweep(0.0)  # what the dead have left
    assert shop.parts() == {name for table in tables for name in table.snapshot().parts}
    for name in gone:
        assert name.encode() not in elsewhere.sent
    for path in shop.parts():
        (content,) = (value for name, value in shop.server.objects.items() if name.endswith(path))
        (tmp_path / path).write_bytes(content)
        ids = duckdb.execute('SELECT "USER_ID" FROM read_parquet(?)', [str(tmp_path / path)]).fetchall()
        assert not {one for (one,) in ids} & set(gone)
