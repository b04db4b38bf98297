"""Every figure of ``/metrics``: its name, its labels and what it means, how a board draws it and when it alarms.

One table. ``metrics`` fills it, the reference page, the Grafana board and the alert rules are written from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily


@dataclass(frozen=True)
class Alert:
    """When a figure wants a person.

    Attributes:
        name: of the alert.
        expression: PromQL; it fires while there is an answer.
        lasts: for how long before it fires, as Prometheus writes it.
        severity: ``critical`` wakes somebody, ``warning`` waits for the morning.
        text: what it means and what to do.
    """

    name: str
    expression: str
    lasts: str
    severity: Literal["critical", "warning"]
    text: str


@dataclass(frozen=True)
class Measure:
    """One figure.

    Attributes:
        name: of its family; the samples of a counter end in ``_total``.
        sort: as Prometheus calls it.
        labels: of each sample.
        text: what it is.
        panel: PromQL of its graph.
        unit: of the graph, as Grafana calls it.
        alerts: when it wants a person.
        of_database: whether every process of a service says the same, while the database answers; else each says its
            own.
    """

    name: str
    sort: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    text: str
    panel: str
    unit: str = "short"
    alerts: tuple[Alert, ...] = ()
    of_database: bool = True

    @property
    def sample(self) -> str:
        """The name of a sample, as PromQL asks for it; of a histogram there are three with other endings."""
        return f"{self.name}_total" if self.sort == "counter" else self.name

    def counter(self) -> CounterMetricFamily:
        """Return its family without samples."""
        return CounterMetricFamily(self.name, self.text, labels=self.labels)

    def gauge(self) -> GaugeMetricFamily:
        """Return its family without samples."""
        return GaugeMetricFamily(self.name, self.text, labels=self.labels)

    def histogram(self) -> HistogramMetricFamily:
        """Return its family without samples."""
        return HistogramMetricFamily(self.name, self.text, labels=self.labels)


REQUESTS: Final = Measure(
    "sartor_requests",
    "counter",
    ("operation", "status"),
    "Requests by operation and HTTP status, since this process started.",
    "sum by (operation, status) (rate(sartor_requests_total[5m]))",
    "reqps",
    (
        Alert(
            "SartorFails",
            'sum(rate(sartor_requests_total{status=~"5.."}[5m])) / sum(rate(sartor_requests_total[5m])) > 0.01',
            "5m",
            "critical",
            "More than 1 % of the requests fail by no fault of the caller. The log has each, with its request id.",
        ),
    ),
    of_database=False,
)
REQUEST_SECONDS: Final = Measure(
    "sartor_request_seconds",
    "histogram",
    ("operation",),
    "Seconds from the request to its answer.",
    "histogram_quantile(0.99, sum by (operation, le) (rate(sartor_request_seconds_bucket[5m])))",
    "s",
    (
        Alert(
            "SartorIsSlow",
            "histogram_quantile(0.99, sum by (le) "
            '(rate(sartor_request_seconds_bucket{operation="GetRecommendations"}[5m]))) > 0.25',
            "10m",
            "warning",
            "One of a hundred recommendations takes over 250 ms. Look at the machine's CPU, and at what trains on it.",
        ),
    ),
    of_database=False,
)
ANSWERS: Final = Measure(
    "sartor_answers",
    "counter",
    ("deployment", "how"),
    "Answers of campaigns and recommenders, since this process started, by how they came about: `model`; `popular`, "
    "where the model knows no interaction of the user, or popular items filled places; `empty`, without an item.",
    "sum by (deployment, how) (rate(sartor_answers_total[5m]))",
    "reqps",
    (
        Alert(
            "SartorAnswersAreEmpty",
            'sum by (deployment) (rate(sartor_answers_total{how="empty"}[15m])) '
            "/ sum by (deployment) (rate(sartor_answers_total[15m])) > 0.05",
            "15m",
            "warning",
            "More than 5 % of the answers have no item. Try the filter with `sartor filter test`.",
        ),
        Alert(
            "SartorKnowsFewUsers",
            'sum by (deployment) (rate(sartor_answers_total{how="popular"}[1h])) '
            "/ sum by (deployment) (rate(sartor_answers_total[1h])) > 0.5",
            "1h",
            "warning",
            "Most users are unknown to the model. Are user ids those of the data, do events come, is the model old?",
        ),
    ),
    of_database=False,
)
PUT_REJECTED: Final = Measure(
    "sartor_put_rejected",
    "counter",
    ("code",),
    "What calls put and could not be used, by reason, since this process started.",
    "sum by (code) (rate(sartor_put_rejected_total[5m]))",
    "cps",
    (
        Alert(
            "SartorRejectsEvents",
            "sum by (code) (rate(sartor_put_rejected_total[15m])) > 0.1",
            "15m",
            "warning",
            "Events or records come that cannot be used. `GET /sartor/v1/events/rejected` lists them with the reason.",
        ),
    ),
    of_database=False,
)
DATABASE_UP: Final = Measure(
    "sartor_database_up",
    "gauge",
    (),
    "1 if the metadata database answers.",
    "min(sartor_database_up)",
    alerts=(
        Alert(
            "SartorDatabaseIsAway",
            "min(sartor_database_up) == 0",
            "1m",
            "critical",
            "The metadata database does not answer: calls get a 503. The log says why.",
        ),
        Alert(
            "SartorIsAway",
            "absent(sartor_database_up)",
            "2m",
            "critical",
            "No process answers at /metrics.",
        ),
    ),
    of_database=False,
)
TASKS: Final = Measure(
    "sartor_tasks",
    "gauge",
    ("kind", "verb", "state"),
    "Owed work by kind, verb and state (`waiting`, `running`).",
    "max by (kind, verb, state) (sartor_tasks)",
)
QUEUE_AGE: Final = Measure(
    "sartor_queue_age_seconds",
    "gauge",
    ("lane",),
    "For how long the oldest work waits that no worker has taken, by lane; none where nothing waits.",
    "max by (lane) (sartor_queue_age_seconds)",
    "s",
    (
        Alert(
            "SartorWorkWaits",
            'max by (lane) (sartor_queue_age_seconds{lane="quick"}) > 300',
            "5m",
            "critical",
            "Quick work has waited for five minutes: is a worker running? `sartor status` says what waits and why.",
        ),
        Alert(
            "SartorQueueIsLong",
            "max by (lane) (sartor_queue_age_seconds) > 21600",
            "15m",
            "warning",
            "Work has waited for six hours. Another `sartor worker` takes its share.",
        ),
    ),
)
LEASES_LOST: Final = Measure(
    "sartor_leases_lost",
    "gauge",
    ("kind", "verb"),
    "How often workers have lost work that is still owed: they died, or stood still longer than their lease.",
    "max by (kind, verb) (sartor_leases_lost)",
    alerts=(
        Alert(
            "SartorWorkersDie",
            "max by (kind, verb) (sartor_leases_lost) > 1",
            "1m",
            "warning",
            "The same work has lost its worker twice, perhaps for lack of memory. After five times it fails.",
        ),
    ),
)
MODEL_AGE: Final = Measure(
    "sartor_model_age_seconds",
    "gauge",
    ("deployment",),
    "Since when the model that a campaign or recommender serves is trained.",
    "max by (deployment) (sartor_model_age_seconds)",
    "s",
    (
        Alert(
            "SartorModelIsOld",
            "max by (deployment) (sartor_model_age_seconds) > 14 * 86400",
            "1h",
            "warning",
            "The model is older than two weeks. Does automatic training run, and does the campaign follow `$LATEST`?",
        ),
    ),
)
MODEL_METRIC: Final = Measure(
    "sartor_model_metric",
    "gauge",
    ("deployment", "metric"),
    "The offline metrics of the model that a campaign or recommender serves, as GetSolutionMetrics names them.",
    "max by (deployment, metric) (sartor_model_metric)",
)
NEWEST_EVENT_AGE: Final = Measure(
    "sartor_newest_event_age_seconds",
    "gauge",
    ("dataset",),
    "Since when the newest event that PutEvents brought is served; an event is served once it is acknowledged.",
    "max by (dataset) (sartor_newest_event_age_seconds)",
    "s",
    (
        Alert(
            "SartorHearsNothing",
            "max by (dataset) (sartor_newest_event_age_seconds) > 86400",
            "10m",
            "warning",
            "No event has come for a day. Does the shop still call PutEvents with this tracking id?",
        ),
    ),
)
ATTRIBUTED: Final = Measure(
    "sartor_attributed",
    "counter",
    ("metric_attribution", "metric_name", "event_type", "event_attribution_source"),
    "Metric attribution: the value of each metric from each source, as Amazon's CloudWatch has it.",
    "max by (metric_name, event_attribution_source) (increase(sartor_attributed_total[1h]))",
)
IMPORTS_ROWS: Final = Measure(
    "sartor_running_imports_rows",
    "gauge",
    (),
    "Rows that running imports have read.",
    "max(sartor_running_imports_rows)",
)
IMPORTS_BYTES: Final = Measure(
    "sartor_running_imports_bytes",
    "gauge",
    (),
    "Bytes that running imports have read.",
    "max(sartor_running_imports_bytes)",
    "bytes",
)

MEASURES: Final[Sequence[Measure]] = (
    REQUESTS,
    REQUEST_SECONDS,
    ANSWERS,
    PUT_REJECTED,
    DATABASE_UP,
    TASKS,
    QUEUE_AGE,
    LEASES_LOST,
    MODEL_AGE,
    MODEL_METRIC,
    NEWEST_EVENT_AGE,
    ATTRIBUTED,
    IMPORTS_ROWS,
    IMPORTS_BYTES,
)
