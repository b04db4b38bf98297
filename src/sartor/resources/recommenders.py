"""Recommenders: a use case of a domain, trained when it is created and every week, which answers by itself.

Sources: the developer guide's "Creating domain recommenders", "Updating a recommender", "Starting and stopping a
recommender" and "Maintaining recommendation relevance", and the service model.
"""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from sartor.errors import in_use, invalid_input, not_found
from sartor.recipes import BY_ARN, Recipe
from sartor.resources import exploration, groups, lifecycle, solution_config, tags, updates
from sartor.resources.call import Call, Draft, Request, require_active
from sartor.resources.kind_names import DATASET_GROUP, RECOMMENDER
from sartor.resources.solution_versions import METRIC_DIGITS
from sartor.resources.statuses import Verb, status_of
from sartor.resources.store import Resource, Transaction

#: Amazon's quota of recommenders of one dataset group.
MAX_RECOMMENDERS: Final = 5
DAY_SECONDS: Final = 24 * 3600.0
#: How often a recommender is trained by itself, counted from its creation.
PERIOD_SECONDS: Final = 7 * DAY_SECONDS
#: The one metric of a use case that has it, in the place of all others.
TREND: Final = "trend_prediction_accuracy"
#: What a configuration has that does not name it. Amazon's own personalize-monitor reads it of every recommender.
_DEFAULTS: Final = {"minRecommendationRequestsPerSecond": 1}
#: Of which columns a change needs another model.
_COLUMNS: Final = "trainingDataConfig"
#: What Sartor keeps of the trainings of a recommender, epoch seconds: when the newest was asked for, and when the one
#: was whose model answers.
OWED_AT, TRAINED_FROM = "owedAt", "trainedFrom"


def create_recommender(call: Call, request: Request) -> Draft:
    """Allow CreateRecommender: a use case of the group's domain, with data and a configuration that fits it."""
    group = call.find(request["datasetGroupArn"], DATASET_GROUP)
    recipe = _use_case(request["recipeArn"], group)
    require_active(group)
    datasets = groups.trained_datasets(call.transaction, group, recipe)
    if recipe.needs_items and "ITEMS" not in datasets:
        raise invalid_input(f"Recipe {recipe.name} needs an Items dataset in dataset group {group.arn}.")
    groups.require_data(call, datasets["INTERACTIONS"])
    config = request.get("recommenderConfig", {})
    _require_config(call, recipe, group, config)
    arn = call.free_arn(RECOMMENDER, name=request["name"])
    first_tags = tags.checked(request.get("tags"))
    call.require_active_quota(RECOMMENDER, "a recommender", MAX_RECOMMENDERS, of=group.arn)
    return Draft(
        arn,
        request["name"],
        {
            "datasetGroupArn": group.arn,
            "recipeArn": request["recipeArn"],
            "recommenderConfig": {**_DEFAULTS, **config},
        },
        # The random part keeps it apart from what is left of a deleted one of the same name.
        private={
            "folder": f"{call.account}/{call.region}/recommenders/{request['name']}-{secrets.token_hex(4)}",
        },
        parents=(group.arn, *(dataset.arn for dataset in datasets.values())),
        tags=first_tags,
    )


def update_recommender(call: Call, request: Request) -> dict[str, Any]:
    """Answer UpdateRecommender: what the request does not say stays; other columns need another training.

    Args:
        call: in a transaction that writes.
        request: ``recommenderArn`` and ``recommenderConfig``.

    Raises:
        ApiError: ``ResourceInUseException`` when it is not active or another update is not done,
            ``InvalidInputException`` for a configuration that the use case does not know.
    """
    recommender = call.find(request["recommenderArn"], RECOMMENDER)
    require_active(recommender)
    _require_no_work(call.transaction, recommender, "updated")
    group = call.find(recommender.body["datasetGroupArn"], DATASET_GROUP)
    given = request["recommenderConfig"]
    _require_config(call, BY_ARN[recommender.body["recipeArn"]], group, given)
    changed = {"recommenderConfig": {**recommender.body["recommenderConfig"], **given}}
    chosen = _COLUMNS in given and bool(recommender.private.get(groups.NEW_COLUMNS))
    trains = chosen or _columns(recommender.body) != _columns(changed)
    updates.begin(
        call.transaction,
        recommender,
        call.now,
        shown=changed,
        body=changed,
        private={OWED_AT: call.now, **({groups.NEW_COLUMNS: {}} if chosen else {})} if trains else {},
        parents=_parents(call.transaction, recommender),
        lane="training" if trains else None,
    )
    return {"recommenderArn": recommender.arn}


def trained_anew(recommender: Resource) -> Resource | None:
    """Return a recommender as it will be once its update is done, if it needs a training for that."""
    update = recommender.private["update"]
    if OWED_AT not in update["private"]:
        return None
    return replace(
        recommender,
        body={**recommender.body, **update["body"]},
        private={**recommender.private, **update["private"]},
    )


def trained_from(recommender: Resource) -> dict[str, Any]:
    """Return what is known of the newest training once it is done: when it was owed, or the creation was."""
    return {
        TRAINED_FROM: recommender.private.get(OWED_AT, recommender.created_at),
        lifecycle.FAILED: None,
    }


