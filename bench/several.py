"""Two servers and two workers on PostgreSQL against one of each, under load, while one after the other is killed.

Clients go through a balancer, as they would. What fails does so after boto3's own attempts: five, with its defaults.
"""

import csv
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import sqlalchemy as sa
from botocore.exceptions import ClientError

from bench import describe, inputs, jobs, load, put_events, served
from bench.table import Row
from sartor.crew import Crew
from sartor.demo import cluster
from sartor.demo.server import client_of, environment_of

#: How many are killed, and how long nothing is killed before.
KILLS, QUICK_KILLS = 24, 4
CALM_SECONDS, QUICK_CALM_SECONDS = 10.0, 3.0
#: The time between two kills: what was killed is back, and works again.
SHORTEST_SECONDS, LONGEST_SECONDS = 0.5, 2.5
BACK_SECONDS = 120.0
#: Who was refused waits so long.
AFTER_FAULT_SECONDS = 0.5
PUTTING, ASKING = 4, 3
ROUNDS = 3
#: So long after a commit PostgreSQL's statistics have it.
STATISTICS_SECONDS = 2.0
EVENTS, IMPORTED_ROWS = 5, 500
SENT_FROM = 1_700_000_000
#: A short lease lets the other worker have soon what a dead one had.
SETTINGS = {"SARTOR_QUOTAS": "off", "SARTOR_LEASE_SECONDS": "2", "SARTOR_DRAIN_SECONDS": "1"}


@dataclass(frozen=True)
class Machines:
    """A set of servers and workers as one, behind a balancer.

    Attributes:
        crew: the processes.
        members: the servers.
        url: of the balancer.
        environment: of clients.
        bucket: the folder of ``s3://shop/``.
        database: the PostgreSQL's URL.
    """

    crew: Crew
    members: Sequence[cluster.Member]
    url: str
    environment: dict[str, str]
    bucket: Path
    database: str

    def client(self, service: str = "personalize") -> Any:
        """Return boto3's client with its own defaults."""
        return client_of(self.url, self.environment, service)

    @property
    def names(self) -> list[str]:
        workers = (f"worker {at}" for at in range(1, len(self.members) + 1))
        return [*(member.name for member in self.members), *workers]


def run(quick: bool) -> list[Row]:
    calm, kills = (QUICK_CALM_SECONDS, QUICK_KILLS) if quick else (CALM_SECONDS, KILLS)
    one, two = (killed(number, calm, kills) for number in (1, 2))
    return [
        Row(
            f"2 servers and 2 workers on PostgreSQL under load, one of them killed at a time, {kills} times",
            f"{two.done}; {two.lost}",
            f"1 server and 1 worker, killed alike: {one.failed} failed; {one.lost}",
            f"{two.lost}, {two.failed} failed",
            "0 lost, 0 twice, 0 failed after boto3's own attempts",
            not (two.failed or two.missing or two.twice),
        ),
        Row(
            f"the same while nothing is killed, {PUTTING + ASKING} boto3 clients",
            f"{two.rate:,.0f} calls/s",
            f"1 server and 1 worker: {one.rate:,.0f} calls/s",
            f"{two.rate / one.rate:.2f} ×",
            "",
            None,
        ),
        *group_commit(2.0 if quick else 10.0),
    ]


