"""Our own paths as policies name them: ``sartor:Get`` and ``sartor:Post`` on what the path names.

What looks after keys and roles has IAM's own actions, and the audit CloudTrail's: whoever may read reports may not
therefore make keys.
"""

import re
from typing import Final
from urllib.parse import unquote

from sartor.access.actions import NO_RESOURCE

_SERVICE: Final = "sartor"
_ROOT: Final = "/sartor/v1/"
_USER: Final = "user/{}"
_ROLE: Final = "role/{}"
#: The action of each path below ``/sartor/v1/access/``, for a POST or for what only reads, and the end of the ARN
#: that it is about; nothing is ``*``.                                                    <- add a path about access
_ACTIONS: Final = tuple(
    (posts, re.compile(path), action, about)
    for posts, path, action, about in (
        (False, r"keys", "iam:ListAccessKeys", "user/*"),
        (False, r"keys/([^/]+)", "iam:GetUserPolicy", _USER),
        (True, r"keys", "iam:CreateAccessKey", "user/*"),
        (True, r"keys/([^/]+)/policies", "iam:PutUserPolicy", _USER),
        (True, r"keys/([^/]+)/status", "iam:UpdateAccessKey", _USER),
        (True, r"keys/([^/]+)/delete", "iam:DeleteAccessKey", _USER),
        (False, r"roles", "iam:ListRoles", "role/*"),
        (False, r"roles/(.+)", "iam:GetRole", _ROLE),
        (True, r"roles", "iam:CreateRole", "role/*"),
        (True, r"roles/(.+)/policies", "iam:PutRolePolicy", _ROLE),
        (True, r"roles/(.+)/trust", "iam:UpdateAssumeRolePolicy", _ROLE),
        (True, r"roles/(.+)/delete", "iam:DeleteRole", _ROLE),
        (True, r"simulation", "iam:SimulatePrincipalPolicy", ""),
        (False, r"audit(?:/verification)?", "cloudtrail:LookupEvents", ""),
    )
)


def named(method: str, path: str, region: str, account: str) -> tuple[str, str]:
    """Return the action and the ARN of a request to one of our own paths.

    Args:
        method: of the request.
        path: as it was sent; however it is encoded, it names the same.
        region: of the caller.
        account: of the caller.
    """
    posts, below = method == "POST", unquote(path).removeprefix(_ROOT)
    for action_posts, pattern, action, about in _ACTIONS:
        found = pattern.fullmatch(below.removeprefix("access/")) if below.startswith("access/") else None
        if found is not None and action_posts is posts:
            arn = f"arn:aws:iam::{account}:{about.format(*found.groups())}" if about else NO_RESOURCE
            return action, arn
    return f"{_SERVICE}:{'Post' if posts else 'Get'}", f"arn:aws:{_SERVICE}:{region}:{account}:{below}"
