"""A backup of models and small files against `cp -r` and `sync`, and one where nothing is new."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench import inputs
from bench.table import Row
from sartor.resources.store import Store

REPEATS = 3
#: As many as a shop of some groups has: what tables, reports and histories are.
SMALL_FILES, SMALL_BYTES = 1_000, 20_000
LARGE_BYTES = 50_000_000


def run(quick: bool) -> list[Row]:
    large = 10 if quick else 80
    with TemporaryDirectory(dir=inputs.folder()) as kept:
        data, copy, backup = (Path(kept) / name for name in ("data", "copy", "backup"))
        fill(data, large)
        ours, theirs = [], []
        for _ in range(REPEATS):
            theirs.append(seconds("sh", "-c", f"cp -r '{data}' '{copy}' && sync"))
            ours.append(seconds(sys.executable, "-m", "sartor", "backup", str(backup), "--data", str(data)))
            again = seconds(sys.executable, "-m", "sartor", "backup", str(backup), "--data", str(data))
            for place in (copy, backup):
                shutil.rmtree(place)
    mine, bare = median(ours), median(theirs)
    size = (large * LARGE_BYTES + SMALL_FILES * SMALL_BYTES) / 1e9
    return [
        Row(
            f"backup of {size:.1f} GB in {large + SMALL_FILES:,} files, with its hashes",
            f"{mine:.2f} s; again {again:.2f} s",
            f"`cp -r` and `sync`: {bare:.2f} s",
            f"{bare / mine:.0%} of its speed",
            "≥ 70 %",
            bare / mine >= 0.7,
        )
    ]


def fill(data: Path, large: int) -> None:
    """Make a data folder with so many large files."""
    models = data / "storage" / "models"
    models.mkdir(parents=True)
    Store.open(f"sqlite:///{data / 'sartor.db'}").close()
    sizes = [LARGE_BYTES] * large + [SMALL_BYTES] * SMALL_FILES
    for number, size in enumerate(sizes):
        (models / str(number)).write_bytes(os.urandom(size))


def seconds(*command: str) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun
