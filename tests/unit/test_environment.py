"""``sartor env``: what it prints in each form, what it writes, and that it never names a port without a server."""

import configparser
import json
import os
import shlex
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.configloader import load_config
from click.testing import CliRunner, Result

from sartor.cli import environment, profiles, shells
from sartor.cli.servers import ENDPOINTS
from sartor.keys import AccessKey, KeyFile

ACCOUNT = "000000000000"
MINE = AccessKey("AKIAMINE", "my'own \\secret", ACCOUNT)


class _Live(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"live\n" if self.path == "/livez" else b"what?")

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def live(address: tuple[str, int] = ("127.0.0.1", 0)) -> Iterator[str]:
    """Give the address of what answers as a live server does."""
    with HTTPServer(address, _Live) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the home folder of a shell in which nothing is set."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "SARTOR_")) or name.upper() == "NO_PROXY":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def env(*words: str) -> Result:
    return CliRunner().invoke(environment.env, words)


def served(folder: Path, url: str) -> AccessKey:
    """Write what a server leaves in its data folder; return its key."""
    key = KeyFile(folder / "keys.json").first(ACCOUNT)
    (folder / "server.json").write_text(json.dumps({"url": url, "region": "eu-west-1", "account": ACCOUNT}))
    return key


def test_env_prints_what_a_shell_needs(home: Path) -> None:
    with live() as url:
        key = served(home / "sartor-data", url)
        done = env()
    lines = [shlex.split(line) for line in done.stdout.splitlines()]
    assert {line[0] for line in lines} == {"export"}
    assert dict(line[1].split("=", 1) for line in lines) == {
        **dict.fromkeys(ENDPOINTS, url),
        "AWS_ACCESS_KEY_ID": key.access_key_id,
        "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_REGION": "eu-west-1",
        "NO_PROXY": "127.0.0.1",
    }


def test_env_gives_the_key_of_the_account_and_takes_away_what_would_win_over_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of Amazon")
    monkeypatch.setenv("no_proxy", "internal,127.0.0.1")
    with live() as url:
        served(home / "d", url)
        other = KeyFile(home / "d" / "keys.json").add("444455556666")
        assert json.loads(env("--data", "d", "--json", "--account", "444455556666").stdout) == {
            **dict.fromkeys(ENDPOINTS, url),
            "AWS_ACCESS_KEY_ID": other.access_key_id,
            "AWS_SECRET_ACCESS_KEY": other.secret_access_key,
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_REGION": "eu-west-1",
            "no_proxy": "internal,127.0.0.1",
        }
        assert "unset AWS_SESSION_TOKEN\n" in env("--data", "d").stdout


def test_env_waits_for_a_server_that_starts(home: Path) -> None:
    def start() -> None:
        with live() as url:
            served(home / "d", url)
            printed.wait(20)

    printed = threading.Event()
    starting = threading.Timer(0.3, start)
    starting.start()
    done = env("--data", "d")
    printed.set()
    starting.join()
    assert done.exit_code == 0
    assert "AWS_ACCESS_KEY_ID" in done.stdout


