"""One user's last 100 events, as a recommendation reads them, with 20 M events stored."""

import random
import sqlite3
import time
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from bench import inputs
from bench.table import Row
from sartor.resources.store import Store

EVENTS_OF_USER = 200
LAST = 100
READS = 2_000
DATASET = 1
_INDEX = "CREATE INDEX put_record_seq ON put_record (dataset, seq)"


def run(quick: bool) -> list[Row]:
    users = 5_000 if quick else 100_000
    with TemporaryDirectory(dir=inputs.folder()) as kept:
        path = Path(kept) / "sartor.db"
        store = Store.open(f"sqlite:///{path}")
        try:
            fill(path, users)
            took = [seconds(store, f"user-{random.randrange(users):06}") for _ in range(READS)]
        finally:
            store.close()
    millions = users * EVENTS_OF_USER / 1e6
    return [
        Row(
            f"one user's last {LAST} events with {millions:g} M events stored",
            f"{median(took) * 1000:.3f} ms, 99th percentile {quantiles(took, n=100)[98] * 1000:.3f} ms",
            "",
            f"{median(took) * 1000:.3f} ms",
            "≤ 0.2 ms",
            median(took) <= 0.0002,
        )
    ]


def fill(path: Path, users: int) -> None:
    """Write the events of all users, which came in turns; an index that is made at the end is made sooner."""
    with sqlite3.connect(path) as connection:
        connection.execute("DROP INDEX put_record_seq")
        connection.execute(
            "WITH RECURSIVE user(u) AS (VALUES (0) UNION ALL SELECT u + 1 FROM user WHERE u < ? - 1), "
            "turn(n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM turn WHERE n < ? - 1) "
            "INSERT INTO put_record (dataset, key, seq, count, at, session, body) "
            "SELECT ?, printf('user-%06d', u), n * ? + u + 1, 1, 1.7e9 + n, printf('session-%d', u), "
            'printf(\'{"USER_ID":"user-%06d","ITEM_ID":"item-%d","EVENT_TYPE":"click",'
            '"EVENT_VALUE":1.5,"TIMESTAMP":%d}\', u, (u * 7919 + n * 104729) % 27000, 1700000000 + n) '
            "FROM user CROSS JOIN turn",
            (users, EVENTS_OF_USER, DATASET, users),
        )
        connection.execute(_INDEX)


def seconds(store: Store, user: str) -> float:
    """Read one user's history and return the seconds that it took."""
    begun = time.perf_counter()
    found = store.put_records.after(DATASET, user, 0, LAST)
    took = time.perf_counter() - begun
    if len(found) != LAST or found[-1]["USER_ID"] != user:
        raise RuntimeError(f"the history of {user} is not what was written")
    return took
