"""Whoever opens the server's address is told what it is, how it is, and what to type next."""

import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from wire.asgi import App

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = App(tmp_path, console="off")
    yield app
    app.close()


def words(html: bytes) -> tuple[str, list[str]]:
    """Return the text of a page, and where its links lead."""
    texts: list[str] = []
    links: list[str] = []

    class Reader(HTMLParser):
        def handle_data(self, data: str) -> None:
            texts.append(data)

        def handle_starttag(self, _tag: str, attributes: list[tuple[str, str | None]]) -> None:
            links.extend(value or "" for name, value in attributes if name == "href")

    Reader().feed(html.decode())
    return " ".join(texts), links


@pytest.mark.parametrize("path", ["/", "/console", "/console/"])
def test_a_browser_gets_a_page_and_all_others_the_same_words(app: App, path: str) -> None:
    shown, plain = app.ask("GET", path, headers=BROWSER), app.ask("GET", path, headers={"accept": "*/*"})
    assert (shown.status, plain.status) == (200, 200)
    assert shown.headers["content-type"].startswith("text/html")
    assert plain.headers["content-type"].startswith("text/plain")
    for text in (words(shown.body)[0], plain.body.decode()):
        assert "It is ready." in text
        assert 'eval "$(sartor env)"' in text
        assert "not affiliated with Amazon" in text
    assert max(map(len, plain.body.decode().splitlines())) <= 100


def test_a_browser_is_led_to_the_console_and_all_others_are_told_in_words(tmp_path: Path) -> None:
    app = App(tmp_path)
    led = app.ask("GET", "/", headers=BROWSER)
    assert (led.status, led.headers["location"], led.body) == (303, "/console/", b"")
    assert b"It is ready." in app.ask("GET", "/", headers={"accept": "*/*"}).body
    app.close()


def test_the_page_leads_only_to_what_answers(app: App) -> None:
    _, links = words(app.ask("GET", "/", headers=BROWSER).body)
    assert links
    assert {link: app.ask("GET", link).status for link in links} == dict.fromkeys(links, 200)


def test_the_page_says_what_is_not_well(app: App, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "storage")
    assert "It is not ready: storage." in words(app.ask("GET", "/", headers=BROWSER).body)[0]
    assert [app.ask("GET", path).status for path in ("/healthz", "/readyz", "/livez")] == [503, 503, 200]
