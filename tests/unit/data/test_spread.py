"""An import in pieces: the report, the rows and their order are those of whole files, wherever the pieces are cut."""

import csv
import gzip
import io
import json
import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartor.compute.processes import Processes
from sartor.data import bundles, check, formats, schema
from sartor.data.check import JobRules, Progress
from sartor.data.csv_records import LINE_BYTES
from sartor.data.input_files import InputFile
from sartor.errors import Stopped
from spread_checks import InTurn, both_ways

FIELDS = [
    {"name": "ITEM_ID", "type": "string"},
    {"name": "A", "type": ["null", "string"]},
    {"name": "CREATION_TIMESTAMP", "type": ["null", "long"]},
]
ITEMS = schema.parse(json.dumps({"type": "record", "name": "Items", "fields": FIELDS}))
HEADER = b"ITEM_ID,A,CREATION_TIMESTAMP\n"
PLAIN = b"".join(b"i%d,a,%d\n" % (n, n) for n in range(60))
LONG = b"word " * 30


def files_of(folder: Path, *contents: bytes, ending: str = "csv") -> list[InputFile]:
    """Write files and return them in the order of their keys."""
    found = []
    for at, content in enumerate(contents):
        path = folder / f"{at:04d}.{ending}"
        path.write_bytes(content)
        found.append(InputFile(path, f"s3://b/{path.name}", len(content)))
    return found


def how(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "scratch": folder,
        "job": JobRules(0, None, 0.01),
        "memory_bytes": 200_000_000,
        "progress": lambda _: None,
        "stop": lambda: False,
        **more,
    }


def quoted(cell: bytes) -> bytes:
    return b'"' + cell.replace(b'"', b'""') + b'"'


#: What may be in a file that is taken apart, and whether it stays so.
HARD: dict[str, bytes] = {
    "plain": PLAIN,
    "no last line end": PLAIN[:-1],
    "blank lines": PLAIN.replace(b"\ni3", b"\n\n\ni3") + b"\n\n\n",
    "quoted cells": b"".join(b'i%d,"a, ""b""",%d\n' % (n, n) for n in range(40)),
    "quoted line ends": b"".join(
        b"i%d,%s,%d\n" % (n, quoted(LONG.replace(b" ", b"\n")), n) for n in range(9)
    ),
    "what looks like rows in a cell": b"".join(b"i%d,%s,\n" % (n, quoted(b"x,y,1\n" * 40)) for n in range(4)),
    "one cell over several pieces": PLAIN + b"j," + quoted(b"line\n" * 300) + b",1\n" + PLAIN,
    "broken cells": PLAIN.replace(b"a,7", b"a,x").replace(b"a,55", b"a,-") + b",b,1\n",
    "bad cells that are few": PLAIN * 8 + b"z,a,x\n",
    "broken rows": PLAIN.replace(b"i5,a,5", b"i5,a").replace(b"i50,a", b"i50,a,b"),
    "broken and blank rows behind line ends": b'i,"1\n2\n3",4\n' * 30 + b"few\n\n\n" + b"i,a,x\n" + PLAIN,
    "quotes that close too early": PLAIN + b'k,"a"b,1\n' + PLAIN,
    "a quote within a cell": PLAIN + b'k,a"b,1\n' + PLAIN,
    "two quotes within cells": PLAIN + b'k,a"b,1\nk,"c",1\n' + PLAIN + b'k,a"b,1\n',
    "a space before a quote": PLAIN + b'k, "a,b",1\n' + PLAIN,
    "a space behind a quote": PLAIN + b'k,"a,b" ,1\n' + PLAIN,
    "a quote that never closes": PLAIN + b'k,"a,1\n' + PLAIN,
    "backslashes": PLAIN.replace(b",a,", b",a\\b,"),
    "backslashes and quotes": PLAIN + b'k,"a\\"b",1\n' + PLAIN + b"k,c\\d,1\n",
    "backslashes far from quotes": b'k,"a",1\n' + PLAIN + b"k,c\\d,1\n",
    "a lone carriage return": PLAIN + b"k,a,1\rl,a,2\n" + PLAIN,
    "some lines with carriage returns": PLAIN + PLAIN.replace(b"\n", b"\r\n"),
    "what is no UTF-8": PLAIN + b"k,\xff,1\n" + PLAIN + b"l,\xc3\xa9,1\n",
    "times with fractions and milliseconds": b"".join(b"i%d,a,%d.5\n" % (n, n) for n in range(20))
    + b"".join(b"m%d,a,170000000%04d\n" % (n, n) for n in range(20)),
    "nulls": PLAIN.replace(b"a", b"\0"),
    "a line that is too long": PLAIN + b"k," + b"a" * (LINE_BYTES + 1) + b",1\n" + PLAIN,
    "nothing": b"\n" * 300,
}


