"""The Parquet files that writers make and commits name."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb

from sartor.data import engine
from sartor.data.schema import Schema

_PARQUET: Final = "FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2, RETURN_STATS"
#: What a part's own footer says if no cell of it has a comma, a quote or a line end: an export need not look for any.
UNQUOTED: Final = ("sartor.quotes", "none")


@dataclass(frozen=True)
class Part:
    """A Parquet file that no commit names yet.

    Attributes:
        path: where it lies.
        rows: how many rows it has.
        size_bytes: its size.
        statistics: as a Delta log has them: numRecords, minValues, maxValues, nullCount.
        stored: whether it lies in its table's folder in storage already, and ``path`` is but its name.
    """

    path: Path
    rows: int
    size_bytes: int
    statistics: Mapping[str, Any]
    stored: bool = False


class PartRows(NamedTuple):
    """Rows of a part, whatever other parts there are.

    Attributes:
        part: its file.
        condition: the SQL of which rows.
        stored: the path of the part in storage.
    """

    part: Path
    condition: str
    stored: str = ""


def write_part(connection: duckdb.DuckDBPyConnection, select: str, path: Path) -> Part:
    """Write the rows of a SELECT as one Parquet file, and return it as a part."""
    ((_, rows, size, *_),) = connection.execute(engine.copy(select, path, _PARQUET)).fetchall()
    return Part(path, int(rows), int(size), {"numRecords": int(rows)})


def statistics(rows: int, columns: Mapping[str, Mapping[str, str]], schema: Schema) -> dict[str, Any]:
    """Return Delta's statistics of a part from DuckDB's; strings have no bounds: they would name users."""
    low: dict[str, Any] = {}
    high: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    for field in schema.fields:
        found = columns.get(f'"{field.name}"', {})
        nulls[field.name] = int(found.get("null_count", 0))
        if field.type in ("int", "long") and "min" in found and "max" in found:
            exact = found.get("min_is_exact") == "true" and found.get("max_is_exact") == "true"
            if exact:
                low[field.name] = int(found["min"])
                high[field.name] = int(found["max"])
    return {"numRecords": rows, "minValues": low, "maxValues": high, "nullCount": nulls}
