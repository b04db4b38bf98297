"""Semantic similarity, what influences its ranking, and items that come after a training, through boto3."""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from api.conftest import ROLE, Client
from api.schemas import CATEGORICAL, TEXT, schema
from sartor.demo.server import Server

#: What items of each topic say.
TOPICS = {
    "sport": "shoe trail running marathon lace sole race",
    "bakery": "cake chocolate oven sugar flour baking sweet",
    "music": "guitar string amplifier chord band song tune",
}
ITEMS_EACH, BEGAN = 20, 1_700_000_000
ITEMS = schema(
    "Items",
    ("ITEM_ID", "string"),
    ("TITLE", TEXT),
    ("ABOUT", TEXT),
    ("TOPIC", TEXT),
    ("BRAND", TEXT),
    ("CREATION_TIMESTAMP", ["null", "long"]),
    TITLE={"itemName": True},
    ABOUT={"textual": True},
    TOPIC=CATEGORICAL,
    BRAND=CATEGORICAL,
)
INTERACTIONS = schema("Interactions", ("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"))
SEMANTIC, UP, UP2 = "aws-semantic-similarity", "aws-user-personalization", "aws-user-personalization-v2"


def item_line(name: str, topic: str, at: int, seed: int) -> str:
    words = random.Random(seed).sample(TOPICS[topic].split(), 4)
    return f"{name},{words[0]},{' '.join(words[1:])},{topic},brand-{seed % 2},{BEGAN + at}"


HEADER = "ITEM_ID,TITLE,ABOUT,TOPIC,BRAND,CREATION_TIMESTAMP"
CATALOGUE = [
    item_line(f"{topic}-{at:02d}", topic, 1000 * at, 7 * at + len(topic))
    for topic in TOPICS
    for at in range(ITEMS_EACH)
]


class Shop:
    """A dataset group, and what is made in it."""

    def __init__(self, client: Client, name: str, with_interactions: bool) -> None:
        self.client, self.personalize = client, client.personalize
        self.runtime: Any = client.server.client("personalize-runtime")
        self.group = client.group()
        self.items = client.dataset(ITEMS, "Items", group=self.group)
        self.name = name
        if with_interactions:
            self.interactions = client.dataset(INTERACTIONS, "Interactions", group=self.group)
            self._bring(self.interactions, "interactions", _visits())
        self._bring(self.items, "items", [HEADER, *CATALOGUE])

    def _bring(self, dataset: str, what: str, lines: list[str], mode: str = "FULL") -> None:
        self.client.brought(dataset, f"{self.name}-{what}", lines, mode)

    def bring_items(self, *lines: str) -> None:
        """Import more items."""
        self._bring(self.items, "more", [HEADER, *lines], "INCREMENTAL")

    def put_item(self, name: str, topic: str, **more: str) -> None:
        properties = {"TITLE": TOPICS[topic][:10], "ABOUT": TOPICS[topic], "TOPIC": topic, **more}
        self.client.events.put_items(
            datasetArn=self.items, items=[{"itemId": name, "properties": json.dumps(properties)}]
        )

    def solution(self, recipe: str | None = None, **more: Any) -> str:
        named = {} if recipe is None else {"recipeArn": f"arn:aws:personalize:::recipe/{recipe}"}
        made = self.personalize.create_solution(
            name=self.client.name("solution"), datasetGroupArn=self.group, **named, **more
        )
        return str(made["solutionArn"])

    def version(self, recipe: str | None = None, **more: Any) -> dict[str, Any]:
        """Return a version that has been trained."""
        solution = self.solution(recipe, **more)
        arn = self.personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]
        found = self.client.until(
            lambda: self.personalize.describe_solution_version(solutionVersionArn=arn)["solutionVersion"]
        )
        assert found["status"] == "ACTIVE", found
        return found

    def campaign(self, version: dict[str, Any], **config: Any) -> str:
        arn = self.personalize.create_campaign(
            name=self.client.name("campaign"),
            solutionVersionArn=version["solutionVersionArn"],
            campaignConfig=config,
        )["campaignArn"]
        self.client.until(lambda: self.personalize.describe_campaign(campaignArn=arn)["campaign"])
        return str(arn)

    def filter(self, expression: str) -> str:
        return self.client.filter(self.group, expression)

    def ask(self, campaign: str, **request: Any) -> list[dict[str, Any]]:
        return list(self.runtime.get_recommendations(campaignArn=campaign, **request)["itemList"])

    def ids(self, campaign: str, **request: Any) -> list[str]:
        return [one["itemId"] for one in self.ask(campaign, **request)]

    def chosen(self, campaign: str, user: str, n: int) -> list[str]:
        """Return what the model chose for a user: an item that is explored may be anywhere, as soon as it is there."""
        answer = self.ask(campaign, userId=user, numResults=n)
        return [one["itemId"] for one in answer if "Exploration" not in one.get("reason", ())]


