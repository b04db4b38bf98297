"""FULL import of 20 M interactions against DuckDB's and Polars' bare conversion of the same file."""

from statistics import median

from bench import inputs, peers, served
from bench.table import Row

REPEATS = 3


def run(quick: bool) -> list[Row]:
    rows = 1_000_000 if quick else 20_000_000
    file = inputs.interactions(rows)
    inputs.warm(file)
    output = inputs.folder() / "peer.parquet"
    ours, duckdb, polars = [], [], []
    with served.service() as service:
        dataset = service.dataset("Interactions", served.interactions_schema())
        for _ in range(REPEATS):
            duckdb.append(peers.seconds(peers.DUCKDB, file, output))
            ours.append(service.import_file(dataset, file))
            polars.append(peers.seconds(peers.POLARS, file, output))
    size = f"{rows // 1_000_000} M interactions, {file.stat().st_size / 1e6:.0f} MB, 5 columns"
    mine = median(ours)
    return [
        Row(
            f"FULL import of {size}",
            f"{mine:.2f} s ({rows / mine / 1e6:.2f} M rows/s)",
            f"{peer} `{call}`: {median(theirs):.2f} s",
            f"{mine / median(theirs):.2f} ×",
            f"≤ {limit} ×",
            mine / median(theirs) <= limit,
        )
        for peer, call, theirs, limit in (
            ("DuckDB", "read_csv → zstd Parquet", duckdb, 1.15),
            ("Polars", "scan_csv → sink_parquet", polars, 1.6),
        )
    ]
