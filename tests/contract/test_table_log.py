"""A table's log stays short however many versions there were, and forgets nothing that somebody may ask for."""

import os
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from deltalake import DeltaTable

from sartor.data import commits, log
from sartor.data.blobs import Blobs, FolderBlobs
from sartor.data.commits import Commits
from sartor.data.log import CHAPTER_VERSIONS, Log, Made
from sartor.data.table import Table
from tables import ITEMS, NEWER_ITEMS, change, in_version, items, part

#: More than Delta's log keeps here, and no end of a chapter.
MANY = 2 * CHAPTER_VERSIONS + 27


@pytest.fixture(autouse=True)
def short_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_DELTA_VERSIONS", CHAPTER_VERSIONS)


@pytest.fixture
def folder(tmp_path: Path) -> Blobs:
    return FolderBlobs(tmp_path / "folder")


@pytest.fixture
def table(folder: Blobs) -> Table:
    return Table(folder, "d/bulk")


def opened(storage: Blobs) -> DeltaTable:
    return DeltaTable(f"{storage.uri}/d/bulk", storage_options=storage.delta_options)


def logged(storage: Blobs) -> list[str]:
    return sorted(path.rpartition("/")[2] for path, _ in storage.files("d/bulk/_delta_log"))


def filled(table: Table, count: int = MANY) -> list[list[str]]:
    """Make versions of every sort, and return which items each has."""
    contents: list[list[str]] = []
    parts: dict[str, str] = {}
    ever: dict[str, str] = {}
    for number in range(count):
        new = part(table, f"x{number}")
        if number == 30:
            table.add_columns(NEWER_ITEMS)
        elif number % 10 == 9:
            assert table.restore(number - 8, NEWER_ITEMS) == number
            parts = {name: known for name, known in ever.items() if name in table.parts_of(number)}
        elif number % 5 == 4:
            gone = sorted(parts)[:1]
            assert change(table, [new], gone, number, None, "sartor.changes")
            parts = {name: item for name, item in parts.items() if name not in gone} | {
                new.path.name: f"x{number}"
            }
        else:
            full = number % 7 == 0
            schema = ITEMS if number < 30 else NEWER_ITEMS
            assert table.commit([new], "FULL" if full else "INCREMENTAL", schema, f"job-{number}") == number
            parts = ({} if full else parts) | {new.path.name: f"x{number}"}
        ever |= parts
        contents.append(sorted(parts.values()))
    return contents


class Late:
    """A storage in which a chapter is written, and the log shortened, between a reader's two looks."""

    def __init__(self, storage: Blobs) -> None:
        self._storage = storage
        self._seen: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def get(self, path: str) -> bytes:
        if "_history" in path and path not in self._seen:
            self._seen.add(path)
            raise FileNotFoundError(path)
        return self._storage.get(path)


def test_the_log_is_short_and_every_version_and_job_is_known(storage: Blobs) -> None:
    table = Table(storage, "d/bulk")
    contents = filled(table)
    assert len(logged(storage)) < 3 * CHAPTER_VERSIONS
    assert f"{0:020d}.json" not in logged(storage)
    assert table.version() == opened(storage).version() == MANY - 1
    assert items(table) == contents[-1]
    found = list(table.log())
    assert [version for version, _ in found] == list(range(MANY))
    whole = storage.uri.startswith("/")  # an S3 service of Python takes its time: there the edges of chapters
    edges = {at + by for at in range(0, MANY, CHAPTER_VERSIONS) for by in (-1, 0)} | {MANY - 1}
    for version, content in enumerate(contents):
        if not whole and version not in edges:
            continue
        assert in_version(table, version) == content
        added = [entry["add"]["path"] for entry in found[version][1] if "add" in entry]
        assert table.added_in(version) == added
    assert table.snapshot().number("job-0") == opened(storage).transaction_version("job-0") == 0
    assert table.snapshot().number("job-65") == 65
    assert table.commit([part(table, "again")], "FULL", ITEMS, "job-0") == 0
    assert table.snapshot().number("sartor.changes") == 64
    assert not change(table, [part(table, "again")], [], 9, 59, "sartor.changes")
    assert table.version() == MANY - 1
    late = Log(Late(storage), "d/bulk")  # type: ignore[arg-type]
    assert list(late.versions(0, MANY - 1)) == found
    assert table.restore(3, NEWER_ITEMS) == MANY
    assert items(table) == contents[3]


