"""Training data that behaves like a shop's, written by DuckDB: any size, little memory, same bytes.

What a model can learn from it is planted here, and only here:

- *taste*: a user has a main and a second topic that most sessions are about; the main one leans on the age;
- *popularity*: within a topic the items' shares fall by a power law, and few users make most of the visits;
- *order*: an item belongs to a collection of eight; whoever looks at one tends to look at the next of it;
- *trends*: collections are released over the year and are sought most when new, and the fashion moves on;
- *funnel*: a view may lead to a basket, a basket to a purchase of the same item, in the same session.

Every number is drawn by hashing (seed, what it is for, which one it is), so that no row depends on another
and chunks are written side by side. A visit is 16 rows of one user, played after one of a thousand scripts;
visits start in the order of time, so the file is nearly sorted by it, as a log is.
"""

import random
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from sartor.data import engine

#: The year that the interactions fill: 2025, in epoch seconds.
START: Final = 1_735_689_600
SPAN_SECONDS: Final = 365 * 86_400
#: The smallest catalogue that still has topics, collections and releases.
MINIMUM_ITEMS: Final = 50

_VISIT_ROWS: Final = 16
_SCRIPTS: Final = 1024
_COLLECTION: Final = 8
_CHUNK_VISITS: Final = 1 << 17
#: Chunks written at once, and those that may wait for their turn to be appended.
_WRITERS: Final = 2
_WAITING: Final = 3
#: How much memory one of the databases may use.
_MEMORY_BYTES: Final = 300_000_000

INTERACTION_COLUMNS: Final = ("USER_ID", "ITEM_ID", "EVENT_TYPE", "EVENT_VALUE", "SESSION_ID", "TIMESTAMP")


@dataclass(frozen=True)
class Topic:
    """One department of the shop.

    Attributes:
        name: its first-level category.
        parts: its second-level categories.
        things: what it sells, the nouns of its titles.
        base_price: the price that its items lie around.
    """

    name: str
    parts: tuple[str, ...]
    things: tuple[str, ...]
    base_price: float


