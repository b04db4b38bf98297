"""A group is made and taken apart again in the order of Amazon's own notebooks."""

import json
import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from api.conftest import ROLE, Client
from api.schemas import INTERACTIONS

ROWS = ",".join(field["name"] for field in INTERACTIONS["fields"]) + "\nu,i,1,watch,,,,,,\n"


def deleted(client: Client, noun: str, **arn: str) -> None:
    """Delete something and look until it is not found."""
    assert set(getattr(client.personalize, f"delete_{noun}")(**arn)) == {"ResponseMetadata"}
    client.gone(lambda: getattr(client.personalize, f"describe_{noun}")(**arn))


def test_official_clean_up_code_leaves_nothing_and_the_name_is_free_again(client: Client) -> None:
    client.group()  # the worker is up
    api, name = client.personalize, client.name("cleaned")
    group = api.create_dataset_group(name=name)["datasetGroupArn"]
    of_schema = api.create_schema(name=name, schema=json.dumps(INTERACTIONS))["schemaArn"]
    dataset = api.create_dataset(
        name=name, schemaArn=of_schema, datasetGroupArn=group, datasetType="INTERACTIONS"
    )["datasetArn"]
    location = f"s3://training/{client.write(f'{name}.csv', ROWS)}"
    job = {
        "jobName": name,
        "datasetArn": dataset,
        "dataSource": {"dataLocation": location},
        "roleArn": ROLE,
    }
    arn = api.create_dataset_import_job(**job)["datasetImportJobArn"]
    assert client.until(lambda: client.job(arn))["status"] == "ACTIVE"
    tracker = api.create_event_tracker(name=name, datasetGroupArn=group)["eventTrackerArn"]
    of_filter = client.filter(group, 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("watch")')
    solution = api.create_solution(
        name=name,
        datasetGroupArn=group,
        recipeArn="arn:aws:personalize:::recipe/aws-popularity-count",
        performAutoTraining=False,
    )["solutionArn"]
    for noun, members in (
        ("dataset_group", {"datasetGroupArn": group}),
        ("dataset", {"datasetArn": dataset}),
        ("schema", {"schemaArn": of_schema}),
    ):
        with pytest.raises(ClientError) as refused:
            getattr(api, f"delete_{noun}")(**members)
        assert refused.value.response["Error"]["Code"] == "ResourceInUseException"

    deleted(client, "solution", solutionArn=solution)
    deleted(client, "event_tracker", eventTrackerArn=tracker)
    deleted(client, "filter", filterArn=of_filter)
    for one in api.list_datasets(datasetGroupArn=group)["datasets"]:
        of = api.describe_dataset(datasetArn=one["datasetArn"])["dataset"]["schemaArn"]
        deleted(client, "dataset", datasetArn=one["datasetArn"])
        deleted(client, "schema", schemaArn=of)
    deleted(client, "dataset_group", datasetGroupArn=group)  # the hidden dataset is no obstacle

    assert client.job(arn)["status"] == "ACTIVE", "jobs stay for ever"
    assert api.create_dataset_group(name=name)["datasetGroupArn"] == group
    client.until(lambda: api.describe_dataset_group(datasetGroupArn=group)["datasetGroup"])
    assert client.dataset(INTERACTIONS, "Interactions", group=group) == dataset
    with pytest.raises(ClientError, match=re.escape(f"Another resource with Arn {arn} already exists.")):
        api.create_dataset_import_job(**job)


def test_a_tracker_is_described_with_its_account_and_its_id(client: Client) -> None:
    dataset = client.dataset(INTERACTIONS, "Interactions")
    group = client.group_of(dataset)
    made = client.personalize.create_event_tracker(name="tracker", datasetGroupArn=group)
    arn = made["eventTrackerArn"]
    assert re.fullmatch(r"arn:aws:personalize:us-east-1:000000000000:event-tracker/[0-9a-f]{8}", arn)

    def described() -> dict[str, Any]:
        found: dict[str, Any] = client.personalize.describe_event_tracker(eventTrackerArn=arn)["eventTracker"]
        return found

    shown = client.until(described)
    assert (shown["accountId"], shown["trackingId"]) == ("000000000000", made["trackingId"])
    (listed,) = client.personalize.list_event_trackers(datasetGroupArn=group)["eventTrackers"]
    assert listed["eventTrackerArn"] == arn
    assert "trackingId" not in listed
