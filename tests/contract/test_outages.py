"""A database that cannot be used: calls get a 503 that clients try again, one line says why, and it passes."""

import json
import logging
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sartor.database.sqlite import Sqlite
from sartor.errors import Unavailable
from sartor.resources.store import Store
from wire.asgi import Answered, App

ARN = "arn:aws:personalize:us-east-1:000000000000"
COLUMNS = {
    "Interactions": [("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long")],
    "Items": [("ITEM_ID", "string"), ("PRICE", "float")],
    "Users": [("USER_ID", "string"), ("AGE", "int")],
}
HOLDS = (
    "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('BEGIN EXCLUSIVE'); print(); input()"
)


def schema(name: str) -> str:
    fields = [{"name": column, "type": kind} for column, kind in COLUMNS[name]]
    return json.dumps({"type": "record", "name": name, "namespace": "n", "version": "1", "fields": fields})


def activate(app: App, arn: str, **private: Any) -> None:
    with app.backend.store.write() as transaction:
        transaction.set_status(arn, "ACTIVE", 1.0)
        transaction.merge_private(arn, private)


def database_of(app: App) -> Sqlite:
    database = app.backend.store.database
    assert isinstance(database, Sqlite)
    return database


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """Give a service with a group of three datasets and an event tracker, all ACTIVE."""
    app = App(tmp_path)
    assert app.call("CreateDatasetGroup", {"name": "g"}).status == 200
    activate(app, f"{ARN}:dataset-group/g")
    for name in COLUMNS:
        app.call("CreateSchema", {"name": name, "schema": schema(name)})
        members = {"name": name, "schemaArn": f"{ARN}:schema/{name}", "datasetType": name}
        assert (
            app.call("CreateDataset", {**members, "datasetGroupArn": f"{ARN}:dataset-group/g"}).status == 200
        )
        activate(app, f"{ARN}:dataset/g/{name.upper()}", table=f"tables/{name}")
    made = app.call("CreateEventTracker", {"name": "t", "datasetGroupArn": f"{ARN}:dataset-group/g"}).json
    activate(app, made["eventTrackerArn"])
    app.tracking_id = made["trackingId"]  # type: ignore[attr-defined]
    database_of(app).writer.busy_seconds = 0.2
    yield app
    app.close()


def put(path: str, **members: Any) -> Callable[[App], Answered]:
    return lambda app: app.ask(
        "POST",
        path,
        json.dumps({name: app.tracking_id if one is ... else one for name, one in members.items()}).encode(),
    )


def create(operation: str, **members: Any) -> Callable[[App], Answered]:
    return lambda app: app.call(operation, members)


GROUP = f"{ARN}:dataset-group/g"
WRITES: dict[str, Callable[[App], Answered]] = {
    "PutEvents": put(
        "/events",
        trackingId=...,
        sessionId="s",
        userId="u",
        eventList=[{"eventType": "e", "itemId": "i", "sentAt": 1}],
    ),
    "PutItems": put(
        "/items", datasetArn=f"{ARN}:dataset/g/ITEMS", items=[{"itemId": "i", "properties": '{"price": 1.0}'}]
    ),
    "PutUsers": put(
        "/users", datasetArn=f"{ARN}:dataset/g/USERS", users=[{"userId": "u", "properties": '{"age": 1}'}]
    ),
    "CreateDatasetGroup": create("CreateDatasetGroup", name="h"),
    "CreateSchema": create("CreateSchema", name="another", schema=schema("Items")),
    "CreateFilter": create(
        "CreateFilter",
        name="f",
        datasetGroupArn=GROUP,
        filterExpression="EXCLUDE ItemID WHERE Items.PRICE > 3",
    ),
    "TagResource": create("TagResource", resourceArn=GROUP, tags=[{"tagKey": "k", "tagValue": "v"}]),
    "DeleteSchema": create("DeleteSchema", schemaArn=f"{ARN}:schema/Users"),
}


def keep_refused(app: App) -> None:
    """Ask everything that writes, and the health; nothing writes and all say that it passes."""
    for name, ask in WRITES.items():
        answered = ask(app)
        assert answered.status == 503, (name, answered)
        assert answered.json["__type"] == "ServiceUnavailableException"
        assert int(answered.headers["retry-after"]) > 0
        assert "sartor.db" not in answered.json["message"]
    ready = app.ask("GET", "/health/ready")
    assert (ready.status, ready.headers["retry-after"], b"database" in ready.body) == (503, "2", True)
    assert app.ask("GET", "/health/live").status == 200


def keep_working(app: App) -> None:
    """Ask the same, and all of it works."""
    database_of(app).writer._next_try = 0.0
    for name, ask in WRITES.items():
        answered = ask(app)
        assert answered.status == (400 if name == "DeleteSchema" else 200), (name, answered)  # in use
    assert app.ask("GET", "/health/ready").status == 200


