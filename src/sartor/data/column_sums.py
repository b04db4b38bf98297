"""How often each value of a column of parts occurs, and what that says of the column: pieces of statistics."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

import duckdb

from sartor.compute.contract import Heard
from sartor.data import engine
from sartor.data.machines import require_folders, scratch_here
from sartor.data.parts import PartRows
from sartor.data.schema import Field, Schema
from sartor.data.sections import Section, select
from sartor.data.statistics import Found, Rows, find
from sartor.data.watch import interrupting, stop_of

#: A column with more values than this share of its rows, about, has no sums but this mark.
_NEARLY_UNIQUE: Final = 0.5
_MARK: Final = b"See the column."
#: How sums are written.
PARQUET: Final = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARQUET_VERSION v2"
_SUMMED: Final = Rows(
    "",
    "value",
    "coalesce(sum(n), 0)::BIGINT",
    "coalesce(sum(n) FILTER (WHERE value IS NOT NULL), 0)::BIGINT",
)


@dataclass(frozen=True)
class Reach:
    """What all pieces share.

    Attributes:
        schema: of the dataset.
        folder: where sums are written.
        scratch: where DuckDB spills.
        memory_bytes: how much it may use.
        threads: how many threads it may use; as many as there are, if ``None``.
    """

    schema: Schema
    folder: Path
    scratch: Path
    memory_bytes: int
    threads: int | None


class Column(NamedTuple):
    """One column of a part.

    Attributes:
        rows: the part.
        field: the column.
    """

    rows: PartRows
    field: Field


class Summed(NamedTuple):
    """One column of all rows.

    Attributes:
        field: the column.
        sums: of each part's column, the file with its sums or the mark.
        known: the file with the ids that another dataset has, if the column has such.
    """

    field: Field
    sums: Sequence[tuple[Column, Path]]
    known: Path | None


def sum_columns(reach: Reach, columns: Sequence[Column], heard: Heard) -> list[Path]:
    """Write how often each value occurs in columns of parts, or the mark, and return a file for each.

    Raises:
        Stopped: ``heard`` raised it.
        Unavailable: this machine does not see the parts.
    """
    require_folders({reach.folder, *(one.rows.part.parent for one in columns)})
    files = []
    with _connected(reach, heard) as connection:
        for one in columns:
            file = reach.folder / f"{secrets.token_hex(8)}.parquet"
            values = _values(reach, [one])
            ((different, rows),) = connection.execute(
                f"SELECT approx_count_distinct(value), count(*) FROM ({values})"
            ).fetchall()
            if different > _NEARLY_UNIQUE * rows:
                file.write_bytes(_MARK)
            else:
                groups = f"SELECT value, count(*) AS n FROM ({values}) GROUP BY ALL"
                connection.execute(engine.copy(groups, file, PARQUET))
            files.append(file)
    return files


def merge(reach: Reach, summed: Summed, heard: Heard) -> Found:
    """Return what the sums of a column say of it.

    Raises:
        Stopped: ``heard`` raised it.
        Unavailable: this machine does not see the sums, or the parts.
    """
    require_folders({reach.folder, *(file.parent for _, file in summed.sums)})
    field = summed.field
    known = {} if summed.known is None else {field.name: engine.parquet([summed.known])}
    marked = [one for one, file in summed.sums if file.stat().st_size == len(_MARK)]
    files = [file for one, file in summed.sums if one not in marked]
    require_folders({one.rows.part.parent for one in marked})
    selects = [f"SELECT NULL::{field.sql_type} AS value, 0 AS n WHERE false"]
    if files:
        selects.append(f"SELECT value, n FROM {engine.parquet(files)}")
    if marked:
        selects.append(_values(reach, marked))
    rows = _SUMMED._replace(source=f"({' UNION ALL '.join(selects)})")
    with _connected(reach, heard) as connection:
        return find(connection, reach.schema, [field], rows, known)


def _values(reach: Reach, columns: Sequence[Column]) -> str:
    """Return the SELECT of each value of one column in some parts, as sums that have not been added."""
    (field,) = {one.field for one in columns}
    sections = [Section(part, None, condition) for (part, condition, _), _ in columns]
    rows = select(sections, replace(reach.schema, fields=(field,)))
    return f'SELECT "{field.name}" AS value, 1 AS n FROM ({rows})'


@contextmanager
def _connected(reach: Reach, heard: Heard) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection whose statements end when the piece must stop."""
    with ExitStack() as opened:
        scratch = scratch_here(reach.scratch)
        connection = opened.enter_context(engine.connect(reach.memory_bytes, scratch, reach.threads))
        opened.enter_context(interrupting(connection, stop_of(heard)))
        yield connection
