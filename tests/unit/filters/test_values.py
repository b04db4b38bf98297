"""``filterValues``: quoted or bare, one or several; what is missing and what does not fit its comparison."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.data import schema
from sartor.data.schema import Field, Schema
from sartor.errors import ApiError
from sartor.filters.check import check
from sartor.filters.parse import parse
from sartor.filters.tree import Filter
from sartor.filters.values import elements, number, read

SCHEMAS: dict[str, schema.Schema] = {
    "ITEMS": Schema("ITEMS", None, (Field("GENRE", "string", categorical=True), Field("PRICE", "float"))),
    "USERS": Schema("USERS", None, (Field("AGE", "long"),)),
}


def checked(text: str) -> Filter:
    return check(parse(text), SCHEMAS)


INCLUDE = checked(
    "INCLUDE ItemID WHERE Items.GENRE IN ($GENRE) AND Items.PRICE <= $PRICE IF CurrentUser.AGE > $AGE"
)
EXCLUDE = checked("EXCLUDE ItemID WHERE Items.GENRE IN ($GENRE) | EXCLUDE ItemID WHERE Items.PRICE > $PRICE")


def refusal(of: Filter, given_values: dict[str, str]) -> str:
    with pytest.raises(ApiError) as refused:
        read(of, given_values)
    assert refused.value.code == "InvalidInputException"
    return refused.value.message


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('"comedy","drama"', ("comedy", "drama")),
        (' "comedy" ,\t"drama" ', ("comedy", "drama")),
        ('"a, b","c"', ("a, b", "c")),
        ("25", ("25",)),
        ('"25"', ("25",)),
        ("1, 2.5,-3", ("1", "2.5", "-3")),
        ("science fiction, O'Brien", ("science fiction", "O'Brien")),
        ('""', ("",)),
        ('" a "', (" a ",)),
        ("", ()),
        ("  ", ()),
    ],
)
def test_values_stand_in_double_quotes_or_bare_between_commas(text: str, values: tuple[str, ...]) -> None:
    assert elements("NAME", text) == values


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('"comedy', "character 1: a double quote is not closed"),
        ('"a","b', "character 5: a double quote is not closed"),
        ('"a" "b"', "character 1: put each value in double quotes"),
        ('a"b"', "character 1: put each value in double quotes"),
        ('"a",,"b"', "an empty element at character 5"),
        ('"a",', "an empty element at character 5"),
        (",", "an empty element at character 1"),
        ("'comedy'", "a single quote at character 1: put each value in double quotes"),
        ("'comedy','drama'", "a single quote at character 1: put each value in double quotes"),
        ("\"a\", 'b, c'", "a single quote at character 5: put each value in double quotes"),
        ("'25'", "a single quote at character 1: put each value in double quotes"),
        ("'", "a single quote at character 1: put each value in double quotes"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(text: str, says: str) -> None:
    message = refusal(EXCLUDE, {"GENRE": text})
    assert message.startswith("Invalid filterValues. The value of GENRE ")
    assert says in message


@given(st.lists(st.text().filter(lambda text: '"' not in text), min_size=1))
def test_quoted_values_come_back_as_they_are(values: list[str]) -> None:
    assert elements("NAME", ",".join(f'"{value}"' for value in values)) == tuple(values)


def test_an_include_expression_needs_all_its_values_those_of_its_if_too() -> None:
    given_values = {"GENRE": '"a"', "PRICE": "1", "AGE": "18"}
    assert read(INCLUDE, given_values) == {"GENRE": ("a",), "PRICE": ("1",), "AGE": ("18",)}
    for name in given_values:
        others = {key: value for key, value in given_values.items() if key != name}
        assert f"The value of {name} is missing" in refusal(INCLUDE, others)


def test_an_exclude_expression_may_lack_its_values() -> None:
    assert read(EXCLUDE, {"PRICE": "1"}) == {"PRICE": ("1",)}
    assert read(EXCLUDE, None) == {}


def test_keys_that_the_filter_does_not_know_do_not_count() -> None:
    assert read(EXCLUDE, {"genre": '"', "OTHER": '"a"'}) == {}


def test_a_comparison_takes_exactly_one_value() -> None:
    assert "has 2 values, but Items.PRICE > takes exactly one" in refusal(EXCLUDE, {"PRICE": "1,2"})
    assert "has 0 values" in refusal(EXCLUDE, {"PRICE": ""})


@pytest.mark.parametrize("text", ["cheap", '"1,5"', "nan", "inf", "1e999", "0x10", "1_000", "٣"])
def test_a_numeric_column_takes_numbers_only(text: str) -> None:
    assert "not a number; Items.PRICE is numeric" in refusal(EXCLUDE, {"PRICE": text})


def test_whole_numbers_stay_exact() -> None:
    assert number("9007199254740993") == 9007199254740993
    assert number("-.5") == -0.5
    assert number("1" * 5000) is None
