"""Outcomes in a browser: what recommendations brought, and what is measured."""

from typing import TYPE_CHECKING

import pytest

from console.shop import Shop
from console.test_tasks import Newcomer

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture
def newcomer(page: "Page") -> Newcomer:
    return Newcomer(page)


def test_what_did_the_campaign_bring_this_week(newcomer: Newcomer, shop: Shop) -> None:
    newcomer.link("Outcomes")
    newcomer.sees("How many events")
    row = newcomer.page.get_by_role("row").filter(has_text="buys").filter(has_text="campaign/for-you")
    found = shop.server.get(
        f"/sartor/v1/metric-attributions/{shop.arns['attribution']}/values?seconds=604800"
    )
    (series,) = (
        one for one in found["series"] if (one["metricName"], one["of"]) == ("buys", shop.arns["campaign"])
    )
    assert row.first.locator("data").first.get_attribute("value") == f"{series['total']:g}"


def test_which_version_sold_more(newcomer: Newcomer, shop: Shop) -> None:
    newcomer.link("Outcomes")
    newcomer.link("By version")
    newcomer.sees(shop.arns["version"].split(":", 5)[5])


def test_the_table_of_a_chart_has_the_numbers_of_the_answer(page: "Page", shop: Shop) -> None:
    page.goto("/console/outcomes")
    figure = page.locator("figure.chart").filter(has_text="views").first
    figure.get_by_text("The numbers").click()
    found = shop.server.get(
        f"/sartor/v1/metric-attributions/{shop.arns['attribution']}/values?seconds=604800"
    )
    views = [one for one in found["series"] if one["metricName"] == "views"]
    rows = figure.get_by_role("row").all()
    assert len(rows) == len(found["starts"]) + 1
    shown = [[int(cell.inner_text()) for cell in row.get_by_role("cell").all()] for row in rows[1:]]
    assert sorted(zip(*shown, strict=True)) == sorted(tuple(map(int, one["values"])) for one in views)


def test_a_metric_is_added_and_removed_and_what_is_wrong_is_told_beside_it(page: "Page", shop: Shop) -> None:
    page.goto("/console/outcomes")
    for name, said in (("VIEWS", "already has a metric"), ("carts", "is measured from now on")):
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_label("Events of the type").fill("cart")
        page.get_by_role("button", name="Measure it").click()
        page.get_by_text(said).first.wait_for()
    page.get_by_role("button", name="Remove carts").click()
    page.get_by_role("button", name="Yes").click()
    page.get_by_text("carts is measured no more").wait_for()
    listed = shop.client.personalize.list_metric_attribution_metrics(
        metricAttributionArn=shop.arns["attribution"]
    )
    assert [one["metricName"] for one in listed["metrics"]] == ["buys", "views"]


def test_a_group_without_events_is_told_what_it_misses(page: "Page", shop: Shop) -> None:
    api = shop.client.personalize
    arn = api.create_dataset_group(name="not-measured")["datasetGroupArn"]
    shop.client.until(lambda: api.describe_dataset_group(datasetGroupArn=arn)["datasetGroup"])
    page.goto("/console/outcomes")
    page.get_by_role("link", name="Measure another group").click()
    page.get_by_label("Name of the metric attribution").fill("theirs")
    page.get_by_role("button", name="Measure it").click()
    page.get_by_role("alert").filter(
        has_text="needs an Interactions dataset with an EVENT_TYPE column"
    ).wait_for()
    assert page.get_by_label("Name of the metric attribution").input_value() == "theirs"
    api.delete_dataset_group(datasetGroupArn=arn)
