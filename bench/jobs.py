"""What several measures ask of a server beside imports, and their rows as Parquet."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol
from urllib.parse import urlsplit

import duckdb
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bench import inputs, served
from sartor.demo.server import Server

ROLE = "arn:aws:iam::000000000000:role/bench"


@contextmanager
def service(
    options: tuple[str, ...] = (), bucket: str | None = None
) -> Iterator[tuple[served.Service, Path]]:
    """Start a server as `served.service` does, with options and one more bucket: yields that bucket's folder."""
    folder = inputs.folder()
    with TemporaryDirectory(dir=folder) as kept, TemporaryDirectory(dir=folder) as other:
        buckets = {"bench": folder} | ({bucket: Path(other)} if bucket else {})
        with Server(Path(kept), buckets, options) as server:
            yield served.Service(server), Path(other)


def settled(
    describe: Callable[[], dict[str, Any]], poll_seconds: float = served.POLL_SECONDS
) -> dict[str, Any]:
    """Ask until the resource has come to rest and return it.

    Raises:
        RuntimeError: it failed.
    """
    while True:
        resource = describe()
        if resource["status"] in ("ACTIVE", "COMPLETED"):
            return resource
        if resource["status"].endswith("FAILED"):
            raise RuntimeError(f"{resource['status']}, {resource.get('failureReason')}")
        time.sleep(poll_seconds)


def event_tracker(service: served.Service) -> str:
    """Make the group's event tracker and return its tracking id."""
    made = service.client.create_event_tracker(name="bench", datasetGroupArn=service.group)
    arn, tracking_id = made["eventTrackerArn"], str(made["trackingId"])
    settled(lambda: service.client.describe_event_tracker(eventTrackerArn=arn)["eventTracker"])
    return tracking_id


def export(client: Any, dataset: str, name: str, mode: str, destination: str) -> float:
    """Export a dataset and return the seconds from the call to `ACTIVE`."""
    begun = time.perf_counter()
    arn = client.create_dataset_export_job(
        jobName=name,
        datasetArn=dataset,
        roleArn=ROLE,
        ingestionMode=mode,
        jobOutput={"s3DataDestination": {"path": destination}},
    )["datasetExportJobArn"]
    settled(lambda: client.describe_dataset_export_job(datasetExportJobArn=arn)["datasetExportJob"])
    return time.perf_counter() - begun


class Reached(Protocol):
    """What answers: a server, or what stands before some."""

    @property
    def url(self) -> str: ...

    @property
    def environment(self) -> dict[str, str]: ...


def signed_posts(server: Reached, path: str, bodies: Sequence[str]) -> list[str]:
    """Return whole HTTP requests, signed as botocore signs them, for `bench.load`."""
    environment = server.environment
    credentials = Credentials(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
    signer = SigV4Auth(credentials, "personalize", environment["AWS_DEFAULT_REGION"])
    fixed = {"Content-Type": "application/json", "Host": urlsplit(server.url).netloc}
    prepared = []
    for body in bodies:
        request = AWSRequest("POST", server.url + path, headers=dict(fixed), data=body)
        signer.add_auth(request)
        headers = {
            **dict(request.headers.items()),
            "Content-Length": str(len(body.encode())),
            "User-Agent": "bench",
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        prepared.append(f"POST {path} HTTP/1.1\r\n{head}\r\n{body}")
    return prepared


def put_events_body(tracking_id: str, user: int, events: Sequence[dict[str, object]]) -> str:
    return json.dumps(
        {
            "trackingId": tracking_id,
            "userId": f"user-{user}",
            "sessionId": f"session-{user}",
            "eventList": list(events),
        }
    )


def interactions_parquet(rows: int) -> Path:
    """The same rows as `inputs.interactions`, as DuckDB writes them; kept like the others."""
    path = inputs.folder() / f"interactions-{rows}.parquet"
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        with duckdb.connect() as connection:
            connection.execute("SET enable_progress_bar = false")
            connection.execute(
                f"COPY (SELECT * FROM read_csv('{inputs.interactions(rows)}')) "
                f"TO '{unfinished}' (FORMAT parquet, COMPRESSION zstd)"
            )
        unfinished.rename(path)
    return path
