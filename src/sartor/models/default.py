"""The model for user personalization that needs numpy alone: the exact one while it fits, else the sparse one."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from sartor.models import closed_form, transitions
from sartor.models.base import Model, Run, TrainingData

#: The exact model's time grows with the cube of the items and its memory with their square: here it is about two
#: minutes and 2 GiB on two cores. The sparse one ranks as well on the data that both were tried on.
EXACT_ITEMS: Final = 8_000


@dataclass(frozen=True)
class Config:
    """What is decided before a training.

    Attributes:
        exact: of the closed form.
        sparse: of the model for large catalogues.
        exact_items: up to this many items with interactions the exact one is taken.
    """

    exact: closed_form.Config = field(default_factory=closed_form.Config)
    sparse: transitions.Config = field(default_factory=transitions.Config)
    exact_items: int = EXACT_ITEMS


def fit(data: TrainingData, config: Config | None = None, run: Run | None = None) -> Model:
    """Return a fitted model, which knows its own name.

    Args:
        data: what it is fitted on.
        config: ``None`` takes the defaults.
        run: how it runs.

    Raises:
        Stopped: the run says so.
    """
    config, run = config or Config(), run or Run()
    if len(np.unique(data.histories.items)) <= config.exact_items:
        return closed_form.fit(data, config.exact, run)
    return transitions.fit(data, config.sparse, run)
