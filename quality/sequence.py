"""The sequence model alone and blended with the linear one on MovieLens-1M: quality, time and memory.

`python -m quality.sequence [NAME…]` prints the rows; each model is fitted in a process of its own.
"""

import json
import os
import subprocess
import sys

from bench.table import Row, markdown

#: Test NDCG@10 and HR@10, minutes and GiB that the project's targets name.
NDCG, HITS, MINUTES, GIB = 0.198, 0.333, 4.0, 4.0

MODELS = {"sequence": "sequence model", "blend": "blend of sequence and linear model"}

#: As a worker trains: threads that wait sleep.
ENVIRONMENT = {**os.environ, "OMP_WAIT_POLICY": "passive"}

FIT = """
import json, resource, sys, time
from importlib import import_module
from quality import movielens
from sartor.models.base import Run
lists = movielens.users()
data = movielens.training(lists)
module = import_module(f"sartor.models.{sys.argv[1]}")
def show(done):
    print(dict(done), file=sys.stderr)
begun, cpu = time.perf_counter(), time.process_time()
model = module.fit(data, module.Config(), Run(progress=show if "-v" in sys.argv else lambda done: None))
found = {
    "seconds": time.perf_counter() - begun,
    "cpu": time.process_time() - cpu,
    "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    "weight": getattr(model, "weight", None),
    "validation": movielens.ndcg_and_hits(model, lists, movielens.VALIDATION),
    "test": movielens.ndcg_and_hits(model, lists),
}
print(json.dumps(found))
"""


def run(quick: bool) -> list[Row]:
    """Fit on all of MovieLens-1M; there is no quick way to know."""
    return [] if quick else [measured(name) for name in MODELS]


def measured(name: str) -> Row:
    """Fit one model and return its row."""
    done = subprocess.run(
        [sys.executable, "-c", FIT, name], stdout=subprocess.PIPE, text=True, check=True, env=ENVIRONMENT
    )
    found = json.loads(done.stdout)
    ndcg, hits = found["test"]
    minutes = found["seconds"] / 60
    weight = "" if found["weight"] is None else f", weight of the sequence model {found['weight']:.2f}"
    return Row(
        f"MovieLens-1M, {MODELS[name]}",
        f"{minutes:.1f} min ({found['cpu']:.0f} s of CPU), {found['gib']:.1f} GiB, validation NDCG@10 "
        f"{found['validation'][0]:.4f}{weight}",
        "HSTU-large as published: 0.1893, 0.3294",
        f"test NDCG@10 {ndcg:.4f}, HR@10 {hits:.4f}",
        f"≥ {NDCG}, ≥ {HITS}; ≤ {MINUTES:.0f} min on two quiet cores, ≤ {GIB:.0f} GiB",
        ndcg >= NDCG and hits >= HITS and minutes <= MINUTES and found["gib"] <= GIB,
    )


if __name__ == "__main__":
    print(markdown([measured(name) for name in sys.argv[1:] or MODELS]))
