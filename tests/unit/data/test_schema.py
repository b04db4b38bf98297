"""The rules of a schema, from a table of the developer guide's pages on datasets."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from sartor.data import schema
from sartor.errors import ApiError


class Column(NamedTuple):
    """A column as the guide's tables have it: its type, and what it must say of its use."""

    name: str
    type: str
    use: str | None = None


ID = {name: Column(name, "string") for name in ("USER_ID", "ITEM_ID", "ACTION_ID")}
TIMESTAMP, EVENT_TYPE = Column("TIMESTAMP", "long"), Column("EVENT_TYPE", "string")
CREATION = Column("CREATION_TIMESTAMP", "long")
EVENTS_MORE = (
    Column("EVENT_VALUE", "float"),
    Column("IMPRESSION", "string"),
    Column("RECOMMENDATION_ID", "string"),
    Column("EVENT_ATTRIBUTION_SOURCE", "string"),
)
DESCRIPTION = Column("PRODUCT_DESCRIPTION", "string", "textual")


def categories(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "string", "categorical") for name in names)


Key = tuple[str | None, str]
#: What the guide requires of each type in each domain, and which names it reserves beside.
REQUIRED: dict[Key, tuple[Column, ...]] = {
    (None, "Interactions"): (ID["USER_ID"], ID["ITEM_ID"], TIMESTAMP),
    (None, "Users"): (ID["USER_ID"],),
    (None, "Items"): (ID["ITEM_ID"],),
    (None, "Actions"): (ID["ACTION_ID"],),
    (None, "ActionInteractions"): (ID["USER_ID"], ID["ACTION_ID"], EVENT_TYPE, TIMESTAMP),
    ("ECOMMERCE", "Interactions"): (ID["USER_ID"], ID["ITEM_ID"], TIMESTAMP, EVENT_TYPE),
    ("ECOMMERCE", "Users"): (ID["USER_ID"],),
    ("ECOMMERCE", "Items"): (ID["ITEM_ID"], Column("PRICE", "float"), *categories("CATEGORY_L1")),
    ("VIDEO_ON_DEMAND", "Interactions"): (ID["USER_ID"], ID["ITEM_ID"], TIMESTAMP, EVENT_TYPE),
    ("VIDEO_ON_DEMAND", "Users"): (ID["USER_ID"],),
    ("VIDEO_ON_DEMAND", "Items"): (ID["ITEM_ID"], *categories("GENRES"), CREATION),
}
RESERVED: dict[Key, tuple[Column, ...]] = {
    (None, "Interactions"): (EVENT_TYPE, *EVENTS_MORE),
    (None, "Users"): (),
    (None, "Items"): (CREATION,),
    (None, "Actions"): (
        CREATION,
        Column("VALUE", "long"),
        Column("TYPE", "string"),
        Column("EXPIRATION_TIMESTAMP", "long"),
        Column("ACTION_EXPIRATION_TIMESTAMP", "long"),
        Column("REPEAT_FREQUENCY", "long"),
    ),
    (None, "ActionInteractions"): (Column("IMPRESSION", "string"), Column("RECOMMENDATION_ID", "string")),
    ("ECOMMERCE", "Interactions"): EVENTS_MORE,
    ("ECOMMERCE", "Users"): (),
    ("ECOMMERCE", "Items"): (
        *categories("CATEGORY_L2", "CATEGORY_L3", "AGE_GROUP", "ADULT", "GENDER"),
        DESCRIPTION,
        CREATION,
    ),
    ("VIDEO_ON_DEMAND", "Interactions"): EVENTS_MORE,
    ("VIDEO_ON_DEMAND", "Users"): categories("SUBSCRIPTION_MODEL"),
    ("VIDEO_ON_DEMAND", "Items"): (
        Column("PRICE", "float"),
        Column("DURATION", "float"),
        Column("AVERAGE_RATING", "float"),
        *categories("GENRE_L2", "GENRE_L3", "CONTENT_OWNER", "CONTENT_CLASSIFICATION"),
        DESCRIPTION,
    ),
}
#: How many columns beside those the guide wants at least and allows at most.
METADATA: dict[str, tuple[int, int]] = {
    "Interactions": (0, 5),
    "Users": (1, 25),
    "Items": (1, 100),
    "Actions": (1, 10),
    "ActionInteractions": (0, 5),
}
KEYS = list(REQUIRED)
Field = dict[str, Any]


def field(name: str, of_type: Any = "string", **uses: bool) -> Field:
    return {"name": name, "type": of_type, **uses}


