"""Metric attribution through boto3: what is counted live, by whose doing, and the report files of imports."""

import csv
import json
import time
import urllib.request
from collections.abc import Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError

from api.conftest import ROLE, Client
from api.schemas import INTERACTIONS, ITEMS

NOW = int(time.time())
HEADER = ",".join(field["name"] for field in INTERACTIONS["fields"])
METRICS = [
    {"eventType": "watch", "metricName": "countWatches", "expression": "SAMPLECOUNT()"},
    {"eventType": "buy", "metricName": "revenue", "expression": "sum(Items.price)"},
    {"eventType": "buy", "metricName": "value", "expression": "SUM(Interactions.EVENT_VALUE)"},
]


class Shop:
    """A group with interactions, items with prices, a tracker and a metric attribution that writes to S3."""

    def __init__(self, client: Client, before: Sequence[dict[str, Any]] = (), has_items: bool = True) -> None:
        self.client = client
        self.group = client.group()
        self.dataset = client.dataset(INTERACTIONS, "Interactions", group=self.group)
        self.items = client.dataset(ITEMS, "Items", group=self.group)
        if has_items:
            self.put_items()
        self.tracking_id = client.tracker(self.dataset)
        if before:
            self.put(*before)
        self.folder = client.name("metrics")
        self.arn = client.personalize.create_metric_attribution(
            name=client.name("attribution"),
            datasetGroupArn=self.group,
            metrics=METRICS,
            metricsOutputConfig={
                "roleArn": ROLE,
                "s3DataDestination": {"path": f"s3://training/{self.folder}/"},
            },
        )["metricAttributionArn"]
        client.until(lambda: self.described())

    def described(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.personalize.describe_metric_attribution(
            metricAttributionArn=self.arn
        )["metricAttribution"]
        return found

    def put_items(self) -> None:
        self.client.events.put_items(
            datasetArn=self.items,
            items=[{"itemId": f"i{n}", "properties": json.dumps({"price": n})} for n in range(10)],
        )

    def put(self, *events: dict[str, Any]) -> None:
        self.client.events.put_events(
            trackingId=self.tracking_id,
            sessionId="s",
            userId="u",
            eventList=[{"sentAt": NOW, **one} for one in events],
        )

    def figures(self) -> dict[tuple[str, str], float]:
        """Return the values that ``/metrics`` has of this attribution, by metric and source."""
        with urllib.request.urlopen(self.client.server.url + "/metrics") as answer:
            lines = answer.read().decode().splitlines()
        found = {}
        for line in lines:
            if line.startswith("sartor_attributed_total{") and f'"{self.arn}"' in line:
                labels = dict(part.split("=", 1) for part in line[24:].split("}")[0].split(","))
                name, source = (
                    json.loads(labels[key]) for key in ("metric_name", "event_attribution_source")
                )
                found[name, source] = float(line.rsplit(" ", 1)[1])
        return found

    def reports(self) -> list[dict[str, str]]:
        folder = self.client.bucket / self.folder
        files = sorted(folder.iterdir()) if folder.exists() else []
        return [row for file in files for row in csv.DictReader(file.read_text().splitlines())]


@pytest.fixture(scope="module")
def drained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Give a client of a server that drains at once."""
    from sartor.demo.server import Server

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SARTOR_DRAIN_SECONDS", "0.01")
        bucket = tmp_path_factory.mktemp("bucket")
        with Server(tmp_path_factory.mktemp("data"), {"training": bucket}, ("--quotas", "off")) as server:
            yield Client(server, bucket)


def test_events_count_under_the_source_that_they_name(drained: Client) -> None:
    shop = Shop(drained)
    mail = {"metricAttribution": {"eventAttributionSource": "mail"}}
    shop.put(
        {"eventType": "watch", "itemId": "i1", **mail},
        {"eventType": "watch", "itemId": "i2", **mail, "recommendationId": "RID-1"},
        {"eventType": "watch", "itemId": "i3"},
        {"eventType": "buy", "itemId": "i4", "eventValue": 2.5, **mail},
        {"eventType": "buy", "itemId": "unknown", "eventValue": 1.0, **mail},
        {"eventType": "other", "itemId": "i5"},
        {"eventType": "watch", "itemId": "i6", "sentAt": NOW - 15 * 24 * 3600},
    )
    expected = {
        ("COUNTWATCHES", "MAIL"): 2,
        ("COUNTWATCHES", "SOURCE_NAME_UNDEFINED"): 1,
        ("REVENUE", "MAIL"): 4,
        ("VALUE", "MAIL"): 3.5,
    }
    drained.wait(lambda: shop.figures() == expected)
    shop.put({"eventType": "watch", "itemId": "i7"})
    expected["COUNTWATCHES", "SOURCE_NAME_UNDEFINED"] = 2
    drained.wait(lambda: shop.figures() == expected)
    assert shop.reports() == [], "calls make no report files"


def test_what_came_before_an_attribution_does_not_count(drained: Client) -> None:
    shop = Shop(drained, before=[{"eventType": "watch", "itemId": "i1"}] * 3)
    shop.put({"eventType": "watch", "itemId": "i2"})
    drained.wait(lambda: shop.figures() != {})
    assert shop.figures() == {("COUNTWATCHES", "SOURCE_NAME_UNDEFINED"): 1}


def test_a_sum_over_items_adds_nothing_before_there_are_items(drained: Client) -> None:
    shop = Shop(drained, has_items=False)
    buy = {"eventType": "buy", "itemId": "i4", "metricAttribution": {"eventAttributionSource": "mail"}}
    shop.put(buy)
    drained.wait(lambda: shop.figures().get(("REVENUE", "MAIL")) == 0)
    shop.put_items()
    shop.put(buy)
    drained.wait(lambda: shop.figures()["REVENUE", "MAIL"] == 4)


def test_an_event_that_names_an_answer_counts_for_the_campaign_that_gave_it(drained: Client) -> None:
    """Unless it names a source of its own; whose answer nobody knows has no source."""
    shop, api = Shop(drained), drained.personalize
    rows = [f"u{n % 20},i{n % 10},{NOW - 20 * 24 * 3600 + n},none,,,,,," for n in range(200)]
    drained.brought(shop.dataset, "rows", [HEADER, *rows])
    solution = api.create_solution(
        name=drained.name("s"),
        datasetGroupArn=shop.group,
        recipeArn="arn:aws:personalize:::recipe/aws-popularity-count",
        performAutoTraining=False,
    )["solutionArn"]
    version = api.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    drained.until(lambda: api.describe_solution_version(solutionVersionArn=version)["solutionVersion"])
    arn = api.create_campaign(name=drained.name("c"), solutionVersionArn=version)["campaignArn"]
    drained.until(lambda: api.describe_campaign(campaignArn=arn)["campaign"])
    runtime = drained.server.client("personalize-runtime")
    answers = [runtime.get_recommendations(campaignArn=arn, userId=f"u{n}") for n in range(2)]
    first, second = (one["recommendationId"] for one in answers)
    watched = {"eventType": "watch", "itemId": "i1"}
    shop.put(
        {**watched, "recommendationId": first},
        {**watched, "itemId": "i2", "recommendationId": second},
        {
            **watched,
            "recommendationId": first,
            "metricAttribution": {"eventAttributionSource": "mail"},
        },
        {**watched, "recommendationId": "RID-00000000-0000-4000-8000-000000000000"},
    )
    expected = {
        ("COUNTWATCHES", arn.upper()): 2,
        ("COUNTWATCHES", "MAIL"): 1,
        ("COUNTWATCHES", "SOURCE_NAME_UNDEFINED"): 1,
    }
    drained.wait(lambda: sum(shop.figures().values()) == 4)
    assert shop.figures() == expected


@pytest.mark.parametrize("mode", ["FULL", "INCREMENTAL"])
def test_an_import_that_publishes_writes_a_report_file(drained: Client, mode: str) -> None:
    shop = Shop(drained)
    client = drained
    old = [f"u{n},i1,{NOW - 20 * 24 * 3600 + n},none,,,,,," for n in range(1000)]
    client.imported(shop.dataset, client.write("old.csv", "\n".join([HEADER, *old]) + "\n"))
    assert shop.reports() == []
    window = NOW // 900 * 900
    rows = [f"u{n},i{n % 10},{window - 900 * (n % 2)},buy,0.5,,,shop,," for n in range(1000)]
    key = client.write("new.csv", "\n".join([HEADER, *rows]) + "\n")
    arn = client.start(shop.dataset, key, mode, publishAttributionMetricsToS3=True)
    assert client.until(lambda: client.job(arn))["status"] == "ACTIVE"
    found = {(row["METRIC_NAME"], int(row["TIMESTAMP"])): row for row in shop.reports()}
    assert {at % 900 for _, at in found} == {0}
    assert len({at for _, at in found}) == 2
    revenue = [float(row["VALUE"]) for (name, _), row in found.items() if name == "REVENUE"]
    assert sorted(revenue) == [100 * (0 + 2 + 4 + 6 + 8), 100 * (1 + 3 + 5 + 7 + 9)]
    one = next(iter(found.values()))
    assert (one["EVENT_TYPE"], one["MATH_FUNCTION"], one["EVENT_ATTRIBUTION_SOURCE"]) == (
        "BUY",
        "sum",
        "shop",
    )
    (file,) = (client.bucket / shop.folder).iterdir()
    assert file.name.startswith(f"AggregatedAttributionMetrics - {mode} - ")
    live = shop.figures()
    assert (("REVENUE", "SHOP") in live) == (mode == "INCREMENTAL")


def test_metrics_are_listed_and_updated(client: Client) -> None:
    shop = Shop(client)
    personalize = client.personalize
    listed = personalize.list_metric_attribution_metrics(metricAttributionArn=shop.arn)["metrics"]
    assert listed == METRICS
    more = {"eventType": "like", "metricName": "likes", "expression": "samplecount()"}
    personalize.update_metric_attribution(
        metricAttributionArn=shop.arn, addMetrics=[more], removeMetrics=["value"]
    )
    client.until(shop.described)
    listed = personalize.list_metric_attribution_metrics(metricAttributionArn=shop.arn)["metrics"]
    assert sorted(one["metricName"] for one in listed) == ["countWatches", "likes", "revenue"]
    for change in ({"addMetrics": [more]}, {"removeMetrics": ["nobody"]}):
        with pytest.raises(ClientError):
            personalize.update_metric_attribution(metricAttributionArn=shop.arn, **change)
    personalize.delete_metric_attribution(metricAttributionArn=shop.arn)
    client.gone(shop.described)
