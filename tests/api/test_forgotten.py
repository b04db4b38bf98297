"""A deleted user is forgotten: in no file, no answer and no explanation, whichever process is asked."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from api.conftest import Client
from api.schemas import schema
from s3_server import S3Server
from sartor.demo.server import Server

VICTIM = "secret-person"
INTERACTIONS = schema(
    "Interactions",
    ("USER_ID", "string"),
    ("ITEM_ID", "string"),
    ("TIMESTAMP", "long"),
    ("EVENT_TYPE", "string"),
)
USERS = schema("Users", ("USER_ID", "string"), ("AGE", ["null", "int"]))
AT, ITEMS = 1_700_000_000, 16


@dataclass
class House:
    """Two processes that answer from one database and one storage.

    Attributes:
        client: of the first, which also works.
        other: of the second.
        s3: the service that has the storage, unless it is a folder.
    """

    client: Client
    other: Client
    s3: S3Server | None

    def everything(self) -> Iterator[tuple[str, bytes]]:
        """Yield every file of both, and what Parquet files say."""
        folder = self.client.server.data.parent
        for data in (self.client.server.data, self.other.server.data):
            yield from contents(data)
        for name, content in dict({} if self.s3 is None else self.s3.objects).items():
            if not name.startswith("training/"):
                yield name, content
        for name, content in [(name, content) for name, content in self._parquet()]:
            copy = folder / "copy.parquet"
            copy.write_bytes(content)
            yield name, repr(duckdb.read_parquet(str(copy)).fetchall()).encode()

    def _parquet(self) -> Iterator[tuple[str, bytes]]:
        for data in (self.client.server.data, self.other.server.data):
            yield from ((name, content) for name, content in contents(data) if name.endswith(".parquet"))
        for name, content in dict({} if self.s3 is None else self.s3.objects).items():
            if name.endswith(".parquet"):
                yield name, content

    def traces(self) -> set[str]:
        """Return where the user is found."""
        return {name for name, content in self.everything() if VICTIM.encode() in content}


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file below a folder in which servers work; what they remove meanwhile is gone."""
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names):
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue
            yield str(path), content


