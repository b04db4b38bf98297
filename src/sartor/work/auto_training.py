"""The chore of automatic training: solutions that are due and have new data get a new version, recommenders a model."""

import logging
from functools import partial

from sartor.recipes import BY_ARN
from sartor.resources.kind_names import DATASET, DATASET_IMPORT_JOB
from sartor.resources.schedule import due_models, due_training
from sartor.resources.store import Resource, Store
from sartor.work.tools import Tools

LOG = logging.getLogger("sartor.work.auto_training")


def train_what_is_due(tools: Tools, now: float) -> None:
    """Begin the trainings that are due; ``now`` is epoch seconds."""
    versions = due_training(tools.store, now, partial(has_new_data, tools.store), tools.quotas_on)
    for arn in (*versions, *due_models(tools.store, now)):
        LOG.info("the training of %s begins by itself", arn)


def has_new_data(store: Store, solution: Resource, since: float) -> bool:
    """Return whether there are newer interactions for a solution, or items if it needs no others.

    Args:
        store: the metadata database.
        solution: the solution.
        since: epoch seconds.
    """
    types = BY_ARN[solution.body["recipeArn"]].renewed_by
    with store.read() as transaction:
        datasets = transaction.children(solution.body["datasetGroupArn"], DATASET)
    return any(_has_new_records(store, one, since) for one in datasets if one.body["datasetType"] in types)


def _has_new_records(store: Store, dataset: Resource, since: float) -> bool:
    """Return whether records were imported into a dataset, or put, after a time (epoch seconds)."""
    with store.read() as transaction:
        for job in transaction.children(dataset.arn, DATASET_IMPORT_JOB):
            if job.seq > dataset.seq and job.status == "ACTIVE" and job.updated_at > since:
                return True
    at = store.put_records.newest_at(dataset.seq)
    return at is not None and at > since
