"""The numbers of what calls put: each is the microsecond at which it was given, or one more than the last."""

from typing import Final

#: So many numbers has a second.
NUMBERS_A_SECOND: Final = 1_000_000
#: An earlier Sartor counted from one and never came so far: the number of the first moment of a week in 2001.
MOST_COUNTED: Final = 1_654 * 7 * 86_400 * NUMBERS_A_SECOND


def number_at(moment: float) -> int:
    """Return the number that a record would have that came at a time, in epoch seconds."""
    return round(moment * NUMBERS_A_SECOND)


def moment_of(number: int) -> float | None:
    """Return when a number was given, in epoch seconds; ``None`` of one that was counted."""
    return number / NUMBERS_A_SECOND if number >= MOST_COUNTED else None
