"""Batch jobs whose lines are answered on the nodes of a Ray cluster, which reach S3 and the same PostgreSQL."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.scaled import Remote, database
from api.schemas import schema
from on_ray.conftest import OURS, MakeCluster
from s3_server import S3Server
from sartor.demo.server import Server

__all__ = ["database"]

INTERACTIONS = schema("Interactions", ("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"))
ROLE = "arn:aws:iam::000000000000:role/any"
#: A line is so long that a file of some hundreds is answered in stretches.
PADDING = " " * 10_000
LINES = 700


@pytest.fixture
def client(
    make_cluster: MakeCluster, s3: S3Server, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Remote]:
    """Give a client of a server whose worker has its pieces on a cluster of nodes that know the database."""
    cluster = make_cluster(SARTOR_DATABASE=database)
    for name, value in OURS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SARTOR_SEQUENCE_MODELS", "off")
    data = tmp_path / "data"
    shared = ("--database", database, "--storage", "s3://tables/sartor", "--s3-endpoint", s3.url)
    with Server(data, {}, (*shared, "--quotas", "off", "--workers", "0")) as server:
        command = [sys.executable, "-m", "sartor", "worker", "--data", str(data), *shared, "--quotas", "off"]
        worker = subprocess.Popen([*command, "--compute", f"ray:{cluster.address}"])
        try:
            yield Remote(server, s3)
        finally:
            worker.terminate()
            worker.wait(20)


@pytest.mark.timeout(400)
def test_nodes_answer_as_the_server_does(client: Remote, s3: S3Server) -> None:
    dataset = client.dataset(INTERACTIONS, "Interactions")
    rows = [f"u{n % 97},i{n * n % 31},{1_600_000_000 + n}" for n in range(2000)]
    client.brought(dataset, "rows", ["USER_ID,ITEM_ID,TIMESTAMP", *rows])
    personalize = client.personalize
    solution = personalize.create_solution(
        name="sims",
        datasetGroupArn=client.group_of(dataset),
        recipeArn="arn:aws:personalize:::recipe/aws-user-personalization-v2",
    )["solutionArn"]
    version = personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    client.until(lambda: personalize.describe_solution_version(solutionVersionArn=version)["solutionVersion"])
    lines = [f'{{"userId":{PADDING}"u{n % 97}"}}' for n in range(LINES)]
    client.write("users.json", "\n".join(lines))
    before = s3.access_keys["NODEKEY"]
    arn = personalize.create_batch_inference_job(
        jobName="answers",
        solutionVersionArn=version,
        roleArn=ROLE,
        numResults=5,
        jobInput={"s3DataSource": {"path": "s3://training/users.json"}},
        jobOutput={"s3DataDestination": {"path": "s3://training/out/"}},
    )["batchInferenceJobArn"]
    job = client.until(
        lambda: personalize.describe_batch_inference_job(batchInferenceJobArn=arn)["batchInferenceJob"]
    )
    assert job["status"] == "ACTIVE", job
    assert s3.access_keys["NODEKEY"] - before > 20
    found = [json.loads(line) for line in s3.objects["training/out/users.json.out"].splitlines()]
    assert [one["input"]["userId"] for one in found] == [f"u{n % 97}" for n in range(LINES)]
    campaign = personalize.create_campaign(name="c", solutionVersionArn=version)["campaignArn"]
    client.until(lambda: personalize.describe_campaign(campaignArn=campaign)["campaign"])
    runtime = client.server.client("personalize-runtime")
    for one in found[:97]:
        online = runtime.get_recommendations(
            campaignArn=campaign, userId=one["input"]["userId"], numResults=5
        )["itemList"]
        assert one["output"]["recommendedItems"] == [item["itemId"] for item in online]
    assert not [name for name in s3.objects if "/batch/" in name]
