"""Training: a solution version or recommender from the group's datasets as they are, metrics, and what made it.

The split and the metrics are those of the guide's page "Evaluating a solution version with metrics". An attempt
that dies leaves files that the next one replaces; nothing serves a version before it is ACTIVE.
"""

import importlib.metadata
import logging
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from sartor import __version__
from sartor.data import training
from sartor.data.dataset import DatasetRecords
from sartor.data.dataset_types import DATASET_TYPES
from sartor.data.schema import Schema
from sartor.data.training import TrainingRows
from sartor.errors import JobFailed
from sartor.models.base import (
    Acting,
    ActionEvents,
    Features,
    Histories,
    Model,
    Run,
    Texts,
    TrainingData,
)
from sartor.realtime import artifact
from sartor.realtime.selection import selection_of
from sartor.realtime.trained import training_of
from sartor.recipes import BY_ARN, Recipe, Trainer, recipe_arn
from sartor.recipes.trainers import Parameters, has_sequence_model
from sartor.resources.kind_names import SOLUTION_VERSION
from sartor.resources.kinds import KINDS
from sartor.resources.lifecycle import Outcome, Task
from sartor.resources.recommenders import trained_anew, trained_from
from sartor.resources.records import Means, records_of
from sartor.resources.store import Resource
from sartor.work import ways
from sartor.work.beside import Beside
from sartor.work.tools import Tools
from sartor.work.trained_users import Rows, TrainedUsers, attempt_folder, delete_attempts
from sartor.work.trials import Trials
from sartor.work.tuning import Candidate
from sartor.work.ways import parameters_of, recipes_of

LOG = logging.getLogger("sartor.worker")

#: Amazon's minimums for a training ("Amazon Personalize endpoints and quotas").
MINIMUM_INTERACTIONS: Final = 1000
MINIMUM_USERS: Final = 25
MINIMUM_SHARE_OF_USERS: Final = 0.01
#: Amazon's maximum of actions, and of event types and optional columns of interactions together.
MAXIMUM_ACTIONS: Final = 1000
MAXIMUM_EVENT_TYPES_AND_COLUMNS: Final = 10
#: What people call the datasets that a training cannot do without.
_NOUNS: Final = {"INTERACTIONS": "Item interactions", "ITEMS": "Items", "ACTIONS": "Actions"}
#: The views of datasets that have another name than their type.
_VIEWS: Final = {"INTERACTIONS": "data"}
#: The reserved columns of interactions that count as optional ones, as metadata columns do.
_OPTIONAL: Final = ("EVENT_TYPE", "EVENT_VALUE")
#: What an event type must not be: the names of columns that Amazon keeps for itself.
RESERVED: Final = frozenset(DATASET_TYPES[None]["INTERACTIONS"].keywords)
_RECORDED_LIBRARIES: Final = ("numpy", "duckdb", "torch")


@dataclass(frozen=True)
class Trained:
    """What a training made.

    Attributes:
        model: fitted.
        rows: what it was fitted on.
        metrics: by Amazon's names, not rounded.
        provenance: what made it, as JSON.
        tuned: the hyperparameters that an optimization found; none without one.
        recipe: of which it is, its solution's or what AutoML chose.
        evaluation: how the model did beside baselines, by each split, as JSON.
    """

    model: Model
    rows: TrainingRows
    metrics: dict[str, float]
    provenance: dict[str, Any]
    tuned: dict[str, str]
    recipe: Recipe
    evaluation: list[dict[str, Any]]


class _Told:
    """Passes progress on; the losses of the newest sequence model stay with it while something else goes on.

    Args:
        tell: takes it.

    Attributes:
        losses: of that model: the epochs that were gone through and the loss then, in order.
    """

    def __init__(self, tell: Callable[[Mapping[str, Any]], None]) -> None:
        self._tell = tell
        self.losses: list[tuple[float, float]] = []

    def __call__(self, progress: Mapping[str, Any]) -> None:
        """Take progress."""
        self.losses = progress.get("losses", self.losses)
        self._tell({**progress, "losses": self.losses} if self.losses else progress)


def run(task: Task, tools: Tools) -> Outcome:
    """Train the solution version or the recommender, store its model, and return where it lies and its metrics.

    Raises:
        JobFailed: there is too little data.
        Stopped: it was told to stop, or the lease is lost.
    """
    return _run(task.resource, task, tools)


