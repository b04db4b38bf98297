"""CreateBatchInferenceJob and CreateBatchSegmentJob: each rule kept and broken once."""

import json
import re
from typing import Any

import pytest

from contract.conftest import Files, Service, recipe_arn, schema_text
from sartor.resources import batch_jobs
from sartor.resources.store import Store

INVALID, IN_USE, MISSING = "InvalidInputException", "ResourceInUseException", "ResourceNotFoundException"
ROLE = "arn:aws:iam::111122223333:role/batch"
UP, UP2, RANKING, SIMILAR, TRENDING, OF_ITEMS, OF_ATTRIBUTES = (
    f"aws-{name}"
    for name in (
        "user-personalization",
        "user-personalization-v2",
        "personalized-ranking",
        "similar-items",
        "trending-now",
        "item-affinity",
        "item-attribute-affinity",
    )
)
THEMES = {"themeGenerationConfig": {"fieldsForThemeGeneration": {"itemName": "NAME"}}}
THEMED = {"batchInferenceJobMode": "THEME_GENERATION", **THEMES}


def path(given: str) -> dict[str, Any]:
    return {"s3DataSource": {"path": given}}


def to(given: str) -> dict[str, Any]:
    return {"s3DataDestination": {"path": given}}


class Shop:
    """A group with a solution version of each recipe, and its filters."""

    def __init__(self, service: Service) -> None:
        self.service = service
        service.files.contents["s3://bucket/in/users.json"] = b'{"userId":"1"}'
        self.group = service.data_group(name="batch")
        self.other = service.data_group(name="other")
        self.themes = self._with_texts()
        self.versions = {
            name: service.version(service.solution(self.group, name, recipeArn=recipe_arn(name)))
            for name in (UP, UP2, RANKING, SIMILAR, TRENDING, OF_ITEMS, OF_ATTRIBUTES)
        }
        self.versions["texts"] = service.version(
            service.solution(self.themes, "texts", recipeArn=recipe_arn(SIMILAR))
        )

    def _with_texts(self) -> str:
        text = json.loads(schema_text("Items", ("NAME", ["string", "null"]), ("ABOUT", ["string", "null"])))
        text["fields"][-1]["textual"] = True
        group = self.service.data_group(name="texts", Items=())
        items = self.service("ListDatasets", datasetGroupArn=group)["datasets"]
        (dataset,) = [one["datasetArn"] for one in items if one["datasetType"] == "ITEMS"]
        schema = self.service.schema("Items", "Items-with-texts", schema=json.dumps(text))
        self.service("UpdateDataset", datasetArn=dataset, schemaArn=schema)
        self.service.work()
        return group

    def filter(self, name: str, expression: str, group: str | None = None) -> str:
        members = {"datasetGroupArn": group or self.group, "filterExpression": expression}
        answer = self.service("CreateFilter", name=name, **members)
        return str(answer["filterArn"])

    def request(self, recipe: str, **members: Any) -> dict[str, Any]:
        given = {
            "jobName": f"job-{abs(hash((recipe, str(members))))}",
            "solutionVersionArn": self.versions[recipe],
            "jobInput": path("s3://bucket/in/users.json"),
            "jobOutput": to("s3://bucket/out/"),
            "roleArn": ROLE,
        } | members
        return {name: value for name, value in given.items() if value is not None}

    def refusal(
        self, recipe: str, operation: str = "CreateBatchInferenceJob", **members: Any
    ) -> tuple[str, str]:
        found = self.service.refusal(operation, **self.request(recipe, **members))
        return found.code, found.message


@pytest.fixture(scope="module")
def shop(service: Service) -> Shop:
    return Shop(service)


GOOD: list[tuple[str, dict[str, Any]]] = [
    *((recipe, {}) for recipe in (UP, UP2, RANKING, SIMILAR)),
    (UP, {"numResults": 500, "jobInput": path("s3://bucket/in/")}),
    (UP, {"numResults": 1, "jobInput": path("s3://bucket/i"), "jobOutput": to("s3://bucket/other")}),
    (UP, {"jobOutput": to("s3://bucket/")}),
    (UP, {"batchInferenceJobConfig": {"itemExplorationConfig": {"explorationWeight": "0"}}}),
    (UP2, {"batchInferenceJobMode": "BATCH_INFERENCE", "tags": [{"tagKey": "a", "tagValue": "b"}]}),
    ("texts", THEMED),
]


@pytest.mark.parametrize(("recipe", "members"), GOOD, ids=str)
def test_what_the_guide_allows_is_allowed_and_described(
    shop: Shop, recipe: str, members: dict[str, Any]
) -> None:
    request = shop.request(recipe, **members)
    arn = shop.service("CreateBatchInferenceJob", **request)["batchInferenceJobArn"]
    assert arn.endswith(f":batch-inference-job/{request['jobName']}")
    assert shop.service.described("BatchInferenceJob", arn)["status"] == "CREATE PENDING"
    shop.service.work()
    shown = shop.service.described("BatchInferenceJob", arn)
    assert shown["status"] == "ACTIVE"
    assert shown["numResults"] == request.get("numResults", 25)
    assert shown["batchInferenceJobMode"] == request.get("batchInferenceJobMode", "BATCH_INFERENCE")
    for name in request.keys() - {"tags"}:
        assert shown[name] == request[name]
    listed = shop.service("ListBatchInferenceJobs", solutionVersionArn=request["solutionVersionArn"])
    assert arn in [one["batchInferenceJobArn"] for one in listed["batchInferenceJobs"]]


