"""``sartor serve`` and ``sartor worker``: the processes of one service.

The API runs in the first process, each worker in one of its own. Workers that die are started again; workers
whose server dies end by themselves.
"""

import atexit
import fcntl
import gc
import json
import logging
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, Final, NoReturn

from sartor.app import Backend, build, build_worker, open_backend
from sartor.certificates import Files
from sartor.compute.child import die_with_parent
from sartor.crew import Crew
from sartor.keys import KEY_FILE, KeyFile
from sartor.logs import log_to_stderr
from sartor.private import keep_private
from sartor.settings import Settings, SettingsError, require_buckets
from sartor.traces import Traces, open_traces
from sartor.wire import fingerprint
from sartor.wire.cors import ANY, Cors
from sartor.wire.local import is_loopback
from sartor.wire.tls import Certificate
from sartor.wire.traced import Traced
from sartor.worker import end_process

LOG = logging.getLogger("sartor.serve")

#: How long a thread of a worker may compute in Python while another waits: at Python's 5 ms two that answer a batch
#: hardly overlap, as each comes back from NumPy every fraction of a millisecond.
TURN_SECONDS: Final = 0.0003
#: How much a worker beside an API gives way to it.
NICENESS: Final = 10
#: How much likelier than an API the system ends a worker when memory runs out; 1000 is at once.
OOM_SCORE: Final = 500
#: Who listens on every address is reached from this machine at one.
_REACHED_AT: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
#: How many files beside its connections an API may have open.
_OTHER_FILES: Final = 512
#: So many differences of botocore's service models are logged at start.
_DIFFERENCES_LOGGED: Final = 10
#: New objects, then collections of the younger generation, before each generation is collected.
_COLLECTED_AFTER: Final = (10_000, 20, 20)


def serve(settings: Settings, environment: Mapping[str, str]) -> None:
    """Serve until SIGTERM or SIGINT; prints one line when ready.

    Args:
        settings: of the service.
        environment: for the workers; it must give them the same settings.

    Raises:
        SettingsError: the settings do not allow to serve.
        OSError: the address cannot be listened on.
    """
    if settings.auth == "open" and not is_loopback(settings.host):
        raise SettingsError(
            f"--auth open accepts every request and so needs a loopback address, not {settings.host}. "
            "Use --auth signed, or --host 127.0.0.1."
        )
    require_buckets(settings)
    if settings.auth == "open" and ANY in (settings.cors or ()):
        raise SettingsError(
            "--auth open with --cors * would let every page of a browser in: name the origins."
        )
    certificate = _certificate(settings)
    log_to_stderr(settings.log_level, settings.log_format)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    keep_private(settings.data)
    with only_server(settings), _listening(settings) as listeners, _traces() as traces:
        backend = open_backend(settings)
        backend.keys.first(settings.account)
        KeyFile(settings.data / KEY_FILE).point_to(settings.database if settings.shares_database else None)
        worker = [sys.executable, "-m", "sartor", "worker", "--parent", str(os.getpid())]
        crew = Crew({f"worker {at}": worker for at in range(1, settings.workers + 1)}, environment)
        try:
            crew.start()
            with _address(settings, listeners[0]) as url:
                _run_api(backend, listeners, url, certificate, traces)
        finally:
            crew.stop()
            backend.close()
            gc.unfreeze()  # libraries complain at the end of what is frozen and so never let go
            LOG.info("stopped")


def work(settings: Settings, parent: int | None = None) -> None:
    """Work until SIGTERM or SIGINT, or until the process ``parent`` is gone."""
    log_to_stderr(settings.log_level, settings.log_format)
    wait_without_spinning()
    if parent is not None:
        _die_with_parent(parent)
        os.nice(NICENESS)  # beside an API, which answers first
        _die_before_the_api()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # a crew blocks it while we load
    backend = open_backend(settings)
    if parent is not None:
        threading.Thread(target=_watch_parent, args=(parent, stopping), daemon=True).start()
    begin_anew = partial(_begin_anew, stopping) if parent is None else end_process
    with _traces() as traces:
        worker = build_worker(backend, stopping, begin_anew, traces)
        gc.collect()
        gc.freeze()  # what a batch makes are many small objects: the collector need not walk all libraries with them
        gc.enable()
        sys.setswitchinterval(TURN_SECONDS)
        try:
            worker.run()
        finally:
            gc.unfreeze()
            backend.close()
        LOG.info("the worker stopped")


def leave() -> NoReturn:
    """End this process, whose work is done, without Python's last walk over all modules.

    Libraries complain there in some fifty lines of what is still referred to, and nothing is left to be done.
    """
    atexit._run_exitfuncs()
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(0)


def _begin_anew(stopping: threading.Event) -> None:
    """Begin a worker anew that nobody else would: its threads end with the program that this process ran."""
    if stopping.is_set():
        end_process()
    os.execv(sys.executable, sys.orig_argv)


def wait_without_spinning() -> None:
    """Let threads of a training that wait for each other sleep; to be said before torch is loaded.

    By default they spin: where other work takes a core from one of two, that made trainings eight times slower.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def _end(*_: object) -> None:
    """End this process well; uvicorn gives the signal on once every request has its answer."""
    sys.exit(0)


def _certificate(settings: Settings) -> Certificate | None:
    """Return what HTTPS is served with, if it is.

    Raises:
        SettingsError: it cannot be.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    found = Certificate(settings.tls_cert, settings.tls_key)
    try:
        found.require_usable()
    except ValueError as error:
        raise SettingsError(str(error)) from None
    return found


