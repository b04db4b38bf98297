"""Twelve tasks of a newcomer, each in at most four clicks from Home; a field that is filled in and sent is one."""

from typing import TYPE_CHECKING

import pytest

from console.shop import Shop

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

#: So many clicks a task may take.
CLICKS = 4


class Newcomer:
    """Looks at the console, and counts what is clicked."""

    def __init__(self, page: "Page") -> None:
        self.page = page
        self.clicks = 0
        page.goto("/console/")

    def click(self, what: "Locator") -> None:
        self.clicks += 1
        what.click()

    def link(self, name: str, exact: bool = False) -> None:
        """Click a link."""
        self.click(self.page.get_by_role("link", name=name, exact=exact).first)

    def button(self, name: str) -> None:
        """Click a button."""
        self.click(self.page.get_by_role("button", name=name).first)

    def sees(self, text: str) -> None:
        """Check that a text is on the page, perhaps soon, and that it took no more clicks than it may."""
        self.page.get_by_text(text).first.wait_for()
        assert self.clicks <= CLICKS


@pytest.fixture
def newcomer(page: "Page") -> Newcomer:
    return Newcomer(page)


def test_why_did_the_import_fail_and_which_line(newcomer: Newcomer, shop: Shop) -> None:
    newcomer.link("failed", exact=True)
    newcomer.sees("TIMESTAMP must be a whole number")
    newcomer.sees("line 3")
    newcomer.sees("yesterday")
    assert (
        newcomer.page.url.endswith(shop.arns["failed"].replace(":", "%3A")) or "failed" in newcomer.page.url
    )


def test_is_anything_wrong_at_all(newcomer: Newcomer) -> None:
    newcomer.link("All that failed")
    newcomer.sees("CREATE FAILED")
    assert newcomer.page.get_by_role("row").count() == 2


def test_how_does_a_program_ask_the_same(newcomer: Newcomer) -> None:
    newcomer.link("Jobs")
    newcomer.click(newcomer.page.get_by_text("The same by a program"))
    newcomer.sees("sartor status --json")


def test_how_old_is_my_data_and_how_good_my_model(newcomer: Newcomer) -> None:
    newcomer.sees("30 rows")
    newcomer.sees("normalized discounted cumulative gain at 25")
    newcomer.sees("beside popularity")


def test_is_the_new_version_better(newcomer: Newcomer) -> None:
    newcomer.link("Models", exact=True)
    newcomer.link("with the one before")
    newcomer.sees("not known to differ")
    newcomer.sees("10 of 10 in both")
    assert newcomer.clicks == 2


def test_what_made_this_model_and_of_which_data(newcomer: Newcomer) -> None:
    newcomer.link("Models", exact=True)
    newcomer.click(newcomer.page.get_by_role("rowheader").get_by_role("link").first)
    newcomer.sees("Learned from version")


def test_why_this_item(newcomer: Newcomer) -> None:
    newcomer.link("Try", exact=True)
    newcomer.sees("Because of")
    newcomer.sees("Newest first")


def test_what_does_somebody_get_of_whom_nothing_is_known(newcomer: Newcomer) -> None:
    newcomer.link("Try", exact=True)
    newcomer.link("A stranger")
    newcomer.sees("the answer is a newcomer's")


def test_what_does_this_filter_take_away(newcomer: Newcomer) -> None:
    newcomer.link("Try", exact=True)
    newcomer.page.get_by_label("Filter", exact=True).select_option(label="no-drama")
    newcomer.button("Ask")
    newcomer.sees("of the 200 best")


def test_take_it_back(newcomer: Newcomer) -> None:
    newcomer.link("Data", exact=True)
    newcomer.link("shop/ITEMS")
    newcomer.button("Take it back")
    newcomer.button("Yes, do it")
    newcomer.sees("You can undo this too")


def test_why_was_this_event_rejected(newcomer: Newcomer) -> None:
    newcomer.link("Events", exact=True)
    newcomer.sees("The event has no ITEM_ID.")
