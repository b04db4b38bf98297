"""Lists of what users have interacted with: written once, mapped by all, and as good as everything for a filter."""

import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from live_records import Live, live
from sartor.data import shards
from sartor.data.dataset import DatasetRecords
from sartor.realtime import seen_lists
from sartor.realtime.histories import newest_by_type
from sartor.realtime.seen import Seen
from tables import schema_of

EVENTS = schema_of(
    "Interactions",
    ("USER_ID", "string"),
    ("ITEM_ID", "string"),
    ("TIMESTAMP", "long"),
    ("EVENT_TYPE", ["null", "string"]),
)
ACTED = schema_of(
    "ActionInteractions",
    ("USER_ID", "string"),
    ("ACTION_ID", "string"),
    ("TIMESTAMP", "long"),
    ("EVENT_TYPE", "string"),
)
SECONDS = 60.0
TYPES = ("Watch", "watch", "click", None)


@pytest.fixture
def dataset(tmp_path: Path) -> Iterator[Live]:
    with live(tmp_path, EVENTS) as opened:
        yield opened


def of(dataset: Live) -> DatasetRecords:
    assert dataset.records is not None
    return dataset.records


def lists(dataset: Live) -> Seen:
    records = of(dataset)
    version = records.bulk_table.version()
    assert version is not None
    return seen_lists.read(records, version)


def files(dataset: Live) -> set[str]:
    return {path for path, _ in of(dataset).storage.list(of(dataset).seen_folder)}


def event(user: str, item: str, at: int, kind: str | None = "Watch") -> dict[str, object]:
    return {"USER_ID": user, "ITEM_ID": item, "TIMESTAMP": at, "EVENT_TYPE": kind}


def test_filters_see_in_the_lists_what_they_see_in_everything(
    dataset: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw, most = random.Random(5), 3
    monkeypatch.setattr(shards, "SHARD_ROWS", 40)
    rows = {
        (f"u{draw.randrange(12)}", f"i{draw.randrange(30):02d}", draw.randrange(20), draw.choice(TYPES))
        for _ in range(400)
    }
    dataset.bring(*(event(*row) for row in rows))
    monkeypatch.setattr(seen_lists, "_MOST", {})
    everything = lists(dataset)
    of(dataset).forget_seen()
    monkeypatch.setattr(seen_lists, "_MOST", {"INTERACTIONS": most})
    some = lists(dataset)
    assert some.types == ("", "watch", "click"), "types are what filters compare"
    for user in [*(f"u{n}" for n in range(12)), "nobody"]:
        wanted = [(at, (kind or "").casefold(), item) for who, item, at, kind in rows if who == user]
        assert sorted(everything.of(user)) == sorted(wanted)
        assert [at for at, _, _ in some.of(user)] == sorted(at for at, _, _ in some.of(user))
        for later in ([], [(15, "watch", "new"), (19, "click", "i01")]):
            found = newest_by_type([*some.of(user), *later], most)
            assert found == newest_by_type([*everything.of(user), *later], most)
    assert len(some.item) <= 12 * 3 * most < len(everything.item)


def test_what_users_did_with_actions_is_there_whole(tmp_path: Path) -> None:
    with live(tmp_path, ACTED) as dataset:
        rows = [
            {"USER_ID": "u", "ACTION_ID": "a", "TIMESTAMP": at, "EVENT_TYPE": kind}
            for at, kind in enumerate(["Viewed", "Not taken", *["Taken"] * 400])
        ]
        dataset.bring(*rows)
        found = lists(dataset).of("u")
    assert found[:3] == [(0, "viewed", "a"), (1, "not_taken", "a"), (2, "taken", "a")]
    assert len(found) == len(rows)


def test_lists_are_written_once_however_many_ask(dataset: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset.bring(event("u", "a", 1), event("v", "b", 2))
    dataset.put(event("u", "c", 3), key="u")
    written: list[int] = []
    write = seen_lists._write
    monkeypatch.setattr(
        seen_lists, "_write", lambda records, version: (written.append(version), write(records, version))
    )
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: lists(dataset), range(4), timeout=SECONDS))
    assert written == [0]
    for one in found:
        assert one.of("u") == [(1, "watch", "a"), (3, "watch", "c")]
        assert one.put_number == of(dataset).put.newest(1)


