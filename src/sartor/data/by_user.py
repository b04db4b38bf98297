"""A table's interactions by user, each user's oldest first, whatever their order is: names become numbers, rows shards.

The names are numbered in their own order, so that the same interactions always have the same numbers.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
from numpy.typing import NDArray

from sartor.data import engine
from sartor.data.ids import Ids
from sartor.data.schema import Schema
from sartor.data.shards import Shards

#: The SQL of that all interactions are chosen; then they count the same.
ALL: Final = "true"
#: The columns of an interaction: user, time, item, type.
_ROW: Final[Mapping[str, type[np.generic]]] = {"u": np.int32, "t": np.int64, "i": np.int32, "e": np.int16}
#: Beside them, if some are chosen: whether it is, and how much it counts.
_CHOSEN: Final[Mapping[str, type[np.generic]]] = {"counted": np.bool_, "w": np.float32}
#: So many names are Python's own at once.
_SOME_NAMES: Final = 2**16


def number(
    connection: duckdb.DuckDBPyConnection,
    schema: Schema,
    with_items: bool = False,
    counted: str = ALL,
    weight: str = "1.0",
) -> NDArray[np.int64]:
    """Number users, items and event types in tables, and return int64[users + 1]: where each user's interactions begin.

    The tables are ``user_number``, ``item_number`` and ``type_number``; ``event`` is a view of the interactions.

    Args:
        connection: with a view ``data`` of interactions, and a view ``items`` if all items have numbers.
        schema: of the interactions.
        with_items: whether items without interactions have numbers too.
        counted: SQL of whether a row is chosen.
        weight: SQL of how much it counts.
    """
    columns = {one.name for one in schema.fields}
    item = "ACTION_ID" if "ACTION_ID" in columns else "ITEM_ID"
    event_type = "coalesce(\"EVENT_TYPE\", '')" if "EVENT_TYPE" in columns else "''"
    catalogue = 'UNION SELECT "ITEM_ID" FROM items' if with_items else ""
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP VIEW event AS
            SELECT "USER_ID" AS u, "{item}" AS i, "TIMESTAMP" AS t, {event_type} AS e,
                   coalesce({counted}, false) AS counted, ({weight})::FLOAT AS w
            FROM data WHERE "USER_ID" IS NOT NULL AND "{item}" IS NOT NULL AND "TIMESTAMP" IS NOT NULL;
        CREATE OR REPLACE TEMP TABLE found AS
            SELECT u, i, e, count(*) AS count FROM event GROUP BY GROUPING SETS ((u), (i), (e));
        CREATE OR REPLACE TEMP TABLE user_number AS
            SELECT u, (row_number() OVER (ORDER BY u) - 1)::INTEGER AS n, count FROM found WHERE u IS NOT NULL;
        CREATE OR REPLACE TEMP TABLE item_number AS
            SELECT i, (row_number() OVER (ORDER BY i) - 1)::INTEGER AS n
            FROM (SELECT i FROM found WHERE i IS NOT NULL {catalogue});
        CREATE OR REPLACE TEMP TABLE type_number AS
            SELECT e, (row_number() OVER (ORDER BY e) - 1)::SMALLINT AS n FROM found WHERE e IS NOT NULL;
        DROP TABLE found;
        """
    )
    lengths = connection.execute("SELECT count FROM user_number ORDER BY n").fetchnumpy()["count"]
    return starts(np.asarray(lengths, np.int64))


@contextmanager
def shards(
    connection: duckdb.DuckDBPyConnection,
    offsets: NDArray[np.int64],
    scratch: Path | None,
    counted: str = ALL,
) -> Iterator[Shards]:
    """Give all interactions in shards: of each ``u``, ``t``, ``i`` and ``e``; ``counted`` and ``w`` if some are chosen.

    Args:
        connection: with what ``number`` has made.
        offsets: what it has returned.
        scratch: a local folder; the system's own if there is none.
        counted: what it was given.
    """
    chosen = {} if counted == ALL else _CHOSEN
    with Shards(offsets, {**_ROW, **chosen}, scratch) as found:
        for batch in engine.batches(
            connection,
            f"""
            SELECT user_number.n AS u, item_number.n AS i, type_number.n AS e, {", ".join(["t", *chosen])}
            FROM event JOIN user_number USING (u) JOIN item_number USING (i) JOIN type_number USING (e)
            """,
        ):
            found.add(batch)
        yield found


def names(connection: duckdb.DuckDBPyConnection) -> tuple[Ids, Ids, tuple[str, ...]]:
    """Return the users, the items and the event types by number, from what ``number`` has made."""
    return (
        Ids.of(_names(connection, "SELECT u FROM user_number ORDER BY n")),
        Ids.of(_names(connection, "SELECT i FROM item_number ORDER BY n")),
        tuple(_names(connection, "SELECT e FROM type_number ORDER BY n")),
    )


def _names(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[str]:
    """Yield the names that a query finds; the connection does nothing else meanwhile."""
    found = connection.execute(query)
    while some := found.fetchmany(_SOME_NAMES):
        yield from (name for (name,) in some)


def starts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return int64[n + 1]: where each of some pieces begins that lie one after the other."""
    found = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=found[1:])
    return found
