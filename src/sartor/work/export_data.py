"""The dataset export job: records out of a dataset into CSV files that import again into an equal one.

A job writes and deletes nothing but files whose names carry its own mark and the number of the attempt. An attempt
deletes what attempts before it have left; one that ends early, or that another has overtaken, deletes its own.
"""

import contextlib
import re
import shutil
from collections.abc import Callable
from functools import partial

from sartor.data.csv_elsewhere import Target
from sartor.data.export import store_csv, write_csv
from sartor.data.remote import Remote
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
        name = f"part-{mark}-{task.attempt}-{{:04d}}.csv"
        if tools.compute.far:
            remote = Remote(tools.sources.places, job.account, job.body.get("roleArn"))
            target = Target(remote, sources.root(folder), folder, name, mark)
            stored, files = store_csv(
                records, mode, scratch, target, tools.compute, partial(_say, tools), tools.stop
            )
        else:
            stored, files = 0, write_csv(records, mode, scratch, tools.stop, tools.compute)
        for at, file in enumerate(files, stored):
            sources.write(folder + name.format(at), file, mark, tools.keep_on)
            _say(tools, at + 1, stored + len(files))
        if stored or task.attempt > 1:  # one that was overtaken may have written since, or a piece was killed
            sources.delete(folder, _left_over(mark, task.attempt))
        tools.keep_on()
    except BaseException:
        _take_back(sources, folder, _left_by(mark, range(task.attempt, task.attempt + 1)))
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Outcome()


def _say(tools: Tools, files: int, of: int) -> None:
    tools.progress({"phase": "writing", "files": files, "filesTotal": of})


def _left_by(mark: str, attempts: range) -> Callable[[str], bool]:
    """Return what tells the files of a job's attempts, whole or half written, by their names."""
    name = re.compile(rf"part-{mark}-(\d+)-\d+\.csv|\.part-{mark}-(\d+)-\d+\.csv\.{mark}(?:-[0-9a-f]+)?")

    def is_theirs(text: str) -> bool:
        found = name.fullmatch(text)
        return found is not None and int(found[1] or found[2]) in attempts

    return is_theirs


def _left_over(mark: str, attempt: int) -> Callable[[str], bool]:
    """Return what tells the files of attempts before one, and those that it has half written, by their names."""
    is_before, is_own = _left_by(mark, range(1, attempt)), _left_by(mark, range(attempt, attempt + 1))
    return lambda text: is_before(text) or (is_own(text) and text.startswith("."))


def _take_back(sources: AccountSources, folder: str, is_ours: Callable[[str], bool]) -> None:
    """Delete what this attempt wrote; where that fails too, the next attempt does it."""
    with contextlib.suppress(JobFailed, OSError):
        sources.delete(folder, is_ours)
