"""A model beside baselines on one split: every metric with its interval, and whether the model is above them.

Beside Amazon's metrics stand how many of the items are recommended, how evenly, and how rare they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from sartor.models import baselines, bootstrap, evaluation, metrics
from sartor.models.base import Float32, Int32, Run
from sartor.models.baselines import VERSION
from sartor.models.bootstrap import Interval
from sartor.models.evaluation import Measured, Split
from sartor.models.metrics import Float64

#: The metric of lists of items that says whether a model is above a baseline.
GAIN: Final = "normalized_discounted_cumulative_gain_at_25"
#: Metrics of which more is not better.
_NEUTRAL: Final = frozenset({"novelty"})
_DIGITS: Final = 6

#: What one model reached: an interval by metric.
Column = dict[str, Interval]
#: By what is split: users, one moment, the age of each user's interactions, or not at all.
Held = Literal["users", "time", "age", "nothing"]


@dataclass(frozen=True)
class Lists:
    """What was recommended to each who was asked for.

    Attributes:
        of: int32[asked, k], best first; ``n`` where a list has ended.
        n: how many there are that could be recommended.
    """

    of: Int32
    n: int

    @classmethod
    def padded(cls, lists: Sequence[Int32], n: int, k: int = metrics.K) -> "Lists":
        """Return the first ``k`` of each list."""
        found = np.full((len(lists), k), n, np.int32)
        for row, one in zip(found, lists, strict=True):
            row[: len(one[:k])] = one[:k]
        return cls(found, n)


@dataclass(frozen=True)
class Examination:
    """How a model did on one split.

    Attributes:
        split: what was held out.
        model: the name of the model that was asked.
        unit: what is drawn for intervals, in the plural: ``users``, ``segments``, ``items``.
        asked: how many of them were asked for.
        decides: the metric that says whether the model is above a baseline.
        columns: by ``version`` and by the names of the baselines, which answered the same.
        differences: how far the model is above each baseline, by metric; paired, one by one. None if too few were asked
            to say so.
        moment: what is older was known, epoch seconds; ``None`` but of a split of time.
        stands_in: whether the model that was asked is a quicker one than serves.
    """

    split: Held
    model: str
    unit: str
    asked: int
    decides: str
    columns: dict[str, Column]
    differences: dict[str, Column]
    moment: int | None = None
    stands_in: bool = False

    def warnings(self) -> list[str]:
        """Return what should be said of a model that is not above its baselines: a sentence, or nothing."""
        others = [name for name in self.columns if name != VERSION]
        if others and not self.differences:
            return [
                f"Only {self.asked:,} {self.unit} could be asked (split by {self.split}): too few to say whether the "
                f"model is above {' and '.join(others)}. Give it more users."
            ]
        said = []
        for name, found in self.differences.items():
            by = found[self.decides]
            if by.low > 0:
                continue
            ours, theirs = (self.columns[one][self.decides].value for one in (VERSION, name))
            said.append(
                f"{'below' if by.high < 0 else 'not surely above'} {name} ({ours:.4f} against {theirs:.4f}, "
                f"a difference between {by.low:+.4f} and {by.high:+.4f})"
            )
        if not said:
            return []
        whose = (
            f"{self.model} without a sequence model, asked in its place," if self.stands_in else "the model"
        )
        return [
            f"By {self.decides} of {self.asked:,} {self.unit} (split by {self.split}) {whose} is {' and '.join(said)}: "
            "give it more interactions or other event types, or serve what is simpler and as good."
        ]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON, the numbers rounded."""
        return {
            "split": self.split,
            "model": self.model,
            "standsIn": self.stands_in,
            "unit": self.unit,
            "asked": self.asked,
            **({} if self.moment is None else {"knownUntil": self.moment}),
            "confidence": bootstrap.CONFIDENCE,
            "decides": self.decides,
            "metrics": _to_json(self.columns),
            "differences": _to_json(self.differences),
        }


def of_values(
    split: Held,
    model: str,
    unit: str,
    decides: str,
    values: Mapping[str, Mapping[str, Float64]],
    lists: Mapping[str, Lists],
    run: Run,
    moment: int | None = None,
) -> Examination:
    """Return an examination of what a model and baselines are worth for each who was asked for.

    Args:
        split: what was held out.
        model: the name of the model.
        unit: what is drawn, in the plural.
        decides: the metric that says whether the model is above a baseline.
        values: float64[asked] by metric, by ``version`` and the names of the baselines; NaN where one does not count.
        lists: what each recommended, by the same names; of those that are left out nothing is said.
        run: its seed draws, and it may stop it.
        moment: of a split of time, epoch seconds.

    Raises:
        Stopped: the run says so.
    """
    own = values[VERSION]
    columns = {
        name: bootstrap.of_means(found, run)
        | (bootstrap.of_lists(lists[name].of, lists[name].n, run) if name in lists else {})
        for name, found in values.items()
    }
    asked = len(next(iter(own.values())))
    differences = {
        name: bootstrap.of_means({one: own[one] - found[one] for one in own if one not in _NEUTRAL}, run)
        for name, found in values.items()
        if name != VERSION and asked >= bootstrap.FEWEST
    }
    return Examination(split, model, unit, asked, decides, columns, differences, moment)


def of_items(
    model: str,
    measured: Measured,
    split: Split,
    n_items: int,
    run: Run,
    *,
    by_item: bool = False,
    rewards: Float32 | None = None,
    weighted: bool = False,
) -> Examination:
    """Return how a model did, beside popularity and item-kNN, which answer the same users from the same data.

    Args:
        model: its name.
        measured: what it answered.
        split: what it was asked for.
        n_items: how many items there are.
        run: is told how far it is, and may stop it; its seed draws.
        by_item: whether what is related to an item was asked for.
        rewards: float32[items], what each item is worth; ``None`` without an objective.
        weighted: whether events have weights.

    Raises:
        Stopped: the run says so.
    """
    run.progress({"phase": "measuring baselines"})
    base = baselines.Baselines(split.train, n_items)
    size = evaluation.list_size(rewards)
    rankings = {
        VERSION: measured.rankings,
        **base.rankings(split.queries, size, by_item, run, split.leaves_out),
    }
    information = metrics.self_information(base.users_of, base.n_users)
    values = {
        name: {
            **(measured.values if name == VERSION else evaluation.values_of(found, split, rewards, weighted)),
            "novelty": metrics.novelties(found, information),
        }
        for name, found in rankings.items()
    }
    lists = {name: Lists.padded(found, n_items) for name, found in rankings.items()}
    held: Held = "users" if split.moment is None else "time"
    return of_values(held, model, "users", GAIN, values, lists, run, split.moment)


def _to_json(columns: Mapping[str, Column]) -> dict[str, dict[str, dict[str, float]]]:
    """Return intervals by metric and then by column, rounded."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, column in columns.items():
        for metric, interval in column.items():
            numbers = {key: round(value, _DIGITS) for key, value in interval.to_json().items()}
            found.setdefault(metric, {})[name] = numbers
    return found
