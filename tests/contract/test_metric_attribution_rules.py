"""Metric attributions through their lives: what may be measured, one a group, updates, the list of metrics."""

import json
from typing import Any

import pytest

from sartor.data.attribution import Metric
from sartor.resources import attribution

WITH_EVENT_TYPE = {
    "type": "record",
    "name": "Interactions",
    "namespace": "com.amazonaws.personalize.schema",
    "fields": [
        {"name": "USER_ID", "type": "string"},
        {"name": "ITEM_ID", "type": "string"},
        {"name": "TIMESTAMP", "type": "long"},
        {"name": "EVENT_TYPE", "type": "string"},
    ],
    "version": "1.0",
}
OUTPUT = {"roleArn": "arn:aws:iam::111122223333:role/metrics"}
COUNT = {"eventType": "watch", "metricName": "watches", "expression": "SAMPLECOUNT()"}
PRICE = {"eventType": "buy", "metricName": "Revenue", "expression": "SUM(Items.price)"}


@pytest.fixture
def group(service: Any) -> str:
    """Give a group with interactions that have event types."""
    arn = str(service.group())
    schema = service.schema("Interactions", schema=json.dumps(WITH_EVENT_TYPE))
    service("CreateDataset", name="i", datasetGroupArn=arn, schemaArn=schema, datasetType="Interactions")
    service.work()
    return arn


def request(group: str, *metrics: dict[str, str], name: str = "m") -> dict[str, Any]:
    return {
        "name": name,
        "datasetGroupArn": group,
        "metrics": list(metrics),
        "metricsOutputConfig": OUTPUT,
    }


def created(service: Any, group: str, *metrics: dict[str, str]) -> str:
    answer = service("CreateMetricAttribution", **request(group, *metrics))
    service.work()
    return str(answer["metricAttributionArn"])


def filled_items(service: Any, group: str) -> str:
    items = str(service.dataset("Items", group))
    service.job(items)
    service.work()
    return items


def listed(service: Any, arn: str) -> list[dict[str, str]]:
    return list(service("ListMetricAttributionMetrics", metricAttributionArn=arn)["metrics"])


def parsed(service: Any, arn: str) -> list[Metric]:
    with service.store.read() as transaction:
        return attribution.metrics_of(transaction.get(arn), transaction)


def test_it_is_described_and_listed_without_its_metrics(service: Any, group: str) -> None:
    arn = created(service, group, COUNT)
    described = service("DescribeMetricAttribution", metricAttributionArn=arn)["metricAttribution"]
    assert described == {
        "name": "m",
        "metricAttributionArn": arn,
        "datasetGroupArn": group,
        "metricsOutputConfig": OUTPUT,
        "status": "ACTIVE",
        "creationDateTime": described["creationDateTime"],
        "lastUpdatedDateTime": described["lastUpdatedDateTime"],
    }
    (summary,) = service("ListMetricAttributions", datasetGroupArn=group)["metricAttributions"]
    assert summary["metricAttributionArn"] == arn
    assert listed(service, arn) == [COUNT]
    assert parsed(service, arn) == [Metric("watch", "watches", "samplecount", None, None)]


def test_a_group_has_one(service: Any, group: str) -> None:
    arn = created(service, group, COUNT)
    refused = service.refusal("CreateMetricAttribution", **request(group, COUNT, name="other"))
    assert refused.code == "ResourceAlreadyExistsException"
    assert arn in refused.message
    service("DeleteMetricAttribution", metricAttributionArn=arn)
    service.work()
    created(service, group, COUNT)


def test_interactions_need_event_types(service: Any) -> None:
    group = service.group()
    service.dataset("Interactions", group)
    refused = service.refusal("CreateMetricAttribution", **request(group, COUNT))
    assert refused.code == "InvalidInputException"


def test_a_sum_over_items_needs_their_dataset_and_not_yet_items(service: Any, group: str) -> None:
    # Amazon's sample notebook of metric attributions makes one before it imports
    assert service.refusal("CreateMetricAttribution", **request(group, PRICE)).code == "InvalidInputException"
    service.dataset("Items", group)
    service.work()
    arn = created(service, group, PRICE)
    assert parsed(service, arn) == [Metric("buy", "Revenue", "sum", "ITEMS", "PRICE")]


def test_a_place_that_nobody_may_write_to_is_refused(service: Any, group: str) -> None:
    output = OUTPUT | {"s3DataDestination": {"path": "s3://nobodys/metrics/"}}
    members = request(group, COUNT) | {"metricsOutputConfig": output}
    assert service.refusal("CreateMetricAttribution", **members).code == "InvalidInputException"


