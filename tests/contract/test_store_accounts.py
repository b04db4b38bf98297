"""No operation shows or changes anything of another account, or of another region.

The cases are generated over all handlers: an operation that is added later is asked too, and fails the test
if it cannot be.
"""

from typing import Any

import pytest

from contract.conftest import recipe_arn, schema_text


def everything(service: Any, caller: Any = None) -> dict[str, str]:
    """Create one of each; return the value of every member that names a resource."""
    dataset = service.dataset(caller=caller)
    described = service("DescribeDataset", caller, datasetArn=dataset)["dataset"]
    job = service.job(dataset, caller=caller)
    group = described["datasetGroupArn"]
    export = service("CreateDatasetExportJob", caller, jobName="export", datasetArn=dataset, jobOutput=OUTPUT)
    deletion = service(
        "CreateDataDeletionJob", caller, jobName="deletion", datasetGroupArn=group, dataSource=SOURCE
    )
    tracker = service("CreateEventTracker", caller, name="tracker", datasetGroupArn=group)
    service("TagResource", caller, resourceArn=group, tags=[{"tagKey": "owner", "tagValue": "me"}])
    measured = _measured(service, caller)
    service.work()
    solution = service.solution(group, caller=caller)
    version = service.version(solution, caller)
    campaign = service.campaign(version, caller=caller)
    of = {"datasetGroupArn": group.replace("/shop", "/measured"), "filterExpression": KEEPS}
    kept = service("CreateFilter", caller, name="filter", **of)
    inference = service("CreateBatchInferenceJob", caller, solutionVersionArn=version, **BATCH)
    users = service.solution(group, "users", caller, recipeArn=recipe_arn("aws-item-affinity"))
    segment = service(
        "CreateBatchSegmentJob", caller, solutionVersionArn=service.version(users, caller), **BATCH
    )
    recommender = _recommender(service, caller)
    service.work()
    return {
        "datasetGroupArn": group,
        "schemaArn": described["schemaArn"],
        "datasetArn": dataset,
        "datasetImportJobArn": job,
        "datasetExportJobArn": export["datasetExportJobArn"],
        "dataDeletionJobArn": deletion["dataDeletionJobArn"],
        "eventTrackerArn": tracker["eventTrackerArn"],
        "metricAttributionArn": measured,
        "solutionArn": solution,
        "solutionVersionArn": version,
        "campaignArn": campaign,
        "filterArn": kept["filterArn"],
        "batchInferenceJobArn": inference["batchInferenceJobArn"],
        "batchSegmentJobArn": segment["batchSegmentJobArn"],
        "recommenderArn": recommender,
        "resourceArn": group,
    }


def _group_with_events(service: Any, name: str, caller: Any, **domain: str) -> str:
    """Create a group whose interactions have event types."""
    group = str(service.group(name, caller=caller, **domain))
    text = schema_text("Interactions", EVENT_TYPE)
    schema = service.schema(name=name, caller=caller, schema=text, **domain)
    members = {"datasetGroupArn": group, "schemaArn": schema, "datasetType": "Interactions"}
    service("CreateDataset", caller, name="data", **members)
    service.work()
    return group


def _measured(service: Any, caller: Any) -> str:
    """Create a metric attribution, in a group whose interactions have event types."""
    group = _group_with_events(service, "measured", caller)
    answer = service("CreateMetricAttribution", caller, name="n", datasetGroupArn=group, **MEASURES)
    return str(answer["metricAttributionArn"])


def _recommender(service: Any, caller: Any) -> str:
    """Create a recommender, in a group of a domain."""
    group = _group_with_events(service, "domain", caller, domain="ECOMMERCE")
    service.put_interaction(group)
    answer = service("CreateRecommender", caller, name="r", datasetGroupArn=group, recipeArn=FOR_YOU)
    return str(answer["recommenderArn"])


EVENT_TYPE = ("EVENT_TYPE", "string")
FOR_YOU = recipe_arn("aws-ecomm-recommended-for-you")
BATCH: dict[str, Any] = {
    "jobName": "batch",
    "jobInput": {"s3DataSource": {"path": "s3://bucket/job.csv"}},
    "jobOutput": {"s3DataDestination": {"path": "s3://bucket/answers/"}},
    "roleArn": "arn:aws:iam::111122223333:role/batch",
}
OUTPUT = {"s3DataDestination": {"path": "s3://bucket/out/"}}
SOURCE = {"dataLocation": "s3://bucket/job.csv"}
RECIPE = {"recipeArn": recipe_arn()}
KEEPS = 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")'
MEASURES: dict[str, Any] = {
    "metrics": [{"eventType": "buy", "metricName": "buys", "expression": "SAMPLECOUNT()"}],
    "metricsOutputConfig": {"roleArn": "arn:aws:iam::111122223333:role/metrics"},
}

