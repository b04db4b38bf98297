"""Who may look at the console: sign-in, sessions, one-time links, and forms of others."""

import json
import random
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from sartor.access.sessions import Grant, Sessions
from sartor.console.entrance import Entrance
from sartor.console.pages.page import Shown, Visit
from sartor.console.pages.sessions import cookie_name, set_cookie
from sartor.console.pages.table_of_pages import PAGES
from sartor.keys import AccessKey
from sartor.wire.sign import HttpRequest
from wire.asgi import Answered, App

HTML = {"accept": "text/html"}
FORM = "application/x-www-form-urlencoded"
READ_ONLY = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sartor:Get", "Resource": "*"}, '
    '{"Effect": "Deny", "Action": "sartor:Get", "Resource": "arn:aws:sartor:*:*:status"}]}'
)


class Visitor:
    """A browser without a window: it keeps cookies, and sends the forms of pages that it has loaded."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.cookies: dict[str, str] = {}
        self.token = ""

    def ask(
        self, method: str, path: str, body: str = "", headers: Mapping[str, str] | None = None
    ) -> Answered:
        sent = {**HTML, "cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if method == "POST":
            sent |= {"content-type": FORM, "origin": "http://127.0.0.1:4900"}
        answer = self.app.ask(method, path, body.encode(), {**sent, **(headers or {})})
        name, _, value = answer.headers.get("set-cookie", "").partition(";")[0].partition("=")
        if name:
            self.cookies[name] = value
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', answer.body.decode("utf-8", "replace"))
        self.token = found[1] if found else self.token
        return answer

    def get(self, path: str) -> Answered:
        return self.ask("GET", path)

    def send(self, path: str, headers: Mapping[str, str] | None = None, **fields: str) -> Answered:
        return self.ask("POST", path, urlencode({"csrf": self.token, **fields}), headers)

    def sign_in(self, key: AccessKey, **more: str) -> Answered:
        self.get("/console/sign-in")
        words = {"access_key_id": key.access_key_id, "secret": key.secret_access_key}
        return self.send("/console/sign-in", **{**words, **more})


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = App(tmp_path, auth="signed")
    app.backend.keys.first("000000000000")
    yield app
    app.close()


@pytest.fixture
def key(app: App) -> AccessKey:
    return app.backend.keys.all()[0]


@pytest.fixture
def visitor(app: App) -> Visitor:
    return Visitor(app)


def test_who_has_a_key_signs_in_and_sees_the_page_that_was_wanted(visitor: Visitor, key: AccessKey) -> None:
    led = visitor.get("/console/jobs?sort=name")
    assert (led.status, led.headers["location"]) == (
        303,
        "/console/sign-in?then=%2Fconsole%2Fjobs%3Fsort%3Dname",
    )
    visitor.get(led.headers["location"])
    words = {"access_key_id": key.access_key_id, "secret": key.secret_access_key}
    done = visitor.send(led.headers["location"], **words)
    assert (done.status, done.headers["location"]) == (303, "/console/jobs?sort=name")
    shown = visitor.get("/console/jobs?sort=name")
    assert shown.status == 200
    assert b"Sign out" in shown.body


@pytest.mark.parametrize(
    "then", ["https://evil.test/", "//evil.test/", "/console/\\evil", "/other", "/console/\r\nx: y"]
)
def test_signing_in_leads_nowhere_else(visitor: Visitor, key: AccessKey, then: str) -> None:
    visitor.get("/console/sign-in")
    words = {"access_key_id": key.access_key_id, "secret": key.secret_access_key}
    done = visitor.send(f"/console/sign-in?{urlencode({'then': then})}", **words)
    assert (done.status, done.headers["location"]) == (303, "/console/")


@pytest.mark.parametrize("wrong", [{"secret": "wrong"}, {"access_key_id": "AKIANOBODY"}, {"token": "x"}])
def test_who_has_no_key_is_told_so_and_stays_outside(
    visitor: Visitor, key: AccessKey, wrong: dict[str, str]
) -> None:
    refused = visitor.sign_in(key, **wrong)
    assert refused.status == 403
    assert b'role="alert"' in refused.body
    assert key.secret_access_key.encode() not in refused.body
    assert visitor.get("/console/").status == 303


def test_a_session_ends_with_its_key(visitor: Visitor, app: App, key: AccessKey) -> None:
    visitor.sign_in(key)
    assert visitor.get("/console/").status == 200
    app.backend.keys.revoke(key.access_key_id)
    assert visitor.get("/console/").status == 303


def test_a_session_that_was_ended_ends_for_whoever_kept_its_cookie(
    visitor: Visitor, app: App, key: AccessKey
) -> None:
    visitor.sign_in(key)
    visitor.get("/console/")
    thief = Visitor(app)
    thief.cookies = dict(visitor.cookies)
    assert thief.get("/console/").status == 200
    assert visitor.send("/console/sign-out").headers["location"] == "/console/sign-in"
    assert visitor.get("/console/").status == 303
    assert thief.get("/console/").status == 303


def test_a_cookie_is_for_this_site_alone_and_cannot_be_made_by_others(
    visitor: Visitor, key: AccessKey
) -> None:
    done = visitor.sign_in(key)
    words = done.headers["set-cookie"].split("; ")[1:]
    assert {"Path=/console/", "HttpOnly", "SameSite=Strict"} <= set(words)
    ((name, value),) = visitor.cookies.items()
    for forged in (value[:-2] + ("AA" if value[-2:] != "AA" else "BB"), "x", "", "A" * 4000, value + "é"):
        visitor.cookies = {name: forged}
        assert visitor.get("/console/").status == 303


def test_a_form_of_another_session_or_another_site_does_nothing(
    visitor: Visitor, app: App, key: AccessKey
) -> None:
    visitor.sign_in(key)
    visitor.get("/console/")
    other = Visitor(app)
    other.sign_in(key)
    other.get("/console/")
    mine, visitor.token = visitor.token, other.token
    for headers, token in (
        ({}, other.token),
        ({}, ""),
        ({}, "00" * 64),
        ({}, "zz"),
        ({"origin": "https://evil.test"}, mine),
        ({"origin": "null"}, mine),
    ):
        visitor.token = token
        assert visitor.send("/console/sign-out", headers).status == 403
        visitor.token = token
    assert visitor.get("/console/").status == 200


def test_a_link_signs_in_once(app: App, key: AccessKey) -> None:
    path = _link(app, key)
    first, second = Visitor(app), Visitor(app)
    assert b"You are signed in" in first.get(path).body
    assert first.get("/console/").status == 200
    refused = second.get(path)
    assert refused.status == 403
    assert b"followed already" in refused.body
    assert second.get("/console/").status == 303


def test_a_link_that_another_page_leads_to_signs_nobody_in(app: App, key: AccessKey) -> None:
    path, visitor = _link(app, key), Visitor(app)
    assert visitor.ask("GET", path, headers={"sec-fetch-site": "cross-site"}).status == 403
    assert visitor.ask("HEAD", path).status == 403
    assert visitor.get(path).status == 200


def test_the_policies_of_a_key_hold_on_its_pages(visitor: Visitor, app: App) -> None:
    reader = app.backend.keys.add("000000000000", (READ_ONLY,))
    visitor.sign_in(reader)
    refused = visitor.get("/console/")
    assert refused.status == 403
    assert b"AccessDenied" in refused.body
    assert b"is not authorized to perform: sartor:Get" in refused.body


def test_whoever_may_is_not_asked_to_sign_in(tmp_path: Path) -> None:
    app = App(tmp_path, auth="open")
    visitor = Visitor(app)
    assert visitor.get("/console/").status == 200
    assert b"Sign out" not in visitor.get("/console/").body
    assert visitor.get("/console/sign-in").headers["location"] == "/console/"
    assert app.ask("POST", "/sartor/v1/console/links").json == {"path": "/console/"}
    assert visitor.send("/console/jobs", {"origin": "https://evil.test"}, action="x").status == 403
    app.close()


def test_sessions_are_the_same_for_every_process_of_a_service(
    visitor: Visitor, tmp_path: Path, key: AccessKey
) -> None:
    visitor.sign_in(key)
    other = App(tmp_path, auth="signed")
    visitor.app = other
    assert visitor.get("/console/").status == 200
    other.close()


def test_an_unknown_page_and_a_part_that_is_none_are_not_found(visitor: Visitor, key: AccessKey) -> None:
    visitor.sign_in(key)
    for path in (
        "/console/nothing",
        "/console/?part=nothing",
        "/console/static/nothing",
        "/console/static/../site.py",
    ):
        assert visitor.get(path).status == 404


def test_files_are_kept_until_they_change(visitor: Visitor, key: AccessKey) -> None:
    visitor.sign_in(key)
    page = visitor.get("/console/").body.decode()
    for address in re.findall(r'(?:href|src)="(/console/static/[^"]+)"', page):
        answer = visitor.ask("GET", address, headers={"accept-encoding": "gzip"})
        assert answer.status == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-encoding"] == "gzip"


def _link(app: App, key: AccessKey) -> str:
    """Return a one-time link's path, asked for as ``sartor console`` asks."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest("POST", "http://127.0.0.1:4900/sartor/v1/console/links", data=b"{}")
    request.headers["Content-Type"] = "application/json"
    SigV4Auth(Credentials(key.access_key_id, key.secret_access_key), "personalize", "us-east-1").add_auth(
        request
    )
    signed = {name.lower(): value for name, value in request.headers.items()}
    answer: Any = app.ask("POST", "/sartor/v1/console/links", b"{}", signed).json
    return str(answer["path"])