def test_an_update_adds_removes_and_replaces(service: Any, group: str) -> None:
    filled_items(service, group)
    arn = created(service, group, COUNT)
    before = service("DescribeMetricAttribution", metricAttributionArn=arn)["metricAttribution"]
    other = {"roleArn": "arn:aws:iam::111122223333:role/other"}
    answer = service(
        "UpdateMetricAttribution",
        metricAttributionArn=arn,
        addMetrics=[PRICE],
        removeMetrics=["WATCHES"],
        metricsOutputConfig=other,
    )
    assert answer == {"metricAttributionArn": arn}
    after = service("DescribeMetricAttribution", metricAttributionArn=arn)["metricAttribution"]
    assert after["metricsOutputConfig"] == other
    # the clock of calls runs long before that of work here
    assert after["creationDateTime"] < after["lastUpdatedDateTime"] != before["lastUpdatedDateTime"]
    assert listed(service, arn) == [PRICE]
    again = {**PRICE, "expression": "SAMPLECOUNT()"}
    service(
        "UpdateMetricAttribution", metricAttributionArn=arn, addMetrics=[again], removeMetrics=["Revenue"]
    )
    assert listed(service, arn) == [again]


def test_a_dataset_stays_as_long_as_a_metric_looks_at_it(service: Any, group: str) -> None:
    items = filled_items(service, group)
    arn = created(service, group, COUNT)
    service("UpdateMetricAttribution", metricAttributionArn=arn, addMetrics=[PRICE])
    assert service.refusal("DeleteDataset", datasetArn=items).code == "ResourceInUseException"
    interactions = items.replace("ITEMS", "INTERACTIONS")
    assert service.refusal("DeleteDataset", datasetArn=interactions).code == "ResourceInUseException"
    service("UpdateMetricAttribution", metricAttributionArn=arn, removeMetrics=["Revenue"])
    service("DeleteDataset", datasetArn=items)
    assert service("ListMetricAttributions", datasetGroupArn=group)["metricAttributions"]


@pytest.mark.parametrize(
    ("members", "code", "words"),
    [
        ({"addMetrics": [{**COUNT, "metricName": "Watches"}]}, "ResourceAlreadyExistsException", "Watches"),
        ({"removeMetrics": ["clicks"]}, "InvalidInputException", "clicks"),
        (
            {"addMetrics": [{**COUNT, "metricName": f"m{number}"} for number in range(10)]},
            "InvalidInputException",
            "at most 10",
        ),
        ({"addMetrics": [PRICE]}, "InvalidInputException", "no Items dataset"),
    ],
)
def test_a_refused_update_changes_nothing(
    service: Any, group: str, members: dict[str, Any], code: str, words: str
) -> None:
    arn = created(service, group, COUNT)
    refused = service.refusal("UpdateMetricAttribution", metricAttributionArn=arn, **members)
    assert refused.code == code
    assert words in refused.message
    assert listed(service, arn) == [COUNT]


def test_an_update_needs_an_active_one_of_the_caller(service: Any, group: str, stranger: Any) -> None:
    arn = service("CreateMetricAttribution", **request(group, COUNT))["metricAttributionArn"]
    declared = {
        "UpdateMetricAttribution": "ResourceNotFoundException",
        "ListMetricAttributionMetrics": "InvalidInputException",
    }
    for operation, code in declared.items():
        assert service.refusal(operation).code == "InvalidInputException"
        refused = service.refusal(operation, stranger, metricAttributionArn=arn)
        assert (refused.code, refused.message) == (code, f"Resource Arn {arn} does not exist.")
    pending = service.refusal("UpdateMetricAttribution", metricAttributionArn=arn, removeMetrics=["watches"])
    assert pending.code == "ResourceInUseException"


def test_the_metrics_come_in_pages(service: Any, group: str) -> None:
    metrics = [{**COUNT, "metricName": name} for name in ("c", "B", "a", "D", "e")]
    arn = created(service, group, *metrics)
    seen: list[str] = []
    page: dict[str, Any] = {}
    while not page or "nextToken" in page:
        more = {"nextToken": page["nextToken"]} if page else {}
        page = service("ListMetricAttributionMetrics", metricAttributionArn=arn, maxResults=2, **more)
        seen += [metric["metricName"] for metric in page["metrics"]]
    assert seen == ["a", "B", "c", "D", "e"]
    wrong = service.refusal("ListMetricAttributionMetrics", metricAttributionArn=arn, nextToken="x")
    assert wrong.code == "InvalidNextTokenException"
