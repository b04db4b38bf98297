"""The words of items: which columns count, how much, and what tells that they have changed."""

import duckdb
import numpy as np
import pytest

from sartor.data import texts
from sartor.data.schema import Field, Schema
from sartor.data.texts import ItemTexts
from sartor.data.training import Selection, text_columns

SCHEMA = Schema(
    "ITEMS",
    None,
    (
        Field("ITEM_ID", "string"),
        Field("TITLE", "string", item_name=True),
        Field("ABOUT", "string", textual=True),
        Field("GENRE", "string", categorical=True),
        Field("PLAIN", "string"),
        Field("PRICE", "float"),
        Field("CREATION_TIMESTAMP", "long"),
    ),
)
ROWS = [
    ("a", "Red Shoe", "A shoe, a SHOE; for running!", "sport|shoes", "x1", 1.0, 5),
    ("b", None, "Größe: 40", None, "x2", 2.0, None),
    ("c", None, None, None, "x3", None, 7),
]


def read(selection: Selection | None = None, rows: list[tuple[object, ...]] = ROWS) -> ItemTexts:
    columns = text_columns(SCHEMA, selection or Selection())
    with duckdb.connect() as connection:
        types = ", ".join(f'"{one.name}" {one.sql_type}' for one in SCHEMA.fields)
        connection.execute(f"CREATE TABLE items ({types})")
        connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        connection.execute(
            "CREATE TABLE item_number AS "
            'SELECT "ITEM_ID" AS i, (row_number() OVER (ORDER BY "ITEM_ID") - 1)::INTEGER AS n FROM items'
        )
        found = texts.read(connection, SCHEMA, columns, len(rows))
        names, digests = texts.digests(connection, columns)
    place = np.argsort(names)
    np.testing.assert_array_equal(found.digests, digests[place])
    return found


def words(found: ItemTexts, item: int) -> dict[str, float]:
    part = slice(found.offsets[item], found.offsets[item + 1])
    return {
        found.words[word]: weight for word, weight in zip(found.word[part], found.weight[part], strict=True)
    }


def test_each_word_counts_once_and_a_name_counts_most() -> None:
    found = read()
    assert words(found, 0) == {
        **dict.fromkeys(("a",), 2.0),
        "shoe": 3.0 + 2.0,
        "red": 3.0,
        **dict.fromkeys(("for", "running", "sport", "shoes"), 1.0),
    }
    assert words(found, 1) == {"größe": 1.0, "40": 1.0}
    assert words(found, 2) == {}
    assert found.created.tolist() == [5, -1, 7]


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        (Selection(), ["TITLE", "ABOUT", "GENRE"]),
        (Selection(excluded={"items": ("genre",)}), ["TITLE", "ABOUT"]),
        (Selection(included={"items": ("title", "plain", "price")}), ["TITLE", "PLAIN"]),
    ],
)
def test_the_columns_that_count_are_those_that_a_solution_wants(
    selection: Selection, names: list[str]
) -> None:
    assert [one.name for one in text_columns(SCHEMA, selection)] == names


def test_only_what_is_said_changes_a_digest() -> None:
    before = read().digests
    other_price = [(*row[:5], 9.0, 1) for row in ROWS]
    np.testing.assert_array_equal(read(rows=other_price).digests, before)
    other_text = [ROWS[0], ("b", *ROWS[1][1:2], "Größe: 41", *ROWS[1][3:]), ROWS[2]]
    assert (read(rows=other_text).digests != before).tolist() == [False, True, False]
    moved = [(row[0], row[2], row[1], *row[3:]) for row in ROWS]
    assert (read(rows=moved).digests != before).tolist() == [True, True, False]
