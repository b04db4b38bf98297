import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import click
import duckdb
import pytest

from sartor.console import texts
from sartor.data.schema import Field, Schema
from sartor.data.statistics import statistics

USER, ITEM, TIME = Field("USER_ID", "string"), Field("ITEM_ID", "string"), Field("TIMESTAMP", "long")
TYPE = Field("EVENT_TYPE", "string", nullable=True)
VALUE = Field("EVENT_VALUE", "float", nullable=True)
DEVICE = Field("DEVICE", "string", nullable=True, categorical=True)
START = 1_700_000_000

Row = tuple[Any, ...]


def view(connection: duckdb.DuckDBPyConnection, name: str, fields: list[Field], rows: list[Row]) -> None:
    columns = ", ".join(f'"{field.name}" {field.sql_type}' for field in fields)
    connection.execute(f"CREATE TABLE {name}_rows ({columns})")
    if rows:
        connection.executemany(f"INSERT INTO {name}_rows VALUES ({', '.join('?' * len(fields))})", rows)
    connection.execute(f"CREATE VIEW {name} AS FROM {name}_rows")


def found_in(
    fields: list[Field],
    rows: list[Row],
    dataset_type: str = "INTERACTIONS",
    items: list[str] | None = None,
    users: list[str] | None = None,
) -> dict[str, Any]:
    with duckdb.connect() as connection:
        view(connection, "data", fields, rows)
        known = {}
        for name, field, ids in (("items", ITEM, items), ("users", USER, users)):
            if ids is not None:
                view(connection, name, [field], [(one,) for one in ids])
                known[name] = name
        found = statistics(connection, Schema(dataset_type, None, tuple(fields)), **known)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return found


def printed(found: dict[str, Any]) -> str:
    return click.unstyle(texts.statistics(json.loads(json.dumps(found))))


def column(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in found["columns"] if one["name"] == name)


def interactions() -> list[Row]:
    """Return rows whose user n has about n events, so that every range of the histogram has some."""
    rows: list[Row] = []
    for user in [*([1] * 30), *range(1, 15), 100, 101, 150]:
        number = len(rows)
        for event in range(user):
            at = number * 31 + event * 7
            rows.append(
                (
                    f"u{number}",
                    f"i{at % 37}",
                    START + at * 997,
                    [None, "view", "view", "buy"][at % 4],
                    None if at % 3 else at / 4,
                    [None, "tv|radio", "tv", "phone", "radio|phone|"][at % 5],
                )
            )
    return rows


def test_everything_against_plain_python() -> None:
    fields, rows = [USER, ITEM, TIME, TYPE, VALUE, DEVICE], interactions()
    items = [f"i{n}" for n in range(5, 60)]
    users = sorted({row[0] for row in rows})[3:]
    found = found_in(fields, rows, items=items, users=users)

    assert found["rows"] == len(rows)
    for at, field in enumerate(fields):
        values = [row[at] for row in rows if row[at] is not None]
        expected = {
            "name": field.name,
            "type": field.type,
            "nulls": len(rows) - len(values),
            "distinct": len(set(values)),
        }
        if field in (TIME, VALUE):
            expected |= {"min": min(values), "max": max(values)}
        if field.categorical:
            parts = Counter(part for value in values for part in set(value.split("|")) if part)
            top = sorted(parts.items(), key=lambda one: (-one[1], one[0]))[:10]
            expected["categories"] = len(parts)
            expected["topCategories"] = [{"category": part, "rows": count} for part, count in top]
        assert found["columns"][at] == expected

    by_user = Counter(row[0] for row in rows)
    assert (found["users"], found["items"]) == (len(by_user), len({row[1] for row in rows}))
    assert found["timeSpan"] == {"first": min(row[2] for row in rows), "last": max(row[2] for row in rows)}
    types = {one["eventType"]: one["events"] for one in found["eventsByType"]}
    assert types == Counter(row[3] for row in rows)
    assert list(types.values()) == sorted(types.values(), reverse=True)
    days = Counter(datetime.fromtimestamp(row[2], UTC).date().isoformat() for row in rows)
    assert [(one["day"], one["events"]) for one in found["eventsByDay"]] == sorted(days.items())
    ranges = {
        "1": range(1, 2), "2": range(2, 3), "3-5": range(3, 6),
        "6-10": range(6, 11), "11-100": range(11, 101), "101+": range(101, 10**6),
    }  # fmt: skip
    assert found["usersByEvents"] == [
        {"events": label, "users": sum(count in within for count in by_user.values())}
        for label, within in ranges.items()
    ]
    by_item = Counter(row[1] for row in rows)
    assert found["itemsByEvents"] == [
        {"events": label, "items": sum(count in within for count in by_item.values())}
        for label, within in ranges.items()
    ]
    assert found["unknownItems"] == len({row[1] for row in rows} - set(items)) == 5
    assert found["unknownUsers"] == 3
    assert found["advice"] == [
        f"The data has {len(rows)} interactions; training needs at least 1,000.",
        "31 of 47 users have one event only; at least 25 users with two are needed.",
        "5 items in the interactions are not in the Items dataset; they are trained without metadata.",
        "3 users in the interactions are not in the Users dataset; they are trained without metadata.",
    ]


