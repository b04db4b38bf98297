"""The check of an import: any CSV that users have, and every broken row found where it is."""

import csv
import io
import json
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sartor.data import check, csv_records, formats, schema
from sartor.data.check import Checked, JobRules
from sartor.data.input_files import InputFile
from sartor.errors import Stopped


def schema_of(
    name: str, *fields: tuple[str, Any], domain: str | None = None, **attributes: Any
) -> schema.Schema:
    columns = [{"name": field, "type": kind, **attributes.get(field, {})} for field, kind in fields]
    return schema.parse(json.dumps({"type": "record", "name": name, "fields": columns}), domain)


NULLABLE = ["null", "string"]
ITEMS = schema_of("Items", ("ITEM_ID", "string"), ("A", NULLABLE), ("B", NULLABLE))


def checked(
    folder: Path, content: str | bytes, of: schema.Schema = ITEMS, name: str = "x.csv", minimum_rows: int = 0
) -> Checked:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    parts = folder / "parts"
    parts.mkdir(exist_ok=True)
    return read([InputFile(path, f"s3://b/{name}", path.stat().st_size)], of, parts, minimum_rows)


def read(files: Sequence[InputFile], of: schema.Schema, parts: Path, minimum_rows: int = 0) -> Checked:
    return check.read_and_check(
        files,
        of,
        parts,
        "0",
        scratch=parts.parent,
        job=JobRules(minimum_rows, None),
        memory_bytes=200_000_000,
        progress=lambda _: None,
        stop=lambda: False,
    )


def file_columns(path: Path) -> list[str]:
    content = path.read_bytes()
    return formats.column_names(
        str(path), len(content), lambda start, length: content[start : start + length]
    )


def rows_of(result: Checked) -> list[tuple[Any, ...]]:
    files = [str(part.path) for part in result.parts]
    return duckdb.execute(
        "SELECT ITEM_ID, A, B FROM read_parquet(?, file_row_number = true) ORDER BY file_row_number", [files]
    ).fetchall()


def places(result: Checked) -> set[tuple[str, str, int | None, str | None]]:
    return {
        (fault.code, fault.column, place.line, place.value)
        for fault in result.report.faults
        for place in fault.places
    }


def written(rows: Sequence[Sequence[str]], quoting: Any, line_end: str) -> str:
    text = io.StringIO()
    csv.writer(text, quoting=quoting, lineterminator=line_end).writerows([["ITEM_ID", "A", "B"], *rows])
    return text.getvalue()


cell = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from('",\n ;é'), max_size=8)
item = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=8)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(st.tuples(item, cell, cell), min_size=1, max_size=12),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_pythons_csv_module_writes_is_read_as_it_was(
    tmp_path: Path, rows: list[tuple[str, str, str]], quoting: Any, line_end: str
) -> None:
    rows = [tuple(one.replace("\\", "/") for one in row) for row in rows]  # type: ignore[misc]
    result = checked(tmp_path, written(rows, quoting, line_end))
    assert result.report.faults == ()
    assert rows_of(result) == [(item, a or None, b or None) for item, a, b in rows]


