"""From a request below ``/console/`` to its answer: who asks, which page, what its form does, and what is sent."""

import base64
import binascii
import gzip
import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from sartor.console.addresses import ENTER, ROOT, SIGN_IN, SIGN_OUT
from sartor.console.pages import rendering, static
from sartor.console.pages.asking import Asks, Backend
from sartor.console.pages.page import SECTIONS, Done, Page, Shown, Visit, link
from sartor.console.pages.sessions import Session, SignIn, cookie_of, set_cookie
from sartor.console.pages.sessions import cookie_name as name_of_cookie
from sartor.console.pages.snippets import PREAMBLE
from sartor.console.pages.table_of_pages import PAGES
from sartor.errors import ApiError, Unavailable, invalid_input
from sartor.wire.local import is_loopback
from sartor.wire.sign import HttpRequest
from sartor.wire.write import COMMON_ERRORS, Answer, Header

LOG = logging.getLogger("sartor.console")

#: The field, or the header, with what a form of this session brings.
_TOKEN: Final = "csrf"
_TOKEN_HEADER: Final = "x-csrf-token"
_FORM: Final = "application/x-www-form-urlencoded"
#: How long a message waits for the page that shows it, in seconds, and how long it may be, in characters.
_SAID_SECONDS: Final = 60
_LONGEST_SAID: Final = 600
_MOST_FIELDS: Final = 1000
#: Less is not worth to be compressed, in bytes.
_LEAST_COMPRESSED: Final = 1_000
_GZIP_LEVEL: Final = 5
_HTML: Final = b"text/html; charset=utf-8"
#: The HTTP status of what our own errors say.
_STATUS: Final = {**COMMON_ERRORS, "ResourceNotFoundException": 404}
#: The navigation: each section that has a page, and the first of its pages.
_SECTIONS: Final = [
    (section, next(page.path for page in PAGES.values() if page.section == section))
    for section in SECTIONS
    if any(page.section == section for page in PAGES.values())
]
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src {images}; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Site:
    """The console of one service.

    Attributes:
        backend: who answers what pages ask.
        sign_in: knows who looks.
    """

    backend: Backend
    sign_in: SignIn

    def answer(self, request: HttpRequest) -> Answer:
        """Answer a request below ``/console/``; whatever is wrong is told in words, on a page."""
        if request.path.startswith(static.ROOT):
            return static.answer(request.path.removeprefix(static.ROOT), _takes_gzip(request)) or _plain(404)
        session = self.sign_in.of(request)
        visitor = _Visitor(self, request, session or self.sign_in.new(), session is None)
        try:
            return visitor.answered()
        except ApiError as error:
            return visitor.told(error)
        except Unavailable as error:
            LOG.error("the console cannot show a page: %s", error)
            return visitor.told(
                ApiError(
                    "ServiceUnavailableException", "The service cannot answer now. Try again in a while."
                )
            )


