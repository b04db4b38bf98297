"""A filter over a catalogue: which items, users or actions may be recommended.

The rows of all INCLUDE expressions together (all rows if there is none), without the rows of any EXCLUDE expression.
What depends on metadata alone is remembered as masks; what depends on the user's history is a few rows. Source: the
developer guide's "Filter expression examples" for how expressions combine; where it is silent, docs/how-to/filters.md.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final, TypeAlias

import numpy as np

from sartor.filters.columns import Block, Columns, Mask
from sartor.filters.compare import meets, rows_that_meet
from sartor.filters.history import History, rows_of
from sartor.filters.masks import Masks
from sartor.filters.tree import (
    Action,
    Condition,
    CurrentItem,
    Expression,
    Filter,
    Placeholder,
    Value,
    Wildcard,
)
from sartor.filters.values import Parameters

_Own: TypeAlias = tuple[str | int | float, ...]
_NO_HISTORY: Final[History] = {}


def evaluate(
    of: Filter,
    parameters: Parameters,
    columns: Columns | None,
    n_rows: int,
    user: Mapping[str, Any] | None = None,
    history: History | None = None,
    current_item: int | None = None,
    masks: Masks | None = None,
) -> Mask:
    """Return which rows of a catalogue pass a filter.

    Args:
        of: what ``check`` has returned.
        parameters: what ``values.read`` has returned.
        columns: the metadata of what is filtered; None: there is none, all is null.
        n_rows: the length of the catalogue; rows that ``columns`` has beyond it do not count.
        user: the attributes of the request's user by column, as they are or as ``Columns.texts`` has them; None: the
            user is unknown, so that no IF holds.
        history: the rows the user has events with, by folded event type.
        current_item: the row of the request's item; None: it has no metadata.
        masks: where masks are remembered.

    Returns:
        True for each row that passes. It may be remembered: copy it before writing to it.
    """
    if columns is None:
        columns, masks = Columns.build((), {}, n_rows), None
    if columns.n_rows < n_rows:
        raise ValueError(f"the columns have {columns.n_rows} rows, the catalogue has {n_rows}")
    request = _Request(of, parameters, columns, current_item)
    active = tuple(place for place, one in enumerate(of.expressions) if request.applies(one, user))
    part = _Part(request, active, n_rows, masks if of.text else None)
    past = [of.expressions[place] for place in active if of.expressions[place].of_history]
    if not past:
        return part.kept()
    mask = _with_includes(part, past, history or _NO_HISTORY)
    for expression in past:
        if expression.action == "EXCLUDE":
            part.rows(expression, history or _NO_HISTORY).put(mask, False)
    return mask


@dataclass(frozen=True)
class Shared:
    """A filter as far as metadata says, and what is left for each user to say.

    Attributes:
        kept: bool[rows], which rows metadata keeps; it may be remembered.
        removed: the folded event types with which a user's rows are removed; ``None`` is any type.
    """

    kept: Mask
    removed: frozenset[str] | None


def shared(
    of: Filter,
    parameters: Parameters,
    columns: Columns,
    user: Mapping[str, Any] | None = None,
    masks: Masks | None = None,
) -> Shared | None:
    """Return what of a filter is the same for many users; ``None`` for one that is not made so.

    Its conditions on the history may only remove rows, by the event types that they name. The arguments are those of
    ``evaluate``; nobody asks about an item.
    """
    request = _Request(of, parameters, columns, None)
    active = tuple(place for place, one in enumerate(of.expressions) if request.applies(one, user))
    part = _Part(request, active, columns.n_rows, masks if of.text else None)
    removed: set[str] = set()
    anything = False
    for expression in (of.expressions[place] for place in active):
        if not expression.of_history:
            continue
        single = all(len(all_of) == 1 for all_of in expression.any_of)
        if expression.action != "EXCLUDE" or not single:
            return None
        for condition in expression.where:
            if condition.operator not in ("IN", "="):
                return None
            anything |= any(isinstance(operand, Wildcard) for operand in condition.operands)
            removed.update(str(value).casefold() for value in request.values(condition))
    return Shared(part.kept(), None if anything else frozenset(removed))


def _with_includes(part: "_Part", past: Sequence[Expression], history: History) -> Mask:
    """Return a mask of one's own, right but for the history's EXCLUDE expressions."""
    included = [expression for expression in past if expression.action == "INCLUDE"]
    if not included:
        return part.kept().copy()
    mask = part.union("INCLUDE").copy()
    for expression in included:
        part.rows(expression, history).put(mask, True)
    if part.has("EXCLUDE"):
        np.greater(mask, part.union("EXCLUDE"), out=mask)
    return mask


class _Request:
    """What a request fills into a filter.

    Args:
        of: the filter.
        parameters: the values of its placeholders.
        columns: the metadata.
        current_item: the row of the request's item, if it has one.
    """

    def __init__(
        self, of: Filter, parameters: Parameters, columns: Columns, current_item: int | None
    ) -> None:
        self.filter = of
        self.parameters = parameters
        self.columns = columns
        self.current: Mapping[str, _Own] = {
            name: () if current_item is None else columns.at(current_item, name) for name in of.current_fields
        }

    def applies(self, expression: Expression, user: Mapping[str, Any] | None) -> bool:
        """Say whether an expression counts: its parameters are there and its IF holds."""
        if not expression.placeholders <= self.parameters.keys():
            return False
        if not expression.user:
            return True
        return user is not None and all(
            meets(user.get(one.field), one.kind, one.operator, self.values(one)) for one in expression.user
        )

    def values(self, condition: Condition) -> _Own:
        """Return what a condition compares with; nothing for the wildcard."""
        found: list[str | int | float] = []
        for operand in condition.operands:
            match operand:
                case Value():
                    found.append(operand.text)
                case Placeholder():
                    found.extend(self.parameters[operand.name])
                case CurrentItem():
                    found.extend(self.current[operand.field])
        return tuple(found)

    def key(self) -> tuple[Any, ...]:
        """Return what tells this filter's masks from any others on the same metadata."""
        return self.filter.text, tuple(sorted(self.parameters.items())), tuple(self.current.values())


