"""Processes that are kept running: one that dies is started again."""

import logging
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

LOG = logging.getLogger("sartor.serve")

#: A process that dies is started again after this long; it doubles up to the last, in seconds.
FIRST_RESTART_SECONDS: Final = 0.5
LAST_RESTART_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 10.0


class Crew:
    """Some processes.

    Args:
        commands: of each, by its name in the log.
        environment: of all of them.
        logs: the file to which each says what it says, by its name; else it says it here.
    """

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        environment: Mapping[str, str],
        logs: Mapping[str, Path] | None = None,
    ) -> None:
        self._environment = dict(environment)
        self._logs = logs or {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._starting = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep, args=(name, command), name=f"crew-{name}", daemon=True)
            for name, command in commands.items()
        ]

    def start(self) -> None:
        """Start the processes and keep them running."""
        for thread in self._threads:
            thread.start()

    def process(self, name: str) -> int | None:
        """Return the number of the process that has a name now, ``None`` before its first start."""
        found = self._processes.get(name)
        return None if found is None else found.pid

    def stop(self) -> None:
        """End the processes; one that does not end in time is killed, and what it did begins again elsewhere."""
        with self._starting:  # from here on none starts
            self._stopping.set()
        deadline = time.monotonic() + _STOP_SECONDS
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _started(self, name: str, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        with ExitStack() as stack:
            log = stack.enter_context(self._logs[name].open("ab")) if name in self._logs else None
            return subprocess.Popen(
                command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _keep(self, name: str, command: Sequence[str]) -> None:
        """Start one process again and again."""
        # A terminal's signal goes to all: who starts processes ends them, and one that still loads its libraries would
        # end with a traceback. What a thread blocks is blocked in its children; they unblock it once they listen to it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        wait = FIRST_RESTART_SECONDS
        while True:
            began = time.monotonic()
            with self._starting:
                if self._stopping.is_set():
                    return
                process = self._processes[name] = self._started(name, command)
            status = process.wait()
            if self._stopping.is_set():
                return
            wait = FIRST_RESTART_SECONDS if time.monotonic() - began > LAST_RESTART_SECONDS else wait
            # somebody ended it well; if that was a terminal's signal to all, this process hears it as well
            level = logging.ERROR if status else logging.INFO
            LOG.log(
                level, "%s (%s) ended with status %s; another starts in %s s", name, process.pid, status, wait
            )
            self._stopping.wait(wait)
            wait = min(wait * 2, LAST_RESTART_SECONDS)
