"""What a request brings for a filter's placeholders.

Source: the developer guide's "Applying a filter to real-time recommendations"; it shows texts in quotes only, bare
numbers and words are taken too.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final, TypeAlias

from sartor import numbers
from sartor.errors import ApiError, invalid_input
from sartor.filters.tree import Condition, Filter, Placeholder

#: The values by the placeholder's name, as texts; each comparison reads them as its column's kind.
Parameters: TypeAlias = Mapping[str, tuple[str, ...]]

#: One value: in double quotes, or bare; and what must follow it.
_ELEMENT: Final = re.compile(r'\s*(?:"(?P<quoted>[^"]*)"|(?P<bare>[^,"]*))\s*(?P<then>,|$)')


@lru_cache(maxsize=4096)
def number(text: str) -> int | float | None:
    """Return the number that a text is: whole numbers stay exact. None: it is none, or too large for any column."""
    return numbers.number(text)


def read(of: Filter, given: Mapping[str, str] | None) -> Parameters:
    """Read the ``filterValues`` of a request.

    Keys that the filter does not know do not count. What only EXCLUDE expressions need may be missing: those
    expressions are then left out.

    Args:
        of: a filter that ``check`` has returned.
        given: the request's map.

    Raises:
        ApiError: ``InvalidInputException`` when a value is missing, cannot be read or does not fit its comparison.
    """
    given = given or {}
    for expression in of.expressions:
        missing = sorted(expression.placeholders - given.keys())
        if missing and expression.action == "INCLUDE":
            raise _invalid(
                missing[0], "is missing: every placeholder of an INCLUDE expression needs its value."
            )
    parameters: dict[str, tuple[str, ...]] = {}
    for condition, placeholder in of.brought:
        name = placeholder.name
        if name in given:
            parameters[name] = elements(name, given[name])
            _fit(condition, placeholder, parameters[name])
    return parameters


def elements(name: str, text: str) -> tuple[str, ...]:
    r"""Return the values that a parameter lists, such as ``"comedy","drama"``.

    Args:
        name: the parameter's, for the message.
        text: values in double quotes or bare, parted by commas; none at all is no value.

    Raises:
        ApiError: ``InvalidInputException`` with the character at which it cannot be read.
    """
    return tuple(_elements(name, text)) if text.strip() else ()


def _elements(name: str, text: str) -> Iterator[str]:
    place, then = 0, ","
    while then == ",":
        found = _ELEMENT.match(text, place)
        if found is None:
            raise _invalid(name, f"cannot be read at character {place + 1}: {_wrong(text, place)}")
        quoted, bare = found["quoted"], found["bare"]
        if quoted is None and bare.lstrip().startswith("'"):
            raise _invalid(
                name,
                f"has a single quote at character {place + 1}: put each value in double quotes and commas between "
                'them, such as "comedy","drama".',
            )
        if quoted is None and not bare.strip():
            raise _invalid(name, f"has an empty element at character {place + 1}.")
        yield bare.strip() if quoted is None else quoted
        place, then = found.end(), found["then"]


def _wrong(text: str, place: int) -> str:
    if text.count('"', place) % 2:
        return "a double quote is not closed."
    return 'put each value in double quotes and commas between them, such as "comedy","drama".'


def _fit(condition: Condition, placeholder: Placeholder, values: tuple[str, ...]) -> None:
    """Refuse values that the condition cannot be compared with."""
    column = f"{condition.dataset}.{condition.field}"
    if condition.operator not in ("IN", "NOT IN") and len(values) != 1:
        raise _invalid(
            placeholder.name,
            f"has {len(values)} values, but {column} {condition.operator} takes exactly one.",
        )
    if condition.kind == "number":
        for value in values:
            if number(value) is None:
                raise _invalid(placeholder.name, f'is "{value}", not a number; {column} is numeric.')


def _invalid(name: str, what: str) -> ApiError:
    return invalid_input(f"Invalid filterValues. The value of {name} {what}")
