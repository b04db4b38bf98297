"""An export is a file that reads the same for everybody, and imports as it was."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sartor.data import check, engine
from sartor.data.check import JobRules
from sartor.data.dataset import DatasetRecords, Facts, Shown, Store
from sartor.data.export import write_csv
from sartor.data.input_files import InputFile
from sartor.data.schema import Schema, parse

Row = tuple[str, str | None, str | None]
FIELDS = '[{"name": "ITEM_ID", "type": "string"}, {"name": "A", "type": ["null", "string"]}, '
ITEMS = parse(
    f'{{"type": "record", "name": "Items", "fields": {FIELDS}{{"name": "B", "type": ["null", "string"]}}]}}'
)
HEADER = "ITEM_ID,A,B\n"
#: What of a cell says that it must be quoted.
SPECIAL = re.compile(r'[",\r\n]|\A[\0- ]|[\0- ]\Z')


@dataclass
class Rows:
    """Rows as an export asks for them."""

    rows: Sequence[Row]
    schema: Schema = ITEMS
    memory_bytes: int = 200_000_000
    unquoted: bool = False

    @contextmanager
    def connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with duckdb.connect(config={"threads": 1}) as connection:
            connection.execute('CREATE TABLE data ("ITEM_ID" VARCHAR, "A" VARCHAR, "B" VARCHAR)')
            if self.rows:
                connection.executemany("INSERT INTO data VALUES (?, ?, ?)", list(self.rows))
            yield connection

    @contextmanager
    def shown(self, _connection: duckdb.DuckDBPyConnection, _store: Store, outlined: bool) -> Iterator[Shown]:
        yield Shown(Facts(len(self.rows), True, self.unquoted), [], "SELECT * FROM data")


def exported(rows: Sequence[Row], folder: Path, unquoted: bool = False) -> Path:
    folder.mkdir()
    (file,) = write_csv(cast("DatasetRecords", Rows(rows, unquoted=unquoted)), "ALL", folder)
    return file


def imported(file: Path, folder: Path) -> list[Row]:
    folder.mkdir()
    result = check.read_and_check(
        [InputFile(file, "s3://b/x.csv", file.stat().st_size)],
        ITEMS,
        folder,
        "0",
        scratch=folder,
        job=JobRules(0, None),
        memory_bytes=200_000_000,
        progress=lambda _: None,
        stop=lambda: False,
    )
    assert result.report.faults == ()
    found = duckdb.execute(
        "SELECT ITEM_ID, A, B FROM read_parquet(?, file_row_number = true) ORDER BY file_row_number",
        [[str(part.path) for part in result.parts]],
    )
    return cast("list[Row]", found.fetchall())


def by_hand(cell: str | None) -> str:
    """Return a cell as the file must have it."""
    if not cell or not SPECIAL.search(cell):
        return cell or ""
    return '"' + cell.replace("\\", "\\\\").replace('"', '""') + '"'


def reads_everywhere(cell: str | None) -> bool:
    return not (cell and "\\" in cell and SPECIAL.search(cell))


any_text = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=9)
odd_text = st.text(st.sampled_from('\\",\n\r a\t#|'), min_size=1, max_size=6)
cell = st.none() | any_text | odd_text


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(any_text | odd_text, cell, cell), min_size=1, max_size=6))
@example(rows=[("C:\\new", "two words", '12" pipe'), ("#1", "\ufeffx", "\u00a0"), ("a\\,b", " \u0301", "é ")])
@example(
    rows=[("\\", '\\"', "\\\\"), ("'", "a\rb", "\x1f"), ("NULL", None, None), ("\ufeff", "x\u2028", "0")]
)
def test_any_cell_is_quoted_only_if_it_must_be_and_reads_the_same_everywhere(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row]
) -> None:
    folder = tmp_path_factory.mktemp("export")
    file = exported(rows, folder / "once")
    content = file.read_bytes()
    lines = "".join(f"{','.join(by_hand(one) for one in row)}\n" for row in rows)
    assert content.decode() == HEADER + lines
    # pandas reads as Python does
    _, *read = csv.reader(io.StringIO(content.decode(), newline=""))
    options = "auto_detect = false, header = true, quote = '\"', escape = '\"', nullstr = '', allow_quoted_nulls = true"
    columns = "columns = {'a': 'VARCHAR', 'b': 'VARCHAR', 'c': 'VARCHAR'}, parallel = false"
    theirs = duckdb.execute(f"FROM {engine.csv([file], f'{options}, {columns}')}").fetchall()
    for row, python, duck in zip(rows, read, theirs, strict=True):
        for one, found, found_too in zip(row, python, duck, strict=True):
            if reads_everywhere(one):
                assert (found or None, found_too) == (one, one)
    again = imported(file, folder / "parts")
    assert again == rows
    assert exported(again, folder / "twice").read_bytes() == content
    inside = re.compile(r'[",\r\n]')
    if not any(inside.search(one) for row in rows for one in row if one):
        assert exported(rows, folder / "known", unquoted=True).read_bytes() == content


def test_an_export_without_rows_is_its_header(tmp_path: Path) -> None:
    assert exported([], tmp_path / "out").read_text() == HEADER


def test_an_empty_text_is_an_empty_cell(tmp_path: Path) -> None:
    assert exported([("i", "", None)], tmp_path / "out").read_text() == HEADER + "i,,\n"