def test_a_newer_import_has_new_lists_and_whoever_reads_the_old_ones_reads_on(dataset: Live) -> None:
    dataset.bring(event("u", "a", 1))
    old = lists(dataset)
    before = files(dataset)
    dataset.bring(event("u", "b", 2))
    new = lists(dataset)
    assert old.of("u") == [(1, "watch", "a")]
    assert new.of("u") == [(1, "watch", "a"), (2, "watch", "b")]
    assert not before & files(dataset)
    assert (old.bulk_version, new.bulk_version) == (0, 1)


def test_lists_of_nothing_are_empty(dataset: Live) -> None:
    dataset.bring(event("u", "a", 1))
    of(dataset).bulk_table.commit([], "FULL", EVENTS, "job-empty")
    assert lists(dataset).of("u") == []


def test_lists_that_are_old_are_written_anew_with_what_calls_put_since(dataset: Live) -> None:
    dataset.bring(event("u", "a", 1))
    lists(dataset)
    dataset.put(event("u", "b", 2), key="u")
    assert lists(dataset).of("u") == [(1, "watch", "a")]
    month_ago = time.time() - 31 * 86_400
    for path in files(dataset):
        os.utime(of(dataset).storage.local(path), (month_ago, month_ago))
    assert lists(dataset).of("u") == [(1, "watch", "a"), (2, "watch", "b")]


def test_users_who_are_deleted_while_lists_are_written_are_in_none_of_them(
    dataset: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset.bring(event("u", "a", 1), event("victim", "a", 1))
    write = seen_lists._write_arrays

    def and_then_is_deleted(records: DatasetRecords, folder: Path) -> list[str]:
        types = write(records, folder)
        monkeypatch.setattr(seen_lists, "_write_arrays", write)
        dataset.bring(event("u", "a", 1), mode="FULL")
        records.forget_seen()
        return types

    monkeypatch.setattr(seen_lists, "_write_arrays", and_then_is_deleted)
    found = seen_lists.read(of(dataset), 0)
    assert (found.of("victim"), found.of("u")) == ([], [(1, "watch", "a")])
    for path in files(dataset):
        assert b"victim" not in of(dataset).storage.get(path)


def test_lists_that_died_before_they_were_whole_are_not_read_and_go_with_the_next(dataset: Live) -> None:
    dataset.bring(event("u", "a", 1))
    storage, folder = of(dataset).storage, of(dataset).seen_folder
    storage.put(f"{folder}/0-dead/item.npy", b"half")
    assert lists(dataset).of("u") == [(1, "watch", "a")]
    assert not [path for path in files(dataset) if "dead" in path]


def test_of_a_dataset_that_is_deleted_while_lists_are_written_nothing_stays(
    dataset: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset.bring(event("u", "a", 1))
    write = seen_lists._write_arrays

    def and_then_is_deleted(records: DatasetRecords, folder: Path) -> list[str]:
        types = write(records, folder)
        records.storage.delete_folder(records.folder)
        return types

    monkeypatch.setattr(seen_lists, "_write_arrays", and_then_is_deleted)
    with pytest.raises(FileNotFoundError):
        seen_lists.read(of(dataset), 0)
    assert not list(of(dataset).storage.list(of(dataset).folder + "/seen"))


def test_before_any_import_filters_see_what_calls_have_put(dataset: Live) -> None:
    dataset.put(event("u", "a", 1), key="u")
    assert seen_lists.read(of(dataset), -1).of("u") == [(1, "watch", "a")]
    dataset.bring(event("u", "b", 2))
    assert [at for at, _, _ in lists(dataset).of("u")] == [1, 2]
    assert len({path.rpartition("/")[0] for path in files(dataset)}) == 1
