"""``/sartor/v1``: what Amazon has no operation for, as JSON."""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import unquote

from sartor.console import asked
from sartor.console.datasets import dataset_of
from sartor.console.openapi import OPENAPI
from sartor.data import versions
from sartor.errors import JobFailed, in_use, invalid_input, not_found
from sartor.resources import audit
from sartor.resources.call import lock_of
from sartor.resources.kind_names import DATA_DELETION_JOB, DATASET_IMPORT_JOB
from sartor.resources.kinds import KINDS, UNFINISHED, arn_of
from sartor.resources.records import Means, records_of
from sartor.resources.store import Resource
from sartor.wire.sign import Caller, HttpRequest
from sartor.work import describe
from sartor.work.import_data import report_of

_JSON: Final = "application/json"
_IMPORT_REPORT: Final = re.compile(r"/sartor/v1/import-jobs/([^/]+)/report")
_DELETION_REPORT: Final = re.compile(r"/sartor/v1/deletion-jobs/([^/]+)/report")
_BATCH_REPORT: Final = re.compile(r"/sartor/v1/(batch-inference)-jobs/([^/]+)/report")
_DATASET: Final = re.compile(r"/sartor/v1/datasets/(.+)/(statistics|tables|history|records|rollback)")
_MOST_RECORDS: Final = 1000


class Pages(Protocol):
    """Some paths that belong together."""

    def answer(self, caller: Caller, request: HttpRequest, path: str) -> dict[str, Any] | None:
        """Return the answer to a request, ``None`` if it is for none of these paths; raises ``ApiError``."""


