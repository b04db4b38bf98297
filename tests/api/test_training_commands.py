"""From a first import to recommendations as the tutorials say it, and the commands about what they made."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.conftest import Client
from api.schemas import schema
from api.test_clients import ROOT, shell
from api.test_imports import rows, text
from sartor.demo.server import Server

GROUP = "arn:aws:personalize:us-east-1:000000000000:dataset-group/shop"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Give a server that trains the linear model and has done both tutorials."""
    folder = tmp_path_factory.mktemp("tutorials")
    (folder / "bucket").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SARTOR_SEQUENCE_MODELS", "off")
        with Server(folder / "data", {"training": folder / "bucket"}) as server:
            client = Client(server, folder / "bucket")
            client.write("interactions.csv", text(rows(1500)))
            run(client, folder, *script("first-import"))
            yield client


def script(name: str) -> list[str]:
    """Return the one script of a tutorial as a command."""
    (found,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "tutorial" / f"{name}.md").read_text(), re.DOTALL
    )
    return ["-c", found]


def run(client: Client, folder: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {**shell(client, folder), "SARTOR_SEQUENCE_MODELS": "off", "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, *words], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr + done.stdout
    return done


def sartor(client: Client, folder: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    return run(client, folder, "-m", "sartor", *words, code=code)


@pytest.fixture(scope="module")
def told(shop: Client, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Give what the second tutorial prints."""
    done = run(shop, tmp_path_factory.mktemp("home"), *script("first-recommendations"))
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_the_second_tutorials_script_runs_as_it_is_written(told: list[str]) -> None:
    status, gain, before, after = told
    assert status.strip() == "ACTIVE"
    assert 0 < float(gain) <= 1
    assert len(json.loads(before.replace("'", '"'))) == 5
    assert before != after


@pytest.fixture
def version(shop: Client, told: list[str]) -> str:
    """Give a version that was trained on everything that is there."""
    (solution,) = shop.personalize.list_solutions(datasetGroupArn=GROUP)["solutions"]
    arn = shop.personalize.create_solution_version(solutionArn=solution["solutionArn"])["solutionVersionArn"]
    return str(arn)


def test_training_follows_to_the_end_and_shows_what_made_the_model(
    shop: Client, version: str, tmp_path: Path
) -> None:
    done = sartor(shop, tmp_path, "training", version, "--follow", "--json")
    found = json.loads(done.stdout)
    assert found["status"] == "ACTIVE"
    assert found["record"]["model"] == "blend"
    assert found["record"]["judged"]["ndcgAt10"].keys() >= {"transitions", "blend"}
    shown = sartor(shop, tmp_path, "training", version).stdout
    for words in ("ACTIVE", "coverage", "blend", "INTERACTIONS version 0, put records up to 20"):
        assert words in shown


def test_training_of_what_fails_ends_with_1(shop: Client, told: list[str], tmp_path: Path) -> None:
    api = shop.personalize
    group = api.create_dataset_group(name="empty")["datasetGroupArn"]
    shop.until(lambda: api.describe_dataset_group(datasetGroupArn=group)["datasetGroup"])
    (schema,) = api.list_schemas()["schemas"]
    dataset = api.create_dataset(
        name="empty", schemaArn=schema["schemaArn"], datasetGroupArn=group, datasetType="Interactions"
    )["datasetArn"]
    shop.until(lambda: api.describe_dataset(datasetArn=dataset)["dataset"])
    solution = api.create_solution(
        name="empty", datasetGroupArn=group, recipeArn="arn:aws:personalize:::recipe/aws-sims"
    )["solutionArn"]
    event = {"eventType": "watch", "itemId": "item-1", "sentAt": 1_700_000_000}
    shop.events.put_events(trackingId=shop.tracker(dataset), userId="u", sessionId="s", eventList=[event])
    arn = api.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    done = sartor(shop, tmp_path, "training", arn, "--follow", code=1)
    assert "fewer than 1000 interactions" in done.stdout
    done = sartor(shop, tmp_path, "retrain", arn, "--verify", "--data", str(shop.server.data), code=1)
    assert "must be ACTIVE" in done.stderr


def test_a_version_that_is_trained_again_is_equal_until_the_data_moves_on(
    shop: Client, version: str, tmp_path: Path
) -> None:
    sartor(shop, tmp_path, "training", version, "--follow")
    again = ("retrain", version, "--verify", "--data", str(shop.server.data))
    assert re.fullmatch(r"equal  \d+ arrays, every number of them\n", sartor(shop, tmp_path, *again).stdout)
    trackers: list[dict[str, Any]] = shop.personalize.list_event_trackers(datasetGroupArn=GROUP)[
        "eventTrackers"
    ]
    tracker = shop.personalize.describe_event_tracker(eventTrackerArn=trackers[0]["eventTrackerArn"])
    shop.events.put_events(
        trackingId=tracker["eventTracker"]["trackingId"],
        userId="user-2",
        sessionId="visit-2",
        eventList=[{"eventType": "view", "itemId": "item-3", "sentAt": time.time()}],
    )
    moved = sartor(shop, tmp_path, *again, code=1)
    assert re.search(r"INTERACTIONS newest put record: \d+ then, \d+ now", moved.stderr)
    assert "--force" in moved.stderr
    found = json.loads(sartor(shop, tmp_path, *again, "--force", "--json", code=1).stdout)
    assert found["equal"] is False
    assert [one["what"] for one in found["changes"]] == ["INTERACTIONS newest put record"]
    assert "item" in {one["part"] for one in found["differences"]}


def test_a_version_below_popularity_is_warned_of_wherever_its_training_is_shown(
    shop: Client, tmp_path: Path
) -> None:
    # who watches what is chance, popular items more often; the version is told to forget what is popular
    rng = np.random.default_rng(0)
    chance = 0.85 ** np.arange(40)
    drawn = rng.choice(40, (150, 20), p=chance / chance.sum())
    lines = [
        f"u{user},i{item},{1_600_000_000 + 1000 * at + user}"
        for user, items in enumerate(drawn.tolist())
        for at, item in enumerate(items)
    ]
    dataset = shop.dataset(
        schema("Interactions", ("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long")),
        "Interactions",
    )
    shop.brought(dataset, "chance", ["USER_ID,ITEM_ID,TIMESTAMP", *lines])
    api = shop.personalize
    solution = api.create_solution(
        name="below-popularity",
        datasetGroupArn=shop.group_of(dataset),
        recipeArn="arn:aws:personalize:::recipe/aws-sims",
        solutionConfig={"algorithmHyperParameters": {"popularity_discount_factor": "1.0"}},
    )["solutionArn"]
    arn = api.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    shop.until(lambda: api.describe_solution_version(solutionVersionArn=arn)["solutionVersion"])
    answer = shop.server.get(f"/sartor/v1/solution-versions/{arn}")
    by_users, by_time = answer["evaluation"]
    assert (by_users["split"], by_time["split"]) == ("users", "time")
    assert by_time["knownUntil"] > 1_600_000_000 + 17_000
    metrics = api.get_solution_metrics(solutionVersionArn=arn)["metrics"]
    assert metrics.keys() - by_users["metrics"].keys() == set()
    for name, value in metrics.items():
        one = by_users["metrics"][name]["version"]
        assert one["value"] == pytest.approx(value, abs=1e-4)
        assert one["low"] <= one["value"] <= one["high"]
    assert {"coverage", "gini", "novelty"} <= by_users["metrics"].keys()
    assert {"gini", "novelty"} & metrics.keys() == set()
    warnings = answer["record"]["warnings"]
    assert "below popularity" in warnings[0]
    shown = sartor(shop, tmp_path, "training", arn).stdout
    log = (shop.server.data / "serve.log").read_text()
    for warning in warnings:
        assert " ".join(warning.split()) in " ".join(shown.split())
        assert f"{arn}: {warning}" in log


def test_explain_and_filter_test_speak_to_people(shop: Client, told: list[str], tmp_path: Path) -> None:
    campaign = "arn:aws:personalize:us-east-1:000000000000:campaign/for-you"
    shown = sartor(shop, tmp_path, "explain", campaign, "--user", "user-1", "--results", "3").stdout
    for words in ("aws-user-personalization-v2", "History, newest first: item-", "because of"):
        assert words in shown
    for group in ("shop", GROUP):
        done = sartor(shop, tmp_path, "filter", "test", "EXCLUDE everything", "--group", group, code=1)
        assert re.match(r"Error: .*character \d+", done.stderr)
