"""What a job takes on so many nodes, replayed piece by piece from what it costs on one: processors, bytes, bandwidth.

A job is pieces beside each other and, before and behind them, what one process does alone. A piece waits for a free
processor, reads its bytes, computes, and writes its bytes; processors of a node share its network, and all nodes that
of the storage.
"""

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """What a job costs, as it was measured.

    Attributes:
        fixed_seconds: by the clock, whatever the rows: the call, the task's lease, the commit.
        alone_seconds: processor seconds a row of what one process does for all pieces.
        piece_seconds: processor seconds a row of what pieces do.
        read_bytes: a row, by pieces.
        written_bytes: a row, by pieces.
        cores: how many of two the job keeps busy where it is one process.
        piece_rows: how many rows a piece has; ``None`` if the job is not done in pieces, but by one process.
        start_seconds: processor seconds a piece, whatever its rows.
    """

    fixed_seconds: float
    alone_seconds: float
    piece_seconds: float
    read_bytes: float
    written_bytes: float
    cores: float = 1.0
    piece_rows: int | None = None
    start_seconds: float = 0.0

    def is_in_pieces(self, rows: int) -> bool:
        """Return whether so many rows are done in pieces; few are one process's anyway."""
        return self.piece_rows is not None and rows >= 2 * self.piece_rows


@dataclass(frozen=True)
class Cluster:
    """Machines that are alike.

    Attributes:
        nodes: how many.
        cores: of each.
        node_bytes_per_second: between a node and the storage.
        store_bytes_per_second: of the storage, to all nodes together.
    """

    nodes: int
    cores: int
    node_bytes_per_second: float
    store_bytes_per_second: float


@dataclass(frozen=True)
class Simulated:
    """What a job takes.

    Attributes:
        seconds: by the clock.
        cpu_seconds: of all processors.
        parts: of the seconds, by what they go to: ``fixed``, ``alone``, ``compute``, ``bytes``, ``waiting``.
    """

    seconds: float
    cpu_seconds: float
    parts: Mapping[str, float]

    @property
    def bound(self) -> str:
        """What most of the time goes to."""
        return max(self.parts, key=lambda part: self.parts[part])


def simulated(cost: Cost, rows: int, cluster: Cluster) -> Simulated:
    """Return what a job of so many rows takes on a cluster."""
    alone = rows * cost.alone_seconds
    if cost.piece_rows is None or not cost.is_in_pieces(rows):
        pieces = 0
        computing = rows * cost.piece_seconds / max(cost.cores * cluster.cores / 2, 1)
        bandwidth = min(cluster.node_bytes_per_second, cluster.store_bytes_per_second)
        moving = rows * (cost.read_bytes + cost.written_bytes) / bandwidth
        waiting = 0.0
    else:
        pieces = math.ceil(rows / cost.piece_rows)
        computing, moving, waiting = _in_pieces(cost, rows, cost.piece_rows, cluster)
    parts = {
        "fixed": cost.fixed_seconds,
        "alone": alone,
        "compute": computing,
        "bytes": moving,
        "waiting": waiting,
    }
    cpu = alone + rows * cost.piece_seconds + pieces * cost.start_seconds
    return Simulated(sum(parts.values()), cpu, parts)


def _in_pieces(cost: Cost, rows: int, piece_rows: int, cluster: Cluster) -> tuple[float, float, float]:
    """Return the seconds that the busiest processor computes, moves bytes, and waits for the last piece."""
    slots = cluster.nodes * cluster.cores
    sizes = [piece_rows] * (rows // piece_rows) + ([rows % piece_rows] if rows % piece_rows else [])
    busy = min(slots, len(sizes))
    on_a_node = math.ceil(busy / cluster.nodes)
    bandwidth = min(cluster.node_bytes_per_second / on_a_node, cluster.store_bytes_per_second / busy)
    free = [(0.0, 0.0, 0.0)] * busy  # when each processor is free; what it computed, and moved
    for size in sizes:
        at, computed, moved = heapq.heappop(free)
        computing = cost.start_seconds + size * cost.piece_seconds
        moving = size * (cost.read_bytes + cost.written_bytes) / bandwidth
        heapq.heappush(free, (at + computing + moving, computed + computing, moved + moving))
    end, computed, moved = max(free)
    usual = sum(at for at, _, _ in free) / busy
    share = usual / end if end else 1.0  # behind it some processors have nothing to do
    return computed * share, moved * share, end - usual
