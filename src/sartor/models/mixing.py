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

#: How far apart the last of what comes first and the first of what comes after it are, at least.
_APART: Final = np.float32(1e-3)
#: Deviations of this share of the mean come of rounding, and none is taken for less than the least.
_ROUNDING: Final = np.float32(1e-5)
_LEAST: Final = np.float32(1e-9)


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
        lift: how far a new item stands out of the mean, against the known ones that speak for it.
    """

    related_first: bool = False
    returns: bool = True
    lift: float = 1.0


def standard(scores: Float32) -> Float32:
    """Return the scores with mean 0 and deviation 1 over the last dimension; all 0 if they differ by rounding alone."""
    mean = scores.mean(axis=-1, keepdims=True)
    found: Float32 = scores - mean
    deviation = np.sqrt(np.einsum("...i,...i->...", found, found)[..., None] / max(scores.shape[-1], 1))
    found /= np.where(deviation > _ROUNDING * np.abs(mean), np.maximum(deviation, _LEAST), np.inf)
    return found


def added(parts: Sequence[Part], queries: Sequence[Query]) -> tuple[Float32, Bool]:
    """Return float32[queries, items] and bool[queries, items]: the sums, and what some part relates to a history."""
    shape = (len(queries), parts[0].model.n_items)
    total, related = np.zeros(shape, np.float32), np.zeros(shape, np.bool_)
    for part in parts:
        scores = part.model.score_batch(queries)
        near = part.model.related(scores)
        if near is not None:
            related |= near
        scores = standard(scores)
        scores *= np.float32(part.weight)
        total += scores
    return total, related


def had(queries: Sequence[Query], n_items: int) -> Bool:
    """Return bool[queries, items]: what is in each history."""
    found = np.zeros((len(queries), n_items), np.bool_)
    for row, query in zip(found, queries, strict=True):
        row[query.history] = True
    return found


def ordered(total: Float32, related: Bool, seen: Bool, order: Order) -> Float32:
    """Return the scores, moved so that groups stand in their order; no two of one group change places.

    Args:
        total: float32[queries, items], which is changed.
        related: bool[queries, items], what relates to each history.
        seen: bool[queries, items], what is in each history.
        order: of the groups.
    """
    if not order.returns:
        _put_below(total, seen, related & ~seen)
    if order.related_first:
        near = related | seen
        _put_below(total, ~near, near)
    return total


def _put_below(scores: Float32, lower: Bool, upper: Bool) -> None:
    """Move some scores of each row down until they are below all of some others."""
    highest = scores.max(axis=1, where=lower, initial=-np.inf)
    lowest = scores.min(axis=1, where=upper, initial=np.inf)
    move = highest - lowest + _APART
    move = np.where(np.isfinite(move) & (move > 0), move, 0).astype(np.float32)
    if move.any():
        scores -= lower * move[:, None]
