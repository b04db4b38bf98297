"""Actions as they are now, and what users did with them, out of what training saw and calls put since."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from sartor.data.actions import ActionRows
from sartor.data.ids import Ids
from sartor.filters.columns import Columns
from sartor.models.actions import NOT_TAKEN, TAKEN, VIEWED
from sartor.realtime.acting import ActionHistories, ActionHistory, Terms
from sartor.realtime.catalogue import numbers_of
from sartor.realtime.recommend_actions import _offered, _ranked

Event = tuple[int, str, str]


class Seen:
    """What filters see of one user; imports that came later are in it."""

    def __init__(self, put_number: int, *events: Event) -> None:
        self.put_number = put_number
        self.bulk_version = 1
        self.events = list(events)

    def of(self, _user: str) -> list[Event]:
        return self.events


def history_of(
    trained: list[tuple[int, int, int]], put: list[dict[str, Any]], seen: Seen | None = None, user: str = "u"
) -> ActionHistory:
    """Return the history of a user, of time, action and type of what training saw, and the cells of calls."""
    acting = ActionRows(
        Ids.of(["a", "b"]),
        np.array([0, len(trained)]),
        np.array([action for _, action, _ in trained], np.int32),
        np.array([kind for _, _, kind in trained], np.int8),
        np.array([at for at, _, _ in trained], np.int64),
    )
    records = SimpleNamespace(after=lambda *_: put, newest_of=lambda *_: 9)
    of = SimpleNamespace(seen=seen or Seen(0))
    found = ActionHistories(Ids.of(["u"]), acting, cast("Any", of), cast("Any", records), lambda: 4)
    return found.of(user, 9)


def cells(action: str, kind: str, at: int) -> dict[str, Any]:
    return {"ACTION_ID": action, "EVENT_TYPE": kind, "TIMESTAMP": at}


def test_the_model_is_asked_with_what_training_saw_and_calls_put_by_time() -> None:
    found = history_of(
        [(10, 0, VIEWED), (30, 1, NOT_TAKEN)], [cells("b", "Taken", 20), cells("new", "Viewed", 40)]
    )
    assert found.actions.tolist() == [0, 1, 1]
    assert found.types.tolist() == [VIEWED, TAKEN, NOT_TAKEN]
    stranger = history_of([(10, 0, VIEWED)], [cells("a", "Not Taken", 5)], user="stranger")
    assert (stranger.actions.tolist(), stranger.types.tolist()) == ([0], [NOT_TAKEN])


def test_filters_and_repetition_see_imports_too_and_actions_that_are_new() -> None:
    seen = Seen(0, (10, "viewed", "a"), (50, "taken", "imported"))
    found = history_of([(10, 0, VIEWED)], [cells("a", "NOT TAKEN", 30), cells("new", "taken", 7)], seen)
    assert found.seen == {"viewed": {"a"}, "taken": {"imported", "new"}, "not_taken": {"a"}}
    assert found.last == {"a": 30, "imported": 50, "new": 7}
    assert found.actions.tolist() == [0, 0]  # imports train the next version


def test_what_an_earlier_sartor_stored_without_a_type_or_time_is_passed_over() -> None:
    found = history_of([], [cells("a", "clicked", 5), {"ACTION_ID": "a", "EVENT_TYPE": "Taken"}])
    assert (found.actions.tolist(), dict(found.seen)) == ([], {})


def test_filters_look_at_the_newest_events_of_each_type() -> None:
    many = [(at, "viewed", f"a{at}") for at in range(305)]
    found = history_of([], [], Seen(0, *many, (0, "taken", "a0")))
    assert found.seen == {"viewed": {f"a{at}" for at in range(5, 305)}, "taken": {"a0"}}


def terms(**columns: list[int]) -> Terms:
    n = len(next(iter(columns.values())))
    given = {"value": [-1] * n, "created": [-1] * n, "expires": [10**9] * n, "repeat_seconds": [0] * n}
    return Terms(1, **{name: np.array(some, np.int64) for name, some in (given | columns).items()})


def offered(of: Terms, now: float, **last: int) -> list[bool]:
    catalogue = SimpleNamespace(find=lambda name: ord(name) - ord("a"))
    history = SimpleNamespace(last=last)
    actions = SimpleNamespace(catalogue=catalogue)
    return list(_offered(cast("Any", actions), of, cast("Any", history), now).tolist())


@pytest.mark.parametrize(("now", "wanted"), [(99, True), (100, False), (101, False)])
def test_an_action_is_offered_until_it_expires(now: int, wanted: bool) -> None:
    assert offered(terms(expires=[100, 200]), now) == [wanted, True]
    assert offered(terms(expires=[100, 200], repeat_seconds=[0, 5]), now, a=now + 50) == [wanted, True]


@pytest.mark.parametrize(("now", "wanted"), [(109, False), (110, True)])
def test_an_action_waits_until_it_is_repeated(now: int, wanted: bool) -> None:
    assert offered(terms(repeat_seconds=[10, 10, 0]), now, a=100, c=100) == [wanted, True, True]
    assert offered(terms(repeat_seconds=[10]), now, z=100) == [True]  # it is of an action that is not there


def test_equal_scores_go_by_value_then_by_age_then_as_they_stand() -> None:
    scores = np.array([0.5, 0.5, 0.9, 0.0, 0.0, 0.0], np.float32)
    of = terms(value=[2, 7, 1, 3, 3, 3], created=[0, 0, 0, 5, 9, 5])
    found = _ranked(scores, of, np.array([True] * 6), 6)
    assert [one.row for one in found] == [2, 1, 0, 4, 3, 5]
    assert [one.score for one in found] == [0.9, 0.5, 0.5, 0.0, 0.0, 0.0]
    some = _ranked(scores, of, np.array([True, False, True, True, True, True]), 2)
    assert [one.row for one in some] == [2, 0]


def test_numbers_of_columns_are_those_of_the_block_and_of_changed_rows() -> None:
    field = SimpleNamespace(name="VALUE", type="long", categorical=False, textual=False)
    columns = Columns.build([cast("Any", field)], {"VALUE": [1, None, 3]}, 3)
    assert numbers_of(columns, "VALUE").tolist() == [1, -1, 3]
    assert numbers_of(columns.updated({1: {"VALUE": 5}, 2: {}, 3: {"VALUE": 4}}, 4), "VALUE").tolist() == [
        1,
        5,
        -1,
        4,
    ]
    assert numbers_of(columns, "NOTHING").tolist() == [-1, -1, -1]
