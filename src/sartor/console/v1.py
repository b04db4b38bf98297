"""``/sartor/v1``: what Amazon has no operation for, as JSON."""

import json
from collections.abc import Mapping
from typing import Any, Final

from sartor import __version__
from sartor.data.blobs import Blobs
from sartor.errors import not_found
from sartor.resources.kinds import KINDS, arn_of
from sartor.resources.store import Store
from sartor.wire.sign import Caller
from sartor.work.import_data import report_path

_JSON: Final = "application/json"
_FOLDER: Final = "/sartor/v1/import-jobs/"


class Console:
    """Answers for one service.

    Args:
        store: the metadata database.
        storage: where the reports lie.
    """

    def __init__(self, store: Store, storage: Blobs) -> None:
        self._store = store
        self._storage = storage

    def openapi(self, _caller: Caller | None, _path: str) -> tuple[int, str, bytes]:
        """Return the OpenAPI description."""
        return 200, _JSON, json.dumps(OPENAPI, indent=2).encode()

    def answer(self, caller: Caller | None, path: str) -> tuple[int, str, bytes]:
        """Answer a signed GET below ``/sartor/v1/``.

        Raises:
            ApiError: ``ResourceNotFoundException``: nothing of the caller's lies at the path.
        """
        name, _, last = path.removeprefix(_FOLDER).partition("/")
        if caller is None or not path.startswith(_FOLDER) or last != "report" or not name:
            raise not_found(path)
        return self._import_report(caller, name)

    def _import_report(self, caller: Caller, name: str) -> tuple[int, str, bytes]:
        """Return a finished job's report, or how far a running one is."""
        arn = arn_of(KINDS["dataset-import-job"], caller.region, caller.account, name=name)
        job = self._store.get(arn)
        if job is None:
            raise not_found(arn)
        if job.status in ("ACTIVE", "CREATE FAILED"):
            try:
                return 200, _JSON, self._storage.get(f"{report_path(job)}/report.json")
            except FileNotFoundError:  # it failed before a row was read, or its dataset is deleted
                answer: dict[str, Any] = {"jobArn": arn, "status": job.status}
                if job.failure_reason is not None:
                    answer["failureReason"] = job.failure_reason
                return 200, _JSON, json.dumps(answer).encode()
        with self._store.read() as transaction:
            task = transaction.task(arn)
        progress: Mapping[str, Any] = (task.progress if task is not None else None) or {}
        answer = {"jobArn": arn, "status": job.status, "progress": progress}
        return 200, _JSON, json.dumps(answer).encode()


_NUMBER: Final = {"type": "number"}
_WHOLE: Final = {"type": "integer"}
_TEXT: Final = {"type": "string"}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


_FAULT = _object(
    code=_TEXT,
    column=_TEXT,
    count=_WHOLE,
    rule=_TEXT,
    examples={"type": "array", "items": _object(file=_TEXT, line=_WHOLE, value=_TEXT)},
)
_REPORT = _object(
    jobArn=_TEXT,
    verdict={"type": "string", "enum": ["imported", "failed"]},
    rowsRead=_WHOLE,
    rowsImported=_WHOLE,
    rowsRejected=_WHOLE,
    bytesRead=_WHOLE,
    seconds=_NUMBER,
    files={"type": "array", "items": _object(uri=_TEXT, bytes=_WHOLE, rows=_WHOLE)},
    faults={"type": "array", "items": _FAULT},
)
_RUNNING = _object(
    jobArn=_TEXT,
    status=_TEXT,
    failureReason=_TEXT,
    progress=_object(
        rowsRead=_WHOLE, bytesRead=_WHOLE, bytesTotal=_WHOLE, rowsPerSecond=_NUMBER, secondsLeft=_NUMBER
    ),
)
_SIGNED = {"description": "AWS Signature Version 4 in the Authorization header, for the service personalize."}
#: The description of every path below ``/sartor/v1``.
OPENAPI: Final[Mapping[str, Any]] = {
    "openapi": "3.1.0",
    "info": {"title": "Sartor", "version": __version__, "description": "What Amazon has no operation for."},
    "components": {
        "securitySchemes": {"sigv4": {"type": "apiKey", "in": "header", "name": "Authorization", **_SIGNED}}
    },
    "paths": {
        "/sartor/v1/import-jobs/{jobName}/report": {
            "get": {
                "summary": "The report of a finished dataset import job, or the progress of a running one.",
                "security": [{"sigv4": []}],
                "parameters": [{"name": "jobName", "in": "path", "required": True, "schema": _TEXT}],
                "responses": {
                    "200": {
                        "description": "The report, or the progress.",
                        "content": {_JSON: {"schema": {"anyOf": [_REPORT, _RUNNING]}}},
                    },
                    "400": {"description": "There is no such job of the caller's, in this region."},
                },
            }
        }
    },
}
