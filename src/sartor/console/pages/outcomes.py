"""Outcomes: what recommendations brought, over time, by campaign, source or version; and what is measured at all."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sartor.console.pages import charts
from sartor.console.pages.page import Action, Done, Page, Shown, Visit, link
from sartor.console.pages.tables import Column, of_rows

PATH: Final = "/console/outcomes"
NEW_PATH: Final = "/console/outcomes/new"
_DAY: Final = 86_400
#: The ranges that are chosen among: key, title, seconds.
_RANGES: Final = (
    ("day", "24 hours", _DAY),
    ("week", "7 days", 7 * _DAY),
    ("month", "30 days", 30 * _DAY),
    ("quarter", "90 days", 90 * _DAY),
    ("year", "A year", 366 * _DAY),
)
_USUAL_RANGE: Final = "week"
#: What values are told apart by: key, title, and what they are called that are none of it.
_BY: Final = (
    ("source", "Source", "not known"),
    ("campaign", "Campaign", "no campaign"),
    ("version", "Version", "no campaign"),
)
#: So many lines a chart has; the rest is one more.
_LINES: Final = 5
_COLUMNS: Final = (
    Column("metric", "Metric", sort=True),
    Column("name", "Brought by", sort=True),
    Column("total", "Value", sort=True, end=True),
    Column("share", "Of the metric", sort=True, end=True),
)
#: So many groups a form offers.
_GROUPS: Final = 100
_NUMERIC: Final = ("int", "long", "float", "double")
#: What counts events.
_COUNT: Final = "SAMPLECOUNT()"


def _show(visit: Visit) -> Shown:
    every = visit.asks.call("ListMetricAttributions", maxResults=100)["metricAttributions"]
    arn = visit.query.get("arn") or (every[0]["metricAttributionArn"] if every else "")
    words: dict[str, Any] = {"every": every, "arn": arn, "ranges": _RANGES, "by_all": _BY}
    if not arn:
        return Shown("outcomes.html", words)
    chosen = visit.query.get("range", _USUAL_RANGE)
    seconds = next((one for key, _, one in _RANGES if key == chosen), 7 * _DAY)
    by = next((key for key, _, _ in _BY if key == visit.query.get("by")), _BY[0][0])
    attribution = visit.asks.call("DescribeMetricAttribution", metricAttributionArn=arn)["metricAttribution"]
    found = visit.asks.get("metric-attributions", arn, "values", seconds=seconds, by=by)
    words |= {
        "attribution": attribution,
        "range": chosen,
        "by": by,
        "found": found,
        "charts": _charts(found),
        "table": of_rows(
            visit,
            "Values",
            _COLUMNS,
            _rows(found),
            "Nothing was counted in this time.",
            searched=("metric", "name"),
        ),
    }
    if not visit.part:
        words |= _changing(visit, attribution, found)
    return Shown("outcomes.html", words)


def _charts(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a chart for each metric that has values, with its definition."""
    defined = {one["metricName"]: one for one in found["metrics"]}
    words = [_moment(start, found["stepSeconds"]) for start in found["starts"]]
    shown = []
    for name in dict.fromkeys([*defined, *(one["metricName"] for one in found["series"])]):
        series = [one for one in found["series"] if one["metricName"] == name]
        lines = [charts.Series(_name(one["of"], found["by"]), one["values"]) for one in series[:_LINES]]
        if rest := series[_LINES:]:
            values = [sum(column) for column in zip(*(one["values"] for one in rest), strict=True)]
            lines.append(charts.Series(f"{len(rest)} others", values))
        title = f"{name}, each {_length(found['stepSeconds'])}, UTC"
        shown.append(
            {
                "name": name,
                "definition": defined.get(name),
                "total": sum(one["total"] for one in series),
                "chart": charts.lines(title, words, lines) if lines else None,
            }
        )
    return shown


def _rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the sums of the whole range."""
    totals: dict[str, float] = {}
    for one in found["series"]:
        totals[one["metricName"]] = totals.get(one["metricName"], 0.0) + one["total"]
    return [
        {
            "metric": one["metricName"],
            "name": _name(one["of"], found["by"]),
            "of": one["of"],
            "total": one["total"],
            "share": one["total"] / totals[one["metricName"]] if totals[one["metricName"]] else 0.0,
        }
        for one in found["series"]
    ]


def _name(of: str, by: str) -> str:
    """Return what something that brought values is called: of an ARN its end."""
    if not of or of == "SOURCE_NAME_UNDEFINED":
        return next(title for key, _, title in _BY if key == by)
    return of.split(":", 5)[5] if of.startswith("arn:") and of.count(":") >= 5 else of


def _moment(epoch_seconds: int, step_seconds: int) -> str:
    return datetime.fromtimestamp(epoch_seconds, UTC).strftime(
        "%m-%d" if step_seconds >= _DAY else "%m-%d %H:%M"
    )


def _length(seconds: int) -> str:
    for size, word in ((7 * _DAY, "week"), (_DAY, "day"), (3600, "hour"), (60, "minute")):
        if seconds % size == 0:
            return word if seconds == size else f"{seconds // size} {word}s"
    return f"{seconds} seconds"


def _changing(visit: Visit, attribution: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the words of the forms that change what is measured."""
    arn = attribution["metricAttributionArn"]
    example = {"metricName": "opens", "eventType": "click", "expression": _COUNT}
    first = found["metrics"][0]["metricName"] if found["metrics"] else "opens"
    return {
        "expressions": _expressions(visit, attribution["datasetGroupArn"]),
        "add": visit.asks.same("UpdateMetricAttribution", metricAttributionArn=arn, addMetrics=[example]),
        "remove": visit.asks.same("UpdateMetricAttribution", metricAttributionArn=arn, removeMetrics=[first]),
        "delete": visit.asks.same("DeleteMetricAttribution", metricAttributionArn=arn),
    }


def _expressions(visit: Visit, group_arn: str) -> list[tuple[str, str]]:
    """Return what can be measured of a group's events: how many they are, and sums of columns of numbers."""
    choices = [(_COUNT, "how many events")]
    for dataset in visit.asks.call("ListDatasets", datasetGroupArn=group_arn)["datasets"]:
        kind = dataset["datasetType"].capitalize()
        if kind not in ("Interactions", "Items"):
            continue
        described = visit.asks.call("DescribeDataset", datasetArn=dataset["datasetArn"])["dataset"]
        for name in _numbers(visit, described["schemaArn"]):
            of = "of the events" if kind == "Interactions" else "of their items"
            choices.append((f"SUM({kind}.{name})", f"the sum of {name} {of}"))
    return choices


def _numbers(visit: Visit, schema_arn: str) -> list[str]:
    """Return the columns of a schema that can be summed."""
    schema = json.loads(visit.asks.call("DescribeSchema", schemaArn=schema_arn)["schema"]["schema"])
    return [
        one["name"]
        for one in schema["fields"]
        if one["name"] != "TIMESTAMP"
        and any(
            kind in _NUMERIC for kind in (one["type"] if isinstance(one["type"], list) else [one["type"]])
        )
    ]


def _metric(visit: Visit) -> dict[str, str]:
    return {
        "metricName": visit.form.get("metricName", "").strip(),
        "eventType": visit.form.get("eventType", "").strip(),
        "expression": visit.form.get("expression", ""),
    }


def _add(visit: Visit) -> Done:
    arn, metric = visit.form.get("arn", ""), _metric(visit)
    visit.asks.call("UpdateMetricAttribution", metricAttributionArn=arn, addMetrics=[metric])
    return Done(visit.link(), f"{metric['metricName']} is measured from now on.")


def _remove(visit: Visit) -> Done:
    arn, name = visit.form.get("arn", ""), visit.form.get("metricName", "")
    visit.asks.call("UpdateMetricAttribution", metricAttributionArn=arn, removeMetrics=[name])
    return Done(visit.link(), f"{name} is measured no more.")


def _delete(visit: Visit) -> Done:
    visit.asks.call("DeleteMetricAttribution", metricAttributionArn=visit.form.get("arn", ""))
    return Done(PATH, "It is being deleted.")


def _show_new(visit: Visit) -> Shown:
    groups = visit.asks.call("ListDatasetGroups", maxResults=_GROUPS)["datasetGroups"]
    measured = {
        visit.asks.call("DescribeMetricAttribution", metricAttributionArn=one["metricAttributionArn"])[
            "metricAttribution"
        ]["datasetGroupArn"]
        for one in visit.asks.call("ListMetricAttributions", maxResults=100)["metricAttributions"]
    }
    free = [one for one in groups if one["datasetGroupArn"] not in measured]
    group = visit.query.get("group") or (free[0]["datasetGroupArn"] if free else "")
    words: dict[str, Any] = {"groups": free, "group": group, "every": len(groups)}
    if group:
        words |= {
            "expressions": _expressions(visit, group),
            "role": f"arn:aws:iam::{visit.caller.account}:role/sartor",
            "create": visit.asks.same("CreateMetricAttribution", **_creation(visit, group)),
        }
    return Shown("outcomes_new.html", words)


def _creation(visit: Visit, group: str) -> dict[str, Any]:
    """Return the members of CreateMetricAttribution as the form has them, or an example."""
    form = visit.form
    metric = _metric(visit) if form else {"metricName": "opens", "eventType": "click", "expression": _COUNT}
    output: dict[str, Any] = {
        "roleArn": form.get("roleArn") or f"arn:aws:iam::{visit.caller.account}:role/sartor"
    }
    if form.get("path", "").strip():
        output["s3DataDestination"] = {"path": form["path"].strip()}
    return {
        "name": form.get("name", "").strip() if form else "outcomes",
        "datasetGroupArn": group,
        "metrics": [metric],
        "metricsOutputConfig": output,
    }


def _create(visit: Visit) -> Done:
    group = visit.form.get("group", "")
    made = visit.asks.call("CreateMetricAttribution", **_creation(visit, group))
    return Done(link(PATH, arn=made["metricAttributionArn"]), "It is measured from now on.")


PAGES: Final = (
    Page(
        PATH,
        "Outcomes",
        "Outcomes",
        _show,
        {
            "add": Action(_add),
            "remove": Action(
                _remove,
                lambda visit: f"Measure {visit.form.get('metricName', '')} no more? What was counted stays.",
            ),
            "delete": Action(_delete, lambda _visit: "Delete it with all that it has counted?"),
        },
    ),
    Page(NEW_PATH, "Measure what recommendations bring", "Outcomes", _show_new, {"create": Action(_create)}),
)
