"""Interactions sorted by user on disk: what goes in, in any pieces, comes out in the order of one sort in memory."""

from pathlib import Path

import duckdb
import numpy as np
import pytest

from sartor.data import shards, training
from sartor.data.shards import SORTED_BY, Column, Columns, Shards
from sartor.data.training import Selection
from tables import schema_of

KINDS = {"u": np.int32, "t": np.int64, "i": np.int32, "e": np.int16, "w": np.float32}
RNG = np.random.default_rng(7)


def some_rows(n: int, users: int, most_time: int) -> Columns:
    return {
        "u": RNG.integers(0, users, n).astype(np.int32),
        "t": RNG.integers(-most_time, most_time, n),
        "i": RNG.integers(0, 50, n).astype(np.int32),
        "e": RNG.integers(0, 3, n).astype(np.int16),
        "w": RNG.random(n, np.float32),
    }


def sorted_on_disk(rows: Columns, users: int, folder: Path, pieces: int = 7) -> list[tuple[int, Columns]]:
    offsets = np.concatenate([[0], np.cumsum(np.bincount(rows["u"], minlength=users))])
    with Shards(offsets, KINDS, folder) as some:
        for piece in np.array_split(np.arange(len(rows["u"])), pieces):
            some.add({name: column[piece] for name, column in rows.items()})
        found = list(some.ordered())
    assert not list(folder.iterdir()), "nothing stays on disk"
    return found


@pytest.mark.parametrize("most_time", [20, 2**62], ids=["few times", "times of every size"])
@pytest.mark.parametrize("shard_rows", [1, 100, 10_000])
def test_the_shards_are_one_sort_by_user_time_item_and_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shard_rows: int, most_time: int
) -> None:
    monkeypatch.setattr(shards, "SHARD_ROWS", shard_rows)
    rows = some_rows(2000, 30, most_time)
    found = sorted_on_disk(rows, 30, tmp_path)
    order = np.lexsort([rows[name] for name in reversed(SORTED_BY)])
    for name in SORTED_BY:
        assert np.array_equal(np.concatenate([columns[name] for _, columns in found]), rows[name][order])
    for first, columns in found:
        assert columns["u"][0] == first, "a shard begins with its first user"
    assert len(found) == {1: 30, 100: len(found), 10_000: 1}[shard_rows]
    weights = np.concatenate([columns["w"] for _, columns in found])
    assert np.array_equal(np.sort(weights), np.sort(rows["w"])), "every row is there once"


def test_of_no_interactions_there_are_no_shards_and_empty_columns(tmp_path: Path) -> None:
    assert sorted_on_disk(some_rows(0, 1, 2), 0, tmp_path) == []
    assert Column(np.int16, tmp_path).mapped().tolist() == []


def test_a_column_is_read_only_and_outlives_its_file(tmp_path: Path) -> None:
    column = Column(np.int64, tmp_path)
    column.add(np.arange(3))
    column.add(np.arange(3, 9, dtype=np.int32)[::2])
    found = column.mapped()
    assert not list(tmp_path.iterdir())
    assert (found.dtype, found.tolist(), found.flags.writeable) == (np.int64, [0, 1, 2, 3, 5, 7], False)


@pytest.mark.parametrize("selection", [Selection(), Selection(event_type="e1"), Selection(threshold=0.5)])
def test_what_is_read_for_a_training_is_what_sql_sorts_in_one_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, selection: Selection
) -> None:
    monkeypatch.setattr(shards, "SHARD_ROWS", 50)
    schema = schema_of(
        "Interactions",
        ("USER_ID", "string"),
        ("ITEM_ID", "string"),
        ("TIMESTAMP", "long"),
        ("EVENT_TYPE", ["null", "string"]),
        ("EVENT_VALUE", ["null", "float"]),
    )
    chosen = "\"EVENT_TYPE\" = 'e1'" if selection.event_type else '"EVENT_VALUE" >= 0.5'
    with duckdb.connect() as connection:
        connection.execute(
            """
            CREATE TABLE data AS SELECT DISTINCT
                'u' || hash(x, 1) % 40 AS "USER_ID", 'i' || hash(x, 2) % 60 AS "ITEM_ID",
                (hash(x, 3) % 30)::BIGINT AS "TIMESTAMP", 'e' || hash(x, 4) % 3 AS "EVENT_TYPE",
                (hash(x, 5) % 100 / 100)::FLOAT AS "EVENT_VALUE" FROM (SELECT range AS x FROM range(3000))
            """
        )
        rows = training.read(connection, schema, None, selection, scratch=tmp_path)
        query = 'SELECT "USER_ID", "TIMESTAMP", "ITEM_ID", "EVENT_TYPE" FROM data WHERE {} ORDER BY ALL'
        seen = connection.execute(query.format("true")).fetchall()
        counted = connection.execute(query.format(chosen if selection != Selection() else "true")).fetchall()

    def names(offsets: np.ndarray, item: np.ndarray) -> list[tuple[str, str]]:
        users = np.repeat(np.arange(len(rows.users)), np.diff(offsets))
        return list(zip(rows.users.names_of(users), rows.items.names_of(item), strict=True))

    assert names(rows.seen_offsets, rows.seen_item) == [(user, item) for user, _, item, _ in seen]
    assert [
        (at, rows.event_types[kind]) for at, kind in zip(rows.seen_time, rows.seen_type, strict=True)
    ] == [(at, kind) for _, at, _, kind in seen]
    assert names(rows.offsets, rows.item) == [(user, item) for user, _, item, _ in counted]
    assert rows.time.tolist() == [at for _, at, _, _ in counted]
    assert rows.weight.tolist() == [1.0] * len(counted)
