"""The filter editor: what an expression keeps, where it goes wrong, what it can name; and making it."""

import json
from collections.abc import Mapping
from typing import Any, Final

from sartor.console.pages import placed
from sartor.console.pages.page import Action, Done, Page, Shown, Visit, link
from sartor.console.pages.tryout import FILTER_PATH, PATH, named_item, pairs
from sartor.errors import ApiError

#: What filters call each dataset.
_CALLED: Final = {
    "ITEMS": "Items",
    "INTERACTIONS": "Interactions",
    "USERS": "CurrentUser",
    "ACTIONS": "Actions",
    "ACTION_INTERACTIONS": "Action_Interactions",
}


def _show(visit: Visit) -> Shown:
    query = visit.query
    groups = visit.asks.call("ListDatasetGroups", maxResults=100)["datasetGroups"]
    group = query.get("group") or next((one["datasetGroupArn"] for one in groups), "")
    text = visit.form.get("text", query.get("text", ""))
    words: dict[str, Any] = {
        "groups": [(one["datasetGroupArn"], one["name"]) for one in groups],
        "group": group,
        "text": text,
        "columns": _columns(visit, group) if group else {},
        "found": None,
        "refused": None,
        "place": None,
        "create": None,
    }
    if group and text.strip():
        words |= _tried(visit, group, text)
        words["create"] = visit.asks.same(
            "CreateFilter", name="…", datasetGroupArn=group, filterExpression=text
        )
    return Shown("filter.html", words, images=True)


def _tried(visit: Visit, group: str, text: str) -> dict[str, Any]:
    """Return what an expression keeps, or where it goes wrong."""
    query = visit.query
    try:
        found = visit.asks.post(
            "filters",
            "test",
            datasetGroupArn=group,
            filterExpression=text,
            filterValues=pairs(query.get("values", "")) or None,
            userId=query.get("user") or None,
            itemId=query.get("item") or None,
        )
    except ApiError as error:
        return {"refused": error, "place": placed.marked(text, error.message)}
    return {
        "found": found,
        "examples": [
            (word, [named_item(name, found["titles"], found["images"]) for name in found[member]])
            for word, member in (("Kept", "keptExamples"), ("Removed", "removedExamples"))
        ],
    }


def _columns(visit: Visit, group: str) -> Mapping[str, list[str]]:
    """Return what an expression of the group can name, by dataset."""
    found: dict[str, list[str]] = {}
    for one in visit.asks.call("ListDatasets", datasetGroupArn=group, maxResults=100)["datasets"]:
        of = one["datasetType"].upper()
        dataset = visit.asks.call("DescribeDataset", datasetArn=one["datasetArn"])["dataset"]
        schema = visit.asks.call("DescribeSchema", schemaArn=dataset["schemaArn"])["schema"]["schema"]
        called = _CALLED.get(of, of)
        found[called] = [f"{called}.{field['name']}" for field in json.loads(schema)["fields"]]
    return found


def _create(visit: Visit) -> Done:
    form = visit.form
    made = visit.asks.call(
        "CreateFilter",
        name=form.get("name", ""),
        datasetGroupArn=form.get("group", ""),
        filterExpression=form.get("text", ""),
    )
    return Done(link(PATH, filter=made["filterArn"]), "The filter is made.")


PAGES: Final = (Page(FILTER_PATH, "Filter", "Try", _show, {"create": Action(_create)}),)
