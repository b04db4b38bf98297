"""A table's versions: every change is one commit or none, and each version that is kept can be had again."""

import itertools
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest
from deltalake import DeltaTable

from sartor.data import schema, versions
from sartor.data.blobs import Blobs
from sartor.data.dataset import DatasetRecords
from sartor.data.log import committed_at
from sartor.data.parts import Part, write_part
from sartor.data.table import Table
from sartor.resources.store import Store
from tables import EVENTS, ITEMS, NEWER_ITEMS, change, in_version, items, part, query

LONG_AGO = 10**9
_numbers = itertools.count(10**6)


def state(storage: Blobs) -> tuple[int | None, list[str], set[str]]:
    table = Table(storage, "d/bulk")
    return table.version(), list(table.snapshot().parts), table.stored_names()


@pytest.fixture
def table(storage: Blobs) -> Table:
    return Table(storage, "d/bulk")


def records_of(
    storage: Blobs, folder: Path, store: Store, of: schema.Schema = ITEMS, number: int = 1
) -> DatasetRecords:
    scratch = folder / "queries"
    scratch.mkdir(exist_ok=True)
    return DatasetRecords(storage, "d", number, of, store.put_records, 200 * 2**20, scratch)


@pytest.fixture
def records(storage: Blobs, tmp_path: Path) -> Iterator[DatasetRecords]:
    opened = Store.open(f"sqlite:///{tmp_path / 's.db'}")
    yield records_of(storage, tmp_path, opened)
    opened.close()


# change


def test_a_change_replaces_parts_in_one_version(table: Table) -> None:
    first, second = part(table, "a"), part(table, "b")
    assert change(table, [first], [], 5, expected=0)
    assert change(table, [second], [], 6, expected=5)
    assert change(table, [part(table, "c")], [first.path.name], 9, expected=6)
    assert items(table) == ["b", "c"]
    assert table.version() == 2
    now = table.snapshot()
    assert now.number("a") == 9
    assert second.path.name in now.parts
    assert list(now.parts) == sorted(now.parts)
    assert [one.rows for one in now.parts.values()] == [1, 1]
    sizes = {name: table.local(name).stat().st_size for name in now.parts}
    assert {name: one.size_bytes for name, one in now.parts.items()} == sizes


@pytest.mark.parametrize("expected", [0, None, 4])
def test_a_change_that_is_not_wanted_any_more_changes_nothing(
    table: Table, storage: Blobs, expected: int | None
) -> None:
    assert change(table, [part(table, "a")], [], 5, expected=0)
    before = state(storage)[:2]
    assert not change(table, [part(table, "b")], [], 5, expected)
    assert state(storage)[:2] == before
    assert items(table) == ["a"]


def test_without_a_number_to_expect_each_application_changes_once(table: Table) -> None:
    for name in ("a", "b", "a"):
        change(table, [part(table, name)], [], 1, None, name)
    assert items(table) == ["a", "b"]
    assert table.version() == 1


def test_a_change_of_parts_that_are_gone_changes_nothing(table: Table, storage: Blobs) -> None:
    old = part(table, "a")
    change(table, [old], [], 1, 0)
    change(table, [part(table, "b")], [old.path.name], 2, 1)
    before = state(storage)[:2]
    assert not change(table, [part(table, "c")], [old.path.name], 3, 2)
    assert not change(Table(storage, "d/none"), [], [old.path.name], 3, 0)
    assert state(storage)[:2] == before


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


@pytest.mark.parametrize("there", [True, False])
def test_of_many_changes_from_one_number_exactly_one_is_made(storage: Blobs, there: bool) -> None:
    table = Table(storage, "d/bulk")
    if there:
        table.commit([part(table, "first")], "FULL", ITEMS, "job")
    parts = [part(table, f"x{number}") for number in range(5)]
    made = at_once(
        *(
            lambda one=one: change(Table(storage, "d/bulk"), [one], [], 7, 0)  # type: ignore[misc]
            for one in parts
        )
    )
    assert sorted(made) == [False, False, False, False, True]
    assert items(table) == sorted([*(["first"] if there else []), f"x{made.index(True)}"])