@pytest.mark.parametrize("piece_bytes", [110, 401])
@pytest.mark.parametrize("content", HARD.values(), ids=HARD)
def test_what_is_hard_is_the_same_in_pieces(tmp_path: Path, content: bytes, piece_bytes: int) -> None:
    header = HEADER.replace(b"\n", b"\r\n") if content.count(b"\r\n") == content.count(b"\n") else HEADER
    piece_bytes = max(piece_bytes, len(content) // 30)
    both_ways(files_of(tmp_path, header + content), ITEMS, piece_bytes, **how(tmp_path))


@pytest.mark.parametrize(
    "name", ["plain", "quoted line ends", "broken cells", "one cell over several pieces"]
)
def test_line_ends_of_two_bytes_are_no_matter(tmp_path: Path, name: str) -> None:
    content = (HEADER + HARD[name]).replace(b"\n", b"\r\n")
    _, _, pieces = both_ways(files_of(tmp_path, content), ITEMS, 120, **how(tmp_path))
    assert pieces > 3


def test_each_byte_is_read_once_where_no_cell_has_a_line_end(tmp_path: Path) -> None:
    content = HEADER + HARD["broken cells"]
    *_, pieces = both_ways(files_of(tmp_path, content), ITEMS, 100, **how(tmp_path))
    assert pieces == len(content) // 100


cells = st.one_of(
    st.sampled_from(["", "a", "1", "x" * 30, "a,b", "a\nb,c\nd", 'say "hi"', '"', "\n", "é", " ", "\r\n"]),
    st.text(st.sampled_from('ab,"\n 1é'), max_size=12),
)
breaks = st.sampled_from(
    ["few\n", "a,b,c,d\n", 'k,"a"b,1\n', 'k,a"b,1\n', "\n", 'k,"open,1\n', "k,\\,1\n", "k,a,1\r"]
)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(cells, cells, st.sampled_from(["", "1", "7.5", "x", "-1", "1700000000000"])), max_size=40
    ),
    broken=st.lists(st.tuples(st.integers(0, 40), breaks), max_size=2),
    line_end=st.sampled_from(["\n", "\r\n"]),
    piece_bytes=st.integers(20, 200),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_whatever_is_in_a_file_is_the_same_in_pieces(
    rows: list[tuple[str, str, str]],
    broken: list[tuple[int, str]],
    line_end: str,
    piece_bytes: int,
    quoting: Any,
) -> None:
    written = []
    for row in rows:
        text = io.StringIO()
        csv.writer(text, quoting=quoting, lineterminator=line_end).writerow(row)
        written.append(text.getvalue())
    for at, line in broken:
        written.insert(at, line)
    header = HEADER.decode().replace("\n", line_end)
    with TemporaryDirectory() as folder:
        files = files_of(Path(folder), (header + "".join(written)).encode())
        both_ways(files, ITEMS, piece_bytes, **how(Path(folder)))


def test_files_are_pieces_and_large_ones_are_several(tmp_path: Path) -> None:
    broken = HARD["broken cells"]
    contents = [PLAIN, broken, PLAIN * 5, broken + PLAIN * 3 + broken, b"x,,\n", PLAIN]
    files = files_of(tmp_path, *(HEADER + content for content in contents))
    whole, spread, pieces = both_ways(files, ITEMS, 900, **how(tmp_path))
    assert pieces > len(files)
    assert len(spread.parts) == len(whole.parts) == 0  # some cells are broken


