"""A large Parquet file in spans of whole row groups that are checked apart; together they are exactly the file.

DuckDB reads no row group that has none of the wanted rows, so each byte but the footer's is read once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Final

import duckdb

from sartor.data import engine, parquet_footer
from sartor.data.input_files import InputFile, RowRange
from sartor.data.parquet_footer import read_from

#: What a footer may be of which row groups are looked up; each span reads it again.
_FOOTER_BYTES: Final = 2**24
_MEMORY_BYTES: Final = 2**28
#: Packed columns hold about so many times the rows that CSV has in as many bytes.
TEXT_BYTES: Final = 4


@dataclass(frozen=True)
class RowGroups:
    """Some row groups of a file that follow each other.

    Attributes:
        rows: the rows that they have.
        size_bytes: what of the file's size is theirs.
    """

    rows: RowRange
    size_bytes: int

    def of(self, file: InputFile) -> InputFile:
        """Return what a file has of them."""
        return replace(file, size_bytes=self.size_bytes, rows=self.rows)


def spans(file: InputFile, span_bytes: int) -> list[RowGroups]:
    """Return a file in spans of about so many bytes of text; none if it is small or must be read as a whole."""
    size_bytes = file.path.stat().st_size
    if size_bytes * TEXT_BYTES < 2 * span_bytes:
        return []
    try:
        groups = _groups(file.path, size_bytes)
    except (ValueError, duckdb.Error):  # whatever is wrong with it is told where it is read
        return []
    total_bytes = sum(packed for _, packed in groups)
    if not total_bytes:
        return []
    found: list[RowGroups] = []
    for rows, packed in _together(groups, max(1, span_bytes // TEXT_BYTES)):
        found.append(RowGroups(rows, size_bytes * packed // total_bytes))
    if len(found) < 2:
        return []
    rest = size_bytes - sum(one.size_bytes for one in found)
    return [*found[:-1], replace(found[-1], size_bytes=found[-1].size_bytes + rest)]


def _groups(path: Path, size_bytes: int) -> list[tuple[int, int]]:
    """Return how many rows and bytes each row group has; none if the file is of no use in spans.

    Raises:
        ValueError: it is no Parquet file.
        duckdb.Error: its footer is damaged.
    """
    read = read_from(path)
    if parquet_footer.footer_bytes(size_bytes, read) > _FOOTER_BYTES:
        return []
    if engine.cannot_number(parquet_footer.column_names(size_bytes, read)):
        return []
    with engine.connect(_MEMORY_BYTES, threads=1) as connection:
        found = connection.execute(
            f"SELECT any_value(row_group_num_rows), sum(total_compressed_size) FROM {engine.parquet_groups(path)} "
            "WHERE row_group_num_rows > 0 GROUP BY row_group_id ORDER BY row_group_id"
        ).fetchall()
    return [(int(rows), int(packed)) for rows, packed in found]


def _together(groups: list[tuple[int, int]], group_bytes: int) -> Iterator[tuple[RowRange, int]]:
    """Yield row groups in about so many bytes together: their rows, and their bytes."""
    ends = [0, *accumulate(packed for _, packed in groups)]
    first_rows = [0, *accumulate(rows for rows, _ in groups)]
    turns = [
        at for at in range(len(groups)) if at == 0 or ends[at] // group_bytes > ends[at - 1] // group_bytes
    ]
    for begin, end in pairwise([*turns, len(groups)]):
        yield RowRange(first_rows[begin], first_rows[end]), ends[end] - ends[begin]
