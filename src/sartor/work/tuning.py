"""Hyperparameter optimization: of some drawn settings the one whose model ranks held-out items best.

Source: the guide's page "Hyperparameters and HPO". Only what has a meaning for the trainer is varied; the other
tunable parameters keep their defaults. The service's own objective is not public; here it is NDCG at 25.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from sartor.models import evaluation
from sartor.models.base import Model, Run, TrainingData
from sartor.models.evaluation import Split
from sartor.recipes import Parameter, Recipe
from sartor.resources.hyperparameters import plain

#: So many settings are tried at most, the defaults among them.
MOST_TRIED: Final = 12
_OBJECTIVE: Final = "normalized_discounted_cumulative_gain_at_25"
Parameters = Mapping[str, str]


def tuned(
    recipe: Recipe,
    config: Mapping[str, Any],
    varied: tuple[str, ...],
    fit: Callable[[TrainingData, Parameters, Run], Model],
    data: TrainingData,
    split: Split,
    parameters: Parameters,
    run: Run,
) -> dict[str, str]:
    """Return the best values found for a recipe's tunable parameters, as text.

    Args:
        recipe: of the solution.
        config: ``solutionConfig``.
        varied: the parameters that have a meaning for the trainer.
        fit: the trainer.
        data: all of it, of which ``split.train`` is trained on.
        split: what is held out.
        parameters: what is not varied.
        run: how the trainings run.

    Raises:
        Stopped: the run says so.
    """
    free = [one for one in recipe.parameters if one.tunable and one.name not in _fixed(config)]
    tried: list[dict[str, str]] = [{one.name: one.default for one in free}]
    ranges = [_range(one, config) for one in free if one.name in varied]
    if ranges:
        rng = np.random.default_rng(run.seed)
        most = min(_jobs(config), MOST_TRIED)
        tried += [{**tried[0], **{one.name: _drawn(one, rng) for one in ranges}} for _ in range(most - 1)]
    if len(tried) == 1:
        return tried[0]
    part = TrainingData(data.n_items, split.train, data.features)
    scores = []
    for number, values in enumerate(tried):
        run.keep_on()
        run.progress({"phase": "tuning", "trial": number + 1, "trials": len(tried)})
        model = fit(part, {**parameters, **values}, run)
        scores.append(evaluation.evaluate(model, split, data.n_items, run=run)[_OBJECTIVE])
    return tried[int(np.argmax(scores))]


def _fixed(config: Mapping[str, Any]) -> set[str]:
    return set(config.get("algorithmHyperParameters", {}))


def _jobs(config: Mapping[str, Any]) -> int:
    resources = config.get("hpoConfig", {}).get("hpoResourceConfig", {})
    return int(resources.get("maxNumberOfTrainingJobs", MOST_TRIED))


def _range(parameter: Parameter, config: Mapping[str, Any]) -> Parameter:
    """Return a parameter with the range that the solution gives, or its own."""
    lists = config.get("hpoConfig", {}).get("algorithmHyperParameterRanges", {})
    for given in (one for ranges in lists.values() for one in ranges):
        if plain(given["name"]) != parameter.name:
            continue
        values = tuple(given["values"]) if "values" in given else (given["minValue"], given["maxValue"])
        return Parameter(parameter.name, parameter.default, values, tunable=True)
    return parameter


def _drawn(parameter: Parameter, rng: np.random.Generator) -> str:
    """Return a value of a parameter's range, as text."""
    least, greatest = parameter.range[0], parameter.range[-1]
    if isinstance(least, str) or isinstance(greatest, str):
        return str(parameter.range[int(rng.integers(len(parameter.range)))])
    if isinstance(least, int) and isinstance(greatest, int):
        return str(int(rng.integers(least, greatest + 1)))
    return str(round(float(rng.uniform(least, greatest)), 4))
