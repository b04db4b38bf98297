"""Batch inference through boto3: the answers of GetRecommendations and GetPersonalizedRanking, file by file."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from api.conftest import ROLE, Client
from api.schemas import schema
from api.test_recommendations import (
    ITEMS_EACH,
    POPULARITY,
    RANKING,
    SIMILAR,
    SIMS,
    TASTES,
    TRENDING,
    UP,
    UP2,
    Shop,
    name_of,
    refused,
)
from sartor.demo.server import Server

#: Known users, one who is new to the model, one with events since the training, and nobody.
USERS = ["comedy-fan-1", "drama-fan-2", "newcomer-young-aws-user-personalization", "active", "nobody"]
SEEN = 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("watch")'
BY_GENRE = "INCLUDE ItemID WHERE Items.GENRE IN ($GENRE)"
FOR_GOLD = 'INCLUDE ItemID WHERE Items.PRICE < 5 IF CurrentUser.TIER IN ("gold")'
Lines = list[dict[str, Any]]


class Batch:
    """A shop whose solution versions are asked by files."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.client = shop.client
        shop.campaign(UP)
        shop.watch("active", name_of(1, 3), name_of(1, 4))

    def request(self, recipe: str, key: str, **more: Any) -> dict[str, Any]:
        self.shop.campaign(recipe)
        return {
            "jobName": self.client.name("batch"),
            "solutionVersionArn": self.shop.versions[recipe],
            "jobInput": {"s3DataSource": {"path": f"s3://training/{key}"}},
            "jobOutput": {"s3DataDestination": {"path": "s3://training/answers/"}},
            "roleArn": ROLE,
            **more,
        }

    def settled(self, request: dict[str, Any]) -> dict[str, Any]:
        client = self.shop.personalize
        arn = client.create_batch_inference_job(**request)["batchInferenceJobArn"]
        return self.client.until(
            lambda: client.describe_batch_inference_job(batchInferenceJobArn=arn)["batchInferenceJob"]
        )

    def run(self, recipe: str, lines: Lines, **more: Any) -> Lines:
        """Answer lines with a recipe's version and return the lines of the output."""
        key = self.client.write(
            f"{self.client.name('lines')}.json", "\n".join(json.dumps(one) for one in lines)
        )
        job = self.settled(self.request(recipe, key, **more))
        assert job["status"] == "ACTIVE", job
        return self.read(f"answers/{key}.out")

    def read(self, key: str) -> Lines:
        return [json.loads(line) for line in (self.client.bucket / key).read_text().splitlines()]


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Batch]:
    folder = tmp_path_factory.mktemp("batch")
    (folder / "bucket").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SARTOR_SEQUENCE_MODELS", "off")
        with Server(folder / "data", {"training": folder / "bucket"}, ("--quotas", "off")) as server:
            yield Batch(Shop(Client(server, folder / "bucket")))


def asked(batch: Batch, recipe: str, line: dict[str, Any], campaign: str | None = None, **more: Any) -> Any:
    """Return what GetRecommendations answers to a line."""
    answer = batch.shop.runtime.get_recommendations(
        campaignArn=campaign or batch.shop.campaign(recipe), **line, **more
    )
    return answer["itemList"]


def same(found: dict[str, Any], online: Lines) -> None:
    """Check that a line of the output says what an online answer says."""
    output = found["output"]
    assert output["recommendedItems"] == [one["itemId"] for one in online]
    if "scores" in output:
        wanted = [one.get("score") for one in online]
        assert [one is None for one in output["scores"]] == [one is None for one in wanted]
        pairs = zip(output["scores"], wanted, strict=True)
        assert all(one == pytest.approx(two, abs=1e-6) for one, two in pairs if two is not None)
    else:
        assert all("score" not in one for one in online)


@pytest.mark.parametrize("recipe", [UP2, POPULARITY])
def test_users_get_the_answers_that_they_get_online(batch: Batch, recipe: str) -> None:
    lines = [{"userId": user} for user in USERS]
    found = batch.run(recipe, lines, numResults=10)
    assert [one["input"] for one in found] == lines
    assert [one["error"] for one in found] == [None] * len(lines)
    for one, line in zip(found, lines, strict=True):
        same(one, asked(batch, recipe, line, numResults=10))
    assert all(("scores" in one["output"]) == (recipe == UP2) for one in found)
    if recipe == UP2:
        assert all(len(one["output"]["reasons"]) == 10 for one in found)


