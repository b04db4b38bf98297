"""What a training chooses by trying, with trials that a kill does not cost."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sartor.data.blobs import open_storage
from sartor.models import evaluation, popularity
from sartor.models.base import Histories, Run, Stopped, TrainingData
from sartor.recipes import BY_ARN, Recipe
from sartor.recipes.trainers import Trainer
from sartor.work import tuning
from sartor.work.trial import OBJECTIVE
from sartor.work.trials import Trials
from sartor.work.tuning import Candidate, Search, best_recipe, tuned

SIMS = BY_ARN["arn:aws:personalize:::recipe/aws-sims"]
POPULAR = BY_ARN["arn:aws:personalize:::recipe/aws-popularity-count"]
HRNN = BY_ARN["arn:aws:personalize:::recipe/aws-hrnn"]
HISTORIES = Histories(np.zeros(20, np.int32), np.arange(0, 21, 2, dtype=np.int64), np.arange(20))
DATA = TrainingData(2, HISTORIES)


class Measured:
    """Stands for fitting and measuring: a score that its parameters say, and what was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, dies_after: int = 1000) -> None:
        self.asked: list[Mapping[str, str]] = []
        self.dies_after = dies_after
        monkeypatch.setattr(evaluation, "evaluate", lambda model, *_, **__: self.scores(model))

    def fit(self, _data: TrainingData, parameters: Mapping[str, str], _run: Run) -> Any:
        if len(self.asked) == self.dies_after:
            raise Stopped
        self.asked.append(parameters)
        return parameters

    def scores(self, model: Any) -> dict[str, float]:
        discount = float(model.get("popularity_discount_factor", 0.2))
        return {OBJECTIVE: 1 - abs(discount - 0.75), "coverage": discount}


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Measured:
    return Measured(monkeypatch)


def candidate(measured: Measured, recipe: Recipe = SIMS, model: str = "sims") -> Candidate:
    trainer = Trainer(measured.fit, model, varied=("popularity_discount_factor", "min_cointeraction_count"))
    return Candidate(recipe, trainer, DATA)


def search(trials: Trials | None = None, metric: str = OBJECTIVE, run: Run | None = None) -> Search:
    return Search(evaluation.split(HISTORIES, 0), {}, run or Run(), trials or Trials(), metric)


def jobs(number: int, **ranges: list[dict[str, Any]]) -> dict[str, Any]:
    lists = {
        f"{kind}HyperParameterRanges": ranges.get(kind, [])
        for kind in ("integer", "continuous", "categorical")
    }
    resources = {"maxNumberOfTrainingJobs": str(number), "maxParallelTrainingJobs": "2"}
    return {"hpoConfig": {"hpoResourceConfig": resources, "algorithmHyperParameterRanges": lists}}


def test_the_best_of_as_many_trials_as_the_solution_allows_wins(measured: Measured) -> None:
    best = tuned(candidate(measured), jobs(40), search())
    assert len(measured.asked) == 40
    tried = [float(one["popularity_discount_factor"]) for one in measured.asked]
    assert float(best["popularity_discount_factor"]) == min(tried, key=lambda value: abs(value - 0.75))


def test_without_a_number_there_are_a_few(measured: Measured) -> None:
    tuned(candidate(measured), {}, search())
    assert len(measured.asked) == tuning.DEFAULT_JOBS


def test_every_trial_lies_in_the_range_that_is_given(measured: Measured) -> None:
    given = [{"name": "popularity_discount_factor", "minValue": 0.9, "maxValue": 0.95}]
    whole = [{"name": "min_cointeraction_count", "minValue": 5, "maxValue": 6}]
    tuned(candidate(measured), jobs(10, continuous=given, integer=whole), search())
    assert all(0.9 <= float(one["popularity_discount_factor"]) <= 0.95 for one in measured.asked)
    assert {one["min_cointeraction_count"] for one in measured.asked} <= {"5", "6"}


