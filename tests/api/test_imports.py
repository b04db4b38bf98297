"""The import job through boto3: what goes in, what is refused, what the report says."""

import csv
import gzip
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest
from backports import zstd
from botocore.exceptions import ClientError

from api.conftest import Client
from sartor.data.blobs import FolderBlobs
from sartor.data.table import Table
from tables import count, query


def schema(name: str, *fields: tuple[str, Any], **attributes: Any) -> dict[str, Any]:
    columns = [{"name": field, "type": kind, **attributes.get(field, {})} for field, kind in fields]
    return {
        "type": "record",
        "name": name,
        "namespace": "com.amazonaws.personalize.schema",
        "fields": columns,
    }


CATEGORICAL = {"categorical": True}
INTERACTIONS = schema(
    "Interactions",
    ("USER_ID", "string"),
    ("ITEM_ID", "string"),
    ("TIMESTAMP", "long"),
    ("EVENT_VALUE", ["null", "float"]),
)
ITEMS = schema(
    "Items", ("ITEM_ID", "string"), ("GENRE", ["null", "string"]), ("YEAR", "int"), GENRE=CATEGORICAL
)


def rows(number: int, first: int = 0) -> list[str]:
    return [f"user-{n % 97},item-{n % 31},{1_600_000_000 + n},{n / 4}" for n in range(first, first + number)]


def text(lines: list[str], header: str = "USER_ID,ITEM_ID,TIMESTAMP,EVENT_VALUE") -> str:
    return "\n".join([header, *lines]) + "\n"


def table_of(client: Client, dataset: str) -> Table:
    """Open the dataset's table where the server keeps it."""
    group, kind = dataset.split("/")[1:]
    storage = client.server.data / "storage"
    (bulk,) = storage.glob(f"*/*/datasets/{group}-{kind}-*/bulk")
    return Table(FolderBlobs(storage), str(bulk.relative_to(storage)))