@contextmanager
def _traces() -> Iterator[Traces | None]:
    """Give what makes spans, if this process's environment asks for them.

    Raises:
        ValueError: it asks for what cannot be.
    """
    traces = open_traces(os.environ)
    try:
        yield traces
    finally:
        if traces is not None:
            traces.close()


def _run_api(
    backend: Backend,
    listeners: list[socket.socket],
    url: str,
    certificate: Certificate | None,
    traces: Traces | None,
) -> None:
    """Run the API on sockets that listen already; a second one answers ``/metrics`` alone."""
    import asyncio

    import uvicorn

    from sartor.wire import connection

    class Server(connection.Server):
        """Says when it is ready, and follows its certificate."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if certificate is not None and self.config.ssl is not None:
                self.follow = asyncio.create_task(certificate.follow(self.config.ssl))
            # The service models are many objects that live for ever: the collector need not walk them again.
            gc.collect()
            gc.freeze()
            # Answers that are kept are many objects too; a walk over them all would hold up every request meanwhile.
            gc.set_threshold(*_COLLECTED_AFTER)
            gc.enable()
            print(f"Sartor is listening on {url}", flush=True)

    _say_what_differs()
    ports = [listener.getsockname()[1] for listener in listeners]
    for port in ports[1:]:
        LOG.info("metrics are at %s/metrics", _url(backend.settings, backend.settings.host, port))
    exchange, origins = build(backend, *ports[1:]), backend.settings.cors
    service = exchange if traces is None else Traced(exchange, exchange.operations, traces)
    config = uvicorn.Config(
        Cors(service, origins) if origins else service,
        access_log=False,
        log_config=None,
        loop="auto",  # uvloop if it is installed
        http=connection.bounded(_connections(backend.settings)),
        ws="none",
        ssl_certfile=None if certificate is None else certificate.certificate,
        ssl_keyfile=None if certificate is None else certificate.key,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
    )
    Server(config).run(sockets=listeners)


def _say_what_differs() -> None:
    """Log where the installed service models are not those that Sartor is tested with."""
    found = fingerprint.installed()
    for one in found[:_DIFFERENCES_LOGGED]:
        LOG.warning("botocore's service models: %s", one)
    if len(found) > _DIFFERENCES_LOGGED:
        more = len(found) - _DIFFERENCES_LOGGED
        LOG.warning("botocore's service models: %s more differences; `sartor doctor` lists them", more)


def _connections(settings: Settings) -> int:
    """Return how many connections there may be, and let the system give this process so many files."""
    wanted = settings.connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        wanted = soft
    return max(min(settings.connections, wanted - _OTHER_FILES), 16)


@contextmanager
def only_server(settings: Settings) -> Iterator[None]:
    """Hold the data folder, which belongs to one server at a time.

    Raises:
        SettingsError: another server holds it.
    """
    lock: IO[str] = (settings.data / "serve.lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(
                f"Another server uses {settings.data}. Stop it, or give this one another --data folder."
            ) from None
        yield


@contextmanager
def _listening(settings: Settings) -> Iterator[list[socket.socket]]:
    """Give a socket that listens on the settings' address, and one on the metrics' if they have a port of their own."""
    wanted = {"--port": settings.port, "--metrics-port": settings.metrics_port}
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with ExitStack() as opened:
        listeners = []
        for option, port in wanted.items():
            if port is None:
                continue
            listener = opened.enter_context(socket.socket(family, socket.SOCK_STREAM))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((settings.host, port))
            except OSError as error:
                raise SettingsError(
                    f"Cannot listen on {settings.host} port {port}: {error.strerror}. "
                    f"Choose another {option}, or 0 for a free one."
                ) from None
            listener.listen(2048)
            listener.setblocking(False)
            listeners.append(listener)
        yield listeners


@contextmanager
def _address(settings: Settings, listener: socket.socket) -> Iterator[str]:
    """Give the URL of the server, which ``sartor env`` finds in the data folder as long as it stands."""
    host, port = listener.getsockname()[:2]
    place = settings.data / "server.json"
    new = settings.data / "server.json.new"
    address: dict[str, Any] = {
        "url": _url(settings, _REACHED_AT.get(host, host), port),
        "pid": os.getpid(),
        "region": settings.region,
        "account": settings.account,
    }
    own = Files(settings.data / "tls")
    if settings.tls_cert == own.certificate:
        address["authority"], address["bundle"] = str(own.authority), str(own.bundle)
    new.write_text(json.dumps(address), encoding="utf-8")
    new.replace(place)
    try:
        yield _url(settings, host, port)
    finally:
        place.unlink(missing_ok=True)


def _url(settings: Settings, host: str, port: int) -> str:
    scheme = "http" if settings.tls_cert is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _die_with_parent(parent: int) -> None:
    """Ask Linux to end this process with its parent; elsewhere ``_watch_parent`` does."""
    die_with_parent()
    if os.getppid() != parent:  # it died before we could ask
        sys.exit(1)


def _die_before_the_api() -> None:
    """Let Linux end this process first when memory runs out: its work begins again, and the API goes on."""
    with suppress(OSError):  # elsewhere there is no such file
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE), encoding="ascii")


def _watch_parent(parent: int, stopping: threading.Event) -> None:
    while not stopping.wait(1.0):
        if os.getppid() != parent:
            stopping.set()
