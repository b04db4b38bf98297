"""What rises fastest: how interactions grew from one window of time to the next, the same ranking for everybody.

The recipe's page of the guide, "Trending-Now recipe", says what is compared; how noise is kept out is ours.
"""

import time
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from sartor.models import metrics
from sartor.models.base import Float32, Histories, Int32, Int64, Run, TrainingData
from sartor.models.best import top
from sartor.models.everybody import EverybodyModel

#: Interactions that every item is thought to have had in addition, half in each window. Counts of ``n`` vary by the
#: root of ``n``, which divides the increase; this keeps a handful of interactions from looking like a trend.
_DAMPING: Final = 4.0
#: Data that is so young reaches the present; clocks of clients are ahead by so much. What is later is a mistake.
PRESENT_SECONDS: Final = 24 * 3600
AHEAD_SECONDS: Final = 15 * 60


@dataclass(frozen=True)
class Config:
    """What is decided before a training.

    Attributes:
        window_seconds: the length of each of the two windows that are compared, the recipe's
            ``trend_discovery_frequency``.
    """

    window_seconds: int = 7200


class TrendingModel(EverybodyModel):
    """Scores an item by how its interactions rose when the model was fitted."""

    name: ClassVar[str] = "trending"
    config_type: ClassVar[type[Config]] = Config

    @property
    def window_seconds(self) -> int:
        """The length of each of the two windows."""
        return int(self.config.window_seconds)

    def own_metrics(self, histories: Histories) -> dict[str, float]:
        """Return how well what trended a window before the newest interaction foretells the last window."""
        items, times = histories.items, histories.times
        if not len(items):
            return {"trend_prediction_accuracy": 0.0}
        cut = int(times.max()) - self.window_seconds
        before = times <= cut
        earlier = scores(items[before], times[before], self.n_items, self.window_seconds, cut)
        last = np.bincount(items[~before], minlength=self.n_items)
        previous = np.bincount(items[before & (times > cut - self.window_seconds)], minlength=self.n_items)
        accuracy = metrics.trend_prediction_accuracy(top(earlier, metrics.K), last - previous)
        return {"trend_prediction_accuracy": accuracy}


def fit(data: TrainingData, config: Config | None = None, run: Run | None = None) -> TrendingModel:
    """Return a fitted model.

    Args:
        data: what it is fitted on; times count, metadata does not.
        config: ``None`` takes the defaults.
        run: how it runs.

    Raises:
        Stopped: the run says so.
    """
    config = config or Config()
    (run or Run()).keep_on()
    times = data.histories.times
    now = newest(times, time.time())
    return TrendingModel(
        config, scores(data.histories.items, times, data.n_items, config.window_seconds, now)
    )


def newest(times: Int64, clock: float) -> int:
    """Return the newest time that is not ahead of the clock by more than clocks differ; epoch seconds."""
    near = times[times <= clock + AHEAD_SECONDS]
    return int(near.max()) if len(near) else int(clock)


def present(newest: int, clock: float) -> int:
    """Return where the last window ends: now for data that reaches the present, else at its newest record.

    Args:
        newest: as ``newest`` gives it.
        clock: epoch seconds.
    """
    return max(newest, int(clock)) if newest >= clock - PRESENT_SECONDS else newest


def scores(
    items: Int32,
    times: Int64,
    n_items: int,
    window_seconds: int,
    now: int,
    before: Int64 | None = None,
) -> Float32:
    """Return float32[items]: above 1 what rises, the fastest first, and below 1 the rest by its interactions.

    If nothing happened in the last two windows, nothing rises and popular items are what is left.

    Args:
        items: int32[interactions], of each.
        times: int64[interactions], epoch seconds, in any order.
        n_items: how many items there are.
        window_seconds: the length of a window.
        now: where the last window ends, epoch seconds; what is later does not count.
        before: int64[items], the interactions of each that are not among these.
    """
    begin, last = now - window_seconds, (times > now - window_seconds) & (times <= now)
    previous = (times > begin - window_seconds) & (times <= begin)
    newer = np.bincount(items[last], minlength=n_items)
    older = np.bincount(items[previous], minlength=n_items)
    popularity = np.bincount(items[times <= now], minlength=n_items)
    if before is not None:
        popularity = popularity + before
    rise = (newer - older) / np.sqrt(newer + older + _DAMPING)
    rest = popularity / (popularity.max(initial=0) + 1)
    found: Float32 = np.where(rise > 0, 1 + rise, rest).astype(np.float32)
    return found


MODEL = TrendingModel
