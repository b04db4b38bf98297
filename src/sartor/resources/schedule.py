"""Automatic training: which solutions are due for a version that nobody asked for, which recommenders for a model.

Sources: the developer guide's "Configuring automatic training" and "Maintaining recommendation relevance". The first
training of a solution begins within an hour after it is active, unless somebody trains it in that hour; the next ones
by its schedule, counted from the beginning of the training before, and only if there is new data. A recommender is
trained anew every week, and goes on answering meanwhile.
"""

import logging
from collections.abc import Callable
from typing import Final

from sartor.errors import ApiError
from sartor.resources import lifecycle, recommenders, solution_config, solution_versions
from sartor.resources.call import Call, lock_of
from sartor.resources.kind_names import RECOMMENDER, SOLUTION, SOLUTION_VERSION
from sartor.resources.kinds import KINDS, UNFINISHED
from sartor.resources.store import Resource, Store, Transaction

LOG = logging.getLogger("sartor.schedule")

#: How long a solution is left to those who train it themselves; chores come often enough that its first
#: automatic training begins within the hour. In seconds.
FIRST_SECONDS: Final = 45 * 60.0
DAY_SECONDS: Final = 24 * 3600.0
_KIND: Final = KINDS[SOLUTION_VERSION]

#: Tells of a solution whether data came for it after a time (epoch seconds).
HasNewData = Callable[[Resource, float], bool]


def due_training(store: Store, now: float, has_new_data: HasNewData, quotas_on: bool) -> list[str]:
    """Begin the trainings that are due.

    Args:
        store: the metadata database.
        now: epoch seconds.
        has_new_data: asked about solutions whose time has come.
        quotas_on: whether Amazon's numbers of resources and jobs apply.

    Returns:
        The ARNs of the new solution versions.
    """
    begun = []
    with store.read() as transaction:
        due = [one for one in transaction.every(SOLUTION) if _since(transaction, one, now) is not None]
    for solution in due:
        try:
            version = _begin(store, solution, now, has_new_data, quotas_on)
        except ApiError as refused:  # such as too many at once: its time comes again
            LOG.warning("%s is not trained by itself: %s", solution.arn, refused.message)
            continue
        if version is not None:
            begun.append(version)
    return begun


def due_models(store: Store, now: float) -> list[str]:
    """Owe the recommenders whose week is over a training.

    Args:
        store: the metadata database.
        now: epoch seconds.

    Returns:
        Their ARNs.
    """
    with store.read() as transaction:
        due = [one for one in transaction.every(RECOMMENDER) if recommenders.is_due(one, now)]
    owed = []
    for recommender in due:
        with store.write(lock_of(recommender.account, recommender.region)) as transaction:
            found = transaction.get(recommender.arn)
            is_free = transaction.task(recommender.arn) is None
            if found is not None and is_free and recommenders.is_due(found, now):
                recommenders.owe_training(transaction, found, now)
                owed.append(found.arn)
    return owed


def _since(transaction: Transaction, solution: Resource, now: float) -> float | None:
    """Return since when data count as new for a solution whose time has come; None for one that is not due."""
    if solution.status != "ACTIVE" or not solution.body["performAutoTraining"]:
        return None
    if transaction.child(solution.arn, _KIND.name, UNFINISHED) is not None:
        return None
    newest = transaction.child(solution.arn, _KIND.name)
    last = 0.0 if newest is None else newest.created_at
    begins = solution.private.get("scheduledFrom", solution.created_at)
    if last < begins:
        due = begins + FIRST_SECONDS
    else:
        due = last + solution_config.days_of(solution.body["solutionConfig"]) * DAY_SECONDS
    return last if now >= due else None


def _begin(
    store: Store, solution: Resource, now: float, has_new_data: HasNewData, quotas_on: bool
) -> str | None:
    """Begin one training, unless there is nothing new to learn or somebody else has begun it meanwhile."""
    with store.read() as transaction:
        since = _since(transaction, solution, now)
    if since is None or not has_new_data(solution, since):
        return None
    with store.write(lock_of(solution.account, solution.region)) as transaction:
        found = transaction.get(solution.arn)
        if found is None or _since(transaction, found, now) is None:
            return None
        call = Call(transaction, solution.account, solution.region, quotas_on, round(now, 3), store.secret)
        draft = solution_versions.create_solution_version(call, {"solutionArn": solution.arn}, "AUTOMATIC")
        lifecycle.begin(call, _KIND, draft)
        return draft.arn
