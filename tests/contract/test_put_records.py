"""Records that calls put: durable when they are acknowledged, each once, in one order for all processes."""

import contextlib
import json
import multiprocessing
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from sartor.data import put_commits
from sartor.data.events import PutRecords, Rejected
from sartor.data.put import Note, Row
from sartor.database import Database
from sartor.resources.store import Store

DATASET = 7
WEEK_SECONDS = 7 * 86_400
SECONDS = 20.0  # how long a test waits for what must happen


def row(key: str = "u", event: str | None = None, stored: bool = True, **cells: Any) -> Row:
    return Row(key, cells, session=f"s-{key}", event=event, stored=stored)


def noted(code: str, key: str = "u", **cells: Any) -> Row:
    return Row(key, cells, notes=[Note(code, f"{code} it is.")], stored=False)


def put(store: Store, *rows: Row, dataset: int = DATASET) -> None:
    store.put_records.put(dataset, rows).result(SECONDS)


def cells(store: Store, key: str = "u", limit: int = 100, dataset: int = DATASET) -> list[dict[str, Any]]:
    return [one for _, one in store.put_records.history(dataset, key, limit)]


def bodies(store: Store, dataset: int = DATASET, after: int = 0, upto: int = 2**62) -> list[dict[str, Any]]:
    return [json.loads(one.body) for one in store.put_records.since(dataset, after, upto, 10**6)]


@pytest.fixture
def other(database_url: str, store: Store) -> Iterator[Store]:
    """Give another process' view of the same database."""
    opened = Store.open(database_url)
    yield opened
    opened.close()


class Held:
    """A database with another way to write."""

    def __init__(
        self, database: Database, write: Callable[[], AbstractContextManager[sa.Connection]]
    ) -> None:
        self._database, self.write = database, write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


def held(store: Store) -> tuple[PutRecords, threading.Event, list[Exception]]:
    """Return put records whose commits wait for an event, and fail with what is in a list."""
    go, faults = threading.Event(), list[Exception]()

    @contextmanager
    def write() -> Iterator[sa.Connection]:
        assert go.wait(SECONDS)
        with store.database.write() as connection:
            yield connection
            if faults:
                raise faults.pop(0)

    return PutRecords(Held(store.database, write)), go, faults


def test_what_is_acknowledged_another_process_sees(store: Store, other: Store) -> None:
    before = time.time()
    put(store, row(A=1, B="é\u2028\x00", C=None, D=[]))
    ((at, found),) = other.put_records.history(DATASET, "u")
    assert found == {"A": 1, "B": "é\u2028\x00", "C": None, "D": []}
    assert before <= at <= time.time()
    (stored,) = other.put_records.since(DATASET, 0, 2**62, 10)
    assert (stored.session, json.loads(stored.body)) == ("s-u", found)
    assert other.put_records.newest(DATASET) == stored.seq > 0


def test_the_records_of_one_call_keep_their_order_and_their_numbers(store: Store) -> None:
    put(store, *(row("abc"[number % 3], N=number) for number in range(10)), row("a", N=10))
    put(store, row("a", N=11))
    found = list(store.put_records.since(DATASET, 0, 2**62, 100))
    assert [one.seq for one in found] == [*list(range(found[0].seq, found[0].seq + 11)), found[-1].seq]
    assert [one["N"] for one in cells(store, "a")] == [0, 3, 6, 9, 10, 11]
    assert [one["N"] for one in cells(store, "a", 3)] == [9, 10, 11]
    assert [one["N"] for one in cells(store, "b", 2)] == [4, 7]
    assert store.put_records.waiting(DATASET, 0)[0] == 12


def test_history_is_the_newest_of_one_user_with_the_newest_last(store: Store) -> None:
    for number in range(5):
        put(store, row("u", N=number), row("v", N=-number))
    put(store, row("u", N=99), dataset=8)
    assert [one["N"] for one in cells(store)] == [0, 1, 2, 3, 4]
    assert [one["N"] for one in cells(store, limit=2)] == [3, 4]
    assert [one["N"] for one in cells(store, "v", limit=2)] == [-3, -4]
    assert cells(store, "nobody") == []


