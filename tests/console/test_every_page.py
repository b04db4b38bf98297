"""What holds for every page: it can be read by everybody, it is small, it runs nothing but its own, it is one's own."""

import gzip
import http.client
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import pytest

from console.addresses import ADDRESSES, EVERY
from console.browser import NO_AXE, PICTURES, faults_of
from console.hostile import HOSTILE, TRIED
from console.shop import Shop
from sartor.console.pages.table_of_pages import PAGES
from sartor.demo.server import Server
from sartor.keys import KEY_FILE, AccessKey, KeyFile

if TYPE_CHECKING:
    from playwright.sync_api import Page

Address = Callable[[Shop], str]
every_address = pytest.mark.parametrize(
    "address", [make for _, _, make in EVERY], ids=[f"{path}-{at}" for path, at, _ in EVERY]
)


def test_every_page_has_an_address_here() -> None:
    assert ADDRESSES.keys() == PAGES.keys()


@every_address
def test_a_page_can_be_read_by_everybody_is_small_and_loads_nothing_from_elsewhere(
    page: "Page", shop: Shop, address: Address
) -> None:
    answers: list[tuple[str, int]] = []

    def seen(answer: Any) -> None:
        answers.append((urlsplit(answer.url).netloc, int(answer.headers.get("content-length", "0"))))

    page.on("response", seen)
    number = [make for _, _, make in EVERY].index(address)
    for at, (scheme, width) in enumerate((("light", 1280), ("dark", 360))):
        answers.clear()
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(address(shop))
        assert page.evaluate(f"{TRIED} === undefined")
        for closed in page.locator("details:not([open]) > summary").all():
            if closed.is_visible():
                closed.click()
        if at == number % 2:  # axe-core takes a second: each look is held against every other address
            assert NO_AXE or faults_of(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.title().endswith("· Sartor")
        assert page.locator("main h1").count() == 1
        assert {host for host, _ in answers} - {PICTURES} == {urlsplit(shop.server.url).netloc}
        assert sum(size for _, size in answers) <= 150_000
    if NO_AXE:
        pytest.skip(NO_AXE)


@every_address
def test_nothing_that_an_address_says_becomes_more_than_text(
    page: "Page", shop: Shop, address: Address
) -> None:
    path, _, query = address(shop).partition("?")
    names = {part.partition("=")[0] for part in query.split("&") if part} | {"search", "sort", "page", "arn"}
    short = [text for text in HOSTILE if len(text) < 1000]
    texts = [quote("".join(short[half::2])) for half in (0, 1)]
    page.goto(f"{path}?{'&'.join(f'{name}={texts[at % 2]}' for at, name in enumerate(sorted(names)))}")
    assert page.evaluate(f"{TRIED} === undefined")


@every_address
def test_a_page_is_shown_to_nobody_who_has_not_signed_in(shop: Shop, address: Address) -> None:
    answer, body = asked(shop, "GET", address(shop))
    assert answer.status == 303
    assert answer.headers["location"].startswith("/console/sign-in?then=")
    assert body == b""


@every_address
def test_a_page_shows_nothing_of_another_account(shop: Shop, address: Address) -> None:
    other = KeyFile(shop.server.data / KEY_FILE).first("111111111111")
    link = _As(shop.server, other).post("/sartor/v1/console/links", {})["path"]
    entered, _ = asked(shop, "GET", link)
    signed_in = {"cookie": entered.headers["set-cookie"].partition(";")[0]}
    answer, body = asked(shop, "GET", address(shop), signed_in)
    assert answer.status in (200, 403, 404)
    assert b"111111111111" in body
    words = ("broken.csv", "items-imported", "no-drama", "clicks", "Item 25", shop.arns["trackingId"])
    text = body.decode()
    assert [word for word in words if word in text and word not in address(shop)] == []


@every_address
def test_a_page_sends_the_headers_that_keep_others_out(shop: Shop, address: Address) -> None:
    answer, body = asked(shop, "GET", address(shop), {"accept-encoding": "gzip", "cookie": cookie(shop)})
    assert answer.status == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"
    text = gzip.decompress(body).decode() if answer.headers.get("content-encoding") else body.decode()
    assert " style=" not in text
    assert " onclick=" not in text


class _As(Server):
    """A server that is asked with another key."""

    def __init__(self, server: Server, key: AccessKey) -> None:
        self.url = server.url
        self.environment = {
            **server.environment,
            "AWS_ACCESS_KEY_ID": key.access_key_id,
            "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
        }


def asked(
    shop: Shop, method: str, path: str, headers: dict[str, str] | None = None, body: str | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    """Return the answer to one request and its body."""
    connection = http.client.HTTPConnection(urlsplit(shop.server.url).netloc, timeout=30)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    return answer, answer.read()


def cookie(shop: Shop) -> str:
    """Return the cookie of a new session."""
    answer, _ = asked(shop, "GET", urlsplit(shop.link())._replace(scheme="", netloc="").geturl())
    return answer.headers["set-cookie"].partition(";")[0]
