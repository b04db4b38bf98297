"""What runs in a process that its parent may kill at any time.

``python -c "from sartor.compute.child import main; main(FD)"``: over the socket come the parent's ``sys.path``, the
function that uses the ``Link``, and then what that function takes. When the parent dies or wants no more the socket
ends, and so does this process.
"""

import ctypes
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Final

from sartor.compute.carried import packed, packed_error, unpacked
from sartor.compute.contract import Heard, Member, P, R
from sartor.compute.shared_sums import Files, SharedSums
from sartor.errors import Stopped

#: How often work says how far it is at most, in seconds.
SAID_SECONDS: Final = 0.2
_PR_SET_PDEATHSIG: Final = 1


class Link:
    """The child's end of the socket to its parent."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._came: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._waits = threading.Event()
        self._turn = threading.Lock()
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, *message: Any) -> None:
        """Send a message: its kind, a number, and what belongs to it."""
        content = packed(message)
        with self._turn:
            self._connection.send_bytes(content)

    def receive(self, seconds: float | None = None) -> Any:
        """Return the next message, ``None`` when there will be no more.

        Raises:
            queue.Empty: none came in so many seconds.
        """
        self._waits.set()
        try:
            return self._came.get(timeout=seconds)
        finally:
            self._waits.clear()

    def _read(self) -> None:
        """Read until the socket ends; whoever works then works for nobody."""
        try:
            while True:
                self._came.put(unpacked(self._connection.recv_bytes()))
        except (EOFError, OSError):
            if not self._waits.is_set():
                os._exit(0)
            self._came.put(None)


def die_with_parent() -> None:
    """Ask Linux to end this process with its parent; elsewhere nothing happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main(descriptor: int) -> None:
    """Do what the parent wants, then end."""
    die_with_parent()  # where that cannot be, the end of the socket does it
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's is for the parent
    connection = Connection(descriptor)
    sys.path[:] = unpacked(connection.recv_bytes())
    target: Callable[[Link], None] = unpacked(connection.recv_bytes())
    target(Link(connection))


def run_pieces(work: Callable[[P, Heard], R], link: Link) -> None:
    """Run one piece after the other."""
    link.send("room", 1)
    while (message := link.receive()) is not None:
        number, piece = message
        link.send(*ran(work, piece, number, _heard(link, number)))


def run_member(work: Callable[[Member, P], R], rank: int, files: Files, argument: P, link: Link) -> None:
    """Run one member of a gang."""

    def everybody() -> None:
        link.send("sum", rank, None)
        if link.receive() is None:
            raise Stopped

    member = Member(rank, len(files), SharedSums(files, rank, everybody), _heard(link, rank))
    link.send(*ran(lambda given, _: work(member, given), argument, rank, member.heard))
    link.receive()


def ran(work: Callable[[P, Heard], R], piece: P, number: int, heard: Heard) -> tuple[str, int, bytes]:
    """Run one piece and return what came of it, as a message."""
    try:
        return "done", number, packed(work(piece, heard))
    except Exception as error:  # noqa: BLE001 - it is raised where the map is
        return "failed", number, packed_error(error)


def seldom(say: Callable[[Any], object]) -> Heard:
    """Return what work calls, of which not more is passed on than makes a difference; it never stops the work."""
    next_at = 0.0

    def heard(said: Any) -> None:
        nonlocal next_at
        if said is not None and time.monotonic() >= next_at:
            next_at = time.monotonic() + SAID_SECONDS
            say(said)

    return heard


def _heard(link: Link, number: int) -> Heard:
    """Return what work calls; the parent ends this process if it must stop."""
    return seldom(partial(link.send, "said", number))
