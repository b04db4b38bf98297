"""What a dataset's rows look like, and whether training can use them.

Ids and categorical columns are grouped once: the groups give distinct ids, their histogram and what the
other datasets lack. All other columns share one scan.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, Final, NamedTuple

import duckdb

from sartor.data.schema import Field, Schema

#: What training needs: interactions, and users with two of them, as a number and as a share of all users.
MINIMUM_INTERACTIONS: Final = 1_000
MINIMUM_USERS: Final = 25
MINIMUM_SHARE_OF_USERS: Final = 0.01
#: A later time in seconds is after the year 5000: it is meant in milliseconds.
LATEST_SECONDS: Final = 100_000_000_000

_NUMERIC = frozenset({"long", "int", "float", "double"})
#: The item or action of an interaction by dataset type, with its key among the statistics.
_TARGETS: Final = {"INTERACTIONS": ("ITEM_ID", "items"), "ACTION_INTERACTIONS": ("ACTION_ID", "actions")}
#: The ranges of the histogram of users, by their first number of events.
_RANGES: Final = {1: "1", 2: "2", 3: "3-5", 6: "6-10", 11: "11-100", 101: "101+"}
#: So many of a column's categories are told with their rows.
_TOP: Final = 10
_EPOCH = date(1970, 1, 1)


class Rows(NamedTuple):
    """The rows of a dataset in SQL: each of them, or each value of one column once, with how often it occurs.

    Attributes:
        source: what to select from.
        value: a column's value, by the column's name.
        number: how many rows some are.
        filled: how many of them have a value.
    """

    source: str
    value: str = '"{}"'
    number: str = "count(*)"
    filled: str = 'count("{}")'


class OfIds(NamedTuple):
    """The distinct ids of a column, how many have how many events, and how many another dataset does not have."""

    distinct: int
    by_events: list[dict[str, Any]]
    unknown: int | None


class OfCategories(NamedTuple):
    """The distinct values of a categorical column, the single categories, and those of most rows with how many."""

    values: int
    single: int
    top: list[dict[str, Any]]


class Found(NamedTuple):
    """What was found in some columns; ``None`` where the columns do not tell.

    Attributes:
        rows: how many there are.
        columns: of each, as it is shown.
        ids: of the columns of ids.
        by_type: the events of each type.
        by_day: the events of each day.
    """

    rows: int
    columns: list[dict[str, Any]]
    ids: dict[str, OfIds]
    by_type: list[dict[str, Any]] | None
    by_day: list[dict[str, Any]] | None


def statistics(
    connection: duckdb.DuckDBPyConnection,
    schema: Schema,
    relation: str = "data",
    items: str | None = None,
    users: str | None = None,
) -> dict[str, Any]:
    """Return what the rows of one dataset look like, ready for JSON.

    Args:
        connection: has the views.
        schema: of the dataset.
        relation: the view of the dataset, with exactly the schema's columns.
        items: a view with an ITEM_ID, if there is an Items dataset.
        users: a view with a USER_ID, if there is a Users dataset.
    """
    known = {name: _quoted(view) for name, view in (("ITEM_ID", items), ("USER_ID", users)) if view}
    return answer(schema, find(connection, schema, schema.fields, Rows(_quoted(relation)), known))


def find(
    connection: duckdb.DuckDBPyConnection,
    schema: Schema,
    fields: Sequence[Field],
    rows: Rows,
    known: Mapping[str, str],
) -> Found:
    """Return what some columns of the rows say.

    Args:
        connection: on which the rows are.
        schema: of the dataset.
        fields: the columns.
        rows: the rows, which have these columns.
        known: what to select the ids from that other datasets have, by their column.
    """
    target, _ = _TARGETS.get(schema.dataset_type, ("", ""))
    names = {field.name for field in fields} if target else set()
    ids = {
        name: _ids(connection, rows, name, known.get(name)) for name in ("USER_ID", target) if name in names
    }
    by_type = _events_by_type(connection, rows) if "EVENT_TYPE" in names else None
    by_day = _events_by_day(connection, rows) if "TIMESTAMP" in names else None
    distinct = {name: one.distinct for name, one in ids.items()}
    if by_type is not None:
        distinct["EVENT_TYPE"] = sum(one["eventType"] is not None for one in by_type)
    count, columns = _columns(connection, fields, rows, distinct)
    return Found(count, columns, ids, by_type, by_day)


def joined(found: Sequence[Found]) -> Found:
    """Return what was found in columns of the same rows, in the order of the columns."""
    ids = {name: of for one in found for name, of in one.ids.items()}
    columns = [column for one in found for column in one.columns]
    by_type = next((one.by_type for one in found if one.by_type is not None), None)
    by_day = next((one.by_day for one in found if one.by_day is not None), None)
    return Found(found[0].rows, columns, ids, by_type, by_day)


def answer(schema: Schema, found: Found) -> dict[str, Any]:
    """Return what was found in all columns as it is shown, ready for JSON."""
    shown: dict[str, Any] = {
        "datasetType": schema.dataset_type,
        "rows": found.rows,
        "columns": found.columns,
    }
    target, targets = _TARGETS.get(schema.dataset_type, ("", ""))
    if target:
        users, of_target = found.ids["USER_ID"], found.ids[target]
        time = next(column for column in found.columns if column["name"] == "TIMESTAMP")
        shown |= {
            "users": users.distinct,
            targets: of_target.distinct,
            **({} if found.by_type is None else {"eventsByType": found.by_type}),
            "eventsByDay": found.by_day,
            "usersByEvents": users.by_events,
            f"{targets}ByEvents": [
                {"events": one["events"], targets: one["users"]} for one in of_target.by_events
            ],
            "unknownItems": of_target.unknown if target == "ITEM_ID" else None,
            "unknownUsers": users.unknown,
            "timeSpan": {"first": time["min"], "last": time["max"]},
        }
    return {**shown, "advice": list(_advice(shown, schema))}


def _columns(
    connection: duckdb.DuckDBPyConnection, fields: Sequence[Field], rows: Rows, distinct: Mapping[str, int]
) -> tuple[int, list[dict[str, Any]]]:
    """Return the number of rows, and each column; ``distinct`` has what is counted already."""
    categories = {
        field.name: _categories(connection, rows, field.name)
        for field in fields
        if field.categorical and field.name not in distinct
    }
    counted = {**distinct, **{name: of_column.values for name, of_column in categories.items()}}
    aggregates = [one for field in fields for one in _aggregates(field, rows, counted.get(field.name))]
    count, *values = _row(connection, f"SELECT {', '.join([rows.number, *aggregates])} FROM {rows.source}")
    columns = []
    for at, field in enumerate(fields):
        filled, different, least, most = values[4 * at : 4 * at + 4]
        column = {"name": field.name, "type": field.type, "nulls": count - filled, "distinct": different}
        if field.type in _NUMERIC:
            column |= {"min": _finite(least), "max": _finite(most)}
        if field.name in categories:
            of_column = categories[field.name]
            column |= {"categories": of_column.single, "topCategories": of_column.top}
        columns.append(column)
    return count, columns


def _aggregates(field: Field, rows: Rows, distinct: int | None) -> tuple[str, str, str, str]:
    """Return the SQL of a column's values, distinct values, minimum and maximum."""
    value, filled = rows.value.format(field.name), rows.filled.format(field.name)
    counted = f"count(DISTINCT {value})" if distinct is None else str(distinct)
    if field.type not in _NUMERIC:
        return filled, counted, "NULL", "NULL"
    # By way of its text a FLOAT of 4.99 stays 4.99 as a Python float.
    through = "::VARCHAR::DOUBLE" if field.type == "float" else ""
    return filled, counted, f"min({value}){through}", f"max({value}){through}"


def _ids(connection: duckdb.DuckDBPyConnection, rows: Rows, column: str, known: str | None) -> OfIds:
    """Return what there is to know of ids, and how many ``known`` does not have."""
    firsts = [*_RANGES, 2**62]
    ranges = ", ".join(
        f"count(*) FILTER (events >= {first} AND events < {end})" for first, end in pairwise(firsts)
    )
    value = rows.value.format(column)
    unknown = (
        "NULL"
        if known is None
        else f'(SELECT count(*) FROM ids ANTI JOIN {known} AS known ON ids.id = known."{column}")'
    )
    distinct, *counts, missing = _row(
        connection,
        f"WITH ids AS MATERIALIZED (SELECT {value} AS id, {rows.number} AS events FROM {rows.source} "
        f"WHERE {value} IS NOT NULL GROUP BY ALL) SELECT count(*), {ranges}, {unknown} FROM ids",
    )
    labels = _RANGES.values()
    by_events = [{"events": label, "users": count} for label, count in zip(labels, counts, strict=True)]
    return OfIds(distinct, by_events, missing)


def _categories(connection: duckdb.DuckDBPyConnection, rows: Rows, column: str) -> OfCategories:
    """Return what there is to know of a categorical column's values."""
    value = rows.value.format(column)
    distinct, single, top = _row(
        connection,
        f"WITH found AS MATERIALIZED (SELECT {value} AS value, {rows.number} AS number FROM {rows.source} "
        "GROUP BY ALL), single AS MATERIALIZED (SELECT part, sum(number)::BIGINT AS number FROM (SELECT "
        "unnest(list_distinct(string_split(value, '|'))) AS part, number FROM found) WHERE part <> '' GROUP BY part) "
        "SELECT (SELECT count(value) FROM found), (SELECT count(*) FROM single), "
        f"(SELECT list({{category: part, rows: number}} ORDER BY number DESC, part) FROM "
        f"(FROM single ORDER BY number DESC, part LIMIT {_TOP}))",
    )
    return OfCategories(distinct, single, top or [])


