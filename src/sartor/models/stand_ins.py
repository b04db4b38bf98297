"""Who speaks for an item that came after the training: the known items that share its rarest tokens.

The same idea as in ``newcomers``, for items that no training has seen: nothing is fitted again.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Features, Float32, Int32, Int64

#: Known items that speak for a new one, at most.
NEIGHBOURS: Final = 20
#: Of an item this many tokens count, the rarest ones.
_TOKENS: Final = 32
#: Of a token's items so many are looked at, the most popular ones.
_HOLDERS: Final = 1_000


class StandIns:
    """The known items of each token.

    Args:
        features: of all items that a model knows.
        counts: int64[items], the interactions of each; who has none speaks for nobody.
    """

    def __init__(self, features: Features, counts: Int64) -> None:
        owners = np.repeat(np.arange(len(counts), dtype=np.int64), np.diff(features.offsets))
        holders = np.bincount(features.tokens, minlength=features.n_tokens)
        self._rarity: Float32 = np.log1p(len(counts) / np.maximum(holders, 1)).astype(np.float32)
        self._rarity[holders == 0] = 0
        squares = np.bincount(owners, self._rarity[features.tokens] ** 2, len(counts))
        self._norms: Float32 = np.sqrt(np.maximum(squares, 1e-12)).astype(np.float32)
        speaks = counts[owners] > 0
        owners, tokens = owners[speaks], features.tokens[speaks]
        order = np.lexsort((owners, -counts[owners], tokens))
        self._held = owners[order].astype(np.int32)
        self._starts = np.searchsorted(tokens[order], np.arange(features.n_tokens + 1))

    def of(self, tokens: NDArray[np.integer[Any]]) -> tuple[Int32, Float32]:
        """Return int32[<= 20] and float32[<= 20]: who speaks for an item with these tokens, weights with a sum of 1."""
        rarest = np.unique(tokens)
        rarest = rarest[np.argsort(-self._rarity[rarest], kind="stable")][:_TOKENS]
        held = [self._held[self._starts[one] : self._starts[one + 1]][:_HOLDERS] for one in rarest]
        if not sum(map(len, held)):
            return np.zeros(0, np.int32), np.zeros(0, np.float32)
        who, place = np.unique(np.concatenate(held), return_inverse=True)
        worth = np.repeat(self._rarity[rarest] ** 2, [len(one) for one in held])
        cosine = np.bincount(place, worth) / self._norms[who]
        best = np.argsort(-cosine, kind="stable")[:NEIGHBOURS]
        weights = cosine[best]
        return who[best], (weights / weights.sum()).astype(np.float32)
