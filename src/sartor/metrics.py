"""Figures of one API process, in Prometheus' text form."""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from sartor.resources.store import Store

_BUCKETS_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """Counts requests, and asks the database for the work that waits.

    Counting happens on the event loop alone and so takes no lock; the library's own counters cost more than the
    rest of a quick request's bookkeeping.

    Args:
        store: the metadata database.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counts: dict[tuple[str, int], list[int]] = {}
        self._seconds: dict[str, float] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def observe(self, operation: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        counts = self._counts.get((operation, status))
        if counts is None:
            counts = self._counts[operation, status] = [0] * (len(_BUCKETS_SECONDS) + 1)
        counts[bisect_left(_BUCKETS_SECONDS, seconds)] += 1
        self._seconds[operation] = self._seconds.get(operation, 0.0) + seconds

    def render(self) -> tuple[str, bytes]:
        """Return the content type and the text."""
        return CONTENT_TYPE_LATEST, generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        """Name no figures beforehand: the library would ask the database for them."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the figures as they are now; the library calls this."""
        requests = CounterMetricFamily(
            "sartor_requests", "Requests by operation and HTTP status.", labels=("operation", "status")
        )
        took = HistogramMetricFamily(
            "sartor_request_seconds", "Seconds from the request to its answer.", labels=("operation",)
        )
        by_operation: dict[str, list[int]] = {}
        for (operation, status), counts in list(self._counts.items()):
            requests.add_metric((operation, str(status)), sum(counts))
            known = by_operation.get(operation, [0] * len(counts))
            by_operation[operation] = [old + new for old, new in zip(known, counts, strict=True)]
        for operation, counts in by_operation.items():
            took.add_metric((operation,), _cumulative(counts), self._seconds[operation])
        yield requests
        yield took
        tasks = GaugeMetricFamily("sartor_tasks", "Owed work by kind and verb.", labels=("kind", "verb"))
        with self._store.read() as transaction:
            for kind, verb, number in transaction.owed():
                tasks.add_metric((kind, verb), number)
        yield tasks


def _cumulative(counts: list[int]) -> list[tuple[str, float]]:
    """Return Prometheus' buckets: how many requests took up to each bound."""
    bounds = [*map(str, _BUCKETS_SECONDS), "+Inf"]
    return [(bound, float(sum(counts[: at + 1]))) for at, bound in enumerate(bounds)]