def test_backslash_escapes_and_doubled_quotes_may_stand_in_one_file(tmp_path: Path) -> None:
    content = 'ITEM_ID,A,B\n1,"say \\"hi\\"","a ""b"" c"\n2,"back\\\\slash",C:\\dir\n3,"a\\",b",x\n'
    result = checked(tmp_path, content)
    assert rows_of(result) == [
        ("1", 'say "hi"', 'a "b" c'),
        ("2", "back\\slash", "C:\\dir"),
        ("3", 'a",b', "x"),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_and_a_byte_order_mark_are_understood(tmp_path: Path, end: str) -> None:
    result = checked(tmp_path, "﻿" + end.join(["ITEM_ID,A,B", "1,a,b", "2,c,d"]))
    assert rows_of(result) == [("1", "a", "b"), ("2", "c", "d")]


INTERACTIONS = schema_of(
    "Interactions", ("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"), ("NOTE", NULLABLE)
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    kinds=st.lists(
        st.sampled_from(["good", "quoted", "stray", "lines", "blank", "type", "null", "few", "many"]),
        min_size=1,
        max_size=30,
    ),
    line_ends=st.lists(st.sampled_from(["\n", "\r\n"]), min_size=1, max_size=2),
    indexed_bytes=st.sampled_from([13, 2**18]),
)
@example(kinds=["good", "blank", "blank", "few"], line_ends=["\r\n"], indexed_bytes=13)
@example(kinds=["lines", "null"], line_ends=["\n", "\r\n"], indexed_bytes=13)
def test_every_broken_row_is_found_on_its_line_and_no_other(
    tmp_path: Path, kinds: list[str], line_ends: list[str], indexed_bytes: int
) -> None:
    forms = {
        "good": "u,i,5,note",
        "quoted": 'u,i,5,"a, b"',
        "stray": 'u,i"x,5,note',
        "lines": 'u,i,5,"one\r\ntwo\nthree"',
        "blank": "",
        "type": "u,i,soon,note",
        "null": ",i,5,note",
        "few": "u,i,5",
        "many": "u,i,5,note,more",
    }
    line, expected, good, text = 2, set(), 0, "USER_ID,ITEM_ID,TIMESTAMP,NOTE" + line_ends[0]
    for kind, line_end in zip(kinds, cycle(line_ends)):
        if kind == "type":
            expected.add(("INVALID_LONG", "TIMESTAMP", line, "soon"))
        elif kind == "null":
            expected.add(("MISSING_VALUE", "USER_ID", line, ""))
        elif kind in ("few", "many"):
            expected.add((f"TOO_{kind.upper()}_CELLS", "", line, forms[kind]))
        elif kind != "blank":
            good += 1
        line += 3 if kind == "lines" else 1
        text += forms[kind] + line_end
    with patch.object(csv_records, "_CHUNK_BYTES", indexed_bytes):
        result = checked(tmp_path, text, INTERACTIONS)
    if good or expected:
        assert places(result) == expected
    report = result.report.to_json()
    assert report["rowsRead"] == good + len(expected)
    assert report["rowsRead"] == report["rowsImported"] + report["rowsRejected"]
    assert report["rowsRejected"] == len(expected)


CELLS = [
    ("long", "1e3", "INVALID_LONG"),
    ("long", " 1", "INVALID_LONG"),
    ("long", "1_000", "INVALID_LONG"),
    ("long", "0x10", "INVALID_LONG"),
    ("long", "9223372036854775808", "INVALID_LONG"),
    ("int", "2147483648", "INVALID_INT"),
    ("int", "NaN", "INVALID_INT"),
    ("float", "nan", "INVALID_FLOAT"),
    ("float", "inf", "INVALID_FLOAT"),
    ("float", "1,5", "INVALID_FLOAT"),
    ("float", "1_0.5", "INVALID_FLOAT"),
    ("float", " 1.5", "INVALID_FLOAT"),
    ("float", "null", "INVALID_FLOAT"),
    ("double", "1.5.2", "INVALID_FLOAT"),
    ("boolean", "True", "INVALID_BOOLEAN"),
    ("boolean", "1", "INVALID_BOOLEAN"),
    ("string", "x" * 1001, "STRING_TOO_LONG"),
    ("string", "", "MISSING_VALUE"),
]


@pytest.mark.parametrize(("kind", "value", "code"), CELLS)
def test_a_cell_that_breaks_its_type_is_a_fault(tmp_path: Path, kind: str, value: str, code: str) -> None:
    of = schema_of("Items", ("ITEM_ID", "string"), ("A", kind))
    result = checked(tmp_path, f'ITEM_ID,A\n1,"{value}"\n', of)
    assert [(fault.code, fault.column, fault.count) for fault in result.report.faults] == [(code, "A", 1)]
    assert result.parts == ()
    assert not list((tmp_path / "parts").iterdir())


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        ("long", "-5", -5),
        ("long", "007", 7),
        ("long", "+5", 5),
        ("long", "9223372036854775807", 2**63 - 1),
        ("float", ".50", 0.5),
        ("float", "15", 15.0),
        ("double", "1e-7", 1e-7),
        ("double", "0.123456789012345", 0.123456789012345),
        ("boolean", "true", True),
        ("string", "ü" * 1000, "ü" * 1000),
        ("string", "NaN", "NaN"),
    ],
)
def test_a_cell_that_keeps_its_type_is_read_as_its_value(
    tmp_path: Path, kind: str, value: str, read: Any
) -> None:
    of = schema_of("Items", ("ITEM_ID", "string"), ("A", kind))
    result = checked(tmp_path, f"ITEM_ID,A\n1,{value}\n", of)
    assert result.report.faults == ()
    assert duckdb.read_parquet(str(result.parts[0].path)).fetchall()[0][1] == read


def test_categories_have_a_thousand_characters_with_their_bars_and_amazons_text_says_so(
    tmp_path: Path,
) -> None:
    of = schema_of("Items", ("ITEM_ID", "string"), ("GENRE", NULLABLE), GENRE={"categorical": True})
    longest = "|".join(["x" * 99] * 10) + "|"
    assert len(longest) == 1000
    assert checked(tmp_path, f"ITEM_ID,GENRE\n1,{longest}\n2,\n", of).report.verdict == "imported"
    failed = checked(tmp_path, f"ITEM_ID,GENRE\n1,a\n2,{longest}|\n", of, "long.csv").report
    assert failed.verdict == "failed"
    assert failed.failure_reason().startswith(
        "Length cannot be more than 1000 characters for GENRE. If no values exceed the character limit, make sure "
        "your data follows the formatting guidelines listed in "
        "https://docs.aws.amazon.com/personalize/latest/dg/data-prep-formatting.html."
    )