def test_packed_files_and_other_formats_are_a_piece_each(tmp_path: Path) -> None:
    packed = files_of(tmp_path, gzip.compress(HEADER + PLAIN * 50), ending="csv.gz")
    plain = files_of(tmp_path, HEADER + PLAIN * 4)
    wrong = files_of(tmp_path, b"nothing of the sort" * 100, ending="parquet")
    *_, pieces = both_ways([*packed, *plain, *wrong], ITEMS, 300, **how(tmp_path))
    assert pieces == 2 + (len(HEADER) + 4 * len(PLAIN)) // 300


@pytest.mark.parametrize("maximum_bytes", [100, 2_000, 12_000, 20_000, 10**6])
def test_the_file_with_which_there_is_too_much_is_the_same(tmp_path: Path, maximum_bytes: int) -> None:
    noise = random.Random(7)
    content = HEADER + b"".join(b"i%d,%d,1\n" % (n, noise.getrandbits(99)) for n in range(200))
    packed = files_of(tmp_path, *[gzip.compress(content)] * 3, ending="csv.gz")
    files = [packed[0], *files_of(tmp_path, HEADER + PLAIN * 3), *packed[1:]]
    job = JobRules(0, maximum_bytes)
    both_ways(files, ITEMS, 500, **how(tmp_path, job=job))


def test_small_files_together_are_the_same_in_pieces(tmp_path: Path) -> None:
    def read(files: Any, of: Any, folder: Path, prefix: str, *, scratch: Path, **more: Any) -> Any:
        return bundles.read_and_check(files, of, folder, prefix, scratch, **more)

    files = files_of(tmp_path, *[HEADER + PLAIN, HEADER + PLAIN[:80], HEADER] * 4)
    both_ways(files, ITEMS, 300, read=read, **how(tmp_path))


def test_progress_goes_to_the_end_and_never_beyond(tmp_path: Path) -> None:
    said: list[Progress] = []
    files = files_of(tmp_path, HEADER + PLAIN * 4, HEADER + PLAIN)
    both_ways(files, ITEMS, 300, **how(tmp_path, progress=said.append))
    total = sum(file.size_bytes for file in files)
    assert said[-1].bytes_read == said[-1].bytes_total == total
    assert said[-1].rows_read == 300
    assert all(one.bytes_read <= total for one in said)


def test_who_is_stopped_in_the_middle_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "PIECE_BYTES", 300)
    parts = tmp_path / "parts"
    parts.mkdir()
    files = files_of(tmp_path, *[HEADER + PLAIN] * 6)
    stopped = how(tmp_path, stop=lambda: bool(list(parts.iterdir())))
    with pytest.raises(Stopped):
        check.read_and_check(files, ITEMS, parts, "0", compute=InTurn(), **stopped)
    assert list(parts.iterdir()) == []


def test_pieces_in_processes_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "PIECE_BYTES", 2_000)
    content = HEADER + HARD["broken and blank rows behind line ends"] + PLAIN * 4
    parts = tmp_path / "parts"
    parts.mkdir()
    files = files_of(tmp_path, content, HEADER + PLAIN)
    here, there = (
        check.read_and_check(files, ITEMS, parts, "0", compute=compute, **how(tmp_path))
        for compute in (None, Processes(2))
    )
    assert {**there.report.to_json(), "seconds": 0} == {**here.report.to_json(), "seconds": 0}


def parquet_of(folder: Path, rows: str, name: str = "rows.parquet", group_rows: int = 2048) -> InputFile:
    """Write the rows of a SELECT in small row groups and return the file."""
    path = folder / name
    duckdb.execute(f"COPY ({rows}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE {group_rows})")
    return InputFile(path, f"s3://b/{name}", path.stat().st_size)


