"""What of an import is checked at a time, perhaps beside others: some files, or a span of a large one.

One pass of DuckDB reads, casts, checks and writes a file. Every column is read as text, because DuckDB's own
casts take more than the service does. A row that breaks a rule leaves its texts, as JSON, in the column ``FAULT`` of
its part; a file without broken rows has nothing but nulls there, which the writer's own statistics tell for free. A few
cells of a number's column may be bad: then the rule is a warning, and the row stays with its texts beside it.
"""

import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb

from sartor.data import csv_spans, engine, formats, parts
from sartor.data.cells import FAULT, Columns, cut_column
from sartor.data.csv_lines import Dialect
from sartor.data.csv_records import FAULTS
from sartor.data.csv_spans import Cut, Span
from sartor.data.engine import ROW
from sartor.data.input_files import InputFile, Means, Rejected, Room, Source, TooManyBytesError
from sartor.data.machines import require_folders, scratch_here
from sartor.data.parquet_spans import RowGroups
from sartor.data.parts import UNQUOTED, Part
from sartor.data.report import EXAMPLES, REJECTS, Place, ReadFile
from sartor.data.rules import MILLISECONDS_FROM, is_time
from sartor.data.schema import Schema
from sartor.errors import Stopped

#: Dictionaries are for columns of few values: looking for one among ids costs a tenth of the time, and gains no space.
_PARQUET: Final = (
    "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARQUET_VERSION v2, RETURN_STATS, "
    "ROW_GROUP_SIZE 122880, DICTIONARY_SIZE_LIMIT 500"
)
_NOTED: Final = f"{_PARQUET}, KV_METADATA {{'{UNQUOTED[0]}': '{UNQUOTED[1]}'}}"
_PROGRESS_SECONDS: Final = 0.2

#: What a piece says while it works: what it does, the rows and the bytes that it has read.
Said = tuple[str, int, int]


@dataclass(frozen=True)
class Reach:
    """What all pieces of a job share.

    Attributes:
        schema: the columns and their rules.
        folder: where parts are written.
        part_name: of the parts, with a place for their number.
        scratch: where copies and what DuckDB spills lie meanwhile.
        memory_bytes: how much DuckDB may use.
        threads: how many threads it may use; as many as there are, if ``None``.
        maximum_bytes: how much the job's files may be, unpacked.
    """

    schema: Schema
    folder: Path
    part_name: str
    scratch: Path
    memory_bytes: int
    threads: int | None
    maximum_bytes: int | None


@dataclass(frozen=True)
class Piece:
    """What is checked at a time.

    Attributes:
        files: the files, which follow each other.
        number: of the first one's part; the parts of a job are in the order of their numbers.
        span: what is read of the one file, if not all.
        bytes_before: how much the job's files before these are, unpacked, as far as it is known.
    """

    files: tuple[InputFile, ...]
    number: int
    span: Span | RowGroups | None = None
    bytes_before: int = 0


@dataclass(frozen=True)
class Note:
    """What is said of one rule of one column in one file, or a span of it.

    Attributes:
        turn: the notes of a file are in this order.
        code: the rule's.
        column: the column, or what a rule of a file names.
        count: how often it is broken.
        places: the first of them.
        most: how many places of it a report keeps.
    """

    turn: tuple[int, int]
    code: str
    column: str
    count: int
    places: Sequence[Place]
    most: int = REJECTS


@dataclass
class Found:
    """What was found in one file, or a span of it.

    Attributes:
        file: how large it is, and how many rows it has.
        parts: what was written.
        notes: what is wrong with it.
        rejected: how many rows could not be split into cells.
        bad_rows: how many rows have bad cells, by whether one of them fails the job for sure, and the columns.
        read_bytes: how much was read, unpacked.
        whole: whether all that was noted is noted of rows.
        dialect: of a CSV file.
        cut: of a span of a CSV file.
    """

    file: ReadFile
    parts: list[Part] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    rejected: int = 0
    bad_rows: Counter[tuple[bool, frozenset[str]]] = field(default_factory=Counter)
    read_bytes: int = 0
    whole: bool = True
    dialect: Dialect | None = None
    cut: Cut | None = None


