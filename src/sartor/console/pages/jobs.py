"""Jobs: everything that runs, waits or ran."""

from typing import Any, Final

from sartor.console.pages import tables
from sartor.console.pages.page import Page, Shown, Visit
from sartor.resources.kind_names import (
    BATCH_INFERENCE_JOB,
    BATCH_SEGMENT_JOB,
    DATA_DELETION_JOB,
    DATASET_EXPORT_JOB,
    DATASET_IMPORT_JOB,
    RECOMMENDER,
    SOLUTION_VERSION,
)

_PATH: Final = "/console/jobs"
_KINDS: Final = (
    *(DATASET_IMPORT_JOB, DATASET_EXPORT_JOB, DATA_DELETION_JOB, SOLUTION_VERSION, RECOMMENDER),
    *(BATCH_INFERENCE_JOB, BATCH_SEGMENT_JOB),
)
#: So many of a kind are looked at, the newest.
_OF_A_KIND: Final = 1000
_COLUMNS: Final = (
    tables.Column("name", "Name", sort=True),
    tables.Column("kind", "Kind", sort=True),
    tables.Column("status", "Status", sort=True),
    tables.Column("createdAt", "Began", sort=True),
    tables.Column("lasted", "Lasted", sort=True, end=True),
)


def _show(visit: Visit) -> Shown:
    status = visit.asks.get("status")
    words: dict[str, Any] = {"work": status["work"]}
    if visit.part != "running":
        found = visit.asks.get("resources", kinds=",".join(_KINDS), limit=_OF_A_KIND)["resources"]
        rows = [
            {**one, "status": one.get("status", ""), "lasted": one["updatedAt"] - one["createdAt"]}
            for one in found
        ]
        words["table"] = tables.of_rows(
            visit,
            "Jobs and trainings, newest first",
            _COLUMNS,
            rows,
            "Nothing has run yet. Import a file, and its job is here.",
            sort="-createdAt",
            searched=("name", "kind", "status"),
        )
    return Shown("jobs.html", words)


PAGES: Final = (Page(_PATH, "Jobs", "Jobs", _show),)
