"""The chore that deletes what recommenders served before they were trained anew, and what dead trainings left."""

import logging

from sartor.realtime.artifact import place_of
from sartor.resources.kind_names import RECOMMENDER
from sartor.resources.store import Resource
from sartor.work.tools import Tools

LOG = logging.getLogger("sartor.worker")


def sweep(tools: Tools) -> None:
    """Sweep every recommender; one that cannot be swept holds up no other.

    Who serves an old model has it in memory, and who is about to load it finds that the row has changed.
    """
    for recommender in tools.store.every(RECOMMENDER):
        try:
            _sweep(recommender, tools)
        except Exception:
            LOG.exception("%s could not be swept; the others are", recommender.arn)


def _sweep(recommender: Resource, tools: Tools) -> None:
    stored = [path for path, _ in tools.storage.list(recommender.private["folder"])]
    with tools.store.read() as transaction:  # after the list: what a training has begun since is not in it
        now, task = transaction.get(recommender.arn), transaction.task(recommender.arn)
    if now is None or task is not None or now.seq != recommender.seq or "artifact" not in now.private:
        return
    for path in stored:
        if not any(path.startswith(f"{folder}/") for folder in place_of(now.private)):
            tools.storage.delete(path)
