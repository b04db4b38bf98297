"""The items of a sequence model: those with interactions are trained, the others are made of what is known of them.

What an item's metadata says is a set of tokens. Each token has a vector that is learned with the items' own; an item
is the sum of its own and of those of its tokens. After the training the sums are all that is left.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Bool, Features, Float32, Histories, Int8, Int64, TrainingData

#: What a model knows an item by.
NOTHING, TOKENS, INTERACTIONS = 0, 1, 2
#: So many different tokens count, those of the most items with interactions; of an item so many, the rarest ones.
_TOKENS: Final = 4_096
_TOKENS_OF_ITEM: Final = 16


@dataclass(frozen=True)
class Tokens:
    """The tokens of some items. Token 0 is that of every item that has others.

    Attributes:
        numbers: int64[items, most]; ``n`` where an item has no more.
        weights: float32[items, most], so that the tokens of an item weigh as much as those of any other.
        n: how many different ones there are.
    """

    numbers: Int64
    weights: Float32
    n: int

    @property
    def known(self) -> Bool:
        """bool[items]: which have any."""
        found: Bool = self.numbers[:, 0] < self.n
        return found

    def of(self, items: NDArray[Any]) -> "Tokens":
        """Return those of some items."""
        return Tokens(self.numbers[items], self.weights[items], self.n)

    def summed(self, values: Float32) -> Float32:
        """Return float32[items, ...], the weighted sums of float32[n, ...]."""
        padded = np.concatenate([values, np.zeros_like(values[:1])])
        found = np.zeros((len(self.numbers), *values.shape[1:]), np.float32)
        for numbers, weights in zip(self.numbers.T, self.weights.T, strict=True):
            found += padded[numbers] * weights.reshape(-1, *[1] * (values.ndim - 1))
        return found


@dataclass(frozen=True)
class Catalogue:
    """What is trained, and what is made afterwards.

    Attributes:
        n_items: how many items there are.
        known: int64[known], those with interactions, ascending.
        histories: with the number of each item among the known ones.
        tokens: of all items; ``None`` if nothing is known of them.
    """

    n_items: int
    known: Int64
    histories: Histories
    tokens: Tokens | None

    @classmethod
    def of(cls, data: TrainingData) -> Self:
        """Return that of some data."""
        given = data.histories
        known = np.flatnonzero(np.bincount(given.items, minlength=data.n_items))
        place = np.zeros(data.n_items, np.int32)
        place[known] = np.arange(len(known), dtype=np.int32)
        histories = Histories(place[given.items], given.offsets, given.times, given.weights)
        return cls(data.n_items, known, histories, _tokens(data.features, known))

    @property
    def has_new(self) -> bool:
        """Whether there are items without interactions of which something is known."""
        if self.tokens is None:
            return False
        return bool(np.delete(self.tokens.known, self.known).any())

    def widened(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return the arrays of a model of all items.

        Args:
            arrays: of a model of the known ones; ``tokens`` float32[n, d] and ``token_bias`` float32[n] if there are
                tokens.
        """
        found = dict(arrays)
        tokens, token_bias = found.pop("tokens", None), found.pop("token_bias", None)
        learned: Int8 = np.full(self.n_items, NOTHING, np.int8)
        items = np.zeros((self.n_items, found["items"].shape[1]), np.float32)
        bias = np.full(self.n_items, found["bias"].min(), np.float32)
        if self.tokens is not None and tokens is not None and token_bias is not None:
            told = np.flatnonzero(self.tokens.known)
            learned[told] = TOKENS
            items[told], bias[told] = (self.tokens.of(told).summed(one) for one in (tokens, token_bias))
        learned[self.known] = INTERACTIONS
        items[self.known], bias[self.known] = found["items"], found["bias"]
        return {**found, "items": items, "bias": bias, "learned": learned}


def _tokens(features: Features | None, known: NDArray[Any]) -> Tokens | None:
    """Return the tokens that count, of all items; ``None`` if no item with interactions has any."""
    if features is None:
        return None
    n_items = len(features.offsets) - 1
    owners = np.repeat(np.arange(n_items), np.diff(features.offsets))
    is_known = np.zeros(n_items, np.bool_)
    is_known[known] = True
    holders = np.bincount(features.tokens[is_known[owners]], minlength=features.n_tokens)
    chosen = np.argsort(-holders, kind="stable")[:_TOKENS]
    chosen = chosen[holders[chosen] > 0]
    if not len(chosen):
        return None
    column = np.full(features.n_tokens, -1, np.int64)
    column[chosen] = np.arange(1, len(chosen) + 1)
    counts = column[features.tokens] >= 0
    owners, numbers = owners[counts], column[features.tokens[counts]]
    order = np.lexsort((-numbers, owners))  # the rarest first
    owners, numbers = owners[order], numbers[order]
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    lengths = np.diff(np.append(starts, len(owners)))
    rank = np.arange(len(owners)) - np.repeat(starts, lengths)
    kept = rank < _TOKENS_OF_ITEM
    found = np.full((n_items, int(rank[kept].max()) + 2), len(chosen) + 1, np.int64)
    found[owners[starts], 0] = 0
    found[owners[kept], rank[kept] + 1] = numbers[kept]
    n = len(chosen) + 1
    there = found < n
    weights = there / np.sqrt(np.maximum(there[:, 1:].sum(axis=1, keepdims=True), 1))
    weights[:, 0] = there[:, 0]
    return Tokens(found, weights.astype(np.float32), n)
