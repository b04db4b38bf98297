"""How far a metric would move with other users: intervals by drawing the users again and again, with replacement.

Source: Efron, "Bootstrap methods: another look at the jackknife", 1979; percentile intervals. All models that are
compared answer the same users in every draw, so a difference of two is paired: what is hard for both cancels out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from sartor.models import metrics
from sartor.models.base import Int32, Int64, Run
from sartor.models.metrics import Float64

#: The share of draws that lie within an interval.
CONFIDENCE: Final = 0.95
#: Fewer say nothing of others: draws of them are too much alike.
FEWEST: Final = 10
#: So many draws for means, and for what all lists have in common, where a draw costs more.
DRAWS: Final = 1000
_DRAWS_OF_LISTS: Final = 200
#: Numbers that are held at once: 32 MiB.
_BLOCK: Final = 1 << 22


@dataclass(frozen=True)
class Interval:
    """A metric and where it would lie with other users of the same sort, 95 times of 100.

    Attributes:
        value: of the users who were asked.
        low, high: the ends.
    """

    value: float
    low: float
    high: float

    @property
    def includes_zero(self) -> bool:
        """Whether nothing lies within."""
        return self.low <= 0 <= self.high

    def to_json(self) -> dict[str, float]:
        """Return it as JSON."""
        return {"value": self.value, "low": self.low, "high": self.high}


def of_means(values: Mapping[str, Float64], run: Run) -> dict[str, Interval]:
    """Return the intervals of the means of values.

    Args:
        values: float64[users] by name, NaN of users who do not count; all of the same users.
        run: its seed draws, and it may stop it.

    Raises:
        Stopped: the run says so.
    """
    if not values:
        return {}
    table = np.stack(list(values.values()), axis=1)  # float64[users, metrics]
    counts = ~np.isnan(table)
    known, n_users = np.nan_to_num(table), len(table)
    means = []
    for drawn in _drawn(n_users, DRAWS, run):
        there = drawn @ counts
        means.append(np.divide(drawn @ known, there, out=np.full_like(there, np.nan), where=there > 0))
    found = np.concatenate(means) if means else np.zeros((0, len(values)))
    return {
        name: _interval(metrics.mean(column), draws[~np.isnan(draws)])
        for name, column, draws in zip(values, table.T, found.T, strict=True)
    }


def of_lists(lists: Int32, n_items: int, run: Run) -> dict[str, Interval]:
    """Return the intervals of ``coverage`` and ``gini`` of lists.

    Who is drawn twice brings no new items, so draws cover fewer items than the users do: they are moved to where the
    users' value lies in their middle.

    Args:
        lists: int32[users, k], the items that each is recommended; ``n_items`` where a list has ended.
        n_items: how many items there are.
        run: its seed draws, and it may stop it.

    Raises:
        Stopped: the run says so.
    """
    n_users, k = lists.shape
    values = _of_counts(np.bincount(lists.ravel(), minlength=n_items + 1), n_items)
    found = []
    for drawn in _drawn(n_users, _DRAWS_OF_LISTS, run):
        for times in drawn:
            run.keep_on()
            counts = np.bincount(lists.ravel(), np.repeat(times, k), n_items + 1).astype(np.int64)
            found.append(_of_counts(counts, n_items))
    draws = np.array(found).reshape(-1, len(values))
    return {
        name: _interval(value, np.clip(drawn - drawn.mean() + value, 0.0, 1.0) if len(drawn) else drawn)
        for name, value, drawn in zip(("coverage", "gini"), values, draws.T, strict=True)
    }


def _of_counts(counts: Int64, n_items: int) -> tuple[float, float]:
    """Return coverage and Gini coefficient of how often each item is recommended, and behind them none."""
    recommended = counts[:n_items]
    return float(np.count_nonzero(recommended)) / max(n_items, 1), metrics.gini(recommended, n_items)


def _drawn(n_users: int, draws: int, run: Run) -> Iterator[Float64]:
    """Yield float64[some draws, users]: how often each user is drawn; nothing of no users."""
    if not n_users:
        return
    rng = np.random.default_rng(run.seed)
    at_once = max(min(_BLOCK // n_users, draws), 1)
    for first in range(0, draws, at_once):
        run.keep_on()
        rows = min(at_once, draws - first)
        drawn = rng.integers(n_users, size=(rows, n_users)) + n_users * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n_users).reshape(rows, n_users).astype(np.float64)


def _interval(value: float, draws: Float64) -> Interval:
    """Return a value with the ends between which most draws lie; with itself where nothing could be drawn."""
    outside = (1 - CONFIDENCE) / 2
    low, high = np.quantile(draws, [outside, 1 - outside]) if len(draws) else (value, value)
    return Interval(value, float(low), float(high))
