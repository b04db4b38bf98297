"""CreateSolution and UpdateSolution: each rule kept and broken once."""

from typing import Any

import pytest

from contract.conftest import Service, recipe_arn

V2 = {"recipeArn": recipe_arn("aws-user-personalization-v2")}
UP = {"recipeArn": recipe_arn()}
PLAIN_EVENTS = {"Interactions": [], "Items": [("GENRE", "string")]}


@pytest.fixture(scope="module")
def group(service: Service) -> str:
    """Give a group with every dataset and column."""
    return service.data_group(name="full")


@pytest.fixture(scope="module")
def plain(service: Service) -> str:
    """Give a group whose interactions have no events."""
    return service.data_group(name="plain", **PLAIN_EVENTS)


def events(*listed: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"solutionConfig": {"eventsConfig": {"eventParametersList": list(listed)}, **more}}


def config(**members: Any) -> dict[str, Any]:
    return {"solutionConfig": members}


def excluding(**columns: list[str]) -> dict[str, Any]:
    return config(trainingDataConfig={"excludedDatasetColumns": columns})


def including(**columns: list[str]) -> dict[str, Any]:
    return config(trainingDataConfig={"includedDatasetColumns": columns})


def objective(**members: str) -> dict[str, Any]:
    return config(optimizationObjective=members)


def rate(text: str) -> dict[str, Any]:
    return config(autoTrainingConfig={"schedulingExpression": text})


BUY = {"eventType": "buy", "weight": 0.8, "eventValueThreshold": 2.0}
GOOD: list[dict[str, Any]] = [
    *({"recipeArn": recipe_arn(name)} for name in ("aws-sims", "aws-similar-items", "aws-trending-now")),
    *({"recipeArn": recipe_arn(name)} for name in ("aws-popularity-count", "aws-hrnn", "aws-hrnn-metadata")),
    *({"recipeArn": recipe_arn(f"aws-personalized-ranking{end}")} for end in ("", "-v2")),
    {"performAutoML": True, "recipeArn": None},
    {
        "performAutoML": True,
        "recipeArn": None,
        **config(autoMLConfig={"recipeList": [recipe_arn("aws-hrnn")]}),
    },
    {"performAutoML": False, "performAutoTraining": False, "performIncrementalUpdate": False},
    {"performHPO": True, **config(hpoConfig={"hpoResourceConfig": {"maxNumberOfTrainingJobs": "4"}})},
    {"eventType": "click"},
    {"eventType": "click", **config(eventValueThreshold="3.5")},
    config(eventValueThreshold="-1e2"),
    {**V2, **events(BUY, {"eventType": "view", "weight": 0.0})},
    {**V2, **events()},
    objective(itemAttribute="PRICE", objectiveSensitivity="HIGH"),
    {"recipeArn": recipe_arn("aws-personalized-ranking"), **objective(itemAttribute="PRICE")},
    excluding(items=["PRICE", "GENRE"], INTERACTIONS=["EVENT_VALUE"], Users=["AGE"]),
    including(items=["PRICE"], Interactions=["EVENT_TYPE", "USER_ID"]),
    including(items=["PRICE"]) | {"recipeArn": recipe_arn("aws-sims")},
    {"recipeArn": recipe_arn("aws-item-affinity")},
    {
        "recipeArn": recipe_arn("aws-item-attribute-affinity"),
        **config(algorithmHyperParameters={"hidden_dimension": "32"}),
    },
    rate("rate(1 day)"),
    rate("rate(30 days)"),
]


@pytest.mark.parametrize("members", GOOD, ids=str)
def test_what_the_guide_allows_is_allowed(service: Service, group: str, members: dict[str, Any]) -> None:
    request = {name: value for name, value in (UP | members).items() if value is not None}
    answer = service("CreateSolution", name=f"s{abs(hash(str(members)))}", datasetGroupArn=group, **request)
    service.work()
    assert service.described("Solution", answer["solutionArn"])["status"] == "ACTIVE"


