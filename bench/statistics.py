"""The statistics of 20 M interactions against DuckDB's bare scan with the same aggregates."""

import time
from statistics import median
from urllib.parse import quote

from bench import inputs, jobs, peers, served
from bench.table import Row

REPEATS = 3

#: What it finds is its output.
DUCKDB = """
import duckdb, json, sys, time
connection = duckdb.connect()
connection.execute("SET enable_progress_bar = false")  # it writes to stdout
begun = time.perf_counter()
table = f"read_parquet('{sys.argv[1]}')"
columns = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()]
counts = ", ".join(f"count({name}), count(DISTINCT {name})" for name in columns)
found = [connection.execute(query).fetchall() for query in (
    f"SELECT count(*), min(TIMESTAMP), max(TIMESTAMP), {counts} FROM {table}",
    f"SELECT EVENT_TYPE, count(*) FROM {table} GROUP BY ALL ORDER BY 2 DESC",
    f"SELECT TIMESTAMP // 86400 AS day, count(*) FROM {table} GROUP BY ALL ORDER BY 1",
    f'''SELECT events, count(*) FROM (SELECT count(*) AS events FROM {table} GROUP BY USER_ID)
    GROUP BY ALL ORDER BY 1''',
)]
seconds = time.perf_counter() - begun
with open(sys.argv[2], "w") as output:
    json.dump(found, output)
print(seconds)
"""


def run(quick: bool) -> list[Row]:
    rows = 1_000_000 if quick else 20_000_000
    file = inputs.interactions(rows)
    parquet = jobs.interactions_parquet(rows)
    for one in (file, parquet):
        inputs.warm(one)
    ours, theirs = [], []
    with served.service() as service:
        dataset = service.dataset("Interactions", served.interactions_schema())
        path = f"/sartor/v1/datasets/{quote(dataset, safe='')}/statistics"
        for _ in range(REPEATS):
            theirs.append(peers.seconds(DUCKDB, parquet, inputs.folder() / "peer.json"))
            # A new version of the table each time: an answer may be remembered for as long as nothing changes.
            service.import_file(dataset, file)
            begun = time.perf_counter()
            service.server.get(path)
            ours.append(time.perf_counter() - begun)
    mine, bare = median(ours), median(theirs)
    return [
        Row(
            f"statistics of {rows // 1_000_000} M interactions over HTTP",
            f"{mine:.2f} s",
            f"DuckDB, the same aggregates of zstd Parquet: {bare:.2f} s",
            f"{mine / bare:.2f} ×",
            "≤ 2 ×",
            mine / bare <= 2,
        )
    ]
