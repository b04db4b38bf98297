"""Filters over 1 M items: the first evaluation against the same in plain NumPy, and a remembered one in a request."""

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from bench.table import Row
from sartor.data.schema import Field, Schema
from sartor.filters.apply import evaluate
from sartor.filters.check import check
from sartor.filters.columns import Columns
from sartor.filters.masks import Masks
from sartor.filters.parse import parse
from sartor.filters.values import read

REPEATS = 15
#: What a request that uses the filter takes as a whole.
REQUEST_SECONDS = 0.001
#: How many remembered evaluations are timed as one.
CALLS = 1000

SCHEMA = Schema(
    "ITEMS",
    None,
    (Field("GENRES", "string", categorical=True), Field("PRICE", "double"), Field("YEAR", "long")),
)
TEXT = 'INCLUDE ItemID WHERE Items.GENRES IN ("g7") AND Items.PRICE <= $PRICE AND Items.YEAR >= 2000'
VALUES = {"PRICE": '"20"'}


def run(quick: bool, request_seconds: float = REQUEST_SECONDS) -> list[Row]:
    n_rows = 100_000 if quick else 1_000_000
    dice = np.random.default_rng(7)
    lengths = dice.integers(1, 4, n_rows)
    codes = dice.integers(0, 30, lengths.sum()).astype(np.int32)
    rows = np.repeat(np.arange(n_rows, dtype=np.int32), lengths)
    price, year = dice.gamma(2, 15, n_rows), dice.integers(1950, 2027, n_rows)
    ends = np.cumsum(lengths)
    genres = [
        "|".join(f"g{code}" for code in codes[end - length : end])
        for end, length in zip(ends, lengths, strict=True)
    ]
    columns = Columns.build(SCHEMA.fields, {"GENRES": genres, "PRICE": price, "YEAR": year}, n_rows)
    of = check(parse(TEXT), {"ITEMS": SCHEMA})

    def ours(masks: Masks | None = None) -> np.ndarray:
        return evaluate(of, read(of, VALUES), columns, n_rows, masks=masks)

    def numpy() -> np.ndarray:
        found = np.zeros(n_rows, dtype=bool)
        found[rows[codes == 7]] = True
        found &= price <= 20
        found &= year >= 2000
        return found

    assert (ours() == numpy()).all()
    first, bare = _in_turns(ours, numpy)
    masks = Masks()
    ours(masks)
    remembered = median(_seconds(lambda: [ours(masks) for _ in range(CALLS)]) for _ in range(5)) / CALLS
    share = remembered / request_seconds
    size = f"{n_rows // 1000} k" if quick else "1 M"
    return [
        Row(
            f"filter, {size} items, three conditions: first evaluation",
            f"{first * 1e3:.2f} ms",
            f"the same expression in NumPy, strings already coded: {bare * 1e3:.2f} ms",
            f"{first / bare:.2f} ×",
            "≤ 2 ×",
            first / bare <= 2,
        ),
        Row(
            "the same filter used again, reading `filterValues` included",
            f"{remembered * 1e6:.1f} µs",
            f"a request of {request_seconds * 1e3:g} ms",
            f"{share:.1%} of it",
            "≤ 2 %",
            share <= 0.02,
        ),
    ]


def _in_turns(one: Callable[[], object], other: Callable[[], object]) -> tuple[float, float]:
    """Return the median seconds of both, which take turns."""
    pairs = [(_seconds(one), _seconds(other)) for _ in range(REPEATS)]
    return median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)


def _seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun
