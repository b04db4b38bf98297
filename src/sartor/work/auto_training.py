"""The chore of automatic training: solutions that are due and have new interactions get a new version."""

import logging

from sartor.resources.schedule import due_training
from sartor.resources.store import Store
from sartor.work.tools import Tools

LOG = logging.getLogger("sartor.work.auto_training")


def train_what_is_due(tools: Tools, now: float) -> None:
    """Begin the trainings that are due; ``now`` is epoch seconds."""
    for arn in due_training(
        tools.store,
        now,
        lambda group_arn, since: has_new_interactions(tools.store, group_arn, since),
        tools.quotas_on,
    ):
        LOG.info("the training of %s begins by itself", arn)


def has_new_interactions(store: Store, group_arn: str, since: float) -> bool:
    """Return whether interactions were imported into a dataset group, or put, after a time (epoch seconds)."""
    with store.read() as transaction:
        datasets = transaction.children(group_arn, "dataset")
        interactions = next((one for one in datasets if one.body["datasetType"] == "INTERACTIONS"), None)
        if interactions is None:
            return False
        for job in transaction.children(interactions.arn, "dataset-import-job"):
            if job.seq > interactions.seq and job.status == "ACTIVE" and job.updated_at > since:
                return True
    newest = store.put_records.newest(interactions.seq)
    _, at = store.put_records.waiting(interactions.seq, newest - 1)
    return newest > 0 and at is not None and at > since
