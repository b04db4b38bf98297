"""Exploration: places of an answer for new items, so that they are seen and learned.

The weight says how often, the cut-off how old a new item may be ("Automatic updates and exploration" of the
guide). Age is measured back from the newest interaction; the fewer interactions an item has, the likelier it is
shown. One user gets the same answer until something new is known of the user or an hour is over.
"""

import math
import random
import time
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sartor.models.base import Bool, Int32
from sartor.realtime.picked import Picked

EXPLORED: Final = "Exploration"
DEFAULT_WEIGHT: Final = 0.3
DEFAULT_CUT_OFF_DAYS: Final = 30.0
#: Of an answer's places with weight 1, this share is explored.
_MOST_OF_ANSWER: Final = 0.5
#: A recipe that explores by itself gives new items about 1 place in 1000.
_MANAGED_SHARE: Final = 0.001
#: So often a new item is tried at random for each place.
_TRIES: Final = 64
_SEEDS: Final = 2**48
_DAY_SECONDS: Final = 86_400
_HOUR_SECONDS: Final = 3_600


def weight_of(config: Mapping[str, str]) -> float:
    """Return the ``explorationWeight`` of a campaign's configuration."""
    return float(config.get("explorationWeight", DEFAULT_WEIGHT))


def cut_off_seconds(config: Mapping[str, str]) -> float:
    """Return the ``explorationItemAgeCutOff`` of a campaign's configuration, in seconds."""
    return float(config.get("explorationItemAgeCutOff", DEFAULT_CUT_OFF_DAYS)) * _DAY_SECONDS


def share_of(explores: str | None, config: Mapping[str, str]) -> float:
    """Return the share of an answer's places that are explored, for a way of exploring."""
    if explores is None:
        return 0.0
    return _MANAGED_SHARE if explores == "managed" else weight_of(config) * _MOST_OF_ANSWER


def explored(
    picked: list[Picked],
    candidates: Int32,
    counts: NDArray[np.int64],
    allowed: Bool | None,
    share: float,
    who: tuple[object, ...],
) -> list[Picked]:
    """Return an answer with new items at some of its places.

    Args:
        picked: the model's choice, best first.
        candidates: int32[k], the rows of new items.
        counts: int64[rows], the interactions of each item.
        allowed: bool[rows], what the request's filter allows; ``None`` allows all.
        share: of the places, how many are explored.
        who: equal answers are for equal ones, for an hour.
    """
    if share <= 0.0 or not len(candidates) or not picked:
        return picked
    seed = _seed((who, int(time.time()) // _HOUR_SECONDS))
    if _gap(seed / _SEEDS, share) >= len(picked):  # most answers of a recipe that explores a little
        return picked
    rng = random.Random(seed)
    places = _places(rng, seed / _SEEDS, share, len(picked))
    rows = _drawn(rng, candidates, counts, allowed, {one.row for one in picked}, len(places))
    result = list(picked)
    for at, row in zip(places, rows, strict=False):
        old = result[at]
        result[at] = Picked(row, old.score if old.score is None else picked[-1].score, EXPLORED)
    return result


def _seed(what: tuple[object, ...]) -> int:
    """Return a number from 0 to ``_SEEDS`` - 1, always the same for equal things."""
    return int.from_bytes(blake2b(repr(what).encode(), digest_size=6).digest(), "little")


def _gap(draw: float, share: float) -> int:
    """Return how many places in a row are not explored, for an even draw from [0, 1)."""
    return 0 if share >= 1.0 else int(math.log1p(-draw) / math.log1p(-share))


def _places(rng: random.Random, draw: float, share: float, n: int) -> list[int]:
    """Return the explored ones of ``n`` places, each with the chance ``share``; the draw says which is the first."""
    places = []
    at = _gap(draw, share)
    while at < n:
        places.append(at)
        at += 1 + _gap(rng.random(), share)
    return places


def _drawn(
    rng: random.Random,
    candidates: Int32,
    counts: NDArray[np.int64],
    allowed: Bool | None,
    taken: set[int],
    n: int,
) -> list[int]:
    """Return up to ``n`` allowed candidates that are not taken, each with the chance ``1 / (1 + interactions)``.

    Most are found by trying any; only where few are allowed all are looked at.
    """
    limit = len(counts) if allowed is None else len(allowed)  # newer items than the filter has seen wait

    def is_free(row: int) -> bool:
        return row not in taken and row < limit and (allowed is None or bool(allowed[row]))

    found: list[int] = []
    for _ in range(_TRIES * n):
        row = int(candidates[int(rng.random() * len(candidates))])
        if rng.random() * (1.0 + float(counts[row])) < 1.0 and is_free(row):
            found.append(row)
            taken.add(row)
            if len(found) == n:
                return found
    free = candidates[candidates < limit]
    free = free if allowed is None else free[allowed[free]]
    free = free[~np.isin(free, list(taken))]
    chances = np.random.default_rng(rng.getrandbits(64)).random(len(free))
    keys = np.log1p(-chances) * (1.0 + counts[free])
    rest: list[int] = free[np.argsort(-keys, kind="stable")][: n - len(found)].tolist()
    return [*found, *rest]
