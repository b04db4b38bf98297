"""What filters see of users: the training's interactions, and within seconds those of imports that came after it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from live_records import Live, live
from sartor.realtime import seen_now
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
)
SECONDS = 20.0


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    monkeypatch.setattr(seen_now, "LOOK_SECONDS", 0.0)
    with live(tmp_path, EVENTS) as opened:
        yield opened


def event(user: str, item: str, at: int, kind: str = "Watch") -> dict[str, object]:
    return {"USER_ID": user, "ITEM_ID": item, "TIMESTAMP": at, "EVENT_TYPE": kind}


def test_an_artifact_tells_each_users_own_oldest_first_with_types_that_compare() -> None:
    found = of_artifact(
        artifact(("u", "a", 2, "Watch", True), ("u", "b", 1, "CLICK", False), ("v", "a", 3, "Watch", True))
    )
    assert found.of("u") == [(1, "click", "b"), (2, "watch", "a")]
    assert found.of("v") == [(3, "watch", "a")]
    assert found.of("nobody") == []


def test_without_a_newer_import_nothing_is_read(dataset: Live) -> None:
    now = SeenNow(of_artifact(artifact(("u", "a", 1, "Watch", True))), dataset.find)
    dataset.put(event("u", "b", 2), key="u")
    before = now.seen
    now.look()
    assert now.seen is before


def test_an_import_is_taken_up_with_what_calls_had_put_by_then(dataset: Live) -> None:
    now = SeenNow(of_artifact(artifact(("u", "a", 1, "Watch", True))), dataset.find)
    dataset.put(event("u", "b", 5), key="u")
    dataset.bring(event("u", "c", 3, "Click"), event("w", "d", 4))
    now.look()
    assert now.seen.of("u") == [(3, "click", "c"), (5, "watch", "b")]
    assert now.seen.of("w") == [(4, "watch", "d")]
    assert dataset.records is not None
    assert now.seen.put_number == dataset.records.put.newest(1)
    assert now.seen.bulk_version == 0


def test_a_dataset_that_is_gone_leaves_what_was_seen(dataset: Live) -> None:
    now = SeenNow(of_artifact(artifact(("u", "a", 1, "Watch", True))), dataset.find)
    dataset.bring(event("u", "c", 3))
    dataset.records = None
    now.look()
    assert now.seen.of("u") == [(1, "watch", "a")]


def test_whoever_reads_while_imports_come_has_one_moment_whole(dataset: Live) -> None:
    now = SeenNow(of_artifact(artifact(("u", "a", 0, "Watch", True))), dataset.find)
    over = threading.Event()
    torn: list[object] = []

    def read() -> None:
        while not over.is_set():
            one = now.seen
            first, second = one.of("u"), one.of("v")
            if one.bulk_version >= 0 and first != second:
                torn.append((first, second))

    with ThreadPoolExecutor(3) as pool:
        reading = [pool.submit(read) for _ in range(3)]
        for number in range(6):
            dataset.bring(event("u", f"i{number}", number), event("v", f"i{number}", number), mode="FULL")
            now.look()
        over.set()
        for one in reading:
            one.result(SECONDS)
    assert torn == []
    assert now.seen.of("u") == [(5, "watch", "i5")]
