"""Request rates: what is unused can be used later, up to a bound, and each dataset has its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.errors import ApiError
from sartor.realtime.rates import REQUESTS_PER_SECOND, Rates


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def taken(rates: Rates, operation: str, dataset: int, tries: int) -> int:
    """Return how many of so many requests were taken."""
    count = 0
    for _ in range(tries):
        try:
            rates.take(operation, dataset)
        except ApiError as error:
            assert error.code == "ThrottlingException"
            assert "--quotas off" in error.message
        else:
            count += 1
    return count


def test_the_rates_are_amazons() -> None:
    assert REQUESTS_PER_SECOND == {
        "PutEvents": 1000,
        "PutActionInteractions": 1000,
        "PutUsers": 10,
        "PutItems": 10,
        "PutActions": 10,
    }


def test_a_burst_is_taken_and_then_the_rate() -> None:
    clock = Clock()
    rates = Rates(clock)
    assert taken(rates, "PutItems", 1, 100) == 20
    clock.now += 1
    assert taken(rates, "PutItems", 1, 100) == 10
    clock.now += 1000
    assert taken(rates, "PutItems", 1, 100) == 20


def test_each_dataset_has_its_own_rate() -> None:
    rates = Rates(Clock())
    assert taken(rates, "PutUsers", 1, 100) == 20
    assert taken(rates, "PutUsers", 2, 100) == 20


@pytest.mark.parametrize("operation", REQUESTS_PER_SECOND)
@given(pauses=st.lists(st.floats(0, 3, allow_nan=False), max_size=60))
def test_never_more_than_the_rate_and_a_burst(operation: str, pauses: list[float]) -> None:
    clock, rate = Clock(), REQUESTS_PER_SECOND[operation]
    rates = Rates(clock)
    count = 0
    for pause in pauses:
        clock.now += pause
        count += taken(rates, operation, 1, 3 * rate if rate < 100 else 50)
    assert count <= rate * (clock.now + 2) + 1e-6
