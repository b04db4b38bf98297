"""What passes a filter: single rules by example, and random filters on random data against DuckDB."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartor.data.schema import Field, Schema
from sartor.filters.apply import evaluate
from sartor.filters.check import check
from sartor.filters.columns import Columns
from sartor.filters.masks import Masks
from sartor.filters.parse import parse
from sartor.filters.values import read

ITEMS = Schema(
    "ITEMS",
    None,
    (
        Field("YEAR", "long"),
        Field("PRICE", "float"),
        Field("SCORE", "double"),
        Field("GENRE", "string", categorical=True),
        Field("BRAND", "string"),
    ),
)
USERS = Schema(
    "USERS", None, (Field("AGE", "long"), Field("TIER", "string"), Field("LIKES", "string", categorical=True))
)
EVENTS = (Field("EVENT_TYPE", "string"),)
SCHEMAS = {
    "ITEMS": ITEMS,
    "USERS": USERS,
    "ACTIONS": Schema("ACTIONS", None, (Field("VALUE", "long"),)),
    "INTERACTIONS": Schema("INTERACTIONS", None, EVENTS),
    "ACTION_INTERACTIONS": Schema("ACTION_INTERACTIONS", None, EVENTS),
}
#: Five items: one with one genre, one with two, one with none, one whose texts hold a bar, one without any row.
SHOP = Columns.build(
    ITEMS.fields,
    {
        "YEAR": [1999, 2005, None, 2**53 + 1],
        "PRICE": [9.99, None, 1, 100],
        "SCORE": [0.1, 0.2, None, -1],
        "GENRE": ["comedy", "comedy|drama", None, "horror"],
        "BRAND": ["x", "x|y", None, "Y"],
    },
    5,
    rows=[0, 1, 2, 3],
)
HISTORY = {"view": [3, 0, 3], "buy": [0]}
USER = {"AGE": 30, "TIER": None, "LIKES": "drama|horror"}


def passing(text: str, given_values: dict[str, str] | None = None, **more: Any) -> list[int]:
    of = check(parse(text), SCHEMAS)
    arguments = {"user": USER, "history": HISTORY, "masks": Masks()} | more
    found: list[int] = np.flatnonzero(evaluate(of, read(of, given_values), SHOP, 5, **arguments)).tolist()
    return found


@pytest.mark.parametrize(
    ("conditions", "meeting"),
    [
        ("Items.GENRE IN ('drama')", [1]),
        ("Items.GENRE IN ('comedy', 'horror', 'x', 'y')", [0, 1, 3]),
        ("Items.GENRE IN ('comedy|drama', 'Comedy')", []),
        ("Items.GENRE NOT IN ('drama')", [0, 2, 3, 4]),
        ("Items.GENRE NOT IN ('unknown')", [0, 1, 2, 3, 4]),
        ("Items.GENRE = 'comedy'", [0, 1]),
        ("Items.GENRE != 'drama'", [0, 3]),
        ("Items.BRAND IN ('x')", [0]),
        ("Items.BRAND IN ('x|y')", [1]),
        ("Items.BRAND != 'x'", [1, 3]),
        ("Items.YEAR < 2005", [0]),
        ("Items.YEAR >= 2004.5", [1, 3]),
        ("Items.YEAR = 2005.0", [1]),
        ("Items.YEAR = 2004.5", []),
        ("Items.YEAR != 2004.5", [0, 1, 3]),
        ("Items.YEAR > 9007199254740992", [3]),
        ("Items.YEAR = 9007199254740992", []),
        ("Items.YEAR < 1" + "0" * 30, [0, 1, 3]),
        ("Items.YEAR < 1e300", [0, 1, 3]),
        ("Items.YEAR NOT IN (1999, '2005', 1e300)", [2, 3, 4]),
        ("Items.PRICE = 9.99", [0]),
        ("Items.PRICE IN ('9.99', 100)", [0, 3]),
        ("Items.PRICE <= 9.99", [0, 2]),
        ("Items.PRICE < 1e300", [0, 2, 3]),
        ("Items.PRICE != 1", [0, 3]),
        ("Items.GENRE IN ('comedy') AND Items.YEAR > 2000 OR Items.PRICE = 1", [1, 2]),
        ("Interactions.EVENT_TYPE IN ('VIEW')", [0, 3]),
        ("Interactions.EVENT_TYPE IN (*)", [0, 3]),
        ("Interactions.EVENT_TYPE IN ('never')", []),
        ("Interactions.EVENT_TYPE NOT IN ('Buy')", [1, 2, 3, 4]),
        ("Interactions.EVENT_TYPE != 'buy'", [3]),
        ("Interactions.EVENT_TYPE IN ('view') AND Interactions.EVENT_TYPE NOT IN ('buy')", [3]),
    ],
)
def test_a_condition_is_met_by(conditions: str, meeting: list[int]) -> None:
    assert passing(f"INCLUDE ItemID WHERE {conditions}") == meeting
    assert passing(f"EXCLUDE ItemID WHERE {conditions}") == [row for row in range(5) if row not in meeting]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("CurrentUser.AGE > 18", True),
        ("CurrentUser.AGE > $AGE", False),
        ("CurrentUser.AGE IN (30)", True),
        ("CurrentUser.TIER IN ('gold')", False),
        ("CurrentUser.TIER NOT IN ('gold')", True),
        ("CurrentUser.TIER != 'gold'", False),
        ("CurrentUser.LIKES IN ('drama')", True),
        ("CurrentUser.LIKES != 'drama'", False),
        ("CurrentUser.AGE > 18 AND CurrentUser.LIKES IN ('comedy')", False),
        ("CurrentUser.LIKES IN CurrentItem.GENRE", True),
        ("CurrentUser.AGE < CurrentItem.YEAR", True),
    ],
)
def test_an_expression_with_an_if_counts_for_users_that_meet_it(condition: str, holds: bool) -> None:
    values = {"AGE": "30"}
    included = passing(f"INCLUDE ItemID WHERE Items.YEAR < 2000 IF {condition}", values, current_item=1)
    excluded = passing(f"EXCLUDE ItemID WHERE Items.YEAR < 2000 IF {condition}", values, current_item=1)
    assert included == ([0] if holds else [0, 1, 2, 3, 4])
    assert excluded == ([1, 2, 3, 4] if holds else [0, 1, 2, 3, 4])


def test_no_if_holds_of_an_unknown_user() -> None:
    text = "EXCLUDE ItemID WHERE Items.YEAR < 2000 IF CurrentUser.TIER NOT IN ('gold')"
    assert passing(text) == [1, 2, 3, 4]
    assert passing(text, user=None) == [0, 1, 2, 3, 4]


def test_attributes_may_come_as_texts() -> None:
    text = "EXCLUDE ItemID WHERE Items.YEAR < 2000 IF CurrentUser.AGE > 5 AND CurrentUser.AGE = 30"
    assert passing(text, user={"AGE": "30"}) == [1, 2, 3, 4]


def test_includes_add_up_and_excludes_win_in_any_order() -> None:
    parts = [
        "INCLUDE ItemID WHERE Items.GENRE IN ('comedy')",
        "INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ('view')",
        "EXCLUDE ItemID WHERE Items.YEAR < 2000",
        "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ('never')",
    ]
    assert passing(" | ".join(parts)) == passing(" | ".join(reversed(parts))) == [1, 3]


def test_an_exclude_expression_without_its_value_is_left_out() -> None:
    text = "EXCLUDE ItemID WHERE Items.GENRE IN ($GENRE) | EXCLUDE ItemID WHERE Items.YEAR < $YEAR"
    assert passing(text) == [0, 1, 2, 3, 4]
    assert passing(text, {"YEAR": "2000"}) == [1, 2, 3, 4]
    assert passing(text, {"GENRE": '"comedy","horror"', "YEAR": '"2000"'}) == [2, 4]


def test_a_list_without_values_is_met_by_nothing() -> None:
    assert passing("INCLUDE ItemID WHERE Items.GENRE IN ($GENRE)", {"GENRE": ""}) == []


def test_the_current_item_is_compared_by_what_it_has() -> None:
    text = "INCLUDE ItemID WHERE Items.GENRE IN CurrentItem.GENRE AND Items.YEAR <= CurrentItem.YEAR"
    assert [passing(text, current_item=row) for row in (0, 1, 2, None)] == [[0], [0, 1], [], []]
    assert passing("INCLUDE ItemID WHERE Items.GENRE NOT IN CurrentItem.GENRE", current_item=2) == [
        0,
        1,
        2,
        3,
        4,
    ]


def test_users_and_actions_are_filtered_alike() -> None:
    users = Columns.build(USERS.fields, {"AGE": [17, 18, None]}, 3)
    of = check(
        parse("INCLUDE UserID WHERE Users.AGE > 17 | INCLUDE UserID WHERE Interactions.EVENT_TYPE = 'a'"),
        SCHEMAS,
    )
    assert evaluate(of, {}, users, 3, history={"a": [2]}).tolist() == [False, True, True]
    actions = Columns.build(SCHEMAS["ACTIONS"].fields, {"VALUE": [1, 2]}, 2)
    text = "INCLUDE ActionID WHERE Actions.VALUE >= 1 | EXCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN (*)"
    assert evaluate(check(parse(text), SCHEMAS), {}, actions, 2, history={"taken": [0]}).tolist() == [
        False,
        True,
    ]


def test_without_metadata_everything_is_null() -> None:
    of = check(parse("EXCLUDE ItemID WHERE Items.YEAR > 5 OR Items.GENRE NOT IN ('a')"), SCHEMAS)
    assert not evaluate(of, {}, None, 3, masks=Masks()).any()
    of = check(parse("EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (*)"), SCHEMAS)
    assert evaluate(of, {}, None, 3, history={"a": [1, 7, -1]}).tolist() == [True, False, True]


def test_the_catalogue_may_be_shorter_than_the_columns_but_not_longer() -> None:
    of = check(parse("INCLUDE ItemID WHERE Items.YEAR > 5"), SCHEMAS)
    assert evaluate(of, {}, SHOP, 2).tolist() == [True, True]
    with pytest.raises(ValueError, match="the columns have 5 rows, the catalogue has 6"):
        evaluate(of, {}, SHOP, 6)


# Random filters: each is drawn as text together with the SQL that says the same.


@dataclass(frozen=True)
class Drawn:
    """A filter's text, what a request brings for it, and the SQL condition on ``items`` that says the same."""

    text: str
    values: dict[str, str]
    sql: str