def test_what_came_after_a_record_is_read_whatever_the_cells_say(store: Store) -> None:
    put(store, row(N=0), row("v", N=0), row(N=1))
    known = store.put_records.newest_of(DATASET, "u")
    put(store, row(N=2, TEXT="],[\n\x1e,"), row(N=3))
    put(store, row(N=4))
    after = store.put_records.after
    assert [one["N"] for one in after(DATASET, "u", 0, 100)] == [0, 1, 2, 3, 4]
    assert after(DATASET, "u", known, 100) == [{"N": 2, "TEXT": "],[\n\x1e,"}, {"N": 3}, {"N": 4}]
    assert [one["N"] for one in after(DATASET, "u", 0, 2)] == [3, 4]
    assert (
        after(DATASET, "u", store.put_records.newest(DATASET), 100) == after(DATASET, "nobody", 0, 100) == []
    )


def test_what_a_database_joins_in_another_order_is_read_by_number(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined = [("9,10,7", '{"N":9}\x1e{"N":10}\x1e{"N":7}')]
    monkeypatch.setattr(store.put_records, "_rows", lambda _query, _values: joined)
    assert [one["N"] for one in store.put_records.after(DATASET, "u", 0, 2)] == [9, 10]


def test_records_come_by_number_within_bounds(store: Store) -> None:
    assert store.put_records.newest(DATASET) == 0
    put(store, *(row(f"u{number}", N=number) for number in range(6)))
    numbers = [one.seq for one in store.put_records.since(DATASET, 0, 2**62, 100)]
    assert numbers == sorted(set(numbers))
    assert [one["N"] for one in bodies(store)] == [0, 1, 2, 3, 4, 5]
    assert [one["N"] for one in bodies(store, after=numbers[1], upto=numbers[3])] == [2, 3]
    assert len(list(store.put_records.since(DATASET, 0, 2**62, 4))) == 4
    assert list(store.put_records.since(8, 0, 2**62, 4)) == []
    assert store.put_records.newest(DATASET) == numbers[-1]


def test_what_waits_is_counted_with_the_time_of_the_first(store: Store) -> None:
    assert store.put_records.waiting(DATASET, 0) == (0, None)
    put(store, row(N=0), row(N=1))
    put(store, row(N=2))
    first, second, third = store.put_records.since(DATASET, 0, 2**62, 10)
    assert store.put_records.waiting(DATASET, 0) == (3, first.at)
    assert store.put_records.waiting(DATASET, second.seq) == (1, third.at)
    assert store.put_records.waiting(DATASET, third.seq) == (0, None)


def test_many_writers_in_two_processes_give_one_order_in_which_nothing_comes_late(
    store: Store, other: Store
) -> None:
    calls, late, over = 40, list[str](), threading.Event()

    def write(number: int) -> None:
        for call in range(calls):
            put((store, other)[number % 2], row(f"u{number}", N=call))

    def watch() -> None:
        records = other.put_records
        seen = set[int]()
        while not over.is_set():
            newest = records.newest(DATASET)
            upto = {one.seq for one in records.since(DATASET, 0, newest, 10**6)}
            if any(seq <= max(seen, default=0) for seq in upto - seen):
                late.append(f"{sorted(upto - seen)} after {max(seen)}")
            seen |= upto

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    over.set()
    watcher.join()
    assert late == []
    found = list(store.put_records.since(DATASET, 0, 2**62, 10**6))
    assert len({one.seq for one in found}) == 8 * calls
    for number in range(8):
        assert [one["N"] for one in cells(store, f"u{number}")] == list(range(calls))


def test_the_first_puts_of_two_processes_at_once_all_succeed(database_url: str) -> None:
    stores = [Store.open(database_url) for _ in range(4)]
    barrier = threading.Barrier(4)

    def first(store: Store) -> None:
        barrier.wait()
        put(store, row(N=1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(first, stores))
    assert len(bodies(stores[0])) == 4
    for store in stores:
        store.close()


def rejections(store: Store, dataset: int = DATASET) -> list[tuple[str, dict[str, Any]]]:
    return [(one.code, one.body) for one in store.put_records.rejected(dataset)]


def test_an_event_id_is_stored_once_in_one_call_and_over_calls_and_processes(
    store: Store, other: Store
) -> None:
    put(store, row("u", "e", N=1), row("u", "e", N=2), row("v", "f", N=3))
    put(store, row("u", "e", N=4))
    put(other, row("w", "f", N=5), row("w", "g", N=6))
    assert [one["N"] for one in bodies(store)] == [1, 3, 6]
    assert rejections(store) == [("REPEATED_EVENT_ID", {"N": n}) for n in (5, 4, 2)]
    assert "e" in store.put_records.rejected(DATASET)[-1].reason


def test_an_event_id_may_occur_in_each_dataset_and_none_is_like_another(store: Store) -> None:
    put(store, row("u", "e", N=1))
    put(store, row("u", "e", N=2), dataset=8)
    put(store, row(N=3), row(N=3))
    assert len(bodies(store)) == 3
    assert len(bodies(store, 8)) == 1
    assert rejections(store) == []


def test_an_event_of_no_use_does_not_take_its_id(store: Store) -> None:
    put(store, row("u", "e", stored=False, N=1), row("u", "e", N=2))
    assert [one["N"] for one in bodies(store)] == [2]


def _put_many(url: str, barrier: threading.Barrier, number: int) -> None:
    store = Store.open(url)
    barrier.wait()
    for call in range(30):
        put(store, row(f"p{number}", f"e{call}", N=number))
    store.close()


def test_of_one_event_id_in_many_processes_exactly_one_is_stored(database_url: str, store: Store) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(3) as pool:
        barrier = manager.Barrier(3)
        pool.starmap(_put_many, [(database_url, barrier, number) for number in range(3)])
    assert len(bodies(store)) == 30
    assert store.put_records.rejected_counts(DATASET) == {"REPEATED_EVENT_ID": 60}


def test_rejections_are_paged_newest_first_and_counted_by_code(store: Store) -> None:
    for number in range(7):
        put(store, noted("NO_ITEM" if number % 2 else "NULL_SESSION", N=number))
    put(store, noted("NO_ITEM"), dataset=8)
    found: list[Rejected] = []
    while page := store.put_records.rejected(DATASET, limit=3, before=found[-1].seq if found else None):
        assert len(page) <= 3
        found += page
    assert [one.body["N"] for one in found] == [6, 5, 4, 3, 2, 1, 0]
    assert (found[-1].code, found[-1].reason) == ("NULL_SESSION", "NULL_SESSION it is.")
    assert store.put_records.rejected_counts(DATASET) == {"NULL_SESSION": 4, "NO_ITEM": 3}
    assert store.put_records.counts == {"NULL_SESSION": 4, "NO_ITEM": 4}
    assert bodies(store) == []


def test_a_record_may_be_stored_and_have_notes(store: Store) -> None:
    put(store, Row("u", {"A": 1}, notes=[Note("UNKNOWN_KEY", "x"), Note("INVALID_VALUE", "y")]))
    assert bodies(store) == [{"A": 1}]
    assert sorted(rejections(store)) == [("INVALID_VALUE", {"A": 1}), ("UNKNOWN_KEY", {"A": 1})]


def test_deleting_users_takes_theirs_and_nothing_else(store: Store) -> None:
    users = [f"u{number}" for number in range(1200)]
    put(store, *(row(user, USER_ID=user) for user in users), row("v", USER_ID="v"))
    put(store, noted("NO_ITEM", USER_ID="u3"), noted("NO_ITEM", USER_ID="v"), noted("NO_ITEM"))
    put(store, row("u3", USER_ID="u3"), dataset=8)
    for _ in range(2):  # a repeated call is harmless
        store.put_records.delete_keys(DATASET, users)
        assert bodies(store) == [{"USER_ID": "v"}]
        assert [body for _, body in rejections(store)] == [{}, {"USER_ID": "v"}]
    assert bodies(store, 8) == [{"USER_ID": "u3"}]


def test_deleting_a_users_session_leaves_the_user_of_that_name(store: Store) -> None:
    put(store, row("s", ITEM_ID='"USER_ID":'), row("s", USER_ID="s"), row("u", USER_ID="u"))
    store.put_records.delete_keys(DATASET, ["u"], sessions=["s"])
    assert bodies(store) == [{"USER_ID": "s"}]


def test_deleting_a_dataset_leaves_the_others(store: Store) -> None:
    for dataset in (DATASET, 8):
        put(store, row(N=1), noted("NO_ITEM"), dataset=dataset)
    store.put_records.delete_dataset(DATASET)
    assert (bodies(store), rejections(store)) == ([], [])
    assert (len(bodies(store, 8)), len(rejections(store, 8))) == (1, 1)


class Calendar:
    """A clock of the put records that stands still, some weeks ago."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(put_commits, "clock", SimpleNamespace(now=lambda: self.now))

    def turn(self, weeks_ago: float) -> float:
        """Turn to the first minute of a week, and return when it began."""
        this = time.time() // WEEK_SECONDS * WEEK_SECONDS
        self.now = this - weeks_ago * WEEK_SECONDS + 60
        return self.now - 60


@pytest.fixture
def calendar(monkeypatch: pytest.MonkeyPatch) -> Calendar:
    return Calendar(monkeypatch)


def prune(store: Store, upto: int, before: float, dataset: int = DATASET) -> None:
    store.put_records.prune(dataset, upto, before)
    store.put_records.prune_weeks({dataset: upto, 8: 0}, before)


def test_pruning_keeps_what_is_not_drained_and_what_is_young(store: Store, calendar: Calendar) -> None:
    for number, weeks_ago in enumerate((100, 99, 98)):
        calendar.turn(weeks_ago)
        put(store, row(N=number), noted("NO_ITEM", N=number))
    first, second, third = store.put_records.since(DATASET, 0, 2**62, 10)
    prune(store, third.seq, calendar.turn(100))
    assert len(bodies(store)) == len(rejections(store)) == 3
    prune(store, first.seq, calendar.turn(98))
    assert [one["N"] for one in bodies(store)] == [1, 2]
    assert [one["N"] for _, one in rejections(store)] == [2]
    prune(store, second.seq, calendar.turn(90))
    assert [one["N"] for one in bodies(store)] == [2]
    assert rejections(store) == []


def test_a_week_waits_until_every_dataset_is_drained_and_one_that_is_gone_holds_it_no_longer(
    store: Store, calendar: Calendar
) -> None:
    calendar.turn(100)
    put(store, row(N=0))
    put(store, row(N=1), dataset=8)
    newest = store.put_records.newest(DATASET)
    prune(store, newest, calendar.turn(90))
    assert len(bodies(store, 8)) == 1
    store.put_records.delete_dataset(8)
    prune(store, newest, calendar.turn(90))
    assert bodies(store) == []


def test_a_week_that_is_read_is_dropped_later(store: Store, calendar: Calendar) -> None:
    calendar.turn(100)
    put(store, *(row(N=number) for number in range(9)))
    newest = store.put_records.newest(DATASET)
    if store.database.weeks.divided:
        reader = store.put_records.since(DATASET, 0, newest, 9)
        next(reader)
        prune(store, newest, calendar.turn(90))
        assert len(bodies(store)) == 9
        reader.close()  # type: ignore[attr-defined]
    prune(store, newest, calendar.turn(90))
    assert bodies(store) == []


def test_a_dataset_of_which_everything_was_pruned_is_known_to_have_had_records_and_goes_on(
    store: Store, calendar: Calendar
) -> None:
    calendar.turn(100)
    put(store, row(N=0))
    newest = store.put_records.newest(DATASET)
    prune(store, newest, calendar.turn(90))
    assert (bodies(store), store.put_records.newest_at(DATASET)) == ([], None)
    assert store.put_records.newest(DATASET) == newest
    with store.read() as transaction:
        assert transaction.put_number(DATASET) >= newest
        assert transaction.has_put(DATASET)
        assert not transaction.has_put(8)
    put(store, row(N=1))
    assert store.put_records.newest(DATASET) > newest
    assert store.put_records.newest_at(DATASET) == calendar.now


def test_a_clock_that_was_never_set_is_no_matter(store: Store, calendar: Calendar) -> None:
    calendar.now = 3.0
    put(store, row(N=0))
    put(store, row(N=1))
    assert [one["N"] for one in cells(store)] == [0, 1]


def test_numbers_grow_whatever_the_clock_does(store: Store, other: Store, calendar: Calendar) -> None:
    for number, weeks_ago in enumerate((5.0, 9.0, -3.0, 0.0, 2_800.0)):
        calendar.turn(weeks_ago)
        put((store, other)[number % 2], row(N=number))
    assert [one["N"] for one in bodies(store)] == [0, 1, 2, 3, 4]
    assert [one["N"] for one in cells(store)] == [0, 1, 2, 3, 4]


def test_a_history_goes_over_weeks(store: Store, calendar: Calendar) -> None:
    numbers = []
    for number in range(6):
        calendar.turn(50 - number)
        put(store, row(N=number), row("v", N=number))
        numbers.append(store.put_records.newest_of(DATASET, "u"))
    assert numbers == sorted(numbers)
    assert [one["N"] for one in cells(store, limit=4)] == [2, 3, 4, 5]
    assert [one["N"] for one in store.put_records.after(DATASET, "u", numbers[3], 100)] == [4, 5]
    assert store.put_records.changed(DATASET, ["u", "v", "w"], numbers[4]) == {"u", "v"}
    assert store.put_records.changed(DATASET, ["u", "w"], numbers[5]) == set()


def test_datasets_do_not_wait_for_each_other(store: Store, other: Store, database_url: str) -> None:
    if database_url.startswith("sqlite"):
        pytest.skip("SQLite has one writer at a time")
    records, go, _ = held(store)
    inside = threading.Event()

    @contextmanager
    def write() -> Iterator[sa.Connection]:
        with store.database.write() as connection:
            yield connection
            inside.set()
            assert go.wait(SECONDS)

    records._commits._write = write
    slow = records.put(DATASET, [row(N=0)])
    assert inside.wait(SECONDS)
    put(other, row(N=1), dataset=8)
    assert not slow.done()
    go.set()
    slow.result(SECONDS)


def test_a_database_of_the_first_version_goes_on_with_its_records(database_url: str) -> None:
    old = Store.open(database_url)
    with old.write() as transaction:
        run = transaction._connection.exec_driver_sql
        for table in ("put_record", "put_number"):
            run(f"DROP TABLE {table}")
        run(
            "CREATE TABLE put_record (dataset BIGINT NOT NULL, key TEXT NOT NULL, seq BIGINT NOT NULL, "
            "count INTEGER NOT NULL, at DOUBLE PRECISION NOT NULL, session TEXT, body TEXT NOT NULL, "
            "CONSTRAINT put_record_pkey PRIMARY KEY (dataset, key, seq))"
        )
        run("CREATE INDEX put_record_seq ON put_record (dataset, seq)")
        run("CREATE TABLE put_counter (id INTEGER NOT NULL PRIMARY KEY, seq BIGINT NOT NULL)")
        run("INSERT INTO put_counter VALUES (1, 12)")
        for number in (3, 9):
            run(f"INSERT INTO put_record VALUES (7, 'u', {number}, 1, 1.5, NULL, '{{\"N\":{number}}}')")
        run("UPDATE setting SET value = '1' WHERE key = 'schema_version'")
        run("DELETE FROM setting WHERE key = 'storage_layout'")
    old.close()
    for _ in range(2):
        store = Store.open(database_url)
        assert store.put_records.newest(DATASET) == max(9, store.put_records.newest_of(DATASET, "u"))
        put(store, row(N=10))
        assert [one["N"] for one in bodies(store)][:3] == [3, 9, 10]
        assert [one["N"] for one in cells(store, limit=3)][-1] == 10
        store.close()
    store = Store.open(database_url)
    assert [one["N"] for one in store.put_records.after(DATASET, "u", 9, 10)] == [10, 10]
    prune(store, 9, time.time() - 10)
    assert [one["N"] for one in bodies(store)] == [10, 10]
    store.close()


def test_a_lease_has_one_holder_until_it_ends_or_lapses(store: Store, other: Store) -> None:
    mine, theirs = store.put_records, other.put_records
    assert mine.lease("drain/7", "a", 60)
    assert mine.lease("drain/7", "a", 60)
    assert not theirs.lease("drain/7", "b", 60)
    assert theirs.lease("drain/8", "b", 60)
    theirs.end_lease("drain/7", "b")  # not theirs to give back
    assert not theirs.lease("drain/7", "b", 60)
    mine.end_lease("drain/7", "a")
    assert theirs.lease("drain/7", "b", -1)
    assert mine.lease("drain/7", "a", 60)


def test_of_many_who_want_a_lease_at_once_exactly_one_gets_it(store: Store, other: Store) -> None:
    barrier = threading.Barrier(8)

    def take(number: int) -> int:
        barrier.wait()
        return sum(
            (store, other)[number % 2].put_records.lease(f"chore/{chore}", str(number), 60)
            for chore in range(10)
        )

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(8))) == 10


def test_closing_commits_what_waits_and_takes_no_more(store: Store) -> None:
    records, go, _ = held(store)
    calls = [records.put(DATASET, [row(N=number)]) for number in range(1500)]  # some batches
    assert not any(call.done() for call in calls)
    closing = threading.Thread(target=records.close)
    closing.start()
    go.set()
    closing.join(SECONDS)
    assert all(call.done() and call.exception() is None for call in calls)
    assert [one["N"] for one in bodies(store)] == list(range(1500))
    with pytest.raises(RuntimeError):
        records.put(DATASET, [row()])


def test_records_that_never_wrote_close_at_once(store: Store) -> None:
    held(store)[0].close()


def first_and_rest(records: PutRecords) -> tuple["Future[None]", list["Future[None]"]]:
    """Put one call, and then calls that wait for the next commit."""
    first = records.put(DATASET, [row(N=0)])
    while records._commits._waiting:  # until the writer has taken it
        time.sleep(0.001)
    return first, [records.put(DATASET, [row(N=number)]) for number in (1, 2)]


def test_a_commit_waits_for_as_many_callers_as_the_last_one_served_or_kept_waiting(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(put_commits, "_TOGETHER_SECONDS", SECONDS)
    records, go, _ = held(store)
    first, rest = first_and_rest(records)
    go.set()
    first.result(SECONDS)
    assert not any(call.done() for call in rest)
    last = records.put(DATASET, [row(N=3)])
    for call in [*rest, last]:
        call.result(SECONDS / 2)
    alone = records.put(DATASET, [row(N=4)])  # the others do not come again
    closing = threading.Thread(target=records.close)
    closing.start()
    closing.join(SECONDS / 2)
    assert alone.done()
    assert [one["N"] for one in bodies(store)] == [0, 1, 2, 3, 4]


def test_a_caller_who_is_alone_waits_for_nobody(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(put_commits, "_TOGETHER_SECONDS", SECONDS)
    records, go, _ = held(store)
    go.set()
    for number in range(3):
        records.put(DATASET, [row(N=number)]).result(SECONDS / 2)
    records.close()


def test_a_commit_that_fails_fails_exactly_its_callers(store: Store) -> None:
    records, go, faults = held(store)
    first, rest = first_and_rest(records)
    faults.append(OSError("disk full"))
    go.set()
    with pytest.raises(OSError, match="disk full"):
        first.result(SECONDS)
    for call in rest:
        call.result(SECONDS)
    assert [one["N"] for one in bodies(store)] == [1, 2]
    records.close()


@pytest.mark.parametrize("fails", [False, True])
def test_a_caller_that_left_stops_nobody(store: Store, fails: bool) -> None:
    records, go, faults = held(store)
    first, rest = first_and_rest(records)
    if fails:
        faults.append(OSError("disk full"))
    assert first.cancel()
    go.set()
    for call in rest:
        call.result(SECONDS)
    with contextlib.suppress(CancelledError):
        first.result(SECONDS)
    records.close()


def test_a_database_that_cannot_be_written_fails_the_call_and_works_again_later(store: Store) -> None:
    put(store, row(N=1))
    with store.write() as transaction:
        transaction._connection.exec_driver_sql("ALTER TABLE put_number RENAME TO gone")
    with pytest.raises(Exception, match="put_number"):  # as the driver says it
        put(store, row(N=2))
    with store.write() as transaction:
        transaction._connection.exec_driver_sql("ALTER TABLE gone RENAME TO put_number")
    put(store, row(N=3))
    assert [one["N"] for one in bodies(store)] == [1, 3]


def test_sqlite_keeps_one_users_records_together(store: Store) -> None:
    if not store.local:
        pytest.skip("PostgreSQL chooses its own plan")
    with contextlib.closing(sqlite3.connect(str(store.database.file.path))) as connection:
        plan = connection.execute(
            "EXPLAIN QUERY PLAN SELECT seq, at, session, body FROM put_record "
            "WHERE dataset = 1 AND key = 'u' ORDER BY seq DESC LIMIT 9"
        ).fetchall()
    assert len(plan) == 1
    assert "USING PRIMARY KEY" in plan[0][-1]
