"""Related items by what their texts say: the cosine of the rarity of their words' pieces (BM25's saturation, tf-idf).

A lexical model: it needs no other data, no training beyond counting, and no network. New items are taken up without
another training. Sources of the rules: the guide's page "Semantic-Similarity recipe".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from sartor.models import metrics, words
from sartor.models.base import Float32, Int32, Int64, Model, Query, Run, Texts, TrainingData
from sartor.models.best import top
from sartor.models.metrics import Float64
from sartor.models.popularity import unique_users

#: Of an item so many pieces count, those that say most.
_PIECES: Final = 96
#: A piece that so large a share of the items has says nothing, in a catalogue of more than a few.
_COMMON_SHARE: Final = 0.25
_FEW_ITEMS: Final = 40
#: The second time that a text says something counts less.
_SATURATION: Final = 1.2
#: So many of the nearest items are ranked anew where popularity or freshness have a say.
CANDIDATES: Final = 200
#: So many words are cut into pieces at once.
_BLOCK_WORDS: Final = 1 << 18
#: Where fewer than one item in so many is found, the found ones are sorted; else all are counted.
_SPARSE: Final = 16
#: So many items are asked about for the metrics.
_ASKED: Final = 1_000
_ANCHOR: Final = np.float32(-2)


@dataclass(frozen=True)
class Config:
    """What a model remembers beside its arrays.

    Attributes:
        oldest: when the oldest item was created, epoch seconds; its freshness is 0.
        newest: when the newest item was created; its freshness is 1.
    """

    oldest: int = 0
    newest: int = 0

    def freshness(self, created: Int64) -> Float32:
        """Return float32[items] from 0 to 1: where between the oldest and the newest; 0 if nobody knows."""
        share = (created - self.oldest) / max(self.newest - self.oldest, 1)
        found: Float32 = np.where(created >= 0, np.clip(share, 0, 1), 0).astype(np.float32)
        return found


@dataclass(frozen=True)
class Rows:
    """What some items say: their pieces by number, and each one's share of the item's vector.

    Attributes:
        starts: int64[rows + 1].
        piece: int32[all].
        share: float32[all].
    """

    starts: Int64
    piece: Int32
    share: Float32

    def of(self, row: int) -> tuple[Int32, Float32]:
        """Return the pieces and shares of one row."""
        part = slice(int(self.starts[row]), int(self.starts[row + 1]))
        return self.piece[part], self.share[part]


@dataclass(frozen=True)
class _Later:
    """Items that came or changed after the training.

    Attributes:
        items: int32[rows], their numbers, ascending.
        rows: what they say.
        place: the row of each number.
    """

    items: Int32
    rows: Rows
    place: Mapping[int, int]


class SemanticModel(Model):
    """Scores what says something similar to the item that is looked at; without one, what is popular.

    Args:
        config: what it was made with.
        arrays: ``codes`` uint32[pieces], sorted; ``rarity`` float32[pieces]; ``starts``, ``piece`` and ``share`` of
            each item; ``post_starts``, ``post_item`` and ``post_share``, the same by piece; ``popularity`` and
            ``freshness`` float32[items], from 0 to 1; ``digests`` uint64[items], of the texts.
        later: items that came or changed after the training.
    """

    name: ClassVar[str] = "semantic"

    def __init__(
        self, config: Config, arrays: Mapping[str, NDArray[Any]], later: _Later | None = None
    ) -> None:
        self.config = config
        self._arrays = dict(arrays)
        self._later = later
        self._rows = Rows(arrays["starts"], arrays["piece"], arrays["share"])
        self._posted = Rows(arrays["post_starts"], arrays["post_item"], arrays["post_share"])
        self.popularity: Float32 = np.asarray(arrays["popularity"])
        self.freshness: Float32 = np.asarray(arrays["freshness"])
        self.n_items = len(self.popularity)

    def score(self, query: Query) -> Float32:
        """Return float32[items]: above 0 what is similar, up to 1; below 0 the others by popularity; the item last.

        Where popularity or freshness have a say, the nearest items stand above 1 in their new order.
        """
        cosine = np.zeros(self.n_items, np.float32)
        if query.item is not None:
            items, values = self._similar(query.item)
            cosine[items] = values
            cosine[query.item] = 0
        found = np.where(cosine > 0, cosine, self.popularity - 1)
        if query.item is None:
            return found
        if query.popularity or query.freshness:
            near = top(cosine, CANDIDATES, cosine > 0)
            found[near] = self._influenced(near, cosine[near], query)
        found[query.item] = _ANCHOR
        return found

    def shortlist(self, query: Query, size: int) -> tuple[Int32, Float32] | None:
        """Return the similar items and their exact scores, best first; ``None`` if they are too few."""
        if query.item is None:
            return None
        items, values = self._similar(query.item)
        other = items != query.item
        items, values = items[other], values[other]
        if len(items) < size:
            return None
        if query.popularity or query.freshness:
            near = top(values, CANDIDATES)
            values[near] = self._influenced(items[near], values[near], query)
        best = top(values, size)
        return items[best].astype(np.int32), values[best]

    def similarity(self, item: int, others: Int32) -> Float32:
        """Return float32[others]: the cosine of an item and others, 0 to 1."""
        items, values = self._similar(item)
        found = np.zeros(self.n_items, np.float32)
        found[items] = values
        return found[others]

    def extended(self, n_items: int, items: Int32, texts: Texts) -> "SemanticModel":
        """Return a model that knows newer items, and what changed ones say now; rarity and popularity stay.

        Args:
            n_items: how many items it knows.
            items: int32[rows], the numbers of the items that are new or changed, ascending.
            texts: what they say, in that order.
        """
        rows = _rows(texts, self._arrays["codes"], self._arrays["rarity"])
        grown = n_items - self.n_items
        popularity = np.concatenate([self.popularity, np.zeros(grown, np.float32)])
        freshness = np.concatenate([self.freshness, np.zeros(grown, np.float32)])
        freshness[items] = self.config.freshness(texts.created)
        arrays = {**self._arrays, "popularity": popularity, "freshness": freshness}
        place = {int(item): row for row, item in enumerate(items)}
        return SemanticModel(self.config, arrays, _Later(items, rows, place))

    def settings(self) -> dict[str, Any]:
        """Return the config."""
        return {"oldest": self.config.oldest, "newest": self.config.newest}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what the constructor takes."""
        return dict(self._arrays)

    @property
    def digests(self) -> NDArray[np.uint64]:
        """uint64[items]: what differs where texts do, of the items that the training saw."""
        return self._arrays["digests"]

    @classmethod
    def restored(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the model of these settings and arrays."""
        return cls(Config(**settings), arrays)

    def _similar(self, item: int) -> tuple[Int64, Float32]:
        """Return int64[found] and float32[found]: the items that share a piece with one, and their cosines."""
        pieces, shares = self._said(item)
        posted = self._posted
        starts, ends = posted.starts[pieces], posted.starts[pieces + 1]
        sizes = ends - starts
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        at = np.repeat(starts, sizes) + within
        items, worth = posted.piece[at], posted.share[at] * np.repeat(shares, sizes)
        if self._later is not None:
            current = ~np.isin(items, self._later.items)
            new, value = self._to_later(pieces, shares)
            items, worth = np.concatenate([items[current], new]), np.concatenate([worth[current], value])
        return _summed(items, worth, self.n_items)

    def _said(self, item: int) -> tuple[Int32, Float32]:
        """Return the pieces and shares of an item as it is now."""
        if self._later is not None and item in self._later.place:
            return self._later.rows.of(self._later.place[item])
        if item >= len(self._rows.starts) - 1:
            return np.zeros(0, np.int32), np.zeros(0, np.float32)
        return self._rows.of(item)

    def _to_later(self, pieces: Int32, shares: Float32) -> tuple[Int32, Float32]:
        """Return the items after the training that share pieces, once for each piece, and what that is worth."""
        assert self._later is not None
        of_piece = np.zeros(len(self._arrays["codes"]), np.float32)
        of_piece[pieces] = shares
        rows = self._later.rows
        worth = rows.share * of_piece[rows.piece]
        items = np.repeat(self._later.items, np.diff(rows.starts))
        return items[worth > 0], worth[worth > 0]

    def _influenced(self, items: NDArray[Any], cosine: Float32, query: Query) -> Float32:
        """Return float32[items] above 1: near items by what they say, how popular and how fresh they are."""
        best = max(float(cosine.max(initial=0)), 1e-9)
        found: Float32 = (
            1
            + cosine / np.float32(best)
            + np.float32(query.popularity) * self.popularity[items]
            + np.float32(query.freshness) * self.freshness[items]
        )
        return found


def fit(data: TrainingData, config: Config | None = None, run: Run | None = None) -> SemanticModel:
    """Return a fitted model.

    Args:
        data: with ``texts``; histories say what is popular, and may be empty.
        config: replaced by what the items' ages say.
        run: how it runs.

    Raises:
        Stopped: the run says so.
        ValueError: there are no texts.
    """
    run = run or Run()
    texts = data.texts
    if texts is None:
        raise ValueError("The items have no texts.")
    codes, rarity = _counted(texts, run)
    rows = _rows(texts, codes, rarity, run)
    users = unique_users(data.histories, data.n_items)
    known = texts.created[texts.created >= 0]
    config = Config(int(known.min()), int(known.max())) if len(known) else (config or Config())
    owners = np.repeat(np.arange(data.n_items, dtype=np.int32), np.diff(rows.starts))
    order = np.lexsort((owners, rows.piece))
    return SemanticModel(
        config,
        {
            "codes": codes,
            "rarity": rarity,
            "starts": rows.starts,
            "piece": rows.piece,
            "share": rows.share,
            "post_starts": np.searchsorted(rows.piece[order], np.arange(len(codes) + 1)).astype(np.int64),
            "post_item": owners[order],
            "post_share": rows.share[order],
            "popularity": (np.log1p(users) / np.log1p(max(users.max(initial=0), 1))).astype(np.float32),
            "freshness": config.freshness(texts.created),
            "digests": texts.digests,
        },
    )


def evaluate(model: SemanticModel, run: Run) -> dict[str, Float64]:
    """Return how popular, how fresh and how similar the first items are that the model recommends, each from 0 to 1.

    Args:
        model: fitted.
        run: says which items are asked about, by its seed, and may stop it.

    Returns:
        By the metric's name, float64[asked]: the mean of the items recommended for each item.

    Raises:
        Stopped: the run says so.
    """
    count = min(model.n_items, _ASKED)
    asked = np.sort(np.random.default_rng(run.seed).choice(model.n_items, count, replace=False))
    means = np.zeros((count, 3))
    for at, item in enumerate(asked.tolist()):
        run.keep_on()
        ranking = top(model.score(Query(np.zeros(0, np.int32), item)), metrics.K)
        ranking = ranking[ranking != item]
        if len(ranking):
            said = model.similarity(item, ranking)
            means[at] = model.popularity[ranking].mean(), model.freshness[ranking].mean(), said.mean()
    names = ("item_popularity", "item_freshness", "item_similarity")
    return {name: means[:, at] for at, name in enumerate(names)}


def _summed(items: NDArray[Any], worth: Float32, n_items: int) -> tuple[Int64, Float32]:
    """Return int64[found], ascending, and float32[found]: each item once, with the sum of its worth, 1 at most."""
    if len(items) * _SPARSE > n_items:
        sums = np.bincount(items, worth, n_items)
        found = np.flatnonzero(sums)
        values = sums[found]
    else:
        found, place = np.unique(items, return_inverse=True)
        values = np.bincount(place, worth, len(found))
    return found.astype(np.int64), np.minimum(values, 1).astype(np.float32)


def _counted(texts: Texts, run: Run) -> tuple[NDArray[np.uint32], Float32]:
    """Return uint32[pieces], sorted, and float32[pieces], how rare each is; 0 for what relates no items."""
    cut = words.pieces_of(texts.words)
    codes = np.unique(cut.codes)
    holders = np.zeros(len(codes), np.int64)
    n_items = len(texts.offsets) - 1
    for _, piece, _ in _amounts(texts, cut, codes, run):
        holders += np.bincount(piece, minlength=len(codes))
    common = n_items * _COMMON_SHARE if n_items > _FEW_ITEMS else n_items
    relates = (holders > 0) & (holders <= max(common, 1))
    rarity = np.where(relates, np.log1p(n_items / np.maximum(holders, 1)), 0)
    return codes, rarity.astype(np.float32)


def _rows(texts: Texts, codes: NDArray[np.uint32], rarity: Float32, run: Run | None = None) -> Rows:
    """Return what items say, of each the pieces that say most; vectors have length 1."""
    n_items = len(texts.offsets) - 1
    owners, pieces, shares = [], [], []
    for item, piece, amount in _amounts(texts, words.pieces_of(texts.words), codes, run or Run()):
        value = rarity[piece] * (amount * (1 + _SATURATION) / (amount + _SATURATION))
        norms = np.sqrt(np.bincount(item - item[0], value**2)) if len(item) else np.zeros(0)
        kept = value > 0
        item, piece, value = item[kept], piece[kept], value[kept] / norms[item[kept] - item[0]]
        order = np.lexsort((-value, item))
        item, piece, value = item[order], piece[order], value[order]
        first = np.flatnonzero(np.diff(item, prepend=-1))
        rank = np.arange(len(item)) - np.repeat(first, np.diff(np.append(first, len(item))))
        strongest = rank < _PIECES
        owners.append(item[strongest])
        pieces.append(piece[strongest])
        shares.append(value[strongest])
    owner = np.concatenate([np.zeros(0, np.int64), *owners])
    return Rows(
        np.searchsorted(owner, np.arange(n_items + 1)).astype(np.int64),
        np.concatenate([np.zeros(0, np.int32), *pieces]).astype(np.int32),
        np.concatenate([np.zeros(0, np.float32), *shares]).astype(np.float32),
    )


def _amounts(
    texts: Texts, cut: words.Pieces, codes: NDArray[np.uint32], run: Run
) -> Iterator[tuple[Int64, Int64, Float32]]:
    """Yield items, their pieces and how much each says it, some items at a time; unknown pieces are left out."""
    place = np.minimum(np.searchsorted(codes, cut.codes), max(len(codes) - 1, 0))
    known = codes[place] == cut.codes if len(codes) else np.zeros(len(cut.codes), np.bool_)
    lengths = np.diff(cut.offsets)
    n_items = len(texts.offsets) - 1
    first = 0
    while first < n_items:
        run.keep_on()
        end = int(np.searchsorted(texts.offsets, texts.offsets[first] + _BLOCK_WORDS, side="right")) - 1
        end = min(max(end, first + 1), n_items)
        part = slice(int(texts.offsets[first]), int(texts.offsets[end]))
        word, weight = texts.word[part], texts.weight[part]
        owner = np.repeat(np.arange(first, end, dtype=np.int64), np.diff(texts.offsets[first : end + 1]))
        sizes = lengths[word]
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        at = np.repeat(cut.offsets[word], sizes) + within
        at, owner, weight = (
            at[known[at]],
            np.repeat(owner, sizes)[known[at]],
            np.repeat(weight, sizes)[known[at]],
        )
        keys, row = np.unique(owner * max(len(codes), 1) + place[at], return_inverse=True)
        amount = np.bincount(row, weight * cut.worth[at], len(keys)).astype(np.float32)
        if len(keys):
            yield keys // len(codes), keys % len(codes), amount
        first = end


MODEL = SemanticModel
