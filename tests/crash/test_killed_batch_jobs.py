"""A batch job whose worker is killed goes on where it was, and answers every line once."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crash.dying_worker import STEPS
from crash.test_killed_imports import Shop

USERS, FILES = 300, ("a.json", "b.json")


class BatchShop(Shop):
    """The shop of the killed imports, with a trained version and two files of users."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SARTOR_QUOTAS", "off")
        super().__init__(folder, monkeypatch)
        group = self.dataset.rpartition("/")[0].replace(":dataset/", ":dataset-group/")
        solution = self.client.create_solution(
            name="popular",
            datasetGroupArn=group,
            recipeArn="arn:aws:personalize:::recipe/aws-popularity-count",
        )["solutionArn"]
        self.version = self.client.create_solution_version(solutionArn=solution)["solutionVersionArn"]
        with self.worker():
            self._active(
                lambda: self.client.describe_solution_version(solutionVersionArn=self.version)[
                    "solutionVersion"
                ]
            )
        (self.bucket / "in").mkdir()
        for name in FILES:
            lines = (json.dumps({"userId": f"{name}-{number}"}) for number in range(USERS))
            (self.bucket / "in" / name).write_text("\n".join(lines) + "\n")

    def ask(self, name: str) -> str:
        made = self.client.create_batch_inference_job(
            jobName=name,
            solutionVersionArn=self.version,
            jobInput={"s3DataSource": {"path": "s3://shop/in/"}},
            jobOutput={"s3DataDestination": {"path": f"s3://shop/{name}/"}},
            roleArn="arn:aws:iam::000000000000:role/batch",
            numResults=3,
        )
        return str(made["batchInferenceJobArn"])

    def described(self, arn: str) -> dict[str, Any]:
        found = self.client.describe_batch_inference_job(batchInferenceJobArn=arn)
        return dict(found["batchInferenceJob"])


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BatchShop]:
    with pytest.MonkeyPatch.context() as patch:
        shop = BatchShop(tmp_path_factory.mktemp("batch"), patch)
        yield shop
        shop.server.stop()


#: Answers are kept, one file is written, all are, and the end.
MOMENTS = [*((step, "before") for step in STEPS["batch"]), ("finish", "after")]


@pytest.mark.parametrize(("step", "when"), MOMENTS)
def test_a_batch_job_whose_worker_is_killed_answers_every_line_once(
    shop: BatchShop, step: str, when: str
) -> None:
    name = f"{step}-{when}".replace(" ", "-")
    arn = shop.ask(name)
    shop.die_at(step, when, "batch")
    with shop.worker():
        job = shop._until(
            lambda: shop.described(arn), lambda job: job["status"] in ("ACTIVE", "CREATE FAILED")
        )
    assert job["status"] == "ACTIVE", job
    assert {file.name for file in (shop.bucket / name).iterdir()} == {f"{one}.out" for one in FILES}
    for file in FILES:
        answers = [json.loads(line) for line in (shop.bucket / name / f"{file}.out").read_text().splitlines()]
        assert [one["input"]["userId"] for one in answers] == [f"{file}-{number}" for number in range(USERS)]
        assert all(one["error"] is None and len(one["output"]["recommendedItems"]) == 3 for one in answers)
    assert not list(shop.data.glob("storage/*/*/batch/*/*"))
