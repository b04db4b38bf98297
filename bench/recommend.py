"""GetRecommendations, signed, with a history and a filter, against a bare handler that multiplies the same matrix.

Also how good the quick answers of a large catalogue are, and how soon an event changes an answer.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import boto3
import duckdb
import numpy as np
from botocore.exceptions import ReadTimeoutError

from bench import describe, inputs, jobs, planted, served
from bench.planted import Planted
from bench.table import Row
from sartor.demo import data
from sartor.models.base import Query
from sartor.models.best import top

ROUNDS = 5
CONNECTIONS = 16
OPTIONS = ("--quotas", "off")
#: The users of the small catalogue ask again and again, as they do who look at page after page; those of the large one
#: and of the row "each user once" ask once.
USERS = 2_000
MOST_USERS = 60_000
#: So many are there for the row "each request of a user who has not asked before", which lasts so many seconds.
ONCE_USERS = 100_000
ONCE_SECONDS = 2.0
#: So many users have put an event since the training.
ACTIVE_USERS = 500
LARGE_ITEMS = 1_000_000
#: How many answers are held against the exact ones.
COMPARED = 200
BEST = 25
#: How many events are timed until an answer changes.
EVENTS = 30
EXPRESSION = (
    "INCLUDE ItemID WHERE Items.PRICE < 150 AND Items.CREATION_TIMESTAMP > 1700000000 "
    'AND Items.BRAND NOT IN ("Granby")'
)
SQL = "PRICE < 150 AND CREATION_TIMESTAMP > 1700000000 AND BRAND NOT IN ('Granby')"
#: How long a version may take to be loaded, in seconds.
LOADED_WITHIN = 300
#: How long an event may take to change an answer of another process, in seconds.
SOON = 1.0


class Planting:
    """A service with a planted campaign and a filter.

    Args:
        service: it has the group.
        items: how many items.
        users: how many users.
        history: how many interactions each of them has.
        recipes: of the campaigns.
        file: of the items; ``None`` takes the shop's.
    """

    def __init__(
        self,
        service: served.Service,
        items: int,
        users: int,
        history: int = planted.HISTORY,
        recipes: Sequence[str] = (planted.RECIPE,),
        file: Path | None = None,
    ) -> None:
        self.service = service
        self.users = users
        service.dataset("Interactions", served.interactions_schema())
        dataset = service.dataset("Items", data.SCHEMAS["Items"])
        self.file = file or inputs.items(items)
        service.import_file(dataset, self.file)
        self.planted: Planted = planted.plant(service, items, users, history, recipes)
        self.tracking_id = jobs.event_tracker(service)
        self.filter = self.make_filter("bench", EXPRESSION)
        self.runtime: Any = service.server.client("personalize-runtime")
        self.events: Any = service.server.client("personalize-events")
        self._first_answer()

    def make_filter(self, name: str, expression: str) -> str:
        """Make a filter and return its ARN."""
        client = self.service.client
        made = client.create_filter(
            name=name, datasetGroupArn=self.service.group, filterExpression=expression
        )["filterArn"]
        jobs.settled(lambda: client.describe_filter(filterArn=made)["filter"])
        return str(made)

    def _first_answer(self) -> None:
        """Wait until the versions are loaded, which no measure is about."""
        begun = time.perf_counter()
        for recipe in self.planted.campaigns:
            while True:
                try:
                    self.ask(self.runtime, 0, recipe)
                    break
                except ReadTimeoutError:  # a large one takes longer than boto3 waits
                    if time.perf_counter() - begun > LOADED_WITHIN:
                        raise
        print(f"first answers after {time.perf_counter() - begun:.1f} s", file=sys.stderr)

    def ask(
        self, runtime: Any, user: int, recipe: str = planted.RECIPE, filter_arn: str | None = None
    ) -> list[dict[str, Any]]:
        """Return an answer's items; with the usual filter if no other is named."""
        found: list[dict[str, Any]] = runtime.get_recommendations(
            campaignArn=self.planted.campaigns[recipe],
            userId=planted.user(user),
            filterArn=filter_arn or self.filter,
        )["itemList"]
        return found

    def put(self, user: int, item: str) -> None:
        self.events.put_events(
            trackingId=self.tracking_id,
            userId=planted.user(user),
            sessionId=f"session-{user}",
            eventList=[{"eventType": "click", "itemId": item, "sentAt": time.time()}],
        )

    def signed(
        self, path: Path, users: range, recipe: str = planted.RECIPE, filter_arn: str | None = None
    ) -> Path:
        """Write the requests of some users; with the usual filter if no other is named."""
        bodies = [
            json.dumps(
                {
                    "campaignArn": self.planted.campaigns[recipe],
                    "userId": planted.user(user),
                    "filterArn": filter_arn or self.filter,
                }
            )
            for user in users
        ]
        path.write_text(json.dumps(jobs.signed_posts(self.service.server, "/recommendations", bodies)))
        return path

    @property
    def port(self) -> int:
        found = urlsplit(self.service.server.url).port
        assert found is not None
        return found