def _visits() -> list[str]:
    """Return interactions of users who each like one topic; of each topic the first items are the popular ones."""
    rng = random.Random(0)
    lines = ["USER_ID,ITEM_ID,TIMESTAMP"]
    for topic in TOPICS:
        for user in range(20):
            for step in range(12):
                at = min(int(rng.expovariate(0.25)), ITEMS_EACH - 1)
                lines.append(f"{topic}-fan-{user},{topic}-{at:02d},{BEGAN + 50_000 + 100 * step}")
    return lines


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("controls")
    (folder / "bucket").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SARTOR_SEQUENCE_MODELS", "off")
        with Server(folder / "data", {"training": folder / "bucket"}, ("--quotas", "off")) as server:
            yield Client(server, folder / "bucket")


@pytest.fixture(scope="module")
def shop(client: Client) -> Shop:
    return Shop(client, "shop", with_interactions=True)


@pytest.fixture(scope="module")
def semantic(shop: Shop) -> dict[str, Any]:
    return shop.version(SEMANTIC, performIncrementalUpdate=True)


def test_items_alone_are_enough_for_what_is_semantically_similar(client: Client) -> None:
    shop = Shop(client, "texts", with_interactions=False)
    version = shop.version(SEMANTIC)
    campaign = shop.campaign(version)
    for topic in TOPICS:
        found = shop.ask(campaign, itemId=f"{topic}-03", numResults=10)
        assert {one["itemId"].partition("-")[0] for one in found} == {topic}
        assert f"{topic}-03" not in [one["itemId"] for one in found]
        assert all("score" not in one for one in found)
    assert len(shop.ids(campaign, itemId="unknown", numResults=7)) == 7
    metrics = shop.personalize.get_solution_metrics(solutionVersionArn=version["solutionVersionArn"])[
        "metrics"
    ]
    assert sorted(metrics) == ["item_freshness", "item_popularity", "item_similarity"]
    assert metrics["item_popularity"] == 0
    assert all(0 < metrics[name] < 1 for name in ("item_freshness", "item_similarity"))
    command = [sys.executable, "-m", "sartor", "retrain", version["solutionVersionArn"], "--verify"]
    again = subprocess.run([*command, "--data", str(client.server.data)], check=False, capture_output=True)
    assert again.returncode == 0, again.stdout


def test_metadata_comes_by_itself_and_filters_know_the_current_item(
    shop: Shop, semantic: dict[str, Any]
) -> None:
    campaign = shop.campaign(semantic)
    asked = {"itemId": "music-01", "metadataColumns": {"ITEMS": ["TITLE", "BRAND"]}, "numResults": 3}
    assert all(set(one["metadata"]) == {"title", "brand"} for one in shop.ask(campaign, **asked))
    other = shop.filter("EXCLUDE ItemID WHERE Items.BRAND IN CurrentItem.BRAND")
    brands = {one["metadata"]["brand"] for one in shop.ask(campaign, **asked, filterArn=other)}
    assert len(brands) == 1
    described = shop.personalize.describe_campaign(campaignArn=campaign)["campaign"]
    assert described["campaignConfig"] == {"enableMetadataWithRecommendations": True}


@pytest.mark.parametrize("factor", ["POPULARITY", "FRESHNESS"])
def test_a_ranking_leans_to_what_influences_it(shop: Shop, semantic: dict[str, Any], factor: str) -> None:
    means = []
    for weight in (0.0, 0.5, 1.0):
        campaign = shop.campaign(semantic, rankingInfluence={factor: weight})
        found = [
            one
            for at in range(ITEMS_EACH)
            for one in shop.ids(campaign, itemId=f"music-{at:02d}", numResults=5)
        ]
        assert all(one.startswith("music") for one in found)
        means.append(sum(int(one.rpartition("-")[2]) for one in found) / len(found))
    if factor == "POPULARITY":  # the first items are the popular ones, the last ones the new ones
        means = [-mean for mean in means]
    assert means[0] < means[1] < means[2], means


def test_an_influence_is_kept_to_its_range_and_its_recipe(shop: Shop, semantic: dict[str, Any]) -> None:
    arn = semantic["solutionVersionArn"]
    for given in ({"POPULARITY": 1.1}, {"PRICE": 0.5}):
        with pytest.raises(ClientError) as refused:
            shop.personalize.create_campaign(
                name="bad", solutionVersionArn=arn, campaignConfig={"rankingInfluence": given}
            )
        assert refused.value.response["Error"]["Code"] == "InvalidInputException"


