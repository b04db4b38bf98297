"""The users of an artifact: their names, what they did, and what the model computed of it beforehand.

They lie apart from the model and are replaced as a whole: a user who is deleted is forgotten without a training.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from sartor.data.actions import ActionRows
from sartor.data.blobs import Blobs
from sartor.data.ids import Ids
from sartor.data.training import TrainingRows
from sartor.models.base import Bool, Float32, Int64

#: The arrays with a part for each user, by the array that says where each part begins.
_PARTS: Final = {
    "offsets": ("item", "time"),
    "seen_offsets": ("seen_item", "seen_type", "seen_time"),
}
ARRAYS: Final = tuple(name for offsets, parts in _PARTS.items() for name in (offsets, *parts))
#: The same of what they did with actions, which only some artifacts have.
_ACTION_PARTS: Final = {ActionRows.ARRAYS[0]: ActionRows.ARRAYS[1:]}
_NAMES: Final = tuple(f"users.{name}" for name in Ids.ARRAYS)
_STATES: Final = "states"
#: The names of all files that say something of one user.
FILES: Final = frozenset(f"{name}.npy" for name in (*ARRAYS, *ActionRows.ARRAYS, *_NAMES, _STATES))
#: Those without which users are not whole: not all artifacts have actions, nor those of an earlier Sartor states.
_NEEDED: Final = frozenset(f"{name}.npy" for name in (*ARRAYS, *_NAMES))
_NO_STATES: Final = np.zeros((0, 0), np.float32)
#: So many bytes of states are copied at once.
_BLOCK_BYTES: Final = 2**24


def is_of_users(path: str) -> bool:
    """Return whether a file of an artifact says something of one user; a model's own arrays may have any name."""
    folder, _, name = path.rpartition("/")
    return name in FILES and folder.rpartition("/")[2] != "model"


def new_place(folder: str) -> str:
    """Return a folder below an artifact's for another state of its users; nobody else has it."""
    return f"{folder}/users-{uuid4().hex[:12]}"


def rows_of(rows: TrainingRows) -> dict[str, NDArray[Any]]:
    """Return the arrays of what is trained on: the ``ARRAYS``, and those of actions if there are any."""
    acting = {} if rows.acting is None else {name: getattr(rows.acting, name) for name in ActionRows.ARRAYS}
    return {**{name: getattr(rows, name) for name in ARRAYS}, **acting}


def write(
    storage: Blobs,
    place: str,
    users: Ids,
    rows: Mapping[str, NDArray[Any]],
    states: Float32 | None,
    scratch: Path,
) -> None:
    """Store users.

    Args:
        storage: where.
        place: their folder.
        users: their names.
        rows: what ``rows_of`` returns.
        states: float32[users, d], what the model computed beforehand; ``None`` if nothing.
        scratch: a local folder that keeps each array for a moment.
    """
    found = {f"users.{name}": array for name, array in users.arrays().items()}
    _write(storage, place, {**rows, **found, _STATES: _NO_STATES if states is None else states}, scratch)


def _write(storage: Blobs, place: str, arrays: Mapping[str, NDArray[Any]], scratch: Path) -> None:
    for name, array in arrays.items():
        file = scratch / f"{name}.npy"
        np.save(file, array, allow_pickle=False)
        storage.put_file(f"{place}/{file.name}", file)


def read(storage: Blobs, place: str) -> tuple[Ids, dict[str, NDArray[Any]], Float32 | None]:
    """Return the users' names, their arrays and states; raises ``FileNotFoundError`` if they are not whole.

    What is mapped needs no name: no local copy is kept, so that a user who is deleted is in none.
    """
    names = {path.rpartition("/")[2]: path for path, _ in storage.files(place)}
    missing = _NEEDED - names.keys()
    if missing:
        raise FileNotFoundError(f"{place}/{min(missing)}")

    def array(name: str) -> NDArray[Any]:
        path = names[f"{name}.npy"]
        found = load(storage.local(path))
        storage.drop_local(path)
        return found

    users = Ids.restored({name: array(f"users.{name}") for name in Ids.ARRAYS})
    states = array(_STATES) if f"{_STATES}.npy" in names else _NO_STATES
    there = [name for name in (*ARRAYS, *ActionRows.ARRAYS) if f"{name}.npy" in names]
    return users, {name: array(name) for name in there}, states if len(states) else None


def load(file: Path) -> NDArray[Any]:
    """Return a stored array, memory-mapped unless it is small."""
    # a mapped empty file is an error of the system's; numpy's own class for a mapped one is slow to take one number of
    mode: Literal["r"] | None = "r" if file.stat().st_size > 1024 else None
    return np.asarray(np.load(file, mmap_mode=mode, allow_pickle=False))


def forget(
    storage: Blobs,
    place: str,
    target: str,
    names: Sequence[str],
    scratch: Path,
    keep_on: Callable[[], None] = lambda: None,
) -> int:
    """Store the users without some of them at another place, one array after the other.

    Args:
        storage: where they lie.
        place: their folder.
        target: the other folder; nothing is written if none of these users is there.
        names: who goes.
        scratch: a local folder.
        keep_on: called now and then; what it raises ends the work.

    Returns:
        How many of these users were there.
    """
    users, arrays, states = read(storage, place)
    found = users.find_all(names)
    gone = np.unique(found[found >= 0])
    if not len(gone):
        return 0
    kept = np.ones(len(users), np.bool_)
    kept[gone] = False
    for name, array in _kept(users, arrays, kept):
        keep_on()
        _write(storage, target, {name: array}, scratch)
    file = scratch / f"{_STATES}.npy"
    _copy_states(_NO_STATES if states is None else states, kept, file, keep_on)
    storage.put_file(f"{target}/{file.name}", file)
    return len(gone)


def _kept(users: Ids, arrays: Mapping[str, NDArray[Any]], kept: Bool) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the arrays of the users who stay."""
    for name, array in users.where(kept).arrays().items():
        yield f"users.{name}", array
    for offsets, parts in {**_PARTS, **_ACTION_PARTS}.items():
        if offsets not in arrays:
            continue
        lengths = np.diff(arrays[offsets])
        yield offsets, _starts(lengths[kept])
        rows = np.repeat(kept, lengths)
        for name in parts:
            yield name, arrays[name][rows]


def _starts(lengths: NDArray[np.int64]) -> Int64:
    found = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=found[1:])
    return found


def _copy_states(states: Float32, kept: Bool, file: Path, keep_on: Callable[[], None]) -> None:
    """Write the states of the users who stay; there may be more of them than fits the memory."""
    if not len(states) or not kept.any():
        np.save(file, _NO_STATES, allow_pickle=False)
        return
    rows = np.flatnonzero(kept)
    shape = (len(rows), states.shape[1])
    copy = np.lib.format.open_memmap(file, mode="w+", dtype=states.dtype, shape=shape)
    step = max(_BLOCK_BYTES // max(states[0].nbytes, 1), 1)
    for start in range(0, len(rows), step):
        keep_on()
        copy[start : start + step] = states[rows[start : start + step]]
    copy.flush()
