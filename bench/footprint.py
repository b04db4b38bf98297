"""What a base install weighs, and how fast the program is there."""

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
from sartor.demo.server import Server

ROOT = Path(__file__).parent.parent
REPEATS = 5


def run(quick: bool) -> list[Row]:
    with TemporaryDirectory(dir=inputs.folder()) as kept:
        size, empty = fresh_install(Path(kept) / "venv")
        program = Path(kept) / "venv" / "bin" / "sartor"
        help_seconds = median(timed_help(program) for _ in range(REPEATS))
    ready_seconds = median(timed_start() for _ in range(REPEATS))
    return [
        Row(
            "base install: what it adds to an empty environment on disk",
            f"{(size - empty) / 1e6:.0f} MB",
            f"the environment with Python's own pip and setuptools: {size / 1e6:.0f} MB",
            f"{(size - empty) / 1e6:.0f} MB",
            "≤ 400 MB",
            size - empty <= 400e6,
        ),
        Row(
            "`sartor --help`",
            f"{help_seconds:.2f} s",
            "",
            f"{help_seconds:.2f} s",
            "≤ 0.3 s",
            help_seconds <= 0.3,
        ),
        Row(
            "`sartor serve` on an empty folder until it is ready",
            f"{ready_seconds:.2f} s",
            "",
            f"{ready_seconds:.2f} s",
            "≤ 2 s",
            ready_seconds <= 2,
        ),
    ]


def fresh_install(venv: Path) -> tuple[int, int]:
    """Make an environment with the base install; return the bytes that its files take, and took before."""
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    empty = size_of(venv)
    constraints = ROOT / "constraints" / "all.txt"
    command = [str(venv / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    # From a copy: setuptools leaves its build folder in the sources.
    sources = venv.with_name("sources")
    shutil.copytree(ROOT, sources, ignore=shutil.ignore_patterns(".*", "build", "tests", "sartor-data"))
    subprocess.run([*command, "-c", str(constraints), str(sources)], check=True)
    return size_of(venv), empty


def size_of(folder: Path) -> int:
    files = (Path(inner) / name for inner, _, names in os.walk(folder) for name in names)
    return sum(file.lstat().st_blocks * 512 for file in files)


def timed_help(program: Path) -> float:
    begun = time.perf_counter()
    subprocess.run([str(program), "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def timed_start() -> float:
    with TemporaryDirectory(dir=inputs.folder()) as data, Server(Path(data) / "data", {}) as server:
        return server.ready_seconds