def test_the_first_commits_of_many_jobs_at_once_all_count(storage: Blobs) -> None:
    table = Table(storage, "d/bulk")
    parts = [part(table, f"x{number}") for number in range(4)]
    at_once(
        *(
            lambda at=at, one=one: Table(storage, "d/bulk").commit(  # type: ignore[misc]
                [one], "INCREMENTAL", ITEMS, f"job-{at}"
            )
            for at, one in enumerate(parts)
        )
    )
    assert items(table) == ["x0", "x1", "x2", "x3"]


def test_changes_and_imports_at_once_lose_nothing(storage: Blobs) -> None:
    table = Table(storage, "d/bulk")
    table.commit([part(table, "old")], "FULL", ITEMS, "job")
    (old,) = table.snapshot().parts
    new, imports = part(table, "new"), [part(table, f"x{number}") for number in range(4)]

    def bring() -> None:
        for at, one in enumerate(imports):
            Table(storage, "d/bulk").commit([one], "INCREMENTAL", ITEMS, f"job-{at}")

    made, _ = at_once(lambda: change(Table(storage, "d/bulk"), [new], [old], 1, None), bring)
    assert made
    assert items(table) == ["new", "x0", "x1", "x2", "x3"]


def test_of_a_change_and_a_full_import_at_once_nothing_old_is_left(storage: Blobs) -> None:
    table = Table(storage, "d/bulk")
    for round_ in range(2):
        table.commit([part(table, "old")], "FULL", ITEMS, f"job-{round_}")
        (old,) = table.snapshot().parts
        new, full = part(table, "new"), part(table, "full")
        made, _ = at_once(
            lambda old=old, new=new, at=round_: change(  # type: ignore[misc]
                Table(storage, "d/bulk"), [new], [old], 1, None, f"c-{at}"
            ),
            lambda full=full, at=round_: Table(storage, "d/bulk").commit(  # type: ignore[misc]
                [full], "FULL", ITEMS, f"full-{at}"
            ),
        )
        assert items(table) == ["full"]
        assert made in (True, False)


def test_a_change_leaves_the_tables_columns_as_they_are(table: Table, storage: Blobs) -> None:
    change(table, [part(table, "a")], [], 1, 0)
    columns = [field.name for field in delta(table, storage).schema().fields]
    assert columns == ["ITEM_ID", "YEAR", "put-seq"]
    assert table.change([], list(table.snapshot().parts), schema=ITEMS, application=("b", 1), expected=None)
    assert [field.name for field in delta(table, storage).schema().fields] == columns


def delta(table: Table, storage: Blobs, version: int | None = None) -> DeltaTable:
    return DeltaTable(f"{storage.uri}/d/bulk", version, storage_options=storage.delta_options)


# columns


def test_old_rows_are_null_in_added_columns(table: Table) -> None:
    table.commit([part(table, "a")], "FULL", ITEMS, "job")
    for _ in range(2):  # a repeated call is harmless
        table.add_columns(NEWER_ITEMS)
        assert table.version() == 1
    assert query(table, "SELECT ITEM_ID, YEAR, GENRE, PRICE FROM data") == [("a", 1, None, None)]


def test_an_import_under_the_newer_schema_brings_the_added_columns(table: Table, storage: Blobs) -> None:
    table.commit([part(table, "a")], "FULL", ITEMS, "job")
    table.add_columns(NEWER_ITEMS)
    path = table.stage() / "9-0-x.parquet"
    with duckdb.connect() as connection:
        select = "SELECT 'b' AS ITEM_ID, 2 AS YEAR, 'g' AS GENRE, 1.5::FLOAT AS PRICE"
        new = write_part(connection, select, path)
    table.commit([new], "INCREMENTAL", NEWER_ITEMS, "job-2")
    assert query(table, "SELECT * FROM data ORDER BY 1") == [("a", 1, None, None), ("b", 2, "g", 1.5)]
    kinds = {field.name: field.type.type for field in delta(table, storage).schema().fields}  # type: ignore[union-attr]
    assert kinds == {"ITEM_ID": "string", "YEAR": "integer", "GENRE": "string", "PRICE": "float"}


def test_a_table_that_is_not_there_needs_no_columns(table: Table) -> None:
    table.add_columns(NEWER_ITEMS)
    assert table.version() is None


