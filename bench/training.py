"""Training the sequence recipe on MovieLens-1M against a plain torch script of the same sizes and epochs."""

import json
import subprocess
import sys
from pathlib import Path

from quality import movielens

from bench.table import Row
from sartor.models.sequence_config import Amount, Config

ROOT = Path(__file__).parent.parent
MOST_GIB = 4.0

OURS = """
import json, resource, sys, time
from quality import movielens
from sartor.models import sequence
from sartor.models.base import Run
data = movielens.training(movielens.users())
begun = time.perf_counter()
sequence.fit(data, sequence.Config(epochs=int(sys.argv[1])), Run(threads=2))
seconds = time.perf_counter() - begun
print(json.dumps({"seconds": seconds, "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))
"""


def run(quick: bool) -> list[Row]:
    data = movielens.training(movielens.users())
    config = Config(epochs=1 if quick else 0).decided(Amount.of(data.histories))
    ours = _run("-c", OURS, config.epochs)
    plain = _run("-m", "bench.plain_sequence", config.d, config.window, config.epochs)
    ratio = ours["seconds"] / plain["seconds"]
    return [
        Row(
            f"training, MovieLens-1M, sequence recipe, {config.epochs} epochs",
            f"{ours['seconds']:.0f} s, {ours['gib']:.1f} GiB",
            f"plain torch script: {plain['seconds']:.0f} s, {plain['gib']:.1f} GiB",
            f"{ratio:.2f} ×, {ours['gib']:.1f} GiB",
            f"≤ 1.0 ×, ≤ {MOST_GIB:.0f} GiB",
            ratio <= 1.0 and ours["gib"] <= MOST_GIB,
        )
    ]


def _run(*arguments: object) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found
