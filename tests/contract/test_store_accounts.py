"""No operation shows or changes anything of another account, or of another region.

The cases are generated over all handlers: an operation that is added later is asked too, and fails the test
if it cannot be.
"""

from typing import Any

import pytest


def everything(service: Any, caller: Any = None) -> dict[str, str]:
    """Create one of each; return the value of every member that names a resource."""
    dataset = service.dataset(caller=caller)
    described = service("DescribeDataset", caller, datasetArn=dataset)["dataset"]
    job = service.job(dataset, caller=caller)
    group = described["datasetGroupArn"]
    service("TagResource", caller, resourceArn=group, tags=[{"tagKey": "owner", "tagValue": "me"}])
    return {
        "datasetGroupArn": group,
        "schemaArn": described["schemaArn"],
        "datasetArn": dataset,
        "datasetImportJobArn": job,
        "resourceArn": group,
    }


#: What each operation that names a resource needs beside the ARN.
MEMBERS: dict[str, dict[str, Any]] = {
    "CreateDataset": {"datasetGroupArn": ..., "schemaArn": ..., "name": "n", "datasetType": "Items"},
    "CreateDatasetImportJob": {
        "datasetArn": ...,
        "jobName": "n",
        "dataSource": {"dataLocation": "s3://bucket/job.csv"},
    },
    "DescribeDatasetGroup": {"datasetGroupArn": ...},
    "DescribeSchema": {"schemaArn": ...},
    "DescribeDataset": {"datasetArn": ...},
    "DescribeDatasetImportJob": {"datasetImportJobArn": ...},
    "DeleteDatasetGroup": {"datasetGroupArn": ...},
    "DeleteSchema": {"schemaArn": ...},
    "DeleteDataset": {"datasetArn": ...},
    "TagResource": {"resourceArn": ..., "tags": [{"tagKey": "a", "tagValue": "b"}]},
    "UntagResource": {"resourceArn": ..., "tagKeys": ["owner"]},
    "ListTagsForResource": {"resourceArn": ...},
    "ListDatasetGroups": {},
    "ListSchemas": {},
    "ListDatasets": {"datasetGroupArn": ...},
    "ListDatasetImportJobs": {"datasetArn": ...},
}
#: What names no resource of an account.
NAMES_NONE = {
    "CreateDatasetGroup",
    "CreateSchema",
    "ListRecipes",
    "DescribeRecipe",
    "DescribeAlgorithm",
    "DescribeFeatureTransformation",
}


def snapshot(service: Any, arns: dict[str, str]) -> list[Any]:
    """Return all that the owner can see."""
    reads = ("DescribeDatasetGroup", "DescribeSchema", "DescribeDataset", "DescribeDatasetImportJob")
    seen = [service(name, **{member: arns[member] for member in MEMBERS[name]}) for name in reads]
    lists = ("ListDatasetGroups", "ListSchemas", "ListDatasets", "ListDatasetImportJobs")
    seen += [service(name) for name in lists]
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
        if name.startswith("List") and name != "ListTagsForResource":
            for filtered in (asked, {}):
                answer = service(name, other, **filtered)
                assert list(answer.values()) == [[]], name
        else:
            refused = service.refusal(name, other, **asked)
            assert refused.code == "ResourceNotFoundException", name
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
        assert len(service("ListDatasets", other)["datasets"]) == 1
    after = snapshot(service, mine)
    assert after[0] == before[0]
    assert [len(next(iter(seen.values()))) for seen in after[4:]] == [1, 1, 1, 1, 1]


def test_a_resource_is_not_found_as_another_kind(service: Any) -> None:
    arns = everything(service)
    for member, name in [("datasetGroupArn", "DescribeDatasetGroup"), ("schemaArn", "DescribeSchema")]:
        for other in set(arns) - {member, "resourceArn"}:
            assert service.refusal(name, **{member: arns[other]}).code == "ResourceNotFoundException"
