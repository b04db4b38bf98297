"""Jobs: everything that runs, waits or ran; one of them with its report; and what stops it."""

from collections.abc import Mapping
from typing import Any, Final

from sartor.console import texts
from sartor.console.jobs import STOPPABLE
from sartor.console.pages import tables
from sartor.console.pages.page import Action, Done, Page, Shown, Visit, link
from sartor.console.pages.snippets import Lines
from sartor.errors import invalid_input, not_found
from sartor.resources.kind_names import (
    BATCH_INFERENCE_JOB,
    DATA_DELETION_JOB,
    DATASET_IMPORT_JOB,
    RECOMMENDER,
    SOLUTION_VERSION,
)
from sartor.resources.kinds import KINDS, UNFINISHED, kind_of

_PATH: Final = "/console/jobs"
JOB_PATH: Final = "/console/jobs/job"
_STATES: Final = (("", "All"), ("unfinished", "Unfinished"), ("failed", "Failed"), ("done", "Done"))
_COLUMNS: Final = tuple(
    tables.Column(key, title, end=key == "lasted")
    for key, title in (
        ("name", "Name"),
        ("status", "Status"),
        ("kind", "Kind"),
        ("createdAt", "Began"),
        ("lasted", "Lasted"),
    )
)
#: The path of our own that reports about a kind, below ``/sartor/v1``.
_REPORTS: Final[Mapping[str, str]] = {
    DATASET_IMPORT_JOB: "import-jobs",
    DATA_DELETION_JOB: "deletion-jobs",
    BATCH_INFERENCE_JOB: "batch-inference-jobs",
}
_TRAININGS: Final[Mapping[str, str]] = {SOLUTION_VERSION: "solution-versions", RECOMMENDER: "recommenders"}


def _show(visit: Visit) -> Shown:
    words: dict[str, Any] = {}
    if visit.part in ("", "running"):
        words["work"] = [described(one) for one in visit.asks.get("status")["work"]]
    if visit.part in ("", "all"):
        words |= {"table": _table(visit), "states": _STATES}
    return Shown("jobs.html", words)


def _table(visit: Visit) -> tables.Table:
    """Return the page of all jobs that the address asks for; the server gives them newest first."""
    query = visit.query
    state = query.get("state", "")
    found = visit.asks.get(
        "jobs",
        limit=tables.PAGE_ROWS,
        state=state if state in dict(_STATES) and state else None,
        search=query.get("search") or None,
        after=query.get("after") or None,
    )
    rows = [{"status": "", "lasted": one["updatedAt"] - one["createdAt"], **one} for one in found["jobs"]]
    narrowed = bool(state or query.get("search"))
    return tables.Table(
        "Jobs and trainings, newest first",
        _COLUMNS,
        rows,
        "Nothing is so." if narrowed else "Nothing has run yet. Import a file, and its job is here.",
        search=query.get("search", ""),
        before=visit.link(after=None) if query.get("after") else "",
        after=visit.link(after=found["next"]) if "next" in found else "",
    )


def described(work: Mapping[str, Any]) -> dict[str, Any]:
    """Return a piece of work with how far it is, as the page draws and says it."""
    known = work["progress"]
    done, of = progress_of(known)
    return {**work, "done": done, "of": of, "told": texts.progress(known)}


def progress_of(known: Mapping[str, Any]) -> tuple[float, float]:
    """Return how much is done, and of how much; of nothing if nobody knows.

    Args:
        known: the progress of a job or a training.
    """
    for done, of in (("bytesRead", "bytesTotal"), ("done", "of"), ("epoch", "epochs"), ("trial", "trials")):
        if known.get(of):
            return float(known.get(done, 0)), float(known[of])
    return 0.0, 0.0


def _show_job(visit: Visit) -> Shown:
    arn = visit.wanted("arn")
    kind = kind_of(arn, visit.caller.region, visit.caller.account)
    if kind is None:
        raise not_found(arn)
    job = visit.asks.call(f"Describe{kind.noun}", **{kind.arn_member: arn})[kind.member]
    status = job.get("status", "")
    work = next((one for one in visit.asks.get("status")["work"] if one["arn"] == arn), None)
    words: dict[str, Any] = {
        "arn": arn,
        "kind": kind.name,
        "name": job.get(kind.name_member) or arn.rpartition("/")[2],
        "status": status,
        "job": job,
        "work": None if work is None else described(work),
        "report": _report(visit, kind.name, arn),
        "stop": _stop_lines(visit, kind.name, arn) if status in UNFINISHED else None,
    }
    return Shown("job.html", words)


def _report(visit: Visit, kind: str, arn: str) -> dict[str, Any]:
    """Return what a job found or made, as far as it says."""
    if kind in _REPORTS:
        return visit.asks.get(_REPORTS[kind], arn.rpartition("/")[2], "report")
    if kind in _TRAININGS:
        return visit.asks.get(_TRAININGS[kind], arn)
    return {}


def _stop_lines(visit: Visit, kind: str, arn: str) -> Lines | None:
    """Return how a program stops a job; ``None``: nobody can."""
    if kind == SOLUTION_VERSION:
        return visit.asks.same("StopSolutionVersionCreation", solutionVersionArn=arn)
    return visit.asks.same_own("jobs", "stop", members={"jobArn": arn}) if kind in STOPPABLE else None


def _stop(visit: Visit) -> Done:
    arn = visit.form.get("arn", "")
    kind = kind_of(arn, visit.caller.region, visit.caller.account)
    if kind is None or kind.name not in (SOLUTION_VERSION, *STOPPABLE):
        raise invalid_input(f"{arn[:200]} is nothing that can be stopped.")
    if kind.name == SOLUTION_VERSION:
        visit.asks.call("StopSolutionVersionCreation", **{KINDS[SOLUTION_VERSION].arn_member: arn})
    else:
        visit.asks.post("jobs", "stop", jobArn=arn)
    return Done(link(JOB_PATH, arn=arn), "It is told to stop.")


def _question(visit: Visit) -> str:
    return f"Stop {visit.form.get('arn', '').rpartition(':')[2]}? Nothing of it is kept."


PAGES: Final = (
    Page(_PATH, "Jobs", "Jobs", _show),
    Page(JOB_PATH, "Job", "Jobs", _show_job, {"stop": Action(_stop, _question)}),
)
