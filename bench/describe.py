"""DescribeDataset, signed, over eight connections, against a bare uvicorn handler with one SQLite read."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bench import inputs, served
from bench.table import Row
from sartor.demo import data
from sartor.demo.server import Server

CONNECTIONS = 8
ROUNDS = 5
#: How many requests are signed; they take turns.
DISTINCT = 256


def run(quick: bool) -> list[Row]:
    seconds = 1.0 if quick else 5.0
    with served.service() as service, TemporaryDirectory(dir=inputs.folder()) as kept:
        dataset = service.dataset("Items", data.SCHEMAS["Items"])
        requests = Path(kept) / "requests.json"
        requests.write_text(json.dumps(signed_requests(service.server, dataset)))
        address = urlsplit(service.server.url)
        assert address.port is not None
        port = free_port()
        bare = subprocess.Popen([sys.executable, "-m", "bench.bare", str(Path(kept) / "bare.db"), str(port)])
        try:
            wait_for(port)
            ours, theirs = [], []
            for _ in range(ROUNDS):
                theirs.append(measure(port, seconds, requests))
                ours.append(measure(address.port, seconds, requests))
        finally:
            bare.terminate()
            bare.wait()
    rate, bare_rate = (median(one["rate"] for one in many) for many in (ours, theirs))
    p99, bare_p99 = (median(one["p99"] for one in many) for many in (ours, theirs))
    return [
        Row(
            f"DescribeDataset over HTTP, signed, {CONNECTIONS} connections",
            f"{rate:,.0f} requests/s",
            f"bare uvicorn handler with one SQLite read: {bare_rate:,.0f} requests/s",
            f"{rate / bare_rate:.0%} of its rate",
            "≥ 35 %",
            rate / bare_rate >= 0.35,
        ),
        Row(
            "the same, 99th percentile",
            f"{p99 * 1000:.2f} ms",
            f"bare handler: {bare_p99 * 1000:.2f} ms",
            f"{p99 / bare_p99:.1f} ×",
            "≤ 5 ×",
            p99 / bare_p99 <= 5,
        ),
    ]


def signed_requests(server: Server, dataset: str) -> list[str]:
    """Sign requests as botocore does, each different from the others."""
    environment = server.environment
    credentials = Credentials(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
    signer = SigV4Auth(credentials, "personalize", environment["AWS_DEFAULT_REGION"])
    body = json.dumps({"datasetArn": dataset})
    prepared = []
    for n in range(DISTINCT):
        request = AWSRequest(
            "POST",
            server.url + "/",
            headers={
                "X-Amz-Target": "AmazonPersonalize.DescribeDataset",
                "Content-Type": "application/x-amz-json-1.1",
                "Host": urlsplit(server.url).netloc,
                "X-Request": str(n),
            },
            data=body,
        )
        signer.add_auth(request)
        headers = {**dict(request.headers.items()), "Content-Length": str(len(body)), "User-Agent": "bench"}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        prepared.append(f"POST / HTTP/1.1\r\n{head}\r\n{body}")
    return prepared


def measure(port: int, seconds: float, requests: Path, connections: int = CONNECTIONS) -> dict[str, float]:
    done = subprocess.run(
        [
            sys.executable, "-m", "bench.load",
            "127.0.0.1", str(port), str(connections), str(seconds), str(requests),
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
