"""Attributes that segments are asked for by: what an expression can say, and which items it means."""

import numpy as np
import pytest

from sartor.data.schema import Field
from sartor.errors import ApiError
from sartor.filters import attributes
from sartor.filters.columns import Columns

FIELDS = [
    Field("GENRE", "string", nullable=True, categorical=True),
    Field("AUDIENCE", "string", nullable=True),
    Field("YEAR", "int", nullable=True),
    Field("PRICE", "float", nullable=True),
]
COLUMNS = Columns.build(
    FIELDS,
    {
        "GENRE": ["Comedy|Action", "Comedy", None, "Action", "Comedy-Drama"],
        "AUDIENCE": ["teen", "all|teen", "teen", None, 'say "hi"'],
        "YEAR": [1994, 1994, 2001, None, 0],
        "PRICE": [9.99, None, 9.99, 1.5, 2],
    },
    5,
)


def meant(text: str) -> list[int]:
    return np.flatnonzero(attributes.rows(attributes.read(text, FIELDS), COLUMNS)).tolist()


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ('ITEMS.GENRE = "Comedy"', [0, 1]),
        ('ITEMS.genre = "Comedy" AND ITEMS.genre = "Action"', [0]),
        ("items.Genre='Action' and Items.YEAR=1994", [0]),
        ("ITEMS.YEAR = 1994.0", [0, 1]),
        ('ITEMS.YEAR = "2001"', [2]),
        ("ITEMS.YEAR = 0", [4]),
        ("ITEMS.PRICE = 9.99", [0, 2]),
        ('ITEMS.AUDIENCE = "teen"', [0, 2]),
        ('ITEMS.AUDIENCE = "all|teen"', [1]),
        ("ITEMS.AUDIENCE = 'say \"hi\"'", [4]),
        ('ITEMS.GENRE = "comedy"', []),
        ("ITEMS.YEAR = 1995", []),
    ],
)
def test_an_expression_means_the_items_that_meet_every_condition(text: str, items: list[int]) -> None:
    assert meant(text) == items


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('ITEMS.GENRE = "a" OR ITEMS.GENRE = "b"', "OR at line 1, column 19 .*joined with AND"),
        ('ITEMS.GENRE IN ("a", "b")', "only = can be used, not IN"),
        ("ITEMS.YEAR > 1990", "only = can be used, not >"),
        ("Users.AGE = 3", "Users.AGE at .*only columns of Items"),
        ('ITEMS.GENRES = "a"', "no such column.*GENRE, AUDIENCE, YEAR, PRICE.*Did you mean GENRE"),
        ('ITEMS.YEAR = "old"', 'numeric, "old" is not a number'),
        ("ITEMS.YEAR = $YEAR", "a value must stand here"),
        ("ITEMS.YEAR = CurrentItem.YEAR", "a value must stand here"),
        ("ITEMS.YEAR =", "ends too early"),
        ("Films.YEAR = 3", "Films at line 1, column 1"),
        ("", "ends too early"),
        ("ITEMS.YEAR = 1 " + "AND ITEMS.YEAR = 1 " * 200, "2500 are allowed"),
    ],
)
def test_an_expression_that_says_something_else_is_refused_with_the_place(text: str, words: str) -> None:
    with pytest.raises(ApiError, match=words) as refused:
        attributes.read(text, FIELDS)
    assert refused.value.code == "InvalidInputException"
    assert refused.value.message.startswith("Invalid itemAttributes. ")


def test_every_fault_is_named() -> None:
    with pytest.raises(ApiError) as refused:
        attributes.read("Users.AGE = 3 AND ITEMS.YEAR < 4", FIELDS)
    assert "Users.AGE" in refused.value.message
    assert "not <" in refused.value.message


def test_each_value_of_each_column_has_its_items() -> None:
    genres, audiences = [[0, 1], [0, 3], [4]], [[0, 2], [1], [4]]
    years, prices = [[0, 1], [2], [4]], [[0, 2], [3], [4]]
    found = [rows.tolist() for rows in attributes.of_each_value(COLUMNS)]
    assert sorted(found) == sorted([*genres, *audiences, *years, *prices])


def test_columns_without_values_have_no_items() -> None:
    assert list(attributes.of_each_value(Columns.build(FIELDS, {}, 3))) == []
