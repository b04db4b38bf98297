"""The check of an import: files in, parts and a report out; nothing else changes.

One pass of DuckDB reads, casts, checks and writes a file. Every column is read as text, because DuckDB's own
casts take more than the service does. A row that breaks a rule leaves its texts, as JSON, in the column ``FAULT`` of
its part; a file without broken rows has nothing but nulls there, which the writer's own statistics tell for free. A few
cells of a number's column may be bad: then the rule is a warning, and the row stays with its texts beside it.
"""

import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from sartor.data import engine, formats
from sartor.data.cells import FAULT, Columns, cut_column
from sartor.data.engine import ROW
from sartor.data.input_files import InputFile, Means, Room, Source, TooManyBytesError
from sartor.data.report import EXAMPLES, REJECTS, Fault, Place, ReadFile, Report
from sartor.data.rules import (
    MILLISECONDS_FROM,
    WARNINGS,
    is_time,
    may_become_null,
)
from sartor.data.schema import Schema
from sartor.errors import Stopped

#: Dictionaries are for columns of few values: looking for one among ids costs a tenth of the time, and gains no space.
_PARQUET: Final = (
    "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARQUET_VERSION v2, RETURN_STATS, "
    "ROW_GROUP_SIZE 122880, DICTIONARY_SIZE_LIMIT 500"
)
#: What a part's own footer says if no cell of it has a comma, a quote or a line end: an export need not look for any.
UNQUOTED: Final = ("sartor.quotes", "none")
_NOTED: Final = f"{_PARQUET}, KV_METADATA {{'{UNQUOTED[0]}': '{UNQUOTED[1]}'}}"
_PROGRESS_SECONDS = 0.2


@dataclass(frozen=True)
class JobRules:
    """The rules of a job as a whole.

    Attributes:
        minimum_rows: how many there must be.
        maximum_bytes: how large its files may be together; ``None`` is as large as they are.
        bad_cells: which share of a column's cells may become null because they cannot be read.
    """

    minimum_rows: int
    maximum_bytes: int | None
    bad_cells: float = 0.0


@dataclass(frozen=True)
class Part:
    """A Parquet file that no commit names yet.

    Attributes:
        path: where it lies.
        rows: how many rows it has.
        size_bytes: its size.
        statistics: as a Delta log has them: numRecords, minValues, maxValues, nullCount.
    """

    path: Path
    rows: int
    size_bytes: int
    statistics: Mapping[str, Any]


