"""Every part put together; the only module that knows them all."""

import logging
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from sartor import clock
from sartor.access.gate import Gate
from sartor.access.oidc import Issuers
from sartor.access.sessions import SYSTEM_CLOCK, Sessions
from sartor.access.sts import SERVICE, Sts
from sartor.console.access import AccessPages
from sartor.console.datasets import DatasetPages
from sartor.console.deployed import DeployedPages
from sartor.console.entrance import Entrance
from sartor.console.events import EventPages
from sartor.console.files import FilePages
from sartor.console.for_tests import PagesForTests
from sartor.console.jobs import JobPages
from sartor.console.models import ModelPages
from sartor.console.outcomes import OutcomePages
from sartor.console.overview import OverviewPages
from sartor.console.resources import ResourcePages
from sartor.console.traffic import Traffic
from sartor.console.trail import TrailPages
from sartor.console.trained import TrainedPages
from sartor.console.uploads import UploadPages
from sartor.console.v1 import Console, Pages
from sartor.console.welcome import page
from sartor.data.blobs import Blobs
from sartor.data.sources import Sources
from sartor.keys import KEY_FILE, KeyFile, Keys
from sartor.logs import ACCESS
from sartor.metrics import BUCKETS_SECONDS, Metrics
from sartor.realtime import recommend, recommend_actions, record
from sartor.realtime.declared import DeclaredAnswers
from sartor.realtime.deployments import Deployments
from sartor.realtime.filtering import Filters
from sartor.realtime.recommend import Recommender
from sartor.realtime.recommend_actions import ActionRecommender
from sartor.realtime.record import Recorder
from sartor.resources import control
from sartor.resources.at_once import when_done
from sartor.resources.control import Control
from sartor.resources.data_events import DataEvents
from sartor.resources.key_table import KeyTable
from sartor.resources.opening import LEAST_FREE_BYTES, open_means, open_store
from sartor.resources.records import Means
from sartor.resources.store import Store
from sartor.scratch import Scratch
from sartor.settings import Settings
from sartor.traces import Traces
from sartor.wire import operations
from sartor.wire.access_log import AccessLog
from sartor.wire.exchange import Exchange, Route
from sartor.wire.handling import bound
from sartor.wire.inside import Inside
from sartor.wire.local import admit_all, is_loopback, require_local
from sartor.wire.query import QueryService
from sartor.wire.sign import Authority, Caller, HttpRequest
from sartor.wire.write import Answer
from sartor.work.tools import Tools, open_tools
from sartor.worker import Worker, end_process

LOG = logging.getLogger("sartor.app")

#: The operations that are answered: all of them, unless a newer botocore brings one more.
ANSWERED: Final = frozenset(
    (
        *control.OPERATIONS,
        *record.OPERATIONS,
        *recommend.OPERATIONS,
        *recommend_actions.OPERATIONS,
    )
)


@dataclass(frozen=True)
class Backend:
    """What the API and the workers share.

    Attributes:
        settings: of this process.
        means: to reach records and artifacts.
        sources: where training data is read from.
        keys: who may sign.
        scratch: this process's folder for what need not survive it.
    """

    settings: Settings
    means: Means
    sources: Sources
    keys: Keys
    scratch: Scratch

    @property
    def store(self) -> Store:
        """The metadata database."""
        return self.means.store

    @property
    def storage(self) -> Blobs:
        """Where tables and models are kept."""
        return self.means.storage

    def require_room(self) -> None:
        """Raise if the disk of the data folder is all but full: what is put next may not be written."""
        free = shutil.disk_usage(self.settings.data).free
        if free < LEAST_FREE_BYTES:
            raise OSError(f"only {free:,} bytes are free in {self.settings.data}")

    def close(self) -> None:
        """Close the database and remove the scratch folder."""
        self.store.close()
        self.scratch.close()


