"""A look takes up what has changed, when it is time, and one thread at a time has it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sartor.realtime import watch
from sartor.realtime.watch import Watch

SECONDS = 20.0


class Dataset:
    """Records whose state is a number; what was taken up is noted."""

    def __init__(self, state: int | None = 0) -> None:
        self.state = state
        self.taken: list[int] = []

    def find(self) -> Any:
        return None if self.state is None else self

    def watch(self, seconds: float = 5.0, known: int | None = None) -> Watch[int]:
        return Watch(seconds, self.find, lambda one: cast("Any", one).state, self.take, known)

    def take(self, _records: Any, state: int) -> None:
        self.taken.append(state)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(watch, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_the_first_look_comes_at_once_and_the_next_ones_after_their_time(clock: SimpleNamespace) -> None:
    dataset = Dataset()
    watched = dataset.watch(5.0)
    for seconds, taken in ((0.0, [0]), (4.9, [0]), (0.1, [0, 1]), (4.9, [0, 1]), (0.2, [0, 1, 2])):
        clock.now += seconds
        watched.look()
        assert dataset.taken == taken
        dataset.state = len(taken)


def test_what_is_known_or_gone_is_not_taken_up(clock: SimpleNamespace) -> None:
    dataset = Dataset(state=7)
    watched = dataset.watch(5.0, known=7)
    watched.look()
    dataset.state = None
    clock.now += 5
    watched.look()
    assert dataset.taken == []
    dataset.state = 8
    clock.now += 5
    watched.look()
    assert dataset.taken == [8]


def test_what_could_not_be_taken_up_is_tried_again_after_its_time(clock: SimpleNamespace) -> None:
    dataset = Dataset(state=1)
    broken = [OSError("away")]

    def take(_records: Any, state: int) -> None:
        if broken:
            raise broken.pop()
        dataset.taken.append(state)

    watched = Watch(5.0, dataset.find, lambda one: cast("Any", one).state, take)
    with pytest.raises(OSError, match="away"):
        watched.look()
    watched.look()
    assert dataset.taken == []
    clock.now += 5
    watched.look()
    assert dataset.taken == [1]


def test_while_one_thread_takes_up_no_other_waits_for_it(clock: SimpleNamespace) -> None:
    dataset, begun, go = Dataset(state=1), threading.Event(), threading.Event()

    def take(_records: Any, state: int) -> None:
        begun.set()
        assert go.wait(SECONDS)
        dataset.taken.append(state)

    watched = Watch(0.0, dataset.find, lambda one: cast("Any", one).state, take)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(watched.look)
        assert begun.wait(SECONDS)
        for _ in range(3):
            watched.look()  # would wait for ever
        assert dataset.taken == []
        go.set()
        first.result(SECONDS)
    assert dataset.taken == [1]


def test_many_threads_take_up_each_state_once(clock: SimpleNamespace) -> None:
    dataset = Dataset()
    watched = dataset.watch(0.0)
    barrier = threading.Barrier(8)

    def look() -> None:
        for _ in range(200):
            watched.look()

    with ThreadPoolExecutor(8) as pool:
        for state in range(5):
            dataset.state = state
            for done in [pool.submit(lambda: (barrier.wait(SECONDS), look())) for _ in range(8)]:
                done.result(SECONDS)
    assert dataset.taken == [0, 1, 2, 3, 4]


def test_the_state_of_records_follows_imports_and_calls() -> None:
    versions: list[int | None] = [None, 3]
    records = cast(
        "Any",
        SimpleNamespace(
            number=9,
            bulk_table=SimpleNamespace(version=lambda: versions[0]),
            put=SimpleNamespace(newest=lambda number: number * 10),
        ),
    )
    assert (watch.imported(records), watch.all_records(records)) == (-1, (-1, 90))
    versions.pop(0)
    assert (watch.imported(records), watch.all_records(records)) == (3, (3, 90))
