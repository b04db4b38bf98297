"""How much this process is asked, how quickly it answers and how often it refuses, over the last minute or so."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

#: How much of the past is looked at, and how far apart looks at the counters are that are kept, in seconds.
WINDOW_SECONDS: Final = 60.0
_APART_SECONDS: Final = 5.0

#: The answered requests in each class of seconds, by operation and HTTP status.
Requests = Mapping[tuple[str, int], Sequence[int]]
#: The answers about what is deployed, by its ARN and how they came about.
Answers = Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class _Look:
    """The counters at one moment."""

    at: float
    requests: Requests
    answers: Answers


class Traffic:
    """Remembers what the counters were: they cost nothing while nobody asks.

    Args:
        requests: returns the counters of requests.
        bounds: the upper bound of each class but the last, in seconds.
        answers: returns the counters of answers.
        now: gives seconds of the monotonic clock.
    """

    def __init__(
        self,
        requests: Callable[[], Requests],
        bounds: Sequence[float],
        answers: Callable[[], Answers],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._requests, self._bounds, self._answers, self._now = requests, bounds, answers, now
        self._turn = threading.Lock()
        self._looks = deque([_Look(now(), {}, {})])

    def over(self, of_account: str) -> dict[str, Any]:
        """Return the rates since the oldest look of the last minute.

        Args:
            of_account: what every ARN has that is told of.

        Returns:
            ``seconds`` that were looked at; ``operations`` of the process, each with ``perSecond``,
            ``refusedPerSecond`` and ``p99Seconds``; ``answers`` a second by the ARN of what gave them.
        """
        new = _Look(self._now(), self._requests(), self._answers())
        with self._turn:
            if new.at - self._looks[-1].at >= _APART_SECONDS:
                self._looks.append(new)
            while len(self._looks) > 1 and new.at - self._looks[1].at >= WINDOW_SECONDS:
                self._looks.popleft()
            old = self._looks[0]
        seconds = max(new.at - old.at, 0.001)
        counts: dict[str, list[int]] = {}
        refused: dict[str, int] = {}
        for (operation, status), now in new.requests.items():
            before = old.requests.get((operation, status), [0] * len(now))
            more = [one - other for one, other in zip(now, before, strict=True)]
            counts[operation] = [
                a + b for a, b in zip(counts.get(operation, [0] * len(more)), more, strict=True)
            ]
            refused[operation] = refused.get(operation, 0) + (sum(more) if status >= 400 else 0)
        answers: dict[str, float] = {}
        for (arn, _how), now_of_arn in new.answers.items():
            if of_account in arn:
                more_of_arn = now_of_arn - old.answers.get((arn, _how), 0)
                answers[arn] = answers.get(arn, 0.0) + more_of_arn / seconds
        return {
            "seconds": round(seconds, 3),
            "operations": {
                name: {
                    "perSecond": round(sum(found) / seconds, 3),
                    "refusedPerSecond": round(refused[name] / seconds, 3),
                    "p99Seconds": self._p99(found),
                }
                for name, found in sorted(counts.items())
                if sum(found)
            },
            "answers": {arn: round(rate, 3) for arn, rate in sorted(answers.items())},
        }

    def _p99(self, counts: Sequence[int]) -> float | None:
        """Return the upper bound of the class of the slowest of a hundred; ``None``: it is above all bounds."""
        wanted, seen = 0.99 * sum(counts), 0
        for count, bound in zip(counts, self._bounds, strict=False):
            seen += count
            if seen >= wanted:
                return bound
        return None
