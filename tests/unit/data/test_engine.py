"""DuckDB reads the file that a path names, and what stands in it: no pattern, and no column out of a folder."""

from pathlib import Path

import duckdb
import numpy as np
import pytest

from sartor.data import engine
from sartor.data.watch import interrupting
from sartor.errors import Stopped

#: Names that DuckDB, a shell, a URL or Hive would take for something else, each with a twin that a pattern would find.
NAMES = {
    "data[1]": "data1",
    "part*": "part22",
    "w?": "w1",
    "{a,b}": "a",
    "a**b": "axb",
    "**": "deep/er",
    "[!x]": "y",
    "[": "]",
    "back\\slash": "back/slash",
    "\\": "x",
    "\\[1]*": "\\1x",
    "USER_ID=x": "USER_ID=y",
    "c0=x": "c0=y",
    "c2=77": "c2=78",
    "q'uo\"te": "quote",
    "new\nli*ne": "new\nline",
    "-lead": "lead",
    "~": "home",
    "ünï?": "ünïx",
    "a b": "ab",
    "100%": "100",
    "a%20b": "a b",
    "a#b": "a",
    "s3:": "s3",
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["file", "folder", "both"])
def test_a_path_names_one_file_and_is_no_data(tmp_path: Path, name: str, form: str) -> None:
    """Every reader and writer, with the twin that a pattern would find beside it."""
    folder = tmp_path / (name if form != "file" else "plain")
    twins = tmp_path / (NAMES[name] if form != "file" else "plain")
    stem, twin = (name, NAMES[name]) if form != "folder" else ("rows", "rows")
    with engine.connect(100_000_000, tmp_path) as connection:
        for place, value in ((twins / twin, "twin"), (folder / stem, "own")):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.with_name(f"{place.name}.csv").write_text(f"c0,c1\n{value},1\n")
            place.with_name(f"{place.name}.json").write_text(f'{{"c0": "{value}"}}\n')
            rows = f"SELECT '{value}' AS c0, 1 AS c1"
            parquet = place.with_name(f"{place.name}.parquet")
            connection.execute(engine.copy(rows, parquet, "FORMAT parquet"))
            assert parquet.is_file()
        base = folder / stem
        csv, json, parquet = (base.with_name(f"{base.name}.{kind}") for kind in ("csv", "json", "parquet"))
        for source in (
            engine.csv([csv], "header = true, all_varchar = true"),
            engine.json_lines(json, {"c0": "VARCHAR"}, 100),
            engine.parquet([parquet]),
        ):
            rows = connection.execute(f"SELECT * FROM {source}")
            assert [one[0] for one in rows.description] in (["c0", "c1"], ["c0"])
            assert [row[0] for row in rows.fetchall()] == ["own"]
        placed = connection.execute(f'SELECT "{engine.ROW}" FROM {engine.placed([parquet], ["c0", "c1"])}')
        assert placed.fetchall() == [(0,)]


@pytest.mark.parametrize("name", NAMES)
def test_a_connection_spills_into_a_folder_of_any_name_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    scratch = tmp_path / name
    scratch.mkdir()
    with engine.connect(20_000_000, scratch, threads=1) as connection:
        connection.execute("CREATE TEMP TABLE large AS SELECT i, hash(i) AS h FROM range(2_000_000) t(i)")
        assert [path for path in scratch.rglob("*") if path.is_file()], "nothing was spilled"
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("column", ["FILENAME", "filename", "file_row_number", "FILE_ROW_NUMBER"])
def test_columns_may_have_the_names_that_duckdb_gives_to_places(tmp_path: Path, column: str) -> None:
    files = [tmp_path / "0.parquet", tmp_path / "1.parquet"]
    with engine.connect(100_000_000, tmp_path) as connection:
        for number, file in enumerate(files):
            rows = f'SELECT {number} * 10 + i AS "{column}" FROM range(3) t(i)'
            connection.execute(engine.copy(rows, file, "FORMAT parquet"))
        placed = engine.placed(files, [column])
        found = connection.execute(
            f'SELECT "{column}", "{engine.FILE}", "{engine.ROW}" FROM {placed}'
        ).fetchall()
    assert [row[0] for row in found] == [0, 1, 2, 10, 11, 12]
    assert [row[1] for row in found] == [str(files[0])] * 3 + [str(files[1])] * 3
    assert [row[2] for row in found[:3]] == [0, 1, 2]
    assert sorted(row[2] for row in found[3:]) == [row[2] for row in found[3:]]


def test_a_word_in_sql_is_no_variable_of_python(tmp_path: Path) -> None:
    users = [1, 2, 3]
    with engine.connect(100_000_000, tmp_path) as connection, pytest.raises(Exception, match="users"):
        connection.execute("SELECT * FROM users")
    assert users


def test_a_statement_that_never_ends_hears_that_it_must_stop(tmp_path: Path) -> None:
    with (
        engine.connect(100_000_000, tmp_path) as connection,
        pytest.raises(Stopped),
        interrupting(connection, lambda: True),
    ):
        connection.execute("SELECT count(*) FROM range(1_000_000_000_000) t(i) WHERE hash(i) = 0").fetchall()


def test_rows_come_in_batches_with_the_errors_that_they_have_elsewhere(tmp_path: Path) -> None:
    with engine.connect(2**26, tmp_path, threads=1) as connection:
        rows = engine.batches(connection, "SELECT range AS x, range % 2 = 0 AS even FROM range(300_000)")
        found = list(rows)
        assert len(found) > 1
        assert np.array_equal(np.concatenate([one["x"] for one in found]), np.arange(300_000))
        assert found[0]["even"].dtype == np.bool_
        with pytest.raises(engine.OutOfMemory):
            list(engine.batches(connection, "SELECT len(list(range)) AS x FROM range(100_000_000)"))
        with pytest.raises(duckdb.ConversionException):
            list(engine.batches(connection, "SELECT CAST('x' || range AS BIGINT) AS x FROM range(9)"))


def test_batches_can_be_interrupted(tmp_path: Path) -> None:
    with engine.connect(2**28, tmp_path) as connection:
        rows = engine.batches(connection, f"SELECT range AS x FROM range({10**13})")
        next(rows)
        connection.interrupt()
        with pytest.raises(duckdb.InterruptException):
            for _ in rows:
                pass
