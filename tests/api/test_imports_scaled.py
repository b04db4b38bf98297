"""The same import with the parts that scale: PostgreSQL, an S3 service for data and tables, workers apart."""

from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from api.scaled import Remote, database, s3, worker
from api.test_imports import INTERACTIONS, ITEMS, rows, text
from s3_server import S3Server
from sartor.demo.server import Server
from sartor.keys import KeyFile

__all__ = ["database", "s3"]


def test_a_worker_elsewhere_imports_from_s3_into_a_table_on_s3(
    tmp_path: Path, s3: S3Server, database: str
) -> None:
    shared = ("--database", database, "--storage", "s3://tables/sartor", "--s3-endpoint", s3.url)
    with Server(tmp_path / "api", {}, (*shared, "--workers", "0")) as server:
        client = Remote(server, s3)
        with worker("--data", str(tmp_path / "worker"), *shared):
            dataset = client.dataset(ITEMS, "Items")
            good = client.write("good.csv", "ITEM_ID,GENRE,YEAR\na,x,1\nb,,2\n")
            assert client.imported(dataset, good)["status"] == "ACTIVE"
            broken = client.imported(dataset, client.write("bad.csv", "ITEM_ID,GENRE,YEAR\na,x,soon\n"))
            assert broken["status"] == "CREATE FAILED"
        reports = [name for name in s3.objects if name.endswith("report.json")]
        assert len(reports) == 2
        assert all(name.startswith("tables/sartor/000000000000/us-east-1/datasets/") for name in reports)
        assert client.report(broken)["faults"][0]["examples"] == [
            {"file": "s3://training/bad.csv", "line": 2, "value": "soon"}
        ]
        # Without a worker a job waits, and says so; the next worker does it.
        waiting = client.start(dataset, good)
        assert client.job(waiting)["status"] == "CREATE PENDING"
        assert client.report(client.job(waiting))["status"] == "CREATE PENDING"
        with worker("--data", str(tmp_path / "another"), *shared):
            assert client.until(lambda: client.job(waiting))["status"] == "ACTIVE"


def test_a_bucket_that_refuses_is_refused_at_the_call_and_a_role_may_have_its_own_credentials(
    tmp_path: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = "arn:aws:iam::000000000000:role/import"
    settings = tmp_path / "sartor.toml"
    settings.write_text(
        f's3_endpoint = "{s3.url}"\n[roles."{role}"]\n'
        'aws_access_key_id = "ROLEKEY"\naws_secret_access_key = "x"\n'
    )
    monkeypatch.setenv("SARTOR_CONFIG", str(settings))
    with Server(tmp_path / "data", {}) as server:
        client = Remote(server, s3)
        dataset = client.dataset(INTERACTIONS, "Interactions")
        key = client.write("good.csv", text(rows(1000)))
        s3.faults.refused.add("training")
        with pytest.raises(ClientError, match="Insufficient privileges for accessing data in S3"):
            client.start(dataset, key)
        s3.faults.refused.clear()
        s3.access_keys.clear()
        assert client.imported(dataset, key)["status"] == "ACTIVE"
        assert set(s3.access_keys) == {"ROLEKEY"}


def test_another_account_reaches_the_service_in_a_role_of_its_own_alone(
    tmp_path: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = "111122223333"
    own, others = f"arn:aws:iam::{account}:role/own", "arn:aws:iam::000000000000:role/others"
    settings = tmp_path / "sartor.toml"
    settings.write_text(
        f's3_endpoint = "{s3.url}"\n'
        + "".join(
            f'[roles."{role}"]\naws_access_key_id = "{key}"\naws_secret_access_key = "x"\n'
            for role, key in ((own, "OWNKEY"), (others, "OTHERSKEY"))
        )
    )
    monkeypatch.setenv("SARTOR_CONFIG", str(settings))
    with Server(tmp_path / "data", {}) as server:
        key = KeyFile(server.data / "keys.json").add(account)
        server.environment |= {
            "AWS_ACCESS_KEY_ID": key.access_key_id,
            "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
        }
        client = Remote(server, s3)
        dataset = client.dataset(INTERACTIONS, "Interactions")
        name = client.write("good.csv", text(rows(1000)))

        def start(role: str) -> str:
            return str(
                client.personalize.create_dataset_import_job(
                    jobName=client.name("job"),
                    datasetArn=dataset,
                    dataSource={"dataLocation": f"s3://training/{name}"},
                    roleArn=role,
                )["datasetImportJobArn"]
            )

        for role in (others, f"arn:aws:iam::{account}:role/unknown"):
            with pytest.raises(ClientError, match=r"Invalid Data location\.$"):
                start(role)
        assert not s3.access_keys
        job = start(own)
        assert client.until(lambda: client.job(job))["status"] == "ACTIVE"
        assert set(s3.access_keys) == {"OWNKEY"}


def test_a_download_that_breaks_is_resumed_and_one_that_always_breaks_fails_the_job(
    tmp_path: Path, s3: S3Server
) -> None:
    options = ("--s3-endpoint", s3.url)
    with Server(tmp_path / "data", {}, (*options, "--workers", "0")) as server:
        client = Remote(server, s3)
        key = client.write("good.csv", text(rows(50_000)))
        broken = s3.faults.cuts
        with worker("--data", str(server.data), *options):
            dataset = client.dataset(INTERACTIONS, "Interactions")
        for cuts, status in ((2, "ACTIVE"), (1000, "CREATE FAILED")):
            job = client.start(dataset, key)
            broken[f"training/{key}"] = cuts  # from here on: what the call itself reads has been read
            with worker("--data", str(server.data), *options):
                ended = client.until(lambda job=job: client.job(job))
            assert ended["status"] == status, ended
            assert broken[f"training/{key}"] < cuts
        assert ended["failureReason"].startswith(f"s3://training/{key} could not be read: ")
