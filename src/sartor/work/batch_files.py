"""The files of a batch job: a question a line in, an answer a line out, each file of answers whole or not there.

Answers are kept in storage stretch by stretch, under names that are the same in every attempt. A job that begins again
answers only the stretches that are missing, so no line is answered twice in a file, whoever wrote the stretches.

The stretches of a large file are answered by processes, one a thread that the job may use: many small calls of NumPy
wait for each other's interpreter lock, so that two threads were hardly quicker than one. The setting ``compute`` may
name more of them, or machines that reach the same database: they read their stretches themselves and keep the answers.
"""

import gc
import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Final

from sartor.compute.contract import Compute, Heard, Need
from sartor.compute.here import Here
from sartor.compute.processes import Processes
from sartor.data import json_lines
from sartor.data.blobs import Blobs
from sartor.data.json_lines import Block, Stretch, Written
from sartor.data.remote import Remote, require_bucket
from sartor.data.sources import AccountSources, SourceFile
from sartor.errors import JobFailed
from sartor.resources import batch_jobs
from sartor.resources.lifecycle import Task
from sartor.resources.store import Resource
from sartor.work.elsewhere import there
from sartor.work.in_order import InOrder
from sartor.work.spool import spooled
from sartor.work.tools import Tools, mark_of

#: So many blocks of lines wait for each thread that answers them.
_WAITING: Final = 2
#: Answered here unless a job says otherwise, in bytes of questions.
FEW_BYTES: Final = 6 * 2**20
#: So many processes answer at once at most: each takes some 150 MB beside the model, which they share.
_MOST_PROCESSES: Final = 6
_MEMORY_BYTES: Final = 150 * 10**6


@dataclass(frozen=True)
class Answers:
    """What a job says to lines.

    Attributes:
        answer: answers the lines of a block, in their order; several threads call it at once.
        block_lines: so many lines it takes at once.
        threads: so many threads call it.
        most_lines: a file may have so many lines; ``None`` for any.
        again: makes the same of a job in another process, a function of a module; ``None``: all is answered here.
        few_bytes: so many bytes of questions, or fewer, are answered here: a process takes about a second to begin.
        stretches: into so many a file is cut, about, where others answer it; ``None``: by its size alone.
    """

    answer: Callable[[Block], Written]
    block_lines: int
    threads: int
    most_lines: int | None
    again: "Callable[[Resource, Tools], Answers] | None" = None
    few_bytes: int = FEW_BYTES
    stretches: int | None = None


def answer_files(task: Task, tools: Tools, answers: Answers) -> None:
    """Answer every file of a batch job below its output location.

    ``NAME.out`` has an answer for each line of the file ``NAME``, also for one that cannot be answered; lines of that
    kind are in ``NAME_errors`` too, which is there only if there are any.

    Raises:
        JobFailed: a file cannot be read, has too many lines or has changed meanwhile, or an answer cannot be written.
        Stopped: the job is to stop; what is answered is kept for the next attempt.
    """
    files = _Files(task, tools, answers)
    files.scratch.mkdir(parents=True, exist_ok=True)
    try:
        files.run()
        tools.storage.delete_folder(files.kept)
    except JobFailed:
        tools.storage.delete_folder(files.kept)
        raise
    finally:
        shutil.rmtree(files.scratch, ignore_errors=True)