class _Visitor:
    """One request, by whoever looks.

    Args:
        site: what is visited.
        request: as it came.
        session: of the browser.
        is_new: whether the browser does not have it yet.
    """

    def __init__(self, site: Site, request: HttpRequest, session: Session, is_new: bool) -> None:
        self._site, self._sign_in = site, site.sign_in
        self._request, self._session = request, session
        self._caller = self._sign_in.caller(session, request)
        self._headers: list[Header] = [self._sign_in.cookie(session, request)] if is_new else []

    def answered(self) -> Answer:
        """Answer the request.

        Raises:
            ApiError: it cannot be answered so.
        """
        request = self._request
        posts = request.method == "POST"
        form = _fields(request) if posts else {}
        if posts:
            self._require_own_form(form)
        if request.path == SIGN_IN:
            return self._signed_in(form) if posts else self._door()
        if request.path == ENTER:
            return self._entered()
        if request.path == SIGN_OUT and posts:
            return self._signed_out()
        page = PAGES.get(request.path)
        if page is None:
            raise ApiError("ResourceNotFoundException", f"There is no page {request.path[:200]}.")
        if self._caller is None:
            return self._to_the_door(posts)
        asks = Asks(self._site.backend, self._caller, request)
        visit = Visit(self._caller, request, asks, request.parameters, _last(form), form)
        return self._acted(page, visit) if posts else self._looked(page, visit)

    def _require_own_form(self, form: Mapping[str, list[str]]) -> None:
        """Refuse what no page of this session has sent.

        Raises:
            ApiError: ``AccessDeniedException``.
        """
        headers = self._request.headers
        origin, host = headers.get("origin"), headers.get("host", "")
        token = headers.get(_TOKEN_HEADER) or next(iter(form.get(_TOKEN, ())), "")
        foreign = origin is not None and origin.partition("://")[2].casefold() != host.casefold()
        if foreign or not self._sign_in.is_form_token(self._session, token):
            raise ApiError(
                "AccessDeniedException",
                "This form was not made in this session, or the session is over: go back, load the page again, and "
                "send it once more.",
            )

    def _looked(self, page: Page, visit: Visit) -> Answer:
        """Show a page, or the part of it that is wanted."""
        visit.part = visit.query.get("part", "")
        return self._page(page, visit, page.show(visit))

    def _acted(self, page: Page, visit: Visit) -> Answer:
        """Do what a form of a page asks for; first ask back what is to be asked."""
        action = page.actions.get(visit.form.get("action") or visit.query.get("action", ""))
        if action is None:
            raise ApiError("InvalidInputException", "This page has no such form: load it again.")
        try:
            if action.question is not None and visit.form.get("confirmed") != "yes":
                return self._asked_back(page, visit, action.question(visit))
            done = action.run(visit)
            return self._moved(done) if done.shown is None else self._page(page, visit, done.shown)
        except ApiError as error:
            visit.error = error
            visit.asks.asked.clear()
            return self._page(page, visit, page.show(visit), _STATUS.get(error.code, 400))

    def _asked_back(self, page: Page, visit: Visit, question: str) -> Answer:
        words = {
            "question": question,
            "fields": [
                (name, one) for name, values in visit.every.items() for one in values if name != _TOKEN
            ],
            "back": visit.link(),
        }
        return self._page(page, visit, Shown("confirm.html", words))

    def _moved(self, done: Done) -> Answer:
        """Lead the browser on; what is told waits in a cookie for the page there. The script is led nowhere."""
        if not done.to:
            return self._sent(204, b"")
        if done.said:
            text = base64.urlsafe_b64encode(done.said[:_LONGEST_SAID].encode()).decode()
            name = name_of_cookie(self._request, "said")
            self._headers.append(set_cookie(self._request, name, text, _SAID_SECONDS))
        return self._sent(303, b"", location=done.to)

    def _page(self, page: Page, visit: Visit, shown: Shown, status: int = 200) -> Answer:
        words = {
            **shown.words,
            "page": page,
            "visit": visit,
            "lines": visit.asks.lines,
        }
        if visit.part:
            return self._fragment(shown, words, visit.part)
        return self._html(shown.template, words, status, images=shown.images)

    def _fragment(self, shown: Shown, words: Mapping[str, Any], part: str) -> Answer:
        """Send one part of a page, or that it is as the script has it."""
        try:
            body = rendering.rendered(shown.template, self._all(words), part).encode()
        except KeyError:
            raise ApiError("ResourceNotFoundException", f"This page has no part {part[:100]}.") from None
        stamp = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
        self._headers.append((b"etag", stamp.encode()))
        if self._request.headers.get("if-none-match") == stamp:
            return self._sent(304, b"")
        return self._sent(200, body)

    def _html(
        self, template: str, words: Mapping[str, Any], status: int = 200, images: bool = False
    ) -> Answer:
        text = rendering.rendered(template, self._all(words))
        return self._sent(status, text.encode("utf-8", "replace"), images)

    def _all(self, words: Mapping[str, Any]) -> dict[str, Any]:
        """Return the words of a template with those that every one has."""
        return {
            "page": None,
            "visit": None,
            "lines": [],
            "csrf": self._sign_in.form_token(self._session),
            "caller": self._caller,
            "signs": self._sign_in.open_to is None,
            "said": self._said(),
            "sections": _SECTIONS,
            "preamble": PREAMBLE,
            **words,
        }

    def _said(self) -> str:
        """Return what the form before told, once."""
        sealed = cookie_of(self._request, "said")
        if not sealed or "part" in self._request.parameters:
            return ""
        self._headers.append(set_cookie(self._request, name_of_cookie(self._request, "said"), "", 0))
        try:
            return base64.urlsafe_b64decode(sealed).decode()
        except (binascii.Error, ValueError):
            return ""

    def told(self, error: ApiError) -> Answer:
        """Tell what is wrong, on a page."""
        status = _STATUS.get(error.code, 400)
        return self._html(
            "message.html", {"title": _TITLES.get(status, "This cannot be shown"), "error": error}, status
        )

    # the door

    def _to_the_door(self, posts: bool) -> Answer:
        if posts or "part" in self._request.parameters:
            raise ApiError("ExpiredTokenException", "The session is over: sign in again.")
        path, query = self._request.path, self._request.query
        return self._sent(303, b"", location=link(SIGN_IN, then=f"{path}?{query}" if query else path))

    def _door(self, error: ApiError | None = None, access_key_id: str = "") -> Answer:
        if self._sign_in.open_to is not None or (self._caller is not None and error is None):
            return self._sent(303, b"", location=_own_address(self._request.parameters.get("then", "")))
        words = {
            "error": error,
            "access_key_id": access_key_id,
            "region": self._sign_in.region,
            "is_plain": not self._request.secure and not _is_near(self._request),
        }
        return self._html("sign_in.html", words, 200 if error is None else 403)

    def _signed_in(self, form: Mapping[str, list[str]]) -> Answer:
        sent = {name: value.strip() for name, value in _last(form).items()}
        access_key_id = sent.get("access_key_id", "")
        try:
            session = self._sign_in.signed_in(
                access_key_id, sent.get("secret", ""), sent.get("token", ""), sent.get("region", "")
            )
            self._headers.append(self._sign_in.cookie(session, self._request))
        except ApiError as error:
            return self._door(error, access_key_id)
        return self._sent(303, b"", location=_own_address(self._request.parameters.get("then", "")))

    def _entered(self) -> Answer:
        """Sign in who follows a one-time link."""
        if self._sign_in.open_to is not None:
            return self._sent(303, b"", location=ROOT)
        if self._request.method != "GET" or self._request.headers.get("sec-fetch-site") == "cross-site":
            raise ApiError(
                "AccessDeniedException", "Another page led here: copy the link into the address bar."
            )
        session = self._sign_in.followed(self._request.parameters.get("code", ""))
        if session is None:
            raise ApiError(
                "ExpiredTokenException",
                "This link was followed already, or its two minutes are over: `sartor console` prints another.",
            )
        self._headers = [self._sign_in.cookie(session, self._request)]
        # A page and no redirect: what leads on from a page of ours brings a cookie that is SameSite=Strict.
        return self._html("entered.html", {})

    def _signed_out(self) -> Answer:
        self._sign_in.end(self._session)
        self._headers = [self._sign_in.cookie(self._sign_in.new(), self._request)]
        return self._sent(303, b"", location=SIGN_IN)

    def _sent(self, status: int, body: bytes, images: bool = False, location: str = "") -> Answer:
        policy = _POLICY.format(images="'self' https:" if images else "'self'")
        headers: list[Header] = [
            (b"content-type", _HTML),
            (b"cache-control", b"no-store"),
            (b"content-security-policy", policy.encode()),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"referrer-policy", b"same-origin"),
            (b"vary", b"accept-encoding, cookie"),
            (b"x-content-type-options", b"nosniff"),
            *self._headers,
        ]
        if location:
            headers.append((b"location", location.encode("ascii", "ignore")))
        if len(body) >= _LEAST_COMPRESSED and _takes_gzip(self._request):
            headers.append((b"content-encoding", b"gzip"))
            body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
        return Answer(status, headers, body)