BAD: list[tuple[str, dict[str, Any], str, str]] = [
    (TRENDING, {}, INVALID, "Batch inference is not supported by recipe aws-trending-now"),
    (OF_ITEMS, {}, INVALID, "Batch inference is not supported by recipe aws-item-affinity"),
    (UP, {"numResults": 0}, INVALID, "numResults must be from 1 to 500, not 0"),
    (UP, {"numResults": 501}, INVALID, "not 501"),
    (UP, {"jobInput": path("s3://bucket/none")}, INVALID, "Invalid S3 input path."),
    (
        UP,
        {"jobInput": path("s3://bucket/in/"), "jobOutput": to("s3://bucket/in")},
        INVALID,
        "Invalid S3 output path.",
    ),
    (UP, {"jobOutput": to("s3://nobodys/out/")}, INVALID, "Invalid S3 output path."),
    (
        UP2,
        {"batchInferenceJobConfig": {"itemExplorationConfig": {}}},
        INVALID,
        "itemExplorationConfig is not supported",
    ),
    (
        UP,
        {"batchInferenceJobConfig": {"itemExplorationConfig": {"explorationWeight": "2"}}},
        INVALID,
        "explorationWeight must be a number from 0.0 to 1.0",
    ),
    (UP, {"batchInferenceJobConfig": {"rankingInfluence": {"POPULARITY": 0.5}}}, INVALID, "rankingInfluence"),
    (UP, THEMES, INVALID, "themeGenerationConfig needs batchInferenceJobMode THEME_GENERATION"),
    (UP, THEMED, INVALID, "THEME_GENERATION is not supported by recipe aws-user-personalization"),
    (SIMILAR, THEMED, INVALID, "textual field"),
    ("texts", {"batchInferenceJobMode": "THEME_GENERATION"}, INVALID, "needs themeGenerationConfig"),
    *(
        (
            "texts",
            {**THEMED, "themeGenerationConfig": {"fieldsForThemeGeneration": {"itemName": name}}},
            INVALID,
            "itemName must be a string field",
        )
        for name in ("PRICE", "nothing", "ITEM_ID")
    ),
]


@pytest.mark.parametrize(("recipe", "members", "code", "words"), BAD, ids=str)
def test_what_the_guide_forbids_is_refused_in_words(
    shop: Shop, recipe: str, members: dict[str, Any], code: str, words: str
) -> None:
    found = shop.refusal(recipe, **members)
    assert found[0] == code
    assert words in found[1]


def test_a_filter_must_be_active_of_the_group_and_about_items(shop: Shop) -> None:
    of_items = "INCLUDE ItemID WHERE Items.PRICE > 1"
    waits = shop.filter("waits", of_items)
    assert shop.refusal(UP, filterArn=waits)[0] == IN_USE
    of_group, others = shop.filter("ours", of_items), shop.filter("others", of_items, shop.other)
    of_users = shop.filter("users", "INCLUDE UserID WHERE Users.AGE > 1")
    current = shop.filter("current", "INCLUDE ItemID WHERE Items.GENRE IN CurrentItem.GENRE")
    shop.service.work()
    assert shop.refusal(UP, filterArn=f"{waits}-none")[0] == MISSING
    assert "another dataset group" in shop.refusal(UP, filterArn=others)[1]
    assert "needs ItemID" in shop.refusal(UP, filterArn=of_users)[1]
    assert "only recipes for related items" in shop.refusal(UP, filterArn=current)[1]
    job = shop.service("CreateBatchInferenceJob", **shop.request(UP, filterArn=of_group))
    shop.service("CreateBatchInferenceJob", **shop.request(SIMILAR, filterArn=current))
    busy = shop.service.refusal("DeleteFilter", filterArn=of_group)
    assert (busy.code, job["batchInferenceJobArn"] in busy.message) == (IN_USE, True)
    shop.service.work()
    shop.service("DeleteFilter", filterArn=of_group)


def test_only_a_version_that_is_trained_and_named_as_such_is_asked(shop: Shop) -> None:
    solution = shop.service.solution(shop.group, "training")
    coming = shop.service("CreateSolutionVersion", solutionArn=solution)["solutionVersionArn"]
    assert shop.refusal(UP, solutionVersionArn=coming)[0] == IN_USE
    shop.service.work()
    assert shop.refusal(UP, solutionVersionArn=f"{solution}/$LATEST")[0] == MISSING


def test_a_solution_stays_as_long_as_a_job_asks_it(shop: Shop) -> None:
    solution = shop.service.solution(shop.group, "asked")
    version = shop.service.version(solution)
    shop.service("CreateBatchInferenceJob", **shop.request(UP, solutionVersionArn=version))
    assert shop.service.refusal("DeleteSolution", solutionArn=solution).code == IN_USE
    shop.service.work()
    shop.service("DeleteSolution", solutionArn=solution)


