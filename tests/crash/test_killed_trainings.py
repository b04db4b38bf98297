"""A training whose worker is killed begins again, and serves once it is whole; one that was to stop stays stopped."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crash.dying_worker import STEPS
from crash.test_killed_imports import Shop


class TrainingShop(Shop):
    """The shop of the killed imports, with a solution."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SARTOR_QUOTAS", "off")
        super().__init__(folder, monkeypatch)
        group = self.dataset.rpartition("/")[0].replace(":dataset/", ":dataset-group/")
        with self.worker():
            self.solution, self.optimized = (
                self.client.create_solution(
                    name=recipe,
                    datasetGroupArn=group,
                    recipeArn=f"arn:aws:personalize:::recipe/{recipe}",
                    performHPO=recipe == "aws-sims",
                )["solutionArn"]
                for recipe in ("aws-popularity-count", "aws-sims")
            )
            self._active(lambda: self.client.describe_solution(solutionArn=self.solution)["solution"])

    def train(self, solution: str | None = None) -> str:
        made = self.client.create_solution_version(solutionArn=solution or self.solution)
        return str(made["solutionVersionArn"])

    def version(self, arn: str) -> dict[str, Any]:
        found = self.client.describe_solution_version(solutionVersionArn=arn)
        return dict(found["solutionVersion"])

    def trained(self, arn: str) -> dict[str, Any]:
        settled = ("ACTIVE", "CREATE FAILED", "CREATE STOPPED")
        return self._until(lambda: self.version(arn), lambda version: version["status"] in settled)

    def die(self, step: str, when: str, job: str = "training") -> None:
        self.die_at(step, when, job)

    def popular(self, version: str) -> list[str]:
        """Deploy a version and return its best items."""
        name = version.rpartition("/")[2]
        campaign = self.client.create_campaign(name=name, solutionVersionArn=version)["campaignArn"]
        self._active(lambda: self.client.describe_campaign(campaignArn=campaign)["campaign"])
        runtime: Any = self.server.client("personalize-runtime")
        answer = runtime.get_recommendations(campaignArn=campaign, numResults=500)
        return [one["itemId"] for one in answer["itemList"]]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingShop]:
    with pytest.MonkeyPatch.context() as patch:
        shop = TrainingShop(tmp_path_factory.mktemp("training"), patch)
        yield shop
        shop.server.stop()


#: The moment after a step is the moment before the next: nothing else is written between them.
MOMENTS = [*((step, "before") for step in STEPS["training"]), ("finish", "after")]


@pytest.mark.parametrize(("step", "when"), MOMENTS)
def test_a_training_whose_worker_is_killed_begins_again_and_serves(
    shop: TrainingShop, step: str, when: str
) -> None:
    arn = shop.train()
    shop.die(step, when)
    with shop.worker():
        version = shop.trained(arn)
        assert version["status"] == "ACTIVE", version
        assert version["trainingHours"] >= 0
        assert len(set(shop.popular(arn))) == 50
    assert shop.client.get_solution_metrics(solutionVersionArn=arn)["metrics"]


def test_a_training_that_was_to_stop_stays_stopped_after_its_worker_was_killed(shop: TrainingShop) -> None:
    arn = shop.train()
    shop.die("read", "before")
    shop.client.stop_solution_version_creation(solutionVersionArn=arn)
    with shop.worker():
        assert shop.trained(arn)["status"] == "CREATE STOPPED"


def test_an_optimization_whose_worker_is_killed_goes_on_after_the_last_trial(shop: TrainingShop) -> None:
    arn = shop.train(shop.optimized)
    shop.die("third trial", "after", "optimization")
    (kept,) = shop.data.rglob("trials.json")
    assert len(json.loads(kept.read_text())) == 3
    with shop.worker():
        version = shop.trained(arn)
    assert version["status"] == "ACTIVE", version
    assert set(version["tunedHPOParams"]["algorithmHyperParameters"]) == {
        "popularity_discount_factor",
        "min_cointeraction_count",
    }
    assert not kept.exists()
