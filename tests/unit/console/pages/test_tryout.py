"""What Try makes of an address: names and values, how an answer has changed, where a filter goes wrong."""

import json

import pytest

from sartor.console.deployed import starting_with
from sartor.console.pages.placed import marked
from sartor.console.pages.tryout import moved, pairs
from sartor.data.ids import Ids


def test_lines_are_names_and_values() -> None:
    assert pairs('GENRE="Drama"\n\n $YEAR = 1994 \nnothing') == {
        "GENRE": '"Drama"',
        "YEAR": "1994",
        "nothing": "",
    }


def test_an_answer_is_held_against_the_one_before() -> None:
    items = [{"itemId": name} for name in ("a", "c", "b", "e")]
    found = moved(items, json.dumps(["a", "b", "c", "d"]))
    assert found == {"how": {"c": "↑ 1", "b": "↓ 1", "e": "new"}, "gone": ["d"], "known": True}
    assert moved(items, json.dumps(["a", "c", "b", "e"]))["how"] == {}


@pytest.mark.parametrize("before", ["", "[", "[" * 100_000, "{}", "[1]", '"a"', "[]", "null"])
def test_what_is_no_answer_before_says_nothing(before: str) -> None:
    assert moved([{"itemId": "a"}], before) == {"how": {}, "gone": [], "known": False}


@pytest.mark.parametrize(
    ("text", "message", "parts"),
    [
        ("EXCLUDE ItemID WERE", "at line 1 (character 16).", ("EXCLUDE ItemID ", "WERE", "")),
        ("a\nb ! c", "(character 5)", ("a\nb ", "!", " c")),
        ("short", "(character 900)", ("short", "", "")),
        ("short", "It is too long.", None),
    ],
)
def test_a_text_is_parted_where_it_goes_wrong(
    text: str, message: str, parts: tuple[str, str, str] | None
) -> None:
    assert marked(text, message) == parts


def test_ids_are_found_by_how_they_begin() -> None:
    names = ["a", "b", "b1", "b10", "b2", "c", "z\N{GRINNING FACE}"]
    ids = Ids.of(names)

    def found(text: str, limit: int = 10) -> list[str]:
        return [names[number] for number in starting_with(ids, text, limit)]

    assert found("b") == ["b", "b1", "b10", "b2"]
    assert found("b1") == ["b1", "b10"]
    assert found("b", 2) == ["b", "b1"]
    assert found("z\N{GRINNING FACE}") == ["z\N{GRINNING FACE}"]
    assert found("d") == found("zz") == []
    assert found("", 3) == ["a", "b", "b1"]