@pytest.mark.parametrize("form", [*shells.FORMATS, "json"])
def test_env_without_a_server_names_no_port_and_lets_eval_fail(home: Path, form: str) -> None:
    with live() as url:
        pass  # a port where nobody listens any more
    served(home / "d", url)
    done = env("--data", "d", "--wait", "0", "--format", form)
    assert done.exit_code == 1
    assert f"No server answers at {url}" in done.stderr
    assert url not in done.stdout
    if form == "sh":
        evaluated = subprocess.run(
            [
                "sh",
                "-c",
                'eval "$1" && exit 7; s=$?; echo $AWS_ENDPOINT_URL_PERSONALIZE; exit $s',
                "-",
                done.stdout,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert evaluated.returncode == 1
        assert evaluated.stdout == f"{environment.NOWHERE}\n"
        assert "sartor env failed" in evaluated.stderr
    if form in ("dotenv", "json"):
        assert done.stdout == ""


def test_what_is_printed_means_the_same_in_every_form() -> None:
    variables = {"PLAIN": "http://[::1]:4900", "HARD": MINE.secret_access_key}
    printed = shells.written("sh", variables, ["AWS_SESSION_TOKEN"])
    shown = subprocess.run(
        ["sh", "-c", f'{printed}\nprintf "%s|%s|%s" "$PLAIN" "$HARD" "${{AWS_SESSION_TOKEN-none}}"'],
        env={"AWS_SESSION_TOKEN": "x"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == f"http://[::1]:4900|{MINE.secret_access_key}|none"
    assert shells.written("fish", variables, ["X"]).splitlines() == [
        "set -e X",
        "set -gx PLAIN 'http://[::1]:4900'",
        "set -gx HARD 'my\\'own \\\\secret'",
    ]
    assert shells.written("powershell", variables, ["X"]).splitlines() == [
        "Remove-Item Env:X -ErrorAction SilentlyContinue",
        "$env:PLAIN = 'http://[::1]:4900'",
        "$env:HARD = 'my''own \\secret'",
    ]
    assert shells.written("dotenv", {"PLAIN": "a/b+c=", "EMPTY": ""}, ["X"]).splitlines() == [
        "X=",
        "PLAIN=a/b+c=",
        "EMPTY=",
    ]


CONFIG = """\
# mine
[default]
region = eu-central-1

[profile shop]
region=eu-north-1   # spaces as I like them
output = json

[profile role]
role_arn = arn:aws:iam::000000000000:role/x

[profile prod]
region = us-east-1
services = inner

[services inner]
s3 =
  endpoint_url = https://s3.internal
personalize =
  endpoint_url = https://old
  other = 1
"""


def write_profile(home: Path, name: str, known: tuple[str, ...] = ()) -> dict[str, Any]:
    """Write a profile and return the whole of the config file as botocore reads it."""
    wanted = profiles.Profile(
        name, "http://127.0.0.1:4900", "us-west-2", AccessKey("AKIAX", "secret", ACCOUNT)
    )
    config, _ = profiles.write(wanted, {"HOME": str(home)}, known.__contains__)
    found: dict[str, Any] = load_config(str(config))
    return found


def test_a_profile_has_the_endpoints_of_the_three_services_and_leaves_the_rest_as_it_was(
    tmp_path: Path,
) -> None:
    (tmp_path / ".aws").mkdir()
    config, credentials = (tmp_path / ".aws" / name for name in ("config", "credentials"))
    config.write_text(CONFIG)
    credentials.write_text("[prod]\naws_access_key_id = AKIAPROD\naws_secret_access_key = s\n")
    config.chmod(0o640)
    endpoints = {name: {"endpoint_url": "http://127.0.0.1:4900"} for name in profiles.SERVICES}

    found = write_profile(tmp_path, "shop")
    assert found["profiles"]["shop"] == {
        "region": "eu-north-1   # spaces as I like them",
        "output": "json",
        "services": "sartor-shop",
    }
    assert found["services"]["sartor-shop"] == endpoints
    found = write_profile(tmp_path, "prod", known=("AKIAPROD",))
    assert found["services"]["inner"] == {"s3": {"endpoint_url": "https://s3.internal"}, **endpoints}
    found = write_profile(tmp_path, "new")
    assert found["profiles"]["new"] == {"region": "us-west-2", "services": "sartor-new"}
    text = config.read_text()
    write_profile(tmp_path, "new")
    assert config.read_text() == text
    kept = [
        line for line in CONFIG.splitlines() if line not in ("  endpoint_url = https://old", "  other = 1")
    ]
    lines = iter(text.splitlines())
    assert all(line in lines for line in kept), "each after the one before it"
    assert config.stat().st_mode & 0o777 == 0o640
    assert (credentials.stat().st_mode & 0o777) in (0o600, 0o644)
    parser = configparser.RawConfigParser()
    parser.read(credentials)
    assert dict(parser["prod"]) == {"aws_access_key_id": "AKIAPROD", "aws_secret_access_key": "s"}
    for name in ("shop", "new"):
        assert dict(parser[name]) == {"aws_access_key_id": "AKIAX", "aws_secret_access_key": "secret"}


@pytest.mark.parametrize(("name", "words"), [("role", "from elsewhere"), ("prod", "the key AKIAPROD, which")])
def test_a_profile_whose_credentials_the_server_would_refuse_is_left_alone(
    tmp_path: Path, name: str, words: str
) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(CONFIG)
    (tmp_path / ".aws" / "credentials").write_text("[prod]\naws_access_key_id = AKIAPROD\n")
    with pytest.raises(profiles.ProfileError, match=words):
        write_profile(tmp_path, name)
    assert (tmp_path / ".aws" / "config").read_text() == CONFIG


def test_a_profile_becomes_the_shells(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAAMAZONS")
    with live() as url:
        served(home / "d", url)
        done = env("--data", "d", "--profile", "shop")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "unset AWS_ACCESS_KEY_ID",
        "export AWS_PROFILE=shop",
        "export NO_PROXY=127.0.0.1",
    ]
    assert "The profile shop is in " in done.stderr
