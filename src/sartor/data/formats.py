"""The formats that an import reads, by the ending of a file's name."""

from collections.abc import Callable, Sequence

import duckdb

from sartor.data import csv_spans, parquet_footer, parquet_spans
from sartor.data.buckets import SourceFile
from sartor.data.csv_lines import HEADER_BYTES, MAXIMUM_COLUMNS
from sartor.data.csv_source import CsvSource, csv_names
from sartor.data.csv_spans import Span
from sartor.data.input_files import InputFile, Means, Source, repeated_columns
from sartor.data.parquet_source import ParquetSource, parquet_names
from sartor.data.parquet_spans import RowGroups
from sartor.data.ranges import Ranges, Read
from sartor.data.rules import RULES
from sartor.data.schema import Schema
from sartor.errors import JobFailed


def column_names(uri: str, size_bytes: int, read: Callable[[int, int], bytes]) -> list[str]:
    """Return a file's column names from a few of its bytes.

    Args:
        uri: its name; the ending tells its format.
        size_bytes: its size.
        read: returns bytes of it, by start and length.

    Raises:
        JobFailed: it is not of the format that its name says, has too many columns, or one twice.
    """
    names = (parquet_names if _is_parquet(uri) else csv_names)(uri, size_bytes, read)
    if len(names) > MAXIMUM_COLUMNS:
        raise JobFailed(f"{uri} has {len(names):,} columns; {MAXIMUM_COLUMNS:,} are allowed.")
    repeated = repeated_columns(names)
    if repeated:
        rule = RULES["REPEATED_COLUMN"].text.format(column=", ".join(repeated))
        raise JobFailed(f"{rule} ({uri})")
    return names


def source(file: InputFile, schema: Schema, connection: duckdb.DuckDBPyConnection, means: Means) -> Source:
    """Return a file as the check reads it.

    Args:
        file: the file.
        schema: the columns that it must have.
        connection: of the check.
        means: what a source works with.

    Raises:
        TooManyBytesError: it is larger, unpacked, than the job's files may be.
        JobFailed: the disk has no room for it.
    """
    if _is_parquet(file.uri):
        return ParquetSource(file, schema, connection, means)
    return CsvSource(file, schema, means)


def spans(file: InputFile, span_bytes: int) -> Sequence[Span | RowGroups]:
    """Return a file in spans of about so many bytes of text; none if it is small or must be read as a whole."""
    if _is_parquet(file.uri):
        return parquet_spans.spans(file, span_bytes)
    return csv_spans.spans(file, span_bytes)


def text_bytes(file: InputFile | SourceFile) -> int:
    """Return about how much text a file has, by the ending of its name: what it costs to check it."""
    return file.size_bytes * (parquet_spans.TEXT_BYTES if _is_parquet(file.uri) else 1)


def looked_at(uri: str, size_bytes: int, read: Read) -> Ranges:
    """Return which bytes of a large file tell its spans; none if it is read as a whole.

    Args:
        uri: its name; the ending tells its format.
        size_bytes: its size.
        read: returns bytes of it.
    """
    if not _is_parquet(uri):
        return [(0, HEADER_BYTES)]
    try:
        first, behind = parquet_footer.footer(size_bytes, read)
    except ValueError:  # whatever is wrong with it is told where it is read
        return []
    return [(first, behind)] if behind - first <= parquet_spans.FOOTER_BYTES else []


def _is_parquet(uri: str) -> bool:
    return uri.lower().endswith(".parquet")
