"""What a metric attribution measures: its expressions, the sums of each quarter of an hour, the report's file.

A sample belongs to a metric, the source that an event is attributed to, and a window of its timestamp.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import duckdb

from sartor.data.schema import Field, Schema, folded
from sartor.errors import invalid_input

Function = Literal["samplecount", "sum"]

#: The most metrics of one attribution, and the most sources that it tells apart.
MAX_METRICS: Final = 10
MAX_SOURCES: Final = 100
WINDOW_SECONDS: Final = 900
#: The source of an event that nothing is known of.
UNDEFINED_SOURCE: Final = "SOURCE_NAME_UNDEFINED"

_NUMERIC: Final = ("int", "long", "float", "double")
_EXPRESSION = re.compile(
    r"\s*(?:SAMPLECOUNT\s*\(\s*\)|SUM\s*\(\s*(?P<of>ITEMS|INTERACTIONS)\s*\.\s*(?P<column>\w+)\s*\))\s*",
    re.IGNORECASE | re.ASCII,
)
_HEADER: Final = (
    "METRIC_NAME",
    "EVENT_TYPE",
    "VALUE",
    "MATH_FUNCTION",
    "EVENT_ATTRIBUTION_SOURCE",
    "TIMESTAMP",
)


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        event_type: the events that it looks at, in any case.
        name: what its creator called it.
        function: whether it counts events or sums a column.
        dataset_type: of the column; ``None`` where there is none.
        column: as the schema spells it.
    """

    event_type: str
    name: str
    function: Function
    dataset_type: str | None
    column: str | None


@dataclass(frozen=True)
class Sample:
    """One value of a metric.

    Attributes:
        metric_name: in upper case.
        event_type: in upper case.
        value: the count or sum.
        function: of the metric.
        source: what the events are attributed to.
        window_start: in epoch seconds.
    """

    metric_name: str
    event_type: str
    value: float
    function: Function
    source: str
    window_start: int


def parse(metrics: Sequence[Mapping[str, str]], schemas: Mapping[str, Schema]) -> list[Metric]:
    """Read metrics and keep them to every rule.

    Args:
        metrics: with ``eventType``, ``metricName`` and ``expression``.
        schemas: of the group's datasets, by type in upper case.

    Raises:
        ApiError: ``InvalidInputException`` that names the first broken rule.
    """
    interactions = schemas.get("INTERACTIONS")
    if interactions is None or all(one.name != "EVENT_TYPE" for one in interactions.fields):
        raise invalid_input("A metric attribution needs an Interactions dataset with an EVENT_TYPE column.")
    if len(metrics) > MAX_METRICS:
        raise invalid_input(
            f"A metric attribution can have at most {MAX_METRICS} metrics, not {len(metrics)}."
        )
    names: set[str] = set()
    for metric in metrics:
        key = metric_key(metric["metricName"])
        if key in names:
            raise invalid_input(
                f"The metric name {metric['metricName']} is there twice: "
                "names must be unique, case does not count."
            )
        names.add(key)
    return [_metric(metric, schemas) for metric in metrics]


def metric_key(name: str) -> str:
    """Return the form in which two names of metrics are the same: the one that samples show."""
    return name.upper()


def aggregate(
    connection: duckdb.DuckDBPyConnection,
    metrics: Sequence[Metric],
    interactions: str,
    items: str | None,
    since: float,
    recommendations: str | None = None,
) -> list[Sample]:
    """Return the samples of all metrics, by window and source.

    A value that is null or not finite adds nothing to a sum.

    Args:
        connection: has the views.
        metrics: with columns that the views have.
        interactions: the view of events.
        items: the view of items, one row an ``ITEM_ID``; ``None`` where there are none.
        since: events with an earlier timestamp (epoch seconds) are left out.
        recommendations: a view with ``RECOMMENDATION_ID``, one row each, and the ``ARN`` that made it.
    """
    if not metrics:
        return []
    parameters: dict[str, object] = {f"event{place}": one.event_type for place, one in enumerate(metrics)}
    query = _query(connection, metrics, interactions, items, recommendations)
    rows = connection.execute(query, parameters | {"since": since})
    samples = []
    while row := rows.fetchone():
        window, source, *cells = row
        for metric, events, value in zip(metrics, cells[::2], cells[1::2], strict=True):
            if events:
                name, event_type = metric.name.upper(), metric.event_type.upper()
                samples.append(Sample(name, event_type, float(value), metric.function, source, window))
    return samples


