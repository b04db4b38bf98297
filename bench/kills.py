"""Outcomes of everything that changes data while its processes are killed and paused at random moments.

Five lives go on side by side: events are put, files imported, events exported, users deleted, models trained. Each
looks through the public door at what it did, and knows by itself what must be there.
"""

import csv
import itertools
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from bench import inputs
from bench.chaos import Chaos, chaos
from bench.table import Row

KILLS, QUICK_KILLS = 500, 15
RAY_KILLS, QUICK_RAY_KILLS = 100, 6
ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/bench"
SCHEMA = (
    '{"type": "record", "name": "Interactions", "namespace": "com.amazonaws.personalize.schema", "fields": ['
    '{"name": "USER_ID", "type": "string"}, {"name": "ITEM_ID", "type": "string"}, '
    '{"name": "TIMESTAMP", "type": "long"}], "version": "1.0"}'
)
#: A call is made again for so long while the server is away; a job that has not ended after so long hangs.
AWAY_SECONDS, HANGS_SECONDS = 90.0, 240.0
#: A job whose every attempt was killed may say so; then nothing may have changed.
GIVEN_UP = "Internal error. The work was begun"
#: What is wrong so often is wrong always.
ENOUGH = 20
#: The number of the last export, when nothing is killed any more.
END = 10**9
#: What lies in the folder of an export already; there is a row in it for whoever reads it.
PRECIOUS = "USER_ID,ITEM_ID,TIMESTAMP\n"
#: The events of one time would be one interaction.
SENT_FROM = 1_700_000_000
_AGAIN = frozenset(
    {"InternalFailure", "ServiceUnavailable", "ServiceUnavailableException", "ThrottlingException"}
)

Rows = Counter[tuple[str, str, str]]


class Wrong(Exception):  # noqa: N818 - an outcome, not an error of ours
    """Something is not as it must be."""


def run(quick: bool) -> list[Row]:
    kills = QUICK_KILLS if quick else KILLS
    return outcomes(Chaos, kills, all_lives, "kills and pauses of workers and servers")


def run_on_ray(quick: bool) -> list[Row]:
    from bench.ray_chaos import RayChaos  # Ray is not always there

    kills = QUICK_RAY_KILLS if quick else RAY_KILLS
    return outcomes(RayChaos, kills, lives_on_ray, "kills of nodes, drivers, workers and heads of Ray")


def all_lives(door: "Door") -> "list[Life]":
    events = Events(door)
    return [events, Exports(door, events), Imports(door), Deletions(door), Trainings(door)]


def lives_on_ray(door: "Door") -> "list[Life]":
    """Return those whose work runs on the cluster; puts of events would take all the time of a small machine."""
    return [Imports(door), Deletions(door), Trainings(door)]


def outcomes(sort: type[Chaos], kills: int, lives_of: "Callable[[Door], list[Life]]", what: str) -> list[Row]:
    """Let the lives go on while so much is killed, and return what was wrong."""
    with (
        TemporaryDirectory(dir=inputs.folder()) as kept,
        TemporaryDirectory(dir=inputs.folder()) as shop,
        chaos(Path(kept), {"shop": Path(shop)}, sort) as processes,
    ):
        door = Door(processes, Path(shop))
        lives = lives_of(door)
        over = threading.Event()
        threads = [threading.Thread(target=life.live, args=(over,)) for life in lives]
        for thread in threads:
            thread.start()
        try:
            processes.run(kills)
        finally:
            over.set()
            for thread in threads:
                thread.join()
        for life in lives:
            if life.looks_at_the_end:
                life.look(END)
    wrong = [fault for life in lives for fault in life.wrong]
    for fault in wrong:
        print(f"wrong: {fault}", flush=True)
    return [
        Row(
            f"{what} over " + ", ".join(f"{life.done:,} {life.word}" for life in lives),
            ", ".join(f"{count} × {kill}" for kill, count in sorted(processes.kills.items())),
            f"{sum(life.given_up for life in lives)} jobs gave up after their last attempt and changed nothing",
            f"{len(wrong)} wrong outcomes",
            "0",
            not wrong and all(life.done for life in lives),
        )
    ]


