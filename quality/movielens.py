"""MovieLens-1M, leave one out: the last item of each user is the test, the one before it the validation."""

import os
import resource
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from quality import children
from sartor.models.base import Histories, Int32, Model, Query, TrainingData

#: How many of the last items a fitted model has not seen.
HELD_OUT = 2
TEST, VALIDATION = 1, 2
_TOP = 10
_BLOCK_USERS = 256


def folder() -> Path:
    """Return where the data lies: ``MOVIELENS_1M``, or beside the repository."""
    beside = Path(__file__).parents[2] / "shared" / "data" / "movielens-1m"
    return Path(os.environ.get("MOVIELENS_1M") or beside)


def users() -> list[Int32]:
    """Return each user's items from 0, oldest first."""
    lines = (folder() / "sequences.txt").read_text().splitlines()
    return [np.array(line.split(), np.int32) - 1 for line in lines]


def training(lists: list[Int32], held_out: int = HELD_OUT) -> TrainingData:
    """Return what a model is fitted on: everything but each user's last items."""
    kept = [one[:-held_out] for one in lists]
    items = np.concatenate(kept)
    offsets = np.cumsum([0, *map(len, kept)]).astype(np.int64)
    positions = np.concatenate([np.arange(len(one)) for one in kept]).astype(np.int64)
    n_items = int(max(one.max() for one in lists)) + 1
    return TrainingData(n_items, Histories(items, offsets, positions * 60))


def ndcg_and_hits(model: Model, lists: list[Int32], which: int = TEST) -> tuple[float, float]:
    """Return NDCG@10 and HR@10 over all items but those of the history; ties count against the model."""
    gains = []
    for first in range(0, len(lists), _BLOCK_USERS):
        block = lists[first : first + _BLOCK_USERS]
        scores = model.score_batch([Query(one[:-which]) for one in block])
        for row, one in zip(scores, block, strict=True):
            wanted = row[one[-which]]
            row[one[:-which]] = -np.inf
            rank = int((row >= wanted).sum())
            gains.append(1 / np.log2(rank + 1) if rank <= _TOP else 0.0)
    return float(np.mean(gains)), float(np.mean(np.array(gains) > 0))


def measured(name: str) -> dict[str, Any]:
    """Fit a model of ``sartor.models`` in a process of its own; return what it took and how well it ranks.

    Returns:
        ``seconds``, ``cpu`` (seconds), ``gib``, ``weights`` of a blend's parts; ``validation`` and ``test``, NDCG@10
        and HR@10 each.
    """
    found: dict[str, Any] = children.returned("quality.movielens", "fitted", name)
    return found


def fitted(name: str) -> dict[str, Any]:
    """Return what ``measured`` does, of this process."""
    lists = users()
    data = training(lists)
    module = import_module(f"sartor.models.{name}")
    begun, cpu = time.perf_counter(), time.process_time()
    model = module.fit(data)
    return {
        "seconds": time.perf_counter() - begun,
        "cpu": time.process_time() - cpu,
        "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "weights": model.report().get("weights", {}),
        "validation": ndcg_and_hits(model, lists, VALIDATION),
        "test": ndcg_and_hits(model, lists),
    }
