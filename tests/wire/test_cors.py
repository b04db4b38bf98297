"""Pages of other origins: only those that were named are let in, and what they may read is said."""

import asyncio
from typing import Any

import pytest

from sartor.wire.cors import Cors

SHOP = "https://shop.example"


async def application(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-amzn-requestid", b"1")]})
    await send({"type": "http.response.body", "body": b"answer"})


def answered(origins: tuple[str, ...], method: str = "POST", **headers: str) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of an answer."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "headers": raw}
    asyncio.run(Cors(application, origins)(scope, None, send))  # type: ignore[arg-type]
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}, sent[1]["body"]


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        ((SHOP,), SHOP, True),
        ((SHOP,), "https://evil.example", False),
        ((SHOP,), "http://shop.example", False),
        ((SHOP,), "https://shop.example:8443", False),
        ((SHOP, "http://localhost:3000"), "http://localhost:3000", True),
        (("*",), "https://any.example", True),
        (("*",), "null", True),
        ((SHOP,), "null", False),
    ],
)
def test_a_page_may_read_the_answer_if_its_origin_was_named(
    origins: tuple[str, ...], origin: str, allowed: bool
) -> None:
    asked, body = answered(origins, "OPTIONS", origin=origin, access_control_request_method="POST")
    assert (asked.get("access-control-allow-origin") == origin) is allowed
    assert ("access-control-allow-methods" in asked) is allowed
    assert body == b""
    read, body = answered(origins, origin=origin)
    assert (read.get("access-control-allow-origin") == origin) is allowed
    assert ("x-amzn-requestid" in read.get("access-control-expose-headers", "")) is allowed
    assert (body, read["vary"]) == (b"answer", "Origin")


def test_what_a_page_wants_to_send_is_allowed_and_without_a_wish_what_the_sdks_send() -> None:
    wish = {"origin": SHOP, "access_control_request_method": "POST"}
    asked, _ = answered((SHOP,), "OPTIONS", **wish, access_control_request_headers="x-mine")
    assert asked["access-control-allow-headers"] == "x-mine"
    assert "authorization" in answered((SHOP,), "OPTIONS", **wish)[0]["access-control-allow-headers"]


def test_what_is_no_preflight_is_answered_as_ever() -> None:
    headers, body = answered((SHOP,), "OPTIONS", origin=SHOP)
    assert body == b"answer"
    headers, body = answered((SHOP,), "GET")
    assert "access-control-allow-origin" not in headers
    assert body == b"answer"