@dataclass(frozen=True)
class World:
    """A data set before it is written: the same world always gives the same files.

    Attributes:
        seed: what all draws start from.
        interactions, users, items: how many rows each file gets, exactly.
        topics: the departments; a small catalogue uses only the first of them.
    """

    seed: int
    interactions: int
    users: int
    items: int
    topics: tuple[Topic, ...]

    def __post_init__(self) -> None:
        if self.items < MINIMUM_ITEMS or self.users < 1 or self.interactions < 1 or self.seed < 0:
            raise ValueError(
                f"a data set needs 1 interaction, 1 user, {MINIMUM_ITEMS} items or more, and a seed from 0"
            )

    @property
    def topic_count(self) -> int:
        """Return how many topics the catalogue has: one for each 100 items, as far as there are names."""
        return min(len(self.topics), max(self.items // 100, 2))

    @property
    def collections(self) -> int:
        """Return how many collections a topic has; items beyond them are never sought (they stay cold)."""
        return self.items // self.topic_count // _COLLECTION

    @property
    def old_collections(self) -> int:
        """Return how many of a topic's collections were there before the year began."""
        return self.collections * 7 // 10


def write_items(world: World, path: Path) -> None:
    """Write the catalogue as CSV: ids, two levels of categories, brand, price, texts, creation times."""
    with _connect(world, threads=_WRITERS) as connection:
        _load_topics(connection, world)
        _copy(connection, _items_sql(world), path)


def write_users(world: World, path: Path) -> None:
    """Write the users as CSV; their age leans towards what they like."""
    with _connect(world, threads=_WRITERS) as connection:
        query = f"""
            SELECT 'u' || (10000000 + u) AS USER_ID,
                   CASE WHEN draw(33, u) >= 0.03 THEN age(u) END AS AGE,
                   ['F', 'M', 'X'][1 + floor(draw(34, u) * 2.1)::BIGINT] AS GENDER,
                   ['Free', 'Silver', 'Gold'][1 + floor(pow(draw(35, u), 2) * 3)::BIGINT] AS MEMBERSHIP_STATUS
            FROM (SELECT range AS u FROM range({world.users}))"""
        _copy(connection, query, path)


def write_interactions(
    world: World,
    path: Path,
    columns: tuple[str, ...] = INTERACTION_COLUMNS,
    progress: Callable[[int], None] = lambda rows: None,
) -> None:
    """Write the interactions as CSV, in chunks that need about 100 MB of memory whatever the size.

    Args:
        world: what to write.
        path: the file; its folder also holds the chunks on their way into it.
        columns: which columns, in which order.
        progress: is told the rows that lie in the file so far.
    """
    with path.open("wb") as whole:
        whole.write((",".join(columns) + "\n").encode())
        for part, rows in _chunks(world, path, columns):
            with part.open("rb") as chunk:
                shutil.copyfileobj(chunk, whole, 1 << 20)
            part.unlink()
            progress(rows)


def _chunks(world: World, path: Path, columns: tuple[str, ...]) -> Iterator[tuple[Path, int]]:
    """Write the chunks side by side, yield them in order with the rows up to their end."""

    def write(first_visit: int) -> tuple[Path, int]:
        part = path.with_name(f".{path.name}.{first_visit}")
        end = min(first_visit + _CHUNK_VISITS, visits)
        with _connect(world, threads=1) as connection:
            _load_scripts(connection, world)
            # The visits stay on the probing side of the join, so they keep their order.
            connection.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
            query = f"SELECT {', '.join(columns)} FROM ({_interactions_sql(world, first_visit, end)})"
            _copy(connection, query, part, header=False)
        return part, min(end * _VISIT_ROWS, world.interactions)

    visits = -(-world.interactions // _VISIT_ROWS)
    with ThreadPoolExecutor(_WRITERS) as pool:
        waiting: deque[Future[tuple[Path, int]]] = deque()
        for first_visit in range(0, visits, _CHUNK_VISITS):
            waiting.append(pool.submit(write, first_visit))
            if len(waiting) == _WAITING:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def _connect(world: World, threads: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give an empty database that knows how to draw; ``draw(purpose, which)`` is uniform in [0, 1)."""
    with engine.connect(_MEMORY_BYTES, threads=threads) as connection:
        for macro in _macros(world):
            connection.execute(f"CREATE MACRO {macro}")
        yield connection


def _macros(world: World) -> tuple[str, ...]:
    topics = world.topic_count
    return (
        f"dice(purpose, which) AS hash(which, purpose + {world.seed} * 1000)",
        "draw(purpose, which) AS (dice(purpose, which) >> 11)::DOUBLE / 9007199254740992",
        "age(u) AS (16 + floor(64 * pow(draw(31, u), 1.3)))::INTEGER",
        # Three users of four have the taste of their age group, the others any.
        f"""main_topic(u) AS (floor({topics} * pow(draw(1, u), 1.5))::BIGINT
            + CASE WHEN draw(32, u) < 0.75 THEN (age(u) - 16) // 20 * {topics} // 4 ELSE 0 END) % {topics}""",
        f"second_topic(u) AS floor({topics} * draw(2, u))::BIGINT",
        f"base_price(topic) AS {[topic.base_price for topic in world.topics[:topics]]}[topic + 1]",
        f"price(g) AS round(base_price(g % {topics}) * exp(1.6 * (draw(20, g) - 0.5))) + 0.99",
    )


def _copy(connection: duckdb.DuckDBPyConnection, query: str, path: Path, header: bool = True) -> None:
    options = f"FORMAT csv, HEADER {str(header).lower()}"
    connection.execute(engine.copy(query, path, options))


def _load_scripts(connection: duckdb.DuckDBPyConnection, world: World) -> None:
    """Fill ``script(id, moves)``: what happens in a visit, row by row."""
    moves = list(_scripts(random.Random(world.seed)))
    names = ("id", "step", "session", "pick", "ahead", "seconds", "event")
    lists = ", ".join(f"unnest(${name}) AS {name}" for name in names)
    connection.execute(
        f"""CREATE TABLE script AS
            SELECT id, list(struct_pack(step, session, pick, ahead, seconds, event) ORDER BY step) AS moves
            FROM (SELECT {lists}) GROUP BY id""",
        {name: [move[name] for move in moves] for name in names},
    )


def _scripts(source: random.Random) -> Iterator[dict[str, Any]]:
    """Yield the moves of all scripts.

    A move names its ``session`` in the visit, its ``pick`` (which freely chosen item began this walk through
    a collection), how far ``ahead`` of that item in the collection it is, and the ``seconds`` since the visit
    began.
    """
    chance = source.random
    for script in range(_SCRIPTS):
        session = pick = ahead = seconds = step = 0
        while step < _VISIT_ROWS:
            events = ["View"]
            if chance() < 0.25:
                events.append("AddToCart")
                if chance() < 0.4:
                    events.append("Purchase")
            for event in events[: _VISIT_ROWS - step]:
                yield {
                    "id": script,
                    "step": step,
                    "session": session,
                    "pick": pick,
                    "ahead": ahead,
                    "seconds": seconds,
                    "event": event,
                }
                step += 1
                seconds += 10 + int(chance() * 170)
            if chance() < 0.22:  # he leaves, and comes back hours or days later
                session, pick, ahead = session + 1, pick + 1, 0
                seconds += 7_200 + int(chance() * 400_000)
            elif chance() < 0.6:
                ahead += 1
            else:
                pick, ahead = pick + 1, 0


def _interactions_sql(world: World, first_visit: int, end_visit: int) -> str:
    """Return the query for the visits from ``first_visit`` up to ``end_visit``.

    An item's number is ``topic + topics * position``; the eight positions of a collection follow each other.
    """
    visits = -(-world.interactions // _VISIT_ROWS)
    topics, old = world.topic_count, world.old_collections
    new = world.collections - old
    return f"""
    WITH visit AS (
        SELECT visit, started, u, main_topic(u) AS main, second_topic(u) AS second,
               (started - {START}) * {topics} // {SPAN_SECONDS} % {topics} AS fashion,
               least((started - {START}) * {new} // {SPAN_SECONDS}, {new - 1}) AS newest,
               (dice(13, visit) % {_SCRIPTS})::BIGINT AS script
        FROM (SELECT range AS visit,
                     -- The shop grows: visits come more and more often.
                     {START} + floor(sqrt((range + 0.5) / {visits}) * {SPAN_SECONDS})::BIGINT AS started,
                     -- Every other visit goes round all users, the rest is made by the few.
                     CASE WHEN range % 2 = 0 THEN range // 2 % {world.users}
                          ELSE floor({world.users} * pow(draw(3, range), 3))::BIGINT END AS u
              FROM range({first_visit}, {end_visit}))
    ), move AS (
        SELECT * EXCLUDE (move), move.step, move.session, move.ahead, move.seconds, move.event,
               visit * {_VISIT_ROWS} + move.session AS sitting, visit * {_VISIT_ROWS} + move.pick AS walk
        FROM (SELECT visit.*, unnest(script.moves) AS move FROM visit JOIN script ON script.id = visit.script)
    ), chosen AS (
        SELECT *,
               CASE WHEN draw(17, sitting) < 0.65 THEN main WHEN draw(17, sitting) < 0.85 THEN second
                    ELSE fashion END AS topic,
               CASE WHEN draw(14, walk) < 0.3
                    THEN ({old} + greatest(newest - floor(-{new / 8} * ln(1 - draw(15, walk)))::BIGINT, 0))
                         * {_COLLECTION} + (dice(16, walk) % {_COLLECTION})::BIGINT
                    ELSE floor({old * _COLLECTION} * pow(draw(15, walk), 4))::BIGINT END AS position
        FROM move
    ), placed AS (
        SELECT *, topic + {topics} * (position // {_COLLECTION} * {_COLLECTION}
                  + (position + ahead) % {_COLLECTION}) AS g
        FROM chosen
    )
    SELECT 'u' || (10000000 + u) AS USER_ID, 'i' || (1000000 + g) AS ITEM_ID, event AS EVENT_TYPE,
           CASE WHEN event = 'Purchase' THEN price(g)::DECIMAL(10, 2) END AS EVENT_VALUE,
           's' || sitting AS SESSION_ID, started + seconds AS TIMESTAMP
    FROM placed WHERE visit * {_VISIT_ROWS} + step < {world.interactions}"""


_ADJECTIVES: Final = (
    "Quiet", "Bright", "Classic", "Modern", "Rustic", "Light", "Sturdy", "Compact", "Soft", "Bold",
)  # fmt: skip
_BRANDS: Final = (
    "Alder & Co", "Brightwater", "Calla", "Dunmore", "Everfell", "Foxglove", "Granby", "Hollin",
    "Isla", "Juniper", "Kestrel", "Larkfield", "Merrow", "Northam", "Oakhurst", "Penrose",
)  # fmt: skip
_PRAISE: Final = (
    "better than expected", "worth every cent", "a lovely gift", "simple and good", "I bought a second",
)  # fmt: skip


def _load_topics(connection: duckdb.DuckDBPyConnection, world: World) -> None:
    """Fill ``topic(k, name, parts, things)`` for the catalogue's texts."""
    topics = world.topics[: world.topic_count]
    connection.execute(
        "CREATE TABLE topic AS SELECT unnest($k) AS k, unnest($name) AS name, "
        "unnest($parts) AS parts, unnest($things) AS things",
        {
            "k": list(range(len(topics))),
            "name": [topic.name for topic in topics],
            "parts": [list(topic.parts) for topic in topics],
            "things": [list(topic.things) for topic in topics],
        },
    )


def _items_sql(world: World) -> str:
    topics, old = world.topic_count, world.old_collections
    new = world.collections - old
    return f"""
    WITH item AS (
        SELECT g, g % {topics} AS k, g // {topics} AS position, g // {topics} // {_COLLECTION} AS collection,
               collection * {topics} + k AS family
        FROM (SELECT range AS g FROM range({world.items}))
    ), worded AS (
        SELECT g, position, collection, name, price(g)::DECIMAL(10, 2) AS price,
               CASE WHEN draw(41, g) < 0.2 THEN (SELECT list(name ORDER BY k) FROM topic)
                    [1 + floor(draw(42, g) * {topics})::BIGINT] END AS also,
               {_pick("parts", "dice(43, family)")} AS part,
               CASE WHEN draw(44, g) < 0.35 THEN {_pick("parts", "dice(45, g)")} END AS other_part,
               {_pick("things", "dice(46, g)")} AS thing,
               {_pick(list(_ADJECTIVES), "dice(47, g)")} AS adjective,
               {_pick(list(_BRANDS), "dice(48, family)")} AS brand,
               {_pick(list(_PRAISE), "dice(49, g)")} AS praise
        FROM item JOIN topic USING (k)
    )
    SELECT 'i' || (1000000 + g) AS ITEM_ID,
           name || CASE WHEN also <> name THEN '|' || also ELSE '' END AS CATEGORY_L1,
           part || CASE WHEN other_part <> part THEN '|' || other_part ELSE '' END AS CATEGORY_L2,
           brand AS BRAND, price AS PRICE, brand || ' ' || adjective || ' ' || thing AS TITLE,
           'A ' || lower(adjective) || ' ' || lower(thing) || ' for ' || lower(part) || ', made by ' || brand
               || '. Part of a set of eight in ' || name || '. One customer says: "' || praise || '".'
               AS PRODUCT_DESCRIPTION,
           CASE WHEN position >= {world.collections * _COLLECTION} THEN {START + SPAN_SECONDS}
                WHEN collection >= {old} THEN {START} + (collection - {old}) * {SPAN_SECONDS} // {new}
                ELSE {START} - ((30 + 700 * draw(50, g)) * 86400)::BIGINT END AS CREATION_TIMESTAMP
    FROM worded ORDER BY g"""


def _pick(choices: str | list[str], dice: str) -> str:
    """Return SQL that takes one of a list by a hash."""
    return f"{choices}[1 + ({dice} % len({choices}))::BIGINT]"
