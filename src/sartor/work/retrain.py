"""``sartor retrain --verify``, and the same as a task: train again from the provenance, and compare what comes out.

Equal data, seed, threads and library versions give equal arrays on one machine; whatever differs is named.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sartor.data.actions import ActionRows
from sartor.data.training import TrainingRows
from sartor.errors import JobFailed, in_use, invalid_input
from sartor.models.base import Model, Run
from sartor.models.gang import Gang
from sartor.realtime import artifact
from sartor.realtime.artifact import Artifact
from sartor.realtime.trained import training_of
from sartor.resources import lifecycle
from sartor.resources.call import inactive
from sartor.resources.kinds import KINDS
from sartor.resources.lifecycle import VERIFICATION_FAILED, Outcome, Task
from sartor.resources.records import Means
from sartor.resources.store import Resource, Transaction
from sartor.work.tools import Tools
from sartor.work.train import tables_of, train
from sartor.work.trained_users import FORGOTTEN

#: What is compared of the rows beside the names of items and users.
_ROWS: Final = ("offsets", "item", "time", "seen_offsets", "seen_item", "seen_type", "seen_time")
#: What is kept of a verification with what was trained: how it compares, and whether it was to in any case.
VERIFIED: Final = "verified"
_FORCED: Final = "verificationForced"
#: What a state of a table is called for people.
_STATES: Final = {"bulkVersion": "version", "putNumber": "newest put record"}


class Moved(Exception):  # noqa: N818 - nothing broke
    """The data changed since the training."""


@dataclass(frozen=True)
class Change:
    """Something that is no longer what it was at the training.

    Attributes:
        what: such as ``ITEMS version`` or ``numpy``.
        was, now: its values then and now.
    """

    what: str
    was: Any
    now: Any

    def __str__(self) -> str:
        return f"{self.what}: {self.was} then, {self.now} now"


@dataclass(frozen=True)
class Difference:
    """One part of the model that is not equal.

    Attributes:
        part: the array's name.
        was, now: its shape and type then and now; ``None`` where there is none.
        share: of its numbers, how many differ; ``None`` if the shapes do.
        largest: the largest absolute difference of two numbers; ``None`` if the shapes differ, or it has no numbers.
    """

    part: str
    was: str | None
    now: str | None
    share: float | None = None
    largest: float | None = None


@dataclass(frozen=True)
class Comparison:
    """What a second training made, against the first.

    Attributes:
        member: what its ARN is called, such as ``solutionVersionArn``.
        version: the ARN of the solution version or the recommender.
        arrays: how many arrays were compared.
        differences: those that are not equal.
        changes: what is no longer what it was: tables, libraries.
        metrics: by name, of the first and of the second training, where they differ.
    """

    member: str
    version: str
    arrays: int
    differences: tuple[Difference, ...]
    changes: tuple[Change, ...]
    metrics: Mapping[str, tuple[float | None, float | None]]

    @property
    def equal(self) -> bool:
        """Whether the second training made the same model."""
        return not self.differences

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            self.member: self.version,
            "equal": self.equal,
            "arrays": self.arrays,
            "differences": [vars(one) for one in self.differences],
            "changes": [vars(one) for one in self.changes],
            "metrics": {name: list(pair) for name, pair in self.metrics.items()},
        }


def ask(transaction: Transaction, version: Resource, force: bool) -> None:
    """Owe the task that verifies a solution version or a recommender.

    Args:
        transaction: that writes.
        version: ACTIVE.
        force: whether to compare although the tables changed since.

    Raises:
        ApiError: it is not trained, or other work of it is owed.
    """
    if version.status != "ACTIVE":
        raise inactive(version, invalid_input)
    if transaction.task(version.arn) is not None:
        raise in_use(f"Resource {version.arn} has other work that is not done yet.")
    transaction.merge_private(version.arn, {_FORCED: force, VERIFIED: None, VERIFICATION_FAILED: None})
    lifecycle.owe(transaction, version.arn, version.kind, "verify")


def run(task: Task, tools: Tools) -> Outcome:
    """Verify the solution version or the recommender, and keep how the second training compares.

    Raises:
        JobFailed: it cannot be trained again, or the data changed since and nobody wants it all the same.
        Stopped: the lease is lost.
    """
    again = Run(threads=tools.threads, progress=tools.progress, stop=tools.stop)
    try:
        found = verify(task.resource, tools, again, bool(task.resource.private.get(_FORCED)))
    except Moved as moved:
        raise JobFailed(str(moved)) from moved
    return Outcome(private={VERIFIED: {**found.to_json(), "at": round(time.time(), 3)}})


def verify(version: Resource, means: Means, run: Run, force: bool = False) -> Comparison:
    """Train a solution version or a recommender again as its provenance says, and compare.

    Args:
        version: ACTIVE.
        means: what is needed to reach the datasets and the artifact.
        run: takes progress and may stop; seed, threads and members are the provenance's.
        force: compare although the tables changed since.

    Raises:
        JobFailed: it is not trained, or cannot be trained here.
        Moved: the tables changed since, and nothing forces a comparison.
        Stopped: the run says so.
    """
    version = replace(version, body=dict(training_of(version)))
    if version.status != "ACTIVE" or "folder" not in version.private:
        raise JobFailed(f"{version.arn} must be ACTIVE, but its status is {version.status}.")
    try:
        first = artifact.read(means.storage, artifact.place_of(version.private))
    except FileNotFoundError as error:
        raise JobFailed(f"The model of {version.arn} is not in the storage.") from error
    provenance = first.provenance
    moved = (*_moved(provenance, tables_of(version, means)), *_forgotten(version))
    if moved and not force:
        words = "; ".join(map(str, moved))
        raise Moved(f"The data changed since the training ({words}). Compare all the same with --force.")
    members = provenance.get("members", 1)  # threads take their places
    again = replace(
        run, seed=provenance["seed"], threads=provenance["threads"], gang=Gang(lambda: int(members))
    )
    second = train(version, means, again, quotas_on=False, sequence_on=provenance.get("sequenceModels", True))
    was, now = _arrays(first.model, first), _arrays(second.model, second.rows)
    differences = [*_of_settings(first.model, second.model), *_differences(was, now)]
    known: Mapping[str, float] = version.private.get("metrics", {})
    metrics = {
        name: (known.get(name), second.metrics.get(name))
        for name in sorted({*known, *second.metrics})
        if known.get(name) != second.metrics.get(name)
    }
    changes = (*moved, *_library_changes(provenance, second.provenance))
    member = KINDS[version.kind].arn_member
    return Comparison(member, version.arn, len(was.keys() | now.keys()), tuple(differences), changes, metrics)


def _moved(provenance: Mapping[str, Any], now: Mapping[str, Mapping[str, int]]) -> tuple[Change, ...]:
    """Return what changed of the tables."""
    then: Mapping[str, Mapping[str, int]] = provenance["tables"]
    return tuple(
        Change(f"{name} {words}", then.get(name, {}).get(state), now.get(name, {}).get(state))
        for name in sorted({*then, *now})
        for state, words in _STATES.items()
        if then.get(name, {}).get(state) != now.get(name, {}).get(state)
    )


def _forgotten(version: Resource) -> tuple[Change, ...]:
    """Return that users whom it was trained with are deleted, if so: nobody can train with them again."""
    users = sum(one["users"] for one in version.private.get(FORGOTTEN) or ())
    return (Change("deleted users", 0, users),) if users else ()


def _library_changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return which versions of libraries, and of Sartor, are not those of the first training."""
    was, is_now = ({"sartor": provenance["sartor"], **provenance["libraries"]} for provenance in (then, now))
    return tuple(
        Change(name, was.get(name), is_now.get(name))
        for name in sorted({*was, *is_now})
        if was.get(name) != is_now.get(name)
    )


