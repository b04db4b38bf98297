"""The cheap linear models of which a blend is made, a row each: which data each is for, and how it is fitted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from sartor.models import ease, token_cosine, transitions
from sartor.models.base import Model, Run, TrainingData
from sartor.models.transition_counts import Counts

#: Metadata is compared with every item: not in a larger catalogue.
_MANY_ITEMS: Final = 100_000
#: Products of numbers that EASE may take: a second or two on two cores.
_MOST_PRODUCTS: Final = 1.5e11


class Data:
    """What linear models are fitted on, with what several of them need, counted once.

    Args:
        training: what there is.
        run: how it is fitted.
    """

    def __init__(self, training: TrainingData, run: Run) -> None:
        self.whole, self.run = training, run
        #: Without metadata: the blend alone says what stands in for new items.
        self.interactions = replace(training, features=None)

    @cached_property
    def counts(self) -> Counts:
        """How often items followed each other."""
        config = transitions.Config()
        return Counts.of(self.interactions, config.lags, config.successors, self.run)


@dataclass(frozen=True)
class Linear:
    """One of them.

    Attributes:
        fits: whether it is worth its time on some data.
        fit: makes it.
    """

    fits: Callable[[TrainingData], bool]
    fit: Callable[[Data], Model]


def _small_and_dense(data: TrainingData) -> bool:
    """Return whether EASE takes a second or two: products of all users' pairs, and an inverse."""
    n = float(data.n_items)
    return 2 * n * n * (data.histories.n_users + n) <= _MOST_PRODUCTS


def _has_metadata(data: TrainingData) -> bool:
    return data.features is not None and len(data.features.tokens) > 0 and data.n_items < _MANY_ITEMS


#: By name; the first is in every blend, as it says what relates to what.
TABLE: Final[Mapping[str, Linear]] = {
    "transitions": Linear(
        lambda _data: True,
        lambda data: transitions.of_counts(data.counts, transitions.Config(), data.run),
    ),
    "together": Linear(
        lambda _data: True,
        lambda data: transitions.of_counts(data.counts, transitions.TOGETHER, data.run),
    ),
    "ease": Linear(_small_and_dense, lambda data: ease.fit(data.interactions, None, data.run)),
    "metadata": Linear(_has_metadata, lambda data: token_cosine.fit(data.whole, None, data.run)),
}
