"""What policies would say of a request, and which of their statements say it (IAM's SimulatePrincipalPolicy)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sartor.policies.documents import Effect, compile_document
from sartor.policies.facts import Facts, Values
from sartor.policies.permissions import Verdict, policies_of
from sartor.policies.places import place_of

#: IAM's word for each verdict.
DECISIONS: Final[Mapping[Verdict, str]] = {
    "allowed": "allowed",
    "denied": "explicitDeny",
    "unmentioned": "implicitDeny",
}
#: Whether a statement about the action applies, or what of it does not fit.
Fit = Literal["applies", "other resource", "condition"]


@dataclass(frozen=True)
class Considered:
    """A statement that is about the action.

    Attributes:
        document: which document has it, from 0.
        line: of the document where it begins, from 1.
        effect: of it.
        fit: whether it applies.
    """

    document: int
    line: int
    effect: Effect
    fit: Fit


@dataclass(frozen=True)
class Simulated:
    """What policies say of a request.

    Attributes:
        decision: in IAM's words.
        statements: those that are about the action.
    """

    decision: str
    statements: Sequence[Considered]


class Assumed(Facts):
    """Facts of which some are assumed to be others.

    Args:
        facts: of the request.
        assumed: condition keys, and the values that they are taken to have; an empty list takes a key away.
    """

    def __init__(self, facts: Facts, assumed: Mapping[str, Sequence[str]]) -> None:
        super().__init__({})
        self._facts = facts
        self._assumed = {key.lower(): tuple(values) for key, values in assumed.items()}

    def get(self, key: str) -> Values:
        """Return the values of a condition key: the assumed ones first."""
        if key.lower() in self._assumed:
            return self._assumed[key.lower()] or None
        return self._facts.get(key)


def simulate(documents: tuple[str, ...], action: str, resource: str, facts: Facts) -> Simulated:
    """Return what documents that count together say of an action on a resource.

    Raises:
        PolicyRefused: one of them is malformed.
    """
    considered = [
        Considered(
            document,
            place_of(text, ("Statement", at))[0],
            one.effect,
            "applies"
            if one.applies(resource, facts)
            else "condition"
            if one.names(resource, facts)
            else "other resource",
        )
        for document, text in enumerate(documents)
        for at, one in enumerate(compile_document(text))
        if one.is_about(action.lower())
    ]
    return Simulated(DECISIONS[policies_of(documents).verdict(action, resource, facts)], considered)


def why(said: Simulated, action: str) -> list[str]:
    """Return the reasons of a decision, a sentence for each statement that matters."""
    effect: Effect = "Deny" if said.decision == DECISIONS["denied"] else "Allow"
    deciding = [one for one in said.statements if one.fit == "applies" and one.effect == effect]
    if deciding:
        words = "denies it, and a deny wins" if effect == "Deny" else "allows it"
        return [f"{_named(one)} {words}." for one in deciding]
    near = [
        f"{_named(one)} would {one.effect.lower()} it, but "
        + ("is about another resource." if one.fit == "other resource" else "its condition does not hold.")
        for one in said.statements
        if one.effect == "Allow"
    ]
    return near or [f"No statement allows {action}."]


def _named(one: Considered) -> str:
    return f"Policy {one.document + 1}, the statement at line {one.line},"
