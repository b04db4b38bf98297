"""The table of work: which function does what for a resource."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from sartor import clock
from sartor.data import sums
from sartor.data.dataset import DatasetRecords
from sartor.resources.kind_names import (
    BATCH_INFERENCE_JOB,
    BATCH_SEGMENT_JOB,
    CAMPAIGN,
    DATA_DELETION_JOB,
    DATASET,
    DATASET_EXPORT_JOB,
    DATASET_GROUP,
    DATASET_IMPORT_JOB,
    EVENT_TRACKER,
    FILTER,
    METRIC_ATTRIBUTION,
    RECOMMENDER,
    SOLUTION,
    SOLUTION_VERSION,
)
from sartor.resources.lifecycle import Outcome, Task
from sartor.resources.records import records_of
from sartor.resources.store import Resource
from sartor.work import (
    attribution,
    batch_inference,
    batch_segments,
    delete_users,
    describe,
    export_data,
    import_data,
    old_models,
    retrain,
    train,
    update_dataset,
)
from sartor.work.drain_lease import held_drain
from sartor.work.tools import Tools

LOG = logging.getLogger("sartor.worker")

#: A dataset that could not be drained is tried again after so long, in seconds.
DRAIN_AGAIN_SECONDS: Final = 5.0
#: Parts that no commit names are left alone for this long: their job may still run, in seconds.
DAY_SECONDS: Final = 24 * 3600.0
SWEEP_SECONDS: Final = DAY_SECONDS
#: Drained parts that newer ones replaced are left for who reads them still, in seconds.
READ_SECONDS: Final = 6 * 3600.0
#: Put records stay in the database this long as their users' recent history: filters forget after three months.
HISTORY_SECONDS: Final = 90 * DAY_SECONDS
#: Put records are drained once there are so many, or the oldest has waited as long as the settings say.
DRAIN_RECORDS: Final = 50_000


def _nothing(_task: Task, _tools: Tools) -> Outcome:
    """The resource is its row in the database; nothing else needs doing."""
    return Outcome()


def _delete_dataset(task: Task, tools: Tools) -> Outcome:
    """Delete a dataset's tables, its import reports, and what calls put into it."""
    dataset = task.resource
    if dataset.body["datasetType"] == "EVENT_INTERACTIONS":  # it holds nothing of its own
        return Outcome()
    tools.storage.delete_folder(import_data.dataset_path(dataset))
    tools.store.put_records.delete_dataset(dataset.seq)
    return Outcome()


def _delete_group(task: Task, _tools: Tools) -> Outcome:
    """Let the hidden dataset of the group's events go with it."""
    return Outcome(removes=(task.arn.replace(":dataset-group/", ":dataset/") + "/EVENT_INTERACTIONS",))


def _delete_recommender(task: Task, tools: Tools) -> Outcome:
    """Delete a recommender's models."""
    tools.storage.delete_folder(task.resource.private["folder"])
    return Outcome()


def _delete_solution(task: Task, tools: Tools) -> Outcome:
    """Delete the versions of a solution, with their models."""
    with tools.store.read() as transaction:
        now = transaction.get(task.arn)
        # a solution of the same name may have come since another worker ended this task
        is_same = now is not None and now.seq == task.resource.seq
        versions = transaction.children(task.arn, SOLUTION_VERSION) if is_same else []
    for version in versions:
        tools.storage.delete_folder(version.private["folder"])
    return Outcome(removes=tuple(version.arn for version in versions))


#: What is done for each kind of resource and verb.
TABLE: Final[Mapping[tuple[str, str], Callable[[Task, Tools], Outcome]]] = {
    (DATASET_GROUP, "create"): _nothing,
    (DATASET_GROUP, "delete"): _delete_group,
    (DATASET, "create"): _nothing,
    (DATASET, "delete"): _delete_dataset,
    (DATASET, "update"): update_dataset.run,
    (DATASET, "describe"): describe.run,
    (DATASET_IMPORT_JOB, "create"): import_data.run,
    (DATASET_EXPORT_JOB, "create"): export_data.run,
    (DATA_DELETION_JOB, "create"): delete_users.run,
    (EVENT_TRACKER, "create"): _nothing,
    (EVENT_TRACKER, "delete"): _nothing,
    (METRIC_ATTRIBUTION, "create"): attribution.begin,
    (METRIC_ATTRIBUTION, "delete"): _nothing,
    (SOLUTION, "create"): _nothing,
    (SOLUTION, "update"): _nothing,
    (SOLUTION, "delete"): _delete_solution,
    (SOLUTION_VERSION, "create"): train.run,
    (SOLUTION_VERSION, "verify"): retrain.run,
    (CAMPAIGN, "create"): _nothing,
    (CAMPAIGN, "update"): _nothing,
    (CAMPAIGN, "delete"): _nothing,
    (RECOMMENDER, "create"): train.run,
    (RECOMMENDER, "train"): train.run,
    (RECOMMENDER, "verify"): retrain.run,
    (RECOMMENDER, "update"): train.update,
    (RECOMMENDER, "start"): _nothing,
    (RECOMMENDER, "stop"): _nothing,
    (RECOMMENDER, "delete"): _delete_recommender,
    (FILTER, "create"): _nothing,
    (FILTER, "delete"): _nothing,
    (BATCH_INFERENCE_JOB, "create"): batch_inference.run,
    (BATCH_SEGMENT_JOB, "create"): batch_segments.run,
}
#: How a task that is about to fail is recognised as done all the same; if it is not, it never will be.
_SETTLED: Final[Mapping[tuple[str, str], Callable[[Task, Tools], bool]]] = {
    (DATASET_IMPORT_JOB, "create"): import_data.settled,
    (SOLUTION_VERSION, "create"): train.settled,
    (RECOMMENDER, "create"): train.settled,
    (RECOMMENDER, "train"): train.settled,
    (RECOMMENDER, "update"): train.settled,
}


def settled(task: Task, tools: Tools) -> bool:
    """Return whether the outcome of a task stands although no attempt said so."""
    ask = _SETTLED.get((task.kind, task.verb))
    return ask is not None and ask(task, tools)


class Sweeps:
    """Deletes what dead jobs left in the tables of all datasets and of models, and old models; merges small parts.

    Args:
        holder: a name that no other worker has.
    """

    def __init__(self, holder: str) -> None:
        self._holder = holder
        self._listed: dict[int, float] = {}

    def run(self, tools: Tools) -> None:
        """Sweep every dataset; one that cannot be swept holds up no other."""
        drained: dict[int, int] = {}
        for dataset in _datasets(tools):
            drained[dataset.seq] = 0
            try:
                drained[dataset.seq] = self._sweep(dataset, records_of(dataset, tools), tools)
            except Exception:
                LOG.exception("%s could not be swept; the others are", dataset.arn)
        tools.store.put_records.prune_weeks(drained, time.time() - HISTORY_SECONDS)
        old_models.sweep(tools)

    def _sweep(self, dataset: Resource, records: DatasetRecords, tools: Tools) -> int:
        """Sweep one dataset, and return the number up to which its table has what calls put."""
        now = time.time()
        with held_drain(dataset.seq, self._holder, tools) as lost:
            while lost is not None and not lost() and records.merge_imported():
                pass
        if now - self._listed.get(dataset.seq, -SWEEP_SECONDS) >= SWEEP_SECONDS:  # whole folders are listed
            records.bulk_table.sweep(SWEEP_SECONDS)
            records.put_table.sweep(SWEEP_SECONDS)
            sums.drop_gone(records, older_than_seconds=SWEEP_SECONDS)
            self._listed[dataset.seq] = now
        records.bulk_table.vacuum(now - tools.history_days * DAY_SECONDS)
        records.put_table.vacuum(now - READ_SECONDS, keep_log=False)
        drained = records.drained()
        tools.store.put_records.prune(dataset.seq, drained, now - HISTORY_SECONDS)
        return drained


class Drains:
    """Moves what calls put from the database into tables, once it is much or old.

    Args:
        holder: a name that no other worker has.
    """

    def __init__(self, holder: str) -> None:
        self._holder = holder
        self._drained: dict[int, int] = {}
        self._broken: dict[int, float] = {}

    def run(self, tools: Tools) -> None:
        """Drain every dataset that is due; one that cannot be is tried again after a while, and holds up no other."""
        for dataset in _datasets(tools):
            if time.monotonic() < self._broken.get(dataset.seq, 0.0):
                continue
            try:
                self._drain(dataset, tools)
            except Exception:
                LOG.exception("%s could not be drained; again in %s s", dataset.arn, DRAIN_AGAIN_SECONDS)
                self._broken[dataset.seq] = time.monotonic() + DRAIN_AGAIN_SECONDS

    def _drain(self, dataset: Resource, tools: Tools) -> None:
        """Drain one dataset if it is due."""
        put = tools.store.put_records
        newest = put.newest(dataset.seq)
        known = self._drained.get(dataset.seq)
        if newest in (0, known):
            return
        records = records_of(dataset, tools)
        after = records.drained() if known is None else known
        count, first = put.waiting(dataset.seq, after)
        if count < DRAIN_RECORDS and (first is None or clock.now() - first < tools.drain_seconds):
            return
        with held_drain(dataset.seq, self._holder, tools) as lost:
            if lost is not None:
                attribution.count_put(dataset, tools)
                records.drain()
        self._drained[dataset.seq] = records.drained()


def _datasets(tools: Tools) -> list[Resource]:
    """Return every dataset that has tables."""
    return [one for one in tools.store.every(DATASET) if not (one.status or "").startswith("DELETE")]
