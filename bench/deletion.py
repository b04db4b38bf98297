"""Deletion of 10,000 users from 20 M interactions against reading and writing the table once."""

import time
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
connection.execute(
    f"COPY (SELECT * FROM read_parquet('{sys.argv[1]}')) TO '{sys.argv[2]}' (FORMAT parquet, COMPRESSION zstd)"
)
print(time.perf_counter() - begun)
"""


def run(quick: bool) -> list[Row]:
    rows, users = (1_000_000, 1_000) if quick else (20_000_000, 10_000)
    file = inputs.interactions(rows)
    parquet = jobs.interactions_parquet(rows)
    for one in (file, parquet):
        inputs.warm(one)
    ours, theirs = [], []
    with jobs.service(bucket="training") as (service, training):
        hit = write_users(parquet, users, training / "users.csv")
        dataset = service.dataset("Interactions", served.interactions_schema())
        for n in range(REPEATS):
            theirs.append(peers.seconds(DUCKDB, parquet, inputs.folder() / "peer.parquet"))
            # The whole table again each time: the second deletion of the same users would find nothing.
            service.import_file(dataset, file)
            ours.append(delete(service, f"bench-delete-{n}"))
    mine, bare = median(ours), median(theirs)
    return [
        Row(
            f"deletion of {users:,} users ({hit:,} rows) from {rows // 1_000_000} M interactions",
            f"{mine:.2f} s",
            f"DuckDB reading and writing the table once: {bare:.2f} s",
            f"{mine / bare:.2f} ×",
            "≤ 3 ×",
            mine / bare <= 3,
        )
    ]


def write_users(parquet: Path, users: int, path: Path) -> int:
    """Write users of the table, spread over all of it, and return the rows that are theirs."""
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(
            f"""CREATE TABLE chosen AS SELECT USER_ID, count(*) AS events FROM read_parquet('{parquet}')
            GROUP BY USER_ID ORDER BY hash(USER_ID) LIMIT {users}"""
        )
        connection.execute(f"COPY (SELECT USER_ID FROM chosen) TO '{path}' (FORMAT csv, HEADER)")
        found = connection.execute("SELECT count(*), sum(events) FROM chosen").fetchone()
    assert found is not None and found[0] == users, f"the file has fewer than {users:,} users"
    return int(found[1])


def delete(service: served.Service, name: str) -> float:
    """Delete the users of `users.csv` and return the seconds from the call to `COMPLETED`."""
    client = service.client
    begun = time.perf_counter()
    arn = client.create_data_deletion_job(
        jobName=name,
        datasetGroupArn=service.group,
        dataSource={"dataLocation": "s3://training/users.csv"},
        roleArn=jobs.ROLE,
    )["dataDeletionJobArn"]
    jobs.settled(lambda: client.describe_data_deletion_job(dataDeletionJobArn=arn)["dataDeletionJob"])
    return time.perf_counter() - begun
