"""What calls put in, exports, deletions of users and schema updates survive SIGKILL at any step, exactly once."""

import csv
import itertools
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from deltalake import DeltaTable

from api.schemas import schema
from crash.dying_worker import STEPS
from crash.workers import Worker
from sartor.app import Backend, build_worker, open_backend
from sartor.data.dataset import DatasetRecords
from sartor.demo.server import Server
from sartor.resources.records import records_of
from sartor.settings import load

ROLE = "arn:aws:iam::000000000000:role/shop"
#: The lease of a worker that dies, on tasks and on drains: the next one has not long to wait.
QUICK_LEASE = {"SARTOR_LEASE_SECONDS": "0.5"}
AT_ONCE, NEVER = {"SARTOR_DRAIN_SECONDS": "0.01"}, {"SARTOR_DRAIN_SECONDS": "3600"}
INTERACTIONS = schema(
    "Interactions",
    ("USER_ID", "string"),
    ("ITEM_ID", "string"),
    ("TIMESTAMP", "long"),
    ("EVENT_TYPE", ["null", "string"]),
)
USERS = schema("Users", ("USER_ID", "string"), ("AGE", ["null", "int"]))
#: Rounds of the test that kills at random moments, and the clients of each.
KILLS, CLIENTS = 5, 4
#: A user, an item and a time.
Row = tuple[str, str, int]


def moments(job: str) -> list[Any]:
    """Return each step of a job before which the worker dies, and its last one after which it does.

    The moment after a step is the moment before the next: nothing else is written between them.
    """
    return [
        *(pytest.param(step, "before", id=f"before {step}") for step in STEPS[job]),
        pytest.param("finish", "after", id="after finish"),
    ]


def both_moments(job: str) -> list[Any]:
    """Return each step of a job, before and after which the worker dies."""
    return [
        pytest.param(step, when, id=f"{when} {step}") for step in STEPS[job] for when in ("before", "after")
    ]


def wait_until(look: Callable[[], bool], what: str) -> None:
    """Return once it is so."""
    deadline = time.monotonic() + 30
    while not look():
        assert time.monotonic() < deadline, f"it never came to be: {what}"
        time.sleep(0.02)


class Reader:
    """Reads the records of a data folder from a process of its own, whether its server lives or not."""

    def __init__(self, data: Path, bucket: Path) -> None:
        flags = {"data": str(data), "bucket": (f"shop={bucket}",), "quotas": "off"}
        self.backend: Backend = open_backend(load(flags, AT_ONCE))

    def records(self, dataset: str) -> DatasetRecords:
        resource = self.backend.store.get(dataset)
        assert resource is not None
        return records_of(resource, self.backend.means)

    def rows(self, dataset: str, columns: str) -> set[tuple[Any, ...]]:
        """Return what a reader sees, all of it different; rows that are stored twice are an error."""
        records = self.records(dataset)
        with records.connection() as connection, records.shown(connection) as shown:
            rows = connection.execute(f"SELECT {columns} FROM data").fetchall()
        assert len(rows) == shown.facts.rows, "a row is stored twice"
        assert len(set(rows)) == len(rows)
        return set(rows)

    def interactions(self, dataset: str) -> set[Row]:
        return {
            (str(user), str(item), int(at)) for user, item, at in self.rows(dataset, "* EXCLUDE EVENT_TYPE")
        }

    def close(self) -> None:
        self.backend.close()


