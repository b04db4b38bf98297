"""A bad row at the very end of a FULL file against the same file without it."""

from statistics import median

from bench import inputs, served
from bench.table import Row

REPEATS = 3
#: Two equal measures differ by this much on a machine that does other things too.
NOISE = 1.05


def run(quick: bool) -> list[Row]:
    rows = 1_000_000 if quick else 20_000_000
    good, bad = inputs.interactions(rows), inputs.interactions_with_bad_end(rows)
    for file in (good, bad):
        inputs.warm(file)
    imported, refused = [], []
    with served.service() as service:
        dataset = service.dataset("Interactions", served.interactions_schema())
        for _ in range(REPEATS):
            imported.append(service.import_file(dataset, good))
            refused.append(service.import_file(dataset, bad, expect="CREATE FAILED"))
    ratio = median(refused) / median(imported)
    return [
        Row(
            f"FULL import of {rows // 1_000_000} M rows, the last of them broken",
            f"{median(refused):.2f} s to `CREATE FAILED`",
            f"the same import without the broken row: {median(imported):.2f} s",
            f"{ratio:.2f} ×",
            "≤ 1 × (5 % of noise)",
            ratio <= NOISE,
        )
    ]
