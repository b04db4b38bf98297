"""A report of metrics is a new file: it replaces nothing, and a job that goes on writes no second one."""

from pathlib import Path
from typing import Any

import pytest

from sartor.data.attribution import report_name
from sartor.data.sources import Sources
from sartor.resources.store import Resource, Store
from sartor.settings import load
from sartor.work.attribution import publish
from sartor.work.tools import Tools

ACCOUNT = "000000000000"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "buckets" / "b" / "metrics"


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    values: dict[str, Any] = dict.fromkeys(Tools.__dataclass_fields__)
    values |= {"store": Store.open(f"sqlite:///{tmp_path / 'sartor.db'}"), "scratch": tmp_path}
    return Tools(**values | {"sources": Sources(load({"data": str(tmp_path)}, {}))})


def resource(kind: str, body: dict[str, Any]) -> Resource:
    arn = f"arn:aws:personalize:us-east-1:{ACCOUNT}:{kind}/x"
    return Resource(arn, kind, ACCOUNT, "us-east-1", "x", "ACTIVE", body, {}, 1_700_000_000.25, 0.0)


ATTRIBUTION = resource(
    "metric-attribution", {"metricsOutputConfig": {"s3DataDestination": {"path": "s3://b/metrics/"}}}
)
JOB = resource("dataset-import-job", {"importMode": "FULL"})


def test_a_report_replaces_no_file(tools: Tools, folder: Path) -> None:
    folder.mkdir(parents=True)
    theirs = folder / report_name("FULL", JOB.created_at)
    theirs.write_bytes(b"precious")
    publish(ATTRIBUTION, JOB, b"values", tools)
    assert theirs.read_bytes() == b"precious"
    assert (folder / report_name("FULL", JOB.created_at + 0.001)).read_bytes() == b"values"
    assert len(list(folder.iterdir())) == 2


def test_a_job_that_goes_on_writes_its_report_once(tools: Tools, folder: Path) -> None:
    for _ in range(2):
        publish(ATTRIBUTION, JOB, b"values", tools)
    (report,) = folder.iterdir()
    assert (report.name, report.read_bytes()) == (report_name("FULL", JOB.created_at), b"values")