def sartor_json(*words: str) -> Any:
    """Return what a command prints with ``--json``."""
    command = [sys.executable, "-m", "sartor", *words, "--json"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


OF_DOMAIN = schema(
    "Interactions",
    ("USER_ID", "string"),
    ("ITEM_ID", "string"),
    ("TIMESTAMP", "long"),
    ("EVENT_TYPE", "string"),
)
EVENTS = text(
    [f"u{n % 97},i{n % 31},{n},{('View', 'AddToCart')[n % 2]}" for n in range(1000)],
    "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE",
)
TYPES = {
    "Interactions": (INTERACTIONS, None, text(rows(1500))),
    "Items": (ITEMS, None, "ITEM_ID,GENRE,YEAR\n1,Drama|Comedy,1999\n2,,2001\n"),
    "Users": (schema("Users", ("USER_ID", "string"), ("AGE", "int")), None, "USER_ID,AGE\na,20\nb,30\n"),
    "Actions": (
        schema("Actions", ("ACTION_ID", "string"), ("VALUE", ["null", "long"]), ("KIND", "string")),
        None,
        "ACTION_ID,VALUE,KIND\na,1,x\nb,,y\n",
    ),
    "Action_Interactions": (
        schema(
            "ActionInteractions",
            ("USER_ID", "string"),
            ("ACTION_ID", "string"),
            ("EVENT_TYPE", "string"),
            ("TIMESTAMP", "long"),
        ),
        None,
        "USER_ID,ACTION_ID,EVENT_TYPE,TIMESTAMP\n" + "".join(f"u{n},a,Not taken,{n}\n" for n in range(1000)),
    ),
    "ECOMMERCE Items": (
        schema(
            "Items",
            ("ITEM_ID", "string"),
            ("PRICE", "float"),
            ("CATEGORY_L1", "string"),
            CATEGORY_L1=CATEGORICAL,
        ),
        "ECOMMERCE",
        "ITEM_ID,PRICE,CATEGORY_L1\n1,.50,a|b\n2,15,c\n",
    ),
    "VIDEO_ON_DEMAND Items": (
        schema(
            "Items",
            ("ITEM_ID", "string"),
            ("GENRES", "string"),
            ("CREATION_TIMESTAMP", "long"),
            GENRES=CATEGORICAL,
        ),
        "VIDEO_ON_DEMAND",
        "ITEM_ID,GENRES,CREATION_TIMESTAMP\n1,a|b,1600000000\n",
    ),
    "ECOMMERCE Interactions": (OF_DOMAIN, "ECOMMERCE", EVENTS),
    "VIDEO_ON_DEMAND Interactions": (OF_DOMAIN, "VIDEO_ON_DEMAND", EVENTS),
    "ECOMMERCE Users": (
        schema(
            "Users", ("USER_ID", "string"), ("MEMBERSHIP_STATUS", "string"), MEMBERSHIP_STATUS=CATEGORICAL
        ),
        "ECOMMERCE",
        "USER_ID,MEMBERSHIP_STATUS\na,Gold\nb,Free\n",
    ),
    "VIDEO_ON_DEMAND Users": (
        schema(
            "Users", ("USER_ID", "string"), ("SUBSCRIPTION_MODEL", "string"), SUBSCRIPTION_MODEL=CATEGORICAL
        ),
        "VIDEO_ON_DEMAND",
        'USER_ID,SUBSCRIPTION_MODEL\na,Monthly\nb,"Yearly, paid"\n',
    ),
}


@pytest.mark.parametrize("case", TYPES)
def test_every_dataset_type_is_imported(client: Client, case: str) -> None:
    of_schema, domain, content = TYPES[case]
    dataset = client.dataset(of_schema, case.rpartition(" ")[2], domain)
    job = client.imported(dataset, client.write(f"{case}.csv", content))
    assert job["status"] == "ACTIVE"
    assert count(table_of(client, dataset)) == content.count("\n") - 1


def test_data_is_read_back_as_duckdb_reads_the_file(client: Client) -> None:
    dataset = client.dataset(INTERACTIONS, "Interactions")
    key = client.write("oracle.csv", text(rows(3000)))
    assert client.imported(dataset, key)["status"] == "ACTIVE"
    select = "SELECT USER_ID, ITEM_ID, TIMESTAMP, EVENT_VALUE FROM data ORDER BY TIMESTAMP"
    expected = duckdb.execute(f"WITH data AS (FROM read_csv('{client.bucket / key}')) {select}").fetchall()
    assert query(table_of(client, dataset), select) == expected


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "csv.zst", "parquet"])
def test_every_format_gives_the_same_data(client: Client, ending: str) -> None:
    plain = text(rows(1200))
    if ending == "parquet":
        client.write("plain.csv", plain)
        target = client.bucket / "same.parquet"
        duckdb.execute(f"COPY (FROM read_csv('{client.bucket / 'plain.csv'}')) TO '{target}'")
        key = target.name
    else:
        packed = {"csv": bytes, "csv.gz": gzip.compress, "csv.zst": zstd.compress}[ending](plain.encode())
        key = client.write(f"same.{ending}", packed)
    dataset = client.dataset(INTERACTIONS, "Interactions")
    assert client.imported(dataset, key)["status"] == "ACTIVE"
    assert query(table_of(client, dataset), "SELECT count(*), sum(EVENT_VALUE), max(USER_ID) FROM data") == [
        (1200, sum(n / 4 for n in range(1200)), "user-96")
    ]


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_folder_is_its_first_level_without_hidden_files(client: Client, slash: str) -> None:
    folder = client.name("folder")
    client.write(f"{folder}/a.csv", text(rows(600)))
    client.write(f"{folder}/b.csv", text(rows(600, first=600)))
    client.write(f"{folder}/_SUCCESS", "x")
    client.write(f"{folder}/.hidden.csv", "x")
    client.write(f"{folder}/marker", "")
    client.write(f"{folder}/deeper/c.csv", text(rows(600, first=1200)))
    dataset = client.dataset(INTERACTIONS, "Interactions")
    job = client.imported(dataset, folder + slash)
    assert job["status"] == "ACTIVE"
    assert [file["rows"] for file in client.report(job)["files"]] == [600, 600]
    assert count(table_of(client, dataset)) == 1200


def test_headers_match_by_name_in_any_case_and_order_with_columns_to_spare(client: Client) -> None:
    content = "﻿,event_value,Timestamp,item_id,user_id,note\r\n" + "".join(
        f'{n},,{n},i{n},u{n},"a, ""b""\nc"\r\n' for n in range(1000)
    )
    dataset = client.dataset(INTERACTIONS, "Interactions")
    assert client.imported(dataset, client.write("shuffled.csv", content))["status"] == "ACTIVE"
    assert query(table_of(client, dataset), "SELECT * FROM data WHERE TIMESTAMP = 7") == [
        ("u7", "i7", 7, None)
    ]


def test_incremental_replaces_by_id_and_the_last_of_a_file_wins(client: Client) -> None:
    dataset = client.dataset(ITEMS, "Items")
    client.imported(dataset, client.write("first.csv", "ITEM_ID,GENRE,YEAR\na,x,1\nb,x,1\nb,y,2\n"))
    client.imported(
        dataset, client.write("second.csv", "ITEM_ID,GENRE,YEAR\nb,,3\nc,z,4\nc,z,5\n"), "INCREMENTAL"
    )
    assert query(table_of(client, dataset), "SELECT * FROM data ORDER BY ITEM_ID") == [
        ("a", "x", 1),
        ("b", None, 3),
        ("c", "z", 5),
    ]
    client.imported(dataset, client.write("third.csv", "ITEM_ID,GENRE,YEAR\nd,x,1\n"))
    assert query(table_of(client, dataset), "SELECT ITEM_ID FROM data") == [("d",)]


