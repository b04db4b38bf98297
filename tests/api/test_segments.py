"""Segments through boto3: trained, asked by files, filtered, refused, and read as the service's own jobs write them."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from api.conftest import ROLE, Client
from api.schemas import CATEGORICAL, TEXT, schema
from api.test_clients import shell
from sartor.demo.server import Server

RECIPE = "arn:aws:personalize:::recipe/"
TASTES, USERS_EACH, ITEMS_EACH = ("comedy", "drama", "horror"), 60, 12
INTERACTIONS = schema(
    "Interactions",
    ("USER_ID", "string"),
    ("ITEM_ID", "string"),
    ("TIMESTAMP", "long"),
    ("EVENT_TYPE", TEXT),
)
ITEMS = schema(
    "Items",
    ("ITEM_ID", "string"),
    ("GENRE", TEXT),
    ("YEAR", ["null", "int"]),
    ("ABOUT", TEXT),
    GENRE=CATEGORICAL,
    ABOUT={"textual": True},
)
USERS = schema("Users", ("USER_ID", "string"), ("TIER", TEXT), TIER=CATEGORICAL)
METRICS = {"coverage", "hits_at_1_percent", "recall_at_1_percent"}
Lines = list[dict[str, Any]]


def rows(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def interactions() -> Iterator[str]:
    """Yield what users of each taste watched, five of its items and one of any; every third user bought too."""
    rng = random.Random(4)
    yield "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE"
    for taste in TASTES:
        for user in range(USERS_EACH):
            liked = rng.sample(range(ITEMS_EACH), 5)
            watched = [f"{taste}{item}" for item in liked]
            watched.insert(3, f"{rng.choice(TASTES)}{rng.randrange(ITEMS_EACH)}")
            for at, item in enumerate(watched):
                kind = "buy" if user % 3 == 0 and at == 0 else "watch"
                yield f"{taste}-fan-{user},{item},{1_700_000_000 + at},{kind}"


class Segments:
    """A service whose users have one taste each, with a version of either recipe."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.personalize = client.personalize
        self.interactions = client.dataset(INTERACTIONS, "Interactions")
        self.group = client.group_of(self.interactions)
        items = client.dataset(ITEMS, "Items", group=self.group)
        users = client.dataset(USERS, "Users", group=self.group)
        films = [
            f"{taste}{item},{taste}|{'old' if item < 6 else 'new'},{1990 + item},words"
            for taste in TASTES
            for item in range(ITEMS_EACH)
        ]
        tiers = [f"{t}-fan-{u},{'gold' if u % 2 else 'free'}" for t in TASTES for u in range(USERS_EACH)]
        for dataset, key, lines in (
            (self.interactions, "interactions.csv", interactions()),
            (items, "items.csv", ["ITEM_ID,GENRE,YEAR,ABOUT", *films, "unseen,comedy|new,2030,words"]),
            (users, "users.csv", ["USER_ID,TIER", *tiers, "somebody-new,gold"]),
        ):
            client.write(key, rows(*lines))
            assert client.imported(dataset, key)["status"] == "ACTIVE"
        self.versions = {
            name: self.started(f"aws-{name}") for name in ("item-affinity", "item-attribute-affinity")
        }
        for arn in self.versions.values():
            found = self.trained(arn)
            assert found["status"] == "ACTIVE", found

    def started(self, recipe: str, **more: Any) -> str:
        arn = self.personalize.create_solution(
            name=self.client.name("sol"),
            datasetGroupArn=self.group,
            recipeArn=RECIPE + recipe,
            solutionConfig={"algorithmHyperParameters": {"hidden_dimension": "32"}, **more},
        )["solutionArn"]
        return str(self.personalize.create_solution_version(solutionArn=arn)["solutionVersionArn"])

    def trained(self, arn: str) -> dict[str, Any]:
        describe = self.personalize.describe_solution_version
        return self.client.until(lambda: describe(solutionVersionArn=arn)["solutionVersion"])

    def filter(self, expression: str) -> str:
        arn: str = self.personalize.create_filter(
            name=self.client.name("f"), datasetGroupArn=self.group, filterExpression=expression
        )["filterArn"]
        self.client.until(lambda: self.personalize.describe_filter(filterArn=arn)["filter"])
        return arn

    def request(self, recipe: str, key: str, **more: Any) -> dict[str, Any]:
        return {
            "jobName": self.client.name("segments"),
            "solutionVersionArn": self.versions[recipe],
            "jobInput": {"s3DataSource": {"path": f"s3://training/{key}"}},
            "jobOutput": {"s3DataDestination": {"path": "s3://training/segments/"}},
            "roleArn": ROLE,
            **more,
        }

    def settled(self, request: dict[str, Any]) -> dict[str, Any]:
        arn = self.personalize.create_batch_segment_job(**request)["batchSegmentJobArn"]
        describe = self.personalize.describe_batch_segment_job
        return self.client.until(lambda: describe(batchSegmentJobArn=arn)["batchSegmentJob"])

    def run(self, recipe: str, lines: Lines, **more: Any) -> Lines:
        """Return the lines of the output, in the order of the input."""
        text = rows(*map(json.dumps, lines))
        key = self.client.write(f"{self.client.name('in')}.json", text)
        job = self.settled(self.request(recipe, key, **more))
        assert job["status"] == "ACTIVE", job
        answered = self.read(f"segments/{key}.out")
        assert len(answered) == len(lines)
        assert all(set(one) == {"input", "output", "error"} for one in answered)
        return [next(one for one in answered if one["input"] == line) for line in lines]

    def users(self, recipe: str, line: dict[str, Any], **more: Any) -> list[str]:
        (answered,) = self.run(recipe, [line], **more)
        assert answered["error"] is None
        assert set(answered["output"]) == {"usersList"}
        found: list[str] = answered["output"]["usersList"]
        return found

    def read(self, key: str) -> Lines:
        return [json.loads(line) for line in (self.client.bucket / key).read_text().splitlines()]


