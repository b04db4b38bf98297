"""The one table from work to status: what a task's state makes of its resource, or of the update that it is."""

from collections.abc import Mapping
from typing import Final, Literal

from sartor.resources.kind_names import CAMPAIGN, DATA_DELETION_JOB, RECOMMENDER, SOLUTION

#: ``train`` is a training that nobody asked for, of a resource that goes on as it is until it has a new model;
#: ``describe`` finds out what a dataset's rows look like; ``verify`` trains again, and compares.
Verb = Literal["create", "update", "start", "stop", "train", "describe", "verify", "delete"]
State = Literal["waiting", "running", "finished", "failed", "stopping", "stopped"]

#: What a task's state makes of its resource's status, or of the update's that it is. ``CREATE FAILED`` is the one
#: status of the service that says so: a deletion that fails leaves a resource that can only be deleted again.
STATUS: Final[Mapping[tuple[str, State], str]] = {
    ("create", "waiting"): "CREATE PENDING",
    ("create", "running"): "CREATE IN_PROGRESS",
    ("create", "finished"): "ACTIVE",
    ("create", "failed"): "CREATE FAILED",
    ("create", "stopping"): "CREATE STOPPING",
    ("create", "stopped"): "CREATE STOPPED",
    ("update", "waiting"): "UPDATE PENDING",
    ("update", "running"): "UPDATE IN_PROGRESS",
    ("update", "finished"): "ACTIVE",
    ("update", "failed"): "CREATE FAILED",
    ("stop", "waiting"): "STOP PENDING",
    ("stop", "running"): "STOP IN_PROGRESS",
    ("stop", "finished"): "INACTIVE",
    ("stop", "failed"): "ACTIVE",
    ("start", "waiting"): "START PENDING",
    ("start", "running"): "START IN_PROGRESS",
    ("start", "finished"): "ACTIVE",
    ("start", "failed"): "INACTIVE",
    ("delete", "waiting"): "DELETE PENDING",
    ("delete", "running"): "DELETE IN_PROGRESS",
    ("delete", "failed"): "CREATE FAILED",
}
#: Work of these verbs shows in no status, and gives way to all that is asked for.
UNSEEN: Final[frozenset[str]] = frozenset({"train", "describe", "verify"})
#: Data deletion jobs alone have words of their own.
_DELETION_JOB: Final[Mapping[State, str]] = {
    "waiting": "PENDING",
    "running": "IN_PROGRESS",
    "finished": "COMPLETED",
    "failed": "FAILED",
}
#: Where an update goes on beside a resource that stays active, the update has the words of a creation.
_BESIDE: Final[Mapping[State, str]] = {
    state: STATUS["create", state] for state in ("waiting", "running", "finished", "failed")
}
#: What differs from ``STATUS``, by kind and verb.
_OTHERS: Final[Mapping[tuple[str, str], Mapping[State, str]]] = {
    (DATA_DELETION_JOB, "create"): _DELETION_JOB,
    (CAMPAIGN, "update"): _BESIDE,
    (SOLUTION, "update"): _BESIDE,
    (RECOMMENDER, "update"): _BESIDE,
}


def status_of(kind: str, verb: str, state: State) -> str:
    """Return the status of a resource of this kind, or of its update, while its task is in this state."""
    words = _OTHERS.get((kind, verb))
    return STATUS[verb, state] if words is None else words[state]
