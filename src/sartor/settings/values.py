"""What settings take: a value of a text, or of the file's own type; ``ValueError`` says what is wrong with it."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

REGION: Final = re.compile(r"[a-z0-9-]{1,40}")
ACCOUNT: Final = re.compile(r"[0-9]{12}")
_BUCKET: Final = re.compile(r"(([0-9]{12}|\*)/)?[^/]+")
COMPUTE: Final = re.compile(
    r"here|processes:[1-9][0-9]{0,2}|ray:([A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5}"
)
ENDPOINT: Final = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?")
#: Plain HTTP is for an issuer on this machine alone.
_ISSUER: Final = re.compile(
    r"https://[^\s,=]+|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?(/[^\s,=]*)?"
)
_ORIGIN: Final = re.compile(r"https?://[^\s/,]+")


def text(value: Any) -> str:
    """Return a text that is not empty."""
    if not str(value).strip():
        raise ValueError("it is empty")
    return str(value)


def whole(low: int, high: int) -> Callable[[Any], int]:
    """Return what takes whole numbers of a range."""

    def parse(value: Any) -> int:
        number = int(str(value))
        if not low <= number <= high:
            raise ValueError(f"it must be from {low} to {high}")
        return number

    return parse


def seconds(value: Any) -> float:
    """Return a time, in seconds or in whatever unit the setting has."""
    number = float(str(value))
    if not 0 < number < 86_400:
        raise ValueError("it must be more than 0 and less than 86400")
    return number


def share(value: Any) -> float:
    """Return a share, from 0 to 1."""
    number = float(str(value))
    if not 0 <= number <= 1:
        raise ValueError("it must be from 0 to 1")
    return number


def one_of(*words: str) -> Callable[[Any], str]:
    """Return what takes one of some words."""

    def parse(value: Any) -> str:
        if value not in words:
            raise ValueError(f"it must be one of {', '.join(words)}")
        return str(value)

    return parse


def switched(value: Any) -> bool:
    """Return whether something is on."""
    words = {"on": True, "true": True, "1": True, "off": False, "false": False, "0": False}
    if str(value).lower() not in words:
        raise ValueError("it must be on or off")
    return words[str(value).lower()]


def like(pattern: re.Pattern[str], words: str) -> Callable[[Any], str]:
    """Return what takes texts of a pattern, which words explain."""

    def parse(value: Any) -> str:
        if not pattern.fullmatch(str(value)):
            raise ValueError(words)
        return str(value)

    return parse


def buckets(value: Any) -> dict[str, Path]:
    """Return folders by bucket, ``NAME`` or ``ACCOUNT/NAME``.

    Args:
        value: a table; or ``[ACCOUNT/]NAME=DIR`` texts, in one text parted by commas; or a table as JSON, which
            takes folders with commas too.
    """
    if isinstance(value, str) and value.startswith("{"):
        value = json.loads(value)
    if isinstance(value, Mapping):
        pairs = [(str(name), str(folder)) for name, folder in value.items()]
    else:
        texts = value.split(",") if isinstance(value, str) else value
        pairs = [(name, folder) for name, _, folder in (str(text).partition("=") for text in texts)]
    buckets: dict[str, Path] = {}
    for name, folder in pairs:
        if not folder or not _BUCKET.fullmatch(name):
            raise ValueError("a bucket is NAME=DIR, or ACCOUNT/NAME=DIR with an account of 12 digits or *")
        if name in buckets:
            raise ValueError(f"the bucket {name} is named twice")
        buckets[name] = Path(folder).absolute()
    return buckets


def issuers(value: Any) -> dict[str, tuple[str, ...]]:
    """Return the audiences by issuer.

    Args:
        value: a table; or ``URL=AUDIENCE`` texts, in one text parted by commas; or a table as JSON.
    """
    if isinstance(value, str) and value.startswith("{"):
        value = json.loads(value)
    if isinstance(value, Mapping):
        pairs = [
            (str(url), str(one))
            for url, audiences in value.items()
            for one in ([audiences] if isinstance(audiences, str) else audiences)
        ]
    else:
        texts = value.split(",") if isinstance(value, str) else value
        pairs = [(url, audience) for url, _, audience in (str(text).rpartition("=") for text in texts)]
    issuers: dict[str, tuple[str, ...]] = {}
    for url, audience in pairs:
        if not audience or not _ISSUER.fullmatch(url):
            raise ValueError("an issuer is URL=AUDIENCE, with an https:// address")
        name = url.rstrip("/")
        issuers[name] = (*issuers.get(name, ()), audience)
    return issuers


def path(value: Any) -> Path:
    """Return an absolute path."""
    return Path(text(value)).absolute()


def origins(value: Any) -> tuple[str, ...]:
    """Return origins, of a list or of a text parted by commas."""
    found = tuple(str(one) for one in (value.split(",") if isinstance(value, str) else value))
    if not all(one == "*" or _ORIGIN.fullmatch(one) for one in found):
        raise ValueError(
            "an origin is https://HOST or http://HOST, perhaps with a port, and nothing behind it"
        )
    return found
