"""What a filter must keep to at its creation: the names in it, and what may be compared with what.

Source: the developer guide's "Filter expression structure and elements" and "Guidelines and requirements". One
error names every broken rule, each with its place.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final

from sartor.errors import invalid_input, limit_exceeded
from sartor.filters.parse import REFUSED
from sartor.filters.schema import Schema
from sartor.filters.tree import (
    DATASETS,
    HISTORIES,
    Condition,
    CurrentItem,
    Expression,
    Filter,
    Kind,
    Operand,
    Placeholder,
    Position,
    Target,
    Value,
    Wildcard,
    conditions,
)
from sartor.filters.values import number

#: How many columns one filter may use ("Amazon Personalize endpoints and quotas").
MAXIMUM_FIELDS: Final = 10
#: The longest name of a placeholder: the longest key of ``filterValues``.
MAXIMUM_NAME: Final = 50
#: Which datasets the conditions of a target may use.
ALLOWED: Final[Mapping[Target, tuple[str, ...]]] = {
    "ItemID": ("Items", "Interactions"),
    "UserID": ("Users", "Interactions"),
    "ActionID": ("Actions", "Action_Interactions"),
}
#: The targets that are filtered for one user, so that an IF can ask about that user.
_FOR_ONE_USER: Final = ("ItemID", "ActionID")
_EVENT_TYPE: Final = "EVENT_TYPE"
#: Columns of Actions that have their own effect and cannot be filtered by.
_RESERVED: Final = frozenset({"EXPIRATION_TIMESTAMP", "ACTION_EXPIRATION_TIMESTAMP", "REPEAT_FREQUENCY"})
_NUMERIC: Final = frozenset({"int", "long", "float", "double"})
_ORDERING: Final = frozenset({"<", "<=", ">", ">="})


@dataclass(frozen=True)
class _Column:
    """A column that a condition may use: its name in the schema, and how its values are compared."""

    name: str
    kind: Kind


def check(
    of: Filter, schemas: Mapping[str, Schema], *, maximum_fields: int | None = MAXIMUM_FIELDS
) -> Filter:
    """Hold a filter against the schemas of its dataset group.

    Args:
        of: what ``parse`` has returned.
        schemas: by dataset type, such as ``ITEMS``; of the datasets that exist.
        maximum_fields: the quota of columns; None: there is none.

    Returns:
        The filter with its columns spelled as in the schemas and the kind of each condition.

    Raises:
        ApiError: ``InvalidInputException`` that names each broken rule and its place, or
            ``LimitExceededException`` for too many columns.
    """
    faults: list[str] = []
    resolved = []
    for expression in of.expressions:
        broken = list(_expression_faults(expression, of.expressions[0]))
        faults.extend(broken)
        resolved.append(expression if broken else _resolved(expression, schemas, faults))
    if faults:
        raise invalid_input(f"{REFUSED} {' '.join(faults)}")
    checked = Filter(tuple(resolved), of.text)
    if maximum_fields is not None:
        _count(checked, maximum_fields)
    return checked


def _fault(what: object, at: Position, why: str) -> str:
    return f"Invalid Expression {what} at {at}: {why}"


def _expression_faults(expression: Expression, first: Expression) -> Iterator[str]:
    """Yield what is wrong with an expression's target, and with the datasets of its conditions."""
    if expression.target != first.target:
        yield _fault(
            expression.target, expression.at, f"every expression of this filter must be about {first.target}."
        )
    allowed = ALLOWED[expression.target]
    dataset = expression.where[0].dataset
    for condition in expression.where:
        why = _misplaced(condition, expression.target)
        if why is None and condition.dataset != dataset and dataset in allowed:
            why = f"one expression uses one dataset, this one uses {dataset}. Join two expressions with |."
        if why is not None:
            yield _fault(_named(condition), condition.at, why)
    for condition in expression.user:
        if condition.dataset != "CurrentUser":
            yield _fault(_named(condition), condition.at, "after IF only CurrentUser can be used.")
        elif expression.target not in _FOR_ONE_USER:
            yield _fault(_named(condition), condition.at, f"{expression.target} filters cannot have an IF.")


def _misplaced(condition: Condition, target: Target) -> str | None:
    """Return why a condition before IF cannot use its dataset, or None."""
    if condition.dataset == "CurrentUser":
        return "CurrentUser can only be used after IF."
    if condition.dataset == "CurrentItem":
        return "CurrentItem can only stand on the right of an operator."
    if condition.dataset not in ALLOWED[target]:
        return f"{target} filters can only use {' and '.join(ALLOWED[target])}."
    return None


def _named(condition: Condition) -> str:
    return f"{condition.dataset}.{condition.field}"


def _resolved(expression: Expression, schemas: Mapping[str, Schema], faults: list[str]) -> Expression:
    """Return an expression with the names of the schemas; what cannot be resolved is said in ``faults``."""
    any_of = tuple(
        tuple(_condition(condition, expression, schemas, faults) for condition in all_of)
        for all_of in expression.any_of
    )
    user = tuple(_condition(condition, expression, schemas, faults) for condition in expression.user)
    return replace(expression, any_of=any_of, user=user)


