"""The words of the OpenAPI description: types, and what describes one operation."""

from collections.abc import Mapping
from typing import Any, Final

JSON: Final = "application/json"
NUMBER: Final = {"type": "number"}
WHOLE: Final = {"type": "integer"}
TEXT: Final = {"type": "string"}


def object_of(**properties: Any) -> dict[str, Any]:
    """Return the description of a JSON object with these properties."""
    return {"type": "object", "properties": properties}


LIST: Final = {"type": "array"}
COUNT_OF: Final = {"type": "object", "additionalProperties": WHOLE}
RESOURCE: Final = object_of(
    kind=TEXT, name=TEXT, arn=TEXT, status=TEXT, failureReason=TEXT, createdAt=NUMBER, updatedAt=NUMBER
)


def path_of(summary: str, answer: Mapping[str, Any], *parameters: tuple[str, str, bool]) -> dict[str, Any]:
    """Return the description of one operation; a parameter has its place, its name and whether it must be."""
    return {
        "summary": summary,
        "security": [{"sigv4": []}],
        "parameters": [
            {"name": name, "in": place, "required": required, "schema": TEXT}
            for place, name, required in parameters
        ],
        "responses": {
            "200": {"description": summary, "content": {JSON: {"schema": answer}}},
            "400": {"description": "The request has a fault."},
            "404": {"description": "There is no such thing of the caller's in this region."},
        },
    }


def post_of(
    summary: str, answer: Mapping[str, Any], body: Mapping[str, Any], *parameters: tuple[str, str, bool]
) -> dict[str, Any]:
    """Return the description of a POST of members."""
    return {
        "post": {
            **path_of(summary, answer, *parameters),
            "requestBody": {"content": {JSON: {"schema": body}}},
        }
    }
