"""The OpenAPI description of ``/sartor/v1``."""

from collections.abc import Mapping
from typing import Any, Final

from sartor import __version__
from sartor.console.openapi_data import DATA_PATHS
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
from sartor.resources.kind_names import RECOMMENDER, SOLUTION_VERSION

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
_TITLES = {"type": "object", "additionalProperties": TEXT}
_USER = object_of(userId=TEXT, typical=TEXT, interactions=WHOLE, newestAt=NUMBER)
_ITEM = object_of(itemId=TEXT, title=TEXT, image=TEXT, eventType=TEXT, timestamp=NUMBER)
#: Intervals by metric, and by the model they are of.
_INTERVALS = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "additionalProperties": object_of(value=NUMBER, low=NUMBER, high=NUMBER),
    },
}
_EXAMINATION = object_of(
    split={"type": "string", "enum": ["users", "time", "age", "nothing"]},
    model=TEXT,
    standsIn={"type": "boolean"},
    unit=TEXT,
    asked=WHOLE,
    knownUntil=WHOLE,
    confidence=NUMBER,
    decides=TEXT,
    metrics=_INTERVALS,
    differences=_INTERVALS,
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
        **{
            f"/sartor/v1/{kind}s/{{{member}}}": {
                "get": path_of(
                    "How far a training is; once it is done, its metrics, how it stands beside baselines, and, as "
                    "``record``, its provenance with what should be said of it as ``warnings``.",
                    object_of(
                        **{member: TEXT},
                        status=TEXT,
                        failureReason=TEXT,
                        attempt=WHOLE,
                        progress={"type": "object"},
                        metrics={"type": "object", "additionalProperties": NUMBER},
                        evaluation={**LIST, "items": _EXAMINATION},
                        record={**object_of(warnings={**LIST, "items": TEXT}), "additionalProperties": True},
                        forgotten=LIST,
                        trainingFailed=TEXT,
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
        "/sartor/v1/models": {
            "get": path_of(
                "What was trained, newest first, with the metric that decides; go on with `next` as `after`.",
                object_of(models={**LIST, "items": RESOURCE}, next=TEXT),
                ("query", "search", False),
                ("query", "limit", False),
                ("query", "after", False),
            )
        },
        "/sartor/v1/models/compare": {
            "post": {
                **path_of(
                    "What two versions recommend to the same users, or beside the same items, without exploring.",
                    object_of(one=TEXT, other=TEXT, by=TEXT, numResults=WHOLE, answers=LIST),
                ),
                "requestBody": {
                    "content": {
                        JSON: {"schema": object_of(one=TEXT, other=TEXT, users=WHOLE, numResults=WHOLE)}
                    }
                },
            }
        },
        "/sartor/v1/deployed": {
            "get": path_of(
                "The newest campaigns and recommenders, with the recipe of each and how it is asked.",
                object_of(deployed={**LIST, "items": RESOURCE}),
                ("query", "limit", False),
            )
        },
        "/sartor/v1/deployed/{arn}": {
            "get": path_of(
                "What a campaign or a recommender serves, and how it is asked.",
                object_of(
                    arn=TEXT,
                    solutionVersionArn=TEXT,
                    datasetGroupArn=TEXT,
                    recipe=TEXT,
                    operation=TEXT,
                    needs=TEXT,
                    eventTypes=LIST,
                    users=WHOLE,
                    items=WHOLE,
                ),
                ("path", "arn", True),
            )
        },
        "/sartor/v1/deployed/{arn}/users": {
            "get": path_of(
                "Users of the training whose ids begin with a text, and typical ones.",
                object_of(users={**LIST, "items": _USER}, typical={**LIST, "items": _USER}),
                ("path", "arn", True),
                ("query", "search", False),
                ("query", "limit", False),
            )
        },
        "/sartor/v1/deployed/{arn}/history": {
            "get": path_of(
                "What a user did as filters see it, newest first, and the user's attributes.",
                object_of(
                    userId=TEXT,
                    isKnown={"type": "boolean"},
                    attributes=_TITLES,
                    interactions=WHOLE,
                    history={**LIST, "items": _ITEM},
                ),
                ("path", "arn", True),
                ("query", "userId", True),
                ("query", "limit", False),
            )
        },
        "/sartor/v1/deployed/{arn}/items": {
            "get": path_of(
                "Items whose titles have a text, or those that most users met, with titles and images.",
                object_of(items={**LIST, "items": _ITEM}),
                ("path", "arn", True),
                ("query", "search", False),
                ("query", "limit", False),
            ),
            "post": {
                **path_of(
                    "Titles and images of items.",
                    object_of(items={**LIST, "items": _ITEM}),
                    ("path", "arn", True),
                ),
                "requestBody": {"content": {JSON: {"schema": object_of(itemIds={**LIST, "items": TEXT})}}},
            },
        },
        "/sartor/v1/explain": {
            "post": {
                **path_of(
                    "Why GetRecommendations answers as it does: model, data, removed items, evidence.",
                    object_of(
                        campaignArn=TEXT,
                        recommenderArn=TEXT,
                        solutionVersionArn=TEXT,
                        recipe=TEXT,
                        model=TEXT,
                        unknownUser={"type": "boolean"},
                        history={**LIST, "items": TEXT},
                        titles=_TITLES,
                        images=_TITLES,
                        items={**LIST, "items": object_of(itemId=TEXT, score=NUMBER, evidence=LIST)},
                        removed={
                            **LIST,
                            "items": object_of(filterArn=TEXT, rule=TEXT, items=WHOLE, ofTheBest=LIST),
                        },
                    ),
                ),
                "requestBody": {
                    "content": {
                        JSON: {
                            "schema": object_of(
                                campaignArn=TEXT, recommenderArn=TEXT, userId=TEXT, filterExpression=TEXT
                            )
                        }
                    }
                },
            }
        },
        "/sartor/v1/filters/test": {
            "post": {
                **path_of(
                    "What a filter expression keeps of a dataset group's items.",
                    object_of(
                        items=WHOLE,
                        kept=WHOLE,
                        removed=WHOLE,
                        keptExamples=LIST,
                        removedExamples=LIST,
                        titles=_TITLES,
                        images=_TITLES,
                    ),
                ),
                "requestBody": {
                    "content": {
                        JSON: {"schema": object_of(datasetGroupArn=TEXT, filterExpression=TEXT, userId=TEXT)}
                    }
                },
            }
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
