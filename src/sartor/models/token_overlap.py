"""Which items share rare tokens: the cosine of their tokens' rarity (tf-idf), for the nearest ones alone."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Features, Float32, Int32, Int64, Run

#: Of an item this many tokens count, the rarest ones.
_TOKENS: Final = 32
#: Pairs of items that are looked at, in all; it bounds how many candidates a token finds.
_PAIRS: Final = 200_000_000
_LEAST_HOLDERS, _MOST_HOLDERS = 20, 1_000
_BLOCK_PAIRS: Final = 2_000_000


class Near(NamedTuple):
    """Pairs of items by how alike they are, sorted by the first item, the nearest first.

    Attributes:
        first: int64[pairs].
        second: int64[pairs], never the first.
        cosine: float32[pairs], above 0 and up to 1.
    """

    first: Int64
    second: Int64
    cosine: Float32


class Tokens:
    """The tokens of all items that count, each item's once, the rarest ones.

    Args:
        features: what is known of the items.
    """

    def __init__(self, features: Features) -> None:
        n_items = len(features.offsets) - 1
        self.n_items, self.n_tokens = n_items, features.n_tokens
        holders = np.bincount(features.tokens, minlength=features.n_tokens)
        rarity = np.log1p(n_items / np.maximum(holders, 1)).astype(np.float32)
        items = np.repeat(np.arange(n_items, dtype=np.int64), np.diff(features.offsets))
        codes = np.unique(items * features.n_tokens + features.tokens)
        items, tokens = codes // max(features.n_tokens, 1), codes % max(features.n_tokens, 1)
        order = np.lexsort((tokens, -rarity[tokens], items))
        items, tokens = items[order], tokens[order]
        kept = ranks(items) < _TOKENS
        self.items, self.tokens = items[kept], tokens[kept]
        squares = np.bincount(self.items, rarity[self.tokens] ** 2, n_items)
        # what a token adds to the cosine is the product of its shares in both
        self.shares: Float32 = rarity[self.tokens] / np.sqrt(squares[self.items]).astype(np.float32)

    def nearest(self, asked: Int32, candidates: Int32, most: int, run: Run) -> Iterator[Near]:
        """Yield what is near to some items, some of them at a time, in ascending order.

        Args:
            asked: int32[any], the items, ascending.
            candidates: int32[any], what may be near, the ones before others that are preferred where many share a
                token.
            most: how many of each are wanted.
            run: may stop it.

        Raises:
            Stopped: the run says so.
        """
        rows = np.flatnonzero(_among(self.items, asked, self.n_items))
        if not len(rows) or not len(candidates):
            return
        holders = int(np.clip(_PAIRS // len(rows), _LEAST_HOLDERS, _MOST_HOLDERS))
        starts, counts, posted = self._postings(candidates, holders)
        for part in _blocks(rows, self.items[rows], counts[self.tokens[rows]]):
            run.keep_on()
            sizes = counts[self.tokens[part]]
            within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            other = posted[np.repeat(starts[self.tokens[part]], sizes) + within]
            worth = np.repeat(self.shares[part], sizes) * self.shares[other]
            yield _summed(np.repeat(self.items[part], sizes), self.items[other], worth, self.n_items, most)

    def _postings(self, candidates: Int32, most: int) -> tuple[Int64, Int64, Int64]:
        """Return for each token where its candidates begin, how many there are, and the rows of all."""
        preference = np.full(self.n_items, -1, np.int64)
        preference[candidates] = np.arange(len(candidates))
        rows = np.flatnonzero(preference[self.items] >= 0)
        order = np.lexsort((preference[self.items[rows]], self.tokens[rows]))
        rows = rows[order]
        rows = rows[ranks(self.tokens[rows]) < most]
        counts = np.bincount(self.tokens[rows], minlength=self.n_tokens).astype(np.int64)
        return np.cumsum(counts) - counts, counts, rows


def ranks(groups: NDArray[np.integer[Any]]) -> Int64:
    """Return int64[all]: the place of each in its group from 0; equal ones lie together."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    sizes = np.diff(np.append(starts, len(groups)))
    return np.arange(len(groups), dtype=np.int64) - np.repeat(starts, sizes)


def _among(items: Int64, chosen: Int32, n_items: int) -> NDArray[np.bool_]:
    """Return bool[items]: which are chosen."""
    mask = np.zeros(n_items, np.bool_)
    mask[chosen] = True
    found: NDArray[np.bool_] = mask[items]
    return found


def _blocks(rows: Int64, items: Int64, sizes: Int64) -> Iterator[Int64]:
    """Yield the rows in parts with about so many pairs, no item in two of them."""
    numbers = np.cumsum(sizes) // _BLOCK_PAIRS
    numbers = numbers[np.searchsorted(items, items)]  # all of an item go where its first token goes
    yield from np.split(rows, np.flatnonzero(np.diff(numbers)) + 1)


def _summed(first: Int64, second: Int64, worth: Float32, n_items: int, most: int) -> Near:
    """Return each pair once, the worthiest ones of each first item."""
    differ = first != second
    codes, place = np.unique(first[differ] * n_items + second[differ], return_inverse=True)
    cosine = np.minimum(np.bincount(place, worth[differ], len(codes)), 1.0).astype(np.float32)
    first, second = codes // n_items, codes % n_items
    order = np.lexsort((second, -cosine, first))
    first, second, cosine = first[order], second[order], cosine[order]
    kept = ranks(first) < most
    return Near(first[kept], second[kept], cosine[kept])
