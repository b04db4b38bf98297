"""Events: what calls put, as it comes; how much a second; what was no use and why; and a form that sends one."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sartor.console.pages import charts, tables
from sartor.console.pages.page import Action, Done, Page, Shown, Visit, link
from sartor.console.pages.snippets import Lines
from sartor.errors import invalid_input

_PATH: Final = "/console/events"
_SHOWN: Final = 30
_COLUMNS: Final = tuple(
    tables.Column(key, title)
    for key, title in (("who", "Who"), ("rest", "What"), ("of", "Of"), ("receivedAt", "Received"))
)
_REJECTED: Final = tuple(
    tables.Column(key, title)
    for key, title in (
        ("reason", "Why"),
        ("record", "What of it was kept"),
        ("of", "Of"),
        ("receivedAt", "Received"),
    )
)
#: Who or what a record is of, by its columns: the first that it has.
_WHO: Final = ("USER_ID", "ITEM_ID", "ACTION_ID")
_TEXTS: Final = ("userId", "sessionId", "eventType", "itemId", "properties")


def _show(visit: Visit) -> Shown:
    groups = visit.asks.call("ListDatasetGroups", maxResults=100)["datasetGroups"]
    arns = [one["datasetGroupArn"] for one in groups]
    group = visit.query.get("group") or next(iter(arns), "")
    words: dict[str, Any] = {
        "group": group,
        "groups": [(arn, arn.rpartition("/")[2]) for arn in dict.fromkeys([*arns, group]) if arn],
        "table": None,
        "rejected": None,
        "trackers": [],
    }
    if group and visit.part in ("", "tail"):
        words |= _tail(visit, group)
    if group and visit.part in ("", "rejected"):
        words |= _rejected(visit, group)
    if group and not visit.part:
        words |= {"trackers": _trackers(visit, group), "send": _line(visit)}
    return Shown("events.html", words)


def _tail(visit: Visit, group: str) -> dict[str, Any]:
    """Return the newest records of a group, and how many come a second."""
    before = visit.query.get("before") or None
    found = visit.asks.get("events", datasetGroupArn=group, limit=_SHOWN, before=before)
    records: Sequence[Mapping[str, Any]] = found["records"]
    rows = [{**one, "of": _type(one), **_parts(one["record"])} for one in records]
    table = tables.Table(
        "What calls put, newest first",
        _COLUMNS,
        rows,
        "Nothing was put yet. Send one, or let your site call PutEvents.",
        before=visit.link(before=None) if before else "",
        after=visit.link(before=rows[-1]["number"]) if len(rows) == _SHOWN else "",
    )
    rates = [(name.replace("_", " ").capitalize(), rate) for name, rate in found["perSecond"].items()]
    traffic = visit.asks.get("traffic")["operations"].get("PutEvents")
    return {
        "table": table,
        "rates": rates,
        "refused": None if traffic is None else traffic["refusedPerSecond"],
    }


def _type(record: Mapping[str, Any]) -> str:
    return str(record["datasetArn"]).rpartition("/")[2].replace("_", " ").lower()


def _parts(cells: Mapping[str, Any]) -> dict[str, str]:
    """Return who a record is of, and the rest as a text."""
    who = next((name for name in _WHO if name in cells), "")
    rest = {name: value for name, value in cells.items() if name != who and name != "TIMESTAMP"}
    return {
        "who": str(cells.get(who, "")),
        "rest": ", ".join(f"{name} {value}" for name, value in rest.items()),
    }


def _rejected(visit: Visit, group: str) -> dict[str, Any]:
    """Return what was taken and could not be used, with how often and why."""
    found = visit.asks.get("events", "rejected", datasetGroupArn=group, limit=_SHOWN)
    rows = [
        {**one, "of": _type(one), "record": json.dumps(one["record"], ensure_ascii=False)}
        for one in found["rejected"]
    ]
    table = tables.Table(
        "What could not be used, newest first", _REJECTED, rows, "All that was put could be used."
    )
    counts = sorted(found["counts"].items(), key=lambda one: -one[1])
    chart = charts.bars("Rejected by reason", counts, "times") if counts else ""
    return {"rejected": table, "reasons": chart, "total": found["total"]}


def _trackers(visit: Visit, group: str) -> list[tuple[str, str]]:
    """Return the tracking ids of a group's trackers, each with the tracker's name."""
    found = visit.asks.call("ListEventTrackers", datasetGroupArn=group, maxResults=10)["eventTrackers"]
    described = [
        visit.asks.call("DescribeEventTracker", eventTrackerArn=one["eventTrackerArn"])["eventTracker"]
        for one in found
        if one["status"] == "ACTIVE"
    ]
    return [(one["trackingId"], one["name"]) for one in described]


def _members(form: Mapping[str, str], sent_at: int) -> dict[str, Any]:
    """Return the members of a call that sends the event that was typed; what is empty is left out."""
    given = {name: form.get(name, "").strip() for name in _TEXTS}
    event = {name: value for name in ("eventType", "itemId", "properties") if (value := given[name])} | {
        "sentAt": sent_at
    }
    call = {"trackingId": form.get("trackingId", ""), "sessionId": given["sessionId"], "eventList": [event]}
    return {**call, "userId": given["userId"]} if given["userId"] else call


def _line(visit: Visit) -> Lines:
    """Return how a program sends what is typed, or an example."""
    example = {"userId": "user-1", "sessionId": "session-1", "eventType": "view", "itemId": "item-1"}
    return visit.asks.same(
        "PutEvents", **_members({"trackingId": "TRACKING-ID", **example, **visit.form}, 1700000000)
    )


def _send(visit: Visit) -> Done:
    visit.asks.call("PutEvents", **_members(visit.form, int(time.time())))
    said = "It is stored. What of it could not be used is below, with the reason."
    return Done(visit.link(before=None), said)


def _track(visit: Visit) -> Done:
    group, name = visit.form.get("group", ""), visit.form.get("name", "").strip()
    if not name:
        raise invalid_input("Give the tracker a name.")
    visit.asks.call("CreateEventTracker", datasetGroupArn=group, name=name)
    return Done(link(_PATH, group=group), "The tracker is made; in a moment events can be sent.")


PAGES: Final = (Page(_PATH, "Events", "Events", _show, {"send": Action(_send), "track": Action(_track)}),)