def open_backend(settings: Settings) -> Backend:
    """Open the database and the storage that the settings name.

    Raises:
        ValueError: a setting names something that cannot be opened.
        OSError: a folder cannot be made or the database cannot be reached.
    """
    settings.data.mkdir(parents=True, exist_ok=True)
    if settings.for_tests:
        clock.share(settings.data / "clock")
    scratch = Scratch(settings)  # first of all: it removes what dead processes left, which may fill the disk
    try:
        means = open_means(settings, scratch.folder)
    except BaseException:
        scratch.close()
        raise
    return Backend(settings, means, Sources(settings), _keys(settings, means.store), scratch)


def open_keys(settings: Settings) -> Keys:
    """Return the access keys of the service that the settings name, for who wants nothing else of it.

    Raises:
        ValueError: the database cannot be opened.
        OSError: it cannot be reached.
    """
    return _keys(settings, open_store(settings))


def _keys(settings: Settings, store: Store) -> Keys:
    """Return the keys: in a file beside a database that is one, else in the database that machines share."""
    file = KeyFile(settings.data / KEY_FILE)
    if not settings.shares_database:
        return file
    keys = KeyTable(store.database)
    keys.take_over(file)
    return keys


def build(backend: Backend, metrics_port: int | None = None) -> Exchange:
    """Return the service as an ASGI application.

    Args:
        backend: of the service.
        metrics_port: the port that answers ``/metrics`` alone, if there is one.
    """
    settings = backend.settings
    service = operations.load()
    resources = Control(backend.store, settings.quotas == "aws", backend.sources)
    sessions = Sessions(backend.store.secret, backend.keys)
    open_to = None if settings.auth == "signed" else (settings.account, settings.region)
    authority = Authority(sessions.signer, open_to)
    gate = Gate(backend.store)
    sts = Sts(backend.keys, sessions, Issuers(settings.oidc_issuer), gate, SYSTEM_CLOCK)
    deployments = Deployments(backend.means)
    filters = Filters(backend.store)
    recommender = Recommender(deployments, filters, backend.store.at_once)
    metrics = Metrics(backend.store, recommender.answered)
    action_recommender = ActionRecommender(deployments, filters, recommender, backend.store.at_once)
    recorder = Recorder(backend.store, settings.quotas == "aws", recommender.answers.of)
    declared = DeclaredAnswers() if settings.for_tests else None
    models = ModelPages(deployments, recommender, filters, service.by_path["/recommendations"].reader)
    console = _own_paths(backend, models, metrics, gate, declared)
    shown = Route(lambda _caller, _request: (200, *metrics.render()), signed=False)
    openly = metrics_port is None and is_loopback(settings.host)
    near = backend.store.local
    handled = {
        **bound(control.OPERATIONS, resources, near),
        **bound(record.OPERATIONS, recorder, near),
        **bound(recommend.OPERATIONS, recommender, near),
        **bound(recommend_actions.OPERATIONS, action_recommender, near),
    }
    if declared is not None:
        handled = declared.before(when_done(backend.store, handled) if settings.workers else handled)
    access_log = AccessLog(settings.log_format) if _tells(settings) else None
    data_events = DataEvents(backend.store) if settings.audit_data_events else None
    handled = handled if data_events is None else data_events.after(handled)
    inside = Inside(service, handled, gate.require)
    entrance = (
        Entrance(backend.store, sessions, inside, console, open_to, settings.region)
        if settings.console == "on"
        else None
    )
    routes = {**_routes(backend, console, entrance), "/metrics": replace(shown, signed=not openly)}
    return Exchange(
        service,
        handled,
        authority,
        routes,
        {} if metrics_port is None else {metrics_port: {"/metrics": shown}},
        observe=metrics.observe,
        background=[one for one in (deployments, access_log, data_events) if one is not None],
        tell=None if access_log is None else access_log.tell,
        admit=partial(require_local, origins=settings.cors or ()) if settings.auth == "open" else admit_all,
        authorize=gate.require,
        queries=QueryService(SERVICE, sts.actions, authority, SYSTEM_CLOCK),
    )