def lines(log: pytest.LogCaptureFixture, name: str) -> list[str]:
    return [one.getMessage() for one in log.records if one.name == name and one.levelno >= logging.ERROR]


def test_while_another_process_locks_the_database_writes_are_503_and_then_work_again(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    path = str(app.backend.settings.data / "sartor.db")
    with subprocess.Popen([sys.executable, "-c", HOLDS, path], stdin=-1, stdout=-1) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        holder.stdout.readline()
        keep_refused(app)
        assert app.call("DescribeDatasetGroup", {"datasetGroupArn": GROUP}).status == 200, "reads go on"
        holder.stdin.write(b"\n")
        holder.stdin.flush()
        holder.wait()
    assert len(lines(caplog, "sartor.wire")) == 1
    assert "Another process holds its lock" in caplog.text
    keep_working(app)


def test_while_the_disk_is_full_writes_are_503_and_then_work_again(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    store = app.backend.store
    database = database_of(app)
    with store.write() as transaction:  # SQLite's own way to have no room
        pages = transaction._connection.exec_driver_sql("PRAGMA page_count").scalar()

    def cramp(connection: Any, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    sa.event.listen(database.engine, "connect", cramp)
    database.writer._drop()
    database.engine.dispose()
    keep_full(app)
    assert all("full" in line for line in lines(caplog, "sartor.wire"))
    assert len(lines(caplog, "sartor.wire")) == 1
    sa.event.remove(database.engine, "connect", cramp)
    database.writer._drop()
    database.engine.dispose()
    keep_working(app)


def keep_full(app: App) -> None:
    """Fill the pages that are left, and look how what needs more of them is refused."""
    full = [
        app.call("CreateSchema", {"name": f"s{n}", "schema": schema("Items") + " " * 9000}).status
        for n in range(9)
    ]
    assert full[-1] == 503
    assert set(full) <= {200, 503}
    ready = app.ask("GET", "/health/ready")
    assert (ready.status, b"database" in ready.body) == (503, True)


@pytest.mark.parametrize("how", ["deleted", "emptied", "replaced"])
def test_a_database_that_is_lost_while_it_runs_takes_nothing_more(app: App, how: str, tmp_path: Path) -> None:
    path = tmp_path / "sartor.db"
    path.rename(tmp_path / "kept")
    if how == "emptied":
        path.touch()
    if how == "replaced":
        path.write_bytes((tmp_path / "kept").read_bytes())
    keep_refused(app)
    described = WRITES["PutEvents"](app), app.call("DescribeDatasetGroup", {"datasetGroupArn": GROUP})
    assert [one.status for one in described] == [503, 503]
    (tmp_path / "kept").rename(path)
    database_of(app).file.keep()
    keep_working(app)


def test_a_new_service_makes_its_database_once(tmp_path: Path) -> None:
    Store.open(f"sqlite:///{tmp_path / 'sartor.db'}").close()
    Store.open(f"sqlite:///{tmp_path / 'sartor.db'}").close()
    assert not list(tmp_path.glob("*.new*"))


def test_what_a_death_left_of_a_new_database_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "sartor.db.new").write_bytes(b"half")
    Store.open(f"sqlite:///{tmp_path / 'sartor.db'}").close()


def _flip(path: Path) -> None:
    found = bytearray(path.read_bytes())
    found[4096:20_000] = b"\x5a" * (20_000 - 4096)
    path.write_bytes(found)


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "deleted": (Path.unlink, "is gone"),
    "emptied": (lambda path: path.write_bytes(b""), "is empty"),
    "no database": (lambda path: path.write_bytes(b"x" * 100_000), "is damaged"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:8192]), "is damaged"),
    "pages overwritten": (_flip, "is damaged"),
    "another program's": (lambda path: (path.unlink(), _foreign(path)), "is none of Sartor's"),
}


def _foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE notes (text)")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_database_is_refused_in_words_and_left_as_it_is(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "sartor.db"
    Store.open(f"sqlite:///{path}").close()
    spoil, words = DAMAGES[damage]
    spoil(path)
    before = path.read_bytes() if path.exists() else None
    for _ in range(2):
        with pytest.raises(ValueError, match=words) as refused:
            Store.open(f"sqlite:///{path}")
        assert "put back a copy" in str(refused.value)
    assert (path.read_bytes() if path.exists() else None) == before


def test_postgresql_that_is_away_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="cannot be used"):
        Store.open("postgresql://nobody:secret@127.0.0.1:1/nothing")


def test_postgresql_whose_lock_somebody_keeps_is_unavailable(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sartor.database.postgresql._LOCK_SECONDS", 0.2)
    store = Store.open(sa.make_url(postgres_url).render_as_string(hide_password=False))
    with store.write("word"), pytest.raises(Unavailable, match="holds its lock"), store.write("word"):
        raise AssertionError("two writers with one word")
    with store.write("word"):
        pass
    store.close()
