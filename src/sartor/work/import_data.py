"""The dataset import job: files from S3 into a dataset, all or nothing.

The order makes any death harmless. Parts are written where no reader looks, the report is written, then one
Delta commit that carries the job's ARN makes the parts the data. A job that runs again asks the table first
whether its commit is already there.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from sartor.compute.contract import Compute
from sartor.data import bundles, check, formats, versions
from sartor.data.blobs import Blobs
from sartor.data.check import Checked, JobRules, Progress
from sartor.data.input_files import InputFile
from sartor.data.remote import Remote
from sartor.data.remote_check import stand_in
from sartor.data.report import Report
from sartor.data.schema import Schema
from sartor.data.sources import AccountSources, SourceFile
from sartor.data.table import Table
from sartor.errors import Damaged, JobFailed, Stopped
from sartor.resources.lifecycle import Outcome, Task
from sartor.resources.records import records_of
from sartor.resources.store import Resource
from sartor.work import attribution
from sartor.work.spool import spooled
from sartor.work.tools import Tools

GIGABYTE = 1_000_000_000
#: The most bytes one job may read, by import mode ("Amazon Personalize endpoints and quotas").
MAXIMUM_BYTES = {"FULL": 100 * GIGABYTE, "INCREMENTAL": GIGABYTE}


def run(task: Task, tools: Tools) -> Outcome:
    """Import the job's files into its dataset, or raise and leave the dataset as it was.

    Raises:
        JobFailed: the data breaks a rule, or could not be read; the report says where.
    """
    job = task.resource
    table = Table(tools.storage, job.private["table"])
    version = table.snapshot().number(job.arn)
    if version is None:  # else a former attempt came this far
        version = _import(task, table, tools)
    try:
        attribution.count_import(job, [table.local(name) for name in table.added_in(version)], tools)
    except (JobFailed, Damaged) as failure:  # the data is in: what is left is tried again, and fails nothing
        raise OSError(failure.reason) from failure
    return Outcome()


def _import(task: Task, table: Table, tools: Tools) -> int:
    """Check the files and commit them; return the version that this made."""
    job = task.resource
    records = records_of(_dataset(job, tools), tools)
    mode = job.body["importMode"]
    scratch = tools.scratch / f"import-{task.id}-{task.attempt}"
    scratch.mkdir(parents=True, exist_ok=True)
    try:
        checked = _checked(task, records.schema, table, scratch, tools)
        _keep_report(checked.report, task, tools)
        if checked.report.verdict == "failed":
            raise JobFailed(checked.report.failure_reason())
        tools.progress({"phase": "committing"})
        note = versions.noted(records, checked.parts, mode, tools.stop)
        tools.keep_on()
        return table.commit(checked.parts, mode, records.schema, job.arn, note)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def job_rules(wanted: Schema, mode: str, quotas_on: bool, bad_cells: float) -> JobRules:
    """Return the rules of one job as a whole; without quotas none of numbers and sizes."""
    if not quotas_on:
        return JobRules(minimum_rows=0, maximum_bytes=None, bad_cells=bad_cells)
    return JobRules(wanted.type_rules.minimum_rows, MAXIMUM_BYTES[mode], bad_cells)


def settled(task: Task, tools: Tools) -> bool:
    """Return whether the job's data is committed; if it is not, no attempt commits it any more."""
    dataset = tools.store.get(task.resource.body["datasetArn"])
    if dataset is None:
        return False
    table = Table(tools.storage, task.resource.private["table"])
    return not table.bar(task.arn, records_of(dataset, tools).schema)


def dataset_path(resource: Resource) -> str:
    """Return the folder in storage of everything of one dataset, by the dataset or one of its jobs."""
    return str(PurePosixPath(resource.private["table"]).parent)


def report_of(job: Resource, storage: Blobs) -> bytes | None:
    """Return the report of a job that has ended, ``None`` if it has none.

    Every attempt keeps one of its own beside the dataset's table. The newest that says what became of the job is the
    job's: an attempt that was overtaken may have read other files.
    """
    verdict = "imported" if job.status == "ACTIVE" else "failed"
    found = [path for path, _ in storage.list(_reports(job)) if path.endswith("/report.json")]
    for path in sorted(found, key=_attempt_of, reverse=True):
        report = storage.get(path)
        if json.loads(report)["verdict"] == verdict:
            return report
    return None


