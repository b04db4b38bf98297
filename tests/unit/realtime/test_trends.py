"""What is trending now, from records of any age, and with clocks that are wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import duckdb
import numpy as np
import pytest

from sartor.models import best
from sartor.realtime import trends
from sartor.realtime.trends import Trends

HOUR = 3600
CLOCK = 1_800_000_000
NAMES = ("a", "b", "c", "d")

Rows = list[tuple[str, int]]


class Records:
    """An Interactions dataset in memory."""

    number = 1

    def __init__(self, rows: Rows) -> None:
        self.rows, self.reads = rows, 0
        self.put = SimpleNamespace(newest=lambda _: len(self.rows))
        self.bulk_table = SimpleNamespace(version=lambda: 1)

    @contextmanager
    def open(self, _store: str) -> Iterator[duckdb.DuckDBPyConnection]:
        self.reads += 1
        with duckdb.connect() as connection:
            connection.execute('CREATE TABLE data ("ITEM_ID" VARCHAR, "TIMESTAMP" BIGINT)')
            connection.executemany("INSERT INTO data VALUES (?, ?)", [list(row) for row in self.rows])
            yield connection


class Clock:
    """A clock that stands still until it is set; every look is due."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = float(CLOCK)
        monkeypatch.setattr(trends, "LOOK_SECONDS", 0.0)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class Items:
    """The rows of a catalogue, newer ones at the end."""

    def __init__(self) -> None:
        self.names = list(NAMES)

    def __len__(self) -> int:
        return len(self.names)

    def add(self, names: list[str]) -> None:
        self.names += [name for name in names if name not in self.names]

    def find(self, name: str) -> int:
        return self.names.index(name)


def watched(rows: Rows, clock: Clock, items: Items | None = None) -> tuple[Trends, Records]:
    """Return the trends of a model that was trained on these rows, and the dataset with them."""
    artifact = SimpleNamespace(
        item=np.array([NAMES.index(name) for name, _ in rows], np.int32),
        time=np.array([at for _, at in rows], np.int64),
        model=SimpleNamespace(
            window_seconds=2 * HOUR,
            arrays=lambda: {"scores": np.zeros(len(NAMES), np.float32)},
        ),
    )
    records = Records(list(rows))
    found = Trends(cast("Any", artifact), cast("Any", items or Items()), lambda: cast("Any", records), clock)
    return found, records


def listed(found: Trends, items: Items | None = None) -> str:
    found.look()
    names = (items or Items()).names
    return "".join(names[row] for row in best.top(found.scores.values, len(names)))


BEFORE = [("a", CLOCK - 3 * HOUR)] * 5 + [("b", CLOCK - 3 * HOUR)] * 2 + [("c", CLOCK - 3 * HOUR)]


def test_an_event_of_tomorrow_does_not_hold_up_the_list(clock: Clock) -> None:
    found, records = watched(BEFORE, clock)
    records.rows += [("d", CLOCK + 24 * HOUR), ("d", CLOCK * 1000)]
    assert listed(found)[0] == "a"
    records.rows += [("c", CLOCK - 5)] * 6
    assert listed(found) == "cabd"


def test_a_clock_that_is_a_little_ahead_counts(clock: Clock) -> None:
    found, records = watched(BEFORE, clock)
    records.rows += [("c", CLOCK + 600)] * 6
    assert listed(found)[0] == "c"


def test_a_trend_of_the_present_passes_with_the_time_although_nothing_new_comes(clock: Clock) -> None:
    found, _ = watched([*BEFORE, *[("c", CLOCK - 60)] * 3], clock)
    assert listed(found)[0] == "c"
    clock.now += 5 * HOUR
    assert listed(found) == "acbd"  # by popularity


def test_what_is_old_ends_at_its_newest_record_and_is_not_read_again(clock: Clock) -> None:
    found, records = watched([*BEFORE, *[("c", CLOCK - 60)] * 3], clock)
    clock.now += 100 * 24 * HOUR
    assert listed(found)[0] == "c"
    listed(found)
    reads = records.reads
    clock.now += HOUR
    assert listed(found)[0] == "c"
    assert records.reads == reads


def test_what_has_no_trend_follows_by_popularity_each_interaction_once(clock: Clock) -> None:
    # in the two windows b fell; all in all a has had more
    rows = [("a", CLOCK - 30 * HOUR)] * 9 + [("b", CLOCK - 3 * HOUR)] * 4 + [("b", CLOCK - 60)] * 3
    assert listed(watched([*rows, ("d", CLOCK - 30 * HOUR)], clock)[0]) == "abdc"


def test_what_no_training_has_seen_trends_as_well(clock: Clock) -> None:
    items = Items()
    found, records = watched(BEFORE, clock, items)
    records.rows += [("new", CLOCK - 5)] * 6
    assert listed(found, items).startswith("newa")
