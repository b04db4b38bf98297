"""The files of an import, as the check reads them whatever their format."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from sartor.data.schema import Schema


@dataclass(frozen=True)
class InputFile:
    """A local file to import.

    Attributes:
        path: where it lies.
        uri: what the user calls it; its ending tells its format.
        size_bytes: its size.
    """

    path: Path
    uri: str
    size_bytes: int


class Source:
    """One file as DuckDB reads it.

    Attributes:
        faults: what is wrong with the whole file: rule, column and value.
        has_rows: whether there is anything behind its header.
        backslashes: whether a cell may have one.
        scan: the FROM of its rows.
        texts: the SQL of each field's text.
    """

    faults: list[tuple[str, str, str | None]]
    has_rows: bool
    backslashes: bool = True
    scan: str
    texts: list[str]

    def rejects(self, connection: duckdb.DuckDBPyConnection) -> list[tuple[int, str, str]]:
        """Return the rows that are no rows: line, rule and text."""
        raise NotImplementedError

    def lines(self, ordinals: Sequence[int], records: int) -> Sequence[int]:
        """Return the lines of rows by their number in the part; ``records`` is how many rows the file has."""
        raise NotImplementedError


def missing_columns(names: Sequence[str], schema: Schema) -> list[str]:
    """Return the schema's columns that a header does not have; case does not count."""
    there = {name.casefold() for name in names}
    return [field.name for field in schema.fields if field.name.casefold() not in there]
