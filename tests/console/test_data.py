"""The pages of data and events: from a file to a dataset, back again, and an event on its way."""

from pathlib import Path
from typing import TYPE_CHECKING

from console.hostile import TRIED, WORST
from console.shop import Shop

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

GOOD = "USER_ID,AGE,PLAN\n" + "".join(f"u{n},{20 + n % 50},{('free', 'paid')[n % 2]}\n" for n in range(60))


def test_a_file_is_uploaded_tried_and_imported(page: "Page", tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    file.write_text(GOOD + "u99,old,free\n")
    page.goto("/console/data/add")
    page.set_input_files("input[type=file]", file)
    page.get_by_role("button", name="Upload").click()
    page.get_by_role("heading", name="users.csv").wait_for()
    assert page.locator("tbody td", has_text="paid").count() > 0
    page.get_by_label("Type of AGE").select_option("int")
    page.get_by_role("button", name="Try it").click()
    page.get_by_text("An import would refuse it: 1 of 61 rows").wait_for()
    page.get_by_text("u99,old,free").wait_for()
    assert page.get_by_label("Type of AGE").input_value() == "int"

    page.get_by_label("Type of AGE").select_option("string")
    page.get_by_role("button", name="Import", exact=True).click()
    page.wait_for_url("**/console/jobs/job?arn=*")
    page.get_by_text("ACTIVE", exact=True).wait_for()
    page.goto("/console/data?search=USERS")
    page.get_by_role("link", name="shop/USERS").click()
    page.get_by_text("PLAN: the largest of 2 categories").first.wait_for()


def test_a_large_file_comes_in_slices(page: "Page", tmp_path: Path) -> None:
    file = tmp_path / "large.csv"
    file.write_text("USER_ID,ITEM_ID,TIMESTAMP\n" + "u1,i1,1700000000\n" * 200_000)
    page.goto("/console/data/add")
    page.set_input_files("input[type=file]", file)
    slices: list[str] = []
    page.on("request", lambda one: slices.append(one.url) if "action=slice" in one.url else None)
    page.get_by_role("button", name="Upload").click()
    page.get_by_role("heading", name="large.csv").wait_for()
    page.get_by_text("3.4 MB").wait_for()
    assert len(slices) == 3


def test_a_name_that_is_code_stays_a_name(page: "Page", tmp_path: Path) -> None:
    page.goto("/console/data/add")
    content = f"USER_ID,{WORST.replace(',', '').replace(chr(34), '')}\nu1,{TRIED}\n".encode()
    file = {"name": "<img src=x onerror=window.hacked=1>.csv", "mimeType": "text/csv", "buffer": content}
    page.set_input_files("input[type=file]", file)  # type: ignore[arg-type]
    page.get_by_role("button", name="Upload").click()
    page.get_by_role("button", name="Try it").click()
    page.locator("[role=alert], #tried").first.wait_for()
    assert page.evaluate(f"{TRIED} === undefined")


def test_pictures_of_many_rows_come_after_the_page(page: "Page", shop: Shop) -> None:
    address = f"/console/data/dataset?arn={shop.arns['interactions']}"

    def as_of_many_rows(route: "Route") -> None:
        answer = route.fetch()
        later = f'<div data-live="{address}&part=pictures" data-once id="live-pictures">'
        text = answer.text().replace('<div id="live-pictures">', later)
        route.fulfill(response=answer, body=text.replace("Interactions over time", "Wait"))

    page.route(lambda url: "dataset?" in url and "part=" not in url, as_of_many_rows)
    page.goto(address)
    page.get_by_text("Interactions over time").first.wait_for()
    assert page.get_by_text("Wait", exact=True).count() == 0


def test_an_event_that_is_sent_is_seen_and_what_is_wrong_is_said(page: "Page") -> None:
    page.goto("/console/events")
    page.get_by_label("User", exact=True).fill("visitor-16")
    page.get_by_label("Item", exact=True).fill("i2")
    page.get_by_label("Properties").fill('{"colour": "red"}')
    page.get_by_role("button", name="Send", exact=True).click()
    page.get_by_text("It is stored.").wait_for()
    page.locator("#live-tail th", has_text="visitor-16").first.wait_for()
    page.locator("#live-rejected", has_text="The schema has no field for colour").wait_for()

    page.get_by_label("Properties").fill("no JSON")
    page.get_by_role("button", name="Send", exact=True).click()
    page.get_by_role("alert").wait_for()
    assert page.get_by_label("Properties").input_value() == "no JSON"


def test_an_event_of_others_appears_by_itself(page: "Page", shop: Shop) -> None:
    page.goto("/console/events")
    shop.client.events.put_events(
        trackingId=shop.arns["trackingId"],
        userId="from-elsewhere",
        sessionId="s",
        eventList=[{"eventType": "view", "itemId": "i3", "sentAt": 1_700_000_000}],
    )
    page.locator("#live-tail th", has_text="from-elsewhere").first.wait_for()