#: What may be in a large Parquet file, by the SELECT of its rows.
PACKED: dict[str, str] = {
    "plain": "SELECT 'i' || n AS ITEM_ID, 'a' AS A, n AS CREATION_TIMESTAMP FROM range(9000) r(n)",
    "broken cells here and there": "SELECT CASE WHEN n % 2500 = 7 THEN NULL ELSE 'i' || n END AS ITEM_ID, "
    "repeat('x', CASE WHEN n IN (3, 8999) THEN 1001 ELSE 1 END) AS A, n - 2 AS CREATION_TIMESTAMP "
    "FROM range(9000) r(n)",
    "few bad cells, and whole numbers for ids": "SELECT n AS ITEM_ID, 'a' AS A, "
    "CASE WHEN n % 2048 = 9 THEN -n ELSE 1.7e12 + n / 2 END::DOUBLE AS CREATION_TIMESTAMP FROM range(9000) r(n)",
    "columns in another order, and more of them": "SELECT n AS more, n AS creation_timestamp, 'a' AS a, "
    "'i' || n AS item_id FROM range(9000) r(n)",
    "a column that is missing": "SELECT 'i' || n AS ITEM_ID, 'a' AS A FROM range(9000) r(n)",
    "a column of a wrong type": "SELECT 'i' || n AS ITEM_ID, [n] AS A, n AS CREATION_TIMESTAMP FROM range(9000) r(n)",
    "a column that numbers the rows": "SELECT 'i' || n AS ITEM_ID, 'a' AS A, n AS CREATION_TIMESTAMP, "
    "9000 - n AS file_row_number FROM range(9000) r(n)",
}


@pytest.mark.parametrize("rows", PACKED.values(), ids=PACKED)
def test_row_groups_are_the_same_as_their_file(tmp_path: Path, rows: str) -> None:
    both_ways([parquet_of(tmp_path, rows)], ITEMS, 10_000, **how(tmp_path))


def test_row_groups_are_pieces_of_about_a_size(tmp_path: Path) -> None:
    file = parquet_of(tmp_path, PACKED["plain"])
    found = formats.spans(file, 8 * file.size_bytes // 5)
    assert [one.rows for one in found] == [(0, 4096), (4096, 8192), (8192, 9000)]
    assert sum(one.size_bytes for one in found) == file.size_bytes
    *_, pieces = both_ways([file], ITEMS, 1, **how(tmp_path))
    assert pieces == 5


@settings(max_examples=8, deadline=None)
@given(
    rows=st.integers(0, 9000),
    bad=st.dictionaries(
        st.integers(0, 8999), st.sampled_from(["NULL", "''", "'  '", "repeat('x', 257)"]), max_size=6
    ),
    piece_bytes=st.integers(4_000, 60_000),
)
def test_whatever_is_in_row_groups_is_the_same_as_in_their_file(
    rows: int, bad: dict[int, str], piece_bytes: int
) -> None:
    cases = "".join(f"WHEN {at} THEN {value} " for at, value in bad.items())
    ids = f"CASE n {cases}ELSE 'i' || n END" if cases else "'i' || n"
    times = "CASE WHEN n % 997 = 5 THEN n - 3000 ELSE n END"
    select = f"SELECT {ids} AS ITEM_ID, {ids} AS A, {times} AS CREATION_TIMESTAMP FROM range({rows}) r(n)"
    with TemporaryDirectory() as folder:
        packed = parquet_of(Path(folder), select)
        both_ways([packed], ITEMS, piece_bytes, **how(Path(folder)))


def test_damaged_row_groups_fail_as_their_file_does(tmp_path: Path) -> None:
    file = parquet_of(tmp_path, PACKED["plain"])
    content = bytearray(file.path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 400] = b"\xff" * 400
    file.path.write_bytes(content)
    whole, *_ = both_ways([file], ITEMS, 10_000, **how(tmp_path))
    assert whole.report.faults[0].code == "UNREADABLE_FILE"


def test_progress_of_row_groups_goes_to_the_end(tmp_path: Path) -> None:
    said: list[Progress] = []
    file = parquet_of(tmp_path, PACKED["plain"])
    both_ways([file], ITEMS, 10_000, **how(tmp_path, progress=said.append))
    assert (said[-1].rows_read, said[-1].bytes_read) == (9000, file.size_bytes)
    assert all(one.bytes_read <= file.size_bytes for one in said)


def test_row_groups_in_processes_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "PIECE_BYTES", 10_000)
    parts = tmp_path / "parts"
    parts.mkdir()
    file = parquet_of(tmp_path, PACKED["broken cells here and there"])
    here, there = (
        check.read_and_check([file], ITEMS, parts, "0", compute=compute, **how(tmp_path))
        for compute in (None, Processes(2))
    )
    assert {**there.report.to_json(), "seconds": 0} == {**here.report.to_json(), "seconds": 0}
