"""Calls right behind each other, as published programs make them: what is being created is waited for."""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from api.conftest import Client
from api.schemas import schema
from sartor.demo.server import Server

INTERACTIONS = schema(
    "Interactions",
    ("USER_ID", "string"),
    ("ITEM_ID", "string"),
    ("TIMESTAMP", "long"),
    ("EVENT_TYPE", ["null", "string"]),
)


def test_a_program_that_never_waits_gets_to_its_events_and_its_solution(client: Client) -> None:
    client.group()  # the worker is up
    api, name = client.personalize, client.name("hasty")
    group = api.create_dataset_group(name=name)["datasetGroupArn"]
    of_schema = api.create_schema(name=name, schema=json.dumps(INTERACTIONS))["schemaArn"]
    dataset = api.create_dataset(
        name=name, schemaArn=of_schema, datasetGroupArn=group, datasetType="Interactions"
    )["datasetArn"]
    tracker = api.create_event_tracker(name=name, datasetGroupArn=group)
    client.events.put_events(
        trackingId=tracker["trackingId"],
        sessionId="s",
        userId="u",
        eventList=[{"eventType": "click", "itemId": "i", "sentAt": 1_700_000_000}],
    )
    key = client.write(f"{name}.csv", "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\nu,i,1,click\n")
    job = client.start(dataset, key)
    api.create_filter(
        name=name,
        datasetGroupArn=group,
        filterExpression='EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("click")',
    )
    solution = api.create_solution(
        name=name, datasetGroupArn=group, recipeArn="arn:aws:personalize:::recipe/aws-popularity-count"
    )["solutionArn"]
    assert api.describe_solution(solutionArn=solution)["solution"]["status"] == "ACTIVE"
    assert client.until(lambda: client.job(job))["status"] == "ACTIVE"


def test_what_does_not_come_to_be_is_refused_in_the_known_words_and_holds_up_nobody(
    idle: tuple[Any, str],
) -> None:
    """Without a worker a group stays CREATE PENDING."""
    client, group = idle
    refused: list[str] = []

    def ask() -> None:
        with pytest.raises(ClientError, match="must be ACTIVE, but its status is CREATE PENDING") as found:
            client.create_event_tracker(name="t", datasetGroupArn=group)
        refused.append(found.value.response["Error"]["Code"])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert client.list_schemas()["schemas"] == []  # answered while they wait
    for thread in threads:
        thread.join()
    assert refused == ["ResourceInUseException"] * 8


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[tuple[Any, str]]:
    with Server(tmp_path / "data", {}, ("--workers", "0")) as server:
        client = server.client()
        yield client, client.create_dataset_group(name="idle")["datasetGroupArn"]


def test_a_solution_shows_when_it_is_trained_by_itself(client: Client) -> None:
    dataset = client.dataset(INTERACTIONS, "Interactions")
    group, api = client.group_of(dataset), client.personalize
    recipe = "arn:aws:personalize:::recipe/aws-popularity-count"

    def config(**members: Any) -> dict[str, Any]:
        arn = api.create_solution(name=client.name("s"), datasetGroupArn=group, recipeArn=recipe, **members)[
            "solutionArn"
        ]
        found: dict[str, Any] = api.describe_solution(solutionArn=arn)["solution"]
        return dict(found["solutionConfig"])

    assert config()["autoTrainingConfig"] == {"schedulingExpression": "rate(7 days)"}
    given = {"autoTrainingConfig": {"schedulingExpression": "rate(3 days)"}}
    assert config(solutionConfig=given)["autoTrainingConfig"] == given["autoTrainingConfig"]
    assert "autoTrainingConfig" not in config(performAutoTraining=False)


def test_a_training_without_any_interaction_is_refused_at_the_call(client: Client) -> None:
    dataset = client.dataset(INTERACTIONS, "Interactions")
    solution = client.personalize.create_solution(
        name=client.name("s"),
        datasetGroupArn=client.group_of(dataset),
        recipeArn="arn:aws:personalize:::recipe/aws-popularity-count",
    )["solutionArn"]
    with pytest.raises(ClientError, match="successfully completed dataset import job") as refused:
        client.personalize.create_solution_version(solutionArn=solution)
    assert refused.value.response["Error"]["Code"] == "InvalidInputException"


@pytest.mark.parametrize(
    ("types", "wanted", "words"),
    [
        (["View", "Buy"], "Click", "event type: Click. There are none; .* are: Buy, View."),
        (["", ""], None, "All values in the event_type column are either reserved keywords or null"),
        (["ITEM_ID", ""], None, "All values in the event_type column are either reserved keywords or null"),
    ],
)
def test_a_training_that_finds_no_event_says_which_there_are(
    client: Client, types: list[str], wanted: str | None, words: str
) -> None:
    dataset = client.dataset(INTERACTIONS, "Interactions")
    rows = "".join(f"u{n % 50},i{n % 20},{n},{types[n % 2]}\n" for n in range(200))
    key = client.write(f"{client.name('k')}.csv", "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\n" + rows)
    assert client.imported(dataset, key)["status"] == "ACTIVE"
    api = client.personalize
    solution = api.create_solution(
        name=client.name("s"),
        datasetGroupArn=client.group_of(dataset),
        recipeArn="arn:aws:personalize:::recipe/aws-popularity-count",
        **({} if wanted is None else {"eventType": wanted}),
    )["solutionArn"]
    arn = api.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    version = client.until(lambda: api.describe_solution_version(solutionVersionArn=arn)["solutionVersion"])
    assert version["status"] == "CREATE FAILED"
    assert re.search(words, version["failureReason"]), version["failureReason"]