def test_temporary_credentials_sign_in_and_the_session_ends_with_them(
    visitor: Visitor, app: App, key: AccessKey
) -> None:
    sessions = Sessions(app.backend.store.secret, app.backend.keys)
    now = time.time()
    grant = Grant(
        key.account, key.access_key_id, sessions.mark(key), "", "", "s", now, now + 900, (READ_ONLY,)
    )
    issued = sessions.issue(grant)
    temporary = AccessKey(issued.access_key_id, issued.secret_access_key, key.account)
    assert visitor.sign_in(temporary).status == 403  # without their token they are nothing
    assert visitor.sign_in(temporary, token=issued.session_token).status == 303
    assert visitor.get("/console/jobs").status == 403  # the session's own policy
    app.backend.keys.revoke(key.access_key_id)
    assert visitor.get("/console/jobs").status == 303
    late = Sessions(app.backend.store.secret, app.backend.keys).issue(replace(grant, expires_at=now - 1))
    other = AccessKey(late.access_key_id, late.secret_access_key, key.account)
    assert visitor.sign_in(other, token=late.session_token).status == 403


def test_a_token_that_no_cookie_can_hold_is_refused_in_words(
    visitor: Visitor, app: App, key: AccessKey
) -> None:
    sessions = Sessions(app.backend.store.secret, app.backend.keys)
    noise = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=6000))
    policy = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "*", "Resource": f"arn:aws:x:::{noise}"}],
        }
    )
    now = time.time()
    issued = sessions.issue(
        Grant(key.account, key.access_key_id, sessions.mark(key), "", "", "s", now, now + 900, (policy,))
    )
    temporary = AccessKey(issued.access_key_id, issued.secret_access_key, key.account)
    refused = visitor.sign_in(temporary, token=issued.session_token)
    assert refused.status == 403
    assert b"longer than a browser" in refused.body