def declared(column: Column) -> Field:
    return field(column.name, column.type, **({} if column.use is None else {column.use: True}))


def metadata(count: int) -> list[Field]:
    return [field(f"M{number}", ["null", "float"]) for number in range(count)]


def least(key: Key) -> list[Field]:
    """Return the fewest columns that a schema of this domain and type may have."""
    domain, record = key
    own = metadata(METADATA[record][0] if domain is None or record == "Users" else 0)
    return [declared(column) for column in REQUIRED[key]] + own


def text(record: str, fields: list[Field], **more: Any) -> str:
    return json.dumps({"type": "record", "name": record, "namespace": "n", "fields": fields, **more})


def parsed(key: Key, fields: list[Field]) -> schema.Schema:
    return schema.parse(text(key[1], fields), key[0])


def refused(key: Key, fields: list[Field]) -> str:
    with pytest.raises(ApiError) as refusal:
        parsed(key, fields)
    assert refusal.value.code == "InvalidInputException"
    return refusal.value.message


every_type = pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key[0] or 'custom'} {key[1]}")


@every_type
def test_the_required_columns_are_enough_and_none_may_be_missing(key: Key) -> None:
    assert len(parsed(key, least(key)).fields) == len(least(key))
    for column in REQUIRED[key]:
        without = [one for one in least(key) if one["name"] != column.name]
        assert column.name in refused(key, without or metadata(1))


def wrong_types(column: Column) -> Iterator[Field]:
    """Yield what a reserved column may not be, each beside ``field``."""
    yield field(column.name, "boolean")
    yield field(column.name, "long" if column.type == "string" else "string")
    if column.type == "string":
        yield field(
            column.name, "string", **{"textual" if column.use == "categorical" else "categorical": True}
        )
    if column.use is not None:
        yield field(column.name)


@every_type
def test_a_reserved_name_is_for_its_own_type_and_use(key: Key) -> None:
    for column in REQUIRED[key] + RESERVED[key]:
        others = [one for one in least(key) if one["name"] != column.name]
        parsed(key, [*others, declared(column)])
        for wrong in wrong_types(column):
            assert column.name in refused(key, [*others, wrong]), wrong


@every_type
def test_reserved_columns_that_are_not_required_may_be_null(key: Key) -> None:
    more = [declared(column) | {"type": [column.type, "null"]} for column in RESERVED[key]]
    fields = {one.name: one for one in parsed(key, least(key) + more).fields}
    assert all(fields[column.name].nullable for column in RESERVED[key])


@every_type
def test_metadata_columns_are_counted_without_the_reserved_ones(key: Key) -> None:
    fewest, most = METADATA[key[1]]
    own = [declared(column) for column in REQUIRED[key]]
    # the default schema of VIDEO_ON_DEMAND has its reserved column of users as its only metadata
    more = [declared(column) for column in RESERVED[key] if column.name != "SUBSCRIPTION_MODEL"]
    if fewest and (key[0] is None or key[1] == "Users"):
        assert "at least 1 metadata" in refused(key, own + more)
    parsed(key, own + more + metadata(most))
    assert f"at most {most} metadata" in refused(key, own + more + metadata(most + 1))


def test_the_default_users_of_a_domain_have_one_column_beside_their_id() -> None:
    for domain, column in (("ECOMMERCE", "MEMBERSHIP_STATUS"), ("VIDEO_ON_DEMAND", "SUBSCRIPTION_MODEL")):
        parsed((domain, "Users"), [field("USER_ID"), field(column, categorical=True)])


def test_the_time_of_an_items_creation_may_be_a_float_in_ecommerce_as_the_older_page_has_it() -> None:
    items = least(("ECOMMERCE", "Items"))
    parsed(("ECOMMERCE", "Items"), [*items, field("CREATION_TIMESTAMP", "float")])


# what holds for every field

ITEMS: Key = (None, "Items")


def with_field(of_type: Any, **uses: bool) -> list[Field]:
    return [field("ITEM_ID"), field("A", of_type, **uses)]


@pytest.mark.parametrize("primitive", ["float", "double", "int", "long", "string", "boolean"])
def test_a_field_is_of_one_of_six_types_alone_or_with_null_in_either_order(primitive: str) -> None:
    for of_type, nullable in (
        (primitive, False),
        ([primitive], False),
        (["null", primitive], True),
        ([primitive, "null"], True),
    ):
        found = parsed(ITEMS, with_field(of_type)).fields[1]
        assert (found.type, found.nullable) == (primitive, nullable)


