"""The conditions of a statement: IAM's operators ("IAM JSON policy elements: Condition operators")."""

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, TypeVar

from sartor.policies.facts import Facts
from sartor.policies.patterns import Match, pattern

#: Tells whether a condition holds for a request.
Condition = Callable[[Facts], bool]
#: Makes what compares a request's value with one of the policy's; takes that, and whether it may have variables.
Test = Callable[[str, bool], Match]
Read = TypeVar("Read")

_EPOCH: Final = re.compile(r"-?[0-9]{5,}(\.[0-9]+)?")
_DATE: Final = re.compile(r"\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?)?)?")
_ARN_PARTS: Final = 6
#: So many values of requests are remembered beside each of a policy's: addresses take long to read.
_COMPARED: Final = 256


class ConditionRefused(ValueError):  # noqa: N818 - it says what became of it
    """A condition is none that IAM knows; the message says why."""


@dataclass(frozen=True)
class Operator:
    """One operator.

    Attributes:
        test: makes what compares.
        negated: whether it holds where nothing compares.
    """

    test: Test
    negated: bool = False


def compile_condition(operator: str, key: str, values: Sequence[str], variables: bool) -> Condition:
    """Return what tells whether a condition holds.

    Args:
        operator: such as ``ForAnyValue:StringLikeIfExists``.
        key: the condition key.
        values: of the policy; one that compares is enough.
        variables: whether values may have policy variables.

    Raises:
        ConditionRefused: there is no such operator, or it takes no such value.
    """
    quantifier, _, name = operator.rpartition(":")
    base = name.removesuffix("IfExists")
    if name == "Null" and not quantifier:
        return _null(key, values)
    if base not in OPERATORS or quantifier not in _QUANTIFIERS:
        raise ConditionRefused(f"Invalid Condition type : {operator}.")
    one = OPERATORS[base]
    tests = [one.test(value, variables) for value in values]
    if_exists = name != base
    return _QUANTIFIERS[quantifier](key, tests, one.negated, if_exists)


def _plain(key: str, tests: Sequence[Match], negated: bool, if_exists: bool) -> Condition:
    """Of the values of a key one compares; of a negated operator none."""
    missing = negated or if_exists

    def holds(facts: Facts) -> bool:
        found = facts.get(key)
        if found is None:
            return missing
        return any(test(value, facts) for value in found for test in tests) is not negated

    return holds


def _for_all_values(key: str, tests: Sequence[Match], negated: bool, _if_exists: bool) -> Condition:
    """Each value of a key compares; no value is well too."""

    def holds(facts: Facts) -> bool:
        return all(any(test(one, facts) for test in tests) is not negated for one in facts.get(key) or ())

    return holds


def _for_any_value(key: str, tests: Sequence[Match], negated: bool, if_exists: bool) -> Condition:
    """One value of a key compares; no value does not."""

    def holds(facts: Facts) -> bool:
        found = facts.get(key)
        if found is None:
            return if_exists
        return any(any(test(one, facts) for test in tests) is not negated for one in found)

    return holds


_QUANTIFIERS: Final[dict[str, Callable[[str, Sequence[Match], bool, bool], Condition]]] = {
    "": _plain,
    "ForAllValues": _for_all_values,
    "ForAnyValue": _for_any_value,
}


def _null(key: str, values: Sequence[str]) -> Condition:
    wanted = {_boolean(value) for value in values}
    return lambda facts: (facts.get(key) is None) in wanted


def _of(read: Callable[[str], Read], compare: Callable[[Read, Read], bool]) -> Test:
    """Return the test of values that are read, such as numbers; what cannot be read of a request does not compare."""

    def test(wanted_text: str, _variables: bool) -> Match:
        wanted = read(wanted_text)

        @lru_cache(maxsize=_COMPARED)
        def compares(value: str) -> bool:
            try:
                return compare(read(value), wanted)
            except ValueError:
                return False

        return lambda value, _facts: compares(value)

    return test


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConditionRefused(f"{text} is not a number.") from None


