"""Who is asking: Signature Version 4 (AWS General Reference, "Signature Version 4 signing process").

The header form and the query form are verified. A signature proves the key, and the key, or the token of temporary
credentials, names the account; the region is the one that was signed.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import parse_qsl, quote

from sartor.errors import ApiError
from sartor.numbers import whole
from sartor.policies.principal import Principal

#: The name that all three services sign with.
SIGNING_NAME: Final = "personalize"
#: How far the caller's clock may be from ours, in seconds.
CLOCK_SKEW_SECONDS: Final = 15 * 60
#: The longest life of a signed URL, in seconds.
_LONGEST_URL_SECONDS = 7 * 24 * 3600
_ALGORITHM = "AWS4-HMAC-SHA256"
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_MOMENT = re.compile(r"[0-9]{8}T[0-9]{6}Z")
#: An Authorization header as the SDKs write it; others are taken apart word by word.
_HEADER = re.compile(r"AWS4-HMAC-SHA256 Credential=([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]+)")
_SPACES = re.compile(r" {2,}")


class Key(Protocol):
    """A key pair and its account."""

    @property
    def access_key_id(self) -> str:
        """The public half."""

    @property
    def secret_access_key(self) -> str:
        """The secret half."""

    @property
    def account(self) -> str:
        """Whose key it is."""


class Signer(Key, Protocol):
    """A key pair, and who signs with it."""

    @property
    def principal(self) -> Principal:
        """Who signs."""


#: Finds who signs by the key's id, the token of temporary credentials and the time; ``None`` if nobody knows the key.
Signers = Callable[[str, str | None, float], Signer | None]


@dataclass  # not frozen: one is made for each call, and what is frozen is made several times as slowly
class HttpRequest:
    """What was signed; nobody changes it.

    Attributes:
        method: such as ``POST``.
        path: as it was sent, still encoded.
        query: as it was sent, without its question mark.
        headers: by lower-case name; a repeated header's values are joined with commas.
        body: the whole body.
        scope: what the server knows of it beside that, as ASGI has it.
        request_id: that its answer will have.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    scope: Mapping[str, Any] = field(default_factory=dict)
    request_id: str = ""

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The query's parameters; of a repeated one the last."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def client(self) -> str:
        """The address that it came from; empty if nobody knows."""
        return str((self.scope.get("client") or ("",))[0])

    @property
    def secure(self) -> bool:
        """Whether it came over TLS."""
        return self.scope.get("scheme") == "https"


@dataclass(frozen=True)
class Caller:
    """Who asks, and in which region.

    Attributes:
        account: whose resources it sees.
        region: that was signed for.
        access_key_id: that signed.
        principal: who signed; ``None`` where nobody need sign.
        request: that was signed.
    """

    account: str
    region: str
    access_key_id: str
    principal: Principal | None = None
    request: HttpRequest | None = field(default=None, compare=False, repr=False)


