"""Solution versions: trainings of a solution as it was when they were asked for; how they are stopped.

Sources: the developer guide's "Creating a solution version", "Stopping the creation of a solution version" and
"Evaluating a solution version with metrics", and the service model.
"""

import secrets
from typing import Any, Final, Literal

from sartor.errors import in_use, invalid_input, limit_exceeded
from sartor.recipes import BY_ARN
from sartor.resources import groups, solutions, tags
from sartor.resources.call import Call, Draft, Request, require_active
from sartor.resources.kind_names import DATASET_GROUP, SOLUTION, SOLUTION_VERSION
from sartor.resources.kinds import COUNTED, UNFINISHED
from sartor.resources.statuses import status_of
from sartor.resources.store import Resource

#: Amazon's quota of solution versions that are pending or in progress in one account and region.
MAX_UNFINISHED: Final = 20
#: How many digits of a metric the service shows.
METRIC_DIGITS: Final = 4
#: What a version has of its solution as it was when its training was asked for.
_INHERITED: Final = (
    "datasetGroupArn",
    "recipeArn",
    "performHPO",
    "performAutoML",
    "performIncrementalUpdate",
    "eventType",
)


def create_solution_version(
    call: Call, request: Request, training_type: Literal["MANUAL", "AUTOMATIC"] = "MANUAL"
) -> Draft:
    """Allow CreateSolutionVersion; a solution can be trained at once, also before it is active.

    Args:
        call: who asks; for automatic training, the solution's owner.
        request: ``solutionArn`` and perhaps ``name``, ``trainingMode`` and ``tags``.
        training_type: who began the training.
    """
    solution = call.find(request["solutionArn"], SOLUTION)
    if solution.status not in COUNTED:
        raise in_use(f"Resource {solution.arn} must be ACTIVE, but its status is {solution.status}.")
    mode = _mode(call, solution, request.get("trainingMode", "FULL"))
    group = call.find(solution.body["datasetGroupArn"], DATASET_GROUP)
    require_active(group)
    recipe = BY_ARN[solution.body["recipeArn"]]
    datasets = groups.trained_datasets(call.transaction, group, recipe)
    for name in recipe.needs:
        groups.require_data(call, datasets[name])
    tail = request.get("name") or _free_id(call, solution)
    arn = call.free_arn(SOLUTION_VERSION, solution=solution.name, id=tail)
    first_tags = tags.checked(request.get("tags"))
    if call.quotas_on and call.count(SOLUTION_VERSION, UNFINISHED) >= MAX_UNFINISHED:
        raise limit_exceeded(f"More than {MAX_UNFINISHED} resources with PENDING or IN_PROGRESS status.")
    return Draft(
        arn,
        request.get("name") or f"{solution.name}/{tail}",
        {
            "solutionArn": solution.arn,
            **{name: solution.body[name] for name in _INHERITED if name in solution.body},
            "solutionConfig": solutions.config_in_effect(solution),
            "trainingMode": mode,
            "trainingType": training_type,
        },
        # The random part keeps it apart from what is left of a deleted one of the same name.
        private={
            "folder": f"{call.account}/{call.region}/solutions/{solution.name}-{secrets.token_hex(4)}",
            groups.NEW_COLUMNS: solution.private.get(groups.NEW_COLUMNS, {}),
        },
        parents=(solution.arn, group.arn, *(dataset.arn for dataset in datasets.values())),
        tags=first_tags,
    )


def stop_solution_version_creation(call: Call, request: Request) -> dict[str, Any]:
    """Answer StopSolutionVersionCreation: what waits is stopped at once, what runs is told to stop.

    Args:
        call: in a transaction that writes.
        request: ``solutionVersionArn``.

    Raises:
        ApiError: ``ResourceInUseException`` when it neither waits nor runs.
    """
    version = call.find(request["solutionVersionArn"], SOLUTION_VERSION)
    waiting, running, stopping, stopped = (
        status_of(SOLUTION_VERSION, "create", state)
        for state in ("waiting", "running", "stopping", "stopped")
    )
    if version.status not in (waiting, running):
        raise in_use(
            f"The creation of {version.arn} cannot be stopped: its status is {version.status}, "
            f"not {waiting} or {running}."
        )
    at_once = version.status == waiting and call.transaction.drop_waiting_task(version.arn)
    call.transaction.set_status(version.arn, stopped if at_once else stopping, call.now)
    return {}


def get_solution_metrics(call: Call, request: Request) -> dict[str, Any]:
    """Answer GetSolutionMetrics.

    Args:
        call: in any transaction.
        request: ``solutionVersionArn``.

    Raises:
        ApiError: ``ResourceInUseException`` when the version is not active.
    """
    version = call.find(request["solutionVersionArn"], SOLUTION_VERSION)
    require_active(version)
    metrics = version.private.get("metrics", {})
    return {
        "solutionVersionArn": version.arn,
        "metrics": {name: round(value, METRIC_DIGITS) for name, value in metrics.items()},
    }


def _mode(call: Call, solution: Resource, mode: str) -> str:
    """Return the mode of a training; ``AUTOTRAIN``, which the guide does not explain, is a full training.

    Raises:
        ApiError: ``InvalidInputException`` for an update that has nothing to begin with.
    """
    if mode != "UPDATE":
        return "FULL"
    recipe = BY_ARN[solution.body["recipeArn"]]
    if "update" not in recipe.features:
        raise invalid_input(f"trainingMode UPDATE is not supported by recipe {recipe.name}.")
    versions = call.transaction.children(solution.arn, SOLUTION_VERSION)
    if not any(one.status == "ACTIVE" and one.body["trainingMode"] == "FULL" for one in versions):
        raise invalid_input(
            f"trainingMode UPDATE needs an ACTIVE solution version of {solution.arn} that was trained in mode FULL."
        )
    return mode


def _free_id(call: Call, solution: Resource) -> str:
    """Return eight hexadecimal digits that no version of the solution has."""
    while True:
        tail = secrets.token_hex(4)
        if call.transaction.get(call.arn(SOLUTION_VERSION, solution=solution.name, id=tail)) is None:
            return tail
