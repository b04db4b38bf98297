"""Filter expressions as text: what the guide and AWS's samples write is read, the rest is refused with its place."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartor.errors import ApiError
from sartor.filters import tree
from sartor.filters.grammar import MAXIMUM_CHARACTERS
from sartor.filters.parse import parse
from sartor.filters.tree import Condition, CurrentItem, Expression, Filter, Placeholder, Value, Wildcard

EXAMPLES = [
    'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")',
    'INCLUDE ItemID WHERE Items.GENRE IN ("Comedy", "Drama")',
    "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (*) | INCLUDE ItemID WHERE Items.PRICE <= $PRICE",
    'EXCLUDE ItemID WHERE Items.CATEGORY IN ("shoe") IF CurrentUser.AGE > 18 AND CurrentUser.CITY = "Rome"',
    "INCLUDE ItemID WHERE Items.GENRES IN CurrentItem.GENRES AND Items.PRICE < CurrentItem.PRICE",
    'INCLUDE ItemID WHERE Items.GENRE IN ($GENRE) AND Items.YEAR >= 1990 OR Items.NEW NOT IN ("no")',
    "INCLUDE ItemID WHERE Items.CREATION_TIMESTAMP > ($VALUE)",
    "exclude UserId where users.country in ('Italy')",
    'INCLUDE ActionID WHERE Actions.VALUE != -1.5e3 | EXCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN ("A")',
]


def refusal(text: str) -> str:
    with pytest.raises(ApiError) as refused:
        parse(text)
    assert refused.value.code == "InvalidInputException"
    assert refused.value.message.startswith("Could not create filter. ")
    return refused.value.message


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_examples_of_the_guide_are_read(text: str) -> None:
    assert parse(text).text == text


@pytest.mark.parametrize("text", EXAMPLES)
def test_keywords_and_datasets_are_the_same_in_any_letter_case(text: str) -> None:
    words = [
        *tree.DATASETS,
        "INCLUDE",
        "EXCLUDE",
        "ItemID",
        "UserID",
        "ActionID",
        "WHERE",
        "IN",
        "NOT",
        "AND",
        "OR",
    ]
    lower = " ".join(word.lower() if word in words else word for word in text.split(" "))
    for name in tree.DATASETS:
        lower = lower.replace(f"{name}.", f"{name.lower()}.")
    assert parse(lower) == parse(text)


def test_and_binds_before_or() -> None:
    (expression,) = parse("INCLUDE ItemID WHERE Items.A = 1 OR Items.B = 2 AND Items.C = 3").expressions
    assert [[one.field for one in all_of] for all_of in expression.any_of] == [["A"], ["B", "C"]]


@pytest.mark.parametrize("written", ["($GENRE)", '("$GENRE")', "('$GENRE')", "( $GENRE )"])
def test_a_placeholder_may_stand_in_quotes(written: str) -> None:
    (condition,) = parse(f"INCLUDE ItemID WHERE Items.GENRE IN {written}").expressions[0].where
    assert condition.operands == (Placeholder("GENRE"),)


def test_a_dollar_inside_a_text_is_just_a_dollar() -> None:
    (condition,) = parse('INCLUDE ItemID WHERE Items.PRICE IN ("$5.00", "$ 5", "$")').expressions[0].where
    assert [one.text for one in condition.operands if isinstance(one, Value)] == ["$5.00", "$ 5", "$"]


def test_names_that_are_keywords_can_be_columns_and_placeholders() -> None:
    (condition,) = parse("include itemid where items.where in ($in)").expressions[0].where
    assert (condition.field, condition.operands) == ("where", (Placeholder("in"),))


def test_everything_knows_where_it_stands() -> None:
    text = 'INCLUDE ItemID\n  WHERE Items.GENRE IN ("a",\n"b")'
    (condition,) = parse(text).expressions[0].where
    assert (condition.at.line, condition.at.column, condition.at.character) == (2, 9, 24)
    assert text[condition.operands[1].at.character - 1 :].startswith('"b"')
    assert (condition.operands[1].at.line, condition.operands[1].at.column) == (3, 1)


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("", "too early, at line 1, column 1", "Expected INCLUDE or EXCLUDE."),
        ("   ", "too early, at line 1, column 1", "Expected INCLUDE or EXCLUDE."),
        ("INCLUDE ItemID", "too early, at line 1, column 15 (character 15)", "Expected WHERE."),
        ("SELECT ItemID", "SELECT at line 1, column 1", "Expected INCLUDE or EXCLUDE."),
        ("INCLUDE Items WHERE", "Items at line 1, column 9", "Expected ItemID, UserID or ActionID."),
        ('INCLUDE ItemID WHERE (Items.A IN ("b"))', "( at line 1, column 22", "cannot group"),
        ('INCLUDE ItemID WHERE A IN ("b")', "IN at line 1, column 24", "Expected a period."),
        ('INCLUDE ItemID WHERE Films.A IN ("b")', "Films at line 1, column 22", "Interactions; Items; Users"),
        ('INCLUDE ItemID WHERE Items."A" IN ("b")', '"A" at line 1, column 28', "the name of a column"),
        ("INCLUDE ItemID WHERE Items.A IN (b)", "b at line 1, column 34", "A text stands in quotes."),
        ('INCLUDE ItemID WHERE Items.A IN "b"', '"b" at line 1, column 33', "values in parentheses"),
        ("INCLUDE ItemID WHERE Items.A IN $B", "$B at line 1, column 33", "values in parentheses"),
        ("INCLUDE ItemID WHERE Items.A IN ()", ") at line 1, column 34", "a placeholder"),
        ('INCLUDE ItemID WHERE Items.A IN ("b', '" at line 1, column 34', "are not closed"),
        ("INCLUDE ItemID WHERE Items.A IN (“b”)", "“ at line 1, column 34", "straight quotes"),
        ("INCLUDE ItemID WHERE Items.A IN (CurrentItem.A)", "CurrentItem at line 1", "without parentheses"),
        ('INCLUDE ItemID WHERE Items.A LIKE "b"', "LIKE at line 1, column 30", "IN; NOT IN; =, !="),
        ('INCLUDE ItemID WHERE Items.A == "b"', "= at line 1, column 31", "a number"),
        ('INCLUDE ItemID WHERE\n Items.A IN ("b" "c")', '"c" at line 2, column 18 (character 39)', "a comma"),
        (
            "INCLUDE ItemID WHERE Items.A > 5 IF CurrentUser.B = 1 OR CurrentUser.C = 1",
            "OR at",
            "only be joined",
        ),
        ("INCLUDE ItemID WHERE Items.A > 5 IF CurrentUser.B = 1 IF", "IF at line 1, column 55", "the end"),
        ("INCLUDE ItemID WHERE Items.A > 5;", "; at line 1, column 33", "AND; OR; IF; |; the end"),
        ("INCLUDE ItemID WHERE Items.A > 5 |", "too early, at line 1, column 35", "INCLUDE or EXCLUDE"),
        ("INCLUDE ItemID WHERE Items.A > 5abc", "5abc at line 1, column 32", "a number"),
    ],
)
def test_a_refusal_says_the_place_what_stands_there_and_what_could(text: str, place: str, says: str) -> None:
    message = refusal(text)
    assert place in message
    assert says in message


def test_an_expression_has_a_longest_length() -> None:
    text = 'INCLUDE ItemID WHERE Items.A IN ("")'
    longest = text.replace('""', f'"{"x" * (MAXIMUM_CHARACTERS - len(text))}"')
    parse(longest)
    assert "2501 characters, 2500 are allowed" in refusal(longest.replace("x", "xx", 1))


@settings(deadline=None)
@given(
    st.text(max_size=60) | st.lists(st.sampled_from([*EXAMPLES[3].split(" "), "|", "(", '"'])).map(" ".join)
)
def test_no_text_ends_in_anything_but_a_filter_or_a_refusal(text: str) -> None:
    try:
        parse(text)
    except ApiError as error:
        assert error.message.startswith("Could not create filter. ")


NAMES = st.from_regex(r"[A-Za-z0-9_]{1,8}", fullmatch=True)
TEXTS = st.text(max_size=8).filter(
    lambda text: "*" not in text and "$" not in text and not ('"' in text and "'" in text)
)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.one_of(
    st.builds(Value, TEXTS, st.just(True)),
    st.builds(Value, NUMBERS.map(str), st.just(False)),
    st.builds(Placeholder, NAMES),
)
CURRENT = st.builds(CurrentItem, NAMES)
LISTS = (
    st.lists(VALUES, min_size=1, max_size=3).map(tuple)
    | CURRENT.map(lambda one: (one,))
    | st.just((Wildcard(),))
)
ALONE = (VALUES | CURRENT).map(lambda one: (one,))


def conditions(datasets: list[str]) -> st.SearchStrategy[Condition]:
    dataset = st.sampled_from(datasets)
    return st.one_of(
        st.builds(Condition, dataset, NAMES, st.sampled_from(["IN", "NOT IN"]), LISTS),
        st.builds(Condition, dataset, NAMES, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), ALONE),
    )


def some(of: st.SearchStrategy[Any], least: int = 1) -> st.SearchStrategy[Any]:
    return st.lists(of, min_size=least, max_size=3).map(tuple)


EXPRESSIONS = st.builds(
    Expression,
    st.sampled_from(["INCLUDE", "EXCLUDE"]),
    st.sampled_from(["ItemID", "UserID", "ActionID"]),
    some(some(conditions(list(tree.DATASETS)))),
    some(conditions(["CurrentUser"]), 0),
)


class Writer:
    """Writes a tree as text, each time with other letter cases, quotes and spaces."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice

    def word(self, text: str) -> str:
        return "".join(self.dice.choice((letter.lower(), letter.upper())) for letter in text)

    def space(self, least: int = 0) -> str:
        return "".join(self.dice.choice(" \n\t") for _ in range(self.dice.randint(least, 2)))

    def filter(self, of: Filter) -> str:
        return f"{self.space()}|{self.space()}".join(map(self.expression, of.expressions))

    def expression(self, of: Expression) -> str:
        any_of = self.joined(
            "or", [self.joined("and", list(map(self.condition, all_of))) for all_of in of.any_of]
        )
        words = [self.word(of.action), self.word(of.target), self.word("where"), any_of]
        if of.user:
            words += [self.word("if"), self.joined("and", list(map(self.condition, of.user)))]
        return self.space(1).join(words)

    def joined(self, word: str, parts: list[str]) -> str:
        return f"{self.space(1)}{self.word(word)}{self.space(1)}".join(parts)

    def condition(self, of: Condition) -> str:
        operator = self.space(1).join(map(self.word, of.operator.split()))
        if of.operator in ("IN", "NOT IN") and not isinstance(of.operands[0], CurrentItem):
            listed = f"{self.space()},{self.space()}".join(map(self.operand, of.operands))
            value = f"({self.space()}{listed}{self.space()})"
        else:
            value = self.operand(of.operands[0])
        return f"{self.word(of.dataset)}.{of.field}{self.space(1)}{operator}{self.space(1)}{value}"

    def operand(self, of: tree.Operand) -> str:
        match of:
            case Value(text, quoted):
                quote = "'" if '"' in text else '"' if "'" in text else self.dice.choice("\"'")
                return f"{quote}{text}{quote}" if quoted else text
            case Placeholder(name):
                return self.dice.choice((f"${name}", f'"${name}"'))
            case CurrentItem(name):
                return f"{self.word('CurrentItem')}.{name}"
        return self.dice.choice(("*", '"*"'))


@settings(deadline=None, max_examples=60)
@given(expressions=some(EXPRESSIONS), dice=st.randoms(use_true_random=False))
def test_a_written_tree_is_read_as_the_same_tree(
    expressions: tuple[Expression, ...], dice: random.Random
) -> None:
    text = Writer(dice).filter(Filter(expressions))
    if len(text) <= MAXIMUM_CHARACTERS:
        assert parse(text) == Filter(expressions)
