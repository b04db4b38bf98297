"""Policy documents: read, checked as IAM checks them, and compiled ("IAM JSON policy elements reference")."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

from sartor.policies.conditions import Condition, ConditionRefused, compile_condition
from sartor.policies.facts import NOTHING, Facts
from sartor.policies.patterns import Match, has_variables, pattern, resolved
from sartor.policies.places import Path, place_of

#: The version whose texts have variables, and the one before it, which is meant where none is named.
_VERSIONS: Final = ("2012-10-17", "2008-10-17")
#: The longest document without its white space, as IAM has it for the policies of a role.
MAXIMUM_CHARACTERS: Final = 10_240
_ACTION: Final = re.compile(r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?_.-]+")
_SID: Final = re.compile(r"[A-Za-z0-9 ]*")
_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_PRINCIPALS: Final = ("AWS", "Federated", "Service", "CanonicalUser")
Effect = Literal["Allow", "Deny"]
#: What a document is attached to: a key or a role; or a role, to say who may assume it.
Sort = Literal["identity", "trust"]
_ELEMENTS: Final[Mapping[Sort, frozenset[str]]] = {
    "identity": frozenset(("Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition")),
    "trust": frozenset(("Sid", "Effect", "Action", "NotAction", "Principal", "NotPrincipal", "Condition")),
}


class PolicyRefused(ValueError):  # noqa: N818 - it says what became of it
    """A document is none that IAM would take; the message says why, in its words where they are known.

    Attributes:
        path: to what is wrong in the document: names of members, and places in lists.
        line: of that, from 1.
        column: where it begins there, from 1.
    """

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.path: Path = path
        self.line, self.column = 1, 1


@dataclass(frozen=True)
class Texts:
    """An element and its opposite, such as ``Action`` and ``NotAction``.

    Attributes:
        matches: of its texts.
        opposite: whether it stands for everything that matches none of them.
        variables: the texts that have policy variables.
    """

    matches: Sequence[Match]
    opposite: bool = False
    variables: tuple[str, ...] = ()

    def __call__(self, value: str, facts: Facts) -> bool:
        """Return whether the element stands for a value."""
        return any(match(value, facts) for match in self.matches) is not self.opposite

    def is_known(self, facts: Facts) -> bool:
        """Return whether every variable has a value."""
        return all(resolved(text, facts) is not None for text in self.variables)


@dataclass(frozen=True)
class Statement:
    """One statement, compiled.

    Attributes:
        effect: of it, where it applies.
        actions: the actions that it is about, in lower case.
        resources: the ARNs that it is about; every one in a trust policy.
        conditions: all of them must hold.
        principals: by sort, who a trust policy is about; everybody without.
        not_principals: whether it is about everybody else.
    """

    effect: Effect
    actions: Texts
    resources: Texts | None
    conditions: Sequence[Condition]
    principals: Mapping[str, Sequence[str]] | None = None
    not_principals: bool = False

    def is_about(self, action: str) -> bool:
        """Return whether it is about an action, in lower case."""
        return self.actions(action, NOTHING)

    def names(self, resource: str, facts: Facts) -> bool:
        """Return whether it is about a resource."""
        resources = self.resources
        if resources is None:
            return True
        if not resources(resource, facts):
            return False
        # what is allowed but for what nobody knows is not allowed
        return not resources.opposite or self.effect != "Allow" or resources.is_known(facts)

    def applies(self, resource: str, facts: Facts) -> bool:
        """Return whether it applies to a resource, given that it is about the action."""
        return self.names(resource, facts) and all(holds(facts) for holds in self.conditions)


def compile_document(text: str, sort: Sort = "identity") -> list[Statement]:
    """Return the statements of a document.

    Args:
        text: JSON.
        sort: what it is attached to.

    Raises:
        PolicyRefused: IAM would call it malformed; it says where.
    """
    try:
        return _compiled(text, sort)
    except PolicyRefused as refused:
        if refused.path:
            refused.line, refused.column = place_of(text, refused.path)
        raise


def _compiled(text: str, sort: Sort) -> list[Statement]:
    if len(re.sub(r"\s", "", text)) > MAXIMUM_CHARACTERS:
        raise PolicyRefused(f"A policy has up to {MAXIMUM_CHARACTERS:,} characters without white space.")
    try:
        document = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        refused = PolicyRefused(f"Syntax errors in policy: {error}")
        refused.line, refused.column = error.lineno, error.colno
        raise refused from None
    except (ValueError, RecursionError) as error:
        raise PolicyRefused(f"Syntax errors in policy: {error}") from None
    if not isinstance(document, dict):
        raise PolicyRefused("Syntax errors in policy: it must be a JSON object.")
    _require_known(document, frozenset(("Version", "Id", "Statement")))
    version = document.get("Version", _VERSIONS[1])
    if version not in _VERSIONS:
        raise PolicyRefused(f"Policy document must be version {' or '.join(_VERSIONS)}.", "Version")
    statements = document.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise PolicyRefused("Missing required field Statement.", "Statement")
    sids = [one.get("Sid") for one in statements if isinstance(one, dict) and one.get("Sid")]
    if len(set(map(str, sids))) < len(sids):
        raise PolicyRefused("Statement IDs (SID) in a single policy must be unique.", "Statement")
    found = []
    for at, one in enumerate(statements):
        with _within("Statement", at):
            found.append(_statement(one, sort, version == _VERSIONS[0]))
    return found


@contextmanager
def _within(*path: str | int) -> Iterator[None]:
    """Let what is refused say that it lies below a path."""
    try:
        yield
    except PolicyRefused as refused:
        refused.path = (*path, *refused.path)
        raise


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name} is there twice.")
        found[name] = value
    return found


def _require_known(members: Mapping[str, Any], known: frozenset[str]) -> None:
    for name in members:
        if name not in known:
            words = (
                "Has prohibited field"
                if name in _ELEMENTS["trust"] | _ELEMENTS["identity"]
                else "Unknown field"
            )
            raise PolicyRefused(f"{words} {name}.", name)


def _statement(members: Any, sort: Sort, variables: bool) -> Statement:
    if not isinstance(members, dict):
        raise PolicyRefused("Syntax errors in policy: a statement must be a JSON object.")
    _require_known(members, _ELEMENTS[sort])
    sid = members.get("Sid", "")
    if not isinstance(sid, str) or not _SID.fullmatch(sid):
        raise PolicyRefused("Statement IDs (SID) must be alpha-numeric.", "Sid")
    effect = members.get("Effect")
    if effect is None:
        raise PolicyRefused("Missing required field Effect.")
    if effect not in ("Allow", "Deny"):
        raise PolicyRefused(f"Invalid effect: {effect}.", "Effect")
    actions, not_actions = _either(members, "Action", "Policy statement must contain actions.")
    for at, action in enumerate(actions):
        if not _ACTION.fullmatch(action):
            raise PolicyRefused(
                f"Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: {action}.",
                *("NotAction" if not_actions else "Action", at),
            )
    resources = None
    if sort == "identity":
        named, not_named = _either(members, "Resource", "Policy statement must contain resources.")
        for at, resource in enumerate(named):
            if resource != "*" and not resource.startswith("arn:"):
                raise PolicyRefused(
                    f'Resource {resource} must be in ARN format or "*".',
                    *("NotResource" if not_named else "Resource", at),
                )
        with_variables = tuple(one for one in named if variables and has_variables(one))
        resources = Texts([pattern(one, variables) for one in named], not_named, with_variables)
    principals, not_principals = _principals(members) if sort == "trust" else (None, False)
    return Statement(
        effect,
        Texts([pattern(action.lower(), False) for action in actions], not_actions),
        resources,
        _conditions(members.get("Condition", {}), variables),
        principals,
        not_principals,
    )


def _either(members: Mapping[str, Any], name: str, missing: str) -> tuple[list[str], bool]:
    """Return the texts of an element or of its opposite, and whether they are the opposite's."""
    given = [one for one in (name, f"Not{name}") if one in members]
    if len(given) != 1:
        raise PolicyRefused(f"A statement has {name} or Not{name}, not both." if given else missing)
    texts = _texts(members[given[0]], given[0])
    if not texts:
        raise PolicyRefused(missing)
    return texts, given[0] != name


def _texts(value: Any, name: str) -> list[str]:
    """Return a text, or a list of them, as a list."""
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) and text for text in texts):
        raise PolicyRefused(f"Syntax errors in policy: {name} must be a text or a list of texts.", name)
    return texts


def _conditions(members: Any, variables: bool) -> list[Condition]:
    if not isinstance(members, dict) or not all(isinstance(keys, dict) for keys in members.values()):
        raise PolicyRefused(
            "Syntax errors in policy: Condition must have operators with condition keys.", "Condition"
        )
    found = []
    for operator, keys in members.items():
        for key, value in keys.items():
            with _within("Condition", operator, key):
                values = [_scalar(one, key) for one in (value if isinstance(value, list) else [value])]
                try:
                    found.append(compile_condition(operator, key, values, variables))
                except ConditionRefused as refused:
                    raise PolicyRefused(str(refused)) from None
    return found


def _scalar(value: Any, key: str) -> str:
    """Return a condition's value as text; JSON's own numbers and booleans are taken too."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise PolicyRefused(f"Syntax errors in policy: a value of {key} must be a text, a number or a boolean.")


def _principals(members: Mapping[str, Any]) -> tuple[Mapping[str, Sequence[str]], bool]:
    """Return who a trust policy's statement is about."""
    given = [one for one in ("Principal", "NotPrincipal") if one in members]
    if len(given) != 1:
        raise PolicyRefused(
            "A statement has Principal or NotPrincipal, not both."
            if given
            else "Missing required field Principal."
        )
    value = members[given[0]]
    if value == "*":
        value = {"AWS": "*"}
    if not isinstance(value, dict) or not value or not set(value) <= set(_PRINCIPALS):
        raise PolicyRefused(f"Invalid principal in policy: it has {', '.join(_PRINCIPALS)}.", given[0])
    found = {sort: _texts(names, given[0]) for sort, names in value.items()}
    for name in found.get("AWS", ()):
        if name != "*" and not _ACCOUNT.fullmatch(name) and not name.startswith("arn:"):
            raise PolicyRefused(f'Invalid principal in policy: "AWS":"{name}".', given[0], "AWS")
    return found, given[0] == "NotPrincipal"
