"""What many processes take, with its large arrays in files that all of them map: in memory they are there once."""

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sartor.compute.carried import unpacked
from sartor.compute.contract import Member, R

#: Smaller arrays travel with the rest.
_LEAST_BYTES: Final = 1 << 18


def kept(value: Any, folder: Path) -> bytes:
    """Return a value as bytes, which ``carried.unpacked`` reads wherever the folder is seen; its arrays are read-only.

    Args:
        value: what is sent.
        folder: takes the arrays, under names that are free; it must stay as long as anybody reads them.
    """
    content = io.BytesIO()
    _ByFile(content, folder).dump(value)
    return content.getvalue()


def mapped(path: str) -> NDArray[Any]:
    """Return the array of a file. Numpy's own class for mapped ones makes every operation slower."""
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def with_argument(member: Member, given: tuple[Callable[[Member, Any], R], bytes]) -> R:
    """Run a member's work with an argument that was kept; work of a gang."""
    work, content = given
    return work(member, unpacked(content))


class _ByFile(pickle.Pickler):
    """Writes large arrays into files, each of them once."""

    def __init__(self, content: io.BytesIO, folder: Path) -> None:
        super().__init__(content, pickle.HIGHEST_PROTOCOL)
        self._folder = folder

    def reducer_override(self, value: Any) -> Any:
        """Return how a large array is made again; everything else is pickled as ever."""
        if not isinstance(value, np.ndarray) or value.nbytes < _LEAST_BYTES or value.dtype.hasobject:
            return NotImplemented
        path = self._folder / f"{len(list(self._folder.iterdir()))}.npy"
        np.save(path, value, allow_pickle=False)
        return mapped, (str(path),)
