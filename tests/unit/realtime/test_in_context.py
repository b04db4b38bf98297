"""What a request's context adds to the scores: by what a training counted, and nothing of what it did not see."""

import numpy as np
import pytest

from sartor.data.contexts import Contexts
from sartor.models import context
from sartor.realtime.in_context import InContext

N_ITEMS = 4
#: How many interactions each item had by what was said of them.
COUNTS = {
    "DEVICE=phone": {0: 30, 1: 10},
    "DEVICE=tv": {2: 20, 3: 20},
    "HOUR=0": {0: 5, 2: 15},
    "HOUR=1": {1: 40},
    "Users.AGE=0": {3: 12},
}


@pytest.fixture
def made() -> InContext:
    lengths = [len(items) for items in COUNTS.values()]
    return InContext(
        Contexts(
            {"DEVICE": None, "HOUR": [12.0], "Users.AGE": [30.0]},
            tuple(COUNTS),
            np.cumsum([0, *lengths], dtype=np.int64),
            np.array([item for items in COUNTS.values() for item in items], np.int32),
            np.array([count for items in COUNTS.values() for count in items.values()], np.int32),
        ),
        N_ITEMS,
    )


def lift_of(value: str) -> np.ndarray:
    """Return what one value alone says, by the model's own formula."""
    column = value.partition("=")[0]
    of_item = np.zeros(N_ITEMS, np.float32)
    for other, items in COUNTS.items():
        if other.partition("=")[0] == column:
            for item, count in items.items():
                of_item[item] += count
    items, counts = (
        np.array(list(some), np.int32) for some in (COUNTS[value].keys(), COUNTS[value].values())
    )
    return context.lift(items, counts, of_item, float(of_item.sum()))


@pytest.mark.parametrize(
    ("of_request", "of_user", "said"),
    [
        ({"DEVICE": "phone"}, {}, ["DEVICE=phone"]),
        ({"DEVICE": "phone|tv"}, {}, ["DEVICE=phone", "DEVICE=tv"]),
        ({"HOUR": "3"}, {}, ["HOUR=0"]),
        ({"HOUR": "12"}, {}, ["HOUR=1"]),
        ({}, {"AGE": "20"}, ["Users.AGE=0"]),
        ({"DEVICE": "tv", "HOUR": "1e1"}, {"AGE": "29.9"}, ["DEVICE=tv", "HOUR=0", "Users.AGE=0"]),
        ({"DEVICE": "fridge"}, {"AGE": "31"}, []),  # never seen in the training
        ({"HOUR": "noon"}, {"AGE": "nan"}, []),
        ({"AGE": "20"}, {"DEVICE": "tv"}, []),  # a user's attribute is none of the request's
        ({"WEATHER": "rain"}, {}, []),
    ],
)
def test_what_is_known_of_a_request_has_numbers(
    made: InContext, of_request: dict[str, str], of_user: dict[str, str], said: list[str]
) -> None:
    assert [list(COUNTS)[number] for number in made.values(of_request, of_user)] == said


def test_columns_add_up_and_several_values_of_one_count_as_their_mean(made: InContext) -> None:
    found = made.lift(made.values({"DEVICE": "phone|tv", "HOUR": "20"}, {}), interactions=7)
    expected = (lift_of("DEVICE=phone") + lift_of("DEVICE=tv")) / 2 + lift_of("HOUR=1")
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(("interactions", "share"), [(0, 1.0), (2, 0.5), (6, 0.25)])
def test_a_users_attributes_count_less_the_more_is_known_of_what_the_user_did(
    made: InContext, interactions: int, share: float
) -> None:
    found = made.lift(made.values({}, {"AGE": "20"}), interactions)
    np.testing.assert_allclose(found, share * lift_of("Users.AGE=0"), rtol=1e-5)


def test_what_a_context_has_more_of_rises(made: InContext) -> None:
    found = made.lift(made.values({"DEVICE": "phone"}, {}), 0)
    assert found[0] > 0 > found[2]


def test_without_anything_known_nothing_is_added(made: InContext) -> None:
    assert made.lift((), 0).tolist() == [0.0] * N_ITEMS
    nothing = InContext(Contexts(), N_ITEMS)
    assert (bool(made), bool(nothing)) == (True, False)
    assert nothing.values({"DEVICE": "phone"}, {"AGE": "1"}) == ()
