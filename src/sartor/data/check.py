"""The check of an import: files in, parts and a report out; nothing else changes.

What is large is checked in pieces, wherever pieces run; what is found in them is put together in the order of the
files, so the report and the rows are the same wherever that was.
"""

import glob
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from sartor.compute.contract import Compute, Need
from sartor.compute.here import Here
from sartor.data import formats
from sartor.data.input_files import InputFile
from sartor.data.parts import Part
from sartor.data.pieces import Found, Note, Piece, Reach, TooMuch, check_piece
from sartor.data.remote import Remote
from sartor.data.remote_check import check_remotely
from sartor.data.report import REJECTS, Fault, Place, ReadFile, Report
from sartor.data.rules import WARNINGS, may_become_null
from sartor.data.schema import Schema
from sartor.data.spread import Spread

#: About how much text a piece is where pieces run beside each other. Less than two are checked here: it takes longer to
#: start a process.
PIECE_BYTES: Final = 2**26


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
    compute: Compute | None = None,
    remote: Remote | None = None,
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
        memory_bytes: how much DuckDB may use, for each piece.
        progress: takes what is done, some times a second.
        stop: asked some times a second whether to give up.
        compute: where pieces run; here, if not given.
        remote: what pieces need on other machines, if these do not see the files or the folder.

    Raises:
        JobFailed: the disk has no room for a file that is unpacked.
        Stopped: ``stop`` said so.
        Unavailable: pieces cannot run where they should.
        OSError: the disk is full or fails.
    """
    total = sum(file.size_bytes for file in files)
    is_small = remote is None and sum(map(formats.text_bytes, files)) < 2 * PIECE_BYTES
    where = Here() if compute is None or is_small else compute
    # the last word is this run's own: what it removes is nobody else's
    name = f"{part_prefix}-{{:05d}}-{attempt}-{secrets.token_hex(4)}"
    threads = None if isinstance(where, Here) else 1
    reach = Reach(schema, folder, name, scratch, memory_bytes, threads, job.maximum_bytes)
    return _Check(reach, remote, where, progress, stop).run(files, job, total)


class _Check:
    """One run over all files of a job."""

    def __init__(
        self,
        reach: Reach,
        remote: Remote | None,
        compute: Compute,
        progress: Callable[[Progress], None],
        stop: Callable[[], bool],
    ) -> None:
        self.schema = reach.schema
        self.reach = reach
        self.remote = remote
        self.compute = compute
        self.progress = progress
        self.stop = stop
        self.faults: dict[tuple[str, str], Fault] = {}
        self.rejected = self.rows = 0
        self.bad_rows: Counter[tuple[bool, frozenset[str]]] = Counter()
        self.began = time.monotonic()
        self.read: dict[int, Sequence[int]] = {}  # rows and bytes by the piece's number

    def run(self, files: Sequence[InputFile], job: JobRules, total: int) -> Checked:
        """Check every file, then the job as a whole."""
        parts: list[Part] = []
        read: list[ReadFile] = []
        try:
            too_much = job.maximum_bytes is not None and total > job.maximum_bytes
            for found in [TooMuch(total)] if too_much else self.check_files(files, total):
                if isinstance(found, TooMuch):
                    place = Place(None, None, str(found.read_bytes))
                    self.add(Note((0, 0), "TOO_MANY_BYTES", f"{job.maximum_bytes:,}", 1, [place]))
                    read += [ReadFile(file.uri, file.size_bytes, 0) for file in files[len(read) :]]
                    break
                parts += self.take(found)
                read.append(found.file)
            else:
                self.check_rows(self.rows, job)
            faults, warnings, rejected = self.verdict(job.bad_cells)
        except BaseException:
            self.sweep([])
            raise
        parts = [] if faults else parts
        if faults or not isinstance(
            self.compute, Here
        ):  # who dies leaves half a part, and another writes it again
            self.sweep(parts)
        seconds = time.monotonic() - self.began
        return Checked(tuple(parts), Report(tuple(read), rejected, faults, seconds, warnings))

    def check_files(self, files: Sequence[InputFile], total: int) -> Iterator[Found | TooMuch]:
        """Yield what is found in each file, in their order; behind too much comes nothing more."""
        run = partial(self.map, total)
        if isinstance(self.compute, Here):
            return iter(run([Piece(tuple(files), 0)])[0])
        return Spread(run, self.reach.maximum_bytes).found(files, PIECE_BYTES)

    def map(self, total: int, pieces: Sequence[Piece]) -> list[list[Found | TooMuch]]:
        """Return what is found in each piece."""
        found: list[list[Found | TooMuch]] = [[] for _ in pieces]

        def say(number: int, said: Any) -> None:
            phase, *read = said
            self.read[pieces[number].number] = read
            rows, size_bytes = (sum(each) for each in zip(*self.read.values(), strict=True))
            self.progress(Progress(phase, rows, size_bytes, total, time.monotonic() - self.began))

        def done(number: int, of_piece: list[Found | TooMuch]) -> None:
            found[number] = of_piece
            files = [one for one in of_piece if isinstance(one, Found)]
            rows = sum(one.file.rows for one in files)
            of_span = pieces[number].span is not None
            size_bytes = sum(one.read_bytes if of_span else one.file.size_bytes for one in files)
            say(number, ("checking", rows, size_bytes))

        need = Need(self.reach.memory_bytes)
        work = partial(check_piece, self.reach)
        if self.remote is not None:
            work = partial(check_remotely, self.remote, self.reach)
        self.compute.map(work, pieces, need, done=done, stop=self.stop, progress=say)
        return found

    def take(self, found: Found) -> list[Part]:
        """Count what was found in the next file; return its parts."""
        for note in found.notes:
            self.add(note)
        self.rejected += found.rejected
        self.bad_rows += found.bad_rows
        self.rows += found.file.rows
        return found.parts

    def add(self, note: Note) -> None:
        """Add broken cells to a rule's fault."""
        old = self.faults.get((note.code, note.column))
        count, places = note.count, list(note.places)
        if old is not None:
            count += old.count
            places = [*old.places, *places]
        fault = Fault(note.code, note.column, count, tuple(places[:REJECTS]))
        self.faults[note.code, note.column] = fault

    def check_rows(self, rows: int, job: JobRules) -> None:
        """Check how many rows there are."""
        if rows < job.minimum_rows:
            place = Place(None, None, str(rows))
            self.add(Note((0, 0), "TOO_FEW_ROWS", f"{job.minimum_rows}", 1, [place]))
        elif rows == 0 and not self.faults:
            self.add(Note((0, 0), "NO_ROWS", "", 1, [Place(None, None, None)]))

    def verdict(self, bad_cells: float) -> tuple[tuple[Fault, ...], tuple[Fault, ...], int]:
        """Return what fails the job, what it is warned of, and how many rows break a rule.

        Args:
            bad_cells: which share of a column's cells may be bad.
        """
        fields = {field.name: field for field in self.schema.fields}
        bad: Counter[str] = Counter()
        tolerated = {
            key for key in self.faults if key[1] in fields and may_become_null(fields[key[1]], key[0])
        }
        for code, column in tolerated:
            bad[column] += self.faults[code, column].count
        too_bad = {column for column, count in bad.items() if count > bad_cells * self.rows}
        faults: list[Fault] = []
        warnings: list[Fault] = []
        for (code, column), fault in self.faults.items():
            harmless = code in WARNINGS or ((code, column) in tolerated and column not in too_bad)
            (warnings if harmless else faults).append(fault)
        rows = sum(count for (broken, columns), count in self.bad_rows.items() if broken or columns & too_bad)
        return tuple(faults), tuple(warnings), self.rejected + rows

    def sweep(self, parts: Sequence[Part]) -> None:
        """Remove what this run wrote beside these parts; what another one wrote may be data already."""
        kept = {part.path.name for part in parts}
        pattern = glob.escape(self.reach.part_name).replace("{:05d}", "*") + "-*.parquet"
        for path in self.reach.folder.glob(pattern):
            if path.name not in kept:
                path.unlink(missing_ok=True)
        if self.remote is not None:
            self.remote.sweep(self.reach.scratch, pattern, kept)
