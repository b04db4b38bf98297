"""What the table of kinds cannot say: who may be created when, under the operation's name.

A rule reads in the caller's transaction and answers with a draft or an error. It runs twice for each call:
once to refuse early and to learn what takes long to check, and once more in the transaction that writes.
Checks stand in the order in which the service makes them.
"""

import secrets
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from sartor.data import schema
from sartor.errors import already_exists, in_use, invalid_input, limit_exceeded
from sartor.resources import (
    attribution,
    batch_jobs,
    campaigns,
    filters,
    groups,
    lifecycle,
    looks,
    recommenders,
    solution_versions,
    solutions,
    tags,
    updates,
)
from sartor.resources.call import Call, Draft, Request, require_active
from sartor.resources.kind_names import (
    BATCH_INFERENCE_JOB,
    BATCH_SEGMENT_JOB,
    CAMPAIGN,
    DATA_DELETION_JOB,
    DATASET,
    DATASET_EXPORT_JOB,
    DATASET_GROUP,
    DATASET_IMPORT_JOB,
    EVENT_TRACKER,
    FILTER,
    METRIC_ATTRIBUTION,
    RECOMMENDER,
    SCHEMA,
    SOLUTION,
    SOLUTION_VERSION,
)
from sartor.resources.kinds import CREATING, UNFINISHED
from sartor.resources.store import Resource, Transaction

#: The types of a dataset, and those that a group with a domain may have.
DATASET_TYPES: Final = ("INTERACTIONS", "ITEMS", "USERS", "ACTIONS", "ACTION_INTERACTIONS")
DOMAIN_DATASET_TYPES: Final = DATASET_TYPES[:3]
#: Amazon's quotas for one account in one region.
MAX_DATASET_GROUPS: Final = 5
MAX_SCHEMAS: Final = 500
MAX_IMPORT_JOBS_AT_ONCE: Final = 5
MAX_DELETION_JOBS_PENDING: Final = 5
#: The types of datasets that can be exported.
EXPORTED_TYPES: Final = DATASET_TYPES[:3]


def create_dataset_group(call: Call, request: Request) -> Draft:
    """Allow CreateDatasetGroup: a key needs its role, a role is only for a key."""
    if ("kmsKeyArn" in request) != ("roleArn" in request):
        raise invalid_input("kmsKeyArn and roleArn must be given together: the role gives access to the key.")
    arn = call.free_arn(DATASET_GROUP, name=request["name"])
    first_tags = tags.checked(request.get("tags"))
    call.require_active_quota(DATASET_GROUP, "a dataset group", MAX_DATASET_GROUPS)
    answer = _given(request, "domain")
    body = _given(request, "roleArn", "kmsKeyArn", "domain")
    return Draft(arn, request["name"], body, tags=first_tags, answer=answer)


def create_schema(call: Call, request: Request) -> Draft:
    """Allow CreateSchema: the text must be a schema of Amazon's, and of the domain if one is given."""
    parsed = schema.parse(request["schema"], request.get("domain"))
    arn = call.free_arn(SCHEMA, name=request["name"])
    call.require_active_quota(SCHEMA, "a schema", MAX_SCHEMAS, has_status=False)
    private = {"dataset_type": parsed.dataset_type}
    return Draft(arn, request["name"], _given(request, "schema", "domain"), private)


def create_dataset(call: Call, request: Request) -> Draft:
    """Allow CreateDataset: one of each type in a group, with a schema of its type and domain."""
    group = call.find(request["datasetGroupArn"], DATASET_GROUP)
    of_schema = call.find(request["schemaArn"], SCHEMA)
    dataset_type = request["datasetType"].upper()
    _require_types_together(group, of_schema, dataset_type)
    require_active(group)
    arn = call.free_arn(DATASET, group=group.name, type=dataset_type)
    body = {
        "datasetGroupArn": group.arn,
        "datasetType": dataset_type,
        "schemaArn": of_schema.arn,
    }
    names: tuple[str, ...] = ()
    if dataset_type == "ACTION_INTERACTIONS":
        body["trackingId"] = str(uuid.uuid4())  # these datasets bring their own event tracker
        names = (tracking_name(body["trackingId"]),)
    # The random part keeps a new dataset apart from what is left of a deleted one of the same name.
    folder = f"{call.account}/{call.region}/datasets/{group.name}-{dataset_type}-{secrets.token_hex(4)}"
    return Draft(
        arn,
        request["name"],
        body,
        private={"table": f"{folder}/bulk"},
        parents=(group.arn, of_schema.arn, *names),
        tags=tags.checked(request.get("tags")),
    )


