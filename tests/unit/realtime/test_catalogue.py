"""Rows by number: the model's first, then what is new; what calls put at once, what imports bring within seconds."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from live_records import Live, live
from sartor.data.ids import Ids
from sartor.realtime import catalogue
from sartor.realtime.catalogue import Catalogue
from tables import ID, schema_of

ITEMS = schema_of("Items", ID, ("GENRE", ["null", "string"]), ("PRICE", ["null", "float"]))
NEWER = schema_of("Items", ID, ("GENRE", ["null", "string"]), ("CREATION_TIMESTAMP", ["null", "long"]))
SECONDS = 20.0


@pytest.fixture
def dataset(tmp_path: Path) -> Iterator[Live]:
    with live(tmp_path, ITEMS) as opened:
        yield opened


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(catalogue, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture(params=[catalogue._MANY_NAMES, 1], ids=["a dictionary", "the arrays of the ids"])
def looked_up_in(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "_MANY_NAMES", request.param)


def item(name: str, genre: str | None = None) -> dict[str, str]:
    return {"ITEM_ID": name} | ({} if genre is None else {"GENRE": genre})


def shown(found: Catalogue) -> dict[str, str | None]:
    """Return the genre of each id."""
    return {found.name(row): found.metadata(row, ["GENRE"]).get("genre") for row in range(len(found))}


@pytest.mark.usefixtures("looked_up_in")
def test_the_models_items_keep_their_numbers_and_new_ones_stand_behind_them(dataset: Live) -> None:
    dataset.bring(item("b", "comedy"), item("x", "drama"))
    found = Catalogue(dataset.find, "ITEM_ID", Ids.of(["a", "b"]))
    assert [found.name(row) for row in range(len(found))] == ["a", "b", "x"]
    assert [found.find(name) for name in ("a", "b", "x", "y")] == [0, 1, 2, None]
    assert shown(found) == {"a": None, "b": "comedy", "x": "drama"}
    assert found.names_as_json([2, 0]).tolist() == [b'"x"', b'"a"']
    assert found.json_names.tolist() == [b'"a"', b'"b"', b'"x"']


def test_what_a_call_puts_is_there_with_the_next_request(dataset: Live) -> None:
    dataset.bring(item("a", "comedy"))
    found = Catalogue(dataset.find, "ITEM_ID", None)
    dataset.put(item("a", "drama"), key="a")
    dataset.put(item("b", "crime"), key="b")
    assert shown(found) == {"a": "comedy"}
    found.take_up()
    assert shown(found) == {"a": "drama", "b": "crime"}
    dataset.put(item("a"), key="a")  # a whole record: what it lacks is null
    found.take_up()
    assert shown(found) == {"a": None, "b": "crime"}


def test_columns_that_somebody_has_stay_as_they_were(dataset: Live) -> None:
    dataset.bring(item("a", "comedy"))
    found = Catalogue(dataset.find, "ITEM_ID", None)
    before = found.columns
    dataset.put(item("a", "drama"), key="a")
    found.take_up()
    assert before.texts(0, ["GENRE"]) == {"GENRE": "comedy"}
    assert found.columns.version != before.version


def test_imports_are_taken_up_now_and_then_and_win_over_nothing_newer(
    dataset: Live, clock: SimpleNamespace
) -> None:
    dataset.bring(item("a", "comedy"))
    found = Catalogue(dataset.find, "ITEM_ID", None)
    dataset.put(item("b", "crime"), key="b")
    dataset.bring(item("a", "drama"), item("c"))
    clock.now += catalogue.IMPORT_LOOK_SECONDS - 1
    found.look()
    assert shown(found) == {"a": "comedy", "b": "crime"}
    clock.now += 1
    found.look()
    assert shown(found) == {"a": "drama", "b": "crime", "c": None}


def test_an_unchanged_table_is_not_read_again(dataset: Live, clock: SimpleNamespace) -> None:
    dataset.bring(item("a", "comedy"))
    found = Catalogue(dataset.find, "ITEM_ID", None)
    before = found.columns
    clock.now += catalogue.IMPORT_LOOK_SECONDS
    found.look()
    assert found.columns is before


def test_an_item_that_an_import_replaced_keeps_its_number_without_anything_known_of_it(
    dataset: Live, clock: SimpleNamespace
) -> None:
    dataset.bring(item("a", "comedy"), item("b", "crime"))
    found = Catalogue(dataset.find, "ITEM_ID", None)
    dataset.bring(item("b", "drama"), mode="FULL")
    clock.now += catalogue.IMPORT_LOOK_SECONDS
    found.look()
    assert found.find("a") == 0
    assert shown(found) == {"a": None, "b": "drama"}


def test_a_newer_schema_is_followed(dataset: Live, clock: SimpleNamespace) -> None:
    dataset.bring(item("a", "comedy"))
    found = Catalogue(dataset.find, "ITEM_ID", None)
    assert found.metadata_column("price") == "PRICE"
    dataset.under(NEWER)
    dataset.put({"ITEM_ID": "b", "CREATION_TIMESTAMP": 7}, key="b")
    clock.now += catalogue.IMPORT_LOOK_SECONDS
    found.look()
    assert found.metadata_column("price") is None
    assert found.metadata_column("Creation_Timestamp") == "CREATION_TIMESTAMP"
    assert found.numbers("CREATION_TIMESTAMP").tolist() == [-1, 7]
    dataset.put({"ITEM_ID": "a", "CREATION_TIMESTAMP": 3}, key="a")
    found.take_up()
    assert found.numbers("CREATION_TIMESTAMP").tolist() == [3, 7]
    assert found.numbers("GENRE").tolist() == [-1, -1]


@pytest.mark.usefixtures("looked_up_in")
def test_a_dataset_that_is_not_there_or_goes_leaves_the_rows_that_are_known(
    dataset: Live, clock: SimpleNamespace
) -> None:
    records, dataset.records = dataset.records, None
    found = Catalogue(dataset.find, "ITEM_ID", Ids.of(["a"]))
    found.take_up()
    found.look()
    assert shown(found) == {"a": None}
    dataset.records = records
    dataset.bring(item("a", "comedy"))
    clock.now += catalogue.IMPORT_LOOK_SECONDS
    found.look()
    assert shown(found) == {"a": "comedy"}
    dataset.records = None
    clock.now += catalogue.IMPORT_LOOK_SECONDS
    found.look()
    assert shown(found) == {"a": "comedy"}


def test_many_records_at_once_are_read_as_a_whole(dataset: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "_MOST_PUT", 5)
    found = Catalogue(dataset.find, "ITEM_ID", None)
    for number in range(7):
        dataset.put(item(f"i{number}", "g"), key=f"i{number}")
    found.take_up()
    assert sorted(shown(found)) == [f"i{number}" for number in range(7)]
    assert found.columns.changed == {}  # one block


@pytest.mark.usefixtures("looked_up_in")
def test_ids_can_have_rows_before_anything_is_known_of_them(dataset: Live) -> None:
    found = Catalogue(dataset.find, "ITEM_ID", Ids.of(["a"]))
    found.add(["z", "a", "z"])
    assert shown(found) == {"a": None, "z": None}


def test_threads_that_ask_and_one_that_changes_see_whole_records_and_every_one(dataset: Live) -> None:
    dataset.bring(item("a", "g0"))
    found = Catalogue(dataset.find, "ITEM_ID", None)
    over = threading.Event()
    torn: list[object] = []

    def ask() -> None:
        while not over.is_set():
            found.take_up()
            columns = found.columns
            genres = {columns.texts(row, ["GENRE"]).get("GENRE") for row in range(columns.n_rows)}
            if None in genres:  # a row without its record
                torn.append(genres)

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        for number in range(1, 40):
            dataset.put(item(f"i{number % 10}", f"g{number}"), key=f"i{number % 10}")
        over.set()
        for one in asking:
            one.result(SECONDS)
    found.take_up()
    assert torn == []
    assert shown(found) == {"a": "g0"} | {f"i{number % 10}": f"g{number}" for number in range(30, 40)}
