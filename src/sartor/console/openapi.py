"""The OpenAPI description of ``/sartor/v1``."""

from collections.abc import Mapping
from typing import Any, Final

from sartor import __version__
from sartor.console.openapi_access import ACCESS
from sartor.console.openapi_data import DATA_PATHS
from sartor.console.openapi_models import MODEL_PATHS
from sartor.console.openapi_outcomes import OUTCOMES
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

_WORK = object_of(
    arn=TEXT,
    kind=TEXT,
    name=TEXT,
    verb=TEXT,
    lane=TEXT,
    state={"type": "string", "enum": ["running", "waiting"]},
    attempt=WHOLE,
    seconds=NUMBER,
    progress={"type": "object"},
    waitsFor={**LIST, "items": TEXT},
    running=WHOLE,
    before=WHOLE,
)
_DECLARED = object_of(
    campaignArn=TEXT,
    recommenderArn=TEXT,
    userId=TEXT,
    itemId=TEXT,
    itemList={**LIST, "items": object_of(itemId=TEXT, score=NUMBER)},
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
        "/sartor/v1/console/links": {
            "post": path_of(
                "The path of a link that signs a browser in to the console as the caller, once, in two minutes.",
                object_of(path=TEXT),
            )
        },
        **{f"/sartor/v1/access/{path}": described for path, described in ACCESS.items()},
        **OUTCOMES,
        "/sartor/v1/overview": {
            "get": path_of(
                "The newest groups with their datasets' rows, the newest models with their quality, what is deployed.",
                object_of(groups=LIST, models=LIST, deployed=LIST),
                ("query", "limit", False),
            )
        },
        "/sartor/v1/traffic": {
            "get": path_of(
                "Requests a second, refused ones and p99 of this process, over the last minute.",
                object_of(seconds=NUMBER, operations={"type": "object"}, answers={"type": "object"}),
            )
        },
        "/sartor/v1/jobs": {
            "get": path_of(
                "Jobs and trainings that run, wait or ran, newest first; go on with `next` as `after`.",
                object_of(jobs={**LIST, "items": RESOURCE}, next=TEXT),
                ("query", "kinds", False),
                ("query", "state", False),
                ("query", "search", False),
                ("query", "limit", False),
                ("query", "after", False),
            )
        },
        "/sartor/v1/jobs/stop": {
            "post": {
                **path_of(
                    "Stop an import, an export or a batch job that waits or runs: it fails, and nothing of it is kept.",
                    object_of(jobArn=TEXT, status=TEXT),
                ),
                "requestBody": {"content": {JSON: {"schema": object_of(jobArn=TEXT)}}},
            }
        },
        **DATA_PATHS,
        **MODEL_PATHS,
        "/sartor/v1/resources": {
            "get": path_of(
                "The newest resources by kind, or those of a name: `shop/ITEMS`, or of a solution its newest version.",
                object_of(resources={**LIST, "items": RESOURCE}),
                ("query", "kinds", False),
                ("query", "name", False),
                ("query", "limit", False),
            )
        },
        "/sartor/v1/status": {
            "get": path_of(
                "How many resources there are, what runs, and what waits for what.",
                object_of(version=TEXT, resources=COUNT_OF, work={**LIST, "items": _WORK}),
            )
        },
        "/sartor/v1/for-tests/answers": {
            "post": {
                **path_of(
                    "With `--for-tests`: let a campaign or recommender, which need not exist, answer with these items, "
                    "to one user or item alone if they are named; without `itemList` no more.",
                    object_of(campaignArn=TEXT, recommenderArn=TEXT, declared=WHOLE),
                ),
                "requestBody": {"content": {JSON: {"schema": _DECLARED}}},
            }
        },
        "/sartor/v1/for-tests/clock": {
            "post": {
                **path_of(
                    "With `--for-tests`: set the clock ahead.", object_of(aheadSeconds=NUMBER, now=NUMBER)
                ),
                "requestBody": {"content": {JSON: {"schema": object_of(seconds=NUMBER)}}},
            }
        },
    },
}