def test_new_and_changed_items_are_taken_up_without_a_training(shop: Shop, semantic: dict[str, Any]) -> None:
    campaign = shop.campaign(semantic)
    assert "late-song" not in shop.ids(campaign, itemId="music-05", numResults=30)
    shop.put_item("late-song", "music")
    shop.client.wait(lambda: "late-song" in shop.ids(campaign, itemId="music-05", numResults=30))
    assert shop.ids(campaign, itemId="late-song", numResults=1)[0].startswith("music")
    shop.bring_items(item_line("late-cake", "bakery", 5, 3))
    shop.client.wait(lambda: "late-cake" in shop.ids(campaign, itemId="bakery-05", numResults=30))
    shop.put_item("late-song", "sport")  # it says something else by now
    shop.client.wait(lambda: "late-song" not in shop.ids(campaign, itemId="music-05", numResults=25))
    assert "late-song" in shop.ids(campaign, itemId="sport-05", numResults=30)


def test_without_incremental_updates_new_items_wait_for_a_training(shop: Shop) -> None:
    campaign = shop.campaign(shop.version(SEMANTIC))
    shop.put_item("waiting", "music")
    assert "waiting" not in shop.ids(campaign, itemId="music-05", numResults=100)


@pytest.mark.parametrize("recipe", [UP, UP2])
def test_a_new_item_is_recommended_by_what_is_known_of_it(shop: Shop, recipe: str) -> None:
    explores = {"itemExplorationConfig": {"explorationWeight": "0"}} if recipe == UP else {}
    campaign = shop.campaign(shop.version(recipe), **explores)
    name = f"new-{recipe}"
    assert name not in shop.chosen(campaign, "bakery-fan-1", 200)
    shop.put_item(name, "bakery", BRAND=f"only-{recipe}")
    shop.client.wait(lambda: name in shop.chosen(campaign, "bakery-fan-1", 25))
    assert name not in shop.chosen(campaign, "music-fan-1", 25)
    only = shop.filter(f'INCLUDE ItemID WHERE Items.BRAND IN ("only-{recipe}")')
    promoted = shop.ask(
        campaign,
        userId="music-fan-1",
        numResults=10,
        promotions=[{"name": "new", "percentPromotedItems": 10, "filterArn": only}],
    )
    assert [one["itemId"] for one in promoted if one.get("promotionName") == "new"] == [name]


def test_auto_ml_chooses_a_recipe_by_what_it_ranks(shop: Shop) -> None:
    recipes = [f"arn:aws:personalize:::recipe/{name}" for name in ("aws-popularity-count", "aws-hrnn")]
    config = {"autoMLConfig": {"metricName": "precision_at_25", "recipeList": recipes}}
    version = shop.version(performAutoML=True, solutionConfig=config)
    assert version["recipeArn"] == recipes[1]  # users have a taste, and popularity knows none
    solution = shop.personalize.describe_solution(solutionArn=version["solutionArn"])["solution"]
    assert solution["autoMLResult"] == {"bestRecipeArn": recipes[1]}
    assert all("score" in one for one in shop.ask(shop.campaign(version), userId="music-fan-2", numResults=3))


def test_only_the_included_columns_are_trained_on(shop: Shop) -> None:
    """A new user of the shop's other half is known by TOPIC alone; who leaves that out knows nothing."""
    found = {}
    for column in ("TOPIC", "BRAND"):
        config = {"trainingDataConfig": {"includedDatasetColumns": {"ITEMS": [column]}}}
        version = shop.version("aws-similar-items", solutionConfig=config)
        assert version["solutionConfig"]["trainingDataConfig"] == config["trainingDataConfig"]
        found[column] = shop.ids(shop.campaign(version), itemId="music-19", numResults=20)
    assert sum(one.startswith("music") for one in found["TOPIC"]) > sum(
        one.startswith("music") for one in found["BRAND"]
    )


def test_a_batch_job_has_what_a_campaign_has(shop: Shop, semantic: dict[str, Any]) -> None:
    influence = {"rankingInfluence": {"POPULARITY": 0.8, "FRESHNESS": 0.3}}
    campaign = shop.campaign(semantic, **influence)
    asked = [f"{topic}-{at:02d}" for topic in TOPICS for at in (2, 11)]
    name = shop.client.name("batch")
    key = shop.client.write(f"{name}.json", "\n".join(json.dumps({"itemId": one}) for one in asked))
    arn = shop.personalize.create_batch_inference_job(
        jobName=name,
        solutionVersionArn=semantic["solutionVersionArn"],
        jobInput={"s3DataSource": {"path": f"s3://training/{key}"}},
        jobOutput={"s3DataDestination": {"path": "s3://training/answers/"}},
        roleArn=ROLE,
        numResults=8,
        batchInferenceJobConfig=influence,
    )["batchInferenceJobArn"]
    job = shop.client.until(
        lambda: shop.personalize.describe_batch_inference_job(batchInferenceJobArn=arn)["batchInferenceJob"]
    )
    assert job["status"] == "ACTIVE", job
    lines = (shop.client.bucket / "answers" / f"{key}.out").read_text().splitlines()
    for line in map(json.loads, lines):
        expected = shop.ids(campaign, itemId=line["input"]["itemId"], numResults=8)
        assert line["output"] == {"recommendedItems": expected}
    assert len(lines) == len(asked)
