"""A dataset's records in pieces beside each other: exports and deletions come to what they come to as a whole."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from contract.test_dataset_records import (
    EVENTS,
    ITEMS,
    NASTY,
    VICTIM,
    WHICH,
    Dataset,
    Make,
    Which,
    event,
    item,
    make,
    traces,
    users_file,
    with_a_past,
)
from sartor.compute.contract import Compute
from sartor.compute.here import Here
from sartor.data import deletion, export, rewriting
from sartor.data.export import write_csv
from sartor.data.parts import Part
from sartor.errors import Stopped
from spread_checks import Dying, InTurn

__all__ = ["make"]


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (export, rewriting):
        monkeypatch.setattr(module, "PIECE_BYTES", 30_000)


def large_part(dataset: Dataset, select: str) -> Part:
    """Return a staged part with small row groups."""
    path = dataset.records.bulk_table.stage() / f"{next(dataset.moments) * 1000:013d}-00000-x.parquet"
    duckdb.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)")
    rows = duckdb.execute("SELECT count(*) FROM read_parquet(?)", [str(path)]).fetchall()[0][0]
    return Part(path, rows, path.stat().st_size, {"numRecords": rows})


def import_large(dataset: Dataset, select: str) -> None:
    part = large_part(dataset, select)
    dataset.records.bulk_table.commit([part], "INCREMENTAL", dataset.records.schema, f"job-{part.path.name}")


MANY = "SELECT 'u' || n % 900 AS USER_ID, 'i' || n % 50 AS ITEM_ID, n AS TIMESTAMP FROM range({}, {}) r(n)"


def lived_in(make: Make) -> Dataset:
    """Return interactions out of imports, small and large, and of calls; no two are alike."""
    events_ = with_a_past(make)
    import_large(events_, MANY.format(1_000, 8_000))
    import_large(events_, MANY.format(10_000, 11_000))
    for at in range(3):
        events_.bring("INCREMENTAL", (f"u{at}", "small", at))
    events_.put(event("late", "i", 1), event(None, "i", 2, "late"), event("later", "i", 3, "late"))
    return events_


def lines(files: Sequence[Path]) -> tuple[set[str], Counter[str]]:
    """Return the headers of CSV files, and their other lines."""
    texts = [file.read_text().split("\n") for file in files]
    return {text[0] for text in texts}, Counter(line for text in texts for line in text[1:] if line)


def exported(dataset: Dataset, which: Which, folder: Path, compute: Compute | None) -> Any:
    folder.mkdir()
    return lines(write_csv(dataset.records, which, folder, lambda: False, compute))


@pytest.mark.parametrize("which", WHICH)
def test_an_export_in_pieces_has_the_same_lines(make: Make, tmp_path: Path, which: Which) -> None:
    events_ = lived_in(make)
    in_turn = InTurn()
    whole = exported(events_, which, tmp_path / "whole", Here())
    assert exported(events_, which, tmp_path / "pieces", in_turn) == whole
    assert sum(whole[1].values()) == len(events_.shown(which))
    assert in_turn.pieces > (1 if which == "PUT" else 5)


def test_what_must_be_quoted_is_so_in_pieces(make: Make, tmp_path: Path) -> None:
    items = make(ITEMS)
    for at, cell in enumerate(NASTY):
        items.bring("INCREMENTAL", (f"i{at}", cell))
    in_turn = InTurn()
    whole = exported(items, "BULK", tmp_path / "whole", None)
    assert exported(items, "BULK", tmp_path / "pieces", in_turn) == whole
    assert in_turn.pieces > 1


def test_rows_that_depend_on_others_are_exported_as_a_whole(make: Make, tmp_path: Path) -> None:
    items, events_, in_turn = make(ITEMS), make(EVENTS), InTurn()
    for note in ("old", "new"):
        items.bring("INCREMENTAL", *((f"i{at}", note) for at in range(400)))
        events_.bring("INCREMENTAL", *((f"u{at}", "i", at) for at in range(400)))
    items.put(item("i3", "put"))
    for number, dataset in enumerate((items, events_)):
        _, found = exported(dataset, "ALL", tmp_path / f"out-{number}", in_turn)
        assert set(found.values()) == {1}
        assert len(found) == 400
    assert in_turn.pieces == 0


def test_an_export_whose_processes_die_has_every_row_once(make: Make, tmp_path: Path) -> None:
    events_ = lived_in(make)
    dying = Dying(tmp_path)
    whole = exported(events_, "ALL", tmp_path / "whole", None)
    assert exported(events_, "ALL", tmp_path / "pieces", dying) == whole
    assert dying.pieces > 5


def delete(dataset: Dataset, folder: Path, compute: Compute, *users: str, stop: Any = lambda: False) -> None:
    dataset.drain()
    file = users_file(folder, *users)
    deletion.delete_users(dataset.records, file, "deletion", stop, compute=compute)


@pytest.mark.parametrize("where", [InTurn, lambda: InTurn(far=True)], ids=["here", "elsewhere"])
def test_a_deletion_in_pieces_is_one_commit_and_leaves_the_others(
    make: Make, tmp_path: Path, where: Callable[[], InTurn]
) -> None:
    events_, in_turn = lived_in(make), where()
    events_.drain()
    before = {which: events_.shown(which) for which in WHICH}
    gone = (VICTIM, "u7", "late")
    for _ in range(2):
        delete(events_, tmp_path, in_turn, *gone)
        for which in WHICH:
            assert events_.shown(which) == [row for row in before[which] if row[0] not in gone]
        assert [table.snapshot().number("deletion") for table in tables(events_)] == [1, 1]
    assert traces(events_, tmp_path / "0" / "storage", VICTIM) == []
    assert in_turn.pieces > 5


def tables(dataset: Dataset) -> list[Any]:
    return [dataset.records.bulk_table, dataset.records.put_table]


def test_a_deletion_whose_processes_die_deletes_its_users_and_nobody_else(make: Make, tmp_path: Path) -> None:
    events_, dying = lived_in(make), Dying(tmp_path)
    before = events_.shown()
    delete(events_, tmp_path, dying, VICTIM, "u7")
    assert events_.shown() == [row for row in before if row[0] not in (VICTIM, "u7")]
    for table in tables(events_):
        table.sweep(0.0)  # what the dead have left
    assert traces(events_, tmp_path / "0" / "storage", VICTIM) == []
    assert dying.pieces > 5


def test_a_deletion_that_must_stop_can_begin_again(make: Make, tmp_path: Path) -> None:
    events_ = lived_in(make)
    before = events_.shown()
    looks = iter([False] * 3)
    with pytest.raises(Stopped):
        delete(events_, tmp_path, InTurn(), VICTIM, stop=lambda: next(looks, True))
    delete(events_, tmp_path, InTurn(), VICTIM)
    assert events_.shown() == [row for row in before if row[0] != VICTIM]
