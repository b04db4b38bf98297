"""A large Parquet file in spans of whole row groups that are checked apart; together they are exactly the file.

DuckDB reads no row group that has none of the wanted rows, so each byte but the footer's is read once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Final, NamedTuple

import duckdb

from sartor.data import engine, parquet_footer
from sartor.data.input_files import InputFile, RowRange
from sartor.data.parquet_footer import read_from
from sartor.data.ranges import Ranges

#: What a footer may be of which row groups are looked up; each span reads it again.
FOOTER_BYTES: Final = 2**24
_MEMORY_BYTES: Final = 2**28
#: Packed columns hold about so many times the rows that CSV has in as many bytes.
TEXT_BYTES: Final = 4


@dataclass(frozen=True)
class RowGroups:
    """Some row groups of a file that follow each other.

    Attributes:
        rows: the rows that they have.
        size_bytes: what of the file's size is theirs.
        ranges: the bytes of the file by which they can be read.
    """

    rows: RowRange
    size_bytes: int
    ranges: Ranges

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
    total_bytes = sum(one.packed_bytes for one in groups)
    if not total_bytes:
        return []
    # magic, and what is behind all row groups, the footer with it
    around = (0, len(parquet_footer.MAGIC)), (max(one.behind for one in groups), size_bytes)
    found: list[RowGroups] = []
    for rows, some in _together(groups, max(1, span_bytes // TEXT_BYTES)):
        share = size_bytes * sum(one.packed_bytes for one in some) // total_bytes
        theirs = min(one.first for one in some), max(one.behind for one in some)
        found.append(RowGroups(rows, share, (*around, theirs)))
    if len(found) < 2:
        return []
    rest = size_bytes - sum(one.size_bytes for one in found)
    return [*found[:-1], replace(found[-1], size_bytes=found[-1].size_bytes + rest)]


class _Group(NamedTuple):
    """One row group: how many rows it has, how many bytes these take, and where they are."""

    rows: int
    packed_bytes: int
    first: int
    behind: int


#: Where a column of a row group begins: at its dictionary, if it has one.
_BEGINS: Final = (
    "CASE WHEN dictionary_page_offset > 0 THEN least(dictionary_page_offset, data_page_offset) "
    "ELSE data_page_offset END"
)


def _groups(path: Path, size_bytes: int) -> list[_Group]:
    """Return the row groups of a file; none if it is of no use in spans.

    Raises:
        ValueError: it is no Parquet file.
        duckdb.Error: its footer is damaged.
    """
    read = read_from(path)
    if parquet_footer.footer_bytes(size_bytes, read) > FOOTER_BYTES:
        return []
    if engine.cannot_number(parquet_footer.column_names(size_bytes, read)):
        return []
    with engine.connect(_MEMORY_BYTES, threads=1) as connection:
        found = connection.execute(
            f"SELECT any_value(row_group_num_rows), sum(total_compressed_size), min({_BEGINS}), "
            f"max({_BEGINS} + total_compressed_size) FROM {engine.parquet_groups(path)} "
            "WHERE row_group_num_rows > 0 GROUP BY row_group_id ORDER BY row_group_id"
        ).fetchall()
    return [_Group(*map(int, one)) for one in found]


def _together(groups: list[_Group], group_bytes: int) -> Iterator[tuple[RowRange, list[_Group]]]:
    """Yield row groups in about so many bytes together, with the rows that they have."""
    ends = [0, *accumulate(one.packed_bytes for one in groups)]
    first_rows = [0, *accumulate(one.rows for one in groups)]
    turns = [
        at for at in range(len(groups)) if at == 0 or ends[at] // group_bytes > ends[at - 1] // group_bytes
    ]
    for begin, end in pairwise([*turns, len(groups)]):
        yield RowRange(first_rows[begin], first_rows[end]), groups[begin:end]
