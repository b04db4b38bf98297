"""The users of an artifact: their names, what they did, and what the model computed of it beforehand.

They lie apart from the model and are replaced as a whole: a user who is deleted is forgotten without a training.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from sartor.data import by_user
from sartor.data.actions import ActionRows
from sartor.data.blobs import Blobs
from sartor.data.ids import Ids
from sartor.data.training import TrainingRows
from sartor.models.base import Bool, Float32, Int32, Int64
from sartor.realtime.heads import Heads

#: The arrays with a part for each user, by the array that says where each part begins.
_PARTS: Final = {
    "offsets": ("item", "time"),
    "seen_offsets": ("seen_item", "seen_type", "seen_time"),
}
ARRAYS: Final = tuple(name for offsets, parts in _PARTS.items() for name in (offsets, *parts))
#: The same of what they did with actions, which only some artifacts have.
_ACTION_PARTS: Final = {ActionRows.ARRAYS[0]: ActionRows.ARRAYS[1:]}
#: What all of them did with each item, which would take whoever loads them a look at every interaction.
OF_ITEMS: Final = ("item_counts", "item_first")
_NAMES: Final = tuple(f"users.{name}" for name in Ids.ARRAYS)
_NOTHING: Final = np.zeros((0, 0), np.float32)
#: So many bytes of what has a row for each user are copied at once.
_BLOCK_BYTES: Final = 2**24


class Beforehand(NamedTuple):
    """What was computed of users before they ask.

    Attributes:
        states: float32[users, d], what the model makes of their histories; ``None`` if nothing.
        heads: record[users + 1], the best items of each; ``None`` if they are not kept.
    """

    states: Float32 | None = None
    heads: Heads | None = None


#: The names of all files that say something of one user.
FILES: Final = frozenset(
    f"{name}.npy" for name in (*ARRAYS, *OF_ITEMS, *ActionRows.ARRAYS, *_NAMES, *Beforehand._fields)
)
#: Those without which users are not whole: not all artifacts have actions, nor those of an earlier Sartor the rest.
_NEEDED: Final = frozenset(f"{name}.npy" for name in (*ARRAYS, *_NAMES))


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
    beforehand: Beforehand,
    scratch: Path,
) -> None:
    """Store users.

    Args:
        storage: where.
        place: their folder.
        users: their names.
        rows: what ``rows_of`` returns.
        beforehand: what was computed of them.
        scratch: a local folder that keeps each array for a moment.
    """
    found = {f"users.{name}": array for name, array in users.arrays().items()}
    computed = {
        name: _NOTHING if array is None else array
        for name, array in zip(Beforehand._fields, beforehand, strict=True)
    }
    of_items = _of_items(rows["seen_item"], rows["seen_time"])
    _write(storage, place, {**rows, **of_items, **found, **computed}, scratch)


def _write(storage: Blobs, place: str, arrays: Mapping[str, NDArray[Any]], scratch: Path) -> None:
    for name, array in arrays.items():
        file = scratch / f"{name}.npy"
        np.save(file, array, allow_pickle=False)
        storage.put_file(f"{place}/{file.name}", file)


def read(storage: Blobs, place: str) -> tuple[Ids, dict[str, NDArray[Any]], Beforehand]:
    """Return the users' names, their arrays and what was computed; raises ``FileNotFoundError`` if not whole."""
    names = {path.rpartition("/")[2]: path for path, _ in storage.files(place)}
    missing = _NEEDED - names.keys()
    if missing:
        raise FileNotFoundError(f"{place}/{min(missing)}")

    def array(name: str) -> NDArray[Any]:
        return load(storage.local(names[f"{name}.npy"]))

    users = Ids.restored({name: array(f"users.{name}") for name in Ids.ARRAYS})
    computed = {name: array(name) for name in Beforehand._fields if f"{name}.npy" in names}
    beforehand = Beforehand(**{name: found for name, found in computed.items() if len(found)})
    there = [name for name in (*ARRAYS, *OF_ITEMS, *ActionRows.ARRAYS) if f"{name}.npy" in names]
    arrays = {name: array(name) for name in there}
    if not arrays.keys() >= set(OF_ITEMS):  # an earlier Sartor wrote none
        arrays |= _of_items(arrays["seen_item"], arrays["seen_time"])
    return users, arrays, beforehand


def _of_items(item: Int32, time: Int64) -> dict[str, Int64]:
    """Return int64[items] twice: the interactions of each item, and when the first one was; -1 is never.

    Args:
        item: int32[m], of all interactions.
        time: int64[m], epoch seconds.
    """
    counts = np.bincount(item).astype(np.int64)
    first = np.full(len(counts), np.iinfo(np.int64).max)
    np.minimum.at(first, item, time)
    first[counts == 0] = -1
    return dict(zip(OF_ITEMS, (counts, first), strict=True))


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
    users, arrays, beforehand = read(storage, place)
    found = users.find_all(names)
    gone = np.unique(found[found >= 0])
    if not len(gone):
        return 0
    kept = np.ones(len(users), np.bool_)
    kept[gone] = False
    for name, array in _kept(users, arrays, kept):
        keep_on()
        _write(storage, target, {name: array}, scratch)
    for name, one in zip(Beforehand._fields, beforehand, strict=True):
        file = scratch / f"{name}.npy"
        _copy_rows(_NOTHING if one is None else one, kept, file, keep_on)
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
        yield offsets, by_user.starts(lengths[kept])
        rows = np.repeat(kept, lengths)
        for name in parts:
            yield name, arrays[name][rows]
    seen = np.repeat(kept, np.diff(arrays["seen_offsets"]))
    yield from _of_items(arrays["seen_item"][seen], arrays["seen_time"][seen]).items()


def _copy_rows(array: NDArray[Any], kept: Bool, file: Path, keep_on: Callable[[], None]) -> None:
    """Write the rows of the users who stay, and those behind them; there may be more than fits the memory."""
    rows = np.concatenate([np.flatnonzero(kept), np.arange(len(kept), len(array))])
    if not len(array) or not len(rows):
        np.save(file, _NOTHING, allow_pickle=False)
        return
    copy = np.lib.format.open_memmap(file, mode="w+", dtype=array.dtype, shape=(len(rows), *array.shape[1:]))
    step = max(_BLOCK_BYTES // max(array[0].nbytes, 1), 1)
    for start in range(0, len(rows), step):
        keep_on()
        copy[start : start + step] = array[rows[start : start + step]]
    copy.flush()