def _attempt_of(path: str) -> int:
    """Return which attempt wrote a report; an earlier Sartor kept one a job."""
    name = PurePosixPath(path).parent.name
    return int(name) if name.isdigit() else 0


def _reports(job: Resource) -> str:
    """Return the folder in storage that keeps a job's reports."""
    return f"{dataset_path(job)}/imports/{job.name}"


def _dataset(job: Resource, tools: Tools) -> Resource:
    """Return the job's dataset.

    Raises:
        JobFailed: the dataset was deleted meanwhile.
    """
    dataset = tools.store.get(job.body["datasetArn"])
    if dataset is None:
        raise JobFailed(f"Dataset {job.body['datasetArn']} no longer exists.")
    return dataset


def _checked(task: Task, wanted: Schema, table: Table, scratch: Path, tools: Tools) -> Checked:
    """Read the job's files and check every row, into parts that no commit names yet.

    Raises:
        JobFailed: the files could not be read, or changed meanwhile.
    """
    job = task.resource
    location = job.body["dataSource"]["dataLocation"]
    sources = tools.sources.of(job.account, job.body.get("roleArn"))
    listed = sources.list(location)
    remote = _remote(job, sources, listed, tools)
    if remote is None or not sources.makes_copies(listed[0]):
        files = _spooled(sources, listed, scratch, tools)
    else:
        files = _stand_ins(sources, listed, scratch, tools)
    rules = job_rules(wanted, job.body["importMode"], tools.quotas_on, tools.bad_cells)

    def progress(done: Progress) -> None:
        tools.progress(done.to_json())

    try:
        checked = bundles.read_and_check(
            files,
            wanted,
            table.stage(),
            f"{round(job.created_at * 1000):013d}",
            scratch,
            attempt=task.attempt,
            job=rules,
            memory_bytes=tools.memory_bytes,
            progress=progress,
            stop=tools.stop,
            compute=tools.compute if remote else _where(files, scratch, tools),
            remote=remote,
        )
    except Stopped:
        raise
    except Exception:
        sources.verify(listed)  # what broke may have broken on a file that was being written
        raise
    try:
        sources.verify(listed)
    except JobFailed:
        table.discard(checked.parts)
        raise
    return checked


def _remote(
    job: Resource, sources: AccountSources, listed: Sequence[SourceFile], tools: Tools
) -> Remote | None:
    """Return what the check needs on other machines, if it runs there and they do not share all folders with this."""
    if not tools.compute.far or sum(map(formats.text_bytes, listed)) < 2 * check.PIECE_BYTES:
        return None
    if not (tools.storage.makes_copies or sources.makes_copies(listed[0])):
        return None
    stored = job.private["table"] if tools.storage.makes_copies else None
    return Remote(tools.sources.places, job.account, job.body.get("roleArn"), stored)


def _stand_ins(
    sources: AccountSources, listed: Sequence[SourceFile], scratch: Path, tools: Tools
) -> list[InputFile]:
    """Return what stands here for files that are read on other machines.

    Raises:
        JobFailed: one of them cannot be read.
        Stopped: the job must stop.
    """
    found: list[InputFile] = []
    for file in listed:
        tools.keep_on()
        is_large = formats.text_bytes(file) >= 2 * check.PIECE_BYTES
        found.append(stand_in(file, sources, scratch, is_large))
    return found


def _where(files: Sequence[InputFile], scratch: Path, tools: Tools) -> Compute:
    """Return where the check runs."""
    copied = any(file.path.is_relative_to(scratch) for file in files)
    return tools.on_this_machine if copied else tools.beside_storage


def _spooled(
    sources: AccountSources, listed: Sequence[SourceFile], scratch: Path, tools: Tools
) -> list[InputFile]:
    """Return local files with the content of what was listed.

    Raises:
        JobFailed: one of them cannot be read.
        Stopped: the job must stop.
    """
    total = sum(file.size_bytes for file in listed)

    def progress(done: int) -> None:
        tools.progress({"phase": "reading", "bytesRead": done, "bytesTotal": total})

    paths = spooled(sources, listed, scratch, progress, tools.stop)
    return [InputFile(path, file.uri, file.size_bytes) for path, file in zip(paths, listed, strict=True)]


def _keep_report(report: Report, task: Task, tools: Tools) -> None:
    """Store the report beside the dataset's table, before the outcome is known to anyone."""
    for name, content in report.written(task.arn).items():
        tools.storage.put(f"{_reports(task.resource)}/{task.attempt}/{name}", content)
