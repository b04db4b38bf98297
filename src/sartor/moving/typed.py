"""Values of a file as the service models want them; what does not fit is told with its line."""

import difflib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from sartor.moving.yaml_file import Listed, Mapped, Text

#: What a member of a structure may be called in a file, as the service models call it.
Spelled = Callable[[str], str]


class Fault(Exception):  # noqa: N818 - the house's word: one broken rule at one place
    """A value does not fit.

    Args:
        line: of the file.
        words: what is wrong and what to do.
    """

    def __init__(self, line: int, words: str) -> None:
        super().__init__(words)
        self.line = line
        self.words = words


def as_it_is(name: str) -> str:
    """Spell a member as the file does."""
    return name


def value(given: Any, shape: Any, path: str, spelled: Spelled = as_it_is) -> Any:
    """Return a value of a file as a shape of the service models has it.

    Args:
        given: out of the file.
        shape: botocore's.
        path: what it is called in words.
        spelled: how the service models spell a member.

    Raises:
        Fault: it does not fit.
    """
    kind = shape.type_name
    if kind == "structure":
        return structure(given, shape.members, shape.required_members, path, spelled)
    if kind == "map":
        found = mapping(given, path)
        return {str(name): value(one, shape.value, f"{path}.{name}", spelled) for name, one in found.items()}
    if kind == "list":
        if not isinstance(given, Listed):
            raise Fault(line_of(given), f"{path} must be a list.")
        return [value(one, shape.member, f"{path}[{at}]", spelled) for at, one in enumerate(given)]
    return _scalar(given, kind, path)


def structure(
    given: Any,
    shapes: Mapping[str, Any],
    required: Iterable[str],
    path: str,
    spelled: Spelled = as_it_is,
    also: Iterable[str] = (),
) -> dict[str, Any]:
    """Return the members of a structure.

    Args:
        given: out of the file.
        shapes: botocore's, by member.
        required: the members that must be there.
        path: what it is called in words.
        spelled: how the service models spell a member.
        also: what else may be meant by a name that is unknown.

    Raises:
        Fault: a member is unknown, missing or does not fit.
    """
    found = {}
    for name, one in mapping(given, path).items():
        member = spelled(name)
        if member not in shapes:
            raise Fault(given.lines[name], f"{path} has no {name}{meant(member, (*shapes, *also))}")
        found[member] = value(one, shapes[member], f"{path}.{name}", spelled)
    missing = [name for name in required if name not in found]
    if missing:
        raise Fault(line_of(given), f"{path} needs {' and '.join(missing)}.")
    return found


def mapping(given: Any, path: str) -> Mapped:
    """Return a mapping; nothing at all is an empty one.

    Raises:
        Fault: it is something else.
    """
    if isinstance(given, Mapped):
        return given
    if isinstance(given, Text) and given.resolved is None:
        empty = Mapped()
        empty.line, empty.lines = given.line, {}
        return empty
    raise Fault(line_of(given), f"{path} must be a mapping.")


def plain(given: Any) -> Any:
    """Return a value of a file with YAML's own types."""
    if isinstance(given, Mapped):
        return {name: plain(one) for name, one in given.items()}
    if isinstance(given, Listed):
        return [plain(one) for one in given]
    return given.resolved


def line_of(given: Any) -> int:
    """Return the line of a value, 1 of none."""
    return int(getattr(given, "line", 1))


def meant(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence on what a name may have meant: the nearest known one, or all."""
    names = sorted(known)
    folded = {one.lower(): one for one in names}
    near = difflib.get_close_matches(name.lower(), folded, 1)
    return f"; is {folded[near[0]]} meant?" if near else f"; it has {', '.join(names) or 'nothing'}."


_WHOLE: Final = ("integer", "long")


def _scalar(given: Any, kind: str, path: str) -> Any:
    if not isinstance(given, Text):
        raise Fault(
            line_of(given),
            f"{path} must be one value, not a {'list' if isinstance(given, Listed) else 'mapping'}.",
        )
    if kind == "string":
        return str(given)
    found = given.resolved
    if kind == "boolean" and not isinstance(found, bool):
        raise Fault(given.line, f"{path} must be true or false, not {given!r}.")
    if kind in _WHOLE and (isinstance(found, bool) or not isinstance(found, int)):
        raise Fault(given.line, f"{path} must be a whole number, not {given!r}.")
    if kind in ("float", "double") and (isinstance(found, bool) or not isinstance(found, int | float)):
        raise Fault(given.line, f"{path} must be a number, not {given!r}.")
    return found


def avro(given: Any, path: str) -> Any:
    """Return a schema as JSON has it: a mapping of the file, or the text of one.

    Raises:
        Fault: it is none.
    """
    if isinstance(given, Mapped):
        return _named_null(plain(given))
    try:
        found = json.loads(given)
    except (TypeError, ValueError) as error:
        raise Fault(line_of(given), f"{path} is no JSON: {error}.") from None
    if not isinstance(found, dict):
        raise Fault(line_of(given), f"{path} must be a schema, a JSON object.")
    return found


def _named_null(schema: Any) -> Any:
    """Return a schema in which ``type: [null, string]`` means Avro's type of that name."""
    if isinstance(schema, dict):
        types = {"type", "items", "values"}
        return {
            name: _null_type(one) if name in types else _named_null(one) if name != "default" else one
            for name, one in schema.items()
        }
    return [_named_null(one) for one in schema] if isinstance(schema, list) else schema


def _null_type(given: Any) -> Any:
    if given is None:
        return "null"
    return [_null_type(one) for one in given] if isinstance(given, list) else _named_null(given)
