"""A real server on a free port, and clients of it."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sartor.demo.server import Server

SETTLED = ("ACTIVE", "CREATE FAILED")
ROLE = "arn:aws:iam::000000000000:role/import"


class Client:
    """boto3 against one server, with a bucket that is a folder."""

    def __init__(self, server: Server, bucket: Path) -> None:
        self.server = server
        self.bucket = bucket
        self.personalize: Any = server.client()
        self.names = 0

    def name(self, word: str) -> str:
        """Return a name that no other test has."""
        self.names += 1
        return f"{word}-{time.time_ns():x}-{self.names}"

    def dataset(self, schema: dict[str, Any], dataset_type: str, domain: str | None = None) -> str:
        """Return the ARN of an ACTIVE dataset in a group of its own."""
        client, of_domain = self.personalize, {} if domain is None else {"domain": domain}
        group = client.create_dataset_group(name=self.name("group"), **of_domain)["datasetGroupArn"]
        self.until(lambda: client.describe_dataset_group(datasetGroupArn=group)["datasetGroup"])
        text = json.dumps(schema)
        of_schema = client.create_schema(name=self.name("schema"), schema=text, **of_domain)["schemaArn"]
        arn: str = client.create_dataset(
            name="dataset", schemaArn=of_schema, datasetGroupArn=group, datasetType=dataset_type
        )["datasetArn"]
        self.until(lambda: client.describe_dataset(datasetArn=arn)["dataset"])
        return arn

    def start(self, dataset: str, key: str, mode: str = "FULL", **more: Any) -> str:
        """Start an import and return its job's ARN."""
        return str(
            self.personalize.create_dataset_import_job(
                jobName=self.name("job"),
                datasetArn=dataset,
                dataSource={"dataLocation": f"s3://training/{key}"},
                roleArn=ROLE,
                importMode=mode,
                **more,
            )["datasetImportJobArn"]
        )

    def job(self, arn: str) -> dict[str, Any]:
        """Return the job as it is."""
        found: dict[str, Any] = self.personalize.describe_dataset_import_job(datasetImportJobArn=arn)
        return dict(found["datasetImportJob"])

    def imported(self, dataset: str, key: str, mode: str = "FULL") -> dict[str, Any]:
        """Import, and return the job when it has ended."""
        arn = self.start(dataset, key, mode)
        return self.until(lambda: self.job(arn))

    def write(self, key: str, content: str | bytes) -> str:
        """Write a file of the bucket and return its key."""
        place = self.bucket / key
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
        return key

    def report(self, job: dict[str, Any]) -> dict[str, Any]:
        """Return the job's report over HTTP."""
        found: dict[str, Any] = self.server.get(f"/sartor/v1/import-jobs/{job['jobName']}/report")
        return found

    @staticmethod
    def wait(look: Callable[[], bool]) -> None:
        """Return once it is so."""
        deadline = time.monotonic() + 60
        while not look():
            assert time.monotonic() < deadline, "it never came to be"
            time.sleep(0.005)

    @staticmethod
    def until(look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return what is looked at once its status is final."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = look()
            if found["status"] in SETTLED:
                return found
            time.sleep(0.02)
        raise AssertionError(f"still {found}")


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """Give one server for all tests, without quotas on numbers of resources."""
    bucket = tmp_path_factory.mktemp("bucket")
    with Server(tmp_path_factory.mktemp("data"), {"training": bucket}, ("--quotas", "off")) as server:
        yield server, bucket


@pytest.fixture
def client(served: tuple[Server, Path]) -> Client:
    """Give a client of the shared server."""
    return Client(*served)


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Client]:
    """Give a client of a fresh server with Amazon's quotas."""
    (tmp_path / "bucket").mkdir()
    with Server(tmp_path / "data", {"training": tmp_path / "bucket"}) as server:
        yield Client(server, tmp_path / "bucket")
