"""The script that a customer of Amazon Personalize has: it knows boto3 and nothing of Sartor.

The one thing it asks beside Amazon's operations is what no AWS operation tells: how far an import is.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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


def create_datasets(client: Any, group_name: str) -> dict[str, str]:
    """Create the schemas, the group and its datasets; wait until each is ACTIVE.

    Returns:
        The datasets' ARNs by type.
    """
    group = client.create_dataset_group(name=group_name, domain=data.DOMAIN)["datasetGroupArn"]
    wait_active(lambda: client.describe_dataset_group(datasetGroupArn=group)["datasetGroup"])
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


def wait_active(describe: Callable[[], dict[str, Any]]) -> None:
    """Poll a resource until it is ACTIVE.

    Raises:
        DemoError: it failed.
    """
    while (resource := describe())["status"] != "ACTIVE":
        if resource["status"].endswith("FAILED"):
            raise DemoError(f"{resource['status']}: {resource.get('failureReason')}")
        time.sleep(_POLL_SECONDS / 4)