def _date(text: str) -> float:
    """Return the epoch seconds of an ISO 8601 date, or of seconds."""
    if _EPOCH.fullmatch(text):
        return float(text)
    if not _DATE.fullmatch(text):
        raise ConditionRefused(f"{text} is not a date such as 2026-01-31T12:00:00Z.")
    whole = text + {4: "-01-01", 7: "-01"}.get(len(text), "")
    try:
        moment = datetime.fromisoformat(whole)
    except ValueError:
        raise ConditionRefused(f"{text} is not a date such as 2026-01-31T12:00:00Z.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ConditionRefused(f"{text} is not true or false.")
    return text.lower() == "true"


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ConditionRefused(f"{text} is no IP address and no CIDR block.") from None


def _inside(
    found: ipaddress.IPv4Network | ipaddress.IPv6Network,
    wanted: ipaddress.IPv4Network | ipaddress.IPv6Network,
) -> bool:
    return found.version == wanted.version and found.subnet_of(wanted)  # type: ignore[arg-type]


def _arn(text: str, variables: bool) -> Match:
    """Return what compares two ARNs, each of the six parts by itself; a text of fewer parts is no ARN."""
    parts = ["*"] * _ARN_PARTS if text == "*" else _arn_parts(text)
    if len(parts) != _ARN_PARTS:
        return lambda _value, _facts: False
    tests = [pattern(part, variables) for part in parts]

    def match(value: str, facts: Facts) -> bool:
        found = value.split(":", _ARN_PARTS - 1)
        return len(found) == _ARN_PARTS and all(
            test(part, facts) for test, part in zip(tests, found, strict=True)
        )

    return match


def _arn_parts(text: str) -> list[str]:
    """Split an ARN at its first five colons; those of variables are none."""
    return re.split(r":(?![^${}]*\})", text, maxsplit=_ARN_PARTS - 1)


def _text(wildcards: bool, ignore_case: bool) -> Test:
    return lambda value, variables: pattern(value, variables, wildcards, ignore_case)


_EQUALS: Final = _text(False, False)
_EQUALS_IGNORING_CASE: Final = _text(False, True)
_LIKE: Final = _text(True, False)
_NUMBERS: Final[dict[str, Callable[[float, float], bool]]] = {
    "Equals": lambda found, wanted: found == wanted,
    "LessThan": lambda found, wanted: found < wanted,
    "LessThanEquals": lambda found, wanted: found <= wanted,
    "GreaterThan": lambda found, wanted: found > wanted,
    "GreaterThanEquals": lambda found, wanted: found >= wanted,
}
_NUMERIC_EQUALS: Final = _of(_number, _NUMBERS["Equals"])
_DATE_EQUALS: Final = _of(_date, _NUMBERS["Equals"])
_IP: Final = _of(_network, _inside)

#: Every operator that compares values; ``Null`` asks whether there are any.
OPERATORS: Final[dict[str, Operator]] = {
    "StringEquals": Operator(_EQUALS),
    "StringNotEquals": Operator(_EQUALS, negated=True),
    "StringEqualsIgnoreCase": Operator(_EQUALS_IGNORING_CASE),
    "StringNotEqualsIgnoreCase": Operator(_EQUALS_IGNORING_CASE, negated=True),
    "StringLike": Operator(_LIKE),
    "StringNotLike": Operator(_LIKE, negated=True),
    **{f"Numeric{name}": Operator(_of(_number, compare)) for name, compare in _NUMBERS.items()},
    "NumericNotEquals": Operator(_NUMERIC_EQUALS, negated=True),
    **{f"Date{name}": Operator(_of(_date, compare)) for name, compare in _NUMBERS.items()},
    "DateNotEquals": Operator(_DATE_EQUALS, negated=True),
    "Bool": Operator(_of(_boolean, lambda found, wanted: found is wanted)),
    "BinaryEquals": Operator(_EQUALS),
    "IpAddress": Operator(_IP),
    "NotIpAddress": Operator(_IP, negated=True),
    "ArnEquals": Operator(_arn),
    "ArnLike": Operator(_arn),
    "ArnNotEquals": Operator(_arn, negated=True),
    "ArnNotLike": Operator(_arn, negated=True),
}
