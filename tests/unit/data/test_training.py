"""What a model is trained on: which interactions count, in which order, and what is known of items."""

import json
from collections import Counter

import duckdb
import numpy as np
import pytest

from sartor.data import contexts, schema, training
from sartor.data.schema import Schema
from sartor.data.training import EventRule, Selection, TrainingRows

Cell = str | int | float | None


def schema_of(name: str, *fields: tuple[str, object], **attributes: dict[str, bool]) -> Schema:
    columns = [{"name": name_, "type": kind, **attributes.get(name_, {})} for name_, kind in fields]
    return schema.parse(json.dumps({"type": "record", "name": name, "fields": columns}))


EVENTS = schema_of(
    "Interactions",
    ("USER_ID", "string"),
    ("ITEM_ID", "string"),
    ("TIMESTAMP", "long"),
    ("EVENT_TYPE", ["null", "string"]),
    ("EVENT_VALUE", ["null", "float"]),
)
ITEMS = schema_of(
    "Items",
    ("ITEM_ID", "string"),
    ("GENRE", ["null", "string"]),
    ("TEXT", ["null", "string"]),
    ("PLAIN", ["null", "string"]),
    ("PRICE", ["null", "float"]),
    ("CREATION_TIMESTAMP", ["null", "long"]),
    GENRE={"categorical": True},
    TEXT={"textual": True},
)
EVERYTHING = Selection()
ROWS: list[tuple[Cell, ...]] = [
    ("v", "b", 3, "buy", 2.0),
    ("u", "a", 2, "view", None),
    ("u", "b", 1, "view", 1.0),
    ("u", "c", 2, "buy", 5.0),
    ("v", "a", 4, None, 9.0),
]


def read(
    selection: Selection = EVERYTHING,
    items: list[tuple[Cell, ...]] | None = None,
) -> TrainingRows:
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE data (USER_ID VARCHAR, ITEM_ID VARCHAR, TIMESTAMP BIGINT, "
            "EVENT_TYPE VARCHAR, EVENT_VALUE FLOAT)"
        )
        connection.executemany("INSERT INTO data VALUES (?, ?, ?, ?, ?)", [list(row) for row in ROWS])
        if items is not None:
            connection.execute(
                "CREATE TABLE items (ITEM_ID VARCHAR, GENRE VARCHAR, TEXT VARCHAR, PLAIN VARCHAR, PRICE FLOAT, "
                "CREATION_TIMESTAMP BIGINT)"
            )
            connection.executemany(
                "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?)", [list(row) for row in items]
            )
        return training.read(connection, EVENTS, None if items is None else ITEMS, selection)


def histories(rows: TrainingRows) -> dict[str, list[tuple[str, int]]]:
    found = {}
    for number, user in enumerate(rows.users.names()):
        begin, end = rows.offsets[number : number + 2]
        found[user] = [
            (rows.items.name(int(item)), int(at))
            for item, at in zip(rows.item[begin:end], rows.time[begin:end], strict=True)
        ]
    return found


def test_an_interaction_without_a_time_which_older_versions_stored_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = histories(read())
    monkeypatch.setattr(f"{__name__}.ROWS", [*ROWS, ("u", "a", None, "view", None)])
    assert histories(read()) == wanted


def test_what_a_session_did_that_belongs_to_nobody_is_not_trained_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = read()
    monkeypatch.setattr(
        f"{__name__}.ROWS", [*ROWS, (None, "a", 9, "view", None), (None, "z", 9, "view", 1.0)]
    )
    rows = read()
    assert histories(rows) == histories(wanted)
    assert rows.items.names() == wanted.items.names()


