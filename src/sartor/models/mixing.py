"""How models are added up, and in which order what comes of it stands.

Each model's scores of a query are brought to mean 0 and deviation 1, so that weights mean the same in every answer.
Then what a history relates to comes first: a regression says less than nothing of some neighbours, and nothing of
strangers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from sartor.models.base import Bool, Float32, Model, Query
from sartor.models.newcomers import Newcomers, lifted

#: How far apart the last of what comes first and the first of what comes after it are, at least.
_APART: Final = np.float32(1e-3)
#: Deviations of this share of the mean come of rounding, and none is taken for less than the least.
_ROUNDING: Final = np.float32(1e-5)
_LEAST: Final = np.float32(1e-9)
#: A new item relates to a history if so many of those that speak for it do.
_MOST: Final = 0.5


class Part(NamedTuple):
    """A model of a blend.

    Attributes:
        name: of its row among the linear models, or ``sequence``.
        weight: how much it says, above 0.
        model: what scores.
    """

    name: str
    weight: float
    model: Model


@dataclass(frozen=True)
class Order:
    """In which order groups of items stand.

    Attributes:
        related_first: what a history relates to stands before what it does not.
        returns: whether users come back to items; else what they had stands behind all else that relates to them.
        lift: how far an item that came after the training stands out of the mean, against the known ones that speak for
            it.
        own_lift: the same of a new item that the training saw, against what its metadata and those that speak for it
            say.
    """

    related_first: bool = False
    returns: bool = True
    lift: float = 1.0
    own_lift: float = 1.0


class Sums(NamedTuple):
    """What the parts of a blend say of all items.

    Attributes:
        total: float32[queries, items]; of parts that do not know new items if they were asked for apart.
        own: float32[queries, items], of the parts that know new items too; ``None`` if ``total`` has all.
        related: bool[queries, items], what some part relates to a history.
    """

    total: Float32
    own: Float32 | None
    related: Bool

    def forget(self, row: int) -> None:
        """Say nothing for one query."""
        self.total[row] = 0
        if self.own is not None:
            self.own[row] = 0


class Standing(NamedTuple):
    """Where items stand: the known ones in their groups, the new ones before they are lifted.

    Attributes:
        known: float32[queries, known].
        new: float32[queries, new], what is said of new items.
        usual: float32[queries, 1], the mean of what is said of known ones.
        down: float32[queries, new], by how much each is lower as its group is.
    """

    known: Float32
    new: Float32
    usual: Float32
    down: Float32

    def lifted(self, lift: float) -> Float32:
        """Return float32[queries, new]: scores of new items that stand out so far."""
        return lifted(self.new, self.usual, lift) - self.down


def standard(scores: Float32) -> Float32:
    """Return the scores with mean 0 and deviation 1 over the last dimension; all 0 if they differ by rounding alone."""
    mean = scores.mean(axis=-1, keepdims=True)
    found: Float32 = scores - mean
    deviation = np.sqrt(np.einsum("...i,...i->...", found, found)[..., None] / max(scores.shape[-1], 1))
    found /= np.where(deviation > _ROUNDING * np.abs(mean), np.maximum(deviation, _LEAST), np.inf)
    return found


def added(parts: Sequence[Part], queries: Sequence[Query], apart: bool = False) -> Sums:
    """Return what the parts say, those that know new items for themselves if they shall be ``apart``."""
    shape = (len(queries), parts[0].model.n_items)
    total, related = np.zeros(shape, np.float32), np.zeros(shape, np.bool_)
    own = np.zeros(shape, np.float32) if apart else None
    for part in parts:
        scores = part.model.score_batch(queries)
        near = part.model.related(scores)
        if near is not None:
            related |= near
        scores = standard(scores)
        scores *= np.float32(part.weight)
        into = own if own is not None and part.model.knows_new else total
        into += scores
    return Sums(total, own, related)


def stood(sums: Sums, seen: Bool, order: Order, newcomers: Newcomers) -> Standing:
    """Return where items stand.

    A new item is said to be what the parts that know it say, and for the other parts the mean of who speaks for it. It
    relates to a history if one of the parts says so, or most of who speaks for it do.

    Args:
        sums: which may be changed.
        seen: bool[queries, items], what is in each history.
        order: of the groups.
        newcomers: which items are known.
    """
    total, own, related = sums
    known, new = newcomers.known, newcomers.new
    related_new, own_new = related[:, new], None if own is None else own[:, new]
    if len(known) < newcomers.n_items:
        total, related, seen = total[:, known], related[:, known], seen[:, known]
        own = None if own is None else own[:, known]
    if own is None or own_new is None:
        scores, _ = ordered(total, related, seen, order)
        return Standing(scores, *[scores[:, :0]] * 3)
    said = newcomers.spoken(total) + own_new
    near = related_new | (newcomers.spoken(related.astype(np.float32)) >= _MOST)
    total += own
    usual = total.mean(axis=1, keepdims=True)
    scores, down = ordered(total, related, seen, order)
    return Standing(scores, said, usual, np.where(near, np.float32(0), down[:, None]))


def had(queries: Sequence[Query], n_items: int) -> Bool:
    """Return bool[queries, items]: what is in each history."""
    found = np.zeros((len(queries), n_items), np.bool_)
    for row, query in zip(found, queries, strict=True):
        row[query.history] = True
    return found


def ordered(total: Float32, related: Bool, seen: Bool, order: Order) -> tuple[Float32, Float32]:
    """Return the scores, moved so that groups stand in their order; no two of one group change places.

    Args:
        total: float32[queries, items], which is changed.
        related: bool[queries, items], what relates to each history.
        seen: bool[queries, items], what is in each history.
        order: of the groups.

    Returns:
        The scores, and float32[queries]: by how much what does not relate to the history went down.
    """
    if not order.returns:
        _put_below(total, seen, related & ~seen)
    if not order.related_first:
        return total, np.zeros(len(total), np.float32)
    near = related | seen
    return total, _put_below(total, ~near, near)


def _put_below(scores: Float32, lower: Bool, upper: Bool) -> Float32:
    """Move some scores of each row down until they are below all of some others; return float32[rows], how far."""
    highest = scores.max(axis=1, where=lower, initial=-np.inf)
    lowest = scores.min(axis=1, where=upper, initial=np.inf)
    move = highest - lowest + _APART
    move = np.where(np.isfinite(move) & (move > 0), move, 0).astype(np.float32)
    if move.any():
        scores -= lower * move[:, None]
    return move
