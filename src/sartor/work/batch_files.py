"""The files of a batch job: a question a line in, an answer a line out, each file of answers whole or not there.

Answers are kept in storage stretch by stretch, under names that are the same in every attempt. A job that begins again
answers only the stretches that are missing, so no line is answered twice in a file, whoever wrote the stretches.
"""

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from sartor.data import json_lines
from sartor.data.json_lines import Block, Stretch, Written
from sartor.data.sources import AccountSources, SourceFile
from sartor.errors import JobFailed
from sartor.resources import batch_jobs
from sartor.resources.lifecycle import Task
from sartor.work.spool import spooled
from sartor.work.tools import Tools, mark_of

#: So many blocks of lines wait for each thread that answers them.
_WAITING: Final = 2


@dataclass(frozen=True)
class Answers:
    """What a job says to lines.

    Attributes:
        answer: answers the lines of a block, in their order; several threads call it at once.
        block_lines: so many lines it takes at once.
        threads: so many threads call it.
        most_lines: a file may have so many lines; ``None`` for any.
    """

    answer: Callable[[Block], Written]
    block_lines: int
    threads: int
    most_lines: int | None


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
        job = task.resource
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
            kept = f"{self.kept}/{hashlib.sha256(f'{file.uri} {file.etag}'.encode()).hexdigest()[:32]}"
            done = f"{kept}/done"
            if self._tools.storage.has(done):
                self._progress.skip(file.size_bytes)
                continue
            self._file(file, kept)
            self._tools.storage.put(done, b"")

    def _file(self, file: SourceFile, kept: str) -> None:
        """Answer one file, stretch by stretch, and write what was answered."""
        (path,) = spooled(self._sources, [file], self.scratch, lambda _done: None, self._tools.stop)
        stretches = list(json_lines.stretches(path, json_lines.STRETCH_BYTES, self._tools.keep_on))
        lines = sum(stretch.lines for stretch in stretches)
        most = self._answers.most_lines
        if most is not None and lines > most:
            raise JobFailed(f"{file.uri} has {lines:,} records; {most:,} are allowed in one file.")
        for number, stretch in enumerate(stretches):
            if self._tools.storage.has(_kept_at(kept, number, "out")):
                self._progress.skip(stretch.end - stretch.begin)
            else:
                self._stretch(path, stretch, partial(_kept_at, kept, number))
                self._progress.stretch(stretch)
        self._sources.verify([file])
        self._write(file, kept, len(stretches))
        if path.parent == self.scratch:  # a copy
            path.unlink()

    def _write(self, file: SourceFile, kept: str, stretches: int) -> None:
        """Write the answers to a file where the job wants them; first what says why there are none, or nothing does."""
        storage = self._tools.storage
        there = {name for name, _ in storage.files(kept)}
        output = batch_jobs.output_of(self._place, file)
        for ending, name in (("errors", f"{output}_errors"), ("out", f"{output}.out")):
            names = [_kept_at(kept, number, ending) for number in range(stretches)]
            found = [one for one in names if one in there]
            if found:
                self._sources.replace(name, self._local(found), self._mark, self._tools.keep_on)
            else:  # an earlier job of the same file may have had some
                self._tools.keep_on()
                self._sources.remove(name)

    def _local(self, names: Sequence[str]) -> Iterator[Path]:
        """Yield local files with what is kept, of which no copies stay."""
        for name in names:
            yield self._tools.storage.local(name)
            self._tools.storage.drop_local(name)

    def _stretch(self, path: Path, stretch: Stretch, place: Callable[[str], str]) -> None:
        """Answer one stretch of a file, and keep the answers."""
        out, errors = self.scratch / "out", self.scratch / "errors"
        with out.open("wb") as out_file, errors.open("wb") as errors_file:
            blocks = json_lines.blocks(path, stretch, self._answers.block_lines)
            for written in self._in_order(blocks):
                self._tools.keep_on()
                out_file.write(written.answers)
                errors_file.write(written.faults)
                self._progress.block(stretch, written.lines)
        if errors.stat().st_size:
            self._tools.storage.put_file(place("errors"), errors)
        self._tools.storage.put_file(place("out"), out)  # last: where it is, the stretch is whole

    def _in_order(self, blocks: Iterator[Block]) -> Iterator[Written]:
        """Yield the answers to each block; some blocks are answered at once."""
        threads = self._answers.threads
        with ThreadPoolExecutor(threads) as pool:
            waiting: list[Future[Written]] = []
            try:
                for block in blocks:
                    waiting.append(pool.submit(self._answers.answer, block))
                    if len(waiting) >= threads * _WAITING:
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
        self._of_stretch = 0.0
        self._total_bytes = 0

    def begin(self, files: Sequence[SourceFile]) -> None:
        """Know what is to be answered."""
        self._total_bytes = sum(file.size_bytes for file in files)

    def skip(self, size_bytes: int) -> None:
        """Count what an earlier attempt has answered."""
        self._done_bytes += size_bytes

    def block(self, stretch: Stretch, lines: int) -> None:
        """Count lines that are answered, and say so."""
        self._lines += lines
        self._of_stretch += (stretch.end - stretch.begin) * lines / max(stretch.lines, 1)
        seconds = max(time.monotonic() - self._begun, 1e-3)
        answered = self._answered_bytes + self._of_stretch
        left = self._total_bytes - self._done_bytes - self._of_stretch
        self._tools.progress(
            {
                "phase": "answering",
                "rowsRead": self._lines,
                "bytesRead": round(self._done_bytes + self._of_stretch),
                "bytesTotal": self._total_bytes,
                "rowsPerSecond": round(self._lines / seconds),
                "secondsLeft": round(left * seconds / max(answered, 1.0), 1),
            }
        )

    def stretch(self, stretch: Stretch) -> None:
        """Count a stretch that is answered."""
        self._answered_bytes += stretch.end - stretch.begin
        self._done_bytes += stretch.end - stretch.begin
        self._of_stretch = 0.0
