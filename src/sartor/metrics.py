"""Figures of one API process, in Prometheus' text form."""

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from sartor.resources.store import Store

_BUCKETS_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """Counts requests, and asks the database for the work that waits.

    Args:
        store: the metadata database.
    """

    def __init__(self, store: Store) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "sartor_requests",
            "Requests by operation and HTTP status.",
            ("operation", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "sartor_request_seconds",
            "Time from the whole request to its answer, in seconds.",
            ("operation",),
            buckets=_BUCKETS_SECONDS,
            registry=self._registry,
        )
        self._registry.register(_Tasks(store))

    def observe(self, operation: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests.labels(operation, str(status)).inc()
        self._seconds.labels(operation).observe(seconds)

    def render(self) -> tuple[str, bytes]:
        """Return the content type and the text."""
        return CONTENT_TYPE_LATEST, generate_latest(self._registry)


class _Tasks:
    """The owed work, read when it is asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def describe(self) -> list[GaugeMetricFamily]:
        """Name the figures without asking the database."""
        return [GaugeMetricFamily("sartor_tasks", "Owed work by kind and verb.", labels=("kind", "verb"))]

    def collect(self) -> list[GaugeMetricFamily]:
        """Return how many tasks are owed now."""
        (gauge,) = self.describe()
        with self._store.read() as transaction:
            for kind, verb, number in transaction.owed():
                gauge.add_metric((kind, verb), number)
        return [gauge]
