"""Deleted users out of what a group's solution versions serve; their weights stay, and it is written down of which.

A version's row says where its users lie. Every process that answers looks at the row's stamp with each request, so
from the commit on that replaces the users nobody answers from the old ones.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from sartor.realtime import artifact, served_users
from sartor.resources.call import lock_of
from sartor.resources.lifecycle import Task
from sartor.resources.stale_copies import DELETIONS
from sartor.resources.store import Resource, Transaction
from sartor.work.tools import Tools
from sartor.work.trained_users import USERS

#: What a version's row has for Sartor: which jobs deleted how many of the users that it was trained with.
FORGOTTEN: Final = "forgotten"
#: A row's time has so many digits after the point.
_MILLISECOND: Final = 0.001


def forget_users(task: Task, names: Sequence[str], tools: Tools) -> list[dict[str, Any]]:
    """Remove users from the versions of a group whose tables have them no longer; doing it again is harmless.

    Returns:
        The ARN of each version that was trained with some of them, and how many.

    Raises:
        Stopped: the job must stop.
    """
    group = task.resource.body["datasetGroupArn"]
    with tools.store.write(_lock(task)) as transaction:
        found = transaction.get(group)
        if found is None:
            return []
        # a training that read the tables before, and has not written down whom it read, reads them again
        transaction.merge_private(group, {DELETIONS: int(found.private.get(DELETIONS, 0)) + 1})
    with tools.store.read() as transaction:
        versions = [
            version.arn
            for solution in transaction.children(group, "solution")
            for version in transaction.children(solution.arn, "solution-version")
        ]
    trained = []
    for done, arn in enumerate(versions):
        tools.progress({"phase": "forgetting", "versions": done, "versionsTotal": len(versions)})
        number = _forget(arn, task, names, tools)
        if number:
            trained.append({"solutionVersionArn": arn, "users": number})
    return trained


def _forget(arn: str, task: Task, names: Sequence[str], tools: Tools) -> int:
    """Remove users from one version; return how many of them the job has found in it, now or in an earlier attempt."""
    while True:
        tools.keep_on()
        with tools.store.read() as transaction:
            version = transaction.get(arn)
        if version is None:
            return 0
        place = artifact.place_of(version.private).users
        stored = [path for path, _ in tools.storage.list(version.private["folder"])]
        target = served_users.new_place(version.private["folder"])
        try:
            with tempfile.TemporaryDirectory(prefix="forget-", dir=tools.scratch) as scratch:
                number = served_users.forget(
                    tools.storage, place, target, names, Path(scratch), tools.keep_on
                )
        except FileNotFoundError:  # it is not trained, or its training has put them elsewhere by now
            number = 0
        with tools.store.write(_lock(task)) as transaction:
            now = transaction.get(arn)
            holds = now is not None and artifact.place_of(now.private).users == place
            if now is not None and holds:
                _write_down(transaction, now, task.arn, target, number)
            running = transaction.task(arn)
        if holds:
            break
        tools.storage.delete_folder(target)
    attempt = f"{version.private['folder']}/{0 if running is None else running.attempt}/"
    for path in filter(served_users.is_of_users, stored):
        folder = path.rpartition("/")[0]
        if (number and folder == place) or (folder != place and not path.startswith(attempt)):
            tools.storage.delete(path)
    with tools.store.read() as transaction:
        now = transaction.get(arn)
    return 0 if now is None else sum(one["users"] for one in _jobs(now) if one["job"] == task.arn)


def _write_down(transaction: Transaction, version: Resource, job: str, place: str, number: int) -> None:
    """Say where a version's users lie now; whoever serves it loads them anew even if none of them was deleted.

    Filters have seen what was imported after the training, too.
    """
    private = version.private
    if number:
        private = {**private, USERS: place, FORGOTTEN: [*_jobs(version), {"job": job, "users": number}]}
    moment = version.updated_at
    if "artifact" in private:
        private = {**private, DELETIONS: int(private.get(DELETIONS, 0)) + 1}
        moment = max(round(time.time(), 3), round(moment + _MILLISECOND, 3))
    transaction.replace_body(version.arn, version.body, private, moment)


def _jobs(version: Resource) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = version.private.get(FORGOTTEN, [])
    return found


def drop_copies(folder: str, tools: Tools) -> None:
    """Delete what processes of this machine have copied from a dataset's folder in a bucket and is there no longer.

    Those of other machines see that there was a deletion, and drop theirs.
    """
    if not tools.storage.makes_copies:
        return
    there = {path for path, _ in tools.storage.list(folder)}
    for copies in tools.scratch.parent.glob("*/cached"):
        for copy in (copies / folder).rglob("*.parquet"):
            if str(copy.relative_to(copies)) not in there:
                copy.unlink(missing_ok=True)


def _lock(task: Task) -> str:
    return lock_of(task.resource.account, task.resource.region)