@dataclass(frozen=True)
class Progress:
    """How far a check is."""

    phase: str
    rows_read: int
    bytes_read: int
    bytes_total: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the progress as the report endpoint shows it."""
        rate = self.bytes_read / self.seconds if self.seconds else 0.0
        return {
            "phase": self.phase,
            "rowsRead": self.rows_read,
            "bytesRead": self.bytes_read,
            "bytesTotal": self.bytes_total,
            "rowsPerSecond": round(self.rows_read / self.seconds) if self.seconds else 0,
            "secondsLeft": round((self.bytes_total - self.bytes_read) / rate, 1) if rate else None,
        }


@dataclass(frozen=True)
class Checked:
    """What a check made: parts only if every rule is kept."""

    parts: tuple[Part, ...]
    report: Report


def read_and_check(
    files: Sequence[InputFile],
    schema: Schema,
    folder: Path,
    part_prefix: str,
    *,
    scratch: Path,
    attempt: int = 1,
    job: JobRules,
    memory_bytes: int,
    progress: Callable[[Progress], None],
    stop: Callable[[], bool],
) -> Checked:
    """Read files into parts and check every rule.

    Args:
        files: what to read, in the order in which later records win.
        schema: the columns and their rules.
        folder: where parts are written; it is empty of them again if a rule is broken.
        part_prefix: the beginning of the parts' names.
        scratch: where copies and what DuckDB spills lie meanwhile.
        attempt: of the job; what it writes carries it, and it removes nothing of others.
        job: the rules of the job as a whole.
        memory_bytes: how much DuckDB may use.
        progress: takes what is done, some times a second.
        stop: asked some times a second whether to give up.

    Raises:
        JobFailed: the disk has no room for a file that is unpacked.
        Stopped: ``stop`` said so.
        OSError: the disk is full or fails.
    """
    owner = f"{part_prefix}-{{:05d}}-{attempt}"
    return _Check(schema, folder, owner, scratch, memory_bytes, progress, stop).run(files, job)


class _Check:
    """One run over all files of a job."""

    def __init__(
        self,
        schema: Schema,
        folder: Path,
        part_name: str,
        scratch: Path,
        memory_bytes: int,
        progress: Callable[[Progress], None],
        stop: Callable[[], bool],
    ) -> None:
        self.schema = schema
        self.folder = folder
        self.part_name = part_name
        self.written: list[Path] = []
        self.scratch = scratch
        self.memory_bytes = memory_bytes
        self.progress = progress
        self.stop = stop
        self.found: dict[tuple[str, str], Fault] = {}
        self.rejected = 0
        self.bad_rows: Counter[tuple[bool, frozenset[str]]] = Counter()
        self.bytes_before = 0
        self.rows_before = 0
        self.bytes_total = 0
        self.began = time.monotonic()
        self.said = 0.0

    def run(self, files: Sequence[InputFile], job: JobRules) -> Checked:
        """Check every file, then the job as a whole."""
        self.bytes_total = sum(file.size_bytes for file in files)
        parts: list[Part] = []
        read: list[ReadFile] = []
        room = Room(self.scratch, job.maximum_bytes)
        try:
            if job.maximum_bytes is not None and self.bytes_total > job.maximum_bytes:
                raise TooManyBytesError(self.bytes_total)
            for part, found in self.check_files(files, room):
                parts += [] if part is None else [part]
                read.append(found)
                self.bytes_before += found.size_bytes
                self.rows_before += found.rows
            self.check_rows(self.rows_before, job)
        except TooManyBytesError as error:
            place = Place(None, None, str(error.args[0]))
            self.add("TOO_MANY_BYTES", f"{job.maximum_bytes:,}", 1, [place])
            read += [ReadFile(file.uri, file.size_bytes, 0) for file in files[len(read) :]]
        except BaseException:
            self.sweep()
            raise
        faults, warnings, rejected = self.verdict(job.bad_cells)
        if faults:
            self.sweep()
            parts = []
        seconds = time.monotonic() - self.began
        return Checked(tuple(parts), Report(tuple(read), rejected, faults, seconds, warnings))

    def verdict(self, bad_cells: float) -> tuple[tuple[Fault, ...], tuple[Fault, ...], int]:
        """Return what fails the job, what it is warned of, and how many rows break a rule.

        Args:
            bad_cells: which share of a column's cells may be bad.
        """
        fields = {field.name: field for field in self.schema.fields}
        bad: Counter[str] = Counter()
        tolerated = {
            key for key in self.found if key[1] in fields and may_become_null(fields[key[1]], key[0])
        }
        for code, column in tolerated:
            bad[column] += self.found[code, column].count
        too_bad = {column for column, count in bad.items() if count > bad_cells * self.rows_before}
        faults: list[Fault] = []
        warnings: list[Fault] = []
        for (code, column), fault in self.found.items():
            harmless = code in WARNINGS or ((code, column) in tolerated and column not in too_bad)
            (warnings if harmless else faults).append(fault)
        rows = sum(count for (broken, columns), count in self.bad_rows.items() if broken or columns & too_bad)
        return tuple(faults), tuple(warnings), self.rejected + rows

    def check_rows(self, rows: int, job: JobRules) -> None:
        """Check how many rows there are."""
        if rows < job.minimum_rows:
            self.add("TOO_FEW_ROWS", f"{job.minimum_rows}", 1, [Place(None, None, str(rows))])
        elif rows == 0 and not self.found:
            self.add("NO_ROWS", "", 1, [Place(None, None, None)])

    def check_files(self, files: Sequence[InputFile], room: Room) -> Iterator[tuple[Part | None, ReadFile]]:
        """Yield the part of each file, if it has one, and how many rows it has."""
        with ExitStack() as opened:
            connection = None
            for number, file in enumerate(files):
                if connection is None:
                    connection = opened.enter_context(engine.connect(self.memory_bytes, self.scratch))
                try:
                    part, rows = self.check_file(connection, file, number, room)
                except duckdb.Error as error:  # whatever it is, the file brought it about
                    self.add("UNREADABLE_FILE", "", 1, [Place(file.uri, None, engine.said(error))])
                    part, rows, connection = None, 0, None  # a file may have broken it for the others
                    opened.close()
                yield part, ReadFile(file.uri, file.size_bytes, rows)

    def check_file(
        self, connection: duckdb.DuckDBPyConnection, file: InputFile, number: int, room: Room
    ) -> tuple[Part | None, int]:
        """Check one file; return its part and how many rows it has."""
        with (
            tempfile.TemporaryDirectory(prefix="file-", dir=self.scratch) as folder,
            _Watch(connection, self, file),
        ):
            means = Means(Path(folder) / "text", room, self.memory_bytes, self.heard)
            source = formats.source(file, self.schema, connection, means)
            for code, column, line, value in source.faults:
                self.add(code, column, 1, [Place(file.uri, line, value)])
            if source.faults or not source.has_rows:
                return None, 0
            return self.copy(connection, source, file, number)

    def heard(self, phase: str, _: int) -> None:
        """Say what goes on; stop if that is wanted."""
        if self.stop():
            raise Stopped
        self.say(phase, 0, 0)

    def say(self, phase: str, rows: int, size_bytes: int) -> None:
        """Say how far the present file is, some times a second."""
        now = time.monotonic()
        if now - self.said >= _PROGRESS_SECONDS:
            self.said = now
            rows, size_bytes = self.rows_before + rows, self.bytes_before + size_bytes
            self.progress(Progress(phase, rows, size_bytes, self.bytes_total, now - self.began))

    def copy(
        self, connection: duckdb.DuckDBPyConnection, source: Source, file: InputFile, number: int
    ) -> tuple[Part | None, int]:
        """Write the part of one file and collect its broken rows."""
        path = self.folder / f"{self.part_name.format(number)}-{time.time_ns():x}.parquet"
        self.written.append(path)
        columns, options = Columns(self.schema, source), _PARQUET if source.quotes else _NOTED
        rejected = 0
        try:
            (row,) = self.execute(connection, engine.copy(columns.select(source.scan), path, options))
        except duckdb.Error:
            path.unlink(missing_ok=True)
            mended = source.mended(REJECTS)
            if mended is None:
                raise
            scan, found = mended
            for code, rows in found.items():
                self.add(code, "", rows.count, [Place(file.uri, line, text) for line, text in rows.places])
                rejected += rows.count
            (row,) = self.execute(connection, engine.copy(columns.select(scan), path, options))
        else:
            missed = source.missed(row[1])
            if missed:
                self.add("INVALID_CSV", "", missed, [Place(file.uri, None, None)])
        _, accepted, size, _, statistics, *_ = row
        broken = accepted - int(statistics[f'"{FAULT}"']["null_count"]) if accepted else 0
        if broken:
            self.collect(connection, columns, source, file, path)
        self.warn(connection, source, file, path, statistics, accepted)
        self.rejected += rejected
        part = Part(path, accepted, size, _statistics(accepted, statistics, self.schema))
        return part, accepted + rejected

    def execute(self, connection: duckdb.DuckDBPyConnection, sql: str) -> list[Any]:
        """Run one statement, naming what can go wrong."""
        try:
            return connection.execute(sql).fetchall()
        except duckdb.InterruptException as error:
            raise Stopped from error
        except duckdb.IOException as error:
            if "No space left" in str(error):
                raise OSError(28, "No space left on device") from error
            raise

    def collect(
        self,
        connection: duckdb.DuckDBPyConnection,
        columns: "Columns",
        source: Source,
        file: InputFile,
        path: Path,
    ) -> None:
        """Add the broken rows of one part to the faults, with their lines."""
        names = [field.name for field in self.schema.fields]
        self.execute(
            connection,
            f'CREATE OR REPLACE TEMP TABLE broken AS SELECT n, {columns.texts} FROM (SELECT "{ROW}" AS n, '
            f'from_json("{FAULT}", \'["VARCHAR"]\') AS texts FROM {engine.placed([path], names)} '
            f'WHERE "{FAULT}" IS NOT NULL)',
        )
        found: list[tuple[str, str, int, list[tuple[int, str | None]]]] = []
        for column, raw, code, condition in columns.conditions:
            sql = f"SELECT count(*) FROM broken WHERE {condition}"
            ((count,),) = self.execute(connection, sql)
            if count:
                sql = f"SELECT n, {raw} FROM broken WHERE {condition} ORDER BY n LIMIT {REJECTS}"
                found.append((code, column, count, self.execute(connection, sql)))
        for strict, marks, count in self.execute(connection, columns.counted("broken")):
            names = [name for name, mark in zip(columns.tolerated, marks, strict=True) if mark == "1"]
            self.bad_rows[strict, frozenset(names)] += count
        ordinals = sorted({n for *_, rows in found for n, _ in rows})
        line_of = dict(zip(ordinals, source.lines(ordinals), strict=True))
        for code, column, count, rows in found:
            places = [Place(file.uri, line_of[n], value or "") for n, value in rows]
            self.add(code, column, count, places)

    def warn(
        self,
        connection: duckdb.DuckDBPyConnection,
        source: Source,
        file: InputFile,
        path: Path,
        statistics: Mapping[str, Mapping[str, str]],
        rows: int,
    ) -> None:
        """Say what of a part a person should know although it breaks no rule; the writer's statistics tell whether."""
        for column in source.integer_ids if rows else ():
            self.add("INTEGER_IDS", column, rows, [Place(file.uri, None, None)])
        names = [field.name for field in self.schema.fields]
        placed = engine.placed([path], [*names, *map(cut_column, names)])
        for field in filter(is_time, self.schema.fields):
            cut = rows - int(statistics.get(f'"{cut_column(field.name)}"', {}).get("null_count", rows))
            latest = int(statistics.get(f'"{field.name}"', {}).get("max") or 0)
            looks = [
                ("FRACTION_CUT", cut > 0, cut_column(field.name), "IS NOT NULL"),
                ("MILLISECONDS", latest > MILLISECONDS_FROM, field.name, f"> {MILLISECONDS_FROM}"),
            ]
            for code, _, column, condition in (look for look in looks if look[1]):
                which = f'FROM {placed} WHERE "{column}" {condition}'
                ((count,),) = self.execute(connection, f"SELECT count(*) {which}")
                found = self.execute(
                    connection, f'SELECT "{ROW}", "{column}"::VARCHAR {which} ORDER BY 1 LIMIT {EXAMPLES}'
                )
                if count:
                    lines = source.lines([n for n, _ in found])
                    places = [
                        Place(file.uri, line, value) for line, (_, value) in zip(lines, found, strict=True)
                    ]
                    self.add(code, field.name, count, places)

    def add(self, code: str, column: str, count: int, places: Sequence[Place]) -> None:
        """Add broken cells to a rule's fault."""
        old = self.found.get((code, column))
        if old is not None:
            count += old.count
            places = [*old.places, *places]
        self.found[code, column] = Fault(code, column, count, tuple(places[:REJECTS]))

    def sweep(self) -> None:
        """Remove the parts of an attempt that changes nothing; what another one wrote may be data already."""
        for path in self.written:
            path.unlink(missing_ok=True)