@pytest.mark.parametrize("weight", ["0", "0.9"])
def test_a_job_explores_as_a_campaign_of_its_configuration_does(batch: Batch, weight: str) -> None:
    config = {"itemExplorationConfig": {"explorationWeight": weight, "explorationItemAgeCutOff": "30"}}
    lines = [{"userId": user} for user in USERS]
    found = batch.run(UP, lines, batchInferenceJobConfig=config)
    campaign = batch.shop.personalize.create_campaign(
        name=batch.client.name("explores"),
        solutionVersionArn=batch.shop.versions[UP],
        campaignConfig=config,
    )["campaignArn"]
    client = batch.shop.personalize
    batch.client.until(lambda: client.describe_campaign(campaignArn=campaign)["campaign"])
    for one, line in zip(found, lines, strict=True):
        same(one, asked(batch, UP, line, campaign))


@pytest.mark.parametrize("recipe", [SIMILAR, SIMS])
def test_items_get_the_related_items_that_they_get_online(batch: Batch, recipe: str) -> None:
    lines = [{"itemId": name_of(1, 4)}, {"itemId": name_of(0, 0)}, {"itemId": "nothing"}]
    for one, line in zip(batch.run(recipe, lines, numResults=8), lines, strict=True):
        same(one, asked(batch, recipe, line, numResults=8))
        assert set(one["output"]) == {"recommendedItems"}


def test_rankings_are_those_of_get_personalized_ranking(batch: Batch) -> None:
    items = ["unknown", *(name_of(taste, at) for at in range(0, ITEMS_EACH, 3) for taste in range(TASTES))]
    lines = [{"userId": user, "itemList": items} for user in USERS]
    campaign = batch.shop.campaign(RANKING)
    for one, line in zip(batch.run(RANKING, lines), lines, strict=True):
        online = batch.shop.runtime.get_personalized_ranking(
            campaignArn=campaign, userId=line["userId"], inputList=items
        )
        same(one, online["personalizedRanking"])
        assert one["output"]["recommendedItems"][-1] == "unknown"
        assert one["input"] == line


@pytest.mark.parametrize("expression", [SEEN, BY_GENRE, FOR_GOLD, f"{BY_GENRE} | {SEEN}"])
def test_a_filter_keeps_what_it_keeps_online_with_the_values_of_each_line(
    batch: Batch, expression: str
) -> None:
    arn = batch.shop.filter(expression)
    genres = ("comedy", "drama")
    lines: Lines = [{"userId": user} for user in (*USERS, "comedy-fan-0", "drama-fan-0")]
    if "$GENRE" in expression:
        lines = [{**one, "filterValues": {"GENRE": f'"{genre}"'}} for genre in genres for one in lines]
    found = batch.run(UP2, lines, filterArn=arn, numResults=30)
    for one, line in zip(found, lines, strict=True):
        same(one, asked(batch, UP2, line, filterArn=arn, numResults=30))


def test_lines_that_cannot_be_answered_say_why_and_fail_nothing(batch: Batch) -> None:
    filter_arn = batch.shop.filter(BY_GENRE)
    wrong: dict[str, Any] = {
        "userId is required": {"itemId": "comedy-01"},
        "userId must have strings": {"userId": 7},
        "has no promotions": {"userId": "nobody", "promotions": []},
        "filterValues must be an object": {"userId": "nobody", "filterValues": {"GENRE": 7}},
        "GENRE is missing": {"userId": "nobody"},
    }
    right = {"userId": "nobody", "filterValues": {"GENRE": '"drama"'}}
    found = batch.run(UP2, [*wrong.values(), right], filterArn=filter_arn)
    assert len(found) == len(wrong) + 1
    for one, (words, line) in zip(found, wrong.items(), strict=False):
        assert (one["input"], one["output"]) == (line, None)
        assert words in one["error"]
    assert found[-1]["error"] is None
    (name,) = {
        file.name
        for file in (batch.client.bucket / "answers").glob("*_errors")
        if "has no promotions" in file.read_text()
    }
    assert [one["line"] for one in batch.read(f"answers/{name}")] == [1, 2, 3, 4, 5]


