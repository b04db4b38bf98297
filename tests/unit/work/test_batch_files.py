"""The files of a batch job: whole or not there, each line answered once, whatever became of the attempts."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from elsewhere import DyingElsewhere, Elsewhere
from sartor.compute import open_compute
from sartor.compute.here import Here
from sartor.data import json_lines
from sartor.data.blobs import FolderBlobs
from sartor.data.json_lines import Answered, Block, Line, UnreadableLine, Written
from sartor.data.sources import Sources
from sartor.errors import JobFailed, Stopped, Unavailable
from sartor.resources import batch_jobs
from sartor.resources.lifecycle import Task
from sartor.resources.store import Resource, Store
from sartor.settings import load
from sartor.work import batch_files, elsewhere
from sartor.work.batch_files import Answers
from sartor.work.tools import Tools

ACCOUNT = "000000000000"
LINES = 200


class Killed(BaseException):
    """The process is gone."""


def answers_again(job: Resource, _tools: Tools) -> Answers:
    """Return what another process says to lines: its number. The first process that is asked dies at once."""
    killed = Path(job.body["killed"])

    def answer(block: Block) -> Written:
        with suppress(FileNotFoundError):
            killed.unlink()
            os._exit(9)
        output = json.dumps({"process": os.getpid()}).encode()
        return json_lines.written(Answered(line, output) for line in block.lines())

    return Answers(answer, 10, 2, None)


def no_tools() -> None:
    """Return what stands for the tools of another process."""


class Job:
    """A job over files of ``s3://b/in/``, begun as often as wanted; each line is answered with its number."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.bucket = folder / "buckets" / "b"
        (self.bucket / "in" / "deep").mkdir(parents=True)
        body = {
            "jobInput": {"s3DataSource": {"path": "s3://b/in/"}},
            "jobOutput": {"s3DataDestination": {"path": "s3://b/out"}},
            "roleArn": f"arn:aws:iam::{ACCOUNT}:role/batch",
        }
        arn = f"arn:aws:personalize:us-east-1:{ACCOUNT}:batch-inference-job/mine"
        self.job = Resource(
            arn, "batch-inference-job", ACCOUNT, "us-east-1", "mine", "CREATE PENDING", body, {}, 1.0, 1.0
        )
        values: dict[str, Any] = dict.fromkeys(Tools.__dataclass_fields__)
        values |= {"store": store, "scratch": folder / "scratch", "stop": lambda: False, "quotas_on": True}
        values |= {
            "sources": Sources(load({"data": str(folder), "bucket": [f"b={self.bucket}"]}, {})),
            "progress": self._progress,
        }
        values |= {"storage": FolderBlobs(folder / "storage"), "compute": Here()}
        self.storage = folder / "storage"
        self.tools = Tools(**values)
        self.answered: Counter[str] = Counter()
        self.said: list[dict[str, Any]] = []

    def write(self, name: str, lines: int = LINES, first: int = 0) -> None:
        texts = (json.dumps({"userId": f"{name}-{number}"}) for number in range(first, first + lines))
        (self.bucket / "in" / name).write_text("".join(f"{text}\n" for text in texts))

    def run(
        self, attempt: int = 1, dies_after: int | None = None, most: int | None = None, **tools: Any
    ) -> None:
        def answered(lines: Sequence[Line]) -> Iterator[Answered]:
            for line in lines:
                if dies_after is not None and self.answered.total() >= dies_after:
                    raise Killed
                try:
                    user = json_lines.read(line)["userId"]
                except UnreadableLine as error:
                    yield Answered(line, None, str(error))
                    continue
                self.answered[user] += 1
                yield Answered(line, json.dumps({"number": line.number}).encode())

        def answer(block: Block) -> Written:
            return json_lines.written(answered(block.lines()))

        task = Task(1, self.job.arn, self.job.kind, "create", attempt, "worker", self.job, None)
        batch_files.answer_files(task, replace(self.tools, **tools), Answers(answer, 10, 2, most))

    def run_on(self, machine: Elsewhere) -> None:
        """Run it on another machine."""
        task = Task(1, self.job.arn, self.job.kind, "create", 1, "worker", self.job, None)
        tools = replace(self.tools, compute=machine)
        answers = replace(answers_again(self.job, tools), again=answers_again, few_bytes=0)
        batch_files.answer_files(task, tools, answers)

    def out(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.bucket / "out" / name).read_text().splitlines()]

    def names(self) -> set[str]:
        out = self.bucket / "out"
        return (
            {str(file.relative_to(out)) for file in out.rglob("*") if file.is_file()}
            if out.exists()
            else set()
        )

    def kept(self) -> list[Path]:
        return [file for file in self.storage.rglob("*") if file.is_file()]

    def _progress(self, done: Any) -> None:
        self.said.append(dict(done))


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setattr(json_lines, "STRETCH_BYTES", 500)
    return Job(tmp_path, Store.open(f"sqlite:///{tmp_path / 'sartor.db'}"))


