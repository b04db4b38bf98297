"""The least a recommender can do: parse the body, multiply the user's vector with all items, send the best 25."""

import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import uvicorn

WIDTH = 64
USERS = 10_000
BEST = 25


def build(n_items: int) -> Callable[[Any, Any, Any], Awaitable[None]]:
    rng = np.random.default_rng(1)
    items = rng.standard_normal((n_items, WIDTH), np.float32)
    users = rng.standard_normal((USERS, WIDTH), np.float32)
    names = [f"i{1_000_000 + number}" for number in range(n_items)]

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message["body"]
            if not message["more_body"]:
                break
        user = int(json.loads(body)["userId"].rpartition("-")[2]) % USERS
        scores = items @ users[user]
        best = np.argpartition(scores, n_items - BEST)[n_items - BEST :]
        best = best[np.argsort(-scores[best])]
        content = json.dumps(
            {
                "itemList": [
                    {"itemId": names[item], "score": score}
                    for item, score in zip(best.tolist(), scores[best].tolist(), strict=True)
                ]
            }
        ).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    return answer


if __name__ == "__main__":
    uvicorn.run(
        build(int(sys.argv[1])),
        port=int(sys.argv[2]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="error",
    )
