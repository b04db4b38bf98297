"""Filters through their lives: refused at once or active, what they hold, their quotas."""

from typing import Any

import botocore.session
import pytest

from sartor.resources import lifecycle

MODEL = botocore.session.get_session().get_service_model("personalize")
PREFIX = "arn:aws:personalize:eu-central-1:111122223333"
GROUP = f"{PREFIX}:dataset-group/shop"
BOUGHT = 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("buy")'
CHEAP = "INCLUDE ItemID WHERE items.price < $MOST IF CurrentUser.AGE > 18"


def create(service: Any, expression: str = BOUGHT, name: str = "f", group: str = GROUP) -> str:
    answer = service("CreateFilter", name=name, datasetGroupArn=group, filterExpression=expression)
    return str(answer["filterArn"])


def refusal(service: Any, expression: str = BOUGHT, name: str = "f", group: str = GROUP) -> Any:
    return service.refusal("CreateFilter", name=name, datasetGroupArn=group, filterExpression=expression)


def test_a_filter_passes_through_its_statuses(service: Any) -> None:
    service.data_group()
    arn = create(service, CHEAP)
    assert arn == f"{PREFIX}:filter/f"
    assert service.described("Filter", arn)["status"] == "CREATE PENDING"
    task = lifecycle.claim(service.store, "w", ("quick",), 1.7e9, 15.0)
    assert service.described("Filter", arn)["status"] == "CREATE IN_PROGRESS"
    assert lifecycle.finish(service.store, task)
    shown = service.described("Filter", arn)
    assert set(shown) <= set(MODEL.operation_model("DescribeFilter").output_shape.members["filter"].members)
    del shown["creationDateTime"], shown["lastUpdatedDateTime"]
    assert shown == {
        "name": "f",
        "filterArn": arn,
        "datasetGroupArn": GROUP,
        "filterExpression": CHEAP,
        "status": "ACTIVE",
    }
    assert service.store.get(arn).private == {"fields": [["ITEMS", "PRICE"], ["USERS", "AGE"]]}
    service("DeleteFilter", filterArn=arn)
    service.work()
    assert service.refusal("DescribeFilter", filterArn=arn).code == "ResourceNotFoundException"


def test_a_list_is_spelled_with_a_capital(service: Any) -> None:
    service.data_group()
    other = service.data_group(name="other")
    arns = [create(service, name=f"f{number}") for number in range(3)]
    create(service, name="elsewhere", group=other)
    page = service("ListFilters", datasetGroupArn=GROUP, maxResults=2)
    assert [one["filterArn"] for one in page["Filters"]] == [arns[2], arns[1]]
    page = service("ListFilters", datasetGroupArn=GROUP, nextToken=page["nextToken"])
    assert [one["filterArn"] for one in page["Filters"]] == [arns[0]]
    assert len(service("ListFilters")["Filters"]) == 4


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("EXCLUDE ItemID", "ends too early"),
        ('EXCLUDE ItemID WHERE Items.COLOUR IN ("red")', "COLOUR"),
        ("EXCLUDE ItemID WHERE Interactions.EVENT_TYPE NOT IN ($X)", "NOT_IN"),
        ("INCLUDE ActionID WHERE Actions.COST > 3", "ACTIONS"),
    ],
)
def test_a_broken_expression_is_refused_at_once(service: Any, expression: str, words: str) -> None:
    service.data_group()
    refused = refusal(service, expression)
    assert refused.code == "InvalidInputException"
    assert refused.message.startswith("Could not create filter.")
    assert words in refused.message
    assert service("ListFilters")["Filters"] == []


def test_the_group_and_the_name_are_checked(service: Any) -> None:
    assert refusal(service).code == "ResourceNotFoundException"
    service("CreateDatasetGroup", name="shop")
    assert refusal(service).code == "InvalidInputException"  # it knows no ResourceInUseException
    service.data_group(name="full")
    create(service, group=GROUP.replace("shop", "full"))
    assert refusal(service, group=GROUP.replace("shop", "full")).code == "ResourceAlreadyExistsException"


def test_a_filter_holds_the_datasets_that_it_uses(service: Any) -> None:
    service.data_group()
    arn = create(service, CHEAP)
    service.work()
    for of in ("ITEMS", "USERS"):
        refused = service.refusal("DeleteDataset", datasetArn=f"{PREFIX}:dataset/shop/{of}")
        assert (refused.code, arn in refused.message) == ("ResourceInUseException", True)
    service("DeleteDataset", datasetArn=f"{PREFIX}:dataset/shop/INTERACTIONS")
    assert refusal(service, BOUGHT, "g").code == "InvalidInputException"
    service("DeleteFilter", filterArn=arn)
    service.work()
    service("DeleteDataset", datasetArn=f"{PREFIX}:dataset/shop/ITEMS")


def test_the_quota_of_filters_is_of_a_group(service: Any) -> None:
    service.data_group()
    other = service.data_group(name="other")
    for number in range(30):
        create(service, name=f"f{number}")
    refused = refusal(service, name="f30")
    assert (refused.code, refused.message) == (
        "LimitExceededException",
        "Cannot create a filter. More than 30 resources in ACTIVE state. Please delete some and try again.",
    )
    create(service, name="f30", group=other)


def columns(*numbers: int) -> str:
    """Return a filter of these columns."""
    return "INCLUDE ItemID WHERE " + " AND ".join(f"Items.C{number} > 1" for number in numbers)


WIDE = {"Items": [(f"C{number}", "int") for number in range(30)]}


def test_the_filters_of_a_group_use_twenty_columns_at_most(service: Any) -> None:
    service.data_group(**WIDE)
    create(service, columns(*range(10)), "a")
    create(service, columns(*range(10, 20)), "b")
    create(service, columns(*range(5, 15)), "again")
    refused = refusal(service, columns(20), "c")
    assert (refused.code, "20" in refused.message) == ("LimitExceededException", True)
    service.work()
    service("DeleteFilter", filterArn=f"{PREFIX}:filter/a")
    create(service, columns(20), "c")
    assert refusal(service, columns(*range(11)), "d").code == "LimitExceededException"


def test_quotas_can_be_lifted(service_without_quotas: Any) -> None:
    service = service_without_quotas
    service.data_group(**WIDE)
    create(service, columns(*range(25)), "all")
    for number in range(31):
        create(service, name=f"f{number}")
