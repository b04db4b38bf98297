"""The dataset export job: records out of a dataset into CSV files that import again into an equal one.

A job writes and deletes nothing but files whose names carry its own mark and the number of the attempt. An attempt
deletes what attempts before it have left; one that ends early, or that another has overtaken, deletes its own.
"""

import contextlib
import re
import shutil
from collections.abc import Callable

from sartor.data.export import write_csv
from sartor.data.sources import AccountSources
from sartor.errors import JobFailed
from sartor.resources.lifecycle import Outcome, Task
from sartor.resources.records import records_of
from sartor.work.tools import Tools, mark_of


def run(task: Task, tools: Tools) -> Outcome:
    """Write the dataset's records below the job's path, in a folder of the job's name.

    Raises:
        JobFailed: the dataset is gone, or the folder cannot be written to.
    """
    job = task.resource
    dataset = tools.store.get(job.body["datasetArn"])
    if dataset is None:
        raise JobFailed(f"Dataset {job.body['datasetArn']} no longer exists.")
    folder = f"{job.body['jobOutput']['s3DataDestination']['path'].rstrip('/')}/{job.name}/"
    scratch = tools.scratch / f"export-{task.id}-{task.attempt}"
    scratch.mkdir(parents=True, exist_ok=True)
    sources = tools.sources.of(job.account, job.body.get("roleArn"))
    mark = mark_of(job, tools.store)
    try:
        sources.delete(folder, _left_by(mark, range(1, task.attempt + 1)))
        records, mode = records_of(dataset, tools), job.body["ingestionMode"]
        files = write_csv(records, mode, scratch, tools.stop, tools.on_this_machine)
        for at, file in enumerate(files):
            name = f"part-{mark}-{task.attempt}-{at:04d}.csv"
            sources.write(f"{folder}{name}", file, mark, tools.keep_on)
            tools.progress({"phase": "writing", "files": at + 1, "filesTotal": len(files)})
        if task.attempt > 1:  # one that was overtaken may have written since
            sources.delete(folder, _left_by(mark, range(1, task.attempt)))
        tools.keep_on()
    except BaseException:
        _take_back(sources, folder, _left_by(mark, range(task.attempt, task.attempt + 1)))
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Outcome()


def _left_by(mark: str, attempts: range) -> Callable[[str], bool]:
    """Return what tells the files of a job's attempts, whole or half written, by their names."""
    name = re.compile(rf"part-{mark}-(\d+)-\d+\.csv|\.part-{mark}-(\d+)-\d+\.csv\.{mark}")

    def is_theirs(text: str) -> bool:
        found = name.fullmatch(text)
        return found is not None and int(found[1] or found[2]) in attempts

    return is_theirs


def _take_back(sources: AccountSources, folder: str, is_ours: Callable[[str], bool]) -> None:
    """Delete what this attempt wrote; where that fails too, the next attempt does it."""
    with contextlib.suppress(JobFailed, OSError):
        sources.delete(folder, is_ours)