def test_exact_duplicates_of_interactions_collapse(client: Client) -> None:
    dataset = client.dataset(INTERACTIONS, "Interactions")
    key = client.write("twice.csv", text(rows(1000) + rows(1000)))
    client.imported(dataset, key)
    client.imported(dataset, key, "INCREMENTAL")
    assert count(table_of(client, dataset)) == 1000


def test_a_broken_row_fails_the_job_and_the_report_says_where(client: Client) -> None:
    dataset = client.dataset(INTERACTIONS, "Interactions")
    assert client.imported(dataset, client.write("good.csv", text(rows(1000))))["status"] == "ACTIVE"
    lines = rows(1500)
    lines[100] = "user-1,item-1,yesterday,1"
    lines[200] = ",item-1,5,nan"
    lines[300] = "user-1,item-1,5"
    lines[1499] = f"{'u' * 257},item-1,1e9,1"
    job = client.imported(dataset, client.write("broken.csv", text(lines)))
    assert job["status"] == "CREATE FAILED"
    assert "TIMESTAMP must be a whole number" in job["failureReason"]
    assert "broken.csv line 102" in job["failureReason"]
    report = client.report(job)
    assert report["verdict"] == "failed"
    assert (report["rowsRead"], report["rowsImported"], report["rowsRejected"]) == (1500, 1496, 4)
    found = {
        (fault["code"], fault["column"], example["line"], example["value"])
        for fault in report["faults"]
        for example in fault["examples"]
    }
    assert found == {
        ("INVALID_LONG", "TIMESTAMP", 102, "yesterday"),
        ("INVALID_LONG", "TIMESTAMP", 1501, "1e9"),
        ("MISSING_VALUE", "USER_ID", 202, ""),
        ("TOO_FEW_CELLS", "", 302, "user-1,item-1,5"),
        ("ID_TOO_LONG", "USER_ID", 1501, "u" * 257),
    }
    (warning,) = report["warnings"]  # one of 1500 is let off; it fails nothing
    assert (warning["code"], warning["column"], warning["examples"][0]["line"]) == (
        *("INVALID_FLOAT", "EVENT_VALUE", 202),
    )
    assert count(table_of(client, dataset)) == 1000
    (folder,) = client.server.data.glob(f"storage/**/imports/{job['jobName']}/1")
    assert json.loads((folder / "report.json").read_text()) == report
    rejects = list(csv.DictReader(io.StringIO((folder / "rejects.csv").read_text())))
    assert list(rejects[0]) == ["file", "line", "column", "code", "rule", "value"]
    assert len(rejects) == 5
    assert not [path for path in folder.parent.parent.glob("bulk/*.parquet") if job["jobName"] in path.name]


def test_statuses_only_move_forward_and_the_times_with_them(client: Client) -> None:
    dataset = client.dataset(INTERACTIONS, "Interactions")
    arn = client.start(dataset, client.write("long.csv", text(rows(300_000))))
    seen = [client.job(arn)]
    while seen[-1]["status"] != "ACTIVE":
        seen.append(client.job(arn))
    order = ["CREATE PENDING", "CREATE IN_PROGRESS", "ACTIVE"]
    passed = [order.index(job["status"]) for job in seen]
    assert passed == sorted(passed)
    assert 1 in passed
    updated = [job["lastUpdatedDateTime"] for job in seen]
    assert updated == sorted(updated)
    assert {job["creationDateTime"] for job in seen} == {seen[0]["creationDateTime"]}


def test_validate_says_beforehand_what_the_job_says(client: Client, tmp_path: Path) -> None:
    lines = rows(1200)
    lines[7] = "user,,1,1"
    lines[1100] = 'user,"item,1,1'
    key = client.write("forecast.csv", text(lines))
    (tmp_path / "schema.json").write_text(json.dumps(INTERACTIONS))
    command = [sys.executable, "-m", "sartor", "validate", "s3://training/forecast.csv", "--json"]
    options = ["--schema", str(tmp_path / "schema.json"), "--bucket", f"training={client.bucket}"]
    done = subprocess.run([*command, *options], capture_output=True, cwd=tmp_path, check=False)
    assert done.returncode == 1, done.stderr
    forecast = json.loads(done.stdout)
    job = client.imported(client.dataset(INTERACTIONS, "Interactions"), key)
    report = client.report(job)
    assert forecast["faults"]
    assert report.pop("jobArn") == job["datasetImportJobArn"]
    assert {**forecast, "seconds": 0} == {**report, "seconds": 0}
    assert list(tmp_path.iterdir()) == [tmp_path / "schema.json"]  # nothing was written