@contextmanager
def machines(number: int) -> Iterator[Machines]:
    """Run so many servers and so many workers on a PostgreSQL, behind a balancer."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="several-")))
        bucket = home / "shop"
        bucket.mkdir()
        environment = {
            **os.environ,
            **SETTINGS,
            "SARTOR_DATABASE": stack.enter_context(cluster.postgresql(home / "postgresql")),
            "SARTOR_STORAGE": str(home / "storage"),
            "SARTOR_BUCKET": f"shop={bucket}",
        }
        ports = [describe.free_port() for _ in range(number)]
        members = [
            cluster.Member(f"server {at}", f"http://127.0.0.1:{port}", home / f"server-{at}")
            for at, port in enumerate(ports, 1)
        ]
        crew = stack.enter_context(cluster.started(home, members, number, environment))
        front = describe.free_port()
        command = [sys.executable, "-m", "bench.balancer", *map(str, (front, *ports))]
        balancer = subprocess.Popen(command)
        stack.callback(balancer.wait)
        stack.callback(balancer.kill)
        describe.wait_for(front)
        yield Machines(
            crew,
            members,
            f"http://127.0.0.1:{front}",
            environment_of(members[0].folder),
            bucket,
            environment["SARTOR_DATABASE"],
        )


class Client(ABC):
    """One client that does one thing again and again.

    Attributes:
        done: how often it was answered.
        failed: what was not, after boto3's own attempts.
    """

    def __init__(self, made: Machines) -> None:
        self.made = made
        self.done = 0
        self.failed: list[str] = []

    def live(self, over: threading.Event) -> None:
        while not over.is_set():
            try:
                self.once()
                self.done += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
                self.failed.append(f"{type(self).__name__}: {error!r}"[:500])
                time.sleep(AFTER_FAULT_SECONDS)

    @abstractmethod
    def once(self) -> None:
        """Ask once."""


class Putting(Client):
    """Puts events; each has an id, so that what is tried again is one event."""

    numbers = itertools.count()

    def __init__(self, made: Machines, tracking_id: str) -> None:
        super().__init__(made)
        self._tracking_id = tracking_id
        self._client = made.client("personalize-events")
        self.acknowledged: list[int] = []

    def once(self) -> None:
        mine = list(itertools.islice(self.numbers, EVENTS))
        self._client.put_events(
            trackingId=self._tracking_id,
            userId=f"user-{mine[0] % 1000}",
            sessionId=f"session-{mine[0]}",
            eventList=[
                {
                    "eventId": f"event-{n}",
                    "eventType": "click",
                    "itemId": f"item-{n}",
                    "sentAt": SENT_FROM + n,
                }
                for n in mine
            ],
        )
        self.acknowledged += mine


class Asking(Client):
    """Asks for recommendations."""

    def __init__(self, made: Machines, campaign: str) -> None:
        super().__init__(made)
        self._campaign = campaign
        self._client = made.client("personalize-runtime")

    def once(self) -> None:
        user = f"user-{random.randrange(1000)}"
        if not self._client.get_recommendations(campaignArn=self._campaign, userId=user)["itemList"]:
            raise RuntimeError("no item was recommended")


class Importing(Client):
    """Imports rows and waits for them."""

    def __init__(self, made: Machines, dataset: str) -> None:
        super().__init__(made)
        self._dataset = dataset
        self._client = made.client()
        self.users: list[str] = []
        self._numbers = itertools.count()

    def once(self) -> None:
        name = f"job-{next(self._numbers)}"
        lines = (f"{name},item-{n},View,1,{SENT_FROM + n}" for n in range(IMPORTED_ROWS))
        (self.made.bucket / f"{name}.csv").write_text("\n".join([",".join(inputs.COLUMNS), *lines]) + "\n")
        try:
            self._client.create_dataset_import_job(
                jobName=name,
                datasetArn=self._dataset,
                dataSource={"dataLocation": f"s3://shop/{name}.csv"},
                roleArn=jobs.ROLE,
                importMode="INCREMENTAL",
            )
        except ClientError as error:  # the answer to boto3's first attempt was lost
            if error.response["Error"]["Code"] != "ResourceAlreadyExistsException":
                raise
        arn = f"{self._dataset.rpartition(':')[0]}:dataset-import-job/{name}"
        jobs.settled(
            lambda: self._client.describe_dataset_import_job(datasetImportJobArn=arn)["datasetImportJob"], 0.1
        )
        self.users.append(name)


@dataclass(frozen=True)
class Result:
    """What became of a set under load.

    Attributes:
        done: what was answered, in words.
        rate: calls a second while nothing was killed.
        failed: how many calls and jobs failed.
        missing: how many acknowledged events and imported rows are not there.
        twice: how many are there more than once.
    """

    done: str
    rate: float
    failed: int
    missing: int
    twice: int

    @property
    def lost(self) -> str:
        """What is lost, in words."""
        return f"{self.missing} lost, {self.twice} twice"


def killed(number: int, calm_seconds: float, kills: int) -> Result:
    """Load so many servers and workers, kill one after the other, and count what is there in the end."""
    with machines(number) as made:
        shop = Shop(made)
        putting = [Putting(made, shop.tracking_id) for _ in range(PUTTING)]
        asking = [Asking(made, shop.campaign) for _ in range(ASKING)]
        importing = Importing(made, shop.imports)
        clients: list[Client] = [*putting, *asking, importing]
        over = threading.Event()
        with ThreadPoolExecutor(len(clients)) as pool:
            living = [pool.submit(client.live, over) for client in clients]
            try:
                time.sleep(calm_seconds / 2)
                before = sum(client.done for client in clients)
                time.sleep(calm_seconds)
                rate = (sum(client.done for client in clients) - before) / calm_seconds
                kill_one_after_the_other(made, kills)
            finally:
                over.set()
            for one in living:
                one.result()
        faults = [fault for client in clients for fault in client.failed]
        for fault in faults[:20]:
            print(f"{number} and {number}: {fault}", file=sys.stderr, flush=True)
        events = shop.exported(shop.events, "PUT")
        rows = shop.exported(shop.imports, "BULK")
    acknowledged = [f"item-{n}" for client in putting for n in client.acknowledged]
    found = Counter(row["ITEM_ID"] for row in events)
    users = Counter(row["USER_ID"] for row in rows)
    missing = sum(item not in found for item in acknowledged)
    missing += sum(IMPORTED_ROWS - min(users[user], IMPORTED_ROWS) for user in importing.users)
    twice = sum(count > 1 for count in found.values())
    twice += sum(max(users[user] - IMPORTED_ROWS, 0) for user in importing.users)
    asked = sum(client.done for client in asking)
    done = f"{len(acknowledged):,} events, {asked:,} recommendations, {len(importing.users)} imports"
    return Result(done, rate, len(faults), missing, twice)


def kill_one_after_the_other(made: Machines, kills: int) -> None:
    """Kill a process, wait until it is back, and so on."""
    for name in itertools.islice(itertools.cycle(random.sample(made.names, len(made.names))), kills):
        time.sleep(random.uniform(SHORTEST_SECONDS, LONGEST_SECONDS))
        process = made.crew.process(name)
        os.kill(process or 0, signal.SIGKILL)
        deadline = time.monotonic() + BACK_SECONDS
        while made.crew.process(name) == process or not all(member.is_ready() for member in made.members):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not come back")
            time.sleep(0.05)


class Shop:
    """What is asked: events and imports of two groups, and a campaign of what is popular.

    Attributes:
        events: the dataset that takes events.
        imports: the dataset that takes imports.
        tracking_id: of events.
        campaign: its ARN.
    """

    def __init__(self, made: Machines) -> None:
        self._made = made
        self._client = made.client()
        events, self.events = self._group("events")
        _, self.imports = self._group("imports")
        client = self._client
        tracker = client.create_event_tracker(name="t", datasetGroupArn=events)
        self.tracking_id = str(tracker["trackingId"])
        arn = tracker["eventTrackerArn"]
        jobs.settled(lambda: client.describe_event_tracker(eventTrackerArn=arn)["eventTracker"])
        rows = (f"u{n % 50},i{n % 37},View,1,{SENT_FROM - n}" for n in range(2000))
        (made.bucket / "first.csv").write_text("\n".join([",".join(inputs.COLUMNS), *rows]) + "\n")
        for name, dataset in (("events", self.events), ("imports", self.imports)):
            self._import_first(name, dataset)
        self.campaign = self._deployed(events)

    def _group(self, name: str) -> tuple[str, str]:
        """Make a group with interactions; return both ARNs."""
        client = self._client
        group = str(client.create_dataset_group(name=name)["datasetGroupArn"])
        jobs.settled(lambda: client.describe_dataset_group(datasetGroupArn=group)["datasetGroup"])
        schema = client.create_schema(name=name, schema=served.interactions_schema())["schemaArn"]
        dataset = client.create_dataset(
            name=name, schemaArn=schema, datasetGroupArn=group, datasetType="Interactions"
        )["datasetArn"]
        jobs.settled(lambda: client.describe_dataset(datasetArn=dataset)["dataset"])
        return group, str(dataset)

    def _import_first(self, name: str, dataset: str) -> None:
        """Import what a campaign needs to be trained, and an incremental import to be allowed."""
        client = self._client
        arn = client.create_dataset_import_job(
            jobName=f"first-{name}",
            datasetArn=dataset,
            dataSource={"dataLocation": "s3://shop/first.csv"},
            roleArn=jobs.ROLE,
        )["datasetImportJobArn"]
        jobs.settled(lambda: client.describe_dataset_import_job(datasetImportJobArn=arn)["datasetImportJob"])

    def _deployed(self, group: str) -> str:
        """Train what is popular and return the ARN of its campaign."""
        client = self._client
        solution = client.create_solution(
            name="popular",
            datasetGroupArn=group,
            recipeArn="arn:aws:personalize:::recipe/aws-popularity-count",
            performAutoTraining=False,
        )["solutionArn"]
        jobs.settled(lambda: client.describe_solution(solutionArn=solution)["solution"])
        version = client.create_solution_version(solutionArn=solution)["solutionVersionArn"]
        jobs.settled(lambda: client.describe_solution_version(solutionVersionArn=version)["solutionVersion"])
        arn = str(client.create_campaign(name="popular", solutionVersionArn=version)["campaignArn"])
        jobs.settled(lambda: client.describe_campaign(campaignArn=arn)["campaign"])
        return arn

    def exported(self, dataset: str, mode: str) -> Iterator[dict[str, str]]:
        """Export a dataset and return its rows."""
        jobs.export(self._client, dataset, f"all-{mode}", mode, f"s3://shop/{mode}/")
        rows: list[dict[str, str]] = []
        for part in sorted((self._made.bucket / mode).rglob("*.csv")):
            with part.open(newline="") as file:
                rows += csv.DictReader(file)
        return iter(rows)


def group_commit(seconds: float) -> list[Row]:
    """Measure events a second on PostgreSQL through one server and through two, in turn, and what a commit serves."""
    taken: dict[int, list[Put]] = {1: [], 2: []}
    with machines(2) as made, TemporaryDirectory() as folder:
        requests = Path(folder) / "requests.json"
        calls = put_events.bodies(Shop(made).tracking_id)
        requests.write_text(json.dumps(jobs.signed_posts(made, "/events", calls)))
        for number in (1, 2) * ROUNDS:
            taken[number].append(put(made, number, seconds, requests))
    one, two = (Put(*(median(values) for values in zip(*taken[number], strict=True))) for number in (1, 2))
    return [
        Row(
            f"PutEvents on PostgreSQL, {put_events.EVENTS} events a call, {describe.CONNECTIONS} clients, 2 servers",
            two.words,
            f"1 server: {one.words}",
            f"{two.rate / one.rate:.2f} ×",
            "",
            None,
        )
    ]


class Put(NamedTuple):
    """Calls a second, the 99th percentile of one in seconds, and how many calls one commit served."""

    rate: float
    p99: float
    calls: float

    @property
    def words(self) -> str:
        """It in words."""
        events = self.rate * put_events.EVENTS
        return f"{events:,.0f} events/s, 99th percentile {self.p99 * 1000:.1f} ms, {self.calls:.1f} calls a commit"


def put(made: Machines, number: int, seconds: float, requests: Path) -> Put:
    """Put events through so many of the servers at once."""
    before = commits(made.database)
    with ThreadPoolExecutor(number) as pool:
        loads = [
            pool.submit(
                describe.measure,
                urlsplit(member.url).port or 0,
                seconds,
                requests,
                describe.CONNECTIONS // number,
            )
            for member in made.members[:number]
        ]
        found = [one.result() for one in loads]
    rate = sum(one["rate"] for one in found)
    made_commits = commits(made.database) - before
    calls = rate * (seconds + load.WARM_UP_SECONDS)
    return Put(rate, max(one["p99"] for one in found), calls / made_commits)


def commits(database: str) -> int:
    """Return how often events were committed: each commit takes numbers once."""
    url = sa.make_url(database).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    time.sleep(STATISTICS_SECONDS)
    with engine.connect() as connection:
        query = "SELECT n_tup_ins + n_tup_upd FROM pg_stat_user_tables WHERE relname = 'put_number'"
        return int(connection.exec_driver_sql(query).scalar_one())
