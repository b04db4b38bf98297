"""The console: what it costs recommendations while it is open, and how soon its pages are there.

A thread asks as two open tabs do, Home and Jobs: the parts that their script keeps as they are on the server, less and
less often while nothing changes.
"""

import http.client
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlsplit

from bench import describe, inputs, jobs, served
from bench.recommend import CONNECTIONS, OPTIONS, Planting
from bench.table import Row
from sartor.resources.kind_names import (
    CAMPAIGN,
    DATASET,
    DATASET_GROUP,
    DATASET_IMPORT_JOB,
    SOLUTION,
    SOLUTION_VERSION,
)
from sartor.resources.kinds import KINDS, arn_at
from sartor.resources.opening import open_store
from sartor.resources.tables import Resource
from sartor.settings import load

#: The parts of two open tabs, and how often each is asked for at first, in seconds: as ``ui.live`` says.
PARTS: Final = (
    ("/console/?part=now", 2.0),
    ("/console/?part=traffic", 5.0),
    ("/console/jobs?part=running", 1.0),
)
#: As the script has it: how much longer it waits each time while nothing changes, and the longest.
PATIENCE: Final = 1.5
MOST_SECONDS: Final = 30.0
#: The groups that are there beside the real one; each has four datasets, eight imports and two versions.
GROUPS: Final = 250
TYPES: Final = ("INTERACTIONS", "ITEMS", "USERS", "ACTIONS")
#: How often each page is asked for.
LOADS: Final = 7


class Tabs:
    """Open tabs of a console."""

    def __init__(self, port: int, cookie: str) -> None:
        self._port, self._cookie = port, cookie
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> "Tabs":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        stamps: dict[str, str] = {}
        waits = dict(PARTS)
        due = {path: time.monotonic() + 0.25 for path in waits}
        while not self._end.wait(0.02):
            for path, every in PARTS:
                if time.monotonic() < due[path]:
                    continue
                headers = {"cookie": self._cookie, "accept-encoding": "gzip"}
                known = {"if-none-match": stamps[path]} if path in stamps else {}
                connection.request("GET", path, headers=headers | known)
                answer = connection.getresponse()
                answer.read()
                stamps[path] = answer.headers["etag"]
                waits[path] = min(waits[path] * PATIENCE, MOST_SECONDS) if answer.status == 304 else every
                due[path] = time.monotonic() + waits[path]


def run(quick: bool) -> list[Row]:
    """Both."""
    return [*_cost(quick), *_pages(quick)]


def _cost(quick: bool) -> list[Row]:
    """Measure recommendations with tabs open and without, in turns."""
    seconds, rounds = (1.0, 3) if quick else (6.0, 9)
    with jobs.service(OPTIONS) as (service, _), TemporaryDirectory(dir=inputs.folder()) as kept:
        planting = Planting(service, 4_000, 2_000 if quick else 20_000)
        requests = planting.signed(Path(kept) / "requests.json", range(200 if quick else 2_000))
        cookie = _cookie(service)
        pairs = []
        describe.measure(planting.port, seconds, requests, CONNECTIONS)
        for at in range(rounds):
            pair: dict[bool, dict[str, float]] = {}
            for is_open in (at % 2 == 0, at % 2 != 0):  # which comes first changes
                if is_open:
                    with Tabs(planting.port, cookie):
                        pair[True] = describe.measure(planting.port, seconds, requests, CONNECTIONS)
                else:
                    pair[False] = describe.measure(planting.port, seconds, requests, CONNECTIONS)
            pairs.append(pair)
        own = _own_cpu(service, cookie, 5.0 if quick else 60.0)
    rate, p99 = (median(one[True][name] / one[False][name] for one in pairs) for name in ("rate", "p99"))
    ours, alone = (median(one[is_open]["rate"] for one in pairs) for is_open in (True, False))
    return [
        Row(
            f"GetRecommendations while two tabs of the console are open ({rounds} rounds in turns)",
            f"{ours:,.0f} a second",
            f"without: {alone:,.0f}; p99 {p99:.2f} ×",
            f"{100 * (1 - rate):+.1f} %",
            "≤ 2 %",
            rate >= 0.98,
        ),
        Row(
            "The CPU of the API process that two open tabs take while nothing else is asked",
            f"{100 * own:.2f} % of a core",
            "",
            f"{100 * own:.2f} %",
            "≤ 2 %",
            own <= 0.02,
        ),
    ]


def _own_cpu(service: served.Service, cookie: str, seconds: float) -> float:
    """Return which share of a core the API takes with tabs open more than without; other work does not show in it."""
    port = urlsplit(service.server.url).port
    assert port is not None
    shares = {}
    for is_open in (False, True):
        before = _cpu_seconds(service.server.process.pid)
        if is_open:
            with Tabs(port, cookie):
                time.sleep(seconds)
        else:
            time.sleep(seconds)
        shares[is_open] = (_cpu_seconds(service.server.process.pid) - before) / seconds
    return shares[True] - shares[False]


