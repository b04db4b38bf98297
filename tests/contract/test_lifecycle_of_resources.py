"""Groups, schemas and datasets through their lives: create, describe, list, delete, on every database."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import botocore.session
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sartor.errors import ApiError
from sartor.resources import lifecycle, rules
from sartor.resources.kinds import LANES

MODEL = botocore.session.get_session().get_service_model("personalize")
GROUP = "arn:aws:personalize:eu-central-1:111122223333:dataset-group/shop"
SCHEMA = "arn:aws:personalize:eu-central-1:111122223333:schema/"


def test_a_group_passes_through_its_statuses(service: Any) -> None:
    service.control._clock = lambda: 1_700_000_000.0
    answer = service("CreateDatasetGroup", name="shop", domain="ECOMMERCE")
    assert answer == {"datasetGroupArn": GROUP, "domain": "ECOMMERCE"}
    described = service("DescribeDatasetGroup", datasetGroupArn=GROUP)["datasetGroup"]
    assert described["status"] == "CREATE PENDING"
    task = lifecycle.claim(service.store, "w", ("quick",), 1_700_000_100.0, 15.0)
    described = service("DescribeDatasetGroup", datasetGroupArn=GROUP)["datasetGroup"]
    assert described["status"] == "CREATE IN_PROGRESS"
    assert lifecycle.finish(service.store, task, now=1_700_000_101.0)
    assert service("DescribeDatasetGroup", datasetGroupArn=GROUP)["datasetGroup"] == {
        "name": "shop",
        "datasetGroupArn": GROUP,
        "domain": "ECOMMERCE",
        "status": "ACTIVE",
        "creationDateTime": 1_700_000_000.0,
        "lastUpdatedDateTime": 1_700_000_101.0,
    }


def test_a_failed_resource_says_why(service: Any) -> None:
    service("CreateDatasetGroup", name="shop")
    service.work({GROUP: "No role."})
    described = service("DescribeDatasetGroup", datasetGroupArn=GROUP)["datasetGroup"]
    assert (described["status"], described["failureReason"]) == ("CREATE FAILED", "No role.")


@pytest.mark.parametrize("member", ["kmsKeyArn", "roleArn"])
def test_a_key_and_its_role_come_together(service: Any, member: str) -> None:
    assert (
        service.refusal("CreateDatasetGroup", name="a", **{member: "arn:x"}).code == "InvalidInputException"
    )
    service("CreateDatasetGroup", name="a", kmsKeyArn="arn:k", roleArn="arn:r")


def test_a_name_is_taken_until_its_resource_is_gone(service: Any) -> None:
    service.group()
    taken = service.refusal("CreateDatasetGroup", name="shop")
    assert taken.code == "ResourceAlreadyExistsException"
    assert taken.message == f"Another resource with Arn {GROUP} already exists."
    service("CreateDatasetGroup", name="Shop")  # names differ by case
    service.work()
    service("DeleteDatasetGroup", datasetGroupArn=GROUP)
    assert service.refusal("CreateDatasetGroup", name="shop").code == "ResourceAlreadyExistsException"
    service.work()
    assert service.group() == GROUP


def test_of_many_who_create_one_name_at_once_exactly_one_wins(service: Any) -> None:
    def create(_number: int) -> str:
        try:
            service("CreateDatasetGroup", name="shop")
        except ApiError as refused:
            return refused.code
        return "created"

    with ThreadPoolExecutor(6) as pool:
        outcomes = sorted(pool.map(create, range(6)))
    assert outcomes == ["ResourceAlreadyExistsException"] * 5 + ["created"]


def test_the_quota_of_groups_holds_against_many_at_once(service: Any) -> None:
    def create(number: int) -> str:
        try:
            service("CreateDatasetGroup", name=f"g{number}")
        except ApiError as refused:
            return refused.code
        return "created"

    with ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(create, range(8)))
    assert outcomes == ["LimitExceededException"] * 3 + ["created"] * 5


def test_groups_that_failed_or_are_deleted_do_not_count(service: Any, stranger: Any) -> None:
    for number in range(5):
        service.group(f"g{number}")
    assert (
        service.refusal("CreateDatasetGroup", name="g5").message
        == "Cannot create a dataset group. More than 5 resources in ACTIVE state. "
        "Please delete some and try again."
    )
    service("CreateDatasetGroup", stranger, name="g5")
    service("DeleteDatasetGroup", datasetGroupArn=GROUP.replace("shop", "g0"))
    service("CreateDatasetGroup", name="g5")


def test_a_region_is_a_word_that_a_path_can_hold(service: Any, caller_in: Any) -> None:
    for region in ("../up", "", "EU", "a/b"):
        refused = service.refusal("CreateDatasetGroup", caller_in(region), name="a")
        assert refused.code == "InvalidInputException"


def test_quotas_can_be_lifted(service_without_quotas: Any) -> None:
    for number in range(7):
        service_without_quotas("CreateDatasetGroup", name=f"g{number}")


def test_a_schema_is_there_at_once_word_for_word(service: Any) -> None:
    service.control._clock = lambda: 1_700_000_000.0
    text = json.dumps(
        {"type": "record", "name": "Users", "namespace": "n", "version": "1.0"}
        | {"fields": [{"name": "USER_ID", "type": "string"}, {"name": "AGE", "type": ["int", "null"]}]},
        indent=1,
    )
    arn = service("CreateSchema", name="u", schema=text)["schemaArn"]
    assert arn == "arn:aws:personalize:eu-central-1:111122223333:schema/u"
    assert service("DescribeSchema", schemaArn=arn)["schema"] == {
        "name": "u",
        "schemaArn": arn,
        "schema": text,
        "creationDateTime": 1_700_000_000.0,
        "lastUpdatedDateTime": 1_700_000_000.0,
    }
    service("DeleteSchema", schemaArn=arn)
    assert service.refusal("DescribeSchema", schemaArn=arn).code == "ResourceNotFoundException"


def test_a_broken_schema_is_refused(service: Any) -> None:
    assert service.refusal("CreateSchema", name="u", schema="{").code == "InvalidInputException"


@pytest.mark.parametrize("of", ["Interactions", "Items", "Users", "Actions", "ActionInteractions"])
def test_a_dataset_is_named_after_its_group_and_type(service: Any, of: str) -> None:
    arn = service.dataset(of)
    described = service("DescribeDataset", datasetArn=arn)["dataset"]
    dataset_type = "ACTION_INTERACTIONS" if of == "ActionInteractions" else of.upper()
    assert arn == f"arn:aws:personalize:eu-central-1:111122223333:dataset/shop/{dataset_type}"
    assert described["datasetType"] == dataset_type
    assert described["status"] == "ACTIVE"
    assert ("trackingId" in described) == (of == "ActionInteractions")
    stored = service.store.get(arn)
    folder = stored.private["table"]
    assert folder.startswith(f"111122223333/eu-central-1/datasets/shop-{dataset_type}-")
    assert folder.endswith("/bulk")


def ask_for_dataset(service: Any, **changes: Any) -> ApiError:
    """Return why a dataset with these members is refused; without changes it would be allowed."""
    request = {"name": "d", "datasetType": "Interactions"} | changes
    refused: ApiError = service.refusal("CreateDataset", **request)
    return refused


def test_a_dataset_is_checked_in_the_documented_order(service: Any) -> None:
    missing_group = GROUP.replace("shop", "none")
    missing_schema = GROUP.replace("dataset-group/shop", "schema/none")
    users = service.schema("Users")
    interactions = service.schema("Interactions")
    faulty = {"datasetGroupArn": missing_group, "schemaArn": missing_schema, "datasetType": "Songs"}
    refused = ask_for_dataset(service, **faulty)
    assert (refused.code, refused.message) == (
        "ResourceNotFoundException",
        f"Resource Arn {missing_group} does not exist.",
    )
    service("CreateDatasetGroup", name="shop")  # and it stays pending
    faulty["datasetGroupArn"] = GROUP
    assert ask_for_dataset(service, **faulty).message == f"Resource Arn {missing_schema} does not exist."
    faulty["schemaArn"] = users
    refused = ask_for_dataset(service, **faulty)
    assert refused.code == "InvalidInputException"
    assert "SONGS" in refused.message
    refused = ask_for_dataset(service, **faulty | {"datasetType": "Items"})
    assert refused.code == "InvalidInputException"
    assert "USERS" in refused.message
    good = {"datasetGroupArn": GROUP, "schemaArn": interactions}
    assert ask_for_dataset(service, **good).code == "ResourceInUseException"
    service.work()
    service("CreateDataset", name="d", datasetType="iNTERACTIONS", **good)
    tags = [{"tagKey": "a", "tagValue": ""}] * 51
    assert ask_for_dataset(service, **good, tags=tags).code == "ResourceAlreadyExistsException"
    good["schemaArn"] = users
    refused = ask_for_dataset(service, **good, datasetType="users", tags=tags)
    assert refused.code == "TooManyTagsException"


@pytest.mark.parametrize("of", ["Actions", "ActionInteractions"])
def test_a_group_with_a_domain_has_no_actions(service: Any, of: str) -> None:
    group = service.group(domain="VIDEO_ON_DEMAND")
    dataset_type = {"Actions": "ACTIONS", "ActionInteractions": "ACTION_INTERACTIONS"}[of]
    refused = ask_for_dataset(
        service, datasetGroupArn=group, schemaArn=service.schema(of), datasetType=dataset_type
    )
    assert refused.code == "InvalidInputException"
    assert "VIDEO_ON_DEMAND" in refused.message


def test_a_schema_and_a_group_have_the_same_domain(service: Any) -> None:
    group = service.group(domain="ECOMMERCE")
    refused = ask_for_dataset(service, datasetGroupArn=group, schemaArn=service.schema())
    assert refused.code == "InvalidInputException"
    assert "domain" in refused.message


def test_what_is_used_cannot_be_deleted(service: Any) -> None:
    dataset = service.dataset()
    schema = service("DescribeDataset", datasetArn=dataset)["dataset"]["schemaArn"]
    assert service.refusal("DeleteDatasetGroup", datasetGroupArn=GROUP).code == "ResourceInUseException"
    refused = service.refusal("DeleteSchema", schemaArn=schema)
    assert refused.code == "ResourceInUseException"
    assert dataset in refused.message
    service("DeleteDataset", datasetArn=dataset)
    described = service("DescribeDataset", datasetArn=dataset)["dataset"]
    assert described["status"] == "DELETE PENDING"
    assert service.refusal("DeleteDataset", datasetArn=dataset).code == "ResourceInUseException"
    assert service.refusal("DeleteSchema", schemaArn=schema).code == "ResourceInUseException"
    service.work()
    assert service.refusal("DescribeDataset", datasetArn=dataset).code == "ResourceNotFoundException"
    service("DeleteSchema", schemaArn=schema)
    service("DeleteDatasetGroup", datasetGroupArn=GROUP)
    service.work()
    assert service.refusal("DeleteDatasetGroup", datasetGroupArn=GROUP).code == "ResourceNotFoundException"


def test_only_what_is_active_or_failed_can_be_deleted(service: Any) -> None:
    service("CreateDatasetGroup", name="shop")
    assert service.refusal("DeleteDatasetGroup", datasetGroupArn=GROUP).code == "ResourceInUseException"
    service.work({GROUP: "No."})
    service("DeleteDatasetGroup", datasetGroupArn=GROUP)


def test_what_is_being_created_cannot_be_deleted_of_any_kind(service: Any) -> None:
    version = service.version(service.solution())
    group = service.described("SolutionVersion", version)["datasetGroupArn"]
    keeps = 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")'
    actions, other = service.schema("Actions"), {"datasetGroupArn": group, "name": "n"}
    created = {
        "Dataset": service("CreateDataset", **other, schemaArn=actions, datasetType="Actions"),
        "Campaign": service("CreateCampaign", name="c", solutionVersionArn=version),
        "Filter": service("CreateFilter", **other, filterExpression=keeps),
        "EventTracker": service("CreateEventTracker", **other),
        "DatasetGroup": service("CreateDatasetGroup", name="new"),
    }
    for status in ("CREATE PENDING", "CREATE IN_PROGRESS"):
        for noun, answer in created.items():
            member = f"{noun[0].lower()}{noun[1:]}Arn"
            assert service.described(noun, answer[member])["status"] == status
            refused = service.refusal(f"Delete{noun}", **{member: answer[member]})
            assert (refused.code, status in refused.message) == ("ResourceInUseException", True)
        while lifecycle.claim(service.store, "w", LANES, 1.7e9, 60.0):
            pass


def test_a_description_has_only_members_of_the_service_model(service: Any) -> None:
    dataset = service.dataset("ActionInteractions")
    described = service("DescribeDataset", datasetArn=dataset)["dataset"]
    arns = {
        "DatasetGroup": {"datasetGroupArn": described["datasetGroupArn"]},
        "Schema": {"schemaArn": described["schemaArn"]},
        "Dataset": {"datasetArn": dataset},
        "DatasetImportJob": {"datasetImportJobArn": service.job(dataset)},
    }
    for noun, request in arns.items():
        operation = MODEL.operation_model(f"Describe{noun}")
        ((member, shown),) = service(operation.name, **request).items()
        assert set(shown) <= set(operation.output_shape.members[member].members)


def names_of_schemas(service: Any, caller: Any = None, **request: Any) -> list[str]:
    """Return the names on every page of ListSchemas."""
    names: list[str] = []
    while True:
        answer = service("ListSchemas", caller, **request)
        names += [schema["name"] for schema in answer["schemas"]]
        assert len(answer["schemas"]) <= request.get("maxResults", 100)
        if "nextToken" not in answer:
            return names
        request["nextToken"] = answer["nextToken"]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 7), count=st.integers(0, 6), late=st.integers(0, 3))
def test_a_list_is_newest_first_and_stable_while_schemas_come(
    service: Any, limit: int, count: int, late: int
) -> None:
    for name in names_of_schemas(service):
        service("DeleteSchema", schemaArn=f"arn:aws:personalize:eu-central-1:111122223333:schema/{name}")
    for number in range(count):
        service.schema(name=f"s{number}")
    expected = [f"s{number}" for number in reversed(range(count))]
    assert names_of_schemas(service, maxResults=limit) == expected
    first = service("ListSchemas", maxResults=limit)
    for number in range(late):
        service.schema(name=f"late{number}")
    names = [schema["name"] for schema in first["schemas"]]
    if "nextToken" in first:
        names += names_of_schemas(service, maxResults=limit, nextToken=first["nextToken"])
    assert names == expected


def test_a_token_is_good_for_its_own_list_only(service: Any, stranger: Any, elsewhere: Any) -> None:
    group, other = service.group("a"), service.group("b")
    for of in ("Items", "Users"):
        service.dataset(of, group)
    token = service("ListDatasets", datasetGroupArn=group, maxResults=1)["nextToken"]
    assert len(token) <= 1500
    assert token.isascii()
    good = {"datasetGroupArn": group, "nextToken": token}
    assert len(service("ListDatasets", **good, maxResults=2)["datasets"]) == 1
    for operation, caller, request in [
        ("ListDatasets", None, {"nextToken": token}),
        ("ListDatasets", None, {"datasetGroupArn": other, "nextToken": token}),
        ("ListDatasets", stranger, good),
        ("ListDatasets", elsewhere, good),
        ("ListDatasetGroups", None, {"nextToken": token}),
        ("ListDatasets", None, good | {"nextToken": token[:-4]}),
        ("ListDatasets", None, good | {"nextToken": "x" + token[1:]}),
        ("ListDatasets", None, good | {"nextToken": "~"}),
        ("ListDatasets", None, good | {"nextToken": "abc"}),
    ]:
        assert service.refusal(operation, caller, **request).code == "InvalidNextTokenException"


def test_a_list_can_be_of_one_group(service: Any) -> None:
    first, second = service.group("a"), service.group("b")
    service.dataset("Items", first)
    users = service.dataset("Users", second)
    listed = service("ListDatasets", datasetGroupArn=second)["datasets"]
    assert [dataset["datasetArn"] for dataset in listed] == [users]
    assert service("ListDatasets", datasetGroupArn=GROUP)["datasets"] == []
    assert service("ListDatasets", datasetGroupArn="arn:aws:personalize:::\x00")["datasets"] == []
    assert len(service("ListDatasets")["datasets"]) == 2


def test_names_are_of_the_account_and_region_and_not_of_a_group(service: Any, elsewhere: Any) -> None:
    first, second = service.data_group(name="a"), service.data_group(name="b")
    service.solution(first, "taken", performAutoTraining=False)
    keeps = 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")'
    service("CreateFilter", name="taken", datasetGroupArn=first, filterExpression=keeps)
    service.job(f"{GROUP.replace('dataset-group/shop', 'dataset/a/ITEMS')}", "taken")
    recipe = {"recipeArn": "arn:aws:personalize:::recipe/aws-user-personalization"}
    for operation, members in (
        ("CreateSolution", {"name": "taken", "datasetGroupArn": second, **recipe}),
        ("CreateFilter", {"name": "taken", "datasetGroupArn": second, "filterExpression": keeps}),
        (
            "CreateDatasetImportJob",
            {
                "jobName": "taken",
                "datasetArn": GROUP.replace("dataset-group/shop", "dataset/b/ITEMS"),
                "dataSource": {"dataLocation": "s3://bucket/taken.csv"},
            },
        ),
    ):
        assert service.refusal(operation, **members).code == "ResourceAlreadyExistsException"
    service("CreateDatasetGroup", elsewhere, name="a")
    described = service("ListDatasets", datasetGroupArn=first)["datasets"]
    assert {one["name"] for one in described} == {"data"}, "names of datasets may repeat"


def test_a_schema_is_of_no_group_and_may_be_used_by_many(service: Any) -> None:
    schema = service.schema("Items")
    for name in ("a", "b"):
        members = {"name": "d", "datasetGroupArn": service.group(name), "schemaArn": schema}
        service("CreateDataset", **members, datasetType="Items")
    service.work()
    datasets = [one["datasetArn"] for one in service("ListDatasets")["datasets"]]
    assert len(datasets) == 2
    for arn in datasets:
        assert service.refusal("DeleteSchema", schemaArn=schema).code == "ResourceInUseException"
        service("DeleteDataset", datasetArn=arn)
        service.work()
    service("DeleteSchema", schemaArn=schema)


def test_there_are_500_schemas_at_most(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rules.MAX_SCHEMAS == 500
    monkeypatch.setattr(rules, "MAX_SCHEMAS", 3)
    for number in range(3):
        service.schema(name=f"s{number}")
    refused = service.refusal(
        "CreateSchema", name="s3", schema=service.described("Schema", f"{SCHEMA}s0")["schema"]
    )
    assert refused.code == "LimitExceededException"
    service("DeleteSchema", schemaArn=f"{SCHEMA}s0")
    service.schema(name="s3")


def test_a_second_dataset_of_a_type_is_the_first_one_again(service: Any) -> None:
    dataset = service.dataset("Items")
    members = {"datasetGroupArn": GROUP, "schemaArn": service.schema("Items", "other")}
    refused = ask_for_dataset(service, **members, datasetType="ITEMS", name="another name")
    assert refused.code == "ResourceAlreadyExistsException"
    assert refused.message == f"Another resource with Arn {dataset} already exists."


def test_what_is_encrypted_with_which_key_is_shown(service: Any) -> None:
    role, key = "arn:aws:iam::111122223333:role/r", "arn:aws:kms:eu-central-1:111122223333:key/k"
    dataset = service.dataset(group=service.group(roleArn=role, kmsKeyArn=key))
    shown = service.described("DatasetGroup", GROUP)
    assert (shown["roleArn"], shown["kmsKeyArn"]) == (role, key)
    output = {"s3DataDestination": {"path": "s3://bucket/out/", "kmsKeyArn": key}}
    members = {"jobName": "export", "datasetArn": dataset, "roleArn": role, "jobOutput": output}
    arn = service("CreateDatasetExportJob", **members)["datasetExportJobArn"]
    assert service.described("DatasetExportJob", arn)["jobOutput"] == output


def test_a_group_is_held_by_each_that_is_left_of_it(service: Any) -> None:
    group = service.data_group()
    solution = service.solution(group, performAutoTraining=False)
    tracker = service("CreateEventTracker", name="t", datasetGroupArn=group)["eventTrackerArn"]
    service.work()
    datasets = [one["datasetArn"] for one in service("ListDatasets", datasetGroupArn=group)["datasets"]]
    left = [("Solution", solution), ("EventTracker", tracker), *(("Dataset", arn) for arn in datasets)]
    for noun, arn in left:
        refused = service.refusal("DeleteDatasetGroup", datasetGroupArn=group)
        assert refused.code == "ResourceInUseException"
        service(f"Delete{noun}", **{f"{noun[0].lower()}{noun[1:]}Arn": arn})
        service.work()
    assert refused.message.endswith(f"{datasets[-1]} uses it.")
    service("DeleteDatasetGroup", datasetGroupArn=group)
