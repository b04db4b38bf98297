"""Export of 20 M interactions against DuckDB's bare Parquet → CSV."""

import shutil
from pathlib import Path
from statistics import median

import duckdb

from bench import inputs, jobs, peers, served
from bench.table import Row

REPEATS = 3

DUCKDB = """
import duckdb, sys, time
connection = duckdb.connect()
connection.execute("SET enable_progress_bar = false")  # it writes to stdout
begun = time.perf_counter()
connection.execute(f"COPY (SELECT * FROM read_parquet('{sys.argv[1]}')) TO '{sys.argv[2]}' (FORMAT csv, HEADER)")
print(time.perf_counter() - begun)
"""


def run(quick: bool) -> list[Row]:
    rows = 1_000_000 if quick else 20_000_000
    file = inputs.interactions(rows)
    parquet = jobs.interactions_parquet(rows)
    for one in (file, parquet):
        inputs.warm(one)
    ours, theirs = [], []
    with jobs.service(bucket="out") as (service, out):
        dataset = service.dataset("Interactions", served.interactions_schema())
        for n in range(REPEATS):
            # A new version of the table each time: what is known of a version may be kept for its next reader.
            service.import_file(dataset, file)
            theirs.append(peers.seconds(DUCKDB, parquet, inputs.folder() / "peer.csv"))
            ours.append(jobs.export(service.client, dataset, f"bench-{n}", "ALL", f"s3://out/x{n}/"))
            if exported_rows(out / f"x{n}") != rows:
                raise RuntimeError(f"{exported_rows(out / f'x{n}'):,} of {rows:,} rows were exported")
            shutil.rmtree(out / f"x{n}")
    mine, bare = median(ours), median(theirs)
    return [
        Row(
            f"export of {rows // 1_000_000} M interactions to CSV",
            f"{mine:.2f} s",
            f"DuckDB `COPY` zstd Parquet → CSV: {bare:.2f} s",
            f"{mine / bare:.2f} ×",
            "≤ 1.5 ×",
            mine / bare <= 1.5,
        )
    ]


def exported_rows(folder: Path) -> int:
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        found = connection.execute(
            f"SELECT count(*) FROM read_csv('{folder}/**/*.csv', header = true)"
        ).fetchone()
    assert found is not None
    return int(found[0])