def _own_paths(
    backend: Backend, models: ModelPages, metrics: Metrics, gate: Gate, declared: DeclaredAnswers | None
) -> Console:
    """Return what answers below ``/sartor/v1``."""
    answered = models.recommender.answered
    pages: list[Pages] = [
        models,
        TrainedPages(models.deployments, models.filters),
        DeployedPages(models.deployments),
        ResourcePages(backend.store),
        JobPages(backend.store),
        DatasetPages(backend.means),
        EventPages(backend.store),
        FilePages(backend.means, backend.sources, backend.settings.bad_cells),
        UploadPages(backend.means, backend.sources),
        OverviewPages(backend.means, Traffic(metrics.requests, BUCKETS_SECONDS, lambda: dict(answered))),
        OutcomePages(backend.store),
        TrailPages(backend.store),
        AccessPages(backend.store, backend.keys, gate),
    ]
    return Console(backend.means, pages if declared is None else [*pages, PagesForTests(declared)])


def _routes(backend: Backend, console: Console, entrance: Entrance | None) -> dict[str, Route]:
    """Return the paths beside Amazon's operations."""
    live = Route(lambda _caller, _request: (200, "text/plain", b"live\n"), signed=False)
    ready = Route(lambda _caller, _request: _ready(backend), signed=False)
    return {
        **_looked_at(backend, entrance),
        **dict.fromkeys(("/health/live", "/livez"), live),
        **dict.fromkeys(("/health/ready", "/readyz", "/healthz"), ready),
        "/sartor/v1/openapi.json": Route(console.openapi, signed=False),
        "/sartor/v1/": Route(console.answer, signed=True, methods=("GET", "HEAD", "POST")),
    }


def _looked_at(backend: Backend, entrance: Entrance | None) -> dict[str, Route]:
    """Return the paths for people: the console, to which browsers are led, and a page in words."""

    def welcome(_caller: Caller | None, request: HttpRequest) -> tuple[int, str, bytes] | Answer:
        accept = request.headers.get("accept", "")
        if entrance is not None and "text/html" in accept:
            return Answer(303, [(b"location", b"/console/"), (b"vary", b"accept")], b"")
        return page(_faults(backend), accept)

    shown = Route(welcome, signed=False)
    if entrance is None:
        return dict.fromkeys(("/", "/console", "/console/"), shown)
    return {
        **dict.fromkeys(("/", "/console"), shown),
        "/console/": Route(entrance.answer, signed=False, methods=("GET", "HEAD", "POST"), forms=True),
        "/sartor/v1/console/links": Route(entrance.link, signed=True, methods=("POST",)),
    }


def build_worker(
    backend: Backend,
    stopping: threading.Event,
    begin_anew: Callable[[], None] = end_process,
    traces: Traces | None = None,
) -> Worker:
    """Return a worker that ends when ``stopping`` is set.

    Args:
        backend: what it shares with the API.
        stopping: says when to end.
        begin_anew: ends a process whose work hangs.
        traces: make a span of each task, if there are any.
    """
    return Worker(backend.settings, tools_of(backend, stopping.is_set), stopping, begin_anew, traces)


def tools_of(backend: Backend, stop: Callable[[], bool] = lambda: False) -> Tools:
    """Return what a job gets to work with."""
    return open_tools(backend.settings, backend.means, backend.sources, stop)


def _tells(settings: Settings) -> bool:
    """Return whether each request is logged."""
    return settings.access_log and ACCESS.isEnabledFor(logging.INFO)


def _ready(backend: Backend) -> tuple[int, str, bytes]:
    """Say whether calls can be answered."""
    faults = _faults(backend)
    if faults:
        return 503, "text/plain", f"not ready: {', '.join(faults)}\n".encode()
    return 200, "text/plain", b"ready\n"


def _faults(backend: Backend) -> list[str]:
    """Ask the database, the storage and what else calls need, and return what does not answer."""
    faults: list[str] = []
    checks: dict[str, Callable[[], object]] = {
        "database": backend.store.check,
        "storage": backend.storage.check,
        "disk": backend.require_room,
        "keys": backend.keys.all,
    }
    for name, check in checks.items():
        try:
            check()
        except Exception as error:  # noqa: BLE001 - whatever it is, the service is not ready
            LOG.warning("not ready: %s: %s", name, error)
            faults.append(name)
    return faults
