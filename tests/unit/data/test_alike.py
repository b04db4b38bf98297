"""Whether some of many rows are alike, whatever fits the memory."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.data.alike import all_differ

LARGEST = 2**64 - 1


@given(
    batches=st.lists(
        st.lists(st.sampled_from([0, 1, 2**32, LARGEST // 2, LARGEST - 1, LARGEST]) | st.integers(0, LARGEST))
    ),
    ranges=st.integers(1, 9),
)
def test_it_is_told_as_a_set_tells_it(batches: list[list[int]], ranges: int) -> None:
    every = [one for batch in batches for one in batch]
    arrays = (np.array(batch, np.uint64) for batch in batches)
    memory_bytes = max(16 * len(every) // ranges, 1)
    assert all_differ(arrays, len(every), memory_bytes) == (len(set(every)) == len(every))


@pytest.mark.parametrize("equal", [False, True])
def test_hashes_are_gone_through_once_and_leave_no_file(tmp_path: Path, equal: bool) -> None:
    rng = np.random.default_rng(3)
    batches = [rng.integers(0, LARGEST, 1000, np.uint64) for _ in range(20)]
    if equal:
        batches[17][5] = batches[2][7]
    assert all_differ(iter(batches), 20_000, 40_000, tmp_path) is not equal
    assert not list(tmp_path.iterdir())
