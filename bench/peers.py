"""The bare conversions that an import is held against, each in a fresh process that times itself."""

import subprocess
import sys
from pathlib import Path

DUCKDB = """
import duckdb, sys, time
connection = duckdb.connect()
connection.execute("SET enable_progress_bar = false")  # it writes to stdout
begun = time.perf_counter()
connection.execute(
    f"COPY (SELECT * FROM read_csv('{sys.argv[1]}')) TO '{sys.argv[2]}' (FORMAT parquet, COMPRESSION zstd)"
)
print(time.perf_counter() - begun)
"""

POLARS = """
import polars, sys, time
begun = time.perf_counter()
polars.scan_csv(sys.argv[1]).sink_parquet(sys.argv[2], compression="zstd")
print(time.perf_counter() - begun)
"""

#: Writes what is in memory already: the base, with the newer records in the place of those with the same id.
DUCKDB_RESULT = """
import duckdb, sys, time
connection = duckdb.connect()
connection.execute("SET enable_progress_bar = false")  # it writes to stdout
connection.execute(f'''CREATE TABLE result AS
    SELECT base.* FROM read_csv('{sys.argv[1]}') AS base ANTI JOIN read_csv('{sys.argv[2]}') USING (ITEM_ID)
    UNION ALL SELECT change.* FROM read_csv('{sys.argv[2]}') AS change''')
begun = time.perf_counter()
connection.execute(f"COPY result TO '{sys.argv[3]}' (FORMAT parquet, COMPRESSION zstd)")
print(time.perf_counter() - begun)
"""


def seconds(script: str, *paths: Path) -> float:
    """Run one of the scripts; its last path is the file it writes, which is removed."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", script, *map(str, paths)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return float(done.stdout)
    finally:
        paths[-1].unlink(missing_ok=True)
