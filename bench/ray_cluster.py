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
START_SECONDS = 120.0
#: So often one is started that dies: Ray gives its agents fifteen seconds, and says of others that a port is taken.
STARTS = 5
#: No node tells anybody of itself, and each waits for its own parts on a machine with much to do.
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "40",
    "RAY_agent_register_timeout_ms": "100000",
}


#: The ports that Ray would let a node's agents choose.
AGENTS = ("dashboard-agent-grpc", "dashboard-agent-listen", "runtime-env-agent", "metrics-export")


class Node:
    """One ``ray start --block`` with all that it starts."""

    def __init__(self, folder: Path, name: str, options: list[str], environment: Mapping[str, str]) -> None:
        self.log = folder / f"{name}.log"
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
        command += ["--object-store-memory=80000000", "--memory=4000000000", *options]
        # else the node waits fifteen seconds for what its agents chose, and dies on a machine with much to do
        command += [f"--{agent}-port={_free_port()}" for agent in AGENTS]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **QUIET, **environment},
                stdout=log,
                stderr=log,
            )

    def wait(self, said: str = "Ray runtime started") -> re.Match[str]:
        """Wait until it has begun, and says what is like a pattern; return that."""
        end = time.monotonic() + START_SECONDS
        while (found := re.search(said, self.log.read_text())) is None:
            assert self._process.poll() is None and time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)
        return found

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
        self._port = _free_port()
        self.folder = folder
        self._environment = environment
        self._nodes: list[Node] = []
        try:
            self.begin()
        except BaseException:
            self.stop()
            raise

    def begin(self) -> None:
        """Start the head, at the address of an earlier one if there was one."""
        place = f"{self.folder}/ray{len(self._nodes)}"
        options = [f"--port={self._port}", "--num-cpus=0", "--include-dashboard=false", f"--temp-dir={place}"]
        self.head = self._start("head", ["--head", *options])
        self.address = self._address()

    def add(self) -> Node:
        """Start one more node of one processor; two that began at once could take the same ports, and die."""
        return self._start("node", [f"--address={self.address}", "--num-cpus=1"])

    def stop(self) -> None:
        """End everything."""
        for node in self._nodes:
            node.kill()

    def _start(self, name: str, options: list[str]) -> Node:
        """Start a node and wait for it; one that dies before it is up is started again."""
        starts = 0
        while True:
            node = Node(self.folder, f"{name}{len(self._nodes)}", options, self._environment)
            self._nodes.append(node)
            starts += 1
            try:
                node.wait()
                return node
            except AssertionError:
                node.kill()
                if starts == STARTS:
                    raise

    def _address(self) -> str:
        return self.head.wait(r"--address='([^']+)'")[1]


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
