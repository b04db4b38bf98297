"""A dataset's records: imported, put, drained, exported, undone and deleted, each exactly once and in order."""

import itertools
import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from examples import examples
from sartor.data import check, deletion, put_commits, schema, versions
from sartor.data import dataset as records_module
from sartor.data.blobs import Blobs, open_storage
from sartor.data.check import JobRules
from sartor.data.commits import Commits
from sartor.data.dataset import AT, SEQ, SESSION, DatasetRecords
from sartor.data.dataset import Store as Which
from sartor.data.events import NEWEST
from sartor.data.export import write_csv
from sartor.data.input_files import InputFile
from sartor.data.parts import Part, write_part
from sartor.data.put import Row
from sartor.data.report import Fault, Place, ReadFile, Report
from sartor.data.table import Table
from sartor.errors import JobFailed, Stopped
from sartor.realtime import seen_lists
from sartor.resources.store import Store

SECONDS = 20.0
WHICH: tuple[Which, ...] = ("BULK", "PUT", "ALL")
Cells = tuple[Any, ...]


def schema_of(name: str, *fields: tuple[str, Any], **attributes: Any) -> schema.Schema:
    columns = [{"name": name_, "type": kind, **attributes.get(name_, {})} for name_, kind in fields]
    return schema.parse(json.dumps({"type": "record", "name": name, "fields": columns}))


EVENT_FIELDS = (("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"))
EVENTS = schema_of("Interactions", *EVENT_FIELDS)
ITEMS = schema_of("Items", ("ITEM_ID", "string"), ("NOTE", ["null", "string"]))
USERS = schema_of("Users", ("USER_ID", "string"), ("AGE", ["null", "int"]))


@dataclass
class Dataset:
    """One dataset as jobs and calls change it; time goes on by a second with each change."""

    records: DatasetRecords
    store: Store
    moments: Iterator[int] = field(default_factory=lambda: itertools.count(1_700_000_000))
    jobs: Iterator[int] = field(default_factory=itertools.count)

    @property
    def columns(self) -> list[str]:
        return [one.name for one in self.records.schema.fields]

    def part(self, *rows: Cells, moment: float | None = None) -> Part:
        """Return a staged part as an import names it."""
        at = next(self.moments) if moment is None else moment
        path = self.records.bulk_table.stage() / f"{round(at * 1000):013d}-00000-{next(self.jobs):x}.parquet"
        names = ", ".join(self.columns)
        kinds = ", ".join(f"?::{one.sql_type}" for one in self.records.schema.fields)
        with duckdb.connect() as connection:
            connection.execute(
                f"CREATE TABLE t AS SELECT * FROM (SELECT {kinds}) t({names})", [None] * len(rows[0])
            )
            connection.execute("DELETE FROM t")
            connection.executemany(f"INSERT INTO t VALUES ({kinds})", [list(row) for row in rows])
            return write_part(connection, "SELECT * FROM t", path)

    def bring(self, mode: Any, *rows: Cells) -> None:
        """Import rows."""
        part = self.part(*rows)
        note = versions.noted(self.records, [part], mode)
        self.records.bulk_table.commit([part], mode, self.records.schema, f"job-{next(self.jobs)}", note)

    def put(self, *rows: Row) -> None:
        self.store.put_records.put(self.records.number, rows).result(SECONDS)

    def shown(self, which: Which = "ALL") -> list[Cells]:
        with self.records.open(which) as connection:
            return connection.execute("SELECT * FROM data ORDER BY ALL").fetchall()

    def drain(self) -> int:
        """Drain everything, and return how much it was."""
        return sum(iter(self.records.drain, 0))

    def under(self, newer: schema.Schema) -> "Dataset":
        """Return the dataset with a newer schema, as UpdateDataset makes it."""
        for table in (self.records.bulk_table, self.records.put_table):
            table.add_columns(newer)
        return replace(self, records=replace(self.records, schema=newer))


def item(name: str, note: str | None = None) -> Row:
    return Row(name, {"ITEM_ID": name, "NOTE": note})


def event(user: str | None, name: str, at: int, session: str = "s", event_id: str | None = None) -> Row:
    cells = {"ITEM_ID": name, "TIMESTAMP": at} | ({} if user is None else {"USER_ID": user})
    return Row(user or session, cells, session, event_id)


def opened(
    storage: Blobs, folder: Path, of: schema.Schema, monkeypatch: pytest.MonkeyPatch | None
) -> Dataset:
    scratch = folder / "queries"
    scratch.mkdir(parents=True, exist_ok=True)
    store = Store.open(f"sqlite:///{folder / 's.db'}")
    made = Dataset(DatasetRecords(storage, "d", 1, of, store.put_records, 300 * 2**20, scratch), store)
    if monkeypatch is not None:
        monkeypatch.setattr(put_commits, "clock", SimpleNamespace(now=lambda: float(next(made.moments))))
    return made