def test_what_has_a_value_is_not_varied(measured: Measured) -> None:
    config = {**jobs(5), "algorithmHyperParameters": {"popularity_discount_factor": "0.1"}}
    best = tuned(candidate(measured), config, search())
    assert "popularity_discount_factor" not in best
    assert all("popularity_discount_factor" not in one for one in measured.asked)


def test_progress_names_each_trial_and_how_far_it_is(measured: Measured) -> None:
    said: list[dict[str, Any]] = []

    def fit(data: TrainingData, parameters: Mapping[str, str], run: Run) -> Any:
        run.progress({"epoch": 1, "epochs": 2, "secondsLeft": 1000})
        return measured.fit(data, parameters, run)

    one = replace(candidate(measured), trainer=replace(candidate(measured).trainer, fit=fit))
    tuned(one, jobs(3), search(run=Run(progress=lambda done: said.append(dict(done)))))
    assert [(one["phase"], one["trial"], one["trials"]) for one in said] == [
        ("tuning", at, 3) for at in (1, 1, 2, 2, 3, 3)
    ]
    assert ["epoch" in one for one in said] == [False, True] * 3
    assert ["secondsLeft" in one for one in said] == [False, False, True, True, True, True]
    assert all(one.get("secondsLeft", 0) < 60 for one in said)


def test_what_is_only_tried_warns_of_nothing(measured: Measured) -> None:
    said: list[str] = []

    def fit(data: TrainingData, parameters: Mapping[str, str], run: Run) -> Any:
        run.warn("a fault")
        return measured.fit(data, parameters, run)

    one = replace(candidate(measured), trainer=replace(candidate(measured).trainer, fit=fit))
    tuned(one, jobs(3), search(run=Run(warn=said.append)))
    assert said == []


def test_an_attempt_after_a_death_goes_on_where_the_first_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    storage = open_storage(str(tmp_path / "storage"), None, tmp_path / "scratch")
    first = Measured(monkeypatch, dies_after=4)
    with pytest.raises(Stopped):
        tuned(candidate(first), jobs(10), search(Trials(storage, "folder")))
    second = Measured(monkeypatch)
    trials = Trials(storage, "folder")
    best = tuned(candidate(second), jobs(10), search(trials))
    assert len(second.asked) == 6
    assert best == tuned(candidate(Measured(monkeypatch)), jobs(10), search())
    trials.forget()
    assert not storage.has("folder/trials.json")


def test_the_recipe_with_the_best_metric_is_chosen(measured: Measured) -> None:
    low = Candidate(POPULAR, Trainer(lambda *_: {"popularity_discount_factor": "0.1"}, "low"), DATA)  # type: ignore[arg-type, return-value]
    high = Candidate(HRNN, Trainer(lambda *_: {"popularity_discount_factor": "0.7"}, "high"), DATA)  # type: ignore[arg-type, return-value]
    assert best_recipe([low, high], search()) is high
    assert best_recipe([high, low], search()) is high
    assert best_recipe([low, high], search(metric="coverage")) is high
    assert best_recipe([low, high], search(metric="unknown")) is high


def test_recipes_that_are_one_model_are_not_tried_twice(measured: Measured) -> None:
    both = [candidate(measured, HRNN), candidate(measured, POPULAR)]
    assert best_recipe(both, search()) is both[0]
    assert measured.asked == []


def test_real_models_are_compared_by_what_they_rank() -> None:
    trainer = Trainer(lambda data, _, run: popularity.fit(data, None, run), "popularity")
    worse = Trainer(
        lambda data, _, run: popularity.fit(
            TrainingData(2, Histories(np.ones(2, np.int32), np.array([0, 2]), np.arange(2))), None, run
        ),
        "another",
    )
    found = best_recipe([Candidate(HRNN, worse, DATA), Candidate(POPULAR, trainer, DATA)], search())
    assert found.recipe is POPULAR
