"""A Ray cluster on this machine: a head and nodes of one processor each, each of which can be killed alone."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

#: Until a node answers, in seconds; on a machine with much to do it takes long.
START_SECONDS = 90.0
#: No node tells anybody of itself, and each waits for its own parts on a machine with much to do.
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "90",
    "RAY_agent_register_timeout_ms": "90000",
}


class Node:
    """One ``ray start --block`` with all that it starts."""

    def __init__(self, folder: Path, name: str, options: list[str], environment: Mapping[str, str]) -> None:
        self.log = folder / f"{name}.log"
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
        command += ["--object-store-memory=80000000", "--memory=4000000000", *options]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **QUIET, **environment},
                stdout=log,
                stderr=log,
            )

    def wait(self) -> None:
        """Wait until it has begun."""
        end = time.monotonic() + START_SECONDS
        while "Ray runtime started" not in self.log.read_text():
            assert self._process.poll() is None and time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)

    @property
    def is_up(self) -> bool:
        """Whether it runs; one that has lost its head ends by itself after a while."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it at once, with every process that it started, as when a machine loses power."""
        with suppress(psutil.NoSuchProcess):
            of_node = psutil.Process(self._process.pid)
            for one in [*of_node.children(recursive=True), of_node]:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
        self._process.wait()


class Cluster:
    """A head, which takes no work, and as many nodes as are added.

    Args:
        folder: for logs and sockets; its path must be short.
        environment: variables that the nodes have beside this process's own.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.folder = folder
        self._environment = environment
        self._nodes: list[Node] = []
        self.begin()

    def begin(self) -> None:
        """Start the head, at the address of an earlier one if there was one."""
        place = f"{self.folder}/ray{len(self._nodes)}"
        options = [f"--port={self._port}", "--num-cpus=0", "--include-dashboard=false", f"--temp-dir={place}"]
        self.head = self._start("head", ["--head", *options])
        self.address = self._address()

    def add(self) -> Node:
        """Start one more node of one processor."""
        return self._start("node", [f"--address={self.address}", "--num-cpus=1"])

    def stop(self) -> None:
        """End everything."""
        for node in self._nodes:
            node.kill()

    def _start(self, name: str, options: list[str]) -> Node:
        node = Node(self.folder, f"{name}{len(self._nodes)}", options, self._environment)
        self._nodes.append(node)
        return node

    def _address(self) -> str:
        self.head.wait()
        found = re.search(r"--address='([^']+)'", self.head.log.read_text())
        assert found
        return found[1]
