"""The rows of the result, and the page they are written on."""

import os
import platform
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "benchmarks.md"
PACKAGES = ("sartor", "duckdb", "deltalake", "polars", "uvicorn", "botocore")


@dataclass(frozen=True)
class Row:
    """One measure with its target.

    Attributes:
        measure: what was done.
        ours: what Sartor took.
        compared: what it is held against, with its own number.
        result: the number that the target speaks of.
        target: the target in words.
        met: whether it holds; None when the row has no target.
    """

    measure: str
    ours: str
    compared: str
    result: str
    target: str
    met: bool | None

    def cells(self) -> tuple[str, ...]:
        verdict = {True: "yes", False: "**no**", None: ""}[self.met]
        return (self.measure, self.ours, self.compared, self.result, self.target, verdict)


HEADINGS = ("measure", "Sartor", "compared with", "result", "target", "met")


def markdown(rows: Sequence[Row]) -> str:
    lines = [HEADINGS, tuple("---" for _ in HEADINGS), *(row.cells() for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine() -> str:
    """Say what the numbers were taken on, without naming the machine."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = []
    for name in PACKAGES:
        try:
            packages.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    python = ".".join(map(str, sys.version_info[:3]))
    return (
        f"{os.cpu_count()} cores ({_processor()}), {memory_gib:.0f} GiB of memory, "
        f"{platform.system()} {platform.machine()}, Python {python}, {', '.join(packages)}"
    )


def _processor() -> str:
    try:
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or "unknown"


def write_page(rows: Sequence[Row], path: Path = PAGE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"""# Benchmarks

Written by `make bench`, which takes all of these numbers side by side in one run on one machine. Do not edit
it, run it again. `python -m bench NAME…` runs single measures, such as the long ones of trainings, `--quick`
smaller ones; neither changes this page.

Machine: {machine()}.

{markdown(rows)}

How it is measured:

- **Import**: the time from `CreateDatasetImportJob` to the answer of `DescribeDatasetImportJob` that says
  `ACTIVE`, asked by boto3 on a socket, against a server with its defaults. The peers do the bare conversion
  of the same file inside a running process: no rules, no report, no commit. Sartor and peers take turns, the
  page cache is warm, medians of three.
- **Memory**: the largest sum, over all processes of the server, of the proportional set size (PSS), sampled
  ten times a second.
- **Incremental**: the peer writes the 2.1 M resulting rows, already in memory, to Parquet once.
- **DescribeDataset**: one separate process keeps eight connections busy with requests signed beforehand,
  against both servers in turn. The bare handler reads the body, fetches one row of SQLite by its key and
  sends it.
- **GetRecommendations**: campaigns of a model that is planted, not trained: a sequence model of the shapes of a
  trained one (64 numbers an item, two layers, histories of 50) with clusters of taste. The bare loop parses the
  body, multiplies the vector of a user with all items in float32, and sends the best 25 with their scores; it
  verifies no signature, looks at no history and filters nothing. With 4,000 items there are two campaigns with their
  defaults, one of which explores a lot; 2,000 users take turns, so that most answers are kept; a row beside it shows
  users who ask once, whose answers are made.
  With 1 M items every user asks once.
- **Training, 20 M interactions**: planted tastes, histories as long as MovieLens-20M's.
- **Base install**: a fresh virtual environment with the pinned base dependencies and Sartor; Python's own pip and
  setuptools, which are in every environment, are told apart.
""")
