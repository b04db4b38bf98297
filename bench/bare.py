"""The least a server can do: read the body, fetch one row of SQLite by its key, send it."""

import json
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

ROWS = 1000


def build(database: str) -> Callable[[Any, Any, Any], Awaitable[None]]:
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE dataset (arn TEXT PRIMARY KEY, body TEXT)")
    with connection:
        connection.executemany(
            "INSERT INTO dataset VALUES (?, ?)",
            (
                (f"arn:{n}", json.dumps({"dataset": {"name": f"n{n}", "text": "x" * 400}}))
                for n in range(ROWS)
            ),
        )

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message["body"]
            if not message["more_body"]:
                break
        key = f"arn:{len(body) % ROWS}"
        (found,) = connection.execute("SELECT body FROM dataset WHERE arn = ?", (key,)).fetchone()
        content = found.encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    return answer


if __name__ == "__main__":
    uvicorn.run(
        build(sys.argv[1]),
        port=int(sys.argv[2]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="error",
    )
