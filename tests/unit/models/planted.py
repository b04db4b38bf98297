"""Planted data whose answers are known: fans who walk in circles through the items of their genre."""

from typing import Final

import numpy as np

from sartor.models.base import Features, Histories, Int32, TrainingData

GENRES, EACH, FANS, STEPS = 3, 20, 120, 30
ITEMS: Final = GENRES * EACH


def fans(seed: int = 0, metadata: bool = False) -> TrainingData:
    """Return 120 fans of three genres, each anywhere in the circle of 20 items, and on from there 30 times."""
    rng = np.random.default_rng(seed)
    first = rng.integers(EACH, size=FANS)
    items = np.arange(FANS)[:, None] % GENRES * EACH + (first[:, None] + np.arange(STEPS)) % EACH
    offsets = np.arange(FANS + 1, dtype=np.int64) * STEPS
    return TrainingData(
        ITEMS,
        Histories(items.ravel().astype(np.int32), offsets, np.arange(items.size, dtype=np.int64)),
        _features(rng) if metadata else None,
    )


def genre_of(items: Int32) -> Int32:
    """Return int32[items]: the genre of each."""
    return items // EACH


def strangers(steps: int = 5) -> list[Int32]:
    """Return histories of users whom no training has seen: so many steps from each item on."""
    return [
        (start // EACH * EACH + (start + np.arange(steps)) % EACH).astype(np.int32) for start in range(ITEMS)
    ]


def _features(rng: np.random.Generator) -> Features:
    """Return a genre of each item, and a price that has nothing to do with it."""
    tokens = np.stack([np.arange(ITEMS) // EACH, GENRES + rng.integers(4, size=ITEMS)], axis=1)
    return Features(tokens.ravel().astype(np.int32), 2 * np.arange(ITEMS + 1, dtype=np.int64), GENRES + 4)
