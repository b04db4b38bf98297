"""Chores come when they are due, on a clock that is moved."""

from typing import Any, cast

from sartor.work.chores import Chore, Chores, chores_of
from sartor.work.tools import Tools

TOOLS = cast("Tools", None)
DAY = 86_400.0


class Clock:
    now = 1.7e9

    def __call__(self) -> float:
        return self.now


def test_each_chore_has_its_own_period() -> None:
    clock = Clock()
    begun: list[tuple[str, float]] = []

    def chore(name: str, seconds: float) -> Chore:
        return Chore(name, seconds, lambda _tools, now: begun.append((name, now)))

    chores = Chores([chore("often", 60), chore("seldom", DAY)], clock)
    start = clock.now
    chores.run(TOOLS)
    assert begun == [("often", start), ("seldom", start)]
    for clock.now in (start + 59, start + 60, start + 61, start + DAY):
        chores.run(TOOLS)
    assert begun[2:] == [("often", start + 60), ("often", start + DAY), ("seldom", start + DAY)]


def test_a_chore_that_breaks_holds_up_no_other_and_comes_again() -> None:
    clock, done = Clock(), []

    def broken(_tools: Any, _now: float) -> None:
        done.append("broken")
        raise OSError("away")

    chores = Chores([Chore("broken", 10, broken), Chore("good", 10, lambda *_: done.append("good"))], clock)
    chores.run(TOOLS)
    clock.now += 10
    chores.run(TOOLS)
    assert done == ["broken", "good"] * 2


def test_a_clock_that_is_set_back_stops_nothing() -> None:
    clock, done = Clock(), []
    chores = Chores([Chore("good", 60, lambda *_: done.append(clock.now))], clock)
    chores.run(TOOLS)
    clock.now -= DAY
    chores.run(TOOLS)
    assert len(done) == 2


def test_automatic_training_is_a_chore_unless_it_is_off() -> None:
    names = [[one.name for one in chores_of("w", on)] for on in (True, False)]
    assert set(names[0]) - set(names[1]) == {"automatic training"}
