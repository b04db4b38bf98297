"""What is left of acknowledged events after `kill -9` of the whole process group at random moments."""

import csv
import itertools
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from bench import inputs, jobs, served
from bench.table import Row
from sartor.demo.server import Server

CLIENTS = 4
EVENTS = 10
#: The moment of the kill after the first call: the answers, the drain and what follows a start fall within.
EARLIEST_SECONDS, LATEST_SECONDS = 0.1, 4.0
#: No two events are of one time.
SENT_FROM = 1_700_000_000
#: Amazon's quota on the rate of PutEvents says nothing here.
OPTIONS = ("--quotas", "off")


def run(quick: bool) -> list[Row]:
    kills = 5 if quick else 50
    numbers = itertools.count()
    acknowledged: list[int] = []
    dataset = tracking_id = ""
    with TemporaryDirectory(dir=inputs.folder()) as kept, TemporaryDirectory(dir=inputs.folder()) as out:
        for _ in range(kills):
            with Server(Path(kept), {"out": Path(out)}, OPTIONS) as server:
                if not dataset:
                    service = served.Service(server)
                    dataset = service.dataset("Interactions", served.interactions_schema())
                    tracking_id = jobs.event_tracker(service)
                put_until_killed(server, tracking_id, numbers, acknowledged)
        # At once: an event is in the dataset from its acknowledgement on, wherever it is kept.
        with Server(Path(kept), {"out": Path(out)}, OPTIONS) as server:
            jobs.export(server.client(), dataset, "bench", "PUT", "s3://out/x/")
        found = Counter(exported(Path(out)))
    if not acknowledged:
        raise RuntimeError("no event was acknowledged")
    missing = sum(f"item-{n}" not in found for n in acknowledged)
    twice = sum(count > 1 for count in found.values())
    return [
        Row(
            f"acknowledged events after `kill -9` of the whole group at a random moment, {kills} times",
            f"{len(acknowledged):,} acknowledged, {found.total():,} found",
            "",
            f"{missing} missing, {twice} twice",
            "0 missing, 0 twice",
            not missing and not twice,
        )
    ]


def put_until_killed(
    server: Server, tracking_id: str, numbers: Iterator[int], acknowledged: list[int]
) -> None:
    client = client_without_retries(server)
    with ThreadPoolExecutor(CLIENTS) as pool:
        putting = [
            pool.submit(put_until_lost, client, tracking_id, numbers, acknowledged) for _ in range(CLIENTS)
        ]
        try:
            time.sleep(random.uniform(EARLIEST_SECONDS, LATEST_SECONDS))
        finally:
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait()
    for one in putting:
        one.result()


def client_without_retries(server: Server) -> Any:
    environment = server.environment
    return boto3.client(
        "personalize-events",
        endpoint_url=server.url,
        region_name=environment["AWS_DEFAULT_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=CLIENTS),
    )


def put_until_lost(client: Any, tracking_id: str, numbers: Iterator[int], acknowledged: list[int]) -> None:
    """Put events until the server is gone; an answer that is an error is raised."""
    while True:
        mine = list(itertools.islice(numbers, EVENTS))
        try:
            client.put_events(
                trackingId=tracking_id,
                userId=f"user-{mine[0] % 1000}",
                sessionId=f"session-{mine[0]}",
                eventList=[
                    {
                        "eventId": f"event-{n}",
                        "eventType": "click",
                        "itemId": f"item-{n}",
                        "sentAt": SENT_FROM + n,
                        "properties": json.dumps({"eventValue": n}),
                    }
                    for n in mine
                ],
            )
        except BotoCoreError:
            return
        acknowledged.extend(mine)


def exported(folder: Path) -> Iterator[str]:
    """The items of all exported rows."""
    for part in sorted(folder.rglob("*.csv")):
        with part.open(newline="") as file:
            for row in csv.DictReader(file):
                yield row["ITEM_ID"]
