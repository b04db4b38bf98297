"""Backups of a server that goes on taking events and imports; what is brought back answers as it did."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.conftest import Client
from api.schemas import schema
from sartor.demo.server import Server

INTERACTIONS = schema("Interactions", ("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"))
RECIPE = "arn:aws:personalize:::recipe/aws-sims"
ITEMS, USERS = 20, 60
HEAD = "USER_ID,ITEM_ID,TIMESTAMP\n"
AT = 1_700_000_000


class Busy:
    """Puts events, and imports, one after the other in two threads until it is told to end.

    Attributes:
        put: how many events were answered, the first is ``e0``.
        imported: how many imports ended well, the first brings ``b0``.
    """

    def __init__(self, client: Client, dataset: str, tracking_id: str) -> None:
        self.put = self.imported = 0
        self.faults: list[BaseException] = []
        self._client, self._dataset, self._tracking_id = client, dataset, tracking_id
        self._end = threading.Event()
        self._threads = [
            threading.Thread(target=self._until_end, args=(do,)) for do in (self._put, self._import)
        ]
        for thread in self._threads:
            thread.start()

    def _until_end(self, do: Callable[[], None]) -> None:
        try:
            while not self._end.is_set():
                do()
        except BaseException as error:  # noqa: BLE001 the test shows it
            self.faults.append(error)

    def _put(self) -> None:
        event = {"eventType": "watch", "itemId": f"e{self.put}", "sentAt": AT + self.put}
        self._client.events.put_events(
            trackingId=self._tracking_id, sessionId="s", userId="busy", eventList=[event]
        )
        self.put += 1

    def _import(self) -> None:
        line = f"bulk,b{self.imported},{AT + self.imported}\n"
        key = self._client.write(f"more/{self.imported}.csv", HEAD + line)
        assert self._client.imported(self._dataset, key, "INCREMENTAL")["status"] == "ACTIVE"
        self.imported += 1

    def end(self) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()
        assert self.faults == []


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Give a client of a server of one's own, which drains at once."""
    (tmp_path / "bucket").mkdir()
    monkeypatch.setenv("SARTOR_DRAIN_SECONDS", "0.1")
    with Server(tmp_path / "data", {"training": tmp_path / "bucket"}, ("--quotas", "off")) as server:
        yield Client(server, tmp_path / "bucket")


def command(*words: str | Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "sartor", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def done(*words: str | Path) -> str:
    process = command(*words)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    return said


def campaign_of(client: Client, dataset: str) -> str:
    """Return a campaign of similar items."""
    personalize = client.personalize
    solution = personalize.create_solution(
        name="similar", datasetGroupArn=client.group_of(dataset), recipeArn=RECIPE
    )["solutionArn"]
    version = personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    found = client.until(
        lambda: personalize.describe_solution_version(solutionVersionArn=version)["solutionVersion"]
    )
    assert found["status"] == "ACTIVE", found
    campaign = personalize.create_campaign(name="similar", solutionVersionArn=version)["campaignArn"]
    client.until(lambda: personalize.describe_campaign(campaignArn=campaign)["campaign"])
    return str(campaign)


def answers(client: Client, campaign: str) -> list[list[dict[str, Any]]]:
    runtime: Any = client.server.client("personalize-runtime")
    return [
        runtime.get_recommendations(campaignArn=campaign, itemId=f"i{item}", numResults=ITEMS)["itemList"]
        for item in range(ITEMS)
    ]


def exported(client: Client, dataset: str) -> list[tuple[str | None, ...]]:
    return sorted((row["USER_ID"], row["ITEM_ID"], row["TIMESTAMP"]) for row in client.exported(dataset))


def killed_in_the_middle(backup: Path, data: Path) -> None:
    """Begin a backup, and kill it once some files are there."""
    process = command("backup", backup, "--data", data)
    try:
        while process.poll() is None and not any((backup / "files").glob("*/*")):
            time.sleep(0.001)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert not (backup / "manifest.json").exists()


def test_a_backup_under_load_is_one_moment_and_what_is_brought_back_answers_the_same(
    client: Client, tmp_path: Path
) -> None:
    dataset = client.dataset(INTERACTIONS, "Interactions")
    lines = [
        f"u{user},i{(user * step) % ITEMS},{AT + step}" for user in range(USERS) for step in range(1, ITEMS)
    ]
    client.brought(dataset, "first", [HEAD.strip(), *lines])
    campaign = campaign_of(client, dataset)
    busy = Busy(client, dataset, client.tracker(dataset))
    data, backup = client.server.data, tmp_path / "backup"
    try:
        client.wait(lambda: bool(busy.faults) or (busy.put > 20 and busy.imported > 0))
        killed_in_the_middle(backup, data)
        put, imported = busy.put, busy.imported
        done("backup", backup, "--data", data)
        most_put, most_imported = busy.put + 1, busy.imported + 2  # one that was on its way at the end
    finally:
        busy.end()
    moment = tmp_path / "moment"
    assert "brought back and checked" in done("restore", backup, "--data", moment)
    with Server(moment, {"training": client.bucket}, ("--quotas", "off")) as server:
        back = Client(server, client.bucket)
        jobs = back.personalize.list_dataset_import_jobs(datasetArn=dataset)["datasetImportJobs"]
        assert all(
            back.until(lambda job=job: back.job(job["datasetImportJobArn"]))["status"] == "ACTIVE"
            for job in jobs
        )
        rows = exported(back, dataset)
        events = {item for user, item, _ in rows if user == "busy"}
        bulk = {item for user, item, _ in rows if user == "bulk"}
        assert put <= len(events) <= most_put
        assert events == {f"e{number}" for number in range(len(events))}
        assert imported <= len(bulk) <= most_imported
        assert bulk == {f"b{number}" for number in range(len(jobs) - 1)}
        assert set(rows) <= set(exported(client, dataset))
        assert len(rows) == len(set(lines)) + len(events) + len(bulk)
        assert answers(back, campaign) == answers(client, campaign)
    done("backup", backup, "--data", data)
    assert ": read" in done("backup", "--verify", backup)
