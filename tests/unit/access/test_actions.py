"""Every operation has an action and a resource that a policy can name."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sartor.access.actions import NO_RESOURCE, named_by, passed_roles
from sartor.access.gate import Gate
from sartor.errors import ApiError
from sartor.keys import AccessKey
from sartor.resources.store import Resource, Store
from sartor.wire import operations
from sartor.wire.sign import Caller, HttpRequest

ACCOUNT, REGION = "111122223333", "us-east-1"
ROOT = f"arn:aws:personalize:{REGION}:{ACCOUNT}"
CALLER = Caller(ACCOUNT, REGION, "AKIA")
OPERATIONS = operations.load().all
SCOPE = {"client": ("203.0.113.7", 1), "scheme": "https"}
REQUEST = HttpRequest("POST", "/", "", {"user-agent": "boto3"}, b"", SCOPE)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_an_operation_is_about_the_member_that_names_its_resource(operation: operations.Operation) -> None:
    shape = operation.model.input_shape
    members = {name: f"{ROOT}:named/{name}" for name in (shape.members if shape else {})}
    found = named_by(operation.name)(CALLER, members, lambda _caller, name: f"{ROOT}:tracker/{name}")
    if operation.name.startswith("List") and operation.name != "ListTagsForResource":
        assert found == NO_RESOURCE
    elif operation.name.startswith("Create"):
        assert found.startswith(f"{ROOT}:")
    else:
        assert found.startswith((f"{ROOT}:named/", f"{ROOT}:tracker/"))
        member = found.rpartition("/")[2]
        assert member in shape.members or "tracker" in found


@pytest.mark.parametrize(
    ("operation", "members", "resource"),
    [
        ("CreateDatasetGroup", {"name": "shop"}, "dataset-group/shop"),
        ("CreateSchema", {"name": "shop"}, "schema/shop"),
        (
            "CreateDataset",
            {"name": "x", "datasetGroupArn": f"{ROOT}:dataset-group/shop", "datasetType": "Interactions"},
            "dataset/shop/INTERACTIONS",
        ),
        ("CreateDatasetImportJob", {"jobName": "job"}, "dataset-import-job/job"),
        ("CreateBatchInferenceJob", {"jobName": "job"}, "batch-inference-job/job"),
        ("CreateEventTracker", {"name": "shop"}, "event-tracker/*"),
        ("CreateSolutionVersion", {"solutionArn": f"{ROOT}:solution/s"}, "solution/s"),
        ("DescribeSolutionVersion", {"solutionVersionArn": f"{ROOT}:solution/s/1"}, "solution/s/1"),
        ("UpdateCampaign", {"campaignArn": f"{ROOT}:campaign/c", "solutionVersionArn": "x"}, "campaign/c"),
        ("StartRecommender", {"recommenderArn": f"{ROOT}:recommender/r"}, "recommender/r"),
        ("GetRecommendations", {"recommenderArn": f"{ROOT}:recommender/r"}, "recommender/r"),
        ("PutEvents", {"trackingId": "nobody's"}, "event-tracker/*"),
    ],
)
def test_what_is_created_or_asked_has_the_arn_that_it_will_have(
    operation: str, members: Mapping[str, Any], resource: str
) -> None:
    assert named_by(operation)(CALLER, members, lambda _caller, _name: None) == f"{ROOT}:{resource}"


def test_a_role_is_passed_at_the_top_or_with_an_output() -> None:
    assert passed_roles({"roleArn": "r"}) == ["r"]
    assert passed_roles({"metricsOutputConfig": {"roleArn": "r"}}) == ["r"]
    assert passed_roles({"name": "x"}) == []


def allows(store: Store, statement: dict[str, Any], operation: str, **members: Any) -> str:
    """Return what a key with one statement is told, nothing if it may."""
    document = json.dumps(
        {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Resource": "*", **statement}}
    )
    key = AccessKey("AKIA", "secret", ACCOUNT, (document,))
    caller = Caller(ACCOUNT, REGION, "AKIA", key.principal)
    named = next(one for one in OPERATIONS if one.name == operation)
    try:
        Gate(store, lambda: 1_769_860_800.0).require(caller, named, members, REQUEST)
    except ApiError as refused:
        assert refused.code == "AccessDeniedException"
        return refused.message
    return ""


@pytest.fixture
def store(tmp_path: Path) -> Any:
    opened = Store.open(f"sqlite:///{tmp_path / 'sartor.db'}")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("operator", "key", "value"),
    [
        ("StringEquals", "aws:PrincipalAccount", ACCOUNT),
        ("ArnEquals", "aws:PrincipalArn", f"arn:aws:iam::{ACCOUNT}:user/AKIA"),
        ("StringEquals", "aws:PrincipalType", "User"),
        ("StringEquals", "aws:userid", "AKIA"),
        ("StringEquals", "aws:username", "AKIA"),
        ("StringEquals", "aws:RequestedRegion", REGION),
        ("StringEquals", "aws:ResourceAccount", ACCOUNT),
        ("Bool", "aws:SecureTransport", "true"),
        ("IpAddress", "aws:SourceIp", "203.0.113.0/24"),
        ("StringLike", "aws:UserAgent", "boto*"),
        ("DateGreaterThan", "aws:CurrentTime", "2026-01-31T11:59:59Z"),
        ("DateLessThan", "aws:CurrentTime", "2026-01-31T12:00:01Z"),
        ("NumericLessThan", "aws:EpochTime", "1769860801"),
        ("Null", "aws:TokenIssueTime", "true"),
        ("Null", "aws:Referer", "true"),
        ("Bool", "aws:ViaAWSService", "false"),
        ("StringEquals", "aws:RequestTag/Team", "shop"),
        ("ForAllValues:StringEquals", "aws:TagKeys", "team"),
        ("StringEquals", "aws:ResourceTag/Owner", "anna"),
    ],
)
def test_a_condition_may_ask_what_is_known_of_a_call(
    store: Store, operator: str, key: str, value: str
) -> None:
    campaign = f"{ROOT}:campaign/c"
    with store.write() as transaction:
        transaction.set_tags(campaign, {"owner": "anna"})
    members = {"resourceArn": campaign, "tags": [{"tagKey": "team", "tagValue": "shop"}]}
    holds = {"Action": "personalize:TagResource", "Condition": {operator: {key: value}}}
    assert allows(store, holds, "TagResource", **members) == ""


def test_a_role_is_passed_only_by_who_may_pass_it(store: Store) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/import"
    members = {"jobName": "job", "roleArn": role}
    create = "personalize:CreateDatasetImportJob"
    refusal = allows(store, {"Action": create}, "CreateDatasetImportJob", **members)
    assert refusal == (
        f"User: arn:aws:iam::{ACCOUNT}:user/AKIA is not authorized to perform: iam:PassRole on resource: {role} "
        "because no identity-based policy allows the iam:PassRole action"
    )
    both = {"Action": [create, "iam:PassRole"]}
    assert allows(store, both, "CreateDatasetImportJob", **members) == ""
    to = {"StringEqualsIfExists": {"iam:PassedToService": "personalize.amazonaws.com"}}
    assert allows(store, {**both, "Condition": to}, "CreateDatasetImportJob", **members) == ""


def test_a_tracking_id_stands_for_its_event_tracker(store: Store) -> None:
    arn = f"{ROOT}:event-tracker/1"
    tracker = Resource(arn, "event-tracker", ACCOUNT, REGION, "t", "ACTIVE", {}, {}, 1.0, 1.0)
    with store.write() as transaction:
        transaction.add(tracker, ["tracking/id"])
    put = {"Action": "personalize:PutEvents", "Resource": arn}
    assert allows(store, put, "PutEvents", trackingId="id") == ""
    assert f"on resource: {ROOT}:event-tracker/* because" in allows(
        store, put, "PutEvents", trackingId="other"
    )
