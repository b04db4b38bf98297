"""From a request's body to validated members: one walk, compiled from the shapes of the service model.

Faults read as Amazon's: ``2 validation errors detected: Value 'x' at 'name' failed to satisfy …``.
"""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import orjson
import regex
from botocore.model import ShapeResolver

from sartor.errors import ApiError, invalid_input
from sartor.numbers import INFINITE_FLOAT, is_time, number

#: Reads a value at a path; faults are added to the list, and what it returns then does not matter.
Reader = Callable[[Any, str, list[str]], Any]

#: The largest request body, in bytes; the largest request that the model allows is smaller.
MAXIMUM_BODY_BYTES: Final = 2 * 2**20
#: So many texts are remembered that match a pattern or do not.
_MATCHED: Final = 1_024
#: How much of a wrong value a message shows, in characters.
_SHOWN_CHARACTERS = 300
#: Added to the faults, where it overrides all others: the text that users know for a wrong JSON member.
_JSON_FAULT = "Error parsing {} json"


def read(reader: Reader, body: bytes) -> dict[str, Any]:
    """Return the members of a request.

    Raises:
        ApiError: ``SerializationException``: the body is no JSON object; ``InvalidInputException``: members
            break constraints, all of them in one message.
    """
    value = parse(body)
    faults: list[str] = []
    members = reader(value, "", faults)
    if faults:
        raise _validation_error(faults)
    if b"\\u0000" in body and _has_null_character(members):
        raise invalid_input(
            "A text of the request has a null character (\\u0000), which no database can keep."
        )
    return members  # type: ignore[no-any-return]


