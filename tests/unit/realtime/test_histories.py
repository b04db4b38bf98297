"""What a user did, up to the last event: out of the artifact, out of imports, and out of what calls put since."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from live_records import Live, live
from sartor.data.training import Selection
from sartor.realtime import histories, seen_now
from sartor.realtime.artifact import Artifact
from sartor.realtime.histories import Histories, counts
from sartor.realtime.seen import of_artifact
from sartor.realtime.seen_now import SeenNow
from tables import schema_of
from unit.realtime.artifacts import artifact

EVENTS = schema_of(
    "Interactions",
    ("USER_ID", "string"),
    ("ITEM_ID", "string"),
    ("TIMESTAMP", "long"),
    ("EVENT_TYPE", ["null", "string"]),
    ("EVENT_VALUE", ["null", "float"]),
)
SECONDS = 20.0
TRAINED = (
    ("u", "a", 1, "Watch", True),
    ("u", "b", 2, "Click", False),
    ("v", "b", 3, "Watch", True),
)


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    monkeypatch.setattr(seen_now, "LOOK_SECONDS", 0.0)
    with live(tmp_path, EVENTS) as opened:
        yield opened


def of(dataset: Live, made: Artifact, selection: Selection | None = None) -> tuple[Histories, SeenNow]:
    assert dataset.records is not None
    now = SeenNow(of_artifact(made), dataset.find)
    return Histories(made, now, selection or Selection(), dataset.records.put, 1), now


def event(item: str, at: int | None, kind: str = "Watch", **more: Any) -> dict[str, Any]:
    return {"ITEM_ID": item, "TIMESTAMP": at, "EVENT_TYPE": kind, **more}


def found(some: Histories, user: str) -> tuple[list[int], dict[str, frozenset[str]]]:
    history = some.of(user, some.newest(user))
    return history.items.tolist(), dict(history.seen)


def test_the_model_sees_what_training_counted_and_filters_see_everything(dataset: Live) -> None:
    some, _ = of(dataset, artifact(*TRAINED))
    assert found(some, "u") == ([0], {"watch": frozenset("a"), "click": frozenset("b")})
    assert found(some, "nobody") == ([], {})


def test_events_that_calls_put_follow_in_the_order_of_their_times(dataset: Live) -> None:
    some, _ = of(dataset, artifact(*TRAINED, items=("a", "b", "c")))
    dataset.put(event("c", 9), event("b", 5), key="u")
    dataset.put(event("b", 0), key="u")
    history = some.of("u", some.newest("u"))
    assert history.items.tolist() == [1, 0, 1, 2]
    assert history.times.tolist() == [0, 1, 5, 9]
    assert history.seen == {"watch": frozenset("abc"), "click": frozenset("b")}


def test_an_item_that_the_model_does_not_know_is_seen_and_does_not_count(dataset: Live) -> None:
    some, _ = of(dataset, artifact(*TRAINED))
    dataset.put(event("new", 9), key="u")
    assert found(some, "u") == ([0], {"watch": frozenset(["a", "new"]), "click": frozenset("b")})


def test_only_events_of_the_selection_count(dataset: Live) -> None:
    some, _ = of(dataset, artifact(*TRAINED), Selection(event_type="Click"))
    dataset.put(event("b", 9, "Click"), event("a", 10, "Watch"), key="u")
    assert found(some, "u")[0] == [0, 1]


def test_what_an_artifact_has_already_is_not_put_again(dataset: Live) -> None:
    dataset.put(event("b", 5), key="u")
    assert dataset.records is not None
    newest = dataset.records.put.newest(1)
    some, _ = of(dataset, artifact(*TRAINED, put_number=newest))
    assert found(some, "u")[0] == [0]
    dataset.put(event("b", 6), key="u")
    assert found(some, "u")[0] == [0, 1]


def test_a_state_that_was_computed_beforehand_answers_until_something_new_is_put(dataset: Live) -> None:
    states = np.array([[1.0], [2.0]], np.float32)
    some, _ = of(dataset, artifact(*TRAINED, states=states))
    known = some.of("v", some.newest("v")).state
    assert known is not None
    assert known.tolist() == [2.0]
    assert some.of("nobody", 0).state is None
    dataset.put(event("a", 9), key="v")
    assert some.of("v", some.newest("v")).state is None


def test_a_head_answers_until_something_new_is_put_and_the_last_one_who_has_no_history(dataset: Live) -> None:
    some, _ = of(dataset, artifact(*TRAINED, heads=np.array([10, 20, 30])))
    assert [some.of(user, some.newest(user)).head for user in ("u", "v", "nobody")] == [10, 20, 30]
    for user in ("v", "nobody"):
        dataset.put(event("a", 9, USER_ID=user), key=user)
    heads = [some.of(user, some.newest(user)).head for user in ("u", "v", "nobody")]
    assert heads == [10, None, None]


def test_after_an_import_filters_see_what_is_there_then_and_what_calls_put_after_it(dataset: Live) -> None:
    some, now = of(dataset, artifact(*TRAINED))
    before = some.state()
    dataset.put(event("x", 7, USER_ID="u"), key="u")
    dataset.bring(event("c", 8, USER_ID="u"), mode="FULL")
    now.look()
    assert some.state() != before
    dataset.put(event("y", 9, USER_ID="u"), key="u")
    items, types = found(some, "u")
    assert items == [0], "the model still answers for what it was trained on"
    assert types == {"watch": frozenset("xcy")}


def test_a_history_that_is_kept_tells_what_is_seen_now_once_imports_have_replaced_it(dataset: Live) -> None:
    some, now = of(dataset, artifact(*TRAINED))
    kept = some.of("u", some.newest("u"))
    dataset.bring(event("c", 8, USER_ID="u"), mode="FULL")
    now.look()
    assert kept.seen == {"watch": frozenset("c")}


def test_filters_look_at_the_newest_of_each_type(dataset: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories, "SEEN_OF_A_TYPE", 2)
    rows = [("u", f"i{at}", at, "Watch", True) for at in range(4)]
    some, _ = of(dataset, artifact(*rows, ("u", "old", 0, "Click", True)))
    dataset.put(event("new", 1), key="u")
    assert found(some, "u")[1] == {"watch": frozenset(["i3", "i2"]), "click": frozenset(["old"])}


def test_filters_look_at_a_hundred_of_each_type(dataset: Live) -> None:
    names = tuple(f"i{at:03d}" for at in range(130))
    watched = [("u", name, at, "Watch", True) for at, name in enumerate(names)]
    some, _ = of(dataset, artifact(*watched, ("u", "i000", 0, "Click", True), items=names))
    assert found(some, "u")[1] == {"watch": frozenset(names[30:]), "click": frozenset(["i000"])}


def test_an_anonymous_session_has_a_history_of_its_own(dataset: Live) -> None:
    some, _ = of(dataset, artifact(*TRAINED))
    dataset.put(event("b", 4), key="session", session="session")
    assert found(some, "session") == ([1], {"watch": frozenset("b")})


def test_a_record_whose_time_was_stored_as_null_is_passed_over(dataset: Live) -> None:
    """Older versions stored such."""
    some, _ = of(dataset, artifact(*TRAINED))
    dataset.put(event("b", None), {"ITEM_ID": "b"}, event("a", 5), key="w")
    assert found(some, "w") == ([0], {"watch": frozenset("a")})


def test_a_user_who_acts_while_threads_ask_loses_nothing_and_nothing_comes_twice(dataset: Live) -> None:
    names = tuple(f"i{number}" for number in range(30))
    some, _ = of(dataset, artifact(items=names))
    over = threading.Event()
    wrong: list[list[int]] = []

    def ask() -> None:
        last = 0
        while not over.is_set():
            items = some.of("u", some.newest("u")).items.tolist()
            if items != list(range(len(items))) or len(items) < last:
                wrong.append(items)
            last = len(items)

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask) for _ in range(3)]
        for number, name in enumerate(names):
            dataset.put(event(name, number), key="u")
        over.set()
        for one in asking:
            one.result(SECONDS)
    assert wrong == []
    assert found(some, "u")[0] == list(range(30))


def test_a_use_case_means_its_event_type_in_any_case_and_a_solution_as_it_is_written() -> None:
    events = [{"EVENT_TYPE": name} for name in ("Watch", "watch", "WATCH", "Click", None)]
    exact, folded = Selection(event_type="Watch"), Selection(event_type="Watch", in_any_case=True)
    assert [counts(exact, event) for event in events] == [True, False, False, False, False]
    assert [counts(folded, event) for event in events] == [True, True, True, False, False]
    assert not counts(folded, {})
