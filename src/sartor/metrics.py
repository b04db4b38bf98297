"""Figures of one API process, in Prometheus' text form; ``measures`` says what each means."""

import logging
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from sartor import clock, measures
from sartor.measures import Measure
from sartor.realtime.deployments import served
from sartor.resources.kind_names import DATASET, DATASET_IMPORT_JOB
from sartor.resources.store import Store, TaskRow

LOG = logging.getLogger("sartor.metrics")

#: The upper bounds of the classes in which requests are counted by their time.
BUCKETS_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """Counts requests, and asks the database for the work that waits.

    Counting happens on the event loop alone and so takes no lock; the library's own counters cost more than the
    rest of a quick request's bookkeeping.

    Args:
        store: the metadata database.
        answered: how many answers came about how, by the ARN of what was asked and how.
        now: gives epoch seconds, for what is old.
        now_of_leases: gives epoch seconds by the machine's clock, which leases follow.
    """

    def __init__(
        self,
        store: Store,
        answered: Mapping[tuple[str, str], int],
        now: Callable[[], float] = clock.now,
        now_of_leases: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._answered = store, answered
        self._now, self._now_of_leases = now, now_of_leases
        self._counts: dict[tuple[str, int], list[int]] = {}
        self._seconds: dict[str, float] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def observe(self, operation: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        counts = self._counts.get((operation, status))
        if counts is None:
            counts = self._counts[operation, status] = [0] * (len(BUCKETS_SECONDS) + 1)
        counts[bisect_left(BUCKETS_SECONDS, seconds)] += 1
        self._seconds[operation] = self._seconds.get(operation, 0.0) + seconds

    def requests(self) -> dict[tuple[str, int], list[int]]:
        """Return how many requests were answered in each class of their time, by operation and HTTP status."""
        return {key: list(counts) for key, counts in list(self._counts.items())}

    def render(self) -> tuple[str, bytes]:
        """Return the content type and the text."""
        return CONTENT_TYPE_LATEST, generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        """Name no figures beforehand: the library would ask the database for them."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the figures as they are now; the library calls this."""
        requests, took = measures.REQUESTS.counter(), measures.REQUEST_SECONDS.histogram()
        by_operation: dict[str, list[int]] = {}
        for (operation, status), counts in list(self._counts.items()):
            requests.add_metric((operation, str(status)), sum(counts))
            known = by_operation.get(operation, [0] * len(counts))
            by_operation[operation] = [old + new for old, new in zip(known, counts, strict=True)]
        for operation, counts in by_operation.items():
            took.add_metric((operation,), _cumulative(counts), self._seconds[operation])
        yield requests
        yield took
        answers = measures.ANSWERS.counter()
        for deployment_how, count in sorted(self._answered.items()):
            answers.add_metric(deployment_how, count)
        yield answers
        put = measures.PUT_REJECTED.counter()
        for code, count in sorted(self._store.put_records.counts.items()):
            put.add_metric((code,), count)
        yield put
        yield from self._of_database()

    def _of_database(self) -> Iterator[Metric]:
        """Yield what the database knows; that it does not answer is a figure too."""
        up = measures.DATABASE_UP.gauge()
        try:
            known = [*self._of_tasks(), *self._of_models(), self._of_events(), self._of_attributions()]
        except Exception as error:  # noqa: BLE001 - whatever the driver raises, the other figures stand
            LOG.warning("no figures of work and models: the database does not answer: %s", error)
            up.add_metric((), 0)
            yield up
            return
        up.add_metric((), 1)
        yield up
        yield from known

    def _of_tasks(self) -> Iterator[Metric]:
        """Yield what is owed, what waits for how long, and what was lost."""
        now = self._now()
        with self._store.read() as transaction:
            owed = transaction.tasks()
            waits = {
                task.lane: now - resource.updated_at
                for task in reversed(owed)  # the oldest comes last
                if task.worker is None and (resource := transaction.get(task.arn)) is not None
            }
        tasks = measures.TASKS.gauge()
        states = Counter((task.kind, task.verb, "running" if task.worker else "waiting") for task in owed)
        for labels, number in sorted(states.items()):
            tasks.add_metric(labels, number)
        yield tasks
        queue = measures.QUEUE_AGE.gauge()
        for lane, seconds in sorted(waits.items()):
            queue.add_metric((lane,), max(seconds, 0.0))
        yield queue
        yield _leases_lost(owed, self._now_of_leases())
        yield _sum(owed, "rowsRead", measures.IMPORTS_ROWS)
        yield _sum(owed, "bytesRead", measures.IMPORTS_BYTES)

    def _of_models(self) -> Iterator[Metric]:
        """Yield how old each model is that is served, and how good it was found to be."""
        age, metric = measures.MODEL_AGE.gauge(), measures.MODEL_METRIC.gauge()
        now = self._now()
        for deployment, trained in served(self._store):
            record = trained.private.get("record", {})
            if "trainedAt" in record:
                age.add_metric((deployment.arn,), max(now - record["trainedAt"], 0.0))
            for name, value in sorted(trained.private.get("metrics", {}).items()):
                metric.add_metric((deployment.arn, name), value)
        yield age
        yield metric

    def _of_events(self) -> Metric:
        """Return how long ago the newest event of each dataset came."""
        age, now = measures.NEWEST_EVENT_AGE.gauge(), self._now()
        for dataset in self._store.every(DATASET):
            if dataset.body["datasetType"] == "INTERACTIONS":
                newest = self._store.put_records.newest_at(dataset.seq)
                if newest is not None:
                    age.add_metric((dataset.arn,), max(now - newest, 0.0))
        return age

    def _of_attributions(self) -> Metric:
        """Return the values of metric attributions."""
        attributed = measures.ATTRIBUTED.counter()
        for *names, value in self._store.samples.totals():
            attribution, metric, event_type, source = names
            attributed.add_metric((attribution, metric, event_type, source.upper()), value)
        return attributed


def _leases_lost(tasks: Sequence[TaskRow], now: float) -> Metric:
    """Return how often owed work lost its worker: an attempt that is given back does not count as one."""
    lost = Counter[tuple[str, str]]()
    for task in tasks:
        holds = task.worker is not None and task.leased_until > now
        lost[task.kind, task.verb] += task.attempt - holds
    family = measures.LEASES_LOST.gauge()
    for labels, number in sorted(lost.items()):
        family.add_metric(labels, number)
    return family


def _sum(tasks: Sequence[TaskRow], member: str, measure: Measure) -> Metric:
    """Return the sum of one member of the progress of all running imports."""
    running = [task for task in tasks if task.kind == DATASET_IMPORT_JOB and task.worker and task.progress]
    family = measure.gauge()
    family.add_metric((), sum((task.progress or {}).get(member, 0) for task in running))
    return family


def _cumulative(counts: list[int]) -> list[tuple[str, float]]:
    """Return Prometheus' buckets: how many requests took up to each bound."""
    bounds = [*map(str, BUCKETS_SECONDS), "+Inf"]
    return [(bound, float(sum(counts[: at + 1]))) for at, bound in enumerate(bounds)]
