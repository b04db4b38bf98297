"""CSV as an import reads it, packed or not."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import duckdb

from sartor.data import csv_lines, engine
from sartor.data.input_files import InputFile, Source, missing_columns
from sartor.data.schema import Schema
from sartor.errors import JobFailed

#: The rules of a line, by DuckDB's name for the fault.
_LINE_RULES: Final[Mapping[str, str]] = {
    "MISSING COLUMNS": "TOO_FEW_CELLS",
    "TOO MANY COLUMNS": "TOO_MANY_CELLS",
    "UNQUOTED VALUE": "BROKEN_QUOTES",
    "INVALID ENCODING": "INVALID_UTF8",
    "LINE SIZE OVER MAXIMUM": "LINE_TOO_LONG",
}


def csv_names(uri: str, size_bytes: int, read: Callable[[int, int], bytes]) -> list[str]:
    """Return a CSV file's column names from a few of its bytes, as ``formats.column_names`` does."""
    head = read(0, min(size_bytes, csv_lines.HEADER_BYTES))
    try:
        return csv_lines.header(csv_lines.decompress_head(head, csv_lines.compression(uri)))
    except ValueError as error:
        raise JobFailed(f"{uri} could not be read: {error}.") from error


class CsvSource(Source):
    """A CSV file, compressed or not."""

    def __init__(self, file: InputFile, schema: Schema, spool: Path) -> None:
        self.faults = []
        self.has_rows = False
        self.line_of_reject: dict[int, int] = {}
        self.path = file.path
        kind = csv_lines.compression(file.uri)
        try:
            if kind is not None:
                unpacked = spool.with_suffix(".unpacked")
                csv_lines.decompress(file.path, kind, unpacked)
                self.path = unpacked.replace(spool)
        except ValueError as error:
            self.faults.append(("UNREADABLE_FILE", "", str(error)))
            return
        self.dialect = csv_lines.dialect(self.path)
        self.backslashes = self.dialect.backslashes
        if self.dialect.needs_rewriting:
            rewritten = spool.with_suffix(".rewritten")
            csv_lines.rewrite(self.path, rewritten, self.dialect.quotes)
            self.path = rewritten.replace(spool)
        with self.path.open("rb") as opened:
            head = opened.read(csv_lines.HEADER_BYTES)
        names = csv_lines.header(head)
        missing = missing_columns(names, schema)
        if missing:
            self.faults.append(("MISSING_COLUMNS", ", ".join(missing), None))
            return
        self.has_rows = len(head.strip().splitlines()) > 1 or len(head) == csv_lines.HEADER_BYTES
        folded = [name.casefold() for name in names]
        self.texts = [f"c{folded.index(field.name.casefold())}" for field in schema.fields]
        columns = ", ".join(f"'c{at}': 'VARCHAR'" for at in range(len(names)))
        options = (
            "auto_detect = false, header = true, delim = ',', quote = '\"', "
            "escape = '\"', nullstr = '', allow_quoted_nulls = true, strict_mode = true, null_padding = false, "
            f"store_rejects = true, rejects_table = 'rejects', rejects_scan = 'reject_scans', rejects_limit = 0, "
            f"columns = {{{columns}}}"
        )
        self.scan = engine.csv([self.path], options)

    def rejects(self, connection: duckdb.DuckDBPyConnection) -> list[tuple[int, str, str]]:
        """Return the rows that DuckDB could not split into cells, by their place in the file."""
        rows = connection.execute(
            "SELECT line_byte_position, error_type::VARCHAR, csv_line FROM rejects ORDER BY line_byte_position"
        ).fetchall()
        found: dict[int, tuple[int, str, str]] = {}
        for place, kind, text in rows:
            offset = csv_lines.record_start(self.path, place)
            found.setdefault(offset, (offset, _LINE_RULES.get(kind, "INVALID_CSV"), text.strip("\r\n")))
        lines = csv_lines.lines_at(self.path, list(found))
        self.line_of_reject = dict(zip(found, lines, strict=True))
        return [(self.line_of_reject[offset], code, text) for offset, code, text in found.values()]

    def lines(self, ordinals: Sequence[int], records: int) -> Sequence[int]:
        """Return the lines of rows, past quoted line ends, blank lines and rejected rows."""
        return csv_lines.record_lines(
            self.path, ordinals, list(self.line_of_reject), records, self.dialect.quotes
        )
