"""Child processes from their parent's side: started when there is work, killed when there must be none."""

import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Final

from sartor.compute.carried import packed, unpacked
from sartor.compute.child import Link
from sartor.compute.contract import LOOK_SECONDS

#: What a child runs: a function of a module, perhaps with arguments.
Target = Callable[[Link], None]
#: A child that has nothing more to do has so long to end by itself, in seconds.
_END_SECONDS: Final = 1.0
_PROGRAM: Final = "from sartor.compute.child import main; main({})"
_STDERR: Final = 2


class Child:
    """One child process.

    Args:
        target: what it runs.
        environment: variables that it has beside this process's own.
        files: descriptors that it has too.

    Attributes:
        room: how many pieces it takes at once; 0 until it is ready.
        holds: the numbers of the pieces that it has.
    """

    def __init__(self, target: Target, environment: Mapping[str, str], files: Sequence[int] = ()) -> None:
        self.room = 0
        self.holds: set[int] = set()
        self._socket, its = socket.socketpair()
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM.format(its.fileno())],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=_STDERR,
                pass_fds=(its.fileno(), *files),
            )
        self.connection = Connection(os.dup(self._socket.fileno()))
        self._to_send: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._sender = threading.Thread(target=self._send, daemon=True)
        self._sender.start()
        self.send(sys.path)
        self.send(target)

    def send(self, message: Any) -> None:
        """Send a message. Nobody waits until it has arrived: a child that hangs reads nothing."""
        self._to_send.put(packed(message))

    def receive(self) -> Any:
        """Return the next message, ``None`` if the process is at its end."""
        try:
            return unpacked(self.connection.recv_bytes())
        except (EOFError, OSError):
            return None

    def dismiss(self) -> None:
        """Say that there is no more work."""
        self._to_send.put(None)

    def end(self) -> None:
        """Wait for the end of the process that was dismissed."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        self.kill()

    def kill(self) -> str:
        """End the process at once, if it has not ended, and return how it did in words."""
        self._process.kill()
        status = self._process.wait()
        self.dismiss()
        self._sender.join()
        self.connection.close()
        self._socket.close()
        return f"signal {-status}" if status < 0 else f"status {status}"

    def _send(self) -> None:
        with suppress(OSError):  # it has died
            while (content := self._to_send.get()) is not None:
                self.connection.send_bytes(content)
            self._socket.shutdown(socket.SHUT_WR)


def messages(children: Sequence[Child]) -> Iterator[tuple[Child, Any]]:
    """Yield what some children have sent, a message each; who looks for a moment in vain gets none."""
    senders = {child.connection: child for child in children}
    for connection in wait(list(senders), LOOK_SECONDS):
        child = senders[connection]  # type: ignore[index]
        yield child, child.receive()
