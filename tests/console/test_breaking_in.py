"""Who breaks in: forms of other sites and accounts, texts that want to be more, requests that make no sense."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from console.addresses import EVERY
from console.hostile import HOSTILE, WORST
from console.shop import Shop
from console.test_every_page import _As, asked, cookie
from sartor.console.pages.table_of_pages import PAGES
from sartor.keys import KEY_FILE, AccessKey, KeyFile

FORM = "application/x-www-form-urlencoded"
ACTIONS = [(page.path, action) for page in PAGES.values() for action in page.actions]
#: What makes no sense as a value of any parameter or field.
SENSELESS = (
    "",
    "\0",
    "-1",
    "9" * 400,
    "1e309",
    "[]",
    "arn:",
    "arn:aws:personalize:us-east-1:000000000000:campaign/x",
    "\ud800",
    "a\r\nb: c",
)
#: Elements that no text of anybody's may become.
FORBIDDEN = {"iframe", "object", "embed", "base", "style", "meta-refresh"}
SCRIPT = re.compile(r"/console/static/[\w.]+\?v=[0-9a-f]+")
IMAGE = re.compile(r"(/console/static/|https://)")


@dataclass
class Form:
    """A form of a page, with the values that it has."""

    method: str = "get"
    action: str = ""
    fields: list[tuple[str, str]] = field(default_factory=list)
    typed: set[str] = field(default_factory=set)


class Read(HTMLParser):
    """Reads a page: its forms, and whatever of it is more than our own templates make."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.wrong: list[str] = []
        self.forms: list[Form] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        bad = tag in FORBIDDEN or any(
            name.startswith("on") or name in ("style", "srcdoc", "formaction") for name in given
        )
        bad |= tag == "script" and not SCRIPT.fullmatch(given.get("src", ""))
        bad |= tag == "img" and not IMAGE.match(given.get("src", ""))
        for name in ("href", "action", "src"):
            to = given.get(name, "").strip().lower()
            bad |= bool(to) and tag != "img" and not to.startswith(("/console", "#", "?"))
        if bad:
            self.wrong.append(self.get_starttag_text() or tag)
        if tag == "form":
            self.forms.append(Form(given.get("method", "get"), given.get("action", "")))
        elif tag in ("input", "select", "textarea", "button") and given.get("name") and self.forms:
            self.forms[-1].fields.append((given["name"], given.get("value", "")))
            if tag != "button" and given.get("type") != "hidden":
                self.forms[-1].typed.add(given["name"])


class Browser:
    """Somebody who has signed in, without a window."""

    def __init__(self, shop: Shop, of_cookie: str) -> None:
        self.shop, self.cookie = shop, of_cookie

    def get(self, address: str) -> tuple[int, Mapping[str, str], str]:
        answer, body = asked(self.shop, "GET", address, {"cookie": self.cookie})
        return answer.status, answer.headers, body.decode()

    def send(
        self, address: str, fields: list[tuple[str, str]], headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], str]:
        sent = {"cookie": self.cookie, "content-type": FORM, **(headers or {})}
        body = urlencode([(name, value.encode("utf-8", "surrogatepass")) for name, value in fields])
        answer, found = asked(self.shop, "POST", address, sent, body)
        return answer.status, answer.headers, found.decode()

    @property
    def token(self) -> str:
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', self.get("/console/")[2])
        assert found is not None
        return found[1]


@pytest.fixture(scope="module")
def owner(shop: Shop) -> Browser:
    return Browser(shop, cookie(shop))


@pytest.fixture(scope="module")
def stranger(shop: Shop) -> Browser:
    """Give somebody of another account."""
    other = KeyFile(shop.server.data / KEY_FILE).first("111111111111")
    link = _As(shop.server, other).post("/sartor/v1/console/links", {})["path"]
    entered, _ = asked(shop, "GET", str(link))
    return Browser(shop, entered.headers["set-cookie"].partition(";")[0])


def standing(shop: Shop) -> Any:
    """Return all that forms could change, as it is now."""
    get = shop.server.get
    resources = {
        (one["arn"], one.get("status"), one["updatedAt"])
        for one in get("/sartor/v1/resources?limit=1000")["resources"]
    }
    keys = [
        get(f"/sartor/v1/access/keys/{one['accessKeyId']}") for one in get("/sartor/v1/access/keys")["keys"]
    ]
    return (
        resources,
        keys,
        get("/sartor/v1/access/roles")["roles"],
        get("/sartor/v1/access/audit?limit=1")["records"],
    )


def forms_of(owner: Browser, shop: Shop) -> Iterator[tuple[str, Form]]:
    """Yield every form that changes something, of every page, with the address that it is sent to."""
    for _, _, make in EVERY:
        _, _, text = owner.get(make(shop))
        for form in Read(text).forms:
            if form.method == "post" and form.action != "/console/sign-out":
                yield form.action or make(shop), form