class TooMuch(NamedTuple):
    """How many bytes had been read when they were too many."""

    read_bytes: int


def check_piece(reach: Reach, piece: Piece, heard: Callable[[Any], None]) -> list[Found | TooMuch]:
    """Check the files of a piece, one after the other; what was found ends where there is too much.

    Raises:
        JobFailed: the disk has no room for a file that is unpacked.
        Stopped: ``heard`` raised it.
        Unavailable: this machine does not see the files.
        OSError: the disk is full or fails.
    """
    found: list[Found | TooMuch] = []
    require_folders([reach.folder, *(file.path.parent for file in piece.files)])
    reach = replace(reach, scratch=scratch_here(reach.scratch))
    # a span's file is as large as its size says, which was looked at before
    maximum_bytes = reach.maximum_bytes if piece.span is None else None
    room = Room(reach.scratch, maximum_bytes, piece.bytes_before)
    say = _Saying(heard)
    connection: duckdb.DuckDBPyConnection | None = None
    with ExitStack() as opened:
        for number, file in enumerate(piece.files, piece.number):
            if connection is None:
                connection = opened.enter_context(
                    engine.connect(reach.memory_bytes, reach.scratch, reach.threads)
                )
            one = _File(reach, file, number, connection, room, say)
            before = room.read_bytes
            try:
                one.check(piece.span)
            except TooManyBytesError as error:
                return [*found, TooMuch(int(error.args[0]))]
            except duckdb.Error as error:  # whatever it is, the file brought it about
                one.is_unreadable(engine.said(error))
                connection = None  # a file may have broken it for the others
                opened.close()
            one.found.read_bytes = room.read_bytes - before if piece.span is None else piece.span.size_bytes
            say.has(one.found.file)
            found.append(one.found)
    return found


class _Saying:
    """Says how far a piece is, some times a second, from whichever thread."""

    def __init__(self, heard: Callable[[Any], None]) -> None:
        self._heard = heard
        self._rows = self._bytes = 0
        self._said = 0.0

    def keep_on(self) -> None:
        """Raise ``Stopped`` if the piece must stop."""
        self._heard(None)

    def has(self, file: ReadFile) -> None:
        """Count a file that is done."""
        self._rows += file.rows
        self._bytes += file.size_bytes

    def say(self, phase: str, rows: int, size_bytes: int) -> None:
        """Say how far the present file is, or nothing if that was said just now."""
        now = time.monotonic()
        due = now - self._said >= _PROGRESS_SECONDS
        self._said = now if due else self._said
        self._heard((phase, self._rows + rows, self._bytes + size_bytes) if due else None)


