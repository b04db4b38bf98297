"""Imports through boto3 of files whose names or contents mean to be something else: none is misread or tried again."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import botocore.exceptions
import duckdb
import pytest

from api.conftest import Client
from api.schemas import schema
from sartor.demo.server import Server

ITEMS = schema("Items", ("ITEM_ID", "string"), ("A", ["null", "string"]))


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Give a server whose own folder is a pattern and a column to DuckDB."""
    folder = tmp_path_factory.mktemp("data") / "ITEM_ID=x"
    bucket = tmp_path_factory.mktemp("bucket")
    with Server(folder / "d[1] *", {"training": bucket}, ("--quotas", "off")) as server:
        yield Client(server, bucket)


def ids(client: Client, dataset: str) -> list[str]:
    return sorted(str(row["ITEM_ID"]) for row in client.exported(dataset))


def test_a_key_imports_its_own_file_into_a_folder_of_any_name(odd: Client) -> None:
    dataset = odd.dataset(ITEMS, "Items")
    keys = {
        "data[1].csv": "data1.csv",
        "part*.csv": "part22.csv",
        "A=9/w?.csv": "A=9/w1.csv",
        "{a,b}.csv": "a.csv",
    }
    for number, (key, twin) in enumerate(keys.items()):
        odd.write(twin, "ITEM_ID,A\ntwin,t\n")
        job = odd.imported(dataset, odd.write(key, f"ITEM_ID,A\nown{number},o\n"))
        assert job["status"] == "ACTIVE"
        assert ids(odd, dataset) == [f"own{number}"]


def test_damaged_parquet_fails_at_once_in_words(odd: Client) -> None:
    with duckdb.connect() as connection:
        place = odd.bucket.with_name("plain.parquet")
        connection.execute(
            f"COPY (SELECT 'i' || i AS ITEM_ID, 'a' || i AS A FROM range(5000) t(i)) TO '{place}' (FORMAT parquet)"
        )
    content = bytearray(place.read_bytes())
    content[4:4000] = bytes(3996)
    job = odd.imported(odd.dataset(ITEMS, "Items"), odd.write("damaged.parquet", bytes(content)))
    assert job["status"] == "CREATE FAILED"
    assert job["failureReason"].startswith("The file must be readable in the format that its name says.")
    assert "damaged.parquet" in job["failureReason"]
    with pytest.raises(botocore.exceptions.ClientError, match=r"footer is damaged|not a Parquet file"):
        odd.start(
            odd.dataset(ITEMS, "Items"), odd.write("worse.parquet", b"PAR1" + bytes(40) + b"\x20\0\0\0PAR1")
        )


def test_an_archive_of_zeros_fails_in_words_and_leaves_nothing(odd: Client) -> None:
    dataset = odd.dataset(ITEMS, "Items")
    bomb = gzip.compress(b"ITEM_ID,A\n" + bytes(30_000_000))
    job = odd.imported(dataset, odd.write("zeros.csv.gz", bomb))
    assert job["status"] == "CREATE FAILED"
    assert "longer than 2,000,000 bytes" in job["failureReason"]
    data = Path(odd.server.data)
    large = [path for path in data.rglob("*") if path.is_file() and path.stat().st_size > 20_000_000]
    assert large == []
    assert json.dumps(odd.report(job)["faults"]).count("zeros.csv.gz") == 1