def update(task: Task, tools: Tools) -> Outcome:
    """Train a recommender anew whose columns change, with those that it will have; nothing else needs doing.

    Raises:
        JobFailed: there is too little data.
        Stopped: the lease is lost.
    """
    changed = trained_anew(task.resource)
    return Outcome() if changed is None else _run(changed, task, tools)


def _run(resource: Resource, task: Task, tools: Tools) -> Outcome:
    """Train what a resource says, as the task's."""
    version = replace(resource, body=dict(training_of(resource)))
    began = time.time()
    told = _Told(tools.progress)
    run = Run(seed=0, threads=tools.threads, progress=told, stop=tools.stop)
    folder = attempt_folder(version, task.id, task.attempt)
    beside = Beside(tools, folder, run)
    run = replace(run, gang=beside.gang)
    try:
        with tempfile.TemporaryDirectory(prefix="train-", dir=tools.scratch) as scratch:
            users = TrainedUsers(task, folder, tools, Path(scratch))
            trials = Trials(tools.storage, version.private["folder"], beside)
            trained = train(version, tools, run, tools.quotas_on, tools.sequence_on, users.reading, trials)
            trained.provenance.update(members=beside.members, losses=told.losses)
            run.keep_on()
            users.keep_computed(trained.model, trained.recipe.serving, run.keep_on)
            artifact.write_model(
                tools.storage, folder, trained.model, trained.rows, trained.provenance, Path(scratch)
            )
            run.keep_on()
            trials.forget()
    except BaseException:
        with suppress(Exception):  # else the next attempt does it
            tools.storage.delete_folder(folder)
        raise
    for warning in trained.provenance["warnings"]:
        LOG.warning("%s: %s", version.arn, warning)
    hours = round((time.time() - began) / 3600, 3)
    is_version = version.kind == SOLUTION_VERSION
    return Outcome(
        {"trainingHours": hours, "recipeArn": recipe_arn(trained.recipe), **_tuned(trained)}
        if is_version
        else {},
        {
            "artifact": folder,
            "metrics": trained.metrics,
            "evaluation": trained.evaluation,
            "record": trained.provenance,
            **({} if is_version else trained_from(resource)),
        },
        also=users.take_over,
    )


def settled(task: Task, tools: Tools) -> bool:
    """Delete what the attempts of a training that fails have left: none of them says that it is done."""
    delete_attempts(task, tools)
    tools.storage.delete_folder(attempt_folder(task.resource, task.id, task.attempt))
    Trials(tools.storage, task.resource.private["folder"]).forget()
    return False


def _tuned(trained: Trained) -> dict[str, Any]:
    """Return the member of DescribeSolutionVersion that an optimization brings."""
    return {"tunedHPOParams": {"algorithmHyperParameters": trained.tuned}} if trained.tuned else {}


def train(
    version: Resource,
    means: Means,
    run: Run,
    quotas_on: bool,
    sequence_on: bool,
    reading: Callable[[Callable[[], Rows]], Rows] = lambda read: read(),
    trials: Trials | None = None,
) -> Trained:
    """Read the data of a solution version and fit its model.

    Args:
        version: the solution version.
        means: what is needed to reach the datasets.
        run: how the training runs.
        quotas_on: whether Amazon's minimums apply.
        sequence_on: whether sequence models may be trained.
        reading: reads the rows; it may read them again.
        trials: what earlier attempts have tried; ``None`` if there was none.

    Raises:
        JobFailed: there is too little data.
        Stopped: it was told to stop.
    """
    run.progress({"phase": "reading"})
    rows, tables = reading(partial(_read, version, means))
    run.keep_on()
    recipes = recipes_of(version)
    _require_event_types(rows, version)
    if recipes[0].trainer.learns == "texts":
        _require_texts(rows)
    elif quotas_on:
        _require_minimums(rows, version.body.get("eventType"))
        _require_few_event_types(rows, _sources(version, means)["INTERACTIONS"].schema)
    elif not len(rows.item):
        raise JobFailed("Create failed. There are no interactions to train on.")
    _require_actions(rows, quotas_on)
    candidates = [
        Candidate(recipe, trainer, _data(rows, trainer))
        for recipe in recipes
        for trainer in (recipe.trainer.in_use(sequence_on),)
    ]
    fitted = ways.TABLE[candidates[0].trainer.learns]
    warnings: list[str] = []
    run = replace(run, warn=warnings.append)
    found = fitted(candidates, rows, version, run, trials or Trials())
    recipe = found.candidate.recipe
    parameters = {**parameters_of(version), **found.tuned}
    provenance = _provenance(version, recipe, found.model, parameters, rows, tables, run)
    provenance["sequenceModels"] = sequence_on and has_sequence_model()
    provenance["warnings"] = warnings
    evaluation = [one.to_json() for one in found.examinations]
    return Trained(found.model, rows, found.metrics, provenance, found.tuned, recipe, evaluation)