def described(_transaction: Transaction, recommender: Resource) -> dict[str, Any]:
    """Return what DescribeRecommender answers beside the recommender itself: the metrics of the model that it has."""
    metrics: Mapping[str, float] | None = recommender.private.get("metrics")
    if metrics is None or str(recommender.status).startswith(("CREATE", "DELETE")):
        return {}
    shown = {TREND: metrics[TREND]} if TREND in metrics else metrics
    return {"modelMetrics": {name: round(value, METRIC_DIGITS) for name, value in shown.items()}}


def is_due(recommender: Resource, now: float) -> bool:
    """Return whether another week of an active recommender has begun since the training of its model was owed.

    One that was given up, or failed, is owed again the day after.

    Args:
        recommender: of any status.
        now: epoch seconds.
    """
    created = recommender.created_at
    trained = recommender.private.get(TRAINED_FROM, created)
    is_another = (now - created) // PERIOD_SECONDS > (trained - created) // PERIOD_SECONDS
    return (
        recommender.status == "ACTIVE"
        and is_another
        and now - recommender.private.get(OWED_AT, created) >= DAY_SECONDS
    )


def owe_training(transaction: Transaction, recommender: Resource, now: float) -> None:
    """Owe an active recommender that has no other work a training of what its group has now.

    Args:
        transaction: one that writes.
        recommender: as it is now.
        now: epoch seconds.
    """
    if transaction.get(recommender.body["datasetGroupArn"]) is not None:
        transaction.set_parents(recommender.arn, _parents(transaction, recommender))
    transaction.merge_private(recommender.arn, {OWED_AT: now})
    lifecycle.owe(transaction, recommender.arn, RECOMMENDER, "train")


def _change(verb: Verb, call: Call, request: Request) -> dict[str, Any]:
    """Answer StartRecommender or StopRecommender.

    Raises:
        ApiError: ``ResourceInUseException`` when its status is another, or it is being updated.
    """
    recommender = call.find(request["recommenderArn"], RECOMMENDER)
    if verb == "stop":
        require_active(recommender)
    elif recommender.status != status_of(RECOMMENDER, "stop", "finished"):
        raise in_use(f"Resource {recommender.arn} must be INACTIVE, but its status is {recommender.status}.")
    _require_no_work(call.transaction, recommender, "stopped" if verb == "stop" else "started")
    call.transaction.set_status(recommender.arn, status_of(RECOMMENDER, verb, "waiting"), call.now)
    lifecycle.owe(call.transaction, recommender.arn, RECOMMENDER, verb)
    return {"recommenderArn": recommender.arn}


#: Answer the operations of these names.
start_recommender = partial(_change, "start")
stop_recommender = partial(_change, "stop")


def _use_case(arn: str, group: Resource) -> Recipe:
    """Return the use case that a request names.

    Raises:
        ApiError: ``ResourceNotFoundException`` for a recipe that does not exist; ``InvalidInputException`` for one of
            no domain or another, or a group that has none.
    """
    recipe = BY_ARN.get(arn)
    if recipe is None:
        raise not_found(arn)
    domain = group.body.get("domain")
    if domain is None:
        raise invalid_input(
            f"Dataset group {group.arn} has no domain: recommenders are for Domain dataset groups. "
            "Create a solution and a campaign in it."
        )
    if recipe.domain is None:
        raise invalid_input(f"Recipe {arn} is no use case of a domain: create a solution with it.")
    if recipe.domain != domain:
        raise invalid_input(
            f"Recipe {arn} is a use case of the domain {recipe.domain}, "
            f"but the domain of dataset group {group.arn} is {domain}."
        )
    return recipe


def _require_config(call: Call, recipe: Recipe, group: Resource, config: Mapping[str, Any]) -> None:
    """Refuse a configuration that the use case or the group's data do not know.

    Raises:
        ApiError: ``InvalidInputException``.
    """
    if "itemExplorationConfig" in config:
        exploration.require(recipe, config["itemExplorationConfig"])
    if _COLUMNS in config:
        schemas = groups.schemas_of(
            call.transaction, groups.trained_datasets(call.transaction, group, recipe)
        )
        solution_config.keep(recipe, {_COLUMNS: config[_COLUMNS]}, None, schemas)
    if config.get("enableMetadataWithRecommendations"):
        groups.require_metadata(call.transaction, group.arn)


def _require_no_work(transaction: Transaction, recommender: Resource, change: str) -> None:
    """Refuse to change what is being changed.

    Raises:
        ApiError: ``ResourceInUseException``.
    """
    if not lifecycle.make_way(transaction, recommender.arn):
        raise in_use(f"Resource {recommender.arn} cannot be {change}: an update is in progress.")


def _columns(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that a recommender of these members is trained with or without, in a form to compare."""
    chosen: Mapping[str, Mapping[str, Any]] = body["recommenderConfig"].get(_COLUMNS, {})
    return {
        rule: {dataset.upper(): sorted(columns) for dataset, columns in of_dataset.items() if columns}
        for rule, of_dataset in chosen.items()
        if any(of_dataset.values())
    }


def _parents(transaction: Transaction, recommender: Resource) -> tuple[str, ...]:
    """Return what a recommender names: all that must stay as long as it does."""
    group, recipe = recommender.body["datasetGroupArn"], BY_ARN[recommender.body["recipeArn"]]
    datasets = transaction.datasets(group, recipe.learns_from)
    return (group, *(dataset.arn for dataset in datasets.values()))