#: The campaigns of the small catalogue, by recipe, in words.
CAMPAIGNS = {planted.RECIPE: "v2", planted.EXPLORING: "aws-user-personalization with its default exploration"}
Measured = dict[str, list[dict[str, float]]]


def run(quick: bool) -> list[Row]:
    """The small catalogue."""
    users = 20_000 if quick else ONCE_USERS
    with jobs.service(OPTIONS) as (service, _), TemporaryDirectory(dir=inputs.folder()) as kept:
        planting = Planting(service, 4_000, users, recipes=tuple(CAMPAIGNS))
        for user in range(ACTIVE_USERS):
            planting.put(user, planting.planted.items[user])
        again, theirs = _measure_again(planting, Path(kept), quick)
        once = _measure_once(planting, Path(kept), users, quick)
        same_process, other_process = _reactions(planting, 5 if quick else EVENTS)
    bare_rate, bare_p99 = (median(one[name] for one in theirs) for name in ("rate", "p99"))
    rows = []
    for recipe, words in CAMPAIGNS.items():
        rows += _rows_of(words, again[recipe], once[recipe], bare_rate, bare_p99)
    return [
        *rows,
        Row(
            "PutEvents acknowledged to a changed answer, same process",
            f"{sum(same_process)} of {len(same_process)} next requests",
            "",
            f"{sum(same_process)} of {len(same_process)}",
            "all",
            all(same_process),
        ),
        Row(
            "the same, another API process",
            f"at most {max(other_process) * 1000:.0f} ms, median {median(other_process) * 1000:.0f} ms",
            "",
            f"{max(other_process) * 1000:.0f} ms",
            f"≤ {SOON:.0f} s",
            max(other_process) <= SOON,
        ),
    ]


def _measure_again(planting: Planting, folder: Path, quick: bool) -> tuple[Measured, list[dict[str, float]]]:
    """Measure users who ask again and again, by recipe, and the bare loop, in turns."""
    seconds, rounds = (1.0, 2) if quick else (5.0, ROUNDS)
    found: Measured = {recipe: [] for recipe in CAMPAIGNS}
    theirs = []
    users = range(200 if quick else USERS)
    same = {recipe: planting.signed(folder / f"{recipe}.json", users, recipe) for recipe in CAMPAIGNS}
    for _ in range(rounds):
        theirs.append(measure_bare(4_000, seconds, same[planted.RECIPE], CONNECTIONS))
        for recipe, requests in same.items():
            found[recipe].append(describe.measure(planting.port, seconds, requests, CONNECTIONS))
    return found, theirs


def _measure_once(planting: Planting, folder: Path, users: int, quick: bool) -> Measured:
    """Measure users who ask for the first time, by recipe; what is kept of them displaces what is kept of others."""
    seconds, rounds = (0.5, 2) if quick else (ONCE_SECONDS, ROUNDS)
    found: Measured = {recipe: [] for recipe in CAMPAIGNS}
    part = (users - USERS) // rounds
    for first in range(USERS, USERS + rounds * part, part):
        for recipe, measured in found.items():
            requests = planting.signed(folder / "once.json", range(first, first + part), recipe)
            measured.append(describe.measure(planting.port, seconds, requests, CONNECTIONS))
    return found


def _rows_of(
    words: str,
    again: list[dict[str, float]],
    once: list[dict[str, float]],
    bare_rate: float,
    bare_p99: float,
) -> list[Row]:
    rate, once_rate = (median(one["rate"] for one in many) for many in (again, once))
    p99, once_p99 = (median(one["p99"] for one in many) for many in (again, once))
    compared = f"bare uvicorn + NumPy loop: {bare_rate:,.0f} requests/s"
    return [
        Row(
            f"GetRecommendations, signed, 4,000 items, history and a cached filter, {CONNECTIONS} connections, "
            f"a campaign of {words}",
            f"{rate:,.0f} requests/s",
            compared,
            f"{rate / bare_rate:.0%} of its rate",
            "≥ 75 %",
            rate / bare_rate >= 0.75,
        ),
        Row(
            "the same, 99th percentile",
            f"{p99 * 1000:.2f} ms",
            f"bare loop: {bare_p99 * 1000:.2f} ms",
            f"{p99 / bare_p99:.2f} ×",
            "≤ 1.25 ×",
            p99 <= 1.25 * bare_p99,
        ),
        Row(
            "the same, each request of a user who has not asked before",
            f"{once_rate:,.0f} requests/s, 99th percentile {once_p99 * 1000:.2f} ms",
            compared,
            f"{once_rate / bare_rate:.0%} of its rate",
            "≥ 55 %",
            once_rate / bare_rate >= 0.55,
        ),
    ]