class Shop:
    """A server without workers, a group with three datasets and a tracker, and what must be in them.

    Attributes:
        expected: the interactions.
        watched: how many of them the metric counts.
    """

    def __init__(self, folder: Path) -> None:
        self.bucket = folder / "bucket"
        self.bucket.mkdir()
        self.data = folder / "data"
        self.server = Server(self.data, {"shop": self.bucket}, ("--workers", "0", "--quotas", "off"))
        self.client: Any = self.server.client()
        self.events: Any = self.server.client("personalize-events")
        self.reader = Reader(self.data, self.bucket)
        self.numbers = itertools.count()
        self.began = int(time.time()) - 100_000
        self.expected: set[Row] = set()
        self.watched = 0
        with self.working():
            self._create()
        self._fill()

    def _create(self) -> None:
        client = self.client
        self.group = str(client.create_dataset_group(name="shop")["datasetGroupArn"])
        self.settle(lambda: client.describe_dataset_group(datasetGroupArn=self.group)["datasetGroup"])
        self.interactions = self._dataset("Interactions", INTERACTIONS)
        self.users = self._dataset("Users", USERS)
        self.items = self._dataset("Items", items_schema(0))
        tracker = client.create_event_tracker(name="shop", datasetGroupArn=self.group)
        self.tracking_id = str(tracker["trackingId"])
        arn = tracker["eventTrackerArn"]
        self.settle(lambda: client.describe_event_tracker(eventTrackerArn=arn)["eventTracker"])
        metric = client.create_metric_attribution(
            name="shop",
            datasetGroupArn=self.group,
            metrics=[{"eventType": "watch", "metricName": "watches", "expression": "SAMPLECOUNT()"}],
            metricsOutputConfig={"roleArn": ROLE},
        )["metricAttributionArn"]
        self.settle(
            lambda: client.describe_metric_attribution(metricAttributionArn=metric)["metricAttribution"]
        )
        rows = [self.row("loyal-0") for _ in range(5000)]
        rows += [self.row(f"doomed-{number}") for number in range(2 * len(STEPS["deletion"]))]
        lines = "".join(f"{user},{item},{at},\n" for user, item, at in rows)
        self._import(self.interactions, "interactions.csv", "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\n" + lines)
        self.expected.update(rows)
        self._import(self.items, "items.csv", "ITEM_ID,GENRE\n" + "".join(f"item-{n},a\n" for n in range(50)))
        self.shelf = {f"item-{number}" for number in range(50)}

    def _fill(self) -> None:
        """Drain again and again, so that the drains of the tests have parts to merge."""
        for _ in range(15):
            self.put("loyal-1")
            self.drain(self.interactions)

    def _dataset(self, dataset_type: str, content: dict[str, Any]) -> str:
        of_schema = self.client.create_schema(name=dataset_type, schema=json.dumps(content))["schemaArn"]
        arn = self.client.create_dataset(
            name=dataset_type, schemaArn=of_schema, datasetGroupArn=self.group, datasetType=dataset_type
        )["datasetArn"]
        self.settle(lambda: self.describe(arn))
        return str(arn)

    def _import(self, dataset: str, key: str, content: str) -> None:
        (self.bucket / key).write_text(content)
        arn = self.client.create_dataset_import_job(
            jobName=key.partition(".")[0],
            datasetArn=dataset,
            dataSource={"dataLocation": f"s3://shop/{key}"},
            roleArn=ROLE,
            importMode="FULL",
        )["datasetImportJobArn"]
        self.settle(
            lambda: self.client.describe_dataset_import_job(datasetImportJobArn=arn)["datasetImportJob"]
        )

    def describe(self, dataset: str) -> dict[str, Any]:
        return dict(self.client.describe_dataset(datasetArn=dataset)["dataset"])

    def row(self, user: str) -> Row:
        """Return an interaction that no other is like."""
        number = next(self.numbers)
        return user, f"item-{number}", self.began + number

    def put(self, user: str, count: int = 1, event_type: str = "click", anonymous: int = 0) -> None:
        """Put events of a user; so many of them before he signs in."""
        rows = [self.row(user) for _ in range(anonymous + count)]
        for some, who in ((rows[:anonymous], {}), (rows[anonymous:], {"userId": user})):
            if some:
                self.events.put_events(
                    trackingId=self.tracking_id,
                    sessionId=f"session-{user}",
                    eventList=[
                        {"eventType": event_type, "itemId": item, "sentAt": at} for _, item, at in some
                    ],
                    **who,
                )
        self.expected.update(rows)
        self.watched += len(rows) * (event_type == "watch")

    def drain(self, dataset: str) -> None:
        self.reader.records(dataset).drain()

    def settle(self, describe: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return a resource once it has come to rest, well."""
        wait_until(lambda: describe()["status"] in ("ACTIVE", "COMPLETED"), "a status at rest")
        return describe()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Run a worker that does not die."""
        stopping = threading.Event()
        thread = threading.Thread(target=build_worker(self.reader.backend, stopping).run)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()

    def dying(self, job: str, step: str, when: str, drains: dict[str, str]) -> Worker:
        """Start a worker that dies at this step."""
        options = ("--data", str(self.data), "--bucket", f"shop={self.bucket}", "--quotas", "off")
        return Worker(options, (job, step, when), {**QUICK_LEASE, **drains})

    def die_at(self, job: str, step: str, when: str) -> None:
        worker = self.dying(job, step, when, NEVER)
        try:
            assert worker.wait(30) == -signal.SIGKILL
        finally:
            worker.kill()

    def check(self) -> None:
        """A reader sees exactly the interactions that must be there."""
        assert self.reader.interactions(self.interactions) == self.expected

    def close(self) -> None:
        self.reader.close()
        self.server.stop()


def items_schema(extra: int) -> dict[str, Any]:
    """Return a schema of items with so many columns more."""
    more = [(f"EXTRA_{number}", ["null", "string"]) for number in range(extra)]
    genre = {"categorical": True}
    return schema("Items", ("ITEM_ID", "string"), ("GENRE", ["null", "string"]), *more, GENRE=genre)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = Shop(tmp_path_factory.mktemp("shop"))
    yield shop
    shop.close()


@pytest.mark.parametrize(("step", "when"), both_moments("drain"))
def test_records_are_there_once_at_every_moment_of_a_drain_that_is_killed(
    shop: Shop, step: str, when: str
) -> None:
    shop.put("loyal-2", 7, "watch")
    shop.put("loyal-3", 2, "watch", anonymous=2)
    worker = shop.dying("drain", step, when, AT_ONCE)
    while worker.poll() is None:
        shop.check()
    assert worker.poll() == -signal.SIGKILL
    shop.check()
    records = shop.reader.records(shop.interactions)
    with shop.working():
        wait_until(
            lambda: (shop.check(), records.drained())[1] == records.put.newest(records.number),
            "the next worker drains",
        )
    shop.check()
    assert sum(total for *_, total in shop.reader.backend.store.samples.totals()) == shop.watched


@pytest.mark.parametrize(("step", "when"), both_moments("export"))
def test_an_export_whose_worker_is_killed_has_every_row_once_in_the_end(
    shop: Shop, step: str, when: str
) -> None:
    shop.put("loyal-2", 3)
    name = f"{when}-{step}".replace(" ", "-")
    arn = shop.client.create_dataset_export_job(
        jobName=name,
        datasetArn=shop.interactions,
        ingestionMode="ALL",
        roleArn=ROLE,
        jobOutput={"s3DataDestination": {"path": "s3://shop/exports/"}},
    )["datasetExportJobArn"]
    shop.die_at("export", step, when)
    with shop.working():
        shop.settle(
            lambda: shop.client.describe_dataset_export_job(datasetExportJobArn=arn)["datasetExportJob"]
        )
    rows = []
    for part in (shop.bucket / "exports" / name).iterdir():
        assert part.name.startswith("part-"), "nothing of the dead attempt is left"
        with part.open(newline="") as file:
            rows += [(row["USER_ID"], row["ITEM_ID"], int(row["TIMESTAMP"])) for row in csv.DictReader(file)]
    assert len(rows) == len(shop.expected)
    assert set(rows) == shop.expected


@pytest.mark.parametrize(("step", "when"), moments("deletion"))
def test_a_deletion_whose_worker_is_killed_deletes_all_of_its_users_and_nobody_else(
    shop: Shop, step: str, when: str
) -> None:
    number = list(STEPS["deletion"]).index(step) * 2 + (when == "after")
    doomed, newcomer = f"doomed-{number}", f"newcomer-{number}"
    shop.events.put_users(datasetArn=shop.users, users=[{"userId": doomed}])
    shop.put(doomed, 2, anonymous=1)
    shop.put("loyal-4", 2)
    shop.drain(shop.users)
    shop.drain(shop.interactions)
    shop.put(doomed, 2)
    shop.put(newcomer, 1, anonymous=1)
    (shop.bucket / f"{doomed}.csv").write_text(f"USER_ID\n{doomed}\n{newcomer}\nnobody\n")
    arn = shop.client.create_data_deletion_job(
        jobName=doomed,
        datasetGroupArn=shop.group,
        dataSource={"dataLocation": f"s3://shop/{doomed}.csv"},
        roleArn=ROLE,
    )["dataDeletionJobArn"]

    def job() -> dict[str, Any]:
        return dict(shop.client.describe_data_deletion_job(dataDeletionJobArn=arn)["dataDeletionJob"])

    shop.die_at("deletion", step, when)
    before = set(shop.expected)
    shop.put(doomed, 1)  # what is put after the call began stays
    later = shop.expected - before
    with shop.working():
        assert shop.settle(job)["numDeleted"] == 2
    shop.expected = {row for row in before if row[0] not in (doomed, newcomer)} | later
    shop.check()
    assert shop.reader.rows(shop.users, "USER_ID") == set()
    stored = stored_rows(shop, shop.interactions, "USER_ID, ITEM_ID")
    theirs = {row for row in stored if row[0] in (doomed, newcomer)}
    assert theirs <= {(user, item) for user, item, _ in later}, "no file of any version has more of them"
    assert stored_rows(shop, shop.users, "USER_ID").isdisjoint({(doomed,), (newcomer,)})


def stored_rows(shop: Shop, dataset: str, columns: str) -> set[tuple[Any, ...]]:
    """Return what is in any file of a dataset."""
    folder = shop.data / "storage" / shop.reader.records(dataset).folder
    files = [str(file) for file in folder.rglob("*.parquet") if file.parent.name != "_delta_log"]
    select = f"SELECT DISTINCT {columns} FROM read_parquet(?, union_by_name = true)"
    return set(duckdb.execute(select, [files]).fetchall()) if files else set()


@pytest.mark.parametrize(("step", "when"), both_moments("update"))
def test_a_schema_update_whose_worker_is_killed_ends_with_the_new_schema(
    shop: Shop, step: str, when: str
) -> None:
    number = list(STEPS["update"]).index(step) * 2 + (when == "after") + 1
    column = f"EXTRA_{number - 1}"
    drained, waiting, later = (f"{word}-{number}" for word in ("drained", "waiting", "later"))
    shop.events.put_items(datasetArn=shop.items, items=[{"itemId": drained}])
    shop.drain(shop.items)
    shop.events.put_items(datasetArn=shop.items, items=[{"itemId": waiting}])
    shop.shelf |= {drained, waiting}
    content = json.dumps(items_schema(number))
    of_schema = shop.client.create_schema(name=f"items-{number}", schema=content)["schemaArn"]
    shop.client.update_dataset(datasetArn=shop.items, schemaArn=of_schema)
    shop.die_at("update", step, when)
    assert {item for (item,) in shop.reader.rows(shop.items, "ITEM_ID")} == shop.shelf
    with shop.working():
        dataset = shop.settle(lambda: shop.describe(shop.items))
    assert dataset["schemaArn"] == of_schema
    assert dataset["latestDatasetUpdate"]["status"] == "ACTIVE"
    assert shop.reader.rows(shop.items, f'ITEM_ID, "{column}"') == {(item, None) for item in shop.shelf}
    folder = shop.data / "storage" / shop.reader.records(shop.items).folder
    for table in ("bulk", "put"):
        names = [field.name for field in DeltaTable(folder / table).schema().fields]
        assert names.count(column) == 1
    properties = json.dumps({f"extra{number - 1}": "new"})
    shop.events.put_items(datasetArn=shop.items, items=[{"itemId": later, "properties": properties}])
    shop.shelf.add(later)
    new = shop.reader.rows(shop.items, f'ITEM_ID, "{column}"')
    assert new == {(item, "new" if item == later else None) for item in shop.shelf}


def test_every_acknowledged_event_outlives_a_server_that_is_killed_with_all_its_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ({"SARTOR_DRAIN_SECONDS": "0.05"} | QUICK_LEASE).items():
        monkeypatch.setenv(name, value)
    data, bucket = tmp_path / "data", tmp_path / "bucket"
    bucket.mkdir()
    numbers = itertools.count()
    acknowledged: list[int] = []
    dataset = tracking_id = ""
    for _ in range(KILLS):
        with Server(data, {"shop": bucket}, ("--quotas", "off")) as server:
            if not dataset:
                dataset, tracking_id = tracked_dataset(server)
            before = len(acknowledged)
            put_until_killed(server, tracking_id, numbers, acknowledged)
        assert len(acknowledged) > before
        reader = Reader(data, bucket)
        found = {item for _, item, _ in reader.interactions(dataset)}
        reader.close()
        assert found.issuperset(f"item-{number}" for number in acknowledged)
    with Server(data, {"shop": bucket}, ("--quotas", "off")):
        reader = Reader(data, bucket)
        records = reader.records(dataset)
        wait_until(lambda: records.drained() == records.put.newest(records.number), "all is drained")
        assert {item for _, item, _ in reader.interactions(dataset)} == found
        reader.close()


def tracked_dataset(server: Server) -> tuple[str, str]:
    """Return a dataset of interactions and its tracking id."""
    client: Any = server.client()

    def active(describe: Callable[[], dict[str, Any]]) -> None:
        wait_until(lambda: describe()["status"] == "ACTIVE", "ACTIVE")

    group = client.create_dataset_group(name="shop")["datasetGroupArn"]
    active(lambda: client.describe_dataset_group(datasetGroupArn=group)["datasetGroup"])
    of_schema = client.create_schema(name="shop", schema=json.dumps(INTERACTIONS))["schemaArn"]
    dataset = client.create_dataset(
        name="shop", schemaArn=of_schema, datasetGroupArn=group, datasetType="Interactions"
    )["datasetArn"]
    active(lambda: client.describe_dataset(datasetArn=dataset)["dataset"])
    tracker = client.create_event_tracker(name="shop", datasetGroupArn=group)
    arn = tracker["eventTrackerArn"]
    active(lambda: client.describe_event_tracker(eventTrackerArn=arn)["eventTracker"])
    return str(dataset), str(tracker["trackingId"])


def put_until_killed(
    server: Server, tracking_id: str, numbers: Iterator[int], acknowledged: list[int]
) -> None:
    """Let several clients put events, and kill the server and its workers at a random moment."""
    words = server.environment
    client = boto3.client(
        "personalize-events",
        endpoint_url=server.url,
        region_name=words["AWS_DEFAULT_REGION"],
        aws_access_key_id=words["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=words["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=CLIENTS),
    )

    def put() -> None:
        while True:
            mine = list(itertools.islice(numbers, 3))
            try:
                client.put_events(
                    trackingId=tracking_id,
                    userId=f"user-{mine[0] % 100}",
                    sessionId=f"session-{mine[0]}",
                    eventList=[
                        {"eventType": "click", "itemId": f"item-{n}", "sentAt": 1_700_000_000 + n}
                        for n in mine
                    ],
                )
            except BotoCoreError:
                return
            acknowledged.extend(mine)

    begun = len(acknowledged)
    with ThreadPoolExecutor(CLIENTS) as pool:
        putting = [pool.submit(put) for _ in range(CLIENTS)]
        try:
            wait_until(lambda: len(acknowledged) > begun, "the first answer")
            time.sleep(random.uniform(0.0, 1.0))
        finally:
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait()
    for one in putting:
        one.result()
