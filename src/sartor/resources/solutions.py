"""Solutions: a recipe, its configuration, and when it is trained by itself.

Sources: the developer guide's "Creating a solution", "Updating a solution" and "Configuring automatic training",
and the service model.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sartor import recipes
from sartor.data.schema import Schema
from sartor.errors import in_use, invalid_input, not_found
from sartor.recipes import Recipe
from sartor.resources import groups, hyperparameters, solution_config, tags, updates
from sartor.resources.call import Call, Draft, Request, require_active
from sartor.resources.kind_names import DATASET_GROUP, SOLUTION, SOLUTION_VERSION
from sartor.resources.store import Resource, Transaction

#: Amazon's quota of active solutions of one dataset group.
MAX_SOLUTIONS: Final = 10
#: What ``performAutoML`` takes without a list: of the recipes that it could choose from, this one replaced them all.
AUTO_ML_RECIPE: Final = "arn:aws:personalize:::recipe/aws-user-personalization"
#: All that counts of a configuration with ``performAutoML``.
_WITH_AUTO_ML: Final = ("autoMLConfig", "autoTrainingConfig")
#: The members of a solution version in ``latestSolutionVersion``.
_SUMMARY: Final = ("trainingMode", "trainingType")


def create_solution(call: Call, request: Request) -> Draft:
    """Allow CreateSolution: a recipe that Sartor trains, with a configuration that its data allow."""
    group = call.find(request["datasetGroupArn"], DATASET_GROUP)
    recipe = _recipe(request)
    require_active(group)
    datasets = groups.trained_datasets(call.transaction, group, recipe)
    schemas = groups.schemas_of(call.transaction, datasets)
    arn = call.free_arn(SOLUTION, name=request["name"])
    first_tags = tags.checked(request.get("tags"))
    call.require_active_quota(SOLUTION, "a solution", MAX_SOLUTIONS, of=group.arn)
    return Draft(
        arn,
        request["name"],
        _body(request, group, recipe, schemas),
        parents=(group.arn,),
        tags=first_tags,
    )


def update_solution(call: Call, request: Request) -> dict[str, Any]:
    """Answer UpdateSolution: when the solution is trained by itself, and the weights of event types.

    Args:
        call: in a transaction that writes.
        request: ``solutionArn`` and any of ``performAutoTraining``, ``performIncrementalUpdate`` and
            ``solutionUpdateConfig``.

    Raises:
        ApiError: ``ResourceInUseException`` when it is not active or another update is not done,
            ``InvalidInputException`` for what the recipe or the data do not allow.
    """
    solution = call.find(request["solutionArn"], SOLUTION)
    require_active(solution)
    if call.transaction.task(solution.arn) is not None:
        raise in_use(f"Resource {solution.arn} cannot be updated: another update is in progress.")
    shown: dict[str, Any] = {
        name: request[name]
        for name in ("solutionUpdateConfig", "performAutoTraining", "performIncrementalUpdate")
        if name in request
    }
    body: dict[str, Any] = {name: value for name, value in shown.items() if name != "solutionUpdateConfig"}
    config = {**solution.body["solutionConfig"], **request.get("solutionUpdateConfig", {})}
    trains = request.get("performAutoTraining", solution.body["performAutoTraining"])
    body["solutionConfig"] = solution_config.scheduled(config) if trains else config
    _require_update(call, solution, request)
    restarts = {"scheduledFrom": call.now} if _restarts(solution.body, {**solution.body, **body}) else {}
    updates.begin(call.transaction, solution, call.now, shown=shown, body=body, private=restarts)
    return {"solutionArn": solution.arn}


def described(transaction: Transaction, solution: Resource) -> dict[str, Any]:
    """Return what DescribeSolution answers beside the solution itself: its newest version, and what AutoML chose."""
    version = transaction.child(solution.arn, SOLUTION_VERSION)
    if version is None:
        return {}
    trained = transaction.child(solution.arn, SOLUTION_VERSION, ("ACTIVE",))
    chosen: dict[str, Any] = {}
    if solution.body["performAutoML"] and trained is not None:
        chosen = {"autoMLResult": {"bestRecipeArn": trained.body["recipeArn"]}}
    summary = {
        "solutionVersionArn": version.arn,
        "status": version.status,
        **{name: version.body[name] for name in _SUMMARY},
        "creationDateTime": version.created_at,
        "lastUpdatedDateTime": version.updated_at,
    }
    if version.failure_reason is not None:
        summary["failureReason"] = version.failure_reason
    return {"latestSolutionVersion": summary, **chosen}


def config_in_effect(solution: Resource) -> dict[str, Any]:
    """Return the configuration that a solution's versions are trained with."""
    config: dict[str, Any] = solution.body["solutionConfig"]
    if not solution.body["performAutoML"]:
        return config
    return {name: config[name] for name in _WITH_AUTO_ML if name in config}