@pytest.fixture(scope="module")
def segments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Segments]:
    folder = tmp_path_factory.mktemp("segments")
    (folder / "bucket").mkdir()
    with Server(folder / "data", {"training": folder / "bucket"}, ("--quotas", "off")) as server:
        yield Segments(Client(server, folder / "bucket"))


def fans(users: list[str], taste: str) -> int:
    return sum(user.startswith(taste) for user in users)


def asked(text: str) -> dict[str, Any]:
    return {"itemAttributes": text}


def test_metrics_have_the_names_of_segments(segments: Segments) -> None:
    for arn in segments.versions.values():
        metrics = segments.personalize.get_solution_metrics(solutionVersionArn=arn)["metrics"]
        assert set(metrics) == METRICS
        assert 0 < metrics["recall_at_1_percent"] <= 1
        assert 0 < metrics["coverage"] <= 1
        assert metrics["hits_at_1_percent"] > 0


def test_the_users_of_an_item_are_those_of_its_taste(segments: Segments) -> None:
    lines = [{"itemId": f"{taste}{item}"} for taste in TASTES for item in (0, 7)]
    for line, answered in zip(lines, segments.run("item-affinity", lines), strict=True):
        users = answered["output"]["usersList"]
        assert len(users) == len(set(users)) == 25
        assert fans(users, line["itemId"].rstrip("0123456789")) == 25


def test_an_item_that_nobody_met_has_the_users_of_items_alike(segments: Segments) -> None:
    assert fans(segments.users("item-affinity", {"itemId": "unseen"}), "comedy") >= 20


def test_a_segment_has_every_user_once_if_more_are_wanted(segments: Segments) -> None:
    users = segments.users("item-affinity", {"itemId": "drama1"}, numResults=5_000_000)
    assert len(users) == len(set(users)) == USERS_EACH * len(TASTES)
    assert users[:25] == segments.users("item-affinity", {"itemId": "drama1"})


def test_the_users_of_attributes_are_those_who_like_items_that_have_them(segments: Segments) -> None:
    run = segments.run
    horror, both, year = run(
        "item-attribute-affinity",
        [
            asked('ITEMS.GENRE = "horror"'),
            asked('items.genre = "horror" AND items.genre = "old"'),
            asked("ITEMS.YEAR = 1990 AND ITEMS.GENRE = 'drama'"),
        ],
    )
    assert fans(horror["output"]["usersList"], "horror") == 25
    assert fans(both["output"]["usersList"], "horror") == 25
    assert fans(year["output"]["usersList"], "drama") == 25


