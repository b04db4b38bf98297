"""``sartor serve --for-tests`` and its pytest fixture: what tests of other programs rely on."""

import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from api.conftest import ROLE, Client
from api.schemas import schema
from sartor.demo.server import Server
from sartor.pytest_plugin import SartorServer

ROOT = Path(__file__).parents[2]
NOBODYS = "arn:aws:personalize:us-east-1:000000000000:campaign/not-there"
POPULAR = "arn:aws:personalize:::recipe/aws-popularity-count"
INTERACTIONS = schema("Interactions", ("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"))
#: Twelve rows: b is the most popular, then a, then c.
ROWS = "USER_ID,ITEM_ID,TIMESTAMP\n" + "".join(
    f"u{n},{item},{1_700_000_000 + n}\n" for n, item in enumerate("bbbbbbaaaacc")
)

#: What a program's own tests look like.
OWN_TESTS = f"""
import boto3

def test_a_page_shows_what_is_recommended(sartor_server, monkeypatch):
    for name, value in sartor_server.environment.items():
        monkeypatch.setenv(name, value)
    sartor_server.answer("{NOBODYS}", ["a", "b"], user_id="ann")
    answer = boto3.client("personalize-runtime").get_recommendations(campaignArn="{NOBODYS}", userId="ann")
    assert [item["itemId"] for item in answer["itemList"]] == ["a", "b"]

def test_a_group_is_active_at_once(sartor_server):
    personalize = boto3.client("personalize", **sartor_server.client_kwargs)
    group = personalize.create_dataset_group(name="shop")["datasetGroupArn"]
    assert personalize.describe_dataset_group(datasetGroupArn=group)["datasetGroup"]["status"] == "ACTIVE"
    assert sartor_server.move_clock(days=1) == 86400
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SartorServer]:
    data = tmp_path_factory.mktemp("data")
    with Server(data, {}, ("--for-tests",)) as server:
        yield SartorServer(server, data / "buckets")


def runtime(server: SartorServer, **asked: Any) -> list[str]:
    answer = server.client("personalize-runtime").get_recommendations(**asked)
    return [item["itemId"] for item in answer["itemList"]]


def test_the_whole_way_waits_for_nothing_and_the_clock_brings_the_next_training(shared: SartorServer) -> None:
    """No call is made twice: what was made is described once, and is there."""
    api = shared.client()
    (shared.buckets / "shop").mkdir(parents=True)
    (shared.buckets / "shop" / "rows.csv").write_text(ROWS, encoding="utf-8")

    group = api.create_dataset_group(name="whole")["datasetGroupArn"]
    of_schema = api.create_schema(name="whole", schema=json.dumps(INTERACTIONS))["schemaArn"]
    dataset = api.create_dataset(
        name="whole", schemaArn=of_schema, datasetGroupArn=group, datasetType="Interactions"
    )["datasetArn"]

    def brought(name: str) -> str:
        job = api.create_dataset_import_job(
            jobName=name,
            datasetArn=dataset,
            dataSource={"dataLocation": "s3://shop/rows.csv"},
            roleArn=ROLE,
        )["datasetImportJobArn"]
        status: str = api.describe_dataset_import_job(datasetImportJobArn=job)["datasetImportJob"]["status"]
        return status

    assert brought("first") == "ACTIVE"
    solution = api.create_solution(name="whole", datasetGroupArn=group, recipeArn=POPULAR)["solutionArn"]
    version = api.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    campaign = api.create_campaign(name="whole", solutionVersionArn=version)["campaignArn"]
    assert api.describe_campaign(campaignArn=campaign)["campaign"]["status"] == "ACTIVE"
    assert runtime(shared, campaignArn=campaign, userId="u0") == ["b", "a", "c"]

    def trainings() -> list[str]:
        found = api.list_solution_versions(solutionArn=solution)["solutionVersions"]
        return [one["trainingType"] for one in found]

    shared.move_clock(days=6)
    assert brought("second") == "ACTIVE"
    assert trainings() == ["MANUAL"]
    shared.move_clock(days=2)
    Client.wait(lambda: trainings() == ["AUTOMATIC", "MANUAL"])

    api.delete_campaign(campaignArn=campaign)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        api.describe_campaign(campaignArn=campaign)


def test_answers_are_declared_for_a_campaign_that_need_not_exist(shared: SartorServer) -> None:
    shared.answer(NOBODYS, ["x", {"itemId": "y", "metadata": {"genre": "jazz"}}], user_id="ann")
    answer = shared.client("personalize-runtime").get_recommendations(campaignArn=NOBODYS, userId="ann")
    assert answer["itemList"] == [
        {"itemId": "x", "score": 1.0},
        {"itemId": "y", "metadata": {"genre": "jazz"}},
    ]
    with pytest.raises(ClientError, match="ResourceNotFound"):
        runtime(shared, campaignArn=NOBODYS, userId="bob")
    shared.forget(NOBODYS, user_id="ann")
    with pytest.raises(ClientError, match="ResourceNotFound"):
        runtime(shared, campaignArn=NOBODYS, userId="ann")


def test_a_program_is_tested_with_the_fixture_of_the_wheel(tmp_path: Path) -> None:
    named = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert named["project"]["entry-points"]["pytest11"] == {"sartor.pytest_plugin": SartorServer.__module__}
    own = tmp_path / "test_own.py"
    own.write_text(OWN_TESTS, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        SartorServer.__module__,
        "-p",
        "no:cacheprovider",
        str(own),
    ]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 passed" in ran.stdout


def test_a_folder_that_nobody_named_goes_at_the_end(tmp_path: Path) -> None:
    """Asked in a folder that must stay empty."""
    temporary, here = tmp_path / "temporary", tmp_path / "here"
    temporary.mkdir()
    here.mkdir()
    command = [sys.executable, "-m", "sartor", "serve", "--for-tests", "--port", "0", "--workers", "0"]
    with subprocess.Popen(
        command, cwd=here, env={**os.environ, "TMPDIR": str(temporary)}, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert "listening" in process.stdout.readline()
            (folder,) = temporary.glob("sartor-for-tests-*")
            assert (folder / "keys.json").exists()
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert [*temporary.iterdir(), *here.iterdir()] == []
