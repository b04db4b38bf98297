"""Related items: what lies near an item in histories, and what shares its rare metadata where histories say little.

Parameters are those of the guide's pages "Similar-Items recipe" and "SIMS recipe". Only the strongest neighbours of
an item are kept, so any catalogue fits.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from sartor.models import cooccurrence
from sartor.models.base import Float32, Histories, Int32, Int64, Model, Query, Run, TrainingData
from sartor.models.popularity import unique_users
from sartor.models.token_overlap import Tokens

#: Neighbours that are kept in all, at most, 8 bytes each; large catalogues keep fewer of each item.
_CELLS: Final = 30_000_000
_LEAST_NEIGHBOURS: Final = 30
#: What metadata proposes for an item, of the known ones and of the new ones, beside what histories do: as many as a
#: list shows with room for filters, fewer in large catalogues.
_LEAST_PROPOSED, _MOST_PROPOSED = 10, 50
#: With this many interactions, histories say enough that metadata need not be asked; in units of ``enough``.
_PLENTY: Final = 10
_ANCHOR: Final = np.float32(-1)
#: Who buys a second thing within an hour fills the same basket.
_BASKET_SECONDS: Final = 3600

Cells = tuple[Int64, Int64, Float32]


@dataclass(frozen=True)
class Config:
    """What is decided before a training.

    Attributes:
        popularity_discount_factor: 0 favours popular items, 1 forgets popularity.
        min_cointeraction_count: two items are related if they were near each other at least so often.
        min_user_history_length_percentile: users with shorter histories do not count.
        max_user_history_length_percentile: users with longer histories do not count.
        min_item_interaction_count_percentile: items with fewer interactions are not in the model.
        max_item_interaction_count_percentile: items with more interactions are not in the model.
        metadata: whether metadata counts.
        neighbours: that histories give an item, the strongest ones; what metadata proposes comes on top.
        lags: how far apart two items of a history may lie; a pair counts 1 / its distance.
        earlier: what a pair counts whose other item came before, against one that came after.
        smoothing: interactions that every item is thought to have had in addition, where popularity is discounted.
        enough: with so many interactions, histories say as much about an item as metadata.
        new: what metadata says for a new item, against the strongest neighbour of a well-known one.
        basket_seconds: interactions of a user that follow each other at most so late are one basket, in which
            all pairs count alike; 0 knows no baskets.
        beyond: what neighbours in histories say then, against those in baskets.
    """

    popularity_discount_factor: float = 0.0
    min_cointeraction_count: int = 1
    min_user_history_length_percentile: float = 0.0
    max_user_history_length_percentile: float = 1.0
    min_item_interaction_count_percentile: float = 0.0
    max_item_interaction_count_percentile: float = 1.0
    metadata: bool = True
    neighbours: int = 300
    lags: int = 10
    earlier: float = 0.2
    smoothing: float = 10.0
    enough: float = 5.0
    new: float = 0.5
    basket_seconds: int = 0
    beyond: float = 0.2


def sims_config(
    popularity_discount_factor: float = 0.5,
    min_cointeraction_count: int = 3,
    min_user_history_length_percentile: float = 0.0,
    max_user_history_length_percentile: float = 1.0,
    min_item_interaction_count_percentile: float = 0.0,
    max_item_interaction_count_percentile: float = 1.0,
) -> Config:
    """Return the config of the recipe SIMS; metadata does not count.

    The guide's default percentiles would leave out the most popular tenth of the items, so that whoever looks at one
    of them is shown popular items: percentiles apply only where a solution sets them.
    """
    return Config(
        popularity_discount_factor=popularity_discount_factor,
        min_cointeraction_count=min_cointeraction_count,
        min_user_history_length_percentile=min_user_history_length_percentile,
        max_user_history_length_percentile=max_user_history_length_percentile,
        min_item_interaction_count_percentile=min_item_interaction_count_percentile,
        max_item_interaction_count_percentile=max_item_interaction_count_percentile,
        metadata=False,
    )


def together_config() -> Config:
    """Return the config for what is bought together: in baskets first, and metadata does not count."""
    return Config(popularity_discount_factor=0.5, metadata=False, basket_seconds=_BASKET_SECONDS, earlier=1.0)


class SimilarModel(Model):
    """Scores what is related to the item that is looked at; without one, what is popular.

    Args:
        config: what it was made with.
        arrays: ``popularity`` float32[items], from 0 to below 1; ``starts`` int64[items + 1]: the neighbours of an
            item are ``neighbours[starts[i]:starts[i + 1]]``, int32, and how near they are ``weights``, float32,
            above 0.
    """

    name: ClassVar[str] = "similar"

    def __init__(self, config: Config, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.config = config
        self._popularity: Float32 = np.asarray(arrays["popularity"])
        self._starts: Int64 = np.asarray(arrays["starts"])
        self._neighbours: Int32 = np.asarray(arrays["neighbours"])
        self._weights: Float32 = np.asarray(arrays["weights"])
        self.n_items = len(self._popularity)

    def score(self, query: Query) -> Float32:
        """Return float32[items]: above 1 the neighbours, below 1 the others, the item itself last."""
        found = self._popularity.copy()
        if query.item is not None:
            row = slice(self._starts[query.item], self._starts[query.item + 1])
            found[self._neighbours[row]] = 1 + self._weights[row]
            found[query.item] = _ANCHOR
        return found

    def settings(self) -> dict[str, Any]:
        """Return the config."""
        return asdict(self.config)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the neighbours and the popularity."""
        return {
            "popularity": self._popularity,
            "starts": self._starts,
            "neighbours": self._neighbours,
            "weights": self._weights,
        }

    @classmethod
    def restored(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the model of these settings and arrays."""
        return cls(Config(**settings), arrays)


def fit(data: TrainingData, config: Config | None = None, run: Run | None = None) -> SimilarModel:
    """Return a fitted model.

    Args:
        data: what it is fitted on; the order of each history counts.
        config: ``None`` takes the defaults.
        run: how it runs.

    Raises:
        Stopped: the run says so.
    """
    config, run = config or Config(), run or Run()
    run.keep_on()
    users = unique_users(data.histories, data.n_items)
    histories = _kept(data.histories, data.n_items, config)
    counts = np.bincount(histories.items, minlength=data.n_items).astype(np.int64)
    room = _CELLS // max(data.n_items, 1)
    most = min(config.neighbours, max(room, _LEAST_NEIGHBOURS))
    later = 1 / np.arange(1, config.lags + 1)
    kernel = np.array([later, config.earlier * later], np.float32)
    parts = list(_by_histories(histories, counts, kernel, most, config, run))
    if config.basket_seconds:
        parts = [(first, second, np.float32(config.beyond) * weights) for first, second, weights in parts]
        baskets, alike = _baskets(histories, config.basket_seconds), np.ones((2, config.lags), np.float32)
        parts += _by_histories(baskets, counts, alike, most, config, run)
    if config.metadata and data.features is not None:
        proposed = int(np.clip(room // 2, _LEAST_PROPOSED, _MOST_PROPOSED))
        parts += _by_metadata(Tokens(data.features), counts, proposed, config, run)
    first, second, weights = _together(parts, data.n_items, run)
    arrays = {
        "popularity": (users / (users.max(initial=0) + 1)).astype(np.float32),
        "starts": np.searchsorted(first, np.arange(data.n_items + 1)).astype(np.int64),
        "neighbours": second.astype(np.int32),
        "weights": weights,
    }
    return SimilarModel(config, arrays)


def _by_histories(
    histories: Histories, counts: Int64, kernel: Float32, most: int, config: Config, run: Run
) -> Iterator[Cells]:
    """Yield the strongest neighbours by histories: up to 1, less for items of which histories say little."""
    discount = (counts + config.smoothing) ** -config.popularity_discount_factor
    trust = counts / (counts + config.enough)
    for found in cooccurrence.cells(histories, len(counts), kernel, run):
        values = found.values * discount[found.second]
        values[found.counts < config.min_cointeraction_count] = 0
        kept = values > 0
        first, second, values = found.first[kept], found.second[kept], values[kept]
        if len(first):
            starts = np.flatnonzero(np.diff(first, prepend=-1))
            largest = np.repeat(np.maximum.reduceat(values, starts), np.diff(np.append(starts, len(first))))
            values = trust[first] * values / largest
        yield strongest((first, second, values.astype(np.float32)), most)


def _by_metadata(tokens: Tokens, counts: Int64, most: int, config: Config, run: Run) -> Iterator[Cells]:
    """Yield what metadata says: for items of which histories say little, and about new items for all."""
    doubt = config.enough / (counts + config.enough)
    liked = (np.log1p(counts) / np.log1p(max(counts.max(initial=0), 1))) ** (
        1 - config.popularity_discount_factor
    )
    # of equally near items the popular ones first, as far as popularity is not discounted
    favour = (1 + liked) / 2
    known, new = np.flatnonzero(counts >= config.enough), np.flatnonzero(counts < config.enough)
    little = np.flatnonzero(counts < _PLENTY * config.enough)
    popular = known[np.argsort(-counts[known], kind="stable")]
    for asked, candidates in ((little, popular), (np.arange(len(counts)), new)):
        run.progress({"phase": "comparing metadata", "items": len(asked)})
        looked = tokens.nearest(asked.astype(np.int32), candidates.astype(np.int32), most, run)
        for first, second, cosine in looked:
            about = doubt[first] + (1 - doubt[first]) * config.new * doubt[second]
            yield first, second, (cosine * favour[second] * about).astype(np.float32)


def _baskets(histories: Histories, seconds: int) -> Histories:
    """Return histories that end where a user does nothing for longer than this."""
    begins = np.diff(histories.times, prepend=0) > seconds
    begins[histories.offsets[:-1][histories.lengths > 0]] = True
    offsets = np.append(np.flatnonzero(begins), len(histories.items)).astype(np.int64)
    return Histories(histories.items, offsets, histories.times, histories.weights)


def _kept(histories: Histories, n_items: int, config: Config) -> Histories:
    """Return the histories of users and items that are neither too rare nor too frequent."""
    users = _within(
        histories.lengths,
        config.min_user_history_length_percentile,
        config.max_user_history_length_percentile,
    )
    counts = np.bincount(histories.items, minlength=n_items)
    items = _within(
        counts, config.min_item_interaction_count_percentile, config.max_item_interaction_count_percentile
    )
    if users.all() and items.all():
        return histories
    return histories.kept(np.repeat(users, histories.lengths) & items[histories.items])


def _within(counts: NDArray[np.integer[Any]], low: float, high: float) -> NDArray[np.bool_]:
    """Return bool[counts]: which lie between two shares of those that are above 0; 0 does."""
    some = counts[counts > 0]
    if not len(some):
        return np.ones(len(counts), np.bool_)
    least, most = np.quantile(some, [min(low, high), max(low, high)])
    found: NDArray[np.bool_] = (counts == 0) | ((counts >= least) & (counts <= most))
    return found


def _together(parts: list[Cells], n_items: int, run: Run) -> Cells:
    """Return all cells, sorted, each once with the sum of its weights."""
    if not parts:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)
    run.keep_on()
    codes = np.concatenate([first * n_items + second for first, second, _ in parts])
    values = np.concatenate([weights for _, _, weights in parts])
    parts.clear()
    order = np.argsort(codes, kind="stable")
    codes, values = codes[order], values[order]
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    codes, values = codes[starts], np.add.reduceat(values, starts) if len(starts) else values
    return codes // max(n_items, 1), codes % max(n_items, 1), values


def strongest(cells: Cells, most: int) -> Cells:
    """Return the largest ones of each first item, still sorted; of equal ones the smaller numbers."""
    first, second, weights = cells
    edges = np.append(np.flatnonzero(np.diff(first, prepend=-1)), len(first))
    kept = np.ones(len(first), np.bool_)
    for at in np.flatnonzero(np.diff(edges) > most).tolist():
        part = slice(edges[at], edges[at + 1])
        row = weights[part]
        edge = np.partition(row, len(row) - most)[len(row) - most]
        equal = row == edge
        spare = most - int((row > edge).sum())
        kept[part] = (row > edge) | (equal & (np.cumsum(equal) <= spare))
    return first[kept], second[kept], weights[kept]


MODEL = SimilarModel
