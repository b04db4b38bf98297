"""Two servers and two workers on PostgreSQL and S3: what one is told, all know within a second; any of them may die."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from api.scaled import Remote, database, s3
from api.test_imports import INTERACTIONS
from s3_server import S3Server
from sartor.demo.server import Server

__all__ = ["database", "s3"]

#: What acts in one server acts in all of them so soon.
SOON_SECONDS = 1.0
PATIENCE_SECONDS = 20.0


CLICKS = {
    **INTERACTIONS,
    "fields": [
        {"name": "USER_ID", "type": "string"},
        {"name": "ITEM_ID", "type": "string"},
        {"name": "TIMESTAMP", "type": "long"},
        {"name": "EVENT_TYPE", "type": "string"},
    ],
}
HEADER = "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE"


def seconds_until(true: Callable[[], bool]) -> float:
    """Return how long it takes until something is true."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < PATIENCE_SECONDS
        time.sleep(0.01)
    return time.monotonic() - begun


@pytest.fixture
def set_of_servers(
    tmp_path: Path, s3: S3Server, database: str
) -> Iterator[tuple[Remote, Remote, list["subprocess.Popen[bytes]"]]]:
    shared = ("--database", database, "--storage", "s3://tables/sartor", "--s3-endpoint", s3.url)
    with ExitStack() as stack:
        clients = [
            Remote(stack.enter_context(Server(tmp_path / name, {}, (*shared, "--workers", "0"))), s3)
            for name in ("one", "two")
        ]
        workers = [
            subprocess.Popen(
                [sys.executable, "-m", "sartor", "worker", "--data", str(tmp_path / name), *shared]
            )
            for name in ("three", "four")
        ]
        for worker in workers:
            stack.callback(worker.wait, PATIENCE_SECONDS)
            stack.callback(worker.terminate)
        yield clients[0], clients[1], workers


def test_what_one_server_is_told_all_know_and_any_of_them_may_die(
    set_of_servers: tuple[Remote, Remote, list["subprocess.Popen[bytes]"]], tmp_path: Path
) -> None:
    one, two, workers = set_of_servers
    dataset = one.dataset(CLICKS, "Interactions")
    lines = [f"u{n % 97},i{n % 31},{1_600_000_000 + n},click" for n in range(1000)]
    key = one.write("good.csv", "\n".join([HEADER, *lines]) + "\n")
    # a worker that is killed leaves its work to the other
    job = one.start(dataset, key)
    workers[0].send_signal(signal.SIGKILL)
    assert two.until(lambda: two.job(job))["status"] == "ACTIVE"
    group = two.group_of(dataset)

    # a key, by a command that knows only one server's folder
    made = cli("keys", "add", "--account", "000000000000", "--data", str(tmp_path / "one"), "--json")
    at_two = Remote(two.server, two.s3)
    at_two.personalize = client_of(two.server, made)
    assert at_two.personalize.list_dataset_groups()["datasetGroups"]
    cli("keys", "revoke", made["accessKeyId"], "--data", str(tmp_path / "two"))
    assert seconds_until(lambda: is_refused(client_of(one.server, made))) < SOON_SECONDS

    # a campaign, a filter and an event
    solution = one.personalize.create_solution(
        name="popular", datasetGroupArn=group, recipeArn="arn:aws:personalize:::recipe/aws-popularity-count"
    )["solutionArn"]
    versions = [trained(two, solution)]
    hits = [f"u{number},hit,{1_700_000_000 + number},click" for number in range(2000)]
    two.brought(dataset, "hits", [HEADER, *hits], "INCREMENTAL")
    versions.append(trained(one, solution))
    campaign = one.personalize.create_campaign(name="c", solutionVersionArn=versions[0])["campaignArn"]
    one.until(lambda: one.personalize.describe_campaign(campaignArn=campaign)["campaign"])
    runtimes = [client.server.client("personalize-runtime") for client in (one, two)]

    def ask(at: int, **more: Any) -> dict[str, Any]:
        return dict(runtimes[at].get_recommendations(campaignArn=campaign, userId="u1", **more))

    assert ask(0)["itemList"] == ask(1)["itemList"]
    best = ask(1)["itemList"][0]["itemId"]
    filter_arn = one.filter(group, 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")')
    tracker = one.personalize.create_event_tracker(name="t", datasetGroupArn=group)["trackingId"]
    event = {"eventType": "click", "itemId": best, "sentAt": int(time.time())}
    one.events.put_events(trackingId=tracker, userId="u1", sessionId="s", eventList=[event])

    def excluded() -> bool:
        return best not in {item["itemId"] for item in ask(1, filterArn=filter_arn)["itemList"]}

    assert seconds_until(excluded) < SOON_SECONDS
    two.personalize.update_campaign(campaignArn=campaign, solutionVersionArn=versions[1])
    two.until(lambda: two.personalize.describe_campaign(campaignArn=campaign)["campaign"])

    assert seconds_until(lambda: ask(0)["itemList"][0]["itemId"] == "hit") < SOON_SECONDS

    # a server that is killed takes nothing along
    os.killpg(one.server.process.pid, signal.SIGKILL)
    event = {"eventType": "click", "itemId": "i-new", "sentAt": int(time.time())}
    two.events.put_events(trackingId=tracker, userId="u1", sessionId="s", eventList=[event])
    assert ask(1)["itemList"]


def trained(client: Remote, solution: str) -> str:
    """Return the ARN of a new version that is ACTIVE."""
    personalize = client.personalize
    version: str = personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    found = client.until(
        lambda: personalize.describe_solution_version(solutionVersionArn=version)["solutionVersion"]
    )
    assert found["status"] == "ACTIVE"
    return version


def cli(*words: str) -> Any:
    """Run a command of Sartor and return what it prints, read as JSON if it is that."""
    command = [sys.executable, "-m", "sartor", *words]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads(printed) if printed.startswith("{") else printed


def client_of(server: Server, key: dict[str, str]) -> Any:
    """Return a client of a server that signs with a key."""
    return boto3.client(
        "personalize",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=key["accessKeyId"],
        aws_secret_access_key=key["secretAccessKey"],
    )


def is_refused(client: Any) -> bool:
    try:
        client.list_dataset_groups()
    except ClientError as error:
        return error.response["Error"]["Code"] == "UnrecognizedClientException"
    return False
