"""Rates are those of the last minute, of one's own account."""

from collections import Counter

from sartor.console.traffic import Traffic

MINE, OTHERS = "arn:x:us-east-1:111111111111:campaign/a", "arn:x:us-east-1:222222222222:campaign/b"
BOUNDS = (0.001, 0.01, 1.0)


class Process:
    """Counters and a clock of a process."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.requests: dict[tuple[str, int], list[int]] = {}
        self.answers = Counter[tuple[str, str]]()
        self.traffic = Traffic(
            lambda: {key: list(found) for key, found in self.requests.items()},
            BOUNDS,
            lambda: dict(self.answers),
            lambda: self.seconds,
        )

    def ask(self, operation: str, status: int, at: int, times: int = 1) -> None:
        self.requests.setdefault((operation, status), [0] * (len(BOUNDS) + 1))[at] += times


def test_what_was_asked_since_the_start_is_told_at_first_and_then_the_last_minute() -> None:
    process = Process()
    process.ask("GetRecommendations", 200, 0, 90)
    process.ask("GetRecommendations", 400, 1, 10)
    process.answers[MINE, "model"] += 30
    process.answers[MINE, "popularity"] += 20
    process.answers[OTHERS, "model"] += 1000
    process.seconds += 10
    assert process.traffic.over(":111111111111:") == {
        "seconds": 10.0,
        "operations": {
            "GetRecommendations": {"perSecond": 10.0, "refusedPerSecond": 1.0, "p99Seconds": 0.01}
        },
        "answers": {MINE: 5.0},
    }
    for _ in range(20):
        process.seconds += 10
        found = process.traffic.over(":111111111111:")
    assert found == {"seconds": 60.0, "operations": {}, "answers": {MINE: 0.0}}


def test_what_is_slower_than_every_class_has_no_bound() -> None:
    process = Process()
    process.ask("PutEvents", 200, 3)
    process.seconds += 1
    assert process.traffic.over("x")["operations"]["PutEvents"]["p99Seconds"] is None
