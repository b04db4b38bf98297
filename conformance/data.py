"""A small shop: what its users did, in an order that a model can learn, and the schemas of its datasets."""

import random
from collections.abc import Iterable
from typing import Any, Final

Schema = dict[str, Any]

USERS, ITEMS, STEPS, ACTIONS = 60, 24, 20, 4
BEGAN: Final = 1_700_000_000
_TEXT, _NUMBER = ["null", "string"], ["null", "float"]
_CATEGORICAL: Final = {"categorical": True}


def schema(record: str, *fields: tuple[str, Any], **attributes: Any) -> Schema:
    """Return a schema by its fields; ``attributes`` are of the field of that name."""
    columns = [{"name": name, "type": kind, **attributes.get(name, {})} for name, kind in fields]
    space = "com.amazonaws.personalize.schema"
    return {"type": "record", "name": record, "namespace": space, "fields": columns, "version": "1.0"}


_ID: Final = {name: (f"{name}_ID", "string") for name in ("USER", "ITEM", "ACTION")}
_WHEN: Final = ("TIMESTAMP", "long")
_EVENT: Final = ("EVENT_TYPE", "string")
INTERACTIONS: Final = schema("Interactions", _ID["USER"], _ID["ITEM"], _WHEN, _EVENT, ("IMPRESSION", _TEXT))
USERS_SCHEMA: Final = schema("Users", _ID["USER"], ("TIER", _TEXT), TIER=_CATEGORICAL)
#: The same with one column more.
WIDER_USERS_SCHEMA: Final = schema(
    "Users", _ID["USER"], ("TIER", _TEXT), ("CITY", _TEXT), TIER=_CATEGORICAL, CITY=_CATEGORICAL
)


def _csv(header: str, rows: Iterable[str]) -> str:
    return "\n".join([header, *rows]) + "\n"


def _interactions() -> str:
    """Return interactions of users who go round the items in one order, each from another beginning."""
    rng = random.Random(0)
    rows = []
    for user in range(USERS):
        first = rng.randrange(ITEMS)
        for step in range(STEPS):
            event = "Purchase" if step % 4 == 3 else "View"
            rows.append(f"user-{user},item-{(first + step) % ITEMS},{BEGAN + 60 * step + user},{event},")
    return _csv("USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,IMPRESSION", rows)


def _action_interactions() -> str:
    rows = (
        f"user-{n % USERS},action-{n % ACTIONS},{BEGAN + n},{('TAKEN', 'NOT_TAKEN', 'VIEWED')[n // ACTIONS % 3]}"
        for n in range(300 * ACTIONS)
    )
    return _csv("USER_ID,ACTION_ID,TIMESTAMP,EVENT_TYPE", rows)


_GENRES: Final = ("comedy", "drama")
_SHOP: Final = {
    "INTERACTIONS": (INTERACTIONS, _interactions()),
    "ITEMS": (
        schema("Items", _ID["ITEM"], ("GENRE", _TEXT), ("PRICE", _NUMBER), GENRE=_CATEGORICAL),
        _csv("ITEM_ID,GENRE,PRICE", (f"item-{n},{_GENRES[n % 2]},{n + 0.5}" for n in range(ITEMS))),
    ),
    "USERS": (
        USERS_SCHEMA,
        _csv("USER_ID,TIER", (f"user-{n},{('gold', 'silver')[n % 2]}" for n in range(USERS))),
    ),
    "ACTIONS": (
        schema("Actions", _ID["ACTION"], ("VALUE", ["null", "long"]), ("LEVEL", _TEXT), LEVEL=_CATEGORICAL),
        _csv("ACTION_ID,VALUE,LEVEL", (f"action-{n},{n + 1},basic" for n in range(ACTIONS))),
    ),
    "ACTION_INTERACTIONS": (
        schema("ActionInteractions", _ID["USER"], _ID["ACTION"], _WHEN, _EVENT),
        _action_interactions(),
    ),
}
_STORE: Final = {
    "INTERACTIONS": _SHOP["INTERACTIONS"],
    "ITEMS": (
        schema("Items", _ID["ITEM"], ("PRICE", "float"), ("CATEGORY_L1", "string"), CATEGORY_L1=_CATEGORICAL),
        _csv("ITEM_ID,PRICE,CATEGORY_L1", (f"item-{n},{n + 0.5},{_GENRES[n % 2]}" for n in range(ITEMS))),
    ),
}
#: Schema and content of each dataset by type, for each domain.
DATASETS: Final[dict[str | None, dict[str, tuple[Schema, str]]]] = {None: _SHOP, "ECOMMERCE": _STORE}
