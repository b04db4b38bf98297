"""The console in a browser: live, local, by keyboard, without its script, and with every way in and out."""

import re
from typing import TYPE_CHECKING

from click.testing import CliRunner

from console.shop import Shop
from sartor.cli import cli

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def test_a_page_follows_what_happens_without_being_loaded_again(page: "Page", shop: Shop) -> None:
    page.goto("/console/")
    page.evaluate("window.same = true")
    schemas = page.locator("li", has_text="schemas").locator("strong")
    before = int(schemas.inner_text())
    schema = '{"type": "record", "name": "Users", "namespace": "x", "version": "1.0", "fields": [%s]}'
    fields = '{"name": "USER_ID", "type": "string"}, {"name": "AGE", "type": ["null", "int"]}'
    shop.client.personalize.create_schema(name=shop.client.name("live"), schema=schema % fields)
    page.locator("li", has_text="schemas").get_by_text(str(before + 1), exact=True).wait_for()
    assert page.evaluate("window.same")


def test_times_and_numbers_are_those_of_the_browser(page: "Page") -> None:
    page.goto("/console/jobs")
    shown, exact = page.locator("time").first.inner_text(), page.locator("time").first.get_attribute("title")
    assert re.fullmatch(r"\d\d\.\d\d\.\d{4}, \d\d:\d\d:\d\d", shown)
    assert "GMT+9" in str(exact)


def test_a_keyboard_skips_the_navigation_and_reaches_everything(page: "Page") -> None:
    page.goto("/console/jobs")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    names = []
    for _ in range(12):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.textContent.trim()"))
    assert {"All", "Failed", "Search"} <= set(names)


def test_a_line_is_copied(page: "Page") -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/console/jobs")
    page.get_by_text("The same by a program").click()
    page.get_by_role("button", name="Copy").first.click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "sartor status --json"


def test_the_console_works_without_its_script(browser: "Browser", shop: Shop) -> None:
    context = browser.new_context(base_url=shop.server.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/console/jobs")
    access_key_id, secret = shop.key()
    page.get_by_label("Access key ID").fill(access_key_id)
    page.get_by_label("Secret access key").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    assert page.get_by_role("alert").inner_text() == "There is no such access key with this secret."
    assert page.get_by_label("Access key ID").input_value() == access_key_id
    page.get_by_label("Secret access key").fill(secret)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/console/jobs")
    page.get_by_placeholder("Search").fill("items")
    page.get_by_role("button", name="Search").click()
    assert page.locator("tbody tr").count() == 1
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/console/sign-in")
    page.goto("/console/")
    assert page.url.endswith("/console/sign-in?then=%2Fconsole%2F")
    context.close()


def test_a_command_prints_a_link_that_signs_a_browser_in(browser: "Browser", shop: Shop) -> None:
    said = CliRunner().invoke(cli, ["console", "--no-browser", "--data", str(shop.server.data)])
    link = said.output.strip()
    assert link.startswith(f"{shop.server.url}/console/enter?code=")
    context = browser.new_context()
    page = context.new_page()
    page.goto(link)
    page.wait_for_url("**/console/")
    assert page.get_by_role("button", name="Sign out").is_visible()
    page.goto(link)
    assert "followed already" in page.get_by_role("alert").inner_text()
    context.close()


def test_two_servers_of_one_host_have_sessions_of_their_own(page: "Page", shop: Shop) -> None:
    page.goto("/console/")
    port = shop.server.url.rpartition(":")[2]
    assert [one["name"] for one in page.context.cookies()] == [f"sartor-session-{port}"]
