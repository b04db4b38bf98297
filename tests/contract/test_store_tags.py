"""Tags on every database."""

from typing import Any

import pytest

CATALOGUE = "arn:aws:personalize:::recipe/aws-sims"


def tags(**values: str) -> list[dict[str, str]]:
    return [{"tagKey": key, "tagValue": value} for key, value in values.items()]


def numbered(count: int, start: int = 0) -> list[dict[str, str]]:
    return tags(**{f"k{number}": "v" for number in range(start, start + count)})


def listed(service: Any, arn: str) -> dict[str, str]:
    found = service("ListTagsForResource", resourceArn=arn)["tags"]
    return {tag["tagKey"]: tag["tagValue"] for tag in found}


def test_tags_can_be_given_at_once_changed_and_removed(service: Any) -> None:
    group = service.group(tags=tags(a="1", B="", ü="ß"))
    assert listed(service, group) == {"a": "1", "B": "", "ü": "ß"}
    assert service("TagResource", resourceArn=group, tags=tags(a="2", c="3")) == {}
    assert listed(service, group) == {"a": "2", "B": "", "c": "3", "ü": "ß"}
    assert service("UntagResource", resourceArn=group, tagKeys=["a", "absent"]) == {}
    assert listed(service, group) == {"B": "", "c": "3", "ü": "ß"}


def test_every_complete_kind_but_the_schema_takes_tags(service: Any) -> None:
    dataset = service.dataset()
    job = service.job(dataset, tags=tags(a="1"))
    group = dataset.replace("dataset/shop/INTERACTIONS", "dataset-group/shop")
    for arn in (group, dataset, job):
        service("TagResource", resourceArn=arn, tags=tags(b="2"))
    assert listed(service, job) == {"a": "1", "b": "2"}


def test_tags_go_with_their_resource(service: Any) -> None:
    group = service.group(tags=tags(a="1"))
    service("DeleteDatasetGroup", datasetGroupArn=group)
    service.work()
    assert listed(service, service.group()) == {}


@pytest.mark.parametrize(
    "given", [[*tags(a="1"), *tags(a="2")], tags(**{"aws:a": "1"}), tags(**{"AWS:a": "1"})]
)
def test_repeated_and_reserved_keys_are_refused(service: Any, given: list[dict[str, str]]) -> None:
    group = service.group()
    assert service.refusal("CreateDatasetGroup", name="b", tags=given).code == "InvalidInputException"
    assert service.refusal("TagResource", resourceArn=group, tags=given).code == "InvalidInputException"
    assert listed(service, group) == {}


def test_a_resource_has_at_most_fifty_tags(service: Any) -> None:
    too_many = service.refusal("CreateDatasetGroup", name="shop", tags=numbered(51))
    assert too_many.code == "TooManyTagsException"
    group = service.group(tags=numbered(50))
    service("TagResource", resourceArn=group, tags=numbered(50))
    refused = service.refusal("TagResource", resourceArn=group, tags=tags(one_more=""))
    assert refused.code == "TooManyTagsException"
    keys = [f"k{number}" for number in range(51)]
    refused = service.refusal("UntagResource", resourceArn=group, tagKeys=keys)
    assert refused.code == "TooManyTagKeysException"
    assert len(listed(service, group)) == 50


def test_what_takes_no_tags_says_so(service: Any) -> None:
    schema = service.schema()
    for arn in (schema, CATALOGUE, CATALOGUE.replace("recipe", "algorithm")):
        for operation, request in [
            ("ListTagsForResource", {}),
            ("TagResource", {"tags": tags(a="1")}),
            ("UntagResource", {"tagKeys": ["a"]}),
        ]:
            assert service.refusal(operation, resourceArn=arn, **request).code == "InvalidInputException"


@pytest.mark.parametrize("tail", ["dataset-group/none", "filter/none", "banana/x", "dataset-group/\x00"])
def test_what_does_not_exist_is_not_found(service: Any, tail: str) -> None:
    arn = f"arn:aws:personalize:eu-central-1:111122223333:{tail}"
    refused = service.refusal("ListTagsForResource", resourceArn=arn)
    assert refused.code == "ResourceNotFoundException"


def test_tags_tell_upper_from_lower_case(service: Any) -> None:
    group = service.group(tags=tags(team="a", Team="b"))
    service("TagResource", resourceArn=group, tags=tags(TEAM="c", Team="B"))
    assert listed(service, group) == {"team": "a", "Team": "B", "TEAM": "c"}
    service("UntagResource", resourceArn=group, tagKeys=["team"])
    assert listed(service, group) == {"Team": "B", "TEAM": "c"}
