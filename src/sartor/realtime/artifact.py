"""A trained model's folder in storage: the model, the names of its items and users, what users had done, and a record.

Written once by training, read by every process that serves it; all of it is memory-mapped.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from sartor.data.blobs import Blobs
from sartor.data.contexts import Contexts
from sartor.data.ids import Ids
from sartor.data.training import TrainingRows
from sartor.models import base
from sartor.models.base import Float32, Histories, Int32, Int64, Model

#: Written last: a folder without it is not whole.
_RECORD: Final = "record.json"
_MODEL: Final = "model"


@dataclass(frozen=True)
class Artifact:
    """What a solution version answers from.

    Attributes:
        model: fitted.
        items: the model's items by number.
        users: whose histories are here.
        offsets: int64[users + 1], where each user's training interactions begin.
        item: int32[n], of each training interaction.
        time: int64[n], epoch seconds.
        seen_offsets: int64[users + 1], the same for all interactions.
        seen_item: int32[m].
        seen_type: int16[m], a number into ``record["eventTypes"]``.
        seen_time: int64[m], epoch seconds.
        record: what made it, as JSON.
        states: float32[users, d], what the model computed of the training interactions beforehand; ``None`` if nothing.
        contexts: in which contexts the training interactions were.
    """

    model: Model
    items: Ids
    users: Ids
    offsets: Int64
    item: Int32
    time: Int64
    seen_offsets: Int64
    seen_item: Int32
    seen_type: NDArray[np.int16]
    seen_time: Int64
    record: Mapping[str, Any]
    states: Float32 | None = None
    contexts: Contexts = field(default_factory=Contexts)


_ARRAYS: Final = (
    "offsets",
    "item",
    "time",
    "seen_offsets",
    "seen_item",
    "seen_type",
    "seen_time",
)
_STATES: Final = "states"
#: What has arrays of its own; what contexts say of whom is in the record.
NAMED: Final = ("items", "users", "contexts")
_NO_STATES: Final = np.zeros((0, 0), np.float32)


def write(
    storage: Blobs,
    folder: str,
    model: Model,
    rows: TrainingRows,
    record: Mapping[str, Any],
    scratch: Path,
    keep_on: Callable[[], None] = lambda: None,
) -> None:
    """Store an artifact; one that is there already is replaced.

    Args:
        storage: where.
        folder: its folder there.
        model: fitted on ``rows``.
        rows: with the names of items and users.
        record: what made it, as JSON.
        scratch: a local folder that is empty.
        keep_on: called at least once a second; what it raises ends the work.
    """
    base.save(model, scratch / _MODEL)
    arrays = {name: getattr(rows, name) for name in _ARRAYS}
    states = model.states(Histories(rows.item, rows.offsets, rows.time), keep_on)
    arrays[_STATES] = _NO_STATES if states is None else states
    for kind in NAMED:
        arrays |= {f"{kind}.{name}": array for name, array in getattr(rows, kind).arrays().items()}
    for name, array in arrays.items():
        np.save(scratch / f"{name}.npy", array, allow_pickle=False)
    for file in sorted(path for path in scratch.rglob("*") if path.is_file()):
        storage.put_file(f"{folder}/{file.relative_to(scratch).as_posix()}", file)
    storage.put(f"{folder}/{_RECORD}", json.dumps(record, indent=2).encode())


def place_of(version: Mapping[str, Any]) -> str:
    """Return the folder of a solution version's artifact, by what Sartor alone knows of the version.

    Each attempt at a training has a folder of its own, so that one that was given up changes nothing.
    """
    return str(version.get("artifact") or version["folder"])


def read_record(storage: Blobs, folder: str) -> dict[str, Any]:
    """Return what made an artifact; raises ``FileNotFoundError`` if it is not whole."""
    found: dict[str, Any] = json.loads(storage.get(f"{folder}/{_RECORD}"))
    return found


def read(storage: Blobs, folder: str) -> Artifact:
    """Return an artifact; raises ``FileNotFoundError`` if it is not whole."""
    record = read_record(storage, folder)
    files = {path.removeprefix(f"{folder}/"): storage.local(path) for path, _ in storage.list(folder)}
    arrays = {name: _array(files[f"{name}.npy"]) for name in _ARRAYS}

    def ids(kind: str) -> Ids:
        return Ids.restored({name: _array(files[f"{kind}.{name}.npy"]) for name in Ids.ARRAYS})

    model = base.load(files[f"{_MODEL}/model.json"].parent)
    stored = files.get(f"{_STATES}.npy")  # an artifact of an earlier Sartor has none
    states = _NO_STATES if stored is None else _array(stored)
    return Artifact(
        model=model,
        items=ids("items"),
        users=ids("users"),
        record=record,
        states=states if len(states) else None,
        contexts=_contexts(record, files),
        **arrays,
    )


def _contexts(record: Mapping[str, Any], files: Mapping[str, Path]) -> Contexts:
    """Return the contexts; an artifact of an earlier Sartor has none."""
    found = record.get("contexts", {})
    if not found.get("values"):
        return Contexts()
    arrays = (_array(files[f"contexts.{name}.npy"]) for name in Contexts.ARRAYS)
    return Contexts(found["bounds"], found["values"], *arrays)


def _array(file: Path) -> NDArray[Any]:
    # a mapped empty file is an error of the system's; numpy's own class for a mapped one is slow to take one number of
    mode: Literal["r"] | None = "r" if file.stat().st_size > 1024 else None
    return np.asarray(np.load(file, mmap_mode=mode, allow_pickle=False))