def test_marks_of_jobs_that_ended_long_ago_are_dropped_and_no_others(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "_MARK_VERSIONS", 2 * CHAPTER_VERSIONS)
    change(table, [part(table, "ours")], [], 5, None, "sartor.drain")
    change(table, [part(table, "twice")], [], 1, None, "twice")
    for number in range(2, 3 * CHAPTER_VERSIONS - 5):
        if number == CHAPTER_VERSIONS + 1:
            change(table, [part(table, "twice")], [], 2, None, "twice")
        else:
            table.commit([part(table, f"x{number}")], "FULL", ITEMS, f"job-{number}")
    known = {
        number
        for number in range(2, 3 * CHAPTER_VERSIONS - 5)
        if (table.snapshot().number(f"job-{number}") is not None)
    }
    assert known == set(range(CHAPTER_VERSIONS, 3 * CHAPTER_VERSIONS - 5)) - {CHAPTER_VERSIONS + 1}
    assert table.snapshot().number("sartor.drain") == 5
    assert table.snapshot().number("twice") == 2


def test_a_commit_stands_when_the_log_cannot_be_settled_and_a_sweep_settles_it(
    table: Table, folder: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(Log, "keep", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        for number in range(MANY):
            assert table.commit([part(table, f"x{number}")], "FULL", ITEMS, f"job-{number}") == number
    assert len(logged(folder)) == MANY
    assert table.vacuum(0.0) == 0
    assert len(logged(folder)) < MANY
    assert [version for version, _ in table.log()] == list(range(MANY))
    assert in_version(table, 0) == ["x0"]


def test_a_table_whose_log_was_never_shortened_is_settled_by_a_sweep(
    table: Table, folder: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(Commits, "committed", lambda *_: None)
        contents = filled(table)
    assert [in_version(table, version) for version in range(MANY)] == contents
    table.vacuum(0.0)
    assert len(logged(folder)) < 3 * CHAPTER_VERSIONS
    assert [in_version(table, version) for version in range(MANY)] == contents


def test_a_version_that_is_in_no_log_is_said_to_be_gone(table: Table, folder: Blobs) -> None:
    for number in range(3):
        table.commit([part(table, f"x{number}")], "FULL", ITEMS, f"job-{number}")
    folder.delete(f"d/bulk/_delta_log/{1:020d}.json")
    with pytest.raises(LookupError, match="Version 1 is kept no longer"):
        list(table.log(0, 2))


@pytest.mark.parametrize("forgotten_after", [CHAPTER_VERSIONS, 2 * CHAPTER_VERSIONS + 5])
def test_a_log_that_nobody_asks_for_is_forgotten_and_the_table_lives_on(
    table: Table, folder: Blobs, monkeypatch: pytest.MonkeyPatch, forgotten_after: int
) -> None:
    monkeypatch.setattr(log, "_FORGOTTEN_AFTER_VERSIONS", forgotten_after)
    monkeypatch.setattr(commits, "_MARK_VERSIONS", 3 * CHAPTER_VERSIONS)  # it may be forgotten by then
    assert change(table, [part(table, "job")], [], 1, None, "job")
    old: list[str] = []
    for number in range(MANY):
        new = part(table, f"x{number}")
        fresh = Table(folder, "d/bulk")  # which remembers no chapters
        assert change(fresh, [new], old or list(table.snapshot().parts), number + 1, number, "sartor.drain")
        old = [new.path.name]
        if number % 10 == 0:
            table.vacuum(time.time() + 1, keep_log=False)
            assert {name for name in table.stored_names() if name.endswith("parquet")} == set(old)
    kept = [path for path, _ in folder.files("d/bulk/_history")]
    is_forgotten = forgotten_after == CHAPTER_VERSIONS
    assert (f"d/bulk/_history/{0:020d}.json" in kept) != is_forgotten
    assert len(kept) < (4 if is_forgotten else 5)
    assert (table.snapshot().number("job") is not None) == is_forgotten
    assert items(table) == [f"x{MANY - 1}"]
    if is_forgotten:
        with pytest.raises(LookupError):
            Table(folder, "d/bulk").parts_of(0)


def test_a_table_of_an_earlier_sartor_that_has_forgotten_old_versions_is_vacuumed(
    table: Table, folder: Blobs
) -> None:
    first = filled(table)[-1]
    folder.delete(f"d/bulk/_history/{0:020d}.json")
    told = {"version": MANY - 2, "first": CHAPTER_VERSIONS, "parts": {"gone.parquet": 1.0}}
    folder.put("d/bulk/_history/waiting.json", orjson.dumps(told))
    assert table.vacuum(time.time() + 1, keep_log=False) > CHAPTER_VERSIONS / 2
    assert items(table) == first
    assert table.sweep(-60) > 0  # what the forgotten versions left, if its file is there, is nobody's
    stored = {name for name in table.stored_names() if name.endswith("parquet")}
    assert stored == set(table.snapshot().parts)


def test_the_parts_of_an_old_log_are_kept_as_long_as_undo_wants_them(tmp_path: Path, table: Table) -> None:
    for number in range(MANY):
        table.commit([part(table, f"x{number}")], "FULL", ITEMS, f"job-{number}")
        for entry in (tmp_path / "folder/d/bulk/_delta_log").iterdir():
            os.utime(entry, (time.time() - 90 * 86400,) * 2)
    moments = [entries[0]["commitInfo"]["timestamp"] / 1000 for _, entries in table.log()]
    assert table.vacuum(moments[10]) == 9  # version 9 was the newest just before
    assert table.restore(9, ITEMS) == MANY + 1, "one version marks what is kept no longer"
    assert items(table) == ["x9"]
    with pytest.raises(LookupError, match="is no longer kept"):
        table.restore(8, ITEMS)


@pytest.mark.parametrize("notices", [True, False], ids=["delta notices", "delta does not"])
@pytest.mark.parametrize("sleeps", ["import", "drain"])
def test_who_slept_while_many_versions_were_made_commits_again_on_top_of_them(
    table: Table, folder: Blobs, monkeypatch: pytest.MonkeyPatch, sleeps: str, notices: bool
) -> None:
    for number in range(5):
        table.commit([part(table, f"x{number}")], "FULL", ITEMS, f"job-{number}")
    write, slept = Commits.write, []

    def late(self: Commits, *arguments: Any) -> Any:
        if not slept:
            slept.append(True)
            for number in range(5, MANY):
                Table(folder, "d/bulk").commit([part(table, f"x{number}")], "FULL", ITEMS, f"job-{number}")
            assert f"{5:020d}.json" not in logged(folder)
            if not notices:  # he slept after Delta's own look
                folder.put(f"d/bulk/_delta_log/{5:020d}.json", b'{"commitInfo": {"sartor.commit": "his"}}')
                return Made(5, "his")
        return write(self, *arguments)

    monkeypatch.setattr(Commits, "write", late)
    new = part(table, "late")
    if sleeps == "import":
        assert table.commit([new], "INCREMENTAL", ITEMS, "late") == MANY
    else:
        assert change(table, [new], [], 7, 0, "sartor.drain")
    assert items(Table(folder, "d/bulk")) == ["late", f"x{MANY - 1}"]
    assert [version for version, _ in Table(folder, "d/bulk").log()] == list(range(MANY + 1))
