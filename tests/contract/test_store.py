"""What every metadata database must do, before anything knows of kinds."""

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sartor.resources.store import Duplicate, Resource, Store
from sartor.resources.upgrades import SCHEMA_VERSION

ARN = "arn:aws:personalize:eu-central-1:111122223333:filter/f"


def resource(name: str = "f", created_at: float = 1.5, **changes: object) -> Resource:
    values = {
        "arn": ARN[:-1] + name,
        "kind": "filter",
        "account": "111122223333",
        "region": "eu-central-1",
        "name": name,
        "status": "ACTIVE",
        "body": {"filterExpression": "é\u2028\x00"},
        "private": {"path": "a/b"},
        "created_at": created_at,
        "updated_at": created_at,
    }
    return Resource(**(values | changes))  # type: ignore[arg-type]


def page(store: Store, limit: int = 100, after: tuple[float, int] | None = None) -> list[Resource]:
    with store.read() as transaction:
        return transaction.page("filter", "111122223333", "eu-central-1", limit=limit, after=after)


def test_a_resource_comes_back_as_it_was_given(store: Store) -> None:
    given_one = resource()
    with store.write() as transaction:
        transaction.add(given_one)
    found = store.get(ARN)
    assert found is not None
    assert found.seq > 0
    with store.read() as transaction:
        assert transaction.get(ARN) == found
    assert resource(seq=found.seq) == found


def test_a_page_has_only_what_is_searched_for_and_of_these_statuses(store: Store) -> None:
    with store.write() as transaction:
        for name, status in (
            ("a_b", "ACTIVE"),
            ("aXb", "ACTIVE"),
            ("A_B-c", "CREATE FAILED"),
            ("z%", "ACTIVE"),
        ):
            transaction.add(resource(name, status=status))
    with store.read() as transaction:

        def found(**more: object) -> set[str]:
            page = transaction.page("filter", "111122223333", "eu-central-1", limit=9, **more)  # type: ignore[arg-type]
            return {one.name for one in page}

        assert found(search="a_b") == {"a_b", "A_B-c"}
        assert found(search="%") == {"z%"}
        assert found(search="A_b", statuses=("ACTIVE",)) == {"a_b"}
        assert found(statuses=()) == set()


def test_a_word_is_used_once_whoever_asks_at_once_and_is_forgotten_in_the_end(store: Store) -> None:
    barrier = threading.Barrier(4)

    def spend() -> bool:
        barrier.wait()
        with store.write("spent") as transaction:
            return transaction.spend("word", 200.0, 100.0)

    with ThreadPoolExecutor(4) as pool:
        assert sorted(done.result() for done in [pool.submit(spend) for _ in range(4)]) == [False] * 3 + [
            True
        ]
    with store.write("spent") as transaction:
        assert transaction.is_spent("word")
        assert not transaction.is_spent("another")
        assert transaction.spend("another", 1_000.0, 201.0)
        assert not transaction.is_spent("word")
        assert transaction.is_spent("another")


def test_an_exception_undoes_the_whole_transaction(store: Store) -> None:
    with pytest.raises(RuntimeError), store.write() as transaction:
        transaction.add(resource())
        transaction.set_tags(ARN, {"a": "b"})
        raise RuntimeError
    assert store.get(ARN) is None
    with store.read() as transaction:
        assert transaction.tags(ARN) == {}


def test_an_arn_is_taken_once(store: Store) -> None:
    with store.write() as transaction:
        transaction.add(resource())
    with pytest.raises(Duplicate), store.write() as transaction:
        transaction.add(resource())


def test_of_many_who_take_one_arn_at_once_exactly_one_gets_it(store: Store) -> None:
    barrier = threading.Barrier(8)

    def take(number: int) -> bool:
        barrier.wait()
        try:
            with store.write() as transaction:
                transaction.add(resource(private={"number": number}))
        except Duplicate:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(8))) == 1


