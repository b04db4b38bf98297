"""Interactions sorted by user on disk: they come in any order, and leave with each user's together, oldest first.

A shard is some users in a row. Only one of them is in memory at a time, so that what a table's interactions need does
not grow with them.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from io import FileIO
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

#: By what interactions are sorted: user, time, item, type. Of those that are equal in all of it, none is first.
SORTED_BY: Final = ("u", "t", "i", "e")
#: So many interactions are sorted at once, or those of one user.
SHARD_ROWS: Final = 2**18
#: NumPy sorts so small numbers by counting.
_SMALL: Final = 2**16

Number = TypeVar("Number", bound=np.generic)
Columns = Mapping[str, NDArray[Any]]


class Shards:
    """The interactions of users whose numbers are known, a file a column; a context that removes the files.

    Args:
        offsets: int64[users + 1], where each user's interactions begin.
        kinds: the types of the columns, those of ``SORTED_BY`` among them.
        scratch: a local folder for the files; the system's own if there is none.
    """

    def __init__(
        self, offsets: NDArray[np.int64], kinds: Mapping[str, type[np.generic]], scratch: Path | None
    ) -> None:
        self._first_users = _first_users(offsets)
        self._starts = offsets[self._first_users].tolist()
        self._filled = self._starts[:-1]  # where each shard's next row goes
        self._open = ExitStack()
        self._files = {name: (np.dtype(kind), self._file(scratch)) for name, kind in kinds.items()}

    def _file(self, scratch: Path | None) -> FileIO:
        file = tempfile.TemporaryFile(prefix="shards-", dir=scratch, buffering=0)  # noqa: SIM115 - the exit closes it
        return self._open.enter_context(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def add(self, columns: Columns) -> None:
        """Put some interactions into their shards."""
        shard = np.searchsorted(self._first_users, columns["u"], "right") - 1
        if len(self._filled) <= _SMALL:
            shard = shard.astype(np.uint16)
        order = np.argsort(shard, kind="stable")
        shard = shard[order]
        begins = np.flatnonzero(np.diff(shard, prepend=-1))
        pieces = [(int(shard[begin]), begin, end) for begin, end in pairwise([*begins.tolist(), len(shard)])]
        for name, (kind, file) in self._files.items():
            column = columns[name][order].astype(kind, copy=False)
            for at, begin, end in pieces:
                _write_at(file.fileno(), column[begin:end], self._filled[at] * kind.itemsize)
        for at, begin, end in pieces:
            self._filled[at] += end - begin

    def ordered(self) -> Iterator[tuple[int, Columns]]:
        """Yield each shard's first user and its sorted columns; all interactions have been added."""
        for _, file in self._files.values():
            file.seek(0)
        for first, (begin, end) in zip(self._first_users.tolist(), pairwise(self._starts), strict=False):
            rows = {name: np.fromfile(file, kind, end - begin) for name, (kind, file) in self._files.items()}
            order = _order([rows[name] for name in SORTED_BY])
            yield first, {name: column[order] for name, column in rows.items()}


class Column(Generic[Number]):
    """An array that is written to disk piece by piece and then mapped; its file goes when nobody needs the array.

    Args:
        kind: the type of its numbers.
        scratch: a local folder for the file; the system's own if there is none.
    """

    def __init__(self, kind: type[Number], scratch: Path | None) -> None:
        self._kind = kind
        self._file = tempfile.TemporaryFile(prefix="column-", dir=scratch)  # noqa: SIM115 - closed when mapped

    def add(self, numbers: NDArray[Any]) -> None:
        """Append some numbers."""
        self._file.write(np.ascontiguousarray(numbers, self._kind).data)

    def mapped(self) -> NDArray[Number]:
        """Return the whole array, read-only; nothing is added any more."""
        with self._file as file:
            file.flush()
            if not file.tell():
                return np.zeros(0, self._kind)
            return np.asarray(np.memmap(file, self._kind, mode="r"))

    def save(self, path: Path) -> None:
        """Write the whole array to a file of NumPy's own format; nothing is added any more."""
        with self._file as file, path.open("wb") as target:
            kind = np.dtype(self._kind)
            shape = (file.tell() // kind.itemsize,)
            header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(target, header)
            file.seek(0)
            shutil.copyfileobj(file, target, 2**20)


def _first_users(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of the first user of each shard, and how many users there are."""
    users, found = len(offsets) - 1, [0]
    while found[-1] < users:
        end = int(np.searchsorted(offsets, offsets[found[-1]] + SHARD_ROWS, "right")) - 1
        found.append(min(max(end, found[-1] + 1), users))
    return np.array(found)


def _write_at(file: int, column: NDArray[Any], at: int) -> None:
    left = memoryview(column.view(np.uint8).data)
    while left:
        written = os.pwrite(file, left, at)
        left, at = left[written:], at + written


def _order(columns: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
    """Return the order of rows by some columns of whole numbers, the first of them first."""
    if not len(columns[0]):
        return np.zeros(0, np.int64)
    least = [int(one.min()) for one in columns]
    bits = [(int(one.max()) - low).bit_length() for one, low in zip(columns, least, strict=True)]
    if sum(bits) > 64:
        return np.lexsort(columns[::-1])
    key = np.zeros(len(columns[0]), np.uint64)  # one number for each row is sorted in a tenth of the time
    for one, low, wide in zip(columns, least, bits, strict=True):
        key = (key << np.uint64(wide)) | (one.astype(np.int64) - low).astype(np.uint64)
    return np.argsort(key)