def create_dataset_import_job(call: Call, request: Request) -> Draft:
    """Allow CreateDatasetImportJob as far as the database knows; its files are the draft's slow check."""
    dataset = call.find(request["datasetArn"], DATASET)
    require_active(dataset)
    arn = call.free_arn(DATASET_IMPORT_JOB, name=request["jobName"])
    first_tags = tags.checked(request.get("tags"))
    running = call.count(DATASET_IMPORT_JOB, UNFINISHED)
    if call.quotas_on and running >= MAX_IMPORT_JOBS_AT_ONCE:
        raise limit_exceeded(
            f"More than {MAX_IMPORT_JOBS_AT_ONCE} resources with PENDING or IN_PROGRESS status."
        )
    unfinished = call.transaction.child(dataset.arn, DATASET_IMPORT_JOB, UNFINISHED)
    if unfinished is not None:
        raise in_use(f"Dataset {dataset.arn} has an import in progress: {unfinished.arn}.")
    mode = request.get("importMode", "FULL")
    _require_first_import_full(call, dataset, mode)
    publishes = request.get("publishAttributionMetricsToS3", False)
    if publishes:
        _require_metrics_publishable(call, dataset)
    body = {
        "datasetArn": dataset.arn,
        "dataSource": request["dataSource"],
        "importMode": mode,
        "publishAttributionMetricsToS3": publishes,
        **_given(request, "roleArn"),
    }
    of_schema = call.find(dataset.body["schemaArn"], SCHEMA)
    return Draft(
        arn,
        request["jobName"],
        body,
        private={"table": dataset.private["table"]},
        parents=(dataset.arn,),
        tags=first_tags,
        slow_check=partial(looks.look_at_import, _parsed(of_schema), *_place_of_data(call, request)),
    )


def create_event_tracker(call: Call, request: Request) -> Draft:
    """Allow CreateEventTracker: one in a group that has an Item interactions dataset.

    With it comes the hidden dataset EVENT_INTERACTIONS, which stays when the tracker goes. It can be described
    and deleted by its ARN, is in no list, and holds nothing: events are records of the Item interactions dataset.
    """
    group = call.find(request["datasetGroupArn"], DATASET_GROUP)
    require_active(group)
    other = call.transaction.child(group.arn, EVENT_TRACKER)
    if other is not None:
        raise already_exists(other.arn)
    interactions = call.transaction.get(call.arn(DATASET, group=group.name, type="INTERACTIONS"))
    if interactions is None:
        raise invalid_input(f"Dataset group {group.arn} must have an Item interactions dataset.")
    require_active(interactions)
    tracking_id = str(uuid.uuid4())
    arn = call.free_arn(EVENT_TRACKER, id=secrets.token_hex(4))
    hidden = Draft(
        call.arn(DATASET, group=group.name, type="EVENT_INTERACTIONS"),
        "EVENT_INTERACTIONS",
        {**interactions.body, "datasetType": "EVENT_INTERACTIONS"},
    )
    return Draft(
        arn,
        request["name"],
        {"accountId": call.account, "trackingId": tracking_id, "datasetGroupArn": group.arn},
        parents=(group.arn, interactions.arn, tracking_name(tracking_id)),
        tags=tags.checked(request.get("tags")),
        answer={"trackingId": tracking_id},
        also={"hidden-dataset": hidden},
    )


def create_dataset_export_job(call: Call, request: Request) -> Draft:
    """Allow CreateDatasetExportJob as far as the database knows; its folder is the draft's slow check."""
    dataset = call.find(request["datasetArn"], DATASET)
    require_active(dataset)
    if dataset.body["datasetType"] not in EXPORTED_TYPES:
        raise invalid_input(f"A dataset of type {dataset.body['datasetType']} cannot be exported.")
    arn = call.free_arn(DATASET_EXPORT_JOB, name=request["jobName"])
    path = request["jobOutput"]["s3DataDestination"]["path"]
    body = {
        "datasetArn": dataset.arn,
        "ingestionMode": request.get("ingestionMode", "PUT"),
        "jobOutput": request["jobOutput"],
        **_given(request, "roleArn"),
    }
    return Draft(
        arn,
        request["jobName"],
        body,
        parents=(dataset.arn,),
        tags=tags.checked(request.get("tags")),
        slow_check=partial(looks.look_at_folder, call.account, path, request.get("roleArn")),
    )


