"""Accounts are apart in buckets: nobody reads, writes or deletes what another account has."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from api.conftest import ROLE, Client
from api.schemas import INTERACTIONS, ITEMS
from sartor.demo.server import Server
from sartor.keys import KeyFile

OTHER = "111122223333"
HEADER = ",".join(field["name"] for field in INTERACTIONS["fields"])
OURS = HEADER + "\n" + "".join(f"u{n},ours,{1_600_000_000 + n},,,,,,,\n" for n in range(5))
THEIRS = OURS.replace("ours", "theirs")


class Stranger(Client):
    """boto3 with a key of another account."""

    def __init__(self, server: Server, bucket: Path) -> None:
        super().__init__(server, bucket)
        key = KeyFile(server.data / "keys.json").add(OTHER)
        names = {"aws_access_key_id": key.access_key_id, "aws_secret_access_key": key.secret_access_key}
        self.personalize = _client(server, "personalize", names)
        self.events = _client(server, "personalize-events", names)


def _client(server: Server, service: str, key: dict[str, str]) -> Any:
    import boto3

    return boto3.client(service, endpoint_url=server.url, region_name="us-east-1", **key)


@pytest.fixture
def stranger(client: Client) -> Stranger:
    """Give another account's client of the shared server, with the folder that is its bucket ``training``."""
    return Stranger(client.server, client.server.data / "accounts" / OTHER / "buckets" / "training")


def refusal(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call()
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_bucket_of_another_account_is_as_one_that_does_not_exist(
    client: Client, stranger: Stranger
) -> None:
    key = client.write(f"{client.name('ours')}.csv", OURS)
    dataset = stranger.dataset(INTERACTIONS, "Interactions")
    group = stranger.group_of(dataset)

    def deletion(location: str) -> None:
        stranger.personalize.create_data_deletion_job(
            jobName=stranger.name("deletion"),
            datasetGroupArn=group,
            dataSource={"dataLocation": location},
            roleArn=ROLE,
        )

    nothing_there = ("InvalidInputException", "Invalid Data location.")
    assert refusal(lambda: stranger.start(dataset, key)) == nothing_there
    assert refusal(lambda: stranger.start(dataset, "nothing.csv")) == nothing_there
    for location in (f"s3://training/{key}", "s3://nowhere/x.csv"):
        assert refusal(lambda location=location: deletion(location)) == nothing_there


def test_each_account_has_its_own_bucket_of_one_name(client: Client, stranger: Stranger) -> None:
    name = client.name("folder")
    precious = client.write(f"{name}/precious.csv", OURS)
    key = stranger.write(f"{name}.csv", THEIRS)
    dataset = stranger.dataset(INTERACTIONS, "Interactions")
    assert stranger.imported(dataset, key)["status"] == "ACTIVE"
    assert {row["ITEM_ID"] for row in stranger.exported(dataset)} == {"theirs"}
    assert {place.name for place in (client.bucket / name).iterdir()} == {"precious.csv"}
    assert not list(client.bucket.glob("exports/**/theirs*"))
    assert (client.bucket / precious).read_text() == OURS


def test_reports_of_metrics_are_written_into_the_buckets_of_their_account(
    client: Client, stranger: Stranger
) -> None:
    stranger.bucket.mkdir(parents=True, exist_ok=True)
    dataset = stranger.dataset(INTERACTIONS, "Interactions")
    arn = stranger.personalize.create_metric_attribution(
        name=stranger.name("attribution"),
        datasetGroupArn=stranger.group_of(dataset),
        metrics=[{"eventType": "buy", "metricName": "n", "expression": "SAMPLECOUNT()"}],
        metricsOutputConfig={"roleArn": ROLE, "s3DataDestination": {"path": "s3://training/metrics-of-b/"}},
    )["metricAttributionArn"]
    stranger.until(
        lambda: stranger.personalize.describe_metric_attribution(metricAttributionArn=arn)[
            "metricAttribution"
        ]
    )
    job = stranger.start(dataset, stranger.write("b.csv", THEIRS), publishAttributionMetricsToS3=True)
    assert stranger.until(lambda: stranger.job(job))["status"] == "ACTIVE"
    assert len(list((stranger.bucket / "metrics-of-b").iterdir())) == 1
    assert not (client.bucket / "metrics-of-b").exists()


def test_an_export_leaves_what_others_wrote_as_it_is(client: Client) -> None:
    """Also into a folder of the job's own name, which is where its files come."""
    dataset = client.dataset(ITEMS, "Items")
    client.events.put_items(
        datasetArn=dataset, items=[{"itemId": "i", "properties": json.dumps({"price": 1})}]
    )
    name = client.name("export")
    theirs = {
        f"exports/{name}/{file}": file for file in ("precious.csv", "notes.txt", "part-0000.csv", ".new")
    }
    for key, content in theirs.items():
        client.write(key, content)
    arn = client.personalize.create_dataset_export_job(
        jobName=name,
        datasetArn=dataset,
        ingestionMode="ALL",
        roleArn=ROLE,
        jobOutput={"s3DataDestination": {"path": "s3://training/exports/"}},
    )["datasetExportJobArn"]
    job = client.until(
        lambda: client.personalize.describe_dataset_export_job(datasetExportJobArn=arn)["datasetExportJob"]
    )
    assert job["status"] == "ACTIVE"
    for key, content in theirs.items():
        assert (client.bucket / key).read_text() == content
    (ours,) = [
        place for place in (client.bucket / "exports" / name).iterdir() if place.name not in theirs.values()
    ]
    assert "ITEM_ID" in ours.read_text()
