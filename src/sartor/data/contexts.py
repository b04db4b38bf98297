"""In which contexts items were interacted with: by device, by weather, by whom.

Source: the guide's "Contextual metadata", of the categories and numbers of the Item interactions dataset, which come
again with a request; and its "Users" dataset, whose attributes are all that is known of a new user.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import duckdb
import numpy as np
from numpy.typing import NDArray

from sartor.data.schema import Field, Schema
from sartor.data.sql import sql_text

#: Before the name of a user's attribute.
OF_USER: Final = "Users."
#: Numbers fall into this many bins, each with an equal share of the interactions.
_BINS: Final = 10
#: A value that fewer interactions have says nothing.
_LEAST_INTERACTIONS: Final = 10


@dataclass(frozen=True)
class Contexts:
    """How often each item was interacted with in each context.

    Attributes:
        bounds: of each contextual column, the bounds between the bins of its numbers; ``None`` for categories. A user's
            attribute has ``OF_USER`` before its name.
        values: what each context says, such as ``DEVICE=phone``, or ``TEMPERATURE=3`` for a bin.
        offsets: int64[values + 1], where the items of each begin.
        item: int32[k].
        count: int32[k], the interactions of this item in this context.
    """

    ARRAYS: ClassVar = ("offsets", "item", "count")

    bounds: Mapping[str, Sequence[float] | None] = field(default_factory=dict)
    values: Sequence[str] = ()
    offsets: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    item: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    count: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name."""
        return {name: getattr(self, name) for name in self.ARRAYS}


def contextual(schema: Schema, left_out: Collection[str]) -> list[Field]:
    """Return the columns of interactions or users that say in which context an interaction was.

    Args:
        schema: of the interactions or the users.
        left_out: columns that a solution leaves out, folded to lower case.
    """
    reserved = {name for name, keyword in schema.type_rules.keywords.items() if not keyword.is_metadata}
    return [
        one
        for one in schema.fields
        if one.name not in reserved
        and one.name.casefold() not in left_out
        and (one.categorical or one.is_number)
    ]


def read(
    connection: duckdb.DuckDBPyConnection,
    of_interactions: Sequence[Field],
    of_users: Sequence[Field],
    counted: str,
) -> Contexts:
    """Return the contexts of the interactions that count.

    Args:
        connection: with the view ``data`` of interactions, a view ``users`` if there are columns of it, and the table
            ``item_number`` of item ids and numbers.
        of_interactions: the contextual columns of the interactions.
        of_users: those of the users.
        counted: SQL that says whether an interaction counts.
    """
    events = f'FROM data WHERE "USER_ID" IS NOT NULL AND ({counted})'
    sources = [(one.name, one, events) for one in of_interactions]
    for one in of_users:
        joined = (
            f'FROM (SELECT "USER_ID", "ITEM_ID" {events}) JOIN (SELECT "USER_ID", "{one.name}" FROM users)'
        )
        sources.append((f"{OF_USER}{one.name}", one, f'{joined} USING ("USER_ID") WHERE true'))
    if not sources:
        return Contexts()
    bounds = {name: None if one.categorical else _bounds(connection, one, of) for name, one, of in sources}
    selects = " UNION ALL ".join(
        f"""SELECT "ITEM_ID" AS i, {sql_text(f"{name}=")} || {_said(one, bounds[name])} AS value
            {of} AND "{one.name}" IS NOT NULL"""
        for name, one, of in sources
    )
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE context AS
            SELECT value, item_number.n AS item, count(*)::INTEGER AS count
            FROM ({selects}) JOIN item_number USING (i) GROUP BY value, item_number.n
            QUALIFY sum(count(*)) OVER (PARTITION BY value) >= {_LEAST_INTERACTIONS}
        """
    )
    rows: dict[str, NDArray[Any]] = connection.execute(
        "SELECT dense_rank() OVER (ORDER BY value) - 1 AS number, item, count FROM context ORDER BY value, item"
    ).fetchnumpy()
    values = connection.execute("SELECT DISTINCT value FROM context ORDER BY value").fetchall()
    return Contexts(
        bounds,
        tuple(value for (value,) in values),
        np.searchsorted(np.asarray(rows["number"], np.int64), np.arange(len(values) + 1)).astype(np.int64),
        np.asarray(rows["item"], np.int32),
        np.asarray(rows["count"], np.int32),
    )


def of_users(
    connection: duckdb.DuckDBPyConnection, fields: Sequence[Field], found: Contexts, persons: str
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return int32[k] twice: the number of a user, ascending, and of a value that this user's attributes have.

    Args:
        connection: on which ``read`` has read the contexts; with the view ``users``.
        fields: the columns of the users.
        found: what ``read`` has returned.
        persons: the table of the users' ids and numbers, ``u`` and ``n``.
    """
    if not fields or not found.values:
        return np.zeros(0, np.int32), np.zeros(0, np.int32)
    selects = " UNION ALL ".join(
        f"""SELECT "USER_ID" AS u, {sql_text(f"{OF_USER}{one.name}=")} ||
            {_said(one, found.bounds[f"{OF_USER}{one.name}"])} AS value
            FROM users WHERE "{one.name}" IS NOT NULL"""
        for one in fields
    )
    rows: dict[str, NDArray[Any]] = connection.execute(
        f"""
        WITH number AS (SELECT value, row_number() OVER (ORDER BY value) - 1 AS n
                        FROM (SELECT DISTINCT value FROM context))
        SELECT DISTINCT persons.n AS person, number.n AS value
        FROM ({selects}) JOIN number USING (value) JOIN {persons} persons USING (u) ORDER BY ALL
        """
    ).fetchnumpy()
    return np.asarray(rows["person"], np.int32), np.asarray(rows["value"], np.int32)


def _bounds(connection: duckdb.DuckDBPyConnection, one: Field, of: str) -> list[float]:
    """Return the bounds between bins that hold about equally many of a column's numbers, ascending."""
    shares = [step / _BINS for step in range(1, _BINS)]
    query = f'SELECT quantile_disc("{one.name}", {shares})::DOUBLE[] {of} AND "{one.name}" IS NOT NULL'
    return sorted(set(connection.execute(query).fetchall()[0][0] or ()))


def _said(one: Field, bounds: Sequence[float] | None) -> str:
    """Return the SQL of what a column says: each of its categories, or the number of its bin."""
    if bounds is None:
        return f"unnest(string_split(\"{one.name}\", '|'))"
    return " + ".join(["0", *(f'("{one.name}" >= {bound!r})::INTEGER' for bound in bounds)]).join("()")
