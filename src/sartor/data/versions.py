"""The history of a dataset: each import is a version of its table, and any older one can be restored."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sartor.data import engine
from sartor.data.dataset import DatasetRecords
from sartor.data.log import Entries, LoggedPart, apply, committed_at
from sartor.data.parts import Part
from sartor.data.watch import interrupting

#: So many versions are shown at once.
PAGE: Final = 20
_MERGE: Final = "merge of parts"


def noted(
    records: DatasetRecords, parts: Sequence[Part], mode: str, stop: Callable[[], bool] = lambda: False
) -> dict[str, str]:
    """Return what an import will add, replace and remove, for the note of its commit.

    A record of an id that was there is replaced. Where records have no id, an import adds all of its own, and a
    FULL one removes all that were there.

    Args:
        records: of the dataset, before the commit.
        parts: what the import brings.
        mode: ``FULL`` or ``INCREMENTAL``.
        stop: asked some times a second whether to give up.

    Raises:
        Stopped: ``stop`` said so.
    """
    table = records.bulk_table
    brought = sum(part.rows for part in parts)
    there = table.snapshot().parts
    identity = records.schema.type_rules.identity
    if identity is None:
        before = sum(part.rows for part in there.values()) if mode == "FULL" else 0
        return _note(brought, 0, before)
    with records.connection() as connection, interrupting(connection, stop):
        new, old = (
            f'SELECT DISTINCT "{identity}" AS id FROM {engine.parquet(paths)}'
            if paths
            else "SELECT NULL AS id WHERE false"
            for paths in ([table.found(part) for part in parts], [table.local(name) for name in there])
        )
        ((ids, replaced),) = connection.execute(
            f"SELECT count(*), count(*) FILTER (WHERE id IN ({old})) FROM ({new})"
        ).fetchall()
        removed = 0
        if mode == "FULL":
            ((known,),) = connection.execute(f"SELECT count(*) FROM ({old})").fetchall()
            removed = known - replaced
    return _note(ids - replaced, replaced, removed)


def history(records: DatasetRecords, limit: int = PAGE, before: int | None = None) -> list[dict[str, Any]]:
    """Return versions of the imported records, newest first.

    Each has ``version``, ``timestamp`` (epoch seconds), ``action``, ``jobArn`` if a job made it, ``rows`` that it
    has, the rows that it ``added``, ``replaced`` and ``removed``, and whether it is ``restorable``. Versions that only
    merged parts are left out.

    Args:
        records: of the dataset.
        limit: how many at most.
        before: only versions older than this one.
    """
    table = records.bulk_table
    newest, restorable = table.restorable()
    last = newest if before is None else min(newest, before - 1)
    found: list[dict[str, Any]] = []
    while last >= 0 and len(found) < limit:
        first = max(0, last - limit + 1)
        parts = table.parts_of(first - 1)
        page = []
        for version, entries in table.log(first, last):
            apply(entries, parts)
            page.append({**_version(version, entries, parts), "restorable": restorable(version, parts)})
        found += [one for one in reversed(page) if one["action"] != _MERGE]
        last = first - 1
    return found[:limit]


def _version(version: int, entries: Entries, parts: Mapping[str, LoggedPart]) -> dict[str, Any]:
    info: Mapping[str, Any] = next((one["commitInfo"] for one in entries if "commitInfo" in one), {})
    return {
        "version": version,
        "timestamp": committed_at(entries),
        "action": _action(info),
        **({"jobArn": info["sartor.job"]} if "sartor.job" in info else {}),
        "rows": sum(part.rows for part in parts.values()),
        **{name: int(info.get(f"sartor.{name}", 0)) for name in ("added", "replaced", "removed")},
    }


def rollback(records: DatasetRecords, version: int) -> int:
    """Make the imported records what they were in an older version, as a new version, and return its number.

    Raises:
        LookupError: there is no such version, or it is kept no longer.
    """
    return records.bulk_table.restore(version, records.schema)


def _action(info: Mapping[str, Any]) -> str:
    if "sartor.mode" in info:
        return f"{info['sartor.mode']} import"
    if "sartor.restored" in info:
        return f"rollback to version {info['sartor.restored']}"
    if "sartor.columns" in info:
        return "new schema"
    if "sartor.merged" in info:
        return _MERGE
    return "deletion of users" if "sartor.removed" in info else str(info.get("operation", "unknown"))


def _note(added: int, replaced: int, removed: int) -> dict[str, str]:
    return {
        "sartor.added": str(added),
        "sartor.replaced": str(replaced),
        "sartor.removed": str(removed),
    }
