"""How many examples a property that is dear to check is checked with."""

import os
from typing import Final

#: The variable of the environment by which the numbers below are multiplied, for a long night.
TIMES: Final = "PROPERTY_EXAMPLES"


def examples(count: int) -> int:
    """Return how many examples a test whose examples cost a tenth of a second or more tries: a few, times ``TIMES``."""
    return max(1, round(count * float(os.environ.get(TIMES, "1"))))
