"""What a filter says: expressions, their conditions, the operands of those; and what can be asked of the whole."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, TypeAlias

Action: TypeAlias = Literal["INCLUDE", "EXCLUDE"]
Target: TypeAlias = Literal["ItemID", "UserID", "ActionID"]
Operator: TypeAlias = Literal["IN", "NOT IN", "=", "!=", "<", "<=", ">", ">="]
#: How the values of a field are compared: numbers, whole strings, or strings that ``|`` parts into several.
Kind: TypeAlias = Literal["number", "string", "categories"]

#: The prefixes of fields, and the dataset type whose columns each means.
DATASETS: Final[Mapping[str, str]] = {
    "Interactions": "INTERACTIONS",
    "Items": "ITEMS",
    "Users": "USERS",
    "Actions": "ACTIONS",
    "Action_Interactions": "ACTION_INTERACTIONS",
    "CurrentUser": "USERS",
    "CurrentItem": "ITEMS",
}
#: The datasets whose conditions are about what a user did.
HISTORIES: Final = frozenset({"Interactions", "Action_Interactions"})


@dataclass(frozen=True)
class Position:
    """Where something stands in an expression; all count from 1.

    Attributes:
        line: the line.
        column: the character in its line.
        character: the character in the whole text.
    """

    line: int
    column: int
    character: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column} (character {self.character})"


START: Final = Position(1, 1, 1)


@dataclass(frozen=True)
class Value:
    """A value that is written in the expression.

    Attributes:
        text: the value, without quotes.
        quoted: whether it stood in quotes; else it is a number.
        at: where it stands.
    """

    text: str
    quoted: bool
    at: Position = dataclasses.field(default=START, compare=False)


@dataclass(frozen=True)
class Placeholder:
    """A value, or several, that each request brings.

    Attributes:
        name: the key of ``filterValues``, without the dollar sign.
        at: where it stands.
    """

    name: str
    at: Position = dataclasses.field(default=START, compare=False)


@dataclass(frozen=True)
class Wildcard:
    """``*``: any event type.

    Attributes:
        at: where it stands.
    """

    at: Position = dataclasses.field(default=START, compare=False)


@dataclass(frozen=True)
class CurrentItem:
    """What the item of a request for related items has in a column.

    Attributes:
        field: the column's name.
        at: where it stands.
    """

    field: str
    at: Position = dataclasses.field(default=START, compare=False)


Operand: TypeAlias = Value | Placeholder | Wildcard | CurrentItem


@dataclass(frozen=True)
class Condition:
    """One comparison of one field.

    Attributes:
        dataset: a key of ``DATASETS``.
        field: the column's name.
        operator: how it is compared.
        operands: with what; exactly one unless the operator is IN or NOT IN.
        kind: how the field's values are compared; None until ``check`` has looked.
        at: where it stands.
    """

    dataset: str
    field: str
    operator: Operator
    operands: tuple[Operand, ...]
    kind: Kind | None = dataclasses.field(default=None, compare=False)
    at: Position = dataclasses.field(default=START, compare=False)

    @property
    def placeholders(self) -> tuple[Placeholder, ...]:
        """The operands that requests bring."""
        return tuple(operand for operand in self.operands if isinstance(operand, Placeholder))


@dataclass(frozen=True)
class Expression:
    """What is included or excluded, and for which users.

    Attributes:
        action: whether what meets the conditions stays or goes.
        target: what is filtered.
        any_of: the conditions, alternatives of which each is conditions that must all hold.
        user: the conditions after IF, which must all hold of the user; none: the expression is for everybody.
        at: where it stands.
    """

    action: Action
    target: Target
    any_of: tuple[tuple[Condition, ...], ...]
    user: tuple[Condition, ...] = ()
    at: Position = dataclasses.field(default=START, compare=False)

    @cached_property
    def where(self) -> tuple[Condition, ...]:
        """The conditions before IF, as written."""
        return tuple(condition for all_of in self.any_of for condition in all_of)

    @cached_property
    def of_history(self) -> bool:
        """Whether it is about what a user did."""
        return self.where[0].dataset in HISTORIES

    @cached_property
    def placeholders(self) -> frozenset[str]:
        """The names of what requests bring for it, also for its IF."""
        conditions = (*self.where, *self.user)
        return frozenset(one.name for condition in conditions for one in condition.placeholders)


@dataclass(frozen=True)
class Filter:
    """A whole filter.

    Attributes:
        expressions: at least one.
        text: as it was written.
    """

    expressions: tuple[Expression, ...]
    text: str = dataclasses.field(default="", compare=False)

    @cached_property
    def brought(self) -> tuple[tuple[Condition, Placeholder], ...]:
        """The operands that requests bring, with their conditions, in the order of the text."""
        return tuple((condition, one) for condition in conditions(self) for one in condition.placeholders)

    @cached_property
    def has_user(self) -> bool:
        """Whether it has an IF."""
        return any(expression.user for expression in self.expressions)

    @cached_property
    def has_history(self) -> bool:
        """Whether it is about what a user did, in part at least."""
        return any(expression.of_history for expression in self.expressions)

    @cached_property
    def is_of_catalogue(self) -> bool:
        """Whether it says the same to every request: it looks at nothing but the catalogue."""
        return not (self.brought or self.has_user or self.has_history or self.current_fields)

    @cached_property
    def current_fields(self) -> tuple[str, ...]:
        """The columns of the current item that it compares with."""
        operands = (operand for condition in conditions(self) for operand in condition.operands)
        return tuple(sorted({operand.field for operand in operands if isinstance(operand, CurrentItem)}))


def conditions(of: Filter) -> Iterator[Condition]:
    """Yield every condition, in the order of the text."""
    for expression in of.expressions:
        yield from expression.where
        yield from expression.user


def fields(of: Filter) -> frozenset[tuple[str, str]]:
    """Return the columns that it reads, as dataset type and name; the quotas count these."""
    found = set()
    for condition in conditions(of):
        found.add((DATASETS[condition.dataset], condition.field))
        found.update(("ITEMS", one.field) for one in condition.operands if isinstance(one, CurrentItem))
    return frozenset(found)


def placeholders(of: Filter) -> frozenset[str]:
    """Return the keys of ``filterValues`` that it knows."""
    return frozenset(name for expression in of.expressions for name in expression.placeholders)


def uses_current_item(of: Filter) -> bool:
    """Say whether it compares with the item of the request, which only related items have."""
    return bool(of.current_fields)


def uses_current_user(of: Filter) -> bool:
    """Say whether it has an IF, so that the user's attributes are needed."""
    return of.has_user


def uses_history(of: Filter) -> bool:
    """Say whether it looks at what the user did."""
    return of.has_history


def target(of: Filter) -> Target:
    """Return what it filters."""
    return of.expressions[0].target
