"""Data: all datasets, and one with its statistics, its versions and its imports."""

from collections.abc import Mapping
from typing import Any, Final

from sartor.console.pages import tables
from sartor.console.pages.data_pictures import Pictures, pictures_of
from sartor.console.pages.jobs import described
from sartor.console.pages.page import Action, Done, Page, Shown, Visit, link
from sartor.errors import ApiError, invalid_input
from sartor.numbers import whole
from sartor.resources.kind_names import DATASET_IMPORT_JOB

PATH: Final = "/console/data"
DATASET_PATH: Final = "/console/data/dataset"
_COLUMNS: Final = (
    tables.Column("name", "Dataset"),
    tables.Column("status", "Status"),
    tables.Column("rows", "Rows", end=True),
    tables.Column("changedAt", "Imported"),
    tables.Column("putAt", "Last put by a call"),
)
_VERSIONS: Final = (
    tables.Column("version", "Version"),
    tables.Column("timestamp", "When"),
    tables.Column("action", "What"),
    *(tables.Column(key, key.capitalize(), end=True) for key in ("rows", "added", "replaced", "removed")),
    tables.Column("restore", "Undo"),
)
_IMPORTS: Final = (
    tables.Column("name", "Import"),
    tables.Column("status", "Status"),
    tables.Column("createdAt", "Began"),
)
#: Of a dataset with more rows the pictures come after the page.
_AT_ONCE_ROWS: Final = 300_000


def _show(visit: Visit) -> Shown:
    query = visit.query
    found = visit.asks.get(
        "datasets",
        limit=tables.PAGE_ROWS,
        search=query.get("search") or None,
        after=query.get("after") or None,
    )
    rows = [
        {"status": "", "rows": None, "changedAt": None, "putAt": None, **one} for one in found["datasets"]
    ]
    table = tables.Table(
        "Datasets, newest first",
        _COLUMNS,
        rows,
        f"Nothing has “{query['search']}”."
        if query.get("search")
        else "There is no dataset yet: import a file.",
        search=query.get("search", ""),
        before=visit.link(after=None) if query.get("after") else "",
        after=visit.link(after=found["next"]) if "next" in found else "",
    )
    return Shown("data.html", {"table": table})


def _show_dataset(visit: Visit) -> Shown:
    arn = visit.wanted("arn")
    words: dict[str, Any] = {"arn": arn, "pictures": None, "waits": "", "advice": None}
    if visit.part == "pictures":
        return Shown("dataset.html", {**words, **_statistics(visit, arn)})
    dataset = visit.asks.call("DescribeDataset", datasetArn=arn)["dataset"]
    words |= {"dataset": dataset, "group": dataset["datasetGroupArn"].rpartition("/")[2]}
    if visit.part in ("", "work"):
        work = visit.asks.get("status")["work"]
        words["work"] = [described(one) for one in work if _is_of(one["arn"], arn)]
    if visit.part == "work":
        return Shown("dataset.html", words)
    ready = dataset["status"] == "ACTIVE"
    versions = _versions(visit, arn) if ready else []
    rows = versions[0]["rows"] if versions else 0
    words |= {
        "schema": _schema(visit, dataset["schemaArn"]),
        "rows": rows,
        "newest": versions[0] if versions else None,
        "restore": _restored(versions),
        "versions": _table_of(visit, versions),
        "imports": _imports(visit, arn),
        "live": rows > _AT_ONCE_ROWS,
        "back": visit.asks.same_own("datasets", arn, "rollback", members={"to": _restored(versions) or 0}),
    }
    if ready and not words["live"]:
        words |= _statistics(visit, arn)
    return Shown("dataset.html", words)


def _is_of(job: str, dataset: str) -> bool:
    """Return whether work that is owed may be a dataset's: its own, or an import's; an import's name says no more."""
    return job == dataset or f":{DATASET_IMPORT_JOB}/" in job


def _statistics(visit: Visit, arn: str) -> dict[str, Any]:
    """Return the pictures of a dataset, or how far it is to know them."""
    found = visit.asks.get("datasets", arn, "statistics")
    if "columns" not in found:
        return {"waits": found.get("failureReason") or f"{found['status']}: the rows are being looked at."}
    pictures: Pictures = pictures_of(found)
    return {"pictures": pictures, "advice": found["advice"]}


def _schema(visit: Visit, arn: str) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = visit.asks.call("DescribeSchema", schemaArn=arn)["schema"]
    return schema


def _versions(visit: Visit, arn: str) -> list[dict[str, Any]]:
    """Return the versions that the address asks for, newest first, each with what it can be taken back to."""
    before = whole(visit.query.get("before", ""), 0, 2**62)
    found = visit.asks.get("datasets", arn, "history", before=before)
    return [{**one, "job": one.get("jobArn", "").rpartition("/")[2]} for one in found["versions"]]


def _restored(versions: list[dict[str, Any]]) -> int | None:
    """Return the version to which the newest change is undone, if it can be."""
    older = versions[1:2]
    return int(older[0]["version"]) if older and older[0]["restorable"] else None


def _table_of(visit: Visit, versions: list[dict[str, Any]]) -> tables.Table:
    last = versions[-1]["version"] if versions else 0
    return tables.Table(
        "Versions, newest first",
        _VERSIONS,
        versions,
        "Nothing has been imported yet.",
        before=visit.link(before=None) if visit.query.get("before") else "",
        after=visit.link(before=last) if last > 0 else "",
    )


def _imports(visit: Visit, arn: str) -> tables.Table:
    found = visit.asks.call("ListDatasetImportJobs", datasetArn=arn, maxResults=10)["datasetImportJobs"]
    rows = [
        {
            "arn": one["datasetImportJobArn"],
            "name": one["jobName"],
            "status": one["status"],
            "createdAt": one["creationDateTime"],
            "failureReason": one.get("failureReason", ""),
        }
        for one in found
    ]
    return tables.Table("The newest imports", _IMPORTS, rows, "Nothing has been imported yet.")


def _roll_back(visit: Visit) -> Done:
    arn, to = visit.form.get("arn", ""), whole(visit.form.get("version", ""), 0, 2**62)
    if to is None:
        raise invalid_input("Say to which version: a whole number.")
    found = visit.asks.post("datasets", arn, "rollback", to=to)
    said = f"Version {found['version']} is what version {found['restored']} was. You can undo this too."
    return Done(link(DATASET_PATH, arn=arn), said)


def _question(visit: Visit) -> str:
    """Return what is asked before records are taken back, with how many there will be."""
    arn, to = visit.form.get("arn", ""), visit.form.get("version", "")
    text = f"Make the imported records of {arn.partition('/')[2]} what they were in version {to[:20]}"
    wanted = whole(to, 0, 2**62)
    try:
        found = (
            []
            if wanted is None
            else visit.asks.get("datasets", arn, "history", before=wanted + 1, limit=1)["versions"]
        )
    except ApiError:  # whatever is wrong is told when it is done
        found = []
    rows = f": {found[0]['rows']:,} rows" if found else ""
    return f"{text}{rows}? What calls put stays as it is."


_BACK: Final = Action(_roll_back, _question)
PAGES: Final = (
    Page(PATH, "Data", "Data", _show),
    Page(DATASET_PATH, "Dataset", "Data", _show_dataset, {"rollback": _BACK, "undo": _BACK}),
)
