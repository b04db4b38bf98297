"""What users did with actions, out of a group's datasets: beside the item interactions of the same users, as arrays.

Only actions of the Actions dataset count: those alone can be recommended ("Next-Best-Action recipe" of the guide).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import duckdb
import numpy as np
from numpy.typing import NDArray

from sartor.data import contexts
from sartor.data.contexts import Contexts
from sartor.data.dataset_types import ACTION_EVENT_TYPES
from sartor.data.ids import Ids
from sartor.data.schema import Field


@dataclass(frozen=True)
class ActionRows:
    """Action interactions by user, each user's oldest first.

    Attributes:
        ARRAYS: the names of what says something of single users and is served.
        actions: every action of the Actions dataset.
        action_offsets: int64[users + 1], where each user's begin.
        action: int32[m].
        action_type: int8[m], a number into ``ACTION_EVENT_TYPES``.
        action_time: int64[m], epoch seconds.
        attribute_offsets: int64[users + 1], where each user's attributes begin; of who did nothing there are none.
        attribute: int32[k], a number into the values of the contexts.
    """

    ARRAYS: ClassVar = ("action_offsets", "action", "action_type", "action_time")

    actions: Ids
    action_offsets: NDArray[np.int64]
    action: NDArray[np.int32]
    action_type: NDArray[np.int8]
    action_time: NDArray[np.int64]
    attribute_offsets: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    attribute: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))


def read(
    connection: duckdb.DuckDBPyConnection, of_users: Sequence[Field], found: Contexts, has_events: bool
) -> tuple[ActionRows, list[str]]:
    """Return what users did with actions, and the users who did nothing else, whose numbers come last.

    Args:
        connection: with a view ``actions``, a view ``action_interactions`` if there are any, a view ``users`` if there
            are columns of it, and the tables of a reading of the item interactions.
        of_users: the columns of the users that say something of them.
        found: the contexts of that reading.
        has_events: whether there is an Action interactions dataset.
    """
    events = """SELECT "USER_ID" AS u, "ACTION_ID" AS a, "TIMESTAMP" AS t, "EVENT_TYPE" AS e FROM action_interactions
                WHERE "USER_ID" IS NOT NULL AND "TIMESTAMP" IS NOT NULL"""
    nothing = (
        "SELECT NULL::VARCHAR AS u, NULL::VARCHAR AS a, NULL::BIGINT AS t, NULL::VARCHAR AS e WHERE false"
    )
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE action_number AS
            SELECT "ACTION_ID" AS a, (row_number() OVER (ORDER BY "ACTION_ID") - 1)::INTEGER AS n FROM actions;
        CREATE OR REPLACE TEMP TABLE acted AS
            SELECT u, n AS action, t, (list_position({list(ACTION_EVENT_TYPES)}, replace(upper(e), ' ', '_')) - 1) AS e
            FROM ({events if has_events else nothing}) JOIN action_number USING (a);
        CREATE OR REPLACE TEMP TABLE acting_number AS
            SELECT DISTINCT u, user_number.n FROM acted JOIN user_number USING (u) UNION ALL
            SELECT u, (SELECT count(*) FROM user_number) + row_number() OVER (ORDER BY u) - 1
            FROM (SELECT DISTINCT u FROM acted ANTI JOIN user_number USING (u));
        """
    )
    rows: dict[str, NDArray[Any]] = connection.execute(
        """
        SELECT acting_number.n AS u, action, t, e FROM acted JOIN acting_number USING (u)
        WHERE e IS NOT NULL ORDER BY acting_number.n, t, action, e
        """
    ).fetchnumpy()
    more = connection.execute(
        "SELECT u FROM acting_number ANTI JOIN user_number USING (u) ORDER BY n"
    ).fetchall()
    ((before,),) = connection.execute("SELECT count(*) FROM user_number").fetchall()
    names = connection.execute("SELECT a FROM action_number ORDER BY n").fetchall()
    persons, values = contexts.of_users(connection, of_users, found, "acting_number")
    numbers = np.arange(before + len(more) + 1)
    return ActionRows(
        Ids.of([name for (name,) in names]),
        np.searchsorted(np.asarray(rows["u"], np.int64), numbers).astype(np.int64),
        np.asarray(rows["action"], np.int32),
        np.asarray(rows["e"], np.int8),
        np.asarray(rows["t"], np.int64),
        np.searchsorted(persons, numbers).astype(np.int64),
        values,
    ), [name for (name,) in more]
