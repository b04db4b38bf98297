"""The attributes that a segment of users is asked for by, such as ``ITEMS.GENRES = "Comedy" AND ITEMS.YEAR = 1994``.

Conditions as in filters, on items alone, with ``=`` and ``AND`` alone. Source: the guide's "Specifying item attributes
for the Item-Attribute-Affinity recipe".
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import reduce
from typing import Final

import numpy as np

from sartor.errors import invalid_input
from sartor.filters.columns import Column, Columns, Mask, Numeric, Rows
from sartor.filters.compare import rows_that_meet
from sartor.filters.parse import parse_conditions
from sartor.filters.schema import Field
from sartor.filters.tree import Condition, Value
from sartor.filters.values import number

#: What every refusal begins with.
REFUSED: Final = "Invalid itemAttributes."


def read(text: str, fields: Sequence[Field]) -> tuple[Condition, ...]:
    """Read an expression and hold it against the columns that segments can be asked for by.

    Args:
        text: the value of ``itemAttributes``.
        fields: the columns.

    Returns:
        The conditions, with their columns spelled as in the schema.

    Raises:
        ApiError: ``InvalidInputException`` that says what is wrong, where, and what could stand there.
    """
    conditions = parse_conditions(text, REFUSED)
    faults = [fault for one in conditions for fault in _faults(one, fields)]
    if faults:
        raise invalid_input(f"{REFUSED} {' '.join(faults)}")
    return tuple(replace(one, field=_found(one.field, fields).name) for one in conditions)


def rows(conditions: Sequence[Condition], columns: Columns) -> Mask:
    """Return which items meet all conditions that ``read`` has returned, in an array of its own."""
    met = [
        rows_that_meet(
            columns.block.columns[one.field],
            "IN",  # of several categories any may be the one
            [operand.text for operand in one.operands if isinstance(operand, Value)],
            columns.n_rows,
        )
        for one in conditions
    ]
    return reduce(np.logical_and, met)


def of_each_value(columns: Columns) -> Iterator[Rows]:
    """Yield the items, ascending, that have a value, for each value of each column."""
    for column in columns.block.columns.values():
        items, codes = _entries(column)
        order = np.argsort(codes, kind="stable")
        ends = np.flatnonzero(np.diff(codes[order], append=-1)) + 1
        yield from np.split(items[order], ends)[:-1]


def _entries(column: Column) -> tuple[Rows, Rows]:
    """Return which rows have a value, as often as they have one, and the number of the value."""
    if not isinstance(column, Numeric):
        return column.entries
    valid = np.ones(len(column.values), np.bool_) if column.valid is None else column.valid
    items = np.flatnonzero(valid)
    return items, np.unique(column.values[items], return_inverse=True)[1]


def _found(name: str, fields: Sequence[Field]) -> Field:
    return next(one for one in fields if one.name.casefold() == name.casefold())


def _faults(condition: Condition, fields: Sequence[Field]) -> Iterator[str]:
    """Yield what is wrong with a condition."""
    named = f"{condition.dataset}.{condition.field} at {condition.at}"
    if condition.dataset != "Items":
        yield f"{named}: only columns of Items can be asked for."
        return
    by_name: Mapping[str, Field] = {one.name.casefold(): one for one in fields}
    field = by_name.get(condition.field.casefold())
    if field is None:
        near = get_close_matches(condition.field.casefold(), by_name, 1)
        hint = f" Did you mean {by_name[near[0]].name}?" if near else ""
        known = ", ".join(one.name for one in fields) or "none"
        yield f"{named}: there was no such column to train on. The columns are: {known}.{hint}"
        return
    if condition.operator != "=":
        yield f"{named}: only = can be used, not {condition.operator}."
    for operand in condition.operands:
        if not isinstance(operand, Value):
            yield f"{named}: a value must stand here, neither a placeholder, CurrentItem nor *."
        elif field.type != "string" and number(operand.text) is None:
            yield f'{named}: the column is numeric, "{operand.text}" is not a number.'