def test_impressions_of_a_file_have_more_than_25_items_but_not_more_than_a_thousand_characters(
    tmp_path: Path,
) -> None:
    fields = [("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"), ("IMPRESSION", NULLABLE)]
    of = schema_of("Interactions", *fields)
    header, many = "USER_ID,ITEM_ID,TIMESTAMP,IMPRESSION\n", "|".join(f"item-{n}" for n in range(60))
    assert checked(tmp_path, f"{header}u,i,1,{many}\n", of).report.verdict == "imported"
    (fault,) = checked(tmp_path, f"{header}u,i,1,{many.ljust(1001, '|')}\n", of, "long.csv").report.faults
    assert (fault.code, fault.column) == ("STRING_TOO_LONG", "IMPRESSION")


def test_rules_of_reserved_columns(tmp_path: Path) -> None:
    of = schema_of(
        "Actions",
        ("ACTION_ID", "string"),
        ("VALUE", "long"),
        ("REPEAT_FREQUENCY", "long"),
        ("CREATION_TIMESTAMP", "long"),
        ("X", NULLABLE),
    )
    content = (
        "ACTION_ID,VALUE,REPEAT_FREQUENCY,CREATION_TIMESTAMP,X\na,11,31,-1,\nb,10,30,0,\n"
        + "c" * 257
        + ",1,1,1,\n"
    )
    assert places(checked(tmp_path, content, of)) == {
        ("VALUE_OUT_OF_RANGE", "VALUE", 2, "11"),
        ("DAYS_OUT_OF_RANGE", "REPEAT_FREQUENCY", 2, "31"),
        ("NEGATIVE_TIMESTAMP", "CREATION_TIMESTAMP", 2, "-1"),
        ("ID_TOO_LONG", "ACTION_ID", 4, "c" * 257),
    }


def test_action_interactions_have_three_event_types_in_any_spelling(tmp_path: Path) -> None:
    of = schema_of(
        "ActionInteractions",
        ("USER_ID", "string"),
        ("ACTION_ID", "string"),
        ("EVENT_TYPE", "string"),
        ("TIMESTAMP", "long"),
    )
    content = (
        "USER_ID,ACTION_ID,EVENT_TYPE,TIMESTAMP\nu,a,Taken,1\nu,a,not taken,1\nu,a,VIEWED,1\nu,a,clicked,1\n"
    )
    assert places(checked(tmp_path, content, of)) == {("UNKNOWN_EVENT_TYPE", "EVENT_TYPE", 5, "clicked")}


def test_a_text_is_cleaned_and_cut_and_never_refused(tmp_path: Path) -> None:
    of = schema_of("Items", ("ITEM_ID", "string"), ("T", "string"), T={"textual": True})
    content = f'ITEM_ID,T\n1,"<p>a &amp;  b\n\tc</p>"\n2,{"x" * 20_001}\n3,{"語" * 7_001}\n'
    result = checked(tmp_path, content, of)
    texts = [row[1] for row in duckdb.read_parquet(str(result.parts[0].path)).fetchall()]
    assert texts == ["a b c", "x" * 20_000, "語" * 7_000]


@pytest.mark.parametrize("content", ["", "ITEM_ID,A,B", "ITEM_ID,A,B\n", "ITEM_ID,A,B\n\n\n"])
def test_a_file_without_rows_fails(tmp_path: Path, content: str) -> None:
    assert checked(tmp_path, content).report.verdict == "failed"


def test_too_few_rows_fail_the_job_but_not_the_rows(tmp_path: Path) -> None:
    result = checked(tmp_path, "ITEM_ID,A,B\n1,a,b\n", minimum_rows=2)
    assert [(fault.code, fault.rule) for fault in result.report.faults] == [
        ("TOO_FEW_ROWS", "One import must bring at least 2 rows.")
    ]
    assert result.report.rows_rejected == 0


def test_a_file_that_is_not_utf8_says_so(tmp_path: Path) -> None:
    result = checked(tmp_path, "ITEM_ID,A,B\n1,gr\xfcn,b\n".encode("latin-1"))
    assert [(fault.code, fault.places[0].line) for fault in result.report.faults] == [("INVALID_UTF8", 2)]


@pytest.mark.parametrize("name", ["x.csv.gz", "x.csv.zst", "x.parquet"])
def test_a_damaged_file_is_a_fault_of_the_file_without_a_line(tmp_path: Path, name: str) -> None:
    result = checked(tmp_path, b"this is something else entirely", name=name)
    (fault,) = result.report.faults
    assert fault.code == "UNREADABLE_FILE"
    assert fault.places[0].line is None


