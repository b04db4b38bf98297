"""Conditions over whole columns: which rows meet one.

Null meets no comparison and is IN nothing, so it is NOT IN everything. A row with several categories is IN a list if
any of them is.
"""

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from sartor.filters.columns import Column, Mask, Numeric, Tokens
from sartor.filters.tree import Kind, Operator
from sartor.filters.values import number

#: What a column is compared with, or what one row has: texts as they are, or numbers.
Values: TypeAlias = Sequence[str | int | float]

_ORDER: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
#: The whole number that a fraction stands for in a comparison with whole numbers.
_ROUNDED: Final[Mapping[str, Callable[[float], int]]] = {
    "<": math.ceil,
    "<=": math.floor,
    ">": math.floor,
    ">=": math.ceil,
}
#: With how many texts looking each row's code up beats comparing.
_FEW: Final = 2


def rows_that_meet(column: Column | None, sign: Operator, values: Values, length: int) -> Mask:
    """Return which rows meet a condition, in an array of its own.

    Args:
        column: the condition's field; None: it is null everywhere.
        sign: the operator.
        values: what it is compared with; nothing is null.
        length: the number of rows.
    """
    if column is None:
        return np.full(length, sign == "NOT IN")
    if sign in _ORDER:
        return _ordered(column, sign, values, length)
    equal = _equal_number if isinstance(column, Numeric) else _equal_text
    found = equal(column, values, length)  # type: ignore[arg-type]
    if sign == "NOT IN" or (sign == "!=" and values):
        np.logical_not(found, out=found)
    if sign == "!=":
        _only_present(column, found)
    return found


def meets(own: Any, kind: Kind | None, sign: Operator, values: Values) -> bool:
    """Say whether one value, such as a user's attribute, meets a condition."""
    has, wanted = _typed(_several(own, kind), kind), _typed(values, kind)
    if sign in _ORDER:
        return bool(has and wanted) and bool(_ORDER[sign](has[0], wanted[0]))
    found = any(one in wanted for one in has)
    if sign == "!=":
        return bool(has and wanted) and not found
    return found != (sign == "NOT IN")


def _several(own: Any, kind: Kind | None) -> Values:
    if own is None or own != own:
        return ()
    return (
        str(own).split("|")
        if kind == "categories"
        else (own if isinstance(own, str | int | float) else str(own),)
    )


def _typed(values: Iterable[str | int | float], kind: Kind | None) -> list[Any]:
    return _numbers(values) if kind == "number" else [str(value) for value in values]


def _numbers(values: Iterable[str | int | float]) -> list[int | float]:
    """Return the values as numbers, without those that are none."""
    read = (number(value) if isinstance(value, str) else value for value in values)
    return [value for value in read if value is not None]


def _ordered(column: Column, sign: Operator, values: Values, length: int) -> Mask:
    numbers = _numbers(values)
    if not isinstance(column, Numeric) or not numbers:
        return np.zeros(length, dtype=bool)
    value: Any = numbers[0]
    if column.values.dtype.kind == "f":
        value = _as(column.values.dtype, [value])[0]
    elif isinstance(value, float):
        value = _ROUNDED[sign](value)
    found: Mask = _ORDER[sign](column.values, value)
    return _only_valid(column, found)


def _equal_number(column: Numeric, values: Values, length: int) -> Mask:
    """Return which rows equal any of some numbers."""
    wanted: list[Any] = _numbers(values)
    dtype = column.values.dtype
    if dtype.kind == "i":
        limits = np.iinfo(dtype)
        wanted = [int(value) for value in wanted if value == int(value) and limits.min <= value <= limits.max]
    if not wanted:
        return np.zeros(length, dtype=bool)
    converted = _as(dtype, wanted)
    found: Mask = column.values == converted[0] if len(converted) == 1 else np.isin(column.values, converted)
    return _only_valid(column, found)


def _as(dtype: np.dtype[Any], values: Sequence[int | float]) -> npt.NDArray[Any]:
    """Return numbers as a column holds them, so that 9.99 equals what a ``float`` made of 9.99."""
    with np.errstate(over="ignore"):
        return (
            np.array(values).astype(dtype)
            if dtype.kind == "i"
            else np.array(list(map(float, values))).astype(dtype)
        )


def _equal_text(column: Tokens, values: Values, length: int) -> Mask:
    """Return which rows have any of some texts."""
    known = {column.code_of.get(str(value)) for value in values}
    wanted = sorted(code for code in known if code is not None)
    if not wanted:
        return np.zeros(length, dtype=bool)
    if len(wanted) <= _FEW:
        hit: Mask = column.codes == wanted[0]
        for code in wanted[1:]:
            hit |= column.codes == code
    else:
        # One place more, and false there: -1, no text, looks it up.
        looked_up = np.zeros(len(column.tokens) + 1, dtype=bool)
        looked_up[wanted] = True
        hit = looked_up[column.codes]
    if column.rows is None:
        return hit
    found = np.zeros(length, dtype=bool)
    found[column.rows[hit]] = True
    return found


def _only_valid(column: Numeric, found: Mask) -> Mask:
    if column.valid is not None:
        found &= column.valid
    return found


def _only_present(column: Column, found: Mask) -> None:
    """Drop the rows without a value."""
    if isinstance(column, Numeric):
        _only_valid(column, found)
    elif column.rows is None:
        found &= column.codes >= 0
    else:
        present = np.zeros(len(found), dtype=bool)
        present[column.rows] = True
        found &= present
