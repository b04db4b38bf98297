"""The worst files for the check of an import: how long they take, how much memory, and how soon a stop is heard.

Each is checked in a process of its own, twice: to its end, and told to stop when half of that time is over.
"""

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from bench import inputs
from bench.table import Row

MEMORY_BYTES = 600_000_000
#: What a check may take beside DuckDB's share.
MORE = 1.25
STOP_SECONDS = 2.0

CHILD = """
import json, resource, sys, time
from pathlib import Path
from sartor.errors import Stopped
from sartor.data import check, schema
from sartor.data.check import JobRules
from sartor.data.input_files import InputFile

path, folder, memory_bytes, stop_after = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
fields = [{"name": "ITEM_ID", "type": "string"}, {"name": "A", "type": ["null", "string"]}]
fields += [{"name": "B", "type": ["null", "string"]}]
items = schema.parse(json.dumps({"type": "record", "name": "Items", "fields": fields}))
(folder / "parts").mkdir()
(folder / "scratch").mkdir()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begun = time.monotonic()
codes, silence, heard = [], 0.0, begun

def progress(_):
    global silence, heard
    now = time.monotonic()
    silence, heard = max(silence, now - heard), now

try:
    found = check.read_and_check(
        [InputFile(path, path.name, path.stat().st_size)], items, folder / "parts", "0", scratch=folder / "scratch",
        job=JobRules(0, None), memory_bytes=memory_bytes, progress=progress,
        stop=lambda: time.monotonic() - begun > stop_after,
    )
    codes = sorted({fault.code for fault in found.report.faults})
except Stopped:
    codes = ["stopped"]
seconds = time.monotonic() - begun
peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
left = [str(one) for one in (folder / "scratch").iterdir()]
print(json.dumps({"seconds": seconds, "peak": peak, "codes": codes, "left": left, "silence": silence}))
"""

HEADER = b"ITEM_ID,A,B\n"
Pieces = Iterator[bytes]


def repeated(head: bytes, body: bytes, tail: bytes = b"") -> Callable[[int], Pieces]:
    """Return what yields a file of about so many bytes."""

    def pieces(size_bytes: int) -> Pieces:
        yield head
        block = body * max(1, 2**20 // len(body))
        for _ in range(max(1, size_bytes // len(block))):
            yield block
        yield tail

    return pieces


#: Files by what is bad about them.
WORST: dict[str, Callable[[int], Pieces]] = {
    "good rows": repeated(HEADER, b"item,some text,more\n"),
    "good rows with quoted cells of two lines": repeated(HEADER, b'item,"some\ntext","mo""re"\n'),
    "one line": repeated(b"", b"x"),
    "one line in the middle": repeated(HEADER + b"a,b,c\n", b"x", b"\na,b,c\n"),
    "zeros": repeated(HEADER, b"\0"),
    "quotes": repeated(HEADER, b'"'),
    "a quote that never closes": repeated(HEADER + b'a,"', b"b,c,d\n"),
    "escapes in one quoted cell": repeated(b'ITEM_ID,A,B\n"', b'a\\"\n'),
    "escapes in quoted cells": repeated(HEADER, b'i,"\\\\a\\"b",c\n'),
    "quotes in cells that have none around them": repeated(HEADER, b'a"b,"c",e"f\n'),
    "the same, and broken lines": repeated(HEADER, b'a"b,"c",e"f\nx\n'),
    "carriage returns": repeated(HEADER, b"a,b,c\r"),
    "blank lines": repeated(HEADER, b"\n", b"a,b,c\n"),
    "lines of one cell": repeated(HEADER, b"x\n"),
    "lines of too many cells": repeated(HEADER, b",,,,,,,\n"),
    "lines that are not UTF-8": repeated(HEADER, b"\xff,b,c\n"),
    "cells that are empty": repeated(HEADER, b",a,b\n"),
    "ids all unlike": lambda size: (
        b"".join(b"%x-%x,%x,%x\n" % (n, i, n * 7, i) for i in range(2**14)) for n in range(size // 2**18)
    ),
}


def run(quick: bool) -> list[Row]:
    size = (16 if quick else 256) * 2**20
    rows = []
    with TemporaryDirectory(dir=inputs.folder()) as kept:
        for name, path in files(Path(kept), size):
            rows.append(measured(name, path))
            path.unlink()
    return rows


def files(folder: Path, size_bytes: int) -> Iterator[tuple[str, Path]]:
    """Yield the worst files, one after the other."""
    for name, pieces in WORST.items():
        path = folder / "x.csv"
        with path.open("wb") as file:
            file.writelines([HEADER] if name == "ids all unlike" else [])
            file.writelines(pieces(size_bytes))
        yield name, path
    path = folder / "x.csv.gz"
    with gzip.open(path, "wb", 1) as packed:
        packed.writelines(repeated(HEADER, b"\0")(4 * size_bytes))
    yield f"{path.stat().st_size / 1e6:.0f} MB that unpack to {4 * size_bytes / 1e6:.0f} MB", path
    path.write_bytes(gzip.compress(b"") * (size_bytes // 2**7))
    yield "an archive of empty archives", path
    path = folder / "x.parquet"
    with duckdb.connect() as connection:
        rows = f"SELECT repeat('text', 200) AS ITEM_ID, repeat('a', 900) AS A, 'b' AS B FROM range({size_bytes // 64})"
        connection.execute(f"COPY ({rows}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 1000000)")
    yield f"Parquet of {path.stat().st_size / 1e6:.0f} MB with {size_bytes * 25 / 1e6:.0f} MB of cells", path


def measured(name: str, path: Path) -> Row:
    whole = checked(path, 1e9)
    stop_after = whole["seconds"] / 2
    stopped = checked(path, stop_after)
    late = max(0.0, stopped["seconds"] - stop_after)
    share = whole["peak"] / MEMORY_BYTES
    verdict = ", ".join(whole["codes"]) or "imported"
    return Row(
        f"worst inputs: {name}, {path.stat().st_size / 1e6:.0f} MB",
        f"{whole['seconds']:.1f} s, {whole['peak'] / 1e6:.0f} MB",
        verdict,
        f"{share:.2f} × of `memory_bytes`, stops in {late:.1f} s",
        f"≤ {MORE} ×, ≤ {STOP_SECONDS:.0f} s, nothing left behind",
        share <= MORE and late <= STOP_SECONDS and not whole["left"] + stopped["left"],
    )


def checked(path: Path, stop_after: float) -> dict[str, Any]:
    """Check a file in a process of its own."""
    with TemporaryDirectory(dir=path.parent) as folder:
        command = [sys.executable, "-c", CHILD, str(path), folder, str(MEMORY_BYTES), str(stop_after)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=os.environ)
        shutil.rmtree(Path(folder) / "parts")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
