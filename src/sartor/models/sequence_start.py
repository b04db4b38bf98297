"""Where the item embeddings of the sequence model start: singular vectors of the lagged transitions.

It costs seconds and is worth several epochs; on sparse data it is worth half the score. Plain numpy: counts as
one dense matrix for a small catalogue, as sorted cells for a large one.
"""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Float32, Histories, Int64

#: A transition over ``k`` steps counts ``k ** -0.5``, up to this many.
LAGS: Final = 10
#: Added to each row's sum before its root divides the counts.
_SMOOTHING: Final = 5.0
#: The standard deviation of each embedding.
DEVIATION: Final = 0.05
#: Up to this many items the counts are one dense matrix, of some 140 MiB at most, unless nearly all of it is empty:
#: then it has more than so many cells for each interaction.
_DENSE_ITEMS: Final = 6_000
_MOST_EMPTY: Final = 500
#: Transitions that are counted at most; of more interactions a random sample of users is enough for a start.
_TRANSITIONS: Final = 8_000_000
_SPARE_VECTORS: Final = 16
_ITERATIONS: Final = 5
_BLOCK_CELLS: Final = 1 << 13

_Product = Callable[[Float32], Float32]


def embeddings(
    histories: Histories, n_items: int, d: int, seed: int, keep_on: Callable[[], None] = lambda: None
) -> Float32:
    """Return float32[items, d], each row with a standard deviation of ``DEVIATION``.

    Args:
        histories: who interacted with what.
        n_items: how many items there are; those without a transition start at random.
        d: how many numbers an item gets.
        seed: of what is drawn.
        keep_on: called now and then; may raise.
    """
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(n_items, d)).astype(np.float32)
    if n_items > d + _SPARE_VECTORS and len(histories.items) > histories.n_users:
        vectors = _vectors(_product(histories, n_items, rng, keep_on), n_items, d, rng)  # float32[items, d]
        known = np.abs(vectors).sum(axis=1) > 0
        found[known] = vectors[known]
    deviation = found.std(axis=1, keepdims=True)
    found *= np.float32(DEVIATION) / np.maximum(deviation, np.float32(1e-12))
    return found


def _vectors(product: _Product, n_items: int, d: int, rng: np.random.Generator) -> Float32:
    """Return float32[items, d]: the leading singular vectors but the first, times the root of their values."""
    basis = rng.normal(size=(n_items, d + 1 + _SPARE_VECTORS)).astype(np.float32)
    for _ in range(_ITERATIONS):
        basis = np.linalg.qr(product(basis))[0]
    values, turn = np.linalg.eigh(basis.T @ product(basis))
    order = np.argsort(-np.abs(values))[1 : d + 1]
    found: Float32 = (basis @ turn[:, order]) * np.sqrt(np.abs(values[order]))
    return found


def _product(
    histories: Histories, n_items: int, rng: np.random.Generator, keep_on: Callable[[], None]
) -> _Product:
    """Return what multiplies a matrix by the normalised symmetric counts, of which no dense one is made if large."""
    if n_items <= min(_DENSE_ITEMS, (_MOST_EMPTY * len(histories.items)) ** 0.5):
        counts = np.zeros(n_items * n_items, np.float32)
        for cells, weight in _transitions(histories, n_items, rng):
            keep_on()
            counts += np.float32(weight) * np.bincount(cells, minlength=len(counts)).astype(np.float32)
        square = counts.reshape(n_items, n_items)
        square = square + square.T
        scale = 1 / np.sqrt(square.sum(axis=1) + _SMOOTHING)
        square *= scale[:, None] * scale
        return lambda basis: square @ basis
    return _sparse_product(histories, n_items, rng, keep_on)


def _sparse_product(
    histories: Histories, n_items: int, rng: np.random.Generator, keep_on: Callable[[], None]
) -> _Product:
    """Return the product for a large catalogue: cells sorted by row, gathered a block at a time."""
    cells, values = _summed(histories, n_items, rng, keep_on)
    sums = np.bincount(cells // n_items, values, n_items) + np.bincount(cells % n_items, values, n_items)
    scale = (1 / np.sqrt(sums + _SMOOTHING)).astype(np.float32)
    rows, columns = (cells // n_items).astype(np.int32), (cells % n_items).astype(np.int32)
    del cells
    values = values * scale[rows] * scale[columns]
    turned = np.argsort(columns, kind="stable")
    both = ((rows, columns, values), (columns[turned], rows[turned], values[turned]))

    def product(basis: Float32) -> Float32:
        found = np.zeros_like(basis)
        for into, out_of, weights in both:
            for first in range(0, len(into), _BLOCK_CELLS):
                keep_on()
                part = slice(first, first + _BLOCK_CELLS)
                gathered = basis[out_of[part]] * weights[part, None]  # float32[cells, vectors]
                starts = np.flatnonzero(np.diff(into[part], prepend=-1))
                found[into[part][starts]] += np.add.reduceat(gathered, starts, axis=0)
        return found

    return product


def _summed(
    histories: Histories, n_items: int, rng: np.random.Generator, keep_on: Callable[[], None]
) -> tuple[Int64, Float32]:
    """Return int64[cells], sorted, and float32[cells]: what lies in each cell of the counts."""
    found, weights = np.zeros(0, np.int64), np.zeros(0, np.float32)
    for cells, weight in _transitions(histories, n_items, rng):
        keep_on()
        distinct, counts = np.unique(cells, return_counts=True)
        merged = np.concatenate([found, distinct])
        values = np.concatenate([weights, (weight * counts).astype(np.float32)])
        order = np.argsort(merged, kind="stable")
        merged, values = merged[order], values[order]
        starts = np.flatnonzero(np.diff(merged, prepend=-1))
        found, weights = merged[starts], np.add.reduceat(values, starts) if len(starts) else values
    return found, weights


def _transitions(
    histories: Histories, n_items: int, rng: np.random.Generator
) -> Iterator[tuple[Int64, float]]:
    """Yield for each lag the cells ``earlier item * items + later item``, and what each counts."""
    items, users = _sample(histories, rng)
    for lag in range(1, LAGS + 1):
        together = users[lag:] == users[:-lag]
        earlier = items[:-lag][together].astype(np.int64)
        yield earlier * n_items + items[lag:][together], lag**-0.5


def _sample(histories: Histories, rng: np.random.Generator) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the items and users of all interactions, or of a random sample of the users."""
    kept = np.ones(histories.n_users, np.bool_)
    share = _TRANSITIONS / LAGS / max(len(histories.items), 1)
    if share < 1:
        kept = rng.random(histories.n_users) < share
    users = histories.users
    chosen = kept[users]
    return np.asarray(histories.items)[chosen], users[chosen]
