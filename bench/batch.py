"""A batch inference job with a filter, against the bare product of the same size with the best of each row.

Both use the same threads. The job's time is that from its creation to ACTIVE: it reads the questions, looks users up,
filters, takes shares of the whole catalogue, and writes names and scores as JSON lines.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from bench import jobs, planted, recommend, served
from bench.table import Row

ITEMS, USERS, HISTORY = 4_000, 1_000_000, 4
ROUNDS = 3
GIBIBYTE = 2**30


def run(quick: bool) -> list[Row]:
    users, rounds = (40_000, 1) if quick else (USERS, ROUNDS)
    threads = os.cpu_count() or 1
    ours, theirs = [], []
    with jobs.service(recommend.OPTIONS, "batch") as (service, bucket):
        planting = recommend.Planting(service, ITEMS, users, HISTORY)
        with (bucket / "users.json").open("w") as file:
            file.writelines(f'{{"userId":"{planted.user(number)}"}}\n' for number in range(users))
        session = service.server.process.pid
        before = served.proportional_bytes(session)
        with served.PeakMemory(session) as memory:
            for number in range(rounds):
                theirs.append(_bare(users, ITEMS, threads))
                ours.append(_job(planting, bucket, number, users))
        model = sum(
            file.stat().st_size
            for file in (service.server.data / "storage" / "planted").rglob("*")
            if file.is_file()
        )
    over = memory.bytes - before - model
    seconds, bare = median(ours), median(theirs)
    return [
        Row(
            f"batch inference, {users / 1e6:g} M users, 25 of {ITEMS:,} items each, one filter, {threads} threads",
            f"{seconds:.1f} s ({users / seconds:,.0f} users/s)",
            f"bare NumPy product with the best 25 of each row: {bare:.1f} s",
            f"{bare / seconds:.0%} of its speed",
            "≥ 80 %",
            bare / seconds >= 0.8,
        ),
        Row(
            "the same, memory of all processes over that before the job and the model's files",
            f"{over / GIBIBYTE:.2f} GiB",
            f"model: {model / GIBIBYTE:.2f} GiB",
            f"{over / GIBIBYTE:.2f} GiB",
            "≤ 1 GiB",
            over <= GIBIBYTE,
        ),
    ]


def _bare(users: int, items: int, threads: int) -> float:
    command = [sys.executable, "-m", "bench.bare_batch", str(users), str(items), str(threads)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _job(planting: recommend.Planting, bucket: Path, number: int, users: int) -> float:
    """Return the seconds that a job takes; its answers are looked at."""
    client = planting.service.client
    (version,) = client.list_solution_versions(
        solutionArn=planting.planted.campaign.replace(":campaign/", ":solution/")
    )["solutionVersions"]
    begun = time.perf_counter()
    arn = client.create_batch_inference_job(
        jobName=f"batch-{number}",
        solutionVersionArn=version["solutionVersionArn"],
        filterArn=planting.filter,
        jobInput={"s3DataSource": {"path": "s3://batch/users.json"}},
        jobOutput={"s3DataDestination": {"path": f"s3://batch/out-{number}/"}},
        roleArn=jobs.ROLE,
    )["batchInferenceJobArn"]
    jobs.settled(lambda: client.describe_batch_inference_job(batchInferenceJobArn=arn)["batchInferenceJob"])
    seconds = time.perf_counter() - begun
    out = bucket / f"out-{number}" / "users.json.out"
    with out.open() as lines:
        answers = sum(len(json.loads(line)["output"]["recommendedItems"]) == recommend.BEST for line in lines)
    if answers != users:
        raise RuntimeError(f"{answers:,} of {users:,} lines have {recommend.BEST} items")
    print(f"{users / seconds:,.0f} users/s", file=sys.stderr)
    out.unlink()
    return seconds
