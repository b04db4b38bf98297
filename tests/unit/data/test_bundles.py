"""Many small files as one text: the rows and the report are those of the files one by one."""

import gzip
import json
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartor.data import bundles, check, schema
from sartor.data.check import Checked, JobRules
from sartor.data.input_files import InputFile, Room
from sartor.errors import JobFailed, Stopped

NULLABLE = ["null", "string"]
FIELDS = [
    {"name": name, "type": kind}
    for name, kind in (("ITEM_ID", "string"), ("A", NULLABLE), ("B", ["null", "int"]))
]
ITEMS = schema.parse(json.dumps({"type": "record", "name": "Items", "fields": FIELDS}))
HEADER = b"ITEM_ID,A,B\n"


def files_of(folder: Path, contents: Sequence[bytes], packed: Sequence[bool] = ()) -> list[InputFile]:
    """Write files and return them in the order of their keys."""
    found = []
    for at, (content, is_packed) in enumerate(zip_longest(contents, packed, fillvalue=False)):
        assert isinstance(content, bytes)
        path = folder / (f"{at:04d}.csv.gz" if is_packed else f"{at:04d}.csv")
        path.write_bytes(gzip.compress(content) if is_packed else content)
        found.append(InputFile(path, f"s3://b/{path.name}", path.stat().st_size))
    return found


def how(**more: Any) -> dict[str, Any]:
    return {
        "job": JobRules(0, None),
        "memory_bytes": 200_000_000,
        "progress": lambda _: None,
        "stop": lambda: False,
        **more,
    }


def alone(folder: Path, files: Sequence[InputFile], **more: Any) -> Checked:
    (folder / "alone").mkdir()
    return check.read_and_check(files, ITEMS, folder / "alone", "0", scratch=folder, **how(**more))


def together(folder: Path, files: Sequence[InputFile], **more: Any) -> Checked:
    for name in ("together", "scratch"):
        (folder / name).mkdir()
    return bundles.read_and_check(files, ITEMS, folder / "together", "0", folder / "scratch", **how(**more))


def outcome(checked: Checked) -> dict[str, Any]:
    """Return all that a check says and makes, but how long it took."""
    rows = []
    if checked.parts:
        paths = [str(part.path) for part in checked.parts]
        rows = duckdb.execute("SELECT ITEM_ID, A, B FROM read_parquet(?)", [paths]).fetchall()
    return {
        "rows": rows,
        "files": checked.report.files,
        "rejected": checked.report.rows_rejected,
        "faults": {
            (fault.code, fault.column): (fault.count, fault.places) for fault in checked.report.faults
        },
    }


CELLS = st.sampled_from(
    ["a", "", "1", "x y", '"a"', '"a,b"', '"a\nb"', '"a""b"', 'a"b', '"', "\\", '"a\\"', "é", "=1"]
)
LINES = st.lists(CELLS, min_size=1, max_size=4).map(",".join)
BODIES = st.lists(LINES, max_size=4)


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """Give a file that is mostly good, with any of the faults that files have."""
    end = draw(st.sampled_from(["\n", "\n", "\n", "\r\n", "\r"]))
    header = draw(
        st.sampled_from(["ITEM_ID,A,B"] * 5 + ['"ITEM_ID","A","B"', "B,ITEM_ID,A", "ITEM_ID,A", ""])
    )
    good = draw(st.lists(st.sampled_from(["i1,a,1", 'i2,"q",2', "", 'i3,"x\ny",']), max_size=3))
    lines = [header, *good, *(draw(BODIES) if draw(st.integers(0, 3)) == 0 else [])]
    text = end.join(lines) + (end if draw(st.booleans()) else "")
    start = draw(st.sampled_from(["", "", "", "\ufeff"]))
    return (start + text).encode() + draw(st.sampled_from([b"", b"", b"", b"\xff"]))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(contents(), st.sampled_from([False, False, True])), min_size=2, max_size=4),
    st.sampled_from([0.0, 0.5]),
)
def test_files_together_say_and_make_what_they_do_alone(
    given_files: list[tuple[bytes, bool]], bad_cells: float
) -> None:
    job = JobRules(0, None, bad_cells)
    with TemporaryDirectory() as name:
        folder = Path(name)
        files = files_of(
            folder, [content for content, _ in given_files], [packed for _, packed in given_files]
        )
        assert outcome(together(folder, files, job=job)) == outcome(alone(folder, files, job=job))


