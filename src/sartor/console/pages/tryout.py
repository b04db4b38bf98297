"""Try: what somebody gets and why, by any campaign, filter and context; and how an event changes it."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sartor.console.pages import placed
from sartor.console.pages.page import Action, Done, Page, Shown, Visit, link
from sartor.errors import ApiError, invalid_input
from sartor.numbers import whole
from sartor.resources.kind_names import RECOMMENDER

PATH: Final = "/console/try"
FILTER_PATH: Final = "/console/try/filter"
#: So many items an answer has, unless the address says otherwise, and so many at most.
_ITEMS: Final = 10
_MOST_ITEMS: Final = 100
_SHOWN_HISTORY: Final = 12
_FOUND: Final = 8
#: The session of events that are sent from here.
_SESSION: Final = "sartor-console"
#: What nobody explains.
_UNSAID: Final[Mapping[str, Any]] = {"reason": None, "evidence": ()}


def _show(visit: Visit) -> Shown:
    deployed = [one for one in visit.asks.get("deployed", limit=100)["deployed"] if "operation" in one]
    arn = visit.query.get("arn") or first_of(deployed)
    words: dict[str, Any] = {"deployed": deployed, "arn": arn, "about": None}
    if not arn:
        return Shown("try.html", words)
    try:
        about = visit.asks.get("deployed", arn)
    except ApiError as error:  # it is being made, or has failed
        if error.code == "ResourceNotFoundException":
            raise
        return Shown("try.html", {**words, "refused": error})
    filters = _filters(visit, about)
    asked = _asked(visit, dict(filters))
    words |= {"about": about, "filters": filters, **_whom(visit, about)}
    asked |= {"userId": words["user"] or None, "itemId": words["item"] or None}
    words |= {**_answered(visit, about, asked), **_events(visit, about, words["user"])}
    words |= {
        "related": _related(deployed, about),
        "moved": moved(words["items"], visit.query.get("before", "")),
        "ids": json.dumps([one["itemId"] for one in words["items"]], ensure_ascii=False),
        "rank": visit.query.get("rank", ""),
        "n": asked["numResults"],
        "editor": link(
            FILTER_PATH,
            group=about["datasetGroupArn"],
            text=visit.query.get("text"),
            values=visit.query.get("values"),
            user=words["user"],
        ),
    }
    return Shown("try.html", words, images=True)


def first_of(deployed: Sequence[Mapping[str, Any]]) -> str:
    """Return the ARN of what is asked first: the newest that recommends to users, or else the newest that is ACTIVE."""
    active = [one for one in deployed if one["status"] == "ACTIVE"]
    for_users = [
        one for one in active if (one["operation"], one["needs"]) == ("GetRecommendations", "userId")
    ]
    return next((str(one["arn"]) for one in (*for_users, *active)), "")


def _asked(visit: Visit, filters: Mapping[str, str]) -> dict[str, Any]:
    """Return the members that the address gives, but for who asks; a filter of another group is left out."""
    query = visit.query
    chosen = query.get("filter") if query.get("filter") in filters else None
    return {
        "filterArn": chosen or None,
        "filterExpression": None if chosen else query.get("text") or None,
        "filterValues": pairs(query.get("values", "")) or None,
        "context": pairs(query.get("context", "")) or None,
        "numResults": whole(query.get("n", ""), 1, _MOST_ITEMS) or _ITEMS,
    }


def pairs(text: str) -> dict[str, str]:
    """Return the names and values of lines such as ``GENRE="Drama"``; a line without a sign has no value."""
    lines = [line.partition("=") for line in text.splitlines() if line.strip()]
    return {name.strip().removeprefix("$"): value.strip() for name, _, value in lines}


def _filters(visit: Visit, about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the filters of the group that is asked, for a choice."""
    found = visit.asks.call("ListFilters", datasetGroupArn=about["datasetGroupArn"], maxResults=100)
    active = [one for one in found["Filters"] if one["status"] == "ACTIVE"]
    return [("", "none"), *((one["filterArn"], one["name"]) for one in active)]


