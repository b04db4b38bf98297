"""Versions are loaded once, kept while they are asked for, and nobody waits for another's load."""

import asyncio
import itertools
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sartor.errors import ApiError, TakesLong
from sartor.realtime import deployments
from sartor.realtime.deployments import Deployments
from sartor.realtime.loaded import Loaded
from sartor.realtime.trained import Trained, trained_of
from sartor.realtime.version import Version
from sartor.resources.records import Means
from sartor.resources.store import Resource, Store

ARN = "arn:aws:personalize:us-east-1:000000000000"
CALLER = cast("Any", SimpleNamespace(account="000000000000", region="us-east-1"))
SECONDS = 20.0
TRAINED = {"recipeArn": "arn:aws:personalize:::recipe/aws-sims", "datasetGroupArn": f"{ARN}:dataset-group/g"}


def resource(kind: str, name: str, seq: int, **body: Any) -> Resource:
    return Resource(
        f"{ARN}:{kind}/{name}",
        kind,
        CALLER.account,
        CALLER.region,
        name,
        "ACTIVE",
        body,
        {"folder": name},
        1.0,
        1.0,
        seq=seq,
    )


class Rows:
    """Campaigns and solution versions, as the store has them."""

    def __init__(self, count: int) -> None:
        self._numbers = itertools.count(1)
        self._rows: dict[str, Resource] = {}
        for number in range(count):
            self.serve(f"c{number}", f"v{number}")

    def serve(self, campaign: str, version: str, update: str | None = None) -> None:
        body: dict[str, Any] = {"solutionVersionArn": f"{ARN}:solution/{version}"}
        if update is not None:
            body["latestCampaignUpdate"] = {"solutionVersionArn": f"{ARN}:solution/{update}"}
        for name in filter(None, (version, update)):
            if f"{ARN}:solution/{name}" not in self._rows:
                self._add(resource("solution", name, next(self._numbers), **TRAINED))
        self._add(resource("campaign", campaign, next(self._numbers), **body))

    def change(self, version: str) -> None:
        """Delete a user of a version."""
        row = self._rows[f"{ARN}:solution/{version}"]
        number = row.private.get("deletions", 0) + 1
        self._add(replace(row, private={**row.private, "deletions": number}, updated_at=row.updated_at + 1))

    def remove(self, campaign: str) -> None:
        del self._rows[f"{ARN}:campaign/{campaign}"]

    def _add(self, row: Resource) -> None:
        self._rows[row.arn] = row

    def get(self, arn: str) -> Resource | None:
        return self._rows.get(arn)

    def stamps(self, arns: tuple[str, ...]) -> list[tuple[Any, ...]]:
        return [self._rows[arn].stamp for arn in sorted(arns) if arn in self._rows]

    def every(self, kind: str) -> list[Resource]:
        return [one for one in self._rows.values() if one.kind == kind]


