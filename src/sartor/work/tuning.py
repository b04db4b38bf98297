"""What a training chooses by trying: the best of some drawn settings (HPO), the best of some recipes (AutoML).

Sources: the guide's page "Hyperparameters and HPO", and AutoMLConfig of the service model. Only what has a meaning for
the trainer is varied; the other tunable parameters keep their defaults. The service's own objective of HPO is not
public; here it is NDCG at 25, as it is for AutoML unless its ``metricName`` is one that is measured here.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, TypeVar

import numpy as np

from sartor.models import evaluation
from sartor.models.base import Run, TrainingData
from sartor.models.evaluation import Split
from sartor.recipes import Parameter, Recipe
from sartor.recipes.trainers import Parameters, Trainer
from sartor.resources.hyperparameters import plain
from sartor.work.trials import Trials

Choice = TypeVar("Choice")

#: So many trainings an optimization has if the solution does not say.
DEFAULT_JOBS: Final = 12
#: What decides unless the solution says.
OBJECTIVE: Final = "normalized_discounted_cumulative_gain_at_25"


@dataclass(frozen=True)
class Candidate:
    """What may be chosen.

    Attributes:
        recipe: which.
        trainer: what trains it here.
        data: all that it is trained on.
    """

    recipe: Recipe
    trainer: Trainer
    data: TrainingData


@dataclass(frozen=True)
class Search:
    """How candidates are compared.

    Attributes:
        split: what is held out.
        parameters: that the solution sets.
        run: how the trainings run.
        trials: what has been tried.
        metric: by which they are compared.
    """

    split: Split
    parameters: Parameters
    run: Run
    trials: Trials
    metric: str = OBJECTIVE

    def score(self, candidate: Candidate, values: Parameters, run: Run) -> float:
        """Return how good a candidate is with some more parameters."""
        data = candidate.data
        parameters = {**self.parameters, **values}

        def measure() -> float:
            part = TrainingData(data.n_items, self.split.train, data.features)
            found = evaluation.evaluate(
                candidate.trainer.fit(part, parameters, run), self.split, data.n_items, run=run
            )
            return found.get(self.metric, found[OBJECTIVE])

        return self.trials.score(candidate.recipe.name, parameters, measure)


def best_recipe(candidates: Sequence[Candidate], search: Search) -> Candidate:
    """Return the best of some recipes; of equally good ones the first.

    Recipes that are one model here are tried once.

    Raises:
        Stopped: the run says so.
    """
    first = {candidate.trainer.model: candidate for candidate in reversed(candidates)}
    different = [one for one in candidates if first[one.trainer.model] is one]
    if len(different) == 1:
        return candidates[0]
    return _best(different, search.run, lambda one, run: search.score(one, {}, run))


def tuned(candidate: Candidate, config: Mapping[str, Any], search: Search) -> dict[str, str]:
    """Return the best values found for a recipe's tunable parameters, as text.

    Args:
        candidate: of the recipe.
        config: ``solutionConfig``.
        search: how they are compared.

    Raises:
        Stopped: the run says so.
    """
    free = [one for one in candidate.recipe.parameters if one.tunable and one.name not in _fixed(config)]
    given = [_range(one, config) for one in free]
    ranges = [one for one in given if one.name in candidate.trainer.varied]
    tried: list[dict[str, str]] = [{one.name: _nearest(one) for one in given}]
    if ranges:
        rng = np.random.default_rng(search.run.seed)
        most = min(_jobs(config), candidate.trainer.trials)
        tried += [{**tried[0], **{one.name: _drawn(one, rng) for one in ranges}} for _ in range(most - 1)]
    if len(tried) == 1:
        return tried[0]
    return _best(tried, search.run, lambda values, run: search.score(candidate, values, run))


def _best(tried: Sequence[Choice], run: Run, score: Callable[[Choice, Run], float]) -> Choice:
    """Return the best of what is tried, one after the other; progress says which trial it is, and the time of all."""
    began, scores = time.monotonic(), []
    for number, one in enumerate(tried):
        run.keep_on()
        known: dict[str, Any] = {"phase": "tuning", "trial": number + 1, "trials": len(tried)}
        if number:
            left = (time.monotonic() - began) / number * (len(tried) - number)
            known["secondsLeft"] = round(left)
        run.progress(known)
        scores.append(score(one, replace(run.unwarned(), progress=partial(_within, run, known))))
    return tried[int(np.argmax(scores))]


def _within(run: Run, known: Mapping[str, Any], done: Mapping[str, Any]) -> None:
    """Say how far one trial is; the time that it has left is not that of all."""
    run.progress({**{name: value for name, value in done.items() if name != "secondsLeft"}, **known})


def _fixed(config: Mapping[str, Any]) -> set[str]:
    return set(config.get("algorithmHyperParameters", {}))


def _jobs(config: Mapping[str, Any]) -> int:
    """Return how many trainings the solution allows."""
    resources = config.get("hpoConfig", {}).get("hpoResourceConfig", {})
    return int(resources.get("maxNumberOfTrainingJobs", DEFAULT_JOBS))


def _range(parameter: Parameter, config: Mapping[str, Any]) -> Parameter:
    """Return a parameter with the range that the solution gives, or its own."""
    lists = config.get("hpoConfig", {}).get("algorithmHyperParameterRanges", {})
    for given in (one for ranges in lists.values() for one in ranges):
        if plain(given["name"]) != parameter.name:
            continue
        values = tuple(given["values"]) if "values" in given else (given["minValue"], given["maxValue"])
        return Parameter(parameter.name, parameter.default, values, tunable=True)
    return parameter


def _nearest(parameter: Parameter) -> str:
    """Return the default of a parameter, or what its range has instead, as text."""
    least, greatest = parameter.range[0], parameter.range[-1]
    if isinstance(least, str) or isinstance(greatest, str):
        return parameter.default if parameter.default in parameter.range else str(least)
    value = float(parameter.default)
    return parameter.default if least <= value <= greatest else str(least if value < least else greatest)


def _drawn(parameter: Parameter, rng: np.random.Generator) -> str:
    """Return a value of a parameter's range, as text."""
    least, greatest = parameter.range[0], parameter.range[-1]
    if isinstance(least, str) or isinstance(greatest, str):
        return str(parameter.range[int(rng.integers(len(parameter.range)))])
    if isinstance(least, int) and isinstance(greatest, int):
        return str(int(rng.integers(least, greatest + 1)))
    return str(round(float(rng.uniform(least, greatest)), 4))