def test_every_file_has_its_answers_in_order_below_the_output(job: Job) -> None:
    job.write("a.json")
    job.write("deep/b.json", lines=3)
    job.run()
    assert job.names() == {"a.json.out", "deep/b.json.out"}
    found = job.out("a.json.out")
    assert [one["input"]["userId"] for one in found] == [f"a.json-{number}" for number in range(LINES)]
    assert [one["output"] for one in found] == [{"number": number + 1} for number in range(LINES)]
    assert {one["error"] for one in found} == {None}
    assert job.kept() == []


def test_lines_that_cannot_be_answered_have_their_place_and_a_file_of_their_own(job: Job) -> None:
    (job.bucket / "in" / "a.json").write_bytes(b'{"userId":"1"}\n\nnonsense\n{"userId":"2"}\n')
    job.run()
    assert job.names() == {"a.json.out", "a.json_errors"}
    assert [one["error"] is None for one in job.out("a.json.out")] == [True, False, True]
    (fault,) = job.out("a.json_errors")
    assert (fault["line"], fault["input"]) == (3, "nonsense")
    assert "not valid JSON" in fault["error"]


@pytest.mark.parametrize("dies_after", [1, 95, 199, 230, 399])
def test_after_a_death_anywhere_the_next_attempt_answers_what_is_missing_and_no_line_twice(
    job: Job, dies_after: int
) -> None:
    job.write("a.json")
    job.write("b.json")
    with pytest.raises(Killed):
        job.run(1, dies_after)
    before = dict(job.answered)
    job.run(2)
    for name in ("a.json", "b.json"):
        assert [one["input"]["userId"] for one in job.out(f"{name}.out")] == [
            f"{name}-{number}" for number in range(LINES)
        ]
    again = sum(job.answered[user] - 1 for user in before)
    assert again <= 60, "what was answered in whole stretches is not answered again"
    assert job.kept() == []


def test_an_attempt_that_was_overtaken_changes_no_answer(job: Job) -> None:
    job.write("a.json")
    with pytest.raises(Killed):
        job.run(1, 95)
    job.run(2)
    with pytest.raises(Stopped):
        job.run(1, stop=lambda: True)
    assert len(job.out("a.json.out")) == LINES
    assert job.names() == {"a.json.out"}


def test_until_all_of_a_file_is_answered_nothing_of_it_is_there(job: Job) -> None:
    job.write("a.json")
    job.write("b.json")
    with pytest.raises(Killed):
        job.run(1, LINES + 95)
    assert job.names() == {"a.json.out"}


def test_a_file_that_changes_between_attempts_is_answered_anew(job: Job) -> None:
    job.write("a.json")
    with pytest.raises(Killed):
        job.run(1, 95)
    job.write("a.json", first=1000)
    job.run(2)
    assert [one["input"]["userId"] for one in job.out("a.json.out")] == [
        f"a.json-{number}" for number in range(1000, 1000 + LINES)
    ]


def test_a_file_that_changes_while_it_is_answered_fails_the_job_and_shows_nothing(job: Job) -> None:
    job.write("a.json")
    changes = iter([1])

    def stop() -> bool:
        if job.answered.total() >= LINES // 2 and next(changes, None):
            job.write("a.json", lines=1)
        return False

    with pytest.raises(JobFailed, match="has changed"):
        job.run(stop=stop)
    assert job.names() == set()
    assert job.kept() == []


def test_many_stretches_are_answered_by_other_processes_also_when_one_of_them_dies(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job.write("a.json")
    job.job.body["killed"] = str(tmp_path / "killed")
    (tmp_path / "killed").touch()
    task = Task(1, job.job.arn, job.job.kind, "create", 1, "worker", job.job, None)
    tools = replace(job.tools, again=no_tools)
    batch_files.answer_files(
        task, tools, replace(answers_again(job.job, tools), again=answers_again, few_bytes=0)
    )
    found = job.out("a.json.out")
    assert [one["input"]["userId"] for one in found] == [f"a.json-{number}" for number in range(LINES)]
    assert os.getpid() not in {one["output"]["process"] for one in found}
    assert not (tmp_path / "killed").exists()
    assert job.kept() == []
    assert job.said[-1]["rowsRead"] == LINES


@pytest.mark.parametrize("lines", [LINES, 4])
def test_a_setting_says_how_many_processes_answer(job: Job, tmp_path: Path, lines: int) -> None:
    job.write("a.json", lines)
    job.job.body["killed"] = str(tmp_path / "killed")
    task = Task(1, job.job.arn, job.job.kind, "create", 1, "worker", job.job, None)
    tools = replace(job.tools, again=no_tools, compute=open_compute("processes:1"))
    # few lines are cut too where each costs much
    answers = replace(answers_again(job.job, tools), again=answers_again, few_bytes=0, stretches=2)
    batch_files.answer_files(task, tools, answers)
    assert len(job.out("a.json.out")) == lines
    processes = {one["output"]["process"] for one in job.out("a.json.out")}
    assert len(processes) == 1
    assert os.getpid() not in processes


@pytest.mark.parametrize("kind", [Elsewhere, DyingElsewhere], ids=["in turn", "killed"])
def test_machines_that_reach_the_same_database_answer_stretches(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Elsewhere]
) -> None:
    machine = on(kind, job, tmp_path, monkeypatch)
    job.write("a.json", lines=60)
    job.run_on(machine)
    found = job.out("a.json.out")
    assert [one["input"]["userId"] for one in found] == [f"a.json-{number}" for number in range(60)]
    assert machine.pieces > 2
    assert job.kept() == []
    assert job.said[-1]["rowsRead"] == 60


