"""Parquet as an import reads it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import duckdb

from sartor.data import engine, headers, parquet_footer
from sartor.data.csv_lines import MAXIMUM_COLUMNS
from sartor.data.input_files import InputFile, Means, Source, repeated_columns
from sartor.data.parquet_footer import read_from
from sartor.data.rules import is_id
from sartor.data.schema import Schema
from sartor.errors import JobFailed

#: A footer takes several times its size in memory; so small a share of the job's may one be.
_SHARE_OF_FOOTER: Final = 16
_WHOLE: Final = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
)
_DECIMAL: Final = ("FLOAT", "DOUBLE", "DECIMAL")
#: The types that a Parquet column may have for each type of a schema.
_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "string": ("VARCHAR",),
    "int": (*_WHOLE, *_DECIMAL),  # where a column has gaps, pandas makes decimals of its whole numbers
    "long": (*_WHOLE, *_DECIMAL),
    "float": (*_DECIMAL, "TINYINT", "SMALLINT", "INTEGER", "BIGINT"),
    "double": (*_DECIMAL, "TINYINT", "SMALLINT", "INTEGER", "BIGINT"),
    "boolean": ("BOOLEAN",),
}


def parquet_names(uri: str, size_bytes: int, read: Callable[[int, int], bytes]) -> list[str]:
    """Return a Parquet file's column names from its footer alone, as ``formats.column_names`` does."""
    try:
        return parquet_footer.column_names(size_bytes, read)
    except ValueError as error:
        raise JobFailed(f"{uri} could not be read: {error}.") from error


class ParquetSource(Source):
    """A Parquet file; a row's line is its number, from 1."""

    def __init__(
        self, file: InputFile, schema: Schema, connection: duckdb.DuckDBPyConnection, means: Means
    ) -> None:
        self.faults = []
        self.has_rows = True
        self._first_row = 0 if file.rows is None else file.rows.first
        self.scan = (
            engine.parquet([file.path]) if file.rows is None else engine.parquet_rows(file.path, *file.rows)
        )
        means.heard("looking", 0)
        means.room.read(file.size_bytes)
        try:
            described = _described(file.path, connection, means.memory_bytes // _SHARE_OF_FOOTER, self.scan)
        except (ValueError, duckdb.Error) as error:
            self.faults.append(("UNREADABLE_FILE", "", None, engine.said(error)))
            return
        types = {name.casefold(): (name, kind) for name, kind in described}
        names = [name for name, _ in described]
        missing = headers.missing_columns(names, schema)
        if len(described) > MAXIMUM_COLUMNS:
            self.faults.append(("TOO_MANY_COLUMNS", f"{MAXIMUM_COLUMNS:,}", None, f"{len(described)}"))
            return
        size_bytes = file.path.stat().st_size
        repeated = repeated_columns(parquet_footer.column_names(size_bytes, read_from(file.path)))
        if repeated:
            self.faults.append(("REPEATED_COLUMN", ", ".join(repeated), None, None))
            return
        if missing:
            self.faults.append(
                ("MISSING_COLUMNS", ", ".join(missing), None, headers.in_words(names, missing))
            )
            return
        self.texts, self.integer_ids = [], []
        for field in schema.fields:
            name, kind = types[field.name.casefold()]
            kind = kind.partition("(")[0]
            if is_id(field, schema) and kind in _WHOLE:
                self.integer_ids.append(field.name)
            elif kind not in _TYPES[field.type]:
                self.faults.append(("WRONG_TYPE", field.name, None, kind))
            quoted = name.replace('"', '""')
            self.texts.append(f"nullif(\"{quoted}\"::VARCHAR, '')")

    def lines(self, ordinals: Sequence[int]) -> Sequence[int | None]:
        """Return the numbers in the file, from 1."""
        return [self._first_row + ordinal + 1 for ordinal in ordinals]


def _described(
    path: Path, connection: duckdb.DuckDBPyConnection, maximum_bytes: int, scan: str
) -> list[tuple[str, str]]:
    """Return name and type of each column.

    Raises:
        ValueError: it is no Parquet file, or its footer is larger than so many bytes.
        duckdb.Error: its footer is damaged.
    """
    read = read_from(path)
    size = path.stat().st_size
    length = parquet_footer.footer_bytes(size, read)
    if length > maximum_bytes:
        raise ValueError(f"its footer has {length:,} bytes; {maximum_bytes:,} are allowed")
    names = parquet_footer.column_names(size, read)
    if len(names) > MAXIMUM_COLUMNS:
        return [(name, "") for name in names]
    rows = connection.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()
    return [(name, kind) for name, kind, *_ in rows]
