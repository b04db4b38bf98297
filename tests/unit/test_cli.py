"""The commands that need no server: what they print, and how they end."""

import io
import json
import os
import pty
import subprocess
import sys
from contextlib import chdir, suppress
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner

from sartor.cli import cli
from sartor.cli.models import given
from sartor.cli.options import _name_unknown_variables
from sartor.cli.servers import ENDPOINTS, asked_server
from sartor.data.report import Place
from sartor.keys import AccessKey, KeyFile
from sartor.resources.store import Store
from sartor.settings import load
from sartor.work.validate import validate

ITEMS = {
    "type": "record",
    "name": "Items",
    "namespace": "com.amazonaws.personalize.schema",
    "fields": [{"name": "ITEM_ID", "type": "string"}, {"name": "YEAR", "type": "int"}],
    "version": "1.0",
}
GOOD = "ITEM_ID,YEAR\na,1999\nb,2001\n"
BROKEN = "ITEM_ID,YEAR\na,1999\nb,soon\n"


def sartor(
    *words: str | Path, folder: Path, environment: dict[str, str] | None = None, said: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, with nothing of ours in its environment but what is given.

    It runs in this process, where no library is loaded again; a server, which takes a process over, in its own.
    """
    ours = [name for name in os.environ if name.startswith(("SARTOR_", "AWS_"))]
    if words[0] == "serve":
        clean = {name: value for name, value in os.environ.items() if name not in ours} | (environment or {})
        command = [sys.executable, "-m", "sartor", *map(str, words)]
        return subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False)
    runner = CliRunner(env=dict.fromkeys(ours) | (environment or {}))
    with chdir(folder):
        done = runner.invoke(cli, [str(word) for word in words], input=said, catch_exceptions=False)
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    place = tmp_path / "items.json"
    place.write_text(json.dumps(ITEMS))
    return place


def test_an_example_keeps_its_lines(tmp_path: Path) -> None:
    printed = sartor("env", "--help", folder=tmp_path).stdout
    assert '  Example:\n    eval "$(sartor env --data ./sartor-data)"\n' in printed


def test_a_shell_that_asks_is_told_how_a_word_may_end() -> None:
    asked = {"COMP_WORDS": "sartor serve --lo", "COMP_CWORD": "2", "_SARTOR_COMPLETE": "bash_complete"}
    command = [Path(sys.executable).with_name("sartor")]
    done = subprocess.run(command, env={**os.environ, **asked}, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["plain,--log-level", "plain,--log-format"]


def test_no_command_loads_what_only_another_needs() -> None:
    heavy = {"numpy", "duckdb", "sqlalchemy", "botocore", "torch", "deltalake"}
    script = f"import sys, sartor.cli; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    "words",
    [
        ("nothing",),
        ("serve", "--port", "x"),
        ("serve", "--auth", "open", "--host", "0.0.0.0"),
        ("serve", "--surprise"),
        ("validate", "x.csv"),
        ("validate", "--schema", "missing.json", "x.csv"),
        ("keys", "add"),
        ("keys", "add", "--account", "1"),
        ("keys", "add", "--account", "111122223333", "--access-key-id", "AKIAMINE"),
        ("keys", "add", "--account", "111122223333", "--secret-from-stdin"),
        ("env", "--format", "csh"),
        ("env", "--profile", "a b"),
        ("report", "arn:aws:personalize:us-east-1:000000000000:dataset/x/ITEMS"),
        ("training", "arn:aws:personalize:us-east-1:000000000000:campaign/x"),
        ("explain", "arn:aws:personalize:us-east-1:000000000000:solution/x"),
        ("retrain", "arn:aws:personalize:us-east-1:000000000000:solution/x/1"),
        ("filter", "test", "INCLUDE ItemID WHERE Items.PRICE < 2"),
        ("filter", "test", "x", "--group", "arn:aws:personalize:us-east-1:000000000000:dataset/x/ITEMS"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_reason_on_stderr(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = sartor(*words, folder=tmp_path)
    assert done.returncode == 2
    assert "Error: " in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("keys", "revoke", "AKIANOBODY"), "There is no key AKIANOBODY"),
        (("serve", "--port", "0", "--storage", "gs://x/y"), "Storage must be a folder or s3://"),
        (("serve", "--port", "0", "--database", "mysql://x/y"), "The database must be sqlite"),
        (
            ("serve", "--port", "0", "--database", "postgresql://someone:hidden@127.0.0.1:1/x"),
            "The database 127.0.0.1:1/x cannot be opened",
        ),
        (("serve", "--host", "192.0.2.1"), "Cannot listen on 192.0.2.1 port 4900"),
        (
            ("serve", "--port", "0", "--bucket", "x=/nope"),
            "The bucket 000000000000/x is to be the folder /nope",
        ),
        (("doctor", "--s3-endpoint", "minio"), "it is http://HOST:PORT"),
        (("report", "arn:aws:personalize:us-east-1:000000000000:dataset-import-job/x"), "No server is known"),
        (("training", "arn:aws:personalize:us-east-1:000000000000:solution/x/1"), "No server is known"),
        (("explain", "arn:aws:personalize:us-east-1:000000000000:campaign/x"), "No server is known"),
        (("filter", "test", "x", "--group", "shop"), "No server is known"),
        (
            ("retrain", "arn:aws:personalize:us-east-1:000000000000:solution/x/1", "--verify"),
            "There is no data folder",
        ),
    ],
)
def test_a_failure_ends_with_its_reason_in_one_line_on_stderr(
    tmp_path: Path, words: tuple[str, ...], reason: str
) -> None:
    done = sartor(*words, folder=tmp_path)
    assert done.returncode in (1, 2)
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert "hidden" not in done.stderr
    assert done.stdout == ""


def test_a_key_is_added_listed_and_revoked(tmp_path: Path) -> None:
    added = sartor("keys", "add", "--account", "111122223333", "--data", "d", "--json", folder=tmp_path)
    key = json.loads(added.stdout)
    assert set(key) == {"accessKeyId", "secretAccessKey", "account"}
    assert key["account"] == "111122223333"
    listed = sartor("keys", "list", "--data", "d", "--json", folder=tmp_path).stdout
    assert json.loads(listed) == [{"accessKeyId": key["accessKeyId"], "account": "111122223333"}]
    assert sartor("keys", "revoke", key["accessKeyId"], "--data", "d", folder=tmp_path).returncode == 0
    assert json.loads(sartor("keys", "list", "--data", "d", "--json", folder=tmp_path).stdout) == []


def test_a_pair_that_exists_is_taken_once_with_its_secret_from_standard_input(tmp_path: Path) -> None:
    words = ("keys", "add", "--account", "111122223333", "--data", "d", "--access-key-id")
    for name, said, code, reason in (
        ("AKIAMINE", "my-own-secret", 0, ""),
        ("AKIAMINE", "my-own-secret", 0, ""),
        ("AKIAMINE", "another-secret", 1, "There is a key AKIAMINE already"),
        ("ASIATEMPORARY", "my-own-secret", 1, "temporary credentials"),
        ("a/b", "my-own-secret", 1, "3 to 128 letters"),
        ("AKIAOTHER", "short", 1, "8 to 128 printable"),
        ("AKIAOTHER", "", 1, "8 to 128 printable"),
    ):
        done = sartor(*words, name, "--secret-from-stdin", folder=tmp_path, said=f"{said}\n")
        assert (done.returncode, reason in done.stderr) == (code, True), done.stderr
        assert "my-own-secret" not in done.stdout + done.stderr
    kept = KeyFile(tmp_path / "d" / "keys.json").all()
    assert kept == [AccessKey("AKIAMINE", "my-own-secret", "111122223333")]


def test_a_damaged_file_of_keys_is_a_failure_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "keys.json").write_text("{")
    for words in (("keys", "list"), ("keys", "add", "--account", "111122223333")):
        done = sartor(*words, "--data", "d", folder=tmp_path)
        assert done.returncode == 1
        assert "is damaged: put back a copy of it" in done.stderr


def test_validate_of_good_files_ends_with_0_and_leaves_nothing(
    tmp_path: Path, schema: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "good.csv").write_text(GOOD)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    done = sartor("validate", "good.csv", "--schema", schema, "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert "jobArn" not in report
    assert (report["verdict"], report["rowsRead"], report["rowsImported"]) == ("imported", 2, 2)
    assert report["bytesRead"] == len(GOOD)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good.csv", "items.json", "tmp"]
    assert list((tmp_path / "tmp").iterdir()) == []


def test_validate_of_a_broken_file_ends_with_1_and_says_where(tmp_path: Path, schema: Path) -> None:
    (tmp_path / "broken.csv").write_text(BROKEN)
    done = sartor("validate", "broken.csv", "--schema", schema, "--json", folder=tmp_path)
    assert done.returncode == 1
    (fault,) = json.loads(done.stdout)["faults"]
    assert (fault["column"], fault["count"]) == ("YEAR", 1)
    assert fault["examples"] == [{"file": "broken.csv", "line": 3, "value": "soon"}]
    readable = sartor("validate", "broken.csv", "--schema", schema, folder=tmp_path).stdout
    assert readable.startswith("would fail  2 rows read = 1 good + 1 rejected")
    assert "1 row: broken.csv line 3 'soon'" in readable
    assert "\x1b" not in readable, "no colours where there is no terminal"


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_gets_colours_unless_it_wants_none(
    tmp_path: Path, schema: Path, environment: dict[str, str], coloured: bool
) -> None:
    (tmp_path / "good.csv").write_text(GOOD)
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "sartor", "validate", "good.csv", "--schema", schema]
    clean = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | environment
    subprocess.run(command, cwd=tmp_path, env=clean, stdout=its, check=True)
    os.close(its)
    shown = b""
    with suppress(OSError):  # which is how the end of a terminal is told
        while part := os.read(ours, 1000):
            shown += part
    os.close(ours)
    assert b"would import" in shown
    assert (b"\x1b" in shown) is coloured


def test_a_command_ends_with_its_code_and_says_why_on_stderr(tmp_path: Path) -> None:
    for words, code in ((("env",), 1), (("nothing",), 2), (("--version",), 0)):
        command = [sys.executable, "-m", "sartor", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == code
        assert ("Error: " in done.stderr) == (code > 0)


def test_validate_reads_standard_input(tmp_path: Path, schema: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(BROKEN.encode())))
    report = validate(["-"], schema.read_text(), None, None, load({"data": str(tmp_path)}, {}))
    assert report.faults[0].places[0] == Place("standard input", 3, "soon")


def test_a_schema_is_drafted_and_what_to_look_at_is_said_apart(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("movieId,year\na,1999\n")
    done = sartor("schema", "draft", "x.csv", folder=tmp_path)
    assert done.returncode == 0
    assert [one["name"] for one in json.loads(done.stdout)["fields"]] == ["ITEM_ID", "year"]
    assert done.stderr == "note: Rename the column movieId of the file to ITEM_ID.\n"


def test_a_variable_that_is_no_setting_is_named(tmp_path: Path) -> None:
    _name_unknown_variables.cache_clear()
    done = sartor("keys", "list", folder=tmp_path, environment={"SARTOR_ACOUNT": "1", "SARTOR_DATA": "d"})
    assert done.stderr == "Warning: SARTOR_ACOUNT is no setting; is SARTOR_ACCOUNT meant?\n"


def test_a_system_error_is_told_without_its_number(tmp_path: Path) -> None:
    (tmp_path / "d").write_text("a file where the folder would be")
    done = sartor("keys", "add", "--account", "0" * 12, "--data", "d", folder=tmp_path)
    assert done.returncode == 1
    assert "Errno" not in done.stderr
    assert "d" in done.stderr


def test_validate_reads_folders_and_buckets(tmp_path: Path, schema: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "1.csv").write_text(GOOD)
    (tmp_path / "shop" / "2.csv").write_text(GOOD)
    for place in ("shop", "s3://training/shop/"):
        words = ("validate", place, "--schema", schema, "--bucket", f"training={tmp_path}", "--json")
        done = sartor(*words, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["rowsRead"] == 4


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("missing.csv",), "missing.csv does not exist"),
        (("s3://nowhere/missing.csv",), "Invalid Data location."),
        (("good.csv", "--dataset-type", "Users"), "The schema is for ITEMS, not for USERS"),
        (("good.csv", "--domain", "ECOMMERCE"), ""),
    ],
)
def test_validate_of_what_cannot_be_read_says_why(
    tmp_path: Path, schema: Path, words: tuple[str, ...], reason: str
) -> None:
    (tmp_path / "good.csv").write_text(GOOD)
    done = sartor("validate", *words, "--schema", schema, folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert reason in done.stderr
    assert done.stdout == ""


def test_the_server_to_ask_is_the_named_folders_then_the_environments_then_the_default_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SARTOR_DATA", raising=False)
    account = "000000000000"
    for folder, port in (("sartor-data", 1), ("named", 2)):
        KeyFile(tmp_path / folder / "keys.json").add(account)
        (tmp_path / folder / "server.json").write_text(json.dumps({"url": f"http://127.0.0.1:{port}"}))
    assert asked_server(load({}, {}), None, account)[0] == "http://127.0.0.1:1"
    monkeypatch.setenv(ENDPOINTS[0], "http://elsewhere")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert asked_server(load({}, {}), None, account)[0] == "http://elsewhere"
    assert asked_server(load({"data": "named"}, {}), "named", account)[0] == "http://127.0.0.1:2"
    monkeypatch.setenv("SARTOR_DATA", "named")
    assert asked_server(load({}), None, account)[0] == "http://127.0.0.1:2"


def test_the_values_of_placeholders_are_named_and_may_hold_anything() -> None:
    asked = {"userId": "anna", "itemId": None}
    found = given(asked, ("GENRE=a=b", '$PRICE="1","2"'))
    assert found == {"userId": "anna", "filterValues": {"GENRE": "a=b", "PRICE": '"1","2"'}}
    assert given(asked, ()) == {"userId": "anna"}
    for text in ("GENRE", "=x"):
        with pytest.raises(click.UsageError, match="NAME=VALUE"):
            given(asked, (text,))


def test_doctor_says_what_is_well_and_what_to_mend(tmp_path: Path) -> None:
    well = sartor("doctor", "--json", folder=tmp_path)
    assert well.returncode == 0
    found = {finding["name"]: finding["text"] for finding in json.loads(well.stdout)}
    assert found.keys() >= {"python", "database", "storage", "keys", "torch", "machine", "server"}
    assert "none yet" in found["database"]
    assert list(tmp_path.iterdir()) == [], "whoever looks makes nothing"
    (tmp_path / "sartor-data").mkdir(mode=0o700)
    (tmp_path / "sartor-data" / "keys.json").write_text('{"keys": []}')
    (tmp_path / "sartor-data" / "keys.json").chmod(0o644)
    ill = sartor("doctor", folder=tmp_path)
    assert ill.returncode == 1
    assert "chmod 600" in ill.stdout


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("keys.json", None, "keys.json is gone: put back a copy"),
        ("keys.json", b"{", "keys.json is damaged: put back a copy"),
        ("sartor.db", None, "sartor.db is gone: put back a copy"),
        ("sartor.db", b"", "sartor.db is empty: put back a copy"),
        ("sartor.db", b"x" * 9000, "sartor.db is damaged: put back a copy"),
    ],
)
def test_a_server_does_not_start_anew_over_files_that_were_lost(
    tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    KeyFile(tmp_path / "d" / "keys.json").first("0" * 12)
    Store.open(f"sqlite:///{tmp_path / 'd' / 'sartor.db'}").close()
    place = tmp_path / "d" / name
    place.unlink() if content is None else place.write_bytes(content)
    done = sartor("serve", "--data", "d", "--port", "0", folder=tmp_path)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert (place.read_bytes() if place.exists() else None) == content
