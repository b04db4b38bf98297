"""The commands about policies and roles: what they keep, print and refuse."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sartor.cli import cli
from sartor.keys import KeyFile

ACCOUNT = "111122223333"
ALLOW = {"Effect": "Allow", "Action": "personalize:Get*", "Resource": "*"}
TRUST = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SARTOR_DATA", raising=False)
    return tmp_path


def sartor(*words: str) -> Result:
    return CliRunner().invoke(cli, [*words, "--data", "d"])


def file(name: str, statement: dict[str, Any]) -> str:
    Path(name).write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    return name


def test_a_key_is_made_with_a_policy_gets_another_and_loses_it() -> None:
    made = sartor("keys", "add", "--account", ACCOUNT, "--json", "--policy", file("a.json", ALLOW))
    key = json.loads(made.stdout)["accessKeyId"]
    shown = ("keys", "policy", key, "--json")
    assert [one["Statement"] for one in json.loads(sartor(*shown).stdout)] == [[ALLOW]]
    two = file("b.json", {**ALLOW, "Effect": "Deny"})
    assert sartor("keys", "policy", key, "--policy", "a.json", "--policy", two).exit_code == 0
    assert len(json.loads(sartor(*shown).stdout)) == 2
    assert json.loads(sartor("keys", "policy", key).stdout.partition("\n}\n")[0] + "}")["Statement"] == [
        ALLOW
    ]
    assert sartor("keys", "policy", key, "--none").exit_code == 0
    assert json.loads(sartor(*shown).stdout) == []


def test_a_key_is_disabled_and_enabled_with_its_policies() -> None:
    made = sartor("keys", "add", "--account", ACCOUNT, "--json", "--policy", file("a.json", ALLOW))
    key = json.loads(made.stdout)["accessKeyId"]
    assert sartor("keys", "disable", key).exit_code == 0
    assert json.loads(sartor("keys", "list", "--json").stdout) == [
        {"accessKeyId": key, "account": ACCOUNT, "status": "Inactive"}
    ]
    shown = json.loads(sartor("keys", "policy", key, "--json").stdout)
    assert [one["Statement"] for one in shown] == [[ALLOW]]
    assert sartor("keys", "policy", key, "--none").exit_code == 0
    assert sartor("keys", "list").stdout.split() == [key, ACCOUNT, "Inactive"]
    assert sartor("keys", "enable", key).exit_code == 0
    assert sartor("keys", "list").stdout.split() == [key, ACCOUNT]
    refused = sartor("keys", "disable", "AKIANOBODY")
    assert refused.exit_code == 1
    assert "There is no key AKIANOBODY" in refused.stderr


def test_a_role_is_made_listed_changed_and_removed(home: Path) -> None:
    made = sartor("roles", "add", "team/reader", "--account", ACCOUNT, "--json")
    arn = f"arn:aws:iam::{ACCOUNT}:role/team/reader"
    role = json.loads(made.stdout)
    assert role.pop("roleId").startswith("AROA")
    assert role == {
        "arn": arn,
        "trust": {"Version": "2012-10-17", "Statement": [TRUST]},
        "policies": [],
        "maxSessionSeconds": 3600,
    }
    again = sartor("roles", "add", arn)
    assert (again.exit_code, "Role with name reader already exists" in again.stderr) == (1, True)
    assert sartor("roles", "policy", arn, "--policy", file("a.json", ALLOW)).exit_code == 0
    assert sartor("roles", "list").stdout == f"{arn}  1 policies\n"
    (listed,) = json.loads(sartor("roles", "list", "--json").stdout)
    assert listed["policies"][0]["Statement"] == [ALLOW]
    assert sartor("roles", "remove", "team/reader", "--account", ACCOUNT).exit_code == 0
    assert KeyFile(home / "d" / "keys.json").roles() == []
    assert "There is no role" in sartor("roles", "remove", arn).stderr


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (("keys", "policy", "AKIANOBODY"), 1, "There is no key AKIANOBODY"),
        (("keys", "policy", "AKIANOBODY", "--policy", "good.json", "--none"), 2, "say two things"),
        (("keys", "add", "--account", ACCOUNT, "--policy", "bad.json"), 1, "Invalid effect: Permit"),
        (("keys", "add", "--account", ACCOUNT, "--policy", "nothing.json"), 2, "does not exist"),
        (("roles", "add", "a b"), 2, "is no role"),
        (("roles", "add", "x", "--trust", "good.json"), 1, "Has prohibited field Resource"),
        (("roles", "add", "x", "--policy", "trust.json"), 1, "Has prohibited field Principal"),
        (("roles", "policy", "x"), 1, "There is no role"),
        (("audit", "verify"), 1, "There is no service in"),
    ],
)
def test_what_is_wrong_is_refused_in_words_and_changes_nothing(
    home: Path, words: tuple[str, ...], code: int, reason: str
) -> None:
    file("good.json", ALLOW)
    file("bad.json", {**ALLOW, "Effect": "Permit"})
    file("trust.json", TRUST)
    done = sartor(*words)
    assert (done.exit_code, reason in done.stderr) == (code, True), done.stderr
    assert KeyFile(home / "d" / "keys.json").all() == []