def report_csv(samples: Sequence[Sample]) -> bytes:
    """Return the report of samples as its file holds it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADER)
    writer.writerows(
        (one.metric_name, one.event_type, one.value, one.function, one.source, one.window_start)
        for one in samples
    )
    return text.getvalue().encode()


def report_name(method: str, moment: float) -> str:
    """Return the name of a report's file.

    Args:
        method: how the data came.
        moment: when the report is made, in epoch seconds; the name has milliseconds, as each report is a
            file of its own.
    """
    return f"AggregatedAttributionMetrics - {method} - {round(moment * 1000)}.csv"


def _metric(given: Mapping[str, str], schemas: Mapping[str, Schema]) -> Metric:
    """Return one metric, with the column that its expression names."""
    event_type, name, expression = given["eventType"], given["metricName"], given["expression"]
    if not event_type.strip() or not name.strip():
        raise invalid_input("The metricName and the eventType of a metric cannot be empty.")
    match = _EXPRESSION.fullmatch(expression)
    if match is None:
        raise invalid_input(
            f"Metric {name}: the expression {expression} must be SAMPLECOUNT(), SUM(Items.COLUMN) or "
            "SUM(Interactions.COLUMN)."
        )
    if match["of"] is None:
        return Metric(event_type, name, "samplecount", None, None)
    dataset_type = match["of"].upper()
    found = _column(name, dataset_type, match["column"], schemas)
    return Metric(event_type, name, "sum", dataset_type, found.name)


def _column(name: str, dataset_type: str, column: str, schemas: Mapping[str, Schema]) -> Field:
    """Return the field that a metric sums."""
    of_dataset = schemas.get(dataset_type)
    if of_dataset is None:
        raise invalid_input(
            f"Metric {name}: the dataset group has no {dataset_type.capitalize()} dataset to sum {column} of."
        )
    found = next((one for one in of_dataset.fields if folded(one.name) == folded(column)), None)
    if found is None:
        raise invalid_input(
            f"Metric {name}: the schema of the {dataset_type.capitalize()} dataset has no column {column}."
        )
    if found.type not in _NUMERIC:
        raise invalid_input(
            f"Metric {name}: the column {found.name} is of type {found.type}, "
            f"only {', '.join(_NUMERIC)} can be summed."
        )
    return found


def _query(
    connection: duckdb.DuckDBPyConnection,
    metrics: Sequence[Metric],
    interactions: str,
    items: str | None,
    recommendations: str | None,
) -> str:
    """Return the SELECT of windows and sources, with how many events and what value each metric has there.

    Sources are only known to be too many once all are counted, so they are grouped first and merged then.
    """
    if all(metric.dataset_type != "ITEMS" for metric in metrics):
        items = None
    found = connection.execute(f"SELECT * FROM {_name(interactions)} LIMIT 0").description
    columns = {column[0] for column in found}
    if "RECOMMENDATION_ID" not in columns:
        recommendations = None
    joins, labels = [], []
    if "EVENT_ATTRIBUTION_SOURCE" in columns:
        labels.append("events.EVENT_ATTRIBUTION_SOURCE")
    if recommendations is not None:
        joins.append(_join(recommendations, "shown", "RECOMMENDATION_ID"))
        labels.append("shown.ARN")
    if items is not None:
        joins.append(_join(items, "items", "ITEM_ID"))
    labels.append(f"'{UNDEFINED_SOURCE}'")
    places = range(len(metrics))
    cells = [_cells(place, metric, items is not None) for place, metric in enumerate(metrics)]
    merged = [f"sum(n{place}) AS n{place}, coalesce(sum(v{place}), 0) AS v{place}" for place in places]
    wanted = [f"lower($event{place})" for place in places]
    # the remainder keeps its dividend's sign: adding once more floors the timestamps before 1970 too
    size = WINDOW_SECONDS
    start = f"events.TIMESTAMP - (events.TIMESTAMP % {size} + {size}) % {size}"
    return f"""
        WITH every AS MATERIALIZED (
            SELECT {start} AS start, coalesce({", ".join(labels)}) AS source, count(*) AS n, {", ".join(cells)}
            FROM {_name(interactions)} events {" ".join(joins)}
            WHERE events.TIMESTAMP >= $since AND lower(events.EVENT_TYPE) IN ({", ".join(wanted)})
            GROUP BY ALL
        ), kept AS (
            SELECT source FROM every WHERE source <> '{UNDEFINED_SOURCE}'
            GROUP BY source ORDER BY sum(n) DESC, source LIMIT {MAX_SOURCES}
        )
        SELECT start, if(source IN (FROM kept), source, '{UNDEFINED_SOURCE}') AS label, {", ".join(merged)}
        FROM every GROUP BY ALL ORDER BY start, label
    """


def _join(view: str, alias: str, key: str) -> str:
    return f"LEFT JOIN {_name(view)} {alias} ON {alias}.{key} = events.{key}"


def _cells(place: int, metric: Metric, has_items: bool) -> str:
    """Return the two aggregates of one metric: its events and its value."""
    is_its = f"lower(events.EVENT_TYPE) = lower($event{place})"
    events = f"count(*) FILTER ({is_its})"
    if metric.column is None:
        value = events
    elif metric.dataset_type == "ITEMS" and not has_items:
        value = "0"
    else:
        side = "items" if metric.dataset_type == "ITEMS" else "events"
        column = f"{side}.{_name(metric.column)}"
        value = f"sum({column}) FILTER ({is_its} AND isfinite({column}::DOUBLE))"
    return f"{events} AS n{place}, {value} AS v{place}"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
