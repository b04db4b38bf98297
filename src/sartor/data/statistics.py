"""What a dataset's rows look like, and whether training can use them.

Ids and categorical columns are grouped once: the groups give distinct ids, their histogram and what the
other datasets lack. All other columns share one scan.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, Final

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
_EPOCH = date(1970, 1, 1)


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
    target, targets = _TARGETS.get(schema.dataset_type, ("", ""))
    names = {field.name for field in schema.fields}
    found: dict[str, Any] = {}
    distinct: dict[str, int] = {}
    if target:
        known = items if target == "ITEM_ID" else None
        distinct["USER_ID"], by_events, unknown_users = _ids(connection, relation, "USER_ID", users)
        distinct[target], _, unknown_items = _ids(connection, relation, target, known)
        found = {"users": distinct["USER_ID"], targets: distinct[target]}
        if "EVENT_TYPE" in names:
            found["eventsByType"] = _events_by_type(connection, relation)
            distinct["EVENT_TYPE"] = sum(one["eventType"] is not None for one in found["eventsByType"])
        found |= {
            "eventsByDay": _events_by_day(connection, relation),
            "usersByEvents": by_events,
            "unknownItems": unknown_items,
            "unknownUsers": unknown_users,
        }
    rows, columns = _columns(connection, schema, relation, distinct)
    if target:
        time = next(column for column in columns if column["name"] == "TIMESTAMP")
        found["timeSpan"] = {"first": time["min"], "last": time["max"]}
    found = {"datasetType": schema.dataset_type, "rows": rows, "columns": columns, **found}
    return {**found, "advice": list(_advice(found, schema))}


def _columns(
    connection: duckdb.DuckDBPyConnection, schema: Schema, relation: str, distinct: Mapping[str, int]
) -> tuple[int, list[dict[str, Any]]]:
    """Return the number of rows, and each column; ``distinct`` has what is counted already."""
    categories = {
        field.name: _categories(connection, relation, field.name)
        for field in schema.fields
        if field.categorical and field.name not in distinct
    }
    counted = {**distinct, **{name: values for name, (values, _) in categories.items()}}
    aggregates = [one for field in schema.fields for one in _aggregates(field, counted.get(field.name))]
    rows, *values = _row(
        connection, f"SELECT {', '.join(['count(*)', *aggregates])} FROM {_quoted(relation)}"
    )
    columns = []
    for at, field in enumerate(schema.fields):
        filled, different, least, most = values[4 * at : 4 * at + 4]
        column = {"name": field.name, "type": field.type, "nulls": rows - filled, "distinct": different}
        if field.type in _NUMERIC:
            column |= {"min": _finite(least), "max": _finite(most)}
        if field.name in categories:
            column["categories"] = categories[field.name][1]
        columns.append(column)
    return rows, columns


def _aggregates(field: Field, distinct: int | None) -> tuple[str, str, str, str]:
    """Return the SQL of a column's values, distinct values, minimum and maximum."""
    name = _quoted(field.name)
    counted = f"count(DISTINCT {name})" if distinct is None else str(distinct)
    if field.type not in _NUMERIC:
        return f"count({name})", counted, "NULL", "NULL"
    # By way of its text a FLOAT of 4.99 stays 4.99 as a Python float.
    through = "::VARCHAR::DOUBLE" if field.type == "float" else ""
    return f"count({name})", counted, f"min({name}){through}", f"max({name}){through}"


def _ids(
    connection: duckdb.DuckDBPyConnection, relation: str, column: str, known: str | None
) -> tuple[int, list[dict[str, Any]], int | None]:
    """Return the distinct ids, how many have how many events, and how many ``known`` does not have."""
    firsts = [*_RANGES, 2**62]
    ranges = ", ".join(
        f"count(*) FILTER (events >= {first} AND events < {end})" for first, end in pairwise(firsts)
    )
    name = _quoted(column)
    unknown = (
        "NULL"
        if known is None
        else f"(SELECT count(*) FROM ids ANTI JOIN {_quoted(known)} AS known ON ids.id = known.{name})"
    )
    distinct, *counts, missing = _row(
        connection,
        f"WITH ids AS MATERIALIZED (SELECT {name} AS id, count(*) AS events FROM {_quoted(relation)} "
        f"WHERE {name} IS NOT NULL GROUP BY ALL) SELECT count(*), {ranges}, {unknown} FROM ids",
    )
    labels = _RANGES.values()
    return (
        distinct,
        [{"events": label, "users": count} for label, count in zip(labels, counts, strict=True)],
        missing,
    )


def _categories(connection: duckdb.DuckDBPyConnection, relation: str, column: str) -> tuple[int, int]:
    """Return how many distinct values a categorical column has, and how many single categories."""
    distinct, single = _row(
        connection,
        f"WITH found AS MATERIALIZED (SELECT DISTINCT {_quoted(column)} AS value FROM {_quoted(relation)}) "
        "SELECT count(value), (SELECT count(DISTINCT part) FROM "
        "(SELECT unnest(string_split(value, '|')) AS part FROM found) WHERE part <> '') FROM found",
    )
    return distinct, single


def _events_by_type(connection: duckdb.DuckDBPyConnection, relation: str) -> list[dict[str, Any]]:
    """Return the events of each type, the largest first."""
    found = connection.execute(
        f"SELECT EVENT_TYPE, count(*) FROM {_quoted(relation)} GROUP BY ALL ORDER BY 2 DESC, 1"
    ).fetchall()
    return [{"eventType": event_type, "events": events} for event_type, events in found]


def _events_by_day(connection: duckdb.DuckDBPyConnection, relation: str) -> list[dict[str, Any]]:
    """Return the events of each day in UTC; times in milliseconds count as the day they mean."""
    first, last = ((day - _EPOCH).days for day in (date.min, date.max))
    found = connection.execute(
        "SELECT day, count(*) FROM (SELECT "
        'floor(if("TIMESTAMP" > $latest, "TIMESTAMP" / 1000, "TIMESTAMP") / 86400)::BIGINT AS day '
        f"FROM {_quoted(relation)}) WHERE day BETWEEN $first AND $last GROUP BY day ORDER BY day",
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
