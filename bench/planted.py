"""Solution versions that are planted instead of trained: a sequence model with tastes in it, and campaigns of it.

A training of this size would take longer than all measures. What the service does for an answer is the same: the
parameters have the shapes of trained ones, the attention averages a history, and items lie in clusters of taste.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from bench import inputs, served
from sartor.data import synthetic
from sartor.data.blobs import open_storage
from sartor.data.ids import Ids
from sartor.data.training import TrainingRows
from sartor.models import retrieval, sequence
from sartor.models.base import Float32, Histories, Int64, Run, TrainingData
from sartor.models.sequence import Config, SequenceModel
from sartor.realtime import artifact
from sartor.recipes import BY_ARN
from sartor.resources.store import Resource, Store

#: The recipe of most measures, which explores a little by itself, and one that explores as its campaign says.
RECIPE = "aws-user-personalization-v2"
EXPLORING = "aws-user-personalization"
TASTES = 500
#: How far an item is from the middle of its taste, with tastes at 1 from each other's origin.
SPREAD = 0.6
WIDTH = 64
HISTORY = 50
#: When the last interaction was: the end of the demo's shop.
NEWEST = synthetic.START + synthetic.SPAN_SECONDS


@dataclass(frozen=True)
class Planted:
    """What the answers come from.

    Attributes:
        model: the sequence model.
        items: the item ids by number.
        histories: of the users.
        campaigns: their ARNs, by recipe.
    """

    model: SequenceModel
    items: list[str]
    histories: Histories
    campaigns: dict[str, str]

    @property
    def campaign(self) -> str:
        """The ARN of the campaign of most measures."""
        return self.campaigns[RECIPE]


def user(number: int) -> str:
    return f"user-{number}"


def plant(
    service: served.Service,
    items: int,
    users: int,
    history: int = HISTORY,
    recipes: Sequence[str] = (RECIPE,),
) -> Planted:
    """Give the service's group an Items dataset and campaigns whose answers come from a planted model.

    Args:
        service: with an Interactions dataset.
        items: how many items.
        users: how many users with histories.
        history: how many interactions each has.
        recipes: of the campaigns, one each, with their defaults.
    """
    names, taste = item_names(items), tastes(items)
    histories = histories_of(taste, users, history)
    model = model_of(taste)
    data = TrainingData(items, histories)
    if items >= retrieval.LEAST_ITEMS:
        model = sequence.indexed(model, data, Run())
    campaigns = {recipe: _deployed(service, model, names, histories, recipe) for recipe in recipes}
    return Planted(model, names, histories, campaigns)


def item_names(items: int) -> list[str]:
    """Return the ids of ``inputs.items``."""
    return [f"i{1_000_000 + number}" for number in range(items)]


def tastes(items: int) -> Int64:
    """Return int64[items]: the taste of each; some tastes are ten times as common as others."""
    rng = np.random.default_rng(1)
    share = rng.gamma(1.5, 1.0, TASTES) + 0.05
    return rng.choice(TASTES, items, p=share / share.sum())


def histories_of(taste: Int64, users: int, history: int = HISTORY) -> Histories:
    """Return histories of three tastes each, the popular items of a taste more often, and now and then any item."""
    rng = np.random.default_rng(2)
    order = np.argsort(taste, kind="stable")
    sizes = np.bincount(taste, minlength=TASTES)
    begins = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    own = rng.choice(np.flatnonzero(sizes), (users, 3))
    chosen = np.take_along_axis(own, rng.integers(0, 3, (users, history)), axis=1)
    within = (sizes[chosen] * rng.random((users, history)) ** 2).astype(np.int64)
    items = order[begins[chosen] + within]
    anything = rng.random((users, history)) < 0.1
    items[anything] = rng.integers(0, len(taste), anything.sum())
    times = np.sort(NEWEST - rng.integers(0, 90 * 86_400, (users, history)), axis=1)
    times[0, -1] = NEWEST
    offsets = np.arange(users + 1, dtype=np.int64) * history
    return Histories(items.ravel().astype(np.int32), offsets, times.ravel())


def model_of(taste: Int64) -> SequenceModel:
    """Return a model whose attention averages the values of the newest items; all weights have some noise."""
    rng = np.random.default_rng(3)
    config = Config(d=WIDTH, window=200, epochs=1, lr=1e-3)

    def noise(*shape: int, by: float) -> Float32:
        return (by * rng.standard_normal(shape)).astype(np.float32)

    centres = noise(TASTES, WIDTH, by=WIDTH**-0.5)
    found = centres[taste] + noise(len(taste), WIDTH, by=SPREAD * WIDTH**-0.5)
    popularity = np.log(rng.zipf(1.6, len(taste)).clip(1, 10_000)).astype(np.float32)
    arrays: dict[str, NDArray[Any]] = {
        "items": found,
        "bias": 0.3 * popularity,
        "start": noise(WIDTH, by=0.1),
        "norm.gain": np.ones(WIDTH, np.float32),
        "norm.shift": np.zeros(WIDTH, np.float32),
    }
    same = np.eye(WIDTH, dtype=np.float32)
    for layer in range(config.layers):
        own: dict[str, NDArray[Any]] = {
            "norm1.gain": np.ones(WIDTH, np.float32),
            "norm1.shift": np.zeros(WIDTH, np.float32),
            "qkv.weight": noise(WIDTH, 3 * WIDTH, by=0.05),
            "qkv.shift": np.zeros(3 * WIDTH, np.float32),
            "near": np.tile(-np.arange(config.window, dtype=np.float32) / 10, (config.heads, 1)),
            "out.weight": 0.2 * same + noise(WIDTH, WIDTH, by=0.02),
            "out.shift": np.zeros(WIDTH, np.float32),
            "norm2.gain": np.ones(WIDTH, np.float32),
            "norm2.shift": np.zeros(WIDTH, np.float32),
            "up.weight": noise(WIDTH, 2 * WIDTH, by=0.05),
            "up.shift": np.zeros(2 * WIDTH, np.float32),
            "down.weight": noise(2 * WIDTH, WIDTH, by=0.05),
            "down.shift": np.zeros(WIDTH, np.float32),
        }
        own["qkv.weight"][:, 2 * WIDTH :] += same
        arrays |= {f"{layer}.{name}": array for name, array in own.items()}
    return SequenceModel(config, arrays)


def _rows(names: list[str], histories: Histories) -> TrainingRows:
    """Return what an artifact keeps beside its model."""
    n = len(histories.items)
    return TrainingRows(
        users=Ids.of([user(number) for number in range(histories.n_users)]),
        items=Ids.of(names),
        offsets=histories.offsets,
        item=histories.items,
        time=histories.times,
        weight=np.ones(n, np.float32),
        seen_offsets=histories.offsets,
        seen_item=histories.items,
        seen_type=np.zeros(n, np.int16),
        seen_time=histories.times,
        event_types=("click",),
        tokens=np.zeros(0, np.int32),
        token_offsets=np.zeros(len(names) + 1, np.int64),
        token_names=(),
    )


def _deployed(
    service: served.Service, model: SequenceModel, names: list[str], histories: Histories, recipe: str
) -> str:
    """Write the artifact and the rows of a solution, its version and its campaign; return the campaign's ARN."""
    data = service.server.data
    name = f"planted-{recipe}"
    record = {
        "tables": {"INTERACTIONS": {"bulkVersion": -1, "putNumber": 0}},
        "eventTypes": ["click"],
        "newestInteraction": NEWEST,
        "recipe": recipe,
        "model": model.name,
    }
    storage = open_storage(str(data / "storage"), None, data / "scratch")
    with TemporaryDirectory(dir=inputs.folder()) as scratch:
        serving = BY_ARN[f"arn:aws:personalize:::recipe/{recipe}"].serving
        artifact.write(storage, name, model, _rows(names, histories), record, Path(scratch), serving)
    root = service.group.partition(":dataset-group/")[0]
    solution, version, campaign = (
        f"{root}:{tail}" for tail in (f"solution/{name}", f"solution/{name}/0000aaaa", f"campaign/{name}")
    )
    trained = {
        "datasetGroupArn": service.group,
        "recipeArn": f"arn:aws:personalize:::recipe/{recipe}",
        "solutionConfig": {},
    }
    rows: list[tuple[str, str, dict[str, Any], dict[str, Any], tuple[str, ...]]] = [
        (solution, "solution", {**trained, "performAutoTraining": False}, {}, (service.group,)),
        (
            version,
            "solution-version",
            {"solutionArn": solution, **trained, "trainingMode": "FULL", "trainingType": "MANUAL"},
            {"folder": name},
            (solution, service.group),
        ),
        (
            campaign,
            "campaign",
            {"solutionVersionArn": version, "minProvisionedTPS": 1, "campaignConfig": {}},
            {"config": {}},
            (solution, version, service.group),
        ),
    ]
    region, account = root.split(":")[3:5]
    store = Store.open(f"sqlite:///{quote(str(data / 'sartor.db'))}")
    try:
        now = time.time()
        with store.write() as transaction:
            for arn, kind, body, private, parents in rows:
                transaction.add(
                    Resource(arn, kind, account, region, name, "ACTIVE", body, private, now, now),
                    parents,
                )
    finally:
        store.close()
    return campaign
