"""Whether some of very many rows are alike: their hashes are sorted, in memory or some at a time."""

import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: What one hash takes: once to be read, once to be sorted and compared.
_HASH_BYTES: Final = 16


def all_differ(
    hashes: Iterable[NDArray[np.uint64]], count: int, memory_bytes: int, scratch: Path | None = None
) -> bool:
    """Return whether no two hashes are equal; of different rows two are as good as never.

    They are gone through once: what does not fit the memory is put into files, each with the hashes of one range.

    Args:
        hashes: of the rows, some after the other.
        count: about how many there are.
        memory_bytes: how much may be used.
        scratch: a local folder for the files; the system's own if there is none.
    """
    ranges = 1 + count * _HASH_BYTES // memory_bytes
    bounds = np.array([at * 2**64 // ranges for at in range(1, ranges)], np.uint64)
    with ExitStack() as opened:
        files = [opened.enter_context(tempfile.TemporaryFile(dir=scratch)) for _ in range(ranges)]
        for some in hashes:
            ordered = np.sort(some) if ranges > 1 else some
            parts = np.split(ordered, np.searchsorted(ordered, bounds))
            for file, part in zip(files, parts, strict=True):
                file.write(part.data)
        for file in files:
            file.seek(0)
            found = np.fromfile(file, np.uint64)
            found.sort()
            if (found[1:] == found[:-1]).any():
                return False
    return True
