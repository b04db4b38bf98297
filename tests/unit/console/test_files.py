"""``/sartor/v1/files`` and ``uploads``: a file before it is imported, and one that comes in slices."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.console import files
from unit.console.test_v1 import SCHEMA
from unit.console.test_v1 import app as app
from wire.asgi import Answered, App

GOOD = "USER_ID,ITEM_ID,TIMESTAMP\nu1,i1,1700000000\nu2,i2,1700000001\n"
UPLOAD = "0123456789abcdef"


@pytest.fixture
def bucket(app: App) -> Path:
    """Give the folder of the bucket b."""
    folder = app.backend.settings.data / "buckets" / "b"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def check(app: App, location: str) -> Any:
    body = json.dumps({"location": location, "schema": json.dumps(SCHEMA)}).encode()
    answer = app.ask("POST", "/sartor/v1/files/check", body)
    assert answer.status == 200, answer.body
    return answer.json


def test_buckets_and_their_files_are_listed(app: App, bucket: Path) -> None:
    (bucket / "in").mkdir(exist_ok=True)
    (bucket / "in" / "a.csv").write_text(GOOD)
    assert "b" in app.ask("GET", "/sartor/v1/files").json["buckets"]
    found = app.ask("GET", "/sartor/v1/files?location=s3://b/in").json
    assert found == {"files": [{"uri": "s3://b/in/a.csv", "bytes": len(GOOD)}], "more": False}
    assert app.ask("GET", "/sartor/v1/files?location=s3://b/nothing").json["files"] == []
    for refused in ("s3://b/../x", "b", "s3://", "file:///etc/passwd"):
        answer = app.ask("GET", f"/sartor/v1/files?location={refused}")
        assert (answer.status, answer.json["message"]) == (400, "Invalid Data location.")


def test_the_first_rows_and_a_schema_are_told(app: App, bucket: Path) -> None:
    (bucket / "a.csv").write_text(GOOD)
    found = app.ask("GET", "/sartor/v1/files/rows?location=s3://b/a.csv&limit=1").json
    assert (found["columns"], found["rows"]) == (
        ["USER_ID", "ITEM_ID", "TIMESTAMP"],
        [["u1", "i1", "1700000000"]],
    )
    drafted = app.ask("GET", "/sartor/v1/files/schema?location=s3://b/a.csv").json
    assert [one["name"] for one in drafted["schema"]["fields"]] == found["columns"]
    assert app.ask("GET", "/sartor/v1/files/schema?location=s3://b/a.csv&domain=x").status == 400
    for path in ("rows", "schema"):
        assert app.ask("GET", f"/sartor/v1/files/{path}?location=s3://b/none.csv").status == 404
        assert app.ask("GET", f"/sartor/v1/files/{path}").status == 400


def test_a_check_shows_the_very_lines(app: App, bucket: Path) -> None:
    (bucket / "bad.csv").write_text(GOOD + "u3,i3,yesterday\n,i4,1700000002\n")
    report = check(app, "s3://b/bad.csv")
    assert report["verdict"] == "failed"
    lines = {place["line"]: place["text"] for fault in report["faults"] for place in fault["examples"]}
    assert lines == {4: "u3,i3,yesterday", 5: ",i4,1700000002"}
    (bucket / "good.csv").write_text(GOOD)
    assert check(app, "s3://b/good.csv")["verdict"] == "imported"


def test_of_a_large_file_whole_rows_of_its_beginning_are_looked_at(
    app: App, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header, quoted = "USER_ID,ITEM_ID,TIMESTAMP\n", '"u\n1",i1,1700000000\n'
    (bucket / "large.csv").write_text(header + quoted * 100)
    for more in range(4, len(quoted)):  # it ends anywhere in a row
        monkeypatch.setattr(files, "CHECKED_BYTES", len(header) + 3 * len(quoted) + more)
        report = check(app, "s3://b/large.csv")
        assert (report["verdict"], report["rowsRead"]) == ("imported", 3)
        assert report["checkedBytes"] == len(header) + 3 * len(quoted)
        assert report["ofBytes"] == len(header) + 100 * len(quoted)
    monkeypatch.setattr(files, "LOOKED_BYTES", len(header) + 2 * len(quoted))
    drafted = app.ask("GET", "/sartor/v1/files/schema?location=s3://b/large.csv").json
    assert drafted["notes"] == [f"Guessed from the first {len(header) + 2 * len(quoted)} bytes of the file."]
    monkeypatch.setattr(files, "_PACKED_BYTES", 10)
    (bucket / "packed.csv.gz").write_bytes(b"x" * 11)
    answer = app.ask("GET", "/sartor/v1/files/rows?location=s3://b/packed.csv.gz")
    assert "sartor validate" in answer.json["message"]


def slice_of(app: App, at: int, content: bytes, upload: str = UPLOAD) -> Answered:
    return app.ask("POST", f"/sartor/v1/uploads/slice?upload={upload}&at={at}", content)


def finish(app: App, size_bytes: int, name: str = "a.csv") -> Answered:
    body = json.dumps({"upload": UPLOAD, "name": name, "bytes": size_bytes}).encode()
    return app.ask("POST", "/sartor/v1/uploads/finish", body)


def test_slices_in_any_order_become_one_file_that_an_import_finds(app: App) -> None:
    slice_of(app, 0, b"forgotten, as the upload begins anew")
    for at in (0, 20, 10, 20):
        assert slice_of(app, at, GOOD[at : at + 10 if at < 20 else None].encode()).status == 200
    answer = finish(app, len(GOOD), "../..\\my <ratings>.csv")
    assert answer.status == 200, answer.body
    uri = answer.json["uri"]
    assert uri.startswith("s3://sartor-uploads/")
    assert uri.endswith("/my -ratings-.csv")
    assert check(app, uri)["rowsRead"] == 2
    assert finish(app, len(GOOD)).status == 400  # its slices are gone


def test_a_slice_that_is_missing_or_has_no_name_is_told(app: App) -> None:
    slice_of(app, 0, b"ab")
    slice_of(app, 5, b"fg")
    assert "2 came without a gap" in finish(app, 7).json["message"]
    for upload in ("", "../../x", "z" * 20):
        assert slice_of(app, 0, b"x", upload).status == 400
    assert slice_of(app, 0, b"").status == 400
    assert app.ask("GET", f"/sartor/v1/uploads/slice?upload={UPLOAD}").status == 404


@given(st.text('"\na,', max_size=40))
def test_a_beginning_ends_with_the_last_line_that_no_quoted_cell_goes_beyond(text: str) -> None:
    whole = [
        end for end in range(len(text) + 1) if text[:end].endswith("\n") and text.count('"', 0, end) % 2 == 0
    ]
    assert files._end_of_rows(text.encode()) == max(whole, default=0)


def test_a_quote_that_is_never_closed_before_millions_of_lines_holds_nobody() -> None:
    assert files._end_of_rows(b'a\n"' + b"\n" * files.CHECKED_BYTES) == 2