def parse(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body; an empty body is an empty object.

    Raises:
        ApiError: ``SerializationException``.
    """
    if not body:
        return {}
    try:
        value = orjson.loads(body)  # refuses what nests deeper than 1,024 levels
    except ValueError as error:
        raise ApiError("SerializationException", f"The body is not valid JSON: {error}.") from None
    if not isinstance(value, dict):
        raise ApiError("SerializationException", "The body must be a JSON object.")
    return value


def _has_null_character(value: Any) -> bool:
    """Return whether a text anywhere in a value has one; PostgreSQL's texts cannot."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(map(_has_null_character, (*value, *value.values())))
    return isinstance(value, list) and any(map(_has_null_character, value))


def compile_reader(shape: Any) -> Reader:
    """Return the reader of a structure of botocore's model, or one of an empty request."""
    if shape is None:
        return lambda _value, _path, _faults: {}
    return _compile(shape, {})


def compile_shapes(shapes: Mapping[str, Any], name: str) -> Reader:
    """Return the reader of a structure of ours.

    Args:
        shapes: by name, as the service models describe theirs.
        name: of the structure.
    """
    return compile_reader(ShapeResolver(shapes).get_shape_by_name(name))


def _compile(shape: Any, seen: dict[str, Reader]) -> Reader:
    """Return the reader of one shape; shapes that are met again share it."""
    if shape.name not in seen:
        seen[shape.name] = _MAKERS[shape.type_name](shape, seen)
    return seen[shape.name]


def _structure(shape: Any, seen: dict[str, Reader]) -> Reader:
    members = {name: _compile(member, seen) for name, member in shape.members.items()}
    required = frozenset(shape.required_members)

    def read_structure(value: Any, path: str, faults: list[str]) -> Any:
        if not isinstance(value, dict):
            faults.append(_fault(value, path, "Member must be a structure"))
            return None
        found = {}
        known = len(faults)
        for name, given in value.items():
            if given is not None and name in members:
                found[name] = members[name](given, "", faults)
        if len(faults) == known and required <= found.keys():
            return found
        # once more with paths, so that faults come in the order of the model, with those of what is not there
        del faults[known:]
        prefix = f"{path}." if path else ""
        for name, member in members.items():
            given = value.get(name)
            if given is None:
                if name in required:
                    faults.append(_fault(None, prefix + name, "Member must not be null"))
                continue
            found[name] = member(given, prefix + name, faults)
        return found

    return read_structure


def _list(shape: Any, seen: dict[str, Reader]) -> Reader:
    member = _compile(shape.member, seen)
    scalar = shape.member.type_name not in ("structure", "list", "map")
    length = _length_rule(shape)

    def read_list(value: Any, path: str, faults: list[str]) -> Any:
        if not isinstance(value, list):
            faults.append(_fault(value, path, "Member must be a list"))
            return None
        length(len(value), value, path, faults)
        if scalar:
            return _read_scalars(value, member, path, faults, "Member must satisfy constraint")
        known = len(faults)
        found = [member(given, "", faults) for given in value]
        if len(faults) == known:
            return found
        del faults[known:]
        return [member(given, f"{path}.{at}.member", faults) for at, given in enumerate(value, 1)]

    return read_list


def _map(shape: Any, seen: dict[str, Reader]) -> Reader:
    key_reader, value_reader = _compile(shape.key, seen), _compile(shape.value, seen)
    scalar = shape.value.type_name not in ("structure", "list", "map")
    length = _length_rule(shape)

    def read_map(value: Any, path: str, faults: list[str]) -> Any:
        if not isinstance(value, dict):
            faults.append(_fault(value, path, "Member must be a map"))
            return None
        length(len(value), value, path, faults)
        _read_scalars(list(value), key_reader, path, faults, "Map keys must satisfy constraint")
        given = list(value.values())
        if scalar:
            read = _read_scalars(given, value_reader, path, faults, "Map value must satisfy constraint")
        else:
            read = [value_reader(one, f"{path}.{key}.member", faults) for key, one in value.items()]
        return dict(zip(value, read, strict=True))

    return read_map


def _read_scalars(values: list[Any], reader: Reader, path: str, faults: list[str], words: str) -> list[Any]:
    """Read scalars that have no path of their own; their constraints are named at the list or map."""
    inner: list[str] = []
    read = []
    for value in values:
        if value is None:
            inner.append(_fault(None, path, "Member must not be null"))
        read.append(None if value is None else reader(value, path, inner))
    if inner:
        broken = dict.fromkeys(fault.partition(_FAILED)[2] for fault in inner)
        faults.append(_fault(values, path, f"{words}: [{', '.join(broken)}]"))
    return read


def _string(shape: Any, _seen: dict[str, Reader]) -> Reader:
    metadata = shape.metadata
    length = _length_rule(shape)
    pattern, enum = metadata.get("pattern"), metadata.get("enum")
    # Java's patterns: the module of the standard library knows no \p{L}
    # names and ARNs come again and again, and to remember them is quicker than to look
    matches = lru_cache(_MATCHED)(regex.compile(pattern).fullmatch) if pattern is not None else None
    longest = metadata.get("max", math.inf)
    allowed = frozenset(enum) if enum is not None else None
    sensitive = metadata.get("sensitive", False)
    is_json = bool(shape.serialization.get("jsonvalue"))

    def read_string(value: Any, path: str, faults: list[str]) -> Any:
        if not isinstance(value, str):
            json_fault = _JSON_FAULT.format(path.rpartition(".")[2])
            faults.append(
                json_fault if is_json else _fault(value, path, "Member must be a string", sensitive)
            )
            return None
        length(len(value), value, path, faults)
        # what is too long is refused anyway, and a pattern takes the square of a length
        if matches is not None and len(value) <= longest and matches(value) is None:
            words = f"Member must satisfy regular expression pattern: {pattern}"
            faults.append(_fault(value, path, words, sensitive))
        if allowed is not None and value not in allowed:
            words = f"Member must satisfy enum value set: [{', '.join(enum)}]"
            faults.append(_fault(value, path, words, sensitive))
        if is_json and not _is_json_object(value):
            faults.append(_JSON_FAULT.format(path.rpartition(".")[2]))
        return value

    return read_string


def _number(shape: Any, _seen: dict[str, Reader]) -> Reader:
    whole = shape.type_name in ("integer", "long")
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    bits = 31 if shape.type_name == "integer" else 63
    words = "an integer" if whole else "a number"
    infinite = INFINITE_FLOAT if shape.type_name == "float" else math.inf

    def read_number(value: Any, path: str, faults: list[str]) -> Any:
        right = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if not right or (whole and not -(2**bits) <= value < 2**bits) or not -infinite < value < infinite:
            faults.append(_fault(value, path, f"Member must be {words}"))
            return None
        if low is not None and value < low:
            faults.append(_fault(value, path, f"Member must have value greater than or equal to {low}"))
        if high is not None and value > high:
            faults.append(_fault(value, path, f"Member must have value less than or equal to {high}"))
        return value if whole else float(value)

    return read_number


def _boolean(_shape: Any, _seen: dict[str, Reader]) -> Reader:
    def read_boolean(value: Any, path: str, faults: list[str]) -> Any:
        if not isinstance(value, bool):
            faults.append(_fault(value, path, "Member must be a boolean"))
        return value

    return read_boolean


def _timestamp(_shape: Any, _seen: dict[str, Reader]) -> Reader:
    def read_timestamp(value: Any, path: str, faults: list[str]) -> Any:
        """Return epoch seconds; numbers, digits and ISO 8601 occur in Amazon's own samples."""
        seconds = _moment(value) if isinstance(value, str) else value
        if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
            faults.append(_fault(value, path, "Member must be a timestamp"))
            return None
        if not is_time(seconds):
            faults.append(
                _fault(value, path, "Member must be a timestamp from 0 to the end of the year 9999")
            )
            return None
        return float(seconds)

    return read_timestamp


def _moment(text: str) -> float | None:
    """Return the epoch seconds that a text says, in digits or by ISO 8601; ``None`` for any other."""
    if "-" not in text[1:] or not text.isascii():
        return number(text)
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return number(text)


_MAKERS: Final[dict[str, Callable[[Any, dict[str, Reader]], Reader]]] = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "string": _string,
    "integer": _number,
    "long": _number,
    "float": _number,
    "double": _number,
    "boolean": _boolean,
    "timestamp": _timestamp,
}


