"""What histories and filters take from an artifact, as a training makes it."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from sartor.data.ids import Ids
from sartor.realtime.artifact import Artifact

#: Who, what, when, which event type; and whether the training counted it.
Seen = tuple[str, str, int, str, bool]


def artifact(
    *rows: Seen, items: tuple[str, ...] = (), put_number: int = 0, states: Any = None, heads: Any = None
) -> Artifact:
    """Return an artifact of these interactions, by user and oldest first, of an empty table of imports."""
    users = sorted({row[0] for row in rows})
    names = list(dict.fromkeys([*items, *(row[1] for row in rows)]))
    types = list(dict.fromkeys(row[3] for row in rows))
    ordered = sorted(rows, key=lambda row: (row[0], row[2]))
    counted = [row for row in ordered if row[4]]

    def offsets(some: list[Seen]) -> Any:
        return np.cumsum([0, *(sum(row[0] == user for row in some) for user in users)], dtype=np.int64)

    def column(some: list[Seen], at: int, of: list[str], kind: Any) -> Any:
        return np.array([of.index(str(row[at])) for row in some], kind)

    return cast(
        "Artifact",
        SimpleNamespace(
            users=Ids.of(users),
            items=Ids.of(names),
            offsets=offsets(counted),
            item=column(counted, 1, names, np.int32),
            time=np.array([row[2] for row in counted], np.int64),
            seen_offsets=offsets(ordered),
            seen_item=column(ordered, 1, names, np.int32),
            seen_type=column(ordered, 3, types, np.int16),
            seen_time=np.array([row[2] for row in ordered], np.int64),
            provenance={
                "eventTypes": types,
                "tables": {"INTERACTIONS": {"bulkVersion": -1, "putNumber": put_number}},
            },
            states=states,
            heads=heads,
        ),
    )