def _recipe(request: Request) -> Recipe:
    """Return the recipe that a request names, or that ``performAutoML`` chooses.

    Raises:
        ApiError: ``InvalidInputException`` for none, both, or one that no solution of Sartor's has;
            ``ResourceNotFoundException`` for a recipe that does not exist.
    """
    arn = request.get("recipeArn")
    automatic = request.get("performAutoML", False)
    if automatic == (arn is not None):
        raise invalid_input("Give either recipeArn or performAutoML.")
    listed = request.get("solutionConfig", {}).get("autoMLConfig", {}).get("recipeList", [])
    choices = [_known(named) for named in listed]
    if automatic:
        _require_choices(choices)
    recipe = _known((listed or [AUTO_ML_RECIPE])[0] if automatic else str(arn))
    if recipe.domain is not None:
        raise invalid_input(
            f"Recipe {arn} is a use case of the domain {recipe.domain}: create a recommender with it."
        )
    return recipe


def _require_choices(recipes: Sequence[Recipe]) -> None:
    """Refuse recipes that ``performAutoML`` cannot choose: it chooses among those for users.

    Raises:
        ApiError: ``InvalidInputException``.
    """
    for recipe in recipes:
        if recipe.type != "USER_PERSONALIZATION" or recipe.domain is not None:
            raise invalid_input(
                f"recipeList can have recipes of type USER_PERSONALIZATION, which {recipe.name} is not."
            )


def _known(arn: str) -> Recipe:
    recipe = recipes.BY_ARN.get(arn)
    if recipe is None:
        raise not_found(arn)
    return recipe


def _body(request: Request, group: Resource, recipe: Recipe, schemas: Mapping[str, Schema]) -> dict[str, Any]:
    """Return the members of a solution whose configuration is in order."""
    config = request.get("solutionConfig", {})
    automatic = request.get("performAutoML", False)
    performs_hpo = request.get("performHPO", False)
    event_type = request.get("eventType")
    _require_incremental(recipe, request)
    if automatic:
        solution_config.require_schedule(config.get("autoTrainingConfig", {}))
        solution_config.keep(recipe, {}, event_type, schemas)
    else:
        hyperparameters.keep(recipe, config, performs_hpo)
        solution_config.keep(recipe, config, event_type, schemas)
        config = hyperparameters.shown(recipe, config)
    performs_training = request.get("performAutoTraining", True)
    body: dict[str, Any] = {
        "datasetGroupArn": group.arn,
        "recipeArn": recipes.recipe_arn(recipe),
        "performHPO": performs_hpo,
        "performAutoML": automatic,
        "performAutoTraining": performs_training,
        "performIncrementalUpdate": request.get("performIncrementalUpdate", False),
        "solutionConfig": solution_config.scheduled(config) if performs_training else config,
    }
    if event_type is not None:
        body["eventType"] = event_type
    return body


def _require_incremental(recipe: Recipe, request: Request) -> None:
    if request.get("performIncrementalUpdate") and "incremental" not in recipe.features:
        raise invalid_input(f"performIncrementalUpdate is not supported by recipe {recipe.name}.")


def _require_update(call: Call, solution: Resource, request: Request) -> None:
    """Refuse an update that the solution's recipe or data do not allow."""
    recipe = recipes.BY_ARN[solution.body["recipeArn"]]
    config = request.get("solutionUpdateConfig", {})
    _require_incremental(recipe, request)
    solution_config.require_schedule(config.get("autoTrainingConfig", {}))
    if "eventsConfig" in config:
        group = call.find(solution.body["datasetGroupArn"], DATASET_GROUP)
        datasets = groups.trained_datasets(call.transaction, group, recipe)
        schemas = groups.schemas_of(call.transaction, datasets)
        merged = {**solution.body["solutionConfig"], "eventsConfig": config["eventsConfig"]}
        solution_config.keep(recipe, merged, solution.body.get("eventType"), schemas)


def _restarts(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Return whether an update begins the schedule anew: it is turned on, or has another frequency."""
    if not new["performAutoTraining"]:
        return False
    days = [solution_config.days_of(body["solutionConfig"]) for body in (old, new)]
    return not old["performAutoTraining"] or days[0] != days[1]
