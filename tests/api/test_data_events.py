"""``sartor serve --audit-data-events``: what a server was asked stands in its audit when it has ended."""

import json
from pathlib import Path

from click.testing import CliRunner

from sartor.cli import cli
from sartor.demo.server import Server
from sartor.pytest_plugin import SartorServer

CAMPAIGN = "arn:aws:personalize:us-east-1:000000000000:campaign/any"


def listed(data: Path, *words: str) -> str:
    done = CliRunner().invoke(cli, ["audit", *words, "--data", str(data)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_who_asked_is_in_the_audit_once_the_server_has_ended(tmp_path: Path) -> None:
    with Server(tmp_path, {}, ("--for-tests", "--workers", "0", "--audit-data-events")) as server:
        SartorServer(server, tmp_path / "buckets").answer(CAMPAIGN, ["hidden"])
        client = server.client("personalize-runtime")
        client.get_recommendations(campaignArn=CAMPAIGN, userId="anna")
        client.get_recommendations(campaignArn=CAMPAIGN, userId="bob")
    lines = listed(tmp_path, "list").splitlines()
    assert [json.loads(line)["eventName"] for line in lines] == ["GetRecommendations"] * 2
    assert not any(word in line for word in ("anna", "bob", "hidden") for line in lines)
    assert json.loads(listed(tmp_path, "list", "--json"))["Records"] == list(map(json.loads, lines))
    assert "2 records  as written" in listed(tmp_path, "verify")