class Served(Deployments):
    """Deployments whose versions load at once, unless ``slow`` says otherwise; loads are counted by name."""

    def __init__(self, rows: Rows) -> None:
        super().__init__(Means(cast("Store", rows), cast("Any", None), Path(), 0))
        self.rows = rows
        self.loads: Counter[str] = Counter()
        self.slow: Callable[[str], None] = lambda _name: None

    def _load(self, trained: Trained) -> Version:
        name = trained.place.folder
        self.loads[name] += 1
        self.slow(name)
        return cast("Version", SimpleNamespace(trained=trained, key=trained.key, model_items=1, followers=()))

    def ask(self, campaign: str) -> str:
        return self.of(CALLER, f"{ARN}:campaign/{campaign}").version.trained.place.folder

    def patiently(self, campaign: str) -> str:
        """Ask as a server does: again once what another thread loads is there."""
        while True:
            try:
                return self.ask(campaign)
            except TakesLong as long:
                if long.coming is not None:
                    long.coming.result(SECONDS)

    def loaded(self) -> set[str]:
        return {one.trained.place.folder for one in self._versions.all()}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=10_000.0)
    monkeypatch.setattr(deployments, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_idle_campaigns_are_loaded_as_long_as_there_is_room_and_never_in_a_circle() -> None:
    served = Served(Rows(9))
    for _ in range(10):
        served._look()
    assert served.loads == dict.fromkeys(["v0", "v1", "v2", "v3"], 1)


def test_what_is_asked_for_is_loaded_once_and_stays(clock: SimpleNamespace) -> None:
    served = Served(Rows(9))
    for _ in range(5):
        served._look()
        assert [served.ask(f"c{number}") for number in range(9)] == [f"v{number}" for number in range(9)]
        clock.now += 60
    assert set(served.loads.values()) == {1}
    assert len(served.loads) == 9


def test_what_was_not_asked_for_lately_gives_way_and_comes_back_when_asked(clock: SimpleNamespace) -> None:
    served = Served(Rows(9))
    for number in range(9):
        served.ask(f"c{number}")
    clock.now += 4000
    assert served.ask("c0") == "v0"
    for _ in range(5):
        served._look()
    assert len(served.loaded()) == 5
    assert set(served.loads.values()) == {1}
    assert served.loaded() == {"v0", "v5", "v6", "v7", "v8"}
    assert served.ask("c1") == "v1"
    assert served.loads["v1"] == 2


def test_an_update_of_a_campaign_that_is_asked_is_loaded_before_it_is_served_and_in_no_circle() -> None:
    rows = Rows(8)
    served = Served(rows)
    for number in range(8):
        served.ask(f"c{number}")
        rows.serve(f"c{number}", f"v{number}", f"new{number}")
    for _ in range(5):
        served._look()
    assert {name: count for name, count in served.loads.items() if name.startswith("new")} == {
        f"new{number}": 1 for number in range(8)
    }
    for number in range(8):
        rows.serve(f"c{number}", f"new{number}")
        assert served.ask(f"c{number}") == f"new{number}"
    served._look()
    assert served.loaded() >= {f"new{number}" for number in range(8)}
    assert len(served.loaded()) == 12
    assert set(served.loads.values()) == {1}


def test_a_version_from_which_users_were_deleted_is_loaded_anew_by_the_next_request_and_kept_once() -> None:
    rows = Rows(2)
    served = Served(rows)
    old = served.of(CALLER, f"{ARN}:campaign/c0").version
    rows.change("v0")
    new = served.of(CALLER, f"{ARN}:campaign/c0").version
    assert new is not old
    assert new.trained.deletions > old.trained.deletions
    served._look()
    assert sorted(one.trained.place.folder for one in served._versions.all()) == ["v0", "v1"]
    rows.change("v0")
    rows.change("v1")
    for _ in range(2):
        served._look()
        now = {trained_of(row).key for row in rows.every("solution")}
        assert {one.key for one in served._versions.all()} == now
    assert served.loads == {"v0": 3, "v1": 2}


def test_a_row_that_changes_without_its_artifact_loads_nothing_anew() -> None:
    """Such as a recommender whose configuration is updated."""
    rows = Rows(1)
    served = Served(rows)
    served.ask("c0")
    row = rows.every("solution")[0]
    rows._add(replace(row, updated_at=row.updated_at + 1))
    served.ask("c0")
    served._look()
    assert served.loads == {"v0": 1}


def test_a_campaign_that_is_gone_is_known_no_longer() -> None:
    rows = Rows(1)
    served = Served(rows)
    served.ask("c0")
    rows.remove("c0")
    with pytest.raises(ApiError, match="does not exist"):
        served.ask("c0")
    served._look()
    assert not served._known


def test_a_version_is_loaded_once_however_many_ask_at_once_and_no_thread_waits() -> None:
    served, begun, go = Served(Rows(1)), threading.Event(), threading.Event()

    def slow(_name: str) -> None:
        begun.set()
        assert go.wait(SECONDS)

    served.slow = slow
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(served.ask, "c0")
        assert begun.wait(SECONDS)
        for _ in range(8):
            with pytest.raises(TakesLong) as waiting:
                served.ask("c0")
            assert waiting.value.coming is not None
        served._look()
        go.set()
        assert first.result(SECONDS) == "v0"
        assert waiting.value.coming.result(SECONDS).trained.place.folder == "v0"
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: served.patiently("c0"), range(8))) == {"v0"}
    assert served.loads["v0"] == 1


def test_a_load_holds_up_no_other_version_and_no_event_loop() -> None:
    served, go, begun = Served(Rows(3)), threading.Event(), threading.Event()
    served.ask("c0")

    def slow(name: str) -> None:
        if name == "v1":
            begun.set()
            assert go.wait(SECONDS)

    served.slow = slow

    async def on_the_loop() -> None:
        assert served.ask("c0") == "v0"  # it is loaded: answered here
        for campaign, is_coming in (("c1", True), ("c2", False)):
            with pytest.raises(TakesLong) as waiting:
                served.ask(campaign)
            assert (waiting.value.coming is not None) == is_coming

    with ThreadPoolExecutor(2) as pool:
        loading = pool.submit(served.ask, "c1")
        assert begun.wait(SECONDS)
        asyncio.run(on_the_loop())
        assert pool.submit(served.ask, "c2").result(SECONDS) == "v2"
        assert not loading.done()
        go.set()
        assert loading.result(SECONDS) == "v1"


