"""What a caller may do: IAM's evaluation of policies ("Policy evaluation logic")."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from sartor.errors import ApiError
from sartor.policies.documents import Statement, compile_document
from sartor.policies.facts import Facts

#: What policies say of a request: an explicit deny, an allow, or nothing.
Verdict = Literal["denied", "allowed", "unmentioned"]
#: So many sets of documents are kept compiled, and of each so many actions.
_COMPILED: Final = 1024
_ACTIONS: Final = 512


class Policies:
    """Documents that count together, compiled; safe to share between threads.

    Args:
        statements: of all of them.
    """

    def __init__(self, statements: Sequence[Statement]) -> None:
        self._statements = statements
        self._by_action: dict[str, tuple[list[Statement], list[Statement]]] = {}

    def verdict(self, action: str, resource: str, facts: Facts) -> Verdict:
        """Return what they say of an action on a resource; an explicit deny wins."""
        denying, allowing = self._about(action)
        if any(statement.applies(resource, facts) for statement in denying):
            return "denied"
        if any(statement.applies(resource, facts) for statement in allowing):
            return "allowed"
        return "unmentioned"

    def _about(self, action: str) -> tuple[list[Statement], list[Statement]]:
        """Return the statements about an action: those that deny, and those that allow."""
        found = self._by_action.get(action)
        if found is None:
            about = [one for one in self._statements if one.is_about(action.lower())]
            found = (
                [one for one in about if one.effect == "Deny"],
                [one for one in about if one.effect == "Allow"],
            )
            if len(self._by_action) < _ACTIONS:
                self._by_action[action] = found
        return found


@lru_cache(maxsize=_COMPILED)
def policies_of(documents: tuple[str, ...]) -> Policies:
    """Return documents of a key, a role or a session, compiled; none allow nothing.

    Raises:
        PolicyRefused: one of them is malformed.
    """
    return Policies([statement for text in documents for statement in compile_document(text)])


@dataclass(frozen=True)
class Permissions:
    """What one caller may do.

    Attributes:
        arn: of the caller, for the message.
        layers: policies by their sort in words; each must allow. None is no limit.
    """

    arn: str
    layers: Mapping[str, Policies]

    def require(self, action: str, resource: str, facts: Facts) -> None:
        """Refuse what the policies do not allow.

        Args:
            action: such as ``personalize:CreateDataset``.
            resource: an ARN, or ``*`` for actions on none.
            facts: of the request.

        Raises:
            ApiError: ``AccessDeniedException`` that says, as AWS does, what was missing.
        """
        verdicts = [(sort, one.verdict(action, resource, facts)) for sort, one in self.layers.items()]
        for wanted, words in (
            ("denied", "with an explicit deny in {article} {sort} policy"),
            ("unmentioned", "because no {sort} policy allows the {action} action"),
        ):
            for sort, verdict in verdicts:
                if verdict == wanted:
                    article = "an" if sort[0] in "aeiou" else "a"
                    why = words.format(article=article, sort=sort, action=action)
                    raise ApiError(
                        "AccessDeniedException",
                        f"User: {self.arn} is not authorized to perform: {action} on resource: {resource} {why}",
                    )


#: The sorts of policies in AWS's words.
IDENTITY: Final = "identity-based"
SESSION: Final = "session"