def _whom(visit: Visit, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return who asks, or beside which item, with what is known of them; somebody typical unless the address says."""
    arn, query = about["arn"], visit.query
    words: dict[str, Any] = {"user": query.get("user", "").strip(), "item": query.get("item", "").strip()}
    words |= {"typical": [], "found": [], "known": None, "found_items": [], "history": None}
    if about["needs"] == "itemId":
        found = visit.asks.get("deployed", arn, "items", search=words["item"] or None, limit=_FOUND)["items"]
        names = [one["itemId"] for one in found]
        item = words["item"] if words["item"] in names or not names else names[0]
        return {**words, "found_items": found, "item": item}
    if about["needs"] != "userId":
        return words
    users = visit.asks.get("deployed", arn, "users", search=words["user"] or None, limit=_FOUND)
    words["typical"] = users["typical"]
    usual = next((one["userId"] for one in users["typical"] if one["typical"] == "usual history"), "")
    words["user"] = words["user"] or usual
    if words["user"]:
        history = visit.asks.get("deployed", arn, "history", userId=words["user"], limit=_SHOWN_HISTORY)
        words["history"] = history
        if not history["isKnown"] and not history["history"]:
            words["found"] = users["users"]
    return words


def _answered(visit: Visit, about: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the items of the answer with all that is known of why; or why there is none, and where."""
    member = "recommenderArn" if f":{RECOMMENDER}/" in about["arn"] else "campaignArn"
    members = {member: about["arn"], **asked}
    operation = about["operation"]
    if operation != "GetRecommendations":
        members.pop("filterExpression")
    answered = {"GetPersonalizedRanking": _ranked, "GetActionRecommendations": _actions}.get(
        operation, _recommended
    )
    words: dict[str, Any] = {
        "items": [],
        "removed": [],
        "explained": None,
        "refused": None,
        "place": None,
        "same": None,
    }
    missing = (about["needs"] == "userId" and not asked["userId"]) or (
        about["needs"] == "itemId" and not asked["itemId"]
    )
    if missing:
        return words
    try:
        return {**words, **answered(visit, members)}
    except ApiError as error:
        return {**words, "refused": error, "place": placed.marked(visit.query.get("text", ""), error.message)}


def _recommended(visit: Visit, members: dict[str, Any]) -> dict[str, Any]:
    found = visit.asks.post("explain", **members)
    titles, images = found["titles"], found["images"]

    def named(name: str) -> dict[str, str]:
        return named_item(name, titles, images)

    items = [
        {
            **named(one["itemId"]),
            "score": one.get("score"),
            "reason": one.get("reason"),
            "evidence": [{**named(of["itemId"]), "gain": of["gain"]} for of in one["evidence"]],
        }
        for one in found["items"]
    ]
    removed = [{**rule, "best": [named(name) for name in rule["ofTheBest"][:5]]} for rule in found["removed"]]
    asked = {name: value for name, value in members.items() if name != "filterExpression"}
    same = visit.asks.same("GetRecommendations", **asked)
    return {"items": items, "removed": removed, "explained": found, "same": same}


def _ranked(visit: Visit, members: dict[str, Any]) -> dict[str, Any]:
    arn = members["campaignArn"]
    names = [line.strip() for line in visit.query.get("rank", "").splitlines() if line.strip()]
    if not names:
        popular = visit.asks.get("deployed", arn, "items", limit=members["numResults"])["items"]
        names = [one["itemId"] for one in popular]
    asked = {name: value for name, value in members.items() if name not in ("numResults", "itemId")}
    ranking = visit.asks.call("GetPersonalizedRanking", inputList=names, **asked)["personalizedRanking"]
    known = visit.asks.post("deployed", arn, "items", itemIds=[one["itemId"] for one in ranking])["items"]
    items = [{**of, "score": one.get("score"), **_UNSAID} for one, of in zip(ranking, known, strict=True)]
    return {"items": items}


def _actions(visit: Visit, members: dict[str, Any]) -> dict[str, Any]:
    asked = {name: value for name, value in members.items() if name not in ("itemId", "context")}
    found = visit.asks.call("GetActionRecommendations", **asked)["actionList"]
    items = [{"itemId": one["actionId"], "score": one.get("score"), **_UNSAID} for one in found]
    return {"items": items}


def named_item(name: str, titles: Mapping[str, str], images: Mapping[str, str]) -> dict[str, str]:
    """Return an item as the page shows it: its id, and its title and picture if it has them."""
    found = {"itemId": name, "title": titles.get(name, ""), "image": images.get(name, "")}
    return {key: value for key, value in found.items() if value}


def _events(visit: Visit, about: Mapping[str, Any], user: str) -> dict[str, Any]:
    """Return what an event can be sent with: the group's tracking id, and the types that the training knows."""
    if about["needs"] != "userId" or not user:
        return {"tracker": None}
    listed = visit.asks.call("ListEventTrackers", datasetGroupArn=about["datasetGroupArn"], maxResults=100)
    active = [one["eventTrackerArn"] for one in listed["eventTrackers"] if one["status"] == "ACTIVE"]
    if not active:
        return {"tracker": None}
    tracker = visit.asks.call("DescribeEventTracker", eventTrackerArn=active[0])["eventTracker"]
    types = about["eventTypes"] or ["view"]
    event = {"eventType": types[0], "itemId": "ITEM_ID", "sentAt": int(time.time())}
    put = visit.asks.same(
        "PutEvents",
        trackingId=tracker["trackingId"],
        userId=user,
        sessionId=_SESSION,
        eventList=[event],
    )
    return {"tracker": tracker["trackingId"], "event_types": [(one, one) for one in types], "put": put}


def _related(deployed: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> str:
    """Return the address of what finds similar items in the same group, up to the item; empty if nothing does."""
    found = (
        one["arn"]
        for one in deployed
        if one.get("needs") == "itemId"
        and one["status"] == "ACTIVE"
        and one["datasetGroupArn"] == about["datasetGroupArn"]
    )
    arn = next(found, None)
    return "" if arn is None else link(PATH, arn=arn)


def moved(items: Sequence[Mapping[str, Any]], before: str) -> dict[str, Any]:
    """Return how an answer differs from the one before: of each item that moved in what way, and who is gone.

    Args:
        items: of the answer.
        before: the ids of the one before, as JSON; what is none says nothing.
    """
    try:
        ids = json.loads(before) if before else []
    except (ValueError, RecursionError):
        ids = []
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids) or not ids:
        return {"how": {}, "gone": [], "known": False}
    places = {name: place for place, name in enumerate(ids)}
    how: dict[str, str] = {}
    for place, one in enumerate(items):
        was = places.get(one["itemId"])
        if was is None:
            how[one["itemId"]] = "new"
        elif was != place:
            how[one["itemId"]] = f"{'↑' if was > place else '↓'} {abs(was - place)}"
    there = {one["itemId"] for one in items}
    return {"how": how, "gone": [name for name in ids if name not in there], "known": True}


def _send(visit: Visit) -> Done:
    """Send an event of the user who is looked at, and show the answer beside the one before."""
    form = visit.form
    tracker = form.get("tracker", "")
    if not tracker:
        raise invalid_input(
            "The dataset group has no event tracker: make one in Events, or with CreateEventTracker."
        )
    item = form.get("of") or form.get("about", "")
    event = {"eventType": form.get("type", ""), "itemId": item, "sentAt": int(time.time())}
    visit.asks.call(
        "PutEvents",
        trackingId=tracker,
        userId=form.get("user") or None,
        sessionId=_SESSION,
        eventList=[event],
    )
    to = visit.link(user=form.get("user"), before=form.get("before"))
    return Done(to, f"Sent: {event['eventType']} {item}. Below is what changed.")


PAGES: Final = (Page(PATH, "Try", "Try", _show, {"send": Action(_send)}),)