def test_amazons_minimum_of_interactions_holds_unless_quotas_are_off(aws: Client, client: Client) -> None:
    for one, status in ((aws, "CREATE FAILED"), (client, "ACTIVE")):
        dataset = one.dataset(INTERACTIONS, "Interactions")
        assert one.imported(dataset, one.write("few.csv", text(rows(999))))["status"] == status


def test_a_few_bad_cells_do_not_stop_an_import_and_are_listed(client: Client) -> None:
    """As in an official notebook, whose YEAR was taken from titles by a pattern."""
    years = ["2006–2007", "", *["1999.0"] * 298]
    lines = [f"item-{n},Comedy,{year}" for n, year in enumerate(years)]
    dataset = client.dataset(ITEMS, "Items")
    job = client.imported(dataset, client.write("years.csv", text(lines, "ITEM_ID,GENRE,YEAR")))
    assert job["status"] == "ACTIVE"
    assert "failureReason" not in job
    report = client.report(job)
    assert (report["verdict"], report["rowsImported"], report["faults"]) == ("imported", 300, [])
    found = {one["code"]: (one["column"], one["count"], one["examples"]) for one in report["warnings"]}
    file = "s3://training/years.csv"
    assert found == {
        "MISSING_VALUE": ("YEAR", 1, [{"file": file, "line": 3, "value": ""}]),
        "INVALID_INT": ("YEAR", 1, [{"file": file, "line": 2, "value": "2006–2007"}]),
    }
    kept = {row["ITEM_ID"]: row["YEAR"] for row in client.exported(dataset)}
    assert {name: year for name, year in kept.items() if year != "1999"} == dict.fromkeys(
        ("item-0", "item-1")
    )
    lines[2] = lines[3] = "item,Comedy,soon"
    failed = client.imported(dataset, client.write("years.csv", text(lines, "ITEM_ID,GENRE,YEAR")))
    assert failed["status"] == "CREATE FAILED"
    assert f"{file} line 2" in failed["failureReason"]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("missing.csv", "Invalid Data location."),
        ("nothing/", "Invalid Data location."),
        ("../../etc/passwd", "Invalid Data location."),
        ("no-columns.csv", "Input csv is missing the following columns: [TIMESTAMP, EVENT_VALUE]"),
    ],
)
def test_what_amazon_checks_at_the_call_is_refused_at_the_call(
    client: Client, key: str, message: str
) -> None:
    client.write("no-columns.csv", "USER_ID,ITEM_ID\na,b\n")
    dataset = client.dataset(INTERACTIONS, "Interactions")
    with pytest.raises(ClientError) as refused:
        client.start(dataset, key)
    assert refused.value.response["Error"]["Code"] == "InvalidInputException"
    assert refused.value.response["Error"]["Message"].startswith(message)


def test_the_first_import_must_be_full(client: Client) -> None:
    dataset = client.dataset(INTERACTIONS, "Interactions")
    with pytest.raises(ClientError, match="must be FULL"):
        client.start(dataset, client.write("good.csv", text(rows(1000))), "INCREMENTAL")


def test_another_account_sees_and_touches_nothing(client: Client) -> None:
    dataset = client.dataset(INTERACTIONS, "Interactions")
    job = client.imported(dataset, client.write("good.csv", text(rows(1000))))
    key = sartor_json("keys", "add", "--account", "777788889999", "--data", str(client.server.data))
    other = boto3.client(
        "personalize",
        endpoint_url=client.server.url,
        region_name="us-east-1",
        aws_access_key_id=key["accessKeyId"],
        aws_secret_access_key=key["secretAccessKey"],
    )
    assert other.list_datasets()["datasets"] == []
    assert other.list_dataset_import_jobs(datasetArn=dataset)["datasetImportJobs"] == []
    for ask in (
        lambda: other.describe_dataset(datasetArn=dataset),
        lambda: other.delete_dataset(datasetArn=dataset),
        lambda: other.describe_dataset_import_job(datasetImportJobArn=job["datasetImportJobArn"]),
        lambda: other.tag_resource(resourceArn=dataset, tags=[{"tagKey": "a", "tagValue": "b"}]),
    ):
        with pytest.raises(ClientError) as refused:
            ask()
        assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_a_deleted_dataset_takes_its_data_with_it(client: Client) -> None:
    dataset = client.dataset(INTERACTIONS, "Interactions")
    client.imported(dataset, client.write("good.csv", text(rows(1000))))
    group = dataset.split("/")[1]
    assert list(client.server.data.glob(f"storage/*/*/datasets/{group}-*"))
    client.personalize.delete_dataset(datasetArn=dataset)
    with pytest.raises(client.personalize.exceptions.ResourceNotFoundException):
        while True:
            client.personalize.describe_dataset(datasetArn=dataset)
    assert not list(client.server.data.glob(f"storage/*/*/datasets/{group}-*"))
