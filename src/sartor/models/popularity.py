"""What most users interacted with: the same ranking for everybody."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sartor.models.base import Histories, Int64, Run, TrainingData
from sartor.models.everybody import EverybodyModel


@dataclass(frozen=True)
class Config:
    """What is decided before a training: nothing."""


class PopularityModel(EverybodyModel):
    """Scores an item by how many users interacted with it."""

    name: ClassVar[str] = "popularity"
    config_type: ClassVar[type[Config]] = Config


def fit(data: TrainingData, config: Config | None = None, run: Run | None = None) -> PopularityModel:
    """Return a fitted model.

    Args:
        data: what it is fitted on; metadata does not count.
        config: decides nothing.
        run: how it runs.

    Raises:
        Stopped: the run says so.
    """
    (run or Run()).keep_on()
    return PopularityModel(config or Config(), unique_users(data.histories, data.n_items).astype(np.float32))


def unique_users(histories: Histories, n_items: int) -> Int64:
    """Return int64[items]: how many different users interacted with each.

    Args:
        histories: who interacted with what.
        n_items: how many items there are.
    """
    pairs = np.sort(histories.users * n_items + histories.items)
    first = pairs[np.diff(pairs, prepend=-1) != 0]
    return np.bincount(first % max(n_items, 1), minlength=n_items).astype(np.int64)


MODEL = PopularityModel
