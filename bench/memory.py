"""Memory for each interaction: of reading them for a training, and of what filters see after an import."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.table import Row
from sartor.data import engine, schema
from sartor.data.blobs import FolderBlobs
from sartor.data.dataset import DatasetRecords, write_part
from sartor.resources.store import Store
from sartor.settings import read_settings

ROOT = Path(__file__).parent.parent
#: How much memory may grow with each interaction.
MOST_BYTES = 40
#: From a quarter of the interactions to all, this much more for each still counts as linear.
SLACK = 1.15
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
    memory_bytes = read_settings({}, None).memory_bytes
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
    with records.open():  # what is known of the rows is known before anything is measured
        pass
