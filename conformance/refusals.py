"""Requests that the service model allows and Amazon refuses, a row each, with what is known of the answer's words."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

from conformance import data
from conformance.checks import Check
from conformance.made import ACTIONS, RANKING, USE_CASE, USER_PERSONALIZATION
from conformance.world import ROLE, World

_INVALID: Final = "InvalidInputException"


class Refusal(NamedTuple):
    """A request that is refused.

    Attributes:
        operation: that is asked.
        says: what is wrong with it, after "refuses".
        members: of the request, of which ``name`` and ``jobName`` are added if they are missing.
        words: that the message begins with or has in it.
        code: of the error.
    """

    operation: str
    says: str
    members: Callable[[World], dict[str, Any]]
    words: str = ""
    code: str = _INVALID

    def check(self) -> Check:
        """Return the refusal as a check."""
        return Check(self.operation, "wrong input", f"refuses {self.says}", partial(_refused, self))


def _refused(refusal: Refusal, world: World) -> None:
    request = refusal.members(world)
    shape = world.operations[refusal.operation].model.input_shape
    for name in ("name", "jobName"):
        if name in shape.required_members:
            request.setdefault(name, world.name("refused"))
    message = world.refused(refusal.operation, refusal.code, **request)
    assert refusal.words in message, message


def _recipe(name: str) -> str:
    return f"arn:aws:personalize:::recipe/{name}"


def _schema(text: str) -> Callable[[World], dict[str, Any]]:
    return lambda world: {"schema": text}


def _schema_of(*fields: tuple[str, Any]) -> Callable[[World], dict[str, Any]]:
    return _schema(json.dumps(data.schema("Interactions", *fields)))


def _import(text: str, **more: Any) -> Callable[[World], dict[str, Any]]:
    """Return what makes an import of a file into a dataset that nothing was imported into."""

    def members(world: World) -> dict[str, Any]:
        location = world.write(f"{world.name('refused')}.csv", text)
        source = {"dataLocation": location}
        return {
            "datasetArn": world.store.datasets["ITEMS"],
            "dataSource": source,
            "roleArn": ROLE,
            **more,
        }

    return members


def _solution(recipe: str | None = USER_PERSONALIZATION, **more: Any) -> Callable[[World], dict[str, Any]]:
    named = {} if recipe is None else {"recipeArn": _recipe(recipe)}
    return lambda world: {"datasetGroupArn": world.shop.arn, **named, **more}


def _filter(expression: str) -> Callable[[World], dict[str, Any]]:
    return lambda world: {"datasetGroupArn": world.shop.arn, "filterExpression": expression}


def _campaign(**config: Any) -> Callable[[World], dict[str, Any]]:
    return lambda world: {
        "solutionVersionArn": world.version(USER_PERSONALIZATION),
        "campaignConfig": config,
    }


def _asked(**more: Any) -> Callable[[World], dict[str, Any]]:
    return lambda world: {"campaignArn": world.campaign(USER_PERSONALIZATION), "userId": "user-1", **more}


_IDS: Final = (("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"))
_NOT_THERE: Final = "arn:aws:personalize:us-east-1:000000000000:filter/nobody"
_METRIC: Final = {"eventType": "View", "metricName": "x", "expression": "SUM(Items.GENRE)"}
_LATEST: Final = "syncWithLatestSolutionVersion"

_ROWS: Final = (
    Refusal(
        "CreateDatasetGroup", "a role without a key", lambda world: {"roleArn": ROLE}, "kmsKeyArn and roleArn"
    ),
    Refusal("CreateSchema", "what is no JSON", _schema("{")),
    Refusal("CreateSchema", "a schema without a required field", _schema_of(*_IDS[:2], ("X", "string"))),
    Refusal(
        "CreateSchema",
        "names that differ in underscores alone",
        _schema_of(*_IDS, ("A_B", "int"), ("AB", "int")),
    ),
    Refusal("CreateSchema", "a type that is none of Amazon's", _schema_of(*_IDS, ("A", "bytes"))),
    Refusal(
        "CreateDataset",
        "a schema of another type",
        lambda world: {
            "datasetGroupArn": world.store.arn,
            "schemaArn": world.made("schema"),
            "datasetType": "Users",
        },
    ),
    Refusal(
        "CreateDataset",
        "actions in a group with a domain",
        lambda world: {
            "datasetGroupArn": world.store.arn,
            "schemaArn": world.made("schema"),
            "datasetType": "Actions",
        },
    ),
    Refusal(
        "CreateDatasetImportJob",
        "a file that is not there",
        lambda world: {**_import("")(world), "dataSource": {"dataLocation": "s3://conformance/nothing.csv"}},
        "Invalid Data location.",
    ),
    Refusal(
        "CreateDatasetImportJob",
        "a file that lacks a column",
        _import("ITEM_ID\nitem-1\n"),
        "Input csv is missing the following columns: [PRICE, CATEGORY_L1]",
    ),
    Refusal(
        "CreateDatasetImportJob",
        "INCREMENTAL before any FULL import",
        lambda world: {
            **_import(data.DATASETS[None]["INTERACTIONS"][1])(world),
            "datasetArn": world.empty_dataset,
            "importMode": "INCREMENTAL",
        },
    ),
    Refusal(
        "CreateDatasetExportJob",
        "a dataset of actions",
        lambda world: {
            "datasetArn": world.shop.datasets["ACTIONS"],
            "roleArn": ROLE,
            "jobOutput": {"s3DataDestination": {"path": "s3://conformance/exports/"}},
        },
    ),
    Refusal(
        "CreateDataDeletionJob",
        "a file without a column USER_ID",
        lambda world: {
            "datasetGroupArn": world.shop.arn,
            "roleArn": ROLE,
            "dataSource": {"dataLocation": world.write("nobody.csv", "ITEM_ID\nitem-1\n")},
        },
        "USER_ID",
    ),
    Refusal(
        "CreateEventTracker",
        "a group without an Item interactions dataset",
        lambda world: {"datasetGroupArn": world.another("dataset-group")},
    ),
    Refusal(
        "CreateMetricAttribution",
        "a sum of texts",
        lambda world: {
            "datasetGroupArn": world.shop.arn,
            "metrics": [_METRIC],
            "metricsOutputConfig": {"roleArn": ROLE},
        },
    ),
    Refusal("CreateFilter", "what is no expression", _filter("EVERYTHING"), "Could not create filter."),
    Refusal(
        "CreateFilter",
        "a placeholder with NOT IN",
        _filter("EXCLUDE ItemID WHERE Items.GENRE NOT IN ($GENRE)"),
        "Could not create filter. Invalid input symbol: $GENRE. Placeholders are not allowed with NOT_IN operator.",
    ),
    Refusal("CreateFilter", "a column that is not there", _filter("INCLUDE ItemID WHERE Items.COLOR IN (1)")),
    Refusal("CreateSolution", "neither a recipe nor AutoML", _solution(None)),
    Refusal("CreateSolution", "a recipe and AutoML", _solution(performAutoML=True)),
    Refusal("CreateSolution", "a use case of a domain", _solution(USE_CASE)),
    Refusal(
        "CreateSolution",
        "a hyperparameter out of its range",
        _solution(solutionConfig={"algorithmHyperParameters": {"hidden_dimension": "1000"}}),
    ),
    Refusal(
        "CreateSolution",
        "a schedule of 31 days",
        _solution(solutionConfig={"autoTrainingConfig": {"schedulingExpression": "rate(31 days)"}}),
    ),
    Refusal(
        "CreateSolution",
        "AutoML among recipes of another type",
        _solution(
            None, performAutoML=True, solutionConfig={"autoMLConfig": {"recipeList": [_recipe("aws-sims")]}}
        ),
    ),
    Refusal(
        "CreateSolution",
        "a column that is both included and excluded",
        _solution(
            solutionConfig={
                "trainingDataConfig": {
                    "includedDatasetColumns": {"ITEMS": ["GENRE"]},
                    "excludedDatasetColumns": {"ITEMS": ["GENRE"]},
                }
            }
        ),
    ),
    Refusal(
        "CreateSolution", "semantic similarity of items without a name", _solution("aws-semantic-similarity")
    ),
    Refusal(
        "CreateSolution", "incremental updates of another recipe", _solution(performIncrementalUpdate=True)
    ),
    Refusal(
        "CreateSolutionVersion",
        "an UPDATE of what was never trained",
        lambda world: {"solutionArn": world.another("solution"), "trainingMode": "UPDATE"},
    ),
    Refusal("CreateCampaign", "a version where the newest is to follow", _campaign(**{_LATEST: True})),
    Refusal(
        "CreateCampaign",
        "an exploration weight of 2",
        _campaign(itemExplorationConfig={"explorationWeight": "2"}),
    ),
    Refusal(
        "CreateCampaign",
        "an influence of popularity on another recipe",
        _campaign(rankingInfluence={"POPULARITY": 0.5}),
    ),
    Refusal(
        "CreateRecommender",
        "a custom dataset group",
        lambda world: {"datasetGroupArn": world.shop.arn, "recipeArn": _recipe(USE_CASE)},
    ),
    Refusal(
        "CreateRecommender",
        "a use case of another domain",
        lambda world: {"datasetGroupArn": world.store.arn, "recipeArn": _recipe("aws-vod-most-popular")},
    ),
    Refusal(
        "CreateRecommender",
        "exploration where the use case has none",
        lambda world: {
            "datasetGroupArn": world.store.arn,
            "recipeArn": _recipe(USE_CASE),
            "recommenderConfig": {"itemExplorationConfig": {"explorationWeight": "0.5"}},
        },
    ),
    Refusal(
        "CreateBatchSegmentJob",
        "a version of a recipe for items",
        lambda world: {
            **world.request("batch-segment-job"),
            "solutionVersionArn": world.version(USER_PERSONALIZATION),
        },
    ),
    Refusal("GetRecommendations", "501 items", _asked(numResults=501)),
    Refusal(
        "GetRecommendations", "nobody", lambda world: {"campaignArn": world.campaign(USER_PERSONALIZATION)}
    ),
    Refusal(
        "GetRecommendations",
        "a campaign and a recommender",
        _asked(recommenderArn=_NOT_THERE.replace("filter", "recommender")),
    ),
    Refusal("GetRecommendations", "a filter that is not there", _asked(filterArn=_NOT_THERE)),
    Refusal(
        "GetRecommendations",
        "a filter whose placeholder has no value",
        lambda world: {**_asked()(world), "filterArn": world.made("filter")},
    ),
    Refusal(
        "GetRecommendations",
        "metadata that the campaign does not give",
        _asked(metadataColumns={"ITEMS": ["PRICE"]}),
    ),
    Refusal(
        "GetPersonalizedRanking",
        "a campaign of another type",
        lambda world: {**_asked()(world), "inputList": ["item-1"]},
    ),
    Refusal(
        "GetPersonalizedRanking",
        "501 items",
        lambda world: {
            "campaignArn": world.campaign(RANKING),
            "userId": "user-1",
            "inputList": [f"item-{n}" for n in range(501)],
        },
    ),
    Refusal("GetActionRecommendations", "a campaign of another type", _asked()),
    Refusal(
        "GetActionRecommendations",
        "101 actions",
        lambda world: {"campaignArn": world.campaign(ACTIONS), "userId": "user-1", "numResults": 101},
    ),
    Refusal(
        "PutEvents",
        "properties that are no JSON object",
        lambda world: {
            "trackingId": world.tracking_id,
            "sessionId": "s",
            "eventList": [{"eventType": "View", "sentAt": data.BEGAN, "properties": "[]"}],
        },
        "Error parsing properties json",
    ),
    Refusal(
        "PutEvents",
        "a property with the name of a member",
        lambda world: {
            "trackingId": world.tracking_id,
            "sessionId": "s",
            "eventList": [{"eventType": "View", "sentAt": data.BEGAN, "properties": '{"userId": "u"}'}],
        },
    ),
)
#: All of them as checks.
REFUSALS: Final = tuple(row.check() for row in _ROWS)
