"""The cost model: what each job costs here, held against real runs, and what it would take on more machines.

Costs are made of two small sizes; the runs that they are held against are of other sizes, and of two one-core nodes
(``processes:2``). A whole run writes ``docs/explain/scale.md``.
"""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench import growth, inputs, jobs, table
from bench.growth import WORDS, Took
from bench.simulator import Cluster, Cost, Simulated, simulated
from bench.table import Row
from sartor.data import check, export, rewriting
from sartor.data.parquet_spans import TEXT_BYTES

PAGE: Final = table.PAGE.parents[1] / "explain" / "scale.md"
#: The sizes of which costs are made; and those at which they are held against real runs.
MEASURED_ROWS: Final = (1_000_000, 20_000_000)
CHECKED_ROWS: Final = (1_000_000, 10_000_000)
MOST_CHECKED_ROWS: Final = 100_000_000
#: How far a prediction may be from a run.
SLACK: Final = 0.25
#: Which jobs are done in pieces: how much text a piece has, and how much a byte that the job reads counts for.
IN_PIECES: Final[Mapping[str, tuple[int, int]]] = {
    "import": (check.PIECE_BYTES, 1),
    "export": (export.PIECE_BYTES, TEXT_BYTES),
    "deletion": (rewriting.PIECE_BYTES, TEXT_BYTES),
}
#: The option that has two nodes with a core each.
TWO_NODES: Final = ("--compute", "processes:2")
#: What a piece costs before its first row, in processor seconds: its process, or its task on Ray.
START_SECONDS: Final = 0.04
#: What the page plans with: nodes and cores of each, and rows.
CLUSTERS: Final = ((1, 2), (2, 2), (1, 16), (8, 16))
PLANNED_ROWS: Final = (1_000_000, 100_000_000, 3_000_000_000)
#: 10 Gbit/s for each node, and a storage that gives 10 GB/s to all.
NODE_BYTES_PER_SECOND: Final = 1.25e9
STORE_BYTES_PER_SECOND: Final = 10e9
_DISK_BYTES: Final = 2**28


@dataclass(frozen=True)
class Check:
    """A prediction and the run that it is held against.

    Attributes:
        step: which job.
        rows: of it.
        nodes: how many.
        predicted: what it would take.
        real: what it took.
    """

    step: str
    rows: int
    nodes: int
    predicted: Simulated
    real: Took

    def row(self) -> Row:
        """Return the row of the table."""
        seconds, cpu = (
            one / other
            for one, other in (
                (self.predicted.seconds, self.real.seconds),
                (self.predicted.cpu_seconds, self.real.cpu_seconds),
            )
        )
        return Row(
            f"{WORDS[self.step]}, {self.rows / 1e6:g} M rows, {self.nodes} node{'s' if self.nodes > 1 else ''}",
            f"{self.real.seconds:.2f} s, {self.real.cpu_seconds:.2f} s of CPU",
            f"predicted: {self.predicted.seconds:.2f} s, {self.predicted.cpu_seconds:.2f} s of CPU",
            f"{seconds:.2f} × and {cpu:.2f} ×",
            f"within {SLACK:.0%} of the CPU",
            abs(cpu - 1) <= SLACK,
        )


def run(quick: bool) -> list[Row]:
    """Measure, check, and write the page."""
    return (
        _planned((1_000_000, 8_000_000), (5_000_000,), None)
        if quick
        else _planned(MEASURED_ROWS, CHECKED_ROWS)
    )


def run_large(quick: bool) -> list[Row]:
    """The same, held against a hundred million rows too."""
    return run(quick) if quick else _planned(MEASURED_ROWS, (*CHECKED_ROWS, MOST_CHECKED_ROWS))


