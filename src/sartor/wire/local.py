"""What a server that verifies nobody's signature takes: requests of this machine's own programs.

Its user's browser runs programs of others. A page of another origin may send what HTML forms can send, without asking
first: any ``Content-Type`` but JSON; its ``Origin`` says where it is from. One whose name was pointed at this machine
(DNS rebinding) sends that name as ``Host``.
"""

import ipaddress
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Final

from sartor.errors import ApiError

_HOST: Final = re.compile(r"(\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[^:\[\]]+))(:[0-9]{1,5})?")


def is_loopback(host: str) -> bool:
    """Return whether a name or an address, without a port, is this machine for itself alone."""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def admit_all(_method: str, _headers: Mapping[str, str]) -> None:
    """Refuse nothing: signatures say who asks."""


def require_local(method: str, headers: Mapping[str, str], origins: Collection[str] = ()) -> None:
    """Refuse a request that a page of another origin may have sent.

    Args:
        method: of the request.
        headers: of the request, by lower-case name.
        origins: whose pages may send it nevertheless.

    Raises:
        ApiError: ``AccessDeniedException`` or ``UnsupportedMediaTypeException``.
    """
    host = headers.get("host", "")
    if not _names_loopback(host):
        raise ApiError(
            "AccessDeniedException",
            f"--auth open answers only to localhost, 127.0.0.1 and [::1], not to the host {host[:100]!r}.",
        )
    origin = headers.get("origin")
    if origin is not None and origin.casefold() not in (*_origins(host), *origins):
        raise ApiError(
            "AccessDeniedException", f"--auth open answers to no page of another origin: {origin[:100]!r}."
        )
    if method == "POST" and not headers.get("content-type"):
        raise ApiError(
            "UnsupportedMediaTypeException", "--auth open takes a POST only with a JSON Content-Type."
        )


def _origins(host: str) -> tuple[str, str]:
    """Return the origins of our own pages."""
    return f"http://{host.casefold()}", f"https://{host.casefold()}"


@lru_cache(maxsize=256)
def _names_loopback(host: str) -> bool:
    """Return whether a ``Host`` names this machine for itself alone, with a port or without."""
    match = _HOST.fullmatch(host)
    return match is not None and is_loopback(match["six"] or match["name"])
