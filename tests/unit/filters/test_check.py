"""What a filter must keep to, with the place of what does not."""

from dataclasses import replace

import pytest

from sartor.data.schema import Field, Schema
from sartor.errors import ApiError
from sartor.filters import tree
from sartor.filters.check import check
from sartor.filters.parse import parse
from sartor.filters.tree import Filter

SCHEMAS = {
    "INTERACTIONS": Schema(
        "INTERACTIONS", None, (Field("EVENT_TYPE", "string"), Field("EVENT_VALUE", "float"))
    ),
    "USERS": Schema("USERS", None, (Field("AGE", "int"), Field("City", "string"), Field("VIP", "boolean"))),
    "ITEMS": Schema(
        "ITEMS",
        None,
        (
            Field("GENRE", "string", categorical=True),
            Field("brand", "string"),
            Field("PRICE", "float", nullable=True),
            Field("YEAR", "long"),
            Field("IS_NEW", "boolean"),
            Field("TEXT", "string", textual=True),
        ),
    ),
    "ACTIONS": Schema("ACTIONS", None, (Field("VALUE", "long"), Field("REPEAT_FREQUENCY", "long"))),
    "ACTION_INTERACTIONS": Schema("ACTION_INTERACTIONS", None, (Field("EVENT_TYPE", "string"),)),
}


def checked(text: str) -> Filter:
    return check(parse(text), SCHEMAS)


def refusal(text: str) -> str:
    with pytest.raises(ApiError) as refused:
        checked(text)
    assert refused.value.code == "InvalidInputException"
    assert refused.value.message.startswith("Could not create filter. ")
    return refused.value.message


def test_names_are_found_in_any_letter_case_and_get_the_spelling_of_the_schema() -> None:
    found = checked(
        "include itemid where items.genre in currentitem.Genre and items.BRAND = $b if currentuser.CITY = 'x'"
    )
    (expression,) = found.expressions
    assert [(one.field, one.kind) for one in (*expression.where, *expression.user)] == [
        ("GENRE", "categories"),
        ("brand", "string"),
        ("City", "string"),
    ]
    assert found.current_fields == ("GENRE",)


@pytest.mark.parametrize(
    "text",
    [
        "INCLUDE ItemID WHERE Items.YEAR IN (1990, '1991') AND Items.PRICE <= '5' AND Items.PRICE != 3.5",
        "INCLUDE ItemID WHERE Items.brand IN (1990) OR Items.brand = $B OR Items.GENRE != 'x'",
        "INCLUDE ItemID WHERE Items.PRICE < CurrentItem.YEAR AND Items.brand IN CurrentItem.GENRE",
        "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE NOT IN (*) | INCLUDE ItemID WHERE Items.YEAR > ($A)",
        "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ('a', $B) IF CurrentUser.AGE >= 18",
        "INCLUDE UserID WHERE Users.City IN ('Rome') | EXCLUDE UserID WHERE Interactions.EVENT_TYPE = 'a'",
        "INCLUDE ActionID WHERE Actions.VALUE > 5 | EXCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN ('a')",
    ],
)
def test_what_the_rules_allow_is_taken(text: str) -> None:
    checked(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "INCLUDE ItemID WHERE Items.PRICE > 5 AND Interactions.EVENT_TYPE IN ('a')",
            "one dataset, this one uses Items",
        ),
        ("INCLUDE ItemID WHERE CurrentUser.AGE > 5", "CurrentUser can only be used after IF"),
        ("INCLUDE ItemID WHERE CurrentItem.PRICE > 5", "CurrentItem can only stand on the right"),
        ("INCLUDE ItemID WHERE Users.AGE > 5", "ItemID filters can only use Items and Interactions"),
        ("INCLUDE UserID WHERE Items.PRICE > 5", "UserID filters can only use Users and Interactions"),
        (
            "INCLUDE ActionID WHERE Interactions.EVENT_TYPE IN ('a')",
            "can only use Actions and Action_Interactions",
        ),
        ("INCLUDE ItemID WHERE Items.PRICE > 5 | EXCLUDE UserID WHERE Users.AGE > 5", "must be about ItemID"),
        ("INCLUDE ItemID WHERE Items.PRICE > 5 IF Users.AGE > 5", "after IF only CurrentUser"),
        ("INCLUDE UserID WHERE Users.AGE > 5 IF CurrentUser.AGE > 5", "UserID filters cannot have an IF"),
        ("INCLUDE ItemID WHERE Interactions.EVENT_VALUE > 5", "of Interactions only EVENT_TYPE can be used"),
        ("INCLUDE ItemID WHERE Items.GENRE IN ('*')", "* can only be used with EVENT_TYPE"),
        ("INCLUDE ItemID WHERE Interactions.EVENT_TYPE = '*'", 'is written IN ("*")'),
        ("INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ('a', '*')", "* stands alone"),
        ("INCLUDE ItemID WHERE Items.IS_NEW = 'true'", "boolean columns cannot be used"),
        (
            "INCLUDE ItemID WHERE Items.PRICE > 5 IF CurrentUser.VIP = 'true'",
            "boolean columns cannot be used",
        ),
        ("INCLUDE ItemID WHERE Items.TEXT IN ('a')", "textual columns cannot be used"),
        ("INCLUDE ItemID WHERE Items.brand IN CurrentItem.TEXT", "textual columns cannot be used"),
        ("INCLUDE ActionID WHERE Actions.REPEAT_FREQUENCY > 5", "applied by itself"),
        ("INCLUDE ItemID WHERE Items.GENRES IN ('a')", "no column of this name. Did you mean GENRE?"),
        (
            "INCLUDE ItemID WHERE Items.PRICE > 'cheap'",
            '"cheap" at line 1, column 36 (character 36): this is not a number',
        ),
        ("INCLUDE ItemID WHERE Items.YEAR IN (1990, 'x')", "this is not a number and Items.YEAR is numeric"),
        ("INCLUDE ItemID WHERE Items.GENRE > 5", "> compares numbers and this column holds texts"),
        ("INCLUDE ItemID WHERE Items.GENRE > $A", "> compares numbers and this column holds texts"),
        ("INCLUDE ItemID WHERE Items.GENRE IN ($A, $B)", "a list can have one placeholder only"),
        (f"INCLUDE ItemID WHERE Items.GENRE IN (${'x' * 51})", "51 characters, 50 are allowed"),
        (
            "INCLUDE ItemID WHERE Items.GENRE IN CurrentItem.PRICE",
            "a number and a text (Items.GENRE) never match",
        ),
        (
            "INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN CurrentItem.brand",
            "EVENT_TYPE cannot be compared with it",
        ),
        ("INCLUDE UserID WHERE Users.City IN CurrentItem.brand", "UserID filters have no current item"),
    ],
)
def test_a_broken_rule_is_named_with_its_place(text: str, says: str) -> None:
    message = refusal(text)
    assert says in message
    assert message.startswith("Could not create filter. Invalid Expression ")
    assert " at line 1, column " in message