def test_broken_rows_have_their_own_files_and_lines(tmp_path: Path) -> None:
    bodies = [b"a,x,1\n", b'b,"x\ny",2\nc,,soon', b"", b"\n\nd,,1\n,y,2\n", b"e,,1,9\nf,,3\n", b"g,,later\n"]
    files = files_of(tmp_path, [HEADER + body for body in bodies])
    found = outcome(together(tmp_path, files))
    assert found == outcome(alone(tmp_path, files))
    places = {
        code: [(place.file, place.line) for place in of] for (code, _), (_, of) in found["faults"].items()
    }
    assert places["INVALID_INT"] == [("s3://b/0001.csv", 4), ("s3://b/0005.csv", 2)]
    assert places["TOO_MANY_CELLS"] == [("s3://b/0004.csv", 2)]
    assert [file.rows for file in found["files"]] == [1, 2, 0, 2, 2, 1]


def test_a_thousand_files_are_one_pass_and_one_part(tmp_path: Path) -> None:
    files = files_of(tmp_path, [HEADER + f"i{at},,{at}\n".encode() for at in range(1000)])
    with patch.object(check, "read_and_check", wraps=check.read_and_check) as passes:
        checked = together(tmp_path, files)
    assert [len(call.args[0]) for call in passes.call_args_list] == [1]
    assert len(checked.parts) == 1
    assert checked.report.rows_read == 1000
    assert outcome(checked)["rows"][-1] == ("i999", None, 999)


def test_files_of_other_headers_forms_and_sizes_stay_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "SMALL_BYTES", 100)
    contents = [HEADER + b"a,,1\n", HEADER + b"b,,2\n", b"B,A,ITEM_ID\n3,,c\n", b"B,A,ITEM_ID\n4,,d\n"]
    contents += [HEADER + b"e,,5\n" * 30, HEADER + b"f,,6\n", HEADER.replace(b"\n", b"\r\n") + b"g,,7\r\n"]
    checked = together(tmp_path, files_of(tmp_path, contents))
    assert [row[0] for row in outcome(checked)["rows"]] == ["a", "b", "c", "d", *["e"] * 30, "f", "g"]
    assert [file.rows for file in checked.report.files] == [1, 1, 1, 1, 30, 1, 1]


def test_packed_files_stand_together_and_one_that_is_damaged_or_large_stands_alone(tmp_path: Path) -> None:
    large = HEADER + b"large,,1\n" * 40_000
    contents = [HEADER + b"a,,1\n", HEADER + b"b,,2\n", large, HEADER + b"c,,3\n", HEADER + b"d,,4\n"]
    files = files_of(tmp_path, contents, [True] * 5)
    with patch.object(check, "read_and_check", wraps=check.read_and_check) as passes:
        assert together(tmp_path, files).report.rows_read == 40_004
    assert [len(call.args[0]) for call in passes.call_args_list] == [3]
    (tmp_path / "other").mkdir()
    files[1].path.write_bytes(files[1].path.read_bytes()[:-9])
    found = outcome(together(tmp_path / "other", files))
    ((code, _), (_, (place,))) = next(iter(found["faults"].items()))
    assert (code, place.file) == ("UNREADABLE_FILE", "s3://b/0001.csv.gz")


def test_without_room_for_a_text_the_files_are_checked_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise JobFailed("no room")

    files = files_of(tmp_path, [HEADER + b"a,,1\n"] * 3)
    monkeypatch.setattr(Room, "write", full)
    checked = together(tmp_path, files)
    assert (checked.report.rows_read, len(checked.parts)) == (3, 3)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_two_broken_quotes_do_not_mend_each_other(tmp_path: Path) -> None:
    files = files_of(tmp_path, [HEADER + b'a,"x,1\n', HEADER + b'b,y",2\n'])
    found = outcome(together(tmp_path, files))
    assert found == outcome(alone(tmp_path, files))
    assert found["faults"]


def test_what_is_wrong_with_a_header_is_said_of_each_file(tmp_path: Path) -> None:
    files = files_of(tmp_path, [b"ITEM_ID,B\na,1\n", b"ITEM_ID,B\nb,2\n", HEADER + b"c,,3\n"])
    found = outcome(together(tmp_path, files))
    assert found == outcome(alone(tmp_path, files))
    ((code, column), (count, places)) = next(iter(found["faults"].items()))
    assert (code, column, count) == ("MISSING_COLUMNS", "A", 2)
    assert [place.file for place in places] == ["s3://b/0000.csv", "s3://b/0001.csv"]


def test_putting_together_hears_a_stop(tmp_path: Path) -> None:
    files = files_of(tmp_path, [HEADER + b"a,,1\n"] * 3)
    with pytest.raises(Stopped):
        together(tmp_path, files, stop=lambda: True)
