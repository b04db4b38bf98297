"""CSV as an import reads it, packed or not."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from sartor.data import csv_lines, csv_records, engine, headers
from sartor.data.input_files import InputFile, Means, Rejected, Source, repeated_columns
from sartor.data.rules import LINE_BYTES
from sartor.data.schema import Schema
from sartor.errors import JobFailed

#: How much of a broken line a report shows.
_SHOWN_BYTES: Final = 1_000
#: How long a line DuckDB takes: what is longer was found before.
_DUCKDB_LINE_BYTES: Final = LINE_BYTES + 1_000


def csv_names(uri: str, size_bytes: int, read: Callable[[int, int], bytes]) -> list[str]:
    """Return a CSV file's column names from a few of its bytes, as ``formats.column_names`` does."""
    head = read(0, min(size_bytes, csv_lines.HEADER_BYTES))
    try:
        return csv_lines.header(csv_lines.decompress_head(head, csv_lines.compression(uri)))
    except ValueError as error:
        raise JobFailed(f"{uri} could not be read: {error}.") from error


class CsvSource(Source):
    """A CSV file, compressed or not."""

    def __init__(self, file: InputFile, schema: Schema, means: Means) -> None:
        self.faults = []
        self.has_rows = False
        self._file = file
        self._means = means
        self._is_mended = self._a_row_a_line = False
        try:
            self._path, dialect = self._readable()
            self.faults += [("LINE_TOO_LONG", "", line, None) for line in dialect.long_lines]
            if self.faults:
                return
            with self._path.open("rb") as opened:
                head = opened.read(csv_lines.HEADER_BYTES)
            names = csv_lines.header(head)
        except ValueError as error:
            self.faults.append(("UNREADABLE_FILE", "", None, str(error)))
            return
        self._records = dialect.lines - 1
        self.quotes = dialect.quotes
        self._cells = len(names)
        missing = headers.missing_columns(names, schema)
        if len(names) > csv_lines.MAXIMUM_COLUMNS:
            limit = f"{csv_lines.MAXIMUM_COLUMNS:,}"
            self.faults.append(("TOO_MANY_COLUMNS", limit, None, f"{len(names)}"))
        elif repeated_columns(names):
            self.faults.append(("REPEATED_COLUMN", ", ".join(repeated_columns(names)), None, None))
        elif missing:
            self.faults.append(
                ("MISSING_COLUMNS", ", ".join(missing), None, headers.in_words(names, missing))
            )
        if self.faults:
            return
        self.has_rows = len(head.strip().splitlines()) > 1 or len(head) == csv_lines.HEADER_BYTES
        folded = [name.casefold() for name in names]
        self.texts = [f"c{folded.index(field.name.casefold())}" for field in schema.fields]
        columns = ", ".join(f"'c{at}': 'VARCHAR'" for at in range(len(names)))
        self._options = (
            "auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"', nullstr = '', "
            "allow_quoted_nulls = true, strict_mode = true, null_padding = false, "
            f"max_line_size = {_DUCKDB_LINE_BYTES}, columns = {{{columns}}}"
        )
        self.scan = engine.csv([self._path], self._options)

    def _readable(self) -> tuple[Path, csv_lines.Dialect]:
        """Return the file as RFC 4180, which is a copy if the file itself is something else.

        Raises:
            ValueError: it is damaged.
        """
        kind, path, spool = csv_lines.compression(self._file.uri), self._file.path, self._means.spool
        look = csv_lines.Look()
        content = self._heard("looking" if kind is None else "unpacking", csv_lines.pieces(path, kind), look)
        if kind is None:
            for _ in content:
                pass
        else:
            self._write(content, spool)
            path = spool
        dialect = self.dialect = look.dialect()
        if dialect.needs_rewriting:
            beside, look = spool.with_suffix(".rewritten"), csv_lines.Look()
            whole = csv_lines.rewritten(csv_lines.pieces(path, None))
            self._write(self._heard("rewriting", whole, look), beside)
            path = beside.replace(spool)
            return path, look.dialect()
        return path, dialect

    def _heard(self, phase: str, content: Iterable[bytes], look: csv_lines.Look) -> Iterator[bytes]:
        """Look at content that passes, and say so."""
        for piece in content:
            self._means.heard(phase, len(piece))
            if phase != "rewriting":
                self._means.room.read(len(piece))
            look.at(piece)
            yield piece

    def _write(self, content: Iterable[bytes], place: Path) -> None:
        with place.open("wb") as target:
            for piece in content:
                self._means.room.write(len(piece), self._file.uri)
                target.write(piece)

    def missed(self, accepted: int) -> int:
        """Return how many rows there are beyond those that were read; none may be lost without a word.

        The file is counted again where its lines do not say how many rows it has.
        """
        self._a_row_a_line = accepted == self._records
        if self._a_row_a_line:
            return 0
        return abs(sum(len(some.lines) for some in self._every_record()) - accepted)

    def mended(self, most: int) -> tuple[str, int, Mapping[str, Rejected]]:
        """Return the FROM of a copy without the rows that cannot be split into cells, its rows, and those by rule."""
        self._is_mended = True
        rows = 0
        counts = dict.fromkeys(csv_records.FAULTS[1:], 0)
        places: dict[str, list[tuple[int, int]]] = {code: [] for code in counts}
        copy = self._means.spool.with_suffix(".mended")
        with self._path.open("rb") as file, copy.open("wb") as target:
            for some in self._every_record():
                if not target.tell():
                    target.write(file.read(some.offsets[0]))  # the header
                for number, code in enumerate(csv_records.FAULTS[1:], 1):
                    broken = some.faults == number
                    counts[code] += int(broken.sum())
                    left = most - len(places[code])
                    offsets, lines = some.offsets[broken][:left].tolist(), some.lines[broken][:left].tolist()
                    places[code] += zip(offsets, lines, strict=True)
                file.seek(some.offsets[0])
                text = np.frombuffer(file.read(some.end - some.offsets[0]), np.uint8)
                rows += int((some.faults == 0).sum())
                kept = np.repeat(some.faults == 0, np.diff(some.offsets, append=some.end))
                self._means.room.write(len(text), self._file.uri)
                target.write(text[kept].tobytes())
        found = {code: Rejected(count, self._texts(places[code])) for code, count in counts.items() if count}
        return engine.csv([copy], self._options), rows, found

    def lines(self, ordinals: Sequence[int]) -> Sequence[int | None]:
        """Return the lines of rows, past quoted line ends, blank lines and rejected rows."""
        if self._a_row_a_line:
            return [ordinal + 2 for ordinal in ordinals]
        return csv_records.lines_of(self._every_record(), ordinals, not self._is_mended)

    def _every_record(self) -> Iterator[csv_records.Records]:
        return csv_records.records(self._path, self._cells, partial(self._means.heard, "finding lines"))

    def _texts(self, places: Iterable[tuple[int, int]]) -> list[tuple[int | None, str]]:
        """Return line and text of records by their offset and line."""
        found: list[tuple[int | None, str]] = []
        with self._path.open("rb") as file:
            for offset, line in places:
                file.seek(offset)
                text = file.readline(_SHOWN_BYTES).decode("utf-8", "replace")
                found.append((line, text.strip("\r\n")))
        return found
