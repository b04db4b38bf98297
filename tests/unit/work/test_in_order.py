"""What comes in any order is given on in its own."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.errors import Stopped
from sartor.work.in_order import InOrder


@given(st.integers(0, 20).flatmap(lambda n: st.permutations(range(n))))
def test_numbers_that_come_in_any_order_are_given_on_in_theirs(comes: list[int]) -> None:
    order = InOrder(len(comes))
    given_on: list[int] = []
    reader = threading.Thread(target=lambda: given_on.extend(order))
    reader.start()
    for number in comes:
        order.came(number)
    order.complete()
    reader.join()
    assert given_on == list(range(len(comes)))


def test_a_number_is_given_on_before_later_ones_come() -> None:
    order = InOrder(3)
    order.came(0)
    numbers = iter(order)
    assert next(numbers) == 0
    order.came(2)
    order.came(1)
    assert [next(numbers), next(numbers)] == [1, 2]


@pytest.mark.parametrize("comes", [[], [0], [1], [0, 1]])
def test_who_waits_is_told_that_no_more_will_come(comes: list[int]) -> None:
    order = InOrder(2)
    for number in comes:
        order.came(number)
    order.abandon()
    with pytest.raises(Stopped):
        list(order)