def test_enough_data_has_no_advice() -> None:
    rows = [(f"u{n % 300}", f"i{n % 7}", START + n, ["view", "buy"][n % 2]) for n in range(1000)]
    found = found_in([USER, ITEM, TIME, TYPE], rows, items=[f"i{n}" for n in range(7)])
    assert found["advice"] == []
    assert (found["unknownItems"], found["unknownUsers"]) == (0, None)


def test_one_user_in_a_hundred_needs_two_events() -> None:
    rows = [(f"u{n}", "i1", START) for n in range(4000)] + [(f"u{n}", "i2", START + 1) for n in range(30)]
    assert found_in([USER, ITEM, TIME], rows)["advice"] == [
        "3,970 of 4,000 users have one event only; at least 40 users (1% of all) with two are needed."
    ]


def test_no_rows() -> None:
    found = found_in([USER, ITEM, TIME, TYPE, DEVICE], [], items=[], users=["u1"])
    assert (found["rows"], found["users"], found["items"]) == (0, 0, 0)
    assert found["timeSpan"] == {"first": None, "last": None}
    assert (found["eventsByType"], found["eventsByDay"]) == ([], [])
    assert [one["users"] for one in found["usersByEvents"]] == [0] * 6
    assert (found["unknownItems"], found["unknownUsers"]) == (0, 0)
    assert "0 rows" in printed(found)


def test_no_event_types() -> None:
    found = found_in([USER, ITEM, TIME], [("u1", "i1", START)])
    assert "eventsByType" not in found
    assert "events by type" not in printed(found)


def test_items() -> None:
    genres = Field("GENRES", "string", nullable=True, categorical=True)
    fields = [
        ITEM,
        Field("PRICE", "float", nullable=True),
        genres,
        Field("BRAND", "string"),
        Field("GONE", "boolean", nullable=True),
        Field("CREATION_TIMESTAMP", "long"),
    ]
    rows = [(f"i{n}", 4.99, [None, "a|b", "b|c"][n % 3], "acme", None, START * 1000 + n) for n in range(9)]
    found = found_in(fields, rows, "ITEMS")
    assert set(found) == {"datasetType", "rows", "columns", "advice"}
    assert (column(found, "GENRES")["distinct"], column(found, "GENRES")["categories"]) == (2, 3)
    assert column(found, "PRICE")["max"] == 4.99
    assert found["advice"] == [
        "PRICE has one value only; it adds nothing to training.",
        "BRAND has one value only; it adds nothing to training.",
        "GONE is always null; it adds nothing to training.",
        f"CREATION_TIMESTAMP looks like milliseconds ({START * 1000 + 8}), seconds are expected.",
    ]
    assert "33.3%" in printed(found)


def test_action_interactions_have_actions() -> None:
    action = Field("ACTION_ID", "string")
    found = found_in([USER, action, TYPE, TIME], [("u1", "a1", "view", START)] * 2, "ACTION_INTERACTIONS")
    assert (found["actions"], found["users"]) == (1, 1)
    assert "items" not in found
    assert found["advice"] == ["The data has 2 action interactions; an import needs at least 1,000."]


def test_times_in_milliseconds_or_worse() -> None:
    times = [START * 1000, START, -1, 2**62]
    found = found_in([USER, ITEM, TIME], [("u1", "i1", at) for at in times])
    assert found["eventsByDay"] == [{"day": "1969-12-31", "events": 1}, {"day": "2023-11-14", "events": 2}]
    assert any("looks like milliseconds" in sentence for sentence in found["advice"])


def test_numbers_that_json_does_not_have() -> None:
    rows = [("u1", "i1", START, float("inf")), ("u1", "i2", START, -2.5), ("u1", "i3", START, float("nan"))]
    value = column(found_in([USER, ITEM, TIME, VALUE], rows), "EVENT_VALUE")
    assert (value["min"], value["max"]) == (-2.5, None)


@pytest.mark.parametrize(("days", "unit"), [(40, "day"), (41, "week"), (400, "month"), (4000, "year")])
def test_days_are_merged_until_the_chart_is_short(days: int, unit: str) -> None:
    found = found_in([USER, ITEM, TIME], [("u1", "i1", START + day * 86_400) for day in range(days)])
    text = printed(found)
    assert f"\nevents by {unit}\n" in text
    assert text.count("\n") < 65


def test_a_person_reads_values_as_they_are() -> None:
    rows = [("u1", "i1", START + n, ["[red]view", None][n % 9 == 0]) for n in range(1000)]
    text = printed(found_in([USER, ITEM, TIME, TYPE], rows))
    assert "[red]view" in text
    assert "(none)" in text
    assert "█" in text
    assert "• 0 of 1 user have one event only" in text
