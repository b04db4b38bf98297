"""The dataset export job: records out of a dataset into CSV files that import again into an equal one."""

import shutil
from pathlib import Path

from sartor.data.export import write_csv
from sartor.errors import ApiError, JobFailed
from sartor.resources.lifecycle import Task
from sartor.resources.records import records_of
from sartor.work.tools import Tools


def run(task: Task, tools: Tools) -> None:
    """Write the dataset's records below the job's path, in a folder of the job's name.

    A job that runs again writes its files anew.

    Raises:
        JobFailed: the dataset is gone, or the folder cannot be written to.
    """
    job = task.resource
    dataset = tools.store.get(job.body["datasetArn"])
    if dataset is None:
        raise JobFailed(f"Dataset {job.body['datasetArn']} no longer exists.")
    role = job.body.get("roleArn")
    folder = f"{job.body['jobOutput']['s3DataDestination']['path'].rstrip('/')}/{job.name}/"
    scratch = Path(tools.scratch) / f"export-{job.name}-{task.attempt}"
    scratch.mkdir(parents=True, exist_ok=True)
    try:
        tools.sources.delete_parts(folder, role)
        files = write_csv(records_of(dataset, tools), job.body["ingestionMode"], scratch, tools.stop)
        for at, file in enumerate(files):
            if tools.stop():
                raise InterruptedError
            tools.sources.write(f"{folder}part-{at:04d}.csv", file, role)
            tools.progress({"phase": "writing", "files": at + 1, "filesTotal": len(files)})
    except ApiError as error:  # it could be written at the call and cannot any more
        raise JobFailed(error.message) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
