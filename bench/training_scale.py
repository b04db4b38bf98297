"""Training the default recipe's model on 20 M interactions with 27,000 items, and on a quarter of them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from bench.table import Row
from sartor.models.base import Histories, TrainingData

ROOT = Path(__file__).parent.parent
ITEMS = 27_000
INTERACTIONS = 20_000_000
#: Of the same users' interactions, this share shows how the time grows.
SMALLER = 4
MOST_SECONDS = 45 * 60
MOST_GIB = 8.0
#: How much more than linear still counts as linear: what one run differs from the next.
SLACK = 1.15

OURS = """
import json, resource, sys, time
from bench import training_scale
from sartor.models.base import Run
from sartor.recipes import trainers
data = training_scale.data_of(int(sys.argv[1]), int(sys.argv[2]))
trainer = trainers.PERSONAL
begun = time.perf_counter()
model = trainer.fit(data, {}, Run(threads=2, progress=lambda done: print(done, file=sys.stderr, flush=True)))
seconds = time.perf_counter() - begun
gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps({"seconds": seconds, "gib": gib, "model": model.name}))
"""


def data_of(interactions: int, items: int) -> TrainingData:
    """Return histories of about 145 items, as long as MovieLens-20M's: short ones are many, a few are long."""
    rng = np.random.default_rng(4)
    users = max(interactions // 145, 50)
    lengths = (20 + rng.gamma(0.6, 208, users)).astype(np.int64)
    lengths = np.maximum((lengths * (interactions / lengths.sum())).astype(np.int64), 3)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    n = int(offsets[-1])
    tastes = 200
    taste = rng.integers(0, tastes, items)
    order = np.argsort(taste, kind="stable")
    sizes = np.bincount(taste, minlength=tastes)
    begins = np.cumsum(sizes) - sizes
    user = np.repeat(np.arange(users), lengths)
    own = rng.integers(0, tastes, (users, 4))
    chosen = own[user, rng.integers(0, 4, n)]
    item = order[begins[chosen] + (sizes[chosen] * rng.random(n) ** 2).astype(np.int64)]
    anything = rng.random(n) < 0.2
    item[anything] = (items * rng.random(anything.sum()) ** 3).astype(np.int64)
    times = 1_700_000_000 + np.arange(n, dtype=np.int64) - offsets[user]
    return TrainingData(items, Histories(item.astype(np.int32), offsets, times))


def run(quick: bool) -> list[Row]:
    most = 400_000 if quick else INTERACTIONS
    small, large = _run(most // SMALLER), _run(most)
    growth = large["seconds"] / small["seconds"] / SMALLER
    words = f"training, {most / 1e6:g} M interactions, {ITEMS:,} items, default recipe ({large['model']})"
    return [
        Row(
            words,
            f"{large['seconds'] / 60:.1f} min, {large['gib']:.1f} GiB",
            "",
            f"{large['seconds'] / 60:.1f} min, {large['gib']:.1f} GiB",
            f"≤ {MOST_SECONDS // 60} min, ≤ {MOST_GIB:.0f} GiB",
            large["seconds"] <= MOST_SECONDS and large["gib"] <= MOST_GIB,
        ),
        Row(
            f"the same, growth from {most // SMALLER / 1e6:g} M interactions",
            f"{large['seconds']:.0f} s",
            f"a quarter of the interactions: {small['seconds']:.0f} s",
            f"{growth:.2f} × as long for each interaction",
            f"≤ {SLACK} ×",
            growth <= SLACK,
        ),
    ]


def _run(interactions: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", OURS, str(interactions), str(ITEMS)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
