"""What takes long to load is loaded once, kept while it is needed, and holds up nobody who asks for something else."""

import asyncio
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from sartor.errors import TakesLong
from sartor.realtime.loaded import Loaded

SECONDS = 20.0


class Shelf:
    """Things that are their own names; loads are counted, and wait while ``gate`` is shut."""

    def __init__(self, spare: int = 2) -> None:
        self.loaded: Loaded[str, str] = Loaded(spare)
        self.loads: Counter[str] = Counter()
        self.begun, self.gate = threading.Event(), threading.Event()
        self.gate.set()

    def of(self, name: str) -> str:
        return self.loaded.of(name, lambda: self._load(name))

    def _load(self, name: str) -> str:
        self.loads[name] += 1
        self.begun.set()
        assert self.gate.wait(SECONDS)
        return name

    def names(self) -> list[str]:
        return self.loaded.all()


def test_a_thing_is_loaded_once_and_found_again() -> None:
    shelf = Shelf()
    assert [shelf.of("a"), shelf.of("b"), shelf.of("a")] == ["a", "b", "a"]
    assert shelf.loads == {"a": 1, "b": 1}
    assert "a" in shelf.loaded
    assert "c" not in shelf.loaded


def test_of_what_is_not_needed_the_last_that_were_asked_for_are_kept() -> None:
    shelf = Shelf(spare=2)
    for name in ("a", "b", "c", "a"):
        shelf.of(name)
    assert shelf.loaded.has_room(lambda name: name in "bc")
    assert not shelf.loaded.has_room(lambda _: False)
    assert shelf.loaded.drop(lambda _: False) == {"b"}
    assert shelf.names() == ["c", "a"]
    assert shelf.loaded.drop(lambda _: True) == set()


def test_what_is_discarded_goes_whoever_needs_it_and_comes_back_when_asked_for() -> None:
    shelf = Shelf()
    shelf.of("a")
    shelf.loaded.discard({"a", "never there"})
    assert shelf.names() == []
    shelf.of("a")
    assert shelf.loads["a"] == 2


def test_whoever_asks_for_what_is_coming_is_told_when_and_others_do_not_wait() -> None:
    shelf = Shelf()
    shelf.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(shelf.of, "a")
        assert shelf.begun.wait(SECONDS)
        with pytest.raises(TakesLong) as told:
            shelf.of("a")
        assert told.value.coming is not None
        assert not told.value.coming.done()
        assert shelf.names() == []
        shelf.gate.set()
        assert first.result(SECONDS) == told.value.coming.result(SECONDS) == "a"
    assert shelf.loads == {"a": 1}


def test_an_event_loop_loads_nothing_itself() -> None:
    shelf = Shelf()

    async def ask() -> None:
        with pytest.raises(TakesLong) as told:
            shelf.of("a")
        assert told.value.coming is None

    asyncio.run(ask())
    assert shelf.loads == {}
    shelf.of("a")

    async def ask_again() -> str:
        return shelf.of("a")

    assert asyncio.run(ask_again()) == "a"


def test_a_load_that_breaks_is_told_to_all_who_wait_and_tried_by_the_next() -> None:
    loaded: Loaded[str, str] = Loaded(1)
    begun, go = threading.Event(), threading.Event()

    def broken() -> str:
        begun.set()
        assert go.wait(SECONDS)
        raise OSError("away")

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(loaded.of, "a", broken)
        assert begun.wait(SECONDS)
        with pytest.raises(TakesLong) as told:
            loaded.of("a", broken)
        go.set()
        for waiting in (first, told.value.coming):
            assert waiting is not None
            with pytest.raises(OSError, match="away"):
                waiting.result(SECONDS)
    assert loaded.of("a", lambda: "there") == "there"


def test_many_threads_load_each_thing_once() -> None:
    shelf = Shelf(spare=100)
    barrier = threading.Barrier(8)

    def ask(name: str) -> str:
        while True:
            try:
                return shelf.of(name)
            except TakesLong as long:
                assert long.coming is not None
                long.coming.result(SECONDS)

    def ask_all() -> list[str]:
        barrier.wait(SECONDS)
        return [ask(f"thing-{number}") for number in range(50)]

    with ThreadPoolExecutor(8) as pool:
        found = [pool.submit(ask_all) for _ in range(8)]
        assert all(one.result(SECONDS) == [f"thing-{number}" for number in range(50)] for one in found)
    assert set(shelf.loads.values()) == {1}
    assert len(shelf.loads) == 50
