"""What goes to many processes with its arrays in files."""

from pathlib import Path

import numpy as np

from sartor.compute.by_file import kept
from sartor.compute.carried import unpacked


def test_large_arrays_lie_in_files_each_of_them_once(tmp_path: Path) -> None:
    large, small = np.arange(100_000), np.arange(3)
    content = kept({"large": large, "again": [large], "small": small, "part": large[:90_000]}, tmp_path)
    assert len(content) < 1_000
    assert len(list(tmp_path.iterdir())) == 2
    found = unpacked(content)
    np.testing.assert_array_equal(found["large"], large)
    assert found["again"][0] is found["large"]
    np.testing.assert_array_equal(found["part"], large[:90_000])
    np.testing.assert_array_equal(found["small"], small)
    assert type(found["large"]) is np.ndarray
    assert not found["large"].flags.writeable


def test_what_cannot_be_mapped_travels_with_the_rest(tmp_path: Path) -> None:
    names = np.array(["a", "b"] * 100_000, object)
    found = unpacked(kept([names, np.zeros((0, 3))], tmp_path))
    assert list(tmp_path.iterdir()) == []
    assert found[0].tolist() == names.tolist()
    assert found[1].shape == (0, 3)
