"""The clients that people have already, with nothing but what ``sartor env`` prints: the AWS CLI, a boto3 script."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from api.conftest import Client
from api.test_imports import INTERACTIONS, rows, text

ROOT = Path(__file__).parents[2]
AWS = Path(sys.executable).with_name("aws")
ROLE = "arn:aws:iam::000000000000:role/import"
#: What a developer's shell may have set and must not decide a test.
FOREIGN = re.compile(r"AWS_|SARTOR_")


def shell(client: Client, home: Path) -> dict[str, str]:
    """Return the environment of a shell that evaluated ``sartor env``, without profile files."""
    clean = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
    return {**clean, **client.server.environment, "HOME": str(home)}


class Cli:
    """The AWS CLI of a shell."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def __call__(self, *words: str, fails: bool = False) -> Any:
        """Return what a command of ``aws personalize`` prints, or its error."""
        command = [AWS, "personalize", *words, "--output", "json"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert bool(done.returncode) is fails, done.stderr
        return done.stderr if fails else json.loads(done.stdout or "{}")


@pytest.fixture
def cli(client: Client, tmp_path: Path) -> Cli:
    return Cli(shell(client, tmp_path))


def test_the_aws_cli_does_the_whole_import(client: Client, cli: Cli) -> None:
    name = client.name("cli")
    key = client.write(f"{name}.csv", text(rows(1000)))
    schema_arn = cli("create-schema", "--name", name, "--schema", json.dumps(INTERACTIONS))["schemaArn"]
    group_arn = cli("create-dataset-group", "--name", name, "--tags", "tagKey=team,tagValue=shop")[
        "datasetGroupArn"
    ]
    describe_group = ("describe-dataset-group", "--dataset-group-arn", group_arn)
    client.until(lambda: cli(*describe_group)["datasetGroup"])
    dataset_arn = cli(
        *("create-dataset", "--name", name, "--schema-arn", schema_arn),
        *("--dataset-group-arn", group_arn, "--dataset-type", "Interactions"),
    )["datasetArn"]
    client.until(lambda: cli("describe-dataset", "--dataset-arn", dataset_arn)["dataset"])
    job_arn = cli(
        *("create-dataset-import-job", "--job-name", name, "--dataset-arn", dataset_arn),
        *("--data-source", f"dataLocation=s3://training/{key}", "--role-arn", ROLE),
    )["datasetImportJobArn"]
    describe_job = ("describe-dataset-import-job", "--dataset-import-job-arn", job_arn)
    job = client.until(lambda: cli(*describe_job)["datasetImportJob"])
    assert job["status"] == "ACTIVE"
    assert job["dataSource"] == {"dataLocation": f"s3://training/{key}"}
    listed = cli("list-dataset-import-jobs", "--dataset-arn", dataset_arn)["datasetImportJobs"]
    assert [one["datasetImportJobArn"] for one in listed] == [job_arn]
    assert cli("list-tags-for-resource", "--resource-arn", group_arn)["tags"] == [
        {"tagKey": "team", "tagValue": "shop"}
    ]
    assert "ResourceInUseException" in cli(
        "delete-dataset-group", "--dataset-group-arn", group_arn, fails=True
    )
    assert cli("delete-dataset", "--dataset-arn", dataset_arn) == {}


def test_the_aws_cli_follows_the_pages_of_a_list_by_itself(cli: Cli) -> None:
    whole = cli("list-recipes")["recipes"]
    assert len(whole) > 20
    assert cli("list-recipes", "--page-size", "5")["recipes"] == whole


def test_the_aws_cli_shows_what_a_refusal_says(cli: Cli) -> None:
    arn = "arn:aws:personalize:us-east-1:000000000000:dataset/nothing/ITEMS"
    assert (
        "An error occurred (ResourceNotFoundException) when calling the DescribeDataset operation: "
        in cli("describe-dataset", "--dataset-arn", arn, fails=True)
    )
    cli.environment["AWS_SECRET_ACCESS_KEY"] = "wrong"
    assert "InvalidSignatureException" in cli("list-schemas", fails=True)


def test_the_tutorials_script_runs_as_it_is_written(aws: Client, tmp_path: Path) -> None:
    tutorial = (ROOT / "docs" / "tutorial" / "first-import.md").read_text()
    (script,) = re.findall(r"```python\n(.*?)```", tutorial, re.DOTALL)
    aws.write("interactions.csv", text(rows(1000)))
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=shell(aws, tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout.split(), done.stderr) == (["ACTIVE"], "")


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl is installed")
def test_the_page_about_curl_signs_a_call(client: Client, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "curl.md").read_text()
    shell_lines, call, *_ = re.findall(r"```\n(.*?)```", page, re.DOTALL)
    _, sign = shell_lines.splitlines()  # the first line is sartor env's
    done = subprocess.run(
        ["bash", "-c", f"{sign}\n{call}"],
        env=shell(client, tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert len(json.loads(done.stdout)["recipes"]) == 2


def test_sartor_report_prints_what_the_endpoint_answers(client: Client, tmp_path: Path) -> None:
    lines = rows(1200)
    lines[10] = "user,item,never,1"
    key = client.write(f"{client.name('broken')}.csv", text(lines))
    job = client.imported(client.dataset(INTERACTIONS, "Interactions"), key)
    environment = {**shell(client, tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "sartor", "report", job["datasetImportJobArn"]]
    for where in ([], ["--data", str(client.server.data)]):  # found by the environment, or by the data folder
        for form in ([], ["--json"]):
            done = subprocess.run(
                [*command, *where, *form],
                env=environment,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=True,
            )
            if form:
                assert json.loads(done.stdout) == client.report(job)
            else:
                assert "1,200 rows read = 1,199 imported + 1 rejected" in done.stdout
                assert "line 12" in done.stdout


def test_a_profile_is_all_that_the_aws_cli_and_a_script_need_and_s3_stays_where_it_was(
    client: Client, tmp_path: Path
) -> None:
    clean = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
    written = subprocess.run(
        [sys.executable, "-m", "sartor", "env", "--data", str(client.server.data), "--profile", "shop"],
        env={**clean, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "export AWS_PROFILE=shop" in written.stdout
    cli = Cli({**clean, "HOME": str(tmp_path), "AWS_PROFILE": "shop"})
    assert len(cli("list-recipes")["recipes"]) > 20
    script = """
import boto3
session = boto3.Session(profile_name="shop")
names = "personalize", "personalize-runtime", "personalize-events", "s3"
print(*(session.client(name).meta.endpoint_url for name in names), sep="\\n")
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**clean, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [client.server.url] * 3 + ["https://s3.amazonaws.com"]


def test_a_pair_that_exists_signs_as_soon_as_it_is_taken(client: Client, cli: Cli) -> None:
    cli.environment |= {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI"}
    assert "UnrecognizedClientException" in cli("list-schemas", fails=True)
    subprocess.run(
        [
            *(sys.executable, "-m", "sartor", "keys", "add", "--account", "000000000000"),
            *("--access-key-id", "AKIAIOSFODNN7EXAMPLE", "--secret-from-stdin"),
            *("--data", str(client.server.data)),
        ],
        input="wJalrXUtnFEMI\n",
        text=True,
        check=True,
        capture_output=True,
    )
    assert "schemas" in cli("list-schemas")
