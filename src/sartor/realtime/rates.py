"""How many requests a second a dataset takes, as Amazon's quotas have it.

A token bucket for each dataset in each API process: what is not used up to twice the rate can be used later at once.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from sartor.errors import ApiError

#: Requests a second for one dataset, by operation ("Amazon Personalize endpoints and quotas").
REQUESTS_PER_SECOND: Final = {
    "PutEvents": 1000,
    "PutActionInteractions": 1000,
    "PutUsers": 10,
    "PutItems": 10,
    "PutActions": 10,
}
_BURST_SECONDS: Final = 2.0


class Rates:
    """Counts requests against their rates; safe to share between threads.

    Args:
        clock: gives seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._left: dict[int, tuple[float, float]] = {}

    def take(self, operation: str, dataset: int) -> None:
        """Count one request.

        Args:
            operation: one of ``REQUESTS_PER_SECOND``.
            dataset: the number of the dataset's resource.

        Raises:
            ApiError: ``ThrottlingException``, which every AWS SDK answers with another try a little later.
        """
        rate = REQUESTS_PER_SECOND[operation]
        most = rate * _BURST_SECONDS
        with self._lock:
            now = self._clock()
            left, at = self._left.get(dataset, (most, now))
            left = min(most, left + (now - at) * rate)
            self._left[dataset] = (left - 1.0 if left >= 1.0 else left, now)
        if left < 1.0:
            raise ApiError(
                "ThrottlingException",
                f"Rate exceeded: {operation} takes {rate} requests a second for one dataset. Put up to 10 records "
                "into each request, try again a little later, or start Sartor with --quotas off.",
            )
