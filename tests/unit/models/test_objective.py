"""An additional objective moves what is worth more up, the more so the more sensitive a solution is to it."""

from pathlib import Path

import numpy as np
import pytest

from sartor.models import base, popularity
from sartor.models.base import Float32, Histories, Model, Query, TrainingData
from sartor.models.objective import ObjectiveModel, leaning
from sartor.work.ways import OBJECTIVE_WEIGHT

N_ITEMS = 40
NOBODY = Query(np.zeros(0, np.int32))
RNG = np.random.default_rng(3)
#: What items are worth has nothing to do with who wants them.
REWARDS: Float32 = RNG.permutation(N_ITEMS).astype(np.float32) * 100


@pytest.fixture(scope="module")
def relevant() -> Model:
    """Give a model that scores each item by how many users had it."""
    counts = RNG.permutation(N_ITEMS)
    items = np.repeat(np.arange(N_ITEMS, dtype=np.int32), counts)
    histories = Histories(items, np.arange(len(items) + 1), np.arange(len(items)))
    return popularity.fit(TrainingData(N_ITEMS, histories))


def agreement(model: Model, with_: Float32) -> float:
    return float(np.corrcoef(model.score(NOBODY), with_)[0, 1])


def test_the_more_sensitive_a_solution_is_the_more_its_objective_says(relevant: Model) -> None:
    relevance = relevant.score(NOBODY)
    models = [leaning(relevant, REWARDS, OBJECTIVE_WEIGHT[name]) for name in ("OFF", "LOW", "MEDIUM", "HIGH")]
    worth = [agreement(one, REWARDS) for one in models]
    wanted = [agreement(one, relevance) for one in models]
    assert worth == sorted(worth)
    assert wanted == sorted(wanted, reverse=True)
    assert min(np.diff(worth)) > 0.1


def test_off_is_relevance_alone_and_medium_is_as_much_of_either(relevant: Model) -> None:
    relevance = relevant.score(NOBODY)
    np.testing.assert_array_equal(
        leaning(relevant, REWARDS, OBJECTIVE_WEIGHT["OFF"]).score(NOBODY), relevance
    )
    medium = leaning(relevant, REWARDS, OBJECTIVE_WEIGHT["MEDIUM"])
    assert agreement(medium, REWARDS) == pytest.approx(agreement(medium, relevance), abs=1e-5)


def test_the_unit_of_a_reward_does_not_matter_and_an_unknown_one_is_the_mean(relevant: Model) -> None:
    dollars, cents = (leaning(relevant, REWARDS * unit, 1.0).score(NOBODY) for unit in (1, 100))
    np.testing.assert_allclose(dollars, cents, rtol=1e-4)
    unknown = REWARDS.copy()
    unknown[7] = np.nan
    scores = leaning(relevant, unknown, 1.0).score(NOBODY)
    assert scores[7] == pytest.approx(relevant.score(NOBODY)[7], rel=1e-6)
    assert leaning(relevant, np.full(N_ITEMS, np.nan, np.float32), 1.0) is relevant


def test_a_saved_model_answers_the_same(relevant: Model, tmp_path: Path) -> None:
    model = leaning(relevant, REWARDS, 3.0)
    assert isinstance(model, ObjectiveModel)
    base.save(model, tmp_path)
    np.testing.assert_array_equal(base.load(tmp_path).score(NOBODY), model.score(NOBODY))
