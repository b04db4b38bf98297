"""A server and its workers that are killed and paused at random moments, and replaced at once."""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sartor.demo.server import Server

WORKERS = 2
#: A short lease lets the next worker have what a dead one had; drains run all the time.
ENVIRONMENT = {"SARTOR_LEASE_SECONDS": "2", "SARTOR_DRAIN_SECONDS": "0.3"}
#: The time between two kills.
SHORTEST_SECONDS, LONGEST_SECONDS = 0.4, 2.4
#: A pause outlives the lease, so that another worker has begun, or even ended, the same task.
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 2.5, 6.0
#: How long a worker that goes on after a pause is left alone before it is ended.
AFTERLIFE_SECONDS = 2.0
#: Out of a hundred.
PAUSES, WHOLE_GROUPS = 40, 10


@dataclass
class Chaos:
    """One server on one port, whose processes die.

    Attributes:
        data: its data folder.
        buckets: its buckets.
        kills: how often each kind of end has come.
    """

    data: Path
    buckets: Mapping[str, Path]
    kills: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._paused: list[threading.Thread] = []
        self.server = self._start_server()
        self._workers = [self._start_worker() for _ in range(WORKERS)]

    def run(self, kills: int) -> None:
        """Kill and pause until there were so many; all that was paused has gone on when this returns."""
        while self.kills.total() < kills:
            time.sleep(random.uniform(SHORTEST_SECONDS, LONGEST_SECONDS))
            drawn = random.randrange(100)
            if drawn < PAUSES:
                self._pause()
            elif drawn < PAUSES + WHOLE_GROUPS:
                self._kill_all()
            else:
                self._kill_worker()
        for thread in self._paused:
            thread.join()

    def stop(self) -> None:
        """End every process."""
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            worker.wait()
        self.server.stop()

    def _start_server(self) -> Server:
        options = ("--workers", "0", "--quotas", "off", "--port", str(self._port))
        return Server(self.data, self.buckets, options)

    def _worker_command(self) -> list[str]:
        return [sys.executable, "-m", "sartor", "worker"]

    def _start_worker(self) -> subprocess.Popen[bytes]:
        command = [*self._worker_command(), "--data", str(self.data), "--quotas", "off"]
        for name, folder in self.buckets.items():
            command += ["--bucket", f"{name}={folder}"]
        with (self.data / "workers.log").open("ab") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _kill_worker(self) -> None:
        at = random.randrange(WORKERS)
        self._workers[at].kill()
        self._workers[at].wait()
        self._workers[at] = self._start_worker()
        self.kills["SIGKILL of a worker"] += 1

    def _kill_all(self) -> None:
        for process in (self.server.process, *self._workers):
            os.kill(process.pid, signal.SIGKILL)
        for process in (self.server.process, *self._workers):
            process.wait()
        self.server = self._start_server()
        self._workers = [self._start_worker() for _ in range(WORKERS)]
        self.kills["SIGKILL of all processes"] += 1

    def _pause(self) -> None:
        at = random.randrange(WORKERS)
        paused, self._workers[at] = self._workers[at], self._start_worker()
        paused.send_signal(signal.SIGSTOP)
        thread = threading.Thread(target=self._go_on, args=(paused,))
        thread.start()
        self._paused.append(thread)
        self.kills["SIGSTOP of a worker past its lease, then SIGCONT"] += 1

    @staticmethod
    def _go_on(paused: subprocess.Popen[bytes]) -> None:
        time.sleep(random.uniform(SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS))
        paused.send_signal(signal.SIGCONT)
        time.sleep(AFTERLIFE_SECONDS)
        paused.kill()
        paused.wait()


@contextmanager
def chaos(data: Path, buckets: Mapping[str, Path], sort: type[Chaos] = Chaos) -> Iterator[Chaos]:
    """Give a server whose processes can be killed, with short leases."""
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    os.environ.update(ENVIRONMENT)
    made = sort(data, buckets)
    try:
        yield made
    finally:
        made.stop()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
