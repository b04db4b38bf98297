"""Tables and storage: one suite for a folder and for an S3 service."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable

from sartor.data import schema
from sartor.data.blobs import Blobs, open_storage
from sartor.data.parts import Part
from sartor.data.table import Table
from tables import query

ITEMS = schema.parse(
    json.dumps(
        {
            "type": "record",
            "name": "Items",
            "fields": [{"name": "ITEM_ID", "type": "string"}, {"name": "YEAR", "type": ["null", "int"]}],
        }
    )
)


def part(table: Table, name: str, *rows: tuple[str, int | None]) -> Part:
    path = table.stage() / f"{name}.parquet"
    values = ", ".join(f"('{item}', {'NULL' if year is None else year}::INTEGER)" for item, year in rows)
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT * FROM (VALUES {values}) t(ITEM_ID, YEAR)) TO '{path}'")
    statistics = {"numRecords": len(rows), "minValues": {}, "maxValues": {}, "nullCount": {}}
    return Part(path, len(rows), path.stat().st_size, statistics)


def read(table: Table) -> list[tuple[object, ...]]:
    return query(table, "SELECT * FROM data ORDER BY ALL")


def test_full_replaces_and_incremental_adds_with_the_last_record_of_an_id(storage: Blobs) -> None:
    table = Table(storage, "d/bulk")
    assert table.version() is None
    table.commit([part(table, "1-a", ("a", 1), ("b", 1), ("b", 2))], "FULL", ITEMS, "job-1")
    assert read(table) == [("a", 1), ("b", 2)]
    table.commit([part(table, "2-a", ("b", None), ("c", 3))], "INCREMENTAL", ITEMS, "job-2")
    assert read(table) == [("a", 1), ("b", None), ("c", 3)]
    table.commit([part(table, "3-a", ("z", 9))], "FULL", ITEMS, "job-3")
    assert read(table) == [("z", 9)]
    assert table.version() == 2


def test_a_job_that_commits_twice_commits_once(storage: Blobs) -> None:
    table = Table(storage, "d/bulk")
    first = part(table, "1-a", ("a", 1))
    assert table.snapshot().number("job-1") is None
    version = table.commit([first], "INCREMENTAL", ITEMS, "job-1")
    assert table.snapshot().number("job-1") == version
    again = part(table, "1-b", ("a", 1))
    assert table.commit([again], "INCREMENTAL", ITEMS, "job-1") == version
    assert table.version() == version


def test_many_commits_at_once_all_count_and_each_job_once(storage: Blobs) -> None:
    table = Table(storage, "d/bulk")
    table.commit([part(table, "0-a", ("first", 0))], "FULL", ITEMS, "job-first")
    names = [f"{n}-{twin}" for n in range(4) for twin in "ab"]
    parts = {name: part(table, f"1{name}", (name[0], 1)) for name in names}
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(
                lambda name: Table(storage, "d/bulk").commit(
                    [parts[name]], "INCREMENTAL", ITEMS, f"job-{name[0]}"
                ),
                names,
            )
        )
    assert read(table) == [("0", 1), ("1", 1), ("2", 1), ("3", 1), ("first", 0)]
    assert table.version() == 4


def test_parts_that_no_version_names_are_swept_and_the_others_stay(storage: Blobs) -> None:
    table = Table(storage, "d/bulk")
    table.commit([part(table, "1-a", ("a", 1))], "FULL", ITEMS, "job-1")
    table.commit([part(table, "2-a", ("b", 1))], "FULL", ITEMS, "job-2")
    lost = part(table, "3-lost", ("c", 1))
    storage.put_file(f"d/bulk/{lost.path.name}", lost.path)
    assert table.sweep(older_than_seconds=10**9) == 0
    assert table.sweep(older_than_seconds=-1) == 1
    assert read(table) == [("b", 1)]


def test_deltalake_reads_the_table_as_it_is(storage: Blobs) -> None:
    table = Table(storage, "d/bulk")
    table.commit([part(table, "1-a", ("a", 1))], "FULL", ITEMS, "job-1")
    delta = DeltaTable(f"{storage.uri}/d/bulk", storage_options=storage.delta_options)
    assert delta.transaction_version("job-1") == 0
    assert [field.name for field in delta.schema().fields] == ["ITEM_ID", "YEAR"]


def test_deleting_a_table_leaves_nothing(storage: Blobs) -> None:
    table = Table(storage, "d/bulk")
    table.commit([part(table, "1-a", ("a", 1))], "FULL", ITEMS, "job-1")
    table.delete()
    assert list(storage.list("d")) == []
    assert table.version() is None


@pytest.mark.parametrize(
    "name",
    [
        "USER_ID=x/ITEM_ID=y",
        "YEAR=7",
        "d[1]",
        "part*",
        "w?",
        "{a,b}",
        "a**b",
        "a b",
        "a#b?c",
        "100% [x]",
        "ünï",
        "-d",
    ],
)
def test_a_table_below_a_folder_of_any_name_reads_what_was_written(tmp_path: Path, name: str) -> None:
    for place in (name.replace("[1]", "1").replace("*", "22").replace("?", "1"), name):
        storage = open_storage(str(tmp_path / place), None, tmp_path / "scratch")
        table = Table(storage, "d/bulk")
        table.commit([part(table, "1-a", (place, 1), ("b", 1))], "FULL", ITEMS, "job-1")
        table.commit([part(table, "2-a", ("b", None))], "INCREMENTAL", ITEMS, "job-2")
        assert read(table) == sorted([(place, 1), ("b", None)], key=str)


@pytest.mark.parametrize("name", ["back\\slash", "new\nline", "tab\t", "a%20b"])
def test_storage_is_refused_below_a_name_that_delta_takes_for_another(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="Name another folder"):
        open_storage(str(tmp_path / name), None, tmp_path)