class _Files:
    """One attempt at the files of a job."""

    def __init__(self, task: Task, tools: Tools, answers: Answers) -> None:
        self._job = job = task.resource
        self._tools, self._answers = tools, answers
        self._mark = mark_of(job, tools.store)
        self._sources: AccountSources = tools.sources.of(job.account, job.body["roleArn"])
        self._place = batch_jobs.place_of(job.body)
        self.scratch: Path = tools.scratch / f"{job.kind}-{job.name}-{task.attempt}"
        self.kept = f"{job.account}/{job.region}/batch/{self._mark}"
        self._progress = _Progress(tools)

    def run(self) -> None:
        """Answer the files, one after the other."""
        listed = batch_jobs.list_input(self._sources, self._place, self._tools.quotas_on)
        self._progress.begin(listed)
        for file in listed:
            state = f"{file.uri} {file.etag} {self._stretch_bytes(file)}"
            kept = f"{self.kept}/{hashlib.sha256(state.encode()).hexdigest()[:32]}"
            done = f"{kept}/done"
            if self._tools.storage.has(done):
                self._progress.skip(file.size_bytes)
                continue
            self._file(file, kept)
            self._tools.storage.put(done, b"")

    def _file(self, file: SourceFile, kept: str) -> None:
        """Answer one file, stretch by stretch, and write what was answered."""
        (path,) = spooled(self._sources, [file], self.scratch, lambda _done: None, self._tools.stop)
        stretches = list(json_lines.stretches(path, self._stretch_bytes(file), self._tools.keep_on))
        lines = sum(stretch.lines for stretch in stretches)
        most = self._answers.most_lines
        if most is not None and lines > most:
            raise JobFailed(f"{file.uri} has {lines:,} records; {most:,} are allowed in one file.")
        pieces = [_Piece(path, stretch, self.scratch, number) for number, stretch in enumerate(stretches)]
        self._answer_and_write(file, pieces, kept)
        if path.parent == self.scratch:  # a copy
            path.unlink()

    def _stretch_bytes(self, file: SourceFile) -> int:
        """Return about how many bytes of a file are answered at a time."""
        usual, wanted = json_lines.stretch_bytes(file.size_bytes), self._answers.stretches
        if wanted is None or self._answers.again is None or self._crew is None:
            return usual
        return min(usual, max(file.size_bytes // wanted, 1))

    def _answer_and_write(self, file: SourceFile, pieces: Sequence["_Piece"], kept: str) -> None:
        """Answer what is missing of a file, and write all of it where the job wants it.

        Answers are written while more of them come, but have their name only once all are there and all is well; before
        that comes what says why there are none, or nothing does.
        """
        output = batch_jobs.output_of(self._place, file)
        if not pieces:  # an earlier job of the same file may have had some
            self._sources.remove(f"{output}_errors")
            self._sources.remove(f"{output}.out")
            return
        order = InOrder(len(pieces))
        there = {name for name, _ in self._tools.storage.files(kept)}
        with ThreadPoolExecutor(1) as beside:
            answers = self._local(_kept_at(kept, number, "out") for number in order)
            writing = beside.submit(
                self._sources.replace, f"{output}.out", answers, self._mark, self._tools.keep_on
            )
            try:
                missing = []
                for piece in pieces:
                    if _kept_at(kept, piece.number, "out") in there:
                        self._progress.skip(piece.stretch.end - piece.stretch.begin)
                        order.came(piece.number)
                    else:
                        missing.append(piece)
                self._answer(file, missing, _Writing(kept, order, writing))
                self._sources.verify([file])
                self._write_faults(f"{output}_errors", kept, len(pieces))
                order.complete()
            except BaseException:
                order.abandon()
                raise
            writing.result()

    def _answer(self, file: SourceFile, pieces: Sequence["_Piece"], writing: "_Writing") -> None:
        """Answer the stretches of a file that are missing: here, or elsewhere if they are many."""
        again, crew = self._answers.again, self._crew

        def said(number: int, lines: int) -> None:
            self._progress.say(pieces[number].stretch, lines)

        def done(number: int, lines: int) -> None:
            said(number, lines)
            self._keep(pieces[number], writing)

        def kept(number: int, lines: int) -> None:
            said(number, lines)
            self._came(pieces[number], writing)

        few = sum(piece.stretch.end - piece.stretch.begin for piece in pieces) <= self._answers.few_bytes
        if again is None or crew is None or few or len(pieces) < 2:
            for number, piece in enumerate(pieces):
                lines = 0
                for lines in answered(piece, self._answers):
                    self._tools.keep_on()
                    said(number, lines)
                done(number, lines)
            return
        need, stop = Need(_MEMORY_BYTES), self._tools.stop
        if not crew.far:
            elsewhere = [_Elsewhere(piece, self._job, again, self._tools.again) for piece in pieces]
            crew.map(answer_elsewhere, elsewhere, need, done=done, stop=stop, progress=said)
            return
        job = FarJob(
            Remote(self._tools.sources.places, self._job.account, self._job.body["roleArn"]),
            self._job.arn,
            self._mark,
            again,
        )
        far = FarFile(job, file, self._sources.root(file.uri), writing.kept)
        stretches = [(piece.number, piece.stretch) for piece in pieces]
        crew.map(partial(answer_far, far), stretches, need, done=kept, stop=stop, progress=said)

    @cached_property
    def _crew(self) -> Compute | None:
        """Who answers large files; ``None`` where that is this process alone."""
        compute = self._tools.compute
        # other machines cannot reach a database that is a file of this one
        if isinstance(compute, Here) or (compute.far and self._tools.store.local):
            processes = min(self._answers.threads, _MOST_PROCESSES)
            return Processes(processes) if processes > 1 else None
        return compute

    def _keep(self, piece: "_Piece", writing: "_Writing") -> None:
        """Keep the answers to a stretch."""
        self._tools.keep_on()
        _keep(piece, self._tools.storage, writing.kept)
        self._came(piece, writing)

    def _came(self, piece: "_Piece", writing: "_Writing") -> None:
        """Count a stretch whose answers are kept."""
        if writing.answers.done():  # too early: it says what is wrong
            writing.answers.result()
        self._progress.stretch(piece.stretch)
        writing.order.came(piece.number)

    def _write_faults(self, location: str, kept: str, pieces: int) -> None:
        """Write what says why lines have no answers; if all have one, no earlier job's file stays."""
        there = {name for name, _ in self._tools.storage.files(kept)}
        found = [name for number in range(pieces) if (name := _kept_at(kept, number, "errors")) in there]
        if found:
            self._sources.replace(location, self._local(found), self._mark, self._tools.keep_on)
        else:
            self._tools.keep_on()
            self._sources.remove(location)

    def _local(self, names: Iterable[str]) -> Iterator[Path]:
        """Yield local files with what is kept, of which no copies stay."""
        for name in names:
            yield self._tools.storage.local(name)
            self._tools.storage.drop_local(name)


@dataclass(frozen=True)
class _Writing:
    """Where the answers to a file are kept, and who waits for them.

    Attributes:
        kept: the folder in storage.
        order: is told what is kept.
        answers: ends when all answers are written where the job wants them.
    """

    kept: str
    order: InOrder
    answers: Future[None]


@dataclass(frozen=True)
class _Piece:
    """A stretch of a local file, and where its answers are written.

    Attributes:
        path: the file.
        stretch: of its lines.
        scratch: a folder for the answers.
        number: of the stretch in the file.
    """

    path: Path
    stretch: Stretch
    scratch: Path
    number: int

    @property
    def out(self) -> Path:
        """The file of its answers."""
        return self.scratch / f"{self.number}.out"

    @property
    def errors(self) -> Path:
        """The file of its faults."""
        return self.scratch / f"{self.number}.errors"


@dataclass(frozen=True)
class _Elsewhere:
    """A piece that another process answers, and what it makes its means of."""

    piece: _Piece
    job: Resource
    answers: Callable[[Resource, Tools], Answers]
    tools: Callable[[], Tools]


@dataclass(frozen=True)
class FarJob:
    """A job of which other machines answer stretches; there are no secrets in it.

    Attributes:
        remote: what they need.
        arn: the job's.
        mark: the word in the names of what it writes.
        answers: what they make its means of.
    """

    remote: Remote
    arn: str
    mark: str
    answers: Callable[[Resource, Tools], Answers]


@dataclass(frozen=True)
class FarFile:
    """A file of it.

    Attributes:
        job: the job.
        file: as it was listed.
        root: where its bucket lies, as the worker sees it.
        kept: the folder in storage of its answers.
    """

    job: FarJob
    file: SourceFile
    root: str
    kept: str


#: What this process answers with, by job: a process of a cluster answers for one after the other.
_OPENED: Final[dict[str, Answers]] = {}


def answer_elsewhere(given: _Elsewhere, heard: Heard) -> int:
    """Answer a piece in a process of its own; says and returns how many lines it has answered."""
    answers = _opened(given.job.arn, lambda: given.answers(given.job, given.tools()))
    lines = 0
    for lines in answered(given.piece, answers):
        heard(lines)
    return lines


def answer_far(given: FarFile, stretch: tuple[int, Stretch], heard: Heard) -> int:
    """Answer a stretch, which has a number, on another machine, and keep the answers; says and returns how many lines.

    Raises:
        JobFailed: the file has changed, or the version is gone.
        Unavailable: this machine lacks something, or has another database.
    """
    here = there(given.job.remote, given.job.arn, given.job.mark)
    answers = _opened(given.job.mark, lambda: given.job.answers(here.job, here.tools))
    sources = here.tools.sources.of(here.job.account, here.job.body["roleArn"])
    require_bucket(sources, given.file.uri, given.root)
    number, part = stretch
    with tempfile.TemporaryDirectory(prefix="stretch-", dir=here.scratch.folder) as folder:
        path = sources.spool_ranges(given.file, Path(folder), [(part.begin, part.end)])
        piece = _Piece(path, part, Path(folder), number)
        lines = 0
        for lines in answered(piece, answers):
            heard(lines)
        _keep(piece, here.tools.storage, given.kept)
    return lines


def _opened(key: str, make: Callable[[], Answers]) -> Answers:
    """Return what this process answers with, for as long as it answers for one job."""
    if key not in _OPENED:
        _OPENED.clear()
        _OPENED[key] = replace(make(), threads=1)
        gc.collect()
        gc.freeze()  # what was loaded stays: the collector need not walk it again
    return _OPENED[key]


def _keep(piece: _Piece, storage: Blobs, kept: str) -> None:
    """Keep the answers to a stretch; of one that is kept twice the same stays."""
    if piece.errors.stat().st_size:
        storage.put_file(_kept_at(kept, piece.number, "errors"), piece.errors)
    # last: where it is, the stretch is whole
    storage.put_file(_kept_at(kept, piece.number, "out"), piece.out)
    piece.errors.unlink(missing_ok=True)


def answered(piece: _Piece, answers: Answers) -> Iterator[int]:
    """Write the answers to a piece; yields again and again how many lines are answered."""
    lines = 0
    with piece.out.open("wb") as out, piece.errors.open("wb") as errors:
        blocks = json_lines.blocks(piece.path, piece.stretch, answers.block_lines)
        for written in _in_order(blocks, answers):
            out.write(written.answers)
            errors.write(written.faults)
            lines += written.lines
            yield lines


def _in_order(blocks: Iterator[Block], answers: Answers) -> Iterator[Written]:
    """Yield the answers to each block; as many blocks as there are threads are answered at once."""
    if answers.threads == 1:
        yield from map(answers.answer, blocks)
        return
    with ThreadPoolExecutor(answers.threads) as pool:
        waiting: list[Future[Written]] = []
        try:
            for block in blocks:
                waiting.append(pool.submit(answers.answer, block))
                if len(waiting) >= answers.threads * _WAITING:
                    yield waiting.pop(0).result()
            for one in waiting:
                yield one.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _kept_at(kept: str, number: int, ending: str) -> str:
    """Return where the answers to a stretch are kept, or its faults."""
    return f"{kept}/{number:06d}.{ending}"


class _Progress:
    """How far a job is, and how long what is left may take, by what this attempt has answered so far."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._begun = time.monotonic()
        self._lines = 0
        self._answered_bytes = 0
        self._done_bytes = 0
        self._answering: dict[Stretch, int] = {}  # lines so far
        self._total_bytes = 0

    def begin(self, files: Sequence[SourceFile]) -> None:
        """Know what is to be answered."""
        self._total_bytes = sum(file.size_bytes for file in files)

    def skip(self, size_bytes: int) -> None:
        """Count what an earlier attempt has answered."""
        self._done_bytes += size_bytes

    def say(self, stretch: Stretch, lines: int) -> None:
        """Say how many lines of a stretch are answered."""
        self._lines += lines - self._answering.get(stretch, 0)
        self._answering[stretch] = lines
        seconds = max(time.monotonic() - self._begun, 1e-3)
        begun = sum((one.end - one.begin) * n / max(one.lines, 1) for one, n in self._answering.items())
        left = self._total_bytes - self._done_bytes - begun
        self._tools.progress(
            {
                "phase": "answering",
                "rowsRead": self._lines,
                "bytesRead": round(self._done_bytes + begun),
                "bytesTotal": self._total_bytes,
                "rowsPerSecond": round(self._lines / seconds),
                "secondsLeft": round(left * seconds / max(self._answered_bytes + begun, 1.0), 1),
            }
        )

    def stretch(self, stretch: Stretch) -> None:
        """Count a stretch that is answered."""
        self._answering.pop(stretch, None)
        self._answered_bytes += stretch.end - stretch.begin
        self._done_bytes += stretch.end - stretch.begin