def test_a_folder_is_answered_file_by_file_and_the_job_is_described_and_listed(batch: Batch) -> None:
    for name in ("one.json", "deep/two.json"):
        batch.client.write(f"folder/{name}", '{"userId": "nobody"}\n')
    request = batch.request(UP2, "folder/", numResults=3, tags=[{"tagKey": "a", "tagValue": "b"}])
    request["jobOutput"]["s3DataDestination"]["path"] = "s3://training/of-folder"
    job = batch.settled(request)
    assert job["status"] == "ACTIVE"
    assert {job[name] == request[name] for name in ("jobName", "jobInput", "jobOutput", "roleArn")} == {True}
    assert (job["numResults"], job["batchInferenceJobMode"]) == (3, "BATCH_INFERENCE")
    answers = [batch.read(f"of-folder/{name}.out") for name in ("one.json", "deep/two.json")]
    assert all(len(one["output"]["recommendedItems"]) == 3 for (one,) in answers)
    listed = batch.shop.personalize.list_batch_inference_jobs(
        solutionVersionArn=request["solutionVersionArn"]
    )["batchInferenceJobs"]
    assert job["batchInferenceJobArn"] in [one["batchInferenceJobArn"] for one in listed]
    report = batch.client.server.get(f"/sartor/v1/batch-inference-jobs/{job['jobName']}/report")
    assert report == {"jobArn": job["batchInferenceJobArn"], "status": "ACTIVE"}
    assert batch.shop.personalize.list_tags_for_resource(resourceArn=job["batchInferenceJobArn"])["tags"]


def test_what_has_no_batch_or_no_files_is_refused_at_the_call(batch: Batch) -> None:
    def call(recipe: str, key: str = "some.json", **more: Any) -> tuple[str, str]:
        request = batch.request(recipe, key, **more)
        return refused(lambda: batch.shop.personalize.create_batch_inference_job(**request))

    batch.client.write("some.json", '{"userId": "1"}')
    assert "not supported by recipe aws-trending-now" in call(TRENDING)[1]
    assert call(UP2, "nothing/there.json") == ("InvalidInputException", "Invalid S3 input path.")
    batch.client.write("in-the-way", "")
    nowhere = {"s3DataDestination": {"path": "s3://training/in-the-way/"}}
    assert "could not be written" in call(UP2, jobOutput=nowhere)[1]
    same_place = {"s3DataDestination": {"path": "s3://training/some.json"}}
    assert "Invalid S3 output path." in call(UP2, jobOutput=same_place)[1]


PLAIN = schema("Interactions", ("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"))
FILMS = schema(
    "Items",
    ("ITEM_ID", "string"),
    ("TITLE", ["null", "string"]),
    ("PLOT", ["null", "string"]),
    PLOT={"textual": True},
)
PLOTS = ("A crew of astronauts lands a space ship on a planet", "The chef bakes bread and cake in a kitchen")


def test_a_job_says_what_the_related_items_have_in_common(batch: Batch) -> None:
    client, personalize = batch.client, batch.shop.personalize
    group = client.group()
    interactions = client.dataset(PLAIN, "Interactions", group=group)
    films = client.dataset(FILMS, "Items", group=group)
    rows = [f"{kind}-{at},Film {at},{PLOTS[kind]} {at}" for kind in (0, 1) for at in range(12)]
    seen = [
        f"u{kind}-{user},{kind}-{(user + step) % 12},{1_700_000_000 + 60 * step}"
        for kind in (0, 1)
        for user in range(20)
        for step in range(8)
    ]
    for dataset, key, lines in (
        (films, "films.csv", ["ITEM_ID,TITLE,PLOT", *rows]),
        (interactions, "seen.csv", ["USER_ID,ITEM_ID,TIMESTAMP", *seen]),
    ):
        assert client.imported(dataset, client.write(key, "\n".join(lines) + "\n"))["status"] == "ACTIVE"
    solution = personalize.create_solution(
        name=client.name("films"),
        datasetGroupArn=group,
        recipeArn=f"arn:aws:personalize:::recipe/{SIMILAR}",
    )["solutionArn"]
    version = personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    client.until(lambda: personalize.describe_solution_version(solutionVersionArn=version)["solutionVersion"])
    batch.shop.versions["films"] = batch.shop.campaigns["films"] = version
    found = batch.run(
        "films",
        [{"itemId": "0-3"}, {"itemId": "1-5"}, {"userId": "u"}],
        numResults=6,
        batchInferenceJobMode="THEME_GENERATION",
        themeGenerationConfig={"fieldsForThemeGeneration": {"itemName": "TITLE"}},
    )
    for one, kind, words in zip(
        found, "01", (("astronauts", "space", "planet"), ("chef", "bread", "cake")), strict=False
    ):
        output = one["output"]
        assert set(output) == {"recommendedItems", "theme", "itemsThemeRelevanceScores"}
        assert all(item.startswith(f"{kind}-") for item in output["recommendedItems"])
        assert any(word in output["theme"].casefold() for word in words)
        fits = output["itemsThemeRelevanceScores"]
        assert fits == sorted(fits, reverse=True)
        assert len(fits) == len(output["recommendedItems"]) == 6
    assert "itemId is required" in found[2]["error"]
