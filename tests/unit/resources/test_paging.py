"""Tokens: opaque, bound to their list, and never a crash."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.errors import ApiError
from sartor.resources import paging

SECRET = b"s" * 32
QUERY = ("filters", "111122223333", "eu-central-1", None)


@given(
    st.lists(st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=63)), max_size=3)
)
def test_a_position_survives_its_token(position: list[object]) -> None:
    token = paging.seal(SECRET, QUERY, position)
    assert token.isascii()
    assert len(token) <= 1500
    assert paging.unseal(SECRET, QUERY, token) == position


@given(st.text(max_size=80))
def test_any_other_text_is_refused(token: str) -> None:
    with pytest.raises(ApiError) as refused:
        paging.unseal(SECRET, QUERY, token)
    assert refused.value.code == "InvalidNextTokenException"


@pytest.mark.parametrize("member", range(4))
def test_a_token_of_another_list_is_refused(member: int) -> None:
    token = paging.seal(SECRET, QUERY, [1.5, 3])
    other = list(QUERY)
    other[member] = "other"
    with pytest.raises(ApiError):
        paging.unseal(SECRET, other, token)


def test_a_token_of_another_service_is_refused() -> None:
    with pytest.raises(ApiError):
        paging.unseal(b"t" * 32, QUERY, paging.seal(SECRET, QUERY, [1.5, 3]))
