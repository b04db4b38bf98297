"""Audit: what calls changed, a page at a time, and whether the chain is whole."""

from collections.abc import Mapping
from typing import Any, Final

from sartor.console.pages.page import Page, Shown, Visit
from sartor.console.pages.tables import Column, Table

_PATH: Final = "/console/access/audit"
_COLUMNS: Final = (
    Column("time", "When"),
    Column("action", "Action"),
    Column("who", "Who"),
    Column("from", "From"),
    Column("about", "About"),
)
_ROWS: Final = 50
#: The parameters of the address that say what is looked for.
_LOOKED_FOR: Final = ("action", "who", "text", "since", "until")
#: The most of a value that a row shows, in characters.
_LONGEST: Final = 120


def _show(visit: Visit) -> Shown:
    looked_for = {name: visit.query.get(name) or None for name in _LOOKED_FOR}
    before = visit.query.get("before")
    found = visit.asks.get("access", "audit", **looked_for, limit=_ROWS, before=before)
    next_before = found.get("before")
    table = Table(
        "Audit",
        _COLUMNS,
        [_row(one) for one in found["records"]],
        "No record is like that." if any(looked_for.values()) else "Nothing was changed yet.",
        before=visit.link(before=None) if before else "",
        after="" if next_before is None else visit.link(before=next_before),
    )
    chain = None
    if "head" in visit.query:
        head = visit.query["head"].strip() or None
        chain = visit.asks.get("access", "audit", "verification", head=head)
    return Shown("audit.html", {"table": table, "chain": chain, "looked_for": looked_for})


def _row(found: Mapping[str, Any]) -> dict[str, Any]:
    record = found["record"]
    who = record.get("userIdentity", {})
    return {
        "number": found["number"],
        "time": record.get("eventTime", ""),
        "action": record.get("eventName", ""),
        "who": str(who.get("arn") or who.get("type", "")).rpartition(":")[2],
        "from": record.get("sourceIPAddress", ""),
        "about": _about(record.get("requestParameters") or {}),
        "all": {**record, "hash": found["hash"]},
    }


def _about(members: Mapping[str, Any]) -> str:
    """Return the first member that says what a call was about: a name or an ARN."""
    for name, value in members.items():
        if isinstance(value, str) and (name == "name" or name.endswith(("Name", "Arn", "Id"))):
            return value[:_LONGEST]
    return ""


PAGES: Final = (Page(_PATH, "Audit", "Access", _show),)