def test_writers_with_the_same_word_wait_for_each_other(store: Store) -> None:
    def add_one_below_three(number: int) -> None:
        with store.write("quota") as transaction:
            if transaction.count("filter", "111122223333", "eu-central-1") < 3:
                transaction.add(resource(f"f{number}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add_one_below_three, range(16)))
    assert len(page(store)) == 3


def test_removing_a_resource_removes_its_tags_and_its_references_only(store: Store) -> None:
    child = resource("child")
    with store.write() as transaction:
        transaction.add(resource())
        transaction.add(child, [ARN])
        transaction.set_tags(child.arn, {"a": "b"})
        transaction.remove(ARN)
        assert transaction.child(ARN, "filter") is not None
        transaction.remove(child.arn)
        assert transaction.child(ARN, "filter") is None
        assert transaction.tags(child.arn) == {}


def test_a_later_resource_has_a_higher_number_even_after_a_removal(store: Store) -> None:
    with store.write() as transaction:
        transaction.add(resource())
        first = transaction.get(ARN)
        transaction.remove(ARN)
        transaction.add(resource())
        second = transaction.get(ARN)
    assert first is not None
    assert second is not None
    assert second.seq > first.seq


def test_what_was_read_before_is_read_again_once_anybody_has_committed(
    store: Store, database_url: str
) -> None:
    other = Store.open(database_url)
    try:
        with store.write() as transaction:
            transaction.add(resource())
        for n, writer in enumerate((store, other, store)):
            with store.at_once():
                (first,) = store.stamps((ARN,))
                assert store.stamps((ARN,)) == [first]
            with writer.write() as transaction:
                transaction.set_status(ARN, f"STATUS {n}", float(n))
            with store.at_once():
                ((_, _, status, _),) = store.stamps((ARN,))
                assert status == f"STATUS {n}"
    finally:
        other.close()


def test_what_a_failed_call_has_read_is_not_trusted_after_it(store: Store) -> None:
    with store.write() as transaction:
        transaction.add(resource())
    with pytest.raises(RuntimeError), store.at_once():
        assert store.get(ARN) is not None
        raise RuntimeError
    with store.write() as transaction:
        transaction.remove(ARN)
    assert store.get(ARN) is None


def test_every_process_has_the_same_secret(database_url: str) -> None:
    first, second = Store.open(database_url), Store.open(database_url)
    assert first.secret == second.secret
    assert len(first.secret) == 32
    first.close()
    second.close()


def _open(url: str, barrier: threading.Barrier) -> bytes:
    barrier.wait()
    store = Store.open(url)
    secret = store.secret
    store.close()
    return secret


def test_many_may_open_an_empty_database_at_once(database_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(4) as pool:
        barrier = manager.Barrier(4)
        secrets = pool.starmap(_open, [(database_url, barrier)] * 4)
    assert len(set(secrets)) == 1


def test_a_database_of_another_version_is_refused(database_url: str) -> None:
    store = Store.open(database_url)
    with store.write() as transaction:
        transaction._connection.exec_driver_sql(
            "UPDATE setting SET value = '999' WHERE key = 'schema_version'"
        )
    store.close()
    with pytest.raises(ValueError, match="version 999"):
        Store.open(database_url)


def test_a_database_of_version_2_gets_the_tables_that_came_with_policies(database_url: str) -> None:
    store = Store.open(database_url)
    with store.write() as transaction:
        run = transaction._connection.exec_driver_sql
        transaction.add(resource())
        run("UPDATE setting SET value = '2' WHERE key = 'schema_version'")
        run("DELETE FROM setting WHERE key = 'storage_layout'")
        for table in ("access_role", "access_policy", "audit_record"):
            run(f"DROP TABLE {table}")
    store.close()
    store = Store.open(database_url)
    assert store.get(ARN) is not None
    with store.read() as transaction:
        run = transaction._connection.exec_driver_sql
        assert run("SELECT value FROM setting WHERE key = 'schema_version'").scalar_one() == SCHEMA_VERSION
        for table in ("access_role", "access_policy", "audit_record"):
            assert run(f"SELECT count(*) FROM {table}").scalar_one() == 0
    store.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://h/d"])
def test_a_database_that_processes_cannot_share_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="a file or a server"):
        Store.open(url)


def test_sqlite_is_durable_and_lets_readers_read(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'new' / 's.db'}")
    with store.read() as transaction:
        pragma = transaction._connection.exec_driver_sql
        assert pragma("PRAGMA journal_mode").scalar_one() == "wal"
        assert pragma("PRAGMA synchronous").scalar_one() == 2
    with store.write() as writing:
        writing.add(resource())
        assert store.get(ARN) is None  # not committed, and nobody waits
    assert store.get(ARN) is not None
    store.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    moments=st.lists(st.integers(0, 5), max_size=12),
    limit=st.integers(1, 4),
    inserted=st.lists(st.integers(0, 9), max_size=6),
)
def test_pages_show_each_row_once_while_others_are_added(
    store: Store, moments: list[int], limit: int, inserted: list[int]
) -> None:
    with store.write() as transaction:
        for old in transaction.page("filter", "111122223333", "eu-central-1", limit=1000):
            transaction.remove(old.arn)
        for number, moment in enumerate(moments):
            transaction.add(resource(f"f{number}", float(moment)))
    expected = [row.name for row in page(store, 1000)]
    later = iter(enumerate(inserted))
    seen: list[Resource] = []
    while found := page(store, limit, (seen[-1].created_at, seen[-1].seq) if seen else None):
        seen += found
        for number, moment in later:
            with store.write() as transaction:
                transaction.add(resource(f"new{number}", float(moment)))
            break
    names = [row.name for row in seen]
    assert len(names) == len(set(names))
    assert [name for name in names if not name.startswith("new")] == expected
    assert [(row.created_at, row.seq) for row in seen] == sorted(
        ((row.created_at, row.seq) for row in seen), reverse=True
    )