def _planned(sizes: tuple[int, int], checked: Sequence[int], page: Path | None = PAGE) -> list[Row]:
    small, large = (growth.measured(rows) for rows in sizes)
    spread = growth.measured(sizes[1], TWO_NODES, IN_PIECES)
    text_bytes, table_bytes = bytes_of_row(sizes[1])
    costs = {
        step: cost_of(
            sizes,
            (small[step], large[step]),
            spread.get(step),
            piece_rows(step, read_bytes),
            read_bytes,
            written_bytes,
        )
        for step, (read_bytes, written_bytes) in {
            "import": (text_bytes, table_bytes),
            "statistics": (table_bytes, 0.0),
            "export": (table_bytes, text_bytes),
            "deletion": (table_bytes, table_bytes),
            "read": (table_bytes, 0.0),
        }.items()
    }
    disk = disk_bytes_per_second()
    checks = [one for rows in checked for one in _checked(costs, rows, disk)]
    if page is not None:
        page.write_text(written(costs, disk, checks))
    return [one.row() for one in checks]


def _checked(costs: dict[str, Cost], rows: int, disk: float) -> list[Check]:
    """Return the predictions for so many rows beside real runs, on one node and, of what is in pieces, on two."""
    here, two = Cluster(1, os.cpu_count() or 1, disk, disk), Cluster(2, 1, disk, disk)
    real = growth.measured(rows)
    whole = {step: replace(cost, piece_rows=None) for step, cost in costs.items()}
    found = [Check(step, rows, 1, simulated(cost, rows, here), real[step]) for step, cost in whole.items()]
    apart = [step for step, cost in costs.items() if cost.is_in_pieces(rows)]
    spread = growth.measured(rows, TWO_NODES, apart) if apart else {}
    return found + [Check(step, rows, 2, simulated(costs[step], rows, two), spread[step]) for step in apart]


def piece_rows(step: str, read_bytes: float) -> int | None:
    """Return how many rows a piece of a job has; ``None`` if it is not done in pieces.

    Args:
        step: which job.
        read_bytes: of a row.
    """
    if step not in IN_PIECES:
        return None
    piece_bytes, counted = IN_PIECES[step]
    return max(int(piece_bytes / counted / read_bytes), 1)


def cost_of(
    sizes: tuple[int, int],
    took: tuple[Took, Took],
    spread: Took | None,
    rows_of_piece: int | None,
    read_bytes: float,
    written_bytes: float,
) -> Cost:
    """Return what a job costs.

    Args:
        sizes: two numbers of rows.
        took: what the job took with each.
        spread: what it took in pieces with the larger one.
        rows_of_piece: how many rows a piece has; ``None`` if it is not done in pieces.
        read_bytes: a row.
        written_bytes: a row.
    """
    (few, many), (small, large) = sizes, took
    each = max(large.cpu_seconds - small.cpu_seconds, 0.0) / (many - few)
    cores = max(1.0, min(large.cpu_seconds / large.seconds, float(os.cpu_count() or 1)))
    fixed = max(min(small.seconds - few * each / cores, large.seconds - many * each / cores), 0.0)
    cost = Cost(
        fixed_seconds=fixed,
        alone_seconds=0.0,
        piece_seconds=each,
        read_bytes=read_bytes,
        written_bytes=written_bytes,
        cores=cores,
    )
    apart = replace(cost, piece_rows=rows_of_piece, start_seconds=START_SECONDS)
    if spread is None or not apart.is_in_pieces(many):
        return cost
    alone = min(spread.own_seconds / many, each)
    return replace(apart, alone_seconds=alone, piece_seconds=each - alone)


def bytes_of_row(rows: int) -> tuple[float, float]:
    """Return how many bytes a row has as text, and in a table."""
    return (
        inputs.interactions(rows).stat().st_size / rows,
        jobs.interactions_parquet(rows).stat().st_size / rows,
    )


def disk_bytes_per_second() -> float:
    """Return how fast this machine writes a file until it is durable, and reads it."""
    path, block = inputs.folder() / "disk", os.urandom(2**22)
    begun = time.perf_counter()
    with path.open("wb") as file:
        for _ in range(_DISK_BYTES // len(block)):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    inputs.warm(path)
    seconds = time.perf_counter() - begun
    path.unlink()
    return 2 * _DISK_BYTES / seconds


def written(costs: dict[str, Cost], disk: float, checks: Sequence[Check]) -> str:
    """Return the page."""
    return f"""# What more machines would bring

Written by `python -m bench plan` (`plan-large` up to 100 M rows), which measures what a job costs on one machine,
replays it piece by piece on more (`bench/simulator.py`), and holds what it predicts against real runs. Do not edit this
page, run it again.

Machine: {table.machine()}; it writes a file until it is
durable, and reads it, with {disk / 1e6:,.0f} MB/s. In its last quarter of an hour {os.getloadavg()[2]:.0f} threads
wanted a processor at a time: with more than there are cores, seconds by the clock and what is fixed are too long, and
seconds of CPU some tenths off.

## What a job costs

| job | fixed | µs of CPU a row | µs a row beside the pieces | bytes a row, read and written | cores kept busy |
| --- | --- | --- | --- | --- | --- |
{_lines([_cost_cells(step, cost) for step, cost in costs.items()])}

Of {MEASURED_ROWS[0] / 1e6:g} M and {MEASURED_ROWS[1] / 1e6:g} M interactions of the demo's shop: the difference is the
cost of a row, what is left the fixed part. What one process does beside the pieces is what the worker itself takes
with `--compute processes:2`.

## Held against real runs

Two nodes are `processes:2`, two processes that share nothing but the storage. Small jobs are not cut into pieces.

{table.markdown([one.row() for one in checks])}

## Planned

Seconds by the clock, and what most of them go to.

| job | rows | {" | ".join(f"{nodes} × {cores} cores" for nodes, cores in CLUSTERS)} |
| --- | --- | {" | ".join("---" for _ in CLUSTERS)} |
{_lines([_plan_cells(step, cost, rows) for step, cost in costs.items() for rows in PLANNED_ROWS])}

What is assumed:

- a core is one of this machine's; a node computes as many pieces at once as it has cores, none in another's way;
- between a node and the storage go {NODE_BYTES_PER_SECOND / 1e9:g} GB/s, shared by its cores; the storage gives
  {STORE_BYTES_PER_SECOND / 1e9:g} GB/s to all nodes together; this machine's disk bounds only what it ran itself;
- a row costs the same however many there are: `python -m bench growth` shows up to where that holds;
- what one process does beside the pieces grows with the rows, though a part of it is fixed;
- a piece costs {START_SECONDS * 1000:.0f} ms before its first row ({_pieces_in_words()}
  of text); pieces are taken in their order by whichever processor is free, no node dies, and none is slower than the
  others; a byte of a table counts for {TEXT_BYTES} of text;
- a job that is not done in pieces is one process on one node, and of every two of its cores keeps as many busy as here.
"""


def _pieces_in_words() -> str:
    sizes = {WORDS[step].partition(" of ")[0]: size / 2**20 for step, (size, _) in IN_PIECES.items()}
    return ", ".join(f"{job}: {mebibytes:.0f} MiB" for job, mebibytes in sizes.items())


def _lines(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _cost_cells(step: str, cost: Cost) -> list[str]:
    return [
        WORDS[step],
        f"{cost.fixed_seconds:.2f} s",
        f"{cost.piece_seconds * 1e6:.3f}",
        f"{cost.alone_seconds * 1e6:.3f}" if cost.piece_rows else "not in pieces",
        f"{cost.read_bytes:.1f}, {cost.written_bytes:.1f}",
        f"{cost.cores:.1f}",
    ]


def _plan_cells(step: str, cost: Cost, rows: int) -> list[str]:
    found = [
        simulated(cost, rows, Cluster(nodes, cores, NODE_BYTES_PER_SECOND, STORE_BYTES_PER_SECOND))
        for nodes, cores in CLUSTERS
    ]
    return [WORDS[step], f"{rows / 1e6:,.0f} M", *(f"{one.seconds:,.0f} s, {one.bound}" for one in found)]