class _Watch:
    """Reports a statement's progress, and interrupts it when the job must stop."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, check: _Check, file: InputFile) -> None:
        self._connection = connection
        self._check = check
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
            if self._check.stop():
                self._connection.interrupt()
                continue
            percent = self._connection.query_progress()
            if percent >= 0:  # else DuckDB is not at work
                done = round(self._file.size_bytes * percent / 100)
                self._check.say("checking", round(done / bytes_a_row), done)


def _bytes_a_row(file: InputFile) -> float:
    """Return about how many bytes a row has, from the file's beginning."""
    with file.path.open("rb") as opened:
        head = opened.read(65_536)
    return max(1.0, len(head) / max(1, head.count(b"\n")))


def _statistics(rows: int, columns: Mapping[str, Mapping[str, str]], schema: Schema) -> dict[str, Any]:
    """Return Delta's statistics of a part from DuckDB's; strings have no bounds: they would name users."""
    low: dict[str, Any] = {}
    high: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    for field in schema.fields:
        found = columns.get(f'"{field.name}"', {})
        nulls[field.name] = int(found.get("null_count", 0))
        if field.type in ("int", "long") and "min" in found and "max" in found:
            exact = found.get("min_is_exact") == "true" and found.get("max_is_exact") == "true"
            if exact:
                low[field.name] = int(found["min"])
                high[field.name] = int(found["max"])
    return {"numRecords": rows, "minValues": low, "maxValues": high, "nullCount": nulls}