def _cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has taken (Linux only)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _pages(quick: bool) -> list[Row]:
    """Measure how soon pages are there, of a service that has a lot."""
    rows = 100_000 if quick else 20_000_000
    with jobs.service(OPTIONS) as (service, _):
        dataset = service.dataset("Interactions", served.interactions_schema())
        service.import_file(dataset, inputs.interactions(rows))
        _plant(service)
        found = _loads(service)
    worst = max(found, key=lambda path: found[path]["seconds"])
    weight = max(one["bytes"] for one in found.values())
    words = f"{len(found)} pages, {GROUPS * len(TYPES):,} datasets and {rows:,} rows"
    shown = [
        Row(
            f"The slowest page of the console is sent ({words})",
            f"{1000 * found[worst]['seconds']:.0f} ms: {worst}",
            "",
            f"{1000 * found[worst]['seconds']:.0f} ms",
            "≤ 1 s",
            found[worst]["seconds"] <= 1,
        ),
        Row(
            "A page's HTML, compressed",
            f"{weight:,.0f} bytes",
            "",
            f"{weight:,.0f}",
            "≤ 150 KB with all",
            None,
        ),
    ]
    paints = [one["paint"] for one in found.values() if "paint" in one]
    if paints:
        loaded = max(one["loaded"] for one in found.values())
        text = f"first paint at most {max(paints):.0f} ms, loaded at most {loaded / 1000:.1f} KB"
        shown.append(Row("In Chromium", text, "", f"{max(paints):.0f} ms", "≤ 300 ms", max(paints) <= 300))
    return shown


def _plant(service: served.Service) -> None:
    """Write many resources into the database: they are there, and have no data."""
    settings = load({"data": service.server.data}, {})
    store, account, region = open_store(settings), settings.account, settings.region
    now = time.time() - 86_400

    def row(kind: str, tail: str, name: str, body: dict[str, Any]) -> Resource:
        arn = arn_at(KINDS[kind], region, account, tail)
        return Resource(arn, kind, account, region, name, "ACTIVE", body, {}, now, now)

    with store.write() as transaction:
        for at in range(GROUPS):
            group = row(DATASET_GROUP, f"group-{at}", f"group-{at}", {})
            transaction.add(group)
            for word in TYPES:
                body = {"datasetGroupArn": group.arn, "datasetType": word, "schemaArn": "x"}
                dataset = row(DATASET, f"group-{at}/{word}", word.lower(), body)
                transaction.add(dataset, (group.arn,))
                for number in range(2):
                    name = f"{word.lower()}-{at}-{number}"
                    job = {"datasetArn": dataset.arn, "dataSource": {"dataLocation": "s3://b/k"}}
                    transaction.add(row(DATASET_IMPORT_JOB, name, name, job), (dataset.arn,))
            solution = row(SOLUTION, f"solution-{at}", f"solution-{at}", {"datasetGroupArn": group.arn})
            transaction.add(solution, (group.arn,))
            for number in range(2):
                tail = f"solution-{at}/{number:08x}"
                version = row(SOLUTION_VERSION, tail, tail, {"solutionArn": solution.arn})
                transaction.add(version, (solution.arn,))
            body = {"solutionVersionArn": version.arn}
            transaction.add(row(CAMPAIGN, f"campaign-{at}", f"campaign-{at}", body), (version.arn,))
    store.close()


def _loads(service: served.Service) -> dict[str, dict[str, float]]:
    """Return how long each page of the navigation took, how large it is, and how soon a browser painted it."""
    from sartor.console.pages.page import SECTIONS
    from sartor.console.pages.table_of_pages import PAGES

    firsts = {page.section: page.path for page in reversed(PAGES.values())}
    paths = [firsts[section] for section in SECTIONS if section in firsts]
    cookie, found = _cookie(service), {}
    connection = http.client.HTTPConnection(urlsplit(service.server.url).netloc)
    for path in paths:
        seconds, size = [], 0
        for _ in range(LOADS):
            begun = time.perf_counter()
            connection.request("GET", path, headers={"cookie": cookie, "accept-encoding": "gzip"})
            answer = connection.getresponse()
            size = len(answer.read())
            if answer.status != 200:
                raise RuntimeError(f"{path} answered {answer.status}")
            seconds.append(time.perf_counter() - begun)
        found[path] = {"seconds": median(seconds), "bytes": float(size)}
        print(f"{path}: {1000 * median(seconds):.0f} ms, {size:,} bytes", file=sys.stderr)
    with _browser() as browser:
        if browser is not None:
            _paint(service, browser, found)
    return found


@contextmanager
def _browser() -> Iterator[Any]:
    """Give a browser, ``None`` where there is none."""
    import shutil

    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        yield None
        return
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        yield None
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def _paint(service: served.Service, browser: Any, found: dict[str, dict[str, float]]) -> None:
    """Note when each page was painted first, in ms after it was asked for, and all that it loaded, in bytes."""
    page = browser.new_page()
    page.goto(_link(service))
    page.wait_for_url("**/console/")
    for path, one in found.items():
        times = []
        for _ in range(LOADS):
            page.goto(service.server.url + path, wait_until="load")
            script = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1"
            page.wait_for_function(f"({script}) >= 0")
            times.append(page.evaluate(script))
        one["paint"] = median(times)
    fresh = browser.new_context().new_page()
    fresh.goto(_link(service))
    fresh.wait_for_url("**/console/")
    script = "performance.getEntries().reduce((sum, one) => sum + (one.encodedBodySize || 0), 0)"
    for path, one in found.items():
        fresh.goto(service.server.url + path, wait_until="load")
        one["loaded"] = fresh.evaluate(script)


def _link(service: served.Service) -> str:
    return service.server.url + str(service.server.post("/sartor/v1/console/links", {})["path"])


def _cookie(service: served.Service) -> str:
    """Return the cookie of a new session."""
    parts = urlsplit(_link(service))
    connection = http.client.HTTPConnection(parts.netloc)
    connection.request("GET", f"{parts.path}?{parts.query}")
    return str(connection.getresponse().headers["set-cookie"]).partition(";")[0]
