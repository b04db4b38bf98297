"""The least a durable event server can do: parse the body, insert its events in one transaction, answer."""

import json
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn


def build(database: str) -> Callable[[Any, Any, Any], Awaitable[None]]:
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(
        "CREATE TABLE event (id INTEGER PRIMARY KEY, user TEXT, session TEXT, item TEXT, type TEXT, "
        "value REAL, sent_at INTEGER, properties TEXT)"
    )
    insert = (
        "INSERT INTO event (user, session, item, type, value, sent_at, properties) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)"
    )

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message["body"]
            if not message["more_body"]:
                break
        call = json.loads(body)
        user, session = call["userId"], call["sessionId"]
        with connection:
            connection.executemany(
                insert,
                [
                    (
                        user,
                        session,
                        event["itemId"],
                        event["eventType"],
                        json.loads(event["properties"])["eventValue"],
                        event["sentAt"],
                        event["properties"],
                    )
                    for event in call["eventList"]
                ],
            )
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

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
