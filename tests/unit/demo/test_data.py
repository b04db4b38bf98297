"""What the demo's data promises: the planted structure is there, the bytes repeat, the rules are kept."""

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from sartor.data import synthetic
from sartor.demo import data

ROWS = 200_000


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    folder = tmp_path_factory.mktemp("shop")
    files = data.write(data.shop(ROWS), folder)
    with duckdb.connect() as connection:
        for file in files:
            name = file.dataset_type.lower()
            connection.execute(f"CREATE TABLE {name} AS FROM read_csv('{file.path}')")
            assert number(connection, f"SELECT count(*) FROM {name}") == file.rows
        # The order of the file settles what happened first within one second.
        connection.execute("CREATE TABLE seen AS SELECT *, rowid AS row FROM interactions")
        yield connection


def number(connection: duckdb.DuckDBPyConnection, query: str) -> float:
    row = connection.execute(query).fetchone()
    assert row is not None
    return float(row[0])


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    once, again, other = (
        [file.path.read_bytes() for file in data.write(data.shop(20_000, seed=seed), tmp_path / name)]
        for name, seed in (("once", 5), ("again", 5), ("other", 6))
    )
    assert once == again
    assert all(a != b for a, b in zip(once, other, strict=True))


def test_chunks_do_not_show_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = data.shop(20_000)
    synthetic.write_interactions(world, tmp_path / "whole.csv")
    monkeypatch.setattr(synthetic, "_CHUNK_VISITS", 100)
    seen: list[int] = []
    synthetic.write_interactions(world, tmp_path / "chunked.csv", progress=seen.append)
    assert (tmp_path / "chunked.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert seen == sorted(seen)
    assert seen[-1] == 20_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chunked.csv", "whole.csv"]


@pytest.mark.parametrize("rows", [1, 15, 16, 17, 1000])
def test_a_file_has_exactly_the_rows_asked_for(rows: int, tmp_path: Path) -> None:
    users, items, interactions = data.write(data.shop(rows), tmp_path)
    assert len(interactions.path.read_text().splitlines()) == rows + 1
    assert len(users.path.read_text().splitlines()) == 101
    assert len(items.path.read_text().splitlines()) == 201


def test_columns_can_be_chosen(tmp_path: Path) -> None:
    synthetic.write_interactions(data.shop(100), tmp_path / "x.csv", columns=("TIMESTAMP", "USER_ID"))
    assert (tmp_path / "x.csv").read_text().splitlines()[0] == "TIMESTAMP,USER_ID"


@pytest.mark.parametrize("sizes", [(0, 1, 50), (1, 0, 50), (1, 1, 49)])
def test_sizes_that_are_too_small_are_refused(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="a data set needs"):
        data.shop(*sizes)


def test_every_interaction_names_a_known_user_and_an_item_that_was_already_for_sale(
    shop: duckdb.DuckDBPyConnection,
) -> None:
    strangers = "SELECT count(*) FROM interactions ANTI JOIN users USING (USER_ID)"
    assert number(shop, strangers) == 0
    early = """SELECT count(*) FROM interactions LEFT JOIN items USING (ITEM_ID)
               WHERE CREATION_TIMESTAMP IS NULL OR CREATION_TIMESTAMP > TIMESTAMP"""
    assert number(shop, early) == 0


def test_ids_are_unique(shop: duckdb.DuckDBPyConnection) -> None:
    assert number(shop, "SELECT count(*) - count(DISTINCT USER_ID) FROM users") == 0
    assert number(shop, "SELECT count(*) - count(DISTINCT ITEM_ID) FROM items") == 0


def test_a_user_has_a_favourite_topic_far_above_chance(shop: duckdb.DuckDBPyConnection) -> None:
    query = """
        WITH shown AS (
            SELECT USER_ID, split_part(CATEGORY_L1, '|', 1) AS topic FROM {pairs} JOIN items USING (ITEM_ID)
        ), counted AS (SELECT USER_ID, topic, count(*) AS n FROM shown GROUP BY ALL)
        SELECT avg(best) FROM (
            SELECT max(n) / sum(n) AS best FROM counted GROUP BY USER_ID HAVING sum(n) >= 30)"""
    shuffled = """(SELECT USER_ID, ITEM_ID FROM (SELECT USER_ID, rowid AS r FROM interactions) a JOIN
        (SELECT ITEM_ID, row_number() OVER (ORDER BY hash(rowid)) - 1 AS r FROM interactions) b USING (r))"""
    favourite = number(shop, query.format(pairs="interactions"))
    assert favourite > 0.5
    assert favourite > 1.8 * number(shop, query.format(pairs=shuffled))


def test_the_next_item_of_a_session_depends_on_the_last(shop: duckdb.DuckDBPyConnection) -> None:
    """The one successor that followed most often in the first half of the year holds in the second."""
    shop.execute("""CREATE OR REPLACE TABLE steps AS
        SELECT ITEM_ID, lead(ITEM_ID) OVER (PARTITION BY SESSION_ID ORDER BY row) AS following, TIMESTAMP
        FROM seen WHERE EVENT_TYPE = 'View' QUALIFY following IS NOT NULL""")
    half = synthetic.START + synthetic.SPAN_SECONDS * 7 // 10
    hit = number(
        shop,
        f"""
        WITH learned AS (
            SELECT ITEM_ID, mode(following) AS guess FROM steps WHERE TIMESTAMP < {half} GROUP BY ITEM_ID
        ) SELECT avg((guess = following)::INT) FROM steps JOIN learned USING (ITEM_ID)
        WHERE TIMESTAMP >= {half}""",
    )
    most_popular = number(
        shop, "SELECT max(n) / sum(n) FROM (SELECT count(*) n FROM steps GROUP BY following)"
    )
    assert hit > 0.45
    assert hit > 10 * most_popular


def test_purchases_need_a_basket_and_baskets_need_a_view_of_the_same_item(
    shop: duckdb.DuckDBPyConnection,
) -> None:
    view, basket, purchase = (
        number(shop, f"SELECT count(*) FROM interactions WHERE EVENT_TYPE = '{name}'")
        for name in ("View", "AddToCart", "Purchase")
    )
    assert view > 2 * basket > 4 * purchase > 0
    for step, before in (("AddToCart", "View"), ("Purchase", "AddToCart")):
        orphans = f"""SELECT count(*) FROM seen AS late WHERE EVENT_TYPE = '{step}' AND NOT EXISTS (
            FROM seen AS early WHERE early.SESSION_ID = late.SESSION_ID AND early.ITEM_ID = late.ITEM_ID
            AND early.EVENT_TYPE = '{before}' AND early.row < late.row)"""
        assert number(shop, orphans) == 0


def test_only_purchases_have_a_value_and_it_is_the_price(shop: duckdb.DuckDBPyConnection) -> None:
    odd = """SELECT count(*) FROM interactions JOIN items USING (ITEM_ID) WHERE EVENT_VALUE IS DISTINCT FROM
             CASE WHEN EVENT_TYPE = 'Purchase' THEN PRICE END"""
    assert number(shop, odd) == 0


def test_few_items_and_few_users_make_most_of_the_rows(shop: duckdb.DuckDBPyConnection) -> None:
    for key in ("ITEM_ID", "USER_ID"):
        top_tenth = f"""SELECT sum(n) FILTER (place <= 0.1) / sum(n) FROM (
            SELECT n, percent_rank() OVER (ORDER BY n DESC) AS place
            FROM (SELECT count(*) AS n FROM interactions GROUP BY {key}))"""
        assert number(shop, top_tenth) > 0.3, key


def test_new_items_are_sought_most_soon_after_their_release(shop: duckdb.DuckDBPyConnection) -> None:
    age = f"""SELECT count(*) FILTER (TIMESTAMP - CREATION_TIMESTAMP < 92 * 86400) / count(*)
        FROM interactions JOIN items USING (ITEM_ID) WHERE CREATION_TIMESTAMP >= {synthetic.START}
        AND CREATION_TIMESTAMP < {synthetic.START + synthetic.SPAN_SECONDS // 2}"""
    assert number(shop, age) > 0.5


def test_rows_of_a_session_lie_close_in_time_and_belong_to_one_user(shop: duckdb.DuckDBPyConnection) -> None:
    query = """SELECT max(users), max(length) FROM (SELECT count(DISTINCT USER_ID) AS users,
               max(TIMESTAMP) - min(TIMESTAMP) AS length FROM interactions GROUP BY SESSION_ID)"""
    users, seconds = shop.execute(query).fetchone() or (0, 0)
    assert users == 1
    assert seconds < 3600


def test_some_items_have_several_categories_and_some_were_never_sought(
    shop: duckdb.DuckDBPyConnection,
) -> None:
    for column in ("CATEGORY_L1", "CATEGORY_L2"):
        assert 0.1 < number(shop, f"SELECT avg(({column} LIKE '%|%')::INT) FROM items") < 0.4
    assert number(shop, "SELECT count(*) FROM items ANTI JOIN interactions USING (ITEM_ID)") > 0


def test_the_files_have_the_columns_of_their_schemas(shop: duckdb.DuckDBPyConnection) -> None:
    for dataset_type, text in data.SCHEMAS.items():
        fields = {field["name"] for field in json.loads(text)["fields"]}
        assert set(shop.table(dataset_type.lower()).columns) == fields