class Door:
    """The service as a customer reaches it, again and again while it is away."""

    def __init__(self, processes: Chaos, bucket: Path) -> None:
        self.bucket = bucket
        self._words = processes.server.environment
        self._url = processes.server.url
        self.personalize = self.client("personalize")
        self.events = self.client("personalize-events")
        self.runtime = self.client("personalize-runtime")

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self._url,
            region_name=self._words["AWS_DEFAULT_REGION"],
            aws_access_key_id=self._words["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self._words["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=60),
        )

    @staticmethod
    def tried(call: Callable[[], Any]) -> Any:
        """Return what a call answers, once the server is there; a create whose answer was lost has been made."""
        deadline = time.monotonic() + AWAY_SECONDS
        while True:
            try:
                return call()
            except BotoCoreError as error:
                away: Exception = error
            except ClientError as error:
                if error.response["Error"]["Code"] not in _AGAIN:
                    raise
                away = error
            if time.monotonic() > deadline:
                raise Wrong(f"the server stayed away: {away}")
            time.sleep(0.2)

    def made(self, kind: str, name: str, call: Callable[[], Any]) -> str:
        """Create something once, whatever becomes of the answer, and return its ARN."""
        try:
            self.tried(call)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceAlreadyExistsException":
                raise
        return f"arn:aws:personalize:{self._words['AWS_DEFAULT_REGION']}:{ACCOUNT}:{kind}/{name}"

    def settled(self, describe: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return a resource at rest."""
        deadline = time.monotonic() + HANGS_SECONDS
        while True:
            found: dict[str, Any] = self.tried(describe)
            if found["status"] in ("ACTIVE", "COMPLETED") or found["status"].endswith("FAILED"):
                return found
            if time.monotonic() > deadline:
                raise Wrong(f"still {found}")
            time.sleep(0.1)

    def group(self, name: str) -> tuple[str, str]:
        """Make a group with an Interactions dataset; return both ARNs."""
        client = self.personalize
        group = self.made("dataset-group", name, lambda: client.create_dataset_group(name=name))
        self.settled(lambda: client.describe_dataset_group(datasetGroupArn=group)["datasetGroup"])
        schema = self.made("schema", name, lambda: client.create_schema(name=name, schema=SCHEMA))
        dataset = self.made(
            "dataset",
            f"{name}/INTERACTIONS",
            lambda: client.create_dataset(
                name=name, schemaArn=schema, datasetGroupArn=group, datasetType="Interactions"
            ),
        )
        self.settled(lambda: client.describe_dataset(datasetArn=dataset)["dataset"])
        return group, dataset

    def tracker(self, name: str, group: str) -> str:
        """Make the group's event tracker and return its tracking id."""
        client = self.personalize
        self.made("event-tracker", "-", lambda: client.create_event_tracker(name=name, datasetGroupArn=group))
        (found,) = self.tried(lambda: client.list_event_trackers(datasetGroupArn=group))["eventTrackers"]
        arn = found["eventTrackerArn"]
        tracker = self.settled(lambda: client.describe_event_tracker(eventTrackerArn=arn)["eventTracker"])
        return str(tracker["trackingId"])

    def imported(self, name: str, dataset: str, rows: Rows, mode: str) -> dict[str, Any]:
        """Import rows and return the job at rest."""
        lines = "".join(f"{','.join(row)}\n" for row in rows.elements())
        (self.bucket / f"{name}.csv").write_text("USER_ID,ITEM_ID,TIMESTAMP\n" + lines)
        client = self.personalize
        arn = self.made(
            "dataset-import-job",
            name,
            lambda: client.create_dataset_import_job(
                jobName=name,
                datasetArn=dataset,
                dataSource={"dataLocation": f"s3://shop/{name}.csv"},
                roleArn=ROLE,
                importMode=mode,
            ),
        )
        return self.settled(
            lambda: client.describe_dataset_import_job(datasetImportJobArn=arn)["datasetImportJob"]
        )

    def exported(self, name: str, dataset: str, mode: str) -> Rows | None:
        """Export a dataset and return its rows; ``None`` if every attempt was killed."""
        client = self.personalize
        arn = self.made(
            "dataset-export-job",
            name,
            lambda: client.create_dataset_export_job(
                jobName=name,
                datasetArn=dataset,
                roleArn=ROLE,
                ingestionMode=mode,
                jobOutput={"s3DataDestination": {"path": "s3://shop/exports/"}},
            ),
        )
        job = self.settled(
            lambda: client.describe_dataset_export_job(datasetExportJobArn=arn)["datasetExportJob"]
        )
        if GIVEN_UP in job.get("failureReason", ""):
            return None
        if job["status"] != "ACTIVE":
            raise Wrong(f"export {name}: {job['status']}, {job.get('failureReason')}")
        found: Rows = Counter()
        for part in sorted((self.bucket / "exports" / name).glob("*.csv")):
            with part.open(newline="") as file:
                found.update(
                    (row["USER_ID"], row["ITEM_ID"], row["TIMESTAMP"]) for row in csv.DictReader(file)
                )
        return found

    def put(self, tracking_id: str, user: str, rows: Rows) -> bool:
        """Put events once; return whether they were acknowledged."""
        events = [
            {"eventType": "click", "itemId": item, "sentAt": int(moment)}
            for _, item, moment in rows.elements()
        ]
        try:
            self.events.put_events(
                trackingId=tracking_id, userId=user, sessionId=f"session-{user}", eventList=events
            )
        except BotoCoreError:
            return False
        except ClientError as error:
            if error.response["Error"]["Code"] not in _AGAIN:
                raise
            return False
        return True


class Life(ABC):
    """Something that goes on until the kills are over.

    Attributes:
        word: what it does, in the plural.
        looks_at_the_end: whether it looks once more when nothing is killed any more.
        done: how many outcomes were looked at.
        given_up: how many jobs had every attempt killed.
        wrong: what was not as it must be.
    """

    word: str
    looks_at_the_end = False

    def __init__(self, door: Door) -> None:
        self.door = door
        self.done = 0
        self.given_up = 0
        self.wrong: list[str] = []

    def live(self, over: threading.Event) -> None:
        """Do it again and again; of what goes wrong all the time some is enough."""
        for number in itertools.count():
            if over.is_set() or len(self.wrong) == ENOUGH:
                return
            self.look(number)

    def look(self, number: int) -> None:
        """Do it once, and keep what was wrong."""
        try:
            self.once(number)
            self.done += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, it is an outcome to be counted
            self.wrong.append(f"{self.word} {number}: {error!r}"[:2000])

    @abstractmethod
    def once(self, number: int) -> None:
        """Do it once."""


def rows_of(user: str, count: int, first: int) -> Rows:
    """Return interactions of a user that no others are like."""
    return Counter((user, f"item-{n}", str(SENT_FROM + n)) for n in range(first, first + count))


class Events(Life):
    """Puts events.

    Attributes:
        dataset: where they go.
        sent: those that may be there.
        acknowledged: those that must be there.
    """

    word = "calls of PutEvents"
    each = 5

    def __init__(self, door: Door) -> None:
        super().__init__(door)
        group, self.dataset = door.group("events")
        self.tracking_id = door.tracker("events", group)
        self.sent: Rows = Counter()
        self.acknowledged: Rows = Counter()

    def once(self, number: int) -> None:
        user = f"user-{number % 500}"
        rows = rows_of(user, self.each, number * self.each)
        self.sent.update(rows)
        if self.door.put(self.tracking_id, user, rows):
            self.acknowledged.update(rows)
        else:
            time.sleep(0.1)
        time.sleep(0.005)


class Exports(Life):
    """Exports the events: all that were acknowledged before, none twice, none that nobody sent."""

    word = "exports"
    looks_at_the_end = True

    def __init__(self, door: Door, events: Events) -> None:
        super().__init__(door)
        self.events = events
        self.precious = door.bucket / "exports" / "export-3" / "precious.csv"
        self.precious.parent.mkdir(parents=True, exist_ok=True)
        self.precious.write_text(PRECIOUS)

    def once(self, number: int) -> None:
        before = Counter(self.events.acknowledged)
        found = self.door.exported(f"export-{number}", self.events.dataset, "PUT")
        if self.precious.read_text() != PRECIOUS:
            raise Wrong("a file that the export did not write was changed")
        if found is None:
            self.given_up += 1
            return
        missing, foreign = before - found, found - Counter(self.events.sent)
        twice = sum(count > 1 for count in found.values())
        if missing or foreign or twice:
            raise Wrong(f"{missing.total()} events missing, {foreign.total()} foreign, {twice} twice")


class Imports(Life):
    word = "imports"

    def __init__(self, door: Door) -> None:
        super().__init__(door)
        _, self.dataset = self.door.group("imports")
        self.expected: Rows = Counter()

    def once(self, number: int) -> None:
        mode = "INCREMENTAL" if number % 4 else "FULL"
        rows = rows_of(f"user-{number}", 2000, number * 2000)
        job = self.door.imported(f"import-{number}", self.dataset, rows, mode)
        if job["status"] == "ACTIVE":
            self.expected = rows if mode == "FULL" else self.expected + rows
        elif GIVEN_UP in job["failureReason"]:
            self.given_up += 1
        else:
            raise Wrong(f"import {number}: {job['status']}, {job['failureReason']}")
        found = self.door.exported(f"look-{number}", self.dataset, "BULK")
        if found is not None and found != self.expected:
            lost, more = self.expected - found, found - self.expected
            raise Wrong(f"after {mode} import {number}: {lost.total()} rows lost, {more.total()} too many")


class Deletions(Life):
    word = "deletions of users"

    def __init__(self, door: Door) -> None:
        super().__init__(door)
        self.group, self.dataset = self.door.group("deletions")
        self.tracking_id = self.door.tracker("deletions", self.group)
        self.numbers = itertools.count(1_000_000)
        self.expected: Rows = Counter()
        self.half_deleted: set[str] = set()
        for number in range(1000):
            self.expected += rows_of(f"doomed-{number}", 2, number * 2)
        self.door.imported("doomed", self.dataset, self.expected, "FULL")

    def once(self, number: int) -> None:
        doomed = f"doomed-{number}"
        for user in (doomed, "loyal"):
            rows = rows_of(user, 1, next(self.numbers))
            while not self.door.put(
                self.tracking_id, user, rows
            ):  # what was lost may be there all the same, once
                time.sleep(0.1)
            self.expected += rows
        (self.door.bucket / f"{doomed}.csv").write_text(f"USER_ID\n{doomed}\n")
        client = self.door.personalize
        arn = self.door.made(
            "data-deletion-job",
            doomed,
            lambda: client.create_data_deletion_job(
                jobName=doomed,
                datasetGroupArn=self.group,
                dataSource={"dataLocation": f"s3://shop/{doomed}.csv"},
                roleArn=ROLE,
            ),
        )
        job = self.door.settled(
            lambda: client.describe_data_deletion_job(dataDeletionJobArn=arn)["dataDeletionJob"]
        )
        if GIVEN_UP in job.get("failureReason", ""):
            self.given_up += 1
            self.half_deleted.add(doomed)
        elif job["status"] != "COMPLETED" or job["numDeleted"] != 1:
            raise Wrong(
                f"deletion {number}: {job['status']}, {job.get('numDeleted')}, {job.get('failureReason')}"
            )
        self.expected = self._without(self.expected, {doomed})
        found = self.door.exported(f"left-{number}", self.dataset, "ALL")
        if found is None:
            return
        found = self._without(found, self.half_deleted)  # whatever those jobs had begun is no loss of others
        if set(found) != set(self.expected):
            lost, more = set(self.expected) - set(found), set(found) - set(self.expected)
            raise Wrong(
                f"after deletion {number}: {len(lost)} rows lost, {len(more)} too many: {list(more)[:3]}"
            )

    @staticmethod
    def _without(rows: Rows, users: set[str]) -> Rows:
        return Counter({row: n for row, n in rows.items() if row[0] not in users})


class Trainings(Life):
    word = "trainings"

    def __init__(self, door: Door) -> None:
        super().__init__(door)
        group, dataset = self.door.group("trainings")
        # item k is liked by ever fewer users
        rows: Rows = Counter(
            (f"user-{user}", f"item-{item}", str(SENT_FROM + user * 50 + item))
            for user in range(200)
            for item in range(50)
            if user < 200 - 3 * item
        )
        self.door.imported("liked", dataset, rows, "FULL")
        client = self.door.personalize
        self.solution = self.door.made(
            "solution",
            "popular",
            lambda: client.create_solution(
                name="popular",
                datasetGroupArn=group,
                recipeArn="arn:aws:personalize:::recipe/aws-popularity-count",
                performAutoTraining=False,
            ),
        )
        self.door.settled(lambda: client.describe_solution(solutionArn=self.solution)["solution"])
        self.campaign = ""

    def once(self, number: int) -> None:
        client, door = self.door.personalize, self.door
        arn = door.tried(lambda: client.create_solution_version(solutionArn=self.solution))[
            "solutionVersionArn"
        ]
        version = door.settled(
            lambda: client.describe_solution_version(solutionVersionArn=arn)["solutionVersion"]
        )
        if GIVEN_UP in version.get("failureReason", ""):
            self.given_up += 1
            return
        if version["status"] != "ACTIVE":
            raise Wrong(f"training {number}: {version['status']}, {version.get('failureReason')}")
        if not door.tried(lambda: client.get_solution_metrics(solutionVersionArn=arn))["metrics"]:
            raise Wrong(f"training {number} has no metrics")
        self._deploy(arn)
        answer = door.tried(
            lambda: door.runtime.get_recommendations(campaignArn=self.campaign, userId="nobody", numResults=5)
        )
        items = [one["itemId"] for one in answer["itemList"]]
        if items != [f"item-{n}" for n in range(5)]:
            raise Wrong(f"training {number} recommends {items}")

    def _deploy(self, version: str) -> None:
        client, door = self.door.personalize, self.door
        if not self.campaign:
            self.campaign = door.made(
                "campaign",
                "popular",
                lambda: client.create_campaign(name="popular", solutionVersionArn=version),
            )
        else:
            door.tried(lambda: client.update_campaign(campaignArn=self.campaign, solutionVersionArn=version))
        deadline = time.monotonic() + HANGS_SECONDS
        while True:
            campaign = door.tried(lambda: client.describe_campaign(campaignArn=self.campaign))["campaign"]
            update = campaign.get("latestCampaignUpdate", campaign)
            if campaign["status"] == "ACTIVE" and update["status"] == "ACTIVE":
                return
            if "FAILED" in campaign["status"] + update["status"] or time.monotonic() > deadline:
                raise Wrong(f"deployment: {campaign}")
            time.sleep(0.1)
