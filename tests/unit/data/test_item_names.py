"""The column that holds what people call an item."""

import json
from typing import Any

import pytest

from sartor.data import schema
from sartor.errors import ApiError


def parsed(record: str, **title: Any) -> schema.Schema:
    key = "ITEM_ID" if record == "Items" else "USER_ID"
    fields = [{"name": key, "type": "string"}, {"name": "TITLE", "type": "string", **title}]
    return schema.parse(json.dumps({"type": "record", "name": record, "fields": fields}))


def test_a_schema_of_items_says_which_column_is_their_name() -> None:
    found = parsed("Items", itemName=True)
    assert [one.name for one in found.fields if one.item_name] == ["TITLE"]
    assert not any(one.item_name for one in parsed("Items", categorical=True).fields)


@pytest.mark.parametrize(
    ("record", "title", "words"),
    [
        ("Items", {"itemName": "yes"}, "itemName must be true or false"),
        ("Items", {"itemName": True, "type": "float"}, "can be itemName"),
        ("Users", {"itemName": True, "categorical": True}, "can be itemName"),
    ],
)
def test_what_cannot_be_a_name_is_refused(record: str, title: dict[str, Any], words: str) -> None:
    with pytest.raises(ApiError) as refused:
        parsed(record, **title)
    assert words in refused.value.message


def test_an_item_has_one_name() -> None:
    fields = [{"name": name, "type": "string", "itemName": True} for name in ("TITLE", "LABEL")]
    record = {"type": "record", "name": "Items", "fields": [{"name": "ITEM_ID", "type": "string"}, *fields]}
    with pytest.raises(ApiError) as refused:
        schema.parse(json.dumps(record))
    assert "Only one field can be itemName, not TITLE, LABEL" in refused.value.message
