"""A server that verifies nobody: it answers this machine's own programs, and no page of another origin."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sartor.keys import KeyFile
from wire.asgi import JSON, Answered, App

EVENTS = "/events"
ROLLBACK = "/sartor/v1/datasets/g/INTERACTIONS/rollback"
#: What each API answers to who may ask: that there is no such thing.
ASKED = {EVENTS: (400, "InvalidInputException"), ROLLBACK: (404, "ResourceNotFoundException")}
BODIES = {
    EVENTS: b'{"trackingId": "t", "sessionId": "s", "eventList": [{"eventType": "e", "sentAt": 1}]}',
    ROLLBACK: b'{"to": 0}',
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    app = App(tmp_path_factory.mktemp("data"))
    yield app
    app.close()


def ask(app: App, path: str, **headers: str) -> Answered:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return app.ask("POST", path, BODIES[path], given)


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost:4900", "127.0.0.1", "127.0.0.1:4900", "127.8.9.10:1", "[::1]", "[::1]:4900"],
)
def test_a_program_of_this_machine_is_answered(app: App, path: str, host: str) -> None:
    answered = ask(app, path, host=host, content_type="application/json; charset=utf-8")
    assert (answered.status, answered.json["__type"]) == ASKED[path]


@pytest.mark.parametrize("path", [*ASKED, "/sartor/v1/openapi.json", "/metrics", "/health/ready", "/"])
@pytest.mark.parametrize(
    "host",
    [
        *(
            "evil.example",
            "evil.example:4900",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "",
            "localhost:",
        ),
        *(
            "192.168.0.1:4900",
            "0.0.0.0:4900",
            "[::]",
            "[fe80::1]",
            "::1",
            "user@localhost",
            "localhost,evil.example",
        ),
        *("2130706433", "127.1", "[::1", "localhost:4900:1", "１２７.0.0.1"),
    ],
)
def test_a_name_that_was_pointed_at_this_machine_is_refused(app: App, path: str, host: str) -> None:
    method = "POST" if path in ASKED else "GET"
    answered = app.ask(method, path, BODIES.get(path, b""), {**JSON, "host": host.encode().decode("latin-1")})
    assert (answered.status, answered.json["__type"]) == (403, "AccessDeniedException")


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "http://evil.example",
        "http://localhost:3000",
        "http://127.0.0.1",
        "file://",
        "https://127.0.0.1:49000",
    ],
)
def test_a_page_of_another_origin_is_refused(app: App, path: str, origin: str) -> None:
    answered = ask(app, path, origin=origin, content_type="application/json")
    assert (answered.status, answered.json["__type"]) == (403, "AccessDeniedException")


@pytest.mark.parametrize("path", ASKED)
def test_our_own_page_is_answered(app: App, path: str) -> None:
    answered = ask(app, path, origin="http://127.0.0.1:4900", content_type="application/json")
    assert (answered.status, answered.json["__type"]) == ASKED[path]


SIMPLE = [
    "text/plain",
    "text/plain;charset=UTF-8",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
]


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize(
    "content_type", [None, *SIMPLE, "text/plain, application/json", "application/jsonp", ""]
)
def test_what_a_page_may_send_without_asking_is_refused(
    app: App, path: str, content_type: str | None
) -> None:
    """A form, a beacon with an untyped blob, a fetch in the mode no-cors; some browsers' forms say no origin."""
    headers = {} if content_type is None else {"content_type": content_type}
    answered = ask(app, path, **headers)
    assert (answered.status, answered.json["__type"]) == (415, "UnsupportedMediaTypeException")


def test_a_page_that_asks_first_is_not_let_in(app: App) -> None:
    asks = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    for path in ASKED:
        answered = app.ask("OPTIONS", path, b"", {**asks, "access-control-request-headers": "content-type"})
        assert answered.status == 403
        assert not [name for name in answered.headers if name.startswith("access-control-")]


def test_a_server_that_verifies_signatures_asks_for_nothing_else(tmp_path: Path) -> None:
    app = App(tmp_path, auth="signed")
    KeyFile(tmp_path / "keys.json").first("0" * 12)
    answered = ask(app, EVENTS, host="sartor.example", origin="http://elsewhere.example")
    assert answered.json["__type"] == "MissingAuthenticationTokenException"
    app.close()


def test_the_paths_that_people_and_machines_look_at_first_answer(app: App) -> None:
    for path in ("/health/live", "/livez", "/health/ready", "/readyz", "/healthz", "/", "/metrics"):
        for method in ("GET", "HEAD"):
            answered = app.ask(method, path, b"", {})
            assert answered.status == 200, (path, answered)
    assert b"Amazon Personalize" in app.ask("GET", "/", b"", {}).body
    assert app.ask("DELETE", "/", b"", {}).status == 405


@pytest.mark.parametrize(
    ("host", "status"), [("127.0.0.1", 200), ("::1", 200), ("localhost", 200), ("0.0.0.0", 403)]
)
def test_figures_are_for_everybody_only_on_a_loopback_address(tmp_path: Path, host: str, status: int) -> None:
    app = App(tmp_path, auth="signed", host=host)
    answered = app.ask("GET", "/metrics", b"", {})
    assert answered.status == status
    assert status == 200 or json.loads(answered.body)["__type"] == "MissingAuthenticationTokenException"
    app.close()
