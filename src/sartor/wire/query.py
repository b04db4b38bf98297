"""AWS's query protocol, as STS speaks it: parameters of a form in, XML out, from botocore's model of the service."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import orjson
from botocore.loaders import Loader
from botocore.model import ServiceModel

from sartor.errors import ApiError
from sartor.wire.read import Reader, compile_reader, read
from sartor.wire.sign import Authority, Caller, HttpRequest
from sartor.wire.write import RETRY_AFTER_SECONDS, Answer

_FORM: Final = "application/x-www-form-urlencoded"
#: So many parameters a request may have; lists and tags of the model need fewer.
_MOST_PARAMETERS: Final = 1000
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")
#: Errors as the query protocol spells them, with their HTTP status ("Common errors" of STS).
_ERRORS: Final = {
    "AccessDeniedException": ("AccessDenied", 403),
    "ExpiredIdentityToken": ("ExpiredTokenException", 400),
    "ExpiredTokenException": ("ExpiredToken", 403),
    "IncompleteSignatureException": ("IncompleteSignature", 400),
    "InternalFailure": ("InternalFailure", 500),
    "InvalidInputException": ("ValidationError", 400),
    "InvalidSignatureException": ("SignatureDoesNotMatch", 403),
    "MissingAuthenticationTokenException": ("MissingAuthenticationToken", 403),
    "SerializationException": ("ValidationError", 400),
    "ServiceUnavailableException": ("ServiceUnavailable", 503),
    "UnrecognizedClientException": ("InvalidClientTokenId", 403),
}
#: Takes the caller (``None`` where nobody signs), the members and the request; returns the members of the answer.
QueryHandler = Callable[[Caller | None, dict[str, Any], HttpRequest], dict[str, Any]]


@dataclass(frozen=True)
class Query:
    """One action.

    Attributes:
        handler: answers it.
        signed: whether the caller must sign.
    """

    handler: QueryHandler
    signed: bool = True


@dataclass(frozen=True)
class QueryService:
    """A service of the query protocol on the path ``/``.

    Attributes:
        service: its name in botocore, and in signatures.
        actions: those that are answered, by name.
        authority: knows who is asking.
        clock: gives epoch seconds.
    """

    service: str
    actions: Mapping[str, Query]
    authority: Authority
    clock: Callable[[], float]

    def claims(self, request: HttpRequest) -> bool:
        """Return whether a request is for a service of the query protocol."""
        if request.path != "/" or "x-amz-target" in request.headers:
            return False
        if request.method == "POST":
            return request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM
        return request.method == "GET" and "Action" in request.parameters

    def answer(self, request: HttpRequest, request_id: str) -> Answer:
        """Answer a request.

        Raises:
            ApiError: what is wrong with it.
        """
        parameters = _parameters(request)
        name = parameters.pop("Action", "")
        version = parameters.pop("Version", "")
        query = self.actions.get(name)
        if query is None or version != self._model.api_version:
            raise ApiError(
                "InvalidAction",
                f"Could not find operation {name[:100]} for version {version[:20] or 'NO_VERSION'}",
            )
        caller = self.authority.caller(request, self.clock(), self.service) if query.signed else None
        members = read(self._readers[name], orjson.dumps(self._members(name, parameters)))
        result = query.handler(caller, members, request)
        output = self._model.operation_model(name).output_shape
        inner = "" if output is None else _structure(output, result)
        body = (
            f'<{name}Response xmlns="{self._namespace}"><{name}Result>{inner}</{name}Result>'
            f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{name}Response>"
        )
        return _answer(200, body, request_id)

    def refuse(self, error: ApiError, request_id: str) -> Answer:
        """Return the answer that tells an error."""
        code, status = _ERRORS.get(error.code) or (error.code, self._statuses.get(error.code, 400))
        kind = "Sender" if status < 500 else "Receiver"
        body = (
            f'<ErrorResponse xmlns="{self._namespace}"><Error><Type>{kind}</Type><Code>{escape(code)}</Code>'
            f"<Message>{_text(error.message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        )
        return _answer(status, body, request_id)

    @cached_property
    def _model(self) -> Any:
        return ServiceModel(Loader().load_service_model(self.service, "service-2"), self.service)

    @cached_property
    def _namespace(self) -> str:
        return str(self._model.metadata["xmlNamespace"])

    @cached_property
    def _readers(self) -> Mapping[str, Reader]:
        return {name: compile_reader(self._model.operation_model(name).input_shape) for name in self.actions}

    @cached_property
    def _statuses(self) -> dict[str, int]:
        shapes = (shape for name in self.actions for shape in self._model.operation_model(name).error_shapes)
        return {shape.error_code: int(shape.metadata["error"]["httpStatusCode"]) for shape in shapes}

    def _members(self, name: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        shape = self._model.operation_model(name).input_shape
        return {} if shape is None else _read_structure(shape, parameters, "")


def _parameters(request: HttpRequest) -> dict[str, str]:
    """Return the parameters of a form, or of a query."""
    if request.method != "POST":
        return dict(request.parameters)
    try:
        pairs = parse_qsl(
            request.body.decode(), keep_blank_values=True, max_num_fields=_MOST_PARAMETERS, errors="strict"
        )
    except ValueError:
        raise ApiError("MalformedQueryString", "The body is no form of UTF-8 texts.") from None
    return dict(pairs)


def _read_structure(shape: Any, parameters: Mapping[str, str], prefix: str) -> dict[str, Any]:
    """Return the members of a structure as JSON has them; what cannot be read is left for the reader to refuse."""
    found = {}
    for name, member in shape.members.items():
        value = _read(member, parameters, f"{prefix}{name}")
        if value is not None:
            found[name] = value
    return found


def _read(shape: Any, parameters: Mapping[str, str], name: str) -> Any:
    if shape.type_name == "structure":
        return _read_structure(shape, parameters, f"{name}.") or None
    if shape.type_name == "list":
        items: list[Any] = []
        while len(items) < _MOST_PARAMETERS:
            item = _read(shape.member, parameters, f"{name}.member.{len(items) + 1}")
            if item is None:
                break
            items.append(item)
        return items or None
    text = parameters.get(name)
    if text is None or shape.type_name != "integer" or not _INTEGER.fullmatch(text):
        return text
    return int(text)


def _structure(shape: Any, value: Mapping[str, Any]) -> str:
    parts = []
    for name, member in shape.members.items():
        one = value.get(name)
        if one is None:
            continue
        inner = _structure(member, one) if member.type_name == "structure" else _scalar(member, one)
        parts.append(f"<{name}>{inner}</{name}>")
    return "".join(parts)


def _scalar(shape: Any, value: Any) -> str:
    if shape.type_name == "timestamp":
        return datetime.fromtimestamp(int(value), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _text(str(value))


def _text(value: str) -> str:
    """Return a text as XML has it; what XML has no character for becomes a question mark."""
    return escape("".join(one if one.isprintable() or one in "\t\n\r" else "?" for one in value))


def _answer(status: int, body: str, request_id: str) -> Answer:
    raw = body.encode("utf-8", "replace")
    headers = [
        (b"content-type", b"text/xml"),
        (b"content-length", str(len(raw)).encode()),
        (b"x-amzn-requestid", request_id.encode()),
    ]
    if status == 503:
        headers.append((b"retry-after", RETRY_AFTER_SECONDS))
    return Answer(status, headers, raw)