def _of_settings(was: Model, now: Model) -> list[Difference]:
    """Return the difference of what two models save as JSON, if there is one."""
    then, again = (f"{one.name} {json.dumps(one.settings(), sort_keys=True)}" for one in (was, now))
    return [] if then == again else [Difference("model/model.json", then, again)]


def _arrays(model: Model, rows: Artifact | TrainingRows) -> dict[str, NDArray[Any]]:
    """Return the arrays that an artifact has, by their files' names."""
    found = {f"model/{name}": np.asarray(array) for name, array in model.arrays().items()}
    found |= {name: np.asarray(getattr(rows, name)) for name in _ROWS}
    if rows.acting is not None:
        found |= {name: np.asarray(getattr(rows.acting, name)) for name in ActionRows.ARRAYS}
        found |= {f"actions.{name}": np.asarray(one) for name, one in rows.acting.actions.arrays().items()}
    for kind in artifact.NAMED:
        found |= {f"{kind}.{name}": np.asarray(array) for name, array in getattr(rows, kind).arrays().items()}
    return found


def _differences(was: Mapping[str, NDArray[Any]], now: Mapping[str, NDArray[Any]]) -> list[Difference]:
    """Return which arrays differ, and by how much."""
    return [
        found
        for name in sorted({*was, *now})
        if (found := _difference(name, was.get(name), now.get(name))) is not None
    ]


def _difference(name: str, was: NDArray[Any] | None, now: NDArray[Any] | None) -> Difference | None:
    then, again = (None if one is None else f"{one.dtype}{list(one.shape)}" for one in (was, now))
    if was is None or now is None or was.shape != now.shape or was.dtype != now.dtype:
        return Difference(name, then, again)
    same = (was == now) | ((was != was) & (now != now))  # NaN is equal to NaN here
    if bool(same.all()):
        return None
    if not np.issubdtype(was.dtype, np.number):
        return Difference(name, then, again, float(1 - same.mean()))
    with np.errstate(invalid="ignore", over="ignore"):
        gaps = np.abs(was.astype(np.float64) - now.astype(np.float64))[~same]
    return Difference(name, then, again, float(1 - same.mean()), float(gaps.max()))
