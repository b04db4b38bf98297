"""Numbers that come as text: what is none, is too long or lies outside is not taken for one."""

import pytest

from sartor.numbers import number, whole

ODD = [
    "",
    " 1",
    "1 ",
    "+1",
    "-1",
    "1_0",
    "１６",
    "1.0",
    "1e1",
    "0x1",
    "٣",
    "9" * 20,
    "1" * 5000,
    "inf",
    "nan",
]


@pytest.mark.parametrize(
    ("text", "expected"), [("0", 0), ("7", 7), ("0000000010", 10), ("0" * 5000 + "9", 9)]
)
def test_digits_are_a_whole_number_however_many_zeros_lead(text: str, expected: int) -> None:
    assert whole(text, 0, 10) == expected


@pytest.mark.parametrize("text", ODD)
def test_nothing_else_is_one(text: str) -> None:
    assert whole(text, 0, 2**63) is None


def test_a_whole_number_lies_between_its_bounds() -> None:
    assert [whole(text, 2, 3) for text in ("1", "2", "3", "4")] == [None, 2, 3, None]


@pytest.mark.parametrize(
    ("text", "expected"), [("5", 5), ("-5", -5), ("+.5", 0.5), ("1.", 1.0), ("1e3", 1e3)]
)
def test_a_number_is_read_as_it_is_written(text: str, expected: float) -> None:
    assert number(text) == expected


@pytest.mark.parametrize(
    "text", [" 5", "5_0", "１６", "1e400", "1" * 401, "9" * 5000, "inf", "nan", "0x1", "."]
)
def test_what_no_double_can_hold_is_no_number(text: str) -> None:
    assert number(text) is None
