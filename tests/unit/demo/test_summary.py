"""The demo's tables say what is in the data, in words and numbers that a person reads."""

from pathlib import Path
from typing import Any

import duckdb

from sartor.demo import data, summary


def test_the_contents_are_counted_and_sampled(tmp_path: Path) -> None:
    def query_of(path: Path) -> summary.Query:
        def query(select: str) -> list[tuple[Any, ...]]:
            with duckdb.connect() as connection:
                connection.execute(f"CREATE VIEW data AS FROM read_csv('{path}')")
                return connection.execute(select).fetchall()

        return query

    files = data.write(data.shop(5000), tmp_path)
    shown = summary.contents({file.dataset_type: query_of(file.path) for file in files})
    assert "5,000" in shown
    assert "125, of them 125 with interactions" in shown
    assert "Jan 2025" in shown
    assert "View 7" in shown  # per cent
    assert "i1000000" in shown
    assert "u1000000" in shown


def test_an_import_shows_its_rates() -> None:
    report = {"rowsRead": 3_000_000, "rowsImported": 3_000_000, "bytesRead": 120_000_000, "seconds": 1.5}
    shown = summary.imports({"Items": report})
    for number in ("3,000,000", "120.0", "1.50", "2,000,000", "80"):
        assert number in shown


def test_a_refusal_shows_the_reason_and_where_each_rule_was_broken_first() -> None:
    fault = {
        "code": "not-a-number",
        "column": "TIMESTAMP",
        "count": 7,
        "rule": "must be a whole number",
        "examples": [{"file": "s3://demo/x.csv", "line": 101, "value": "yesterday [sic]"}],
    }
    whole_file = {
        "code": "empty",
        "column": None,
        "count": 1,
        "rule": "must have rows",
        "examples": [{"file": "f"}],
    }
    report = {"rowsRead": 2000, "rowsRejected": 7, "faults": [fault, whole_file]}
    shown = summary.refusal("Input csv is [broken].", report)
    for text in (
        "Input csv is [broken].",
        "must be a whole number",
        "line 101: 'yesterday [sic]'",
        "must have rows",
    ):
        assert text in shown
