"""The sequence model alone and blended with the linear one on MovieLens-1M: quality, time and memory.

`python -m quality.sequence [NAME…]` prints the rows; each model is fitted in a process of its own.
"""

import sys

from bench.table import Row, markdown

from quality import movielens

#: Test NDCG@10 and HR@10, minutes and GiB that the project's targets name.
NDCG, HITS, MINUTES, GIB = 0.198, 0.333, 4.0, 4.0

MODELS = {"sequence": "sequence model", "blend": "blend of sequence and linear model"}


def run(quick: bool) -> list[Row]:
    """Fit on all of MovieLens-1M; there is no quick way to know."""
    return [] if quick else [measured(name) for name in MODELS]


def measured(name: str) -> Row:
    """Fit one model and return its row."""
    found = movielens.measured(name)
    ndcg, hits = found["test"]
    minutes = found["seconds"] / 60
    weight = found["weights"].get("sequence")
    weighed = "" if weight is None else f", weight of the sequence model {weight:.2f}"
    return Row(
        f"MovieLens-1M, {MODELS[name]}",
        f"{minutes:.1f} min ({found['cpu']:.0f} s of CPU), {found['gib']:.1f} GiB, validation NDCG@10 "
        f"{found['validation'][0]:.4f}{weighed}",
        "HSTU-large as published: 0.1893, 0.3294",
        f"test NDCG@10 {ndcg:.4f}, HR@10 {hits:.4f}",
        f"≥ {NDCG}, ≥ {HITS}; ≤ {MINUTES:.0f} min on two quiet cores, ≤ {GIB:.0f} GiB",
        ndcg >= NDCG and hits >= HITS and minutes <= MINUTES and found["gib"] <= GIB,
    )


if __name__ == "__main__":
    print(markdown([measured(name) for name in sys.argv[1:] or MODELS]))