def test_a_load_that_breaks_breaks_for_all_who_wait_and_the_next_one_tries_again() -> None:
    loaded: Loaded[str, int] = Loaded(1)
    begun, go = threading.Event(), threading.Event()

    def broken() -> int:
        begun.set()
        assert go.wait(SECONDS)
        raise OSError("the disk is gone")

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(loaded.of, "x", broken)
        assert begun.wait(SECONDS)
        with pytest.raises(TakesLong) as waiting:
            loaded.of("x", broken)
        second = waiting.value.coming
        assert second is not None
        assert not second.cancel()  # a caller who gives up ends nothing
        go.set()
        for one in (first, second):
            with pytest.raises(OSError, match="the disk is gone"):
                one.result(SECONDS)
    assert loaded.of("x", lambda: 5) == 5


def test_a_version_that_cannot_be_loaded_ahead_stops_no_other_and_is_not_tried_all_the_time(
    clock: SimpleNamespace,
) -> None:
    served = Served(Rows(3))

    def broken(name: str) -> None:
        if name == "v0":
            raise ValueError("damaged")

    served.slow = broken
    for _ in range(10):
        served._look()
    assert served.loads == {"v0": 1, "v1": 1, "v2": 1}
    clock.now += 61
    served._look()
    assert served.loads["v0"] == 2


def test_campaigns_change_while_many_threads_ask() -> None:
    rows = Rows(4)
    served, over = Served(rows), threading.Event()
    failures: list[BaseException] = []

    def ask(number: int) -> None:
        while not over.is_set():
            try:
                name = served.patiently(f"c{number % 4}")
                assert name.startswith((f"v{number % 4}", f"next{number % 4}-"))
            except BaseException as error:  # noqa: BLE001 - shown below
                failures.append(error)
                return

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for turn in range(30):
        for number in range(4):
            rows.serve(f"c{number}", f"next{number}-{turn}")
            served._look()
    over.set()
    for thread in threads:
        thread.join(SECONDS)
    assert not failures
    assert set(served.loads.values()) == {1}


class Recommenders(Rows):
    """A recommender ``r`` that serves what it was trained for itself."""

    def __init__(self) -> None:
        super().__init__(0)
        body = {**TRAINED, "recipeArn": "arn:aws:personalize:::recipe/aws-vod-trending-now"}
        row = resource("recommender", "r", 1, **body, recommenderConfig={})
        self._add(replace(row, private={"folder": "r", "artifact": "r/1-1"}))

    def swap(self, **changes: Any) -> None:
        row = self._rows[f"{ARN}:recommender/r"]
        self._add(replace(row, updated_at=row.updated_at + 1, **changes))


def test_a_recommender_that_is_trained_anew_answers_from_its_new_model_with_the_next_request() -> None:
    rows = Recommenders()
    served = Served(rows)

    def ask() -> str:
        return served.of(CALLER, f"{ARN}:recommender/r").version.trained.place.folder

    served._look()
    assert served.loaded() == {"r/1-1"}, "it is loaded before it is asked"
    assert [ask(), ask()] == ["r/1-1", "r/1-1"]
    rows.swap(private={"folder": "r", "artifact": "r/2-1"})
    assert ask() == "r/2-1"
    served._look()
    assert served.loaded() == {"r/2-1"}
    assert served.loads == {"r/1-1": 1, "r/2-1": 1}


@pytest.mark.parametrize("status", ["STOP PENDING", "STOP IN_PROGRESS", "INACTIVE", "CREATE FAILED"])
def test_a_recommender_that_is_not_active_answers_nobody(status: str) -> None:
    rows = Recommenders()
    served = Served(rows)
    served.of(CALLER, f"{ARN}:recommender/r")
    rows.swap(status=status)
    with pytest.raises(ApiError, match=status) as refused:
        served.of(CALLER, f"{ARN}:recommender/r")
    assert refused.value.code == "InvalidInputException"


def test_a_recommender_that_has_no_model_yet_is_not_looked_for() -> None:
    rows = Recommenders()
    rows.swap(status="CREATE IN_PROGRESS", private={"folder": "r"})
    served = Served(rows)
    served._look()
    assert served.loads == {}