def _length_rule(shape: Any) -> Callable[[int, Any, str, list[str]], None]:
    """Return the check of a shape's length."""
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    sensitive = shape.metadata.get("sensitive", False)

    def check(length: int, value: Any, path: str, faults: list[str]) -> None:
        if low is not None and length < low:
            words = f"Member must have length greater than or equal to {low}"
            faults.append(_fault(value, path, words, sensitive))
        if high is not None and length > high:
            words = f"Member must have length less than or equal to {high}"
            faults.append(_fault(value, path, words, sensitive))

    return check


_FAILED: Final = " failed to satisfy constraint: "


def _fault(value: Any, path: str, words: str, sensitive: bool = False) -> str:
    """Return one fault in Amazon's words; what is sensitive is not repeated."""
    if value is None:
        shown = "Value null"
    elif sensitive:
        shown = "Value"
    elif isinstance(value, str):
        shown = f"Value '{value[:_SHOWN_CHARACTERS]}'"
    else:
        # containers may hold what is sensitive deeper down; lists of plain strings are shown, as Amazon does
        plain = isinstance(value, list) and all(isinstance(one, str) for one in value)
        text = f"[{', '.join(value)}]" if plain else "" if isinstance(value, (list, dict)) else str(value)
        shown = f"Value '{text[:_SHOWN_CHARACTERS]}'" if text else "Value"
    return f"{shown} at '{path}'{_FAILED}{words}"


def _validation_error(faults: list[str]) -> ApiError:
    """Return one error with every fault."""
    constraints = [fault for fault in faults if _FAILED in fault]
    if not constraints:
        return invalid_input(faults[0])
    many = "s" if len(constraints) > 1 else ""
    return invalid_input(f"{len(constraints)} validation error{many} detected: {'; '.join(constraints)}")


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except ValueError:
        return False
