"""Chromium, if this machine has one, driven by Playwright: one for all tests of a worker."""

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
#: Why nothing is looked at in a browser, in words; empty if it can be.
MISSING = (
    "no Chromium is installed: apt-get install chromium"
    if CHROMIUM is None
    else "Playwright is not installed: pip install 'sartor[test]'"
    if importlib.util.find_spec("playwright") is None
    else ""
)
#: Why accessibility is not checked; empty if it is.
NO_AXE = (
    ""
    if importlib.util.find_spec("axe_playwright_python")
    else "axe-core is not installed: pip install 'sartor[test]'"
)


#: Where the pictures of the shop's items would lie; nothing else of another host may be on a page.
PICTURES = "images.example"
_PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><rect width="10" height="10" fill="#c96"/>'
    '<circle cx="5" cy="5" r="3" fill="#fff"/></svg>'
)


def show_pictures(context: "BrowserContext") -> None:
    """Give a browser the pictures of the shop's items, without a network."""
    context.route(
        f"https://{PICTURES}/**",
        lambda route: route.fulfill(status=200, content_type="image/svg+xml", body=_PICTURE),
    )


@contextmanager
def chromium() -> "Iterator[Browser]":
    """Give a browser without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


def faults_of(page: "Page") -> list[str]:
    """Return what axe-core finds wrong with a page as it is, a line each."""
    from axe_playwright_python.sync_playwright import Axe

    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}" for one in found]
