"""What a request to ``/sartor/v1`` brings: members of its body, and parameters of its query.

Bodies are described as the service models describe theirs, and read by the same reader.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from sartor.errors import invalid_input
from sartor.numbers import whole
from sartor.wire.read import Reader, compile_shapes, read
from sartor.wire.sign import HttpRequest

_BODIES: Final[Mapping[str, Any]] = {
    "Rollback": {"type": "structure", "required": ["to"], "members": {"to": {"shape": "Version"}}},
    "FilterTest": {
        "type": "structure",
        "required": ["datasetGroupArn", "filterExpression"],
        "members": {
            "datasetGroupArn": {"shape": "Text"},
            "filterExpression": {"shape": "Text"},
            "filterValues": {"shape": "Texts"},
            "userId": {"shape": "Text"},
            "itemId": {"shape": "Text"},
        },
    },
    "FileCheck": {
        "type": "structure",
        "required": ["location", "schema"],
        "members": {
            "location": {"shape": "Text"},
            "schema": {"shape": "Text"},
            "domain": {"shape": "Text"},
        },
    },
    "UploadFinish": {
        "type": "structure",
        "required": ["upload", "name", "bytes"],
        "members": {
            "upload": {"shape": "Text"},
            "name": {"shape": "Text"},
            "bytes": {"shape": "Version"},
        },
    },
    "DeclaredAnswer": {
        "type": "structure",
        "members": {
            "campaignArn": {"shape": "Text"},
            "recommenderArn": {"shape": "Text"},
            "userId": {"shape": "Text"},
            "itemId": {"shape": "Text"},
            "itemList": {"shape": "Items"},
        },
    },
    "ItemsNamed": {"type": "structure", "required": ["itemIds"], "members": {"itemIds": {"shape": "Names"}}},
    "Comparison": {
        "type": "structure",
        "required": ["one", "other"],
        "members": {
            "one": {"shape": "Text"},
            "other": {"shape": "Text"},
            "users": {"shape": "Few"},
            "numResults": {"shape": "Few"},
        },
    },
    "Verification": {"type": "structure", "members": {"force": {"shape": "Flag"}}},
    "Flag": {"type": "boolean"},
    "Names": {"type": "list", "member": {"shape": "Text"}},
    "Few": {"type": "integer", "min": 1, "max": 50},
    "Items": {"type": "list", "member": {"shape": "Item"}},
    "Item": {
        "type": "structure",
        "required": ["itemId"],
        "members": {
            "itemId": {"shape": "Text"},
            "score": {"shape": "Number"},
            "promotionName": {"shape": "Text"},
            "metadata": {"shape": "Texts"},
        },
    },
    "ClockMove": {"type": "structure", "required": ["seconds"], "members": {"seconds": {"shape": "Number"}}},
    "Number": {"type": "double"},
    "JobStop": {"type": "structure", "required": ["jobArn"], "members": {"jobArn": {"shape": "Text"}}},
    "Policies": {"type": "structure", "members": {"policies": {"shape": "TextList"}}},
    "KeyStatus": {"type": "structure", "required": ["status"], "members": {"status": {"shape": "Text"}}},
    "RoleCreation": {
        "type": "structure",
        "required": ["name"],
        "members": {
            "name": {"shape": "Text"},
            "trust": {"shape": "Text"},
            "policies": {"shape": "TextList"},
            "maxSessionSeconds": {"shape": "Version"},
        },
    },
    "Trust": {"type": "structure", "required": ["trust"], "members": {"trust": {"shape": "Text"}}},
    "Simulation": {
        "type": "structure",
        "required": ["action"],
        "members": {
            "accessKeyId": {"shape": "Text"},
            "roleName": {"shape": "Text"},
            "policies": {"shape": "TextList"},
            "action": {"shape": "Text"},
            "resource": {"shape": "Text"},
            "context": {"shape": "Texts"},
        },
    },
    "TextList": {"type": "list", "member": {"shape": "Text"}},
    "Version": {"type": "long", "min": 0},
    "Text": {"type": "string"},
    "Texts": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Text"}},
}


def body(request: HttpRequest, name: str) -> dict[str, Any]:
    """Return the members of a request's body.

    Args:
        request: whose body.
        name: what it must be, such as ``Rollback``.

    Raises:
        ApiError: ``SerializationException`` or ``InvalidInputException``: it is not that.
    """
    return read(_reader(name), request.body)


@cache
def _reader(name: str) -> Reader:
    return compile_shapes(_BODIES, name)


def number(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    """Return a parameter that is a whole number.

    Raises:
        ApiError: ``InvalidInputException``: it is none, or too large.
    """
    found = whole(query.get(name, str(default)), 0, most)
    if found is None:
        raise invalid_input(f"{name} must be a whole number up to {most}.")
    return found
