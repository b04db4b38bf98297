"""Writers of one table that sleep and wake up: nothing that a version names is ever deleted."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from contract.test_table import ITEMS, part, read
from sartor.data.blobs import Blobs
from sartor.data.table import Table
from sartor.errors import Stopped

#: Sweeps what is as young as it can be.
ALL = -60.0


@pytest.fixture
def table(storage: Blobs) -> Table:
    table = Table(storage, "d/bulk")
    table.commit([part(table, "1-a", ("a", 1))], "FULL", ITEMS, "job-1")
    return table


def sleeping(table: Table, storage: Blobs) -> tuple[Table, Any]:
    """Return a writer that has stored a part and not committed it."""
    writer = Table(storage, "d/bulk")
    staged = part(writer, "2-b", ("b", 2))
    storage.put_file("d/bulk/2-b.parquet", staged.path)
    staged.path.parent.mkdir(parents=True, exist_ok=True)
    return writer, staged


def commits(writer: Table, staged: Any) -> None:
    with pytest.raises(Stopped, match="swept"):
        writer.commit([staged], "INCREMENTAL", ITEMS, "job-2")


def changes(writer: Table, staged: Any) -> None:
    assert not writer.change([staged], ["1-a.parquet"], schema=ITEMS, application=("job-2", 1), expected=0)


def merges(writer: Table, staged: Any) -> None:
    assert not writer.merge(staged, ["1-a.parquet"], ITEMS)


@pytest.mark.parametrize("late", [commits, changes, merges])
def test_what_was_staged_before_a_sweep_is_committed_no_more(
    table: Table, storage: Blobs, monkeypatch: pytest.MonkeyPatch, late: Callable[[Table, Any], None]
) -> None:
    writer, staged = sleeping(table, storage)
    assert table.sweep(ALL) == 1
    monkeypatch.setattr(writer, "_store_parts", lambda _parts: None)  # it did so before it slept
    late(writer, staged)
    assert read(table) == [("a", 1)]
    monkeypatch.undo()
    again = part(writer, "2-c", ("c", 3))
    assert writer.commit([again], "INCREMENTAL", ITEMS, "job-2") > 0
    assert read(table) == [("a", 1), ("c", 3)]


def test_a_sweep_of_old_parts_does_not_disturb_who_has_just_begun(table: Table, storage: Blobs) -> None:
    writer = Table(storage, "d/bulk")
    young = part(writer, "2-b", ("b", 2))
    storage.put("d/bulk/0-dead.parquet", b"x")
    assert table.sweep(10**9) == 0
    writer.commit([young], "INCREMENTAL", ITEMS, "job-2")
    assert read(table) == [("a", 1), ("b", 2)]


def test_a_sweep_leaves_the_version_of_the_data_and_marks_only_if_there_is_something(
    table: Table, storage: Blobs
) -> None:
    version, newest = table.version(), list(table.log())[-1][0]
    assert table.sweep(ALL) == 0
    assert list(table.log())[-1][0] == newest
    sleeping(table, storage)
    assert table.sweep(ALL) == 1
    assert table.version() == version
    assert read(table) == [("a", 1)]


class Between:
    """Storage in which something happens right after a look at its files, or before the first deletion."""

    def __init__(self, storage: Blobs, after: str, happens: Callable[[], object]) -> None:
        self._storage, self._after, self._happens = storage, after, happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def files(self, prefix: str) -> Iterator[tuple[str, float]]:
        found = list(self._storage.files(prefix))
        if self._after == "files":
            self._once()
        return iter(found)

    def delete(self, path: str) -> None:
        if self._after == "delete":
            self._once()
        self._storage.delete(path)

    def _once(self) -> None:
        happens, self._happens = self._happens, lambda: None
        happens()


def test_what_is_committed_while_a_sweep_looks_is_not_swept(table: Table, storage: Blobs) -> None:
    writer, staged = sleeping(table, storage)
    writer._store_parts = lambda _parts: None  # type: ignore[method-assign]
    between: Any = Between(storage, "files", lambda: writer.commit([staged], "INCREMENTAL", ITEMS, "job-2"))
    assert Table(between, "d/bulk").sweep(ALL) == 0
    assert read(table) == [("a", 1), ("b", 2)]


def test_a_version_that_is_being_vacuumed_cannot_be_restored_any_more(table: Table, storage: Blobs) -> None:
    table.commit([part(table, "2-b", ("b", 2))], "FULL", ITEMS, "job-2")
    refused: list[bool] = []

    def restore() -> None:
        with pytest.raises(LookupError, match="no longer kept"):
            Table(storage, "d/bulk").restore(0, ITEMS)
        refused.append(True)

    between: Any = Between(storage, "delete", restore)
    assert Table(between, "d/bulk").vacuum(time.time() + 1) == 1
    assert refused == [True]
    assert read(table) == [("b", 2)]
    table.commit([part(table, "3-c", ("c", 3))], "FULL", ITEMS, "job-3")
    table.restore(table.version() - 1, ITEMS)
    assert read(table) == [("b", 2)]
