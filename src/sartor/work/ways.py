"""The ways of a training: what is fitted and measured, by what a recipe's models learn."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

from sartor.data.training import TrainingRows
from sartor.errors import JobFailed
from sartor.models import action_evaluation, evaluation, segments
from sartor.models.affinity import AffinityModel
from sartor.models.base import Float32, Model, Run, TrainingData
from sartor.models.objective import leaning
from sartor.models.segments import ItemSets
from sartor.recipes import BY_ARN, Recipe, Trainer
from sartor.recipes.trainers import Learns, Parameters
from sartor.resources.store import Resource
from sartor.work.item_columns import sets_of_each_value
from sartor.work.trials import Trials
from sartor.work.tuning import OBJECTIVE, Candidate, Search, best_recipe, tuned

#: How much an objective says beside relevance, by ``objectiveSensitivity``; MEDIUM is as much.
OBJECTIVE_WEIGHT: Final = {"OFF": 0.0, "LOW": 0.3, "MEDIUM": 1.0, "HIGH": 3.0}
#: What was chosen, its model and metrics, and what an optimization found.
Fitted = tuple[Candidate, Model, dict[str, float], dict[str, str]]


def _of_texts(
    candidates: Sequence[Candidate], _rows: TrainingRows, version: Resource, run: Run, _trials: Trials
) -> Fitted:
    """Fit a model of texts on all items; nothing is held out, as nobody is to be foretold."""
    (candidate,) = candidates
    model = _fitted(candidate.trainer, candidate.data, parameters_of(version), run, None, version)
    run.progress({"phase": "evaluating"})
    assert candidate.trainer.measures is not None
    return candidate, model, candidate.trainer.measures(model, run), {}


def _of_items(
    candidates: Sequence[Candidate], rows: TrainingRows, version: Resource, run: Run, trials: Trials
) -> Fitted:
    """Choose what is to be chosen, fit it without some users' newest interactions, and measure it on those."""
    config, parameters = version.body.get("solutionConfig", {}), parameters_of(version)
    split = evaluation.split(candidates[0].data.histories, run.seed)
    metric = config.get("autoMLConfig", {}).get("metricName", OBJECTIVE)
    candidate = best_recipe(candidates, Search(split, parameters, run, trials, metric))
    best: dict[str, str] = {}
    if version.body.get("performHPO", False):
        best = tuned(candidate, config, Search(split, parameters, run, trials))
        parameters = {**parameters, **best}
    trainer, data = candidate.trainer, candidate.data
    part = TrainingData(data.n_items, split.train, data.features)
    measured_run = run.unwarned() if trainer.refits else run
    model = _fitted(trainer, part, parameters, measured_run, rows.rewards, version)
    run.progress({"phase": "evaluating"})
    metrics = evaluation.evaluate(
        model,
        split,
        data.n_items,
        rewards=rows.rewards,
        weighted=data.histories.weights is not None,
        run=run,
    )
    if trainer.refits:
        run.progress({"phase": "training on everything"})
        model = _fitted(trainer, data, parameters, run, rows.rewards, version)
    return candidate, model, metrics, best


def _of_users(
    candidates: Sequence[Candidate], rows: TrainingRows, version: Resource, run: Run, _trials: Trials
) -> Fitted:
    """Fit a model of segments without each user's newest interactions, measure it on those, and fit it on all."""
    (candidate,) = candidates
    trainer, data, parameters = candidate.trainer, candidate.data, parameters_of(version)
    by_value = by_attributes([candidate.recipe])
    sets = sets_of_each_value(rows.attributes, data.n_items) if by_value else ItemSets.each(data.n_items)
    train, test = segments.split(data.histories)
    part = TrainingData(data.n_items, train, data.features)
    model = _fitted(trainer, part, parameters, run, None, version)
    run.progress({"phase": "evaluating"})
    metrics = segments.evaluate(cast(AffinityModel, model), train, test, sets, run)
    run.progress({"phase": "training on everything"})
    return candidate, _fitted(trainer, data, parameters, run, None, version), metrics, {}


def by_attributes(recipes: Sequence[Recipe]) -> bool:
    """Return whether versions of one of these recipes are asked by what items have in their columns."""
    return any(
        one.segmenting is not None and one.segmenting.asked_with == "itemAttributes" for one in recipes
    )


def _of_actions(
    candidates: Sequence[Candidate], _rows: TrainingRows, version: Resource, run: Run, _trials: Trials
) -> Fitted:
    """Fit a model of actions without some users' newest events, measure it on those, and fit it again on all."""
    (candidate,) = candidates
    held_out = action_evaluation.held_out(candidate.data, run.seed)
    parameters = parameters_of(version)
    model = _fitted(candidate.trainer, held_out.train, parameters, run, None, version)
    run.progress({"phase": "evaluating"})
    metrics = held_out.measure(model, run)
    run.progress({"phase": "training on everything"})
    model = _fitted(candidate.trainer, candidate.data, parameters, run, None, version)
    return candidate, model, metrics, {}


def recipes_of(version: Resource) -> list[Recipe]:
    """Return the recipes of which a version may become: its own, or those that ``performAutoML`` chooses from."""
    wanted = version.body.get("solutionConfig", {}).get("autoMLConfig", {}).get("recipeList", [])
    chooses = version.body.get("performAutoML", False)
    return [BY_ARN[arn] for arn in (wanted if chooses and wanted else [version.body["recipeArn"]])]


def parameters_of(version: Resource) -> dict[str, str]:
    """Return the parameters that a solution sets; what it does not set, the trainer knows best."""
    config = version.body.get("solutionConfig", {})
    return {
        **config.get("featureTransformationParameters", {}),
        **config.get("algorithmHyperParameters", {}),
    }


def _fitted(
    trainer: Trainer,
    data: TrainingData,
    parameters: Parameters,
    run: Run,
    rewards: Float32 | None,
    version: Resource,
) -> Model:
    """Return a fitted model that leans towards the solution's objective, if it has one."""
    try:
        model = trainer.fit(data, parameters, run)
    except MemoryError as error:
        raise JobFailed("Create failed. The training needs more memory than this machine has.") from error
    if rewards is None:
        return model
    objective = version.body["solutionConfig"]["optimizationObjective"]
    return leaning(model, rewards, OBJECTIVE_WEIGHT[objective.get("objectiveSensitivity", "OFF")])


#: What fits and measures the models of candidates.
TABLE: Final[
    Mapping[Learns, Callable[[Sequence[Candidate], TrainingRows, Resource, Run, Trials], Fitted]]
] = {
    "items": _of_items,
    "texts": _of_texts,
    "users": _of_users,
    "actions": _of_actions,
}
