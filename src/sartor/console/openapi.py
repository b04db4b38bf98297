"""The OpenAPI description of ``/sartor/v1``."""

from collections.abc import Mapping
from typing import Any, Final

from sartor import __version__
from sartor.resources.kind_names import RECOMMENDER, SOLUTION_VERSION

_JSON: Final = "application/json"
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
    warnings={"type": "array", "items": _FAULT},
)
_RUNNING = _object(
    jobArn=_TEXT,
    status=_TEXT,
    failureReason=_TEXT,
    progress=_object(
        rowsRead=_WHOLE, bytesRead=_WHOLE, bytesTotal=_WHOLE, rowsPerSecond=_NUMBER, secondsLeft=_NUMBER
    ),
)
_LIST = {"type": "array"}
_VERSION = _object(
    version=_WHOLE,
    timestamp=_NUMBER,
    action=_TEXT,
    jobArn=_TEXT,
    rows=_WHOLE,
    added=_WHOLE,
    replaced=_WHOLE,
    removed=_WHOLE,
    restorable={"type": "boolean"},
)
_REJECTED = _object(
    number=_WHOLE, datasetArn=_TEXT, receivedAt=_NUMBER, code=_TEXT, reason=_TEXT, record={"type": "object"}
)
_PUT_RECORD = _object(
    number=_WHOLE, datasetArn=_TEXT, receivedAt=_NUMBER, sessionId=_TEXT, record={"type": "object"}
)
_RESOURCE = _object(
    kind=_TEXT, name=_TEXT, arn=_TEXT, status=_TEXT, failureReason=_TEXT, createdAt=_NUMBER, updatedAt=_NUMBER
)
_WORK = _object(
    arn=_TEXT,
    kind=_TEXT,
    name=_TEXT,
    verb=_TEXT,
    lane=_TEXT,
    state={"type": "string", "enum": ["running", "waiting"]},
    attempt=_WHOLE,
    seconds=_NUMBER,
    progress={"type": "object"},
    waitsFor={**_LIST, "items": _TEXT},
    running=_WHOLE,
    before=_WHOLE,
)
_DECLARED = _object(
    campaignArn=_TEXT,
    recommenderArn=_TEXT,
    userId=_TEXT,
    itemId=_TEXT,
    itemList={**_LIST, "items": _object(itemId=_TEXT, score=_NUMBER)},
)
_TITLES = {"type": "object", "additionalProperties": _TEXT}
_COUNT_OF = {"type": "object", "additionalProperties": _WHOLE}
_USER = _object(userId=_TEXT, typical=_TEXT, interactions=_WHOLE, newestAt=_NUMBER)
_ITEM = _object(itemId=_TEXT, title=_TEXT, image=_TEXT, eventType=_TEXT, timestamp=_NUMBER)
_STATISTICS = _object(
    datasetArn=_TEXT,
    datasetType=_TEXT,
    rows=_WHOLE,
    columns={**_LIST, "items": _object(name=_TEXT, type=_TEXT, nulls=_WHOLE, distinct=_WHOLE)},
    advice={**_LIST, "items": _TEXT},
)
_DESCRIBING = _object(datasetArn=_TEXT, status=_TEXT, failureReason=_TEXT, progress={"type": "object"})
#: Intervals by metric, and by the model they are of.
_INTERVALS = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "additionalProperties": _object(value=_NUMBER, low=_NUMBER, high=_NUMBER),
    },
}
_EXAMINATION = _object(
    split={"type": "string", "enum": ["users", "time", "age", "nothing"]},
    model=_TEXT,
    standsIn={"type": "boolean"},
    unit=_TEXT,
    asked=_WHOLE,
    knownUntil=_WHOLE,
    confidence=_NUMBER,
    decides=_TEXT,
    metrics=_INTERVALS,
    differences=_INTERVALS,
)
_POLICIES = {**_LIST, "items": _TEXT}
_KEY = _object(accessKeyId=_TEXT, arn=_TEXT, status=_TEXT, policies=_LIST)
_ROLE = _object(arn=_TEXT, roleId=_TEXT, trust={"type": "object"}, policies=_LIST, maxSessionSeconds=_WHOLE)


def _path(summary: str, answer: Mapping[str, Any], *parameters: tuple[str, str, bool]) -> dict[str, Any]:
    """Return the description of one operation; a parameter has its place, its name and whether it must be."""
    return {
        "summary": summary,
        "security": [{"sigv4": []}],
        "parameters": [
            {"name": name, "in": place, "required": required, "schema": _TEXT}
            for place, name, required in parameters
        ],
        "responses": {
            "200": {"description": summary, "content": {_JSON: {"schema": answer}}},
            "400": {"description": "The request has a fault."},
            "404": {"description": "There is no such thing of the caller's in this region."},
        },
    }


def _post(
    summary: str, answer: Mapping[str, Any], body: Mapping[str, Any], *parameters: tuple[str, str, bool]
) -> dict[str, Any]:
    """Return the description of a POST of members."""
    return {
        "post": {
            **_path(summary, answer, *parameters),
            "requestBody": {"content": {_JSON: {"schema": body}}},
        }
    }


_OF_KEY: Final = ("path", "accessKeyId", True)
_OF_ROLE: Final = ("path", "roleName", True)
#: Keys, roles, their policies, and what calls changed.
_ACCESS: Final[Mapping[str, Any]] = {
    "keys": {
        "get": _path(
            "The access keys of the account, oldest first, with how many policies each has; secrets are in no answer.",
            _object(keys=_LIST),
        ),
        **_post(
            "Make an access key. This answer alone has its secret.",
            _object(accessKeyId=_TEXT, secretAccessKey=_TEXT, account=_TEXT),
            _object(policies=_POLICIES),
        ),
    },
    "keys/{accessKeyId}": {"get": _path("An access key with its policies.", _KEY, _OF_KEY)},
    "keys/{accessKeyId}/policies": _post(
        "Give a key policies in the place of those that it has; without one it may do all in its account.",
        _KEY,
        _object(policies=_POLICIES),
        _OF_KEY,
    ),
    "keys/{accessKeyId}/status": _post(
        "Let a key sign no more (Inactive), or again (Active).",
        _object(accessKeyId=_TEXT, status=_TEXT),
        _object(status=_TEXT),
        _OF_KEY,
    ),
    "keys/{accessKeyId}/delete": _post("Remove a key.", _object(accessKeyId=_TEXT), _object(), _OF_KEY),
    "roles": {
        "get": _path(
            "The roles of the account, by name, with how many policies each has.", _object(roles=_LIST)
        ),
        **_post(
            "Make a role. Without `trust` whoever may in its account can assume it; without policies it may nothing.",
            _ROLE,
            _object(name=_TEXT, trust=_TEXT, policies=_POLICIES, maxSessionSeconds=_WHOLE),
        ),
    },
    "roles/{roleName}": {"get": _path("A role with its trust and its policies.", _ROLE, _OF_ROLE)},
    "roles/{roleName}/policies": _post(
        "Give a role policies in the place of those that it has.",
        _ROLE,
        _object(policies=_POLICIES),
        _OF_ROLE,
    ),
    "roles/{roleName}/trust": _post("Say who may assume a role.", _ROLE, _object(trust=_TEXT), _OF_ROLE),
    "roles/{roleName}/delete": _post(
        "Remove a role; its sessions end.", _object(roleArn=_TEXT), _object(), _OF_ROLE
    ),
    "simulation": _post(
        "What the policies of a key or a role, or drafts of them, say of an action on a resource, and why.",
        _object(decision=_TEXT, why={**_LIST, "items": _TEXT}, statements=_LIST),
        _object(
            accessKeyId=_TEXT,
            roleName=_TEXT,
            policies=_POLICIES,
            action=_TEXT,
            resource=_TEXT,
            context={"type": "object", "additionalProperties": _TEXT},
        ),
    ),
    "audit": {
        "get": _path(
            "What calls changed, newest first, in CloudTrail's shape; go on with `before`.",
            _object(
                records={**_LIST, "items": _object(number=_WHOLE, hash=_TEXT, record={"type": "object"})},
                before=_WHOLE,
            ),
            *(("query", name, False) for name in ("action", "who", "text", "since", "until")),
            ("query", "limit", False),
            ("query", "before", False),
        )
    },
    "audit/verification": {
        "get": _path(
            "Whether every record is as it was written, and whether one of an earlier hash is still there.",
            _object(name=_TEXT, records=_WHOLE, head=_TEXT, fault=_TEXT, missing=_LIST),
            ("query", "head", False),
        )
    },
}
_OF_DATASET: Final = ("path", "datasetArn", True)
_SIGNED = {"description": "AWS Signature Version 4 in the Authorization header, for the service personalize."}
#: The description of every path below ``/sartor/v1``.
OPENAPI: Final[Mapping[str, Any]] = {
    "openapi": "3.1.0",
    "info": {"title": "Sartor", "version": __version__, "description": "What Amazon has no operation for."},
    "components": {
        "securitySchemes": {"sigv4": {"type": "apiKey", "in": "header", "name": "Authorization", **_SIGNED}}
    },
    "paths": {
        "/sartor/v1/console/links": {
            "post": _path(
                "The path of a link that signs a browser in to the console as the caller, once, in two minutes.",
                _object(path=_TEXT),
            )
        },
        **{f"/sartor/v1/access/{path}": described for path, described in _ACCESS.items()},
        "/sartor/v1/overview": {
            "get": _path(
                "The newest groups with their datasets' rows, the newest models with their quality, what is deployed.",
                _object(groups=_LIST, models=_LIST, deployed=_LIST),
                ("query", "limit", False),
            )
        },
        "/sartor/v1/traffic": {
            "get": _path(
                "Requests a second, refused ones and p99 of this process, over the last minute.",
                _object(seconds=_NUMBER, operations={"type": "object"}, answers={"type": "object"}),
            )
        },
        "/sartor/v1/jobs": {
            "get": _path(
                "Jobs and trainings that run, wait or ran, newest first; go on with `next` as `after`.",
                _object(jobs={**_LIST, "items": _RESOURCE}, next=_TEXT),
                ("query", "kinds", False),
                ("query", "state", False),
                ("query", "search", False),
                ("query", "limit", False),
                ("query", "after", False),
            )
        },
        "/sartor/v1/jobs/stop": {
            "post": {
                **_path(
                    "Stop an import, an export or a batch job that waits or runs: it fails, and nothing of it is kept.",
                    _object(jobArn=_TEXT, status=_TEXT),
                ),
                "requestBody": {"content": {_JSON: {"schema": _object(jobArn=_TEXT)}}},
            }
        },
        "/sartor/v1/import-jobs/{jobName}/report": {
            "get": _path(
                "The report of a finished dataset import job, or the progress of a running one.",
                {"anyOf": [_REPORT, _RUNNING]},
                ("path", "jobName", True),
            )
        },
        "/sartor/v1/deletion-jobs/{jobName}/report": {
            "get": _path(
                "Which versions were trained with users that a data deletion job has deleted, or its progress.",
                {
                    "anyOf": [
                        _object(jobArn=_TEXT, status=_TEXT, numDeleted=_WHOLE, trainedWith=_LIST),
                        _RUNNING,
                    ]
                },
                ("path", "jobName", True),
            )
        },
        "/sartor/v1/batch-inference-jobs/{jobName}/report": {
            "get": _path(
                "How a batch inference job ended, or its progress.", _RUNNING, ("path", "jobName", True)
            )
        },
        "/sartor/v1/datasets": {
            "get": _path(
                "Datasets with their rows and how fresh they are, newest first; go on with `next` as `after`.",
                _object(datasets={**_LIST, "items": _RESOURCE}, next=_TEXT),
                ("query", "search", False),
                ("query", "limit", False),
                ("query", "after", False),
            )
        },
        "/sartor/v1/datasets/{datasetArn}/statistics": {
            "get": _path(
                "What a dataset's rows look like, and advice; of a very large one, how far it is to find out.",
                {"anyOf": [_STATISTICS, _DESCRIBING]},
                _OF_DATASET,
            )
        },
        "/sartor/v1/datasets/{datasetArn}/tables": {
            "get": _path(
                "Where the Delta tables of a dataset lie, for other engines: what imports brought, and what calls put.",
                _object(
                    datasetArn=_TEXT,
                    tables={**_LIST, "items": _object(store=_TEXT, uri=_TEXT, version=_WHOLE)},
                ),
                _OF_DATASET,
            )
        },
        "/sartor/v1/datasets/{datasetArn}/history": {
            "get": _path(
                "The versions of a dataset's imported records, newest first; of older ones ask with `before`.",
                _object(datasetArn=_TEXT, versions={**_LIST, "items": _VERSION}, before=_WHOLE),
                _OF_DATASET,
                ("query", "limit", False),
                ("query", "before", False),
            )
        },
        "/sartor/v1/datasets/{datasetArn}/rollback": {
            "post": {
                **_path(
                    "Make the imported records what they were in an older version.",
                    _object(datasetArn=_TEXT, restored=_WHOLE, version=_WHOLE),
                    _OF_DATASET,
                ),
                "requestBody": {"content": {_JSON: {"schema": _object(to=_WHOLE)}}},
            }
        },
        "/sartor/v1/datasets/{datasetArn}/records": {
            "get": _path(
                "The newest records that calls put for one user, item, action or session, oldest first.",
                _object(
                    datasetArn=_TEXT,
                    id=_TEXT,
                    records={**_LIST, "items": _object(receivedAt=_NUMBER, record={"type": "object"})},
                ),
                _OF_DATASET,
                ("query", "id", True),
                ("query", "limit", False),
            )
        },
        **{
            f"/sartor/v1/{kind}s/{{{member}}}": {
                "get": _path(
                    "How far a training is; once it is done, its metrics, how it stands beside baselines, and, as "
                    "``record``, its provenance with what should be said of it as ``warnings``.",
                    _object(
                        **{member: _TEXT},
                        status=_TEXT,
                        failureReason=_TEXT,
                        attempt=_WHOLE,
                        progress={"type": "object"},
                        metrics={"type": "object", "additionalProperties": _NUMBER},
                        evaluation={**_LIST, "items": _EXAMINATION},
                        record={**_object(warnings={**_LIST, "items": _TEXT}), "additionalProperties": True},
                        forgotten=_LIST,
                        trainingFailed=_TEXT,
                    ),
                    ("path", member, True),
                )
            }
            for kind, member in (
                (SOLUTION_VERSION, "solutionVersionArn"),
                (RECOMMENDER, "recommenderArn"),
            )
        },
        "/sartor/v1/resources": {
            "get": _path(
                "The newest resources by kind, or those of a name: `shop/ITEMS`, or of a solution its newest version.",
                _object(resources={**_LIST, "items": _RESOURCE}),
                ("query", "kinds", False),
                ("query", "name", False),
                ("query", "limit", False),
            )
        },
        "/sartor/v1/status": {
            "get": _path(
                "How many resources there are, what runs, and what waits for what.",
                _object(version=_TEXT, resources=_COUNT_OF, work={**_LIST, "items": _WORK}),
            )
        },
        "/sartor/v1/models": {
            "get": _path(
                "What was trained, newest first, with the metric that decides; go on with `next` as `after`.",
                _object(models={**_LIST, "items": _RESOURCE}, next=_TEXT),
                ("query", "search", False),
                ("query", "limit", False),
                ("query", "after", False),
            )
        },
        "/sartor/v1/models/compare": {
            "post": {
                **_path(
                    "What two versions recommend to the same users, or beside the same items, without exploring.",
                    _object(one=_TEXT, other=_TEXT, by=_TEXT, numResults=_WHOLE, answers=_LIST),
                ),
                "requestBody": {
                    "content": {
                        _JSON: {"schema": _object(one=_TEXT, other=_TEXT, users=_WHOLE, numResults=_WHOLE)}
                    }
                },
            }
        },
        "/sartor/v1/deployed": {
            "get": _path(
                "The newest campaigns and recommenders, with the recipe of each and how it is asked.",
                _object(deployed={**_LIST, "items": _RESOURCE}),
                ("query", "limit", False),
            )
        },
        "/sartor/v1/deployed/{arn}": {
            "get": _path(
                "What a campaign or a recommender serves, and how it is asked.",
                _object(
                    arn=_TEXT,
                    solutionVersionArn=_TEXT,
                    datasetGroupArn=_TEXT,
                    recipe=_TEXT,
                    operation=_TEXT,
                    needs=_TEXT,
                    eventTypes=_LIST,
                    users=_WHOLE,
                    items=_WHOLE,
                ),
                ("path", "arn", True),
            )
        },
        "/sartor/v1/deployed/{arn}/users": {
            "get": _path(
                "Users of the training whose ids begin with a text, and typical ones.",
                _object(users={**_LIST, "items": _USER}, typical={**_LIST, "items": _USER}),
                ("path", "arn", True),
                ("query", "search", False),
                ("query", "limit", False),
            )
        },
        "/sartor/v1/deployed/{arn}/history": {
            "get": _path(
                "What a user did as filters see it, newest first, and the user's attributes.",
                _object(
                    userId=_TEXT,
                    isKnown={"type": "boolean"},
                    attributes=_TITLES,
                    interactions=_WHOLE,
                    history={**_LIST, "items": _ITEM},
                ),
                ("path", "arn", True),
                ("query", "userId", True),
                ("query", "limit", False),
            )
        },
        "/sartor/v1/deployed/{arn}/items": {
            "get": _path(
                "Items whose titles have a text, or those that most users met, with titles and images.",
                _object(items={**_LIST, "items": _ITEM}),
                ("path", "arn", True),
                ("query", "search", False),
                ("query", "limit", False),
            ),
            "post": {
                **_path(
                    "Titles and images of items.",
                    _object(items={**_LIST, "items": _ITEM}),
                    ("path", "arn", True),
                ),
                "requestBody": {"content": {_JSON: {"schema": _object(itemIds={**_LIST, "items": _TEXT})}}},
            },
        },
        "/sartor/v1/explain": {
            "post": {
                **_path(
                    "Why GetRecommendations answers as it does: model, data, removed items, evidence.",
                    _object(
                        campaignArn=_TEXT,
                        recommenderArn=_TEXT,
                        solutionVersionArn=_TEXT,
                        recipe=_TEXT,
                        model=_TEXT,
                        unknownUser={"type": "boolean"},
                        history={**_LIST, "items": _TEXT},
                        titles=_TITLES,
                        images=_TITLES,
                        items={**_LIST, "items": _object(itemId=_TEXT, score=_NUMBER, evidence=_LIST)},
                        removed={
                            **_LIST,
                            "items": _object(filterArn=_TEXT, rule=_TEXT, items=_WHOLE, ofTheBest=_LIST),
                        },
                    ),
                ),
                "requestBody": {
                    "content": {
                        _JSON: {
                            "schema": _object(
                                campaignArn=_TEXT, recommenderArn=_TEXT, userId=_TEXT, filterExpression=_TEXT
                            )
                        }
                    }
                },
            }
        },
        "/sartor/v1/filters/test": {
            "post": {
                **_path(
                    "What a filter expression keeps of a dataset group's items.",
                    _object(
                        items=_WHOLE,
                        kept=_WHOLE,
                        removed=_WHOLE,
                        keptExamples=_LIST,
                        removedExamples=_LIST,
                        titles=_TITLES,
                        images=_TITLES,
                    ),
                ),
                "requestBody": {
                    "content": {
                        _JSON: {
                            "schema": _object(datasetGroupArn=_TEXT, filterExpression=_TEXT, userId=_TEXT)
                        }
                    }
                },
            }
        },
        "/sartor/v1/for-tests/answers": {
            "post": {
                **_path(
                    "With `--for-tests`: let a campaign or recommender, which need not exist, answer with these items, "
                    "to one user or item alone if they are named; without `itemList` no more.",
                    _object(campaignArn=_TEXT, recommenderArn=_TEXT, declared=_WHOLE),
                ),
                "requestBody": {"content": {_JSON: {"schema": _DECLARED}}},
            }
        },
        "/sartor/v1/for-tests/clock": {
            "post": {
                **_path(
                    "With `--for-tests`: set the clock ahead.", _object(aheadSeconds=_NUMBER, now=_NUMBER)
                ),
                "requestBody": {"content": {_JSON: {"schema": _object(seconds=_NUMBER)}}},
            }
        },
        "/sartor/v1/files": {
            "get": _path(
                "Some files of a bucket whose keys begin as a location does; without one, the buckets.",
                _object(buckets={**_LIST, "items": _TEXT}, files=_LIST, more={"type": "boolean"}),
                ("query", "location", False),
                ("query", "limit", False),
            )
        },
        "/sartor/v1/files/rows": {
            "get": _path(
                "The first rows of a file, or of the first of a folder.",
                _object(uri=_TEXT, bytes=_WHOLE, files=_WHOLE, columns={**_LIST, "items": _TEXT}, rows=_LIST),
                ("query", "location", True),
                ("query", "limit", False),
            )
        },
        "/sartor/v1/files/schema": {
            "get": _path(
                "A schema guessed from a file, and what a person should know of it.",
                _object(uri=_TEXT, schema={"type": "object"}, notes={**_LIST, "items": _TEXT}),
                ("query", "location", True),
                ("query", "domain", False),
            )
        },
        "/sartor/v1/files/check": {
            "post": {
                **_path(
                    "The report that an import of a file's first 16 MiB would have, with its faulty lines.",
                    _REPORT,
                ),
                "requestBody": {
                    "content": {_JSON: {"schema": _object(location=_TEXT, schema=_TEXT, domain=_TEXT)}}
                },
            }
        },
        "/sartor/v1/uploads/slice": {
            "post": {
                **_path(
                    "Keep a slice of a file, `at` its first byte; you choose `upload`, 16 to 64 hexadecimal digits.",
                    _object(upload=_TEXT, at=_WHOLE, bytes=_WHOLE),
                    ("query", "upload", True),
                    ("query", "at", True),
                ),
                "requestBody": {"content": {"application/octet-stream": {}}},
            }
        },
        "/sartor/v1/uploads/finish": {
            "post": {
                **_path(
                    "Make the slices a file of the bucket sartor-uploads.", _object(uri=_TEXT, bytes=_WHOLE)
                ),
                "requestBody": {
                    "content": {_JSON: {"schema": _object(upload=_TEXT, name=_TEXT, bytes=_WHOLE)}}
                },
            }
        },
        "/sartor/v1/events": {
            "get": _path(
                "The newest records that calls put into a group's datasets, and how many came a second.",
                _object(
                    datasetGroupArn=_TEXT,
                    perSecond={"type": "object", "additionalProperties": _NUMBER},
                    records={**_LIST, "items": _PUT_RECORD},
                ),
                ("query", "datasetGroupArn", True),
                ("query", "limit", False),
                ("query", "before", False),
            )
        },
        "/sartor/v1/events/rejected": {
            "get": _path(
                "What calls put and could not be used, newest first, and how often each reason occurred.",
                _object(counts=_COUNT_OF, total=_WHOLE, rejected={**_LIST, "items": _REJECTED}),
                ("query", "datasetArn", False),
                ("query", "datasetGroupArn", False),
                ("query", "limit", False),
                ("query", "before", False),
            )
        },
    },
}