#: What each operation that names a resource needs beside the ARN.
MEMBERS: dict[str, dict[str, Any]] = {
    "CreateDataset": {"datasetGroupArn": ..., "schemaArn": ..., "name": "n", "datasetType": "Items"},
    "CreateDatasetImportJob": {
        "datasetArn": ...,
        "jobName": "n",
        "dataSource": {"dataLocation": "s3://bucket/job.csv"},
    },
    "CreateDatasetExportJob": {"datasetArn": ..., "jobName": "n", "jobOutput": OUTPUT},
    "CreateDataDeletionJob": {"datasetGroupArn": ..., "jobName": "n", "dataSource": SOURCE},
    "CreateEventTracker": {"datasetGroupArn": ..., "name": "n"},
    "CreateMetricAttribution": {"datasetGroupArn": ..., "name": "n", **MEASURES},
    "CreateSolution": {"datasetGroupArn": ..., "name": "n", **RECIPE},
    "CreateSolutionVersion": {"solutionArn": ...},
    "CreateCampaign": {"solutionVersionArn": ..., "name": "n"},
    "CreateFilter": {"datasetGroupArn": ..., "name": "n", "filterExpression": KEEPS},
    "CreateBatchInferenceJob": {"solutionVersionArn": ..., **BATCH},
    "CreateBatchSegmentJob": {"solutionVersionArn": ..., **BATCH},
    "CreateRecommender": {"datasetGroupArn": ..., "name": "n", "recipeArn": FOR_YOU},
    "DescribeBatchInferenceJob": {"batchInferenceJobArn": ...},
    "DescribeBatchSegmentJob": {"batchSegmentJobArn": ...},
    "DescribeRecommender": {"recommenderArn": ...},
    "StartRecommender": {"recommenderArn": ...},
    "StopRecommender": {"recommenderArn": ...},
    "UpdateRecommender": {"recommenderArn": ..., "recommenderConfig": {}},
    "DeleteRecommender": {"recommenderArn": ...},
    "ListBatchInferenceJobs": {"solutionVersionArn": ...},
    "ListBatchSegmentJobs": {"solutionVersionArn": ...},
    "ListRecommenders": {"datasetGroupArn": ...},
    "UpdateDataset": {"datasetArn": ..., "schemaArn": ...},
    "UpdateSolution": {"solutionArn": ..., "performAutoTraining": False},
    "UpdateCampaign": {"campaignArn": ..., "minProvisionedTPS": 9},
    "StopSolutionVersionCreation": {"solutionVersionArn": ...},
    "GetSolutionMetrics": {"solutionVersionArn": ...},
    "DescribeSolution": {"solutionArn": ...},
    "DescribeSolutionVersion": {"solutionVersionArn": ...},
    "DescribeCampaign": {"campaignArn": ...},
    "DescribeFilter": {"filterArn": ...},
    "DeleteSolution": {"solutionArn": ...},
    "DeleteCampaign": {"campaignArn": ...},
    "DeleteFilter": {"filterArn": ...},
    "UpdateMetricAttribution": {"metricAttributionArn": ..., "addMetrics": MEASURES["metrics"]},
    "DescribeDatasetExportJob": {"datasetExportJobArn": ...},
    "DescribeDataDeletionJob": {"dataDeletionJobArn": ...},
    "DescribeEventTracker": {"eventTrackerArn": ...},
    "DescribeMetricAttribution": {"metricAttributionArn": ...},
    "DescribeDatasetGroup": {"datasetGroupArn": ...},
    "DescribeSchema": {"schemaArn": ...},
    "DescribeDataset": {"datasetArn": ...},
    "DescribeDatasetImportJob": {"datasetImportJobArn": ...},
    "DeleteDatasetGroup": {"datasetGroupArn": ...},
    "DeleteSchema": {"schemaArn": ...},
    "DeleteDataset": {"datasetArn": ...},
    "DeleteEventTracker": {"eventTrackerArn": ...},
    "DeleteMetricAttribution": {"metricAttributionArn": ...},
    "TagResource": {"resourceArn": ..., "tags": [{"tagKey": "a", "tagValue": "b"}]},
    "UntagResource": {"resourceArn": ..., "tagKeys": ["owner"]},
    "ListTagsForResource": {"resourceArn": ...},
    "ListDatasetGroups": {},
    "ListSchemas": {},
    "ListDatasets": {"datasetGroupArn": ...},
    "ListDatasetImportJobs": {"datasetArn": ...},
    "ListDatasetExportJobs": {"datasetArn": ...},
    "ListDataDeletionJobs": {"datasetGroupArn": ...},
    "ListEventTrackers": {"datasetGroupArn": ...},
    "ListMetricAttributions": {"datasetGroupArn": ...},
    "ListMetricAttributionMetrics": {"metricAttributionArn": ...},
    "ListSolutions": {"datasetGroupArn": ...},
    "ListSolutionVersions": {"solutionArn": ...},
    "ListCampaigns": {"solutionArn": ...},
    "ListFilters": {"datasetGroupArn": ...},
}
#: The lists that refuse to be of what is not there.
STRICT_LISTS = {"ListSolutionVersions"}
#: What names no resource of an account.
NAMES_NONE = {
    "CreateDatasetGroup",
    "CreateSchema",
    "ListRecipes",
    "DescribeRecipe",
    "DescribeAlgorithm",
    "DescribeFeatureTransformation",
}


