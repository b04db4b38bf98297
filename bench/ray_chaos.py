"""A server whose workers have their pieces on a Ray cluster, of which any part dies at random moments."""

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from bench.chaos import Chaos
from bench.ray_cluster import Cluster, Node

NODES = 2
#: The time between two kills; a driver takes a second or two until it has its first piece.
SHORTEST_SECONDS, LONGEST_SECONDS = 0.5, 4.0
#: How long the cluster has no head.
HEADLESS_SECONDS = 2.0
#: How long is looked for a driver.
DRIVER_SECONDS = 20.0
#: Out of a hundred; the rest are workers.
HEADS, NODES_KILLED, DRIVERS = 10, 35, 30


class RayChaos(Chaos):
    """One server, whose workers use a cluster of a head and two nodes of one processor each."""

    def __post_init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True)  # a short path
        self._cluster = Cluster(Path(self._folder.name), {})
        self._nodes = self._added()
        try:
            super().__post_init__()
        except BaseException:
            self._cluster.stop()
            raise

    def run(self, kills: int) -> None:
        """Kill until there were so many; the cluster is whole when this returns."""
        while self.kills.total() < kills:
            time.sleep(random.uniform(SHORTEST_SECONDS, LONGEST_SECONDS))
            self._drawn(random.randrange(100))()
            print(f"{self.kills.total()} of {kills} killed: {dict(self.kills)}", file=sys.stderr, flush=True)

    def stop(self) -> None:
        """End every process."""
        super().stop()
        self._cluster.stop()
        self._folder.cleanup()

    def _worker_command(self) -> list[str]:
        return [sys.executable, "-m", "bench.small_pieces", "--compute", f"ray:{self._cluster.address}"]

    def _drawn(self, number: int) -> Callable[[], None]:
        for share, kill in (
            (HEADS, self._kill_head),
            (NODES_KILLED, self._kill_node),
            (DRIVERS, self._kill_driver),
        ):
            if number < share:
                return kill
            number -= share
        return self._kill_worker

    def _kill_head(self) -> None:
        self._cluster.head.kill()
        time.sleep(HEADLESS_SECONDS)
        for node in self._nodes:  # they would end by themselves, a minute later
            node.kill()
        self._cluster.begin()
        self._nodes = self._added()
        self.kills["SIGKILL of the head"] += 1

    def _kill_node(self) -> None:
        at = random.randrange(NODES)
        self._nodes[at].kill()
        self._nodes[at] = self._cluster.add()
        self.kills["SIGKILL of a node"] += 1

    def _kill_driver(self) -> None:
        deadline = time.monotonic() + DRIVER_SECONDS
        while time.monotonic() < deadline:
            drivers = [process for worker in self._workers for process in _children(worker.pid)]
            if drivers:
                time.sleep(random.uniform(0, LONGEST_SECONDS))  # at whatever it is then
                with suppress(ProcessLookupError):
                    os.kill(random.choice(drivers), signal.SIGKILL)
                    self.kills["SIGKILL of a driver"] += 1
                    return
            time.sleep(0.02)

    def _added(self) -> list[Node]:
        return [self._cluster.add() for _ in range(NODES)]


def _children(process: int) -> list[int]:
    """Return the drivers that a worker has."""
    with suppress(psutil.NoSuchProcess):
        return [
            child.pid
            for child in psutil.Process(process).children()
            if "sartor.compute.child" in " ".join(child.cmdline())
        ]
    return []