Make = Callable[[schema.Schema], Dataset]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Give a maker of empty datasets in a folder."""
    made: list[Dataset] = []

    def one(of: schema.Schema) -> Dataset:
        folder = tmp_path / str(len(made))
        made.append(opened(open_storage(str(folder / "storage"), None, folder), folder, of, monkeypatch))
        return made[-1]

    yield one
    for dataset in made:
        dataset.store.close()


# what is shown


def test_imported_and_put_records_are_apart_and_together(make: Make) -> None:
    events_ = make(EVENTS)
    assert [events_.shown(which) for which in WHICH] == [[], [], []]
    events_.bring("FULL", ("u", "i", 1))
    events_.put(event("u", "i", 2))
    assert [events_.shown(which) for which in WHICH] == [
        [("u", "i", 1)],
        [("u", "i", 2)],
        [("u", "i", 1), ("u", "i", 2)],
    ]
    events_.bring("FULL", ("v", "j", 3))  # leaves alone what calls put
    assert events_.shown() == [("u", "i", 2), ("v", "j", 3)]
    assert [events_.records.count(which) for which in WHICH] == [1, 1, 2]


@pytest.mark.parametrize("drained", [False, True])
def test_the_record_of_an_id_that_came_last_counts_however_it_came(make: Make, drained: bool) -> None:
    items = make(ITEMS)
    items.put(item("a", "put first"), item("b", "put first"))
    items.bring("FULL", ("a", "imported"), ("c", "imported"))
    items.put(item("c", "put last"), item("d", "put"), item("d", "put again"))
    if drained:
        items.drain()
    items.bring("INCREMENTAL", ("d", "imported last"), ("e", "once"), ("e", "twice"))
    assert items.shown() == [
        ("a", "imported"),
        ("b", "put first"),
        ("c", "put last"),
        ("d", "imported last"),
        ("e", "twice"),
    ]
    assert len(items.shown("PUT")) == 5
    assert len(items.shown("BULK")) == 5


def test_a_newer_record_replaces_the_whole_older_one(make: Make) -> None:
    items = make(ITEMS)
    items.bring("FULL", ("a", "note"))
    items.put(item("a"))
    assert items.shown() == [("a", None)]


def test_interactions_alike_in_every_column_count_once_however_they_came(make: Make) -> None:
    events_ = make(EVENTS)
    events_.bring("FULL", ("u", "i", 1), ("u", "i", 1))
    events_.bring("INCREMENTAL", ("u", "i", 1), ("u", "i", 2))
    for _ in range(2):
        events_.put(event("u", "i", 1), event("u", "i", 1, "other session"))
        events_.drain()
    events_.put(event("u", "i", 1))
    assert events_.shown() == [("u", "i", 1), ("u", "i", 2)]
    assert events_.shown("PUT") == [("u", "i", 1)]


@pytest.mark.parametrize("drains", range(4))
def test_what_an_anonymous_session_did_belongs_to_its_user_once_he_is_known(make: Make, drains: int) -> None:
    events_ = make(EVENTS)
    events_.put(event(None, "a", 1, "s"), event(None, "b", 2, "nobody's"))
    if drains > 0:
        events_.drain()
    assert events_.shown() == []
    events_.put(event("u", "c", 3, "s"))
    if drains > 1:
        events_.drain()
    assert events_.shown() == [("u", "a", 1), ("u", "c", 3)]
    events_.put(event("v", "d", 4, "s"), event(None, "e", 5, "s"), event("u", "f", 6, "t"))
    if drains > 2:
        events_.drain()
    assert events_.shown("PUT") == [("u", "c", 3), ("u", "f", 6), ("v", "a", 1), ("v", "d", 4), ("v", "e", 5)]


def test_older_records_are_null_in_the_columns_of_a_newer_schema(make: Make) -> None:
    old = make(EVENTS)
    old.bring("FULL", ("u", "i", 1))
    old.put(event("u", "i", 2))
    old.drain()
    old.put(event("u", "i", 3))
    new = old.under(schema_of("Interactions", *EVENT_FIELDS, ("PRICE", ["null", "float"])))
    expected = [("u", "i", 1, None), ("u", "i", 2, None), ("u", "i", 3, None)]
    assert new.shown() == expected
    new.put(Row("u", {"USER_ID": "u", "ITEM_ID": "i", "TIMESTAMP": 4, "PRICE": 1.5}, "s"))
    expected.append(("u", "i", 4, 1.5))
    assert new.shown() == expected
    assert new.drain() == 2
    assert new.shown() == expected
    assert old.shown() == [row[:3] for row in expected]  # a job that began before goes on


def test_records_between_two_numbers_are_shown_as_they_came(make: Make) -> None:
    events_ = make(EVENTS)
    for at in range(5):
        events_.put(event("u", "i", at))
    numbers = [one.seq for one in events_.store.put_records.since(1, 0, 2**62, 9)]
    events_.drain()
    with events_.records.connection() as connection:
        with events_.records.put_between(connection, numbers[1], numbers[3], "some"):
            found = connection.execute('SELECT "TIMESTAMP" FROM "some" ORDER BY 1').fetchall()
        with events_.records.put_between(connection, numbers[4], numbers[4], "none"):
            assert connection.execute('SELECT "TIMESTAMP", "USER_ID" FROM "none"').fetchall() == []
    assert found == [(2,), (3,)]


def test_what_an_event_says_of_its_source_is_shown_as_it_came_and_is_no_column_of_the_dataset(
    make: Make, tmp_path: Path
) -> None:
    events_ = make(EVENTS)
    cells = {"USER_ID": "u", "ITEM_ID": "i", "TIMESTAMP": 1}
    more = ({"RECOMMENDATION_ID": "r"}, {"EVENT_ATTRIBUTION_SOURCE": "mail", "TIMESTAMP": 2})
    events_.put(*(Row("u", cells | one, "s") for one in more))
    select = 'SELECT RECOMMENDATION_ID, EVENT_ATTRIBUTION_SOURCE FROM "some" ORDER BY "TIMESTAMP"'
    for _ in range(2):
        with (
            events_.records.connection() as connection,
            events_.records.put_between(connection, 0, 2**62, "some"),
        ):
            assert connection.execute(select).fetchall() == [("r", None), (None, "mail")]
        assert events_.shown() == [("u", "i", 1), ("u", "i", 2)]
        events_.drain()
    (file,) = exported(events_, "PUT", tmp_path / "out")
    assert file.read_text().splitlines()[0] == "USER_ID,ITEM_ID,TIMESTAMP"


# facts


def facts(dataset: Dataset, which: Which = "ALL") -> tuple[int, bool]:
    with dataset.records.connection() as connection, dataset.records.shown(connection, which) as found:
        return found.facts.rows, found.facts.unique


def test_facts_hold_after_every_change(make: Make) -> None:
    items = make(ITEMS)
    for _ in range(2):  # the second time from memory
        assert facts(items) == (0, True)
    items.bring("FULL", ("a", "x"), ("a", "x"))
    for _ in range(2):
        assert facts(items, "BULK") == (2, False)
        assert facts(items) == (1, True)
    items.put(item("b", "y"))
    assert facts(items) == (2, True)
    items.drain()
    for _ in range(2):
        assert facts(items, "PUT") == (1, True)
    items.put(item("b", "y"), item("c", "z"))
    assert facts(items, "PUT") == (3, False)
    items.drain()
    versions.rollback(items.records, 0)
    assert facts(items) == (3, True)
    newer = items.under(
        schema_of("Items", ("ITEM_ID", "string"), ("NOTE", ["null", "string"]), ("MORE", ["null", "string"]))
    )
    newer.put(Row("d", {"ITEM_ID": "d", "MORE": "m"}))
    assert facts(newer) == (4, True)


def checked(
    dataset: Dataset, files: Sequence[Path], parts: Path, prefix: str, bad_cells: float = 0.0
) -> check.Checked:
    """Return what the real import makes of CSV files."""
    return check.read_and_check(
        [InputFile(file, f"s3://b/{file.name}", file.stat().st_size) for file in files],
        dataset.records.schema,
        parts,
        prefix,
        scratch=parts.parent,
        job=JobRules(0, None, bad_cells),
        memory_bytes=300 * 2**20,
        progress=lambda _: None,
        stop=lambda: False,
    )


def imported(dataset: Dataset, folder: Path, *texts: str, bad_cells: float = 0.0) -> None:
    """Import CSV files as the job does."""
    files = []
    for number, text in enumerate(texts):
        path = folder / f"{next(dataset.jobs)}-{number}.csv"
        path.write_text(text)
        files.append(path)
    table = dataset.records.bulk_table
    found = checked(dataset, files, table.stage(), f"{next(dataset.moments):013d}", bad_cells)
    assert found.parts, found.report
    table.commit(found.parts, "INCREMENTAL", dataset.records.schema, f"job-{next(dataset.jobs)}")


def test_an_export_makes_files_that_its_memory_has_room_for(make: Make, tmp_path: Path) -> None:
    events = make(EVENTS)
    rows = "\n".join(f"user-{n % 9973},item-{n % 997},{1_700_000_000 + n}" for n in range(1_000_000))
    imported(events, tmp_path, f"USER_ID,ITEM_ID,TIMESTAMP\n{rows}\n")
    files = write_csv(replace(events.records, memory_bytes=64 * 2**20), "ALL", tmp_path)
    with duckdb.connect() as connection:
        names = [str(file) for file in files]
        ((count,),) = connection.execute("SELECT count(*) FROM read_csv(?)", [names]).fetchall()
    assert count == 1_000_000
    assert len(files) > 1


def test_facts_of_the_same_parts_are_looked_up_once(make: Make) -> None:
    items = make(ITEMS)
    items.bring("FULL", ("a", "x"))
    facts(items)
    storage = items.records.storage
    known = json.loads(storage.get("d/facts/ALL.json"))
    storage.put("d/facts/ALL.json", json.dumps(known | {"rows": 99}).encode())
    assert facts(items)[0] == 99
    storage.put("d/facts/ALL.json", b"{")
    assert facts(items)[0] == 1


def test_an_export_need_not_look_for_quotes_where_no_file_had_any(make: Make, tmp_path: Path) -> None:
    def known() -> bool:
        with items.records.connection() as connection, items.records.shown(connection) as found:
            return found.facts.unquoted

    def exported() -> list[str]:
        folder = tmp_path / f"out-{next(items.jobs)}"
        folder.mkdir()
        (file,) = write_csv(items.records, "ALL", folder)
        return sorted(file.read_bytes().decode().split("\n")[1:-1])

    items = make(ITEMS)
    imported(items, tmp_path, "ITEM_ID,NOTE\na, two words\nb,\\n\r\n", "ITEM_ID,NOTE\rc,\rd, \r")
    assert known()
    assert exported() == ['a," two words"', "b,\\n", "c,", 'd," "']
    imported(items, tmp_path, 'ITEM_ID,NOTE\ne,"x, y"\n')
    assert not known()
    assert exported()[-1] == 'e,"x, y"'
    imported(items, tmp_path, "ITEM_ID,NOTE\ne,plain\n")
    assert not known()  # the cell is still in its part
    assert exported()[-1] == "e,plain"


def test_what_calls_put_in_is_looked_at_for_quotes(make: Make, tmp_path: Path) -> None:
    items = make(ITEMS)
    imported(items, tmp_path, "ITEM_ID,NOTE\na,b\n")
    items.put(item("c", "x, y"))
    for _ in range(2):
        (file,) = write_csv(items.records, "ALL", tmp_path)
        assert sorted(file.read_text().splitlines()[1:]) == ["a,b", 'c,"x, y"']
        file.unlink()
        file.parent.rmdir()
        items.drain()


# drains


def numbers(dataset: Dataset) -> list[int]:
    """Return the numbers of the drained records, read from the files themselves."""
    table = dataset.records.put_table
    files = [str(table.local(name)) for name in table.snapshot().parts]
    if not files:
        return []
    rows = duckdb.execute(f'SELECT "{SEQ}" FROM read_parquet(?) ORDER BY 1', [files]).fetchall()
    return [number for (number,) in rows]


def put_numbers(dataset: Dataset) -> list[int]:
    return [one.seq for one in dataset.store.put_records.since(1, 0, 2**62, 10**6)]


def test_draining_moves_each_record_once(make: Make) -> None:
    events_ = make(EVENTS)
    assert events_.records.drain() == 0
    assert events_.records.drained() == 0
    events_.put(*(event("u", "i", at) for at in range(5)))
    before = events_.shown()
    assert events_.records.drain() == 5
    assert events_.records.drain() == 0
    assert numbers(events_) == put_numbers(events_)
    assert events_.records.drained() == put_numbers(events_)[-1]
    assert events_.shown() == before
    events_.put(event("u", "i", 9))
    assert events_.records.drain() == 1
    assert numbers(events_) == put_numbers(events_)
    events_.store.put_records.prune(1, events_.records.drained(), 2e9)
    assert len(events_.shown()) == 6
    assert events_.records.drain() == 0


def test_a_drained_record_keeps_when_it_came_and_its_session(make: Make) -> None:
    events_ = make(EVENTS)
    events_.put(event(None, "i", 1, "the session"))
    (stored,) = events_.store.put_records.since(1, 0, 2**62, 9)
    events_.drain()
    (name,) = events_.records.put_table.snapshot().parts
    found = duckdb.read_parquet(str(events_.records.put_table.local(name)))
    (row,) = found.select(*(duckdb.ColumnExpression(one) for one in (SEQ, AT, SESSION, "USER_ID"))).fetchall()
    assert row == (stored.seq, round(stored.at * 1000), "the session", None)


def test_draining_with_a_limit_goes_on_where_it_ended(make: Make) -> None:
    events_ = make(EVENTS)
    for at in range(10):  # what one call brought stays together
        events_.put(event("u", "i", at))
    assert [events_.records.drain(4) for _ in range(4)] == [4, 4, 2, 0]
    assert numbers(events_) == put_numbers(events_)
    assert len(events_.shown()) == 10


def test_a_drain_whose_commit_fails_is_done_by_the_next(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    events_ = make(EVENTS)
    events_.put(event("u", "i", 1))
    with monkeypatch.context() as patch:
        patch.setattr(Commits, "write", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            events_.records.drain()
    assert events_.shown() == [("u", "i", 1)]
    assert events_.records.drain() == 1
    assert numbers(events_) == put_numbers(events_)
    assert events_.shown() == [("u", "i", 1)]


def test_of_two_drains_at_once_each_record_is_moved_by_one(make: Make) -> None:
    events_ = make(EVENTS)
    moved = 0
    for round_ in range(6):
        events_.put(*(event("u", "i", 100 * round_ + at) for at in range(20)))
        barrier = threading.Barrier(3)

        def drain(barrier: threading.Barrier = barrier) -> int:
            barrier.wait()
            return events_.records.drain()

        with ThreadPoolExecutor(3) as pool:
            moved += sum(pool.map(lambda _, drain=drain: drain(), range(3)))
        assert moved == 20 * (round_ + 1)
        assert numbers(events_) == put_numbers(events_)
    assert len(events_.shown()) == 120


def test_a_drain_that_another_overtook_moves_nothing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    events_ = make(EVENTS)
    events_.put(event("u", "i", 1))
    change = Table.change
    overtaken: list[int] = []

    def late(self: Table, *parts: Any, **how: Any) -> bool:
        if not overtaken:
            overtaken.append(0)
            overtaken[0] = events_.records.drain()
        return change(self, *parts, **how)

    monkeypatch.setattr(Table, "change", late)
    assert events_.records.drain() == 0
    assert overtaken == [1]
    assert numbers(events_) == put_numbers(events_)


def test_small_parts_are_merged_and_nothing_is_lost(make: Make) -> None:
    events_ = make(EVENTS)
    for at in range(40):
        events_.put(event("u" if at % 3 else None, "i", at, f"s{at % 2}"))
        assert events_.records.drain() == 1
        assert len(events_.records.put_table.snapshot().parts) <= 16
    assert numbers(events_) == put_numbers(events_)
    assert events_.shown() == sorted(("u", "i", at) for at in range(40))


def test_a_reader_sees_every_record_once_at_any_moment_of_a_drain(make: Make) -> None:
    events_ = make(EVENTS)
    acknowledged, over = [0], threading.Event()
    seen: list[str] = []

    def write() -> None:
        for at in range(120):
            events_.put(event("u", "i", at))
            acknowledged[0] = at + 1

    def drain() -> None:
        while not over.is_set():
            events_.records.drain(7)

    def read() -> None:
        while not over.is_set():
            before = acknowledged[0]
            with events_.records.open("PUT") as connection:
                ((count, distinct, newest),) = connection.execute(
                    'SELECT count(*), count(DISTINCT "TIMESTAMP"), max("TIMESTAMP") FROM data'
                ).fetchall()
            if not before <= count == distinct == (-1 if newest is None else newest) + 1:
                seen.append(f"{count} rows, {distinct} distinct, newest {newest}, {before} acknowledged")

    threads = [threading.Thread(target=one) for one in (drain, read)]
    for thread in threads:
        thread.start()
    write()
    over.set()
    for thread in threads:
        thread.join(SECONDS)
    assert seen == []
    events_.drain()
    assert len(events_.shown()) == 120


# exports


NASTY = (
    *(
        "plain",
        'a "quoted" one',
        "back\\slash",
        "\\",
        '\\"',
        '"',
        '""',
        "\\\\",
        "a\\,b",
        "ends in \\",
        "'",
        "a,b",
    ),
    *(
        "two\nlines",
        "two\r\nlines",
        "a\rb",
        "\n",
        "\\\n",
        " padded ",
        "\t",
        "#",
        "é中𠀀",
        "\u2028",
        "\x1c",
        "\x7f",
    ),
    *(
        "NULL",
        "null",
        "\ufeff",
        "x" * 1000,
        '"' * 1000,
        "\\" * 1000,
        ";",
        "|",
        "a\\nb",
        "0",
        ' "',
        '" ',
        ',"',
    ),
)


def reimported(dataset: Dataset, files: Sequence[Path], folder: Path) -> list[Cells]:
    """Return what the real import makes of exported files."""
    parts = folder / "parts-again"
    parts.mkdir()
    found = checked(dataset, files, parts, "0")
    assert [fault for fault in found.report.faults if fault.code != "NO_ROWS"] == []
    names = ", ".join(f'"{name}"' for name in dataset.columns)
    if not found.parts:
        return []
    return duckdb.execute(
        f"SELECT {names} FROM read_parquet(?)", [[str(part.path) for part in found.parts]]
    ).fetchall()


def exported(dataset: Dataset, which: Which, folder: Path) -> Sequence[Path]:
    folder.mkdir(parents=True)
    return write_csv(dataset.records, which, folder)


@pytest.mark.parametrize("which", WHICH)
def test_an_export_is_read_back_as_it_was_by_the_import(make: Make, tmp_path: Path, which: Which) -> None:
    of = schema_of(
        *("Items", ("ITEM_ID", "string"), ("NOTE", ["null", "string"]), ("OTHER", ["null", "string"])),
        *(("F", ["null", "float"]), ("L", ["null", "long"]), ("B", ["null", "boolean"])),
    )
    items = make(of)
    numbers_ = itertools.cycle([(0.1, 2**63 - 1, True), (None, None, None), (3.4e38, -(2**63), False)])
    rows = [(f"{at}{cell}"[:256], cell, NASTY[-at], *next(numbers_)) for at, cell in enumerate(NASTY)]
    rows += [("no note", None, None, None, None, None), ("\\", None, None, 1e-45, 0, None)]
    items.bring("FULL", *rows)
    items.bring("INCREMENTAL", *((name, "newer", *rest) for name, _, *rest in rows[:5]))
    items.put(
        *(
            Row(f"p{row[0]}", dict(zip(items.columns, (f"p{row[0]}"[:256], *row[1:]), strict=False)))
            for row in rows[::2]
        )
    )
    items.drain()
    items.put(
        *(Row(row[0], dict(zip(items.columns, (row[0], "put", *row[2:]), strict=False))) for row in rows[3:9])
    )
    found = reimported(items, exported(items, which, tmp_path / "out's"), tmp_path)
    assert Counter(found) == Counter(items.shown(which))


@pytest.mark.parametrize("cells", [["plain"], ["a,b"], ["\\"], ['"'], ["\\", None], ['"\\', "x"], [None]])
def test_an_export_of_few_rows_is_read_back_whatever_its_quotes(
    make: Make, tmp_path: Path, cells: list[str | None]
) -> None:
    items = make(ITEMS)
    items.bring("FULL", *((f"i{at}", cell) for at, cell in enumerate(cells)))
    found = reimported(items, exported(items, "ALL", tmp_path / "out"), tmp_path)
    assert Counter(found) == Counter(items.shown())


@settings(
    max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    cells=st.lists(
        st.none()
        | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1)
        | st.text(st.sampled_from('\\",\n\r a'), min_size=1),
        min_size=1,
        max_size=8,
    )
)
def test_any_text_is_exported_and_imported_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str | None]
) -> None:
    folder = tmp_path_factory.mktemp("export")
    items = opened(open_storage(str(folder / "storage"), None, folder), folder, ITEMS, None)
    items.bring("FULL", *((f"i{at}", cell) for at, cell in enumerate(cells)))
    found = reimported(items, exported(items, "ALL", folder / "out"), folder)
    assert sorted(found) == sorted((f"i{at}", cell) for at, cell in enumerate(cells))
    items.store.close()


def test_an_export_has_the_schemas_columns_in_their_order_even_without_rows(
    make: Make, tmp_path: Path
) -> None:
    events_ = make(EVENTS)
    for number, which in enumerate(WHICH):
        (file,) = exported(events_, which, tmp_path / f"out-{number}")
        assert file.read_text() == "USER_ID,ITEM_ID,TIMESTAMP\n"
    events_.put(event("u", "i", 1, "secret session"))
    (file,) = exported(events_, "PUT", tmp_path / "rows")
    assert file.read_text() == "USER_ID,ITEM_ID,TIMESTAMP\nu,i,1\n"


@pytest.mark.parametrize("which", WHICH)
def test_rows_alike_in_every_column_are_exported_once_and_all_other_versions_of_an_id_each(
    make: Make, tmp_path: Path, which: Which
) -> None:
    items = make(ITEMS)
    items.bring("FULL", ("a", "old"), ("a", "old"), ("b", None))
    items.bring("INCREMENTAL", ("a", "old"), ("a", "new"))
    for note in ("put", "put", "put last"):
        items.put(item("c", note))
        items.drain()
    items.put(item("c", "put last"))
    imported_rows, put_rows = ["a,new", "a,old", "b,"], ["c,put", "c,put last"]
    (file,) = exported(items, which, tmp_path / "out")
    assert (
        sorted(file.read_text().splitlines()[1:])
        == {
            "BULK": imported_rows,
            "PUT": put_rows,
            "ALL": ["a,new", "b,", "c,put last"],
        }[which]
    )


def test_an_export_that_must_stop_says_so(make: Make, tmp_path: Path) -> None:
    events_ = make(EVENTS)
    events_.bring("FULL", ("u", "i", 1))
    stop = threading.Event()
    real = duckdb.DuckDBPyConnection
    assert real  # the statement is quick: a stop that comes too late is no fault
    stop.set()
    try:
        (tmp_path / "out").mkdir()
        assert write_csv(events_.records, "ALL", tmp_path / "out", stop.is_set)
    except Stopped:
        pass


# deletion


VICTIM = "victim-1"


def input_file(path: Path) -> InputFile:
    return InputFile(path, f"s3://b/{path.name}", path.stat().st_size)


def users_file(folder: Path, *users: str) -> Path:
    source, target = folder / "users.csv", folder / "users.parquet"
    source.write_text("USER_ID\n" + "".join(f"{user}\n" for user in users))
    deletion.read_users([input_file(source)], target, 100_000_000)
    return target


def delete(dataset: Dataset, folder: Path, *users: str, job: str = "deletion") -> None:
    """Do what the deletion job does in one dataset."""
    dataset.drain()
    deletion.delete_users(dataset.records, users_file(folder, *users), job)


def traces(dataset: Dataset, folder: Path, word: str) -> list[str]:
    """Return every file and row below a folder that has a word, in its bytes or its Parquet cells."""
    found = []
    for path in (path for path in folder.rglob("*") if path.is_file()):
        if path.suffix == ".parquet":
            cells = duckdb.read_parquet(str(path)).fetchall()
            text = repr(cells).encode() + path.read_bytes()
        else:
            text = path.read_bytes()
        if word.encode() in text:
            found.append(str(path))
    with closing(sqlite3.connect(str(dataset.store.database.file.path))) as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            rows = connection.execute(f'SELECT * FROM "{table}"').fetchall()
            found += [f"{table}: {row}" for row in rows if word in repr(row)]
    return found


def with_a_past(make: Make) -> Dataset:
    """Return interactions of two users in every place where they can be."""
    events_ = make(EVENTS)
    for at in range(20):  # some of the parts are merged
        events_.put(
            event(VICTIM, "i", at, "known"), event(None, "i", 100 + at, "linked"), event("v", "i", at, "v's")
        )
        events_.put(event(None, "alone", at, "nobody's"))
        events_.drain()
    events_.put(event(VICTIM, "i", 30, "linked", event_id=f"{VICTIM}-e"))
    events_.bring("FULL", (VICTIM, "i", 50), ("v", "i", 50))
    events_.bring("INCREMENTAL", (VICTIM, "i", 51))
    events_.bring("FULL", ("v", "i", 50), ("v", "i", 52))
    events_.bring("INCREMENTAL", ("v", "i", 53), (VICTIM, "i", 53))
    events_.put(Row(VICTIM, {"USER_ID": VICTIM}, "s", f"{VICTIM}-e"))  # which is noted
    places = (Place("s3://b/x.csv", 3, VICTIM), Place("s3://b/x.csv", 4, "v"), Place("s3://b/x.csv", 5, "é"))
    lines = (Place("s3://b/x.csv", 6, f'"{VICTIM}",i'), Place("s3://b/x.csv", 7, "v,i"))
    faults = (Fault("ID_TOO_LONG", "USER_ID", 3, places), Fault("TOO_FEW_CELLS", "", 2, lines))
    report = Report((ReadFile("s3://b/x.csv", 9, 9),), 4, faults, 1.0)
    for name, content in report.written("job").items():
        events_.records.storage.put(f"d/imports/job/{name}", content)
    return events_


def test_a_deleted_user_is_nowhere_and_the_others_are_as_they_were(make: Make, tmp_path: Path) -> None:
    events_ = with_a_past(make)
    folder = tmp_path / "0" / "storage"
    seen_lists.read(events_.records, events_.records.bulk_table.version() or 0)
    found = traces(events_, folder, VICTIM)
    assert len(found) > 5
    assert [one for one in found if "/seen/" in str(one)]
    before = {which: events_.shown(which) for which in WHICH}
    assert (VICTIM, "i", 100) in before["PUT"]  # by the link of its session
    for job in ("deletion", "deletion", "again"):  # which is harmless
        delete(events_, tmp_path, VICTIM, job=job)
        assert traces(events_, folder, VICTIM) == []
        for which in WHICH:
            assert events_.shown(which) == [row for row in before[which] if row[0] != VICTIM]
    assert traces(events_, folder, "linked") == []
    assert traces(events_, folder, "nobody's")
    history = events_.store.put_records.history(1, "v")
    assert len(history) == 20
    assert next(one["restorable"] for one in versions.history(events_.records))


def test_a_bad_cell_that_became_null_is_null_to_every_reader_and_goes_with_its_user(
    make: Make, tmp_path: Path
) -> None:
    users = make(schema_of("Users", ("USER_ID", "string"), ("AGE", "int"), ("CREATION_TIMESTAMP", "long")))
    text = f"USER_ID,AGE,CREATION_TIMESTAMP\n{VICTIM},,1.5\nv,old,2.5\nw,3,4\n"
    imported(users, tmp_path, text, bad_cells=0.7)
    imported(users, tmp_path, "USER_ID,AGE,CREATION_TIMESTAMP\nx,9.0,9\n")
    expected: list[Cells] = [(VICTIM, None, 1), ("v", None, 2), ("w", 3, 4), ("x", 9, 9)]
    for _ in range(2):
        assert users.shown() == users.shown("BULK") == sorted(expected)
        merge_all(users)
    (file,) = exported(users, "ALL", tmp_path / "out")
    assert sorted(file.read_text().splitlines()[1:]) == sorted([f"{VICTIM},,1", "v,,2", "w,3,4", "x,9,9"])
    delete(users, tmp_path, VICTIM)
    assert traces(users, tmp_path / "0" / "storage", VICTIM) == []
    assert users.shown() == expected[1:]


def test_reports_keep_what_they_say_of_others(make: Make, tmp_path: Path) -> None:
    events_ = with_a_past(make)
    storage = events_.records.storage
    before = storage.get("d/imports/job/report.json"), storage.get("d/imports/job/rejects.csv")
    delete(events_, tmp_path, "w")
    assert before == (storage.get("d/imports/job/report.json"), storage.get("d/imports/job/rejects.csv"))
    delete(events_, tmp_path, VICTIM)
    found = json.loads(storage.get("d/imports/job/report.json"))
    values = [example["value"] for fault in found["faults"] for example in fault["examples"]]
    assert values == ["(deleted)", "v", "é", "(deleted)", "v,i"]
    assert "é" in storage.get("d/imports/job/report.json").decode()
    lines = storage.get("d/imports/job/rejects.csv").decode().splitlines()
    assert [line.rpartition(",")[2] for line in lines] == ["value", "(deleted)", "v", "é", "(deleted)", 'i"']


def test_undo_ends_at_a_deletion_for_every_version_that_had_the_user(make: Make, tmp_path: Path) -> None:
    events_ = with_a_past(make)
    delete(events_, tmp_path, VICTIM)
    for version in (0, 1, 3):
        with pytest.raises(LookupError):
            versions.rollback(events_.records, version)
    events_.bring("FULL", ("w", "i", 1))
    versions.rollback(events_.records, 4)
    assert events_.shown("BULK") == [("v", "i", 50), ("v", "i", 52), ("v", "i", 53)]


def test_a_user_who_comes_back_is_new(make: Make, tmp_path: Path) -> None:
    events_ = make(EVENTS)
    events_.put(event(None, "i", 1, "s"), event("u", "i", 2, "s"))
    delete(events_, tmp_path, "u")
    events_.put(event("u", "i", 3, "s"))
    events_.bring("FULL", ("u", "i", 4))
    assert events_.shown() == [("u", "i", 3), ("u", "i", 4)]
    delete(events_, tmp_path, "u", job="second")
    assert events_.shown() == []


def test_a_session_that_another_user_took_over_stays_his(make: Make, tmp_path: Path) -> None:
    events_ = make(EVENTS)
    events_.put(event(None, "i", 1, "s"), event("u", "i", 2, "s"), event("v", "i", 3, "s"))
    assert events_.shown() == [("u", "i", 2), ("v", "i", 1), ("v", "i", 3)]
    delete(events_, tmp_path, "u")
    assert events_.shown() == [("v", "i", 1), ("v", "i", 3)]
    assert len(events_.store.put_records.history(1, "s")) == 1


def test_a_user_with_the_name_of_a_session_of_anothers_stays(make: Make, tmp_path: Path) -> None:
    events_ = make(EVENTS)
    events_.put(event("u", "i", 1, "v"), event("v", "i", 2, "t"), event(None, "i", 3, "v"))
    delete(events_, tmp_path, "u")
    assert events_.shown() == [("v", "i", 2)]
    assert events_.store.put_records.history(1, "v") != []


def test_what_is_put_for_a_user_after_the_call_began_stays(make: Make, tmp_path: Path) -> None:
    events_ = make(EVENTS)
    events_.put(event(None, "i", 1, "s"), event("u", "i", 2, "s", "first"), event(None, "i", 3, "later"))
    with events_.store.read() as transaction:
        call = transaction.put_number(1)
    events_.put(event("u", "i", 4, "s", "second"), event(None, "i", 5, "s"), event("u", "i", 6, "later"))
    events_.put(Row("u", {"USER_ID": "u"}, "s", "second"))  # which is noted
    file = users_file(tmp_path, "u")
    for drained in range(2):
        deletion.drain(events_.records, call)
        assert deletion.count_users([events_.records], file, {1: call}) == 1 - drained
        deletion.delete_users(events_.records, file, "deletion", upto=call)
    # what the session did before goes with who it was then; another was nobody's until after the call
    assert events_.shown() == [("u", "i", at) for at in (3, 4, 5, 6)]
    put = events_.store.put_records
    assert [cells["TIMESTAMP"] for _, cells in put.history(1, "u")] == [4, 6]
    assert len(put.rejected(1)) == 1
    events_.put(event("u", "i", 7, "s", "first"), event("u", "i", 8, "s", "second"))
    assert [cells["TIMESTAMP"] for _, cells in put.history(1, "u")] == [4, 6, 7]  # only its own id is known


def test_a_deletion_waits_for_no_quiet_moment(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events_ = make(EVENTS)
    events_.put(event("u", "i", 1), event("v", "i", 1))
    with events_.store.read() as transaction:
        call = transaction.put_number(1)
    drains = iter(range(2, 10))
    moved = DatasetRecords.drain

    def while_events_come(records: DatasetRecords, limit: int = 1) -> int:
        events_.put(event("u", "i", next(drains)))
        return moved(records, limit)

    monkeypatch.setattr(DatasetRecords, "drain", while_events_come)
    deletion.drain(events_.records, call)
    deletion.delete_users(events_.records, users_file(tmp_path, "u"), "deletion", upto=call)
    assert events_.shown() == [*(("u", "i", at) for at in range(2, next(drains))), ("v", "i", 1)]


def test_all_users_may_go_and_new_ones_come(make: Make, tmp_path: Path) -> None:
    users = make(USERS)
    users.bring("FULL", ("a", 1), ("b", 2))
    users.put(Row("a", {"USER_ID": "a", "AGE": 3}))
    delete(users, tmp_path, "a", "b", "never there")
    assert [users.shown(which) for which in WHICH] == [[], [], []]
    assert users.records.count("BULK") == 0
    assert traces(users, tmp_path / "0" / "storage" / "d" / "put", "AGE") != []  # the log has the columns
    users.bring("INCREMENTAL", ("c", 4))
    users.put(Row("d", {"USER_ID": "d", "AGE": 5}))
    users.drain()
    assert users.shown() == [("c", 4), ("d", 5)]


def test_a_deletion_that_died_before_its_files_were_gone_is_finished_by_the_next_attempt(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = make(USERS)
    users.bring("FULL", (VICTIM, 1))
    with monkeypatch.context() as patch:
        patch.setattr(Table, "vacuum", lambda *_: (_ for _ in ()).throw(OSError("killed")))
        with pytest.raises(OSError, match="killed"):
            delete(users, tmp_path, VICTIM)
    assert users.shown() == []
    delete(users, tmp_path, VICTIM)
    assert traces(users, tmp_path / "0" / "storage", VICTIM) == []


def test_users_are_read_once_each_from_files_as_people_write_them(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.csv" for number in range(4)]
    files[0].write_bytes(b"\xef\xbb\xbfUSER_ID\r\nu\r\nv\r\n")
    files[1].write_text('"USER_ID"\n"a, b"\n"say ""hi"""\nu\n\n')
    files[2].write_text("USER_ID\n")
    files[3].write_text("USER_ID\n1\n007\n")
    deletion.read_users([input_file(file) for file in files], tmp_path / "users.parquet", 100_000_000)
    found = duckdb.read_parquet(str(tmp_path / "users.parquet")).fetchall()
    assert sorted(one for (one,) in found) == ["007", "1", "a, b", 'say "hi"', "u", "v"]