@dataclass(frozen=True)
class Console:
    """Answers for one service.

    Attributes:
        means: to reach datasets and reports.
        pages: the other pages.
    """

    means: Means
    pages: Sequence[Pages]

    def openapi(self, _caller: Caller | None, _request: HttpRequest) -> tuple[int, str, bytes]:
        """Return the OpenAPI description."""
        return 200, _JSON, json.dumps(OPENAPI, indent=2).encode()

    def answer(self, caller: Caller | None, request: HttpRequest) -> tuple[int, str, bytes]:
        """Answer a signed request below ``/sartor/v1/``.

        Raises:
            ApiError: ``ResourceNotFoundException``: nothing of the caller's lies at the path; or the request
                has a fault.
        """
        path = unquote(request.path)
        if caller is None or "\0" in path:  # PostgreSQL's texts have none
            raise not_found(path)
        if any("\0" in text for text in request.parameters.values()):
            raise invalid_input("A parameter has a null character, which no database can keep.")
        job = _IMPORT_REPORT.fullmatch(path)
        if job is not None and request.method != "POST":
            return self._import_report(caller, job[1])
        deletion = _DELETION_REPORT.fullmatch(path)
        if deletion is not None and request.method != "POST":
            return _json(self._deletion_report(caller, deletion[1]))
        batch = _BATCH_REPORT.fullmatch(path)
        if batch is not None and request.method != "POST":
            return _json(self._batch_report(caller, f"{batch[1]}-job", batch[2]))
        for pages in self.pages:
            answer = pages.answer(caller, request, path)
            if answer is not None:
                return _json(answer)
        found = _DATASET.fullmatch(path)
        changes = found is not None and found[2] == "rollback"
        if found is None or changes != (request.method == "POST"):
            raise not_found(path)
        answers: Mapping[str, Callable[[Resource, HttpRequest], dict[str, Any]]] = {
            "statistics": self._statistics,
            "tables": self._tables,
            "history": self._history,
            "records": self._records,
            "rollback": self._rollback,
        }
        try:
            answer = answers[found[2]](dataset_of(caller, found[1], self.means.store), request)
            if changes:
                self._record(caller, "RollbackDataset", answer)
            return _json(answer)
        except JobFailed as failure:  # the dataset went away meanwhile
            raise not_found(found[1]) from failure

    def _statistics(self, dataset: Resource, _request: HttpRequest) -> dict[str, Any]:
        """Return what the dataset's rows look like, or how far it is to be known."""
        return {"datasetArn": dataset.arn, **describe.statistics_of(dataset, self.means)}

    def _tables(self, dataset: Resource, _request: HttpRequest) -> dict[str, Any]:
        """Return where the dataset's tables lie, for other engines; a table that has no version yet is not there."""
        records = records_of(dataset, self.means)
        tables = {"bulk": records.bulk_table, "put": records.put_table}
        return {
            "datasetArn": dataset.arn,
            "tables": [
                {
                    "store": store,
                    "uri": f"{self.means.storage.uri}/{records.folder}/{store}",
                    "version": version,
                }
                for store, table in tables.items()
                if (version := table.snapshot().version) >= 0
            ],
        }

    def _history(self, dataset: Resource, request: HttpRequest) -> dict[str, Any]:
        """Return the newest versions of the dataset's imported records, or those before one of them."""
        query = request.parameters
        limit = asked.number(query, "limit", versions.PAGE, _MOST_RECORDS)
        before = asked.number(query, "before", 0, 2**62) if "before" in query else None
        found = versions.history(records_of(dataset, self.means), limit, before)
        older = {"before": found[-1]["version"]} if found and found[-1]["version"] > 0 else {}
        return {"datasetArn": dataset.arn, "versions": found, **older}

    def _records(self, dataset: Resource, request: HttpRequest) -> dict[str, Any]:
        """Return the newest records that calls put for one user, item or action, oldest first."""
        query = request.parameters
        key = query.get("id")
        if not key:
            raise invalid_input("id is required: a user's, an item's, an action's or an anonymous session's.")
        limit = asked.number(query, "limit", 100, _MOST_RECORDS)
        found = self.means.store.put_records.history(dataset.seq, key, limit)
        return {
            "datasetArn": dataset.arn,
            "id": key,
            "records": [{"receivedAt": round(at, 3), "record": cells} for at, cells in found],
        }

    def _rollback(self, dataset: Resource, request: HttpRequest) -> dict[str, Any]:
        """Make the imported records what they were in an older version."""
        version: int = asked.body(request, "Rollback")["to"]
        with self.means.store.read() as transaction:
            unfinished = transaction.child(dataset.arn, DATASET_IMPORT_JOB, UNFINISHED)
        if unfinished is not None:
            raise in_use(f"Dataset {dataset.arn} has an import in progress: {unfinished.arn}.")
        try:
            new = versions.rollback(records_of(dataset, self.means), version)
        except LookupError as error:
            raise invalid_input(str(error.args[0])) from error
        return {"datasetArn": dataset.arn, "restored": version, "version": new}

    def _record(self, caller: Caller, name: str, answer: Mapping[str, Any]) -> None:
        """Keep who changed a table, which is in no transaction of the database, as soon as it is changed."""
        record = audit.own_record_of(caller, name, {"datasetArn": answer["datasetArn"]}, answer, time.time())
        with self.means.store.write(lock_of(caller.account, caller.region)) as transaction:
            transaction.append_audit(caller.account, caller.region, record)

    def _import_report(self, caller: Caller, name: str) -> tuple[int, str, bytes]:
        """Return a finished job's report, or how far a running one is."""
        job = self._job(caller, DATASET_IMPORT_JOB, name)
        if job.status in ("ACTIVE", "CREATE FAILED"):
            report = report_of(job, self.means.storage)
            if report is not None:
                return 200, _JSON, report
            # it failed before a row was read, or its dataset is deleted
            return 200, _JSON, json.dumps(_standing(job)).encode()
        return _json({**_standing(job), "progress": self._progress(job.arn)})

    def _deletion_report(self, caller: Caller, name: str) -> dict[str, Any]:
        """Return which versions were trained with users that a job has deleted, or how far it is."""
        job = self._job(caller, DATA_DELETION_JOB, name)
        if job.failure_reason is not None:
            return _standing(job)
        if job.status != "COMPLETED":
            return {**_standing(job), "progress": self._progress(job.arn)}
        return {
            **_standing(job),
            "numDeleted": job.body["numDeleted"],
            "trainedWith": job.private.get("trainedWith", []),  # a job of an earlier Sartor does not say
        }

    def _batch_report(self, caller: Caller, kind: str, name: str) -> dict[str, Any]:
        """Return how a batch job ended, or how far it is."""
        job = self._job(caller, kind, name)
        answer = _standing(job)
        return {**answer, "progress": self._progress(job.arn)} if job.status in UNFINISHED else answer

    def _job(self, caller: Caller, kind: str, name: str) -> Resource:
        """Return a job of the caller's."""
        arn = arn_of(KINDS[kind], caller.region, caller.account, name=name)
        job = self.means.store.get(arn)
        if job is None:
            raise not_found(arn)
        return job

    def _progress(self, arn: str) -> Mapping[str, Any]:
        with self.means.store.read() as transaction:
            task = transaction.task(arn)
        return (task.progress if task is not None else None) or {}


def _standing(job: Resource) -> dict[str, Any]:
    """Return how a job stands."""
    answer: dict[str, Any] = {"jobArn": job.arn, "status": job.status}
    if job.failure_reason is not None:
        answer["failureReason"] = job.failure_reason
    return answer


def _json(answer: Mapping[str, Any]) -> tuple[int, str, bytes]:
    return 200, _JSON, json.dumps(answer, ensure_ascii=False).encode()