INVALID = "InvalidInputException"
BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"recipeArn": None}, INVALID, "recipeArn"),
    ({"performAutoML": True}, INVALID, "recipeArn"),
    ({"recipeArn": None, "performAutoML": False}, INVALID, "recipeArn"),
    ({"recipeArn": recipe_arn("aws-none")}, "ResourceNotFoundException", "aws-none"),
    (config(autoMLConfig={"recipeList": [recipe_arn("aws-none")]}), "ResourceNotFoundException", "aws-none"),
    ({"recipeArn": recipe_arn("aws-next-best-action")}, INVALID, "must have an Actions dataset"),
    ({"recipeArn": recipe_arn("aws-semantic-similarity")}, INVALID, "itemName"),
    (
        {
            "recipeArn": None,
            "performAutoML": True,
            **config(autoMLConfig={"recipeList": [recipe_arn("aws-sims")]}),
        },
        INVALID,
        "USER_PERSONALIZATION",
    ),
    ({"recipeArn": recipe_arn("aws-item-affinity"), "performHPO": True}, INVALID, "performHPO"),
    (
        {"recipeArn": recipe_arn("aws-item-affinity"), **config(algorithmHyperParameters={"bptt": "8"})},
        INVALID,
        "cannot have bptt",
    ),
    ({"recipeArn": recipe_arn("aws-vod-top-picks")}, INVALID, "recommender"),
    ({**V2, "performHPO": True}, INVALID, "performHPO"),
    ({"performIncrementalUpdate": True}, INVALID, "performIncrementalUpdate"),
    (config(algorithmHyperParameters={"bptt": "64"}), INVALID, "bptt"),
    (config(eventValueThreshold="much"), INVALID, "eventValueThreshold must be a number"),
    (config(eventValueThreshold="inf"), INVALID, "eventValueThreshold must be a number"),
    (events(BUY), INVALID, "eventsConfig is not supported"),
    ({**V2, "eventType": "buy", **events(BUY)}, INVALID, "together"),
    ({**V2, **events(BUY, eventValueThreshold="1")}, INVALID, "together"),
    ({**V2, **events(BUY, BUY)}, INVALID, "of its own"),
    ({**V2, **events({"weight": 1.0})}, INVALID, "of its own"),
    ({**V2, **events({"eventType": "a", "weight": 0.0})}, INVALID, "greater than 0"),
    ({**V2, **events(*({"eventType": f"e{number}"} for number in range(11)))}, INVALID, "at most 10"),
    ({**V2, **objective(itemAttribute="PRICE")}, INVALID, "optimizationObjective is not supported"),
    (objective(objectiveSensitivity="LOW"), INVALID, "itemAttribute"),
    (objective(itemAttribute="GENRE"), INVALID, "numeric"),
    (objective(itemAttribute="STOCK"), INVALID, "cannot be null"),
    (objective(itemAttribute="price"), INVALID, "price"),
    (excluding(Actions=["COST"]), INVALID, "no dataset Actions"),
    (excluding(Items=["COLOUR"]), INVALID, "no column COLOUR"),
    (excluding(Items=["PRICE"], items=["GENRE"]), INVALID, "more than once"),
    (excluding(Items=["ITEM_ID"]), INVALID, "ITEM_ID"),
    (excluding(Users=["USER_ID"]), INVALID, "USER_ID"),
    (excluding(Interactions=["TIMESTAMP"]), INVALID, "TIMESTAMP"),
    (excluding(Interactions=["EVENT_TYPE"]), INVALID, "EVENT_TYPE"),
    (including(Actions=["COST"]), INVALID, "no dataset Actions"),
    (including(Items=["COLOUR"]), INVALID, "no column COLOUR"),
    (including(Items=["PRICE"], ITEMS=["GENRE"]), INVALID, "more than once"),
    (
        config(
            trainingDataConfig={
                "includedDatasetColumns": {"Items": ["PRICE", "GENRE"]},
                "excludedDatasetColumns": {"ITEMS": ["GENRE"]},
            }
        ),
        INVALID,
        "GENRE of ITEMS cannot be both",
    ),
    (rate("rate(0 days)"), INVALID, "1 to 30 days"),
    (rate("rate(31 days)"), INVALID, "1 to 30 days"),
    (rate("daily"), INVALID, "1 to 30 days"),
    ({"tags": [{"tagKey": "aws:x", "tagValue": ""}]}, INVALID, "reserved"),
]


