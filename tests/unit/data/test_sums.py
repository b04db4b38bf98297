"""Statistics out of sums that lie beside parts are those of the rows, exactly; a part is summed once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.test_dataset_records import Dataset, Make, Row, event, make, opened, schema_of, users_file
from examples import examples
from sartor.compute.contract import Compute
from sartor.compute.here import Here
from sartor.data import deletion, sums
from sartor.data.blobs import open_storage
from sartor.data.statistics import statistics
from sartor.errors import Stopped
from spread_checks import Dying, InTurn

__all__ = ["make"]

EVENTS = schema_of(
    *("Interactions", ("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long")),
    *(("EVENT_TYPE", ["null", "string"]), ("EVENT_VALUE", ["null", "float"]), ("day", ["null", "string"])),
    ("VALUE", ["null", "string"]),
    day={"categorical": True},
)
ITEMS = schema_of("Items", ("ITEM_ID", "string"), ("PRICE", ["null", "double"]))
USERS = schema_of("Users", ("USER_ID", "string"), ("AGE", ["null", "int"]))


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "PIECE_BYTES", 30_000)


def summed(dataset: Dataset, others: Mapping[str, Dataset], compute: Compute | None = None) -> dict[str, Any]:
    known = {column: one.records for column, one in others.items()}
    return sums.described(dataset.records, known, compute or Here(), lambda _: None, lambda: False)


def counted(dataset: Dataset, others: Mapping[str, Dataset]) -> dict[str, Any]:
    """Return the statistics of the rows themselves."""
    records = dataset.records
    with records.connection() as connection, records.shown(connection):
        for column, other in others.items():
            rows = ", ".join(f"({row[0]!r})" for row in other.shown()) or "(NULL)"
            connection.execute(f"CREATE TEMP VIEW {column} AS SELECT * FROM (VALUES {rows}) t({column})")
        known = {
            name: column for name, column in (("items", "ITEM_ID"), ("users", "USER_ID")) if column in others
        }
        return statistics(connection, records.schema, "data", **known)


def kept(dataset: Dataset) -> dict[str, float]:
    return dict(dataset.records.storage.list(dataset.records.sums_folder))


def row(at: int, user: str = "u", day: str | None = "a|b") -> tuple[Any, ...]:
    kind = ("watch", None, "click")[at % 3]
    return f"{user}{at % 7}", f"i{at % 5}", 1_700_000_000 + at * 5_000, kind, at / 8, day, f"v{at % 2}"


def lived_in(make: Make) -> tuple[Dataset, dict[str, Dataset]]:
    """Return interactions out of imports and of calls, beside items and users that lack some of them."""
    events_, items, users = make(EVENTS), make(ITEMS), make(USERS)
    for first in (0, 100):
        events_.bring("INCREMENTAL", *(row(at) for at in range(first, first + 60)))
    events_.put(event("put", "i1", 5, "s"), event(None, "i7", 6, "s"), event(None, "i8", 7, "nobody's"))
    events_.drain()
    events_.put(event("later", "i1", 8), event("put", "i9", 9_999_999_999_999))
    items.bring("FULL", ("i1", 1.5), ("i2", float("inf")), ("i2", None))
    users.bring("FULL", ("u1", 3), ("later", None))
    return events_, {"ITEM_ID": items, "USER_ID": users}


def short(make: Make) -> Dataset:
    """Return interactions of one import, with few columns."""
    events_ = make(schema_of("Interactions", *((one.name, one.type) for one in EVENTS.fields[:3])))
    events_.bring("INCREMENTAL", *(row(at)[:3] for at in range(60)))
    return events_


def test_statistics_out_of_sums_are_those_of_the_rows(make: Make) -> None:
    events_, others = lived_in(make)
    in_turn = InTurn()
    found = summed(events_, others, in_turn)
    assert found == counted(events_, others)
    assert (found["unknownItems"], found["unknownUsers"]) == (5, 7)
    assert in_turn.pieces == 1 + 1 + len(EVENTS.fields)
    for other in others.values():
        assert summed(other, {}) == counted(other, {})


def test_a_part_is_summed_once_and_what_is_gone_leaves_no_sums(make: Make, tmp_path: Path) -> None:
    events_, others = lived_in(make)
    summed(events_, others)
    before = kept(events_)
    assert len(before) == 3 * len(EVENTS.fields)
    events_.bring("INCREMENTAL", *(row(at) for at in range(300, 310)))
    assert summed(events_, others) == counted(events_, others)
    assert before.items() < kept(events_).items()
    assert len(kept(events_)) == 4 * len(EVENTS.fields)
    events_.bring("FULL", row(1))
    assert summed(events_, others) == counted(events_, others)
    assert len(kept(events_)) == 2 * len(EVENTS.fields)


def test_rows_alike_count_once_although_they_are_of_several_parts(make: Make) -> None:
    events_ = make(EVENTS)
    for _ in range(2):
        events_.bring("INCREMENTAL", *(row(at) for at in range(30)))
    found = summed(events_, {})
    assert found == counted(events_, {})
    assert found["rows"] == 30
    assert kept(events_) == {}


def test_a_newer_column_is_null_in_older_parts(make: Make) -> None:
    users = make(schema_of("Users", ("USER_ID", "string"), ("AGE", ["null", "int"])))
    users.bring("FULL", ("a", 1))
    newer = users.under(
        schema_of("Users", ("USER_ID", "string"), ("AGE", ["null", "int"]), ("B", ["null", "string"]))
    )
    newer.bring("INCREMENTAL", ("b", 2, "x"))
    assert summed(newer, {}) == counted(newer, {})


def test_the_sums_of_a_nearly_unique_column_are_not_as_large_as_it_is(make: Make) -> None:
    events_ = make(EVENTS)
    for first in (0, 1_000):
        events_.bring("INCREMENTAL", *(row(at, day=f"{at}") for at in range(first, first + 1_000)))
    assert summed(events_, {}) == counted(events_, {})
    storage = events_.records.storage
    sizes = {path.rpartition("/")[2]: storage.local(path).stat().st_size for path in kept(events_)}
    small = {name for name, size_bytes in sizes.items() if size_bytes < 100}
    assert small == {"TIMESTAMP.parquet", "EVENT_VALUE.parquet", "day.parquet"}
    assert max(sizes.values()) < 2_000


def test_nothing_at_all_has_statistics_too(make: Make) -> None:
    events_ = make(EVENTS)
    assert summed(events_, {}) == counted(events_, {})


def test_no_sums_are_left_of_users_who_are_deleted(make: Make, tmp_path: Path) -> None:
    events_, others = lived_in(make)
    events_.drain()
    summed(events_, others)
    before = kept(events_)
    deletion.delete_users(events_.records, users_file(tmp_path, "u1", "put"), "deletion")
    assert kept(events_) == {}, "each part had rows of them"
    assert before
    assert summed(events_, others) == counted(events_, others)


@pytest.mark.parametrize("user", ["u1", "nobody"])
def test_statistics_are_begun_again_when_users_are_deleted_meanwhile(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, user: str
) -> None:
    events_ = short(make)
    real, deleted = sums.sum_columns, iter([False])

    def while_users_are_deleted(*given: Any) -> Any:
        if not next(deleted, True):
            deletion.delete_users(events_.records, users_file(tmp_path, user), "deletion")
        return real(*given)

    monkeypatch.setattr(sums, "sum_columns", while_users_are_deleted)
    found = summed(events_, {})
    assert found == counted(events_, {})
    parts = {one.part.name for one in parts_of(events_)}
    assert {path.split("/")[2] for path in kept(events_)} <= parts


def parts_of(dataset: Dataset) -> Any:
    with dataset.records.connection() as connection, dataset.records.shown(connection) as shown:
        return shown.parts


def test_processes_that_die_change_no_sum(make: Make, tmp_path: Path) -> None:
    events_ = short(make)
    assert summed(events_, {}, Dying(tmp_path)) == counted(events_, {})
    assert not [path for path in kept(events_) if "/now-" in path]


def test_who_must_stop_leaves_whole_sums_only(make: Make) -> None:
    events_ = short(make)
    looks = iter([False] * 3)
    with pytest.raises(Stopped):
        sums.described(events_.records, {}, InTurn(), lambda _: None, lambda: next(looks, True))
    assert summed(events_, {}) == counted(events_, {})


cells = st.none() | st.sampled_from(["a", "b", "a|b", "|", "b||c", ""])
values = st.none() | st.sampled_from([0.0, -0.0, 1.5, float("nan"), float("inf")])
times = st.sampled_from([0, 1, 86_400, -5, 10**13, 2**62])
rows = st.tuples(
    *(st.sampled_from("uvw"), st.sampled_from("ijk"), times, cells, values, cells, cells),
)


@settings(
    max_examples=examples(5), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(imports=st.lists(st.lists(rows, min_size=1, max_size=6), max_size=3), more=st.lists(rows, max_size=2))
def test_whatever_the_rows_are_their_sums_say_the_same(
    tmp_path_factory: pytest.TempPathFactory, imports: Any, more: Any
) -> None:
    folder = tmp_path_factory.mktemp("sums")
    events_ = opened(open_storage(str(folder / "storage"), None, folder), folder, EVENTS, None)
    for some in imports:
        events_.bring("INCREMENTAL", *some)
    events_.put(*(Row(one[0], dict(zip(events_.columns, one, strict=True))) for one in more))
    assert summed(events_, {}) == counted(events_, {})
    events_.store.close()