# log, snapshot


def test_a_table_that_is_not_there_is_empty(table: Table) -> None:
    now = table.snapshot()
    assert (now.version, now.number("a"), now.data_version) == (-1, None, None)
    assert (now.parts, now.columns) == ({}, set())
    assert list(table.log()) == []
    assert table.vacuum(time.time()) == 0
    assert table.sweep(0) == 0
    assert table.snapshot().number("job") is None
    with pytest.raises(LookupError):
        table.restore(0, ITEMS)


def some_history(table: Table, seed: int, count: int = 8) -> list[list[str]]:
    """Make random versions and return what each has, by a model of lists."""
    chance = random.Random(seed)
    contents: list[list[str]] = []
    parts: dict[str, list[str]] = {}
    for number in range(count):
        names = [f"{number}-{n}" for n in range(chance.randint(1, 3))]
        kind = chance.choice(["FULL", "INCREMENTAL", "INCREMENTAL", "change", "restore"])
        if kind == "restore" and contents:
            back = chance.randrange(len(contents))
            assert table.restore(back, ITEMS) == number
            parts = {name: in_part(table, name) for name in table.parts_of(back)}
            contents.append(contents[back])
            continue
        new = part(table, *names)
        if kind == "change" and parts:
            gone = chance.sample(sorted(parts), chance.randint(0, len(parts)))
            assert change(table, [new], gone, number, None, "chance")
            parts = {name: rows for name, rows in parts.items() if name not in gone}
        else:
            table.commit([new], "FULL" if kind == "FULL" else "INCREMENTAL", ITEMS, f"job-{number}")
            parts = {} if kind == "FULL" else parts
        parts[new.path.name] = names
        contents.append(sorted(itertools.chain.from_iterable(parts.values())))
    return contents


def in_part(table: Table, name: str) -> list[str]:
    return [row[0] for row in duckdb.read_parquet(str(table.local(name))).fetchall()]


@pytest.mark.parametrize("seed", range(2))
def test_every_version_is_as_it_was_and_the_log_says_what_delta_says(
    table: Table, storage: Blobs, seed: int
) -> None:
    contents = some_history(table, seed)
    assert items(table) == contents[-1]
    for version, content in enumerate(contents):
        assert in_version(table, version) == content
        files = {uri.rpartition("/")[2] for uri in delta(table, storage, version).file_uris()}
        assert set(table.parts_of(version)) == files
        before = set(table.parts_of(version - 1)) if version else set()
        assert files - before <= set(table.added_in(version)) <= files
    assert len(list(table.log())) == len(contents)
    assert [version for version, _ in table.log(3, 5)] == [3, 4, 5]


@pytest.mark.parametrize("seed", range(2))
def test_vacuuming_deletes_exactly_what_no_kept_version_needs(
    table: Table, storage: Blobs, records: DatasetRecords, seed: int
) -> None:
    contents = some_history(table, seed)
    moments = [one["timestamp"] for one in versions.history(records)][::-1]
    chosen = random.Random(seed).choice(moments)
    kept = {v for v in range(len(contents)) if v + 1 == len(contents) or moments[v + 1] >= chosen}
    wanted = {name for version in kept for name in table.parts_of(version)}
    stored = table.stored_names()
    assert table.vacuum(chosen) == len({n for n in stored if n.endswith(".parquet")} - wanted)
    assert {name for name in table.stored_names() if name.endswith(".parquet")} == wanted
    assert table.vacuum(chosen) == 0
    assert {one["version"] for one in versions.history(records) if one["restorable"]} >= kept
    for version in kept:
        assert in_version(table, version) == contents[version]
        table.restore(version, ITEMS)
        assert items(table) == contents[version]


