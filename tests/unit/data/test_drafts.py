"""A schema drafted from a file is one that the file can be imported with."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from sartor.data import drafts, schema
from sartor.errors import ApiError
from sartor.settings import load
from sartor.work.validate import validate

EVENTS = "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE,DEVICE\nu,1,1700000000,click,,tv\nv,2,1700000001,,0.5,\n"
ITEMS = (
    "ITEM_ID,TITLE,PLOT,YEAR,PRICE,NEW,STOCK,SHELF\n"
    + f"a,One,{80 * 'long '},1999,1.5,true,5000000000,x\nb,Two,{90 * 'text '},2001,,false,1,x\n"
)


def drafted(folder: Path, text: str, domain: str | None = None) -> drafts.Draft:
    file = folder / "file.csv"
    file.write_text(text)
    return drafts.draft(file, str(file), folder, domain)


def types(draft: drafts.Draft) -> dict[str, Any]:
    return {one["name"]: one["type"] for one in draft.schema["fields"]}


@pytest.mark.parametrize(
    ("text", "dataset_type"),
    [
        (EVENTS, "INTERACTIONS"),
        (ITEMS, "ITEMS"),
        ("USER_ID,AGE\nu,3\n", "USERS"),
        ("ACTION_ID,COST\na,3\n", "ACTIONS"),
        ("USER_ID,ACTION_ID,EVENT_TYPE,TIMESTAMP\nu,a,TAKEN,1\n", "ACTION_INTERACTIONS"),
    ],
)
def test_a_file_can_be_imported_with_its_draft(tmp_path: Path, text: str, dataset_type: str) -> None:
    found = drafted(tmp_path, text)
    assert schema.parse(json.dumps(found.schema)).dataset_type == dataset_type
    settings = load({"data": str(tmp_path), "quotas": "off", "bad_cells": "0"}, {})
    report = validate([str(tmp_path / "file.csv")], json.dumps(found.schema), None, None, settings)
    assert report.verdict == "imported", report.to_json()
    assert not found.notes


def test_cells_say_their_types_and_whether_they_may_be_empty(tmp_path: Path) -> None:
    assert types(drafted(tmp_path, EVENTS)) == {
        "USER_ID": "string",
        "ITEM_ID": "string",
        "TIMESTAMP": "long",
        "EVENT_TYPE": ["null", "string"],
        "EVENT_VALUE": ["null", "float"],
        "DEVICE": ["null", "string"],
    }
    found = drafted(tmp_path, ITEMS)
    assert types(found) == {
        "ITEM_ID": "string",
        "TITLE": "string",
        "PLOT": "string",
        "YEAR": "int",
        "PRICE": ["null", "float"],
        "NEW": "boolean",
        "STOCK": "long",
        "SHELF": "string",
    }
    uses = {one["name"]: sorted(one.keys() - {"name", "type"}) for one in found.schema["fields"]}
    assert (uses["PLOT"], uses["SHELF"], uses["YEAR"]) == (["textual"], ["categorical"], [])


def test_names_of_elsewhere_are_taken_for_ours_and_that_is_said(tmp_path: Path) -> None:
    found = drafted(tmp_path, "userId,movieId,rating,timestamp\n1,2,3.5,4\n")
    assert list(types(found)) == ["USER_ID", "ITEM_ID", "EVENT_VALUE", "TIMESTAMP"]
    assert found.notes == (
        "Rename the column userId of the file to USER_ID.",
        "Rename the column movieId of the file to ITEM_ID.",
        "Rename the column rating of the file to EVENT_VALUE.",
    )


def test_what_no_schema_can_have_is_left_out_and_named(tmp_path: Path) -> None:
    columns = ",".join(f"M{at}" for at in range(7))
    found = drafted(tmp_path, f"USER_ID,ITEM_ID,TIMESTAMP,release date,{columns}\nu,i,1,x,{'1,' * 6}1\n")
    assert list(types(found)) == ["USER_ID", "ITEM_ID", "TIMESTAMP", *(f"M{at}" for at in range(5))]
    assert [note.split(":")[0] for note in found.notes] == [
        "Left out 'release date'",
        "Left out M5",
        "Left out M6",
    ]


def test_a_column_that_must_be_filled_and_is_not_is_named(tmp_path: Path) -> None:
    found = drafted(tmp_path, "USER_ID,ITEM_ID,TIMESTAMP\nu,,1\n,i,2\nu,i,soon\n")
    assert found.notes == (
        "USER_ID must have a value in every row, and 1 rows have none.",
        "ITEM_ID must have a value in every row, and 1 rows have none.",
        "TIMESTAMP must be of type long, and some cells are not.",
    )


@pytest.mark.parametrize(
    ("text", "domain", "words"),
    [
        ("a;b\n1;2\n", None, "is the delimiter ;?"),
        ("name,price\nx,1\n", None, "Items: ITEM_ID"),
        ("ITEM_ID,PRICE\nx,1\n", "ECOMMERCE", "CATEGORY_L1"),
        ("ITEM_ID\nx\n", None, "at least 1 metadata field"),
    ],
)
def test_a_file_of_which_nothing_can_be_made_says_what_it_lacks(
    tmp_path: Path, text: str, domain: str | None, words: str
) -> None:
    with pytest.raises(ApiError) as refused:
        drafted(tmp_path, text, domain)
    assert words in refused.value.message


def test_a_parquet_file_is_drafted_alike(tmp_path: Path) -> None:
    place = tmp_path / "file.parquet"
    duckdb.sql('SELECT 7 AS ITEM_ID, 1.5::FLOAT AS PRICE, true AS NEW, \'x\' AS "a""b"').write_parquet(
        str(place)
    )
    found = drafts.draft(place, str(place), tmp_path)
    assert types(found) == {"ITEM_ID": "string", "PRICE": "float", "NEW": "boolean"}
    assert len(found.notes) == 1
