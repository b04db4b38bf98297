"""The worst files that anybody can bring: each is a fault in the report, at once, and leaves nothing behind."""

import gzip
import json
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from examples import examples
from sartor.data import check, csv_lines, csv_records, engine, formats, pieces, schema
from sartor.data.check import Checked, JobRules
from sartor.data.csv_records import LINE_BYTES
from sartor.data.input_files import InputFile
from sartor.errors import JobFailed, Stopped

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

NULLABLE = ["null", "string"]
FIELDS = [
    {"name": "ITEM_ID", "type": "string"},
    {"name": "A", "type": NULLABLE},
    {"name": "B", "type": ["null", "long"]},
]
ITEMS = schema.parse(json.dumps({"type": "record", "name": "Items", "fields": FIELDS}))
GOOD = b"ITEM_ID,A,B\n" + b"".join(b"i%d,a,%d\n" % (n, n) for n in range(50))


def checked(folder: Path, content: bytes, name: str = "x.csv", **more: Any) -> Checked:
    """Return what the check says of a file; nothing but parts outlives it."""
    path = folder / name
    path.write_bytes(content)
    parts, scratch = folder / "parts", folder / "scratch"
    for place in (parts, scratch):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
    how: dict[str, Any] = {
        "job": JobRules(0, None),
        "memory_bytes": 200_000_000,
        "progress": lambda _: None,
        "stop": lambda: False,
        **more,
    }
    file = InputFile(path, f"s3://b/{name}", len(content))
    try:
        result = check.read_and_check([file], ITEMS, parts, "0", scratch=scratch, **how)
        assert {part.path for part in result.parts} == set(parts.iterdir())
    finally:
        assert not list(scratch.iterdir())
    return result


def faults(result: Checked) -> list[tuple[str, int, int | None]]:
    """Return rule, count and first line of each fault; each names its file."""
    assert all(place.file for fault in result.report.faults for place in fault.places)
    return [(fault.code, fault.count, fault.places[0].line) for fault in result.report.faults]


