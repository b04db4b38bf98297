"""A recommender is trained anew every week in place: from the next request on it answers from what there is now."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.conftest import ACCOUNT, REGION, Caller, Files, Service, make_tools
from contract.test_lifecycle_of_recommenders import MOST_VIEWED, create, domain_group
from sartor.data.blobs import FolderBlobs
from sartor.data.put import Row
from sartor.errors import Stopped
from sartor.realtime.deployments import Deployments
from sartor.realtime.filtering import Filters
from sartor.realtime.recommend import Recommender
from sartor.resources import lifecycle
from sartor.resources.recommenders import DAY_SECONDS, PERIOD_SECONDS
from sartor.resources.records import Means
from sartor.resources.schedule import due_models
from sartor.resources.store import Store
from sartor.work import jobs, old_models
from sartor.work.tools import Tools

CALLER: Any = Caller(ACCOUNT, REGION)


class House:
    """A control plane, a worker and what answers, in one process with a clock that stands."""

    def __init__(self, folder: Path) -> None:
        self.store = Store.open(f"sqlite:///{folder / 's.db'}")
        self.storage = FolderBlobs(folder / "storage")
        scratch = folder / "scratch"
        scratch.mkdir()
        self.now = 1.7e9
        files: Any = Files()
        self.service: Any = Service(self.store, files, quotas_on=False, clock=lambda: self.now)
        self.tools: Tools = make_tools(
            self.store,
            self.storage,
            scratch,
            quotas_on=False,
            sequence_on=False,
            threads=1,
            progress=lambda _done: None,
            stop=lambda: False,
        )
        deployments = Deployments(Means(self.store, self.storage, scratch, 10**8))
        self.recommender = Recommender(deployments, Filters(self.store))
        self.group = domain_group(self.service)
        self.dataset = self.store.get(self.group.replace(":dataset-group/", ":dataset/") + "/INTERACTIONS")

    def view(self, item: str, users: int) -> None:
        """Let users view an item."""
        assert self.dataset is not None
        cells = {"ITEM_ID": item, "TIMESTAMP": 1, "EVENT_TYPE": "View"}
        rows = [Row(f"u{number}", {"USER_ID": f"u{number}", **cells}) for number in range(users)]
        self.store.put_records.put(self.dataset.seq, rows).result()

    def work(self) -> lifecycle.Task:
        """Do the one training that is owed."""
        task = lifecycle.claim(self.store, "w", ("training",), time.time(), 60.0)
        assert task is not None
        assert lifecycle.finish(self.store, task, jobs.TABLE[task.kind, task.verb](task, self.tools))
        return task

    def best(self, arn: str) -> str:
        asked = {"recommenderArn": arn, "userId": "anybody", "numResults": 1}
        answer = json.loads(self.recommender.get_recommendations(CALLER, asked))
        return str(answer["itemList"][0]["itemId"])

    def models(self) -> int:
        return sum(path.endswith("/model.json") for path, _ in self.storage.list(""))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    opened = House(tmp_path)
    yield opened
    opened.store.close()


def test_a_week_later_it_answers_from_what_there_is_then(house: House) -> None:
    house.view("old", 9)
    house.view("rare", 2)
    arn = create(house.service, house.group, recipe=MOST_VIEWED)
    assert house.work().verb == "create"
    metrics = house.service.described("Recommender", arn)["modelMetrics"]
    assert house.best(arn) == "old"
    house.view("new", 40)
    for number in range(8):
        house.view(f"other-{number}", 30)
    house.now += PERIOD_SECONDS + 60
    assert due_models(house.store, house.now) == [arn]
    assert house.best(arn) == "old"
    assert house.work().verb == "train"
    shown = house.service.described("Recommender", arn)
    assert (shown["status"], "latestRecommenderUpdate" in shown) == ("ACTIVE", False)
    assert shown["modelMetrics"] != metrics
    assert house.best(arn) == "new"
    assert due_models(house.store, house.now + 6 * DAY_SECONDS) == []
    assert house.models() == 2
    old_models.sweep(house.tools)
    assert house.models() == 1
    assert house.best(arn) == "new"


def test_a_training_that_is_deleted_with_its_recommender_leaves_nothing(house: House) -> None:
    house.view("old", 9)
    arn = create(house.service, house.group, recipe=MOST_VIEWED)
    house.work()
    house.now += PERIOD_SECONDS
    assert due_models(house.store, house.now) == [arn]
    task = lifecycle.claim(house.store, "w", ("training",), time.time(), 60.0)
    assert task is not None
    house.service("DeleteRecommender", recommenderArn=arn)
    with pytest.raises(Stopped):
        jobs.TABLE[task.kind, task.verb](task, house.tools)
    deletion = lifecycle.claim(house.store, "w", ("quick",), time.time(), 60.0)
    assert deletion is not None
    jobs.TABLE[deletion.kind, deletion.verb](deletion, house.tools)
    assert not [path for path, _ in house.storage.list("") if "/recommenders/" in path]
