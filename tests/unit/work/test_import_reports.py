"""Which report of a job's attempts is the job's."""

import json
from pathlib import Path

import pytest

from sartor.data.blobs import FolderBlobs
from sartor.resources.store import Resource
from sartor.work.import_data import report_of


def job(status: str) -> Resource:
    arn = "arn:aws:personalize:us-east-1:000000000000:dataset-import-job/j"
    private = {"table": "a/r/datasets/d/bulk"}
    return Resource(arn, "dataset-import-job", "0" * 12, "us-east-1", "j", status, {}, private, 0.0, 0.0)


@pytest.mark.parametrize(
    ("status", "reports", "shown"),
    [
        ("ACTIVE", {}, None),
        ("ACTIVE", {"1": "imported", "2": "failed"}, "1"),
        ("ACTIVE", {"1": "failed", "2": "imported", "10": "imported"}, "10"),
        ("CREATE FAILED", {"1": "imported", "2": "failed"}, "2"),
        ("CREATE FAILED", {"1": "imported"}, None),
        ("ACTIVE", {"": "imported"}, ""),
    ],
    ids=["none", "overtaken", "newest", "failed later", "not committed", "of an earlier Sartor"],
)
def test_the_newest_report_that_says_what_became_of_the_job_is_shown(
    tmp_path: Path, status: str, reports: dict[str, str], shown: str | None
) -> None:
    storage = FolderBlobs(tmp_path)
    for attempt, verdict in reports.items():
        place = f"a/r/datasets/d/imports/j/{attempt}/report.json".replace("//", "/")
        storage.put(place, json.dumps({"verdict": verdict, "attempt": attempt}).encode())
    report = report_of(job(status), storage)
    assert (None if report is None else json.loads(report)["attempt"]) == shown