def test_over_tls_a_cookie_is_for_tls_alone() -> None:
    plain = HttpRequest("GET", "/console/", "", {"host": "shop.example:443"}, b"")
    _, text = set_cookie(replace(plain, scope={"scheme": "https"}), cookie_name(plain), "x", 60)
    assert text.startswith(b"sartor-session-443=x; ")
    assert text.endswith(b"; Secure")
    assert b"Secure" not in set_cookie(plain, "n", "x", 60)[1]


def test_without_jinja2_the_console_says_what_to_install(
    app: App, monkeypatch: pytest.MonkeyPatch, key: AccessKey
) -> None:
    def missing(_entrance: Entrance) -> None:
        raise ModuleNotFoundError("No module named 'jinja2'", name="jinja2")

    monkeypatch.setattr(Entrance, "_loaded", missing)
    answer = app.ask("GET", "/console/", headers=HTML)
    assert answer.status == 501
    assert b"pip install 'sartor[console]'" in answer.body


def test_a_page_that_breaks_says_where_the_log_has_it(
    visitor: Visitor, key: AccessKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.sign_in(key)

    def broken(_visit: Visit) -> Shown:
        raise RuntimeError("a secret of ours")

    monkeypatch.setitem(PAGES, "/console/jobs", replace(PAGES["/console/jobs"], show=broken))
    answer = visitor.get("/console/jobs")
    assert answer.status == 500
    assert answer.headers["x-amzn-requestid"].encode() in answer.body
    assert b"a secret of ours" not in answer.body
