"""A whole service in this process, asked as a server asks it, without sockets: thousands of requests take seconds."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from sartor.app import build, open_backend
from sartor.settings import load

JSON = {"content-type": "application/json"}


class Answered(NamedTuple):
    """An answer: status, headers by lower-case name, and body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class App:
    """The service of a data folder, with its options."""

    def __init__(self, data: Path, **options: str) -> None:
        flags = {"data": data, "auth": "open", "quotas": "off", **options}
        self.backend = open_backend(load(flags, {}))
        self.exchange = build(self.backend)

    def ask(self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] = JSON) -> Answered:
        """Return the answer to one request; ``Host`` is a loopback name unless the headers say another."""
        path, _, query = target.partition("?")
        given = {"host": "127.0.0.1:4900", **headers}
        scope = {
            "type": "http",
            "method": method,
            "path": unquote(path),
            "raw_path": path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
        }
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(self.exchange(scope, receive, send))
        start, end = sent
        found = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answered(start["status"], found, end["body"])

    def call(self, operation: str, members: Any) -> Answered:
        """Return the answer to an operation of the control plane."""
        body = members if isinstance(members, bytes) else json.dumps(members).encode()
        target = {"x-amz-target": f"AmazonPersonalize.{operation}"}
        return self.ask("POST", "/", body, {"content-type": "application/x-amz-json-1.1", **target})

    def close(self) -> None:
        self.backend.close()