def tables_of(version: Resource, means: Means) -> dict[str, dict[str, int]]:
    """Return which state of which table a training of a version would read now, by dataset type.

    Raises:
        JobFailed: the interactions are gone.
    """
    return _tables(_sources(version, means))


def _sources(version: Resource, means: Means) -> dict[str, DatasetRecords]:
    """Return the records that a training reads, by dataset type; those that it cannot do without are among them."""
    recipe, found = BY_ARN[version.body["recipeArn"]], means.store.datasets(version.body["datasetGroupArn"])
    for needed in recipe.needs:
        if needed not in found:
            raise JobFailed(f"Create failed. The dataset group has no {_NOUNS[needed]} dataset.")
    names = [name for name in recipe.learns_from if name != "USERS" or _in_context(version)]
    return {name: records_of(found[name], means) for name in names if name in found}


def _in_context(version: Resource) -> bool:
    """Return whether what a version may become looks at the context of a request and the attributes of a user."""
    return any(one.in_context for one in recipes_of(version))


def _read(version: Resource, means: Means) -> Rows:
    """Return the rows, and which state of which table they are of."""
    sources = _sources(version, means)
    tables = _tables(sources)
    schemas = {name: records.schema for name, records in sources.items()}
    items, users = schemas.get("ITEMS"), schemas.get("USERS")
    selection = selection_of(version.body, () if items is None else [one.name for one in items.fields])
    with ExitStack() as stack:
        connection = stack.enter_context(next(iter(sources.values())).connection())
        if "INTERACTIONS" not in sources:
            training.show_nothing(connection)
        for name, records in sources.items():
            stack.enter_context(records.shown(connection, "ALL", _VIEWS.get(name, name.lower())))
        rows = training.read(
            connection,
            schemas.get("INTERACTIONS", training.NOTHING),
            items,
            selection,
            users,
            _in_context(version),
            any(one.trainer.learns == "texts" for one in recipes_of(version)),
            ways.by_attributes(recipes_of(version)),
            means.scratch,
        )
        if "ACTIONS" in sources:
            has_events = "ACTION_INTERACTIONS" in sources
            rows = training.with_actions(connection, rows, users, selection, has_events)
    return rows, tables


def _tables(sources: Mapping[str, DatasetRecords]) -> dict[str, dict[str, int]]:
    """Return the states of tables; where there are no interactions, of a table that was never written to."""
    nothing = {"bulkVersion": -1, "putNumber": 0}
    return {"INTERACTIONS": nothing, **{name: _state(records) for name, records in sources.items()}}


def _state(records: DatasetRecords) -> dict[str, int]:
    """Return the version of a dataset's imported records, and the number of its newest put record."""
    version = records.bulk_table.version()
    return {
        "bulkVersion": -1 if version is None else version,
        "putNumber": records.put.newest(records.number),
    }


def _require_event_types(rows: TrainingRows, version: Resource) -> None:
    """Refuse to train on event types that are none, or that no interaction has.

    Raises:
        JobFailed: in Amazon's words where they are known.
    """
    there = [name for name in rows.event_types if name and name.upper() not in RESERVED]
    if rows.event_types and not there and rows.has_event_types:
        raise JobFailed("All values in the event_type column are either reserved keywords or null")
    rules = version.body.get("solutionConfig", {}).get("eventsConfig", {}).get("eventParametersList", [])
    wanted = (
        [version.body["eventType"]] if "eventType" in version.body else [one["eventType"] for one in rules]
    )
    if wanted and not len(rows.item):
        raise JobFailed(
            f"Create failed. Dataset has fewer than {MINIMUM_INTERACTIONS} interactions after filtering by event "
            f"type: {', '.join(wanted)}. There are none; the event types of the dataset are: {', '.join(there)}."
        )


def _require_texts(rows: TrainingRows) -> None:
    """Refuse to compare the texts of items that have none.

    Raises:
        JobFailed: no item has a text.
    """
    if rows.texts is None or not len(rows.texts.word):
        raise JobFailed("Create failed. No item of the Items dataset has a text to train on.")


