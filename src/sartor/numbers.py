"""Numbers that come as text: the one reader for query texts and for members whose text is a number; and what is a time.

Only ASCII digits count, and the length of a text is looked at before it is read: Python refuses whole numbers of more
than 4,300 digits, and takes ``1_0`` and ``１６`` for numbers.
"""

import math
import re
from typing import Final

_WHOLE: Final = re.compile(r"[+-]?[0-9]+")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DIGITS: Final = re.compile(r"0*([0-9]{1,19})")
#: The most characters of a whole number that is read, and the largest that is taken.
_CHARACTERS: Final = 400
_LARGEST: Final = 10**308
#: The newest time in files and calls: the end of the year 9999, in seconds or, as some write it, in milliseconds.
LATEST_TIME: Final = 253_402_300_799_999
#: From here on a number is infinite in 32 bits.
INFINITE_FLOAT: Final = 2.0**128 - 2.0**103


def whole(text: str, least: int, most: int) -> int | None:
    """Return the whole number that a text of digits is, ``None`` if it is none or lies outside."""
    digits = _DIGITS.fullmatch(text)
    number = -1 if digits is None else int(digits[1])
    return number if digits is not None and least <= number <= most else None


def number(text: str) -> int | float | None:
    """Return the number that a text is: whole numbers stay exact. ``None``: it is none, or no double can hold it."""
    if _WHOLE.fullmatch(text):
        found = int(text) if len(text) <= _CHARACTERS else _LARGEST + 1
        return found if abs(found) <= _LARGEST else None
    if not _NUMBER.fullmatch(text):
        return None
    read = float(text)
    return read if math.isfinite(read) else None


def is_time(value: float) -> bool:
    """Return whether a number can be a time, in files and in calls: from 1970 to the end of the year 9999."""
    return 0 <= value < LATEST_TIME + 1
