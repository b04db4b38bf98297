"""Parquet as an import reads it."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import duckdb

from sartor.data import engine
from sartor.data.input_files import InputFile, Source, missing_columns
from sartor.data.schema import Schema
from sartor.errors import JobFailed

#: How much memory DuckDB may use to read a footer.
_FOOTER_BYTES: Final = 2**28
#: The types that a Parquet column may have for each type of a schema.
_PARQUET_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "string": ("VARCHAR",),
    "int": ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"),
    "long": ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    "float": ("FLOAT", "DOUBLE", "DECIMAL", "TINYINT", "SMALLINT", "INTEGER", "BIGINT"),
    "double": ("FLOAT", "DOUBLE", "DECIMAL", "TINYINT", "SMALLINT", "INTEGER", "BIGINT"),
    "boolean": ("BOOLEAN",),
}


def parquet_names(uri: str, size_bytes: int, read: Callable[[int, int], bytes]) -> list[str]:
    """Return a Parquet file's column names from its footer alone, as ``formats.column_names`` does."""
    tail = read(max(0, size_bytes - 8), 8)
    length = int.from_bytes(tail[:4], "little") + 8
    if tail[4:] != b"PAR1" or length > size_bytes:
        raise JobFailed(f"{uri} could not be read: it is not a Parquet file.")
    with tempfile.NamedTemporaryFile(suffix=".parquet") as sparse:
        sparse.write(b"PAR1")
        sparse.seek(size_bytes - length)
        sparse.write(read(size_bytes - length, length))
        sparse.flush()
        try:
            rows = _described(engine.parquet([sparse.name]))
        except duckdb.Error as error:
            raise JobFailed(f"{uri} could not be read: {str(error).splitlines()[0]}") from error
    return [name for name, *_ in rows]


def _described(scan: str) -> list[tuple[Any, ...]]:
    """Return name, type and more of each column."""
    with engine.connect(_FOOTER_BYTES) as connection:
        return connection.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()


class ParquetSource(Source):
    """A Parquet file; a row's line is its number, from 1."""

    def __init__(self, file: InputFile, schema: Schema) -> None:
        self.faults = []
        self.has_rows = True
        self.scan = engine.parquet([file.path])
        try:
            described = _described(self.scan)
        except duckdb.Error as error:
            self.faults.append(("UNREADABLE_FILE", "", str(error).splitlines()[0]))
            return
        types = {name.casefold(): (name, kind) for name, kind, *_ in described}
        missing = missing_columns([name for name, *_ in described], schema)
        if missing:
            self.faults.append(("MISSING_COLUMNS", ", ".join(missing), None))
            return
        self.texts = []
        for field in schema.fields:
            name, kind = types[field.name.casefold()]
            if kind.partition("(")[0] not in _PARQUET_TYPES[field.type]:
                self.faults.append(("WRONG_TYPE", field.name, kind))
            quoted = name.replace('"', '""')
            self.texts.append(f"nullif(\"{quoted}\"::VARCHAR, '')")

    def rejects(self, connection: duckdb.DuckDBPyConnection) -> list[tuple[int, str, str]]:
        """Every row of a Parquet file is one."""
        return []

    def lines(self, ordinals: Sequence[int], records: int) -> Sequence[int]:
        """Return the numbers from 1."""
        return [ordinal + 1 for ordinal in ordinals]
