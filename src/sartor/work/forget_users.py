"""Deleted users out of what a group's solution versions and recommenders serve; which weights stay is written down.

A row says where its users lie. Every process that answers looks at the row's stamp with each request, so from the
commit on that replaces the users nobody answers from the old ones.
"""

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sartor.realtime import artifact, served_users
from sartor.resources.call import lock_of
from sartor.resources.kind_names import RECOMMENDER, SOLUTION, SOLUTION_VERSION
from sartor.resources.kinds import KINDS
from sartor.resources.lifecycle import Task
from sartor.resources.stale_copies import DELETIONS, ERASURES
from sartor.resources.store import Resource, Transaction
from sartor.work.tools import Tools
from sartor.work.trained_users import COMING, FORGOTTEN, USERS, attempt_folder

#: The members that say where users lie, and who was deleted: of what is being trained, and of what answers. The former
#: become the latter when the training ends, so they come first.
_SERVED: Final[Mapping[str, str]] = {USERS: USERS, FORGOTTEN: FORGOTTEN}
_STATES: Final = (COMING, _SERVED)
#: A row's time has so many digits after the point.
_MILLISECOND: Final = 0.001


def forget_users(task: Task, names: Sequence[str], tools: Tools) -> list[dict[str, Any]]:
    """Remove users from what was trained of a group whose tables have them no longer; doing it again is harmless.

    Returns:
        The ARN of each solution version and recommender that was trained with some of them, and how many.

    Raises:
        Stopped: the job must stop.
    """
    group = task.resource.body["datasetGroupArn"]
    # a training that read the tables before, and has not written down whom it read, reads them again
    if not _count(group, DELETIONS, task, tools):
        return []
    with tools.store.read() as transaction:
        rows = [
            *(
                version
                for solution in transaction.children(group, SOLUTION)
                for version in transaction.children(solution.arn, SOLUTION_VERSION)
            ),
            *transaction.children(group, RECOMMENDER),
        ]
    trained = []
    for done, row in enumerate(rows):
        tools.progress({"phase": "forgetting", "versions": done, "versionsTotal": len(rows)})
        number = _forget(row, task, names, tools)
        if number:
            trained.append({KINDS[row.kind].arn_member: row.arn, "users": number})
    _count(group, ERASURES, task, tools)
    return trained


def _count(group: str, member: str, task: Task, tools: Tools) -> bool:
    """Count a step of a deletion in its group's row, for all machines; return whether the group is there."""
    with tools.store.write(_lock(task)) as transaction:
        found = transaction.get(group)
        if found is not None:
            transaction.merge_private(group, {member: int(found.private.get(member, 0)) + 1})
    return found is not None


def _forget(row: Resource, task: Task, names: Sequence[str], tools: Tools) -> int:
    """Remove users from one; return how many of them the job has found in it, now or in an earlier attempt."""
    folder = row.private["folder"]
    stored = [path for path, _ in tools.storage.list(folder) if served_users.is_of_users(path)]
    replaced: set[str] = set()
    for members in _STATES:
        while not _forget_at(row.arn, members, task, names, tools, replaced):
            pass
    with tools.store.read() as transaction:
        now, running = transaction.get(row.arn), transaction.task(row.arn)
    if now is None:
        return 0
    kept = {_place(now, members) for members in _STATES}
    attempt = "" if running is None else f"{attempt_folder(now, running.id, running.attempt)}/"
    for path in stored:
        place = path.rpartition("/")[0]
        is_being_made = bool(attempt) and path.startswith(attempt)
        if place in replaced or (place not in kept and not is_being_made):
            tools.storage.delete(path)
    counts = (_jobs(now, members) for members in _STATES)
    return max(sum(int(one["users"]) for one in jobs if one["job"] == task.arn) for jobs in counts)


def _forget_at(
    arn: str, members: Mapping[str, str], task: Task, names: Sequence[str], tools: Tools, replaced: set[str]
) -> bool:
    """Remove users from one of the places where a row says that some lie; return whether it still says so.

    Args:
        arn: of the row.
        members: which of the places.
        task: of the job.
        names: who goes.
        tools: the worker's.
        replaced: takes the place, if somebody went.
    """
    tools.keep_on()
    with tools.store.read() as transaction:
        row = transaction.get(arn)
    place = None if row is None else _place(row, members)
    if row is None or place is None:
        return True
    target = served_users.new_place(row.private["folder"])
    try:
        with tempfile.TemporaryDirectory(prefix="forget-", dir=tools.scratch) as scratch:
            number = served_users.forget(tools.storage, place, target, names, Path(scratch), tools.keep_on)
    except FileNotFoundError:  # it is not trained, or its training has put them elsewhere by now
        number = 0
    with tools.store.write(_lock(task)) as transaction:
        now = transaction.get(arn)
        holds = now is not None and _place(now, members) == place
        if now is not None and holds:
            _write_down(transaction, now, members, task.arn, target, number)
    if not holds:
        tools.storage.delete_folder(target)
    elif number:
        replaced.add(place)
    return holds


def _place(row: Resource, members: Mapping[str, str]) -> str | None:
    """Return where a row says that users lie; those of its artifact lie somewhere if it has one."""
    return artifact.place_of(row.private).users if members is _SERVED else row.private.get(members[USERS])


def _write_down(
    transaction: Transaction, row: Resource, members: Mapping[str, str], job: str, place: str, number: int
) -> None:
    """Say where the users lie now; whoever serves them loads them anew even if none of them was deleted.

    Filters have seen what was imported after the training, too.
    """
    private, moment = row.private, row.updated_at
    if number:
        forgotten = [*_jobs(row, members), {"job": job, "users": number}]
        private = {**private, members[USERS]: place, members[FORGOTTEN]: forgotten}
    if members is _SERVED and "artifact" in private:
        private = {**private, DELETIONS: int(private.get(DELETIONS, 0)) + 1}
        moment = max(round(time.time(), 3), round(moment + _MILLISECOND, 3))
    transaction.replace_body(row.arn, row.body, private, moment)


def _jobs(row: Resource, members: Mapping[str, str]) -> list[dict[str, Any]]:
    return row.private.get(members[FORGOTTEN]) or []


def _lock(task: Task) -> str:
    return lock_of(task.resource.account, task.resource.region)
