"""How one resource of each kind is created, and what keeps it from being deleted."""

import json
from typing import Any, Final

from conformance import data
from conformance.world import BUCKET, ROLE, Make, World

USER_PERSONALIZATION, RANKING = "aws-user-personalization", "aws-personalized-ranking"
SEGMENTS, ACTIONS = "aws-item-affinity", "aws-next-best-action"
USE_CASE: Final = "aws-ecomm-popular-items-by-views"


def _place(of: str, path: str) -> dict[str, Any]:
    """Return the member of a job that says where files lie."""
    return {of: {"path": path}}


def _batch(world: World, recipe: str, line: dict[str, str]) -> dict[str, Any]:
    """Return the request of a batch job of one line."""
    key = world.name("input")
    path = world.write(f"{key}/lines.json", json.dumps(line) + "\n")
    return {
        "solutionVersionArn": world.version(recipe),
        "jobInput": _place("s3DataSource", path),
        "jobOutput": _place("s3DataDestination", f"s3://{BUCKET}/{key}-output/"),
        "roleArn": ROLE,
        "numResults": 5,
    }


def _export(world: World) -> dict[str, Any]:
    output = _place("s3DataDestination", f"s3://{BUCKET}/exports/")
    return {
        "datasetArn": world.shop.datasets["ITEMS"],
        "ingestionMode": "ALL",
        "roleArn": ROLE,
        "jobOutput": output,
    }


def _source(world: World, text: str) -> dict[str, Any]:
    location = world.write(f"{world.name('file')}.csv", text)
    return {"dataSource": {"dataLocation": location}, "roleArn": ROLE}


def _tracker(world: World) -> dict[str, Any]:
    world.made("dataset")
    return {"datasetGroupArn": world.made("dataset-group")}


def _metrics(world: World) -> dict[str, Any]:
    world.made("dataset")
    return {
        "datasetGroupArn": world.made("dataset-group"),
        "metrics": [{"eventType": "Purchase", "metricName": "purchases", "expression": "SAMPLECOUNT()"}],
        "metricsOutputConfig": {"roleArn": ROLE},
    }


#: What creates one of each kind, but for its name and tags.
MAKES: Final[dict[str, Make]] = {
    "dataset-group": lambda world: {},
    "schema": lambda world: {"schema": json.dumps(data.INTERACTIONS)},
    "dataset": lambda world: {
        "datasetGroupArn": world.made("dataset-group"),
        "schemaArn": world.made("schema"),
        "datasetType": "INTERACTIONS",
    },
    "dataset-import-job": lambda world: {
        "datasetArn": world.made("dataset"),
        "importMode": "FULL",
        **_source(world, data.DATASETS[None]["INTERACTIONS"][1]),
    },
    "dataset-export-job": _export,
    "data-deletion-job": lambda world: {
        "datasetGroupArn": world.shop.arn,
        **_source(world, "USER_ID\nuser-0\nnobody\n"),
    },
    "event-tracker": _tracker,
    "metric-attribution": _metrics,
    "filter": lambda world: {
        "datasetGroupArn": world.shop.arn,
        "filterExpression": "INCLUDE ItemID WHERE Items.GENRE IN ($GENRE)",
    },
    "solution": lambda world: {
        "datasetGroupArn": world.shop.arn,
        "recipeArn": f"arn:aws:personalize:::recipe/{USER_PERSONALIZATION}",
        "performAutoTraining": False,
    },
    "solution-version": lambda world: {"solutionArn": world.made("solution")},
    "campaign": lambda world: {"solutionVersionArn": world.made("solution-version"), "minProvisionedTPS": 1},
    "recommender": lambda world: {
        "datasetGroupArn": world.store.arn,
        "recipeArn": f"arn:aws:personalize:::recipe/{USE_CASE}",
        "recommenderConfig": {"minRecommendationRequestsPerSecond": 2},
    },
    "batch-inference-job": lambda world: _batch(world, USER_PERSONALIZATION, {"userId": "user-1"}),
    "batch-segment-job": lambda world: _batch(world, SEGMENTS, {"itemId": "item-1"}),
}
#: Which shared resources keep that of a kind from being deleted.
HELD: Final[dict[str, tuple[str, ...]]] = {
    "dataset-group": ("dataset",),
    "schema": ("dataset",),
    "dataset": ("event-tracker", "metric-attribution"),
    "solution": ("campaign",),
}
