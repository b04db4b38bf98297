"""A trained model's folder in storage: the model, the names of its items and users, what users had done, what made it.

Written once by training, read by every process that serves it; all of it is memory-mapped.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sartor.data.actions import ActionRows
from sartor.data.attributes import Attributes
from sartor.data.blobs import Blobs
from sartor.data.contexts import Contexts
from sartor.data.ids import Ids
from sartor.data.training import TrainingRows
from sartor.models import base
from sartor.models.base import Float32, Histories, Int32, Int64, Model
from sartor.realtime import heads, served_users, states
from sartor.realtime.heads import Heads
from sartor.realtime.served_users import Beforehand
from sartor.recipes import Serving

#: Written last: a folder without it is not whole.
_PROVENANCE: Final = "record.json"
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
        seen_type: int16[m], a number into ``provenance["eventTypes"]``.
        seen_time: int64[m], epoch seconds.
        item_counts: int64[<= items], how many of all interactions each item had; those behind have had none.
        item_first: int64[<= items], when the first one was, epoch seconds; -1 is never.
        provenance: what made it, as JSON.
        states: float32[users, d], what the model computed of the training interactions beforehand; ``None`` if nothing,
            or if it does not pay.
        heads: record[users + 1], the best items of each user by them, last those of who has none; ``None`` if they are
            not kept.
        contexts: in which contexts the training interactions were.
        attributes: what the items had in their columns, if segments can be asked for by it.
        acting: what the users did with actions, of which the model has the rest; ``None`` for a model of items.
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
    item_counts: Int64
    item_first: Int64
    provenance: Mapping[str, Any]
    states: Float32 | None = None
    heads: Heads | None = None
    contexts: Contexts = field(default_factory=Contexts)
    attributes: Attributes = field(default_factory=Attributes)
    acting: ActionRows | None = None


#: What has arrays of its own; what contexts say of whom is in the provenance.
NAMED: Final = ("items", "users", "contexts", "attributes")


def write(
    storage: Blobs,
    folder: str,
    model: Model,
    rows: TrainingRows,
    provenance: Mapping[str, Any],
    scratch: Path,
    serving: Serving | None = None,
) -> None:
    """Store an artifact with its users; one that is there already is replaced.

    Args:
        storage: where.
        folder: its folder there.
        model: fitted on ``rows``.
        rows: with the names of items and users.
        provenance: what made it, as JSON.
        scratch: a local folder that is empty.
        serving: how it will answer; ``None`` if nobody will ask.
    """
    beforehand = computed(model, Histories(rows.item, rows.offsets, rows.time), serving)
    served_users.write(storage, folder, rows.users, served_users.rows_of(rows), beforehand, scratch)
    write_model(storage, folder, model, rows, provenance, scratch)


def computed(
    model: Model,
    histories: Histories,
    serving: Serving | None,
    keep_on: Callable[[], None] = lambda: None,
) -> Beforehand:
    """Return what is computed of some users before they ask.

    Args:
        model: fitted.
        histories: of the users.
        serving: how it will answer; ``None`` if nobody will ask.
        keep_on: called at least once a second; what it raises ends the work.
    """
    found = states.made(model, histories, serving, keep_on)
    return Beforehand(found, heads.made(model, histories, found, serving, keep_on))


def write_model(
    storage: Blobs,
    folder: str,
    model: Model,
    rows: TrainingRows,
    provenance: Mapping[str, Any],
    scratch: Path,
) -> None:
    """Store what an artifact has beside its users."""
    base.save(model, scratch / _MODEL)
    for kind in ("items", "contexts", "attributes"):
        for name, array in getattr(rows, kind).arrays().items():
            np.save(scratch / f"{kind}.{name}.npy", array, allow_pickle=False)
    if rows.acting is not None:
        for name, array in rows.acting.actions.arrays().items():
            np.save(scratch / f"actions.{name}.npy", array, allow_pickle=False)
    for file in sorted(path for path in scratch.rglob("*") if path.is_file()):
        storage.put_file(f"{folder}/{file.relative_to(scratch).as_posix()}", file)
    storage.put(f"{folder}/{_PROVENANCE}", json.dumps(provenance, indent=2).encode())


class Place(NamedTuple):
    """Where an artifact lies.

    Attributes:
        folder: of the model.
        users: of its users' arrays.
    """

    folder: str
    users: str


def place_of(version: Mapping[str, Any]) -> Place:
    """Return where a solution version's artifact lies, by what Sartor alone knows of the version.

    Each attempt at a training has a folder of its own, so that one that was given up changes nothing. The users of an
    artifact of an earlier Sartor lie beside its model until one of them is deleted.
    """
    folder = str(version.get("artifact") or version["folder"])
    return Place(folder, str(version.get("users") or folder))


def read_provenance(storage: Blobs, folder: str) -> dict[str, Any]:
    """Return what made an artifact; raises ``FileNotFoundError`` if it is not whole."""
    found: dict[str, Any] = json.loads(storage.get(f"{folder}/{_PROVENANCE}"))
    return found


def read(storage: Blobs, place: Place) -> Artifact:
    """Return an artifact; raises ``FileNotFoundError`` if it is not whole."""
    folder = place.folder
    provenance = read_provenance(storage, folder)
    files = {
        path.removeprefix(f"{folder}/"): storage.local(path)
        for path, _ in storage.list(folder)
        if not served_users.is_of_users(path)
    }
    users, arrays, beforehand = served_users.read(storage, place.users)
    acting = {name: arrays.pop(name) for name in ActionRows.ARRAYS if name in arrays}
    return Artifact(
        model=base.load(files[f"{_MODEL}/model.json"].parent),
        items=_ids("items", files),
        users=users,
        provenance=provenance,
        states=beforehand.states,
        heads=beforehand.heads,
        contexts=_contexts(provenance, files),
        attributes=_attributes(provenance, files),
        acting=ActionRows(_ids("actions", files), **acting) if acting else None,
        **arrays,
    )


def _ids(kind: str, files: Mapping[str, Path]) -> Ids:
    return Ids.restored({name: served_users.load(files[f"{kind}.{name}.npy"]) for name in Ids.ARRAYS})


def _contexts(provenance: Mapping[str, Any], files: Mapping[str, Path]) -> Contexts:
    """Return the contexts; an artifact of an earlier Sartor has none."""
    found = provenance.get("contexts", {})
    if not found.get("values"):
        return Contexts()
    arrays = (served_users.load(files[f"contexts.{name}.npy"]) for name in Contexts.ARRAYS)
    return Contexts(found["bounds"], found["values"], *arrays)


def _attributes(provenance: Mapping[str, Any], files: Mapping[str, Path]) -> Attributes:
    """Return the attributes; an artifact of an earlier Sartor has none."""
    named = {
        name.removeprefix("attributes.").removesuffix(".npy"): path
        for name, path in files.items()
        if name.startswith("attributes.")
    }
    arrays = {name: served_users.load(path) for name, path in named.items()}
    return Attributes.restored(provenance.get("attributes", ()), arrays)
