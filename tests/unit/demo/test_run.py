"""`sartor demo` from nothing to recommendations, with a real server in between."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from sartor.demo import run as demo
from sartor.demo.server import Server, ServerStartError, client_of


@pytest.fixture(autouse=True)
def linear(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the servers train the model of seconds."""
    monkeypatch.setenv("SARTOR_SEQUENCE_MODELS", "off")


def story(**options: object) -> str:
    with redirect_stdout(StringIO()) as told:
        demo.run(interactions=2000, **options)  # type: ignore[arg-type]
    return told.getvalue()


def test_the_demo_goes_from_nothing_to_recommendations_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    told = story()
    assert re.search(r"Interactions\W+2,000", told)
    assert "2,000, 29 for each user who has any" in told
    assert "CREATE FAILED" in told
    assert "line 101: 'yesterday'" in told
    assert "2,000 rows before, 2,000 now" in told
    for recipe in ("popularity-count", "trending-now", "similar-items", "user-personalization-v2"):
        assert recipe in told
    assert "1.0 ×" in told
    assert re.search(r"User u1\d+, who looked \d+ times", told)
    assert "CATEGORY = " in told
    assert re.search(r"PutEvents: u1\d+ looks at ", told)
    assert re.search(r"[0-8] of 8 items are new after one event", told)
    assert re.search(
        r"(new|up \d|down \d)\n", told.partition("PutEvents:")[2]
    )  # without torch one event moves little
    assert "who looked at it looks at" in told
    assert "others viewed too" in told
    assert re.search(r"\d+ users have their 8 items after", told)
    assert '"recommendedItems"' in told
    assert "NDCG@25, split by users" in told
    assert "because of" in told
    assert "sartor demo --keep" in told
    assert not list(tmp_path.iterdir())


def test_keep_leaves_a_server_up_beside_what_was_there_that_ends_as_the_demo_says(tmp_path: Path) -> None:
    with Server(tmp_path, {}) as server:
        server.client().create_dataset_group(name="demo")  # as an earlier demo left it
        environment = server.environment
    told = story(data_folder=tmp_path, keep=True, seed=2)
    stop = re.search(r"^ *kill (\d+)$", told, re.MULTILINE)
    assert stop is not None
    process = int(stop[1])
    try:
        found = re.search(r"listens on http://127\.0\.0\.1:(\d+)", told)
        assert found is not None
        socket.create_connection(("127.0.0.1", int(found[1]))).close()
        client = client_of(f"http://127.0.0.1:{found[1]}", environment, "personalize")
        groups = client.list_dataset_groups()["datasetGroups"]
        assert sorted(group["name"] for group in groups) == ["demo", "demo-2"]
        for command in re.findall(r"^    (sartor (?:explain|training|filter) .*)$", told, re.MULTILINE):
            words = [*shlex.split(command)[1:], "--data", str(tmp_path)]
            done = subprocess.run(
                [sys.executable, "-m", "sartor", *words], capture_output=True, text=True, check=True
            )
            assert done.stdout, command
        training = re.search(r"sartor training (\S+)", told)
        assert training is not None
        words = ["retrain", training[1], "--verify", "--force", "--json", "--data", str(tmp_path)]
        done = subprocess.run(
            [sys.executable, "-m", "sartor", *words], capture_output=True, text=True, check=False
        )
        (change,) = json.loads(done.stdout)["changes"]
        assert (change["what"], change["was"]) == ("INTERACTIONS newest put record", 0)
        assert change["now"] > 0
    finally:
        os.kill(process, signal.SIGTERM)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and os.waitpid(process, os.WNOHANG) == (0, 0):
            time.sleep(0.05)
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", int(found[1]))).close()


def test_where_no_server_is_left_it_is_said_how_to_start_one_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server: Any = SimpleNamespace(url="http://x", process=SimpleNamespace(pid=1))
    personal: Any = SimpleNamespace(campaign="arn:c/for-you", version="arn:v/s/1", user="u", group="demo")
    demo._say_what_next(server, tmp_path, personal, keep=False, stays=True)
    told = capsys.readouterr().out
    assert f"sartor serve --data {tmp_path}" in told
    assert "sartor explain for-you --user u" in told


def test_too_few_interactions_are_refused_before_anything_starts() -> None:
    with pytest.raises(ValueError, match="at least 2,000"):
        demo.run(interactions=1999)


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(ServerStartError, match="no-such-option"):
        Server(tmp_path, {}, options=("--no-such-option",))


def test_the_printed_environment_is_all_that_a_stranger_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(tmp_path, {}) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        assert boto3.client("personalize").list_dataset_groups()["datasetGroups"] == []
    said = server.log.read_text()
    assert said.endswith(" INFO sartor.serve stopped\n")
    assert "leaked" not in said, "libraries complain of nothing at the end"
