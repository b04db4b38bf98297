"""How time and memory grow with the rows of one import."""

from statistics import median

from bench import inputs, served
from bench.table import Row

GIBIBYTE = 2**30


def run(quick: bool) -> list[Row]:
    sizes = (100_000, 1_000_000, 5_000_000) if quick else (1_000_000, 10_000_000, 100_000_000)
    per_row: list[float] = []
    cells: list[str] = []
    peak = 0
    for rows in sizes:
        file = inputs.interactions(rows)
        inputs.warm(file)
        with served.service() as service, served.PeakMemory(service.server.process.pid) as memory:
            dataset = service.dataset("Interactions", served.interactions_schema())
            repeats = 1 if rows >= 50_000_000 else 3
            seconds = median(service.import_file(dataset, file) for _ in range(repeats))
        per_row.append(seconds / rows)
        peak = max(peak, memory.bytes)
        each = seconds / rows * 1e6
        cells.append(
            f"{rows / 1e6:g} M: {seconds:.2f} s, {each:.3f} µs a row, {memory.bytes / 2**20:.0f} MiB"
        )
    return [
        Row(
            "FULL import, growth of the time per row",
            "<br>".join(cells),
            f"its own time per row at {sizes[0] / 1e6:g} M and {sizes[1] / 1e6:g} M",
            f"{per_row[2] / per_row[0]:.2f} × and {per_row[2] / per_row[1]:.2f} ×",
            "≤ 1.15 ×",
            max(per_row[2] / per_row[0], per_row[2] / per_row[1]) <= 1.15,
        ),
        Row(
            f"peak memory of all processes, up to {sizes[2] / 1e6:g} M rows",
            f"{peak / 2**20:.0f} MiB",
            "",
            f"{peak / GIBIBYTE:.2f} GiB",
            "≤ 1 GiB",
            peak <= GIBIBYTE,
        ),
    ]
