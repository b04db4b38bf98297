"""The scores of many users at once, and the best allowed items of each with their shares of the softmax."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sartor.data import by_user
from sartor.models.base import Bool, Float32, Histories, Int32, Int64, Query
from sartor.models.best import BestOfEach
from sartor.realtime.recommend import DIGITS
from sartor.realtime.scoring import Shares
from sartor.realtime.version import Version

#: The scores of users who are scored at once take about so many bytes: they stay near the processor.
_BLOCK_BYTES: Final = 2**21
_LEAST_ROWS, _MOST_ROWS = 8, 256
#: So many masks are remembered in the forms that are needed here.
_MASKS: Final = 8
_NO_ITEMS: Final = np.zeros(0, np.int32)


@dataclass(frozen=True)
class _Layout:
    """The items of a model in the order of a mask: what it keeps comes first.

    Attributes:
        mask: bool[rows]; ``None`` keeps all.
        order: int32[items], the item at each place.
        places: int32[items], the place of each item.
        kept: how many are kept.
        product: float32[d + 1, items], what states with a 1 behind them are multiplied by; ``None``: no product.
    """

    mask: Bool | None
    order: Int32
    places: Int32
    kept: int
    product: Float32 | None


class BlockScores:
    """The scores of one version; safe to share between threads.

    Args:
        version: what answers.
    """

    def __init__(self, version: Version) -> None:
        self._artifact, self._model, self._new = version.artifact, version.model, version.new
        self._subset = version.serving.scored == "subset"
        self._layouts: dict[int, _Layout] = {}
        self._own = threading.local()

    def of(
        self, users: Int64, masks: Sequence[Bool | None], gone: Mapping[int, Int32], n: int
    ) -> tuple[Int32, NDArray[np.float64]]:
        """Return int32[users, n] and float64[users, n]: the best allowed items of each and their shares.

        Args:
            users: int64[users], their numbers in the artifact; -1 is unknown.
            masks: bool[rows] of each user, what may be chosen; ``None`` is everything.
            gone: rows that may not be chosen besides, by the user's place.
            n: how many are wanted; where there are fewer, the items behind them are -1.
        """
        best, shares = BestOfEach(n), []
        for begin in range(0, len(users), self._rows):
            part = slice(begin, begin + self._rows)
            some = (
                {at - begin: rows for at, rows in gone.items() if begin <= at < part.stop} if gone else gone
            )
            shares.append(self._part(users[part], masks[part], some, best))
        found, values = best.found()
        of_each = Shares.joined(shares)
        missing = values < of_each.edge[:, None]
        missing |= found < 0
        if missing.any():
            found[missing], values[missing] = -1, 0
        return found, of_each.at(values).astype(np.float64).round(DIGITS)

    def _part(
        self, users: Int64, masks: Sequence[Bool | None], gone: Mapping[int, Int32], best: BestOfEach
    ) -> Shares:
        """Let ``best`` look at the scores of some users, and return their shares."""
        alike = not self._new and len(set(map(id, masks))) == 1
        layout = self._layout(masks[0] if alike else None)
        scores, kept = self._scored(users, layout), layout.kept
        if self._new:
            scores = self._new.among_all(scores)
            kept = scores.shape[1]
        shares = Shares.of(scores, self._model.has_logits, self._subset, self._room(1, scores.shape))
        if not alike:
            _take_out(scores, masks)
        if gone:
            where = np.repeat(np.fromiter(gone, np.int64, len(gone)), [len(one) for one in gone.values()])
            rows = np.concatenate(list(gone.values()))
            known = rows < scores.shape[1]
            where, rows = where[known], rows[known]
            scores[where, layout.places[rows] if alike else rows] = -np.inf
        best.add(scores[:, :kept], layout.order if alike else None)
        return shares

    @cached_property
    def _rows(self) -> int:
        """How many users are scored at once."""
        fitting = _BLOCK_BYTES // (4 * max(self._model.n_items, 1))
        return int(np.clip(fitting, _LEAST_ROWS, _MOST_ROWS))

    def _scored(self, users: Int64, layout: _Layout) -> Float32:
        """Return float32[users, items], items at their places."""
        found = self._artifact
        if layout.product is not None:
            states = self._states(users)
            room = self._room(0, (len(users), layout.product.shape[1]))
            return np.matmul(states, layout.product, out=room)
        begins, ends = found.offsets[users].tolist(), found.offsets[users + 1].tolist()
        queries = [
            Query(_NO_ITEMS)
            if number < 0
            else Query(found.item[begin:end], None, None if found.states is None else found.states[number])
            for number, begin, end in zip(users.tolist(), begins, ends, strict=True)
        ]
        scores = self._model.score_batch(queries)
        return scores if layout.mask is None else scores[:, layout.order]

    def _states(self, users: Int64) -> Float32:
        """Return float32[users, d + 1]: their states with a 1 behind each."""
        found = self._artifact
        own = self._computed(users) if found.states is None else found.states[users]
        states = np.empty((len(users), own.shape[1] + 1), np.float32)
        states[:, :-1] = own
        states[:, -1] = 1
        unknown = users < 0
        if unknown.any():
            states[unknown, :-1] = self._nobody
        return states

    def _computed(self, users: Int64) -> Float32:
        """Return float32[users, d]: the states of users of whom none are kept."""
        found = self._artifact
        begins = found.offsets[users]
        lengths = np.where(users < 0, 0, found.offsets[users + 1] - begins)
        offsets = by_user.starts(lengths)
        at = np.repeat(begins - offsets[:-1], lengths) + np.arange(offsets[-1])
        return self._of_histories(Histories(found.item[at], offsets, found.time[at]))

    def _of_histories(self, histories: Histories) -> Float32:
        states = self._model.states(histories)
        assert states is not None, "a model of a product has them"
        return states

    def _room(self, number: int, shape: tuple[int, ...]) -> Float32:
        """Return a float32 array of this thread's own: memory that is written to again costs least."""
        rooms: dict[int, Float32] = self._own.__dict__.setdefault("rooms", {})
        room = rooms.get(number)
        if room is None or len(room) < shape[0] or room.shape[1] != shape[1]:
            room = rooms[number] = np.empty((max(shape[0], self._rows), shape[1]), np.float32)
        return room[: shape[0]]

    @cached_property
    def _nobody(self) -> Float32:
        """float32[d]: the state of who did nothing."""
        nothing = Histories(_NO_ITEMS, np.zeros(2, np.int64), np.zeros(0, np.int64))
        state: Float32 = self._of_histories(nothing)[0]
        return state

    def _layout(self, mask: Bool | None) -> _Layout:
        """Return the items in the order of a mask."""
        known = self._layouts.get(id(mask))
        if known is not None and known.mask is mask:
            return known
        model = self._model
        kept = np.ones(model.n_items, np.bool_) if mask is None else mask[: model.n_items]
        order = np.argsort(~kept, kind="stable").astype(np.int32)
        places = np.empty_like(order)
        places[order] = np.arange(len(order), dtype=np.int32)
        whole, product = model.product(), None
        if whole is not None:
            product = np.concatenate([whole[0].T, whole[1][None]])[:, order]
        found = _Layout(mask, order, places, int(kept.sum()), product)
        if len(self._layouts) >= _MASKS:
            self._layouts.clear()
        self._layouts[id(mask)] = found
        return found


def _take_out(scores: Float32, masks: Sequence[Bool | None]) -> None:
    """Give minus infinity to what each row's mask does not keep, and to what is newer than it."""
    rows: dict[int, list[int]] = {}
    for at, mask in enumerate(masks):
        rows.setdefault(id(mask), []).append(at)
    for some in rows.values():
        mask = masks[some[0]]
        if mask is None:
            continue
        denied = np.ones(scores.shape[1], np.bool_)
        denied[: len(mask)] = ~mask[: scores.shape[1]]
        scores[np.ix_(np.array(some), np.flatnonzero(denied))] = -np.inf