_TITLES: Final = {
    403: "This is not allowed",
    404: "There is nothing here",
    500: "This page broke",
    503: "The service cannot answer now",
}


def _text(request: HttpRequest) -> str:
    """Return the fields of a form as they were sent; nothing of what is no form."""
    is_form = request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM
    return request.body.decode("utf-8", "replace") if is_form else ""


def _fields(request: HttpRequest) -> dict[str, list[str]]:
    """Return the fields of a form, with all values of each.

    Raises:
        ApiError: ``InvalidInputException``: they are more than any form of ours has.
    """
    try:
        return parse_qs(_text(request), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise invalid_input(f"A form has at most {_MOST_FIELDS} fields.") from None


def _last(form: Mapping[str, list[str]]) -> dict[str, str]:
    return {name: values[-1] for name, values in form.items()}


def _takes_gzip(request: HttpRequest) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")


def _is_near(request: HttpRequest) -> bool:
    """Return whether a request came from this machine, so that nobody is on its way."""
    return is_loopback(request.client)


def _own_address(address: str) -> str:
    """Return an address of the console's own, whatever somebody wrote into a link."""
    is_own = address.startswith(ROOT) and "\\" not in address and "\n" not in address and "\r" not in address
    return address if is_own else ROOT


def _plain(status: int) -> Answer:
    return Answer(status, [(b"content-type", b"text/plain")], b"There is nothing here.\n")
