"""The dataset types, as one table: which columns each has by Amazon's rules, custom and in the two domains.

Source: the developer guide's pages on datasets and schemas ("Datasets and schemas", "ECOMMERCE datasets",
"VIDEO_ON_DEMAND datasets") and "Amazon Personalize endpoints and quotas". Add a type or a domain here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

#: What a string column is used for: as it is, as categories (`a|b`), or as text to understand.
Use = Literal["plain", "categorical", "textual"]


@dataclass(frozen=True)
class Keyword:
    """A column whose name has a meaning.

    Attributes:
        name: the column's name, upper case with underscores.
        types: the Avro types it may have.
        required: whether a schema must have it.
        nullable: whether a schema may allow null in it.
        use: what a string column of this name must be used for.
        is_metadata: whether it counts as one of the type's metadata columns all the same.
    """

    name: str
    types: tuple[str, ...]
    required: bool = False
    nullable: bool = True
    use: Use = "plain"
    is_metadata: bool = False


@dataclass(frozen=True)
class DatasetType:
    """The rules of one dataset type in one domain.

    Attributes:
        name: as the service echoes it, such as ``ACTION_INTERACTIONS``.
        record: the ``name`` of the Avro record, such as ``ActionInteractions``.
        keywords: the required and reserved columns by name.
        minimum_metadata: how many columns beside them a schema must have.
        maximum_metadata: how many columns beside them a schema may have.
        minimum_rows: how many rows one import must bring (a quota, lifted by ``--quotas off``).
        identity: the column by which a newer record replaces an older one; None: only exact duplicates do.
        textual_allowed: whether one column may be textual.
    """

    name: str
    record: str
    keywords: Mapping[str, Keyword]
    minimum_metadata: int
    maximum_metadata: int
    minimum_rows: int = 0
    identity: str | None = None
    textual_allowed: bool = False


#: What can come of an action that a user is shown, as the service names it.
ACTION_EVENT_TYPES: Final = ("TAKEN", "NOT_TAKEN", "VIEWED")


def action_event_type(text: str) -> str:
    """Return an event type of an action interaction as the service names it: samples have ``Not taken`` too.

    Source: the guide's "Action interaction data". What is none of ``ACTION_EVENT_TYPES`` comes back in upper case.
    """
    return text.upper().replace(" ", "_")


_STRING: Final = ("string",)
_LONG: Final = ("long",)
_FLOAT: Final = ("float",)


def _identifier(name: str) -> Keyword:
    return Keyword(name, _STRING, required=True, nullable=False)


def _categorical(name: str, *, required: bool = False) -> Keyword:
    return Keyword(name, _STRING, required=required, use="categorical")


def _by_name(*keywords: Keyword) -> Mapping[str, Keyword]:
    return {keyword.name: keyword for keyword in keywords}


_TIMESTAMP: Final = Keyword("TIMESTAMP", _LONG, required=True, nullable=False)
_CREATION_TIMESTAMP: Final = Keyword("CREATION_TIMESTAMP", _LONG)
_DESCRIPTION: Final = Keyword("PRODUCT_DESCRIPTION", _STRING, use="textual")


def _interactions(*, event_type_required: bool) -> DatasetType:
    return DatasetType(
        "INTERACTIONS",
        "Interactions",
        _by_name(
            _identifier("USER_ID"),
            _identifier("ITEM_ID"),
            _TIMESTAMP,
            Keyword("EVENT_TYPE", _STRING, required=event_type_required),
            Keyword("EVENT_VALUE", _FLOAT),
            Keyword("IMPRESSION", _STRING),
            Keyword("RECOMMENDATION_ID", _STRING),
            Keyword("EVENT_ATTRIBUTION_SOURCE", _STRING),
        ),
        minimum_metadata=0,
        maximum_metadata=5,
        minimum_rows=1000,
    )


def _users(*more: Keyword) -> DatasetType:
    return DatasetType(
        "USERS",
        "Users",
        _by_name(_identifier("USER_ID"), *more),
        minimum_metadata=1,
        maximum_metadata=25,
        identity="USER_ID",
    )


def _items(minimum_metadata: int, *more: Keyword) -> DatasetType:
    return DatasetType(
        "ITEMS",
        "Items",
        _by_name(_identifier("ITEM_ID"), *more),
        minimum_metadata=minimum_metadata,
        maximum_metadata=100,
        identity="ITEM_ID",
        textual_allowed=True,
    )


_ACTIONS: Final = DatasetType(
    "ACTIONS",
    "Actions",
    _by_name(
        _identifier("ACTION_ID"),
        _CREATION_TIMESTAMP,
        Keyword("VALUE", _LONG),
        Keyword("TYPE", _STRING),
        # The guide's table says the one, its prose the other; both are taken.
        Keyword("EXPIRATION_TIMESTAMP", _LONG),
        Keyword("ACTION_EXPIRATION_TIMESTAMP", _LONG),
        Keyword("REPEAT_FREQUENCY", _LONG),
    ),
    minimum_metadata=1,
    maximum_metadata=10,
    identity="ACTION_ID",
)

_ACTION_INTERACTIONS: Final = DatasetType(
    "ACTION_INTERACTIONS",
    "ActionInteractions",
    _by_name(
        _identifier("USER_ID"),
        _identifier("ACTION_ID"),
        Keyword("EVENT_TYPE", _STRING, required=True),
        _TIMESTAMP,
        Keyword("IMPRESSION", _STRING),
        Keyword("RECOMMENDATION_ID", _STRING),
    ),
    minimum_metadata=0,
    maximum_metadata=5,
    minimum_rows=1000,
)

_CUSTOM: Final = (
    _interactions(event_type_required=False),
    _users(),
    _items(1, _CREATION_TIMESTAMP),
    _ACTIONS,
    _ACTION_INTERACTIONS,
)

_ECOMMERCE: Final = (
    _interactions(event_type_required=True),
    _users(),
    _items(
        0,
        Keyword("PRICE", _FLOAT, required=True),
        _categorical("CATEGORY_L1", required=True),
        _categorical("CATEGORY_L2"),
        _categorical("CATEGORY_L3"),
        _categorical("AGE_GROUP"),
        _categorical("ADULT"),
        _categorical("GENDER"),
        _DESCRIPTION,
        # `float` in the guide of 2023, `long` in the newer table.
        Keyword("CREATION_TIMESTAMP", ("long", "float", "double", "int")),
    ),
)

_VIDEO_ON_DEMAND: Final = (
    _interactions(event_type_required=True),
    # The default schema has this one as its only metadata column.
    _users(Keyword("SUBSCRIPTION_MODEL", _STRING, use="categorical", is_metadata=True)),
    _items(
        0,
        _categorical("GENRES", required=True),
        Keyword("CREATION_TIMESTAMP", _LONG, required=True),
        Keyword("PRICE", _FLOAT),
        Keyword("DURATION", _FLOAT),
        Keyword("AVERAGE_RATING", _FLOAT),
        _categorical("GENRE_L2"),
        _categorical("GENRE_L3"),
        _categorical("CONTENT_OWNER"),
        _categorical("CONTENT_CLASSIFICATION"),
        _DESCRIPTION,
    ),
)

#: Every dataset type by domain (None: a custom group) and name.
DATASET_TYPES: Final[Mapping[str | None, Mapping[str, DatasetType]]] = {
    domain: {of_type.name: of_type for of_type in types}
    for domain, types in (
        (None, _CUSTOM),
        ("ECOMMERCE", _ECOMMERCE),
        ("VIDEO_ON_DEMAND", _VIDEO_ON_DEMAND),
    )
}
