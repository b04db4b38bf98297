"""The ways of a training: what is fitted and measured, by what a recipe's models learn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, cast

from sartor.data.training import TrainingRows
from sartor.errors import JobFailed
from sartor.models import action_evaluation, evaluation, examination, metrics, segments
from sartor.models.affinity import AffinityModel
from sartor.models.base import Float32, Model, Run, TrainingData
from sartor.models.baselines import VERSION
from sartor.models.evaluation import Measured, Split
from sartor.models.examination import Examination, Lists
from sartor.models.metrics import segment_size
from sartor.models.objective import leaning, of_relevance
from sartor.models.segments import ItemSets
from sartor.recipes import BY_ARN, Recipe
from sartor.recipes.trainers import Fit, Learns, Parameters
from sartor.resources.store import Resource
from sartor.work.item_columns import sets_of_each_value
from sartor.work.trial import OBJECTIVE
from sartor.work.trials import Trials
from sartor.work.tuning import Candidate, Search, best_recipe, tuned

#: How much an objective says beside relevance, by ``objectiveSensitivity``; MEDIUM is as much.
OBJECTIVE_WEIGHT: Final = {"OFF": 0.0, "LOW": 0.3, "MEDIUM": 1.0, "HIGH": 3.0}


@dataclass(frozen=True)
class Fitted:
    """What came of a training.

    Attributes:
        candidate: what was chosen.
        model: fitted; it serves.
        metrics: by Amazon's names, not rounded.
        tuned: the hyperparameters that an optimization found; none without one.
        examinations: how the model did beside baselines, by each split.
    """

    candidate: Candidate
    model: Model
    metrics: dict[str, float]
    tuned: dict[str, str] = field(default_factory=dict)
    examinations: tuple[Examination, ...] = ()


def _of_texts(
    candidates: Sequence[Candidate], _rows: TrainingRows, version: Resource, run: Run, _trials: Trials
) -> Fitted:
    """Fit a model of texts on all items; nothing is held out, as nobody is to be foretold."""
    (candidate,) = candidates
    model = _fitted(candidate.trainer.fit, candidate.data, parameters_of(version), run, None, version)
    run.progress({"phase": "evaluating"})
    assert candidate.trainer.measures is not None
    values = candidate.trainer.measures(model, run)
    means = {name: metrics.mean(found) for name, found in values.items()}
    examined = examination.of_values("nothing", model.name, "items", "", {VERSION: values}, {}, run)
    return Fitted(candidate, model, means, {}, (examined,))


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
    measuring = Measuring(candidate, parameters, rows.rewards, version)
    trainer = candidate.trainer
    model, measured, by_users = measuring.on(split, trainer.fit, run if trainer.again else run.unwarned())
    again = partial(trainer.again, of_relevance(model)) if trainer.again else trainer.fit
    examinations = (by_users, *measuring.by_time(again, run))
    run.progress({"phase": "training on everything"})
    model = _fitted(again, candidate.data, parameters, run, rows.rewards, version)
    return _told(Fitted(candidate, model, measured.metrics, best, examinations), run)


@dataclass(frozen=True)
class Measuring:
    """How a chosen recipe's models are measured.

    Attributes:
        candidate: what was chosen.
        parameters: of its models.
        rewards: float32[items], what each item is worth; ``None`` without an objective.
        version: that is trained.
    """

    candidate: Candidate
    parameters: Parameters
    rewards: Float32 | None
    version: Resource

    def on(self, split: Split, fit: Fit, run: Run) -> tuple[Model, Measured, Examination]:
        """Return a model that is fitted for a split, what it answers, and how it stands beside baselines."""
        data = self.candidate.data
        part = TrainingData(data.n_items, split.train, data.features)
        model = _fitted(fit, part, self.parameters, run, self.rewards, self.version)
        run.progress({"phase": "evaluating"})
        weighted = data.histories.weights is not None
        measured = evaluation.measure(model, split, data.n_items, self.rewards, weighted, run)
        serving = self.candidate.recipe.serving
        found = examination.of_items(
            model.name,
            measured,
            split,
            data.n_items,
            run,
            by_item=serving is not None and serving.needs == "itemId",
            rewards=self.rewards,
            weighted=weighted,
        )
        return model, measured, found

    def by_time(self, again: Fit, run: Run) -> list[Examination]:
        """Return how a model does that knows what came before one moment; none if nobody can be asked.

        What takes minutes is not trained once more for that: what needs no torch takes its place.

        Args:
            again: makes a model like the one that was measured, of other data.
            run: how it runs.
        """
        split = evaluation.split_by_time(self.candidate.data.histories, run.seed)
        if split is None:
            return []
        run.progress({"phase": "measuring by time"})
        quick = self.candidate.trainer.without_torch
        _, _, found = self.on(split, quick.fit if quick else again, run.unwarned())
        return [replace(found, stands_in=quick is not None)]


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
    model = _fitted(trainer.fit, part, parameters, run.unwarned(), None, version)
    run.progress({"phase": "evaluating"})
    measured = segments.measure(cast(AffinityModel, model), train, test, sets, run)
    examined = examination.of_values(
        "age",
        model.name,
        "segments",
        "recall_at_1_percent",
        {name: found.values for name, found in measured.items()},
        {
            name: Lists.padded(found.best, train.n_users, segment_size(train.n_users))
            for name, found in measured.items()
        },
        run,
    )
    run.progress({"phase": "training on everything"})
    model = _fitted(trainer.fit, data, parameters, run, None, version)
    return _told(Fitted(candidate, model, measured[VERSION].metrics, {}, (examined,)), run)


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
    model = _fitted(candidate.trainer.fit, held_out.train, parameters, run.unwarned(), None, version)
    run.progress({"phase": "evaluating"})
    measured = held_out.measure(model, run)
    run.progress({"phase": "training on everything"})
    model = _fitted(candidate.trainer.fit, candidate.data, parameters, run, None, version)
    return _told(Fitted(candidate, model, measured.metrics, {}, (measured.examination,)), run)


def _told(fitted: Fitted, run: Run) -> Fitted:
    """Warn of what is not above its baselines, if it should be; return what came of the training."""
    if fitted.candidate.trainer.competes:
        for one in fitted.examinations:
            for warning in one.warnings():
                run.warn(warning)
    return fitted


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
    fit: Fit,
    data: TrainingData,
    parameters: Parameters,
    run: Run,
    rewards: Float32 | None,
    version: Resource,
) -> Model:
    """Return a fitted model that leans towards the solution's objective, if it has one."""
    try:
        model = fit(data, parameters, run)
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