def create_data_deletion_job(call: Call, request: Request) -> Draft:
    """Allow CreateDataDeletionJob as far as the database knows; its files are the draft's slow check."""
    group = call.find(request["datasetGroupArn"], DATASET_GROUP)
    require_active(group)
    arn = call.free_arn(DATA_DELETION_JOB, name=request["jobName"])
    first_tags = tags.checked(request.get("tags"))
    jobs = call.transaction.children(group.arn, DATA_DELETION_JOB)
    pending = sum(job.status == "PENDING" for job in jobs)
    if call.quotas_on and pending >= MAX_DELETION_JOBS_PENDING:
        raise limit_exceeded(f"More than {MAX_DELETION_JOBS_PENDING} resources with PENDING status.")
    return Draft(
        arn,
        request["jobName"],
        {"datasetGroupArn": group.arn, "dataSource": request["dataSource"], **_given(request, "roleArn")},
        parents=(group.arn,),
        tags=first_tags,
        slow_check=partial(looks.look_at_deletion, call.quotas_on, *_place_of_data(call, request)),
        at_call={"putNumbers": _put_numbers(call, group)},  # what is put from now on stays
    )


def _put_numbers(call: Call, group: Resource) -> dict[str, int]:
    """Return the last number that each dataset of a group has given to what calls put, by the dataset's ARN."""
    found = call.transaction.datasets(group.arn).values()
    return {one.arn: call.transaction.put_number(one.seq) for one in found}


def update_dataset(call: Call, request: Request) -> dict[str, Any]:
    """Begin UpdateDataset: the new schema keeps every field and adds only fields that may be null."""
    dataset = call.find(request["datasetArn"], DATASET)
    of_schema = call.find(request["schemaArn"], SCHEMA)
    dataset_type = dataset.body["datasetType"]
    if dataset_type not in ("ITEMS", "USERS"):
        raise invalid_input(f"The schema of a dataset of type {dataset_type} cannot be replaced.")
    require_active(dataset)
    unfinished = call.transaction.child(dataset.arn, DATASET_IMPORT_JOB, UNFINISHED)
    if unfinished is not None:
        raise in_use(f"Dataset {dataset.arn} has an import in progress: {unfinished.arn}.")
    _require_types_together(
        call.find(dataset.body["datasetGroupArn"], DATASET_GROUP), of_schema, dataset_type
    )
    old, new = _parsed(call.find(dataset.body["schemaArn"], SCHEMA)), _parsed(of_schema)
    _require_fields(old, new, of_schema.arn)
    added = {field.name for field in new.fields} - {field.name for field in old.fields}
    if added:
        groups.leave_out(call.transaction, dataset.body["datasetGroupArn"], dataset_type, added)
    lifecycle.make_way(call.transaction, dataset.arn)
    change = {"schemaArn": of_schema.arn}
    updates.begin(
        call.transaction,
        dataset,
        call.now,
        shown=change,
        body=change,
        parents=(dataset.body["datasetGroupArn"], of_schema.arn),
    )
    return {"datasetArn": dataset.arn}


def tracking_name(tracking_id: str) -> str:
    """Return what an event tracker, or a dataset that is its own, names to be found by its tracking id."""
    return f"tracking/{tracking_id}"


#: The rule of each kind that can be created; a kind that is not here belongs to a later issue.
CREATE: Final[Mapping[str, Callable[[Call, Request], Draft]]] = {
    DATASET_GROUP: create_dataset_group,
    SCHEMA: create_schema,
    DATASET: create_dataset,
    DATASET_IMPORT_JOB: create_dataset_import_job,
    DATASET_EXPORT_JOB: create_dataset_export_job,
    DATA_DELETION_JOB: create_data_deletion_job,
    EVENT_TRACKER: create_event_tracker,
    METRIC_ATTRIBUTION: attribution.create_metric_attribution,
    SOLUTION: solutions.create_solution,
    SOLUTION_VERSION: solution_versions.create_solution_version,
    CAMPAIGN: campaigns.create_campaign,
    RECOMMENDER: recommenders.create_recommender,
    FILTER: filters.create_filter,
    BATCH_INFERENCE_JOB: batch_jobs.create_batch_inference_job,
    BATCH_SEGMENT_JOB: batch_jobs.create_batch_segment_job,
}
#: What a Describe operation answers beside the resource itself, by its kind.
DESCRIBE: Final[Mapping[str, Callable[[Transaction, Resource], dict[str, Any]]]] = {
    SOLUTION: solutions.described,
    RECOMMENDER: recommenders.described,
}
#: What changes a resource that is there, by the operation's name.
CHANGE: Final[Mapping[str, Callable[[Call, Request], dict[str, Any]]]] = {
    "TagResource": tags.tag_resource,
    "UntagResource": tags.untag_resource,
    "UpdateDataset": update_dataset,
    "UpdateMetricAttribution": attribution.update_metric_attribution,
    "UpdateSolution": solutions.update_solution,
    "StopSolutionVersionCreation": solution_versions.stop_solution_version_creation,
    "UpdateCampaign": campaigns.update_campaign,
    "UpdateRecommender": recommenders.update_recommender,
    "StartRecommender": recommenders.start_recommender,
    "StopRecommender": recommenders.stop_recommender,
}
#: What only reads, by the operation's name.
READ: Final[Mapping[str, Callable[[Call, Request], dict[str, Any]]]] = {
    "ListTagsForResource": tags.list_tags_for_resource,
    "GetSolutionMetrics": solution_versions.get_solution_metrics,
    "ListMetricAttributionMetrics": attribution.list_metric_attribution_metrics,
}


