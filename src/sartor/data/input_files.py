"""The files of an import, as the check reads them whatever their format."""

import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from sartor.data.buckets import SourceFile
from sartor.data.csv_lines import Dialect
from sartor.errors import JobFailed

#: What unpacking leaves free of the disk: this, or a tenth of it if that is less.
_LEFT_FREE_BYTES: Final = 2**30


class RowRange(NamedTuple):
    """Some rows of a file.

    Attributes:
        first: the number of the first of them, from 0.
        behind: that of the one behind the last.
    """

    first: int
    behind: int


@dataclass(frozen=True)
class InputFile:
    """A local file to import.

    Attributes:
        path: where it lies.
        uri: what the user calls it; its ending tells its format.
        size_bytes: its size, or what of it the rows take.
        source: where it comes from, if it is read on another machine; ``path`` has but its beginning.
        rows: which of a Parquet file are read, if not all.
    """

    path: Path
    uri: str
    size_bytes: int
    source: SourceFile | None = None
    rows: RowRange | None = None


class TooManyBytesError(Exception):
    """The files of a job are larger, unpacked, than they may be; ``args[0]`` is how many bytes were read."""


class Room:
    """How much the files of one job may be, unpacked, and how much the disk has room for.

    Args:
        folder: in which copies lie.
        maximum_bytes: how much may be read in all; ``None`` for any.
        read_bytes: how much was read before.
    """

    def __init__(self, folder: Path, maximum_bytes: int | None, read_bytes: int = 0) -> None:
        self._folder = folder
        self._maximum = maximum_bytes
        self.read_bytes = read_bytes

    def read(self, size_bytes: int) -> None:
        """Count bytes of the job's content.

        Raises:
            TooManyBytesError: they are too many.
        """
        self.read_bytes += size_bytes
        if self._maximum is not None and self.read_bytes > self._maximum:
            raise TooManyBytesError(self.read_bytes)

    def write(self, size_bytes: int, uri: str) -> None:
        """Make sure that the disk has room for so many bytes of a copy.

        Raises:
            JobFailed: it has not.
        """
        disk = shutil.disk_usage(self._folder)
        if disk.free - size_bytes < min(_LEFT_FREE_BYTES, disk.total // 10):
            raise JobFailed(
                f"{uri} could not be read: the server's disk has no room for what it unpacks to. "
                "Import smaller files, or free disk space."
            )


@dataclass(frozen=True)
class Means:
    """What a source works with.

    Attributes:
        spool: where a copy may lie that is easier to read.
        room: how large it may become.
        memory_bytes: how much of it the job may use.
        heard: told what goes on and how many bytes were read, several times a second; it raises to stop.
    """

    spool: Path
    room: Room
    memory_bytes: int
    heard: Callable[[str, int], None]


@dataclass(frozen=True)
class Rejected:
    """Rows that could not be split into cells.

    Attributes:
        count: how many.
        places: line and text of the first of them.
    """

    count: int
    places: Sequence[tuple[int | None, str]] = field(default=())


class Source:
    """One file as DuckDB reads it.

    Attributes:
        faults: what is wrong with the whole file: rule, column, line and value.
        has_rows: whether there is anything behind its header.
        quotes: whether a cell may have a comma, a quote or a line end.
        scan: the FROM of its rows, which refuses what is no row.
        texts: the SQL of each field's text.
        dialect: what occurs in a CSV file.
        integer_ids: the columns of ids that are whole numbers in the file.
    """

    faults: list[tuple[str, str, int | None, str | None]]
    has_rows: bool
    scan: str
    texts: list[str]
    quotes: bool = True
    dialect: Dialect | None = None
    integer_ids: Sequence[str] = ()

    def missed(self, accepted: int) -> int:
        """Return how many rows the file has beyond those that were read; none may be lost without a word."""
        return 0

    def mended(self, most: int) -> tuple[str, int, Mapping[str, Rejected]] | None:
        """Return the FROM of what is left without the rows that are none, its number of rows, and the others by rule.

        Args:
            most: how many places to return of each rule.

        Returns:
            ``None`` if the file is of no use at all.
        """
        return None

    def lines(self, ordinals: Sequence[int]) -> Sequence[int | None]:
        """Return the lines of rows by their number in the part, as far as they are known."""
        raise NotImplementedError


def repeated_columns(names: Sequence[str]) -> list[str]:
    """Return the columns that a header names more than once; case does not count, and what has no name is none."""
    counts = Counter(name.casefold() for name in names if name)
    return [name for name in dict.fromkeys(names) if counts[name.casefold()] > 1]
