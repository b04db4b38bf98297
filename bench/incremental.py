"""INCREMENTAL import of 300 k items into 2 M, 100 k of them new."""

from statistics import median

from bench import inputs, peers, served
from bench.table import Row
from sartor.demo import data

REPEATS = 3


def run(quick: bool) -> list[Row]:
    base_rows, rows, new = (200_000, 30_000, 10_000) if quick else (2_000_000, 300_000, 100_000)
    base = inputs.items(base_rows)
    change = inputs.items(rows, first=base_rows + new - rows)
    for file in (base, change):
        inputs.warm(file)
    output = inputs.folder() / "peer.parquet"
    ours, written = [], []
    for _ in range(REPEATS):
        # A fresh base each time: the second change to one base would find nothing new.
        with served.service() as service:
            dataset = service.dataset("Items", data.SCHEMAS["Items"])
            service.import_file(dataset, base)
            ours.append(service.import_file(dataset, change, mode="INCREMENTAL"))
        written.append(peers.seconds(peers.DUCKDB_RESULT, base, change, output))
    mine, theirs = median(ours), median(written)
    return [
        Row(
            f"INCREMENTAL of {rows // 1000} k items into {base_rows / 1e6:g} M ({new // 1000} k of them new)",
            f"{mine:.2f} s",
            f"writing the {(base_rows + new) / 1e6:g} M resulting rows once: {theirs:.2f} s",
            f"{mine / theirs:.2f} ×",
            "≤ 3 ×",
            mine / theirs <= 3,
        )
    ]