def _given(request: Request, *members: str) -> dict[str, Any]:
    """Return those of the members that the request has."""
    return {member: request[member] for member in members if member in request}


def _require_types_together(group: Resource, of_schema: Resource, dataset_type: str) -> None:
    """Refuse a dataset whose type, schema and group do not belong together."""
    domain = group.body.get("domain")
    if dataset_type not in DATASET_TYPES:
        raise invalid_input(f"Dataset type {dataset_type} is not one of {', '.join(DATASET_TYPES)}.")
    if domain is not None and dataset_type not in DOMAIN_DATASET_TYPES:
        raise invalid_input(
            f"A dataset of type {dataset_type} is not allowed in a dataset group of the domain {domain}."
        )
    schema_type = of_schema.private["dataset_type"]
    if schema_type != dataset_type:
        raise invalid_input(
            f"Schema {of_schema.arn} is for datasets of type {schema_type}, not {dataset_type}."
        )
    schema_domain = of_schema.body.get("domain")
    if schema_domain != domain:
        raise invalid_input(
            f"The domain of schema {of_schema.arn} ({schema_domain or 'none'}) must be that of "
            f"dataset group {group.arn} ({domain or 'none'})."
        )


def _require_first_import_full(call: Call, dataset: Resource, mode: str) -> None:
    """Refuse to add to a dataset that nothing was imported into.

    Jobs outlive their datasets, so an older job of an earlier dataset with the same ARN does not count.
    """
    if mode == "FULL":
        return
    if call.transaction.child(dataset.arn, DATASET_IMPORT_JOB, ("ACTIVE",), newer_than=dataset.seq) is None:
        raise invalid_input(
            f"importMode {mode} needs bulk records to add to: the first import job of a dataset must be FULL."
        )


def _require_metrics_publishable(call: Call, dataset: Resource) -> None:
    """Refuse to publish metrics when the dataset's group has no metric attribution that writes to S3."""
    group_arn = dataset.body["datasetGroupArn"]
    found = call.transaction.child(group_arn, METRIC_ATTRIBUTION, ("ACTIVE", *CREATING))
    if found is not None:
        require_active(found)
    output = {} if found is None else found.body.get("metricsOutputConfig", {})
    if "s3DataDestination" not in output:
        raise invalid_input(
            "publishAttributionMetricsToS3 needs an active metric attribution with an S3 path in "
            f"dataset group {group_arn}."
        )


def _parsed(of_schema: Resource) -> schema.Schema:
    return schema.parse(of_schema.body["schema"], of_schema.body.get("domain"))


def _require_fields(old: schema.Schema, new: schema.Schema, arn: str) -> None:
    """Refuse a schema that does not keep every field of an older one, or adds one that must have a value."""
    there = {field.name: field for field in new.fields}
    lost = [field.name for field in old.fields if there.get(field.name) != field]
    if lost:
        raise invalid_input(
            f"Schema {arn} must keep every field of the dataset's schema with its type and attributes. "
            f"It changes or misses: [{', '.join(lost)}]."
        )
    before = {field.name for field in old.fields}
    strict = [field.name for field in new.fields if field.name not in before and not field.nullable]
    if strict:
        raise invalid_input(f"New fields must allow null, as older records lack them: [{', '.join(strict)}].")


def _place_of_data(call: Call, request: Request) -> tuple[str, str, str | None]:
    """Return where the files of a request lie: account, location and role."""
    return call.account, request["dataSource"].get("dataLocation", ""), request.get("roleArn")
