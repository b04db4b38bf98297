"""The script that a customer of Amazon Personalize has: it knows boto3 and nothing of Sartor."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sartor.demo import data

ROLE: Final = "arn:aws:iam::000000000000:role/demo"
_POLL_SECONDS: Final = 0.2


class DemoError(RuntimeError):
    """The service did not do what the demo asked of it."""


@dataclass(frozen=True)
class Import:
    """One import job that was created.

    Attributes:
        dataset_type: ``Users``, ``Items`` or ``Interactions``.
        job_name: its name, the tail of its ARN.
        arn: its ARN.
    """

    dataset_type: str
    job_name: str
    arn: str


@dataclass(frozen=True)
class Training:
    """One solution version that was created.

    Attributes:
        recipe: its name.
        arn: of the version.
    """

    recipe: str
    arn: str


def create_group(client: Any, name: str) -> str:
    """Create a dataset group, wait until it is ACTIVE and return its ARN."""
    group: str = client.create_dataset_group(name=name, domain=data.DOMAIN)["datasetGroupArn"]
    wait_active(lambda: client.describe_dataset_group(datasetGroupArn=group)["datasetGroup"])
    return group


def create_datasets(client: Any, group: str, group_name: str) -> dict[str, str]:
    """Create the schemas and the datasets of a group; wait until each is ACTIVE.

    Returns:
        The datasets' ARNs by type.
    """
    datasets = {}
    for dataset_type, schema in data.SCHEMAS.items():
        name = f"{group_name}-{dataset_type.lower()}"
        schema_arn = client.create_schema(name=name, schema=schema, domain=data.DOMAIN)["schemaArn"]
        datasets[dataset_type] = client.create_dataset(
            name=name, schemaArn=schema_arn, datasetGroupArn=group, datasetType=dataset_type
        )["datasetArn"]
    for arn in datasets.values():
        wait_active(lambda arn=arn: client.describe_dataset(datasetArn=arn)["dataset"])  # type: ignore[misc]
    return datasets


def free_group_name(client: Any) -> str:
    """Return ``demo``, or ``demo-2`` and so on where earlier demos took the names before."""
    pages = client.get_paginator("list_dataset_groups").paginate()
    taken = {group["name"] for page in pages for group in page["datasetGroups"]}
    pages = client.get_paginator("list_schemas").paginate()
    taken |= {schema["name"].rpartition("-")[0] for page in pages for schema in page["schemas"]}
    names = ("demo" if n == 1 else f"demo-{n}" for n in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)


def start_import(client: Any, dataset_type: str, dataset_arn: str, job_name: str, location: str) -> Import:
    """Create a FULL import job from the location."""
    arn = client.create_dataset_import_job(
        jobName=job_name,
        datasetArn=dataset_arn,
        dataSource={"dataLocation": location},
        roleArn=ROLE,
        importMode="FULL",
    )["datasetImportJobArn"]
    return Import(dataset_type, job_name, arn)


def wait_for_imports(
    client: Any, imports: Mapping[str, Import], watch: Callable[[Import, dict[str, Any]], None]
) -> dict[str, dict[str, Any]]:
    """Poll the jobs until each is ACTIVE or CREATE FAILED.

    Args:
        client: boto3's.
        imports: the jobs by any key.
        watch: is told each job's description at every poll.

    Returns:
        The last descriptions, by the same keys.
    """
    ended: dict[str, dict[str, Any]] = {}
    while len(ended) < len(imports):
        for key, job in imports.items():
            if key in ended:
                continue
            described = client.describe_dataset_import_job(datasetImportJobArn=job.arn)["datasetImportJob"]
            watch(job, described)
            if described["status"] in ("ACTIVE", "CREATE FAILED"):
                ended[key] = described
        if len(ended) < len(imports):
            time.sleep(_POLL_SECONDS)
    return ended


def start_training(client: Any, group: str, name: str, recipe: str, event_type: str) -> Training:
    """Create a solution and its first version, which trains on events of one type."""
    solution = client.create_solution(
        name=name,
        datasetGroupArn=group,
        recipeArn=f"arn:aws:personalize:::recipe/{recipe}",
        eventType=event_type,
        performAutoTraining=False,
    )["solutionArn"]
    version = client.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    return Training(recipe, version)


def wait_for_trainings(
    client: Any, trainings: list[Training], watch: Callable[[Training, dict[str, Any]], None]
) -> dict[str, dict[str, float]]:
    """Poll solution versions until each is ACTIVE.

    Args:
        client: boto3's.
        trainings: what was created.
        watch: is told each one's description at every poll.

    Returns:
        The metrics of each by its recipe.

    Raises:
        DemoError: one failed.
    """
    metrics: dict[str, dict[str, float]] = {}
    while len(metrics) < len(trainings):
        for one in trainings:
            if one.recipe in metrics:
                continue
            described = client.describe_solution_version(solutionVersionArn=one.arn)["solutionVersion"]
            watch(one, described)
            if described["status"] == "CREATE FAILED":
                raise DemoError(f"{one.recipe} was not trained: {described.get('failureReason')}")
            if described["status"] == "ACTIVE":
                metrics[one.recipe] = client.get_solution_metrics(solutionVersionArn=one.arn)["metrics"]
        if len(metrics) < len(trainings):
            time.sleep(_POLL_SECONDS)
    return metrics


def deploy(client: Any, name: str, version: str) -> str:
    """Create a campaign that gives metadata with its recommendations, and return its ARN once it is ACTIVE."""
    campaign: str = client.create_campaign(
        name=name,
        solutionVersionArn=version,
        campaignConfig={"enableMetadataWithRecommendations": True},
    )["campaignArn"]
    wait_active(lambda: client.describe_campaign(campaignArn=campaign)["campaign"])
    return campaign


def create_recommender(client: Any, name: str, group: str, recipe: str) -> dict[str, Any]:
    """Create a recommender of a use case that gives metadata, and return what it is once it is ACTIVE."""
    arn = client.create_recommender(
        name=name,
        datasetGroupArn=group,
        recipeArn=f"arn:aws:personalize:::recipe/{recipe}",
        recommenderConfig={"enableMetadataWithRecommendations": True},
    )["recommenderArn"]
    wait_active(lambda: client.describe_recommender(recommenderArn=arn)["recommender"])
    found: dict[str, Any] = client.describe_recommender(recommenderArn=arn)["recommender"]
    return found


def infer(client: Any, name: str, version: str, source: str, target: str, results: int) -> None:
    """Let a batch job answer for every line of a file, and return once it is ACTIVE.

    Args:
        client: boto3's.
        name: of the job.
        version: the ARN of the solution version that answers.
        source: the location of the file.
        target: the location of the folder that the answers are written to.
        results: how many items for each line.
    """
    arn = client.create_batch_inference_job(
        jobName=name,
        solutionVersionArn=version,
        jobInput={"s3DataSource": {"path": source}},
        jobOutput={"s3DataDestination": {"path": target}},
        roleArn=ROLE,
        numResults=results,
    )["batchInferenceJobArn"]
    wait_active(lambda: client.describe_batch_inference_job(batchInferenceJobArn=arn)["batchInferenceJob"])


def create_filter(client: Any, name: str, group: str, expression: str) -> str:
    """Create a filter and return its ARN once it is ACTIVE."""
    arn: str = client.create_filter(name=name, datasetGroupArn=group, filterExpression=expression)[
        "filterArn"
    ]
    wait_active(lambda: client.describe_filter(filterArn=arn)["filter"])
    return arn


def create_tracker(client: Any, name: str, group: str) -> str:
    """Create an event tracker and return its tracking id once it is ACTIVE."""
    created = client.create_event_tracker(name=name, datasetGroupArn=group)
    arn = created["eventTrackerArn"]
    wait_active(lambda: client.describe_event_tracker(eventTrackerArn=arn)["eventTracker"])
    tracking_id: str = created["trackingId"]
    return tracking_id


def recommend(runtime: Any, arn: str, columns: list[str], **asked: Any) -> list[dict[str, Any]]:
    """Return what a campaign or a recommender answers, each item with these columns of its metadata."""
    asked["recommenderArn" if ":recommender/" in arn else "campaignArn"] = arn
    answer = runtime.get_recommendations(metadataColumns={"ITEMS": columns}, **asked)
    found: list[dict[str, Any]] = answer["itemList"]
    return found


def put_view(events: Any, tracking_id: str, user: str, item: str) -> None:
    """Tell that a user looks at an item now."""
    events.put_events(
        trackingId=tracking_id,
        userId=user,
        sessionId=f"demo-{user}",
        eventList=[{"eventType": "View", "itemId": item, "sentAt": datetime.now(UTC)}],
    )


def wait_active(describe: Callable[[], dict[str, Any]]) -> None:
    """Poll a resource until it is ACTIVE.

    Raises:
        DemoError: it failed.
    """
    while (resource := describe())["status"] != "ACTIVE":
        if resource["status"].endswith("FAILED"):
            raise DemoError(f"{resource['status']}: {resource.get('failureReason')}")
        time.sleep(_POLL_SECONDS / 4)
