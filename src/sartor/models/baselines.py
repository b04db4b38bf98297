"""What a version should be better than: what most users like, and plain item-kNN, which answer the same questions.

Item-kNN is that of Sarwar et al., "Item-based collaborative filtering recommendation algorithms", WWW 2001: the cosine
of the sets of users of two items, added up over the items of a history. Its cosines are shrunk, as those of few users
are mostly chance: Bell and Koren, "Improved neighborhood-based collaborative filtering", KDD Cup 2007.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from sartor.models import cooccurrence
from sartor.models.affinity import comes_back
from sartor.models.base import Bool, Float32, Histories, Int32, Int64, Query, Run
from sartor.models.similar import strongest

#: What is measured, and what stands beside it: what most users took, item-kNN, of segments who did most before.
VERSION: Final = "version"
POPULARITY: Final = "popularity"
ITEM_KNN: Final = "item-knn"
ACTIVITY: Final = "activity"
#: So many of the newest items of a user count, of those who taught and of those who ask: pairs grow with the square.
_NEWEST: Final = 100
#: So many neighbours of an item are kept, fewer of each in large catalogues: 8 bytes each.
_NEIGHBOURS: Final = 100
_LEAST_NEIGHBOURS: Final = 20
_CELLS: Final = 20_000_000
#: Users that two items must share until their cosine counts half.
_SHRINKAGE: Final = 10.0
_BLOCK_QUERIES: Final = 256


class Baselines:
    """The baselines of one split.

    Args:
        train: what the version that they stand beside is fitted on.
        n_items: how many items there are.

    Attributes:
        n_users: how many users have a history.
        users_of: int64[items], how many of them met each item.
    """

    def __init__(self, train: Histories, n_items: int) -> None:
        self._met = _each_once(train, n_items)
        self._comes_back = comes_back(len(train.items), len(self._met.items))
        self._n_items = n_items
        self.n_users = int((train.lengths > 0).sum())
        self.users_of: Int64 = np.bincount(self._met.items, minlength=n_items)
        self._popular = np.argsort(-self.users_of, kind="stable").astype(np.int32)

    def rankings(
        self, queries: Sequence[Query], size: int, by_item: bool, run: Run, leaves_out: bool = False
    ) -> dict[str, list[Int32]]:
        """Return int32[<= size] of each query, best first, by baseline.

        Unless all leave out what was met, popularity is the recipe's, which does not; item-kNN for users does, unless
        users come back to items. What item-kNN lacks is filled with what is popular.

        Args:
            queries: what the version is asked.
            size: the length of a list.
            by_item: whether what is related to the item that is looked at is wanted, not what suits the history.
            run: is told how far it is, and may stop it.
            leaves_out: whether what a user has met is left out of all answers.

        Raises:
            Stopped: the run says so.
        """
        asked = [np.array([one.item]) if by_item else np.unique(one.history[-_NEWEST:]) for one in queries]
        neighbours = _Neighbours(self._met, self._n_items, asked, run)
        without_met = leaves_out or not (by_item or self._comes_back)
        popular, nearest = [], []
        for at, (query, items) in enumerate(zip(queries, asked, strict=True)):
            run.keep_on()
            if not at % _BLOCK_QUERIES:
                run.progress({"phase": "measuring baselines", "done": at, "of": len(queries)})
            met = np.unique(query.history)
            nothing = met[:0]
            popular.append(self._filled(nothing, met if leaves_out else nothing, size))
            found = neighbours.of(items, itself=self._comes_back and not by_item)
            out = met if without_met else items if by_item else nothing
            nearest.append(self._filled(found[~np.isin(found, out)], out, size))
        return {POPULARITY: popular, ITEM_KNN: nearest}

    def _filled(self, found: Int32, left_out: Int64 | Int32, size: int) -> Int32:
        """Return int32[<= size]: what was found, and behind it what is popular, without what is left out."""
        if len(found) >= size:
            return found[:size]
        if not len(found) and not len(left_out):
            return self._popular[:size]
        taken = np.concatenate([found, left_out])
        more = self._popular[: size + len(taken)]
        return np.concatenate([found, more[~np.isin(more, taken)]])[:size]


class _Neighbours:
    """The nearest neighbours of items, by the cosine of their sets of users.

    Args:
        met: the items of each user, each once, oldest first.
        n_items: how many items there are.
        asked: int[any], the items of which neighbours will be wanted.
        run: may stop it.
    """

    def __init__(self, met: Histories, n_items: int, asked: Sequence[Int64 | Int32], run: Run) -> None:
        sets = _newest(met)
        wanted: Bool = np.zeros(n_items, np.bool_)
        wanted[np.concatenate([np.zeros(0, np.int64), *asked]).astype(np.int64)] = True
        users = np.maximum(np.bincount(sets.items, minlength=n_items), 1)
        most = int(np.clip(_CELLS // max(int(wanted.sum()), 1), _LEAST_NEIGHBOURS, _NEIGHBOURS))
        parts = []
        for cells in cooccurrence.shared(sets, n_items, wanted, run):
            cosine = cells.counts / np.sqrt(users[cells.first] * users[cells.second])
            cosine *= cells.counts / (cells.counts + _SHRINKAGE)
            parts.append(strongest((cells.first, cells.second, cosine.astype(np.float32)), most))
        nothing = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
        first, second, cosine = (np.concatenate(column) for column in zip(nothing, *parts, strict=True))
        self._starts = np.searchsorted(first, np.arange(n_items + 1))
        self._items = second.astype(np.int32)
        self._cosines: Float32 = cosine

    def of(self, items: Int64 | Int32, itself: bool) -> Int32:
        """Return int32[any]: the neighbours of items together, the nearest first; of equal ones the smaller number.

        Args:
            items: int[any], each once.
            itself: whether an item is a neighbour of its own.
        """
        rows = [slice(self._starts[item], self._starts[item + 1]) for item in items.tolist()]
        own = items if itself else items[:0]
        near, place = np.unique(
            np.concatenate([own, *(self._items[row] for row in rows)]), return_inverse=True
        )
        weights = np.concatenate([np.ones(len(own)), *(self._cosines[row] for row in rows)])
        sums = np.bincount(place, weights, len(near))
        order = np.lexsort((near, -sums))
        return near[order].astype(np.int32)


def _each_once(histories: Histories, n_items: int) -> Histories:
    """Return the items of each user, each where it was last."""
    codes = histories.users * n_items + histories.items
    order = np.argsort(codes, kind="stable")
    last = np.ones(len(codes), np.bool_)
    last[order[:-1]] = np.diff(codes[order]) > 0
    return histories.kept(last)


def _newest(histories: Histories) -> Histories:
    """Return the newest items of each user."""
    ends = np.repeat(histories.offsets[1:], histories.lengths)
    return histories.kept(np.arange(len(histories.items)) >= ends - _NEWEST)