def _lists(name: str) -> bool:
    """Return whether an operation lists what the caller has, of a parent or of them all."""
    return name.startswith("List") and name not in ("ListTagsForResource", "ListMetricAttributionMetrics")


def snapshot(service: Any, arns: dict[str, str]) -> list[Any]:
    """Return all that the owner can see."""
    reads = [name for name in MEMBERS if name.startswith("Describe")]
    seen = [service(name, **{member: arns[member] for member in MEMBERS[name]}) for name in reads]
    seen += [service(name) for name in MEMBERS if _lists(name)]
    seen.append(service("ListMetricAttributionMetrics", metricAttributionArn=arns["metricAttributionArn"]))
    return [*seen, service("ListTagsForResource", resourceArn=arns["resourceArn"])]


def test_every_operation_is_asked(service: Any) -> None:
    assert set(service.handlers) == set(MEMBERS) | NAMES_NONE


@pytest.mark.parametrize("who", ["stranger", "elsewhere"])
def test_no_operation_reaches_across(service: Any, who: str, request: pytest.FixtureRequest) -> None:
    other = request.getfixturevalue(who)
    arns = everything(service)
    before = snapshot(service, arns)
    for name, members in MEMBERS.items():
        asked = {member: arns[member] if value is ... else value for member, value in members.items()}
        if _lists(name):
            for filtered in ({},) if name in STRICT_LISTS else (asked, {}):
                answer = service(name, other, **filtered)
                assert list(answer.values()) == [[]], name
        if not _lists(name) or name in STRICT_LISTS:
            refused = service.refusal(name, other, **asked)
            declared = name != "ListMetricAttributionMetrics"
            assert refused.code == ("ResourceNotFoundException" if declared else "InvalidInputException"), (
                name
            )
            assert "111122223333" not in refused.message.replace(asked[next(iter(members))], "")
    assert snapshot(service, arns) == before


def test_no_operation_reaches_across_by_one_of_two_names(service: Any, stranger: Any) -> None:
    mine, theirs = everything(service), everything(service, stranger)
    for member in ("datasetGroupArn", "schemaArn"):
        request = {name: theirs[name] for name in ("datasetGroupArn", "schemaArn")}
        request[member] = mine[member]
        refused = service.refusal("CreateDataset", stranger, name="n", datasetType="Items", **request)
        assert refused.code == "ResourceNotFoundException"


def test_two_accounts_have_the_same_names_side_by_side(service: Any, stranger: Any, elsewhere: Any) -> None:
    mine = everything(service)
    before = snapshot(service, mine)
    for other in (stranger, elsewhere):
        theirs = everything(service, other)
        assert set(theirs.values()).isdisjoint(mine.values())
        service(
            "TagResource", other, resourceArn=theirs["resourceArn"], tags=[{"tagKey": "x", "tagValue": ""}]
        )
        types = [one["datasetType"] for one in service("ListDatasets", other)["datasets"]]
        assert types == ["INTERACTIONS"] * 3
    assert snapshot(service, mine) == before


def test_a_resource_is_not_found_as_another_kind(service: Any) -> None:
    arns = everything(service)
    for member, name in [("datasetGroupArn", "DescribeDatasetGroup"), ("schemaArn", "DescribeSchema")]:
        for other in set(arns) - {member, "resourceArn"}:
            assert service.refusal(name, **{member: arns[other]}).code == "ResourceNotFoundException"
