"""Attributes: what the items had in their columns at the training, saved with the version."""

import json

import duckdb
import numpy as np
import pytest

from sartor.data import schema, training
from sartor.data.attributes import Attributes
from sartor.data.training import Selection

INTERACTIONS = schema.parse(
    json.dumps(
        {
            "type": "record",
            "name": "Interactions",
            "fields": [
                {"name": "USER_ID", "type": "string"},
                {"name": "ITEM_ID", "type": "string"},
                {"name": "TIMESTAMP", "type": "long"},
            ],
        }
    )
)
ITEMS = schema.parse(
    json.dumps(
        {
            "type": "record",
            "name": "Items",
            "fields": [
                {"name": "ITEM_ID", "type": "string"},
                {"name": "GENRE", "type": ["null", "string"], "categorical": True},
                {"name": "MAKER", "type": ["null", "string"]},
                {"name": "YEAR", "type": ["null", "long"]},
                {"name": "PRICE", "type": ["null", "float"]},
                {"name": "ADULT", "type": ["null", "boolean"]},
                {"name": "TEXT", "type": ["null", "string"], "textual": True},
                {"name": "CREATION_TIMESTAMP", "type": ["null", "long"]},
            ],
        }
    )
)
ROWS = """
    ('b', 'Comedy|Ünsinn', 'x', 9007199254740993, 9.99, true, 'text', 1),
    ('c', 'Comedy', NULL, 3, 1.5, false, 'text', 2),
    ('d', NULL, '', NULL, NULL, NULL, NULL, NULL)
"""


def read(selection: Selection) -> training.TrainingRows:
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE data AS SELECT 'u' AS USER_ID, 'a' AS ITEM_ID, 1::BIGINT AS TIMESTAMP"
        )
        connection.execute(
            "CREATE TABLE items (ITEM_ID VARCHAR, GENRE VARCHAR, MAKER VARCHAR, YEAR BIGINT, PRICE FLOAT, "
            f"ADULT BOOLEAN, TEXT VARCHAR, CREATION_TIMESTAMP BIGINT); INSERT INTO items VALUES {ROWS}"
        )
        return training.read(connection, INTERACTIONS, ITEMS, selection, with_attributes=True)


def cells(found: Attributes) -> dict[str, list[object]]:
    return {one.field.name: one.cells() for one in found.columns}


def test_every_column_but_textual_boolean_and_reserved_ones_is_read() -> None:
    rows = read(Selection())
    assert rows.items.names() == ["a", "b", "c", "d"]
    assert cells(rows.attributes) == {
        "GENRE": [None, "Comedy|Ünsinn", "Comedy", None],
        "MAKER": [None, "x", None, ""],
        "YEAR": [None, 9007199254740993, 3, None],
        "PRICE": [None, pytest.approx(9.99), 1.5, None],
    }


def test_columns_that_a_solution_leaves_out_are_not_read() -> None:
    rows = read(Selection(excluded={"items": {"genre", "year"}}))
    assert list(cells(rows.attributes)) == ["MAKER", "PRICE"]


def test_saved_and_restored_they_are_the_same() -> None:
    found = read(Selection()).attributes
    settings = json.loads(json.dumps(found.settings()))
    again = Attributes.restored(settings, found.arrays())
    assert cells(again) == cells(found)
    assert [(one.field.name, one.field.type, one.field.categorical) for one in again.columns] == [
        ("GENRE", "string", True),
        ("MAKER", "string", False),
        ("YEAR", "long", False),
        ("PRICE", "float", False),
    ]
    assert Attributes.restored((), {}) == Attributes()


@pytest.mark.parametrize(
    ("codes", "tells"), [([0, 0, 1], True), ([0, 0, -1], False), ([0, 1, 2], False), ([-1, -1, -1], False)]
)
def test_values_that_are_all_the_same_or_all_distinct_tell_nothing(codes: list[int], tells: bool) -> None:
    (first, *_) = read(Selection()).attributes.columns
    column = type(first)(first.field, first.values, first.text, np.array(codes, np.int32))
    assert column.tells_apart is tells