def test_lines_that_cannot_be_answered_say_why_and_stand_in_a_file_of_errors(segments: Segments) -> None:
    good, bad = {"itemId": "drama1"}, [{"itemId": "none"}, {"itemId": 3}, {"userId": "u"}]
    text = rows(json.dumps(good), *map(json.dumps, bad), "no json")
    key = segments.client.write("in/broken.json", text)
    assert segments.settled(segments.request("item-affinity", key))["status"] == "ACTIVE"
    (place,) = segments.client.bucket.glob("segments/**/broken.json.out")
    answered = {json.dumps(one["input"]): one for one in map(json.loads, place.read_text().splitlines())}
    assert answered[json.dumps(good)]["error"] is None
    for line in bad:
        assert answered[json.dumps(line)]["output"] is None
    assert "none" in answered[json.dumps(bad[0])]["error"]
    assert "itemId" in answered[json.dumps(bad[1])]["error"]
    assert "JSON" in answered['"no json"']["error"]
    (errors,) = segments.client.bucket.glob("segments/**/broken.json_errors")
    assert [json.loads(line)["line"] for line in errors.read_text().splitlines()] == [2, 3, 4, 5]


def test_expressions_that_mean_no_item_or_nothing_say_why(segments: Segments) -> None:
    lines = [
        asked('ITEMS.GENRE = "western"'),
        asked('ITEMS.GENRE = "drama" OR ITEMS.GENRE = "horror"'),
        asked('ITEMS.ABOUT = "words"'),
        asked("ITEMS.YEAR > 1990"),
        {"itemId": "drama1"},
    ]
    reasons = [one["error"] for one in segments.run("item-attribute-affinity", lines)]
    words = ("No item", "AND", "no such column", "only =", "itemAttributes")
    assert all(word in reason for word, reason in zip(words, reasons, strict=True)), reasons


def test_a_filter_chooses_among_users_by_their_attributes_and_each_line_by_its_values(
    segments: Segments,
) -> None:
    arn = segments.filter("INCLUDE UserID WHERE Users.TIER IN ($TIER)")
    line = {"itemId": "drama1"}
    lines = [line | {"filterValues": {"TIER": f'"{tier}"'}} for tier in ("gold", "free", "none")]
    gold, free, nobody, missing = segments.run(
        "item-affinity", [*lines, line], filterArn=arn, numResults=10**6
    )
    every = segments.users("item-affinity", line, numResults=10**6)
    odd = [user for user in every if int(user.rpartition("-")[2]) % 2]
    assert gold["output"]["usersList"] == odd
    assert free["output"]["usersList"] == [user for user in every if user not in odd]
    assert nobody["output"]["usersList"] == []
    assert "TIER is missing" in missing["error"]


def test_a_filter_looks_at_what_users_did_until_now(segments: Segments) -> None:
    arn = segments.filter('EXCLUDE UserID WHERE Interactions.EVENT_TYPE IN ("Buy")')
    line = {"itemId": "horror2"}
    before = segments.users("item-affinity", line, filterArn=arn, numResults=10**6)
    every = segments.users("item-affinity", line, numResults=10**6)
    assert before == [user for user in every if int(user.rpartition("-")[2]) % 3]
    tracking_id = segments.client.tracker(segments.interactions)
    event = {"eventType": "buy", "itemId": "horror3", "sentAt": 1_700_000_500}
    for user in (before[0], "late-fan"):
        segments.client.events.put_events(
            trackingId=tracking_id, sessionId=user, userId=user, eventList=[event]
        )
    assert segments.users("item-affinity", line, filterArn=arn, numResults=10**6) == before[1:]
    # of whom a segment is, the training alone says
    assert segments.users("item-affinity", line, numResults=10**6) == every


