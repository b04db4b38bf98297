"""What users have interacted with, written once beside a dataset's tables: all processes map the same lists.

Whoever first looks after an import writes them; the others on its machine wait. They have no more than what filters
look at: the newest interactions of each user and event type. A deletion of users deletes them.
"""

import fcntl
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from sartor.data import by_user, engine
from sartor.data.dataset import DatasetRecords
from sartor.data.ids import Ids
from sartor.data.shards import Column, Columns, Shards
from sartor.filters.history import folded
from sartor.models.base import Int64
from sartor.realtime import served_users
from sartor.realtime.seen import SEEN_OF_A_TYPE, Seen, newest

#: So often lists are looked for, and written where there are none.
_TRIES: Final = 4
#: Written last: lists without it are not whole.
_RECORD: Final = "record.json"
_KINDS: Final[Mapping[str, type[np.generic]]] = {"item": np.int32, "type": np.int16, "time": np.int64}
#: What filters call the dataset of each type of interactions.
_FOLDED_AS: Final = {"INTERACTIONS": "Interactions", "ACTION_INTERACTIONS": "Action_Interactions"}
#: Of items so many of each user and type; of actions all, as what had one long ago waits for it to be offered again.
_MOST: Final = {"INTERACTIONS": SEEN_OF_A_TYPE}
#: With so much memory for tables lists are written if that is enough: a process that answers may be at it.
_MEMORY_BYTES: Final = 2**27
#: Lists are written anew after so long: the database does not keep for ever what calls have put since.
_FRESH_SECONDS: Final = 30 * 86_400


def read(records: DatasetRecords, version: int) -> Seen:
    """Return what users have interacted with, mapped; written first if nobody has.

    Args:
        records: of the interactions.
        version: of the table of imports, as it is now.

    Raises:
        FileNotFoundError: the dataset was deleted meanwhile, or users each time that they were written.
    """
    with _alone(records):
        for _ in range(_TRIES):
            found = _found(records, version)
            if found is not None:
                return found
            _write(records, version)
    raise FileNotFoundError(f"{records.seen_folder}/{version}")


@contextmanager
def _alone(records: DatasetRecords) -> Iterator[None]:
    """Let no other process of this machine write lists of the dataset meanwhile."""
    with (records.scratch.parent / f"seen-{records.number}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _found(records: DatasetRecords, version: int) -> Seen | None:
    """Return the lists of a version that are there and young enough."""
    for path, changed in records.storage.list(records.seen_folder):
        place, _, name = path.rpartition("/")
        if name == _RECORD and _version(place) == version and changed > time.time() - _FRESH_SECONDS:
            try:
                return _mapped(records, place, version)
            except FileNotFoundError:  # a deletion of users came between
                continue
    return None


def _mapped(records: DatasetRecords, place: str, version: int) -> Seen:
    storage, record = records.storage, json.loads(records.storage.get(f"{place}/{_RECORD}"))
    names = [*(f"{kind}.{name}" for kind in ("users", "items") for name in Ids.ARRAYS), "offsets", *_KINDS]
    arrays = {name: served_users.load(storage.local(f"{place}/{name}.npy")) for name in names}

    def ids(kind: str) -> Ids:
        return Ids.restored({name: arrays[f"{kind}.{name}"] for name in Ids.ARRAYS})

    return Seen(
        ids("users"),
        ids("items"),
        arrays["offsets"],
        arrays["item"],
        arrays["type"],
        arrays["time"],
        tuple(record["types"]),
        version,
        record["putNumber"],
    )


def _write(records: DatasetRecords, version: int) -> None:
    """Write the lists of what is there now, and remove older ones.

    Nothing stays if users were deleted meanwhile, or the dataset.
    """
    storage, deletion = records.storage, records.last_deletion()
    number = records.put.newest(records.number)
    place = f"{records.seen_folder}/{version}-{uuid4().hex[:12]}"
    with tempfile.TemporaryDirectory(prefix="seen-", dir=records.scratch) as folder:
        types = _write_arrays(records, Path(folder))
        for file in sorted(Path(folder).iterdir()):
            storage.put_file(f"{place}/{file.name}", file)
    storage.put(f"{place}/{_RECORD}", json.dumps({"types": types, "putNumber": number}).encode())
    is_gone = version >= 0 and records.bulk_table.version() is None
    if is_gone or records.last_deletion() != deletion:
        storage.delete_folder(place)
        return
    for path, _ in list(storage.list(records.seen_folder)):
        if path.rpartition("/")[0] != place and _version(path.rpartition("/")[0]) <= version:
            storage.delete(path)


def _write_arrays(records: DatasetRecords, folder: Path) -> list[str]:
    """Write the arrays into a folder, and return the event types in the form in which they are compared."""
    with suppress(engine.OutOfMemory):
        little = replace(records, memory_bytes=min(records.memory_bytes, _MEMORY_BYTES))
        return _write_arrays_within(little, folder)
    return _write_arrays_within(records, folder)


def _write_arrays_within(records: DatasetRecords, folder: Path) -> list[str]:
    """Do the same with the memory that the records may use."""
    with records.open() as connection:
        offsets = by_user.number(connection, records.schema)
        users, items, names = by_user.names(connection)
        dataset = _FOLDED_AS[records.schema.dataset_type]
        types = list(dict.fromkeys(folded(name, dataset) for name in names))
        kinds = np.array([types.index(folded(name, dataset)) for name in names], np.int16)
        for kind, ids in (("users", users), ("items", items)):
            for name, array in ids.arrays().items():
                np.save(folder / f"{kind}.{name}.npy", array, allow_pickle=False)
        del users, items, array, ids
        with by_user.shards(connection, offsets, records.scratch) as shards:
            lengths = _write_rows(
                shards, kinds, len(offsets) - 1, _MOST.get(records.schema.dataset_type), folder
            )
    np.save(folder / "offsets.npy", by_user.starts(lengths), allow_pickle=False)
    return types


def _write_rows(
    shards: Shards, kinds: NDArray[np.int16], n_users: int, most: int | None, folder: Path
) -> Int64:
    """Write what filters look at of each user, and return int64[users]: how much that is.

    Args:
        shards: all interactions.
        kinds: int16[types], what each type is compared as.
        n_users: how many there are.
        most: so many of each user and type; ``None`` for all.
        folder: where.
    """
    lengths = np.zeros(n_users, np.int64)
    columns = {name: Column(kind, folder) for name, kind in _KINDS.items()}
    for first, rows in shards.ordered():
        some: Columns = {
            "u": rows["u"] - first,
            "item": rows["i"],
            "type": kinds[rows["e"]],
            "time": rows["t"],
        }
        if most is not None:
            some = _newest(some, most)
        for name, column in columns.items():
            column.add(some[name])
        found = np.bincount(some["u"])
        lengths[first : first + len(found)] = found
    for name, column in columns.items():
        column.save(folder / f"{name}.npy")
    return lengths


def _newest(rows: Columns, most: int) -> Columns:
    """Return the newest rows of each user and type; most users have no more than that of all types."""
    many = np.flatnonzero(np.bincount(rows["u"])[rows["u"]] > most)
    if not len(many):
        return rows
    kept = np.ones(len(rows["u"]), np.bool_)
    kept[many] = False
    kept[many[newest(rows["u"][many], rows["type"][many], rows["time"][many], most)]] = True
    return {name: column[kept] for name, column in rows.items()}


def _version(place: str) -> int:
    """Return of which version the lists at a place are."""
    return int(place.rpartition("/")[2].rpartition("-")[0])
