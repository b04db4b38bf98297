"""The rules of the recipe that compares texts: which columns it needs, and what it can do without."""

import json
from typing import Any

import pytest

from contract.conftest import Service, recipe_arn
from sartor.data.put import Row

SEMANTIC = recipe_arn("aws-semantic-similarity")
INVALID = "InvalidInputException"
NAME, TEXT = {"name": "TITLE", "itemName": True}, {"name": "ABOUT", "textual": True}
GENRE = {"name": "GENRE", "categorical": True}


def group_of(service: Service, name: str, *fields: dict[str, Any]) -> str:
    """Return a group with an Items dataset alone, of these columns."""
    group = service.group(name)
    columns = [{"name": "ITEM_ID"}, *fields]
    record = {
        "type": "record",
        "name": "Items",
        "namespace": "com.amazonaws.personalize.schema",
        "version": "1.0",
    }
    text = json.dumps({**record, "fields": [{"type": "string", **one} for one in columns]})
    schema = service.schema("Items", f"items-{name}", schema=text)
    service("CreateDataset", name="data", datasetGroupArn=group, schemaArn=schema, datasetType="ITEMS")
    service.work()
    return group


def put_item(service: Service, group: str) -> None:
    dataset = service.store.get(group.replace(":dataset-group/", ":dataset/") + "/ITEMS")
    assert dataset is not None
    service.store.put_records.put(dataset.seq, [Row("i", {"ITEM_ID": "i"})]).result()


@pytest.fixture(scope="module")
def group(service: Service) -> str:
    return group_of(service, "texts", NAME, TEXT, GENRE)


def test_no_interactions_are_needed_but_items_are(service: Service, group: str) -> None:
    solution = service.solution(group, "related", recipeArn=SEMANTIC, performIncrementalUpdate=True)
    refused = service.refusal("CreateSolutionVersion", solutionArn=solution)
    assert (refused.code, "ITEMS dataset" in refused.message) == (INVALID, True)
    put_item(service, group)
    version = service.described("SolutionVersion", service.version(solution))
    assert (version["performIncrementalUpdate"], version["status"]) == (True, "ACTIVE")
    campaign = service.campaign(
        version["solutionVersionArn"], campaignConfig={"rankingInfluence": {"POPULARITY": 0.4}}
    )
    config = service.described("Campaign", campaign)["campaignConfig"]
    assert config == {"rankingInfluence": {"POPULARITY": 0.4}, "enableMetadataWithRecommendations": True}
    empty = service.group("empty")
    refused = service.refusal("CreateSolution", name="bad", datasetGroupArn=empty, recipeArn=SEMANTIC)
    assert (refused.code, "Items dataset" in refused.message) == (INVALID, True)


def test_incremental_updates_can_be_turned_on_and_off(service: Service, group: str) -> None:
    solution = service.solution(group, "later", recipeArn=SEMANTIC)
    for on in (True, False):
        service("UpdateSolution", solutionArn=solution, performIncrementalUpdate=on)
        service.work()
        shown = service.described("Solution", solution)
        assert (
            shown["performIncrementalUpdate"]
            == shown["latestSolutionUpdate"]["performIncrementalUpdate"]
            == on
        )


@pytest.mark.parametrize(
    ("fields", "words"),
    [((TEXT, GENRE), "itemName: true"), ((NAME, GENRE), "textual: true")],
    ids=["name", "text"],
)
def test_a_name_and_a_text_are_needed(
    service: Service, fields: tuple[dict[str, Any], ...], words: str
) -> None:
    lacking = group_of(service, words.partition(":")[0], *fields)
    refused = service.refusal("CreateSolution", name="bad", datasetGroupArn=lacking, recipeArn=SEMANTIC)
    assert (refused.code, words in refused.message) == (INVALID, True)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"excludedDatasetColumns": {"ITEMS": ["ABOUT"]}}, "ABOUT"),
        ({"includedDatasetColumns": {"ITEMS": ["ABOUT", "GENRE"]}}, "TITLE"),
    ],
)
def test_they_cannot_be_left_out(service: Service, group: str, columns: dict[str, Any], words: str) -> None:
    refused = service.refusal(
        "CreateSolution",
        name="bad",
        datasetGroupArn=group,
        recipeArn=SEMANTIC,
        solutionConfig={"trainingDataConfig": columns},
    )
    assert (refused.code, words in refused.message) == (INVALID, True)


def test_what_other_recipes_have_it_has_not(service: Service, group: str) -> None:
    for members, words in (
        ({"performHPO": True}, "performHPO"),
        ({"eventType": "buy"}, "EVENT_TYPE"),
        ({"solutionConfig": {"algorithmHyperParameters": {"bptt": "8"}}}, "bptt"),
    ):
        refused = service.refusal(
            "CreateSolution", name="bad", datasetGroupArn=group, recipeArn=SEMANTIC, **members
        )
        assert (refused.code, words in refused.message) == (INVALID, True)