class _Signature(NamedTuple):
    """The parts of a signature, wherever they were sent."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    moment: str
    lifetime_seconds: int | None
    in_query: bool


class Authority:
    """Knows who is asking.

    Args:
        signers: finds who signs.
        open_to: the account and region of every request when nobody need sign; ``None`` verifies signatures.
    """

    def __init__(self, signers: Signers, open_to: tuple[str, str] | None = None) -> None:
        self._signers = signers
        self._open_to = open_to

    def caller(self, request: HttpRequest, now: float, service: str = SIGNING_NAME) -> Caller:
        """Return who is asking a service at ``now`` (epoch seconds).

        Raises:
            ApiError: the request is not signed, or not as it should be.
        """
        if self._open_to is not None:
            account, region = self._open_to
            return Caller(account, _claimed_region(request) or region, "", request=request)
        return verify(request, self._signers, now, service)


def verify(request: HttpRequest, signers: Signers, now: float, service: str = SIGNING_NAME) -> Caller:
    """Return who signed a request.

    Args:
        request: as it came.
        signers: finds who signs.
        now: epoch seconds.
        service: that must have been signed for.

    Raises:
        ApiError: ``MissingAuthenticationTokenException``, ``IncompleteSignatureException``,
            ``UnrecognizedClientException``, ``ExpiredTokenException`` or ``InvalidSignatureException``.
    """
    sent = _signature(request)
    parameters = request.parameters if sent.in_query else {}
    token = request.headers.get("x-amz-security-token") or parameters.get("X-Amz-Security-Token")
    key = signers(sent.access_key_id, token, now)
    if key is None:
        raise ApiError(
            "UnrecognizedClientException", "The security token included in the request is invalid."
        )
    _check_scope(sent, service)
    _check_time(sent, now)
    _check_signed_headers(request, sent)
    signing_key = _signing_key(key.secret_access_key, sent.date, sent.region, service)
    queries = _canonical_queries(request.query, sent.in_query) if request.query else ("",)
    if not any(_is_signed(request, sent, signing_key, query) for query in queries):
        raise _invalid(
            "The request signature we calculated does not match the signature you provided. Check your AWS "
            "Secret Access Key and signing method. Consult the service documentation for details."
        )
    return Caller(key.account, sent.region, key.access_key_id, key.principal, request)


def _signature(request: HttpRequest) -> _Signature:
    """Return the signature of a request, from its header or its query."""
    header = request.headers.get("authorization")
    if header is not None:
        return _from_header(header, request.headers.get("x-amz-date", ""))
    if request.parameters.get("X-Amz-Algorithm") == _ALGORITHM:
        return _from_query(request.parameters)
    raise ApiError("MissingAuthenticationTokenException", "Missing Authentication Token")


def _from_header(header: str, moment: str) -> _Signature:
    match = _HEADER.fullmatch(header)
    if match is not None:
        return _make(match[1], match[2], match[3], moment, None, False)
    algorithm, _, rest = header.partition(" ")
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    missing = [name for name in ("Credential", "SignedHeaders", "Signature") if not parts.get(name)]
    if algorithm != _ALGORITHM or missing:
        wanted = ", ".join(missing) or _ALGORITHM
        raise ApiError("IncompleteSignatureException", f"The Authorization header misses {wanted}.")
    return _make(parts["Credential"], parts["SignedHeaders"], parts["Signature"], moment, None, False)


def _from_query(query: Mapping[str, str]) -> _Signature:
    names = ("X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Date", "X-Amz-Expires")
    missing = [name for name in names if not query.get(name)]
    if missing:
        raise ApiError("IncompleteSignatureException", f"The query misses {', '.join(missing)}.")
    credential, headers, signature, moment, expires = (query[name] for name in names)
    seconds = whole(expires, 1, _LONGEST_URL_SECONDS)
    if seconds is None:
        raise ApiError(
            "IncompleteSignatureException",
            f"X-Amz-Expires must be from 1 to {_LONGEST_URL_SECONDS} seconds.",
        )
    return _make(credential, headers, signature, moment, seconds, True)


def _make(
    credential: str, headers: str, signature: str, moment: str, lifetime: int | None, in_query: bool
) -> _Signature:
    scope = credential.split("/")
    if len(scope) != 5 or scope[4] != "aws4_request":
        raise ApiError(
            "IncompleteSignatureException",
            "Credential must be KEY/DATE/REGION/SERVICE/aws4_request.",
        )
    access_key_id, date, region, service, _ = scope
    signed = tuple(headers.lower().split(";"))
    return _Signature(access_key_id, date, region, service, signed, signature, moment, lifetime, in_query)


def _claimed_region(request: HttpRequest) -> str | None:
    """Return the region of a signature that nobody verifies, so that ARNs are as the client expects."""
    try:
        region = _signature(request).region
    except ApiError:
        return None
    return region if _REGION.fullmatch(region) else None


def _check_scope(sent: _Signature, service: str) -> None:
    if sent.service != service:
        raise _invalid(f"Credential should be scoped to correct service: '{service}'.")
    if not _REGION.fullmatch(sent.region):
        raise _invalid("Credential should be scoped to a valid region.")


@lru_cache(maxsize=64)
def _epoch_seconds(moment: str) -> float:
    """Return a signature's time; many requests are signed in the same second."""
    try:
        if _MOMENT.fullmatch(moment) is None:  # strptime takes digits of other scripts, and fewer of them
            raise ValueError
        return datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise ApiError(
            "IncompleteSignatureException", "X-Amz-Date must be a time such as 20260131T235959Z."
        ) from None


