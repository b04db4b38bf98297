"""Identity tokens: taken of a trusted issuer for its audience, with its own signature, in time."""

import json
from typing import Any

import pytest

from sartor.access.oidc import Issuers, require_safe
from sartor.errors import ApiError

jwt = pytest.importorskip("jwt")
rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")

ISSUER, AUDIENCE, NOW = "https://idp.example/realm", "sartor", 4_000_000_000
KEY, OTHER = (rsa.generate_private_key(65537, 2048) for _ in range(2))
CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "anna", "iat": NOW - 10_000_000_000, "exp": NOW}


class Published:
    """What an issuer publishes, and how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
        self.documents: dict[str, Any] = {
            f"{ISSUER}/.well-known/openid-configuration": {"jwks_uri": "https://idp.example/keys"},
            "https://idp.example/keys": {"keys": [{**public, "kid": "1", "use": "sig", "alg": "RS256"}]},
        }

    def __call__(self, url: str) -> Any:
        self.asked.append(url)
        return self.documents[url]


def token(claims: dict[str, Any], key: Any = KEY, kid: str | None = "1", algorithm: str = "RS256") -> str:
    headers = {} if kid is None else {"kid": kid}
    return str(jwt.encode(claims, key, algorithm, headers=headers))


def issuers(published: Published | None = None) -> Issuers:
    return Issuers({ISSUER: ("other", AUDIENCE)}, published or Published())


def test_a_token_says_who_it_is_about() -> None:
    published = Published()
    trusted = issuers(published)
    for _ in range(3):
        found = trusted.identity(token({**CLAIMS, "iat": 0, "amr": "x"}))
    assert (found.issuer, found.provider) == (ISSUER, "idp.example/realm")
    assert (found.audience, found.subject, found.claims["amr"]) == (AUDIENCE, "anna", "x")
    assert len(published.asked) == 2, "the keys are kept"


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (token({**CLAIMS, "exp": 1}), "ExpiredIdentityToken", "Token expired"),
        (token({**CLAIMS, "aud": "another"}), "InvalidIdentityToken", "Incorrect token audience"),
        (
            token({**CLAIMS, "iss": "https://evil.example"}),
            "InvalidIdentityToken",
            "No OpenIDConnect provider found",
        ),
        (token(CLAIMS, OTHER), "InvalidIdentityToken", "Signature verification failed"),
        (token(CLAIMS, kid="2"), "InvalidIdentityToken", "Couldn't retrieve verification key"),
        (token(CLAIMS, kid=None), "InvalidIdentityToken", "Couldn't retrieve verification key"),
        (
            token(CLAIMS, "a shared secret of thirty-two bytes", algorithm="HS256"),
            "InvalidIdentityToken",
            "cannot",
        ),
        (token(CLAIMS, None, algorithm="none"), "InvalidIdentityToken", "cannot be verified"),
        (token({name: CLAIMS[name] for name in ("iss", "aud", "exp", "iat")}), "InvalidIdentityToken", "sub"),
        (token({name: CLAIMS[name] for name in ("iss", "aud", "sub", "iat")}), "InvalidIdentityToken", "exp"),
        ("no token", "InvalidIdentityToken", "not a valid JWT"),
        (token(CLAIMS)[:-9] + "AAAAAAAAA", "InvalidIdentityToken", "Signature verification failed"),
    ],
)
def test_any_other_token_is_refused(text: str, code: str, words: str) -> None:
    with pytest.raises(ApiError, match=words) as refused:
        issuers().identity(text)
    assert refused.value.code == code


def test_unknown_keys_do_not_make_us_ask_the_issuer_each_time() -> None:
    published = Published()
    trusted = issuers(published)
    for number in range(20):
        with pytest.raises(ApiError):
            trusted.identity(token(CLAIMS, kid=f"unknown {number}"))
    assert len(published.asked) == 2


def test_an_issuer_that_does_not_answer_is_told_so() -> None:
    published = Published()
    published.documents.clear()
    with pytest.raises(ApiError, match="cannot be had") as refused:
        issuers(published).identity(token(CLAIMS))
    assert refused.value.code == "IDPCommunicationError"


@pytest.mark.parametrize(
    "url", ["http://idp.example/keys", "file:///etc/passwd", "ftp://127.0.0.1/x", "keys"]
)
def test_keys_are_not_fetched_where_others_could_forge_them(url: str) -> None:
    with pytest.raises(ValueError, match="must be an https:// address"):
        require_safe(url)
    require_safe("http://127.0.0.1:8000/keys")
    require_safe("https://idp.example/keys")
