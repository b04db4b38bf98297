"""GetRecommendations of five million items: how long it takes, how good it is, and how much memory a process needs.

Every item has a title and a description of its own, every request comes of another user, and one of the two filters
keeps one item in a hundred.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from bench import describe, inputs, jobs, planted, recommend, served
from bench.recommend import BEST, OPTIONS, Planting
from bench.table import Row

ITEMS = 5_000_000
USERS = 20_000
#: How many answers are held against the exact ones, for each filter.
COMPARED = 60
MOST_P99_SECONDS = 0.025
MOST_GIB = 6.0
LEAST_RECALL = 0.99
#: What the narrow filter keeps.
KEPT_SHARE = 0.01


def run(quick: bool) -> list[Row]:
    """Measure a planted campaign, one connection."""
    items, users, seconds = (200_000, 4_000, 2.0) if quick else (ITEMS, USERS, 20.0)
    words = f"GetRecommendations, {items / 1e6:g} M items, each request of another user, 1 connection"
    file = items_file(items)
    price = price_below(file, KEPT_SHARE)
    rows = []
    with (
        jobs.service(OPTIONS) as (service, _),
        served.PeakMemory(service.server.process.pid) as memory,
        TemporaryDirectory(dir=inputs.folder()) as kept,
    ):
        planting = Planting(service, items, users, file=file)
        narrow = planting.make_filter("narrow", f"INCLUDE ItemID WHERE Items.PRICE < {price}")
        filters = {
            "a filter on three columns": (planting.filter, recommend.SQL),
            f"a filter that keeps {KEPT_SHARE:.0%}": (narrow, f"PRICE < {price}"),
        }
        part = (users - COMPARED) // len(filters)
        for number, (of, (arn, sql)) in enumerate(filters.items()):
            planting.ask(planting.runtime, 0, filter_arn=arn)
            first = COMPARED + number * part
            asked = range(first, first + part)
            requests = planting.signed(Path(kept) / "r.json", asked, planted.RECIPE, arn)
            took = describe.measure(planting.port, seconds, requests, 1)
            recall = recommend.recall_of(planting, COMPARED, sql, arn)
            rows += _rows(f"{words}, {of}", took, recall)
    gib = memory.bytes / 2**30
    return [
        *rows,
        Row(
            "the same, memory of the process that answers and works, from the import on",
            f"{gib:.2f} GiB",
            "",
            f"{gib:.2f} GiB",
            f"≤ {MOST_GIB:g} GiB",
            gib <= MOST_GIB,
        ),
    ]


def _rows(words: str, took: dict[str, float], recall: float) -> list[Row]:
    return [
        Row(
            f"{words}, 99th percentile",
            f"{took['p99'] * 1000:.1f} ms, median {took['p50'] * 1000:.1f} ms",
            "",
            f"{took['p99'] * 1000:.1f} ms",
            f"≤ {MOST_P99_SECONDS * 1000:g} ms",
            took["p99"] <= MOST_P99_SECONDS,
        ),
        Row(
            f"the same, recall@{BEST} of the exact answers of {COMPARED} users",
            f"{recall:.4f}",
            "exact scores of the same model",
            f"{recall:.4f}",
            f"≥ {LEAST_RECALL}",
            recall >= LEAST_RECALL,
        ),
    ]


def items_file(items: int) -> Path:
    """Return the items of ``inputs.items`` with texts that no two of them share."""
    path = inputs.folder() / f"items-{items}-unlike.csv"
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        with duckdb.connect() as connection:
            connection.execute("SET enable_progress_bar = false")
            connection.execute(
                f"""COPY (SELECT * REPLACE (
                    TITLE || ' ' || ITEM_ID AS TITLE, PRODUCT_DESCRIPTION || ' ' || ITEM_ID AS PRODUCT_DESCRIPTION
                ) FROM read_csv('{inputs.items(items)}')) TO '{unfinished}' (FORMAT csv, HEADER)"""
            )
        unfinished.rename(path)
    return path


def price_below(file: Path, share: float) -> float:
    """Return the price below which about this share of the items is."""
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT quantile_cont(PRICE, {share}) FROM read_csv('{file}')").fetchone()
    assert found is not None
    return round(float(found[0]), 2)
