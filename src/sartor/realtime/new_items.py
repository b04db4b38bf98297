"""Items that came after the training, recommended by what is known of them: those that share their metadata speak.

Source: the guide's "Automatic updates": Amazon considers new items every two hours without a training. Here they are
taken up within seconds of PutItems or an import.
"""

import re
import time
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from sartor.filters.columns import Columns, Tokens
from sartor.filters.schema import Field
from sartor.models.base import Features, Float32, Int32, Int64
from sartor.models.newcomers import lifted
from sartor.models.stand_ins import NEIGHBOURS, StandIns
from sartor.realtime.catalogue import Catalogue
from sartor.realtime.scoring import Scores

#: How often new items are looked at, in seconds.
LOOK_SECONDS: Final = 5.0
#: So many of them count, the newest ones.
_MOST: Final = 20_000
#: In a larger catalogue only categories count: so many texts are cut into words in a second or two.
_MOST_TEXTS: Final = 100_000
#: Of a text, so many of its words count.
_WORDS: Final = 200
_WORD: Final = re.compile(r"[^\W_]+")

#: What a row says in each column.
_Said = tuple[tuple[str | int | float, ...], ...]


class NewItems:
    """The new items of one version; safe to share between threads.

    Args:
        items: the rows of the version's items, newer ones behind those that the model knows.
        counts: int64[model items], the interactions of each.
        left_out: columns that the solution leaves out, folded to lower case.
        lift: how far a new item's score stands out of the mean of all, as the training has learned.

    Attributes:
        changes: how often they changed.
    """

    def __init__(self, items: Catalogue, counts: Int64, left_out: Iterable[str], lift: float = 1.0) -> None:
        self.changes = 0
        self._lift = lift
        self._items, self._counts, self._left_out = items, counts, frozenset(left_out)
        self._looked, self._version = -LOOK_SECONDS, -1
        self._index: _Index | None = None
        self._spoken = _Spoken(np.zeros(0, np.int32), _nobody(0), np.zeros((0, NEIGHBOURS), np.float32), lift)

    def __bool__(self) -> bool:
        return len(self._spoken.rows) > 0

    def look(self) -> None:
        """Take up what is new."""
        columns = self._items.columns
        known = len(self._counts)
        if columns.n_rows <= known or columns.version == self._version:
            return
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        if self._index is None:
            self._index = _Index(columns, self._counts, self._left_out)
        rows = np.arange(max(known, columns.n_rows - _MOST), columns.n_rows, dtype=np.int32)
        self._spoken = _Spoken(rows, *self._index.spoken(columns, rows), self._lift)
        self._version = columns.version
        self.changes += 1

    def among(self, scores: Scores) -> Scores:
        """Return scores with those of the new items: the mean of who speaks for each, the last place without any."""
        spoken = self._spoken
        if not len(spoken.rows) or not len(scores.values):
            return scores
        lowest = scores.values.min()
        if scores.items is None:
            return Scores(None, spoken.grown(scores.values[None])[0], scores.logits, scores.subset)
        whole = np.full(len(self._counts), lowest, np.float32)
        whole[scores.items] = scores.values
        items = np.concatenate([scores.items, spoken.rows])
        values = np.concatenate([scores.values, spoken.means(whole[None])[0]])
        order = np.argsort(-values, kind="stable")
        return Scores(items[order], values[order], scores.logits, scores.subset)

    def among_all(self, scores: Float32) -> Float32:
        """Return float32[users, rows] from float32[users, model items], as ``among`` does for each."""
        spoken = self._spoken
        return spoken.grown(scores) if len(spoken.rows) and scores.size else scores


