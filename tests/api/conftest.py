"""A real server on a free port, and clients of it."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from botocore.exceptions import ClientError

from sartor.demo.server import Server

SETTLED = ("ACTIVE", "CREATE FAILED", "COMPLETED", "FAILED")
ROLE = "arn:aws:iam::000000000000:role/import"


class Client:
    """boto3 against one server, with a bucket that is a folder."""

    def __init__(self, server: Server, bucket: Path) -> None:
        self.server = server
        self.bucket = bucket
        self.personalize: Any = server.client()
        self.events: Any = server.client("personalize-events")
        self.names = 0

    def name(self, word: str) -> str:
        """Return a name that no other test has."""
        self.names += 1
        return f"{word}-{time.time_ns():x}-{self.names}"

    def group(self, domain: str | None = None) -> str:
        """Return the ARN of a new ACTIVE dataset group."""
        client, of_domain = self.personalize, {} if domain is None else {"domain": domain}
        group: str = client.create_dataset_group(name=self.name("group"), **of_domain)["datasetGroupArn"]
        self.until(lambda: client.describe_dataset_group(datasetGroupArn=group)["datasetGroup"])
        return group

    def dataset(
        self, schema: dict[str, Any], dataset_type: str, domain: str | None = None, group: str | None = None
    ) -> str:
        """Return the ARN of an ACTIVE dataset, in a group of its own if none is given."""
        client, of_domain = self.personalize, {} if domain is None else {"domain": domain}
        group = group or self.group(domain)
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

    def brought(self, dataset: str, word: str, lines: Sequence[str], mode: str = "FULL") -> None:
        """Import lines of CSV, which must go well."""
        key = self.write(f"{self.name(word)}.csv", "\n".join(lines) + "\n")
        assert self.imported(dataset, key, mode)["status"] == "ACTIVE"

    def filter(self, group: str, expression: str) -> str:
        """Return the ARN of a new filter of a group that is ACTIVE."""
        arn = self.personalize.create_filter(
            name=self.name("filter"), datasetGroupArn=group, filterExpression=expression
        )["filterArn"]
        self.until(lambda: self.personalize.describe_filter(filterArn=arn)["filter"])
        return str(arn)

    def group_of(self, dataset: str) -> str:
        """Return the ARN of a dataset's group."""
        found: str = self.personalize.describe_dataset(datasetArn=dataset)["dataset"]["datasetGroupArn"]
        return found

    def tracker(self, dataset: str) -> str:
        """Return the tracking id of a new ACTIVE event tracker in a dataset's group."""
        made = self.personalize.create_event_tracker(
            name=self.name("tracker"), datasetGroupArn=self.group_of(dataset)
        )
        arn = made["eventTrackerArn"]
        self.until(lambda: self.personalize.describe_event_tracker(eventTrackerArn=arn)["eventTracker"])
        return str(made["trackingId"])

    def exported(self, dataset: str, mode: str = "ALL") -> list[dict[str, str | None]]:
        """Export a dataset and return its rows as DuckDB reads the files; every cell is text."""
        name = self.name("export")
        arn = self.personalize.create_dataset_export_job(
            jobName=name,
            datasetArn=dataset,
            ingestionMode=mode,
            roleArn=ROLE,
            jobOutput={"s3DataDestination": {"path": "s3://training/exports/"}},
        )["datasetExportJobArn"]
        job = self.until(
            lambda: self.personalize.describe_dataset_export_job(datasetExportJobArn=arn)["datasetExportJob"]
        )
        assert job["status"] == "ACTIVE", job
        found = duckdb.sql(
            "SELECT * FROM read_csv($files, header = true, all_varchar = true, delim = ',', quote = '\"')",
            params={"files": [str(file) for file in (self.bucket / "exports" / name).glob("*.csv")]},
        )
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]

    def deleted(
        self, group: str, *users: str, meanwhile: Callable[[], object] = lambda: None
    ) -> dict[str, Any]:
        """Delete users of a group, do something else once that is called, and return the job when it has ended."""
        key = self.write(f"{self.name('users')}.csv", "\n".join(["USER_ID", *users]) + "\n")
        arn = self.personalize.create_data_deletion_job(
            jobName=self.name("deletion"),
            datasetGroupArn=group,
            dataSource={"dataLocation": f"s3://training/{key}"},
            roleArn=ROLE,
        )["dataDeletionJobArn"]
        meanwhile()
        return self.until(
            lambda: self.personalize.describe_data_deletion_job(dataDeletionJobArn=arn)["dataDeletionJob"]
        )

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
    def gone(describe: Callable[[], Any]) -> None:
        """Return once what is described is not found."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                describe()
            except ClientError as error:
                if error.response["Error"]["Code"] == "ResourceNotFoundException":
                    return
                raise
            time.sleep(0.01)
        raise AssertionError("it never went away")

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
