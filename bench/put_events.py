"""PutEvents, signed and durable, over eight connections, against a bare handler with the same SQLite settings."""

import itertools
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from bench import describe, inputs, jobs, served
from bench.table import Row
from sartor.demo import data

ROUNDS = 5
#: How many calls are signed, each of another user; they take turns.
DISTINCT = 256 * describe.CONNECTIONS
EVENTS = 10
#: Amazon's quota on the rate of PutEvents would stop both loads; the FULL imports ask rarely, to disturb by
#: their work alone.
OPTIONS = ("--quotas", "off")
POLL_SECONDS = 0.25


def run(quick: bool) -> list[Row]:
    seconds, rounds = (1.0, 2) if quick else (5.0, ROUNDS)
    rows = 1_000_000 if quick else 5_000_000
    file = inputs.interactions(rows)
    inputs.warm(file)
    ours, disturbed, theirs = [], [], []
    with TemporaryDirectory(dir=inputs.folder()) as kept:
        requests = Path(kept) / "requests.json"
        for n in range(rounds):
            # Everything afresh each round, and never both servers at once: what is drained after the answers
            # must not slow down the bare handler.
            with jobs.service(OPTIONS) as (service, _):
                service.dataset("Interactions", served.interactions_schema())
                calls = jobs.signed_posts(service.server, "/events", bodies(jobs.event_tracker(service)))
                requests.write_text(json.dumps(calls))
                port = urlsplit(service.server.url).port
                assert port is not None
                ours.append(describe.measure(port, seconds, requests))
                with importing(service, other_dataset(service), file):
                    disturbed.append(describe.measure(port, seconds, requests))
            theirs.append(measure_bare(Path(kept) / f"bare-{n}.db", seconds, requests))
    rate, disturbed_rate, bare_rate = (
        EVENTS * median(one["rate"] for one in many) for many in (ours, disturbed, theirs)
    )
    p99, disturbed_p99, bare_p99 = (median(one["p99"] for one in many) for many in (ours, disturbed, theirs))
    return [
        Row(
            f"PutEvents over HTTP, signed, durable, {EVENTS} events a call, {describe.CONNECTIONS} clients",
            f"{rate:,.0f} events/s",
            f"bare uvicorn handler, one SQLite transaction a call: {bare_rate:,.0f} events/s",
            f"{rate / bare_rate:.0%} of its rate",
            "≥ 60 %",
            rate / bare_rate >= 0.6,
        ),
        Row(
            "the same, 99th percentile of a call",
            f"{p99 * 1000:.2f} ms",
            f"bare handler: {bare_p99 * 1000:.2f} ms",
            f"{p99 / bare_p99:.1f} ×",
            "≤ 3 ×",
            p99 / bare_p99 <= 3,
        ),
        Row(
            f"PutEvents during FULL imports of {rows // 1_000_000} M rows into another dataset",
            f"{disturbed_rate:,.0f} events/s, 99th percentile {disturbed_p99 * 1000:.2f} ms",
            f"the same without imports: {rate:,.0f} events/s",
            f"{disturbed_rate / rate:.0%} of its rate",
            "≥ 60 %",
            disturbed_rate / rate >= 0.6,
        ),
    ]


def bodies(tracking_id: str) -> list[str]:
    events: list[dict[str, object]] = [
        {
            "eventType": "click",
            "itemId": f"item-{123 + n}",
            "sentAt": 1_700_000_000 + n,
            "properties": '{"eventValue": 1.5}',
        }
        for n in range(EVENTS)
    ]
    return [jobs.put_events_body(tracking_id, user, events) for user in range(DISTINCT)]


def measure_bare(database: Path, seconds: float, requests: Path) -> dict[str, float]:
    port = describe.free_port()
    bare = subprocess.Popen([sys.executable, "-m", "bench.bare_events", str(database), str(port)])
    try:
        describe.wait_for(port)
        return describe.measure(port, seconds, requests)
    finally:
        bare.terminate()
        bare.wait()


def other_dataset(service: served.Service) -> str:
    """Make a second group with an Interactions dataset."""
    client = service.client
    group = client.create_dataset_group(name="bench-other", domain=data.DOMAIN)["datasetGroupArn"]
    jobs.settled(lambda: client.describe_dataset_group(datasetGroupArn=group)["datasetGroup"])
    schema = client.create_schema(
        name="bench-other", schema=served.interactions_schema(), domain=data.DOMAIN
    )["schemaArn"]
    arn: str = client.create_dataset(
        name="bench-other", schemaArn=schema, datasetGroupArn=group, datasetType="Interactions"
    )["datasetArn"]
    jobs.settled(lambda: client.describe_dataset(datasetArn=arn)["dataset"])
    return arn


@contextmanager
def importing(service: served.Service, dataset: str, file: Path) -> Iterator[None]:
    """Import the file again and again, from before the first statement within to after the last."""
    begun, end = threading.Event(), threading.Event()
    faults: list[Exception] = []
    client = service.client

    def describe_job(arn: str) -> dict[str, str]:
        job: dict[str, str] = client.describe_dataset_import_job(datasetImportJobArn=arn)["datasetImportJob"]
        if job["status"] == "CREATE IN_PROGRESS":
            begun.set()
        return job

    def import_on() -> None:
        try:
            for n in itertools.count():
                arn = client.create_dataset_import_job(
                    jobName=f"bench-other-{n}",
                    datasetArn=dataset,
                    dataSource={"dataLocation": f"s3://bench/{file.name}"},
                    roleArn=jobs.ROLE,
                    importMode="FULL",
                )["datasetImportJobArn"]
                jobs.settled(lambda arn=arn: describe_job(arn), POLL_SECONDS)  # type: ignore[misc]
                begun.set()
                if end.is_set():
                    return
        except Exception as error:  # noqa: BLE001 it is raised below, in the thread that measures
            faults.append(error)
            begun.set()

    thread = threading.Thread(target=import_on)
    thread.start()
    try:
        begun.wait()
        yield
    finally:
        end.set()
        thread.join()
    if faults:
        raise faults[0]
