"""The texts of policies: wildcards and policy variables."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from sartor.policies.facts import Facts

#: Tells whether a text matches a pattern, for a request.
Match = Callable[[str, Facts], bool]

_VARIABLE: Final = re.compile(r"\$\{(\$|[^${}]+)\}")
_NAMED: Final = re.compile(r"\s*([^,\s]+)\s*(?:,\s*'([^']*)'\s*)?")
#: What stands for itself between braces.
_LITERALS: Final = ("*", "?", "$")


def has_variables(text: str) -> bool:
    """Return whether a text has something between ``${`` and ``}``."""
    return _VARIABLE.search(text) is not None


def pattern(text: str, variables: bool, wildcards: bool = True, ignore_case: bool = False) -> Match:
    """Return what tells whether a text matches.

    Args:
        text: may have ``*`` for any characters and ``?`` for one, and variables such as ``${aws:username}``.
        variables: whether variables are such: in documents of version 2012-10-17.
        wildcards: whether ``*`` and ``?`` are such.
        ignore_case: whether letters are the same in any case.

    A variable without a value and without a default matches nothing.
    """
    if variables and has_variables(text):
        return _with_variables(text, wildcards, ignore_case)
    if text == "*" and wildcards:
        return lambda _value, _facts: True
    if wildcards and ("*" in text or "?" in text):
        matches = _compiled(_expression(text), ignore_case)
        return lambda value, _facts: matches(value) is not None
    if ignore_case:
        folded = text.casefold()
        return lambda value, _facts: value.casefold() == folded
    return lambda value, _facts: value == text


def resolved(text: str, facts: Facts) -> list[str] | None:
    """Return a text in parts: what stands between variables, and their values in turn; ``None`` if one has no value."""
    parts = _VARIABLE.split(text)
    for at in range(1, len(parts), 2):
        value = _value(parts[at], facts)
        if value is None:
            return None
        parts[at] = value
    return parts


def _with_variables(text: str, wildcards: bool, ignore_case: bool) -> Match:
    def match(value: str, facts: Facts) -> bool:
        parts = resolved(text, facts)
        if parts is None:
            return False
        # a value's own stars are no wildcards
        expression = [
            re.escape(part) if at % 2 or not wildcards else _expression(part) for at, part in enumerate(parts)
        ]
        return _compiled("".join(expression), ignore_case)(value) is not None

    return match


def _value(inside: str, facts: Facts) -> str | None:
    if inside in _LITERALS:
        return inside
    match = _NAMED.fullmatch(inside)
    if match is None:
        return None
    values = facts.get(match[1])
    if values is not None and len(values) == 1:
        return values[0]
    return match[2]


def _expression(text: str) -> str:
    return re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")


@lru_cache(maxsize=4096)
def _compiled(expression: str, ignore_case: bool) -> Callable[[str], re.Match[str] | None]:
    return re.compile(expression, re.DOTALL | (re.IGNORECASE if ignore_case else 0)).fullmatch
