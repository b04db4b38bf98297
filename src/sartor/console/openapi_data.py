"""The OpenAPI description of what lies below ``/sartor/v1`` about data: datasets, jobs of theirs, files, events."""

from collections.abc import Mapping
from typing import Any, Final

from sartor.console.openapi_words import (
    COUNT_OF,
    JSON,
    LIST,
    NUMBER,
    RESOURCE,
    TEXT,
    WHOLE,
    object_of,
    path_of,
)

_FAULT = object_of(
    code=TEXT,
    column=TEXT,
    count=WHOLE,
    rule=TEXT,
    examples={"type": "array", "items": object_of(file=TEXT, line=WHOLE, value=TEXT)},
)
_REPORT = object_of(
    jobArn=TEXT,
    verdict={"type": "string", "enum": ["imported", "failed"]},
    rowsRead=WHOLE,
    rowsImported=WHOLE,
    rowsRejected=WHOLE,
    bytesRead=WHOLE,
    seconds=NUMBER,
    files={"type": "array", "items": object_of(uri=TEXT, bytes=WHOLE, rows=WHOLE)},
    faults={"type": "array", "items": _FAULT},
    warnings={"type": "array", "items": _FAULT},
)
_RUNNING = object_of(
    jobArn=TEXT,
    status=TEXT,
    failureReason=TEXT,
    progress=object_of(
        rowsRead=WHOLE, bytesRead=WHOLE, bytesTotal=WHOLE, rowsPerSecond=NUMBER, secondsLeft=NUMBER
    ),
)
_VERSION = object_of(
    version=WHOLE,
    timestamp=NUMBER,
    action=TEXT,
    jobArn=TEXT,
    rows=WHOLE,
    added=WHOLE,
    replaced=WHOLE,
    removed=WHOLE,
    restorable={"type": "boolean"},
)
_REJECTED = object_of(
    number=WHOLE, datasetArn=TEXT, receivedAt=NUMBER, code=TEXT, reason=TEXT, record={"type": "object"}
)
_PUT_RECORD = object_of(
    number=WHOLE, datasetArn=TEXT, receivedAt=NUMBER, sessionId=TEXT, record={"type": "object"}
)
_STATISTICS = object_of(
    datasetArn=TEXT,
    datasetType=TEXT,
    rows=WHOLE,
    columns={**LIST, "items": object_of(name=TEXT, type=TEXT, nulls=WHOLE, distinct=WHOLE)},
    advice={**LIST, "items": TEXT},
)
_DESCRIBING = object_of(datasetArn=TEXT, status=TEXT, failureReason=TEXT, progress={"type": "object"})
_OF_DATASET: Final = ("path", "datasetArn", True)
#: The description of each path.
DATA_PATHS: Final[Mapping[str, Any]] = {
    "/sartor/v1/import-jobs/{jobName}/report": {
        "get": path_of(
            "The report of a finished dataset import job, or the progress of a running one.",
            {"anyOf": [_REPORT, _RUNNING]},
            ("path", "jobName", True),
        )
    },
    "/sartor/v1/deletion-jobs/{jobName}/report": {
        "get": path_of(
            "Which versions were trained with users that a data deletion job has deleted, or its progress.",
            {
                "anyOf": [
                    object_of(jobArn=TEXT, status=TEXT, numDeleted=WHOLE, trainedWith=LIST),
                    _RUNNING,
                ]
            },
            ("path", "jobName", True),
        )
    },
    "/sartor/v1/batch-inference-jobs/{jobName}/report": {
        "get": path_of(
            "How a batch inference job ended, or its progress.", _RUNNING, ("path", "jobName", True)
        )
    },
    "/sartor/v1/datasets": {
        "get": path_of(
            "Datasets with their rows and how fresh they are, newest first; go on with `next` as `after`.",
            object_of(datasets={**LIST, "items": RESOURCE}, next=TEXT),
            ("query", "search", False),
            ("query", "limit", False),
            ("query", "after", False),
        )
    },
    "/sartor/v1/datasets/{datasetArn}/statistics": {
        "get": path_of(
            "What a dataset's rows look like, and advice; of a very large one, how far it is to find out.",
            {"anyOf": [_STATISTICS, _DESCRIBING]},
            _OF_DATASET,
        )
    },
    "/sartor/v1/datasets/{datasetArn}/tables": {
        "get": path_of(
            "Where the Delta tables of a dataset lie, for other engines: what imports brought, and what calls put.",
            object_of(
                datasetArn=TEXT,
                tables={**LIST, "items": object_of(store=TEXT, uri=TEXT, version=WHOLE)},
            ),
            _OF_DATASET,
        )
    },
    "/sartor/v1/datasets/{datasetArn}/history": {
        "get": path_of(
            "The versions of a dataset's imported records, newest first; of older ones ask with `before`.",
            object_of(datasetArn=TEXT, versions={**LIST, "items": _VERSION}, before=WHOLE),
            _OF_DATASET,
            ("query", "limit", False),
            ("query", "before", False),
        )
    },
    "/sartor/v1/datasets/{datasetArn}/rollback": {
        "post": {
            **path_of(
                "Make the imported records what they were in an older version.",
                object_of(datasetArn=TEXT, restored=WHOLE, version=WHOLE),
                _OF_DATASET,
            ),
            "requestBody": {"content": {JSON: {"schema": object_of(to=WHOLE)}}},
        }
    },
    "/sartor/v1/datasets/{datasetArn}/records": {
        "get": path_of(
            "The newest records that calls put for one user, item, action or session, oldest first.",
            object_of(
                datasetArn=TEXT,
                id=TEXT,
                records={**LIST, "items": object_of(receivedAt=NUMBER, record={"type": "object"})},
            ),
            _OF_DATASET,
            ("query", "id", True),
            ("query", "limit", False),
        )
    },
    "/sartor/v1/files": {
        "get": path_of(
            "Some files of a bucket whose keys begin as a location does; without one, the buckets.",
            object_of(buckets={**LIST, "items": TEXT}, files=LIST, more={"type": "boolean"}),
            ("query", "location", False),
            ("query", "limit", False),
        )
    },
    "/sartor/v1/files/rows": {
        "get": path_of(
            "The first rows of a file, or of the first of a folder.",
            object_of(uri=TEXT, bytes=WHOLE, files=WHOLE, columns={**LIST, "items": TEXT}, rows=LIST),
            ("query", "location", True),
            ("query", "limit", False),
        )
    },
    "/sartor/v1/files/schema": {
        "get": path_of(
            "A schema guessed from a file, and what a person should know of it.",
            object_of(uri=TEXT, schema={"type": "object"}, notes={**LIST, "items": TEXT}),
            ("query", "location", True),
            ("query", "domain", False),
        )
    },
    "/sartor/v1/files/check": {
        "post": {
            **path_of(
                "The report that an import of a file's first 8 MiB would have, with its faulty lines.",
                _REPORT,
            ),
            "requestBody": {
                "content": {JSON: {"schema": object_of(location=TEXT, schema=TEXT, domain=TEXT)}}
            },
        }
    },
    "/sartor/v1/uploads/slice": {
        "post": {
            **path_of(
                "Keep a slice of a file, `at` its first byte; you choose `upload`, 16 to 64 hexadecimal digits.",
                object_of(upload=TEXT, at=WHOLE, bytes=WHOLE),
                ("query", "upload", True),
                ("query", "at", True),
            ),
            "requestBody": {"content": {"application/octet-stream": {}}},
        }
    },
    "/sartor/v1/uploads/finish": {
        "post": {
            **path_of(
                "Make the slices a file of the bucket sartor-uploads.", object_of(uri=TEXT, bytes=WHOLE)
            ),
            "requestBody": {"content": {JSON: {"schema": object_of(upload=TEXT, name=TEXT, bytes=WHOLE)}}},
        }
    },
    "/sartor/v1/events": {
        "get": path_of(
            "The newest records that calls put into a group's datasets, and how many came a second.",
            object_of(
                datasetGroupArn=TEXT,
                perSecond={"type": "object", "additionalProperties": NUMBER},
                records={**LIST, "items": _PUT_RECORD},
            ),
            ("query", "datasetGroupArn", True),
            ("query", "limit", False),
            ("query", "before", False),
        )
    },
    "/sartor/v1/events/rejected": {
        "get": path_of(
            "What calls put and could not be used, newest first, and how often each reason occurred.",
            object_of(counts=COUNT_OF, total=WHOLE, rejected={**LIST, "items": _REJECTED}),
            ("query", "datasetArn", False),
            ("query", "datasetGroupArn", False),
            ("query", "limit", False),
            ("query", "before", False),
        )
    },
}
