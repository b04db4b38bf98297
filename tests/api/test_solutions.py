"""Solutions, campaigns and filters as boto3 sees them: shapes, errors, pages, clean-up. Models are tested elsewhere."""

from typing import Any

import pytest

from api.conftest import Client
from api.schemas import INTERACTIONS, ITEMS

V2 = "arn:aws:personalize:::recipe/aws-user-personalization-v2"
BOUGHT = 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("buy")'


@pytest.fixture
def group(client: Client) -> str:
    """Give a group with item interactions and items, without records."""
    group = client.group_of(client.dataset(INTERACTIONS, "Interactions"))
    client.dataset(ITEMS, "Items", group=group)
    return group


def test_a_solution_lives_and_ends(client: Client, group: str) -> None:
    api = client.personalize
    config = {"autoTrainingConfig": {"schedulingExpression": "rate(3 days)"}}
    arn = api.create_solution(
        name=client.name("s"), datasetGroupArn=group, recipeArn=V2, solutionConfig=config
    )["solutionArn"]
    solution = client.until(lambda: api.describe_solution(solutionArn=arn)["solution"])
    assert (solution["status"], solution["solutionConfig"]) == ("ACTIVE", config)
    events = {"eventParametersList": [{"eventType": "buy", "weight": 0.5, "eventValueThreshold": 1.5}]}
    api.update_solution(
        solutionArn=arn, performAutoTraining=False, solutionUpdateConfig={"eventsConfig": events}
    )
    updated = client.until(lambda: api.describe_solution(solutionArn=arn)["solution"]["latestSolutionUpdate"])
    assert (updated["status"], updated["performAutoTraining"]) == ("ACTIVE", False)
    shown = api.describe_solution(solutionArn=arn)["solution"]
    assert shown["solutionConfig"] == {**config, "eventsConfig": events}
    assert shown["lastUpdatedDateTime"] >= updated["creationDateTime"]
    listed = list(api.get_paginator("list_solutions").paginate(datasetGroupArn=group))
    assert [one["solutionArn"] for page in listed for one in page["solutions"]] == [arn]
    assert set(listed[0]["solutions"][0]) == {
        "name",
        "solutionArn",
        "status",
        "creationDateTime",
        "lastUpdatedDateTime",
        "recipeArn",
    }
    api.delete_solution(solutionArn=arn)
    client.gone(lambda: api.describe_solution(solutionArn=arn))


def test_a_training_without_records_of_its_event_type_fails_with_a_reason(client: Client, group: str) -> None:
    api = client.personalize
    tracking_id = client.tracker(group.replace(":dataset-group/", ":dataset/") + "/INTERACTIONS")
    event = {"eventType": "View", "itemId": "i", "sentAt": 1_700_000_000}
    client.events.put_events(trackingId=tracking_id, sessionId="s", userId="u", eventList=[event])
    solution = api.create_solution(
        name=client.name("s"), datasetGroupArn=group, recipeArn=V2, eventType="Buy"
    )["solutionArn"]
    arn = api.create_solution_version(solutionArn=solution)["solutionVersionArn"]  # at once, as notebooks do
    version = client.until(lambda: api.describe_solution_version(solutionVersionArn=arn)["solutionVersion"])
    assert version["status"] == "CREATE FAILED"
    assert version["failureReason"]
    latest = api.describe_solution(solutionArn=solution)["solution"]["latestSolutionVersion"]
    assert (latest["solutionVersionArn"], latest["failureReason"]) == (arn, version["failureReason"])
    with pytest.raises(api.exceptions.ResourceInUseException):
        api.create_campaign(name=client.name("c"), solutionVersionArn=arn)
    with pytest.raises(api.exceptions.ResourceInUseException):
        api.get_solution_metrics(solutionVersionArn=arn)
    with pytest.raises(api.exceptions.ResourceInUseException):
        api.stop_solution_version_creation(solutionVersionArn=arn)
    with pytest.raises(api.exceptions.ResourceNotFoundException):
        api.create_campaign(name=client.name("c"), solutionVersionArn=solution)
    pages = api.get_paginator("list_solution_versions").paginate(solutionArn=solution)
    (listed,) = [one for page in pages for one in page["solutionVersions"]]
    assert (listed["trainingMode"], listed["trainingType"]) == ("FULL", "MANUAL")
    assert "name" not in listed
    api.delete_solution(solutionArn=solution)
    client.gone(lambda: api.describe_solution_version(solutionVersionArn=arn))


@pytest.mark.parametrize(
    ("members", "error", "words"),
    [
        ({"recipeArn": V2 + "x"}, "ResourceNotFoundException", "v2x"),
        (
            {"recipeArn": V2.replace("user-personalization-v2", "vod-top-picks")},
            "InvalidInputException",
            "recommender",
        ),
        ({"recipeArn": V2, "performHPO": True}, "InvalidInputException", "performHPO"),
        (
            {
                "recipeArn": V2,
                "solutionConfig": {"autoTrainingConfig": {"schedulingExpression": "rate(1 week)"}},
            },
            "InvalidInputException",
            "schedulingExpression",
        ),
    ],
)
def test_a_refusal_is_an_exception_of_the_service(
    client: Client, group: str, members: dict[str, Any], error: str, words: str
) -> None:
    exceptions = client.personalize.exceptions
    with pytest.raises(getattr(exceptions, error)) as refused:
        client.personalize.create_solution(name=client.name("s"), datasetGroupArn=group, **members)
    assert words in refused.value.response["Error"]["Message"]


def test_filters_are_listed_with_a_capital_and_without_their_expressions(client: Client, group: str) -> None:
    api = client.personalize
    name = client.name("f")
    arn = api.create_filter(name=name, datasetGroupArn=group, filterExpression=BOUGHT)["filterArn"]
    found = client.until(lambda: api.describe_filter(filterArn=arn)["filter"])
    assert (found["status"], found["filterExpression"]) == ("ACTIVE", BOUGHT)
    (listed,) = api.list_filters(datasetGroupArn=group)["Filters"]
    assert set(listed) == {
        "name",
        "filterArn",
        "datasetGroupArn",
        "status",
        "creationDateTime",
        "lastUpdatedDateTime",
    }
    with pytest.raises(api.exceptions.InvalidInputException, match="Could not create filter"):
        api.create_filter(name=client.name("f"), datasetGroupArn=group, filterExpression="EXCLUDE")
    api.delete_filter(filterArn=arn)
    client.gone(lambda: api.describe_filter(filterArn=arn))
