"""Identity providers: the tokens of OpenID Connect issuers that a service trusts.

Needs PyJWT with cryptography, the extra ``oidc``.
"""

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from sartor.errors import ApiError
from sartor.settings import SettingsError
from sartor.wire.local import is_loopback

if TYPE_CHECKING:
    from jwt import PyJWK

#: The signatures that are taken: with a public key, never with a shared secret, never without.
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
#: How long the issuer's keys are kept, and how soon they are fetched again for a key that they do not have.
_KEYS_SECONDS: Final = 300.0
_AGAIN_SECONDS: Final = 10.0
#: How long an issuer may take to answer, and how much it may say.
_FETCH_SECONDS: Final = 5.0
_MOST_BYTES: Final = 2**20
_DISCOVERY: Final = "/.well-known/openid-configuration"
#: How far the issuer's clock may be from ours, in seconds.
_SKEW_SECONDS: Final = 60


@dataclass(frozen=True)
class Identity:
    """Who an issuer says that somebody is.

    Attributes:
        issuer: as the token names it.
        audience: whom the token is for.
        subject: who it is.
        claims: all that the token says.
    """

    issuer: str
    audience: str
    subject: str
    claims: Mapping[str, Any]

    @property
    def provider(self) -> str:
        """The issuer as IAM names it: without its scheme."""
        return self.issuer.partition("://")[2]


class Issuers:
    """The issuers that a service trusts; safe to share between threads.

    Args:
        audiences: whom tokens may be for, by issuer.
        fetch: gets a JSON document of an address.

    Raises:
        SettingsError: there are some, and PyJWT is not installed.
    """

    def __init__(
        self, audiences: Mapping[str, Sequence[str]], fetch: Callable[[str], Any] | None = None
    ) -> None:
        if audiences and not (find_spec("jwt") and find_spec("cryptography")):
            raise SettingsError("--oidc-issuer needs PyJWT and cryptography: pip install 'sartor[oidc]'")
        self._issuers = {
            name: _Issuer(name, tuple(allowed), fetch or fetched) for name, allowed in audiences.items()
        }

    def identity(self, token: str) -> Identity:
        """Return who a token is about.

        Raises:
            ApiError: ``InvalidIdentityToken``, ``ExpiredIdentityToken``, or ``IDPCommunicationError`` if the issuer's
                keys cannot be had.
        """
        import jwt

        try:
            header = jwt.get_unverified_header(token)
            named = jwt.decode(token, options={"verify_signature": False}).get("iss")
        except jwt.PyJWTError:
            raise _invalid(
                "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access "
                "Token)"
            ) from None
        issuer = self._issuers.get(named.rstrip("/")) if isinstance(named, str) else None
        if issuer is None:
            raise _invalid(f"No OpenIDConnect provider found in your account for {str(named)[:200]}")
        return issuer.identity(token, header, str(named))


class _Issuer:
    """One issuer, with its keys."""

    def __init__(self, name: str, audiences: tuple[str, ...], fetch: Callable[[str], Any]) -> None:
        self._name = name
        self._audiences = audiences
        self._fetch = fetch
        self._turn = threading.Lock()
        self._keys: dict[str | None, PyJWK] = {}
        self._fetched_at = -_KEYS_SECONDS

    def identity(self, token: str, header: Mapping[str, Any], named: str) -> Identity:
        import jwt

        key = self._key(header.get("kid"))
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=list(self._audiences),
                issuer=named,
                leeway=_SKEW_SECONDS,
                options={"require": ["exp", "iat", "sub", "aud", "iss"]},
            )
        except jwt.ExpiredSignatureError:
            raise ApiError("ExpiredIdentityToken", "Token expired: its exp is in the past") from None
        except jwt.InvalidAudienceError:
            raise _invalid("Incorrect token audience") from None
        except jwt.PyJWTError as error:
            raise _invalid(f"The token cannot be verified: {error}") from None
        stated = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        audience = next(one for one in stated if one in self._audiences)
        return Identity(named, audience, str(claims["sub"]), claims)

    def _key(self, kid: Any) -> "PyJWK":
        with self._turn:
            age = time.monotonic() - self._fetched_at
            if age >= _KEYS_SECONDS or (kid not in self._keys and age >= _AGAIN_SECONDS):
                self._keys, self._fetched_at = self._published(), time.monotonic()
            found = self._keys.get(kid)
        if found is None:
            raise _invalid(
                "Couldn't retrieve verification key from your identity provider, please reference "
                "AssumeRoleWithWebIdentity documentation for requirements"
            )
        return found

    def _published(self) -> "dict[str | None, PyJWK]":
        """Return the keys that the issuer publishes, by their id."""
        import jwt

        try:
            place = self._fetch(f"{self._name}{_DISCOVERY}")["jwks_uri"]
            keys = jwt.PyJWKSet.from_dict(self._fetch(place)).keys
        except (OSError, ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
            raise ApiError(
                "IDPCommunicationError", f"The keys of {self._name} cannot be had: {error}"
            ) from None
        return {key.key_id: key for key in keys if key.public_key_use in (None, "sig")}


def _invalid(words: str) -> ApiError:
    return ApiError("InvalidIdentityToken", words)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """An issuer's address is where its keys are, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


def fetched(url: str) -> Any:
    """Return the JSON document at an address.

    Raises:
        OSError, ValueError: it cannot be had, or the address is neither HTTPS nor this machine's.
    """
    require_safe(url)
    opener = urllib.request.build_opener(_NoRedirects)
    with opener.open(url, timeout=_FETCH_SECONDS) as response:
        return json.loads(response.read(_MOST_BYTES))


def require_safe(url: str) -> None:
    """Refuse an address whose answer others could forge.

    Raises:
        ValueError: it is neither HTTPS nor HTTP to this machine.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise ValueError(f"{url} must be an https:// address")