class _Spoken:
    """Who speaks for some rows.

    Args:
        rows: int32[new], ascending.
        near: int32[new, neighbours], the model's items.
        weights: float32[new, neighbours]; a sum of 0 is nobody.
        lift: how far they stand out of the mean of all, against those who speak for them.
    """

    def __init__(self, rows: Int32, near: Int32, weights: Float32, lift: float) -> None:
        self.rows, self._near, self._weights, self._lift = rows, near, weights, lift
        self._silent = weights.sum(axis=1) == 0

    def means(self, scores: Float32) -> Float32:
        """Return float32[users, new]: means of the scores of the model's items, the lowest where nobody speaks."""
        found = np.zeros((len(scores), len(self.rows)), np.float32)
        for at in range(NEIGHBOURS):
            found += scores[:, self._near[:, at]] * self._weights[:, at]
        found = lifted(found, scores.mean(axis=1, keepdims=True), self._lift)
        found[:, self._silent] = scores.min(axis=1, keepdims=True)
        return found

    def grown(self, scores: Float32) -> Float32:
        """Return float32[users, rows]: the scores of the model's items, and the means behind them."""
        n_items = scores.shape[1]
        found = np.empty((len(scores), int(self.rows[-1]) + 1), np.float32)
        found[:, :n_items] = scores
        found[:, n_items:] = scores.min(axis=1, keepdims=True)
        found[:, self.rows] = self.means(scores)
        return found


class _Index:
    """The tokens of the model's items: a category, or a word of a text, each by its column."""

    def __init__(self, columns: Columns, counts: Int64, left_out: frozenset[str]) -> None:
        self._numbers: dict[str, int] = {}
        self._fields = [
            one
            for one in columns.fields
            if (one.categorical or (one.textual and len(counts) <= _MOST_TEXTS))
            and one.name.casefold() not in left_out
        ]
        rows, tokens = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for one in self._fields:
            stored = columns.block.columns.get(one.name)
            if isinstance(stored, Tokens):
                holders, found = self._entries(one, stored)
                rows.append(holders)
                tokens.append(found)
        row, token = np.concatenate(rows), np.concatenate(tokens)
        known = row < len(counts)
        codes = np.unique(row[known] * max(len(self._numbers), 1) + token[known])
        row, token = codes // max(len(self._numbers), 1), codes % max(len(self._numbers), 1)
        offsets = np.searchsorted(row, np.arange(len(counts) + 1)).astype(np.int64)
        self._stand_ins = StandIns(Features(token.astype(np.int32), offsets, len(self._numbers)), counts)
        self._known: dict[int, tuple[_Said, Int32, Float32]] = {}

    def spoken(self, columns: Columns, rows: Int32) -> tuple[Int32, Float32]:
        """Return int32[rows, neighbours] and float32[rows, neighbours]: who speaks for some rows, and how much."""
        near = _nobody(len(rows))
        weights = np.zeros(near.shape, np.float32)
        for at, row in enumerate(rows.tolist()):
            said = tuple(columns.at(row, one.name) for one in self._fields)
            known = self._known.get(row)
            if known is None or known[0] != said:
                known = self._known[row] = (said, *self._stand_ins.of(self._tokens(said)))
            _, who, worth = known
            near[at, : len(who)], weights[at, : len(who)] = who, worth
        return near, weights

    def _tokens(self, said: _Said) -> Int64:
        """Return int64[all]: the numbers of what a row says in each column, without what no known item says."""
        found = (
            self._numbers.get(name)
            for one, texts in zip(self._fields, said, strict=True)
            for text in texts
            for name in _tokens(one, str(text))
        )
        return np.array([number for number in found if number is not None], np.int64)

    def _entries(self, one: Field, stored: Tokens) -> tuple[Int64, Int64]:
        """Return int64[all] each: the rows of a column that have a token, and its number."""
        rows, codes = stored.entries
        numbers = [
            [self._numbers.setdefault(name, len(self._numbers)) for name in _tokens(one, text)]
            for text in stored.tokens
        ]
        sizes = np.array([len(some) for some in numbers], np.int64)
        flat = np.array([number for some in numbers for number in some], np.int64)
        begins = np.cumsum(sizes) - sizes
        counts = sizes[codes]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(rows.astype(np.int64), counts), flat[np.repeat(begins[codes], counts) + within]


def _tokens(one: Field, text: str) -> Iterator[str]:
    """Yield the tokens of a category, or of a text."""
    said = _WORD.findall(text.lower())[:_WORDS] if one.textual else [text]
    yield from (f"{one.name}={word}" for word in said)


def _nobody(n: int) -> Int32:
    return np.zeros((n, NEIGHBOURS), np.int32)
