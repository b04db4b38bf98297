"""The formats that an import reads, by the ending of a file's name."""

from collections.abc import Callable
from pathlib import Path

from sartor.data.csv_source import CsvSource, csv_names
from sartor.data.input_files import InputFile, Source
from sartor.data.parquet_source import ParquetSource, parquet_names
from sartor.data.schema import Schema


def column_names(uri: str, size_bytes: int, read: Callable[[int, int], bytes]) -> list[str]:
    """Return a file's column names from a few of its bytes.

    Args:
        uri: its name; the ending tells its format.
        size_bytes: its size.
        read: returns bytes of it, by start and length.

    Raises:
        JobFailed: it is not of the format that its name says.
    """
    names = parquet_names if _is_parquet(uri) else csv_names
    return names(uri, size_bytes, read)


def source(file: InputFile, schema: Schema, spool: Path) -> Source:
    """Return a file as the check reads it.

    Args:
        file: the file.
        schema: the columns that it must have.
        spool: where a copy of it may lie that is easier to read.
    """
    return ParquetSource(file, schema) if _is_parquet(file.uri) else CsvSource(file, schema, spool)


def _is_parquet(uri: str) -> bool:
    return uri.lower().endswith(".parquet")
