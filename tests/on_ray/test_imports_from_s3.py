"""Jobs whose pieces run on the nodes of a Ray cluster that share nothing with the worker but an S3 service."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from bench.ray_cluster import Cluster

from api.scaled import Remote
from api.schemas import schema
from on_ray.conftest import OURS, THEIRS
from s3_server import S3Server
from sartor.demo.server import Server

INTERACTIONS = schema("Interactions", ("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"))
ROWS = 5000
ROLE = "arn:aws:iam::000000000000:role/any"


@pytest.fixture
def client(
    cluster: Cluster, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Remote]:
    """Give a client of a server whose worker has its pieces, small ones, on the cluster."""
    for name, value in OURS.items():
        monkeypatch.setenv(name, value)
    data = tmp_path / "data"
    shared = ("--storage", "s3://tables/sartor", "--s3-endpoint", s3.url, "--quotas", "off")
    with Server(data, {}, (*shared, "--workers", "0")) as server:
        command = [sys.executable, "-m", "bench.small_pieces", "--data", str(data), *shared]
        worker = subprocess.Popen([*command, "--compute", f"ray:{cluster.address}"])
        try:
            yield Remote(server, s3)
        finally:
            worker.terminate()
            worker.wait(20)


@pytest.mark.timeout(300)
def test_nodes_read_and_write_s3_with_keys_of_their_own(
    client: Remote, cluster: Cluster, s3: S3Server, tmp_path: Path
) -> None:
    rows = [(f"u{n % 97}", f"i{n % 31}", 1_600_000_000 + n) for n in range(ROWS)]
    lines = ["USER_ID,ITEM_ID,TIMESTAMP", *(f"{user},{item},{at}" for user, item, at in rows)]
    text = "\n".join(lines) + "\n"
    pieces = len(text) // 2**13
    dataset = client.dataset(INTERACTIONS, "Interactions")
    job = client.imported(dataset, client.write("good.csv", text))
    assert (job["status"], s3.access_keys["NODEKEY"] >= 2 * pieces) == ("ACTIVE", True)
    assert client.report(job)["rowsImported"] == ROWS
    found: list[tuple[str, str, int]] = []
    for number, (name, content) in enumerate(dict(s3.objects).items()):
        if name.endswith(".parquet") and "/_" not in name:
            part = tmp_path / f"{number}.parquet"
            part.write_bytes(content)
            found += duckdb.sql(f"SELECT USER_ID, ITEM_ID, TIMESTAMP FROM '{part}'").fetchall()
    assert sorted(found) == sorted(rows)
    # what a row of the last piece breaks is told with its line
    broken = client.write("broken.csv", text + "u,,1600000000\n")
    job = client.imported(dataset, broken)
    assert job["status"] == "CREATE FAILED"
    (fault,) = client.report(job)["faults"]
    assert [(one["line"], one["file"]) for one in fault["examples"]] == [
        (ROWS + 2, "s3://training/broken.csv")
    ]
    assert exported_lines(client, dataset, s3) == Counter(f"{user},{item},{at}" for user, item, at in rows)
    client.write("gone.csv", "USER_ID\nu3\nu5\nnobody\n")
    arn = client.personalize.create_data_deletion_job(
        jobName=client.name("deletion"),
        datasetGroupArn=client.group_of(dataset),
        roleArn=ROLE,
        dataSource={"dataLocation": "s3://training/gone.csv"},
    )["dataDeletionJobArn"]
    deleted = client.until(
        lambda: client.personalize.describe_data_deletion_job(dataDeletionJobArn=arn)["dataDeletionJob"]
    )
    assert (deleted["status"], deleted["numDeleted"]) == ("COMPLETED", 2)
    assert exported_lines(client, dataset, s3) == Counter(
        f"{user},{item},{at}" for user, item, at in rows if user not in ("u3", "u5")
    )
    for secret in (*OURS.values(), THEIRS["AWS_SECRET_ACCESS_KEY"]):
        assert not [path for path in files(cluster.folder) if secret.encode() in path.read_bytes()]
    assert [path for path in files(tmp_path / "node") if path.name != ".lock"] == []


def exported_lines(client: Remote, dataset: str, s3: S3Server) -> Counter[str]:
    """Export a dataset, check that nodes have stored its files, and return their lines."""
    name, before = client.name("out"), s3.access_keys["NODEKEY"]
    arn = client.personalize.create_dataset_export_job(
        jobName=name,
        datasetArn=dataset,
        roleArn=ROLE,
        ingestionMode="ALL",
        jobOutput={"s3DataDestination": {"path": "s3://training/out/"}},
    )["datasetExportJobArn"]
    job = client.until(
        lambda: client.personalize.describe_dataset_export_job(datasetExportJobArn=arn)["datasetExportJob"]
    )
    assert job["status"] == "ACTIVE", job
    texts = [text for key, text in dict(s3.objects).items() if key.startswith(f"training/out/{name}/")]
    assert s3.access_keys["NODEKEY"] - before >= len(texts) > 1
    lines = [text.decode().splitlines() for text in texts]
    assert {one[0] for one in lines} == {"USER_ID,ITEM_ID,TIMESTAMP"}
    return Counter(line for one in lines for line in one[1:])


def files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (path for path in (Path(place, name) for name in names) if path.is_file())