def _condition(
    condition: Condition, expression: Expression, schemas: Mapping[str, Schema], faults: list[str]
) -> Condition:
    column = _column(condition.dataset, condition.field, condition.at, schemas, faults)
    if column is None:
        return condition
    found = replace(condition, field=column.name, kind=column.kind)
    faults.extend(_operator_faults(found))
    operands: list[Operand] = []
    for operand in condition.operands:
        if isinstance(operand, CurrentItem):
            operands.append(_current_item(operand, found, expression, schemas, faults))
        else:
            faults.extend(_operand_faults(operand, found))
            operands.append(operand)
    return replace(found, operands=tuple(operands))


def _column(
    dataset: str, name: str, at: Position, schemas: Mapping[str, Schema], faults: list[str]
) -> _Column | None:
    """Return the column of a name in any letter case, or None and say in ``faults`` why it cannot be used."""
    schema = schemas.get(DATASETS[dataset])
    columns = {field.name.casefold(): field for field in schema.fields} if schema is not None else {}
    field = columns.get(name.casefold())
    why = None
    if dataset in HISTORIES and name.casefold() != _EVENT_TYPE.casefold():
        why = f"of {dataset} only {_EVENT_TYPE} can be used."
    elif schema is None:
        why = f"the dataset group has no dataset of type {DATASETS[dataset]}."
    elif field is None:
        near = get_close_matches(name.casefold(), columns, n=1)
        meant = f" Did you mean {columns[near[0]].name}?" if near else ""
        why = f"the {DATASETS[dataset]} dataset has no column of this name.{meant}"
    elif DATASETS[dataset] == "ACTIONS" and field.name in _RESERVED:
        why = "this column is applied by itself and cannot be used in filters."
    elif field.type == "boolean":
        why = "boolean columns cannot be used in filters."
    elif field.textual:
        why = "textual columns cannot be used in filters."
    if why is not None or field is None:
        faults.append(_fault(f"{dataset}.{name}", at, why or ""))
        return None
    kind: Kind = "number" if field.type in _NUMERIC else "categories" if field.categorical else "string"
    return _Column(field.name, kind)


def _operator_faults(condition: Condition) -> Iterator[str]:
    """Yield what is wrong with a condition's operator, or with its operands together."""
    if condition.operator in _ORDERING and condition.kind != "number":
        yield _fault(
            _named(condition),
            condition.at,
            f"{condition.operator} compares numbers and this column holds texts. Use IN, NOT IN, = or !=.",
        )
    if len(condition.placeholders) > 1:
        second = condition.placeholders[1]
        yield _fault(
            f"${second.name}",
            second.at,
            "a list can have one placeholder only; one parameter can bring several values.",
        )
    for operand in condition.operands:
        if isinstance(operand, Wildcard) and len(condition.operands) > 1:
            yield _fault("*", operand.at, "* stands alone in its list.")


def _operand_faults(operand: Operand, condition: Condition) -> Iterator[str]:
    """Yield what is wrong with one operand."""
    match operand:
        case Placeholder() if condition.operator == "NOT IN":
            yield (
                f"Invalid input symbol: ${operand.name}. Placeholders are not allowed with NOT_IN operator."
            )
        case Placeholder() if len(operand.name) > MAXIMUM_NAME:
            yield _fault(
                f"${operand.name}",
                operand.at,
                f"the name has {len(operand.name)} characters, {MAXIMUM_NAME} are allowed.",
            )
        case Wildcard() if condition.dataset not in HISTORIES:
            yield _fault("*", operand.at, f"* can only be used with {_EVENT_TYPE}.")
        case Wildcard() if condition.operator not in ("IN", "NOT IN"):
            yield _fault("*", operand.at, 'any event type is written IN ("*").')
        case Value() if condition.kind == "number" and number(operand.text) is None:
            yield _fault(
                f'"{operand.text}"', operand.at, f"this is not a number and {_named(condition)} is numeric."
            )


def _current_item(
    operand: CurrentItem,
    condition: Condition,
    expression: Expression,
    schemas: Mapping[str, Schema],
    faults: list[str],
) -> CurrentItem:
    """Return a column of the current item as the schema spells it; what is wrong is said in ``faults``."""
    shown = f"CurrentItem.{operand.field}"
    if expression.target != "ItemID":
        faults.append(_fault(shown, operand.at, f"{expression.target} filters have no current item."))
    elif condition.dataset in HISTORIES:
        faults.append(_fault(shown, operand.at, f"{_EVENT_TYPE} cannot be compared with it."))
    else:
        column = _column("CurrentItem", operand.field, operand.at, schemas, faults)
        if column is None:
            return operand
        if (column.kind == "number") != (condition.kind == "number"):
            faults.append(
                _fault(shown, operand.at, f"a number and a text ({_named(condition)}) never match.")
            )
        return replace(operand, field=column.name)
    return operand


def _count(of: Filter, maximum: int) -> None:
    """Refuse a filter that uses too many columns."""
    seen: set[tuple[str, str]] = set()
    for condition in conditions(of):
        used = [(condition.dataset, condition.field, condition.at)]
        used += [
            ("CurrentItem", one.field, one.at) for one in condition.operands if isinstance(one, CurrentItem)
        ]
        for dataset, name, at in used:
            seen.add((DATASETS[dataset], name))
            if len(seen) > maximum:
                raise limit_exceeded(
                    f"{REFUSED} {dataset}.{name} at {at} is column {len(seen)} of this filter, {maximum} are allowed."
                )
