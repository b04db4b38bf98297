"""Exports, deletions of users, new schemas, undo, and what a person sees of a dataset, through boto3."""

import itertools
import json
import re
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner
from deltalake import DeltaTable

from api.conftest import ROLE, Client
from api.schemas import CATEGORICAL, INTERACTIONS, ITEMS, TEXT, USERS, schema
from sartor.cli import cli
from sartor.wire.call import CallError

AT = 1_700_000_000
PLAIN = schema("Interactions", ("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"))


def interactions(number: int, user: str = "u", first: int = 0) -> str:
    """Return a CSV file of interactions; every tenth row is another user's."""
    lines = [f"{user}{n % 10},i{n % 7},{AT + n}" for n in range(first, first + number)]
    return "\n".join(["USER_ID,ITEM_ID,TIMESTAMP", *lines]) + "\n"


def filled(client: Client, number: int = 1000) -> str:
    """Return a dataset of so many interactions."""
    dataset = client.dataset(PLAIN, "Interactions")
    key = client.write(f"{client.name('file')}.csv", interactions(number))
    assert client.imported(dataset, key)["status"] == "ACTIVE"
    return dataset


def sartor(client: Client, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command against the client's server."""
    command = [sys.executable, "-m", "sartor", *words, "--data", str(client.server.data)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


# Exports


NASTY = [
    'a "quoted" one',
    "back\\slash",
    "ends with \\",
    "comma, comma",
    "line\nbreak",
    "Füße 漢字 🎬",
    "a|b",
    " spaces ",
    "\\N",
    "NULL",
]


def test_an_export_imports_again_into_an_equal_dataset(client: Client) -> None:
    dataset = client.dataset(ITEMS, "Items")
    for start in range(0, len(NASTY), 10):
        items = [
            {"itemId": f"i{n}", "properties": json.dumps({"genre": one, "description": one, "price": n / 4})}
            for n, one in enumerate(NASTY[start : start + 10])
        ]
        client.events.put_items(datasetArn=dataset, items=items)
    client.events.put_items(datasetArn=dataset, items=[{"itemId": one} for one in NASTY])
    name = client.name("export")
    arn = client.personalize.create_dataset_export_job(
        jobName=name,
        datasetArn=dataset,
        ingestionMode="ALL",
        roleArn=ROLE,
        jobOutput={"s3DataDestination": {"path": "s3://training/out"}},
    )["datasetExportJobArn"]
    client.until(
        lambda: client.personalize.describe_dataset_export_job(datasetExportJobArn=arn)["datasetExportJob"]
    )
    again = client.dataset(ITEMS, "Items")
    job = client.imported(again, f"out/{name}/")
    assert job["status"] == "ACTIVE", job
    path = "/sartor/v1/datasets/{}/statistics"
    first, second = (client.server.get(path.format(one)) for one in (dataset, again))
    assert first["rows"] == second["rows"] == 2 * len(NASTY)
    assert first["columns"] == second["columns"]
    exported = [sorted(map(str, client.exported(one))) for one in (dataset, again)]
    assert exported[0] == exported[1]


def test_an_export_is_described_and_listed_and_needs_a_place_to_write(client: Client) -> None:
    dataset = filled(client)
    name = client.name("export")
    members = {"jobName": name, "datasetArn": dataset, "roleArn": ROLE}
    output = {"s3DataDestination": {"path": "s3://training/out/"}}
    arn = client.personalize.create_dataset_export_job(**members, jobOutput=output)["datasetExportJobArn"]
    described = client.until(
        lambda: client.personalize.describe_dataset_export_job(datasetExportJobArn=arn)["datasetExportJob"]
    )
    assert described["ingestionMode"] == "PUT"
    assert described["jobOutput"] == output
    (listed,) = client.personalize.list_dataset_export_jobs(datasetArn=dataset)["datasetExportJobs"]
    assert listed["datasetExportJobArn"] == arn
    assert "ingestionMode" not in listed
    (file,) = (client.bucket / "out" / name).iterdir()
    assert file.read_text().strip() == "USER_ID,ITEM_ID,TIMESTAMP", "nothing was put: a header alone"
    with pytest.raises(ClientError) as refused:
        client.personalize.create_dataset_export_job(
            **members | {"jobName": client.name("export")},
            jobOutput={"s3DataDestination": {"path": "no location"}},
        )
    assert refused.value.response["Error"]["Code"] == "InvalidInputException"


# Deletion of users


def parquet_values(folder: Path) -> set[str]:
    """Return every text of every Parquet file below a folder, of whatever version of a table."""
    found: set[str] = set()
    for file in folder.rglob("*.parquet"):
        rows = duckdb.sql("SELECT * FROM read_parquet($file)", params={"file": str(file)}).fetchall()
        found.update(str(cell) for row in rows for cell in row)
    return found


def test_a_deleted_user_is_in_nothing_that_can_be_read(aws: Client) -> None:
    group = aws.group()
    dataset = aws.dataset(INTERACTIONS, "Interactions", group=group)
    users = aws.dataset(USERS, "Users", group=group)
    header = ",".join(field["name"] for field in INTERACTIONS["fields"])
    lines = [f"secret-{n % 10},i{n % 7},{AT + n},watch,,,,,,;".rstrip(";") for n in range(1200)]
    for _ in range(2):  # two versions of the table
        aws.imported(dataset, aws.write("i.csv", "\n".join([header, *lines]) + "\n"))
    broken = [*lines[:5], "secret-3,i1,yesterday,watch,,,,,,"]
    failed = aws.imported(dataset, aws.write("b.csv", "\n".join([header, *broken]) + "\n"))
    assert failed["status"] == "CREATE FAILED"
    aws.imported(users, aws.write("u.csv", "USER_ID,AGE,CITY\nsecret-3,7,x\nsecret-4,8,y\n"))
    tracking = aws.tracker(dataset)
    event = {"eventType": "watch", "sentAt": AT}
    for user, session, item in [("secret-3", "hidden-session", "a"), (None, "hidden-session", "b")]:
        who = {} if user is None else {"userId": user}
        aws.events.put_events(
            trackingId=tracking, sessionId=session, eventList=[{**event, "itemId": item}], **who
        )
    aws.events.put_users(datasetArn=users, users=[{"userId": "secret-3"}, {"userId": "secret-5"}])
    job = aws.deleted(group, "secret-3", "nobody", "secret-5")
    assert (job["status"], job["numDeleted"]) == ("COMPLETED", 2)
    (listed,) = aws.personalize.list_data_deletion_jobs(datasetGroupArn=group)["dataDeletionJobs"]
    assert "numDeleted" not in listed

    left = Counter(row["USER_ID"] for row in aws.exported(dataset))
    assert left == {f"secret-{n}": 120 for n in (0, 1, 2, 4, 6, 7, 8, 9)}
    assert [row["USER_ID"] for row in aws.exported(users)] == ["secret-4"]
    storage = aws.server.data / "storage"
    values = parquet_values(storage)
    assert "secret-4" in values
    assert not {"secret-3", "secret-5", "hidden-session"} & values
    assert not [file for file in storage.rglob("*") if file.is_file() and b"secret-3" in file.read_bytes()]
    (database,) = aws.server.data.glob("*.db")
    with sqlite3.connect(database) as connection:
        dump = "\n".join(connection.iterdump())
    assert "secret-4" not in dump or "secret-3" not in dump
    assert "secret-3" not in dump
    assert "hidden-session" not in dump

    aws.events.put_users(datasetArn=users, users=[{"userId": "secret-3"}])
    assert {row["USER_ID"] for row in aws.exported(users)} == {"secret-3", "secret-4"}, "he came back as new"


def test_a_deletion_ends_while_events_are_put_and_keeps_those_that_came_after_its_call(
    client: Client,
) -> None:
    dataset = filled(client)
    group, tracking = client.group_of(dataset), client.tracker(dataset)
    over = threading.Event()

    def put(session: str) -> None:
        for at in itertools.count(AT):
            if over.is_set():
                return
            event = {"eventType": "watch", "sentAt": at, "itemId": "i"}
            client.events.put_events(trackingId=tracking, sessionId=session, userId="w", eventList=[event])

    with ThreadPoolExecutor(2) as clients:
        putting = [clients.submit(put, session) for session in "ab"]
        try:
            late = {"eventType": "watch", "sentAt": AT, "itemId": "late"}
            job = client.deleted(
                group,
                "u1",
                "w",
                meanwhile=lambda: client.events.put_events(
                    trackingId=tracking, sessionId="c", userId="u1", eventList=[late]
                ),
            )
        finally:
            over.set()
        assert [one.result() for one in putting] == [None, None]
    assert job["status"] == "COMPLETED"
    assert [row["ITEM_ID"] for row in client.exported(dataset) if row["USER_ID"] == "u1"] == ["late"]


def test_a_deletion_reads_folders_to_their_depth_and_ignores_what_is_not_csv(client: Client) -> None:
    dataset = filled(client)
    folder = client.name("folder")
    client.write(f"{folder}/a.csv", "USER_ID\nu1\n")
    client.write(f"{folder}/deep/er/b.csv", "user_id\nu2\n")
    client.write(f"{folder}/note.txt", "u3\n")
    arn = client.personalize.create_data_deletion_job(
        jobName=folder,
        datasetGroupArn=client.group_of(dataset),
        dataSource={"dataLocation": f"s3://training/{folder}/"},
        roleArn=ROLE,
    )["dataDeletionJobArn"]
    job = client.until(
        lambda: client.personalize.describe_data_deletion_job(dataDeletionJobArn=arn)["dataDeletionJob"]
    )
    assert (job["status"], job["numDeleted"]) == ("COMPLETED", 2)
    assert len(client.exported(dataset)) == 800


def test_a_deletion_leaves_other_groups_and_what_was_exported_alone(client: Client) -> None:
    dataset, other = filled(client), filled(client)
    assert client.exported(dataset, "BULK")
    written = {file: file.read_bytes() for file in (client.bucket / "exports").rglob("*.csv")}
    assert any(b"u1," in content for content in written.values())
    assert client.deleted(client.group_of(dataset), "u1")["numDeleted"] == 1
    assert {file: file.read_bytes() for file in written} == written
    assert "u1" in {row["USER_ID"] for row in client.exported(other)}


def test_an_item_that_only_deleted_users_met_is_not_recommended_after_the_next_training(
    client: Client,
) -> None:
    dataset = client.dataset(PLAIN, "Interactions")
    lines = [*interactions(300).splitlines(), *(f"victim,only his,{AT + n}" for n in range(30))]
    client.brought(dataset, "with-victim", lines)
    api, group = client.personalize, client.group_of(dataset)
    recipe = "arn:aws:personalize:::recipe/aws-popularity-count"
    solution = api.create_solution(
        name=client.name("s"), datasetGroupArn=group, recipeArn=recipe, performAutoTraining=False
    )["solutionArn"]

    def recommended() -> set[str]:
        version = api.create_solution_version(solutionArn=solution)["solutionVersionArn"]
        client.until(lambda: api.describe_solution_version(solutionVersionArn=version)["solutionVersion"])
        campaign = api.create_campaign(name=client.name("c"), solutionVersionArn=version)["campaignArn"]
        client.until(lambda: api.describe_campaign(campaignArn=campaign)["campaign"])
        runtime = client.server.client("personalize-runtime")
        answer = runtime.get_recommendations(campaignArn=campaign, userId="anybody", numResults=50)
        return {one["itemId"] for one in answer["itemList"]}

    everything = recommended()
    assert "only his" in everything
    client.deleted(group, "victim")
    assert recommended() == everything - {"only his"}


def test_a_deletion_without_a_column_of_users_is_refused(client: Client) -> None:
    group = client.group_of(filled(client))
    client.write("no-users.csv", "ITEM_ID\nu1\n")
    for key in ("no-users.csv", "missing.csv"):
        with pytest.raises(ClientError) as refused:
            client.personalize.create_data_deletion_job(
                jobName=client.name("deletion"),
                datasetGroupArn=group,
                dataSource={"dataLocation": f"s3://training/{key}"},
                roleArn=ROLE,
            )
        assert refused.value.response["Error"]["Code"] == "InvalidInputException"


def test_a_deleted_dataset_is_gone_from_storage_and_database(client: Client) -> None:
    dataset = client.dataset(USERS, "Users")
    client.imported(dataset, client.write("gone.csv", "USER_ID,AGE,CITY\nimported-gone,7,x\n"))
    client.events.put_users(datasetArn=dataset, users=[{"userId": "put-gone"}])
    name = dataset.split("/")[1]
    client.personalize.delete_dataset(datasetArn=dataset)
    client.gone(lambda: client.personalize.describe_dataset(datasetArn=dataset))
    assert not list((client.server.data / "storage").rglob(f"*{name}*"))
    (database,) = client.server.data.glob("*.db")
    with sqlite3.connect(database) as connection:
        found = connection.execute("SELECT count(*) FROM put_record WHERE key = 'put-gone'").fetchone()
    assert found == (0,)


def test_what_holds_a_resource_is_named_when_it_cannot_be_deleted(client: Client) -> None:
    dataset = client.dataset(INTERACTIONS, "Interactions")
    group = client.group_of(dataset)
    of_schema = client.personalize.describe_dataset(datasetArn=dataset)["dataset"]["schemaArn"]
    client.tracker(dataset)
    client.personalize.create_metric_attribution(
        name=client.name("metrics"),
        datasetGroupArn=group,
        metrics=[{"eventType": "buy", "metricName": "buys", "expression": "SAMPLECOUNT()"}],
        metricsOutputConfig={"roleArn": ROLE},
    )
    for delete, arn, holder in [
        ("delete_dataset", {"datasetArn": dataset}, ":event-tracker/"),
        ("delete_dataset_group", {"datasetGroupArn": group}, ":dataset/"),
        ("delete_schema", {"schemaArn": of_schema}, ":dataset/"),
    ]:
        with pytest.raises(ClientError) as refused:
            getattr(client.personalize, delete)(**arn)
        assert refused.value.response["Error"]["Code"] == "ResourceInUseException"
        assert holder in refused.value.response["Error"]["Message"]


# UpdateDataset


def test_a_newer_schema_adds_columns_that_older_records_read_as_null(client: Client) -> None:
    dataset = client.dataset(USERS, "Users")
    client.imported(dataset, client.write("users.csv", "USER_ID,AGE,CITY\nold,7,x\n"))
    client.events.put_users(datasetArn=dataset, users=[{"userId": "put"}])
    wider = schema(
        "Users",
        *((field["name"], field["type"]) for field in USERS["fields"]),
        ("PLAN", TEXT),
        CITY=CATEGORICAL,
        PLAN=CATEGORICAL,
    )
    arn = client.personalize.create_schema(name=client.name("wider"), schema=json.dumps(wider))["schemaArn"]
    assert client.personalize.update_dataset(datasetArn=dataset, schemaArn=arn)["datasetArn"] == dataset

    def described() -> dict[str, Any]:
        found: dict[str, Any] = client.personalize.describe_dataset(datasetArn=dataset)["dataset"]
        return found

    now = client.until(described)
    assert now["schemaArn"] == arn
    assert now["latestDatasetUpdate"]["status"] == "ACTIVE"
    client.events.put_users(datasetArn=dataset, users=[{"userId": "new", "properties": '{"plan": "pro"}'}])
    plans = {row["USER_ID"]: row["PLAN"] for row in client.exported(dataset)}
    assert plans == {"old": None, "put": None, "new": "pro"}
    client.imported(dataset, client.write("wide.csv", "USER_ID,AGE,CITY,PLAN\nold,7,x,free\n"))
    assert {row["PLAN"] for row in client.exported(dataset, "BULK")} == {"free"}
    narrow = client.personalize.create_schema(name=client.name("narrow"), schema=json.dumps(USERS))
    with pytest.raises(ClientError) as refused:
        client.personalize.update_dataset(datasetArn=dataset, schemaArn=narrow["schemaArn"])
    assert "PLAN" in refused.value.response["Error"]["Message"]


# Undo


def test_every_import_is_a_version_and_any_of_them_can_come_back(client: Client) -> None:
    dataset = filled(client)
    before = sorted(map(str, client.exported(dataset, "BULK")))
    client.imported(dataset, client.write("more.csv", interactions(1000, "more-")), "INCREMENTAL")
    wrong = client.imported(dataset, client.write("wrong.csv", interactions(1100, "wrong-")))
    path = f"/sartor/v1/datasets/{dataset}/history"
    newest, middle, oldest = client.server.get(path)["versions"]
    page = client.server.get(f"{path}?limit=1&before={newest['version']}")
    assert (page["versions"], page["before"]) == ([middle], middle["version"])
    assert [one["rows"] for one in (newest, middle, oldest)] == [1100, 2000, 1000]
    assert newest["jobArn"] == wrong["datasetImportJobArn"]
    assert (middle["added"], newest["removed"], newest["added"]) == (1000, 2000, 1100)
    where = sartor(client, "describe", dataset, "--tables").stdout.split()
    assert [DeltaTable(uri).version() for uri in where] == [newest["version"]], "other engines read it there"
    done = sartor(client, "rollback", dataset, "--to", str(oldest["version"]))
    assert done.returncode == 0, done.stderr
    assert sorted(map(str, client.exported(dataset, "BULK"))) == before
    (restored, *_) = client.server.get(path)["versions"]
    assert (restored["rows"], restored["version"]) == (1000, newest["version"] + 1)
    answer = client.server.post(f"/sartor/v1/datasets/{dataset}/rollback", {"to": middle["version"]})
    assert answer["version"] == newest["version"] + 2
    data = ("--data", str(client.server.data))
    listed = CliRunner().invoke(cli, ["audit", "list", *data]).stdout.splitlines()
    records = [one for one in map(json.loads, listed) if one["eventName"] == "RollbackDataset"]
    (record,) = [one for one in records if one["responseElements"] == answer]
    assert record["userIdentity"]["accessKeyId"] == client.server.environment["AWS_ACCESS_KEY_ID"]
    assert record["sourceIPAddress"] == "127.0.0.1"
    assert CliRunner().invoke(cli, ["audit", "verify", *data]).exit_code == 0
    assert len(client.exported(dataset, "BULK")) == 2000
    shown = sartor(client, "history", dataset)
    assert shown.returncode == 0
    assert "2,000" in shown.stdout
    assert len(re.findall(r"^ +\d+  ", shown.stdout, re.MULTILINE)) == 5
    older = sartor(client, "history", dataset, "--before", str(newest["version"]))
    assert len(re.findall(r"^ +\d+  ", older.stdout, re.MULTILINE)) == 2


def test_a_rollback_to_a_version_that_is_not_there_changes_nothing(client: Client) -> None:
    dataset = filled(client)
    done = sartor(client, "rollback", dataset, "--to", "7")
    assert done.returncode == 1
    assert "no version 7" in done.stderr
    for body in ({}, {"to": "x"}, {"to": -1}):
        with pytest.raises(CallError):
            client.server.post(f"/sartor/v1/datasets/{dataset}/rollback", body)
    assert len(client.server.get(f"/sartor/v1/datasets/{dataset}/history")["versions"]) == 1


def test_deleted_users_do_not_come_back_by_a_rollback(client: Client) -> None:
    dataset = filled(client)
    client.imported(dataset, client.write("more.csv", interactions(1000, "more-")), "INCREMENTAL")
    assert client.deleted(client.group_of(dataset), "u1")["numDeleted"] == 1
    path = f"/sartor/v1/datasets/{dataset}"
    versions = client.server.get(f"{path}/history")["versions"]
    assert [one["restorable"] for one in versions] == [True, False, False]
    with pytest.raises(CallError, match="no longer kept"):
        client.server.post(f"{path}/rollback", {"to": versions[-1]["version"]})
    assert "u1" not in {row["USER_ID"] for row in client.exported(dataset)}


# What a person sees


def test_describe_shows_what_is_in_a_dataset_and_what_training_will_lack(client: Client) -> None:
    dataset = filled(client)
    shown = sartor(client, "describe", dataset)
    assert shown.returncode == 0, shown.stderr
    for word in ("1,000 rows", "10 users", "7 items", "2023-11-14", "USER_ID", "█", "at least 25 users"):
        assert word in shown.stdout
    found = json.loads(sartor(client, "describe", dataset, "--json").stdout)
    assert found == client.server.get(f"/sartor/v1/datasets/{dataset}/statistics")
    assert (found["rows"], found["users"], found["items"]) == (1000, 10, 7)


def test_ids_that_the_other_datasets_do_not_know_are_counted(client: Client) -> None:
    dataset = filled(client)
    items = client.dataset(ITEMS, "Items", group=client.group_of(dataset))
    client.events.put_items(datasetArn=items, items=[{"itemId": "i1"}, {"itemId": "i2"}])
    found = client.server.get(f"/sartor/v1/datasets/{dataset}/statistics")
    assert (found["unknownItems"], found["unknownUsers"]) == (5, None)
    assert any("5 items" in sentence for sentence in found["advice"])


def test_a_dataset_of_nobody_is_described_by_nobody(client: Client) -> None:
    dataset = filled(client)
    for command in (("describe",), ("history",), ("rollback", "--to", "0")):
        done = sartor(client, command[0], dataset + "X", *command[1:])
        assert done.returncode == 1
        assert "does not exist" in done.stderr
