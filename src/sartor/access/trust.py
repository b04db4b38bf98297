"""Who may assume a role: its trust policy ("IAM role trust policies", "Policy evaluation logic")."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from sartor.policies.documents import Statement, compile_document
from sartor.policies.facts import Facts

#: What a trust policy says of a caller: nothing, a deny, an allow by its own name, or one of its whole account,
#: which leaves to the caller's own policies who of them may.
Trust = Literal["unmentioned", "denied", "named", "account"]


@dataclass(frozen=True)
class Candidate:
    """The names that a trust policy may have for a caller.

    Attributes:
        named: by sort of principal, those that are the caller's alone.
        account: those of its account.
    """

    named: Mapping[str, frozenset[str]]
    account: frozenset[str] = frozenset()

    def match(self, statement: Statement) -> Trust:
        """Return how a statement means it, if it does."""
        said = statement.principals or {}
        by_name = any(self.named.get(sort, frozenset()) & set(names) for sort, names in said.items())
        by_account = bool(self.account & set(said.get("AWS", ())))
        if statement.not_principals:
            return "unmentioned" if by_name or by_account else "account"
        return "named" if by_name else "account" if by_account else "unmentioned"


def user(account: str, arn: str, role_arn: str | None) -> Candidate:
    """Return the names of a user, or of a role's session."""
    names = frozenset((arn, role_arn) if role_arn else (arn,))
    return Candidate({"AWS": names}, frozenset(("*", account, f"arn:aws:iam::{account}:root")))


def federated(provider_arn: str) -> Candidate:
    """Return the name of who comes from an identity provider."""
    return Candidate({"Federated": frozenset((provider_arn,))})


def trust_of(document: str, action: str, candidate: Candidate, facts: Facts) -> Trust:
    """Return what a role's trust policy says of a caller; an explicit deny wins, a name comes before an account."""
    found: set[Trust] = set()
    for statement in _statements(document):
        if not statement.is_about(action.lower()) or not statement.applies("", facts):
            continue
        match = candidate.match(statement)
        if match != "unmentioned":
            found.add("denied" if statement.effect == "Deny" else match)
    ordered: tuple[Trust, ...] = ("denied", "named", "account")
    return next((one for one in ordered if one in found), "unmentioned")


@lru_cache(maxsize=256)
def _statements(document: str) -> list[Statement]:
    return compile_document(document, "trust")
