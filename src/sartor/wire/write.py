"""From an answer's members to its bytes, compiled from the shapes of the service model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any, Final

import orjson

from sartor.errors import ApiError

#: Makes JSON's own types of a value of the model.
Writer = Callable[[Any], Any]
Header = tuple[bytes, bytes]

CONTENT_TYPES: Final = {"json": b"application/x-amz-json-1.1", "rest-json": b"application/json"}
#: Errors that every operation may answer with; the models do not list them ("Common Errors").
COMMON_ERRORS: Final = {
    "AccessDeniedException": 403,
    "BadRequestException": 400,
    "ExpiredTokenException": 403,
    "IncompleteSignatureException": 400,
    "InternalFailure": 500,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "RequestEntityTooLargeException": 413,
    "RequestHeaderFieldsTooLargeException": 431,
    "RequestTimeoutException": 408,
    "SerializationException": 400,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 400,
    "UnknownOperationException": 400,
    "UnrecognizedClientException": 403,
    "UnsupportedMediaTypeException": 415,
}
#: What nearly every operation declares.
INVALID: Final = "InvalidInputException"

#: When to ask again after a 503.
RETRY_AFTER_SECONDS: Final = b"2"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: list[Header]
    body: bytes


def compile_writer(shape: Any) -> Writer:
    """Return the writer of a structure of botocore's model; members that it does not have are left out."""
    return _compile(shape, {})


def write_result(
    protocol: str, writer: Writer | None, result: dict[str, Any] | bytes, request_id: str
) -> Answer:
    """Return the answer to a call that went well: of its members, or of a body that is written already.

    One without an output shape has an empty body.
    """
    if isinstance(result, dict):
        result = b"" if writer is None else orjson.dumps(writer(result))
    return Answer(200, _headers(protocol, result, request_id), result)


def write_error(protocol: str, declared: Mapping[str, int], error: ApiError, request_id: str) -> Answer:
    """Return an error as botocore, the AWS CLI and the JavaScript SDK parse it.

    Args:
        protocol: of the operation.
        declared: the HTTP status of each error that it declares, by its code; what it neither declares nor any
            operation may answer is told as invalid input, as clients catch what the model lists.
        error: what is wrong.
        request_id: of the request.
    """
    known = error.code in declared or error.code in COMMON_ERRORS or INVALID not in declared
    code = error.code if known else INVALID
    body = orjson.dumps({"__type": code, "message": error.message.encode("utf-8", "replace").decode()})
    status = declared.get(code) or COMMON_ERRORS.get(code, 400)
    headers = _headers(protocol, body, request_id)
    headers.append((b"x-amzn-errortype", code.encode()))
    if status == 503:
        headers.append((b"retry-after", RETRY_AFTER_SECONDS))
    return Answer(status, headers, body)


def _headers(protocol: str, body: bytes, request_id: str) -> list[Header]:
    return [
        (b"content-type", CONTENT_TYPES[protocol]),
        (b"content-length", str(len(body)).encode()),
        (b"x-amzn-requestid", request_id.encode()),
    ]


def _compile(shape: Any, seen: dict[str, Writer]) -> Writer:
    if shape.name not in seen:
        maker = _MAKERS.get(shape.type_name)
        seen[shape.name] = _same if maker is None else maker(shape, seen)
    return seen[shape.name]


def _same(value: Any) -> Any:
    return value


def _structure(shape: Any, seen: dict[str, Writer]) -> Writer:
    members = {name: _compile(member, seen) for name, member in shape.members.items()}

    def write_structure(value: Any) -> Any:
        return {
            name: members[name](one) for name, one in value.items() if one is not None and name in members
        }

    return write_structure


def _list(shape: Any, seen: dict[str, Writer]) -> Writer:
    member = _compile(shape.member, seen)
    if shape.member.type_name != "structure":
        return lambda value: [member(one) for one in value]
    inner = shape.member.members.items()
    as_they_are = frozenset(name for name, one in inner if _compile(one, seen) is _same)

    def write_list(value: Any) -> Any:
        # such as recommended items: nothing to write in another way, and nothing to leave out
        if as_they_are.issuperset(chain.from_iterable(value)) and (
            None not in chain.from_iterable(map(dict.values, value))
        ):
            return value
        return [member(one) for one in value]

    return write_list


def _map(shape: Any, seen: dict[str, Writer]) -> Writer:
    member = _compile(shape.value, seen)
    return lambda value: {key: member(one) for key, one in value.items()}


def _timestamp(_shape: Any, _seen: dict[str, Writer]) -> Writer:
    """Epoch seconds with milliseconds, as both protocols have them here."""
    return lambda value: round(value.timestamp() if isinstance(value, datetime) else float(value), 3)


_MAKERS: Final[dict[str, Callable[[Any, dict[str, Writer]], Writer]]] = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "timestamp": _timestamp,
}