def test_a_machine_with_another_database_answers_nothing(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = on(Elsewhere, job, tmp_path, monkeypatch)
    machine.environment["SARTOR_DATABASE"] = f"sqlite:///{tmp_path / 'other.db'}"
    job.write("a.json")
    with pytest.raises(Unavailable, match="has another database"):
        job.run_on(machine)
    assert job.names() == set()


def on(kind: type[Elsewhere], job: Job, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    """Return another machine that reaches the job's database."""
    machine = kind(folder / "node", monkeypatch)
    machine.environment["SARTOR_DATABASE"] = f"sqlite:///{folder / 'sartor.db'}"
    monkeypatch.setattr(job.tools.store, "local", False)  # as if it were PostgreSQL
    monkeypatch.setattr(elsewhere, "_OPENED", {})
    monkeypatch.setattr(batch_files, "_OPENED", {})
    job.job.body["killed"] = str(folder / "killed")
    with job.tools.store.write() as transaction:
        transaction.add(job.job, [])
    return machine


def test_answers_replace_those_of_an_earlier_job(job: Job) -> None:
    job.write("a.json", lines=2)
    job.run()
    job.write("a.json", lines=1)
    job.run()
    assert len(job.out("a.json.out")) == 1


def test_what_an_earlier_job_could_not_answer_does_not_stay_beside_the_new_answers(job: Job) -> None:
    (job.bucket / "in" / "deep" / "a.json").write_text("nonsense\n")
    job.run()
    assert job.names() == {"deep/a.json.out", "deep/a.json_errors"}
    job.write("deep/a.json", lines=2)
    job.run()
    assert job.names() == {"deep/a.json.out"}
    assert len(job.out("deep/a.json.out")) == 2


def test_a_job_does_not_answer_what_it_wrote_below_its_own_input(job: Job) -> None:
    job.write("a.json", lines=2)
    job.job.body["jobOutput"]["s3DataDestination"]["path"] = "s3://b/in/answers/"
    job.run()
    job.run()
    assert [file.name for file in (job.bucket / "in" / "answers").iterdir()] == ["a.json.out"]


def test_too_many_lines_in_one_file_fail_the_job(job: Job) -> None:
    job.write("a.json", lines=11)
    with pytest.raises(JobFailed, match=r"a\.json has 11 records; 10 are allowed in one file"):
        job.run(most=10)
    assert job.answered.total() == 0


def test_progress_grows_to_the_end_and_tells_the_time_left(job: Job) -> None:
    job.write("a.json")
    job.write("b.json")
    with pytest.raises(Killed):
        job.run(1, LINES + 95)
    job.said.clear()
    job.run(2)
    read = [one["bytesRead"] for one in job.said]
    assert read == sorted(read)
    assert (
        read[-1]
        == job.said[-1]["bytesTotal"]
        == sum(file.stat().st_size for file in (job.bucket / "in").iterdir() if file.is_file())
    )
    assert job.said[-1]["secondsLeft"] == 0.0


def test_files_and_bytes_are_counted_against_amazons_quotas(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.json", "b.json"):
        job.write(name, lines=2)
    monkeypatch.setattr(batch_jobs, "MAX_FILES", 1)
    with pytest.raises(JobFailed, match="2 files; 1 are allowed"):
        job.run()
    monkeypatch.setattr(batch_jobs, "MAX_FILES", 1000)
    monkeypatch.setattr(batch_jobs, "MAX_BYTES", 10)
    with pytest.raises(JobFailed, match="bytes; 10 are allowed"):
        job.run()
    job.run(quotas_on=False)
    assert len(job.out("a.json.out")) == 2