@pytest.mark.parametrize("seed", range(2))
def test_what_is_brought_back_between_two_vacuums_is_kept_until_it_is_replaced_again(
    table: Table, records: DatasetRecords, seed: int
) -> None:
    contents = some_history(table, seed, 12)
    chance = random.Random(seed)
    vacuumed_until = 0.0
    for _ in range(5):
        moments = [committed_at(entries) for _, entries in table.log()]
        vacuumed_until = max(vacuumed_until, chance.choice(moments[: len(moments) // 2]))
        table.vacuum(vacuumed_until)
        moments = [committed_at(entries) for _, entries in table.log()]
        contents += contents[-1:] * (len(moments) - len(contents))  # a vacuum marks the table
        kept = [v for v in range(len(contents)) if v + 1 == len(contents) or moments[v + 1] >= vacuumed_until]
        wanted = {name for version in kept for name in table.parts_of(version)}
        assert {name for name in table.stored_names() if name.endswith(".parquet")} == wanted
        assert table.sweep(-60) == 0
        restorable = {one["version"] for one in versions.history(records, limit=99) if one["restorable"]}
        shown = {one["version"] for one in versions.history(records, limit=99)}
        assert restorable >= shown.intersection(kept)
        for version in restorable:
            assert wanted.issuperset(table.parts_of(version))
        back = chance.choice(sorted(restorable))
        assert table.restore(back, ITEMS) == len(contents)
        contents.append(contents[back])
        assert items(table) == contents[back]


def test_vacuuming_leaves_the_parts_of_a_job_that_still_runs(table: Table, storage: Blobs) -> None:
    table.commit([part(table, "a")], "FULL", ITEMS, "job")
    staged = part(table, "b")
    storage.put_file(f"d/bulk/{staged.path.name}", staged.path)
    table.vacuum(time.time() + LONG_AGO)
    assert staged.path.name in table.stored_names()


# restore


def test_restoring_makes_a_new_version_and_can_itself_be_undone(table: Table) -> None:
    table.commit([part(table, "a")], "FULL", ITEMS, "job-1")
    table.commit([part(table, "b")], "FULL", ITEMS, "job-2")
    assert table.restore(0, ITEMS) == 2
    assert items(table) == ["a"]
    assert table.restore(1, ITEMS) == 3
    assert items(table) == ["b"]
    assert table.restore(3, ITEMS) == 4  # what is there already
    assert items(table) == ["b"]


@pytest.mark.parametrize("version", [-1, 1, 99])
def test_a_version_that_never_was_cannot_be_restored(table: Table, storage: Blobs, version: int) -> None:
    table.commit([part(table, "a")], "FULL", ITEMS, "job-1")
    before = state(storage)
    with pytest.raises(LookupError, match="versions 0 to 0"):
        table.restore(version, ITEMS)
    assert state(storage) == before


def test_a_version_whose_files_are_gone_cannot_be_restored_and_nothing_changes(
    table: Table, storage: Blobs
) -> None:
    table.commit([part(table, "a"), part(table, "b")], "FULL", ITEMS, "job-1")
    table.commit([part(table, "c")], "FULL", ITEMS, "job-2")
    assert table.vacuum(time.time() + 1) == 2
    before = state(storage)
    with pytest.raises(LookupError, match="2 of its 2 files are deleted"):
        table.restore(0, ITEMS)
    assert state(storage) == before
    assert items(table) == ["c"]


def test_an_import_while_an_older_version_is_restored_comes_before_or_after_it(storage: Blobs) -> None:
    table = Table(storage, "d/bulk")
    table.commit([part(table, "a")], "FULL", ITEMS, "job-1")
    for round_ in range(2):
        new = part(table, "new")
        version, _ = at_once(
            lambda: Table(storage, "d/bulk").restore(0, ITEMS),
            lambda new=new, at=round_: Table(storage, "d/bulk").commit(  # type: ignore[misc]
                [new], "INCREMENTAL", ITEMS, f"import-{at}"
            ),
        )
        assert in_version(table, version) == ["a"]
        assert items(table) in (["a"], ["a", "new"])


# sweep


def test_sweeping_leaves_what_any_version_names_and_what_is_young(table: Table, storage: Blobs) -> None:
    contents = some_history(table, 1, 6)
    lost = part(table, "lost")
    storage.put_file(f"d/bulk/{lost.path.name}", lost.path)
    storage.put("d/bulk/notes.txt", b"no part")
    assert table.sweep(LONG_AGO) == 0
    assert table.sweep(-60) == 1
    assert lost.path.name not in table.stored_names()
    assert "notes.txt" in table.stored_names()
    for version, content in enumerate(contents):
        assert in_version(table, version) == content


# versions


def commit(records: DatasetRecords, mode: Any, *ids: str) -> None:
    """Import items as a job does."""
    table = records.bulk_table
    new = part(table, *ids)
    note = versions.noted(records, [new], mode)
    table.commit([new], mode, records.schema, f"job-{next(_numbers)}", note)


@pytest.mark.parametrize("seed", range(2))
def test_the_history_says_what_each_import_did(records: DatasetRecords, seed: int) -> None:
    chance = random.Random(seed)
    model: list[str] = []
    expected = []
    for _ in range(8):
        mode = chance.choice(["FULL", "INCREMENTAL"])
        ids = [f"i{chance.randrange(9)}" for _ in range(chance.randint(1, 6))]
        commit(records, mode, *ids)
        old, new = set(model), set(ids)
        model = ids if mode == "FULL" else [*model, *ids]
        expected.append(
            {
                "action": f"{mode} import",
                "rows": len(model),
                "added": len(new - old),
                "replaced": len(new & old),
                "removed": len(old - new) if mode == "FULL" else 0,
            }
        )
    found = versions.history(records)
    assert [one["version"] for one in found] == list(range(8))[::-1]
    assert [{key: one[key] for key in expected[0]} for one in found[::-1]] == expected
    assert all(one["restorable"] and one["jobArn"].startswith("job-") for one in found)
    assert [one["timestamp"] for one in found] == sorted((one["timestamp"] for one in found), reverse=True)


def test_interactions_are_added_and_never_replaced(storage: Blobs, tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 's.db'}")
    records = records_of(storage, tmp_path, store, EVENTS)
    table = records.bulk_table

    def events(count: int) -> Part:
        path = table.stage() / f"{next(_numbers):013d}-0-x.parquet"
        with duckdb.connect() as connection:
            select = f"SELECT 'u' USER_ID, 'i' ITEM_ID, range TIMESTAMP FROM range({count})"
            return write_part(connection, select, path)

    for mode, count in (("FULL", 3), ("INCREMENTAL", 2), ("FULL", 4)):
        new = events(count)
        note = versions.noted(records, [new], mode)
        table.commit([new], mode, EVENTS, f"job-{count}", note)  # type: ignore[arg-type]
    found = [
        (one["rows"], one["added"], one["replaced"], one["removed"]) for one in versions.history(records)
    ]
    assert found == [(4, 4, 0, 5), (5, 2, 0, 0), (3, 3, 0, 0)]
    store.close()


def test_the_history_names_rollbacks_deletions_and_new_columns(records: DatasetRecords) -> None:
    table = records.bulk_table
    assert versions.history(records) == []
    commit(records, "FULL", "a", "b")
    commit(records, "FULL", "c")
    assert versions.rollback(records, 0) == 2
    with records.open("BULK") as connection:
        assert connection.execute("SELECT ITEM_ID FROM data ORDER BY 1").fetchall() == [("a",), ("b",)]
    table.add_columns(NEWER_ITEMS)
    note = {"sartor.job": "deletion", "sartor.removed": "2"}
    table.change(
        [], list(table.snapshot().parts), schema=ITEMS, application=("x", 1), expected=None, note=note
    )
    found = versions.history(records)
    assert [one["action"] for one in found] == [
        "deletion of users",
        "new schema",
        "rollback to version 0",
        "FULL import",
        "FULL import",
    ]
    assert [one["rows"] for one in found] == [0, 2, 2, 1, 2]
    assert [(one["added"], one["removed"]) for one in found] == [(0, 2), (0, 0), (2, 1), (1, 2), (2, 0)]


def test_a_version_that_is_kept_no_longer_is_shown_as_such(records: DatasetRecords) -> None:
    for name in "abc":
        commit(records, "FULL", name)
    assert records.bulk_table.vacuum(versions.history(records)[0]["timestamp"]) == 1
    assert [one["restorable"] for one in versions.history(records)] == [True, True, False]
    with pytest.raises(LookupError):
        versions.rollback(records, 0)
    assert versions.rollback(records, 1) == 4, "one version marks what is kept no longer"
