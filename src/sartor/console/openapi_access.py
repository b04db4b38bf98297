"""The OpenAPI description of the paths about access: keys, roles, their policies, and what calls changed."""

from collections.abc import Mapping
from typing import Any, Final

from sartor.console.openapi_words import LIST, TEXT, WHOLE, object_of, path_of, post_of

_POLICIES = {**LIST, "items": TEXT}
_KEY = object_of(accessKeyId=TEXT, arn=TEXT, status=TEXT, policies=LIST)
_ROLE = object_of(arn=TEXT, roleId=TEXT, trust={"type": "object"}, policies=LIST, maxSessionSeconds=WHOLE)
_OF_KEY: Final = ("path", "accessKeyId", True)
_OF_ROLE: Final = ("path", "roleName", True)
#: Keys, roles, their policies, and what calls changed.
ACCESS: Final[Mapping[str, Any]] = {
    "keys": {
        "get": path_of(
            "The access keys of the account, oldest first, with how many policies each has; secrets are in no answer.",
            object_of(keys=LIST),
        ),
        **post_of(
            "Make an access key. This answer alone has its secret.",
            object_of(accessKeyId=TEXT, secretAccessKey=TEXT, account=TEXT),
            object_of(policies=_POLICIES),
        ),
    },
    "keys/{accessKeyId}": {"get": path_of("An access key with its policies.", _KEY, _OF_KEY)},
    "keys/{accessKeyId}/policies": post_of(
        "Give a key policies in the place of those that it has; without one it may do all in its account.",
        _KEY,
        object_of(policies=_POLICIES),
        _OF_KEY,
    ),
    "keys/{accessKeyId}/status": post_of(
        "Let a key sign no more (Inactive), or again (Active).",
        object_of(accessKeyId=TEXT, status=TEXT),
        object_of(status=TEXT),
        _OF_KEY,
    ),
    "keys/{accessKeyId}/delete": post_of("Remove a key.", object_of(accessKeyId=TEXT), object_of(), _OF_KEY),
    "roles": {
        "get": path_of(
            "The roles of the account, by name, with how many policies each has.", object_of(roles=LIST)
        ),
        **post_of(
            "Make a role. Without `trust` whoever may in its account can assume it; without policies it may nothing.",
            _ROLE,
            object_of(name=TEXT, trust=TEXT, policies=_POLICIES, maxSessionSeconds=WHOLE),
        ),
    },
    "roles/{roleName}": {"get": path_of("A role with its trust and its policies.", _ROLE, _OF_ROLE)},
    "roles/{roleName}/policies": post_of(
        "Give a role policies in the place of those that it has.",
        _ROLE,
        object_of(policies=_POLICIES),
        _OF_ROLE,
    ),
    "roles/{roleName}/trust": post_of("Say who may assume a role.", _ROLE, object_of(trust=TEXT), _OF_ROLE),
    "roles/{roleName}/delete": post_of(
        "Remove a role; its sessions end.", object_of(roleArn=TEXT), object_of(), _OF_ROLE
    ),
    "simulation": post_of(
        "What the policies of a key or a role, or drafts of them, say of an action on a resource, and why.",
        object_of(decision=TEXT, why={**LIST, "items": TEXT}, statements=LIST),
        object_of(
            accessKeyId=TEXT,
            roleName=TEXT,
            policies=_POLICIES,
            action=TEXT,
            resource=TEXT,
            context={"type": "object", "additionalProperties": TEXT},
        ),
    ),
    "audit": {
        "get": path_of(
            "What calls changed, newest first, in CloudTrail's shape; go on with `before`.",
            object_of(
                records={**LIST, "items": object_of(number=WHOLE, hash=TEXT, record={"type": "object"})},
                before=WHOLE,
            ),
            *(("query", name, False) for name in ("action", "who", "text", "since", "until")),
            ("query", "limit", False),
            ("query", "before", False),
        )
    },
    "audit/verification": {
        "get": path_of(
            "Whether every record is as it was written, and whether one of an earlier hash is still there.",
            object_of(name=TEXT, records=WHOLE, head=TEXT, fault=TEXT, missing=LIST),
            ("query", "head", False),
        )
    },
}