@pytest.mark.parametrize(("members", "code", "words"), BAD, ids=str)
def test_a_broken_rule_is_named(
    service: Service, group: str, members: dict[str, Any], code: str, words: str
) -> None:
    request = {name: value for name, value in (UP | members).items() if value is not None}
    refused = service.refusal("CreateSolution", name="bad", datasetGroupArn=group, **request)
    assert (refused.code, words in refused.message) == (code, True), refused.message


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"eventType": "click"}, "EVENT_TYPE"),
        (config(eventValueThreshold="1"), "EVENT_VALUE"),
        ({**V2, **events({"eventType": "buy"})}, "EVENT_TYPE"),
    ],
)
def test_events_need_their_columns(service: Service, plain: str, members: dict[str, Any], words: str) -> None:
    refused = service.refusal("CreateSolution", name="bad", datasetGroupArn=plain, **UP | members)
    assert refused.code == INVALID
    assert f"column {words}" in refused.message


def test_thresholds_of_weighted_events_need_their_column(service: Service) -> None:
    group = service.data_group(name="types", Interactions=[("EVENT_TYPE", "string")])
    refused = service.refusal("CreateSolution", name="bad", datasetGroupArn=group, **V2, **events(BUY))
    assert "column EVENT_VALUE" in refused.message


def test_a_group_needs_interactions_and_an_objective_items(service: Service) -> None:
    empty = service.group("empty")
    refused = service.refusal("CreateSolution", name="bad", datasetGroupArn=empty, **UP)
    assert (refused.code, "Item interactions" in refused.message) == (INVALID, True)
    interactions = service.dataset(group=empty)
    refused = service.refusal(
        "CreateSolution", name="bad", datasetGroupArn=empty, **UP, **objective(itemAttribute="PRICE")
    )
    assert (refused.code, "Items dataset" in refused.message) == (INVALID, True)
    service("DeleteDataset", datasetArn=interactions)
    refused = service.refusal("CreateSolution", name="bad", datasetGroupArn=empty, **UP)
    assert refused.code == "ResourceInUseException"
    service.work()


def test_the_name_the_group_and_its_status_are_checked(service: Service, group: str) -> None:
    service.solution(group, "taken")
    taken = service.refusal("CreateSolution", name="taken", datasetGroupArn=group, **UP)
    assert taken.code == "ResourceAlreadyExistsException"
    missing = service.refusal("CreateSolution", name="bad", datasetGroupArn=group.replace("full", "no"), **UP)
    assert missing.code == "ResourceNotFoundException"
    pending = service("CreateDatasetGroup", name="pending")["datasetGroupArn"]
    refused = service.refusal("CreateSolution", name="bad", datasetGroupArn=pending, **UP)
    assert refused.code == "ResourceInUseException"
    service.work()


UPDATES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"performIncrementalUpdate": True}, "performIncrementalUpdate"),
    ({}, {"solutionUpdateConfig": {"eventsConfig": {"eventParametersList": [BUY]}}}, "not supported"),
    (V2, {"solutionUpdateConfig": {"eventsConfig": {"eventParametersList": [BUY, BUY]}}}, "of its own"),
    (
        {**V2, "eventType": "buy"},
        {"solutionUpdateConfig": {"eventsConfig": {"eventParametersList": [BUY]}}},
        "together",
    ),
    (
        {},
        {"solutionUpdateConfig": {"autoTrainingConfig": {"schedulingExpression": "rate(40 days)"}}},
        "1 to 30",
    ),
]


@pytest.mark.parametrize(("members", "update", "words"), UPDATES)
def test_an_update_keeps_the_rules_of_a_creation(
    service: Service, group: str, members: dict[str, Any], update: dict[str, Any], words: str
) -> None:
    solution = service.solution(group, f"u{abs(hash(str((members, update))))}", **members)
    before = service.described("Solution", solution)
    refused = service.refusal("UpdateSolution", solutionArn=solution, **update)
    assert (refused.code, words in refused.message) == (INVALID, True), refused.message
    assert service.described("Solution", solution) == before
