"""A user who is deleted while a version is trained is in no state of what it stores of users."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from sartor.compute.here import Here
from sartor.data.blobs import FolderBlobs
from sartor.data.ids import Ids
from sartor.data.training import TrainingRows
from sartor.errors import Stopped
from sartor.models.base import Float32, Histories, Model
from sartor.realtime import artifact, served_users
from sartor.resources import lifecycle
from sartor.resources.lifecycle import Task
from sartor.resources.store import Resource, Store
from sartor.work.forget_users import forget_users
from sartor.work.tools import Tools
from sartor.work.trained_users import COMING, FORGOTTEN, USERS, TrainedUsers, attempt_folder

ARN = "arn:aws:personalize:us-east-1:000000000000"
GROUP, SOLUTION, VERSION = f"{ARN}:dataset-group/g", f"{ARN}:solution/s", f"{ARN}:solution/s/1"
JOB = f"{ARN}:data-deletion-job/d"


def rows(*users: str) -> TrainingRows:
    """Return two interactions of each user with items 0 and 1, and an item of his own."""
    n = len(users)
    offsets = np.arange(n + 1, dtype=np.int64) * 2
    item = np.stack([np.arange(n), np.arange(n) + 10], axis=1).reshape(-1).astype(np.int32)
    times = np.arange(2 * n, dtype=np.int64)
    nothing = np.zeros(0, np.int32)
    return TrainingRows(
        Ids.of(users),
        Ids.of([f"i{number}" for number in range(20)]),
        offsets,
        item,
        times,
        np.ones(2 * n, np.float32),
        offsets,
        item,
        np.zeros(2 * n, np.int16),
        times,
        ("",),
        nothing,
        np.zeros(21, np.int64),
        (),
    )


@dataclass
class Remembering:
    """A model whose state of a history is its first item; something may happen while it computes."""

    meanwhile: Callable[[], None] = lambda: None
    asked: list[int] = field(default_factory=list)

    def states(self, histories: Histories, _keep_on: Callable[[], None]) -> Float32:
        self.meanwhile()
        self.asked.append(histories.n_users)
        return histories.items[histories.offsets[:-1]].astype(np.float32)[:, None]


@dataclass
class Training:
    """A training whose task is claimed."""

    store: Store
    storage: FolderBlobs
    tools: Tools
    task: Task
    scratch: Path

    def users(self) -> TrainedUsers:
        self.scratch.mkdir(exist_ok=True)
        return self.users_of(self.task)

    def users_of(self, task: Task) -> TrainedUsers:
        folder = attempt_folder(task.resource, task.id, task.attempt)
        return TrainedUsers(task, folder, self.tools, self.scratch)

    def delete(self, *names: str) -> list[dict[str, Any]]:
        return forget_users(cast("Task", _Job(self.task.resource)), names, self.tools)

    def stored(self) -> tuple[list[str], list[float] | None]:
        """Return whose histories are stored, and their states; each has his own items."""
        version = self.store.get(VERSION)
        assert version is not None
        place = version.private.get(COMING[USERS]) or artifact.place_of(version.private).users
        names, arrays, (states, _) = served_users.read(self.storage, place)
        for number, name in enumerate(names.names()):
            begin, end = arrays["offsets"][number : number + 2]
            own = "abcdefgh".index(name)
            assert arrays["item"][begin:end].tolist() == [own, own + 10]
            assert names.find(name) == number
        folders = {path.rpartition("/")[0] for path, _ in self.storage.list("v")}
        assert folders == {place}, "other states are gone"
        return names.names(), None if states is None else states[:, 0].tolist()


class _Job:
    """A deletion job as its work sees it."""

    def __init__(self, version: Resource) -> None:
        self.arn = JOB
        self.resource = Resource(
            JOB, "data-deletion-job", version.account, version.region, "d", "IN_PROGRESS",
            {"datasetGroupArn": GROUP}, {}, 1.0, 1.0,
        )  # fmt: skip


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Training]:
    store = Store.open(f"sqlite:///{tmp_path / 's.db'}")
    storage = FolderBlobs(tmp_path / "storage")

    def resource(arn: str, kind: str, body: dict[str, Any], private: dict[str, Any]) -> Resource:
        return Resource(arn, kind, "000000000000", "us-east-1", "x", "ACTIVE", body, private, 1.0, 1.0)

    of_group = {"datasetGroupArn": GROUP}
    with store.write() as transaction:
        transaction.add(resource(GROUP, "dataset-group", {}, {}))
        transaction.add(resource(SOLUTION, "solution", of_group, {}), (GROUP,))
        transaction.add(
            resource(VERSION, "solution-version", {**of_group, "solutionArn": SOLUTION}, {"folder": "v"}),
            (SOLUTION,),
        )
        transaction.add_task(VERSION, "solution-version", "create", "training")
    task = lifecycle.claim(store, "worker", ["training"], time.time(), 1000.0)
    assert task is not None
    (tmp_path / "queries").mkdir()
    means = {
        "sources": None,
        "memory_bytes": 0,
        "lease_seconds": 9.0,
        "drain_seconds": 9.0,
        "history_days": 1.0,
    }
    means |= {"quotas_on": False, "sequence_on": False, "threads": 1, "bad_cells": 0.0}
    known = {name: value for name, value in means.items() if name in Tools.__dataclass_fields__}
    tools = Tools(
        store=store,
        storage=storage,
        scratch=tmp_path / "queries",
        compute=Here(),
        again=lambda: tools,
        progress=lambda _done: None,
        stop=lambda: False,
        **cast("Any", known),
    )
    yield Training(store, storage, tools, task, tmp_path / "scratch")
    store.close()


def test_users_are_stored_with_their_states(training: Training) -> None:
    users = training.users()
    assert users.reading(lambda: (rows(*"abc"), {}))[0].users.names() == ["a", "b", "c"]
    assert training.stored() == (["a", "b", "c"], None)
    users.keep_computed(cast("Model", Remembering()), None, lambda: None)
    assert training.stored() == (["a", "b", "c"], [0.0, 1.0, 2.0])


def test_who_is_deleted_while_the_data_is_read_makes_it_read_again(training: Training) -> None:
    reads: list[TrainingRows] = []

    def read() -> tuple[TrainingRows, dict[str, dict[str, int]]]:
        if not reads:
            reads.append(rows(*"abc"))
            assert training.delete("b") == []
        else:
            reads.append(rows("a"))
        return reads[-1], {}

    training.users().reading(read)
    assert len(reads) == 2
    assert training.stored() == (["a"], None)


def test_who_is_deleted_while_the_model_is_fitted_or_its_states_are_computed_is_not_served(
    training: Training,
) -> None:
    users = training.users()
    users.reading(lambda: (rows(*"abcdef"), {}))
    assert training.delete("b", "nobody", "f") == [{"solutionVersionArn": VERSION, "users": 2}]
    assert training.stored() == (["a", "c", "d", "e"], None)
    victims = iter("c")

    def meanwhile() -> None:
        for victim in victims:
            assert training.delete(victim) == [{"solutionVersionArn": VERSION, "users": 3}]

    model = Remembering(meanwhile)
    users.keep_computed(cast("Model", model), None, lambda: None)
    assert model.asked == [4, 3]
    assert training.stored() == (["a", "d", "e"], [0.0, 3.0, 4.0])
    version = training.store.get(VERSION)
    assert version is not None
    forgotten = [{"job": JOB, "users": 2}, {"job": JOB, "users": 1}]
    assert version.private[COMING[FORGOTTEN]] == forgotten
    outcome = lifecycle.Outcome({}, {"artifact": "v/1-1"}, also=users.take_over)
    assert lifecycle.finish(training.store, training.task, outcome)
    before = training.store.get(VERSION)
    assert training.delete("a", "d", "e") == [{"solutionVersionArn": VERSION, "users": 6}]
    assert training.stored() == ([], None)
    after = training.store.get(VERSION)
    assert before is not None
    assert before.private[FORGOTTEN] == forgotten
    assert after is not None
    assert after.updated_at > before.updated_at, "every process loads it anew"


def test_what_an_attempt_that_died_stored_is_gone_once_the_next_has_read(training: Training) -> None:
    training.users().reading(lambda: (rows(*"abc"), {}))
    with training.store.write() as transaction:
        transaction.renew_task(training.task.id, training.task.worker, training.task.attempt, 0.0, None)
    again = lifecycle.claim(training.store, "another", ["training"], time.time(), 1000.0)
    assert again is not None
    assert again.attempt == 2
    training.users_of(again).reading(lambda: (rows("a"), {}))
    assert training.stored() == (["a"], None)
    with pytest.raises(Stopped):  # the first one wakes up
        training.users().reading(lambda: (rows(*"abc"), {}))
    assert training.stored() == (["a"], None)


def test_what_a_recommender_serves_is_forgotten_beside_what_is_being_trained_for_it(
    training: Training,
) -> None:
    """The one that serves was trained with a and b; the one that comes with all four."""
    with training.store.write() as transaction:
        transaction.merge_private(VERSION, {"artifact": "v/0-1", USERS: "v/0-1/users"})
    before = rows(*"ab")
    served_users.write(
        training.storage,
        "v/0-1/users",
        before.users,
        served_users.rows_of(before),
        served_users.Beforehand(),
        training.tools.scratch,
    )
    users = training.users()
    users.reading(lambda: (rows(*"abcd"), {}))
    assert training.delete("a", "d") == [{"solutionVersionArn": VERSION, "users": 2}]
    version = training.store.get(VERSION)
    assert version is not None
    assert version.private[FORGOTTEN] == [{"job": JOB, "users": 1}]
    places = artifact.place_of(version.private).users, version.private[COMING[USERS]]
    stored = [served_users.read(training.storage, place)[0].names() for place in places]
    assert stored == [["b"], ["b", "c"]]
    users.keep_computed(cast("Model", Remembering()), None, lambda: None)
    assert lifecycle.finish(
        training.store, training.task, lifecycle.Outcome({}, {"artifact": "v/1-1"}, also=users.take_over)
    )
    version = training.store.get(VERSION)
    assert version is not None
    assert version.private[FORGOTTEN] == [{"job": JOB, "users": 2}], "whom its weights know"
    assert training.delete("nobody") == [{"solutionVersionArn": VERSION, "users": 2}]
    assert training.stored() == (["b", "c"], [1.0, 2.0])