def test_each_users_interactions_lie_together_oldest_first() -> None:
    rows = read()
    assert histories(rows) == {"u": [("b", 1), ("a", 2), ("c", 2)], "v": [("b", 3), ("a", 4)]}
    assert rows.item.dtype == np.int32
    assert np.all(rows.weight == 1.0)
    assert rows.event_types == ("", "buy", "view")


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(event_type="view"), {"u": ["b", "a"], "v": []}),
        (Selection(event_type="buy", threshold=3.0), {"u": ["c"], "v": []}),
        (Selection(event_type="View"), {"u": [], "v": []}),
        (Selection(event_type="View", in_any_case=True), {"u": ["b", "a"], "v": []}),
        (Selection(threshold=2.0), {"u": ["c"], "v": ["b", "a"]}),
        (
            Selection(event_rules={"buy": EventRule(0.5), "view": EventRule(1.0, 1.0)}),
            {"u": ["b", "c"], "v": ["b"]},
        ),
    ],
)
def test_only_what_the_solution_counts_is_trained_on_and_everything_is_seen(
    selection: Selection, expected: dict[str, list[str]]
) -> None:
    rows = read(selection)
    assert {user: [item for item, _ in some] for user, some in histories(rows).items()} == expected
    assert len(rows.seen_item) == len(ROWS)


def test_event_weights_are_those_of_their_types() -> None:
    rows = read(Selection(event_rules={"buy": EventRule(0.25), "view": EventRule(1.0)}))
    assert rows.weight.tolist() == [1.0, 1.0, 0.25, 0.25]


CATALOGUE: list[tuple[Cell, ...]] = [
    ("a", "comedy|drama", "A <b>funny</b> film", "x", 1.0, 5),
    ("b", "comedy", "a sad film", "x", 2.0, 5),
    ("new", "drama", None, "x", None, 5),
    ("other", None, None, None, 3.0, None),
]


def tokens(rows: TrainingRows) -> dict[str, set[str]]:
    return {
        name: {
            rows.token_names[one] for one in rows.tokens[rows.token_offsets[at] : rows.token_offsets[at + 1]]
        }
        for at, name in enumerate(rows.items.names())
    }


def test_items_without_interactions_are_in_the_catalogue_with_their_features() -> None:
    rows = read(items=CATALOGUE)
    assert rows.items.names() == ["a", "b", "c", "new", "other"]
    found = tokens(rows)
    assert {"GENRE=comedy", "GENRE=drama", "TEXT=film"} <= found["a"]
    assert found["new"] == {"GENRE=drama"}
    assert found["c"] == set()
    every = set().union(*found.values())
    assert not [one for one in every if one.startswith(("PLAIN", "CREATION_TIMESTAMP", "ITEM_ID"))]
    assert "TEXT=sad" not in every  # one item alone says nothing about others


def test_only_included_columns_say_something_where_they_are_named() -> None:
    every = set().union(*tokens(read(Selection(included={"items": ("genre",)}), CATALOGUE)).values())
    assert every
    assert all(token.startswith("GENRE=") for token in every)
    both = Selection(included={"items": ("genre", "text")}, excluded={"items": ("genre",)})
    assert not any(
        token.startswith("GENRE=") for name in tokens(read(both, CATALOGUE)).values() for token in name
    )
    assert tokens(read(Selection(included={"users": ()}), CATALOGUE)) == tokens(read(EVERYTHING, CATALOGUE))


def test_a_boolean_says_nothing() -> None:
    of_items = schema_of("Items", ("ITEM_ID", "string"), ("IS_NEW", "boolean"), ("SIZE", "int"))
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE data AS SELECT 'u' AS USER_ID, 'i' || n AS ITEM_ID, n AS TIMESTAMP, 'view' AS EVENT_TYPE, "
            "1.0 AS EVENT_VALUE FROM range(40) AS r(n);"
            "CREATE TABLE items AS SELECT 'i' || n AS ITEM_ID, n % 2 = 0 AS IS_NEW, n AS SIZE FROM range(40) AS r(n);"
        )
        names = training.read(connection, EVENTS, of_items, EVERYTHING).token_names
    assert names
    assert all(one.startswith("SIZE=") for one in names)