def test_no_form_does_anything_without_the_token_of_its_session_or_from_another_site(
    shop: Shop, owner: Browser, stranger: Browser
) -> None:
    before, own, foreign = standing(shop), owner.token, stranger.token
    assert ACTIONS
    for path, action in ACTIONS:
        fields = [("action", action), ("confirmed", "yes")]
        for more, headers in (
            ([], {}),
            ([("csrf", "")], {}),
            ([("csrf", "00" * 64)], {}),
            ([("csrf", foreign)], {}),
            ([("csrf", own)], {"origin": "https://evil.test"}),
            ([("csrf", own)], {"origin": "null"}),
            ([], {"x-csrf-token": foreign}),
        ):
            status, _, text = owner.send(path, [*fields, *more], headers)
            assert status == 403, (path, action, more, headers)
            assert "was not made in this session" in text
    assert standing(shop) == before


def test_a_form_changes_nothing_of_another_account(shop: Shop, owner: Browser, stranger: Browser) -> None:
    before = standing(shop)
    for address, form in forms_of(owner, shop):
        fields = [(name, value) for name, value in form.fields if name != "csrf"]
        status, _, text = stranger.send(address, [*fields, ("csrf", stranger.token), ("confirmed", "yes")])
        assert status in (200, 303, 400, 403, 404, 409), (address, fields, status)
        assert shop.arns["trackingId"] not in text
    assert standing(shop) == before


def test_whatever_is_typed_into_a_form_stays_a_text(shop: Shop, owner: Browser) -> None:
    for address, form in forms_of(owner, shop):
        for text in (WORST, "", "\0", "[]", HOSTILE[-2]) if form.typed else ():
            fields = [(name, text if name in form.typed else value) for name, value in form.fields]
            status, headers, found = owner.send(
                address, [(n, v if n != "csrf" else owner.token) for n, v in fields]
            )
            assert status in (200, 204, 303, 400, 403, 404, 409), (address, fields, status, found[-500:])
            assert Read(found).wrong == [], (address, text)
            assert "\n" not in headers.get("location", "")


def test_whatever_an_address_says_stays_a_text_and_is_answered_in_words(shop: Shop, owner: Browser) -> None:
    for path, at, make in EVERY:
        known = dict(parse_qsl(urlsplit(make(shop)).query))
        others = dict.fromkeys(
            {"arn", "page", "sort", "rows", "before", "after", "limit", "search"} - known.keys()
        )
        for text in (WORST, *SENSELESS[at % 2 :: 2]):
            raw = text.encode("utf-8", "surrogatepass")
            for given in ({**dict.fromkeys(others, raw), **known}, dict.fromkeys(known | others, raw)):
                status, _, found = owner.get(f"{path}?{urlencode(given)}")
                assert status in (200, 400, 403, 404, 409), (path, given, status, found[-500:])
                assert Read(found).wrong == [], (path, given)


def test_who_may_look_at_reports_alone_sees_no_keys_no_roles_and_no_audit(shop: Shop) -> None:
    may = {"Effect": "Allow", "Action": ["sartor:*", "personalize:*"], "Resource": "*"}
    policies = [json.dumps({"Version": "2012-10-17", "Statement": [may]})]
    made = shop.server.post("/sartor/v1/access/keys", {"policies": policies})
    key = AccessKey(made["accessKeyId"], made["secretAccessKey"], made["account"])
    link = _As(shop.server, key).post("/sartor/v1/console/links", {})["path"]
    entered, _ = asked(shop, "GET", str(link))
    reader = Browser(shop, entered.headers["set-cookie"].partition(";")[0])
    for path, _, make in EVERY:
        status, _, text = reader.get(make(shop))
        assert status == (403 if path.startswith("/console/access") else 200), path
        assert status == 200 or "is not authorized to perform" in text
    shop.server.post(f"/sartor/v1/access/keys/{key.access_key_id}/status", {"status": "Inactive"})
    assert reader.get("/console/")[0] == 303


def test_every_answer_keeps_others_out_the_refused_ones_too(shop: Shop, owner: Browser) -> None:
    answers = [
        owner.get("/console/nowhere"),
        owner.get("/console/jobs/job?arn=no"),
        owner.get("/console/jobs?part=nothing"),
        owner.get("/console/jobs?part=running"),
        owner.send("/console/jobs", []),
        owner.send("/console/access", [("csrf", owner.token), ("action", "no")]),
        Browser(shop, "").get("/console/sign-in"),
        Browser(shop, "").get("/console/enter?code=x"),
    ]
    for status, headers, _ in answers:
        assert status in (200, 400, 403, 404)
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["cross-origin-opener-policy"] == "same-origin"


def test_requests_that_no_browser_sends_are_refused_in_words(shop: Shop, owner: Browser) -> None:
    many = [(f"f{at}", "x") for at in range(3000)]
    for fields, headers in (
        (many, {}),
        ([("csrf", owner.token), ("action", "make"), *many], {}),
        ([], {"content-type": "text/plain"}),
        ([], {"content-type": "multipart/form-data; boundary=x"}),
        ([("csrf", owner.token)] * 50, {}),
    ):
        status, _, _ = owner.send("/console/access", fields, headers)
        assert status in (400, 403, 415), status
    for of_cookie in (
        "sartor-session=",
        "sartor-session=%00",
        "a" * 3000,
        "sartor-session=" + "A" * 3000,
        "said=\x80",
    ):
        status, _, _ = Browser(shop, of_cookie).get("/console/")
        assert status == 303
