"""The data deletion job: users out of every dataset of a group, and out of every file that a reader can reach."""

import tempfile
import time
from pathlib import Path

from sartor.compute.contract import Compute
from sartor.data.dataset import DatasetRecords
from sartor.data.deletion import count_users, delete_users, drain, read_users, users_in
from sartor.data.events import NEWEST
from sartor.data.input_files import InputFile
from sartor.data.remote import Remote
from sartor.resources import lifecycle, looks
from sartor.resources.kind_names import DATASET_IMPORT_JOB
from sartor.resources.kinds import UNFINISHED
from sartor.resources.lifecycle import Outcome, Task
from sartor.resources.records import records_of
from sartor.resources.store import Resource
from sartor.work.drain_lease import held_drains
from sartor.work.forget_users import forget_users
from sartor.work.spool import spooled
from sartor.work.tools import Tools

#: The datasets that have users.
_TYPES = ("USERS", "INTERACTIONS", "ACTION_INTERACTIONS")


def run(task: Task, tools: Tools) -> Outcome:
    """Delete the users that the job's files name.

    Every step can be repeated: a table says which jobs it has seen. How many users there were is written down
    before the first of them goes.

    Raises:
        JobFailed: the files could not be read.
    """
    job = task.resource
    with tempfile.TemporaryDirectory(prefix="deletion-", dir=tools.scratch) as folder:
        users = Path(folder) / "users.parquet"
        _read(job, Path(folder), users, tools)
        found = tools.store.datasets(job.body["datasetGroupArn"])
        resources = [found[name] for name in _TYPES if name in found]
        datasets = [records_of(one, tools) for one in resources]
        with tools.store.read() as transaction:
            now = transaction.get(job.arn)
        number = None if now is None else now.private.get("numDeleted")
        upto = {one.number: _upto(job, resource) for resource, one in zip(resources, datasets, strict=True)}
        holder = f"{job.arn}#{task.attempt}"
        where = _where(job, tools)
        # what is being drained meanwhile could bring a user back
        with held_drains([dataset.number for dataset in datasets], holder, tools) as must_stop:
            for dataset in datasets:
                drain(dataset, upto[dataset.number])
            if number is None:
                number = count_users(datasets, users, upto, must_stop, *where)
                lifecycle.keep(tools.store, task, {"numDeleted": number})
            for at, (resource, dataset) in enumerate(zip(resources, datasets, strict=True)):
                number_upto = upto[dataset.number]
                delete_users(dataset, users, job.arn, must_stop, number_upto, *where)
                _sweep(resource, dataset, tools)
                tools.storage.drop_stale(dataset.folder)
                tools.progress({"phase": "deleting", "datasets": at + 1, "datasetsTotal": len(datasets)})
        trained = forget_users(task, users_in(users, tools.memory_bytes), tools)
    tools.store.clear_deleted()
    return Outcome({"numDeleted": number}, {"trainedWith": trained})


def _where(job: Resource, tools: Tools) -> tuple[Compute, Remote | None]:
    """Return where pieces run, and what they need on machines that do not see storage's files."""
    if not (tools.compute.far and tools.storage.makes_copies):
        return tools.compute, None
    return tools.compute, Remote(tools.sources.places, job.account, job.body.get("roleArn"))


def _upto(job: Resource, dataset: Resource) -> int:
    """Return the number of a dataset's newest put record when the job was asked for: what came later stays."""
    numbers = job.private.get("putNumbers")
    if numbers is None:  # the call was an earlier Sartor's, which had one number for all, or none
        return int(job.private.get("putNumber", NEWEST))
    return int(numbers.get(dataset.arn, 0))


def _read(job: Resource, folder: Path, users: Path, tools: Tools) -> None:
    """Write the users that the job's files name, as one state of each file has them.

    Raises:
        JobFailed: the files are too large, could not be read, or changed meanwhile.
    """
    sources = tools.sources.of(job.account, job.body.get("roleArn"))
    listed = sources.list_csv(job.body["dataSource"]["dataLocation"])
    looks.require_deletable(listed, tools.quotas_on)
    total = sum(file.size_bytes for file in listed)

    def progress(done: int) -> None:
        tools.progress({"phase": "reading", "bytesRead": done, "bytesTotal": total})

    files = spooled(sources, listed, folder, progress, tools.stop)
    try:
        named = [InputFile(path, one.uri, one.size_bytes) for path, one in zip(files, listed, strict=True)]
        read_users(named, users, tools.memory_bytes, tools.stop)
    finally:
        sources.verify(listed)  # what could not be read may have changed just then


def _sweep(resource: Resource, dataset: DatasetRecords, tools: Tools) -> None:
    """Delete what dead jobs left in the tables, which may have the users too; a running import's parts stay.

    The caller holds the drain lease, so nobody else writes drained parts or rewrites imported ones.
    """
    began = time.time()
    with tools.store.read() as transaction:
        importing = transaction.child(resource.arn, DATASET_IMPORT_JOB, UNFINISHED)
    dataset.put_table.sweep(0.0)
    if importing is None:
        dataset.bulk_table.sweep(time.time() - began)  # an import that begins meanwhile writes younger ones
