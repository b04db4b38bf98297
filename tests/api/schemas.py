"""Schemas that many tests need."""

from typing import Any


def schema(name: str, *fields: tuple[str, Any], **attributes: Any) -> dict[str, Any]:
    """Return a schema by its fields; ``attributes`` are of the field of that name."""
    columns = [{"name": field, "type": kind, **attributes.get(field, {})} for field, kind in fields]
    return {
        "type": "record",
        "name": name,
        "namespace": "com.amazonaws.personalize.schema",
        "fields": columns,
        "version": "1.0",
    }


TEXT = ["null", "string"]
NUMBER = ["null", "float"]
CATEGORICAL = {"categorical": True}
INTERACTIONS = schema(
    "Interactions",
    ("USER_ID", "string"),
    ("ITEM_ID", "string"),
    ("TIMESTAMP", "long"),
    ("EVENT_TYPE", TEXT),
    ("EVENT_VALUE", NUMBER),
    ("RECOMMENDATION_ID", TEXT),
    ("IMPRESSION", TEXT),
    ("EVENT_ATTRIBUTION_SOURCE", TEXT),
    ("NUM_RATINGS", ["null", "int"]),
    ("DSTCity", TEXT),
)
ITEMS = schema(
    "Items",
    ("ITEM_ID", "string"),
    ("GENRE", TEXT),
    ("PRICE", NUMBER),
    ("DESCRIPTION", TEXT),
    GENRE=CATEGORICAL,
    DESCRIPTION={"textual": True},
)
USERS = schema("Users", ("USER_ID", "string"), ("AGE", ["null", "int"]), ("CITY", TEXT), CITY=CATEGORICAL)
ACTIONS = schema(
    "Actions", ("ACTION_ID", "string"), ("VALUE", ["null", "long"]), ("LEVEL", TEXT), LEVEL=CATEGORICAL
)
ACTION_INTERACTIONS = schema(
    "ActionInteractions",
    ("USER_ID", "string"),
    ("ACTION_ID", "string"),
    ("EVENT_TYPE", "string"),
    ("TIMESTAMP", "long"),
)
