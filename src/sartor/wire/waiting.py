"""How calls wait on the event loop: for their turn, and for what other threads do.

asyncio has both, but not at the rate of calls that this service answers. Measured with 16 connections, one of them
waited twice as long as the others until calls took turns, and a commit that ended many calls cost more in wake-ups
of the event loop than the calls themselves.
"""

import asyncio
from collections import deque
from concurrent.futures import Future
from functools import partial
from typing import Any, Final

#: So many calls are handled before the event loop looks for new ones.
_CALLS_A_ROUND: Final = 4


class Turns:
    """Lets a few calls be handled in a round of the event loop, in the order in which they came.

    Else a round handles all calls that have come and sends all answers at its end. Whoever is answered last asks again
    just after the next round has begun, and waits for two of them, again and again: of 16 clients one waited twice as
    long as the others. So the loop looks for new calls, and sends what is answered, after every few.
    """

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._free = _CALLS_A_ROUND

    async def mine(self) -> None:
        """Wait for the turn of this call; of few at once none waits."""
        loop = asyncio.get_running_loop()
        if self._free:
            if self._free == _CALLS_A_ROUND:
                loop.call_soon(self._next, loop)
            self._free -= 1
            return
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiting.append(waiter)
        await waiter

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        self._free = _CALLS_A_ROUND
        while self._waiting and self._free:
            waiter = self._waiting.popleft()
            if not waiter.done():  # its call was not cancelled meanwhile
                waiter.set_result(None)
                self._free -= 1
        if self._free < _CALLS_A_ROUND:
            loop.call_soon(self._next, loop)


class Wakes:
    """Wakes the calls that wait for what another thread does.

    One commit ends many calls at once. asyncio wakes the event loop for each of them, which costs both threads more
    than a short call's own work; here one wake-up serves all that have ended.
    """

    def __init__(self) -> None:
        self._ended: deque[tuple[asyncio.Future[None], Future[None]]] = deque()
        self._asked = False

    async def of(self, done: Future[None]) -> None:
        """Wait for the end of a future, and raise what it raised."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        done.add_done_callback(partial(self._end, loop, waiter))
        await waiter

    def _end(self, loop: asyncio.AbstractEventLoop, waiter: asyncio.Future[None], done: Future[None]) -> None:
        # in this order, and the other way round in _wake, nothing is left behind whichever thread goes on when
        self._ended.append((waiter, done))
        if not self._asked and not loop.is_closed():
            self._asked = True
            loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._asked = False
        while self._ended:
            waiter, done = self._ended.popleft()
            if waiter.done():  # its call was cancelled meanwhile
                continue
            error = done.exception()
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)


async def over(coming: "Future[Any] | None") -> None:
    """Wait for what another thread is at; how that fails, this call fails."""
    if coming is not None:
        await asyncio.wrap_future(coming)