def test_many_broken_rows_are_all_counted_and_the_first_are_kept(tmp_path: Path) -> None:
    lines = [f"{n},a,b" if n % 2 else f",{n},b" for n in range(60_000)]
    result = checked(tmp_path, "ITEM_ID,A,B\n" + "\n".join(lines))
    (fault,) = result.report.faults
    assert fault.count == result.report.rows_rejected == 30_000
    assert len(fault.places) == 10_000
    assert [place.line for place in fault.places[:3]] == [2, 4, 6]


def test_a_check_that_is_told_to_stop_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    duckdb.execute(
        f"COPY (SELECT i::VARCHAR AS ITEM_ID, 'a' AS A, 'b' AS B FROM range(6000000) t(i)) TO '{path}' (HEADER)"
    )
    parts = tmp_path / "parts"
    parts.mkdir()
    with pytest.raises(Stopped):
        check.read_and_check(
            [InputFile(path, "s3://b/x.csv", path.stat().st_size)],
            ITEMS,
            parts,
            "0",
            scratch=parts.parent,
            job=JobRules(0, None),
            memory_bytes=200_000_000,
            progress=lambda _: None,
            stop=lambda: True,
        )
    assert not list(parts.glob("*.parquet"))


#: Keys of a bucket that DuckDB, a shell, a URL or Hive would take for something else, each with a twin to be found.
KEYS = {
    "data[1]": "data1",
    "part*": "part22",
    "w?": "w1",
    "dd[1]/part": "dd1/part",
    "**": "deep/er",
    "{a,b}": "a",
    "back\\sla[s]h": "back\\slash",
    "new\nli?ne": "new\nline",
    "-lead*": "-lead",
    "q'uo\"te*": "q'uo\"te",
    "ünï[ü]": "ünïü",
    "ITEM_ID=x/a": "ITEM_ID=y/a",
    "c0=x/a": "c0=y/a",
    "c2=77/a": "c1=77/a",
    "A=1/B=2/c0=3": "A=2/x",
}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])
def test_a_key_names_one_file_and_is_no_data(tmp_path: Path, key: str, ending: str) -> None:
    for name, value in ((KEYS[key], "twin"), (key, "own")):
        path = tmp_path / f"{name}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = f"SELECT '{value}' AS ITEM_ID, 'a' AS A, NULL::VARCHAR AS B"
        duckdb.connect().execute(f"COPY ({rows}) TO '{tmp_path / 'plain'}{ending}'")
        (tmp_path / f"plain{ending}").rename(path)
    parts = tmp_path / "parts"
    parts.mkdir()
    names = file_columns(path)
    result = read([InputFile(path, f"s3://b/{key}{ending}", path.stat().st_size)], ITEMS, parts)
    assert names == ["ITEM_ID", "A", "B"]
    assert rows_of(result) == [("own", "a", None)]
    assert [one.name for one in parts.iterdir()] == [one.path.name for one in result.parts]


@pytest.mark.parametrize("column", ["FILENAME", "file_row_number"])
def test_a_schema_may_have_columns_with_duckdbs_own_names(tmp_path: Path, column: str) -> None:
    of = schema_of("Items", ("ITEM_ID", "string"), (column, ["null", "long"]))
    result = checked(tmp_path, f"ITEM_ID,{column}\na,5\nb,x\nc,7\n,8\n", of)
    assert places(result) == {("INVALID_LONG", column, 3, "x"), ("MISSING_VALUE", "ITEM_ID", 5, "")}


def test_an_attempt_that_ends_early_removes_nothing_that_another_one_wrote(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("ITEM_ID,A,B\n1,2,3\n")
    parts = tmp_path / "parts"
    parts.mkdir()

    def attempt(number: int, before_it_ends: Any = lambda: None) -> Checked:
        def stop() -> bool:
            return False

        with patch.object(check._Check, "check_rows", lambda *_: before_it_ends()):
            return check.read_and_check(
                [InputFile(path, "s3://b/x.csv", 19)],
                ITEMS,
                parts,
                "0",
                scratch=tmp_path,
                attempt=number,
                job=JobRules(0, None),
                memory_bytes=200_000_000,
                progress=lambda _: None,
                stop=stop,
            )

    winners: list[Checked] = []

    def overtaken() -> None:
        winners.append(attempt(2))
        raise Stopped

    with pytest.raises(Stopped):
        attempt(1, overtaken)
    (winner,) = winners
    assert [part.path for part in winner.parts] == list(parts.glob("*.parquet"))
    assert rows_of(winner) == [("1", "2", "3")]
