"""What a metric attribution has counted, in points of time, by source, by campaign and by the version that served."""

import random
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from sartor.console.outcomes import OutcomePages
from sartor.data.attribution import Sample
from sartor.errors import ApiError
from sartor.resources.campaigns import _served
from sartor.resources.opening import open_store
from sartor.resources.store import Resource, Store
from sartor.settings import load
from sartor.wire.sign import Caller, HttpRequest

ACCOUNT, REGION = "111122223333", "eu-central-1"
ROOT = f"arn:aws:personalize:{REGION}:{ACCOUNT}"
ARN, CAMPAIGN = f"{ROOT}:metric-attribution/m", f"{ROOT}:campaign/c"
OLD, NEW = f"{ROOT}:solution/s/1", f"{ROOT}:solution/s/2"
HOUR, BEGAN = 3600, 1_800_000_000 // 86_400 * 86_400
SWAPPED = BEGAN + 3 * HOUR + 900
METRICS = [{"metricName": "Views", "eventType": "view", "expression": "SAMPLECOUNT()"}]


def planted() -> list[Sample]:
    chance = random.Random(3)
    return [
        Sample("VIEWS", "VIEW", float(chance.randrange(1, 50)), "samplecount", source, BEGAN + 900 * at)
        for at in range(24 * 4)
        for source in ("mail", CAMPAIGN, "SOURCE_NAME_UNDEFINED")
    ]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = open_store(load({"data": tmp_path_factory.mktemp("data")}, {}))
    private = {"served": [[OLD, SWAPPED]]}
    with store.write() as transaction:
        for arn, kind, body, more in (
            (ARN, "metric-attribution", {}, {"metrics": METRICS}),
            (CAMPAIGN, "campaign", {"solutionVersionArn": NEW}, private),
        ):
            transaction.add(Resource(arn, kind, ACCOUNT, REGION, "x", "ACTIVE", body, more, 1.0, 1.0))
    store.samples.add(ARN, "planted", planted(), 0, None)
    yield store
    store.close()


def values(store: Store, query: str = "", name: str = ARN, account: str = ACCOUNT) -> dict[str, Any]:
    request = HttpRequest("GET", f"/sartor/v1/metric-attributions/{name}/values", query, {}, b"")
    answer = OutcomePages(store).answer(
        Caller(account, REGION, "AKIAX", None, request), request, request.path
    )
    assert answer is not None
    return answer


def day(**more: object) -> str:
    given: dict[str, object] = {"seconds": 24 * HOUR, "until": BEGAN + 24 * HOUR, **more}
    return "&".join(f"{name}={value}" for name, value in given.items())


def summed(since: int, until: int, source: str) -> float:
    return sum(one.value for one in planted() if one.source == source and since <= one.window_start < until)


@pytest.mark.parametrize("step", [900, HOUR, 6 * HOUR, 24 * HOUR])
def test_each_point_has_what_its_windows_counted(store: Store, step: int) -> None:
    found = values(store, day(step=step))
    assert found["starts"] == list(range(BEGAN, BEGAN + 24 * HOUR, step))
    assert {one["of"] for one in found["series"]} == {"mail", CAMPAIGN, "SOURCE_NAME_UNDEFINED"}
    for one in found["series"]:
        assert one["metricName"] == "Views"
        assert one["values"] == [summed(start, start + step, one["of"]) for start in found["starts"]]
        assert one["total"] == sum(one["values"])
    assert (found["firstWindow"], found["lastWindow"]) == (BEGAN, BEGAN + 24 * HOUR - 900)
    assert found["metrics"] == METRICS


def test_by_campaign_the_rest_is_one(store: Store) -> None:
    found = {one["of"]: one["total"] for one in values(store, day(by="campaign"))["series"]}
    end = BEGAN + 24 * HOUR
    rest = summed(BEGAN, end, "mail") + summed(BEGAN, end, "SOURCE_NAME_UNDEFINED")
    assert found == {CAMPAIGN: summed(BEGAN, end, CAMPAIGN), "": rest}


def test_by_version_a_campaign_counts_for_what_it_served_then(store: Store) -> None:
    found = values(store, day(by="version", step=HOUR))
    series = {one["of"]: one["values"] for one in found["series"]}
    assert series.keys() == {"", OLD, NEW}
    assert sum(series[OLD]) == summed(BEGAN, SWAPPED, CAMPAIGN)
    assert sum(series[NEW]) == summed(SWAPPED, BEGAN + 24 * HOUR, CAMPAIGN)
    assert series[OLD][4:] == [0.0] * 20
    assert series[NEW][:3] == [0.0] * 3


def test_a_long_range_has_few_points_and_a_far_one_is_empty(store: Store) -> None:
    assert len(values(store, f"seconds={366 * 24 * HOUR}&until={BEGAN}")["starts"]) <= 101
    assert values(store, f"until={BEGAN - 7 * 24 * HOUR}")["series"] == []
    assert values(store)["until"] > BEGAN - 10 * 366 * 24 * HOUR


@pytest.mark.parametrize(
    "query",
    [
        "by=x",
        "step=1",
        "step=0",
        "step=1000",
        "seconds=-1",
        "seconds=x",
        "until=1e3",
        "seconds=9999999&step=900",
    ],
)
def test_what_is_no_range_is_refused(store: Store, query: str) -> None:
    with pytest.raises(ApiError) as refused:
        values(store, query)
    assert refused.value.code == "InvalidInputException"


@pytest.mark.parametrize("name", ["m2", f"{ROOT}:campaign/c", "arn:aws:personalize:x:y:z", "%00"])
def test_what_is_not_there_is_not_found(store: Store, name: str) -> None:
    with pytest.raises(ApiError) as refused:
        values(store, name=name)
    assert refused.value.code == "ResourceNotFoundException"


def test_another_account_sees_nothing(store: Store) -> None:
    with pytest.raises(ApiError):
        values(store, account="444455556666")


def test_a_campaign_remembers_what_it_served_and_until_when() -> None:
    version: Any = SimpleNamespace(arn=NEW)
    campaign: Any = SimpleNamespace(body={"solutionVersionArn": OLD}, private={})
    assert _served(campaign, version, 5.0) == {"served": [[OLD, 5.0]]}
    again: Any = SimpleNamespace(
        body={"solutionVersionArn": OLD}, private={"served": [[f"v{at}", at] for at in range(100)]}
    )
    remembered = _served(again, version, 200.0)["served"]
    assert (len(remembered), remembered[-1]) == (100, [OLD, 200.0])
    assert _served(campaign, SimpleNamespace(arn=OLD), 5.0) == {}  # type: ignore[arg-type]