ITEM_NAMES = [field.name for field in ITEMS.fields]
NOTHING = dict.fromkeys(ITEM_NAMES)
SQL_TYPES = {"YEAR": "BIGINT", "PRICE": "FLOAT", "SCORE": "DOUBLE", "AGE": "BIGINT"}
WHOLE = st.sampled_from([-1, 0, 1, 2, 3, 2**53 + 1])
NUMBERS = st.one_of(WHOLE, st.sampled_from([-0.5, 0.1, 1.5, 2.0, 9.99]))
TEXTS = st.sampled_from(["a", "b", "c", "d", "it's"])
CATEGORIES = st.lists(TEXTS, min_size=1, max_size=3).map("|".join)
ITEM = st.fixed_dictionaries(
    {
        "YEAR": st.none() | WHOLE,
        "PRICE": st.none() | NUMBERS.map(lambda one: float(np.float32(one))),
        "SCORE": st.none() | NUMBERS.map(float),
        "GENRE": st.none() | CATEGORIES,
        "BRAND": st.none() | TEXTS,
    }
)
ATTRIBUTES = st.fixed_dictionaries(
    {"AGE": st.none() | WHOLE, "TIER": st.none() | TEXTS, "LIKES": st.none() | CATEGORIES}
)
TYPES = ["view", "Buy", "LIKE"]


