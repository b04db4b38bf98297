"""Segments of 1 M users for 500 items, as a batch segment job answers them, against the bare product with top-k."""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from bench.table import Row
from sartor.data.blobs import FolderBlobs
from sartor.data.ids import Ids
from sartor.data.json_lines import Block
from sartor.data.training import TrainingRows
from sartor.models.affinity import AffinityModel, Config
from sartor.models.base import Float32, Int32
from sartor.realtime import artifact, served_users
from sartor.realtime.served_users import Beforehand
from sartor.resources.store import Resource
from sartor.work.batch_segments import Segments
from sartor.work.tools import Tools

USERS, EACH = 1_000_000, 25
ITEMS, ASKED = 4_000, 500
BEST = 25
#: As the recipe's default.
WIDTH = 149
#: The bare product takes so many users at once.
BLOCK_USERS = 8192
REPEATS = 3
MOST = 1.3


def run(quick: bool) -> list[Row]:
    """Plant vectors, answer one file of 500 lines with them, and multiply them bare, in turns."""
    n_users = 100_000 if quick else USERS
    rng = np.random.default_rng(11)
    users = rng.standard_normal((n_users, WIDTH), np.float32)
    items = rng.standard_normal((ITEMS, WIDTH), np.float32)
    met = rng.integers(0, ITEMS, (n_users, EACH), np.int32)
    asks = (json.dumps({"itemId": f"i{number}"}).encode() for number in range(ASKED))
    block = Block(1, b"\n".join(asks))
    asked = items[:ASKED]
    with tempfile.TemporaryDirectory() as folder:
        segments = _segments(Path(folder), users, items, met)

        def ours() -> list[list[str]]:
            answers = segments.answer(block).answers.splitlines()
            return [json.loads(one)["output"]["usersList"] for one in answers]

        def bare() -> list[list[str]]:
            return [[f"u{user}" for user in best] for best in _bare(users, asked).tolist()]

        _check(ours(), users, items, met)
        pairs = [
            (_seconds(ours), _seconds(bare), _seconds(lambda: _product(users, asked))) for _ in range(REPEATS)
        ]
    took, with_top, alone = (median(times) for times in zip(*pairs, strict=True))
    return [
        Row(
            f"segments of {n_users:,} users for {ASKED} items, the best {BEST}, as a batch segment job answers them",
            f"{took:.2f} s",
            f"bare NumPy product in blocks with argpartition: {with_top:.2f} s (the product alone: {alone:.2f} s)",
            f"{took / with_top:.2f} ×",
            f"≤ {MOST} ×",
            took / with_top <= MOST,
        )
    ]


def _segments(folder: Path, users: Float32, items: Float32, met: Int32) -> Segments:
    """Return the segments of a version with these vectors, stored as a training stores it."""
    storage, n_users = FolderBlobs(folder / "storage"), len(users)
    (folder / "scratch").mkdir()
    nothing = np.zeros(0, np.int64)
    rows = TrainingRows(
        users=Ids.of([f"u{user}" for user in range(n_users)]),
        items=Ids.of([f"i{item}" for item in range(len(items))]),
        offsets=np.arange(n_users + 1, dtype=np.int64) * EACH,
        item=met.ravel(),
        time=np.zeros(met.size, np.int64),
        weight=np.zeros(0, np.float32),
        seen_offsets=np.zeros(n_users + 1, np.int64),
        seen_item=nothing.astype(np.int32),
        seen_type=nothing.astype(np.int16),
        seen_time=nothing,
        event_types=("",),
        tokens=np.zeros(0, np.int32),
        token_offsets=np.zeros(len(items) + 1, np.int64),
        token_names=(),
    )
    model = AffinityModel(Config(), items, items, comes_back=False)
    scratch = folder / "scratch"
    known = Beforehand(users)
    served_users.write(storage, "version", rows.users, served_users.rows_of(rows), known, scratch)
    for file in scratch.iterdir():
        file.unlink()
    artifact.write_model(storage, "version", model, rows, {}, scratch)
    body = {"recipeArn": "arn:aws:personalize:::recipe/aws-item-affinity", "datasetGroupArn": "arn:g"}
    version = SimpleNamespace(arn="arn:v", body=body, private={"folder": "version"})
    tools = SimpleNamespace(storage=storage, keep_on=lambda: None)
    found = artifact.read(storage, artifact.Place("version", "version"))
    return Segments(cast(Resource, version), found, None, BEST, cast(Tools, tools))


def _check(answers: list[list[str]], users: Float32, items: Float32, met: Int32) -> None:
    """Hold some answers against a full sort: who has met the item is none of the best."""
    for item in range(0, ASKED, 100):
        scores = users @ items[item]
        scores[(met == item).any(axis=1)] = 0
        assert answers[item] == [f"u{user}" for user in np.argsort(-scores)[:BEST]]


def _bare(users: Float32, items: Float32) -> Any:
    """Return int[items, BEST]: the best users, found as one writes it down."""
    scores = np.zeros((len(items), 0), np.float32)
    best = np.zeros((len(items), 0), np.int64)
    for first in range(0, len(users), BLOCK_USERS):
        block = items @ users[first : first + BLOCK_USERS].T
        some = np.argpartition(block, -BEST, axis=1)[:, -BEST:] if block.shape[1] > BEST else _all(block)
        scores = np.concatenate([scores, np.take_along_axis(block, some, 1)], axis=1)
        best = np.concatenate([best, some + first], axis=1)
        kept = np.argsort(-scores, axis=1)[:, :BEST]
        scores, best = np.take_along_axis(scores, kept, 1), np.take_along_axis(best, kept, 1)
    return best


def _all(block: Float32) -> Any:
    return np.broadcast_to(np.arange(block.shape[1]), block.shape)


def _product(users: Float32, items: Float32) -> None:
    for first in range(0, len(users), BLOCK_USERS):
        items @ users[first : first + BLOCK_USERS].T


def _seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun
