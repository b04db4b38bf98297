"""Exploration: places of an answer for new items, so that they are seen and learned.

The weight says how often, the cut-off how old a new item may be ("Automatic updates and exploration" of the
guide). Age is measured back from the newest interaction; the fewer interactions an item has, the likelier it is
shown. One user gets the same answer until something new is known of the user or an hour is over.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sartor import clock
from sartor.models.base import Bool, Int32, Int64
from sartor.realtime.picked import Picked
from sartor.recipes.serving import MANAGED_SHARE

EXPLORED: Final = "Exploration"
DEFAULT_WEIGHT: Final = 0.3
DEFAULT_CUT_OFF_DAYS: Final = 30.0
#: Of an answer's places with weight 1, this share is explored.
_MOST_OF_ANSWER: Final = 0.5
#: So often a new item is tried at random for each place; then all that are allowed are looked at.
_TRIES: Final = 32
_SEEDS: Final = 2**48
#: Of the numbers that are drawn for one answer, the first are for its places; no answer has more.
_MOST_PLACES: Final = 512
#: The constants of the generator splitmix64, and what keeps the numbers of two seeds apart.
_STEP: Final = 0x9E3779B97F4A7C15
_SPREAD_STEP: Final = 0xD1342543DE82EF95
_STRIDE, _SPREAD = np.uint64(_STEP), np.uint64(_SPREAD_STEP)
_MASK: Final = 2**64 - 1
#: From numbers of 64 bits to seeds, and to the 53 bits of a fraction.
_SEED_SHIFT, _FRACTION_SHIFT = 16, 11
_DAY_SECONDS: Final = 86_400
Float64 = NDArray[np.float64]
Numbers = NDArray[np.uint64]
_HOUR_SECONDS: Final = 3_600


def weight_of(config: Mapping[str, str]) -> float:
    """Return the ``explorationWeight`` of a campaign's configuration."""
    return float(config.get("explorationWeight", DEFAULT_WEIGHT))


def cut_off_seconds(config: Mapping[str, str]) -> float:
    """Return the ``explorationItemAgeCutOff`` of a campaign's configuration, in seconds."""
    return float(config.get("explorationItemAgeCutOff", DEFAULT_CUT_OFF_DAYS)) * _DAY_SECONDS


def share_of(explores: str | None, config: Mapping[str, str], managed_share: float = MANAGED_SHARE) -> float:
    """Return the share of an answer's places that are explored, for a way of exploring.

    Args:
        explores: the way.
        config: of the campaign.
        managed_share: of a recipe that explores by itself.
    """
    if explores is None:
        return 0.0
    return managed_share if explores == "managed" else weight_of(config) * _MOST_OF_ANSWER


@dataclass(frozen=True)
class New:
    """The new items of a catalogue.

    Attributes:
        rows: int32[k].
        reach: float64[k], the sum of the chances up to each, ``1 / (1 + interactions)`` of every item.
        limit: how many rows the catalogue had when they were found; newer ones wait.
    """

    rows: Int32
    reach: Float64
    limit: int

    @classmethod
    def of(cls, rows: Int32, counts: Int64) -> "New":
        """Return new items by int32[k], their rows, and int64[rows], the interactions of each item."""
        return cls(rows, np.cumsum(1.0 / (1.0 + counts[rows])), len(counts))

    def drawn(self, draws: Float64) -> Int32:
        """Return int32[draws]: an item for each draw from [0, 1)."""
        found = np.searchsorted(self.reach, draws * self.reach[-1], side="right")
        rows: Int32 = self.rows[np.minimum(found, len(self.rows) - 1)]
        return rows

    def drawn_once(self, draw: float) -> int:
        """Return what ``drawn`` does for one draw."""
        rows, reach, last = self._plain
        found: int = rows[bisect_right(reach, draw * reach[last], 0, last)]
        return found

    @cached_property
    def _plain(self) -> tuple[memoryview, memoryview, int]:
        """The rows and their reach, whose numbers are Python's own there, and the place of the last."""
        return self.rows.data, self.reach.data, len(self.rows) - 1


#: Says of places in a block, intp[k], and of rows, int32[k], whether each may be in the answer at that place.
Free = Callable[[NDArray[np.intp], Int32], Bool]


@dataclass(frozen=True)
class Seeds:
    """What users explore by: one user's is the same until something new is known of the user or an hour is over.

    Args:
        key: what tells the version from all others.
    """

    key: tuple[object, ...]

    def of(self, code: int, newest: int) -> int:
        """Return a number from 0 to ``_SEEDS`` - 1.

        Args:
            code: stands for the user's id.
            newest: the number of the newest record of the user, 0 if nothing is new since the training.
        """
        found: int = _mixed((code ^ _base(self.key, hour())) + newest * _STEP & _MASK) >> _SEED_SHIFT
        return found

    def of_all(self, codes: Numbers) -> Numbers:
        """Return uint64[users]: ``of`` for each of some users of whom nothing is new."""
        found: Numbers = _mixed(codes ^ np.uint64(_base(self.key, hour()))) >> _SEED_SHIFT
        return found


def hour() -> int:
    """Return the number of the hour that it is: answers explore the same as long as it lasts."""
    return int(clock.now()) // _HOUR_SECONDS


@lru_cache(maxsize=64)
def _base(key: tuple[object, ...], hour: int) -> int:
    """Return a number for a version and an hour."""
    return int.from_bytes(blake2b(repr((key, hour)).encode(), digest_size=8).digest(), "little")


def explores(share: float, seed: int, n: int) -> bool:
    """Return whether any of ``n`` places of an answer is explored, as long as there are new items."""
    return share > 0.0 and _gap(seed / _SEEDS, share) < n


def any_explored(share: float, seeds: Numbers, counts: Int64) -> Bool:
    """Return bool[users]: ``explores`` for each of some answers with so many places."""
    if share >= 1.0:
        return counts > 0
    return np.floor(np.log1p(-(seeds / _SEEDS)) / math.log1p(-share)) < counts


def explored(
    picked: list[Picked], find_new: Callable[[], New], allowed: Bool | None, share: float, seed: int
) -> list[Picked]:
    """Return an answer with new items at some of its places.

    Args:
        picked: the model's choice, best first.
        find_new: gives the new items; asked only if a place is explored.
        allowed: bool[rows], what the request's filter allows; ``None`` allows all.
        share: of the places, how many are explored.
        seed: equal ones explore alike.
    """
    if not explores(share, seed, len(picked)):
        return picked  # most answers of a recipe that explores a little
    return with_explored(
        picked, explored_alone([one.row for one in picked], find_new(), allowed, share, seed)
    )


def explored_alone(rows: list[int], new: New, allowed: Bool | None, share: float, seed: int) -> list[int]:
    """Return the rows of one answer with new items at some of its places; the arguments are as for ``explored``."""
    if not len(new.rows):
        return rows
    limit = new.limit if allowed is None else len(allowed)
    changed = _tried(rows, new, limit, allowed, share, seed)
    if changed is not None:
        return changed

    def is_free(_at: NDArray[np.intp], some: Int32) -> Bool:
        return within(some, limit, allowed)

    of_one = np.array([rows], np.int32), new, is_free, share, np.array([seed], np.uint64)
    found: list[int] = explored_rows(*of_one)[0].tolist()
    return found


def _tried(
    rows: list[int], new: New, limit: int, allowed: Bool | None, share: float, seed: int
) -> list[int] | None:
    """Return what ``explored_rows`` does for one answer; ``None`` if its tries do not find an item for each place.

    With Python's own numbers: an answer has a few places, and NumPy takes ten times as long for so few.
    """
    found, taken = rows.copy(), set(rows)
    for number, place in enumerate(_places_alone(share, seed, len(rows))):
        for attempt in range(_TRIES):
            row = new.drawn_once(_draw(seed, _MOST_PLACES + _TRIES * number + attempt))
            if row < limit and row not in taken and (allowed is None or allowed[row]):
                found[place] = row
                taken.add(row)
                break
        else:
            return None
    return found


def _places_alone(share: float, seed: int, count: int) -> Iterator[int]:
    """Yield the places that ``_places`` gives for one answer with so many."""
    place, draw, number = 0, seed / _SEEDS, 0
    while (place := place + _gap(draw, share)) < count:
        yield place
        place, number = place + 1, number + 1
        draw = _draw(seed, number)


def with_explored(picked: Sequence[Picked], rows: Sequence[int]) -> list[Picked]:
    """Return an answer with the rows of ``explored_rows``; an explored item has the score of the last."""
    last = picked[-1].score
    return [
        old if old.row == row else Picked(row, old.score if old.score is None else last, EXPLORED)
        for old, row in zip(picked, rows, strict=True)
    ]


def within(rows: Int32, limit: int, allowed: Bool | None) -> Bool:
    """Return bool[k]: which rows are below a limit and allowed."""
    if allowed is None:
        return rows < limit
    found: Bool = allowed[np.minimum(rows, limit - 1)]
    return found & (rows < limit)


def explored_rows(rows: Int32, new: New, is_free: Free, share: float, seeds: Numbers) -> Int32:
    """Return int32[users, n]: answers with new items at some of their places.

    Args:
        rows: int32[users, n], the model's choices; -1 where there is none, behind all others.
        new: the new items; there are some.
        is_free: whether a user's answer may have a row.
        share: of the places, how many are explored.
        seeds: uint64[users]; equal ones explore alike.
    """
    result = rows.copy()
    places = _places(share, seeds, (rows >= 0).sum(axis=1))
    for number in range(places.shape[1]):
        left = np.flatnonzero(places[:, number] >= 0)
        for attempt in range(_TRIES):
            if not len(left):
                break
            chosen = new.drawn(_draws(seeds[left], _number_of(number, attempt)))
            free = is_free(left, chosen) & ~_has(rows, left, chosen) & ~_has(result, left, chosen)
            result[left[free], places[left[free], number]] = chosen[free]
            left = left[~free]
        for at in left.tolist():
            row = _searched(
                at, new, is_free, np.concatenate([rows[at], result[at]]), seeds[at : at + 1], number
            )
            if row is not None:
                result[at, places[at, number]] = row
    return result


def _searched(at: int, new: New, is_free: Free, taken: Int32, seed: Numbers, number: int) -> int | None:
    """Return one of the new items that are free, by their chances, where tries have found none."""
    chances = np.diff(new.reach, prepend=0.0)
    free = is_free(np.full(len(new.rows), at), new.rows) & ~np.isin(new.rows, taken)
    if not free.any():
        return None
    left = New(new.rows[free], np.cumsum(chances[free]), new.limit)
    return int(left.drawn(_draws(seed, _number_of(number, 0)))[0])


def _has(rows: Int32, at: NDArray[np.intp], chosen: Int32) -> Bool:
    found: Bool = (rows[at] == chosen[:, None]).any(axis=1)
    return found


def _gap(draw: float, share: float) -> int:
    """Return how many places in a row are not explored, for an even draw from [0, 1)."""
    return 0 if share >= 1.0 else int(math.log1p(-draw) / math.log1p(-share))


def _places(share: float, seeds: Numbers, counts: NDArray[np.integer]) -> Int64:
    """Return int64[users, most]: the explored places of each, with the chance ``share``; then -1.

    Args:
        share: the chance of a place.
        seeds: uint64[users]; each says which place is the first.
        counts: int[users], how many places there are.
    """
    most = int(counts.max(initial=0))
    draws = _draws(seeds[:, None], np.arange(most, dtype=np.uint64))
    draws[:, :1] = (seeds / _SEEDS)[:, None]
    gaps = np.zeros_like(draws) if share >= 1.0 else np.floor(np.log1p(-draws) / math.log1p(-share))
    places = np.cumsum(gaps + 1, axis=1) - 1
    found = np.where(places < counts[:, None], places, -1).astype(np.int64)
    return found[:, : int((found >= 0).sum(axis=1).max(initial=0))]


def _number_of(place: int, attempt: int) -> Numbers:
    """Return uint64[1]: which number is drawn when an item is tried for an explored place."""
    return np.array([_MOST_PLACES + _TRIES * place + attempt], np.uint64)


def _draws(seeds: Numbers, numbers: Numbers) -> Float64:
    """Return float64[...]: the draws of some numbers from [0, 1) for some seeds."""
    found: Float64 = (_mixed(seeds * _SPREAD + numbers * _STRIDE) >> _FRACTION_SHIFT) * 2.0**-53
    return found


def _draw(seed: int, number: int) -> float:
    """Return what ``_draws`` does for one number and one seed."""
    fraction: int = _mixed(seed * _SPREAD_STEP + number * _STEP & _MASK) >> _FRACTION_SHIFT
    return fraction * 2.0**-53


def _mixed(number: Any) -> Any:
    """Return what the generator splitmix64 makes of a number below 2 to the 64th, or of uint64[k]."""
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    number = (number ^ (number >> 27)) * 0x94D049BB133111EB & _MASK
    return number ^ (number >> 31)
