"""Policies on a page: texts that are edited, faults where they lie, and whether something would be allowed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sartor.console.pages.page import Visit
from sartor.policies.documents import PolicyRefused, Sort, compile_document

#: The fields of a form that have a policy each, and the one with a trust policy.
FIELD: Final = "policy"
TRUST_FIELD: Final = "trust"
#: What a question about policies is asked with.
ASKED: Final = ("action", "resource", "source")
#: So many lines are shown above the one with a fault.
_LINES_BEFORE: Final = 2


@dataclass(frozen=True)
class Fault:
    """What is wrong with a text, and where.

    Attributes:
        message: in words.
        line: from 1.
        column: from 1.
        excerpt: the lines up to it, and below them a sign at the column.
    """

    message: str
    line: int
    column: int
    excerpt: str


@dataclass(frozen=True)
class Edited:
    """A text as it stands in the editor.

    Attributes:
        text: JSON, perhaps with a fault.
        fault: that.
    """

    text: str
    fault: Fault | None = None


def edited(visit: Visit, kept: Sequence[Any], field: str = FIELD, sort: Sort = "identity") -> list[Edited]:
    """Return the texts of an editor: those that were sent with their faults, else those that are kept."""
    sent = visit.every.get(field)
    if sent is None:
        return [Edited(pretty(one)) for one in kept]
    return [Edited(text, _fault(text, sort)) for text in map(_plain_lines, sent) if text.strip()]


def texts_of(visit: Visit, field: str = FIELD) -> list[str]:
    """Return the texts that were sent; empty ones are left out."""
    return [text for text in map(_plain_lines, visit.every.get(field, ())) if text.strip()]


def pretty(document: Any) -> str:
    """Return a document with a line for each thing, as the editor shows it and faults count."""
    return json.dumps(document, indent=2, ensure_ascii=False)


def question(visit: Visit) -> dict[str, Any] | None:
    """Return what the address asks about policies, as a simulation takes it; ``None`` if it asks nothing."""
    asked = {name: visit.query.get(name, "").strip() for name in ASKED}
    if not asked["action"]:
        return None
    context = {"aws:SourceIp": asked["source"]} if asked["source"] else None
    return {"action": asked["action"], "resource": asked["resource"] or None, "context": context}


def answer(
    visit: Visit, who: Mapping[str, str], drafts: Sequence[str] | None = None
) -> dict[str, Any] | None:
    """Return what policies say to the address's question; ``None`` if it asks nothing.

    Args:
        visit: whose address.
        who: ``accessKeyId`` or ``roleName``.
        drafts: policies in the place of those that are kept.

    Raises:
        ApiError: a draft has a fault, or the visitor may not ask.
    """
    asked = question(visit)
    if asked is None:
        return None
    return visit.asks.post("access", "simulation", **who, **asked, policies=drafts)


def _plain_lines(text: str) -> str:
    """Return a text with the ends of lines that we count; browsers send two characters."""
    return text.replace("\r\n", "\n")


def _fault(text: str, sort: Sort) -> Fault | None:
    try:
        compile_document(text, sort)
    except PolicyRefused as refused:
        lines = text.split("\n")[max(refused.line - 1 - _LINES_BEFORE, 0) : refused.line]
        sign = " " * (refused.column - 1) + "^"
        return Fault(str(refused), refused.line, refused.column, "\n".join([*lines, sign]))
    return None
