"""Figures of one API process, in Prometheus' text form."""

import logging
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from sartor.resources.kind_names import DATASET_IMPORT_JOB
from sartor.resources.store import Store, TaskRow

LOG = logging.getLogger("sartor.metrics")

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
        put = CounterMetricFamily(
            "sartor_put_rejected",
            "What calls put and could not be used, by reason, since this process started.",
            labels=("code",),
        )
        for code, count in sorted(self._store.put_records.counts.items()):
            put.add_metric((code,), count)
        yield put
        yield from self._of_tasks()

    def _of_tasks(self) -> Iterator[Metric]:
        """Yield what the database knows; that it does not answer is a figure too."""
        answers = GaugeMetricFamily("sartor_database_up", "1 if the metadata database answers.")
        try:
            with self._store.read() as transaction:
                owed = transaction.tasks()
        except Exception as error:  # noqa: BLE001 - whatever the driver raises, the other figures stand
            LOG.warning("no figures of tasks: the database does not answer: %s", error)
            answers.add_metric((), 0)
            yield answers
            return
        answers.add_metric((), 1)
        yield answers
        tasks = GaugeMetricFamily(
            "sartor_tasks", "Owed work by kind, verb and state.", labels=("kind", "verb", "state")
        )
        states = Counter((task.kind, task.verb, "running" if task.worker else "waiting") for task in owed)
        for labels, number in sorted(states.items()):
            tasks.add_metric(labels, number)
        yield tasks
        attributed = CounterMetricFamily(
            "sartor_attributed",
            "Metric attribution: the value of each metric from each source, as Amazon's CloudWatch has it.",
            labels=("metric_attribution", "metric_name", "event_type", "event_attribution_source"),
        )
        for *names, value in self._store.samples.totals():
            attribution, metric, event_type, source = names
            attributed.add_metric((attribution, metric, event_type, source.upper()), value)
        yield attributed
        yield _sum(owed, "rowsRead", "sartor_running_imports_rows", "Rows that running imports have read.")
        yield _sum(owed, "bytesRead", "sartor_running_imports_bytes", "Bytes that running imports have read.")


def _sum(tasks: Sequence[TaskRow], member: str, name: str, text: str) -> Metric:
    """Return the sum of one member of the progress of all running imports."""
    running = [task for task in tasks if task.kind == DATASET_IMPORT_JOB and task.worker and task.progress]
    return GaugeMetricFamily(name, text, value=sum((task.progress or {}).get(member, 0) for task in running))


def _cumulative(counts: list[int]) -> list[tuple[str, float]]:
    """Return Prometheus' buckets: how many requests took up to each bound."""
    bounds = [*map(str, _BUCKETS_SECONDS), "+Inf"]
    return [(bound, float(sum(counts[: at + 1]))) for at, bound in enumerate(bounds)]
