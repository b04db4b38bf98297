"""What a model of actions is trained on: events of known actions, beside the items of the same users."""

import duckdb
import numpy as np

from sartor.data import training
from sartor.data.dataset_types import ACTION_EVENT_TYPES, action_event_type
from sartor.data.training import Selection, TrainingRows
from unit.data.test_training import EVENTS, schema_of

USERS = schema_of(
    "Users",
    ("USER_ID", "string"),
    ("TIER", ["null", "string"]),
    ("AGE", ["null", "int"]),
    TIER={"categorical": True},
)
#: Twelve interactions of each of two users: an attribute of fewer than ten says nothing.
ITEMS = [(user, f"i{at % 3}", at) for user in ("u", "v") for at in range(12)]


def read(events: list[tuple[str, str, str, int]] | None, *users: tuple[str, str, int]) -> TrainingRows:
    with duckdb.connect() as connection:
        connection.execute(
            """
            CREATE TABLE data (USER_ID VARCHAR, ITEM_ID VARCHAR, TIMESTAMP BIGINT, EVENT_TYPE VARCHAR,
                               EVENT_VALUE FLOAT);
            CREATE TABLE actions (ACTION_ID VARCHAR);
            INSERT INTO actions VALUES ('b'), ('a'), ('c');
            CREATE TABLE action_interactions (USER_ID VARCHAR, ACTION_ID VARCHAR, EVENT_TYPE VARCHAR,
                                              TIMESTAMP BIGINT);
            CREATE TABLE users (USER_ID VARCHAR, TIER VARCHAR, AGE INTEGER);
            """
        )
        connection.executemany("INSERT INTO data VALUES (?, ?, ?, 'view', NULL)", ITEMS)
        for table, rows in (("action_interactions", events), ("users", users)):
            if rows:
                marks = ", ".join("?" for _ in rows[0])
                connection.executemany(f"INSERT INTO {table} VALUES ({marks})", [list(row) for row in rows])
        schema = USERS if users else None
        found = training.read(connection, EVENTS, None, Selection(), schema, in_context=True)
        return training.with_actions(connection, found, schema, Selection(), events is not None)


def events_of(rows: TrainingRows) -> dict[str, list[tuple[str, str, int]]]:
    acting, found = rows.acting, {}
    assert acting is not None
    for number, user in enumerate(rows.users.names()):
        begin, end = acting.action_offsets[number : number + 2]
        found[user] = [
            (acting.actions.name(int(action)), ACTION_EVENT_TYPES[kind], int(at))
            for action, kind, at in zip(
                acting.action[begin:end],
                acting.action_type[begin:end],
                acting.action_time[begin:end],
                strict=True,
            )
        ]
    return found


def test_each_users_events_lie_together_oldest_first_and_users_of_actions_alone_come_last() -> None:
    rows = read(
        [
            ("z", "a", "TAKEN", 9),
            ("v", "c", "Not taken", 5),
            ("v", "a", "viewed", 4),
            ("new", "b", "Viewed", 1),
            ("v", "gone", "TAKEN", 3),
        ]
    )
    assert rows.users.names() == ["u", "v", "new", "z"]
    assert events_of(rows) == {
        "u": [],
        "v": [("a", "VIEWED", 4), ("c", "NOT_TAKEN", 5)],
        "new": [("b", "VIEWED", 1)],
        "z": [("a", "TAKEN", 9)],
    }
    assert np.diff(rows.offsets).tolist() == np.diff(rows.seen_offsets).tolist() == [12, 12, 0, 0]
    assert rows.acting is not None
    assert rows.acting.actions.names() == ["a", "b", "c"]


def test_without_a_dataset_of_events_there_are_only_the_actions() -> None:
    rows = read(None)
    assert rows.acting is not None
    assert (len(rows.acting.actions), len(rows.acting.action)) == (3, 0)
    assert rows.acting.action_offsets.tolist() == [0, 0, 0]


def test_attributes_of_who_did_something_are_numbers_into_the_contexts() -> None:
    users = [("u", "gold|old", 30), ("v", "gold", 50), ("z", "gold", 50), ("idle", "gold", 50)]
    rows = read([("u", "a", "TAKEN", 1), ("z", "a", "TAKEN", 1)], *users)
    acting = rows.acting
    assert acting is not None
    said = {}
    for number, user in enumerate(rows.users.names()):
        begin, end = acting.attribute_offsets[number : number + 2]
        said[user] = {rows.contexts.values[value] for value in acting.attribute[begin:end]}
    gold, old = "Users.TIER=gold", "Users.TIER=old"
    assert {user: {one for one in some if "TIER" in one} for user, some in said.items()} == {
        "u": {gold, old},
        "v": set(),  # who did nothing trains nothing
        "z": {gold},
    }
    assert {one.partition("=")[0] for one in said["z"]} == {"Users.TIER", "Users.AGE"}
    assert said["z"].isdisjoint({one for one in said["u"] if "AGE" in one})


def test_event_types_are_read_in_every_spelling_of_the_samples() -> None:
    words = ("Not taken", "NOT_TAKEN", "not_taken", "Not Taken")
    assert {action_event_type(word) for word in words} == {"NOT_TAKEN"}
    assert action_event_type("clicked") not in ACTION_EVENT_TYPES
