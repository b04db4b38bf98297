"""Calls that wait for another thread: each gets its own outcome, however many threads end however many at once."""

import asyncio
import json
import queue
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from sartor.errors import ApiError, TakesLong
from sartor.wire import operations
from sartor.wire.exchange import Exchange
from sartor.wire.handling import Handled, Where
from sartor.wire.sign import Authority, Caller

CALLS = 400
ENDERS = 4
SECONDS = 20.0


def exchange(handler: Callable[[Caller, dict[str, Any]], Any], where: Where = "loop") -> Exchange:
    authority = Authority(lambda *_: None, open_to=("0" * 12, "us-east-1"))
    return Exchange(operations.load(), {"PutEvents": Handled(handler, where)}, authority)


async def call(app: Exchange, session: str) -> int:
    """Put an event of a session and return the HTTP status."""
    event = {"eventType": "click", "itemId": "a", "sentAt": 1_700_000_000}
    body = {"trackingId": "t", "userId": "u", "sessionId": session, "eventList": [event]}
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": json.dumps(body).encode()}

    async def send(message: Any) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    scope = {"type": "http", "method": "POST", "path": "/events", "query_string": b"", "headers": []}
    await app(scope, receive, send)
    (status,) = statuses
    return status


def test_every_call_gets_its_own_outcome_from_whichever_thread_ends_it() -> None:
    begun: queue.SimpleQueue[tuple[str, Future[None]] | None] = queue.SimpleQueue()

    def handler(_caller: Caller, members: dict[str, Any]) -> Future[None]:
        done: Future[None] = Future()
        begun.put((members["sessionId"], done))
        return done

    def end() -> None:
        while (one := begun.get()) is not None:
            session, done = one
            if session.startswith("bad"):
                done.set_exception(ApiError("InvalidInputException", session))
            else:
                done.set_result(None)

    enders = [threading.Thread(target=end) for _ in range(ENDERS)]
    for thread in enders:
        thread.start()
    app = exchange(handler)

    async def everybody() -> list[int]:
        calls = (call(app, "bad" if n % 3 == 0 else "good") for n in range(CALLS))
        return await asyncio.wait_for(asyncio.gather(*calls), SECONDS)

    try:
        statuses = asyncio.run(everybody())
    finally:
        for _ in enders:
            begun.put(None)
        for thread in enders:
            thread.join()
    assert statuses == [400 if n % 3 == 0 else 200 for n in range(CALLS)]


def test_what_has_ended_already_is_not_waited_for() -> None:
    done: Future[None] = Future()
    done.set_result(None)
    assert asyncio.run(asyncio.wait_for(call(exchange(lambda *_: done), "s"), SECONDS)) == 200


def test_a_call_that_is_cancelled_keeps_nobody_waiting() -> None:
    waiting: list[Future[None]] = []

    def handler(*_: object) -> Future[None]:
        waiting.append(Future())
        return waiting[-1]

    app = exchange(handler)

    async def two() -> int:
        first, second = (asyncio.create_task(call(app, "s")) for _ in range(2))
        while len(waiting) < 2:
            await asyncio.sleep(0)
        first.cancel()
        for done in waiting:
            done.set_result(None)
        return await asyncio.wait_for(second, SECONDS)

    assert asyncio.run(two()) == 200


def test_calls_are_handled_in_order_a_few_between_two_looks_for_new_ones() -> None:
    handled: list[tuple[str, int]] = []
    rounds = 0

    def handler(_caller: Caller, members: dict[str, Any]) -> dict[str, Any]:
        handled.append((members["sessionId"], rounds))
        return {}

    async def main() -> None:
        nonlocal rounds
        app = exchange(handler, "turns")
        calls = [asyncio.create_task(call(app, str(number))) for number in range(30)]
        while not all(one.done() for one in calls):
            rounds += 1
            await asyncio.sleep(0)
        assert [one.result() for one in calls] == [200] * 30

    asyncio.run(main())
    assert [session for session, _ in handled] == [str(number) for number in range(30)]
    at_once = Counter(number for _, number in handled)
    assert max(at_once.values()) <= 4
    assert max(at_once) - min(at_once) < 30  # but not one a round


def test_who_gives_up_before_his_turn_keeps_nobody_waiting() -> None:
    async def main() -> list[int]:
        app = exchange(lambda _caller, _members: {}, "turns")
        calls = [asyncio.create_task(call(app, str(number))) for number in range(12)]
        await asyncio.sleep(0)
        for one in calls[5:9]:
            one.cancel()
        found = await asyncio.gather(*calls, return_exceptions=True)
        return [one for one in found if isinstance(one, int)]

    assert asyncio.run(asyncio.wait_for(main(), SECONDS)) == [200] * 8


@pytest.mark.parametrize("where", ["loop", "turns", "thread"])
@pytest.mark.parametrize("breaks", [True, False])
def test_calls_that_wait_for_what_a_thread_is_at_hold_up_no_other_and_take_no_thread(
    where: Where, breaks: bool
) -> None:
    coming: Future[str] = Future()
    waiting = Counter[str]()

    def handler(_caller: Caller, members: dict[str, Any]) -> dict[str, Any]:
        if members["sessionId"] == "waits" and not coming.done():
            waiting["calls"] += 1
            raise TakesLong(coming)
        return {}

    app = exchange(handler, where)

    async def everybody() -> list[int]:
        calls = [asyncio.create_task(call(app, "waits")) for _ in range(CALLS)]
        while waiting["calls"] < CALLS:
            await asyncio.sleep(0)
        assert await call(app, "another") == 200
        assert not any(one.done() for one in calls)
        if breaks:
            coming.set_exception(ApiError("InvalidInputException", "the model is damaged"))
        else:
            coming.set_result("here")
        return await asyncio.gather(*calls)

    statuses = asyncio.run(asyncio.wait_for(everybody(), SECONDS))
    assert statuses == [400 if breaks else 200] * CALLS