def sql_value(value: Any, name: str = "") -> str:
    if value is None:
        return f"NULL::{SQL_TYPES.get(name, 'VARCHAR')}"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return f"{value!r}::{SQL_TYPES[name]}" if name else repr(value)


class Drawing:
    """Draws one filter."""

    def __init__(self, draw: Any, user: dict[str, Any] | None, current: int) -> None:
        self.draw, self.user, self.current = draw, user, current
        self.values: dict[str, str] = {}
        self.action, self.missing = "", False

    def one_of(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def filter(self) -> Drawn:
        drawn = [self.expression() for _ in range(self.one_of(1, 2, 3))]
        included = [(active, sql) for action, active, sql, _ in drawn if action == "INCLUDE"]
        excluded = [(active, sql) for action, active, sql, _ in drawn if action == "EXCLUDE"]
        nothing = " AND ".join(f"NOT ({active})" for active, _ in included) or "TRUE"
        include = " OR ".join([f"({nothing})", *(f"({active}) AND ({sql})" for active, sql in included)])
        exclude = " OR ".join(f"({active}) AND ({sql})" for active, sql in excluded) or "FALSE"
        return Drawn(" | ".join(text for *_, text in drawn), self.values, f"({include}) AND NOT ({exclude})")

    def expression(self) -> tuple[str, str, str, str]:
        self.action, self.missing = self.one_of("INCLUDE", "EXCLUDE"), False
        condition = self.one_of(self.event_condition, self.item_condition, self.item_condition)
        any_of = [[condition() for _ in range(self.one_of(1, 2))] for _ in range(self.one_of(1, 2))]
        text = " OR ".join(" AND ".join(one for one, _ in all_of) for all_of in any_of)
        sql = " OR ".join(" AND ".join(f"({one})" for _, one in all_of) for all_of in any_of)
        text, active = f"{self.action} ItemID WHERE {text}", "TRUE"
        if self.one_of(True, False, False):
            user = [self.user_condition() for _ in range(self.one_of(1, 2))]
            text += " IF " + " AND ".join(one for one, _ in user)
            active = " AND ".join(f"({one})" for _, one in user) if self.user is not None else "FALSE"
        return self.action, "FALSE" if self.missing else active, sql, text

    def item_condition(self) -> tuple[str, str]:
        name = self.one_of("YEAR", "PRICE", "SCORE", "GENRE", "BRAND")
        return self.compared(f"Items.{name}", name, f"items.{name}")

    def user_condition(self) -> tuple[str, str]:
        name = self.one_of("AGE", "TIER", "LIKES")
        return self.compared(f"CurrentUser.{name}", name, sql_value((self.user or {}).get(name), name))

    def compared(self, field: str, name: str, own: str) -> tuple[str, str]:
        """Draw a condition on a field whose value is the SQL ``own``."""
        if name in SQL_TYPES:
            sign = self.one_of("IN", "NOT IN", "=", "!=", "<", "<=", ">", ">=")
            written, wanted = self.operand(sign, name, NUMBERS, ("YEAR", "PRICE", "SCORE"))
        else:
            sign = self.one_of("IN", "NOT IN", "=", "!=")
            written, wanted = self.operand(sign, name, TEXTS, ("GENRE", "BRAND"))
        has = self.parts(own, name)
        found = f"coalesce(list_has_any({has}, {wanted}), FALSE)"
        there = f"{own} IS NOT NULL AND len(list_filter({wanted}, lambda x: x IS NOT NULL)) > 0"
        sql = {
            "IN": found,
            "=": found,
            "NOT IN": f"NOT {found}",
            "!=": f"{there} AND NOT {found}",
        }.get(sign, f"coalesce({own} {sign} {wanted}[1], FALSE)")
        return f"{field} {sign} {written}", sql

    def parts(self, own: str, name: str) -> str:
        """Return the SQL list of what a field has; an empty one for null."""
        listed = f"string_split({own}, '|')" if name in ("GENRE", "LIKES") else f"[{own}]"
        return f"CASE WHEN {own} IS NULL THEN [] ELSE {listed} END"

    def operand(self, sign: str, name: str, values: Any, columns: tuple[str, ...]) -> tuple[str, str]:
        """Draw the right side of a condition: its text, and its values as an SQL list."""
        several = sign in ("IN", "NOT IN")
        how = self.one_of("literal", "literal", "placeholder", "current")
        if how == "current" and not (name in SQL_TYPES and SQL_TYPES[name] != "DOUBLE"):
            other = self.one_of(*columns) if name not in SQL_TYPES else name
            own = f"(SELECT {other} FROM items WHERE id = {self.current})"
            return f"CurrentItem.{other}", self.parts(own, other)
        chosen = [self.draw(values) for _ in range(self.one_of(1, 2, 3) if several else 1)]
        listed = "[" + ", ".join(self.cast(one, name) for one in chosen) + "]"
        if how == "placeholder" and sign != "NOT IN":
            placeholder = f"P{len(self.values)}"
            if self.action == "EXCLUDE" and self.one_of(True, False, False):
                placeholder, self.missing = "ABSENT", True
            else:
                self.values[placeholder] = ",".join(f'"{one}"' for one in chosen)
            return self.one_of(
                f"(${placeholder})", f'("${placeholder}")'
            ) if several else f"${placeholder}", listed
        written = [f'"{one}"' if isinstance(one, str) else str(one) for one in chosen]
        return f"({', '.join(written)})" if several else written[0], listed

    def cast(self, value: Any, name: str) -> str:
        """Write a value so that DuckDB compares as the column's type would: fractions with a whole column exactly."""
        if name in SQL_TYPES and not (SQL_TYPES[name] == "BIGINT" and isinstance(value, float)):
            return sql_value(value, name)
        return sql_value(value)

    def event_condition(self) -> tuple[str, str]:
        chosen = [self.one_of("VIEW", "buy", "Like", "never") for _ in range(self.one_of(1, 2))]
        sign, written = self.one_of("IN", "NOT IN", "=", "!="), f"({', '.join(map(repr, chosen))})"
        if sign in ("=", "!="):
            chosen, written = chosen[:1], repr(chosen[0])
        some = "items.id IN (SELECT id FROM events)"
        listed = ", ".join(repr(one.lower()) for one in chosen)
        found = f"items.id IN (SELECT id FROM events WHERE lower(type) IN ({listed}))"
        if sign in ("IN", "NOT IN") and self.one_of(True, False, False):
            written, found = '("*")', some
        sql = {"IN": found, "=": found, "NOT IN": f"NOT {found}", "!=": f"{some} AND NOT {found}"}[sign]
        return f"Interactions.EVENT_TYPE {sign} {written}", sql


def columns_of(items: list[dict[str, Any]]) -> Columns:
    values = {name: [item[name] for item in items] for name in ITEM_NAMES}
    return Columns.build(ITEMS.fields, values, len(items))


@pytest.fixture(scope="module")
def database() -> Iterator[Any]:
    columns = ", ".join(f"{field.name} {field.sql_type}" for field in ITEMS.fields)
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        connection.execute(f"CREATE TABLE items (id BIGINT, {columns})")
        connection.execute("CREATE TABLE events (id BIGINT, type VARCHAR)")
        yield connection


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_random_filters_pass_what_duckdb_passes(database: Any, data: st.DataObject) -> None:
    items = data.draw(st.lists(ITEM, min_size=1, max_size=6))
    events = data.draw(
        st.lists(st.tuples(st.integers(0, len(items) - 1), st.sampled_from(TYPES)), max_size=5)
    )
    user = data.draw(st.none() | ATTRIBUTES)
    current = data.draw(st.integers(0, len(items) - 1))
    drawn = Drawing(data.draw, user, current).filter()

    of = check(parse(drawn.text), SCHEMAS)
    late = data.draw(st.sets(st.integers(0, len(items) - 1)))
    columns = columns_of([NOTHING if row in late else item for row, item in enumerate(items)])
    columns = columns.updated({row: items[row] for row in late})
    history: dict[str, list[int]] = {}
    for row, event_type in events:
        history.setdefault(event_type.casefold(), []).append(row)
    masks, parameters = Masks(), read(of, drawn.values)
    found = [evaluate(of, parameters, columns, len(items), user, history, current, masks) for _ in range(2)]

    database.execute("DELETE FROM items; DELETE FROM events")
    rows = ", ".join(
        f"({row}, {', '.join(sql_value(item[name], name) for name in ITEM_NAMES)})"
        for row, item in enumerate(items)
    )
    database.execute(f"INSERT INTO items VALUES {rows}")
    for event in events:
        database.execute("INSERT INTO events VALUES (?, ?)", event)
    expected = database.execute(f"SELECT {drawn.sql} FROM items ORDER BY id").fetchall()
    assert [one.tolist() for one in found] == [[row[0] for row in expected]] * 2, (drawn.text, drawn.sql)
