"""Who a caller is, in IAM's words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from sartor.policies.facts import Values
from sartor.policies.permissions import Permissions


@dataclass(frozen=True)
class Principal:
    """A user, which is what a key is, or the session of a role.

    Attributes:
        account: whose it is.
        arn: of the user or of the session.
        user_id: IAM's unique id; of a session with its name.
        role_arn: of the role of a session, ``None`` for a user.
        permissions: what it may do; ``None`` for everything in its account.
        issued_at: when its temporary credentials were made, in epoch seconds; ``None`` for lasting ones.
        tags: of the session.
        others: further condition keys in lower case, which the session was made with.
    """

    account: str
    arn: str
    user_id: str
    role_arn: str | None = None
    permissions: Permissions | None = None
    issued_at: float | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def facts(self) -> Mapping[str, str]:
        """The condition keys about it, in lower case ("AWS global condition context keys")."""
        said: dict[str, str | None] = {
            **self.others,
            "aws:principalarn": self.role_arn or self.arn,
            "aws:principalaccount": self.account,
            "aws:principaltype": "User" if self.role_arn is None else "AssumedRole",
            "aws:userid": self.user_id,
            "aws:username": self.arn.rpartition("/")[2] if self.role_arn is None else None,
            "aws:tokenissuetime": None if self.issued_at is None else iso_time(self.issued_at),
        }
        return {key: value for key, value in said.items() if value is not None}


def tagged(tags: Mapping[str, str], name: str) -> Values:
    """Return the value of the tag of a name in any case."""
    return next(((value,) for key, value in tags.items() if key.lower() == name.lower()), None)


def iso_time(epoch_seconds: float) -> str:
    """Return a moment as AWS writes it, such as ``2026-01-31T12:00:00Z``."""
    return datetime.fromtimestamp(int(epoch_seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
