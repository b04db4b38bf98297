"""Who looks at the console: sessions in a sealed cookie, so that every API process of a service opens them.

A session ends with its time, with the key that it came from, and when somebody signs out. Words that are sealed carry
their authentication code; whoever shares the service's secret opens them.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final

import orjson

from sartor.access.sessions import INVALID, Sessions
from sartor.errors import ApiError
from sartor.resources.store import Store
from sartor.wire.sign import Caller, HttpRequest, Signer

#: How long a session lasts, and how long a one-time link may be followed, in seconds.
SESSION_SECONDS: Final = 12 * 3600
LINK_SECONDS: Final = 120
#: Browsers keep cookies of up to 4,096 bytes, with their names and attributes.
_LONGEST_COOKIE: Final = 3_800
_CODE_BYTES: Final = 32
_NONCE_BYTES: Final = 16
#: Compared with the secret of a key that nobody knows, so that it takes as long.
_NO_SECRET: Final = "-" * 40


@dataclass(frozen=True)
class Session:
    """What the cookie says.

    Attributes:
        nonce: which session it is.
        expires_at: epoch seconds.
        access_key_id: of the key that it came from; empty while nobody has signed in.
        mark: tells that key from another pair that got its id.
        region: of the resources that are shown.
        token: of temporary credentials.
    """

    nonce: str
    expires_at: float
    access_key_id: str = ""
    mark: str = ""
    region: str = ""
    token: str = ""


class SignIn:
    """Makes and opens sessions; safe to share between threads.

    Args:
        store: of the service; its secret seals, and it remembers what may be used once.
        sessions: know who has a key, lasting or temporary.
        open_to: the account and region of everybody when nobody need sign; ``None`` asks for a key.
        region: of whoever names none.
        now: gives epoch seconds.
    """

    def __init__(
        self,
        store: Store,
        sessions: Sessions,
        open_to: tuple[str, str] | None,
        region: str,
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._key = hmac.digest(store.secret, b"console", "sha256")
        self.open_to = open_to
        self.region = region
        self.now = now

    def new(self) -> Session:
        """Return a session in which nobody has signed in."""
        return Session(secrets.token_hex(_NONCE_BYTES), self.now() + SESSION_SECONDS)

    def of(self, request: HttpRequest) -> Session | None:
        """Return the session of a request; ``None``: it has none, or one that is over."""
        sealed = _cookies(request).get(cookie_name(request))
        members = None if sealed is None else self._opened("session", sealed)
        session = None if members is None else Session(**members)
        if session is None or session.expires_at <= self.now():
            return None
        with self._store.read() as transaction:
            return None if transaction.is_spent(_ended(session)) else session

    def caller(self, session: Session, request: HttpRequest) -> Caller | None:
        """Return who asks in a session; ``None``: nobody has signed in, or the key is gone."""
        if self.open_to is not None:
            return Caller(*self.open_to, "", request=request)
        signer = self._signer(session) if session.access_key_id else None
        if signer is None or not hmac.compare_digest(self._mark(signer), session.mark):
            return None
        return Caller(signer.account, session.region, signer.access_key_id, signer.principal, request)

    def signed_in(self, access_key_id: str, secret: str, token: str, region: str) -> Session:
        """Return the session of who has a key.

        Args:
            access_key_id: of the pair.
            secret: of the pair.
            token: of temporary credentials; empty for lasting ones.
            region: of the resources that are shown.

        Raises:
            ApiError: ``UnrecognizedClientException`` or ``ExpiredTokenException``: nobody has that key.
        """
        signer = self._sessions.signer(access_key_id, token or None, self.now())
        known = _NO_SECRET if signer is None else signer.secret_access_key
        right = hmac.compare_digest(self._digest("secret", known), self._digest("secret", secret))
        if signer is None or not right:
            raise ApiError("UnrecognizedClientException", "There is no such access key with this secret.")
        return self._session_of(signer, token, region)

    def link_code(self, caller: Caller) -> str:
        """Return a word that lets whoever has it sign in once as a caller, in the next minutes."""
        token = "" if caller.request is None else caller.request.headers.get("x-amz-security-token", "")
        signer = self._sessions.signer(caller.access_key_id, token or None, self.now())
        if signer is None:
            raise ApiError("UnrecognizedClientException", INVALID)
        session = self._session_of(signer, token, caller.region)
        return self._sealed("link", {**asdict(session), "expires_at": self.now() + LINK_SECONDS})

    def followed(self, code: str) -> Session | None:
        """Return the session of who follows a link; ``None``: it was followed already, or its time is over."""
        members = self._opened("link", code)
        if members is None or members["expires_at"] <= self.now():
            return None
        link = Session(**members)
        with self._store.write("spent") as transaction:
            if not transaction.spend(f"link {link.nonce}", link.expires_at, self.now()):
                return None
        return Session(**{**members, "expires_at": self.now() + SESSION_SECONDS})

    def end(self, session: Session) -> None:
        """Let nobody use a session any more, whoever has its cookie."""
        with self._store.write("spent") as transaction:
            transaction.spend(_ended(session), session.expires_at, self.now())

    def cookie(self, session: Session, request: HttpRequest) -> tuple[bytes, bytes]:
        """Return the header that gives a browser a session.

        Raises:
            ApiError: ``InvalidInputException``: its token is longer than any cookie.
        """
        sealed = self._sealed("session", asdict(session))
        if len(sealed) > _LONGEST_COOKIE:
            raise ApiError(
                "InvalidInputException",
                "The session token of these credentials is longer than a browser's cookie: sign in with a lasting "
                "key, or with credentials of a shorter session policy.",
            )
        return set_cookie(request, cookie_name(request), sealed, SESSION_SECONDS)

    def form_token(self, session: Session) -> str:
        """Return what a form of this session must bring: another text each time, so that compression tells nothing."""
        pad = secrets.token_bytes(_CODE_BYTES)
        return (pad + _masked(self._code("form", session.nonce.encode()), pad)).hex()

    def is_form_token(self, session: Session, token: str) -> bool:
        """Return whether a form was made in this session."""
        try:
            raw = bytes.fromhex(token)
        except ValueError:
            return False
        if len(raw) != 2 * _CODE_BYTES:
            return False
        found = _masked(raw[_CODE_BYTES:], raw[:_CODE_BYTES])
        return hmac.compare_digest(found, self._code("form", session.nonce.encode()))

    def _signer(self, session: Session) -> Signer | None:
        try:
            return self._sessions.signer(session.access_key_id, session.token or None, self.now())
        except ApiError:  # temporary credentials whose time is over, or whose key is gone
            return None

    def _session_of(self, signer: Signer, token: str, region: str) -> Session:
        return Session(
            secrets.token_hex(_NONCE_BYTES),
            self.now() + SESSION_SECONDS,
            signer.access_key_id,
            self._mark(signer),
            region or self.region,
            token,
        )

    def _mark(self, signer: Signer) -> str:
        return self._digest("mark", signer.secret_access_key)[:16]

    def _digest(self, purpose: str, text: str) -> str:
        return self._code(purpose, text.encode("utf-8", "replace")).hex()

    def _code(self, purpose: str, body: bytes) -> bytes:
        return hmac.digest(self._key, purpose.encode() + b"\0" + body, "sha256")

    def _sealed(self, purpose: str, members: Mapping[str, Any]) -> str:
        body = orjson.dumps(members)
        return base64.urlsafe_b64encode(body + self._code(purpose, body)).decode().rstrip("=")

    def _opened(self, purpose: str, sealed: str) -> dict[str, Any] | None:
        """Return what was sealed for a purpose; we wrote it, perhaps in another version."""
        try:
            raw = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
        except (binascii.Error, ValueError):
            return None
        body, code = raw[:-_CODE_BYTES], raw[-_CODE_BYTES:]
        if not hmac.compare_digest(code, self._code(purpose, body)):
            return None
        members: dict[str, Any] = orjson.loads(body)
        return members if members.keys() == Session.__dataclass_fields__.keys() else None


def cookie_name(request: HttpRequest, word: str = "session") -> str:
    """Return the name of a cookie of ours: cookies are a host's, and a host may have several servers on its ports."""
    _, _, port = request.headers.get("host", "").rpartition(":")
    return f"sartor-{word}-{port}" if port.isdigit() else f"sartor-{word}"


def set_cookie(request: HttpRequest, name: str, value: str, seconds: int) -> tuple[bytes, bytes]:
    """Return the header that gives a browser a cookie that no script and no other site uses; 0 seconds take it."""
    secure = "; Secure" if request.secure else ""
    text = f"{name}={value}; Path=/console/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
    return b"set-cookie", text.encode("latin-1")


def cookie_of(request: HttpRequest, word: str) -> str | None:
    """Return the value of a cookie of ours."""
    return _cookies(request).get(cookie_name(request, word))


def _cookies(request: HttpRequest) -> dict[str, str]:
    try:
        found = SimpleCookie(request.headers.get("cookie", "").replace(",", ";"))
    except CookieError:
        return {}
    return {name: one.value for name, one in found.items()}


def _ended(session: Session) -> str:
    return f"session {session.nonce}"


def _masked(text: bytes, pad: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(text, pad, strict=True))
