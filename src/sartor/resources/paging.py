"""The tokens of the List operations: a position that only the same list of the same caller can go on from."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from typing import Any

import orjson

from sartor.errors import ApiError

#: How many entries a page has when the caller does not say; the most that he may ask for.
DEFAULT_RESULTS = 100
_SEAL_BYTES = 16


def seal(secret: bytes, query: Sequence[str | None], position: Sequence[Any]) -> str:
    """Return the opaque token of a position in a list.

    Args:
        secret: the service's secret.
        query: what makes the list this list: operation, account, region, filters.
        position: JSON values of the last entry that was given out.
    """
    text = orjson.dumps(position)
    return urlsafe_b64encode(_mark(secret, query, text) + text).decode()


def unseal(secret: bytes, query: Sequence[str | None], token: str) -> list[Any]:
    """Return the position in a token that ``seal`` made for the same query.

    Raises:
        ApiError: ``InvalidNextTokenException`` for any other token.
    """
    try:
        sealed = urlsafe_b64decode(token.encode("ascii"))
    except (Base64Error, ValueError):
        raise _invalid() from None
    mark, text = sealed[:_SEAL_BYTES], sealed[_SEAL_BYTES:]
    if not hmac.compare_digest(mark, _mark(secret, query, text)):
        raise _invalid()
    position: list[Any] = orjson.loads(text)
    return position


def _mark(secret: bytes, query: Sequence[str | None], text: bytes) -> bytes:
    """Return the mark that only the holder of the secret can put on a position."""
    return hmac.digest(secret, orjson.dumps(list(query)) + text, "sha256")[:_SEAL_BYTES]


def _invalid() -> ApiError:
    return ApiError("InvalidNextTokenException", "The token is not valid for this list.")
