"""What time it is for what comes with hours and days; under ``--for-tests`` a call moves it, in all processes at once.

Leases, signatures and the ages of files follow the machine's own clock.
"""

import mmap
import time
from collections.abc import MutableSequence
from pathlib import Path
from typing import Final

#: How long the clock can be moved at all, in seconds: ten years.
MOST_SECONDS: Final = 10 * 365 * 24 * 3600.0
_BYTES: Final = 8

#: How far the clock is ahead of the machine's, in seconds: one number, in a file once processes share it.
_ahead: MutableSequence[float] = [0.0]


def now() -> float:
    """Return the time in epoch seconds."""
    return time.time() + _ahead[0]


def share(file: Path) -> None:
    """Move from now on with every process that names the same file.

    Raises:
        OSError: it can be neither opened nor made.
    """
    global _ahead
    with file.open("a+b") as opened:
        if file.stat().st_size < _BYTES:
            opened.truncate(_BYTES)
        _ahead = memoryview(mmap.mmap(opened.fileno(), _BYTES)).cast("d")  # type: ignore[assignment]


def move(seconds: float) -> float:
    """Set the clock ahead, and return how far it is ahead of the machine's now, in seconds.

    Raises:
        ValueError: it would go back, or too far.
    """
    if not 0.0 <= seconds <= MOST_SECONDS - _ahead[0]:
        raise ValueError(f"the clock goes forward, and {MOST_SECONDS:.0f} seconds at most, not {seconds:g}")
    _ahead[0] += seconds
    return _ahead[0]
