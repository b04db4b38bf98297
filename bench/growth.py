"""How time and memory grow with the rows: of an import, its statistics, an export, a deletion, a training's reading."""

import os
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import quote

from bench import deletion, inputs, jobs, memory, served
from bench.table import Row

GIBIBYTE: Final = 2**30
#: How much more than linear still counts as linear: what one run differs from the next.
SLACK: Final = 1.15
MOST_BYTES: Final = GIBIBYTE
#: One user is deleted for so many rows.
ROWS_A_DELETED_USER: Final = 2_000
#: From here on what differs from run to run is small beside what is measured.
_ONCE_ROWS: Final = 5_000_000
_REPEATS: Final = 3


@dataclass(frozen=True)
class Took:
    """What a step took.

    Attributes:
        seconds: by the clock.
        cpu_seconds: of all processes of the server, or of the child that reads.
        own_seconds: what of that is not of children that ended meanwhile, which did pieces.
        peak_bytes: their proportional memory at its highest; of the child what the reading added.
    """

    seconds: float
    cpu_seconds: float
    own_seconds: float
    peak_bytes: int


#: The steps, in words, in the order in which they are done.
WORDS: Final = {
    "import": "FULL import",
    "statistics": "statistics",
    "export": "export",
    "deletion": f"deletion of one user for {ROWS_A_DELETED_USER:,} rows",
    "read": "reading for a training",
}


def run(quick: bool) -> list[Row]:
    """The usual sizes."""
    return _rows((100_000, 1_000_000) if quick else (1_000_000, 10_000_000))


def run_large(quick: bool) -> list[Row]:
    """A hundred million rows too: half an hour, and 20 GB of disk."""
    return _rows((1_000_000, 5_000_000) if quick else (1_000_000, 10_000_000, 100_000_000))


def _rows(sizes: tuple[int, ...]) -> list[Row]:
    took = [measured(rows) for rows in sizes]
    return [_row(step, sizes, [one[step] for one in took]) for step in WORDS]


def _row(step: str, sizes: tuple[int, ...], took: list[Took]) -> Row:
    cells = [
        f"{rows / 1e6:g} M: {one.seconds:.2f} s, {one.seconds / rows * 1e6:.3f} µs a row, "
        f"{one.cpu_seconds / rows * 1e6:.3f} µs of CPU, {one.peak_bytes / 2**20:.0f} MiB"
        for rows, one in zip(sizes, took, strict=True)
    ]
    each = [one.cpu_seconds / rows for rows, one in zip(sizes, took, strict=True)]
    growth = [each[-1] / one for one in each[:-1]]
    peak = max(one.peak_bytes for one in took)
    return Row(
        f"{WORDS[step]}, growth of the CPU per row, and memory",
        "<br>".join(cells),
        "its own at " + " and ".join(f"{rows / 1e6:g} M" for rows in sizes[:-1]),
        " and ".join(f"{one:.2f} ×" for one in growth) + f", {peak / GIBIBYTE:.2f} GiB",
        f"≤ {SLACK} ×, ≤ {MOST_BYTES / GIBIBYTE:g} GiB",
        max(growth) <= SLACK and peak <= MOST_BYTES,
    )


def measured(
    rows: int, options: tuple[str, ...] = (), wanted: Collection[str] = tuple(WORDS)
) -> dict[str, Took]:
    """Return what each step takes with so many interactions, by its name.

    Args:
        rows: of the file that is imported.
        options: of the server.
        wanted: which steps; an import is there in any case.
    """
    file = inputs.interactions(rows)
    repeats = 1 if rows >= _ONCE_ROWS else _REPEATS
    with jobs.service(options, bucket="training") as (service, bucket):
        dataset = service.dataset("Interactions", served.interactions_schema())
        path = f"/sartor/v1/datasets/{quote(dataset, safe='')}/statistics"
        deletion.write_users(
            jobs.interactions_parquet(rows), max(rows // ROWS_A_DELETED_USER, 1), bucket / "users.csv"
        )
        inputs.warm(file)
        tried: dict[str, list[Took]] = {}
        for n in range(repeats):
            steps: dict[str, Callable[[], object]] = {
                "import": partial(service.import_file, dataset, file),
                "statistics": partial(service.server.get, path),
                "export": partial(
                    jobs.export, service.client, dataset, f"growth-{n}", "ALL", f"s3://training/out{n}/"
                ),
                "deletion": partial(deletion.delete, service, f"growth-{n}"),
            }
            for step, do in steps.items():
                if step in wanted or step == "import":
                    tried.setdefault(step, []).append(_took(service.server.process.pid, do))
        found = {step: min(some, key=lambda one: one.cpu_seconds) for step, some in tried.items()}
    return {**found, "read": read_in(rows)} if "read" in wanted else found


def _took(session: int, do: Callable[[], object]) -> Took:
    (own, ended), begun = cpu_seconds(session), time.perf_counter()
    with served.PeakMemory(session) as peak:
        do()
    seconds = time.perf_counter() - begun
    own_now, ended_now = cpu_seconds(session)
    return Took(seconds, own_now + ended_now - own - ended, own_now - own, peak.bytes)


def cpu_seconds(session: int) -> tuple[float, float]:
    """Return the processor time of a session's processes, and that of those of their children that have ended."""
    own, ended = 0, 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            # behind the command's closing parenthesis: state, parent, group, session, …
            fields = (process / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session:
            own += sum(map(int, fields[11:13]))
            ended += sum(map(int, fields[13:15]))
    ticks = os.sysconf("SC_CLK_TCK")
    return own / ticks, ended / ticks


def read_in(rows: int) -> Took:
    """Return what reading so many interactions for a training takes, in a process of its own."""
    with TemporaryDirectory(dir=inputs.folder()) as folder:
        memory.fill(memory.records_in(Path(folder)), rows)
        begun = time.perf_counter()
        took = memory.measured(Path(folder), "read")
        return Took(time.perf_counter() - begun, took["seconds"], took["seconds"], int(took["bytes"]))
