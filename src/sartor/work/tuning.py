"""What a training chooses by trying: the best of some drawn settings (HPO), the best of some recipes (AutoML).

Sources: the guide's page "Hyperparameters and HPO", and AutoMLConfig of the service model. Only what has a meaning for
the trainer is varied; the other tunable parameters keep their defaults. The service's own objective of HPO is not
public; here it is NDCG at 25, as it is for AutoML unless its ``metricName`` is one that is measured here.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np

from sartor.models.base import Run, TrainingData
from sartor.models.evaluation import Split
from sartor.recipes import Parameter, Recipe
from sartor.recipes.trainers import Parameters, Trainer
from sartor.resources.hyperparameters import plain
from sartor.work import trial
from sartor.work.trial import OBJECTIVE
from sartor.work.trials import Trials

#: So many trainings an optimization has if the solution does not say.
DEFAULT_JOBS: Final = 12
#: Once a trial has taken so many seconds, at least so many others are made beside each other: processes take some
#: seconds to begin.
_LONG_SECONDS: Final = 10.0
_FEWEST_BESIDE: Final = 2


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


class Trial(NamedTuple):
    """What is tried.

    Attributes:
        candidate: whose model is fitted.
        values: the parameters that are tried.
    """

    candidate: Candidate
    values: Parameters


@dataclass(frozen=True)
class Search:
    """How candidates are compared.

    Attributes:
        split: what is held out.
        parameters: that the solution sets.
        run: how the trainings run.
        trials: what has been tried.
        metric: by which they are compared.
        at_once: how many are made beside each other at most; ``None`` for as many as there is room for.
    """

    split: Split
    parameters: Parameters
    run: Run
    trials: Trials
    metric: str = OBJECTIVE
    at_once: int | None = None

    def score(self, tried: Trial, run: Run) -> float:
        """Return how good a trial's model is."""
        recipe, parameters = self.key(tried)
        trainer, data = tried.candidate.trainer, tried.candidate.data
        return self.trials.score(
            recipe,
            parameters,
            lambda: trial.measured(trainer, data, parameters, self.split, self.metric, run),
        )

    def key(self, tried: Trial) -> tuple[str, Parameters]:
        """Return what a trial is known by: its recipe, and all parameters that are set."""
        return tried.candidate.recipe.name, {**self.parameters, **tried.values}


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
    return different[_best([Trial(one, {}) for one in different], search)]


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
        allowed = _resource(config, "maxNumberOfTrainingJobs")
        most = min(DEFAULT_JOBS if allowed is None else allowed, candidate.trainer.trials)
        tried += [{**tried[0], **{one.name: _drawn(one, rng) for one in ranges}} for _ in range(most - 1)]
    if len(tried) == 1:
        return tried[0]
    search = replace(search, at_once=_resource(config, "maxParallelTrainingJobs"))
    return tried[_best([Trial(candidate, values) for values in tried], search)]


def _best(tried: Sequence[Trial], search: Search) -> int:
    """Return the number of the best of what is tried; progress says which trial it is, and the time of all.

    One comes after the other until one has taken long; then the rest are made beside each other, where that can be.
    """
    run, began = search.run, time.monotonic()
    scores: list[float] = []
    for number, one in enumerate(tried):
        run.keep_on()
        known, begun = _shown(number, len(tried), began), time.monotonic()
        run.progress(known)
        scores.append(
            search.score(one, replace(run.unwarned(), progress=partial(_within, run, known), gang=None))
        )
        if time.monotonic() - begun >= _LONG_SECONDS:
            _make_beside(tried[number + 1 :], search)
    return int(np.argmax(scores))


def _make_beside(tried: Sequence[Trial], search: Search) -> None:
    """Make the scores of trials known, if they are some that others can make at once."""
    trials, run, began = search.trials, search.run, time.monotonic()
    missing = [one for one in map(search.key, tried) if trials.known(*one) is None]
    if trials.beside is None or 1 in (trials.beside.slots, search.at_once) or len(missing) < _FEWEST_BESIDE:
        return
    made = 0

    def done(number: int, score: float) -> None:
        nonlocal made
        made += 1
        trials.keep(*missing[number], score)
        run.progress(_shown(made, len(missing), began))

    of_recipe = {one.candidate.recipe.name: one.candidate for one in tried}
    given = trial.Given(
        [(of_recipe[name].trainer, of_recipe[name].data, values) for name, values in missing],
        search.split.histories,
        search.metric,
        run.seed,
        run.threads,
        trials.beside.threads(search.at_once),
    )
    trials.beside.map(trial.measured_beside, given, len(missing), done, search.at_once)


def _shown(made: int, trials: int, began: float) -> dict[str, Any]:
    """Return which trial it is, and how long those that are left may take, by those that were made since a moment."""
    known: dict[str, Any] = {"phase": "tuning", "trial": min(made + 1, trials), "trials": trials}
    if made:
        known["secondsLeft"] = round((time.monotonic() - began) / made * (trials - made))
    return known


def _within(run: Run, known: Mapping[str, Any], done: Mapping[str, Any]) -> None:
    """Say how far one trial is; the time that it has left is not that of all."""
    run.progress({**{name: value for name, value in done.items() if name != "secondsLeft"}, **known})


def _fixed(config: Mapping[str, Any]) -> set[str]:
    return set(config.get("algorithmHyperParameters", {}))


def _resource(config: Mapping[str, Any], name: str) -> int | None:
    """Return what the solution says of how many trainings there are, ``None`` if it does not."""
    found = config.get("hpoConfig", {}).get("hpoResourceConfig", {}).get(name)
    return None if found is None else int(found)


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
