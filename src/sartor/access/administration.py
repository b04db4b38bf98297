"""How keys and roles are given, changed and shown: by commands, and below ``/sartor/v1/access``."""

import json
import re
from collections.abc import Iterable
from typing import Any, Final

from sartor.keys import DENY_ALL, AccessKey, Keys, Role
from sartor.policies.documents import Sort, compile_document

#: A role's name, perhaps with a path before it.
ROLE_NAME: Final = re.compile(r"([!-.0-~]+/)*[A-Za-z0-9_+=,.@-]{1,64}")
#: How long the sessions of a role may be allowed to live, in seconds.
SESSION_SECONDS: Final = (3600, 43_200)
#: What IAM calls a key that may sign, and one that may not.
ACTIVE: Final = "Active"
INACTIVE: Final = "Inactive"


def role_arn(name: str, account: str) -> str:
    """Return the ARN of an account's role."""
    return f"arn:aws:iam::{account}:role/{name}"


def trust_of_account(account: str) -> str:
    """Return the trust policy that leaves it to the policies of an account's keys who may assume a role."""
    statement = {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def checked(text: str, sort: Sort = "identity") -> str:
    """Return a policy document as it is kept.

    Raises:
        PolicyRefused: IAM would not take it; it says where.
    """
    compile_document(text, sort)
    return json.dumps(json.loads(text))


def give(keys: Keys, found: AccessKey | Role, documents: Iterable[str]) -> bool:
    """Give a key or a role policies in the place of those that it has; a disabled key stays disabled.

    Returns:
        Whether it was still there.
    """
    if isinstance(found, Role):
        return keys.set_policies(found.arn, tuple(documents))
    disabling = () if found.is_active else (DENY_ALL,)
    return keys.set_policies(found.access_key_id, (*disabling, *documents))


def set_active(keys: Keys, key: AccessKey, active: bool) -> bool:
    """Let a key sign, or sign no more, with the policies that it has.

    Returns:
        Whether it was still there.
    """
    disabling = () if active else (DENY_ALL,)
    return keys.set_policies(key.access_key_id, (*disabling, *key.documents))


def shown_key(key: AccessKey) -> dict[str, Any]:
    """Return a key as it is shown, never with its secret."""
    return {
        "accessKeyId": key.access_key_id,
        "arn": f"arn:aws:iam::{key.account}:user/{key.access_key_id}",
        "status": ACTIVE if key.is_active else INACTIVE,
        "policies": _shown_documents(key.documents),
    }


def shown_role(role: Role) -> dict[str, Any]:
    """Return a role as it is shown."""
    return {
        "arn": role.arn,
        "roleId": role.role_id,
        "trust": json.loads(role.trust),
        "policies": _shown_documents(role.policies),
        "maxSessionSeconds": role.max_session_seconds,
    }


def _shown_documents(documents: Iterable[str]) -> list[Any]:
    return [json.loads(text) for text in documents]
