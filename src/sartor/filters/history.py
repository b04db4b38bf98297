"""Conditions on what a user did: sets of rows, kept as the few that are in or the few that are not.

Source: the developer guide's "Filter expression elements". What it leaves open: NOT IN is the complement of IN; a row
without any event has no event type, so it meets no ``!=``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from sartor.filters.columns import Mask
from sartor.filters.tree import Condition, Expression, Wildcard

#: The rows that a user has events with, by the event type as ``folded`` has it; in any order, as often as they like.
History: TypeAlias = Mapping[str, npt.NDArray[np.integer[Any]] | Sequence[int]]


def folded(event_type: str, dataset: str) -> str:
    """Return an event type in the form in which types are compared.

    Args:
        event_type: as it was given.
        dataset: a key of ``DATASETS``; of actions samples have ``Not taken`` for ``NOT_TAKEN`` too.
    """
    found = event_type.casefold()
    return found.replace(" ", "_") if dataset == "Action_Interactions" else found


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows, or all but some.

    Attributes:
        few: row numbers, ascending and distinct.
        others: whether all rows but these are meant.
    """

    few: npt.NDArray[np.int64]
    others: bool = False

    def __invert__(self) -> "Rows":
        return Rows(self.few, not self.others)

    def __and__(self, other: "Rows") -> "Rows":
        match self.others, other.others:
            case False, False:
                return Rows(np.intersect1d(self.few, other.few, assume_unique=True))
            case False, True:
                return Rows(np.setdiff1d(self.few, other.few, assume_unique=True))
            case True, False:
                return other & self
        return Rows(np.union1d(self.few, other.few), True)

    def __or__(self, other: "Rows") -> "Rows":
        return ~(~self & ~other)

    def put(self, mask: Mask, value: bool) -> None:
        """Write a value into a mask at these rows."""
        if self.others:
            before = mask[self.few]
            mask[:] = value
            mask[self.few] = before
        else:
            mask[self.few] = value


NONE: Final = Rows(np.empty(0, dtype=np.int64))


def rows_of(
    expression: Expression, wanted: Mapping[Condition, Iterable[str]], history: History, n_rows: int
) -> Rows:
    """Return the rows that meet an expression on a user's history.

    Args:
        expression: one whose conditions are about event types.
        wanted: the event types that each condition compares with.
        history: the user's.
        n_rows: the length of the catalogue; rows outside it do not count.
    """
    found = NONE
    for all_of in expression.any_of:
        met = [_met(condition, wanted[condition], history, n_rows) for condition in all_of]
        found |= reduce(Rows.__and__, met)
    return found


def _met(condition: Condition, wanted: Iterable[str], history: History, n_rows: int) -> Rows:
    if any(isinstance(operand, Wildcard) for operand in condition.operands):
        types: Iterable[str] = history.keys()
    else:
        types = {folded(name, condition.dataset) for name in wanted}
    found = _with(types, history, n_rows)
    match condition.operator:
        case "NOT IN":
            return ~found
        case "!=":
            return _with(history.keys(), history, n_rows) & ~found
    return found


def _with(types: Iterable[str], history: History, n_rows: int) -> Rows:
    """Return the rows that have an event of any of some types."""
    arrays = [np.asarray(history[name], dtype=np.int64) for name in types if name in history]
    if not arrays:
        return NONE
    few = np.unique(np.concatenate(arrays))
    return Rows(few[(few >= 0) & (few < n_rows)])