def _events_by_type(connection: duckdb.DuckDBPyConnection, rows: Rows) -> list[dict[str, Any]]:
    """Return the events of each type, the largest first."""
    found = connection.execute(
        f"SELECT {rows.value.format('EVENT_TYPE')}, {rows.number} FROM {rows.source} GROUP BY ALL ORDER BY 2 DESC, 1"
    ).fetchall()
    return [{"eventType": event_type, "events": events} for event_type, events in found]


def _events_by_day(connection: duckdb.DuckDBPyConnection, rows: Rows) -> list[dict[str, Any]]:
    """Return the events of each day in UTC; times in milliseconds count as the day they mean."""
    first, last = ((day - _EPOCH).days for day in (date.min, date.max))
    time = rows.value.format("TIMESTAMP")
    found = connection.execute(
        f'SELECT "the day", {rows.number} FROM (SELECT *, '  # no schema has a space
        f'floor(if({time} > $latest, {time} / 1000, {time}) / 86400)::BIGINT AS "the day" '
        f'FROM {rows.source}) WHERE "the day" BETWEEN $first AND $last GROUP BY ALL ORDER BY 1',
        {"latest": LATEST_SECONDS, "first": first, "last": last},
    ).fetchall()
    return [{"day": (_EPOCH + timedelta(days=day)).isoformat(), "events": events} for day, events in found]


def _advice(found: Mapping[str, Any], schema: Schema) -> Iterator[str]:
    """Yield a sentence for everything that training will suffer from."""
    rows = found["rows"]
    if schema.dataset_type == "INTERACTIONS":
        if rows < MINIMUM_INTERACTIONS:
            yield (
                f"The data has {_counted(rows, 'interaction')}; "
                f"training needs at least {MINIMUM_INTERACTIONS:,}."
            )
        yield from _users_advice(found)
    elif rows < schema.type_rules.minimum_rows:
        yield (
            f"The data has {_counted(rows, 'action interaction')}; "
            f"an import needs at least {schema.type_rules.minimum_rows:,}."
        )
    for key, one, dataset in (("unknownItems", "item", "Items"), ("unknownUsers", "user", "Users")):
        if count := found.get(key):
            they = "it is" if count == 1 else "they are"
            yield (
                f"{_counted(count, one)} in the interactions {'is' if count == 1 else 'are'} not in the "
                f"{dataset} dataset; {they} trained without metadata."
            )
    for column, field in zip(found["columns"], schema.fields, strict=True):
        yield from _column_advice(column, field, rows, schema)


def _users_advice(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence if too few users have two interactions."""
    users, once = found["users"], found["usersByEvents"][0]["users"]
    needed = max(MINIMUM_USERS, math.ceil(users * MINIMUM_SHARE_OF_USERS))
    if users - once >= needed:
        return
    of_all = "" if needed == MINIMUM_USERS else f" ({MINIMUM_SHARE_OF_USERS:.0%} of all)"
    yield (
        f"{once:,} of {_counted(users, 'user')} {'has' if once == 1 else 'have'} one event only; "
        f"at least {needed:,} users{of_all} with two are needed."
    )


def _column_advice(column: Mapping[str, Any], field: Field, rows: int, schema: Schema) -> Iterator[str]:
    """Yield a sentence for each thing that is odd about one column."""
    name, most = column["name"], column.get("max")
    if name.endswith("TIMESTAMP") and most is not None and most > LATEST_SECONDS:
        yield f"{name} looks like milliseconds ({most:.0f}), seconds are expected."
    keyword = schema.type_rules.keywords.get(name)
    if rows < 2 or (keyword is not None and keyword.required):
        return
    if column["nulls"] == rows:
        yield f"{name} is always null; it adds nothing to training."
    elif column["distinct"] == 1 and not column["nulls"]:
        yield f"{name} has one value only; it adds nothing to training."


def _counted(count: int, one: str) -> str:
    return f"{count:,} {one}" if count == 1 else f"{count:,} {one}s"


def _finite(value: float | None) -> float | None:
    """Return a number that JSON has; it knows no infinity."""
    return value if value is None or math.isfinite(value) else None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _row(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    found = connection.execute(sql).fetchone()
    if found is None:
        raise AssertionError("an aggregate has one row")
    return found
