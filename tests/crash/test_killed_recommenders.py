"""A recommender whose training dies goes on answering from its old model, and gets the new one from the next worker."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crash.test_killed_imports import Shop

SCHEMA = """{"type": "record", "name": "Interactions", "namespace": "com.amazonaws.personalize.schema",
"fields": [{"name": "USER_ID", "type": "string"}, {"name": "ITEM_ID", "type": "string"},
{"name": "TIMESTAMP", "type": "long"}, {"name": "EVENT_TYPE", "type": "string"},
{"name": "DEVICE", "type": ["null", "string"], "categorical": true}], "version": "1.0"}"""
RECIPE = "arn:aws:personalize:::recipe/aws-ecomm-popular-items-by-views"


class Domain(Shop):
    """The shop of the killed imports, with a group of a domain and a recommender of what is viewed most."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SARTOR_QUOTAS", "off")
        super().__init__(folder, monkeypatch)
        self.imports = 0
        with self.worker():
            group = self.client.create_dataset_group(name="domain", domain="ECOMMERCE")["datasetGroupArn"]
            schema = self.client.create_schema(name="domain", schema=SCHEMA, domain="ECOMMERCE")["schemaArn"]
            self._active(lambda: self.client.describe_dataset_group(datasetGroupArn=group)["datasetGroup"])
            self.dataset = self.client.create_dataset(
                name="d", schemaArn=schema, datasetGroupArn=group, datasetType="Interactions"
            )["datasetArn"]
            self._active(lambda: self.client.describe_dataset(datasetArn=self.dataset)["dataset"])
        self.view("first")
        with self.worker():
            self.arn = self.client.create_recommender(name="viewed", datasetGroupArn=group, recipeArn=RECIPE)[
                "recommenderArn"
            ]
            self._active(self.described)

    def view(self, item: str) -> None:
        """Let everybody view one item, and replace what was viewed before."""
        self.imports += 1
        rows = [f"u{n},{item if n % 2 else f'i{n % 9}'},{n + 1},View,tv" for n in range(1200)]
        text = "\n".join(["USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,DEVICE", *rows])
        (self.bucket / f"{item}.csv").write_text(text)
        with self.worker():
            self.settle(self.start_import(f"views-{self.imports}", f"{item}.csv", "FULL"))

    def described(self) -> dict[str, Any]:
        return dict(self.client.describe_recommender(recommenderArn=self.arn)["recommender"])

    def best(self) -> str:
        runtime: Any = self.server.client("personalize-runtime")
        answer = runtime.get_recommendations(recommenderArn=self.arn, userId="anybody", numResults=1)
        return str(answer["itemList"][0]["itemId"])

    def models(self) -> list[str]:
        """Return the folders of the models that are stored whole."""
        folders = (self.data / "storage").rglob("recommenders/*/*/record.json")
        return sorted(str(path.parent) for path in folders)


@pytest.fixture(scope="module")
def domain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Domain]:
    with pytest.MonkeyPatch.context() as patch:
        shop = Domain(tmp_path_factory.mktemp("recommender"), patch)
        yield shop
        shop.server.stop()


@pytest.mark.parametrize(
    ("step", "when"),
    [("read", "before"), ("store record", "after"), ("finish", "before"), ("finish", "after")],
)
def test_what_dies_while_a_recommender_is_trained_anew_changes_no_answer(
    domain: Domain, step: str, when: str
) -> None:
    old, new = domain.best(), f"after-{step.replace(' ', '-')}-{when}"
    domain.view(new)
    config = domain.described()["recommenderConfig"].get("trainingDataConfig", {})
    excluded = {
        "Interactions": [] if config.get("excludedDatasetColumns", {}).get("Interactions") else ["DEVICE"]
    }
    domain.client.update_recommender(
        recommenderArn=domain.arn,
        recommenderConfig={"trainingDataConfig": {"excludedDatasetColumns": excluded}},
    )
    domain.die_at(step, when, "training")
    is_done = (step, when) == ("finish", "after")
    assert domain.described()["status"] == "ACTIVE"
    assert domain.best() == (new if is_done else old)
    with domain.worker():
        domain._active(lambda: domain.described()["latestRecommenderUpdate"])
        assert domain.best() == new
    with domain.worker():  # whose first chore is to sweep
        domain._until(domain.models, lambda models: len(models) == 1)
    assert domain.best() == new
