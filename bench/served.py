"""A real server and its datasets, driven through boto3 as a customer would."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from bench import inputs
from sartor.demo import data
from sartor.demo.server import Server

POLL_SECONDS = 0.05


class Service:
    """A server with one ECOMMERCE dataset group."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.client: Any = server.client()
        self.jobs = 0
        self.group: str = self.client.create_dataset_group(name="bench", domain=data.DOMAIN)[
            "datasetGroupArn"
        ]
        self._settle(lambda: self.client.describe_dataset_group(datasetGroupArn=self.group)["datasetGroup"])

    def dataset(self, dataset_type: str, schema: str) -> str:
        name = f"bench-{dataset_type}"
        schema_arn = self.client.create_schema(name=name, schema=schema, domain=data.DOMAIN)["schemaArn"]
        arn: str = self.client.create_dataset(
            name=name, schemaArn=schema_arn, datasetGroupArn=self.group, datasetType=dataset_type
        )["datasetArn"]
        self._settle(lambda: self.client.describe_dataset(datasetArn=arn)["dataset"])
        return arn

    def import_file(self, dataset: str, file: Path, mode: str = "FULL", expect: str = "ACTIVE") -> float:
        """Import and return the seconds from the call to the final status."""
        self.jobs += 1
        begun = time.perf_counter()
        arn = self.client.create_dataset_import_job(
            jobName=f"bench-{self.jobs}",
            datasetArn=dataset,
            dataSource={"dataLocation": f"s3://bench/{file.name}"},
            roleArn="arn:aws:iam::000000000000:role/bench",
            importMode=mode,
        )["datasetImportJobArn"]
        job = self._settle(
            lambda: self.client.describe_dataset_import_job(datasetImportJobArn=arn)["datasetImportJob"]
        )
        seconds = time.perf_counter() - begun
        if job["status"] != expect:
            raise RuntimeError(f"{file.name}: {job['status']}, {job.get('failureReason')}")
        return seconds

    @staticmethod
    def _settle(describe: Any) -> dict[str, Any]:
        while True:
            resource: dict[str, Any] = describe()
            if resource["status"] == "ACTIVE" or resource["status"].endswith("FAILED"):
                return resource
            time.sleep(POLL_SECONDS)


@contextmanager
def service() -> Iterator[Service]:
    """Start a server on an empty folder; the benchmark's files are its bucket."""
    folder = inputs.folder()
    with TemporaryDirectory(dir=folder) as kept, Server(Path(kept), {"bench": folder}) as server:
        yield Service(server)


def interactions_schema() -> str:
    """The demo's schema without the session, as the benchmark's files are."""
    import json

    schema = json.loads(data.SCHEMAS["Interactions"])
    schema["fields"] = [field for field in schema["fields"] if field["name"] in inputs.COLUMNS]
    return json.dumps(schema)


class PeakMemory:
    """Samples the memory of all processes of a session; `bytes` is the largest sum seen."""

    def __init__(self, session: int) -> None:
        self.session = session
        self.bytes = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(0.1):
            self.bytes = max(self.bytes, proportional_bytes(self.session))


def proportional_bytes(session: int) -> int:
    """Sum the proportional set sizes of the session's processes (Linux only)."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            # The fields after the command's closing parenthesis: state, parent, group, session.
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) != session:
                continue
            rollup = (process / "smaps_rollup").read_text()
        except (OSError, IndexError):
            continue
        total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) * 1024
    return total
