"""Plain item-kNN, to hold models against: the cosine of two items' sets of users, added up over a history."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Float32, Int32, Int64, Model, Query, TrainingData


class Knn(Model):
    """Scores the items of a history's neighbours; all neighbours count, and nothing is shrunk.

    Args:
        n_items: how many items there are.
        arrays: ``starts`` int64[items + 1]: the neighbours of an item are ``neighbours[starts[i]:starts[i + 1]]``,
            int32, and how near they are ``cosines``, float32.
    """

    name: ClassVar[str] = "knn"

    def __init__(self, n_items: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.n_items = n_items
        self._starts: Int64 = arrays["starts"]
        self._neighbours: Int32 = arrays["neighbours"]
        self._cosines: Float32 = arrays["cosines"]

    def score(self, query: Query) -> Float32:
        """Return float32[items]."""
        found = np.zeros(self.n_items, np.float32)
        for item in np.unique(query.history).tolist():
            row = slice(self._starts[item], self._starts[item + 1])
            found[self._neighbours[row]] += self._cosines[row]
        return found

    def settings(self) -> dict[str, Any]:
        """Return how many items there are."""
        return {"n_items": self.n_items}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the neighbours."""
        return {"starts": self._starts, "neighbours": self._neighbours, "cosines": self._cosines}

    @classmethod
    def restored(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the model of these settings and arrays."""
        return cls(settings["n_items"], arrays)


def fit(data: TrainingData) -> Knn:
    """Return a fitted model; pairs grow with the square of histories, so they should be short."""
    n = data.n_items
    codes = np.unique(data.histories.users * n + data.histories.items)  # a user has each item once
    users, items = codes // n, codes % n
    found = [np.zeros(0, np.int64)]
    for lag in range(1, int(np.bincount(users).max(initial=0))):
        together = np.flatnonzero(users[lag:] == users[:-lag])
        one, other = items[together], items[together + lag]
        found += [one * n + other, other * n + one]
    pairs, counts = np.unique(np.concatenate(found), return_counts=True)
    first, second = pairs // n, pairs % n
    sizes = np.bincount(items, minlength=n)
    cosines = counts / np.sqrt(sizes[first] * sizes[second])
    arrays: dict[str, NDArray[Any]] = {
        "starts": np.searchsorted(first, np.arange(n + 1)).astype(np.int64),
        "neighbours": second.astype(np.int32),
        "cosines": cosines.astype(np.float32),
    }
    return Knn(n, arrays)
