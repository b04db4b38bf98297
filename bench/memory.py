"""Memory for each interaction: of reading them for a training, and of what filters see after an import."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench.table import Row
from sartor.data import engine, schema, training
from sartor.data.blobs import FolderBlobs
from sartor.data.dataset import DatasetRecords
from sartor.data.parts import write_part
from sartor.data.training import Selection
from sartor.realtime import seen_lists
from sartor.resources.store import Store
from sartor.settings import load

ROOT = Path(__file__).parent.parent
#: How much memory reading for a training may take for each interaction.
MOST_BYTES = 40
#: How much a process that answers may take for what filters see, however many interactions there are.
MOST_SEEN_BYTES = 200_000_000
PART_ROWS = 5_000_000
ITEMS = 100_000
A_USER = 100

SCHEMA = schema.parse(
    json.dumps(
        {
            "type": "record",
            "name": "Interactions",
            "fields": [
                {"name": "USER_ID", "type": "string"},
                {"name": "ITEM_ID", "type": "string"},
                {"name": "TIMESTAMP", "type": "long"},
                {"name": "EVENT_TYPE", "type": ["null", "string"]},
            ],
        }
    )
)

CHILD = """
import sys
from pathlib import Path
from bench import memory
memory.child(Path(sys.argv[1]), sys.argv[2])
"""


def records_in(folder: Path) -> DatasetRecords:
    """Return the dataset that lies in a folder, under the settings' usual memory limit."""
    scratch = folder / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    store = Store.open(f"sqlite:///{folder / 's.db'}")
    memory_bytes = load({}, {}).memory_bytes
    storage = FolderBlobs(folder / "storage")
    return DatasetRecords(storage, "d", 1, SCHEMA, store.put_records, memory_bytes, scratch)


def fill(records: DatasetRecords, interactions: int) -> None:
    """Import interactions of one user in a hundred each: in the order of time, a tenth of them purchases."""
    users, items = max(interactions // A_USER, 1), min(ITEMS, max(interactions // 50, 1))
    parts = []
    with engine.connect(records.memory_bytes, records.scratch) as connection:
        for first in range(0, interactions, PART_ROWS):
            end = min(first + PART_ROWS, interactions)
            rows = f"""
                SELECT 'u' || (10000000 + hash(x, 1) % {users}) AS "USER_ID",
                       'i' || (1000000 + hash(x, 2) % {items}) AS "ITEM_ID", 1700000000 + x // 10 AS "TIMESTAMP",
                       CASE WHEN hash(x, 3) % 10 = 0 THEN 'purchase' ELSE 'view' END AS "EVENT_TYPE"
                FROM (SELECT range AS x FROM range({first}, {end}))"""
            path = records.bulk_table.stage() / f"{first:013d}-00000-x.parquet"
            parts.append(write_part(connection, rows, path))
    records.bulk_table.commit(parts, "FULL", SCHEMA, "job")


def read(records: DatasetRecords) -> Any:
    with records.open() as connection:
        return training.read(connection, SCHEMA, None, Selection(), scratch=records.scratch)


def seen(records: DatasetRecords) -> Any:
    return seen_lists.read(records, records.bulk_table.version() or 0)


#: What is measured, by its name: what is kept until the end counts.
WORDS: Final = {
    "read": "interactions read for a training",
    "seen": "what filters see after an import, the process that writes the lists",
    "seen_again": "the same, every other process",
}
TAKEN: Final[dict[str, Callable[[DatasetRecords], Any]]] = {
    "read": read,
    "seen": seen,
    "seen_again": seen,
}


def child(folder: Path, name: str) -> None:
    """Do one of ``TAKEN`` in this process, and print how much memory and CPU that took."""
    records = records_in(folder)
    records.storage.delete("d/facts/ALL.json")  # as after an import
    before = _status_bytes("VmRSS")
    begun = time.process_time()
    kept = TAKEN[name](records)
    seconds = time.process_time() - begun
    print(json.dumps({"bytes": _status_bytes("VmHWM") - before, "seconds": seconds}))
    del kept


def _status_bytes(name: str) -> int:
    """Return what Linux says of this process's memory; what getrusage says begins with the parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024


def run(quick: bool) -> list[Row]:
    """Measure at three sizes; what grows is the difference between the two larger ones."""
    sizes = (1_000_000, 2_000_000, 4_000_000) if quick else (1_000_000, 5_000_000, 20_000_000)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in TAKEN}
    for interactions in sizes:
        with tempfile.TemporaryDirectory(prefix="bench-memory-") as folder:
            fill(records_in(Path(folder)), interactions)
            for name in TAKEN:
                found[name].append(measured(Path(folder), name))
    return [_row(name, sizes, took) for name, took in found.items()]


def measured(folder: Path, name: str) -> dict[str, float]:
    command = [sys.executable, "-c", CHILD, str(folder), name]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    took: dict[str, float] = json.loads(done.stdout)
    return took


def _row(name: str, sizes: tuple[int, ...], took: list[dict[str, float]]) -> Row:
    cells = [
        f"{n / 1e6:g} M: {one['bytes'] / 2**20:.0f} MiB, {one['bytes'] / n:.0f} B and "
        f"{one['seconds'] / n * 1e6:.2f} µs of CPU for each"
        for n, one in zip(sizes, took, strict=True)
    ]
    each = took[-1]["bytes"] / sizes[-1]
    grown = (took[-1]["bytes"] - took[-2]["bytes"]) / (sizes[-1] - sizes[-2])
    return Row(
        WORDS[name],
        "<br>".join(cells),
        f"the step from {sizes[-2] / 1e6:g} M: {grown:.1f} B for each more",
        f"{took[-1]['bytes'] / 1e6:.0f} MB, {each:.1f} B an interaction at the peak",
        f"≤ {MOST_BYTES} B" if name == "read" else f"≤ {MOST_SEEN_BYTES / 1e6:.0f} MB",
        each <= MOST_BYTES if name == "read" else took[-1]["bytes"] <= MOST_SEEN_BYTES,
    )
