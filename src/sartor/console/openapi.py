"""The OpenAPI description of ``/sartor/v1``."""

from collections.abc import Mapping
from typing import Any, Final

from sartor import __version__
from sartor.console.openapi_data import DATA_PATHS
from sartor.console.openapi_models import MODEL_PATHS
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
    post_of,
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
_POLICIES = {**LIST, "items": TEXT}
_KEY = object_of(accessKeyId=TEXT, arn=TEXT, status=TEXT, policies=LIST)
_ROLE = object_of(arn=TEXT, roleId=TEXT, trust={"type": "object"}, policies=LIST, maxSessionSeconds=WHOLE)


_OF_KEY: Final = ("path", "accessKeyId", True)
_OF_ROLE: Final = ("path", "roleName", True)
#: Keys, roles, their policies, and what calls changed.
_ACCESS: Final[Mapping[str, Any]] = {
    "keys": {
        "get": path_of(
            "The access keys of the account, oldest first, with how many policies each has; secrets are in no answer.",
            object_of(keys=LIST),
        ),
        **post_of(
            "Make an access key. This answer alone has its secret.",
            object_of(accessKeyId=TEXT, secretAccessKey=TEXT, account=TEXT),
            object_of(policies=_POLICIES),
        ),
    },
    "keys/{accessKeyId}": {"get": path_of("An access key with its policies.", _KEY, _OF_KEY)},
    "keys/{accessKeyId}/policies": post_of(
        "Give a key policies in the place of those that it has; without one it may do all in its account.",
        _KEY,
        object_of(policies=_POLICIES),
        _OF_KEY,
    ),
    "keys/{accessKeyId}/status": post_of(
        "Let a key sign no more (Inactive), or again (Active).",
        object_of(accessKeyId=TEXT, status=TEXT),
        object_of(status=TEXT),
        _OF_KEY,
    ),
    "keys/{accessKeyId}/delete": post_of("Remove a key.", object_of(accessKeyId=TEXT), object_of(), _OF_KEY),
    "roles": {
        "get": path_of(
            "The roles of the account, by name, with how many policies each has.", object_of(roles=LIST)
        ),
        **post_of(
            "Make a role. Without `trust` whoever may in its account can assume it; without policies it may nothing.",
            _ROLE,
            object_of(name=TEXT, trust=TEXT, policies=_POLICIES, maxSessionSeconds=WHOLE),
        ),
    },
    "roles/{roleName}": {"get": path_of("A role with its trust and its policies.", _ROLE, _OF_ROLE)},
    "roles/{roleName}/policies": post_of(
        "Give a role policies in the place of those that it has.",
        _ROLE,
        object_of(policies=_POLICIES),
        _OF_ROLE,
    ),
    "roles/{roleName}/trust": post_of("Say who may assume a role.", _ROLE, object_of(trust=TEXT), _OF_ROLE),
    "roles/{roleName}/delete": post_of(
        "Remove a role; its sessions end.", object_of(roleArn=TEXT), object_of(), _OF_ROLE
    ),
    "simulation": post_of(
        "What the policies of a key or a role, or drafts of them, say of an action on a resource, and why.",
        object_of(decision=TEXT, why={**LIST, "items": TEXT}, statements=LIST),
        object_of(
            accessKeyId=TEXT,
            roleName=TEXT,
            policies=_POLICIES,
            action=TEXT,
            resource=TEXT,
            context={"type": "object", "additionalProperties": TEXT},
        ),
    ),
    "audit": {
        "get": path_of(
            "What calls changed, newest first, in CloudTrail's shape; go on with `before`.",
            object_of(
                records={**LIST, "items": object_of(number=WHOLE, hash=TEXT, record={"type": "object"})},
                before=WHOLE,
            ),
            *(("query", name, False) for name in ("action", "who", "text", "since", "until")),
            ("query", "limit", False),
            ("query", "before", False),
        )
    },
    "audit/verification": {
        "get": path_of(
            "Whether every record is as it was written, and whether one of an earlier hash is still there.",
            object_of(name=TEXT, records=WHOLE, head=TEXT, fault=TEXT, missing=LIST),
            ("query", "head", False),
        )
    },
}
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
        **{f"/sartor/v1/access/{path}": described for path, described in _ACCESS.items()},
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
