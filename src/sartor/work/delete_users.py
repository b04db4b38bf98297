"""The data deletion job: users out of every dataset of a group, and out of every file that a reader can reach."""

import tempfile
import time
from pathlib import Path

from sartor.data.deletion import count_users, delete_users, read_users
from sartor.errors import ApiError, JobFailed
from sartor.resources.lifecycle import Task
from sartor.work.records import datasets_of, records_of
from sartor.work.tools import Tools

#: The datasets that have users.
_TYPES = ("USERS", "INTERACTIONS", "ACTION_INTERACTIONS")
_LEASE_SECONDS = 3600.0


def run(task: Task, tools: Tools) -> None:
    """Delete the users that the job's files name.

    Every step can be repeated: a table says which jobs it has seen. How many users there were is written down
    before the first of them goes.

    Raises:
        JobFailed: the files could not be read.
    """
    job = task.resource
    with tempfile.TemporaryDirectory(prefix="deletion-", dir=tools.scratch) as folder:
        users = Path(folder) / "users.parquet"
        try:
            role = job.body.get("roleArn")
            files = tools.sources.list_csv(job.body["dataSource"]["dataLocation"], role)
            read_users([tools.sources.spool(file, Path(folder), role) for file in files], users)
        except ApiError as error:
            raise JobFailed(error.message) from error
        found = datasets_of(job.body["datasetGroupArn"], tools.store)
        datasets = [records_of(found[name], tools) for name in _TYPES if name in found]
        with tools.store.read() as transaction:
            now = transaction.get(job.arn)
        number = None if now is None else now.private.get("numDeleted")
        leases = [f"drain/{dataset.number}" for dataset in datasets]
        holder = f"{job.arn}#{task.attempt}"
        for lease in leases:  # what is being drained meanwhile could bring a user back
            while not tools.store.put_records.lease(lease, holder, _LEASE_SECONDS):
                if tools.stop():
                    raise InterruptedError
                time.sleep(0.2)
        try:
            for dataset in datasets:
                while dataset.drain():
                    pass
            if number is None:
                number = count_users(datasets, users)
                with tools.store.write() as transaction:
                    transaction.merge_private(job.arn, {"numDeleted": number})
            for at, dataset in enumerate(datasets):
                delete_users(dataset, users, job.arn, tools.stop)
                tools.progress({"phase": "deleting", "datasets": at + 1, "datasetsTotal": len(datasets)})
        finally:
            for lease in leases:
                tools.store.put_records.end_lease(lease, holder)
    with tools.store.write() as transaction:
        moment = round(time.time(), 3)
        body = {**job.body, "numDeleted": number}
        transaction.replace_body(job.arn, body, {**job.private, "numDeleted": number}, moment)