@dataclass
class _Part:
    """The expressions of a request that count.

    Attributes:
        request: the request.
        active: their places in the filter.
        n_rows: the length of the catalogue.
        masks: where masks are remembered.
    """

    request: _Request
    active: tuple[int, ...]
    n_rows: int
    masks: Masks | None

    def has(self, action: Action) -> bool:
        """Say whether any expression on metadata does this."""
        return bool(self._of(action))

    def kept(self) -> Mask:
        """Return the rows that pass all expressions on metadata."""
        return self._everywhere("KEPT", self._kept_in)

    def union(self, action: Action) -> Mask:
        """Return the rows that any expression on metadata includes, or excludes."""
        return self._everywhere(action, lambda block: self._union_in(block, action))

    def rows(self, expression: Expression, history: History) -> Any:
        """Return the rows that meet an expression on the user's history."""
        wanted = {one: [str(value) for value in self.request.values(one)] for one in expression.where}
        return rows_of(expression, wanted, history, self.n_rows)

    def _of(self, action: Action) -> list[Expression]:
        every = (self.request.filter.expressions[place] for place in self.active)
        return [one for one in every if one.action == action and not one.of_history]

    def _kept_in(self, block: Block) -> Mask:
        if not self._of("INCLUDE"):
            return (
                ~self._union_in(block, "EXCLUDE")
                if self.has("EXCLUDE")
                else np.ones(block.length, dtype=bool)
            )
        found = self._union_in(block, "INCLUDE")
        return (
            np.greater(found, self._union_in(block, "EXCLUDE"), out=found) if self.has("EXCLUDE") else found
        )

    def _union_in(self, block: Block, action: Action) -> Mask:
        met = [self._met(one, block) for one in self._of(action)]
        return reduce(_or, met) if met else np.zeros(block.length, dtype=bool)

    def _met(self, expression: Expression, block: Block) -> Mask:
        """Return which rows of a block meet an expression."""
        return reduce(
            _or,
            (
                reduce(_and, (self._condition(condition, block) for condition in all_of))
                for all_of in expression.any_of
            ),
        )

    def _condition(self, condition: Condition, block: Block) -> Mask:
        column = block.columns.get(condition.field)
        return rows_that_meet(column, condition.operator, self.request.values(condition), block.length)

    def _everywhere(self, role: str, compute: Callable[[Block], Mask]) -> Mask:
        """Return a mask of the whole catalogue: that of the block, and over it that of the changed rows."""
        columns = self.request.columns
        found = self._remembered(
            (columns.version, role) if columns.changed else (columns.block.version, role),
            lambda: self._patched(role, compute) if columns.changed else compute(columns.block),
        )
        return found if len(found) == self.n_rows else found[: self.n_rows]

    def _patched(self, role: str, compute: Callable[[Block], Mask]) -> Mask:
        columns = self.request.columns
        base = self._remembered((columns.block.version, role), lambda: compute(columns.block))
        mask = np.empty(columns.n_rows, dtype=bool)
        mask[: len(base)] = base
        rows, patch = columns.patch
        mask[rows] = compute(patch)
        return mask

    def _remembered(self, key: tuple[int, str], make: Callable[[], Mask]) -> Mask:
        if self.masks is None:
            return make()
        return self.masks.get((*key, self.active, self.request.key()), make)


def _and(one: Mask, other: Mask) -> Mask:
    return np.logical_and(one, other, out=one)


def _or(one: Mask, other: Mask) -> Mask:
    return np.logical_or(one, other, out=one)
