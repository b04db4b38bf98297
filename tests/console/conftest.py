"""One browser for all tests of the console, signed in to one shop."""

from asyncio import AbstractEventLoop
from asyncio.events import _get_running_loop, _set_running_loop
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from console.browser import MISSING, chromium, show_pictures
from console.shop import Shop, open_shop
from sartor.demo.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page


#: The event loop that Playwright leaves running in this thread, where there is a browser.
_PLAYWRIGHT: list[AbstractEventLoop | None] = []


@pytest.fixture(autouse=True)
def loop() -> Iterator[None]:
    """Let Playwright's event loop be the thread's in tests of the console alone: other tests run their own."""
    if _PLAYWRIGHT:
        _set_running_loop(_PLAYWRIGHT[0])
    yield
    _set_running_loop(None)


@pytest.fixture(scope="package")
def browser() -> "Iterator[Browser]":
    """Give the browser; without one, say what is missing and skip."""
    if MISSING:
        pytest.skip(MISSING)
    with chromium() as browser:
        _PLAYWRIGHT.append(_get_running_loop())
        yield browser
        _set_running_loop(_PLAYWRIGHT.pop())


@pytest.fixture(scope="package")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Give the shop, which tests look at; one that changes it takes names of its own."""
    bucket = tmp_path_factory.mktemp("bucket")
    options = ("--for-tests", "--quotas", "off")
    with Server(tmp_path_factory.mktemp("data"), {"training": bucket}, options) as server:
        yield open_shop(server, bucket)


@pytest.fixture(scope="package")
def signed_in(browser: "Browser", shop: Shop) -> "Iterator[BrowserContext]":
    """Give a signed-in session of the browser."""
    context = browser.new_context(base_url=shop.server.url, locale="de-DE", timezone_id="Asia/Tokyo")
    show_pictures(context)
    page = context.new_page()
    page.goto(shop.link())
    page.wait_for_url("**/console/")
    page.close()
    yield context  # which ends with the browser


@pytest.fixture
def page(signed_in: "BrowserContext") -> "Iterator[Page]":
    """Give a page of the signed-in session; what it broke its own policy with, or threw, fails the test."""
    page = signed_in.new_page()
    page.set_default_timeout(15_000)
    wrong: list[str] = []
    page.on("console", lambda one: wrong.append(one.text) if one.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    page.close()
    # that an item's picture or a refused form did not load is no fault of a page
    assert [one for one in wrong if "Failed to load resource" not in one] == []