def text_of(name: str) -> bytes:
    """Return a long text that is of a sort that DuckDB, or a regular expression, is bad at."""
    return {
        "one line": b"x" * (LINE_BYTES + 10),
        "one line in a file": GOOD + b"x" * (LINE_BYTES + 10) + b"\n" + GOOD[12:],
        "a cell of many lines": GOOD + b'i,"' + b"line\n" * (LINE_BYTES // 5 + 1_000) + b'",1\n' + GOOD[12:],
        "a quote that opens and never closes": GOOD + b'i,"' + b"b,c,d\n" * (LINE_BYTES // 6 + 10),
        "quotes": GOOD + b'"' * (LINE_BYTES + 11) + b"\n",
        "escapes": GOOD + b'"' + b'a\\"\n' * (LINE_BYTES // 3),
        "nothing": GOOD + b"\0" * (LINE_BYTES + 10),
    }[name]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("one line", ("LINE_TOO_LONG", 1, 1)),
        ("one line in a file", ("LINE_TOO_LONG", 1, 52)),
        ("a cell of many lines", ("LINE_TOO_LONG", 1, 52)),
        ("a quote that opens and never closes", ("LINE_TOO_LONG", 1, 52)),
        ("quotes", ("LINE_TOO_LONG", 1, 52)),
        ("escapes", ("LINE_TOO_LONG", 1, 52)),
        ("nothing", ("LINE_TOO_LONG", 1, 52)),
    ],
)
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_line_that_is_too_long_is_a_fault_and_no_row_is_lost(
    tmp_path: Path, name: str, fault: tuple[str, int, int | None], ending: str
) -> None:
    content = text_of(name)
    content = gzip.compress(content, 1) if ending else content
    assert faults(checked(tmp_path, content, f"x.csv{ending}")) == [fault]


def test_a_cell_and_a_line_may_be_nearly_as_long_as_they_may_be(tmp_path: Path) -> None:
    content = GOOD + b'i,"' + b"li\nne" * (LINE_BYTES // 5 - 10) + b'",1\n'
    assert faults(checked(tmp_path, content)) == [("STRING_TOO_LONG", 1, 52)]


def test_every_broken_line_of_very_many_is_counted_and_the_good_ones_between_are_checked(
    tmp_path: Path,
) -> None:
    content = b"ITEM_ID,A,B\n" + b'x\na,b,1,d\n"q"x,b,1\na,b,1\n\xff,b,1\n\n"two\nlines",b,x\n' * 30_000
    result = checked(tmp_path, content)
    assert sorted(faults(result)) == [
        ("BROKEN_QUOTES", 30_000, 4),
        ("INVALID_LONG", 30_000, 8),
        ("INVALID_UTF8", 30_000, 6),
        ("TOO_FEW_CELLS", 30_000, 2),
        ("TOO_MANY_CELLS", 30_000, 3),
    ]
    assert (result.report.rows_read, result.report.rows_rejected) == (180_000, 150_000)
    assert [fault.places[9999].line for fault in result.report.faults if fault.code == "INVALID_LONG"] == [
        8 + 8 * 9999
    ]


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.parquet"])
def test_too_many_columns_are_refused_at_the_call_and_in_the_job(tmp_path: Path, name: str) -> None:
    names = ["ITEM_ID", "A", "B", *(f"c{n}" for n in range(4_000))]
    header = ",".join(names).encode()
    content = header + b"\n" + b"," * header.count(b",") + b"\n"
    if name.endswith("gz"):
        content = gzip.compress(content)
    elif name.endswith("parquet"):
        with duckdb.connect() as connection:
            cells = ", ".join(f"1 AS {one}" for one in names)
            connection.execute(f"COPY (SELECT {cells}) TO '{tmp_path}/wide.parquet'")
        content = (tmp_path / "wide.parquet").read_bytes()
    with pytest.raises(JobFailed, match=r"4,003 columns; 1,000 are allowed"):
        column_names(name, content)
    assert faults(checked(tmp_path, content, name)) == [("TOO_MANY_COLUMNS", 1, None)]


def column_names(name: str, content: bytes) -> list[str]:
    return formats.column_names(name, len(content), lambda start, length: content[start : start + length])


ARCHIVES: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".zst": zstd.compress}


@pytest.mark.parametrize("ending", ARCHIVES)
def test_archives_are_read_as_their_tools_read_them(tmp_path: Path, ending: str) -> None:
    pack = ARCHIVES[ending]
    members = pack(GOOD[:100]) + pack(b"") * 500 + pack(GOOD[100:])
    assert checked(tmp_path, members, f"x.csv{ending}").report.rows_read == 50
    padded = members + b"\0" * 70_000
    if ending == ".gz":
        assert checked(tmp_path, padded, f"x.csv{ending}").report.rows_read == 50


@pytest.mark.parametrize("ending", ARCHIVES)
@pytest.mark.parametrize("damage", ["cut", "cut in the header", "garbage behind", "a flipped bit"])
def test_a_damaged_archive_is_unreadable(tmp_path: Path, ending: str, damage: str) -> None:
    packed = bytearray(ARCHIVES[ending](GOOD * 3))
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 64
    content = {
        "cut": packed[:-9],
        "cut in the header": packed[:5],
        "garbage behind": packed + b"garbage",
        "a flipped bit": flipped,
    }[damage]
    found = faults(checked(tmp_path, bytes(content), f"x.csv{ending}"))
    if (ending, damage) == (".zst", "a flipped bit"):  # its checksum is optional
        assert not found or found[0][0] in {
            "UNREADABLE_FILE",
            "TOO_FEW_CELLS",
            "INVALID_LONG",
            "INVALID_UTF8",
        }
    else:
        assert found == [("UNREADABLE_FILE", 1, None)]


def test_a_window_of_zstandard_that_takes_the_memory_is_refused(tmp_path: Path) -> None:
    options = {
        zstd.CompressionParameter.window_log: 30,
        zstd.CompressionParameter.enable_long_distance_matching: 1,
    }
    packer = zstd.ZstdCompressor(options=options)
    packed = packer.compress(GOOD) + packer.flush()
    assert faults(checked(tmp_path, packed, "x.csv.zst")) == [("UNREADABLE_FILE", 1, None)]


@pytest.mark.parametrize("ending", ARCHIVES)
def test_what_a_file_unpacks_to_counts_against_the_quota(tmp_path: Path, ending: str) -> None:
    bomb = ARCHIVES[ending](GOOD + b"i,a,1\n" * 2_000_000)
    result = checked(tmp_path, bomb, f"x.csv{ending}", job=JobRules(0, 1_000_000))
    (fault,) = result.report.faults
    assert (fault.code, fault.column) == ("TOO_MANY_BYTES", "1,000,000")
    assert int(fault.places[0].value or 0) < 4_000_000


def test_unpacking_leaves_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=2**40, free=2**30 + 1_000))
    bomb = gzip.compress(GOOD + b"i,a,1\n" * 200_000)
    with pytest.raises(JobFailed, match="no room for what it unpacks to"):
        checked(tmp_path, bomb, "x.csv.gz")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=10**9, free=2 * 10**8))
    assert checked(tmp_path, bomb, "x.csv.gz").report.rows_read == 200_050


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "rewritten.csv", "broken.csv", "x.parquet"])
def test_every_phase_hears_that_it_must_stop_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    content = GOOD + b'"a\\"b",a,1\n' * 300_000 if name == "rewritten.csv" else GOOD + b"i,a,1\n" * 300_000
    content += b"x\n" * 300_000 if name == "broken.csv" else b""
    content = gzip.compress(content, 1) if name.endswith("gz") else content
    if name.endswith("parquet"):
        with engine.connect(100_000_000) as connection:
            rows = "SELECT 'i' AS ITEM_ID, 'a' AS A, i AS B FROM range(3_000_000) t(i)"
            connection.execute(engine.copy(rows, tmp_path / "good.parquet", "FORMAT parquet"))
        content = (tmp_path / "good.parquet").read_bytes()
    asked: list[int] = []
    checked(tmp_path, content, name, stop=lambda: bool(asked.append(1)))
    for after in range(0, len(asked), max(1, len(asked) // 4)):
        left = iter(range(after))

        def stop(left: Iterator[int] = left) -> bool:
            return next(left, None) is None

        with suppress(Stopped):
            checked(tmp_path, content, name, stop=stop)
            assert after, "nothing begins that must stop"
            continue  # it was over before it was asked so often
        assert not list((tmp_path / "parts").iterdir())


def test_a_long_phase_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_PROGRESS_SECONDS", 0.0)
    said: list[str] = []
    content = GOOD + b'"a\\"b",a,1\n' * 1000 + b"x\n"
    checked(tmp_path, gzip.compress(content), "x.csv.gz", progress=lambda now: said.append(now.phase))
    assert set(said) >= {"unpacking", "rewriting", "finding lines"}


@settings(
    max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    lines=st.lists(
        st.binary(max_size=6).map(lambda text: text.translate(None, b'\n\r",'))
        | st.sampled_from(
            [b"\xc3", b"\xc3\xa9", b"\xed\xa0\x80", b"\xe0\x80\x80", b"\xf4\x90\x80\x80", b"\xf0\x9f\x98\x80"]
        ),
        min_size=1,
        max_size=12,
    ),
    ended=st.booleans(),
)
def test_lines_are_utf8_where_python_says_so(tmp_path: Path, lines: list[bytes], ended: bool) -> None:
    lines = [b"x" + line for line in lines]
    path = tmp_path / "x.csv"
    path.write_bytes(b"A\n" + b"\n".join(lines) + b"\n" * ended)
    found = [number for some in csv_records.records(path, 1, lambda _: None) for number in some.faults]
    wrong = [csv_records.FAULTS[number] == "INVALID_UTF8" for number in found]
    assert wrong == [line.decode("utf-8", "replace").encode() != line for line in lines]


def test_empty_cells_behind_the_last_are_no_cells_whatever_else_is_in_the_file(tmp_path: Path) -> None:
    content = GOOD + b"i,a,1,\r\ni,a,1,,,\n"
    assert checked(tmp_path, content).report.verdict == "imported"
    assert faults(checked(tmp_path, content + b"x\ni,a,1,,d\ni,a,1, \n")) == [
        ("TOO_FEW_CELLS", 1, 54),
        ("TOO_MANY_CELLS", 2, 55),
    ]


@pytest.mark.parametrize(
    "line", [b'i, "a,b",1', b'i,"a" ,1', b'i,"a"  ,1', b' "i",a,1', b'i, x"a,1', b'i,a ,"1" ']
)
def test_spaces_beside_quotes_mean_the_same_in_a_file_with_broken_lines(tmp_path: Path, line: bytes) -> None:
    assert checked(tmp_path, GOOD + line).report.verdict == "imported"
    assert faults(checked(tmp_path, GOOD + line + b"\nx\n")) == [("TOO_FEW_CELLS", 1, 53)]


TOKENS = st.sampled_from(
    [
        '"',
        '"',
        "\\",
        "\n",
        "\r",
        "\r\n",
        ",",
        ",",
        "a",
        "é",
        " ",
        '""',
        '"\n',
        '\\"',
        "a,b,1\n",
        '"m\nn",b,1\n',
        "\0",
    ]
)


def escaped_away(text: bytes) -> bytes:
    """Return what a byte-by-byte reader makes of a file of any dialect."""
    result, at, inside, before = bytearray(), 0, False, b"\n"
    if text.startswith(csv_records.BOM):
        result, at = bytearray(csv_records.BOM), len(csv_records.BOM)
    while at < len(text):
        one, following = text[at : at + 1], text[at + 1 : at + 2]
        step = 1
        if inside and one == b"\\" and following:
            result += {b'"': b'""', b"\\": b"\\"}.get(following, one + following)
            step = 2
        elif inside and one == b'"' and following == b'"':
            result += b'""'
            step = 2
        elif one == b'"' and (inside or before in (b",", b"\n", b"\r")):
            inside = not inside
            result += one
        elif not inside and one == b"\r":
            result += b"\n"
            step = 2 if following == b"\n" else 1
        else:
            result += one
        before = text[at + step - 1 : at + step]
        at += step
    return bytes(result)


@settings(max_examples=300, deadline=None)
@given(tokens=st.lists(TOKENS, max_size=40), size=st.integers(1, 9), piece=st.sampled_from([1, 2, 3, 100]))
@example(tokens=['"', "a", "\\"], size=1, piece=1)
@example(tokens=["\r"], size=1, piece=1)
@example(tokens=["\ufeff", '"', "\\", '"'], size=2, piece=2)
def test_escapes_are_rewritten_piece_by_piece_as_byte_by_byte(
    tokens: list[str], size: int, piece: int
) -> None:
    text = "".join(tokens).encode()
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(csv_lines, "_PIECE_BYTES", piece)
        assert b"".join(csv_lines.rewritten(pieces)) == escaped_away(text)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(tokens=st.lists(TOKENS, max_size=40), chunk=st.sampled_from([7, 2**20]))
def test_any_text_is_a_csv_file_with_a_verdict(tmp_path: Path, tokens: list[str], chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(csv_records, "_CHUNK_BYTES", chunk)
        report = checked(tmp_path, b"ITEM_ID,A,B\n" + "".join(tokens).encode()).report
    assert report.rows_rejected <= report.rows_read
    assert all(fault.code != "INVALID_CSV" for fault in report.faults)


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_record_that_the_reader_passes_over_is_found_with_its_line(tmp_path: Path, end: str) -> None:
    text = 'ITEM_ID,A,B\na,b,1\n"" "m\nn",b,1' + end
    report = checked(tmp_path, text.encode()).report
    assert (report.rows_read, report.rows_rejected) == (3, 1)
    (fault,) = report.faults
    assert (fault.code, fault.count, fault.places[0].line) == ("BROKEN_QUOTES", 1, 3)


def parquet_files() -> list[bytes]:
    made = []
    for number, form in enumerate(("zstd, PARQUET_VERSION v2", "snappy", "uncompressed", "gzip")):
        path = Path(f"{number}.parquet")
        with duckdb.connect() as connection:
            rows = "SELECT 'i' || i AS ITEM_ID, 'v' || i % 7 AS A, i AS B FROM range(3000) t(i)"
            connection.execute(
                f"COPY ({rows}) TO '{path}' (FORMAT parquet, COMPRESSION {form}, ROW_GROUP_SIZE 1000)"
            )
        made.append(path.read_bytes())
        path.unlink()
    return made


@pytest.mark.parametrize("which", range(4))
def test_damaged_parquet_is_unreadable_or_read_and_never_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    """Bits flipped, bytes lost and added anywhere: the footer, the pages, the dictionaries."""
    monkeypatch.chdir(tmp_path)
    good, dice = parquet_files()[which], random.Random(which)
    assert checked(tmp_path, good, "x.parquet").report.verdict == "imported"
    seen = set()
    for _ in range(25):
        damaged = bytearray(good)
        for _ in range(dice.choice((1, 1, 3, 30))):
            at = dice.choice((dice.randrange(len(damaged)), len(damaged) - 1 - dice.randrange(400)))
            damaged[at] ^= 1 << dice.randrange(8)
        if dice.random() < 0.2:
            del damaged[dice.randrange(len(damaged)) :]
        try:
            assert column_names("x.parquet", bytes(damaged))
        except JobFailed as failure:
            assert failure.reason.startswith("x.parquet could not be read: ")
        report = checked(tmp_path, bytes(damaged), "x.parquet").report
        seen |= {fault.code for fault in report.faults}
        assert all("/" not in (place.value or "") for fault in report.faults for place in fault.places)
    assert "UNREADABLE_FILE" in seen
    assert seen <= {
        "UNREADABLE_FILE",
        "MISSING_COLUMNS",
        "WRONG_TYPE",
        "INVALID_UTF8",
        "STRING_TOO_LONG",
        "NO_ROWS",
    }


def test_a_footer_that_claims_gigabytes_is_neither_read_at_the_call_nor_in_the_job(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    size = 3 * 2**30
    with path.open("wb") as file:
        file.write(b"PAR1")
        file.truncate(size)
        file.seek(size - 8)
        file.write((size - 100).to_bytes(4, "little") + b"PAR1")
    read: list[int] = []

    def some(start: int, length: int) -> bytes:
        read.append(length)
        with path.open("rb") as file:
            file.seek(start)
            return file.read(length)

    with pytest.raises(JobFailed, match="its footer is damaged"):
        formats.column_names("x.parquet", size, some)
    assert sum(read) < 2**21
    parts = tmp_path / "parts"
    parts.mkdir()
    result = check.read_and_check(
        [InputFile(path, "s3://b/x.parquet", size)],
        ITEMS,
        parts,
        "0",
        scratch=tmp_path,
        job=JobRules(0, None),
        memory_bytes=200_000_000,
        progress=lambda _: None,
        stop=lambda: False,
    )
    (fault,) = result.report.faults
    assert (fault.code, fault.places[0].value) == (
        "UNREADABLE_FILE",
        f"its footer has {size - 100:,} bytes; 12,500,000 are allowed",
    )


NAMES = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters='"'), min_size=1, max_size=8
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(names=st.lists(NAMES, min_size=1, max_size=40, unique_by=str.casefold), nested=st.booleans())
def test_the_columns_of_a_footer_are_those_that_duckdb_sees(
    tmp_path: Path, names: list[str], nested: bool
) -> None:
    value = "{'x': [1, 2], 'y': {'z': 'text'}}" if nested else "1"
    with duckdb.connect() as connection:
        cells = ", ".join(f'{value} AS "{name}"' for name in names)
        connection.execute(f"COPY (SELECT {cells}) TO '{tmp_path}/x.parquet'")
        described = connection.execute(
            f"DESCRIBE SELECT * FROM read_parquet('{tmp_path}/x.parquet')"
        ).fetchall()
    assert column_names("x.parquet", (tmp_path / "x.parquet").read_bytes()) == [row[0] for row in described]


def test_callers_at_once_all_see_the_columns_of_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = parquet_files()[0]
    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(lambda _: column_names("x.parquet", content), range(64)))
        reports = list(pool.map(lambda n: folder_checked(tmp_path / str(n), content), range(4)))
    assert found == [["ITEM_ID", "A", "B"]] * 64
    assert reports == ["imported"] * 4


def folder_checked(folder: Path, content: bytes) -> str:
    folder.mkdir()
    return checked(folder, content, "x.parquet").report.verdict


def test_one_file_that_breaks_duckdb_breaks_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    good = parquet_files()[0]
    contents = [good, good[:4] + bytes(4_000) + good[4_004:], GOOD, b"nothing of the sort", good]
    names = ["0.parquet", "1.parquet", "2.csv", "3.parquet", "4.parquet"]
    files = []
    for name, content in zip(names, contents, strict=True):
        (tmp_path / name).write_bytes(content)
        files.append(InputFile(tmp_path / name, f"s3://b/{name}", len(content)))
    parts = tmp_path / "parts"
    parts.mkdir()
    result = check.read_and_check(
        files,
        ITEMS,
        parts,
        "0",
        scratch=tmp_path,
        job=JobRules(0, None),
        memory_bytes=200_000_000,
        progress=lambda _: None,
        stop=lambda: False,
    )
    (fault,) = result.report.faults
    assert fault.code == "UNREADABLE_FILE"
    assert [place.file for place in fault.places] == ["s3://b/1.parquet", "s3://b/3.parquet"]
    assert [file.rows for file in result.report.files] == [3000, 0, 50, 0, 3000]
