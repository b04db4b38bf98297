"""Whether an answer is what the service model says, as it came over the wire: boto3 drops what it does not know."""

import json
from collections.abc import Iterator
from typing import Any, Final

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
}

#: What every operation may say of a request that breaks its model, also those that declare no more than their token.
_ANYWHERE: Final = "InvalidInputException"


def flaws_of(operation: Any, status: int, headers: Any, body: bytes) -> list[str]:
    """Return what the model of an operation does not know of one of its answers.

    Args:
        operation: botocore's model of it.
        status: of HTTP.
        headers: of HTTP.
        body: as it came.
    """
    if not headers.get("x-amzn-requestid"):
        return ["an answer has no request id"]
    members = json.loads(body) if body else {}
    if status >= 400:
        return _flaws_of_error(operation, status, headers, members)
    if status != 200:
        return [f"HTTP status {status}"]
    if operation.output_shape is None:
        return [] if members == {} else [f"an answer without members has {members}"]
    return list(_flaws(operation.output_shape, members, operation.output_shape.name))


def _flaws_of_error(operation: Any, status: int, headers: Any, members: Any) -> list[str]:
    named = members.get("__type") or headers.get("x-amzn-errortype", "")
    code = named.partition(":")[0].rpartition("#")[2]
    declared = {shape.error_code: shape for shape in operation.error_shapes}
    if code not in declared and code != _ANYWHERE:
        return [f"{code} is not declared"]
    shape = declared.get(code)
    wanted = 400 if shape is None else shape.metadata.get("error", {}).get("httpStatusCode", 400)
    found = [] if status == wanted else [f"{code} has the HTTP status {status}, not {wanted}"]
    return found if members.get("message") else [*found, f"{code} has no message"]


def _flaws(shape: Any, value: Any, path: str) -> Iterator[str]:
    """Yield what is wrong with a value of a shape, and with what is in it."""
    kind = shape.type_name
    is_of_kind = isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
    if not is_of_kind:
        yield f"{path} is no {kind}: {value!r}"
    elif kind == "structure":
        yield from (f"{path}.{name} is not in the model" for name in value if name not in shape.members)
        yield from (f"{path}.{name} is missing" for name in shape.required_members if name not in value)
        for name, inner in value.items():
            if name in shape.members:
                yield from _flaws(shape.members[name], inner, f"{path}.{name}")
    elif kind == "list":
        for inner in value:
            yield from _flaws(shape.member, inner, f"{path}[]")
    elif kind == "map":
        for name, inner in value.items():
            yield from _flaws(shape.value, inner, f"{path}[{name}]")
    elif "enum" in shape.metadata and value not in shape.metadata["enum"]:
        yield f"{path} is none of {', '.join(shape.metadata['enum'])}: {value}"
