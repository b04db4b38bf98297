"""Reads hostile files as an import does, until the time is over: `python -m bench.fuzz_files csv|parquet SECONDS`.

Prints a line of JSON after every round: how many files there were, the longest in seconds, and what broke.
"""

import json
import re
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench import hostile
from sartor.errors import ApiError, JobFailed
from sartor.settings import load
from sartor.work.validate import validate

FILES_A_ROUND = 50
SCHEMA = json.dumps(
    {
        "type": "record",
        "name": "Interactions",
        "fields": [
            {"name": "USER_ID", "type": "string"},
            {"name": "ITEM_ID", "type": "string"},
            {"name": "TIMESTAMP", "type": "long"},
            {"name": "SCORE", "type": ["null", "float"]},
        ],
    }
)


def parquet_file(folder: Path) -> bytes:
    """A small file as DuckDB writes it, with dictionaries, nulls and two row groups."""
    path = folder / "whole.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT 'user-' || i % 7 AS USER_ID, 'item-' || i AS ITEM_ID, 1700000000 + i AS TIMESTAMP, "
            "CASE WHEN i % 3 = 0 THEN i / 2 END::FLOAT AS SCORE FROM range(4000) t(i)) "
            f"TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)"
        )
    return path.read_bytes()


def fuzz(files: st.SearchStrategy[bytes], place: Path, until: float) -> None:
    configured = load({"data": str(place.parent / "data"), "quotas": "off"}, {})
    longest, count = 0.0, 0
    broke: set[str] = set()

    @settings(
        max_examples=FILES_A_ROUND,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(files)
    def a_file_is_read_or_refused_in_words(content: bytes) -> None:
        nonlocal longest, count
        place.write_bytes(content)
        begun = time.monotonic()
        try:
            validate([str(place)], SCHEMA, None, None, configured)
        except (ApiError, JobFailed):
            pass  # refused in words
        except Exception as error:  # noqa: BLE001 - what it is, is what we look for
            broke.add(_words(error))
        longest, count = max(longest, time.monotonic() - begun), count + 1

    while time.monotonic() < until:
        a_file_is_read_or_refused_in_words()
        print(json.dumps({"count": count, "longest": longest, "broke": sorted(broke)}), flush=True)


def _words(error: Exception) -> str:
    """Name a fault; where in which file it was is not what tells it from others."""
    return re.sub(r"[0-9]+|/\S+", "…", repr(error))[:300]


if __name__ == "__main__":
    kind, seconds = sys.argv[1], float(sys.argv[2])
    with TemporaryDirectory() as folder:
        wanted = hostile.csv_file() if kind == "csv" else hostile.damaged(parquet_file(Path(folder)))
        fuzz(wanted, Path(folder) / f"x.{kind}", time.monotonic() + seconds)