@pytest.mark.parametrize("text", ['u\n"v\n', "u\n" + "x" * 3_000_000 + "\nv\n", "u\nv,w\n"])
def test_a_file_with_a_row_that_cannot_be_read_fails_the_job_as_a_user_could_be_in_it(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "x.csv").write_text("USER_ID\n" + text)
    with pytest.raises(JobFailed, match=r"line \d"):
        deletion.read_users([input_file(tmp_path / "x.csv")], tmp_path / "users.parquet", 100_000_000)


def test_a_file_without_users_column_fails_the_job(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("ITEM_ID\ni\n")
    with pytest.raises(JobFailed):
        deletion.read_users([input_file(tmp_path / "x.csv")], tmp_path / "users.parquet", 100_000_000)


def test_users_are_counted_once_over_all_datasets(make: Make, tmp_path: Path) -> None:
    users, events_ = make(USERS), make(EVENTS)
    file = users_file(tmp_path, "a", "b", "c", "z")
    everything = {users.records.number: NEWEST, events_.records.number: NEWEST}
    assert deletion.count_users([users.records, events_.records], file, everything) == 0
    users.bring("FULL", ("a", 1), ("b", 2), ("x", 3))
    events_.bring("FULL", ("b", "i", 1), ("b", "i", 2))
    events_.put(event("c", "i", 3), event(None, "i", 3, "z"))
    events_.drain()
    assert deletion.count_users([users.records, events_.records], file, everything) == 3


# merges of imported parts


def test_imported_parts_are_merged_once_they_are_many_and_small(make: Make) -> None:
    users = make(USERS)
    for number in range(16):
        assert not users.records.merge_imported()
        users.bring("INCREMENTAL", ("all", number), (f"u{number}", number))
    before = users.shown(), users.shown("BULK"), users.records.bulk_table.version()
    users.records.bulk_table.sweep(-60)
    assert users.records.merge_imported()
    assert len(users.records.bulk_table.snapshot().parts) == 9
    assert not users.records.merge_imported()
    assert (users.shown(), users.shown("BULK"), users.records.bulk_table.version()) == before
    users.bring("INCREMENTAL", ("all", 99))
    assert users.records.bulk_table.version() == 17
    assert dict(users.shown())["all"] == 99


def test_large_parts_are_not_merged(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records_module, "_LARGE_BYTES", 10)
    users = make(USERS)
    for number in range(17):
        users.bring("INCREMENTAL", (f"u{number}", number))
    assert not users.records.merge_imported()


def test_what_is_merged_at_once_is_bounded(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    users = make(USERS)
    for number in range(16):
        users.bring("INCREMENTAL", (f"u{number}", number))
    sizes = {name: one.size_bytes for name, one in users.records.bulk_table.snapshot().parts.items()}
    monkeypatch.setattr(records_module, "_MERGE_BYTES", sum(sorted(sizes.values())[:3]))
    assert users.records.merge_imported()
    assert len(users.records.bulk_table.snapshot().parts) == 14


def test_a_merge_that_another_writer_overtook_merges_nothing(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = make(USERS)
    users.bring("FULL", ("a", 1))
    users.bring("INCREMENTAL", ("b", 2))
    merge = Table.merge

    def late(self: Table, *arguments: Any) -> bool:
        users.bring("FULL", ("c", 3))
        return merge(self, *arguments)

    monkeypatch.setattr(Table, "merge", late)
    assert not merge_all(users)
    assert users.shown() == [("c", 3)]


def test_merged_rows_lack_newer_columns_like_all_older_ones(make: Make) -> None:
    items = make(ITEMS)
    items.bring("FULL", ("a", "x"))
    newer = items.under(
        schema_of("Items", ("ITEM_ID", "string"), ("NOTE", ["null", "string"]), ("N", ["null", "int"]))
    )
    newer.bring("INCREMENTAL", ("b", "y", 1))
    assert merge_all(newer)
    newest = schema_of(
        "Items",
        ("ITEM_ID", "string"),
        ("NOTE", ["null", "string"]),
        ("N", ["null", "int"]),
        ("M", ["null", "int"]),
    )
    assert newer.under(newest).shown() == [("a", "x", None, None), ("b", "y", 1, None)]


def test_the_history_leaves_merges_out_and_every_version_can_be_restored(make: Make) -> None:
    users = make(USERS)
    for number in range(3):
        users.bring("INCREMENTAL", (f"u{number}", number))
    assert merge_all(users)
    users.bring("INCREMENTAL", ("u3", 3))
    found = versions.history(users.records)
    assert [(one["version"], one["rows"], one["restorable"]) for one in found] == [
        (4, 4, True),
        (2, 3, True),
        (1, 2, True),
        (0, 1, True),
    ]
    assert versions.history(users.records, limit=2, before=4) == found[1:3]
    assert versions.rollback(users.records, 1) == 5
    assert users.shown() == [("u0", 0), ("u1", 1)]
    assert versions.rollback(users.records, 4) == 6
    assert users.shown() == [(f"u{number}", number) for number in range(4)]


# everything together


@dataclass
class Model:
    """What a dataset should show, in plain Python.

    Attributes:
        identity: whether records have an id, the first column.
        parts: the rows of each part that is stored, with when they came.
        versions: the parts of each version of the imported records.
        put: when each put record came, its session and its cells.
    """

    identity: bool
    parts: dict[int, list[tuple[int, Cells]]] = field(default_factory=dict)
    versions: list[tuple[int, ...]] = field(default_factory=list)
    put: list[tuple[int, str | None, Cells]] = field(default_factory=list)
    clock: Iterator[int] = field(default_factory=itertools.count)

    def bring(self, mode: str, rows: Sequence[Cells]) -> None:
        name, moment = next(self.clock), next(self.clock)
        self.parts[name] = [(moment, row) for row in rows]
        old = self.versions[-1] if self.versions and mode == "INCREMENTAL" else ()
        self.versions.append((*old, name))

    def linked(self) -> list[tuple[int, Cells]]:
        users = {session: cells[0] for _, session, cells in self.put if cells[0] is not None}
        rows = [(at, (cells[0] or users.get(session), *cells[1:])) for at, session, cells in self.put]
        return [(at, cells) for at, cells in rows if cells[0] is not None]

    def bulk(self) -> list[tuple[int, Cells]]:
        return [row for name in (self.versions[-1] if self.versions else ()) for row in self.parts[name]]

    def shown(self, which: Which) -> list[Cells]:
        rows = (self.bulk() if which != "PUT" else []) + (self.linked() if which != "BULK" else [])
        if self.identity and which == "ALL":
            newest = {cells[0]: cells for _, cells in sorted(rows, key=lambda row: row[0])}
            return list(newest.values())
        return list({cells for _, cells in rows})

    def rollback(self, version: int) -> bool:
        if version >= len(self.versions) or not self.parts.keys() >= set(self.versions[version]):
            return False
        self.versions.append(self.versions[version])
        return True

    def merge(self) -> bool:
        if len(self.versions[-1] if self.versions else ()) < 2:
            return False
        name = next(self.clock)
        self.parts[name] = self.bulk()
        self.versions.append((name,))
        return True

    def delete(self, user: str) -> None:
        owners = {session: cells[0] for _, session, cells in self.put if cells[0] is not None}
        self.put = [
            one
            for one in self.put
            if (one[2][0] or (not self.identity and owners.get(one[1])) or None) != user
        ]
        if not self.versions:
            return
        kept: dict[int, list[tuple[int, Cells]]] = {}
        changed = False
        for name in self.versions[-1]:
            rows = [row for row in self.parts[name] if row[1][0] != user]
            same = len(rows) == len(self.parts[name])
            changed = changed or not same
            if rows:
                kept[name if same else next(self.clock)] = rows
        if changed:
            self.versions.append(tuple(kept))
        if self.parts.keys() - kept.keys():  # one more says that they go
            self.versions.append(self.versions[-1])
        self.parts = kept


SMALL = st.integers(0, 3)
USER = st.sampled_from("uvw")
ROWS = st.lists(st.tuples(USER, SMALL), min_size=1, max_size=4)
STEPS = st.lists(
    st.tuples(st.sampled_from(["FULL", "INCREMENTAL"]), ROWS)
    | st.tuples(
        st.just("put"),
        st.lists(st.tuples(st.none() | USER, SMALL, st.sampled_from("st")), min_size=1, max_size=4),
    )
    | st.tuples(st.just("drain"), st.integers(1, 3))
    | st.tuples(st.just("delete"), USER)
    | st.tuples(st.just("merge"), st.none())
    | st.tuples(st.just("rollback"), st.integers(0, 4)),
    max_size=9,
)


@pytest.mark.parametrize("of", [EVENTS, USERS], ids=["events", "users"])
@settings(
    max_examples=examples(10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
@example(
    steps=[
        ("FULL", [("u", 1)]),
        ("delete", "u"),
        ("INCREMENTAL", [("v", 2)]),
        ("rollback", 1),
        ("rollback", 0),
    ]
)
@example(
    steps=[
        ("INCREMENTAL", [("u", 1), ("v", 1), ("u", 2)]),
        ("put", [("u", 3, "s")]),
        ("INCREMENTAL", [("v", 2)]),
        ("merge", None),
        ("INCREMENTAL", [("w", 3)]),
        ("merge", None),
        ("delete", "v"),
        ("rollback", 2),
    ]
)
@example(steps=[("put", [(None, 1, "s"), ("u", 2, "s"), ("v", 3, "s")]), ("drain", 1), ("delete", "u")])
def test_whatever_happens_to_a_dataset_it_shows_what_a_plain_model_shows(
    tmp_path_factory: pytest.TempPathFactory, of: schema.Schema, steps: list[tuple[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("model")
    with pytest.MonkeyPatch.context() as monkeypatch:
        dataset = opened(open_storage(str(folder / "storage"), None, folder), folder, of, monkeypatch)
        model = Model(of is USERS)
        try:
            for number, (what, value) in enumerate(steps):
                step(dataset, model, folder, number, what, value)
                with (
                    dataset.records.connection() as connection
                ):  # one, as a connection costs more than a look
                    for which in WHICH:
                        with dataset.records.shown(connection, which):
                            found = connection.execute("SELECT * FROM data ORDER BY ALL").fetchall()
                        assert found == sorted(model.shown(which)), (number, what, which)
        finally:
            dataset.store.close()


def merge_all(dataset: Dataset) -> bool:
    """Merge all imported parts, however large and few."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records_module, "_small_parts", lambda sizes: sorted(sizes) if len(sizes) > 1 else [])
        return dataset.records.merge_imported()


def step(dataset: Dataset, model: Model, folder: Path, number: int, what: str, value: Any) -> None:
    """Do one thing to a dataset and to its model."""
    events_ = not model.identity
    if what in ("FULL", "INCREMENTAL"):
        rows = [(user, "i", at) if events_ else (user, at) for user, at in value]
        dataset.bring(what, *rows)
        model.bring(what, rows)
    elif what == "put":
        for user, at, session in value:
            if events_:
                dataset.put(event(user, "i", at, session))
                model.put.append((next(model.clock), session, (user, "i", at)))
            elif user is not None:
                dataset.put(Row(user, {"USER_ID": user, "AGE": at}))
                model.put.append((next(model.clock), None, (user, at)))
    elif what == "drain":
        dataset.records.drain(value)
    elif what == "merge":
        assert merge_all(dataset) == model.merge()
    elif what == "delete":
        delete(dataset, folder, value, job=f"deletion-{number}")
        model.delete(value)
    elif model.rollback(value):
        assert versions.rollback(dataset.records, value) == len(model.versions) - 1
    else:
        with pytest.raises(LookupError):
            versions.rollback(dataset.records, value)


def test_a_dataset_lives_in_every_storage(storage: Blobs, tmp_path: Path) -> None:
    events_ = opened(storage, tmp_path, EVENTS, None)
    events_.bring("FULL", (VICTIM, "i", 1), ("v", "i", 1))
    events_.bring("INCREMENTAL", ("v", "i", 2))
    events_.put(event(VICTIM, "i", 3), event("v", "i", 4))
    assert events_.drain() == 2
    events_.put(event(None, "i", 5))
    assert len(events_.shown()) == 6
    delete(events_, tmp_path, VICTIM)
    assert events_.shown() == [("v", "i", at) for at in (1, 2, 4, 5)]  # the session was linked to v last
    for path, _ in list(storage.list("d")):
        if path.endswith(".parquet"):
            assert VICTIM not in repr(duckdb.read_parquet(str(storage.local(path))).fetchall())
        else:
            assert VICTIM.encode() not in storage.get(path)
    (file,) = exported(events_, "ALL", tmp_path / "out")
    assert sorted(file.read_text().splitlines()[1:]) == ["v,i,1", "v,i,2", "v,i,4", "v,i,5"]
    events_.store.close()