def _check_time(sent: _Signature, now: float) -> None:
    signed_at = _epoch_seconds(sent.moment)
    if sent.date != sent.moment[:8]:
        raise _invalid("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date.")
    age = now - signed_at
    if age > (sent.lifetime_seconds or CLOCK_SKEW_SECONDS):
        raise _invalid(f"Signature expired: {sent.moment} is too long ago.")
    if age < -CLOCK_SKEW_SECONDS:
        raise _invalid(f"Signature not yet current: {sent.moment} is still later than now.")


def _check_signed_headers(request: HttpRequest, sent: _Signature) -> None:
    """Refuse a request with headers that mean something but are not signed."""
    signed, headers = sent.signed_headers, request.headers
    needed = [name for name in headers if name.startswith("x-amz-")]
    needed += ["host"] if sent.in_query else ["host", "x-amz-date"]
    for name in needed:
        # the hash of the body is part of what is signed, with the header or without it
        if name not in signed and name != "x-amz-content-sha256":
            raise _invalid(f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")
    for name in signed:
        if name not in headers:
            raise _invalid(f"The signed header '{name}' is not in the request.")


def _is_signed(request: HttpRequest, sent: _Signature, signing_key: "_Hmac", query: str) -> bool:
    """Return whether a signature is that of the request with this canonical query."""
    text = "\n".join(
        (
            _ALGORITHM,
            sent.moment,
            f"{sent.date}/{sent.region}/{sent.service}/aws4_request",
            hashlib.sha256(_canonical_request(request, sent, query).encode()).hexdigest(),
        )
    )
    expected = signing_key.digest(text.encode()).hex()
    return hmac.compare_digest(expected.encode(), sent.signature.encode("utf-8", "replace"))


def _canonical_request(request: HttpRequest, sent: _Signature, query: str) -> str:
    digest = hashlib.sha256(request.body).hexdigest()
    stated = request.headers.get("x-amz-content-sha256")
    if stated is not None and stated != digest:
        raise _invalid("The body does not have the hash that X-Amz-Content-Sha256 states.")
    headers = [f"{name}:{_trimmed(request.headers[name])}\n" for name in sent.signed_headers]
    return "\n".join(
        (
            request.method,
            _canonical_path(request.path),
            query,
            "".join(headers),
            ";".join(sent.signed_headers),
            digest,
        )
    )


@lru_cache(maxsize=256)
def _canonical_path(path: str) -> str:
    """Return a path that is encoded once more, as every service but S3 has it."""
    return quote(path, safe="/-_.~") or "/"


def _canonical_queries(query: str, in_query: bool) -> tuple[str, ...]:
    """Return the query encoded as the specification says, and as it was sent: botocore signs a URL's own as it is."""
    pairs = [
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in parse_qsl(query, keep_blank_values=True)
        if not (in_query and name == "X-Amz-Signature")
    ]
    encoded = "&".join(f"{name}={value}" for name, value in sorted(pairs))
    sent = [part.partition("=")[::2] for part in query.split("&")]
    plain = "&".join(f"{name}={value}" for name, value in sorted(sent) if name != "X-Amz-Signature")
    return (encoded,) if plain == encoded else (encoded, plain)


def _trimmed(value: str) -> str:
    return _SPACES.sub(" ", value.strip()) if "  " in value else value.strip()


class _Hmac:
    """HMAC-SHA256 with one key (RFC 2104), the key hashed already.

    The standard library's lets other threads run meanwhile, and then waits for them; a short text is hashed sooner.
    """

    def __init__(self, key: bytes) -> None:
        block = key.ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def digest(self, text: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text)
        outer.update(inner.digest())
        return outer.digest()


@lru_cache(maxsize=1024)
def _signing_key(secret: str, date: str, region: str, service: str) -> _Hmac:
    """Return the key of one secret for one day, region and service."""
    key = f"AWS4{secret}".encode()
    for word in (date, region, service, "aws4_request"):
        key = hmac.digest(key, word.encode(), "sha256")
    return _Hmac(key)


def _invalid(message: str) -> ApiError:
    return ApiError("InvalidSignatureException", message)
