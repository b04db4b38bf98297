"""In which contexts items were interacted with: by device, by weather, whatever the interactions' own columns say.

Source: the guide's "Contextual metadata": categories and numbers of the Item interactions dataset, given again with a
request.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import duckdb
import numpy as np
from numpy.typing import NDArray

from sartor.data.schema import Field, Schema
from sartor.data.sql import sql_text

#: Numbers fall into this many bins, each with an equal share of the interactions.
_BINS: Final = 10
#: A value that fewer interactions have says nothing.
_LEAST_INTERACTIONS: Final = 10


@dataclass(frozen=True)
class Contexts:
    """How often each item was interacted with in each context.

    Attributes:
        bounds: of each contextual column, the bounds between the bins of its numbers; ``None`` for categories.
        values: what each context says, such as ``DEVICE=phone``, or ``TEMPERATURE=3`` for a bin.
        offsets: int64[values + 1], where the items of each begin.
        item: int32[k].
        count: int32[k], the interactions of this item in this context.
    """

    bounds: Mapping[str, Sequence[float] | None] = field(default_factory=dict)
    values: Sequence[str] = ()
    offsets: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    item: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    count: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))


def contextual(schema: Schema, excluded: Collection[str]) -> list[Field]:
    """Return the columns of an interactions schema that say in which context an interaction was.

    Args:
        schema: of the interactions.
        excluded: columns that a solution leaves out, in any case.
    """
    left_out = {name.casefold() for name in excluded}
    reserved = {name for name, keyword in schema.type_rules.keywords.items() if not keyword.is_metadata}
    return [
        one
        for one in schema.fields
        if one.name not in reserved
        and one.name.casefold() not in left_out
        and (one.categorical or one.is_number)
    ]


def read(connection: duckdb.DuckDBPyConnection, columns: Sequence[Field], counted: str) -> Contexts:
    """Return the contexts of the interactions that count.

    Args:
        connection: with the view ``data`` of interactions and the table ``item_number`` of item ids and numbers.
        columns: the contextual ones.
        counted: SQL that says whether an interaction counts.
    """
    if not columns:
        return Contexts()
    bounds = {
        one.name: None if one.categorical else _bounds(connection, one.name, counted) for one in columns
    }
    selects = " UNION ALL ".join(
        f"""SELECT "ITEM_ID" AS i, {sql_text(f"{name}=")} || {_said(name, limits)} AS value
            FROM data WHERE "{name}" IS NOT NULL AND ({counted})"""
        for name, limits in bounds.items()
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
    values = [
        value
        for (value,) in connection.execute("SELECT DISTINCT value FROM context ORDER BY value").fetchall()
    ]
    return Contexts(
        bounds,
        tuple(values),
        np.searchsorted(np.asarray(rows["number"], np.int64), np.arange(len(values) + 1)).astype(np.int64),
        np.asarray(rows["item"], np.int32),
        np.asarray(rows["count"], np.int32),
    )


def _bounds(connection: duckdb.DuckDBPyConnection, name: str, counted: str) -> list[float]:
    """Return the bounds between bins that hold about equally many of a column's numbers, ascending."""
    shares = [step / _BINS for step in range(1, _BINS)]
    found = connection.execute(
        f'SELECT quantile_disc("{name}", {shares})::DOUBLE[] FROM data WHERE "{name}" IS NOT NULL AND ({counted})'
    ).fetchall()[0][0]
    return sorted(set(found or ()))


def _said(name: str, bounds: Sequence[float] | None) -> str:
    """Return the SQL of what a column says: each of its categories, or the number of its bin."""
    if bounds is None:
        return f"unnest(string_split(\"{name}\", '|'))"
    return " + ".join(["0", *(f'("{name}" >= {bound!r})::INTEGER' for bound in bounds)]).join("()")
