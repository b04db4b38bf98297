"""A few bad cells become null and are said; fractions, milliseconds and whole ids are said too; all else fails."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartor.data import bundles, formats, schema
from sartor.data.check import Checked, JobRules
from sartor.data.input_files import InputFile
from sartor.errors import JobFailed


def schema_of(name: str, **types: Any) -> schema.Schema:
    fields = [{"name": column, "type": kind} for column, kind in types.items()]
    return schema.parse(json.dumps({"type": "record", "name": name, "fields": fields}))


ITEMS = schema_of("Items", ITEM_ID="string", YEAR="int", FREE="boolean", PRICE=["float", "null"])
INTERACTIONS = schema_of("Interactions", USER_ID="string", ITEM_ID="string", TIMESTAMP="long")


def checked(
    folder: Path, *contents: str, of: schema.Schema = ITEMS, bad_cells: float = 0.01, name: str = "x.csv"
) -> Checked:
    """Check files as a job with this share of bad cells does."""
    files = []
    for at, content in enumerate(contents):
        path = folder / f"{at}-{name}"
        path.write_text(content)
        files.append(InputFile(path, f"s3://b/{at}-{name}", path.stat().st_size))
    return read(folder, files, of, bad_cells)


def read(folder: Path, files: list[InputFile], of: schema.Schema, bad_cells: float = 0.01) -> Checked:
    parts = folder / "parts"
    parts.mkdir(exist_ok=True)
    return bundles.read_and_check(
        files,
        of,
        parts,
        "0",
        folder,
        job=JobRules(0, None, bad_cells),
        memory_bytes=200_000_000,
        progress=lambda _: None,
        stop=lambda: False,
    )


def parquet(folder: Path, select: str, of: schema.Schema) -> Checked:
    path = folder / "x.parquet"
    duckdb.connect().execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    return read(folder, [InputFile(path, "s3://b/x.parquet", path.stat().st_size)], of)


def values(result: Checked, columns: str = "*") -> list[tuple[Any, ...]]:
    files = [str(part.path) for part in result.parts]
    connection = duckdb.connect()
    return connection.execute(f"SELECT {columns} FROM read_parquet(?)", [files]).fetchall()


def said(found: tuple[Any, ...]) -> list[tuple[str, str, int, list[Any]]]:
    return [
        (one.code, one.column, one.count, [(place.line, place.value) for place in one.places[:10]])
        for one in found
    ]


def table(*rows: str, whole: int = 100) -> str:
    """Return items of which the first rows are given; all others are good."""
    good = [f"i{number},2001,true,1.5" for number in range(len(rows), whole)]
    return "\n".join(["ITEM_ID,YEAR,FREE,PRICE", *rows, *good]) + "\n"


@pytest.mark.parametrize("cell", ["", "2006–2007", "12.5", "1e3", "nan", "99999999999", " 7"])
def test_a_bad_cell_among_a_hundred_becomes_null_and_is_a_warning_with_its_place(
    tmp_path: Path, cell: str
) -> None:
    result = checked(tmp_path, table(f"a,{cell},true,1"))
    report = result.report
    assert (report.verdict, report.rows_read, report.rows_rejected) == ("imported", 100, 0)
    code = "INVALID_INT" if cell else "MISSING_VALUE"
    assert said(report.warnings) == [(code, "YEAR", 1, [(2, cell)])]
    assert report.to_json()["warnings"][0]["examples"] == [
        {"file": "s3://b/0-x.csv", "line": 2, "value": cell}
    ]
    found = dict(values(result, "ITEM_ID, YEAR"))
    assert found["a"] is None
    assert {year for item, year in found.items() if item != "a"} == {2001}


@pytest.mark.parametrize(("column", "cell"), [("FREE", "True"), ("FREE", ""), ("PRICE", "cheap")])
def test_booleans_and_decimals_are_let_off_alike(tmp_path: Path, column: str, cell: str) -> None:
    row = {"FREE": f"a,1,{cell},1", "PRICE": f"a,1,true,{cell}"}[column]
    result = checked(tmp_path, table(row))
    assert [(one.column, one.count) for one in result.report.warnings] == [(column, 1)]
    assert values(result, f"{column}")[0] == (None,)


def test_one_more_than_the_share_fails_the_job_and_rejects_just_those_rows(tmp_path: Path) -> None:
    rows = ("a,,True,1", "b,soon,true,1")
    report = checked(tmp_path, table(*rows)).report
    assert report.verdict == "failed"
    assert said(report.faults) == [
        ("MISSING_VALUE", "YEAR", 1, [(2, "")]),
        ("INVALID_INT", "YEAR", 1, [(3, "soon")]),
    ]
    assert said(report.warnings) == [("INVALID_BOOLEAN", "FREE", 1, [(2, "True")])]
    assert report.rows_rejected == 2
    assert checked(tmp_path, table(*rows), bad_cells=0.02).report.verdict == "imported"


def test_the_share_is_of_all_files_of_a_job_together(tmp_path: Path) -> None:
    first, second = table("a,,true,1", whole=50), table(whole=50)
    assert checked(tmp_path, first).report.verdict == "failed"
    result = checked(tmp_path, first, second)
    assert result.report.verdict == "imported"
    assert said(result.report.warnings) == [("MISSING_VALUE", "YEAR", 1, [(2, "")])]


def test_strict_is_strict(tmp_path: Path) -> None:
    report = checked(tmp_path, table("a,,true,1", whole=10_000), bad_cells=0.0).report
    assert (report.verdict, report.rows_rejected, report.warnings) == ("failed", 1, ())


@pytest.mark.parametrize("row", [",2001,true,1", "a,2001,true", "a,2001,true,1,2", '"a,2001,true,1'])
def test_ids_and_broken_lines_fail_the_job_as_ever(tmp_path: Path, row: str) -> None:
    report = checked(tmp_path, table(row, "b,,true,1")).report
    assert report.verdict == "failed"
    assert report.rows_rejected == report.rows_read - report.to_json()["rowsImported"] >= 1


@pytest.mark.parametrize("cell", ["", "yesterday", "1e9", "-1", "-0.5x", "253402300800000", "１６", " 16"])
def test_a_bad_time_fails_the_job_as_ever(tmp_path: Path, cell: str) -> None:
    rows = "".join(f"u{number},i,{number}\n" for number in range(1000))
    report = checked(tmp_path, f"USER_ID,ITEM_ID,TIMESTAMP\nu,i,{cell}\n{rows}", of=INTERACTIONS).report
    assert report.verdict == "failed"
    assert [(one.column, one.count, one.places[0].line) for one in report.faults] == [("TIMESTAMP", 1, 2)]


def test_a_fraction_of_a_time_is_cut_and_said(tmp_path: Path) -> None:
    content = "USER_ID,ITEM_ID,TIMESTAMP\nu,i,1789343901.55\nu,i,1789343901.9999\nu,i,12.0\nu,i,7.\nu,i,5\n"
    result = checked(tmp_path, content, of=INTERACTIONS)
    assert values(result, "TIMESTAMP") == [(1789343901,), (1789343901,), (12,), (7,), (5,)]
    assert said(result.report.warnings) == [
        ("FRACTION_CUT", "TIMESTAMP", 2, [(2, "1789343901.55"), (3, "1789343901.9999")])
    ]


def test_milliseconds_are_kept_and_said(tmp_path: Path) -> None:
    content = "USER_ID,ITEM_ID,TIMESTAMP\nu,i,1789343901\nu,i,1789343901123\n"
    result = checked(tmp_path, content, of=INTERACTIONS)
    assert values(result, "TIMESTAMP") == [(1789343901,), (1789343901123,)]
    assert said(result.report.warnings) == [("MILLISECONDS", "TIMESTAMP", 1, [(3, "1789343901123")])]


def test_any_whole_number_may_be_written_as_pandas_does(tmp_path: Path) -> None:
    result = checked(tmp_path, table("a,1999.0,true,1", "b,+7.00,true,1"))
    assert dict(values(result, "ITEM_ID, YEAR"))["a"] == 1999
    assert dict(values(result, "ITEM_ID, YEAR"))["b"] == 7
    assert result.report.warnings == ()


def test_decimals_and_whole_ids_of_parquet_are_read_and_said(tmp_path: Path) -> None:
    select = "SELECT 7 AS USER_ID, 'i' AS ITEM_ID, t AS TIMESTAMP FROM (VALUES (12.0::DOUBLE), (13.5)) v(t)"
    result = parquet(tmp_path, select, INTERACTIONS)
    assert values(result, "USER_ID, TIMESTAMP") == [("7", 12), ("7", 13)]
    assert [(one.code, one.column, one.count) for one in result.report.warnings] == [
        ("INTEGER_IDS", "USER_ID", 2),
        ("FRACTION_CUT", "TIMESTAMP", 1),
    ]


@pytest.mark.parametrize("header", ["ITEM_ID,YEAR,FREE,PRICE,year", "ITEM_ID,YEAR,YEAR,FREE,PRICE"])
def test_a_header_that_names_a_column_twice_is_refused_at_the_call_and_in_the_job(
    tmp_path: Path, header: str
) -> None:
    content = f"{header}\na,1,true,1,2\n".encode()
    with pytest.raises(JobFailed, match=r"more than once.*x\.csv"):
        formats.column_names("x.csv", len(content), lambda start, length: content[start : start + length])
    report = checked(tmp_path, content.decode()).report
    assert [(one.code, one.places[0].file) for one in report.faults] == [
        ("REPEATED_COLUMN", "s3://b/0-x.csv")
    ]


def test_columns_without_a_name_are_not_the_same_one(tmp_path: Path) -> None:
    assert checked(tmp_path, ",ITEM_ID,YEAR,FREE,,PRICE\n0,a,1,true,,1\n").report.verdict == "imported"


def test_a_header_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    content = "ITEM_ID,YEAR,FREE,PRICE,GRÖSSE\n".encode("latin-1") + b"a,1,true,1,2\n"
    with pytest.raises(JobFailed, match="not UTF-8"):
        formats.column_names("x.csv", len(content), lambda start, length: content[start : start + length])
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    report = read(tmp_path, [InputFile(path, "s3://b/x.csv", len(content))], ITEMS).report
    assert [one.code for one in report.faults] == ["UNREADABLE_FILE"]


@settings(max_examples=25, deadline=None)
@given(
    cells=st.lists(st.sampled_from(["1", "", "x", "2.0", "2.5", "-3"]), min_size=1, max_size=30),
    share=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
)
def test_the_verdict_is_that_of_a_count_by_hand(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str], share: float
) -> None:
    rows = [f"i{at},{cell},true,1" for at, cell in enumerate(cells)]
    result = checked(tmp_path_factory.mktemp("x"), table(*rows, whole=0), bad_cells=share)
    bad = [cell for cell in cells if cell in ("", "x", "2.5")]
    report = result.report
    assert report.verdict == ("imported" if len(bad) <= share * len(cells) else "failed")
    assert report.rows_rejected == (0 if report.verdict == "imported" else len(bad))
    assert sum(one.count for one in (*report.warnings, *report.faults)) == len(bad)
    if result.parts:
        wanted = [None if cell in ("", "x", "2.5") else int(float(cell)) for cell in cells]
        assert [year for (year,) in values(result, "YEAR")] == wanted


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("ITEM_ID,YEAR,FREE\na,1,true\n", "Input csv is missing the following columns: [PRICE] ("),
        (
            "ITEM_ID,YEAR,FREE,PRICE,Year\na,1,true,1,1\n",
            "The header names the column YEAR, Year more than once",
        ),
        ("ITEM_ID,YEAR,FREE,PRICE\n,1,true,1\n", "ITEM_ID must have a value in every row. (1 row: "),
        ("ITEM_ID,YEAR,FREE,PRICE\na,1,true\n", "Every row must have as many cells as the header. (1 row: "),
        (f"ITEM_ID,YEAR,FREE,PRICE\na,1,true,1{'1' * 2_000_000}\n", "A row must not be longer than "),
    ],
)
def test_every_reason_begins_with_the_rule_and_names_the_file(
    tmp_path: Path, content: str, words: str
) -> None:
    reason = checked(tmp_path, table(), content).report.failure_reason()
    assert reason.startswith(words)
    assert "s3://b/1-x.csv" in reason
    assert "s3://b/0-x.csv" not in reason


def test_a_reason_names_the_first_three_faulty_files_and_says_that_there_are_more(tmp_path: Path) -> None:
    short = "ITEM_ID,YEAR,FREE\na,1,true\n"
    reason = checked(tmp_path, table(), *[short] * 4).report.failure_reason()
    files = "; ".join(f"s3://b/{at}-x.csv" for at in (1, 2, 3))
    assert reason == f"Input csv is missing the following columns: [PRICE] ({files}, …)"