@pytest.mark.parametrize(
    "of_type",
    [
        "bytes",
        "enum",
        "map",
        {"type": "array", "items": "string"},
        {"type": "map", "values": "string"},
        {"type": "record", "name": "r", "fields": [{"name": "a", "type": "string"}]},
        {"type": "enum", "name": "e", "symbols": ["A"]},
        {"type": "fixed", "name": "f", "size": 2},
        ["null", {"type": "array", "items": "string"}],
    ],
)
def test_only_flat_fields_are_allowed(of_type: Any) -> None:
    assert "A" in refused(ITEMS, with_field(of_type))


@pytest.mark.parametrize("kind", ["float", "int", "long", "boolean"])
@pytest.mark.parametrize("use", ["categorical", "textual"])
def test_only_strings_are_categorical_or_textual(kind: str, use: str) -> None:
    assert f"only a string can be {use}" in refused(ITEMS, with_field(kind, **{use: True}))


def test_one_field_of_items_is_textual_and_none_of_another_type() -> None:
    one = field("A", ["null", "string"], textual=True)
    assert parsed(ITEMS, [field("ITEM_ID"), one]).fields[1].textual
    assert "Only one field can be textual" in refused(ITEMS, [field("ITEM_ID"), one, one | {"name": "B"}])
    for key in KEYS:
        if key[1] != "Items":
            assert "only schemas for Items" in refused(key, [*least(key), one])


def test_a_string_may_be_neither_categorical_nor_textual() -> None:
    found = parsed(ITEMS, with_field("string")).fields[1]
    assert (found.categorical, found.textual) == (False, False)


@pytest.mark.parametrize("name", ["GENRES FIELD", "GENRE-1", "Straße", "a.b", ""])
def test_names_are_letters_digits_and_underscores(name: str) -> None:
    assert "letters, digits and underscores" in refused(ITEMS, [field("ITEM_ID"), field(name)])


def test_names_are_unique_without_their_underscores() -> None:
    pair = [field("GENRES_FIELD_1"), field("GENRESFIELD1")]
    assert "underscores" in refused(ITEMS, [field("ITEM_ID"), *pair])


def test_fields_stand_in_any_order_and_names_may_be_in_mixed_case() -> None:
    columns = [field("DSTCity"), field("TIMESTAMP", "long"), field("memberClass", ["null", "string"])]
    columns += [field("SESSION_ID"), field("ITEM_ID"), field("USER_ID"), field("numberOfSearchByUser", "int")]
    found = parsed((None, "Interactions"), columns)
    assert [one.name for one in found.fields] == [one["name"] for one in columns]


@pytest.mark.parametrize("version", ["1.0", "1.1", 1, None])
def test_the_version_of_a_schema_is_not_looked_at(version: Any) -> None:
    more = {} if version is None else {"version": version}
    assert schema.parse(text("Items", with_field("string"), **more)).dataset_type == "ITEMS"


@pytest.mark.parametrize(
    ("record", "dataset_type"),
    [
        ("Interactions", "INTERACTIONS"),
        ("Items", "ITEMS"),
        ("Users", "USERS"),
        ("Actions", "ACTIONS"),
        ("ActionInteractions", "ACTION_INTERACTIONS"),
    ],
)
def test_the_records_name_says_the_dataset_type(record: str, dataset_type: str) -> None:
    assert parsed((None, record), least((None, record))).dataset_type == dataset_type


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "{",
        "[]",
        '"Items"',
        '{"type": "enum", "name": "Items", "fields": []}',
        text("Items", []),
        text("Songs", with_field("string")),
        text("Action_Interactions", least((None, "ActionInteractions"))),
        # the guide's own example has a comma too many
        '{"type": "record", "name": "Items", "fields": [{"name": "ITEM_ID", "type": "string"},'
        ' {"name": "A", "type": "string"},]}',
    ],
)
def test_what_is_no_record_of_a_dataset_type_is_refused(broken: str) -> None:
    with pytest.raises(ApiError) as refusal:
        schema.parse(broken)
    assert refusal.value.code == "InvalidInputException"


def test_a_schema_has_20000_characters_at_most() -> None:
    whole = text("Items", with_field("string"))
    longest = whole + " " * (20_000 - len(whole))
    assert len(schema.parse(longest).fields) == 2
    with pytest.raises(ApiError, match=r"20,?000"):
        schema.parse(longest + " ")


def test_actions_belong_to_custom_groups() -> None:
    for record in ("Actions", "ActionInteractions"):
        for domain in ("ECOMMERCE", "VIDEO_ON_DEMAND"):
            with pytest.raises(ApiError, match="not allowed in the domain"):
                schema.parse(text(record, least((None, record))), domain)
