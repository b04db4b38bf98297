"""Columns: what they are built of, what a row has in them, and that an update leaves readers what they had."""

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartor.data.schema import Field
from sartor.filters import columns as of_columns
from sartor.filters.columns import Columns

LONG = Field("LONG", "long")
FLOAT = Field("FLOAT", "float")
DOUBLE = Field("DOUBLE", "double")
GENRES = Field("GENRES", "string", categorical=True)
BRAND = Field("BRAND", "string")
FIELDS = (LONG, FLOAT, DOUBLE, GENRES, BRAND)
NAMES = [field.name for field in FIELDS]

RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "LONG": st.none() | st.integers(-(2**63), 2**63 - 1),
        "FLOAT": st.none() | st.floats(width=32, allow_nan=False, allow_infinity=False),
        "DOUBLE": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "GENRES": st.none() | st.lists(st.sampled_from("abcd"), min_size=1, max_size=3).map("|".join),
        "BRAND": st.none() | st.sampled_from(["x", "y", "x|y", ""]),
    },
)


def built(records: list[dict[str, object]]) -> Columns:
    values = {name: [record.get(name) for record in records] for name in NAMES}
    return Columns.build(FIELDS, values, len(records))


def everything(columns: Columns) -> list[dict[str, tuple[str | int | float, ...]]]:
    return [{name: columns.at(row, name) for name in NAMES} for row in range(columns.n_rows)]


def expected(records: list[dict[str, object]]) -> list[dict[str, tuple[object, ...]]]:
    """Say the same by hand."""
    rows = []
    for record in records:
        row: dict[str, tuple[object, ...]] = {}
        for name in NAMES:
            value = record.get(name)
            if name == "GENRES" and isinstance(value, str):
                row[name] = tuple(value.split("|"))
            elif name == "FLOAT" and value is not None:
                row[name] = (float(str(np.float32(value))),)
            else:
                row[name] = () if value is None else (value,)
        rows.append(row)
    return rows


@settings(deadline=None)
@given(st.lists(RECORDS, max_size=8))
def test_what_is_built_is_what_was_given(records: list[dict[str, object]]) -> None:
    assert everything(built(records)) == expected(records)


@pytest.mark.parametrize("most", [0, 2, 100])
@settings(deadline=None, max_examples=60)
@given(
    records=st.lists(RECORDS, max_size=6),
    updates=st.lists(st.dictionaries(st.integers(0, 7), RECORDS, max_size=3), max_size=4),
)
def test_an_update_shows_the_new_records_and_leaves_the_old_columns(
    most: int, records: list[dict[str, object]], updates: list[dict[int, dict[str, object]]]
) -> None:
    before, first = built(records), expected(records)
    now, versions = before, {before.version}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(of_columns, "CHANGED_ROWS", most)
        for update in updates:
            length = max([now.n_rows, *(row + 1 for row in update)])
            now = now.updated(update, length)
            records = [*records, *({} for _ in range(length - len(records)))]
            records = [update.get(row, record) for row, record in enumerate(records)]
            assert everything(now) == expected(records)
            assert len(now.changed) <= most
            versions.add(now.version)
    assert everything(before) == first
    assert len(versions) == len(updates) + 1


def test_rows_without_a_value_are_null() -> None:
    columns = Columns.build((LONG, GENRES, BRAND), {"LONG": [7, 8], "GENRES": ["a|b", None]}, 4, rows=[3, 1])
    assert [columns.at(row, "LONG") for row in range(4)] == [(), (8,), (), (7,)]
    assert [columns.at(row, "GENRES") for row in range(4)] == [(), (), (), ("a", "b")]
    assert columns.at(3, "BRAND") == ()
    assert columns.at(3, "UNKNOWN") == ()


def test_arrays_of_duckdb_are_taken_as_they_are() -> None:
    query = """SELECT * FROM (VALUES
        (9007199254740993::BIGINT, 9.99::FLOAT, 'a|b', NULL), (NULL, NULL, NULL, 'x'), (-1, 'nan'::FLOAT, 'b', 'x|y'))
        AS t(LONG, FLOAT, GENRES, BRAND)"""
    columns = Columns.build(FIELDS, duckdb.sql(query).fetchnumpy(), 3)
    assert [columns.at(row, "LONG") for row in range(3)] == [(9007199254740993,), (), (-1,)]
    assert [columns.at(row, "FLOAT") for row in range(3)] == [(9.99,), (), ()]
    assert [columns.at(row, "GENRES") for row in range(3)] == [("a", "b"), (), ("b",)]
    assert [columns.at(row, "BRAND") for row in range(3)] == [(), ("x",), ("x|y",)]


def test_texts_for_an_answer_are_as_they_were_written_and_leave_nulls_out() -> None:
    flag = Field("FLAG", "boolean")
    values = {
        "LONG": [5, None],
        "FLOAT": [9.99, 1],
        "GENRES": ["b|a|b", None],
        "BRAND": ["x", ""],
        "FLAG": [True, None],
    }
    columns = Columns.build((*FIELDS, flag), values, 2).updated({1: {"GENRES": "c"}})
    assert columns.texts(0, ["LONG", "FLOAT", "GENRES", "BRAND", "FLAG", "DOUBLE"]) == {
        "LONG": "5",
        "FLOAT": "9.99",
        "GENRES": "b|a|b",
        "BRAND": "x",
        "FLAG": "true",
    }
    assert columns.texts(1, NAMES) == {"GENRES": "c"}


def test_a_column_of_another_length_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="column LONG has 1 values for 2 rows"):
        Columns.build((LONG,), {"LONG": [1]}, 2)