def test_names_are_taken_once_and_five_jobs_run_at_once(store_of_aws: Service) -> None:
    shop = Shop(store_of_aws)
    for number in range(batch_jobs.MAX_JOBS_AT_ONCE):
        shop.service("CreateBatchInferenceJob", **shop.request(UP, jobName=f"n{number}"))
    assert shop.refusal(UP, jobName="n0")[0] == "ResourceAlreadyExistsException"
    assert shop.refusal(UP, jobName="n9") == (
        "LimitExceededException",
        "More than 5 resources with PENDING or IN_PROGRESS status.",
    )
    shop.service.work()
    shop.service("CreateBatchInferenceJob", **shop.request(UP, jobName="n9"))


def test_five_segment_jobs_run_at_once_beside_those_of_inference(store_of_aws: Service) -> None:
    shop = Shop(store_of_aws)
    shop.service("CreateBatchInferenceJob", **shop.request(UP))
    for number in range(batch_jobs.MAX_JOBS_AT_ONCE):
        shop.service("CreateBatchSegmentJob", **shop.request(OF_ITEMS, jobName=f"s{number}"))
    assert shop.refusal(OF_ITEMS, "CreateBatchSegmentJob", jobName="s9") == (
        "LimitExceededException",
        "More than 5 resources with PENDING or IN_PROGRESS status.",
    )
    shop.service("CreateBatchInferenceJob", **shop.request(UP2))


def test_a_batch_job_holds_the_datasets_until_it_is_done(store_of_aws: Service) -> None:
    shop = Shop(store_of_aws)
    dataset = shop.group.replace(":dataset-group/", ":dataset/") + "/INTERACTIONS"
    for operation, recipe in (("CreateBatchInferenceJob", UP), ("CreateBatchSegmentJob", OF_ITEMS)):
        shop.service(operation, **shop.request(recipe))
        refused = shop.service.refusal("DeleteDataset", datasetArn=dataset)
        assert (refused.code, ":batch-" in refused.message) == (IN_USE, True)
        shop.service.work()
    shop.service("DeleteDataset", datasetArn=dataset)


@pytest.fixture
def store_of_aws(tmp_path_factory: pytest.TempPathFactory) -> Any:
    store = Store.open(f"sqlite:///{tmp_path_factory.mktemp('aws') / 'sartor.db'}")
    yield Service(store, Files())
    store.close()


@pytest.mark.parametrize("recipe", [OF_ITEMS, OF_ATTRIBUTES])
def test_a_segment_job_is_allowed_described_and_listed(shop: Shop, recipe: str) -> None:
    arn_of_filter = shop.filter(f"of-{recipe}", "INCLUDE UserID WHERE Users.AGE > $AGE")
    shop.service.work()
    request = shop.request(recipe, filterArn=arn_of_filter, numResults=5_000_000)
    arn = shop.service("CreateBatchSegmentJob", **request)["batchSegmentJobArn"]
    assert arn.endswith(f":batch-segment-job/{request['jobName']}")
    assert shop.service.refusal("DeleteFilter", filterArn=arn_of_filter).code == IN_USE
    shop.service.work()
    shown = shop.service.described("BatchSegmentJob", arn)
    assert shown["status"] == "ACTIVE"
    assert shown.items() >= request.items()
    listed = shop.service("ListBatchSegmentJobs", solutionVersionArn=request["solutionVersionArn"])
    assert arn in [one["batchSegmentJobArn"] for one in listed["batchSegmentJobs"]]


BAD_SEGMENTS: list[tuple[str, dict[str, Any], str]] = [
    (UP, {}, "Batch segment jobs are not supported by recipe aws-user-personalization"),
    (OF_ITEMS, {"numResults": 0}, "numResults must be from 1 to 5,000,000, not 0"),
    (OF_ITEMS, {"numResults": 5_000_001}, "not 5000001"),
    (
        OF_ITEMS,
        {"filterArn": "EXCLUDE ItemID WHERE Items.PRICE < 3"},
        "is about ItemID; recipe .* needs UserID",
    ),
    (OF_ATTRIBUTES, {"filterArn": 'EXCLUDE UserID WHERE Interactions.EVENT_TYPE IN ("*")'}, "on Users alone"),
    (OF_ITEMS, {"jobInput": path("s3://bucket/none")}, "Invalid S3 input path."),
]


@pytest.mark.parametrize(("recipe", "members", "words"), BAD_SEGMENTS, ids=str)
def test_a_segment_job_that_cannot_be_done_is_refused(
    shop: Shop, recipe: str, members: dict[str, Any], words: str
) -> None:
    if "filterArn" in members:
        members = {"filterArn": shop.filter(f"f{abs(hash(words))}", members["filterArn"])}
        shop.service.work()
    code, message = shop.refusal(recipe, "CreateBatchSegmentJob", **members)
    assert code == INVALID
    assert re.search(words, message), message