def test_placeholders_with_not_in_are_refused_in_amazons_words() -> None:
    assert refusal("INCLUDE ItemID WHERE Items.GENRE NOT IN ($GENRE)") == (
        "Could not create filter. Invalid input symbol: $GENRE. Placeholders are not allowed with NOT_IN operator."
    )


def test_a_dataset_must_exist_with_the_column() -> None:
    with pytest.raises(ApiError, match="no dataset of type USERS"):
        check(parse("INCLUDE UserID WHERE Users.AGE > 5"), {})
    without = {"INTERACTIONS": replace(SCHEMAS["INTERACTIONS"], fields=(Field("X", "string"),))}
    with pytest.raises(ApiError, match="the INTERACTIONS dataset has no column of this name"):
        check(parse("EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ('a')"), without)


def test_one_refusal_names_all_broken_rules() -> None:
    message = refusal(
        "INCLUDE ItemID WHERE Items.A > 1 AND\nItems.TEXT IN ('x') | EXCLUDE ItemID WHERE Users.AGE > 5"
    )
    assert message.count("Invalid Expression") == 3
    assert "Items.TEXT at line 2, column 1 (character 38)" in message


def test_a_filter_uses_ten_columns_at_most_the_users_and_the_current_items_too() -> None:
    schemas = {
        "ITEMS": Schema("ITEMS", None, tuple(Field(f"F{place}", "long") for place in range(12))),
        "USERS": SCHEMAS["USERS"],
    }
    nine = " AND ".join(f"Items.F{place} > 1 AND Items.f{place} < 9" for place in range(9))
    ten = parse(f"INCLUDE ItemID WHERE {nine} AND Items.F0 > CurrentItem.F10")
    assert len(tree.fields(check(ten, schemas))) == 10
    for more in ("Items.F0 > CurrentItem.F10 IF CurrentUser.AGE > 5", "Items.F10 > CurrentItem.F11"):
        eleven = parse(f"INCLUDE ItemID WHERE {nine} AND {more}")
        with pytest.raises(
            ApiError, match=r"at line 1, .* is column 11 of this filter, 10 are allowed"
        ) as refused:
            check(eleven, schemas)
        assert refused.value.code == "LimitExceededException"
        check(eleven, schemas, maximum_fields=None)


def test_a_filter_tells_what_it_needs() -> None:
    plain = checked("INCLUDE ItemID WHERE Items.PRICE > 5")
    assert not (tree.uses_current_item(plain) or tree.uses_current_user(plain) or tree.uses_history(plain))
    everything = checked(
        "INCLUDE ItemID WHERE Items.PRICE > CurrentItem.YEAR IF CurrentUser.AGE > $AGE"
        " | EXCLUDE ItemID WHERE Interactions.event_type IN ($TYPE)"
    )
    assert tree.uses_current_item(everything)
    assert tree.uses_current_user(everything)
    assert tree.uses_history(everything)
    assert tree.placeholders(everything) == {"AGE", "TYPE"}
    assert tree.target(everything) == "ItemID"
    assert tree.fields(everything) == {
        ("ITEMS", "PRICE"),
        ("ITEMS", "YEAR"),
        ("USERS", "AGE"),
        ("INTERACTIONS", "EVENT_TYPE"),
    }
