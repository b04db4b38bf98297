"""The description of the paths about models: trainings, comparisons, whom one can ask about, explanations, filters."""

from collections.abc import Mapping
from typing import Any, Final

from sartor.console.openapi_words import JSON, LIST, NUMBER, RESOURCE, TEXT, WHOLE, object_of, path_of
from sartor.resources.kind_names import RECOMMENDER, SOLUTION_VERSION

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
#: By path.
MODEL_PATHS: Final[Mapping[str, Any]] = {
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
                    verifying={"type": "object"},
                    verified={"type": "object"},
                    verificationFailed=TEXT,
                ),
                ("path", member, True),
            )
        }
        for kind, member in (
            (SOLUTION_VERSION, "solutionVersionArn"),
            (RECOMMENDER, "recommenderArn"),
        )
    },
    **{
        f"/sartor/v1/{word}s/{{{member}}}/verify": {
            "post": {
                **path_of(
                    "Train it again from its provenance as a task, and compare: `verified` of its training says.",
                    object_of(**{member: TEXT}, verifying={"type": "object"}),
                    ("path", member, True),
                ),
                "requestBody": {"content": {JSON: {"schema": object_of(force={"type": "boolean"})}}},
            }
        }
        for word, member in (
            (SOLUTION_VERSION, "solutionVersionArn"),
            (RECOMMENDER, "recommenderArn"),
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
                "content": {JSON: {"schema": object_of(one=TEXT, other=TEXT, users=WHOLE, numResults=WHOLE)}}
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
}