def test_excluded_columns_say_nothing() -> None:
    every = set().union(*tokens(read(Selection(excluded={"items": ("genre",)}), CATALOGUE)).values())
    assert not [one for one in every if one.startswith("GENRE")]


def test_rewards_are_the_objectives_column() -> None:
    rewards = read(Selection(objective="PRICE"), CATALOGUE).rewards
    assert rewards is not None
    np.testing.assert_array_equal(rewards, np.array([1.0, 2.0, np.nan, np.nan, 3.0], np.float32))


CONTEXTUAL = schema_of(
    "Interactions",
    ("USER_ID", "string"),
    ("ITEM_ID", "string"),
    ("TIMESTAMP", "long"),
    ("EVENT_TYPE", ["null", "string"]),
    ("EVENT_ATTRIBUTION_SOURCE", ["null", "string"]),
    ("DEVICE", ["null", "string"]),
    ("NOTE", ["null", "string"]),
    ("WARMTH", ["null", "float"]),
    DEVICE={"categorical": True},
)


def test_contexts_are_the_categories_and_numbers_that_a_solution_does_not_leave_out() -> None:
    names = [one.name for one in contexts.contextual(CONTEXTUAL, ())]
    assert names == ["DEVICE", "WARMTH"]
    assert [one.name for one in contexts.contextual(CONTEXTUAL, {"device"})] == ["WARMTH"]


def test_impressions_are_no_context_and_no_interaction() -> None:
    fields = [*((one.name, one.type) for one in EVENTS.fields), ("IMPRESSION", "string")]
    of = schema_of("Interactions", *fields)
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE data AS SELECT 'u' || n % 20 AS USER_ID, 'i' || n % 7 AS ITEM_ID, n AS TIMESTAMP, "
            "'view' AS EVENT_TYPE, 1.0 AS EVENT_VALUE, 'i1|shown|i2' AS IMPRESSION FROM range(400) AS r(n)"
        )
        found = training.read(connection, of, None, EVERYTHING, in_context=True)
    assert found.items.names() == [f"i{number}" for number in range(7)]
    assert len(found.item) == 400
    assert not [value for value in found.contexts.values if "IMPRESSION" in value]


def test_booleans_are_not_trained_on() -> None:
    flagged = schema_of(
        "Items",
        ("ITEM_ID", "string"),
        ("FLAG", "boolean"),
        ("GENRE", "string"),
        GENRE={"categorical": True},
    )
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE data AS SELECT 'u' || n % 9 AS USER_ID, 'i' || n % 7 AS ITEM_ID, n AS TIMESTAMP, "
            "NULL::VARCHAR AS EVENT_TYPE, NULL::FLOAT AS EVENT_VALUE FROM range(90) AS r(n);"
            "CREATE TABLE items AS SELECT 'i' || n AS ITEM_ID, n > 3 AS FLAG, 'g' || n % 2 AS GENRE "
            "FROM range(7) AS r(n)"
        )
        rows = training.read(connection, EVENTS, flagged, EVERYTHING)
    assert set(rows.token_names) == {"GENRE=g0", "GENRE=g1"}
    events = [("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"), ("FLAG", "boolean")]
    assert contexts.contextual(schema_of("Interactions", *events), ()) == []


