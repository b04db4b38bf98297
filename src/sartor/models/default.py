"""The model for user personalization that needs numpy alone: the exact one while it fits, else the sparse one."""

from dataclasses import dataclass, field

import numpy as np

from sartor.models import closed_form, transitions
from sartor.models.base import Model, Run, TrainingData


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
    exact_items: int = closed_form.LIMIT


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
