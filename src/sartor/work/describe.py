"""What a dataset's rows look like: of a small one in the call that asks, of a large one as a task.

A task's answer lies beside the tables, under what stood for the records when it began.
"""

import json
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Final

from sartor.data import statistics, sums
from sartor.data.dataset import DatasetRecords
from sartor.resources import lifecycle
from sartor.resources.call import lock_of
from sartor.resources.kind_names import DATASET
from sartor.resources.lifecycle import DESCRIPTION_FAILED, Outcome, Task
from sartor.resources.records import Means, records_of
from sartor.resources.store import Resource
from sartor.work.tools import Tools

#: What has more rows is described by a task: a call would take longer than people wait.
LARGE_ROWS: Final = 50_000_000
#: A dataset that changes all the time has an answer that was made at most so long ago, in seconds.
_FRESH_SECONDS: Final = 60.0
#: The datasets that may lack ids of interactions, and the column of these.
_OTHERS: Final[Mapping[str, str]] = {"ITEMS": "ITEM_ID", "USERS": "USER_ID"}


def run(task: Task, tools: Tools) -> Outcome:
    """Find out what the rows look like, and keep the answer.

    Raises:
        JobFailed: the dataset is gone.
    """
    dataset = task.resource
    records, others = records_of(dataset, tools), _others(dataset, tools)
    standing = _standing(records, others)
    found = sums.described(records, others, tools.beside_storage, tools.progress, tools.stop)
    tools.keep_on()
    kept = {"standing": standing, "at": time.time(), "found": found}
    tools.storage.put(_place(records), json.dumps(kept).encode())
    return Outcome(private={DESCRIPTION_FAILED: None})


def statistics_of(dataset: Resource, means: Means) -> dict[str, Any]:
    """Return what a dataset's rows look like, bulk and live together; of a large one, perhaps how far that is.

    Returns:
        What is known, or ``status`` of the task that finds it out with its ``progress`` or its ``failureReason``.

    Raises:
        JobFailed: the dataset is gone.
    """
    records, others = records_of(dataset, means), _others(dataset, means)
    if records.stored_rows <= LARGE_ROWS:
        return _found_now(records, others)
    return _kept(records, others) or _asked(dataset, means)


def _others(dataset: Resource, means: Means) -> dict[str, DatasetRecords]:
    """Return the datasets in which the ids of interactions should be, by the column of these."""
    there = means.store.datasets(dataset.body["datasetGroupArn"])
    if "INTERACTIONS" not in dataset.body["datasetType"]:
        return {}
    return {column: records_of(there[name], means) for name, column in _OTHERS.items() if name in there}


def _found_now(records: DatasetRecords, others: Mapping[str, DatasetRecords]) -> dict[str, Any]:
    with records.connection() as connection, records.shown(connection), ExitStack() as views:
        for column, other in others.items():
            views.enter_context(other.shown(connection, "ALL", column))
        views_of = {column: column for column in others}
        return statistics.statistics(
            connection, records.schema, "data", views_of.get("ITEM_ID"), views_of.get("USER_ID")
        )


def _kept(records: DatasetRecords, others: Mapping[str, DatasetRecords]) -> dict[str, Any] | None:
    """Return the newest answer that a task has made, if it still holds or was made just now."""
    try:
        kept = json.loads(records.storage.get(_place(records)))
    except FileNotFoundError:
        return None
    holds = kept["standing"] == _standing(records, others)
    return kept["found"] if holds or time.time() - kept["at"] < _FRESH_SECONDS else None


def _asked(dataset: Resource, means: Means) -> dict[str, Any]:
    """Owe the task that finds the answer, unless other work is owed, and return how far it is.

    That one failed is told once; who asks again wants another.
    """
    with means.store.write(lock_of(dataset.account, dataset.region)) as transaction:
        task, now = transaction.task(dataset.arn), transaction.get(dataset.arn)
        if task is None and now is not None:
            failure = now.private.get(DESCRIPTION_FAILED)
            if failure is not None:
                transaction.merge_private(dataset.arn, {DESCRIPTION_FAILED: None})
                return {"status": "FAILED", "failureReason": failure}
            lifecycle.owe(transaction, dataset.arn, DATASET, "describe")
    if task is None or task.verb != "describe" or task.worker is None:
        return {"status": "PENDING", "progress": {}}
    return {"status": "IN_PROGRESS", "progress": task.progress or {}}


def _standing(records: DatasetRecords, others: Mapping[str, DatasetRecords]) -> str:
    return "/".join(one.standing() for one in (records, *others.values()))


def _place(records: DatasetRecords) -> str:
    return f"{records.folder}/statistics.json"
