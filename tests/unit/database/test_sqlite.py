"""SQLite's readers remember what they have read, and never longer than it is so; its writers take turns."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from sartor.database.sqlite import Sqlite
from sartor.errors import Unavailable

SECONDS = 20.0
READ = "SELECT value FROM t WHERE key = ?"


def make(connection: sa.Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS t (key INTEGER PRIMARY KEY, value INTEGER)")
    connection.exec_driver_sql("INSERT OR IGNORE INTO t VALUES (1, 0)")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Sqlite]:
    opened = Sqlite(tmp_path / "s.db", make, ("t",))
    yield opened
    opened.close()


def write(database: Sqlite, value: int, key: int = 1) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("INSERT OR REPLACE INTO t VALUES (?, ?)", (key, value))


def statements(database: Sqlite, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list in which the quick reads that reach SQLite are noted from now on."""
    asked: list[str] = []
    original = database._read

    def read(query: str, values: tuple[object, ...]) -> list[object]:
        asked.append(query)
        return original(query, values)

    monkeypatch.setattr(database, "_read", read)
    return asked


def test_what_was_read_is_remembered_until_something_is_committed(
    database: Sqlite, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = statements(database, monkeypatch)
    for _ in range(3):
        with database.at_once():
            assert database.rows(READ, (1,)) == [(0,)]
    assert len(asked) == 1
    write(database, 5)
    with database.at_once():
        assert database.rows(READ, (1,)) == [(5,)]
    assert len(asked) == 2


def test_outside_of_it_every_read_is_new(database: Sqlite, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = statements(database, monkeypatch)
    assert [database.rows(READ, (1,)) for _ in range(2)] == [[(0,)]] * 2
    assert len(asked) == 2


def test_commits_of_other_processes_are_seen_too(database: Sqlite, tmp_path: Path) -> None:
    with database.at_once():
        assert database.rows(READ, (1,)) == [(0,)]
    other = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    other.execute("UPDATE t SET value = 9")
    other.close()
    with database.at_once():
        assert database.rows(READ, (1,)) == [(9,)]
    assert database.fresh_rows("SELECT value FROM t") == [(9,)]


def test_no_thread_sees_an_older_value_than_it_has_seen(database: Sqlite) -> None:
    over = threading.Event()
    wrong: list[tuple[int, int]] = []

    def read() -> None:
        last = 0
        while not over.is_set():
            with database.at_once():
                ((value,),) = database.rows(READ, (1,))
            if value < last:
                wrong.append((last, value))
            last = value

    with ThreadPoolExecutor(3) as pool:
        reading = [pool.submit(read) for _ in range(3)]
        for value in range(1, 60):
            write(database, value)
        over.set()
        for one in reading:
            one.result(SECONDS)
    assert wrong == []
    with database.at_once():
        assert database.rows(READ, (1,)) == [(59,)]


def test_writers_of_one_process_take_turns_and_lose_nothing(database: Sqlite) -> None:
    def grow(_: int) -> None:
        with database.write() as connection:
            ((value,),) = connection.exec_driver_sql("SELECT value FROM t WHERE key = 1").fetchall()
            connection.exec_driver_sql("UPDATE t SET value = ? WHERE key = 1", (value + 1,))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(grow, range(80)))
    assert database.rows(READ, (1,)) == [(80,)]


def test_what_fails_is_rolled_back_and_the_next_writer_goes_on(database: Sqlite) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as connection:
        connection.exec_driver_sql("UPDATE t SET value = 7")
        raise ZeroDivisionError
    assert database.rows(READ, (1,)) == [(0,)]
    write(database, 1)
    assert database.rows(READ, (1,)) == [(1,)]


def test_a_writer_whose_turn_does_not_come_is_told(database: Sqlite) -> None:
    with database.write(), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(database.write(wait_seconds=0.05).__enter__)
        with pytest.raises(Unavailable, match="Another writer of this process"):
            waiting.result(SECONDS)


def test_what_is_deleted_is_in_no_file_once_it_is_cleared(database: Sqlite, tmp_path: Path) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE secret (word TEXT)")
        connection.exec_driver_sql("INSERT INTO secret VALUES ('xylophone-of-ursula')")
    with database.write() as connection:
        connection.exec_driver_sql("DELETE FROM secret")
    database.clear_deleted()
    assert all(b"xylophone-of-ursula" not in file.read_bytes() for file in tmp_path.glob("s.db*"))
