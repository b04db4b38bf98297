"""Hostile requests at both APIs and hostile files at the readers: what breaks, what hangs, what grows."""

import http.client
import json
import os
import queue
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench import hostile, inputs, jobs, served
from bench.table import Row
from sartor.demo import data
from sartor.demo.server import Server
from sartor.wire import operations

#: How long, in all, in seconds: half of it the APIs, a quarter each format of files.
SECONDS, QUICK_SECONDS = 1800.0, 60.0
#: Whatever takes longer hangs.
HANGS_SECONDS = 30.0
REQUESTS_A_ROUND = 50
#: Memory may move by so much between the middle and the end of a run.
GROWTH, GROWTH_BYTES = 1.1, 30 * 2**20
_LOG_BROKE = (" broke", "Traceback")


def run(quick: bool) -> list[Row]:
    seconds = QUICK_SECONDS if quick else SECONDS
    return [_apis(seconds / 2), _files("csv", seconds / 4), _files("parquet", seconds / 4)]


class _Memory:
    """Samples of a process's memory.

    Attributes:
        bytes: oldest first.
    """

    def __init__(self) -> None:
        self.bytes: list[int] = []
        self._next = 0.0

    def look(self, session: int) -> None:
        if time.monotonic() >= self._next:
            self.bytes.append(served.proportional_bytes(session))
            self._next = time.monotonic() + 1.0

    def verdict(self) -> tuple[str, bool]:
        """Return the second third against the last, in words, and whether they are alike."""
        third = max(1, len(self.bytes) // 3)
        middle = statistics.median(self.bytes[third : 2 * third] or self.bytes)
        last = statistics.median(self.bytes[-third:])
        words = f"{middle / 2**20:.0f} MiB in the middle, {last / 2**20:.0f} MiB at the end"
        return words, last <= max(middle * GROWTH, middle + GROWTH_BYTES)


def _row(what: str, count: int, broke: list[str], hung: int, memory: _Memory) -> Row:
    for one in dict.fromkeys(broke):
        print(f"broke: {one}", flush=True)
    words, steady = memory.verdict()
    return Row(
        what,
        f"{count:,}",
        words,
        f"{len(broke)} broke, {hung} hung",
        "0 broke, 0 hung, memory steady",
        count > 0 and not broke and not hung and steady,
    )


def _apis(seconds: float) -> Row:
    with TemporaryDirectory(dir=inputs.folder()) as kept, TemporaryDirectory(dir=inputs.folder()) as shop:
        server = Server(Path(kept), {"shop": Path(shop), "bench": inputs.folder()}, ("--quotas", "off"))
        with server:
            fuzz = _ApiFuzz(_Door(server), _known(server), time.monotonic() + seconds)
            fuzz.run()
        log = server.log.read_text(errors="replace").splitlines()
    broke = fuzz.broke + [line[:1500] for line in log if any(word in line for word in _LOG_BROKE)]
    answers = ", ".join(f"{count:,} × {status}" for status, count in sorted(fuzz.statuses.items()))
    return _row(f"hostile requests at both APIs ({answers})", fuzz.count, broke, fuzz.hung, fuzz.memory)


def _known(server: Server) -> dict[str, str]:
    """Make one of what there is, and return what names it, by the names of members."""
    service = served.Service(server)
    dataset = service.dataset("Interactions", served.interactions_schema())
    service.import_file(dataset, inputs.interactions(20_000))
    tracking_id = jobs.event_tracker(service)
    items = service.dataset("Items", data.SCHEMAS["Items"])
    client = service.client
    kept = client.create_filter(
        name="bench",
        datasetGroupArn=service.group,
        filterExpression="EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ($types)",
    )["filterArn"]
    solution = client.create_solution(
        name="bench",
        datasetGroupArn=service.group,
        recipeArn="arn:aws:personalize:::recipe/aws-popularity-count",
        performAutoTraining=False,
    )["solutionArn"]
    jobs.settled(lambda: client.describe_solution(solutionArn=solution)["solution"])
    version = client.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    jobs.settled(lambda: client.describe_solution_version(solutionVersionArn=version)["solutionVersion"])
    campaign = client.create_campaign(name="bench", solutionVersionArn=version)["campaignArn"]
    jobs.settled(lambda: client.describe_campaign(campaignArn=campaign)["campaign"])
    return {
        "datasetGroupArn": service.group,
        "datasetArn": dataset,
        "itemsDatasetArn": items,
        "trackingId": tracking_id,
        "filterArn": kept,
        "solutionArn": solution,
        "solutionVersionArn": version,
        "campaignArn": campaign,
        "resourceArn": dataset,
        "schemaArn": client.describe_dataset(datasetArn=dataset)["dataset"]["schemaArn"],
        "datasetImportJobArn": client.list_dataset_import_jobs()["datasetImportJobs"][0][
            "datasetImportJobArn"
        ],
        "recipeArn": "arn:aws:personalize:::recipe/aws-popularity-count",
        "roleArn": jobs.ROLE,
        "dataLocation": f"s3://bench/{inputs.interactions(20_000).name}",
        "path": "s3://shop/out/",
        "datasetType": "Interactions",
    }


class _Door:
    """Sends requests, signed like a client's."""

    def __init__(self, server: Server) -> None:
        words = server.environment
        self.session = server.process.pid
        self.address = urlsplit(server.url).netloc
        credentials = Credentials(words["AWS_ACCESS_KEY_ID"], words["AWS_SECRET_ACCESS_KEY"])
        self._signer = SigV4Auth(credentials, "personalize", words["AWS_DEFAULT_REGION"])

    def status(
        self, method: str, path: str, body: bytes, headers: dict[str, str], hostile: dict[str, str]
    ) -> int:
        """Return the status of an answer; 0 if the connection was closed without one.

        Raises:
            TimeoutError: none came.
        """
        request = AWSRequest(method, f"http://{self.address}{path}", headers=headers, data=body)
        self._signer.add_auth(request)
        sent = {"Host": self.address} | dict(request.headers.items()) | {"Content-Length": str(len(body))}
        replaced = {name.lower() for name in hostile}
        lines = [f"{method} {path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in sent.items() if name.lower() not in replaced]
        lines += [f"{name}: {value}" for name, value in hostile.items()]
        head = "\r\n".join(lines).encode("utf-8", "replace") + b"\r\n\r\n"
        host, _, port = self.address.partition(":")
        with socket.create_connection((host, int(port)), timeout=HANGS_SECONDS) as connection:
            try:
                connection.sendall(head + body)
                answer = http.client.HTTPResponse(connection, method=method)
                answer.begin()
            except (http.client.HTTPException, ConnectionError):
                return 0
            with answer:
                return answer.status


class _ApiFuzz:
    """One run.

    Attributes:
        count: the requests.
        hung: how many had no answer in time.
        statuses: how many answers had which.
        broke: what was answered with a 500, each as it is shrunk.
    """

    def __init__(self, door: _Door, known: dict[str, str], until: float) -> None:
        self.door = door
        self.until = until
        self.count = self.hung = 0
        self.statuses: Counter[int] = Counter()
        self.broke: list[str] = []
        self.memory = _Memory()
        everything = operations.load()
        # what is deleted would be gone for all that come after
        self._calls = [one for one in everything.all if not one.name.startswith("Delete")]
        self._targets = {one.name: target for target, one in everything.by_target.items()}
        self._known = known
        openapi = json.loads(http_get(door, "/sartor/v1/openapi.json"))
        self._paths = openapi["paths"]

    def run(self) -> None:
        rounds = [
            *([self._operation(one) for one in self._calls]),
            *[self._test(hostile.path_of(self._paths, self._known).map(lambda one: (*one, {}, {})))] * 10,
        ]
        while time.monotonic() < self.until:
            test = random.choice(rounds)
            try:
                test()
            except TimeoutError:
                self.hung += 1
            except AssertionError as error:
                self.broke.append(f"{error} {getattr(error, '__notes__', '')}"[:1500])
            self.memory.look(self.door.session)

    def _operation(self, operation: operations.Operation) -> Any:
        headers = {"Content-Type": "application/json"}
        if operation.name in self._targets:
            headers = {
                "Content-Type": "application/x-amz-json-1.1",
                "X-Amz-Target": self._targets[operation.name],
            }
        requests = st.tuples(
            st.just("POST"),
            st.just(operation.path),
            hostile.body_of(operation, self._known),
            st.just(headers),
            hostile.headers(),
        )
        return self._test(requests)

    def _test(self, requests: st.SearchStrategy[Any]) -> Any:
        @settings(
            max_examples=REQUESTS_A_ROUND,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(requests)
        def no_request_breaks_the_service(request: Any) -> None:
            self.count += 1
            method, path, body, headers, hostile_headers = request
            status = self.door.status(method, path, body, headers, hostile_headers)
            self.statuses[status] += 1
            shown = f"{status} {method} {path[:200]} {headers} {hostile_headers} {body[:300]!r}"
            assert status < 500, shown

        return no_request_breaks_the_service


def http_get(door: _Door, path: str) -> bytes:
    """Return what an unsigned GET answers."""
    connection = http.client.HTTPConnection(door.address, timeout=HANGS_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def _files(kind: str, seconds: float) -> Row:
    """Let a child read files; one that says nothing for long hangs and is ended."""
    memory, broke, hung, count, longest = _Memory(), list[str](), 0, 0, 0.0
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.fuzz_files", kind, str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    lines: queue.Queue[str | None] = queue.Queue()

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=listen, daemon=True).start()
    heard = time.monotonic()
    while True:
        memory.look(process.pid)
        try:
            line = lines.get(timeout=1.0)
        except queue.Empty:
            if time.monotonic() - heard > HANGS_SECONDS * 2:
                hung += 1
                os.killpg(process.pid, 9)
                break
            continue
        if line is None:
            break
        heard = time.monotonic()
        said = json.loads(line)
        count, longest, broke = said["count"], said["longest"], said["broke"]
    status = process.wait()
    if status and not hung:
        broke = [*broke, f"the reader's process ended with status {status}"]
    return _row(f"hostile {kind} files, the longest took {longest:.1f} s", count, broke, hung, memory)