def test_a_job_is_described_and_listed(segments: Segments) -> None:
    key = segments.client.write("described.json", rows('{"itemId": "drama1"}'))
    request = segments.request("item-affinity", key, numResults=7, tags=[{"tagKey": "a", "tagValue": "b"}])
    job = segments.settled(request)
    assert job.items() >= {name: value for name, value in request.items() if name != "tags"}.items()
    api = segments.personalize
    tags = api.list_tags_for_resource(resourceArn=job["batchSegmentJobArn"])["tags"]
    assert tags == [{"tagKey": "a", "tagValue": "b"}]
    pages = api.get_paginator("list_batch_segment_jobs").paginate(
        solutionVersionArn=request["solutionVersionArn"]
    )
    listed = next(
        one
        for page in pages
        for one in page["batchSegmentJobs"]
        if one["batchSegmentJobArn"] == job["batchSegmentJobArn"]
    )
    assert (listed["jobName"], listed["status"]) == (request["jobName"], "ACTIVE")
    assert listed["solutionVersionArn"] == request["solutionVersionArn"]


def test_users_who_are_deleted_are_in_no_segment_any_more(segments: Segments) -> None:
    line = {"itemId": "comedy5"}
    first, second, *_ = segments.users("item-affinity", line)
    assert segments.client.deleted(segments.group, first)["status"] == "COMPLETED"
    assert segments.users("item-affinity", line)[0] == second


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("item-affinity", {"numResults": 5_000_001}, "numResults"),
    ("item-affinity", {"jobInput": {"s3DataSource": {"path": "s3://training/nothing.json"}}}, "input path"),
    ("item-affinity", {"filter": 'INCLUDE ItemID WHERE Items.GENRE IN ("a")'}, "UserID"),
    ("item-attribute-affinity", {"filter": 'EXCLUDE UserID WHERE Interactions.EVENT_TYPE IN ("*")'}, "Users"),
]


@pytest.mark.parametrize(("recipe", "members", "words"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_job_that_cannot_be_done_is_refused(
    segments: Segments, recipe: str, members: dict[str, Any], words: str
) -> None:
    key = segments.client.write("refused.json", rows('{"itemId": "drama1"}'))
    if "filter" in members:
        members = {"filterArn": segments.filter(members["filter"])}
    with pytest.raises(ClientError, match=words) as refused:
        segments.personalize.create_batch_segment_job(**segments.request(recipe, key, **members))
    assert refused.value.response["Error"]["Code"] == "InvalidInputException"


def test_versions_of_segments_are_in_no_campaign_and_others_give_no_segments(segments: Segments) -> None:
    api = segments.personalize
    with pytest.raises(api.exceptions.InvalidInputException, match="cannot be deployed"):
        api.create_campaign(
            name=segments.client.name("c"), solutionVersionArn=segments.versions["item-affinity"]
        )
    key = segments.client.write("others.json", rows('{"itemId": "drama1"}'))
    popular = segments.personalize.create_solution(
        name=segments.client.name("sol"),
        datasetGroupArn=segments.group,
        recipeArn=RECIPE + "aws-popularity-count",
    )["solutionArn"]
    arn = api.create_solution_version(solutionArn=popular)["solutionVersionArn"]
    assert segments.trained(arn)["status"] == "ACTIVE"
    with pytest.raises(api.exceptions.InvalidInputException, match="aws-popularity-count"):
        api.create_batch_segment_job(**segments.request("item-affinity", key) | {"solutionVersionArn": arn})


def test_a_version_of_segments_is_trained_again_to_the_same_numbers(
    segments: Segments, tmp_path: Path
) -> None:
    arn = segments.started("aws-item-attribute-affinity")
    assert segments.trained(arn)["status"] == "ACTIVE"
    done = subprocess.run(
        [
            sys.executable,
            *("-m", "sartor", "retrain", arn, "--verify", "--json"),
            *("--data", str(segments.client.server.data)),
        ],
        env={**shell(segments.client, tmp_path), "PATH": os.environ["PATH"]},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    found = json.loads(done.stdout)
    assert (found["equal"], found["differences"]) == (True, [])


def test_without_an_attribute_there_is_nothing_to_train_on(segments: Segments) -> None:
    left_out = {"trainingDataConfig": {"excludedDatasetColumns": {"Items": ["GENRE", "YEAR"]}}}
    found = segments.trained(segments.started("aws-item-attribute-affinity", **left_out))
    assert found["status"] == "CREATE FAILED"
    assert found["failureReason"].startswith("Did not find any attribute to train on.")