class _File:
    """The check of one file, or of a span of it."""

    def __init__(
        self,
        reach: Reach,
        file: InputFile,
        number: int,
        connection: duckdb.DuckDBPyConnection,
        room: Room,
        say: _Saying,
    ) -> None:
        self._reach = reach
        self._schema = reach.schema
        self._file = file
        self._number = number
        self._connection = connection
        self._room = room
        self._say = say
        self.found = Found(ReadFile(file.uri, file.size_bytes, 0))

    def check(self, span: Span | RowGroups | None) -> None:
        """Check what is to be read.

        Raises:
            TooManyBytesError: the job's files are too large.
            duckdb.Error: the file is of no use.
        """
        with tempfile.TemporaryDirectory(prefix="file-", dir=self._reach.scratch) as folder:
            file = self._file if span is None else self._cut(span, Path(folder) / "span")
            if file is None:
                return
            with _Watch(self._connection, self._say, file):
                means = Means(Path(folder) / "text", self._room, self._reach.memory_bytes, self._heard)
                source = formats.source(file, self._schema, self._connection, means)
                self.found.dialect = source.dialect
                for code, column, line, value in source.faults:
                    self._note_file(code, column, line, value)
                if not source.faults and source.has_rows:
                    self._copy(source)

    def is_unreadable(self, why: str) -> None:
        """Note that DuckDB cannot read the file."""
        self.found.parts = []
        self.found.file = ReadFile(self._file.uri, self._file.size_bytes, 0)
        self._note_file("UNREADABLE_FILE", "", None, why)

    def _note_file(self, code: str, column: str, line: int | None, value: str | None, count: int = 1) -> None:
        """Note what is wrong with the whole file."""
        self.found.whole = False
        self._note((0, 0), code, column, count, [Place(self._file.uri, line, value)])

    def _note(
        self,
        turn: tuple[int, int],
        code: str,
        column: str,
        count: int,
        places: Sequence[Place],
        most: int = REJECTS,
    ) -> None:
        self.found.notes.append(Note(turn, code, column, count, tuple(places), most))

    def _cut(self, span: Span | RowGroups, target: Path) -> InputFile | None:
        """Return the records of a span as a file, if it is one that can be cut out."""
        if isinstance(span, RowGroups):
            return span.of(self._file)
        self.found.cut = cut = csv_spans.cut(self._file.path, span, target)
        return InputFile(target, self._file.uri, target.stat().st_size) if cut.clear else None

    def _heard(self, phase: str, _: int) -> None:
        """Say what goes on; stop if that is wanted."""
        self._say.say(phase, 0, 0)

    def _copy(self, source: Source) -> None:
        """Write the part of the file and note its broken rows."""
        uri = self._file.uri
        path = self._reach.folder / f"{self._reach.part_name.format(self._number)}-{time.time_ns():x}.parquet"
        columns, options = Columns(self._schema, source), _PARQUET if source.quotes else _NOTED
        try:
            (row,) = self._execute(engine.copy(columns.select(source.scan), path, options))
            missed, fault = source.missed(row[1]), None
        except duckdb.Error as error:
            missed, fault = 0, error
        if fault is not None or missed:
            mended = source.mended(REJECTS)
            if mended is not None:
                row = self._copy_mended(mended, columns, path, options)
            elif fault is not None:
                path.unlink(missing_ok=True)
                raise fault
            else:
                self._note_file("INVALID_CSV", "", None, None, missed)
        _, accepted, size, _, statistics, *_ = row
        of_part = parts.statistics(accepted, statistics, self._schema)
        self.found.parts = [Part(path, accepted, size, of_part)]
        self.found.file = ReadFile(uri, self._file.size_bytes, accepted + self.found.rejected)
        if accepted and accepted != int(statistics[f'"{FAULT}"']["null_count"]):
            self._collect(columns, source, path)
        self._warn(source, path, statistics, accepted)

    def _copy_mended(
        self,
        mended: tuple[str, int, Mapping[str, Rejected]],
        columns: Columns,
        path: Path,
        options: str,
    ) -> Any:
        """Write the part of those rows of the file that are any, note the others, and return what was written."""
        scan, wanted, found = mended
        path.unlink(missing_ok=True)
        for code, rows in found.items():
            places = [Place(self._file.uri, line, text) for line, text in rows.places]
            self._note((1, FAULTS.index(code)), code, "", rows.count, places)
            self.found.rejected += rows.count
        (row,) = self._execute(engine.copy(columns.select(scan), path, options))
        if row[1] != wanted:  # none may be lost without a word
            self._note_file("INVALID_CSV", "", None, None, abs(wanted - row[1]))
        return row

    def _execute(self, sql: str) -> list[Any]:
        """Run one statement, naming what can go wrong."""
        try:
            return self._connection.execute(sql).fetchall()
        except duckdb.InterruptException as error:
            raise Stopped from error
        except duckdb.IOException as error:
            if "No space left" in str(error):
                raise OSError(28, "No space left on device") from error
            raise

    def _collect(self, columns: Columns, source: Source, path: Path) -> None:
        """Note the broken rows of a part, with their lines."""
        names = [one.name for one in self._schema.fields]
        self._execute(
            f'CREATE OR REPLACE TEMP TABLE broken AS SELECT n, {columns.texts} FROM (SELECT "{ROW}" AS n, '
            f'from_json("{FAULT}", \'["VARCHAR"]\') AS texts FROM {engine.placed([path], names)} '
            f'WHERE "{FAULT}" IS NOT NULL)'
        )
        found: list[tuple[int, str, str, int, list[tuple[int, str | None]]]] = []
        for at, (column, raw, code, condition) in enumerate(columns.conditions):
            ((count,),) = self._execute(f"SELECT count(*) FROM broken WHERE {condition}")
            if count:
                sql = f"SELECT n, {raw} FROM broken WHERE {condition} ORDER BY n LIMIT {REJECTS}"
                found.append((at, code, column, count, self._execute(sql)))
        for strict, marks, count in self._execute(columns.counted("broken")):
            names = [name for name, mark in zip(columns.tolerated, marks, strict=True) if mark == "1"]
            self.found.bad_rows[strict, frozenset(names)] += count
        ordinals = sorted({n for *_, rows in found for n, _ in rows})
        line_of = dict(zip(ordinals, source.lines(ordinals), strict=True))
        for at, code, column, count, rows in found:
            places = [Place(self._file.uri, line_of[n], value or "") for n, value in rows]
            self._note((2, at), code, column, count, places)

    def _warn(
        self, source: Source, path: Path, statistics: Mapping[str, Mapping[str, str]], rows: int
    ) -> None:
        """Note what a person should know although it breaks no rule; the writer's statistics tell whether."""
        uri = self._file.uri
        for at, column in enumerate(source.integer_ids if rows else ()):
            self._note((3, at), "INTEGER_IDS", column, rows, [Place(uri, None, None)], 1)
        names = [one.name for one in self._schema.fields]
        placed = engine.placed([path], [*names, *map(cut_column, names)])
        for at, time_field in enumerate(filter(is_time, self._schema.fields)):
            name = time_field.name
            cut = rows - int(statistics.get(f'"{cut_column(name)}"', {}).get("null_count", rows))
            latest = int(statistics.get(f'"{name}"', {}).get("max") or 0)
            looks = [
                ("FRACTION_CUT", cut > 0, cut_column(name), "IS NOT NULL"),
                ("MILLISECONDS", latest > MILLISECONDS_FROM, name, f"> {MILLISECONDS_FROM}"),
            ]
            for code, _, column, condition in (look for look in looks if look[1]):
                which = f'FROM {placed} WHERE "{column}" {condition}'
                ((count,),) = self._execute(f"SELECT count(*) {which}")
                found = self._execute(
                    f'SELECT "{ROW}", "{column}"::VARCHAR {which} ORDER BY 1 LIMIT {EXAMPLES}'
                )
                if count:
                    lines = source.lines([n for n, _ in found])
                    places = [Place(uri, line, value) for line, (_, value) in zip(lines, found, strict=True)]
                    turn = (4 + at, code == "MILLISECONDS")
                    self._note(turn, code, name, count, places, EXAMPLES)


class _Watch:
    """Reports a statement's progress, and interrupts it when the piece must stop."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, say: _Saying, file: InputFile) -> None:
        self._connection = connection
        self._say = say
        self._file = file
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        bytes_a_row = _bytes_a_row(self._file)
        while not self._over.wait(_PROGRESS_SECONDS):
            try:
                self._say.keep_on()
                percent = self._connection.query_progress()
                if percent >= 0:  # else DuckDB is not at work
                    done = round(self._file.size_bytes * percent / 100)
                    self._say.say("checking", round(done / bytes_a_row), done)
            except Stopped:
                self._connection.interrupt()


def _bytes_a_row(file: InputFile) -> float:
    """Return about how many bytes a row has, from the file's beginning."""
    with file.path.open("rb") as opened:
        head = opened.read(65_536)
    return max(1.0, len(head) / max(1, head.count(b"\n")))
