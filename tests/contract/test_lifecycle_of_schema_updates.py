"""UpdateDataset: which datasets get another schema, what it must keep, and how the update shows."""

import json
from typing import Any

import pytest

from sartor.resources import lifecycle
from sartor.resources.kinds import LANES

NULLABLE = ["null", "string"]
FIELDS: dict[str, list[dict[str, Any]]] = {
    "Items": [
        {"name": "ITEM_ID", "type": "string"},
        {"name": "GENRE", "type": "string", "categorical": True},
        {"name": "PRICE", "type": ["null", "float"]},
    ],
    "Users": [{"name": "USER_ID", "type": "string"}, {"name": "AGE", "type": "int"}],
}
ADDED = {"name": "COLOUR", "type": NULLABLE}
STORED = "arn:aws:personalize:eu-central-1:111122223333"


def schema(service: Any, name: str, of: str, fields: list[dict[str, Any]], **more: Any) -> str:
    text = json.dumps({"type": "record", "name": of, "namespace": "n", "fields": fields, "version": "1.0"})
    return str(service("CreateSchema", name=name, schema=text, **more)["schemaArn"])


def dataset(service: Any, of: str = "Items") -> str:
    """Return a dataset whose schema is named old."""
    group = service.group()
    members = {"name": "d", "datasetGroupArn": group, "schemaArn": schema(service, "old", of, FIELDS[of])}
    arn = service("CreateDataset", **members, datasetType=of)["datasetArn"]
    service.work()
    return str(arn)


def described(service: Any, arn: str) -> dict[str, Any]:
    return dict(service("DescribeDataset", datasetArn=arn)["dataset"])


@pytest.mark.parametrize("of", ["Items", "Users"])
def test_an_update_passes_through_its_statuses_and_brings_the_schema_when_it_is_done(
    service: Any, of: str
) -> None:
    arn, old = dataset(service, of), f"{STORED}:schema/old"
    new = schema(service, "new", of, [*FIELDS[of], ADDED])
    assert "latestDatasetUpdate" not in described(service, arn)
    assert service("UpdateDataset", datasetArn=arn, schemaArn=new) == {"datasetArn": arn}
    for status in ("UPDATE PENDING", "UPDATE IN_PROGRESS"):
        shown = described(service, arn)
        assert (shown["status"], shown["schemaArn"]) == (status, old)
        latest = shown["latestDatasetUpdate"]
        assert (latest["status"], latest["schemaArn"]) == (status, new)
        if status == "UPDATE PENDING":
            task = lifecycle.claim(service.store, "w", LANES, 1_700_001_000.0, 60.0)
    assert task is not None
    assert lifecycle.finish(service.store, task, now=1_700_001_009.0)
    shown = described(service, arn)
    assert (shown["status"], shown["schemaArn"]) == ("ACTIVE", new)
    latest = shown["latestDatasetUpdate"]
    assert latest["creationDateTime"] < latest["lastUpdatedDateTime"] == 1_700_001_009.0
    assert latest == {
        "schemaArn": new,
        "status": "ACTIVE",
        "creationDateTime": latest["creationDateTime"],
        "lastUpdatedDateTime": latest["lastUpdatedDateTime"],
    }


def test_an_update_that_fails_says_why_and_leaves_the_old_schema(service: Any) -> None:
    arn = dataset(service)
    new = schema(service, "new", "Items", [*FIELDS["Items"], ADDED])
    service("UpdateDataset", datasetArn=arn, schemaArn=new)
    service.work({arn: "Storage is away."})
    shown = described(service, arn)
    assert (shown["status"], shown["schemaArn"]) == ("ACTIVE", f"{STORED}:schema/old")
    assert shown["latestDatasetUpdate"]["failureReason"] == "Storage is away."


ID, GENRE, PRICE = FIELDS["Items"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ([ID, GENRE], "[PRICE]"),
        ([ID, GENRE, PRICE | {"type": "float"}], "[PRICE]"),
        ([ID, GENRE, PRICE | {"type": ["null", "double"]}], "[PRICE]"),
        ([ID, {"name": "GENRE", "type": "string"}, PRICE], "[GENRE]"),
        ([ID, GENRE | {"name": "GENRES"}, PRICE], "[GENRE]"),
        ([ID, GENRE, PRICE, ADDED | {"type": "string"}], "must allow null"),
    ],
)
def test_a_schema_keeps_every_field_and_adds_only_what_may_be_null(
    service: Any, fields: list[dict[str, Any]], words: str
) -> None:
    arn = dataset(service)
    new = schema(service, "new", "Items", fields)
    refused = service.refusal("UpdateDataset", datasetArn=arn, schemaArn=new)
    assert (refused.code, words in refused.message) == ("InvalidInputException", True)
    assert described(service, arn)["status"] == "ACTIVE"


@pytest.mark.parametrize("of", ["Interactions", "Actions", "ActionInteractions"])
def test_only_items_and_users_get_another_schema(service: Any, of: str) -> None:
    arn = service.dataset(of)
    other = service.schema(of, "other")
    refused = service.refusal("UpdateDataset", datasetArn=arn, schemaArn=other)
    assert (refused.code, "cannot be replaced" in refused.message) == ("InvalidInputException", True)


def test_what_is_not_there_or_at_work_is_not_updated(service: Any, files: Any) -> None:
    arn = dataset(service)
    new = schema(service, "new", "Items", [*FIELDS["Items"], ADDED])
    for members in (
        {"datasetArn": arn.replace("shop", "none"), "schemaArn": new},
        {"datasetArn": arn, "schemaArn": f"{STORED}:schema/none"},
    ):
        assert service.refusal("UpdateDataset", **members).code == "ResourceNotFoundException"
    users = schema(service, "users", "Users", FIELDS["Users"])
    refused = service.refusal("UpdateDataset", datasetArn=arn, schemaArn=users)
    assert refused.code == "InvalidInputException"
    service.job(arn)
    refused = service.refusal("UpdateDataset", datasetArn=arn, schemaArn=new)
    assert refused.code == "ResourceInUseException"


def test_files_must_have_the_new_columns_after_an_update(service: Any, files: Any) -> None:
    arn = dataset(service)
    new = schema(service, "new", "Items", [*FIELDS["Items"], ADDED])
    service("UpdateDataset", datasetArn=arn, schemaArn=new)
    service.work()
    files.contents["s3://b/items.csv"] = b"ITEM_ID,GENRE,PRICE\n"
    refused = service.refusal(
        "CreateDatasetImportJob",
        jobName="j",
        datasetArn=arn,
        dataSource={"dataLocation": "s3://b/items.csv"},
    )
    assert refused.message == "Input csv is missing the following columns: [COLOUR]"