@pytest.fixture(params=["folder", "S3"])
def house(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setenv("SARTOR_SEQUENCE_MODELS", "off")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "KEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    bucket, data = tmp_path / "bucket", tmp_path / "data"
    bucket.mkdir()
    with S3Server() as s3:
        on_s3 = request.param == "S3"
        storage = "s3://tables/sartor" if on_s3 else str(data / "storage")
        shared = ("--storage", storage, "--s3-endpoint", s3.url, "--quotas", "off")
        database = ("--database", f"sqlite:///{data / 'sartor.db'}", "--workers", "0")
        with (
            Server(data, {"training": bucket}, shared) as first,
            Server(tmp_path / "other", {"training": bucket}, (*shared, *database)) as second,
        ):
            yield House(Client(first, bucket), Client(second, bucket), s3 if on_s3 else None)


def filled(client: Client) -> tuple[str, str]:
    """Return a group of interactions and users, and its tracking id; the user is in all of it."""
    group = client.group()
    dataset = client.dataset(INTERACTIONS, "Interactions", group=group)
    users = client.dataset(USERS, "Users", group=group)
    lines = [
        f"{VICTIM if n % 20 == 7 else f'u{n % 20}'},i{(n % 20 + n // 20) % ITEMS},{AT + n},watch"
        for n in range(200)
    ]
    key = client.write("i.csv", "\n".join(["USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE", *lines]) + "\n")
    assert client.imported(dataset, key)["status"] == "ACTIVE"
    broken = client.write("b.csv", f"USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\n{VICTIM},i1,soon,watch\n")
    assert client.imported(dataset, broken)["status"] == "CREATE FAILED"
    assert (
        client.imported(users, client.write("u.csv", f"USER_ID,AGE\n{VICTIM},7\nu1,8\n"))["status"]
        == "ACTIVE"
    )
    client.events.put_users(
        datasetArn=users, users=[{"userId": VICTIM, "properties": json.dumps({"age": 9})}]
    )
    tracking = client.tracker(dataset)
    for item in ("i3", "i5"):
        put(client, tracking, VICTIM, item)
    return group, tracking


def put(client: Client, tracking: str, user: str, item: str) -> None:
    event = {"eventType": "watch", "itemId": item, "sentAt": AT + 10_000}
    client.events.put_events(trackingId=tracking, sessionId=f"{user}-session", userId=user, eventList=[event])


def trained(client: Client, group: str) -> str:
    """Return the ARN of a version of a new solution, ACTIVE."""
    api = client.personalize
    solution = api.create_solution(
        name=client.name("solution"),
        datasetGroupArn=group,
        recipeArn="arn:aws:personalize:::recipe/aws-user-personalization",
    )["solutionArn"]
    arn = api.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    found = client.until(lambda: api.describe_solution_version(solutionVersionArn=arn)["solutionVersion"])
    assert found["status"] == "ACTIVE", found
    return str(arn)


def deployed(client: Client, version: str) -> str:
    arn = client.personalize.create_campaign(
        name=client.name("campaign"),
        solutionVersionArn=version,
        campaignConfig={"itemExplorationConfig": {"explorationWeight": "0"}},
    )["campaignArn"]
    client.until(lambda: client.personalize.describe_campaign(campaignArn=arn)["campaign"])
    return str(arn)


def answer(
    client: Client, campaign: str, user: str, filter_arn: str
) -> tuple[list[Any], list[Any], list[str]]:
    """Return the items for a user, those that a filter on what was seen leaves, and the history that explains them."""
    runtime = client.server.client("personalize-runtime")
    asked = {"campaignArn": campaign, "userId": user, "numResults": 5}
    explained = client.server.post("/sartor/v1/explain", asked)
    return (
        runtime.get_recommendations(**asked)["itemList"],
        runtime.get_recommendations(**asked, filterArn=filter_arn)["itemList"],
        explained["history"],
    )


def test_a_deleted_user_is_in_no_file_and_no_answer_of_any_process(house: House) -> None:
    client = house.client
    group, tracking = filled(client)
    versions = [trained(client, group) for _ in range(2)]
    campaign = deployed(client, versions[0])
    seen = client.personalize.create_filter(
        name="seen",
        datasetGroupArn=group,
        filterExpression='EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("watch")',
    )["filterArn"]
    client.until(lambda: client.personalize.describe_filter(filterArn=seen)["filter"])
    for one in (client, house.other):
        items, unseen, history = answer(one, campaign, VICTIM, seen)
        assert items != answer(one, campaign, "somebody new", seen)[0]
        assert len(history) == 12
        assert items != unseen
    (interactions,) = [
        one["datasetArn"]
        for one in client.personalize.list_datasets(datasetGroupArn=group)["datasets"]
        if one["datasetType"] == "INTERACTIONS"
    ]
    lines = ["USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE", f"{VICTIM},i1,{AT + 9000},watch"]
    client.brought(interactions, "later", lines, "INCREMENTAL")
    client.wait(lambda: any("/seen/" in name for name in house.traces()))
    assert len(house.traces()) > 4
    job = client.deleted(group, VICTIM)
    assert (job["status"], job["numDeleted"]) == ("COMPLETED", 1)
    report = house.other.server.get(f"/sartor/v1/deletion-jobs/{job['jobName']}/report")
    assert report["trainedWith"] == [{"solutionVersionArn": arn, "users": 1} for arn in versions]
    version = client.server.get(f"/sartor/v1/solution-versions/{versions[0].partition(':solution/')[2]}")
    assert version["forgotten"] == [{"job": job["dataDeletionJobArn"], "users": 1}]
    for one in (client, house.other):
        assert answer(one, campaign, VICTIM, seen) == answer(one, campaign, "somebody new", seen)
        assert len(answer(one, campaign, "u1", seen)[2]) == 10
    client.wait(lambda: house.traces() == set())  # a process elsewhere drops its copies by itself
    if house.s3 is None:
        say_what_stays(client, job["dataDeletionJobArn"], versions[0])
    put(client, tracking, VICTIM, "i2")
    for one in (client, house.other):
        assert answer(one, campaign, VICTIM, seen)[2] == ["i2"]


def say_what_stays(client: Client, job: str, version: str) -> None:
    """Ask the commands about a job that deleted one user and a version that was trained with him."""

    def said(*words: str) -> str:
        command = [sys.executable, "-m", "sartor", *words, "--data", str(client.server.data)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    assert "trained with deleted users" in said("report", job)
    assert "trained with 1 users who are deleted: train again" in said("training", version)
    assert "deleted users: 0 then, 1 now" in said("retrain", version, "--verify")