def test_contexts_count_what_is_trained_on_as_a_count_by_hand_does() -> None:
    rng = np.random.default_rng(0)
    rows = [
        (
            None if rng.random() < 0.02 else f"u{rng.integers(20)}",
            f"i{rng.integers(15)}",
            int(at),
            ("buy", "view")[rng.integers(2)],
            rng.choice([None, "phone", "tv|web", "tv", "rare"], p=[0.1, 0.4, 0.2, 0.295, 0.005]),
            None if rng.random() < 0.1 else float(np.float32(rng.normal())),
        )
        for at in range(600)
    ]
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE data (USER_ID VARCHAR, ITEM_ID VARCHAR, TIMESTAMP BIGINT, EVENT_TYPE VARCHAR, "
            "DEVICE VARCHAR, WARMTH FLOAT)"
        )
        connection.executemany("INSERT INTO data VALUES (?, ?, ?, ?, ?, ?)", [list(row) for row in rows])
        of = schema_of(
            "Interactions",
            *(
                (one.name, ["null", one.type] if one.nullable else one.type)
                for one in CONTEXTUAL.fields
                if one.name not in ("EVENT_ATTRIBUTION_SOURCE", "NOTE")
            ),
            DEVICE={"categorical": True},
        )
        found = training.read(connection, of, None, Selection(event_type="buy"), in_context=True)
    counted = [row for row in rows if row[0] is not None and row[3] == "buy"]
    bounds = found.contexts.bounds
    assert bounds["DEVICE"] is None and bounds["WARMTH"] is not None
    bins = np.searchsorted(bounds["WARMTH"], [row[5] for row in counted if row[5] is not None], side="right")
    assert np.bincount(bins).min() >= 0.08 * len(bins)
    expected: Counter[tuple[str, str]] = Counter()
    for _, item, _, _, device, warmth in counted:
        for said in (device or "").split("|"):
            if said:
                expected[f"DEVICE={said}", item] += 1
        if warmth is not None:
            expected[f"WARMTH={np.searchsorted(bounds['WARMTH'], warmth, side='right')}", item] += 1
    of_value: Counter[str] = Counter()
    for (value, _), n in expected.items():
        of_value[value] += n
    assert of_value["DEVICE=rare"] < 10
    kept = {(value, item): n for (value, item), n in expected.items() if of_value[value] >= 10}
    offsets = found.contexts.offsets.tolist()
    assert kept == {
        (value, found.items.name(int(item))): int(n)
        for at, value in enumerate(found.contexts.values)
        for item, n in zip(
            found.contexts.item[offsets[at] : offsets[at + 1]],
            found.contexts.count[offsets[at] : offsets[at + 1]],
            strict=True,
        )
    }


def test_the_attributes_of_users_count_with_each_of_their_interactions() -> None:
    users = schema_of(
        "Users",
        ("USER_ID", "string"),
        ("AGE", ["null", "int"]),
        ("TIER", ["null", "string"]),
        ("NOTE", ["null", "string"]),
        TIER={"categorical": True},
    )
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE data AS SELECT 'u' || n % 20 AS USER_ID, 'i' || n % 7 AS ITEM_ID, n AS TIMESTAMP, "
            "NULL::VARCHAR AS EVENT_TYPE, NULL::FLOAT AS EVENT_VALUE FROM range(400) AS r(n);"
            "CREATE TABLE users AS SELECT 'u' || n AS USER_ID, CASE WHEN n < 15 THEN n END AS AGE, "
            "CASE WHEN n < 4 THEN 'gold|early' ELSE 'plain' END AS TIER, 'x' AS NOTE FROM range(30) AS r(n);"
        )
        found = training.read(connection, EVENTS, None, EVERYTHING, users, in_context=True).contexts
        wanted = dict(
            connection.execute(
                "SELECT value, count(*) FROM (SELECT 'Users.TIER=' || unnest(string_split(TIER, '|')) AS value "
                "FROM data JOIN users USING (USER_ID)) GROUP BY value"
            ).fetchall()
        )
    sums = {
        value: int(found.count[slice(*found.offsets[at : at + 2])].sum())
        for at, value in enumerate(found.values)
    }
    assert {value: n for value, n in sums.items() if "TIER" in value} == wanted
    assert sum(n for value, n in sums.items() if "AGE" in value) == 15 * 20
    assert set(found.bounds) == {"Users.AGE", "Users.TIER"}


def test_nobody_asks_for_contexts_and_none_are_read() -> None:
    assert read().contexts.values == ()