def run_large(quick: bool) -> list[Row]:
    """The large catalogue."""
    seconds, rounds = (1.0, 2) if quick else (5.0, ROUNDS)
    items = 200_000 if quick else LARGE_ITEMS
    users = 4_000 if quick else MOST_USERS
    ours, theirs = [], []
    with jobs.service(OPTIONS) as (service, _), TemporaryDirectory(dir=inputs.folder()) as kept:
        with served.PeakMemory(service.server.process.pid) as memory:
            planting = Planting(service, items, users)
            part = (users - COMPARED) // rounds
            for n in range(rounds):
                requests = planting.signed(
                    Path(kept) / "r.json", range(COMPARED + n * part, COMPARED + (n + 1) * part)
                )
                theirs.append(measure_bare(items, seconds, requests, 1))
                ours.append(describe.measure(planting.port, seconds, requests, 1))
        recall = recall_of(planting, COMPARED)
    print(f"memory at most {memory.bytes / 2**30:.2f} GiB", file=sys.stderr)
    p50, bare_p50 = (median(one["p50"] for one in many) for many in (ours, theirs))
    words = f"{items / 1e6:g} M items"
    return [
        Row(
            f"GetRecommendations, {words}, each request of another user, 1 connection, median",
            f"{p50 * 1000:.2f} ms",
            f"bare uvicorn + NumPy loop, exact float32 product: {bare_p50 * 1000:.2f} ms",
            f"{p50 / bare_p50:.2f} ×",
            "≤ 0.5 ×",
            p50 / bare_p50 <= 0.5,
        ),
        Row(
            f"the same, recall@{BEST} of the exact answers of {COMPARED} users",
            f"{recall:.4f}",
            "exact scores of the same model",
            f"{recall:.4f}",
            "≥ 0.99",
            recall >= 0.99,
        ),
    ]


def recall_of(planting: Planting, users: int, sql: str = SQL, filter_arn: str | None = None) -> float:
    """Return the share of the exact best allowed items that the answers have; explored places do not count.

    Args:
        planting: what is asked.
        users: how many of them.
        sql: what the filter allows, of the columns of the items.
        filter_arn: the filter; ``None`` is the usual one.
    """
    found = planting.planted
    place = {name: number for number, name in enumerate(found.items)}
    allowed = np.zeros(len(found.items), np.bool_)
    with duckdb.connect() as connection:
        rows = connection.execute(f"SELECT ITEM_ID FROM read_csv('{planting.file}') WHERE {sql}").fetchall()
    allowed[[place[name] for (name,) in rows]] = True
    hits, places = 0, 0
    for user in range(users):
        items = planting.ask(planting.runtime, user, filter_arn=filter_arn)
        answer = {place[one["itemId"]] for one in items if not one.get("reason")}
        exact = top(found.model.score(Query(found.histories.of(user))), BEST, allowed)
        hits += len(set(exact.tolist()) & answer)
        places += len(answer)
    return hits / places


def measure_bare(items: int, seconds: float, requests: Path, connections: int) -> dict[str, float]:
    # one thread for a small product, as it is quicker beside the load; the machine's cores for a large one
    threads = {"OPENBLAS_NUM_THREADS": "1"} if items < LARGE_ITEMS // 10 else {}
    with _process("bench.bare_recommend", str(items), **threads) as port:
        return describe.measure(port, seconds, requests, connections)


@contextmanager
def _process(module: str, *arguments: str, **environment: str) -> Iterator[int]:
    """Run a server of ours that takes its port last; yields the port."""
    port = describe.free_port()
    command = [sys.executable, "-m", module, *arguments, str(port)]
    process = subprocess.Popen(command, env={**os.environ, **environment})
    try:
        describe.wait_for(port, 60)
        yield port
    finally:
        process.terminate()
        process.wait()


def _reactions(planting: Planting, events: int) -> tuple[list[bool], list[float]]:
    """Return whether the next answer was another one, and after how many seconds one of another process was."""
    server = planting.service.server
    at_once, seconds = [], []
    with _process("bench.second_api", str(server.data)) as port:
        environment = server.environment
        other = boto3.client(
            "personalize-runtime",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name=environment["AWS_DEFAULT_REGION"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        )
        for n in range(events):
            user, item = ACTIVE_USERS + n, planting.planted.items[7 * n]
            before, there = (planting.ask(client, user) for client in (planting.runtime, other))
            planting.put(user, item)
            begun = time.perf_counter()
            at_once.append(planting.ask(planting.runtime, user) != before)
            seconds.append(_until(lambda: planting.ask(other, user) != there, begun))  # noqa: B023
    return at_once, seconds


def _until(changed: Callable[[], bool], begun: float) -> float:
    while not changed():
        if time.perf_counter() - begun > 10 * SOON:
            break
    return time.perf_counter() - begun
