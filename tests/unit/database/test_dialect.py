"""What is said to a driver: each database's own spelling of one text."""

import sqlite3

import pytest

from sartor.database.dialect import POSTGRESQL, SQLITE, Dialect, Listing

TEXT = "SELECT {joined}(body, ?) FROM t WHERE key IN ({values}) {shared}"


@pytest.mark.parametrize(
    ("dialect", "spelled"),
    [
        (SQLITE, "SELECT group_concat(body, ?) FROM t WHERE key IN (?, ?) "),
        (POSTGRESQL, "SELECT string_agg(body, %s) FROM t WHERE key IN (%s, %s) FOR SHARE"),
    ],
)
def test_a_statement_is_spelled_as_its_driver_takes_it(dialect: Dialect, spelled: str) -> None:
    assert dialect.sql(TEXT, 2) == spelled


def test_a_list_of_values_is_spelled_once_for_each_length() -> None:
    listing = Listing(SQLITE, "SELECT 1 IN ({values})")
    assert listing[3] == "SELECT 1 IN (?, ?, ?)"
    assert listing[3] is listing[3]
    assert dict(listing) == {3: listing[3]}


@pytest.mark.parametrize("values", [(), (1,), (2, 3, 1)])
def test_a_list_of_any_length_can_be_asked_for(values: tuple[int, ...]) -> None:
    listing = Listing(SQLITE, "SELECT 1 IN ({values})")
    connection = sqlite3.connect(":memory:")
    assert connection.execute(listing[len(values)], values).fetchall() == [(1 in values,)]
    connection.close()