def _require_minimums(rows: TrainingRows, event_type: str | None) -> None:
    """Refuse too little data, in Amazon's known words.

    Raises:
        JobFailed: there are too few interactions, or too few users with two of them.
    """
    if len(rows.item) < MINIMUM_INTERACTIONS:
        after = "" if event_type is None else f" after filtering by event type: {event_type}"
        raise JobFailed(f"Create failed. Dataset has fewer than {MINIMUM_INTERACTIONS} interactions{after}.")
    lengths = np.diff(rows.offsets)
    users, enough = int((lengths > 0).sum()), int((lengths >= 2).sum())
    if enough < max(MINIMUM_USERS, MINIMUM_SHARE_OF_USERS * users):
        raise JobFailed(
            f"Create failed. Dataset has fewer than {MINIMUM_USERS} users with at least 2 interactions each."
            if enough < MINIMUM_USERS
            else "Create failed. Fewer than 1% of the users in the dataset have at least 2 interactions."
        )


def _require_few_event_types(rows: TrainingRows, of: Schema) -> None:
    """Refuse more event types and optional columns of interactions than Amazon's maximum of both together.

    Raises:
        JobFailed: there are more.
    """
    types = sum(bool(name) for name in rows.event_types)
    keywords = of.type_rules.keywords
    columns = sum(field.name in _OPTIONAL or field.name not in keywords for field in of.fields)
    if types + columns > MAXIMUM_EVENT_TYPES_AND_COLUMNS:
        raise JobFailed(
            f"Create failed. The Item interactions dataset has {types} event types and {columns} optional "
            f"column{'' if columns == 1 else 's'}; together they can be at most {MAXIMUM_EVENT_TYPES_AND_COLUMNS}."
        )


def _require_actions(rows: TrainingRows, quotas_on: bool) -> None:
    """Refuse no actions, and more than Amazon's maximum.

    Raises:
        JobFailed: so it is.
    """
    if rows.acting is None:
        return
    number = len(rows.acting.actions)
    if not number:
        raise JobFailed("Create failed. There are no actions in the Actions dataset.")
    if quotas_on and number > MAXIMUM_ACTIONS:
        raise JobFailed(
            f"Create failed. The Actions dataset has {number:,} actions, more than {MAXIMUM_ACTIONS:,}."
        )


def _data(rows: TrainingRows, trainer: Trainer) -> TrainingData:
    """Return the rows as the models take them."""
    weights = None if bool(np.all(rows.weight == 1.0)) else rows.weight
    histories = Histories(rows.item, rows.offsets, rows.time, weights)
    uses_features = trainer.uses_features and len(rows.tokens)
    features = Features(rows.tokens, rows.token_offsets, len(rows.token_names)) if uses_features else None
    said = rows.texts if trainer.learns == "texts" else None
    texts = None if said is None else Texts(**{one.name: getattr(said, one.name) for one in fields(said)})
    return TrainingData(len(rows.items), histories, features, texts, _acting(rows))


def _acting(rows: TrainingRows) -> Acting:
    """Return what users did with actions as the models take it."""
    found = rows.acting
    if found is None:
        return Acting()
    events = ActionEvents(found.action, found.action_type, found.action_time, found.action_offsets)
    attributes = Features(found.attribute, found.attribute_offsets, len(rows.contexts.values))
    return Acting(len(found.actions), events, attributes)


def _provenance(
    version: Resource,
    recipe: Recipe,
    model: Model,
    parameters: Parameters,
    rows: TrainingRows,
    tables: Mapping[str, Mapping[str, int]],
    run: Run,
) -> dict[str, Any]:
    """Return what made a model: enough to make it again, and to know whether that is possible."""
    libraries = {}
    for name in _RECORDED_LIBRARIES:
        try:
            libraries[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        KINDS[version.kind].arn_member: version.arn,
        "recipe": recipe.name,
        "model": model.name,
        "parameters": dict(parameters),
        "judged": dict(model.report()),
        "solutionConfig": version.body.get("solutionConfig", {}),
        "eventType": version.body.get("eventType"),
        "seed": run.seed,
        "threads": run.threads,
        "tables": {name: dict(state) for name, state in tables.items()},
        "interactions": len(rows.item),
        "users": len(rows.users),
        "items": len(rows.items),
        "newestInteraction": int(rows.seen_time.max()) if len(rows.seen_time) else None,
        "eventTypes": list(rows.event_types),
        "attributes": rows.attributes.settings(),
        "contexts": {"bounds": dict(rows.contexts.bounds), "values": list(rows.contexts.values)},
        "sartor": __version__,
        "libraries": libraries,
        "trainedAt": round(time.time(), 3),
    }
